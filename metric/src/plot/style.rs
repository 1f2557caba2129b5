//! What charts look like. A page has that as one style sheet; a file brings it along, without variables, for few programs but browsers
//! know those.

/// The style sheet of the pages.
pub(crate) const STYLE: &str = concat!(include_str!("../page/assets/page.css"), include_str!("chart.css"));

/// The part of it that is about charts.
const CHARTS: &str = include_str!("chart.css");

/// The colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    #[default]
    Light,
    Dark,
}

/// What charts look like in these colours, with all values in place.
pub(super) fn of_charts(theme: Theme) -> String {
    let mut style = CHARTS.to_owned();
    for (name, value) in colours(theme) {
        style = style.replace(&format!("var({name})"), value);
    }
    in_pixels(&style)
}

/// The variables of a theme, as the style sheet has them: the light ones first, then the dark ones.
fn colours(theme: Theme) -> impl Iterator<Item = (&'static str, &'static str)> {
    let place = match theme {
        Theme::Light => 1,
        Theme::Dark => 2,
    };
    let block = STYLE.split(":root {").nth(place).and_then(|rest| rest.split('}').next()).unwrap_or_default();
    block.split(';').filter_map(|pair| pair.trim().split_once(": "))
}

/// Sizes of text that follow the reader's are pixels in a file.
fn in_pixels(style: &str) -> String {
    let (mut rest, mut text) = (style, String::new());
    while let Some((before, after)) = rest.split_once("rem") {
        let number = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let size: f64 = before.get(number.len()..).and_then(|size| size.parse().ok()).unwrap_or(1.0);
        text.push_str(number);
        text.push_str(&format!("{}px", size * 16.0));
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_colours_of_the_page_and_no_variable() {
        for (theme, blue, other) in
            [(Theme::Light, "#0067a5", "#5cb3f0"), (Theme::Dark, "#5cb3f0", "#0067a5")]
        {
            let style = of_charts(theme);
            assert!(style.contains(&format!(".dot {{ fill: {blue};")), "{style}");
            assert!(!style.contains(other) && !style.contains("var(") && !style.contains("rem"), "{style}");
            assert!(style.contains(".heading { fill: ") && style.contains("font-size: 18px"), "{style}");
            assert_eq!(style.matches('{').count(), CHARTS.matches('{').count());
        }
    }
}
