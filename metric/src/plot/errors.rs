//! How errors are spread.

use evaluation::number::{Decimals, count, percent};
use evaluation::report::{BinReport, VersionReport};
use maud::{Markup, html};

use super::figure::{Figure, below, grid, ground};
use super::room::Room;
use super::scale::Scale;
use super::span::{Span, px};

const HEIGHT: f64 = 176.0;
const ROOM: Room = Room("left below above");

/// Errors with their sign: bars, in the share of the rows, under the outline of what they are compared with.
///
/// # Errors
/// Why there is nothing to draw.
pub(crate) fn errors(version: &VersionReport, span: Span) -> Result<Figure, String> {
    let span = span.inside(ROOM);
    let bins = version.charts.as_ref().map(|charts| &charts.errors[..]).unwrap_or_default();
    let write = |value: f64| Decimals::of(value).signed(value);
    let bars = Bars::of(bins).ok_or_else(|| nothing(version))?;
    Ok(Figure {
        name: "errors",
        title: "Prediction minus label".into(),
        hint: hint(version, bins),
        says: says(bins, write),
        height: HEIGHT,
        room: ROOM,
        axes: ["prediction minus label", "share of rows"],
        is_pointed_at: false,
        marks: html! {
            (bars.marks(span, write))
            text class="note" x="0" y="-8" { "← too low" }
            text class="note" x=(span.at(100.0)) y="-8" text-anchor="end" { "too high →" }
        },
    })
}

/// Their sizes alone.
///
/// # Errors
/// Why there is nothing to draw.
pub(crate) fn error_distribution(version: &VersionReport, span: Span) -> Result<Figure, String> {
    let span = span.inside(ROOM);
    let bins = version.charts.as_ref().map(|charts| &charts.absolute_errors[..]).unwrap_or_default();
    let write = |value: f64| Decimals::of(value).plain(value);
    let bars = Bars::of(bins).ok_or_else(|| nothing(version))?;
    let table = &version.scores.last_rows;
    let most = table.median.zip(table.p90).map(|(half, most)| {
        format!("; half are below {}, 9 of 10 below {}", half.written().0, most.written().0)
    });
    Ok(Figure {
        name: "error-distribution",
        title: "Distribution of absolute errors".into(),
        hint: hint(version, bins) + &most.unwrap_or_default(),
        says: says(bins, write),
        height: HEIGHT,
        // Nothing stands above it.
        room: Room("left below"),
        axes: ["absolute error, in the unit of the label", "share of rows"],
        is_pointed_at: false,
        marks: bars.marks(span, write),
    })
}

fn hint(version: &VersionReport, bins: &[BinReport]) -> String {
    let rows = count(version.scores.last_rows.rows);
    let outline =
        if bins.iter().any(|bin| bin.reference_share.is_some()) { "; outline: training" } else { "" };
    format!("share of the last {rows} labelled rows{outline}")
}

fn says(bins: &[BinReport], write: impl Fn(f64) -> String) -> String {
    let largest = bins.iter().max_by(|one, other| one.share.total_cmp(&other.share));
    let says = largest.map(|bin| format!("most of them {}: {}", range(bin, write), percent(bin.share)));
    says.unwrap_or_default()
}

fn nothing(version: &VersionReport) -> String {
    match version.scores.last_rows.rows {
        0 => "Errors are shown from the first label on.".to_owned(),
        rows => format!(
            "The errors of the last {} labelled rows are all 0, or too large to be drawn.",
            count(rows)
        ),
    }
}

/// Where a bin begins and ends.
fn range(bin: &BinReport, write: impl Fn(f64) -> String) -> String {
    match (bin.from, bin.to) {
        (Some(from), Some(to)) => format!("{} to {}", write(from), write(to)),
        (None, Some(to)) => format!("below {}", write(to)),
        (Some(from), None) => format!("from {} on", write(from)),
        (None, None) => "all".to_owned(),
    }
}

/// Bins on their axes.
struct Bars<'a> {
    bins: &'a [BinReport],
    /// Where the first begins and the last ends: what has no end is drawn as wide as the others.
    ends: (f64, f64),
    y: Scale,
}

impl<'a> Bars<'a> {
    /// None where there are no bins of some width.
    fn of(bins: &'a [BinReport]) -> Option<Self> {
        let limits: Vec<f64> = bins.iter().filter_map(|bin| bin.to).collect();
        let [first, .., last] = limits[..] else { return None };
        let width = (last - first) / (limits.len() - 1) as f64;
        let shares = bins.iter().flat_map(|bin| [Some(bin.share), bin.reference_share]).flatten();
        let y = Scale::new(0.0, shares.fold(0.0, f64::max) * 1.1);
        let begins = bins.first().and_then(|bin| bin.from).unwrap_or(first - width);
        Some(Self { bins, ends: (begins, last + width), y })
    }

    fn marks(&self, span: Span, write: impl Fn(f64) -> String) -> Markup {
        let (bins, y) = (self.bins, self.y);
        let x = Scale::new(self.ends.0, self.ends.1);
        let from = |bin: &BinReport| bin.from.unwrap_or(self.ends.0);
        let to = |bin: &BinReport| bin.to.unwrap_or(self.ends.1);
        let outline = bins.iter().filter_map(|bin| Some((bin, bin.reference_share?)));
        let corners: Vec<(f64, f64)> = outline
            .flat_map(|(bin, share)| [from(bin), to(bin)].map(|edge| (x.place(edge), y.down(share, HEIGHT))))
            .collect();
        let in_percent = Scale::new(0.0, y.high() * 100.0).decimals();
        html! {
            (grid(y, HEIGHT, span, |tick| format!("{} %", in_percent.plain(tick * 100.0))))
            @for bin in bins {
                @let down = y.down(bin.share, HEIGHT);
                rect class="bar" x=(span.at(x.percent(from(bin)))) width=(span.at(x.percent(to(bin)) - x.percent(from(bin)))) y=(px(down)) height=(px(HEIGHT - down)) {
                    title { (range(bin, &write)) ": " (percent(bin.share)) @if let Some(share) = bin.reference_share { ", before " (percent(share)) } }
                }
            }
            @if !corners.is_empty() { (span.path("outline", HEIGHT, corners)) }
            (ground(HEIGHT, span))
            (below(HEIGHT, span, x.ticks().into_iter().map(|tick| (x.percent(tick), self.tick(x, tick)))))
        }
    }

    /// With a sign where there are values on both sides of 0.
    fn tick(&self, x: Scale, tick: f64) -> String {
        if self.ends.0 < 0.0 { x.decimals().signed(tick) } else { x.decimals().plain(tick) }
    }
}
