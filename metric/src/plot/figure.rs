//! What all charts have: a title, what the marks are, axes, and the marks.

use maud::{Markup, Render, html};

use super::room::Room;
use super::scale::{AT_AN_END, Scale};
use super::span::{Span, px};

/// A chart, ready to be put onto a page or a sheet of its own.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// Unlike that of every other chart of the page.
    pub(super) name: &'static str,
    pub(crate) title: String,
    /// What its marks are.
    pub(crate) hint: String,
    /// What it shows, in a sentence for whoever cannot see it.
    pub(super) says: String,
    pub(super) height: f64,
    /// What it leaves free around its marks.
    pub(super) room: Room,
    /// What is across, and what is up: a sheet has the names at its axes.
    pub(super) axes: [&'static str; 2],
    /// Whether it says something at each place (`.hit`). Such a chart can be focused, and the arrow keys point; the line beneath
    /// says what the chart says before somebody does.
    pub(super) is_pointed_at: bool,
    pub(super) marks: Markup,
}

/// As the page has it, where its title and its hint stand above.
impl Render for Figure {
    fn render(&self) -> Markup {
        let Self { name, title, says, height, room, is_pointed_at, marks, .. } = self;
        html! {
            div class={ "frame " (room.0) } {
                svg class="plot" width="100%" height=(height) role="img" aria-labelledby={ (name) "-t " (name) "-d" }
                    tabindex=[is_pointed_at.then_some(0)] {
                    title id={ (name) "-t" } { (title) }
                    desc id={ (name) "-d" } { (says) }
                    (marks)
                }
                @if *is_pointed_at { p class="readout" aria-live="polite" { (says) } }
            }
        }
    }
}

/// Lines across at the ticks, with their numbers at the left.
pub(super) fn numbered(scale: Scale, height: f64, span: Span) -> Markup {
    grid(scale, height, span, |tick| scale.decimals().plain(tick))
}

/// Lines across at the ticks, with what is written at their left.
pub(super) fn grid(scale: Scale, height: f64, span: Span, write: impl Fn(f64) -> String) -> Markup {
    html! {
        @for tick in scale.ticks() { (across(scale.down(tick, height), span, &write(tick))) }
    }
}

/// A line across, with what is written at its left.
pub(super) fn across(down: f64, span: Span, text: &str) -> Markup {
    let y = px(down);
    html! {
        line class="grid" x1="0" x2=(span.at(100.0)) y1=(y) y2=(y) {}
        text class="tick" x="0" dx="-8" y=(y) dy="4" text-anchor="end" { (text) }
    }
}

/// What is written below, at places in percent. Where a chart is narrow every second text is left out (`odd`).
pub(super) fn below(height: f64, span: Span, texts: impl IntoIterator<Item = (f64, String)>) -> Markup {
    html! {
        @for (at, (percent, text)) in texts.into_iter().enumerate() {
            (mark(percent, height, span, &text, at % 2 == 1))
        }
    }
}

/// A text below; at the ends it is turned inwards.
fn mark(percent: f64, height: f64, span: Span, text: &str, is_odd: bool) -> Markup {
    let anchor = match percent {
        percent if percent < AT_AN_END => "start",
        percent if percent > 100.0 - AT_AN_END => "end",
        _ => "middle",
    };
    let x = span.at(percent);
    html! {
        line class="axis" x1=(x) x2=(x) y1=(px(height)) y2=(px(height + 4.0)) {}
        text class={ "tick" @if is_odd { " odd" } } x=(x) y=(px(height)) dy="18" text-anchor=(anchor) { (text) }
    }
}

/// The axis at the bottom.
pub(super) fn ground(height: f64, span: Span) -> Markup {
    html! { line class="axis" x1="0" x2=(span.at(100.0)) y1=(px(height)) y2=(px(height)) {} }
}

/// Texts at the right end, each at the height of what it names, pushed apart so that none covers another.
pub(super) fn ends(height: f64, span: Span, mut texts: Vec<(f64, &str, String)>) -> Markup {
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
            text class={ "end " (class) } x=(span.at(100.0)) dx="10" y=(px(*y)) dy="4" { (text) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_at_the_end_do_not_cover_each_other() {
        let texts = vec![(100.0, "a", "A".into()), (100.0, "b", "B".into()), (98.0, "c", "C".into())];
        let markup = ends(100.0, Span::Fluid, texts).into_string();
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
}
