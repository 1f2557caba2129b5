//! What is said of an alert when it begins and when it ends.

use serde::{Deserialize, Serialize};

use super::rule::Rule;
use super::state::State;
use crate::number;

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// It fires: the value has been beyond the limit for long enough.
    Fires {
        /// The value.
        value: f64,
    },
    /// It has ended: the value has been inside for long enough.
    Ends {
        /// The value.
        value: f64,
    },
    /// It was firing, and now there is no value to say whether it still should.
    Unknown,
}

impl What {
    /// How the rule stands since then.
    #[must_use]
    pub fn state(self) -> State {
        match self {
            Self::Fires { .. } => State::Firing,
            Self::Ends { .. } => State::Inactive,
            Self::Unknown => State::Unknown,
        }
    }
}

/// Something that is said once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The rule.
    pub rule: Rule,
    /// What has happened.
    pub what: What,
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
    /// Since when that which now changes was so: of firing since the value is beyond the limit, otherwise since it fired.
    pub since_ms: i64,
}

impl Notice {
    /// One line for people: `mae{window=500} > 60 fires: it is 63.2, and beyond the limit for 12 min`.
    #[must_use]
    pub fn text(&self) -> String {
        let rule = self.rule.condition();
        let lasted = self.at_ms.saturating_sub(self.since_ms);
        let (at_once, lasted) = (lasted <= 0, number::duration(lasted));
        match self.what {
            What::Fires { value } if at_once => format!("{rule} fires: it is {}", self.rule.shown(value)),
            What::Fires { value } => {
                format!("{rule} fires: it is {}, and beyond the limit for {lasted}", self.rule.shown(value))
            }
            What::Ends { value } => {
                format!("{rule} has ended after {lasted}: it is {}", self.rule.shown(value))
            }
            What::Unknown => format!("{rule} fired for {lasted} and is unknown now: it has no value"),
        }
    }
}
