//! How numbers are written for people: as many digits as are known, and never one for what is not known.
//!
//! The minus sign is U+2212. Thousands are apart by U+202F, the thin space at which no line breaks, from five digits on.

/// No number is written with more significant digits.
const MOST_DIGITS: i32 = 6;
/// Significant digits of a number of which nothing else is known.
const USUAL_DIGITS: i32 = 3;
/// Digits that the half of an interval's width has.
const HALF_DIGITS: i32 = 2;
/// From here on, and below the other, a number is written with a power of ten.
const LARGE: f64 = 1e15;
const SMALL: f64 = 1e-4;

/// What stands where there is no number.
pub const NOT_KNOWN: &str = "not known";

/// How many decimals a number, and what stands beside it, is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimals {
    /// Negative: rounded to tens, hundreds and so on.
    places: i32,
    power_of_ten: bool,
}

impl Decimals {
    /// For a number alone: three significant digits, whole numbers up to six.
    #[must_use]
    pub fn of(value: f64) -> Self {
        Self::at_most(USUAL_DIGITS - 1 - exponent(value, USUAL_DIGITS), value.abs())
    }

    /// For a value and the ends of its interval alike: the half of its width has two digits. An end that is open is infinite;
    /// then the other one's distance from the value counts.
    #[must_use]
    pub fn of_interval(value: f64, low: f64, high: f64) -> Self {
        // Halved first: their difference might be too large.
        let distances = [high / 2.0 - low / 2.0, value - low, high - value];
        let half = distances.into_iter().find(|half| half.is_finite() && *half > 0.0);
        let Some(half) = half else { return Self::of(value) };
        let finite = [value, low, high].into_iter().filter(|number| number.is_finite());
        let largest = finite.fold(0.0_f64, |largest, number| largest.max(number.abs()));
        Self::at_most(HALF_DIGITS - 1 - exponent(half, HALF_DIGITS), largest)
    }

    /// So many, whatever the number: two for R².
    #[must_use]
    pub const fn fixed(places: u8) -> Self {
        Self { places: places as i32, power_of_ten: false }
    }

    /// These places, but no more than `largest` may have.
    fn at_most(places: i32, largest: f64) -> Self {
        let most = MOST_DIGITS - 1 - exponent(largest, MOST_DIGITS);
        let power_of_ten = largest >= LARGE || (largest < SMALL && largest > 0.0);
        let places = if power_of_ten { places } else { places.max(0) };
        Self { places: places.min(most), power_of_ten }
    }

    /// The number, with a sign where it is negative.
    #[must_use]
    pub fn plain(self, number: f64) -> String {
        self.write(number, "")
    }

    /// A bias or a difference: always with a sign, unless it is written as zero.
    #[must_use]
    pub fn signed(self, number: f64) -> String {
        self.write(number, "+")
    }

    /// `41.5 … 46.4`, `from 41.5`, `up to 46.4`; an open end is infinite.
    #[must_use]
    pub fn interval(self, low: f64, high: f64) -> String {
        between(low, high, |end| self.plain(end))
    }

    /// The same for a bias or a difference: `−0.15 … +0.69`.
    #[must_use]
    pub fn signed_interval(self, low: f64, high: f64) -> String {
        between(low, high, |end| self.signed(end))
    }

    fn write(self, number: f64, plus: &str) -> String {
        if number.is_nan() {
            return NOT_KNOWN.to_owned();
        }
        let size = if number.is_infinite() { "∞".to_owned() } else { self.digits(number.abs()) };
        let is_zero = !size.contains(|digit: char| matches!(digit, '1'..='9' | '∞'));
        let sign = match () {
            () if is_zero => "",
            () if number < 0.0 => "−",
            () => plus,
        };
        format!("{sign}{size}")
    }

    fn digits(self, size: f64) -> String {
        let exponent = exponent(size, MOST_DIGITS);
        let places = self.places.min(MOST_DIGITS - 1 - exponent);
        if size > 0.0 && (self.power_of_ten || size >= LARGE) {
            let digits = usize::try_from(exponent + places).unwrap_or(0);
            return format!("{size:.digits$e}");
        }
        match usize::try_from(places) {
            Ok(places) => in_thousands(&format!("{size:.places$}")),
            Err(_) => {
                let digits = usize::try_from(exponent + places).unwrap_or(0);
                let rounded: f64 = format!("{size:.digits$e}").parse().unwrap_or(size);
                in_thousands(&format!("{rounded:.0}"))
            }
        }
    }
}

fn between(low: f64, high: f64, write: impl Fn(f64) -> String) -> String {
    match (low.is_finite(), high.is_finite()) {
        (true, true) => format!("{} … {}", write(low), write(high)),
        (true, false) => format!("from {}", write(low)),
        (false, true) => format!("up to {}", write(high)),
        (false, false) => NOT_KNOWN.to_owned(),
    }
}

/// The power of ten of the first digit, once the number is rounded to so many digits: 99.96 has 2 with three. 0 for zero and for
/// what is no number.
fn exponent(number: f64, digits: i32) -> i32 {
    let decimals = usize::try_from(digits - 1).unwrap_or(0);
    // An infinity has no `e`.
    format!("{number:.decimals$e}").split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0)
}

/// The digits of a number that is not negative, thousands apart.
fn in_thousands(number: &str) -> String {
    let (whole, decimals) = number.split_at(number.find('.').unwrap_or(number.len()));
    if whole.len() < 5 {
        return number.to_owned();
    }
    let mut text = String::with_capacity(number.len() + 16);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text + decimals
}

/// How many: `1204`, `12 345`.
#[must_use]
pub fn count(number: u64) -> String {
    in_thousands(&number.to_string())
}

/// A share as a percentage: one decimal below 10 %, none above. What is not nothing is not written as 0, and what is not all not
/// as 100 %.
#[must_use]
pub fn percent(share: f64) -> String {
    percentage(share, "")
}

/// A relative difference as a percentage, always with a sign, unless it is zero.
#[must_use]
pub fn signed_percent(share: f64) -> String {
    percentage(share, "+")
}

fn percentage(share: f64, plus: &str) -> String {
    if share.is_nan() {
        return NOT_KNOWN.to_owned();
    }
    let percent = share.abs() * 100.0;
    let sign = match () {
        () if share == 0.0 => return "0 %".to_owned(),
        () if share < 0.0 => "−",
        () => plus,
    };
    let size = match percent {
        percent if percent.is_infinite() => "∞".to_owned(),
        percent if percent < 0.05 => return format!("{sign}<0.1 %"),
        // 9.95 and more would be 10.0.
        percent if percent < 9.95 => format!("{percent:.1}"),
        percent if (99.5..100.0).contains(&percent) => return format!("{sign}>99 %"),
        percent => Decimals { places: 0, power_of_ten: false }.plain(percent),
    };
    format!("{sign}{size} %")
}

/// A number of bytes, in powers of 1000: `350 bytes`, `1.2 MB`, `80 GB`; two digits at least.
#[must_use]
pub fn bytes(number: f64) -> String {
    let number = number.max(0.0);
    let mut size = number;
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    for (at, unit) in units.iter().enumerate() {
        let digits = usize::from(at > 0 && size < 9.95);
        let text = format!("{size:.digits$}");
        if at + 1 == units.len() || text.parse::<f64>().is_ok_and(|shown| shown < 1000.0) {
            return format!("{text} {unit}");
        }
        size /= 1000.0;
    }
    format!("{number} bytes")
}

/// A time in milliseconds: `350 ms`, `12 s`, `40 min`, `2.3 h`, `3 d`; one decimal below 10 where it is not 0. Days from two on.
#[must_use]
pub fn duration(milliseconds: i64) -> String {
    let sign = if milliseconds < 0 { "−" } else { "" };
    let size = milliseconds.unsigned_abs();
    if size < 1000 {
        return format!("{sign}{size} ms");
    }
    // Rounded first: 59.6 s are 1 min, and not 60 s.
    for (unit, length, end) in [("s", 1000, 60), ("min", 60_000, 60), ("h", 3_600_000, 48)] {
        let tenths = rounded(size, length / 10);
        if tenths < 100 {
            let dot = if tenths.is_multiple_of(10) { String::new() } else { format!(".{}", tenths % 10) };
            return format!("{sign}{}{dot} {unit}", tenths / 10);
        }
        let whole = rounded(size, length);
        if whole < end {
            return format!("{sign}{whole} {unit}");
        }
    }
    let tenths = rounded(size, 8_640_000);
    if tenths < 100 && !tenths.is_multiple_of(10) {
        return format!("{sign}{}.{} d", tenths / 10, tenths % 10);
    }
    format!("{sign}{} d", count(rounded(size, 86_400_000)))
}

fn rounded(size: u64, unit: u64) -> u64 {
    size / unit + u64::from(size % unit >= unit / 2)
}

#[cfg(test)]
mod tests;
