//! The broker's words, taken apart, and words as they may be shown.

/// What stands behind the code's name, as `ACCESS_REFUSED - `.
pub(super) fn words(text: &str) -> &str {
    text.split_once(" - ").filter(|(code, _)| !code.contains(' ')).map_or(text, |(_, words)| words)
}

/// The queue or exchange in `... access to queue 'q' ...`: what follows `before`.
pub(super) fn thing<'a>(text: &'a str, before: &str) -> Option<(&'static str, &'a str)> {
    let words = words(text).strip_prefix(before)?;
    let kind = ["queue", "exchange"].into_iter().find(|kind| words.starts_with(kind))?;
    let name = words[kind.len()..].strip_prefix(" '")?;
    Some((kind, name.split_once("' in vhost").or_else(|| name.split_once('\''))?.0))
}

pub(super) fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(found, _)| found)
}

pub(super) fn number_after(text: &str, start: &str) -> Option<u64> {
    let digits = text.split_once(start)?.1;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A word for a shell. A control character, which no shell takes from a line, becomes a `?`.
pub(in super::super) fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        return word.to_owned();
    }
    let word: String = word.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_a_shell_is_one_word() {
        for (word, wanted) in [
            ("/", "/"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            (r"a\b", r"'a\b'"),
            ("a\nb", "'a?b'"),
        ] {
            assert_eq!(quoted(word), wanted);
        }
    }
}
