//! Durations in rules: `10m`, `1h30m`.

use std::fmt::Write as _;

const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Ten years: nobody waits longer.
const LONGEST: u64 = 3650 * 86_400_000;

pub(crate) const EXPECTED: &str = "expected a duration such as 90s, 10m, 24h or 1h30m";

/// Milliseconds; they are above 0.
///
/// # Errors
/// What is wrong.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let length = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, length)| *length);
        let (false, Some(length)) = (number.is_empty(), length) else { return Err(EXPECTED.to_owned()) };
        if length >= last {
            return Err(format!("{EXPECTED}, each unit once and the longest first"));
        }
        last = length;
        let part = number.parse().ok().and_then(|number: u64| number.checked_mul(length));
        total = part.and_then(|part| total.checked_add(part)).unwrap_or(u64::MAX);
        rest = behind;
    }
    match total {
        0 => Err(format!("{EXPECTED}, above 0")),
        total if total > LONGEST => Err(format!("{EXPECTED}, of ten years at the most")),
        total => Ok(total),
    }
}

/// As it is read.
pub(crate) fn write(milliseconds: u64) -> String {
    let mut rest = milliseconds;
    let mut text = String::new();
    // Weeks are read, but people say 14 days.
    for (name, length) in UNITS.into_iter().skip(1) {
        if rest >= length {
            // Writing to a string cannot fail.
            _ = write!(text, "{}{name}", rest / length);
            rest %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, milliseconds, written) in [
            ("500ms", 500, "500ms"),
            ("90s", 90_000, "1m30s"),
            ("10m", 600_000, "10m"),
            ("24h", 86_400_000, "1d"),
            ("1h30m", 5_400_000, "1h30m"),
            ("2w", 1_209_600_000, "14d"),
            ("1d1ms", 86_400_001, "1d1ms"),
        ] {
            assert_eq!(parse(text), Ok(milliseconds), "{text}");
            assert_eq!(write(milliseconds), written);
            assert_eq!(parse(written), Ok(milliseconds));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for (text, ends) in [
            ("", "above 0"),
            ("0s", "above 0"),
            ("10", "1h30m"),
            ("m", "1h30m"),
            ("1.5h", "1h30m"),
            ("-1h", "1h30m"),
            ("5 m", "1h30m"),
            ("5min", "1h30m"),
            ("10m1h", "longest first"),
            ("1h1h", "longest first"),
            ("11000d", "ten years at the most"),
            ("99999999999999999999999d", "ten years at the most"),
            ("18446744073709551615w", "ten years at the most"),
        ] {
            assert!(parse(text).unwrap_err().ends_with(ends), "{text}: {:?}", parse(text));
        }
    }
}
