//! Charts as SVG: numbers of a report in, markup out.
//!
//! A chart of a page is fluid: across, places are percentages, so that lines stretch and text keeps its size; down, they are pixels.
//! The same functions draw charts of a fixed width, which a [`Sheet`] makes files of.

mod by_row;
mod comparison;
mod drift;
mod errors;
mod evidence;
mod figure;
mod lag;
mod room;
mod scale;
mod scatter;
mod scores;
mod sheet;
mod span;
mod spread;
mod strip;
mod style;
mod swaps;

pub(crate) use by_row::is_by_row;
pub(crate) use comparison::comparison;
pub(crate) use drift::{TITLE as DRIFT, drift, has_moved, hint as drift_hint, not_yet};
pub(crate) use errors::{error_distribution, errors};
pub(crate) use evidence::evidence;
pub(crate) use figure::Figure;
pub(crate) use lag::lag;
pub(crate) use scatter::scatter;
pub(crate) use scores::{Score, scores};
pub(crate) use sheet::{Sheet, WIDE as SHEET_WIDE};
pub(crate) use span::Span;
pub(crate) use spread::{dots, dots_axis, spread};
pub(crate) use strip::{Marks, strip};
pub(crate) use style::{STYLE, Theme};
