//! How numbers lay in training, in a strip: bars of their true widths over a line from the least to the largest, thick where eight
//! of ten are.

use std::fmt::Write as _;

use evaluation::histogram::Histogram;
use maud::{Markup, html};

use super::scale::Scale;
use super::span::{Span, WIDE, px};
use crate::page::words::number;

/// Of the bars, and of the whole with its numbers, in pixels.
const BARS: f64 = 24.0;
const HEIGHT: f64 = 50.0;
/// Numbers nearer to an end than this many percent are left out, for they would run into it; on a phone those nearer than that.
const APART: f64 = 15.0;
const APART_ON_A_PHONE: f64 = 28.0;

/// What is marked on a strip.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marks {
    /// A value, as a rule.
    pub(crate) at: Option<f64>,
    /// A range, as a band.
    pub(crate) band: Option<(f64, f64)>,
}

/// The strip of a histogram; nothing where there is none, or of a single value. Marks beyond its ends are at the ends.
pub(crate) fn strip(name: &str, histogram: &Histogram, marks: Marks) -> Markup {
    let (Some(&least), Some(&most)) = (histogram.edges.first(), histogram.edges.last()) else {
        return html! {};
    };
    if !(most - least).is_finite() || most <= least {
        return html! {};
    }
    let x = Scale::new(least, most);
    let inner: Vec<f64> = [0.1, 0.9].into_iter().filter_map(|share| histogram.value_above(share)).collect();
    let thick = (inner.first().copied().unwrap_or(least), inner.last().copied().unwrap_or(most));
    let is_apart = |value: &f64| (APART..=100.0 - APART).contains(&x.percent(*value));
    let mut numbers = vec![(least, "start")];
    numbers.extend(inner.into_iter().filter(is_apart).map(|value| (value, "middle")));
    numbers.push((most, "end"));
    // Those in the middle must not run into each other either.
    if let [_, (low, _), (high, _), _] = numbers[..]
        && x.percent(high) - x.percent(low) < APART
    {
        numbers.remove(2);
    }
    html! {
        svg class="strip" width="100%" height=(HEIGHT) role="img" aria-label={ "how " (name) " lay in training" } {
            svg viewBox={ "0 0 " (WIDE) " " (BARS) } preserveAspectRatio="none" width="100%" height=(BARS) {
                path class="bar quiet" d=(bars(histogram, x)) {}
            }
            @if let Some((from, to)) = marks.band {
                rect class="range" x=(Span::Fluid.at(x.percent(from))) width=(Span::Fluid.at(x.percent(to) - x.percent(from))) y="0" height=(BARS) {}
            }
            line class="axis" x1="0" x2="100%" y1=(BARS) y2=(BARS) {}
            line class="thick" x1=(Span::Fluid.at(x.percent(thick.0))) x2=(Span::Fluid.at(x.percent(thick.1))) y1=(BARS) y2=(BARS) {}
            @if let Some(at) = marks.at {
                line class="rule" x1=(Span::Fluid.at(x.percent(at))) x2=(Span::Fluid.at(x.percent(at))) y1="-3" y2=(BARS + 3.0) {}
            }
            @for (value, anchor) in &numbers {
                @let is_near = *anchor == "middle" && !(APART_ON_A_PHONE..=100.0 - APART_ON_A_PHONE).contains(&x.percent(*value));
                text class=(if is_near { "tick near" } else { "tick" }) x=(Span::Fluid.at(x.percent(*value))) y=(px(HEIGHT - 4.0)) text-anchor=(anchor) { (number(*value)) }
            }
        }
    }
}

/// The bars as one path: as high as their numbers lie densely.
fn bars(histogram: &Histogram, x: Scale) -> String {
    let dense: Vec<f64> = histogram
        .edges
        .windows(2)
        .zip(&histogram.counts)
        .map(|(ends, count)| {
            let width = x.place(ends[1]) - x.place(ends[0]);
            if width > 0.0 { *count as f64 / width } else { 0.0 }
        })
        .collect();
    let y = Scale::new(0.0, dense.iter().copied().fold(0.0, f64::max));
    let mut path = String::new();
    for (ends, dense) in histogram.edges.windows(2).zip(&dense) {
        let (from, to) = (px(x.place(ends[0]) * WIDE), px(x.place(ends[1]) * WIDE));
        // Writing to a string does not fail.
        _ = write!(path, "M{from} {BARS}V{}H{to}V{BARS}Z", px(y.down(*dense, BARS)));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(edges: &[f64], counts: &[u64]) -> Histogram {
        Histogram { edges: edges.to_vec(), counts: counts.to_vec() }
    }

    #[test]
    fn bars_have_their_true_widths_and_the_numbers_do_not_run_into_each_other() {
        let even = histogram(&[0.0, 1.0, 4.0, 10.0], &[10, 30, 60]);
        let html = strip("a", &even, Marks { at: Some(5.0), band: Some((-1.0, 2.0)) }).into_string();
        // All are as dense as each other.
        assert!(html.contains("M0 24V0H100V24ZM100 24V0H400V24ZM400 24V0H1000V24Z"), "{html}");
        // A tenth is below 1, which is too near to the end to be written; nine tenths are below 9.
        let numbers = html.matches("class=\"tick").count();
        assert!(numbers == 2 && html.contains("x1=\"10%\" x2=\"90%\""), "{html}");
        assert!(html.contains("class=\"rule\" x1=\"50%\""), "{html}");
        assert!(html.contains("class=\"range\" x=\"0%\" width=\"20%\""), "{html}");
        let wide = histogram(&[-100.0, -20.0, 20.0, 100.0], &[10, 80, 10]);
        let html = strip("a", &wide, Marks::default()).into_string();
        assert_eq!(html.matches("class=\"tick").count(), 4, "{html}");
        let narrow = histogram(&[-100.0, -1.0, 1.0, 100.0], &[10, 80, 10]);
        let html = strip("a", &narrow, Marks::default()).into_string();
        assert_eq!(html.matches("class=\"tick").count(), 3, "{html}");
    }

    #[test]
    fn where_nothing_is_known_or_all_is_one_value_there_is_no_strip() {
        for (edges, counts) in [
            (&[][..], &[][..]),
            (&[1.0], &[]),
            (&[1.0, 1.0], &[5]),
            (&[f64::NAN, 1.0], &[5]),
            (&[f64::MIN, f64::MAX], &[5]),
        ] {
            assert_eq!(
                strip("a", &histogram(edges, counts), Marks::default()).into_string(),
                "",
                "{edges:?}"
            );
        }
    }
}
