//! A score over the time of prediction, of every version; and, while there are few labels, the error of each row.

use evaluation::number::{Decimals, count};
use evaluation::report::{Moment, PaneReport, RowReport, VersionReport};
use maud::{Markup, html};

use super::figure::{Figure, below, ends, ground, numbered, path, pc, px};
use super::scale::{Scale, times};
use super::swaps::swaps;
use crate::page::words::Zone;

const HEIGHT: f64 = 236.0;
/// How many times are written below.
const TIMES: i64 = 6;
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
pub(crate) struct Line {
    pub(crate) value: f64,
    /// `reference` or `limit`.
    pub(crate) class: &'static str,
    pub(crate) text: String,
}

/// The score of each version's panes. `told` is the number of the one that is spoken of.
pub(crate) fn scores(
    versions: &[VersionReport],
    told: usize,
    score: Score,
    lines: &[Line],
    now: Moment,
    zone: Zone,
) -> Markup {
    let panes = || versions.iter().flat_map(|version| &version.timeline);
    let values: Vec<f64> =
        panes().filter_map(|pane| score.of(pane)).chain(lines.iter().map(|line| line.value)).collect();
    let Some(first) = panes().map(|pane| pane.from.0).min() else { return html! {} };
    let y = height_of(&values, score);
    let last = versions.iter().map(ends_at).max().unwrap_or(now.0).min(now.0).max(first + 1);
    let x = Scale::new(first as f64, last as f64);
    let (ticks, step) = times(first, last, zone.ahead(), TIMES);
    let name = score.name();
    let newest_mature = |version: &VersionReport| {
        let pane = version.timeline.iter().rev().find(|pane| pane.mature && score.of(pane).is_some());
        pane.map(|pane| title(pane, version, score, zone))
    };
    let says = versions
        .get(told)
        .and_then(newest_mature)
        .unwrap_or_else(|| "No point has all of its labels yet.".to_owned());
    let mut texts: Vec<(f64, &str, String)> =
        lines.iter().map(|line| (y.down(line.value, HEIGHT), line.class, line.text.clone())).collect();
    if let Some(value) =
        versions.get(told).and_then(|of| of.timeline.iter().rev().find_map(|pane| score.of(pane)))
    {
        texts.push((y.down(value, HEIGHT), "serving", format!("last {}", score.write(value))));
    }
    let marks = html! {
        (numbered(y, HEIGHT))
        (ground(HEIGHT))
        (below(HEIGHT, ticks.into_iter().map(|tick| (x.percent(tick as f64), zone.tick(Moment(tick), step)))))
        (across(lines, y))
        @for (at, version) in versions.iter().enumerate() {
            (line_of(version, at == told, score, x, y))
        }
        (swaps(versions, told, first, x, HEIGHT))
        (ends(HEIGHT, texts))
        // Of the others a page of twenty versions has no room.
        @if let Some(version) = versions.get(told) {
            @for pane in version.timeline.iter().filter(|pane| score.of(pane).is_some()) {
                rect class="hit" x=(pc(x.percent(pane.from.0 as f64))) y="0" height=(HEIGHT)
                    width=(pc((x.percent((pane.from.0 + version.timeline_pane) as f64) - x.percent(pane.from.0 as f64)).max(0.3))) {
                    title { (title(pane, version, score, zone)) }
                }
            }
        }
    };
    let figure = Figure {
        name: "scores",
        title: &format!("{name} by time of prediction"),
        says: &says,
        height: HEIGHT,
        class: "left right below above",
        readout: Some(&says),
    };
    figure.with(&marks)
}

/// The values that others are compared with.
fn across(lines: &[Line], y: Scale) -> Markup {
    html! {
        @for line in lines {
            @let at = px(y.down(line.value, HEIGHT));
            line class={ "line " (line.class) } x1="0" x2="100%" y1=(at) y2=(at) {}
        }
    }
}

/// When the last pane of a version ends.
fn ends_at(version: &VersionReport) -> i64 {
    version.timeline.last().map_or(0, |pane| pane.from.0.saturating_add(version.timeline_pane))
}

/// From 0 to a little above the largest; both ways for what may be negative.
fn height_of(values: &[f64], score: Score) -> Scale {
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(*value));
    let smallest = values.iter().fold(0.0_f64, |smallest, value| smallest.min(*value));
    match score {
        Score::R2 => Scale::new(smallest.max(-1.0), 1.0),
        _ if largest == 0.0 && smallest == 0.0 => Scale::new(0.0, 1.0),
        _ => Scale::new(smallest * 1.15, largest * 1.15),
    }
}

fn line_of(version: &VersionReport, is_told: bool, score: Score, x: Scale, y: Scale) -> Markup {
    let class = if is_told { "serving" } else { "former" };
    let middle = |pane: &PaneReport| (pane.from.0 as f64) + version.timeline_pane as f64 / 2.0;
    let point = |pane: &PaneReport| Some((x.place(middle(pane)), y.down(score.of(pane)?, HEIGHT)));
    let mature: Vec<(f64, f64)> =
        version.timeline.iter().filter(|pane| pane.mature).filter_map(point).collect();
    let hollow: Vec<(f64, f64)> =
        version.timeline.iter().filter(|pane| !pane.mature).filter_map(point).collect();
    let with_dots = mature.len() < DOTS;
    html! {
        @if mature.len() > 1 { (path(&format!("line {class}"), HEIGHT, mature.iter().copied())) }
        @if with_dots {
            @for (across, down) in &mature { circle class={ "dot " (class) } cx=(pc(across * 100.0)) cy=(px(*down)) r="3" {} }
        }
        @for (across, down) in &hollow { circle class={ "hollow " (class) } cx=(pc(across * 100.0)) cy=(px(*down)) r="3" {} }
    }
}

/// What a pane says, in a line.
pub(crate) fn title(pane: &PaneReport, version: &VersionReport, score: Score, zone: Zone) -> String {
    let value = score.of(pane).map_or_else(|| "not known".to_owned(), |value| score.write(value));
    let immature = if pane.mature { "" } else { ", labels are still missing" };
    format!(
        "{}: {} {value}, {} of {} labelled{immature}, {}",
        zone.range(pane.from, version.timeline_pane),
        score.name(),
        count(pane.labelled),
        count(pane.predicted),
        version.name()
    )
}

/// The error of each of a few rows.
pub(crate) fn by_row(rows: &[RowReport], lines: &[Line], zone: Zone) -> Markup {
    let sizes = rows.iter().map(|row| (row.y_pred - row.y_true).abs()).filter(|size| size.is_finite());
    let values: Vec<f64> = sizes.chain(lines.iter().map(|line| line.value)).collect();
    let y = height_of(&values, Score::Mae);
    let times_of = rows.iter().map(|row| row.predicted_at.0);
    let (Some(first), Some(last)) = (times_of.clone().min(), times_of.max()) else { return html! {} };
    let x = Scale::new(first as f64 - 1.0, last as f64 + 1.0);
    let (ticks, step) = times(first, last, zone.ahead(), TIMES);
    let texts =
        lines.iter().map(|line| (y.down(line.value, HEIGHT), line.class, line.text.clone())).collect();
    let marks = html! {
        (numbered(y, HEIGHT))
        (ground(HEIGHT))
        (below(HEIGHT, ticks.into_iter().map(|tick| (x.percent(tick as f64), zone.tick(Moment(tick), step)))))
        (across(lines, y))
        @for row in rows {
            @let size = (row.y_pred - row.y_true).abs();
            @let at = pc(x.percent(row.predicted_at.0 as f64));
            @let down = px(y.down(size, HEIGHT));
            line class="stem" x1=(at) x2=(at) y1=(down) y2=(HEIGHT) {}
            circle class="dot serving" cx=(at) cy=(down) r="3.5" {
                title { (zone.clock(row.predicted_at)) ": " (Score::Mae.write(size)) " off" }
            }
        }
        (ends(HEIGHT, texts))
    };
    let figure = Figure {
        name: "rows",
        title: "The error of each row, by time of prediction",
        says: &format!("{} rows", rows.len()),
        height: HEIGHT,
        class: "left right below",
        readout: None,
    };
    figure.with(&marks)
}
