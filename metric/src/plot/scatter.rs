//! Predictions over labels.

use evaluation::number::count;
use evaluation::report::VersionReport;
use maud::html;

use super::figure::{Figure, below, ground, numbered};
use super::room::Room;
use super::scale::Scale;
use super::span::{Span, px};

const HEIGHT: f64 = 176.0;
const ROOM: Room = Room("left below above");

/// A point for each row; on the dashed line a prediction is exact.
///
/// # Errors
/// Why there is nothing to draw.
pub(crate) fn scatter(version: &VersionReport, span: Span) -> Result<Figure, String> {
    let span = span.inside(ROOM);
    let rows = version.charts.as_ref().map(|charts| &charts.last[..]).unwrap_or_default();
    let values = || rows.iter().flat_map(|row| [row.y_true, row.y_pred]).filter(|value| value.is_finite());
    let low = values()
        .min_by(f64::total_cmp)
        .ok_or("Predictions are shown over labels from the first label on.")?;
    let scale = Scale::new(low, values().fold(low, f64::max));
    let marks = html! {
        (numbered(scale, HEIGHT, span))
        (ground(HEIGHT, span))
        (below(HEIGHT, span, scale.ticks().into_iter().map(|tick| (scale.percent(tick), scale.decimals().plain(tick)))))
        (span.path("line reference", HEIGHT, [(0.0, HEIGHT), (1.0, 0.0)]))
        @for row in rows.iter().filter(|row| row.y_true.is_finite() && row.y_pred.is_finite()) {
            circle class="point" cx=(span.at(scale.percent(row.y_true))) cy=(px(scale.down(row.y_pred, HEIGHT))) r="2" {}
        }
    };
    let rows = count(rows.len() as u64);
    Ok(Figure {
        name: "scatter",
        title: "Prediction over label".into(),
        hint: format!("last {rows} labelled rows; on the dashed line a prediction is exact"),
        says: format!("the last {rows} labelled rows"),
        height: HEIGHT,
        room: ROOM,
        axes: ["label", "prediction"],
        is_pointed_at: false,
        marks,
    })
}
