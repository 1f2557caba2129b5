//! Where versions took over in a chart over time: a rule for each, and its name where that has room.

use evaluation::identity::ModelRole;
use evaluation::report::VersionReport;
use maud::{Markup, html};
use shared::printable::printable;

use super::scale::Scale;
use super::span::{Span, px};

/// The narrowest plot, that of a phone of 320 pixels. What does not overlap there overlaps nowhere.
const NARROWEST: f64 = 240.0;
/// Of a digit of a name, in pixels, at the most.
const DIGIT: f64 = 7.5;
/// Between a rule and its name.
const GAP: f64 = 4.0;
/// Where names stand, from the top of the plot: above each other.
const ROWS: [f64; 2] = [-6.0, -20.0];
/// So many digits of a name are written, or as few.
const DIGITS: [usize; 2] = [8, 4];

/// Where a name stands: its distance from the rule is on the left where that is at the right end.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    row: usize,
    digits: usize,
    left: bool,
}

/// The rules of all versions but the earliest, which took over from nobody; its first pane begins a little before its first row.
/// `first` is the time at which the chart begins.
pub(super) fn swaps(
    versions: &[VersionReport],
    told: usize,
    (first, x): (i64, Scale),
    height: f64,
    span: Span,
) -> Markup {
    let earliest = versions.iter().filter_map(|version| version.first_predicted).min();
    let swap = |(at, version): (usize, &VersionReport)| {
        // A shadow or a challenger takes over from nobody.
        let serves = version.role == ModelRole::Serving;
        let began =
            version.first_predicted.filter(|began| serves && began.0 > first && Some(*began) != earliest)?;
        Some((x.percent(began.0 as f64), at))
    };
    let mut swaps: Vec<(f64, usize)> = versions.iter().enumerate().filter_map(swap).collect();
    swaps.sort_by(|one, other| other.0.total_cmp(&one.0));
    let places = places(swaps.iter().map(|(percent, _)| *percent));
    html! {
        @for ((percent, at), place) in swaps.iter().zip(places) {
            @let top = ROWS[place.map_or(0, |place| place.row)] - 8.0;
            line class="swap" x1=(span.at(*percent)) x2=(span.at(*percent)) y1=(px(top)) y2=(px(height)) {}
            @if let Some(place) = place {
                text class={ "hash " (if *at == told { "serving" } else { "former" }) } x=(span.at(*percent)) y=(px(ROWS[place.row]))
                    dx=(px(if place.left { -GAP } else { GAP })) text-anchor=(if place.left { "end" } else { "start" }) {
                    (versions.get(*at).map(|version| short(version, place.digits)).unwrap_or_default())
                }
            }
        }
    }
}

/// The first characters: two versions of a model differ there.
fn short(version: &VersionReport, digits: usize) -> String {
    printable(version.version.as_deref().unwrap_or("unnamed")).chars().take(digits).collect()
}

/// Where the names of rules stand, the latest first, for it is looked for most: in the lower row, else the upper one, else with
/// fewer digits, else nowhere.
fn places(percents: impl Iterator<Item = f64>) -> Vec<Option<Place>> {
    let mut taken: [Vec<(f64, f64)>; 2] = [Vec::new(), Vec::new()];
    let mut place = |percent: f64| {
        let rule = percent / 100.0 * NARROWEST;
        for digits in DIGITS {
            let wide = DIGIT * digits as f64;
            let left = rule + GAP + wide > NARROWEST;
            let from = if left { rule - GAP - wide } else { rule + GAP };
            for (row, taken) in taken.iter_mut().enumerate() {
                if taken.iter().all(|(other, to)| from >= to + GAP || from + wide + GAP <= *other) {
                    taken.push((from, from + wide));
                    return Some(Place { row, digits, left });
                }
            }
        }
        None
    };
    percents.map(&mut place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_where_it_has_room() {
        let place = |row, digits, left| Some(Place { row, digits, left });
        for (percents, expected) in [
            (vec![50.0], vec![place(0, 8, false)]),
            (vec![99.0, 10.0], vec![place(0, 8, true), place(0, 8, false)]),
            (vec![50.0, 49.0], vec![place(0, 8, false), place(1, 8, false)]),
            // Three at once: the third has no room in either row.
            (vec![50.0, 49.0, 48.0], vec![place(0, 8, false), place(1, 8, false), None]),
            (vec![50.0, 49.0, 34.0], vec![place(0, 8, false), place(1, 8, false), place(0, 4, false)]),
        ] {
            assert_eq!(places(percents.iter().copied()), expected, "{percents:?}");
        }
    }
}
