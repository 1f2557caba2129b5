//! Where a value is on an axis, and which values are written there.

use evaluation::number::Decimals;

/// From a value to its place: 0 at the low end, 1 at the high one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    pub(super) fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    /// Its upper end.
    pub(super) fn high(self) -> f64 {
        self.high
    }

    /// The place of a value, from 0 to 1; outside it is at the end.
    pub(super) fn place(self, value: f64) -> f64 {
        let width = self.high - self.low;
        // Too wide for a difference, or a single value: the middle.
        if !width.is_finite() || width <= 0.0 {
            return 0.5;
        }
        ((value - self.low) / width).clamp(0.0, 1.0)
    }

    /// The same across, in percent.
    pub(super) fn percent(self, value: f64) -> f64 {
        self.place(value) * 100.0
    }

    /// The same from the top down, in pixels of a picture of this height.
    pub(super) fn down(self, value: f64, height: f64) -> f64 {
        (1.0 - self.place(value)) * height
    }

    fn step(self) -> f64 {
        step((self.high - self.low) / 4.5)
    }

    /// As many decimals as its ticks need.
    pub(super) fn decimals(self) -> Decimals {
        let places = -self.step().log10().floor();
        if !(0.0..=6.0).contains(&places) && places > 0.0 {
            return Decimals::of(self.step());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 6")]
        Decimals::fixed(places.max(0.0) as u8)
    }

    /// Round values within it, three to six of them.
    pub(super) fn ticks(self) -> Vec<f64> {
        let width = self.high - self.low;
        if !width.is_finite() || width <= 0.0 {
            return vec![self.low];
        }
        let step = self.step();
        let first = (self.low / step).ceil();
        let ticks = (0..8).map(|number| (first + f64::from(number)) * step);
        ticks.take_while(|tick| *tick <= self.high + width * 1e-9).map(|tick| tick + 0.0).collect()
    }
}

/// 1, 2 or 5 times a power of ten: the nearest that is not much smaller.
fn step(about: f64) -> f64 {
    let power = 10_f64.powf(about.log10().floor());
    let factor = match about / power {
        factor if factor <= 1.2 => 1.0,
        factor if factor <= 2.4 => 2.0,
        factor if factor <= 6.0 => 5.0,
        _ => 10.0,
    };
    factor * power
}

/// The steps between the times that are written, in milliseconds.
const STEPS: [i64; 20] = [
    1000,
    2000,
    5000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    604_800_000,
];

/// How near to an end, in percent, a text below turns inwards, where it would leave the picture otherwise.
pub(super) const AT_AN_END: f64 = 4.0;
/// Of how many times those at the ends are left out: turned inwards, they would stand in their neighbours' places.
const MANY: usize = 4;

/// Times between two, at round times of a clock that is so many milliseconds before UTC's; `most` of them. With the step.
pub(super) fn times(from: i64, to: i64, ahead: i64, most: i64) -> (Vec<i64>, i64) {
    let span = to.saturating_sub(from).max(1);
    let step = STEPS
        .into_iter()
        .find(|step| span / step < most)
        .unwrap_or(604_800_000 * (span / 604_800_000 / most + 1));
    let first = from
        .saturating_add(ahead)
        .div_euclid(step)
        .saturating_add(1)
        .saturating_mul(step)
        .saturating_sub(ahead);
    let ticks = (0..most + 1).map(|number| first.saturating_add(number.saturating_mul(step)));
    let mut ticks: Vec<i64> = ticks.take_while(|tick| *tick <= to).collect();
    if ticks.len() >= MANY {
        let x = Scale::new(from as f64, to as f64);
        ticks.retain(|tick| (AT_AN_END..=100.0 - AT_AN_END).contains(&x.percent(*tick as f64)));
    }
    (ticks, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_its_place_and_what_is_outside_the_end() {
        let scale = Scale::new(10.0, 30.0);
        for (value, place) in [(10.0, 0.0), (15.0, 0.25), (30.0, 1.0), (-5.0, 0.0), (1e300, 1.0)] {
            assert!((scale.place(value) - place).abs() < 1e-12, "{value}");
        }
        assert!((scale.down(15.0, 200.0) - 150.0).abs() < 1e-12);
        // Nothing that is not a number leaves it.
        for scale in [Scale::new(0.0, 0.0), Scale::new(f64::MIN, f64::MAX), Scale::new(0.0, f64::INFINITY)] {
            assert!(scale.place(1.0).is_finite() && scale.ticks().iter().all(|tick| tick.is_finite()));
        }
    }

    #[test]
    fn ticks_are_round() {
        for (low, high, ticks) in [
            (0.0, 60.0, vec![0.0, 20.0, 40.0, 60.0]),
            (0.0, 1.0, vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
            (-2.0, 2.0, vec![-2.0, -1.0, 0.0, 1.0, 2.0]),
            (41.0, 48.0, vec![42.0, 44.0, 46.0, 48.0]),
        ] {
            let found = Scale::new(low, high).ticks();
            assert_eq!(found.len(), ticks.len(), "{low} to {high}: {found:?}");
            assert!(found.iter().zip(&ticks).all(|(one, other)| (one - other).abs() < 1e-9), "{found:?}");
        }
    }

    #[test]
    fn times_are_those_that_a_clock_shows() {
        let hour = 3_600_000;
        // 09:30 to 13:10, on a clock that is half an hour ahead.
        let (ticks, step) = times(9 * hour + hour / 2, 13 * hour + hour / 6, hour / 2, 5);
        assert_eq!((ticks, step), (vec![hour * 21 / 2, hour * 23 / 2, hour * 25 / 2], hour));
        // Of four and more, none at an end.
        let seconds = |from: i64, to: i64| -> Vec<i64> {
            let (ticks, step) = times(from * 100, to * 100, 0, 6);
            assert_eq!(step, 10_000);
            ticks.into_iter().map(|tick| tick / 1000).collect()
        };
        assert_eq!(seconds(0, 510), [10, 20, 30, 40]);
        assert_eq!(seconds(0, 550), [10, 20, 30, 40, 50]);
        assert_eq!(seconds(95, 610), [20, 30, 40, 50]);
        assert_eq!(seconds(98, 399), [10, 20, 30], "three have room");
        for span in [1_i64, 999, 60_000, 86_400_000, 40 * 86_400_000, i64::MAX] {
            let (ticks, _) = times(0, span, 0, 6);
            assert!(ticks.len() <= 7 && ticks.iter().all(|tick| (0..=span).contains(tick)), "{span}");
        }
    }
}
