//! `metric report`: how good the model is, whether that number can be trusted, and what has changed. Works while metric runs, and
//! on a copied folder.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use evaluation::alert::{self, Rule};
use evaluation::fold::{Evaluation, Settings};
use evaluation::report::{Report, State};
use shared::clock::Timestamp;
use shared::message::Name;

use crate::committed::Interest;
use crate::evaluate;
use crate::export::{parse_model, parse_time};
use crate::follow::Next;
use crate::join::ModelId;
use crate::store::{History, Reader};
use crate::{basis, views};

/// What a script is told by the exit code: nothing is known yet, or not enough.
const UNDECIDED: u8 = 3;
/// Something has changed.
const LOOK: u8 = 4;

/// Says how good the model is, whether that number can be trusted, and what has changed.
#[derive(Args, Debug)]
pub(crate) struct ReportCommand {
    /// Folder of the records.
    #[arg(long, value_name = "FOLDER", default_value = "logs")]
    logs: PathBuf,

    /// Print JSON.
    #[arg(long)]
    json: bool,

    /// Only this model, or this version of it; `-` is a model that did not give its name.
    #[arg(long, value_name = "NAME[@VERSION]", value_parser = parse_model, allow_hyphen_values = true)]
    model: Option<ModelId>,

    /// How many of the last labelled rows are looked at together: 30 to 100000.
    #[arg(long, value_name = "ROWS", default_value_t = 500, value_parser = clap::value_parser!(u32).range(30..=100_000))]
    window: u32,

    /// How far back rows are looked at together by the time of their prediction.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_period)]
    period: Duration,

    /// As it was at this time: 2026-11-22, or 2026-11-22T10:00:00Z. Commits made later count for nothing. [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,

    /// The label horizon that metric runs with.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = humantime::parse_duration)]
    label_horizon: Duration,

    /// An alert rule, such as `mae{window=500} > 60 for 3`; may be given several times. How it stands is in the report.
    #[arg(long, value_name = "RULE", value_delimiter = ';')]
    alert: Vec<Rule>,

    /// A file of alert rules, one a line; lines that begin with # are left out.
    #[arg(long, value_name = "FILE")]
    alert_file: Option<PathBuf>,

    /// For scripts: exit with 4 where an alert fires or something has changed, and with 3 where nothing is known yet or not
    /// enough.
    #[arg(long)]
    fail_on_alert: bool,
}

impl ReportCommand {
    /// Reads the records; returns the report as text, and the exit code.
    pub(crate) fn run(&self) -> anyhow::Result<(String, ExitCode)> {
        let report = self.make(Timestamp::now())?;
        let text =
            if self.json { serde_json::to_string_pretty(&report)? + "\n" } else { views::text(&report) };
        let fires = report.alerts.iter().any(|alert| alert.state == alert::State::Firing);
        let code = match report.verdict.state {
            _ if !self.fail_on_alert => ExitCode::SUCCESS,
            _ if fires => ExitCode::from(LOOK),
            State::Ok => ExitCode::SUCCESS,
            State::Nothing | State::Provisional => ExitCode::from(UNDECIDED),
            State::Look => ExitCode::from(LOOK),
        };
        Ok((text, code))
    }

    fn make(&self, now: Timestamp) -> anyhow::Result<Report> {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let settings = Settings {
            window: usize::try_from(self.window)?,
            period: ms(self.period),
            horizon: ms(self.label_horizon),
        };
        let cards = self.cards()?;
        let basis =
            |model: &ModelId| cards.get(&model.tag()).map(|json| basis::of_card(json)).unwrap_or_default();
        let mut evaluation = Evaluation::new(settings, self.rules()?);
        let mut history = History::open(&self.logs)?;
        let (mut next, mut latest) = (1, now);
        'all: loop {
            let page = history.read(next, Interest::Everything)?;
            if page.is_empty() {
                break;
            }
            for found in page {
                next = match &found {
                    Next::Commit(commit) if self.at.is_some_and(|at| commit.received > at) => break 'all,
                    Next::Commit(commit) => {
                        // A clock that was ahead for a moment must not hide what came since.
                        latest = latest.max(commit.received);
                        commit.number + 1
                    }
                    Next::Gap { last, .. } => last + 1,
                };
                evaluate::tell(&mut evaluation, &found, basis);
            }
        }
        let wanted = |name: Option<&str>, version: Option<&str>| {
            let part = |text: Option<&str>| text.and_then(|text| Name::recorded(text).ok());
            let model = ModelId { name: part(name), version: part(version) };
            self.model.as_ref().is_none_or(|wanted| wanted.includes(&model))
        };
        if let (Some(at), true) = (self.at, evaluation.is_all_forgotten()) {
            anyhow::bail!("the records of {at} are forgotten (see --retain of metric); ask for a later time");
        }
        let report = evaluation.report(self.at.unwrap_or(latest).0, wanted);
        if let (Some(model), true) = (&self.model, report.versions.is_empty()) {
            anyhow::bail!("model {model} has predicted nothing; `metric status` shows all that have");
        }
        Ok(report)
    }

    fn rules(&self) -> anyhow::Result<Vec<Rule>> {
        let mut rules = self.alert.clone();
        if let Some(path) = &self.alert_file {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read the alert rules in {}", path.display()))?;
            rules.extend(in_file(&text).with_context(|| path.display().to_string())?);
        }
        Ok(rules)
    }

    /// The cards by the model's tag.
    fn cards(&self) -> anyhow::Result<HashMap<String, String>> {
        let (cards, _) = Reader::open(&self.logs)?.cards()?;
        let tagged = cards.into_iter().map(|card| (card.model_id().tag(), card.json));
        Ok(tagged.collect())
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
    fn a_period_is_a_second_or_more() {
        assert_eq!(parse_period("1s").unwrap(), Duration::from_secs(1));
        for bad in ["999ms", "0s", "a day"] {
            assert!(parse_period(bad).is_err(), "{bad}");
        }
    }
}
