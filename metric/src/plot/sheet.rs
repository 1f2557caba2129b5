//! A chart as a file by itself: of a fixed size, with its title, the names of its axes and its style inside.

use maud::{PreEscaped, html};

use super::figure::Figure;
use super::span::px;
use super::style::{Theme, of_charts};

/// How wide a sheet is, in pixels.
pub(crate) const WIDE: f64 = 800.0;
/// Around all of it.
const MARGIN: f64 = 24.0;
/// From line to line of what is written at the top.
const LINE: f64 = 18.0;
/// So many characters of it have room in a line, in a wide font.
const LETTERS: usize = 112;
/// From a font that many have to whatever there is, as on the page.
const FONTS: &str =
    "'Segoe UI', Roboto, Inter, 'Noto Sans', 'Liberation Sans', Arial, 'DejaVu Sans', sans-serif";

/// What there is besides the chart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sheet<'a> {
    pub(crate) theme: Theme,
    /// Of what and when it is, below the title.
    pub(crate) of: &'a str,
}

impl Sheet<'_> {
    /// The sheet with a chart that is as wide as [`WIDE`], as SVG.
    pub(crate) fn around(self, figure: &Figure) -> String {
        let Figure { title, hint, says, height, room, axes: [across, up], marks, .. } = figure;
        let lines: Vec<String> = [self.of, hint].into_iter().flat_map(wrapped).collect();
        let first = MARGIN + 12.0;
        let named = first + LINE * (lines.len() as f64 + 1.5);
        let top = named + room.above();
        let high = px(top + height + room.below());
        let middle = (WIDE - room.left() - room.right()) / 2.0;
        let svg = html! {
            (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
            svg xmlns="http://www.w3.org/2000/svg" width=(WIDE) height=(high) viewBox={ "0 0 " (WIDE) " " (high) } font-family=(FONTS) role="img" {
                title { (title) }
                desc { (says) }
                style { (PreEscaped(of_charts(self.theme))) }
                rect class="sheet" width=(WIDE) height=(high) {}
                text class="heading" x=(MARGIN) y=(px(first)) { (title) }
                @for (at, line) in lines.iter().enumerate() {
                    text class="note" x=(MARGIN) y=(px(first + 4.0 + LINE * (at as f64 + 1.0))) { (line) }
                }
                @if !up.is_empty() { text class="note" x=(MARGIN) y=(px(named)) { (up) } }
                g transform={ "translate(" (px(room.left())) " " (px(top)) ")" } {
                    (marks)
                    @if !across.is_empty() {
                        text class="note" x=(px(middle)) y=(px(height + 40.0)) text-anchor="middle" { (across) }
                    }
                }
            }
            (PreEscaped("\n"))
        };
        svg.into_string()
    }
}

/// A text in lines that have room; a word that is too long for one stands in it alone.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LETTERS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_have_several_lines() {
        let text = ["word"; 60].join(" ");
        let lines = wrapped(&text);
        assert_eq!(lines.join(" "), text);
        assert_eq!(lines.iter().map(|line| line.chars().count()).collect::<Vec<_>>(), [109, 109, 79]);
        assert_eq!(wrapped(&"a".repeat(300)), ["a".repeat(300)]);
        assert_eq!(wrapped(""), Vec::<String>::new());
    }
}
