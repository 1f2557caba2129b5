//! What all charts have: a frame with axes, and the marks in it.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::scale::Scale;

/// The width that paths are drawn in, before they are stretched.
pub(super) const WIDE: f64 = 1000.0;

/// A chart's frame: how high it is, what it shows in a word, and in a sentence for whoever cannot see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure<'a> {
    /// Unlike that of every other chart of the page.
    pub(super) name: &'a str,
    pub(super) title: &'a str,
    pub(super) says: &'a str,
    pub(super) height: f64,
    /// More classes of the frame: where it leaves room.
    pub(super) class: &'a str,
    /// What the line beneath says before somebody points: of a chart that says something at each place (`.hit`). Such a chart can
    /// be focused, and the arrow keys point.
    pub(super) readout: Option<&'a str>,
}

impl Figure<'_> {
    pub(super) fn with(self, marks: &Markup) -> Markup {
        let Self { name, title, says, height, class, readout } = self;
        html! {
            div class={ "frame " (class) } {
                svg class="plot" width="100%" height=(height) role="img" aria-labelledby={ (name) "-t " (name) "-d" }
                    tabindex=[readout.map(|_| 0)] {
                    title id={ (name) "-t" } { (title) }
                    desc id={ (name) "-d" } { (says) }
                    (marks)
                }
                @if let Some(readout) = readout { p class="readout" aria-live="polite" { (readout) } }
            }
        }
    }
}

/// Lines across at the ticks, with their numbers at the left.
pub(super) fn numbered(scale: Scale, height: f64) -> Markup {
    grid(scale, height, |tick| scale.decimals().plain(tick))
}

/// Lines across at the ticks, with what is written at their left.
pub(super) fn grid(scale: Scale, height: f64, write: impl Fn(f64) -> String) -> Markup {
    html! {
        @for tick in scale.ticks() { (across(scale.down(tick, height), &write(tick))) }
    }
}

/// A line across, with what is written at its left.
pub(super) fn across(down: f64, text: &str) -> Markup {
    let y = px(down);
    html! {
        line class="grid" x1="0" x2="100%" y1=(y) y2=(y) {}
        text class="tick" x="0" dx="-8" y=(y) dy="4" text-anchor="end" { (text) }
    }
}

/// What is written below, at places in percent. Where a chart is narrow every second text is left out (`odd`).
pub(super) fn below(height: f64, texts: impl IntoIterator<Item = (f64, String)>) -> Markup {
    html! {
        @for (at, (percent, text)) in texts.into_iter().enumerate() { (mark(percent, height, &text, at % 2 == 1)) }
    }
}

/// A text below; at the ends it is turned inwards.
fn mark(percent: f64, height: f64, text: &str, is_odd: bool) -> Markup {
    let anchor = match percent {
        percent if percent < 4.0 => "start",
        percent if percent > 96.0 => "end",
        _ => "middle",
    };
    html! {
        line class="axis" x1=(pc(percent)) x2=(pc(percent)) y1=(px(height)) y2=(px(height + 4.0)) {}
        text class={ "tick" @if is_odd { " odd" } } x=(pc(percent)) y=(px(height)) dy="18" text-anchor=(anchor) { (text) }
    }
}

/// The axis at the bottom.
pub(super) fn ground(height: f64) -> Markup {
    html! { line class="axis" x1="0" x2="100%" y1=(px(height)) y2=(px(height)) {} }
}

/// A line through points: across from 0 to 1, down in pixels.
pub(super) fn path(class: &str, height: f64, points: impl IntoIterator<Item = (f64, f64)>) -> Markup {
    let mut data = String::new();
    for (at, (across, down)) in points.into_iter().enumerate() {
        let to = if at == 0 { 'M' } else { 'L' };
        // Writing to a string does not fail.
        _ = write!(data, "{to}{} {}", px(across * WIDE), px(down));
    }
    stretched(height, &html! { path class=(class) d=(data) {} })
}

/// What is drawn in a picture of 1000 times its height, stretched over the whole width.
pub(super) fn stretched(height: f64, marks: &Markup) -> Markup {
    html! {
        svg viewBox={ "0 0 " (WIDE) " " (height) } preserveAspectRatio="none" width="100%" height=(height) aria-hidden="true" {
            (marks)
        }
    }
}

/// Texts at the right end, each at the height of what it names, pushed apart so that none covers another.
pub(super) fn ends(height: f64, mut texts: Vec<(f64, &str, String)>) -> Markup {
    /// From line to line.
    const LINE: f64 = 15.0;
    texts.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut lowest = f64::NEG_INFINITY;
    for (y, ..) in &mut texts {
        *y = y.max(lowest + LINE);
        lowest = *y;
    }
    // What has left the picture below pushes the others up.
    let mut highest = height;
    for (y, ..) in texts.iter_mut().rev() {
        *y = y.min(highest);
        highest = *y - LINE;
    }
    html! {
        @for (y, class, text) in &texts {
            text class={ "end " (class) } x="100%" dx="10" y=(px(*y)) dy="4" { (text) }
        }
    }
}

/// Pixels, to a tenth.
pub(super) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Percent, to a hundredth.
pub(super) fn pc(value: f64) -> String {
    format!("{}%", format!("{value:.2}").trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_at_the_end_do_not_cover_each_other() {
        let texts = vec![(100.0, "a", "A".into()), (100.0, "b", "B".into()), (98.0, "c", "C".into())];
        let markup = ends(100.0, texts).into_string();
        let heights: Vec<f64> = markup
            .split(" y=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(heights.len(), 3);
        assert!(
            heights.windows(2).all(|pair| pair[1] - pair[0] >= 15.0) && heights[2] <= 100.0,
            "{heights:?}"
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([px(3.0), px(3.04), px(0.25)], ["3", "3", "0.2"]);
        assert_eq!([pc(100.0), pc(33.333), pc(0.5)], ["100%", "33.33%", "0.5%"]);
    }
}
