//! What a cell's text is: a number, in which reading, a text, or nothing.

use std::borrow::Cow;

use super::dialect::Decimal;

/// Whole numbers beyond this lose digits as a 64-bit floating point number.
const WHOLE: u128 = 1 << 53;

/// What a cell says of the table's decimal mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It is no number in any reading.
    NoNumber,
    /// It has no mark.
    Nothing,
    /// It can only be a number with this decimal mark.
    Only(Decimal),
    /// One point before three digits: 1.234. It is taken for a decimal point, unless the table has decimal commas.
    Point,
    /// One comma before three digits: 1,234 can be either.
    Either,
}

/// Why a cell that looks like a number is none to go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Beyond 2^53.
    LosesDigits,
    /// Infinite, or too large to be told from it.
    Infinite,
}

/// Reads a trimmed cell: a number, or `None` where it is a text.
pub(super) fn number(text: &str, decimal: Decimal) -> Result<Option<f64>, Unfit> {
    if text.eq_ignore_ascii_case("true") {
        return Ok(Some(1.0));
    }
    if text.eq_ignore_ascii_case("false") {
        return Ok(Some(0.0));
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
        return Err(Unfit::Infinite);
    }
    let is_plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    let plain = if decimal == Decimal::Point && text.bytes().all(is_plain) {
        text.parse::<f64>().ok().map(|number| (number, Cow::Borrowed(unsigned)))
    } else {
        normal(unsigned, decimal).and_then(|digits| {
            let number: f64 = digits.parse().ok()?;
            Some((if text.starts_with('-') { -number } else { number }, Cow::Owned(digits)))
        })
    };
    match plain {
        None => Ok(None),
        Some((number, _)) if !number.is_finite() => Err(Unfit::Infinite),
        Some((_, digits)) if loses_digits(&digits) => Err(Unfit::LosesDigits),
        Some((number, _)) => Ok(Some(number)),
    }
}

/// A whole number that is written out, and is too large.
fn loses_digits(digits: &str) -> bool {
    digits.len() >= 16
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse().map_or(true, |whole: u128| whole > WHOLE)
}

/// An unsigned number with a decimal point and without thousands marks.
fn normal(text: &str, decimal: Decimal) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once(decimal.mark()) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = if all_digits(whole) { whole.to_owned() } else { ungrouped(whole, decimal)? };
    if !fraction.is_none_or(all_digits) || (whole.is_empty() && fraction.is_none_or(str::is_empty)) {
        return None;
    }
    let fraction = fraction.map_or(String::new(), |fraction| format!(".{fraction}"));
    let exponent = exponent.map_or(String::new(), |exponent| format!("e{exponent}"));
    Some(whole + &fraction + &exponent)
}

/// Takes thousands marks out of a whole number: groups of three digits, with the same mark between all.
fn ungrouped(whole: &str, decimal: Decimal) -> Option<String> {
    let mark = whole.chars().find(|c| !c.is_ascii_digit())?;
    // No-break, narrow no-break and thin space; an apostrophe, typed and typeset.
    let allowed = ['\u{a0}', '\u{202f}', '\u{2009}', '\'', '’', decimal.other().mark()];
    let groups: Vec<&str> = whole.split(mark).collect();
    let first = *groups.first()?;
    let good = allowed.contains(&mark)
        && (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && groups[1..].iter().all(|group| group.len() == 3)
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_digit()));
    good.then(|| groups.concat())
}

/// What a trimmed cell says of the table's decimal mark.
pub(super) fn evidence(text: &str) -> Evidence {
    let is_number = |decimal| number(text, decimal) != Ok(None);
    let (commas, points) = (text.matches(',').count(), text.matches('.').count());
    match (is_number(Decimal::Point), is_number(Decimal::Comma)) {
        (false, false) => Evidence::NoNumber,
        _ if commas + points == 0 => Evidence::Nothing,
        (true, false) => Evidence::Only(Decimal::Point),
        (false, true) => Evidence::Only(Decimal::Comma),
        // With one mark, both readings can be right; two marks of one kind or of both can not.
        (true, true) if commas == 1 => Evidence::Either,
        (true, true) => Evidence::Point,
    }
}

/// Whether a text looks like a date or a time of day.
pub(super) fn is_date(text: &str) -> bool {
    let day = text.split([' ', 'T']).next().unwrap_or_default();
    let part = |mark: char| {
        let parts: Vec<&str> = day.split(mark).collect();
        let short = |text: &str| (1..=2).contains(&text.len());
        let digits = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        digits
            && match parts[..] {
                [year, month, day] if mark != ':' => {
                    short(month)
                        && ((year.len() == 4 && short(day))
                            || (short(year) && (short(day) || day.len() == 4)))
                }
                [hour, minute] | [hour, minute, _] if mark == ':' => short(hour) && minute.len() == 2,
                _ => false,
            }
    };
    ['-', '/', '.', ':'].into_iter().any(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decimal::{Comma, Point};

    #[test]
    fn numbers_are_read_in_the_tables_dialect() {
        for (text, decimal, want) in [
            ("1", Point, Some(1.0)),
            ("-.5", Point, Some(-0.5)),
            ("+2.5e-3", Point, Some(0.0025)),
            ("1,234", Point, Some(1234.0)),
            ("1,234,567.5", Point, Some(1_234_567.5)),
            ("1,5", Point, None),
            ("0,123", Point, None),
            ("12,34,567", Point, None),
            ("95,0", Comma, Some(95.0)),
            ("-1.234,56", Comma, Some(-1234.56)),
            ("1.234", Comma, Some(1234.0)),
            ("1.5", Comma, None),
            (",5", Comma, Some(0.5)),
            ("1,5e3", Comma, Some(1500.0)),
            ("1\u{a0}234,56", Comma, Some(1234.56)),
            ("1\u{202f}234\u{202f}567", Point, Some(1_234_567.0)),
            ("1'234.5", Point, Some(1234.5)),
            ("1’234", Comma, Some(1234.0)),
            ("1 234", Point, None),
            ("1,234'567", Point, None),
            ("TRUE", Point, Some(1.0)),
            ("false", Comma, Some(0.0)),
            ("0x10", Point, None),
            ("1e", Point, None),
            ("--1", Comma, None),
            (".", Point, None),
            (",", Comma, None),
            ("nan", Point, None),
            ("9007199254740992", Point, Some(9_007_199_254_740_992.0)),
            ("1.7e18", Point, Some(1.7e18)),
        ] {
            assert_eq!(number(text, decimal), Ok(want), "{text} with {decimal:?}");
        }
        for (text, want) in [
            ("9007199254740993", Unfit::LosesDigits),
            ("-1700000000123456789", Unfit::LosesDigits),
            ("12345678901234567890123456789012345678901234567890", Unfit::LosesDigits),
            ("-Infinity", Unfit::Infinite),
            ("inf", Unfit::Infinite),
            ("1e999", Unfit::Infinite),
        ] {
            assert_eq!(number(text, Point), Err(want), "{text}");
        }
    }

    #[test]
    fn a_cell_says_only_what_it_proves() {
        for (text, want) in [
            ("12", Evidence::Nothing),
            ("1'234", Evidence::Nothing),
            ("x", Evidence::NoNumber),
            ("12.05.2024", Evidence::NoNumber),
            ("1.5", Evidence::Only(Point)),
            ("0.123", Evidence::Only(Point)),
            ("1,234.5", Evidence::Only(Point)),
            ("1,234,567", Evidence::Only(Point)),
            ("1,5", Evidence::Only(Comma)),
            ("0,123", Evidence::Only(Comma)),
            ("1234,567", Evidence::Only(Comma)),
            ("1.234,5", Evidence::Only(Comma)),
            ("1.234.567", Evidence::Only(Comma)),
            ("1.234", Evidence::Point),
            ("1,234", Evidence::Either),
        ] {
            assert_eq!(evidence(text), want, "{text}");
        }
    }

    #[test]
    fn dates_look_like_dates() {
        for date in ["2024-01-31", "31.01.2024", "1/31/24", "2024-01-31T12:30:00Z", "12:30", "12:30:05"] {
            assert!(is_date(date), "{date}");
        }
        for other in ["1.2.3.4", "1-2", "2024", "Berlin", "192.168.1.1", "", "v1.2.3"] {
            assert!(!is_date(other), "{other}");
        }
    }
}
