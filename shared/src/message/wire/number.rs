//! Ids that are numbers, in one spelling each.

use crate::message::RowId;

/// A JSON number written out as decimal text, without an exponent and needless zeros: 5.0 and 5 are one id, and so are
/// 3.9640798e7 and 39640798. Never by way of a float, so that twenty digits stay twenty digits.
///
/// # Errors
/// As it came, or written out, it is longer than an id can be.
pub(super) fn written_out(json: &str) -> Result<String, String> {
    let too_long = || {
        format!("written out, the number has more than {} characters; send the id as a text", RowId::MAX_LEN)
    };
    if json.len() > RowId::MAX_LEN {
        return Err(too_long());
    }
    let (sign, size) = json.strip_prefix('-').map_or(("", json), |size| ("-", size));
    let (mantissa, exponent) = size.split_once(['e', 'E']).unwrap_or((size, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let significant = all.trim_start_matches('0');
    let digits = significant.trim_end_matches('0');
    if digits.is_empty() {
        return Ok("0".to_owned());
    }
    let exponent: isize = exponent.parse().map_err(|_| too_long())?;
    let leading = all.len() - significant.len();
    // Where the point stands, counted from the first digit.
    let point = exponent.saturating_add_unsigned(whole.len()).saturating_sub_unsigned(leading);
    if point.unsigned_abs() > RowId::MAX_LEN {
        return Err(too_long());
    }
    let zeros = |count: usize| "0".repeat(count);
    let text = match usize::try_from(point) {
        Err(_) | Ok(0) => format!("{sign}0.{}{digits}", zeros(point.unsigned_abs())),
        Ok(point) if point < digits.len() => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
        Ok(point) => format!("{sign}{digits}{}", zeros(point - digits.len())),
    };
    if text.len() > RowId::MAX_LEN { Err(too_long()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        for (json, want) in [
            ("5", "5"),
            ("5.0", "5"),
            ("5e0", "5"),
            ("0.5E+1", "5"),
            ("-5", "-5"),
            ("-5.00", "-5"),
            ("1e3", "1000"),
            ("1.5e-3", "0.0015"),
            ("12.5e-1", "1.25"),
            ("100", "100"),
            ("0.1", "0.1"),
            ("0.001e3", "1"),
            ("0.0012e3", "1.2"),
            ("3.9640798e7", "39640798"),
            ("1734717251.10", "1734717251.1"),
            ("12345678901234567890", "12345678901234567890"),
            ("0.12345678901234567890123", "0.12345678901234567890123"),
            ("9007199254740993", "9007199254740993"),
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0e99999999999999999999", "0"),
            ("1e-2", "0.01"),
        ] {
            assert_eq!(written_out(json).as_deref(), Ok(want), "{json}");
            assert_eq!(written_out(want).as_deref(), Ok(want), "{json} once more");
            assert_eq!(RowId::parse(want).unwrap().to_string(), want);
        }
        assert_eq!(written_out("1e127").unwrap(), format!("1{}", "0".repeat(127)));
        assert_eq!(written_out("1e-126").unwrap(), format!("0.{}1", "0".repeat(125)));
    }

    #[test]
    fn what_would_grow_is_refused() {
        let long = format!("1.{}", "0".repeat(200));
        let sizes =
            ["1e128", "-1e127", "1e-127", "1e400", "1e-400", "1e999999999", "1e-99999999999999999999"];
        for json in sizes.into_iter().chain([&*long]) {
            let why = "written out, the number has more than 128 characters; send the id as a text";
            assert_eq!(written_out(json).unwrap_err(), why, "{json}");
        }
    }

    proptest! {
        /// Whatever stands for the same number is the same text, and that text is the number.
        #[test]
        fn spellings_of_a_number_meet(
            negative: bool, digits in "[1-9][0-9]{0,24}", point in 0..30_usize, shift in -30..30_i32, more in 0..9_usize,
        ) {
            let sign = if negative { "-" } else { "" };
            let plain = written_out(&format!("{sign}{digits}e{shift}")).unwrap();
            // The same with a point somewhere, and the exponent that takes it back.
            let padded = format!("{}{digits}", "0".repeat(point.saturating_sub(digits.len() - 1)));
            let (whole, fraction) = padded.split_at(padded.len() - point.min(padded.len() - 1));
            let shifted = shift + i32::try_from(fraction.len()).unwrap();
            let whole = whole.trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };
            let other = format!("{sign}{whole}.{fraction}{}E{shifted}", "0".repeat(more.max(1)));
            prop_assert_eq!(written_out(&other).unwrap(), plain.clone(), "{}", other);
            let float: f64 = plain.parse().unwrap();
            prop_assert_eq!(float, format!("{sign}{digits}e{shift}").parse::<f64>().unwrap());
            prop_assert!(RowId::parse(&plain).is_ok());
        }
    }
}
