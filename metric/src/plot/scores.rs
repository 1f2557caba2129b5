//! A score over the time of prediction, of every version.

use evaluation::alert::Rule;
use evaluation::number::{Decimals, count, duration};
use evaluation::report::{Moment, PaneReport, Report, VersionReport};
use maud::{Markup, html};
use shared::printable::printable;

use super::by_row::{by_row, is_by_row};
use super::figure::{Figure, below, ends, ground, numbered};
use super::room::Room;
use super::scale::{Scale, times};
use super::span::{Span, px};
use super::swaps::swaps;
use crate::page::words::Zone;

pub(super) const HEIGHT: f64 = 236.0;
const ROOM: Room = Room("left right below above");
/// How many times are written below.
pub(super) const TIMES: i64 = 6;
/// With fewer panes each has a dot.
const DOTS: usize = 12;

/// Which score is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Score {
    #[default]
    Mae,
    Rmse,
    Bias,
    R2,
    P90,
}

impl Score {
    pub(crate) const ALL: [Self; 5] = [Self::Mae, Self::Rmse, Self::Bias, Self::R2, Self::P90];

    /// As people name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mae => "MAE",
            Self::Rmse => "RMSE",
            Self::Bias => "bias",
            Self::R2 => "R²",
            Self::P90 => "p90",
        }
    }

    /// As it stands in an address.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Mae => "mae",
            Self::Rmse => "rmse",
            Self::Bias => "bias",
            Self::R2 => "r2",
            Self::P90 => "p90",
        }
    }

    /// That of a pane.
    pub(crate) fn of(self, pane: &PaneReport) -> Option<f64> {
        let value = match self {
            Self::Mae => pane.mae,
            Self::Rmse => pane.rmse,
            Self::Bias => pane.bias,
            Self::R2 => pane.r2,
            Self::P90 => pane.p90,
        };
        value.filter(|value| value.is_finite())
    }

    /// As it is written.
    pub(crate) fn write(self, value: f64) -> String {
        match self {
            Self::R2 => Decimals::fixed(2).plain(value),
            Self::Bias => Decimals::of(value).signed(value),
            _ => Decimals::of(value).plain(value),
        }
    }
}

/// A value that others are compared with.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) value: f64,
    /// `reference` or `limit`.
    pub(super) class: &'static str,
    pub(super) text: String,
}

impl Line {
    /// What a score is compared with, the limits of alert rules included.
    pub(super) fn all(report: &Report, version: &VersionReport, score: Score) -> Vec<Self> {
        let limits = report.alerts.iter().filter_map(|alert| alert.rule.parse::<Rule>().ok());
        let limits = limits.filter(|rule| rule.quantity.metric.name() == score.key());
        let limit = |rule: Rule| Self {
            value: rule.limit,
            class: "limit",
            text: format!("alert limit {}", score.write(rule.limit)),
        };
        let holdout = version.holdout_mae.filter(|_| score == Score::Mae);
        let zero = (score == Score::Bias).then_some(0.0);
        let held_out =
            |value: f64| Self { value, class: "reference", text: format!("held out {}", score.write(value)) };
        let none = |value: f64| Self { value, class: "reference", text: "none".into() };
        holdout.map(held_out).into_iter().chain(zero.map(none)).chain(limits.map(limit)).collect()
    }
}

/// The score of each version's panes, or the error of each row while there are few. `told` is the number of the one that is
/// spoken of.
///
/// # Errors
/// Why there is nothing to draw.
pub(crate) fn scores(
    report: &Report,
    told: usize,
    score: Score,
    zone: Zone,
    span: Span,
) -> Result<Figure, String> {
    let versions = &report.versions;
    let nothing = "No label has come yet: there is nothing to measure. Predictions wait for their labels.";
    let version = versions.get(told).filter(|version| version.scores.since_first.rows > 0);
    let version = version.ok_or(nothing)?;
    if is_by_row(report, version) {
        return by_row(version, &Line::all(report, version, Score::Mae), zone, span);
    }
    let lines = Line::all(report, version, score);
    let span = span.inside(ROOM);
    let panes = || versions.iter().flat_map(|version| &version.timeline);
    let values: Vec<f64> =
        panes().filter_map(|pane| score.of(pane)).chain(lines.iter().map(|line| line.value)).collect();
    let first = panes().map(|pane| pane.from.0).min().ok_or(nothing)?;
    let y = height_of(&values, score);
    let last = versions.iter().map(ends_at).max().unwrap_or(report.at.0).min(report.at.0).max(first + 1);
    let x = Scale::new(first as f64, last as f64);
    let (ticks, step) = times(first, last, zone.ahead(), TIMES);
    let newest_mature = version.timeline.iter().rev().find(|pane| pane.mature && score.of(pane).is_some());
    let says = newest_mature.map_or_else(
        || "No point has all of its labels yet.".to_owned(),
        |pane| title(pane, version, score, zone),
    );
    let mut texts: Vec<(f64, &str, String)> =
        lines.iter().map(|line| (y.down(line.value, HEIGHT), line.class, line.text.clone())).collect();
    if let Some(value) = version.timeline.iter().rev().find_map(|pane| score.of(pane)) {
        texts.push((y.down(value, HEIGHT), "serving", format!("last {}", score.write(value))));
    }
    let marks = html! {
        (numbered(y, HEIGHT, span))
        (ground(HEIGHT, span))
        (below(HEIGHT, span, ticks.into_iter().map(|tick| (x.percent(tick as f64), zone.tick(Moment(tick), step)))))
        (across(&lines, y, span))
        @for (at, version) in versions.iter().enumerate() {
            (line_of(version, at == told, score, (x, y), span))
        }
        (swaps(versions, told, (first, x), HEIGHT, span))
        (ends(HEIGHT, span, texts))
        // Of the others a page of twenty versions has no room.
        @for pane in version.timeline.iter().filter(|pane| score.of(pane).is_some()) {
            rect class="hit" x=(span.at(x.percent(pane.from.0 as f64))) y="0" height=(HEIGHT)
                width=(span.at((x.percent((pane.from.0 + version.timeline_pane) as f64) - x.percent(pane.from.0 as f64)).max(0.3))) {
                title { (title(pane, version, score, zone)) }
            }
        }
    };
    Ok(Figure {
        name: "scores",
        title: format!("{} by time of prediction", score.name()),
        hint: format!(
            "a point for each {}; hollow: labels are still missing; grey: other versions",
            duration(version.timeline_pane)
        ),
        says,
        height: HEIGHT,
        room: ROOM,
        axes: ["time of prediction", score.name()],
        is_pointed_at: true,
        marks,
    })
}

/// The values that others are compared with.
pub(super) fn across(lines: &[Line], y: Scale, span: Span) -> Markup {
    html! {
        @for line in lines {
            @let at = px(y.down(line.value, HEIGHT));
            line class={ "line " (line.class) } x1="0" x2=(span.at(100.0)) y1=(at) y2=(at) {}
        }
    }
}

/// When the last pane of a version ends.
fn ends_at(version: &VersionReport) -> i64 {
    version.timeline.last().map_or(0, |pane| pane.from.0.saturating_add(version.timeline_pane))
}

/// From 0 to a little above the largest; both ways for what may be negative.
pub(super) fn height_of(values: &[f64], score: Score) -> Scale {
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(*value));
    let smallest = values.iter().fold(0.0_f64, |smallest, value| smallest.min(*value));
    match score {
        Score::R2 => Scale::new(smallest.max(-1.0), 1.0),
        _ if largest == 0.0 && smallest == 0.0 => Scale::new(0.0, 1.0),
        _ => Scale::new(smallest * 1.15, largest * 1.15),
    }
}

fn line_of(
    version: &VersionReport,
    is_told: bool,
    score: Score,
    (x, y): (Scale, Scale),
    span: Span,
) -> Markup {
    let class = if is_told { "serving" } else { "former" };
    let middle = |pane: &PaneReport| (pane.from.0 as f64) + version.timeline_pane as f64 / 2.0;
    let point = |pane: &PaneReport| Some((x.place(middle(pane)), y.down(score.of(pane)?, HEIGHT)));
    let mature: Vec<(f64, f64)> =
        version.timeline.iter().filter(|pane| pane.mature).filter_map(point).collect();
    let hollow: Vec<(f64, f64)> =
        version.timeline.iter().filter(|pane| !pane.mature).filter_map(point).collect();
    let with_dots = mature.len() < DOTS;
    html! {
        @if mature.len() > 1 { (span.path(&format!("line {class}"), HEIGHT, mature.iter().copied())) }
        @if with_dots {
            @for (across, down) in &mature { circle class={ "dot " (class) } cx=(span.at(across * 100.0)) cy=(px(*down)) r="3" {} }
        }
        @for (across, down) in &hollow { circle class={ "hollow " (class) } cx=(span.at(across * 100.0)) cy=(px(*down)) r="3" {} }
    }
}

/// What a pane says, in a line.
fn title(pane: &PaneReport, version: &VersionReport, score: Score, zone: Zone) -> String {
    let value = score.of(pane).map_or_else(|| "not known".to_owned(), |value| score.write(value));
    let immature = if pane.mature { "" } else { ", labels are still missing" };
    format!(
        "{}: {} {value}, {} of {} labelled{immature}, {}",
        zone.range(pane.from, version.timeline_pane),
        score.name(),
        count(pane.labelled),
        count(pane.predicted),
        printable(&version.name())
    )
}
