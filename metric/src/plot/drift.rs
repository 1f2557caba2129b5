//! Each feature, and the prediction, beside what it was: a row for each.

use evaluation::number::{Decimals, count};
use evaluation::report::{ReferenceKind, SpreadReport, VersionReport};
use maud::{Markup, html};
use shared::printable::within;

use super::figure::Figure;
use super::room::Room;
use super::span::{Span, px};
use super::spread::{HEIGHT, bars};

/// So many are drawn, those that moved most.
const MOST: usize = 20;
/// Of a row.
const ROW: f64 = 38.0;
const ROOM: Room = Room("");
/// Of the line that says what the columns are.
const HEAD: f64 = 12.0;
/// Where the columns of the bars and of their words begin, in percent; the PSI ends a little before these.
const COLUMNS: [f64; 2] = [28.0, 74.0];
/// How wide the bars are, as a part of all.
const BARS: f64 = 0.24;
/// The longest name, and the longest word of how a feature moved, in characters.
const LONGEST: [usize; 2] = [24, 26];

/// What it shows.
pub(crate) const TITLE: &str = "What the model is fed, and what it answers";

/// What its marks are.
pub(crate) fn hint(version: &VersionReport) -> String {
    let of_file = version.drift.features.iter().all(|spread| spread.reference == ReferenceKind::ModelFile);
    let reference = if of_file { "training" } else { "training, or the version's own first rows" };
    format!("bars: the last rows; outline: {reference}; the bins hold as many rows each there")
}

/// Whether a feature drifts or is stuck.
pub(crate) fn has_moved(spread: &SpreadReport) -> bool {
    spread.drifts_since.or(spread.stuck_since).is_some()
}

/// Why the features cannot be shown yet.
pub(crate) fn not_yet(version: &VersionReport) -> Option<String> {
    let all = version.drift.features.iter().chain(&version.drift.prediction);
    let (rows, wanted) = all.into_iter().find_map(|spread| Some((spread.rows, spread.rows_wanted?)))?;
    Some(format!(
        "{} of {} rows. How the features and the prediction are spread appears with the last of them.",
        count(rows),
        count(wanted)
    ))
}

/// As the table of the page has it, for a sheet: this one has no width of its own.
///
/// # Errors
/// Why there is nothing to draw.
pub(crate) fn drift(version: &VersionReport, span: Span) -> Result<Figure, String> {
    let span = span.inside(ROOM);
    if let Some(why) = not_yet(version) {
        return Err(why);
    }
    let all: Vec<&SpreadReport> = version
        .drift
        .features
        .iter()
        .chain(&version.drift.prediction)
        .filter(|of| !of.bins.is_empty())
        .collect();
    if all.is_empty() {
        return Err("Neither the features nor the prediction are watched yet.".to_owned());
    }
    let moved = all.iter().filter(|spread| has_moved(spread)).count();
    // The prediction is the last one, and always there.
    let (features, prediction) = all.split_at(all.len() - usize::from(version.drift.prediction.is_some()));
    let shown: Vec<&SpreadReport> = features.iter().take(MOST).chain(prediction).copied().collect();
    let more = all.len() - shown.len();
    let left_out =
        if more == 0 { String::new() } else { format!("; {} more moved less", count(more as u64)) };
    let height = HEAD + ROW * shown.len() as f64;
    let head = |percent: f64, anchor: &str, text: &str| {
        html! { text class="note" x=(span.at(percent)) y="4" text-anchor=(anchor) { (text) } }
    };
    Ok(Figure {
        name: "drift",
        title: TITLE.into(),
        hint: hint(version) + &left_out,
        says: format!("{moved} of {} moved", all.len()),
        height,
        room: ROOM,
        axes: ["", ""],
        is_pointed_at: false,
        marks: html! {
            (head(COLUMNS[1] - 3.0, "end", "PSI (by chance)"))
            @for (at, spread) in shown.into_iter().enumerate() {
                g transform={ "translate(0 " (px(HEAD + ROW * at as f64)) ")" } { (row(spread, span)) }
            }
        },
    })
}

fn row(spread: &SpreadReport, span: Span) -> Markup {
    let number =
        |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| Decimals::fixed(2).plain(value));
    let moves = has_moved(spread);
    let (name, middle) = (within(&spread.name, LONGEST[0]), px(ROW / 2.0 + 4.0));
    let words = if moves { spread.words.as_deref().unwrap_or("moved") } else { "steady" };
    html! {
        line class="grid" x1="0" x2=(span.at(100.0)) y1=(px(ROW)) y2=(px(ROW)) {}
        text class="word" x="0" y=(middle) { (name) }
        g transform={ "translate(" (span.at(COLUMNS[0])) " " (px(ROW - HEIGHT - 3.0)) ")" } {
            title { (name) }
            (bars(&spread.bins, moves, span.wide() * BARS))
        }
        text class="note" x=(span.at(COLUMNS[1] - 3.0)) y=(middle) text-anchor="end" {
            (number(spread.psi)) " (" (number(spread.psi_noise)) ")"
        }
        text class={ "word" @if moves { " look" } } x=(span.at(COLUMNS[1])) y=(middle) { (within(words, LONGEST[1])) }
    }
}
