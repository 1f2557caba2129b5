//! How late labels come: the share that has come, over the time since the prediction.

use evaluation::number::{duration, percent};
use evaluation::report::{LagQuantile, VersionReport};
use maud::html;

use super::figure::{Figure, below, grid, ground};
use super::room::Room;
use super::scale::Scale;
use super::span::{Span, px};

const HEIGHT: f64 = 200.0;
const ROOM: Room = Room("left below");
/// From so many labels on it is shown.
const ENOUGH: u64 = 30;
/// Into so many parts a rise is parted.
const BETWEEN: u32 = 4;
/// What may be written below, in milliseconds.
const TICKS: [i64; 14] = [
    1,
    10,
    100,
    1000,
    5000,
    30_000,
    60_000,
    300_000,
    1_800_000,
    3_600_000,
    14_400_000,
    43_200_000,
    86_400_000,
    604_800_000,
];

/// A curve with a logarithmic axis, from the corners of the report.
///
/// # Errors
/// Why there is nothing to draw.
pub(crate) fn lag(version: &VersionReport, span: Span) -> Result<Figure, String> {
    let labels = &version.labels;
    let span = span.inside(ROOM);
    let charts = version.charts.as_ref().filter(|_| version.rows.labelled >= ENOUGH);
    let points = charts.map(|charts| &charts.lag[..]).unwrap_or_default();
    let (first, last) = points
        .first()
        .zip(points.last())
        .ok_or_else(|| format!("How late labels come is shown from {ENOUGH} labels on."))?;
    let y = Scale::new(0.0, 1.0);
    let log = |ms: f64| ms.max(1.0).ln();
    // Some room on both sides.
    let (low, high) = (log(first.ms) - 0.7, log(last.ms) + 0.7);
    let x = Scale::new(low, high);
    let mut corners = vec![(0.0, HEIGHT)];
    let place = |ms: f64, share: f64| (x.place(log(ms)), y.down(share, HEIGHT));
    corners.push(place(first.ms, first.share));
    for pair in points.windows(2) {
        // What rises evenly is no straight line here.
        let between = (1..=BETWEEN).map(|step| f64::from(step) / f64::from(BETWEEN));
        corners.extend(between.map(|part| {
            let on_the_way = |from: f64, to: f64| from + (to - from) * part;
            place(on_the_way(pair[0].ms, pair[1].ms), on_the_way(pair[0].share, pair[1].share))
        }));
    }
    corners.push((1.0, y.down(last.share, HEIGHT)));
    let marked = [(labels.lag_p50, 0.5, "half within"), (labels.lag_p90, 0.9, "9 in 10 within")];
    let known = |lag: Option<LagQuantile>| lag.filter(|lag| !lag.more).map(|lag| lag.ms);
    let ticks = TICKS.into_iter().filter(|tick| (low..=high).contains(&log(*tick as f64)));
    let says: Vec<String> =
        marked.iter().filter_map(|(lag, _, words)| Some(format!("{words} {}", time(known(*lag)?)))).collect();
    let marks = html! {
        (grid(y, HEIGHT, span, percent))
        (ground(HEIGHT, span))
        (below(HEIGHT, span, ticks.map(|tick| (x.percent(log(tick as f64)), duration(tick)))))
        (span.path("line serving", HEIGHT, corners))
        @for (lag, share, words) in marked {
            @if let Some(ms) = known(lag) {
                @let (at, down) = (x.percent(log(ms)), y.down(share, HEIGHT));
                line class="drop" x1=(span.at(at)) x2=(span.at(at)) y1=(px(down)) y2=(HEIGHT) {}
                circle class="dot serving" cx=(span.at(at)) cy=(px(down)) r="4" {}
                text class="mark" x=(span.at(at)) y=(px(down)) dx=(if at > 60.0 { "-10" } else { "10" }) dy=(if at > 60.0 { "-4" } else { "18" })
                    text-anchor=(if at > 60.0 { "end" } else { "start" }) { (words) " " (time(ms)) }
            }
        }
    };
    Ok(Figure {
        name: "lag",
        title: "How late labels come".into(),
        hint: "share of rows that have their label after so long; waiting rows count too".into(),
        says: says.join(", "),
        height: HEIGHT,
        room: ROOM,
        axes: ["time since the prediction", "share of rows"],
        is_pointed_at: false,
        marks,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a cast of a large float saturates")]
fn time(ms: f64) -> String {
    duration(ms.round() as i64)
}
