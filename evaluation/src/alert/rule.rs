//! A rule: what is asked, the limit, and how long a look has to say the same.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::duration;
use super::parse::{self, RuleError};
use super::quantity::{Quantity, Window};
use crate::number::{self, Decimals};

/// How a value lies to its limit when the rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Comparison {
    /// Two characters first: `>=` begins with `>`.
    pub(super) const ALL: [(&str, Self); 4] =
        [(">=", Self::AtLeast), ("<=", Self::AtMost), (">", Self::Above), ("<", Self::Below)];

    pub(super) fn sign(self) -> &'static str {
        Self::ALL.iter().find(|(_, comparison)| *comparison == self).map_or("", |(sign, _)| sign)
    }

    /// Whether larger values are the bad ones.
    #[must_use]
    pub fn is_upper(self) -> bool {
        matches!(self, Self::Above | Self::AtLeast)
    }

    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
        }
    }
}

/// How long something must last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// So many looks in a row, at least 1.
    Looks(u32),
    /// So many milliseconds.
    Time(u64),
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Looks(looks) => write!(f, "{looks}"),
            Self::Time(milliseconds) => f.write_str(&duration::write(*milliseconds)),
        }
    }
}

/// `mae{window=500} > 60 for 3 clear 57 keep 3`: what is asked, the limit, and what keeps it from crying too often.
///
/// Its text can be read again, and is how it is serialised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    /// What is asked.
    pub quantity: Quantity,
    /// On which side of the limit it fires.
    pub comparison: Comparison,
    /// The limit, in the metric's unit.
    pub limit: f64,
    /// How long the value must be beyond the limit until it fires.
    pub hold: Option<Hold>,
    /// The limit that holds while it fires.
    pub clear: Option<f64>,
    /// How long the value must be inside of that until it ends.
    pub keep: Option<Hold>,
}

impl Rule {
    /// How far inside the limit a value must be, as a share of it, for an alert to end.
    const INSIDE: f64 = 0.05;
    const LOOKS: Hold = Hold::Looks(3);

    /// How long the value must be beyond the limit until it fires: 3 looks, if the rule says nothing.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.hold.unwrap_or(Self::LOOKS)
    }

    /// How long the value must be inside of [`Rule::clear`] until the alert ends: 3 looks, if the rule says nothing.
    #[must_use]
    pub fn keep(&self) -> Hold {
        self.keep.unwrap_or(Self::LOOKS)
    }

    /// The limit that holds while it fires: 5 % inside the other one, if the rule says nothing. Of a limit of 0 that is 0.
    #[must_use]
    pub fn clear(&self) -> f64 {
        let room = self.limit.abs() * Self::INSIDE;
        self.clear.unwrap_or(if self.comparison.is_upper() { self.limit - room } else { self.limit + room })
    }

    /// Whether a value is beyond the limit that holds.
    #[must_use]
    pub fn is_broken(&self, value: f64, firing: bool) -> bool {
        self.comparison.holds(value, if firing { self.clear() } else { self.limit })
    }

    /// How many events lie between two looks, where they are counted: a tenth of the window. None: a look is every minute.
    #[must_use]
    pub fn events_a_look(&self) -> Option<u64> {
        match self.quantity.window() {
            Some(Window::Labels(labels)) => Some(u64::from(labels / 10).max(1)),
            _ => None,
        }
    }

    /// What fires, without how long: `mae{window=500} > 60`.
    #[must_use]
    pub fn condition(&self) -> String {
        format!("{} {} {}", self.quantity, self.comparison.sign(), self.number(self.limit))
    }

    /// A limit as it stands in the rule.
    fn number(&self, number: f64) -> String {
        // Only where it is read back as the same number.
        let is_same = |text: &String| duration::parse(text).is_ok_and(|read| read as f64 / 1000.0 == number);
        let time = self.milliseconds(number).map(duration::write).filter(is_same);
        // Written out, some would be hundreds of digits.
        let usual = number == 0.0 || (1e-5..1e16).contains(&number.abs());
        time.unwrap_or_else(|| if usual { number.to_string() } else { format!("{number:e}") })
    }

    /// A value for people, with as many digits as its distance from the limit makes worth it.
    pub(super) fn shown(&self, value: f64) -> String {
        let time = self.milliseconds(value).and_then(|milliseconds| i64::try_from(milliseconds).ok());
        let digits = || Decimals::of_interval(value, self.limit, self.limit).plain(value);
        time.map_or_else(digits, number::duration)
    }

    /// What a time is in milliseconds; none of what is no time.
    fn milliseconds(&self, seconds: f64) -> Option<u64> {
        let is_time = self.quantity.metric.is_time() && (0.0..1e12).contains(&seconds);
        // By way of a text, which is exact; a cast is not always.
        if is_time { format!("{:.0}", seconds * 1000.0).parse().ok() } else { None }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.condition())?;
        if let Some(hold) = self.hold {
            write!(f, " for {hold}")?;
        }
        if let Some(clear) = self.clear {
            write!(f, " clear {}", self.number(clear))?;
        }
        self.keep.map_or(Ok(()), |keep| write!(f, " keep {keep}"))
    }
}

impl std::str::FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        parse::rule(text)
    }
}

impl TryFrom<String> for Rule {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, RuleError> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}
