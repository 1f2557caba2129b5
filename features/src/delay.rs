//! How long a label comes after its row.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::{Rng, RngExt as _};

/// A delay, or a distribution that delays are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// The same for each label.
    Fixed(Duration),
    /// Any time from the first to the second, with equal chance.
    Uniform(Duration, Duration),
    /// Exponentially distributed with this mean: most come soon, a few very late.
    Exponential(Duration),
}

impl Delay {
    /// Draws one.
    #[must_use]
    pub fn draw(self, random: &mut impl Rng) -> Duration {
        match self {
            Self::Fixed(time) => time,
            Self::Uniform(from, to) => from + (to - from).mul_f64(random.random::<f64>()),
            // By inversion; the argument of the logarithm is above zero, so the result is finite.
            Self::Exponential(mean) => mean.mul_f64(-(1.0 - random.random::<f64>()).ln()),
        }
    }
}

/// Reads a time, such as `500ms`, of a year at the most.
///
/// # Errors
/// What is wrong with it.
pub fn time(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
    let text = text.trim();
    let time = humantime::parse_duration(text).map_err(|why| format!("{text:?} is not a time: {why}"))?;
    if time > LONGEST { Err(format!("{text:?} is longer than a year")) } else { Ok(time) }
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None => time(text).map(Self::Fixed),
            Some(("exponential", mean)) => time(mean).map(Self::Exponential),
            Some(("uniform", range)) => {
                let (from, to) = range.split_once("..").ok_or("expected uniform:FROM..TO")?;
                let (from, to) = (time(from)?, time(to)?);
                if from > to {
                    return Err(format!("{from:?} is longer than {to:?}"));
                }
                Ok(Self::Uniform(from, to))
            }
            Some((other, _)) => Err(format!("unknown distribution {other:?}; use uniform or exponential")),
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = humantime::format_duration;
        match self {
            Self::Fixed(delay) => write!(f, "{}", time(*delay)),
            Self::Uniform(from, to) => write!(f, "uniform:{}..{}", time(*from), time(*to)),
            Self::Exponential(mean) => write!(f, "exponential:{}", time(*mean)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    #[test]
    fn reads_what_it_shows() {
        for text in ["0s", "5s", "1m 30s", "uniform:1s..10s", "exponential:6h"] {
            assert_eq!(text.parse::<Delay>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_mistake_is_named() {
        for (text, want) in [
            ("soon", "\"soon\" is not a time"),
            ("normal:1s", "unknown distribution \"normal\"; use uniform or exponential"),
            ("uniform:1s", "expected uniform:FROM..TO"),
            ("uniform:2s..1s", "2s is longer than 1s"),
            ("exponential:500days", "longer than a year"),
        ] {
            let error = text.parse::<Delay>().unwrap_err();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn draws_follow_their_distribution() {
        let mut random = StdRng::seed_from_u64(1);
        let mut mean = |text: &str| {
            let delay: Delay = text.parse().unwrap();
            let draws: Vec<f64> = (0..10_000).map(|_| delay.draw(&mut random).as_secs_f64()).collect();
            if let Delay::Uniform(from, to) = delay {
                assert!(draws.iter().all(|draw| (from.as_secs_f64()..=to.as_secs_f64()).contains(draw)));
            }
            draws.iter().sum::<f64>() / 10_000.0
        };
        assert_eq!(mean("3s"), 3.0);
        assert!((mean("uniform:1s..3s") - 2.0).abs() < 0.05);
        assert!((mean("exponential:2s") - 2.0).abs() < 0.1);
    }
}
