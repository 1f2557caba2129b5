//! Quantiles and tails of the distributions that tests and intervals need.

/// Beyond so many degrees of freedom Student's t is computed by a series.
const MOST_DEGREES: u64 = 200;

/// The 97.5 % quantile of Student's t for a whole number of degrees of freedom; None for none.
#[must_use]
pub fn student(degrees: u64) -> Option<f64> {
    let d = degrees as f64;
    if degrees > MOST_DEGREES {
        // Cornish and Fisher's expansion (Abramowitz and Stegun, 26.7.5), to 1e-10.
        let z = 1.959_963_984_540_054_f64;
        let odd = |c: [f64; 5]| c.iter().rev().fold(0.0, |sum, c| sum * z * z + c) * z;
        let terms = [
            odd([1.0, 1.0, 0.0, 0.0, 0.0]) / 4.0,
            odd([3.0, 16.0, 5.0, 0.0, 0.0]) / 96.0,
            odd([-15.0, 17.0, 19.0, 3.0, 0.0]) / 384.0,
            odd([-945.0, -1920.0, 1482.0, 776.0, 79.0]) / 92_160.0,
        ];
        return Some(z + terms.iter().rev().fold(0.0, |sum, term| (sum + term) / d));
    }
    if degrees == 0 {
        return None;
    }
    let (mut low, mut high) = (1.0, 13.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if within(middle, degrees) < 0.95 { low = middle } else { high = middle }
    }
    Some(high)
}

/// The probability that Student's t is between `-t` and `t`: a finite sum (Abramowitz and Stegun, 26.7.3 and 26.7.4).
fn within(t: f64, degrees: u64) -> f64 {
    let angle = (t / (degrees as f64).sqrt()).atan();
    let (sin, cos) = angle.sin_cos();
    let odd = degrees % 2 == 1;
    let (mut term, mut sum) = if odd { (cos, 0.0) } else { (1.0, 0.0) };
    let mut power = u64::from(odd);
    while power + 2 <= degrees {
        sum += term;
        term *= cos * cos * (power + 1) as f64 / (power + 2) as f64;
        power += 2;
    }
    if odd { (angle + sin * sum) * std::f64::consts::FRAC_2_PI } else { sin * sum }
}

/// The chance that Student's t is further from 0 than `t`, to either side, for any degrees of freedom from 1 on.
#[must_use]
pub fn student_chance(t: f64, degrees: f64) -> f64 {
    let t = t.abs();
    if degrees > MOST_DEGREES as f64 {
        // As a normal number (Abramowitz and Stegun, 26.7.8), to 1e-6.
        let z = t * (1.0 - 1.0 / (4.0 * degrees)) / (1.0 + t * t / (2.0 * degrees)).sqrt();
        return 2.0 * normal_tail(z);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 1 and 200")]
    let below = degrees.max(1.0) as u64;
    let chance = |degrees: u64| (1.0 - within(t, degrees)).max(0.0);
    // Between whole numbers the chance is nearly straight in 1 / degrees.
    let (low, high) = (below as f64, below as f64 + 1.0);
    let part = (1.0 / low - 1.0 / degrees.max(1.0)) / (1.0 / low - 1.0 / high);
    chance(below) + part * (chance(below + 1) - chance(below))
}

/// The chance that a normal number is above `z`.
#[must_use]
pub fn normal_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
}

/// The number that a normal one is below with this chance, which is between 0 and 1: by halving.
#[must_use]
pub fn normal_quantile(chance: f64) -> f64 {
    // In the upper half the tail has all digits.
    if chance < 0.5 { -above(1.0, chance, normal_tail) } else { above(1.0, 1.0 - chance, normal_tail) }
}

/// The number that χ² with these degrees is above with this chance: by halving. 0 without degrees.
#[must_use]
pub fn chi_squared(degrees: usize, chance: f64) -> f64 {
    if degrees == 0 { 0.0 } else { above(degrees as f64, chance, |x| chi_squared_tail(degrees, x)) }
}

/// The chance that χ² is above `x`: a finite sum (Abramowitz and Stegun, 26.4.4 and 26.4.5).
fn chi_squared_tail(degrees: usize, x: f64) -> f64 {
    let half = x / 2.0;
    let odd = degrees % 2 == 1;
    let (mut term, mut sum, mut power) = if odd {
        ((half / std::f64::consts::PI).sqrt() * 2.0 * (-half).exp(), libm::erfc(half.sqrt()), 1.5)
    } else {
        ((-half).exp(), 0.0, 1.0)
    };
    for _ in 0..degrees / 2 {
        sum += term;
        term *= half / power;
        power += 1.0;
    }
    sum
}

/// Where a tail that falls has this value; `start` is a first guess. 0 where it is below at 0 already.
fn above(start: f64, chance: f64, tail: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, start);
    while tail(high) > chance && high < 1e6 {
        high *= 2.0;
    }
    for _ in 0..70 {
        let middle = f64::midpoint(low, high);
        if tail(middle) > chance { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 1e-9 * expected.abs(), "{got} is not {expected}");
    }

    #[test]
    fn normal_numbers() {
        // scipy.stats.norm.sf and ppf
        for (z, tail) in [(0.0, 0.5), (1.0, 0.158_655_253_931_457_05), (6.0, 9.865_876_450_376_98e-10)] {
            close(normal_tail(z), tail);
            assert!((normal_quantile(1.0 - tail) - z).abs() < 1e-6);
        }
        close(normal_quantile(0.975), 1.959_963_984_540_054);
        close(normal_quantile(1.25e-6), -4.708_129_715_753_564);
        assert!(normal_quantile(0.5).abs() < 1e-12);
    }

    #[test]
    fn chi_squared_by_its_tables() {
        // scipy.stats.chi2.isf
        for (degrees, chance, expected) in [
            (1, 0.05, 3.841_458_820_694_124),
            (2, 0.05, 5.991_464_547_107_979),
            (9, 0.05, 16.918_977_604_620_448),
            (63, 0.05, 82.528_726_540_085),
        ] {
            assert!((chi_squared(degrees, chance) / expected - 1.0).abs() < 1e-9, "{degrees}");
        }
        assert_eq!(chi_squared(0, 0.05), 0.0);
    }

    #[test]
    fn chances_of_students_t() {
        // 2 * scipy.stats.t.sf
        for (t, degrees, expected) in [
            (1.0, 1.0, 0.5),
            (2.228_138_851_964_938_6, 10.0, 0.05),
            (-1.983_971_518_523_552_8, 100.0, 0.05),
            (1.971_896_224_339_036, 200.0, 0.05),
            (1.962_339_080_807_9, 1000.0, 0.05),
            (1.959_963_984_540_054, 1e12, 0.05),
        ] {
            assert!((student_chance(t, degrees) - expected).abs() < 1e-6, "{t} {degrees}");
        }
    }

    #[test]
    fn student_s_t() {
        // scipy.stats.t.ppf(0.975, degrees)
        for (degrees, expected) in [
            (1, 12.706_204_736_174_694),
            (9, 2.262_157_162_798_205),
            (19, 2.093_024_054_408_308_7),
            (29, 2.045_229_642_132_703),
            (99, 1.984_216_951_586_417_4),
            (499, 1.964_729_390_987_688_6),
            (10_000, 1.960_201_239_890_626),
            (100_000, 1.959_987_707_534_609_5),
            (1_000_000_000, 1.959_963_986_912_325),
        ] {
            let t = student(degrees).unwrap();
            assert!((t / expected - 1.0).abs() < 1e-11, "{degrees}: {t}");
        }
        assert_eq!(student(0), None);
        // The series goes on where the sums end.
        let all: Vec<f64> = (1..=MOST_DEGREES + 2).map(|degrees| student(degrees).unwrap()).collect();
        assert!(all.windows(2).all(|two| two[1] < two[0]));
        let second = |last: usize| all[last] - 2.0 * all[last - 1] + all[last - 2];
        assert!((second(201) - second(198)).abs() < 1e-7);
        assert!(student(u64::MAX).unwrap() > 1.959);
    }
}
