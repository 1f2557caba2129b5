//! What is asked of the evaluation: the same flags for `metric` and for `metric report`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use evaluation::alert::Rule;
use evaluation::fold::Settings;

/// How many of the last labelled rows are looked at together, unless something else is asked for.
const WINDOW: u32 = 500;
/// How far back rows are looked at together by the time of their prediction, unless something else is asked for.
const PERIOD: Duration = Duration::from_secs(24 * 60 * 60);
/// How many versions are kept; each takes up to a few megabytes.
pub(crate) const VERSIONS: usize = 20;

/// What is looked at together, and which alert rules are watched.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Evaluation")]
pub struct EvaluationOptions {
    /// How many of the last labelled rows are looked at together: 30 to 100000. [default: 500]
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(30..=100_000))]
    pub window: Option<u32>,

    /// How far back rows are looked at together by the time of their prediction. [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    pub period: Option<Duration>,

    /// The alert rules.
    #[command(flatten)]
    pub rules: RuleOptions,
}

/// Which alert rules are watched.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Evaluation")]
pub struct RuleOptions {
    /// An alert rule, such as `mae{window=500} > 60 for 3`; may be given several times, or several with `;` between them.
    #[arg(long, value_name = "RULE", value_delimiter = ';')]
    pub alert: Vec<Rule>,

    /// A file of alert rules, one a line; lines that begin with # are left out.
    #[arg(long, value_name = "FILE")]
    pub alert_file: Option<PathBuf>,
}

impl EvaluationOptions {
    /// What is chosen, for rows without a label that are given up after this time; what is not said is as `otherwise`, or as usual.
    pub(crate) fn settings(&self, horizon: Duration, otherwise: Option<Settings>) -> Settings {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let rows = |rows: u32| usize::try_from(rows).unwrap_or(usize::MAX);
        Settings {
            window: self.window.map(rows).or(otherwise.map(|of| of.window)).unwrap_or_else(|| rows(WINDOW)),
            period: self.period.map(ms).or(otherwise.map(|of| of.period)).unwrap_or_else(|| ms(PERIOD)),
            horizon: ms(horizon),
            versions: VERSIONS,
        }
    }

    /// The alert rules; see [`RuleOptions::rules`].
    pub(crate) fn rules(&self) -> anyhow::Result<Vec<Rule>> {
        self.rules.rules()
    }
}

impl RuleOptions {
    /// The alert rules, each once, in the order in which they are given.
    ///
    /// # Errors
    /// A file that cannot be read, or a line in it that is no rule.
    pub(crate) fn rules(&self) -> anyhow::Result<Vec<Rule>> {
        let mut rules = self.alert.clone();
        if let Some(path) = &self.alert_file {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read the alert rules in {}", path.display()))?;
            rules.extend(in_file(&text).with_context(|| path.display().to_string())?);
        }
        let mut once: Vec<Rule> = Vec::new();
        for rule in rules {
            if !once.contains(&rule) {
                once.push(rule);
            }
        }
        Ok(once)
    }
}

/// The rules of a file.
fn in_file(text: &str) -> anyhow::Result<Vec<Rule>> {
    let lines = text.lines().map(str::trim).enumerate();
    let rules = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    rules.map(|(number, line)| line.parse::<Rule>().with_context(|| format!("line {}", number + 1))).collect()
}

fn parse_period(text: &str) -> Result<Duration, String> {
    let period = humantime::parse_duration(text).map_err(|why| why.to_string())?;
    if period < Duration::from_secs(1) {
        return Err("expected one second or more, such as 24h".to_owned());
    }
    Ok(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_a_file() {
        let text = "# errors\n\nmae{window=500} > 60 for 3\n  drift > 0 for 1  \n";
        let rules: Vec<String> = in_file(text).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(rules, ["mae{window=500} > 60 for 3", "drift > 0 for 1"]);
        let why = format!("{:#}", in_file("drift > 0\n\nmea > 60\n").unwrap_err());
        assert!(why.starts_with("line 3: ") && why.contains("expected one of mae, "), "{why}");
    }

    #[test]
    fn a_rule_that_is_given_twice_is_one() {
        let rule = |text: &str| text.parse::<Rule>().unwrap();
        let alert = ["mae > 60", "drift > 0", "mae>60"].map(rule).into();
        let rules = RuleOptions { alert, ..RuleOptions::default() }.rules().unwrap();
        assert_eq!(rules, [rule("mae > 60"), rule("drift > 0")]);
    }

    #[test]
    fn a_period_is_a_second_or_more() {
        assert_eq!(parse_period("1s").unwrap(), Duration::from_secs(1));
        for bad in ["999ms", "0s", "a day"] {
            assert!(parse_period(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_said_is_as_it_was_or_as_usual() {
        let hour = Duration::from_secs(3600);
        let usual = Settings { window: 500, period: 86_400_000, horizon: 3_600_000, versions: VERSIONS };
        let before = Settings { window: 40, period: 7, horizon: 9, versions: 3 };
        let options = EvaluationOptions { window: Some(60), ..EvaluationOptions::default() };
        assert_eq!(EvaluationOptions::default().settings(hour, None), usual);
        assert_eq!(options.settings(hour, None), Settings { window: 60, ..usual });
        assert_eq!(options.settings(hour, Some(before)), Settings { window: 60, period: 7, ..usual });
    }
}
