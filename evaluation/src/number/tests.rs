//! Numbers and how they are written, by hand. An underscore stands for the thin space.

use super::*;

fn seen(text: &str) -> String {
    text.replace('\u{202f}', "_")
}

#[test]
fn a_value_has_as_many_decimals_as_its_interval_gives_it() {
    for (value, low, high, want) in [
        (43.91, 41.52, 46.43, "43.9 (41.5 … 46.4)"),
        (1.84, 1.637_328, 2.067_759, "1.84 (1.64 … 2.07)"),
        (1.84, 1.313_877, 2.576_800, "1.84 (1.31 … 2.58)"),
        // Half the width is .0996, which is .10 with two digits.
        (1.0, 0.9004, 1.0996, "1.00 (0.90 … 1.10)"),
        (250.0, 225.4, 274.6, "250 (225 … 275)"),
        // No more is known than hundreds, but whole numbers are written out.
        (1234.5, 500.2, 2000.9, "1234 (500 … 2001)"),
        (12_345.6, 12_000.2, 12_700.9, "12_346 (12_000 … 12_701)"),
        // Six digits at the most.
        (123_456.789, 123_456.75, 123_456.82, "123_457 (123_457 … 123_457)"),
        (1_234_567.0, 1_234_560.0, 1_234_574.0, "1_234_570 (1_234_560 … 1_234_570)"),
        (99_999.97, 99_999.9, 100_000.04, "100_000 (100_000 … 100_000)"),
        (-0.8, -1.2, -0.4, "−0.80 (−1.20 … −0.40)"),
        (0.002_34, 0.002_01, 0.002_81, "0.00234 (0.00201 … 0.00281)"),
        (2.34e-7, 2.01e-7, 2.81e-7, "2.34e-7 (2.01e-7 … 2.81e-7)"),
        (2.34e20, 2.01e20, 2.81e20, "2.34e20 (2.01e20 … 2.81e20)"),
        // An open end.
        (3.25, 3.0, f64::INFINITY, "3.25 (from 3.00)"),
        (3.25, f64::NEG_INFINITY, 3.5, "3.25 (up to 3.50)"),
        (3.25, f64::NEG_INFINITY, f64::INFINITY, "3.25 (not known)"),
        (3.25, f64::NAN, f64::NAN, "3.25 (not known)"),
        // No width.
        (2.5, 2.5, 2.5, "2.50 (2.50 … 2.50)"),
        (0.0, -f64::MAX, f64::MAX, "0 (−1.8e308 … 1.8e308)"),
    ] {
        let decimals = Decimals::of_interval(value, low, high);
        let text = format!("{} ({})", decimals.plain(value), decimals.interval(low, high));
        assert_eq!(seen(&text), want, "{value} {low} {high}");
    }
}

#[test]
fn a_number_alone_has_three_digits_and_whole_ones_up_to_six() {
    for (number, want) in [
        (0.0, "0.00"),
        (-0.0, "0.00"),
        (43.912, "43.9"),
        (99.96, "100"),
        (999.96, "1000"),
        (1234.5, "1234"),
        (12_345.0, "12_345"),
        (-12_345.6, "−12_346"),
        (123_456_789.0, "123_457_000"),
        (999_999_999_999_999.0, "1_000_000_000_000_000"),
        (1e15, "1.00e15"),
        (0.001_234, "0.00123"),
        (0.000_1, "0.000100"),
        (0.000_012_34, "1.23e-5"),
        (5e-324, "4.94e-324"),
        (f64::MAX, "1.80e308"),
        (f64::INFINITY, "∞"),
        (f64::NEG_INFINITY, "−∞"),
        (f64::NAN, "not known"),
    ] {
        assert_eq!(seen(&Decimals::of(number).plain(number)), want, "{number:e}");
    }
}

#[test]
fn biases_and_differences_have_a_sign_unless_they_are_zero() {
    for (number, places, want) in [
        (1.2, 1, "+1.2"),
        (-0.8, 1, "−0.8"),
        (0.0, 1, "0.0"),
        (-0.04, 1, "0.0"),
        (0.05, 1, "+0.1"),
        (12_345.0, 0, "+12_345"),
        (f64::INFINITY, 1, "+∞"),
        (f64::NEG_INFINITY, 1, "−∞"),
        (f64::NAN, 1, "not known"),
    ] {
        assert_eq!(seen(&Decimals::fixed(places).signed(number)), want, "{number:e}");
    }
    let bias = Decimals::of_interval(0.27, -0.151_723, 0.691_723);
    assert_eq!(bias.signed_interval(-0.151_723, 0.691_723), "−0.15 … +0.69");
}

#[test]
fn r2_has_two_decimals_and_six_digits_at_the_most() {
    for (r2, want) in [
        (0.4523, "0.45"),
        (-0.004, "0.00"),
        (-3.456, "−3.46"),
        (-123_456.78, "−123_457"),
        (-1e18, "−1.00000e18"),
    ] {
        assert_eq!(seen(&Decimals::fixed(2).plain(r2)), want, "{r2}");
    }
}

#[test]
fn a_percentage_is_never_nothing_nor_all_by_rounding() {
    for (share, want) in [
        (0.0, "0 %"),
        (-0.0, "0 %"),
        (1e-300, "<0.1 %"),
        (0.000_49, "<0.1 %"),
        (0.000_51, "0.1 %"),
        (0.034, "3.4 %"),
        (0.0994, "9.9 %"),
        (0.0996, "10 %"),
        (0.125_1, "13 %"),
        (0.994, "99 %"),
        (0.999_999, ">99 %"),
        (1.0, "100 %"),
        (1.46, "146 %"),
        (123.456_7, "12_346 %"),
        (f64::INFINITY, "∞ %"),
        (f64::NAN, "not known"),
    ] {
        assert_eq!(seen(&percent(share)), want, "{share:e}");
    }
    for (share, want) in
        [(0.25, "+25 %"), (-0.034, "−3.4 %"), (0.0, "0 %"), (-0.0001, "−<0.1 %"), (f64::NEG_INFINITY, "−∞ %")]
    {
        assert_eq!(seen(&signed_percent(share)), want, "{share:e}");
    }
}

#[test]
fn a_time_has_the_unit_that_people_would_say() {
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    for (milliseconds, want) in [
        (0, "0 ms"),
        (350, "350 ms"),
        (1000, "1 s"),
        (2340, "2.3 s"),
        (9949, "9.9 s"),
        (9950, "10 s"),
        (12_400, "12 s"),
        (59_499, "59 s"),
        (59_500, "1 min"),
        (3 * MINUTE, "3 min"),
        (40 * MINUTE + 29_999, "40 min"),
        (HOUR - 1, "1 h"),
        (2 * HOUR + 18 * MINUTE, "2.3 h"),
        (24 * HOUR, "24 h"),
        (47 * HOUR, "47 h"),
        (48 * HOUR, "2 d"),
        (60 * HOUR, "2.5 d"),
        (365 * 24 * HOUR, "365 d"),
        (-3 * MINUTE, "−3 min"),
        (i64::MAX, "106_751_991_167 d"),
        (i64::MIN, "−106_751_991_167 d"),
    ] {
        assert_eq!(seen(&duration(milliseconds)), want, "{milliseconds}");
    }
}

#[test]
fn counts_are_apart_by_thousands_from_five_digits_on() {
    for (number, want) in [
        (0, "0"),
        (1204, "1204"),
        (10_000, "10_000"),
        (1_234_567, "1_234_567"),
        (u64::MAX, "18_446_744_073_709_551_615"),
    ] {
        assert_eq!(seen(&count(number)), want);
    }
}

#[test]
fn bytes_have_two_digits_and_the_largest_unit() {
    for (number, text) in [
        (0.0, "0 bytes"),
        (999.0, "999 bytes"),
        (1000.0, "1.0 kB"),
        (9949.0, "9.9 kB"),
        (9951.0, "10 kB"),
        (999_499.0, "999 kB"),
        (999_600.0, "1.0 MB"),
        (80e9, "80 GB"),
        (1.5e16, "15000 TB"),
        (-1.0, "0 bytes"),
    ] {
        assert_eq!(bytes(number), text, "{number}");
    }
}
