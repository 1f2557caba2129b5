//! The error of each row, while there are few labels.

use evaluation::report::{Moment, Report, VersionReport};
use maud::html;

use super::figure::{Figure, below, ends, ground, numbered};
use super::room::Room;
use super::scale::{Scale, times};
use super::scores::{HEIGHT, Line, Score, TIMES, across, height_of};
use super::span::{Span, px};
use crate::page::words::Zone;

/// With fewer labels each row is shown.
const FEW: u64 = 30;
const ROOM: Room = Room("left right below");

/// Whether the rows are shown one by one: of the first version, while it has few labels.
pub(crate) fn is_by_row(report: &Report, version: &VersionReport) -> bool {
    let has_rows = version.charts.as_ref().is_some_and(|charts| !charts.last.is_empty());
    version.scores.since_first.rows < FEW && report.versions.len() == 1 && has_rows
}

/// The error of each of a few rows.
pub(super) fn by_row(
    version: &VersionReport,
    lines: &[Line],
    zone: Zone,
    span: Span,
) -> Result<Figure, String> {
    let span = span.inside(ROOM);
    let rows = version.charts.as_ref().map(|charts| &charts.last[..]).unwrap_or_default();
    let sizes = rows.iter().map(|row| (row.y_pred - row.y_true).abs()).filter(|size| size.is_finite());
    let values: Vec<f64> = sizes.chain(lines.iter().map(|line| line.value)).collect();
    let y = height_of(&values, Score::Mae);
    let times_of = rows.iter().map(|row| row.predicted_at.0);
    let (first, last) = times_of.clone().min().zip(times_of.max()).ok_or("No label has come yet.")?;
    let x = Scale::new(first as f64 - 1.0, last as f64 + 1.0);
    let (ticks, step) = times(first, last, zone.ahead(), TIMES);
    let texts =
        lines.iter().map(|line| (y.down(line.value, HEIGHT), line.class, line.text.clone())).collect();
    let marks = html! {
        (numbered(y, HEIGHT, span))
        (ground(HEIGHT, span))
        (below(HEIGHT, span, ticks.into_iter().map(|tick| (x.percent(tick as f64), zone.tick(Moment(tick), step)))))
        (across(lines, y, span))
        @for row in rows {
            @let size = (row.y_pred - row.y_true).abs();
            @let at = span.at(x.percent(row.predicted_at.0 as f64));
            @let down = px(y.down(size, HEIGHT));
            line class="stem" x1=(at) x2=(at) y1=(down) y2=(HEIGHT) {}
            circle class="dot serving" cx=(at) cy=(down) r="3.5" {
                title { (zone.clock(row.predicted_at)) ": " (Score::Mae.write(size)) " off" }
            }
        }
        (ends(HEIGHT, span, texts))
    };
    Ok(Figure {
        name: "rows",
        title: "Error of each row, by time of prediction".into(),
        hint: format!("a point for each labelled row; from {FEW} labels on there is a curve"),
        says: format!("{} rows", rows.len()),
        height: HEIGHT,
        room: ROOM,
        axes: ["time of prediction", "error"],
        is_pointed_at: false,
        marks,
    })
}
