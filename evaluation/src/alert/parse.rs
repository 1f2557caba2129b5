//! Reads rules. What is wrong is said with its place and with what is possible there.

use std::fmt;

use super::duration;
use super::quantity::{Metric, Quantity, Side, Window, is_bare};
use super::rule::{Comparison, Hold, Rule};

/// The fewest rows that an interval is made of, and the most that are kept.
const WINDOW: std::ops::RangeInclusive<u32> = 30..=100_000;
/// How long a name is at the most, in characters.
const LONGEST: usize = 256;

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The character at which it goes wrong, counted from 1.
    pub at: usize,
    /// What is wrong there, and what is possible.
    pub why: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.at, self.why)
    }
}

impl std::error::Error for RuleError {}

/// Reads a rule.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn rule(text: &str) -> Result<Rule, RuleError> {
    let mut cursor = Cursor { text, at: 0 };
    let mut quantity = metric(&mut cursor)?;
    if cursor.takes("{") {
        keys(&mut cursor, &mut quantity)?;
    }
    cursor.skip_blanks();
    let comparison = Comparison::ALL.into_iter().find(|(sign, _)| cursor.takes(sign));
    let Some((_, comparison)) = comparison else {
        return Err(cursor.expected("expected >, >=, < or <="));
    };
    let limit = number(&mut cursor, quantity.metric)?;
    let mut rule = Rule { quantity, comparison, limit, hold: None, clear: None, keep: None };
    loop {
        cursor.skip_blanks();
        let start = cursor.at;
        if cursor.rest().is_empty() {
            return Ok(rule);
        }
        let word = cursor.word();
        let twice = match word {
            "for" => rule.hold.replace(hold(&mut cursor, word)?).is_some(),
            "keep" => rule.keep.replace(hold(&mut cursor, word)?).is_some(),
            "clear" => rule.clear.replace(clear(&mut cursor, &rule)?).is_some(),
            _ => {
                cursor.at = start;
                return Err(cursor.expected(
                    "expected the end, or `for 3`, `clear NUMBER`, `keep 3` (looks in a row, or a duration such as 10m)",
                ));
            }
        };
        if twice {
            return Err(cursor.error(start, format!("`{word}` stands there twice")));
        }
    }
}

fn metric(cursor: &mut Cursor<'_>) -> Result<Quantity, RuleError> {
    cursor.skip_blanks();
    let start = cursor.at;
    let word = cursor.word();
    let (name, side) = match word.split_once('.') {
        None => (word, Side::Value),
        Some((name, "low")) => (name, Side::Low),
        Some((name, "high")) => (name, Side::High),
        Some((name, other)) => {
            let why = format!("unknown ending {} of {name}; expected .low or .high", quoted(other));
            return Err(cursor.error(start, why));
        }
    };
    let Some((_, metric)) = Metric::ALL.into_iter().find(|(known, _)| *known == name) else {
        cursor.at = start;
        return Err(cursor.expected(&format!(
            "expected one of {}; such a rule is `mae{{window=500}} > 60 for 3`",
            listed(Metric::ALL.map(|(known, _)| known))
        )));
    };
    if side != Side::Value && !metric.is_score() {
        let scores = Metric::ALL.into_iter().filter(|(_, metric)| metric.is_score());
        let why = format!(
            "{name} has no interval, so neither .low nor .high; those have {}",
            listed(scores.map(|(known, _)| known))
        );
        return Err(cursor.error(start, why));
    }
    Ok(Quantity::of(metric, side))
}

/// What stands between the braces, of which the first one is read.
fn keys(cursor: &mut Cursor<'_>, quantity: &mut Quantity) -> Result<(), RuleError> {
    let (metric, possible) = (quantity.metric, quantity.metric.keys());
    loop {
        cursor.skip_blanks();
        let start = cursor.at;
        let key = cursor.word();
        if !possible.contains(&key) {
            cursor.at = start;
            let known = listed(possible.iter().copied());
            return Err(cursor.expected(&format!("expected a key of {}: {known}", metric.name())));
        }
        cursor.skip_blanks();
        if !cursor.takes("=") {
            return Err(cursor.expected(&format!("expected = after {key}")));
        }
        cursor.skip_blanks();
        let place = cursor.at;
        let value = value(cursor, key)?;
        let fault = |why| RuleError { at: cursor.character(place), why };
        let twice = match key {
            "window" => quantity.window.replace(window(&value).map_err(fault)?).is_some(),
            "age" => {
                let age = duration::parse(&value).map_err(|why| fault(found(&value, &why)))?;
                quantity.age_ms.replace(age).is_some()
            }
            "model" => quantity.model.replace(value).is_some(),
            "version" => quantity.version.replace(value).is_some(),
            _ => quantity.feature.replace(value).is_some(),
        };
        if twice {
            return Err(cursor.error(start, format!("{key} stands there twice")));
        }
        cursor.skip_blanks();
        if cursor.takes("}") {
            return Ok(());
        }
        if !cursor.takes(",") {
            return Err(cursor.expected("expected , or }; a value with blanks or commas goes in quotes"));
        }
    }
}

/// The value of a key, in quotes or without.
fn value(cursor: &mut Cursor<'_>, key: &str) -> Result<String, RuleError> {
    let start = cursor.at;
    let value = if cursor.takes("\"") {
        let mut value = String::new();
        loop {
            match cursor.next() {
                Some('"') => break value,
                Some('\\') => value.extend(cursor.next()),
                Some(letter) => value.push(letter),
                None => return Err(cursor.error(start, "expected a \" that ends this text".to_owned())),
            }
        }
    } else {
        let rest = cursor.rest();
        let end = rest.find(|letter| !is_bare(letter)).unwrap_or(rest.len());
        cursor.at += end;
        rest[..end].to_owned()
    };
    match value.chars().count() {
        0 => Err(cursor.error(start, format!("expected a value of {key}"))),
        length if length > LONGEST => {
            Err(cursor.error(start, format!("expected {LONGEST} characters at the most, not {length}")))
        }
        _ => Ok(value),
    }
}

fn window(text: &str) -> Result<Window, String> {
    if text == "version" {
        return Ok(Window::Version);
    }
    let fault = || {
        let (least, most) = WINDOW.into_inner();
        let expected = format!(
            "expected how many labels ({least} to {most}), a duration such as 24h, or `version` for all since the swap"
        );
        found(text, &expected)
    };
    if text.bytes().all(|digit| digit.is_ascii_digit()) {
        return text.parse().ok().filter(|rows| WINDOW.contains(rows)).map(Window::Labels).ok_or_else(fault);
    }
    duration::parse(text).map(Window::Time).map_err(|_| fault())
}

fn hold(cursor: &mut Cursor<'_>, after: &str) -> Result<Hold, RuleError> {
    cursor.skip_blanks();
    let start = cursor.at;
    let word = cursor.word();
    let is_number = !word.is_empty() && word.bytes().all(|digit| digit.is_ascii_digit());
    let hold = match is_number {
        true => word.parse().ok().filter(|looks| *looks > 0).map(Hold::Looks),
        false => duration::parse(word).ok().map(Hold::Time),
    };
    hold.ok_or_else(|| {
        cursor.at = start;
        cursor.expected(&format!(
            "expected after `{after}` how many looks in a row, from 1, or a duration such as 10m"
        ))
    })
}

fn clear(cursor: &mut Cursor<'_>, rule: &Rule) -> Result<f64, RuleError> {
    cursor.skip_blanks();
    let start = cursor.at;
    let clear = number(cursor, rule.quantity.metric)?;
    let is_upper = rule.comparison.is_upper();
    if if is_upper { clear > rule.limit } else { clear < rule.limit } {
        let (side, sign) = if is_upper { ("below", "most") } else { ("above", "least") };
        let why = format!(
            "an alert with {} ends {side} its `clear`: expected {} at the {sign}, which is the limit",
            rule.comparison.sign(),
            rule.limit
        );
        return Err(cursor.error(start, why));
    }
    Ok(clear)
}

/// A finite number; of a time also a duration, as seconds.
fn number(cursor: &mut Cursor<'_>, metric: Metric) -> Result<f64, RuleError> {
    cursor.skip_blanks();
    let start = cursor.at;
    let word = cursor.word();
    // As the page writes it.
    let number: Option<f64> = word.replace('−', "-").parse().ok().filter(|number: &f64| number.is_finite());
    let milliseconds = || duration::parse(word).ok().filter(|_| metric.is_time());
    number.or_else(|| milliseconds().map(|milliseconds| milliseconds as f64 / 1000.0)).ok_or_else(|| {
        cursor.at = start;
        cursor.expected(match () {
            () if metric.is_time() => "expected seconds, or a duration such as 10m",
            () if word.ends_with('%') => "expected a share such as 0.9 instead of a percentage",
            () => "expected a number",
        })
    })
}

/// What is read, and how far it has been.
struct Cursor<'a> {
    text: &'a str,
    /// In bytes, always at a character.
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.rest().chars().next()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_there = self.rest().starts_with(sign);
        self.at += if is_there { sign.len() } else { 0 };
        is_there
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// What stands there up to a blank or a sign.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let ends = |letter: char| letter.is_whitespace() || "{}=,\"<>".contains(letter);
        let end = rest.find(ends).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn character(&self, at: usize) -> usize {
        self.text[..at].chars().count() + 1
    }

    fn error(&self, at: usize, why: String) -> RuleError {
        RuleError { at: self.character(at), why }
    }

    /// That something else was expected here.
    fn expected(&self, what: &str) -> RuleError {
        let mut ahead = Cursor { ..*self };
        let word = match ahead.word() {
            "" => ahead.rest().get(..1).unwrap_or_default(),
            word => word,
        };
        let found = if self.rest().is_empty() { format!("it ends here; {what}") } else { found(word, what) };
        self.error(self.at, found)
    }
}

fn found(text: &str, expected: &str) -> String {
    format!("{} is not it; {expected}", quoted(text))
}

/// For people: printable, and not long.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{dots}")
}

fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match &names[..] {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        names => names.concat(),
    }
}

#[cfg(test)]
mod tests;
