//! Text from outside, made fit to be read: in a line of the log, a header, a terminal or a table.
//!
//! Nothing in it begins another line, moves a cursor, or turns the direction of writing, and it is not long. Letters of all
//! languages stay as they are.

/// The longest text by itself, in characters as they are shown.
pub const LONGEST: usize = 200;
/// The longest name, cell or other piece of a sentence, in characters as they are shown.
pub const PIECE: usize = 60;

/// The most names in a list.
const NAMES: usize = 20;
/// What stands where a text was cut.
const CUT: &str = "...";

/// A text by itself, such as what a broker answers.
#[must_use]
pub fn printable(text: &str) -> String {
    within(text, LONGEST)
}

/// A name or a cell in a sentence, without quotes where there is something to see.
#[must_use]
pub fn piece(text: &str) -> String {
    if text.is_empty() { quoted(text) } else { within(text, PIECE) }
}

/// The names of columns, as far as they help.
#[must_use]
pub fn names<'a>(all: impl IntoIterator<Item = &'a String>) -> String {
    let all: Vec<&String> = all.into_iter().collect();
    let listed: Vec<String> = all.iter().take(NAMES).map(|text| piece(text)).collect();
    match all.len().saturating_sub(NAMES) {
        0 => listed.join(", "),
        more => format!("{}, and {more} more", listed.join(", ")),
    }
}

/// A name or a cell in double quotes, in which no other quote ends it.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text, PIECE, |c| matches!(c, '"' | '\\')))
}

/// A text by itself with at most `longest` characters as they are shown.
#[must_use]
pub fn within(text: &str, longest: usize) -> String {
    shown(text, longest, |_| false)
}

/// A text of several lines, as commands print it, of any length. Its line breaks are ours.
#[must_use]
pub fn lines(text: &str) -> String {
    let line = |line: &str| shown(line, usize::MAX, |_| false);
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Escapes what cannot be printed, and what is to be escaped `besides`; cuts, but never inside an escape.
fn shown(text: &str, longest: usize, besides: impl Fn(char) -> bool) -> String {
    let mut shown = String::new();
    // How many characters there are, and where to cut if it becomes too long: in bytes.
    let (mut count, mut cut) = (0_usize, 0);
    for c in text.chars() {
        let before = shown.len();
        if besides(c) || !is_printable(c, shown.is_empty()) {
            shown.extend(c.escape_debug());
        } else {
            shown.push(c);
        }
        count = count.saturating_add(shown[before..].chars().count());
        if count > longest {
            shown.truncate(cut);
            shown.push_str(CUT);
            break;
        }
        if count <= longest.saturating_sub(CUT.len()) {
            cut = shown.len();
        }
    }
    shown
}

/// Whether a character can stand as it is. A combining accent can, where there is something to combine with.
fn is_printable(c: char, first: bool) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // As the standard library's strings have it: a mark is escaped only where a string begins with it.
    let text: String = if first { c.into() } else { ['a', c].iter().collect() };
    !text.escape_debug().any(|c| c == '\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_printed_is_escaped() {
        for (text, want) in [
            ("it's \"a\\b\"", "it's \"a\\b\""),
            ("Größe, площадь, 面積", "Größe, площадь, 面積"),
            // An accent of its own, and one without a letter.
            ("Gro\u{308}ße", "Gro\u{308}ße"),
            ("\u{308}", "\\u{308}"),
            ("a\nb\r\tc\0", "a\\nb\\r\\tc\\0"),
            ("\u{1b}[2J\u{1b}]0;title\u{7}", "\\u{1b}[2J\\u{1b}]0;title\\u{7}"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            // Line separators, directions, nothing to be seen, and a mark of the byte order.
            (
                "\u{2028}\u{2029}\u{202e}\u{2066}\u{200b}\u{feff}",
                "\\u{2028}\\u{2029}\\u{202e}\\u{2066}\\u{200b}\\u{feff}",
            ),
            ("", ""),
        ] {
            assert_eq!(printable(text), want, "{text:?}");
        }
    }

    #[test]
    fn what_is_long_is_cut_and_never_inside_an_escape() {
        assert_eq!(printable(&"x".repeat(LONGEST)), "x".repeat(LONGEST));
        assert_eq!(printable(&"x".repeat(LONGEST + 1)), format!("{}...", "x".repeat(LONGEST - 3)));
        assert_eq!(within("\u{1b}\u{1b}\u{1b}", 12), "\\u{1b}...");
        assert_eq!(piece(&"é".repeat(1000)).chars().count(), PIECE);
    }

    #[test]
    fn no_quote_ends_a_quoted_text() {
        assert_eq!(quoted("it's \"so\" \\"), "\"it's \\\"so\\\" \\\\\"");
        assert_eq!(quoted(""), "\"\"");
    }

    #[test]
    fn a_list_of_names_ends() {
        let all = |count: usize| (0..count).map(|at| format!("x{at}")).collect::<Vec<_>>();
        assert_eq!(names(&all(3)), "x0, x1, x2");
        assert!(names(&all(23)).ends_with(", x19, and 3 more"));
        assert_eq!(names(&["".to_owned(), "a\nb".to_owned()]), "\"\", a\\nb");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(lines("a\u{1b}\n\nb\r\n"), "a\\u{1b}\n\nb\\r\n");
        let long = "x".repeat(100_000);
        assert_eq!(lines(&long), long);
    }

    proptest! {
        #[test]
        fn nothing_that_is_shown_can_do_harm(text in any::<String>()) {
            for shown in [printable(&text), piece(&text), quoted(&text)] {
                let harmless = |c: char| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
                prop_assert!(shown.chars().all(harmless), "{shown:?}");
                prop_assert!(shown.chars().count() <= LONGEST);
                let separates = shown.contains(['\u{2028}', '\u{2029}']);
                prop_assert!(!separates);
            }
        }
    }
}
