//! The evidence that errors are larger, in the order of the labels.

use evaluation::number::count;
use evaluation::report::{EvidencePoint, ReferenceKind, VersionReport};
use maud::html;

use super::figure::{Figure, across, below, ends, ground};
use super::room::Room;
use super::scale::Scale;
use super::span::{Span, px};
use crate::page::words::Zone;

const HEIGHT: f64 = 168.0;
const ROOM: Room = Room("left right below");
/// How many labels are named below.
const NAMED: u64 = 4;

/// A line on a logarithmic axis, with the limit above which it is an alarm.
///
/// # Errors
/// Why there is nothing to draw.
pub(crate) fn evidence(version: &VersionReport, zone: Zone, span: Span) -> Result<Figure, String> {
    let change = &version.change;
    let span = span.inside(ROOM);
    let than = match change.reference {
        ReferenceKind::ModelFile => "in training",
        ReferenceKind::FirstRows => "those of its first labels",
    };
    if let Some(wanted) = change.labels_wanted {
        return Err(format!(
            "Errors will be compared with {than}: {} more labels are needed.",
            count(wanted)
        ));
    }
    let (now, points) = (&change.worse, version.charts.as_ref().map(|charts| &charts.evidence[..]));
    let points = points.unwrap_or_default();
    let ends_of = points.first().zip(points.last());
    let (first, last) =
        ends_of.ok_or_else(|| format!("Errors are compared with {than} from the first label on."))?;
    let y = Scale::new(0.0, now.limit_log10 + 1.0);
    let x = Scale::new(first.label as f64 - 1.0, last.label as f64);
    let limit = y.down(now.limit_log10, HEIGHT);
    let line = points.iter().map(|point| (x.place(point.label as f64), y.down(point.log10, HEIGHT)));
    // By their place, for the points are not evenly apart. Few points may be the first at several places.
    let at_part = |part: u64| first.label + (last.label - first.label) * part / NAMED;
    let mut named: Vec<&EvidencePoint> =
        (1..=NAMED).filter_map(|part| points.iter().find(|point| point.label >= at_part(part))).collect();
    named.dedup_by_key(|point| point.label);
    let alarms = points.iter().filter(|point| point.alarm);
    // At most a few more than the limit, of a million or so.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 1 on; a cast of a large float saturates"
    )]
    let whole = |log10: f64| count(10_f64.powf(log10).round() as u64);
    let step = last.at.0.saturating_sub(first.at.0) / 4;
    let texts = vec![
        (limit, "limit", format!("alarm at {}", whole(now.limit_log10))),
        (y.down(now.log10, HEIGHT), "serving", format!("now {}", whole(now.log10))),
    ];
    let marks = html! {
        @for tick in [0.0, 2.0, 4.0, 6.0, 8.0].into_iter().filter(|tick| *tick <= now.limit_log10) { (across(y.down(tick, HEIGHT), span, &whole(tick))) }
        (ground(HEIGHT, span))
        (below(HEIGHT, span, named.iter().map(|point| (x.percent(point.label as f64), zone.tick(point.at, step)))))
        line class="line limit" x1="0" x2=(span.at(100.0)) y1=(px(limit)) y2=(px(limit)) {}
        (span.path("line serving", HEIGHT, line))
        @for point in alarms {
            circle class="dot look" cx=(span.at(x.percent(point.label as f64))) cy=(px(limit)) r="4" {
                title { "alarm at " (zone.clock(point.at)) ", label " (count(point.label)) }
            }
        }
        (ends(HEIGHT, span, texts))
    };
    Ok(Figure {
        name: "evidence",
        title: format!("Evidence that errors are larger than {than}"),
        hint: "one step for each label, as they came in; at the dotted line it is an alarm, about once in 100 000 labels by chance".into(),
        says: format!(
            "after {} labels {}; an alarm above {}",
            count(last.label),
            whole(now.log10),
            whole(now.limit_log10)
        ),
        height: HEIGHT,
        room: ROOM,
        axes: ["when the label came", "evidence"],
        is_pointed_at: false,
        marks,
    })
}
