//! How wide a chart is. Here alone places across become what SVG takes.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::room::Room;

/// The width that paths of a fluid chart are drawn in, before they are stretched.
pub(super) const WIDE: f64 = 1000.0;

/// As wide as there is room, or so many pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Span {
    /// Places across are percentages, so that lines stretch and text keeps its size.
    Fluid,
    /// They are pixels, which every program understands that shows pictures.
    Pixels(f64),
}

impl Span {
    /// What is left of it for the marks of a chart. On a page the frame leaves the room.
    pub(super) fn inside(self, room: Room) -> Self {
        match self {
            Self::Fluid => Self::Fluid,
            Self::Pixels(wide) => Self::Pixels(wide - room.left() - room.right()),
        }
    }

    /// A place, or a width, in percent of the whole.
    pub(super) fn at(self, percent: f64) -> String {
        match self {
            Self::Fluid => pc(percent),
            Self::Pixels(wide) => px(wide * percent / 100.0),
        }
    }

    /// The width that paths are drawn in.
    pub(super) fn wide(self) -> f64 {
        match self {
            Self::Fluid => WIDE,
            Self::Pixels(wide) => wide,
        }
    }

    /// A line through points: across from 0 to 1, down in pixels. Paths know no percentages, so that of a fluid chart is in a picture
    /// of its own, which is stretched.
    pub(super) fn path(
        self,
        class: &str,
        height: f64,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Markup {
        let mut data = String::new();
        for (at, (across, down)) in points.into_iter().enumerate() {
            let to = if at == 0 { 'M' } else { 'L' };
            // Writing to a string does not fail.
            _ = write!(data, "{to}{} {}", px(across * self.wide()), px(down));
        }
        let path = html! { path class=(class) d=(data) {} };
        match self {
            Self::Fluid => html! {
                svg viewBox={ "0 0 " (WIDE) " " (height) } preserveAspectRatio="none" width="100%" height=(height) aria-hidden="true" {
                    (path)
                }
            },
            Self::Pixels(_) => path,
        }
    }
}

/// Pixels, to a tenth.
pub(super) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Percent, to a hundredth.
fn pc(value: f64) -> String {
    format!("{}%", format!("{value:.2}").trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([px(3.0), px(3.04), px(0.25)], ["3", "3", "0.2"]);
        assert_eq!([pc(100.0), pc(33.333), pc(0.5)], ["100%", "33.33%", "0.5%"]);
    }

    #[test]
    fn a_chart_of_a_width_has_its_places_in_pixels() {
        for (span, place, data) in
            [(Span::Fluid, "25%", "M0 10L1000 0"), (Span::Pixels(640.0), "160", "M0 10L640 0")]
        {
            assert_eq!(span.at(25.0), place);
            let path = span.path("line", 10.0, [(0.0, 10.0), (1.0, 0.0)]).into_string();
            assert!(
                path.contains(data) && path.contains("preserveAspectRatio") == (span == Span::Fluid),
                "{path}"
            );
        }
    }
}
