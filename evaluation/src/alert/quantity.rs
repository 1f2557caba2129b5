//! What a rule asks for: `mae.low{window=500, version=model@2fdce8b5c0ab}`.

use std::fmt;

use super::duration;

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Mean absolute error, in the label's unit.
    Mae,
    /// Root mean squared error, in the label's unit.
    Rmse,
    /// Mean of prediction minus label, in the label's unit.
    Bias,
    /// Coefficient of determination.
    R2,
    /// Median of the absolute error, in the label's unit.
    P50,
    /// Its 90th percentile.
    P90,
    /// Its 99th percentile.
    P99,
    /// Sum of the absolute errors to the sum of the labels' absolute values.
    Wape,
    /// How much better than a constant: 1 is perfect, 0 no better.
    Skill,
    /// Share of predictions that have their label, from 0 to 1.
    Coverage,
    /// 90th percentile of the time from prediction to label, in seconds.
    LagP90,
    /// How many predictions wait for their label.
    Waiting,
    /// Time since the last label, in seconds.
    SinceLabel,
    /// How many features have drifted, or whether one has.
    Drift,
    /// Whether the error has changed: 1 or 0.
    Changed,
    /// Whether the version errs more than the one before it on the same rows: 1 or 0.
    Worse,
}

impl Metric {
    pub(super) const ALL: [(&str, Self); 16] = [
        ("mae", Self::Mae),
        ("rmse", Self::Rmse),
        ("bias", Self::Bias),
        ("r2", Self::R2),
        ("p50", Self::P50),
        ("p90", Self::P90),
        ("p99", Self::P99),
        ("wape", Self::Wape),
        ("skill", Self::Skill),
        ("coverage", Self::Coverage),
        ("lag_p90", Self::LagP90),
        ("waiting", Self::Waiting),
        ("since_label", Self::SinceLabel),
        ("drift", Self::Drift),
        ("changed", Self::Changed),
        ("worse", Self::Worse),
    ];

    /// As it stands in a rule.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, metric)| *metric == self).map_or("", |(name, _)| name)
    }

    /// Whether it is a score, which has an interval.
    #[must_use]
    pub fn is_score(self) -> bool {
        Self::ALL.iter().take(9).any(|(_, metric)| *metric == self)
    }

    /// Whether it is a time, whose limit may be written as one: `since_label > 10m`. Its value is in seconds.
    #[must_use]
    pub fn is_time(self) -> bool {
        matches!(self, Self::LagP90 | Self::SinceLabel)
    }

    /// The keys it may be narrowed by.
    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            _ if self.is_score() => &["window", "model", "version"],
            Self::Coverage | Self::Waiting => &["window", "age", "model", "version"],
            Self::LagP90 => &["window", "model", "version"],
            Self::Drift => &["feature", "model", "version"],
            _ => &["model", "version"],
        }
    }
}

/// The value itself, or an end of its interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Side {
    /// The value.
    #[default]
    Value,
    /// The interval's lower end: above a limit only when the value surely is.
    Low,
    /// The interval's upper end.
    High,
}

impl Side {
    fn ending(self) -> &'static str {
        match self {
            Self::Value => "",
            Self::Low => ".low",
            Self::High => ".high",
        }
    }
}

/// Which rows count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last so many labelled rows.
    Labels(u32),
    /// Rows that were predicted in the last so many milliseconds.
    Time(u64),
    /// All rows of the version that serves.
    Version,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Labels(labels) => write!(f, "{labels}"),
            Self::Time(milliseconds) => f.write_str(&duration::write(*milliseconds)),
            Self::Version => f.write_str("version"),
        }
    }
}

/// What a rule asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// What is judged.
    pub metric: Metric,
    /// Its value, or an end of its interval.
    pub side: Side,
    /// Which rows count, where the rule says so.
    pub window: Option<Window>,
    /// The model, where not any.
    pub model: Option<String>,
    /// The version, where not the one that serves.
    pub version: Option<String>,
    /// The feature, where not any.
    pub feature: Option<String>,
    /// Only predictions that are older, in milliseconds.
    pub age_ms: Option<u64>,
}

impl Quantity {
    pub(super) fn of(metric: Metric, side: Side) -> Self {
        Self { metric, side, window: None, model: None, version: None, feature: None, age_ms: None }
    }

    /// Which rows count: of a score the last 500, if the rule says nothing.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        self.window.or_else(|| self.metric.is_score().then_some(Window::Labels(500)))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.metric.name(), self.side.ending())?;
        let narrowed = [
            ("window", self.window.map(|window| window.to_string())),
            ("age", self.age_ms.map(duration::write)),
            ("model", self.model.as_deref().map(quoted)),
            ("version", self.version.as_deref().map(quoted)),
            ("feature", self.feature.as_deref().map(quoted)),
        ];
        let keys = narrowed.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value?)));
        let keys: Vec<String> = keys.collect();
        if keys.is_empty() { Ok(()) } else { write!(f, "{{{}}}", keys.join(",")) }
    }
}

/// A name as it stands in a rule: in quotes where it has what a rule has a use for.
fn quoted(name: &str) -> String {
    if !name.is_empty() && name.chars().all(is_bare) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether a name may have it without quotes.
pub(super) fn is_bare(letter: char) -> bool {
    !letter.is_whitespace() && !letter.is_control() && !"{}=,\"\\<>".contains(letter)
}
