//! Charts as SVG: numbers of a report in, markup out.
//!
//! A chart is fluid: across, places are percentages, so that lines stretch and text keeps its size; down, they are pixels. Paths,
//! which know no percentages, are in a nested picture that is stretched, with strokes that are not.

mod errors;
mod evidence;
mod figure;
mod lag;
mod scale;
mod scatter;
mod scores;
mod spread;
mod swaps;

pub(crate) use errors::errors;
pub(crate) use evidence::evidence;
pub(crate) use lag::lag;
pub(crate) use scatter::scatter;
pub(crate) use scores::{Line, Score, by_row, scores};
pub(crate) use spread::{dots, dots_axis, spread};
