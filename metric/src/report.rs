//! `metric report`: how good the model is, whether that number can be trusted, and what has changed. Works while metric runs, and
//! on a copied folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use evaluation::alert;
use evaluation::fold::{Evaluation, Settings};
use evaluation::report::{Report, State};
use shared::clock::Timestamp;

use crate::bases::Bases;
use crate::committed::Interest;
use crate::evaluation_options::EvaluationOptions;
use crate::evaluator::saved;
use crate::export::parse_model;
use crate::follow::Next;
use crate::join::ModelId;
use crate::since::Since;
use crate::store::History;
use crate::{evaluate, views};

/// What a script is told by the exit code: nothing is known yet, or not enough.
const UNDECIDED: u8 = 3;
/// Something has changed.
const LOOK: u8 = 4;

/// The horizon, where nobody says otherwise.
const HORIZON: Duration = Duration::from_secs(24 * 60 * 60);
/// How many versions are looked through for one that is not kept any more.
const ALL: usize = 1000;

/// Which records, and what of them.
#[derive(Args, Debug)]
pub(crate) struct ReportScope {
    /// Folder of the records.
    #[arg(long, value_name = "FOLDER", default_value = "logs")]
    logs: PathBuf,

    /// Only this model, or this version of it; `-` is a model that did not give its name.
    #[arg(long, value_name = "NAME[@VERSION]", value_parser = parse_model, allow_hyphen_values = true)]
    model: Option<ModelId>,

    /// As it was at this time: 2026-11-22, or 2026-11-22T10:00:00Z. Commits made later count for nothing. [default: now]
    #[arg(long, value_name = "TIME", value_parser = Timestamp::of_person)]
    at: Option<Timestamp>,

    /// Only rows predicted at this time or later: 2026-11-22, or 2026-11-22T10:00:00Z. Reads all of the records.
    #[arg(long, value_name = "TIME", value_parser = Timestamp::of_person)]
    since: Option<Timestamp>,

    /// The label horizon that metric runs with. [default: that of the metric which recorded last, or 24h]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    label_horizon: Option<Duration>,

    #[command(flatten)]
    evaluation: EvaluationOptions,
}

/// Says how good the model is, whether that number can be trusted, and what has changed. What is not asked for is as the metric has
/// it that recorded last.
#[derive(Args, Debug)]
pub(crate) struct ReportCommand {
    #[command(flatten)]
    scope: ReportScope,

    /// Print JSON.
    #[arg(long, help_heading = "Options")]
    json: bool,

    /// For scripts: exit with 4 where an alert fires or something has changed, and with 3 where nothing is known yet or not
    /// enough.
    #[arg(long, help_heading = "Options")]
    fail_on_alert: bool,
}

impl ReportCommand {
    /// Reads the records; returns the report as text, and the exit code.
    pub(crate) fn run(&self) -> anyhow::Result<(String, ExitCode)> {
        let report = self.scope.report(Timestamp::now())?;
        let text =
            if self.json { serde_json::to_string_pretty(&report)? + "\n" } else { views::text(&report) };
        let fires = report.alerts.iter().any(|alert| alert.state == alert::State::Firing);
        let code = match report.verdict.state {
            _ if !self.fail_on_alert => ExitCode::SUCCESS,
            _ if fires => ExitCode::from(LOOK),
            State::Ok => ExitCode::SUCCESS,
            State::Nothing | State::Provisional => ExitCode::from(UNDECIDED),
            State::RolledBack | State::Look => ExitCode::from(LOOK),
        };
        Ok((text, code))
    }
}

impl ReportScope {
    /// The folder of the records.
    pub(crate) fn folder(&self) -> &Path {
        &self.logs
    }

    /// Reads the records.
    pub(crate) fn report(&self, now: Timestamp) -> anyhow::Result<Report> {
        let saved = saved::read(&self.logs)?;
        let before = saved.as_ref().map(Evaluation::settings);
        let horizon = self
            .label_horizon
            .or(before.map(|of| Duration::from_millis(of.horizon.unsigned_abs())))
            .unwrap_or(HORIZON);
        let settings = self.evaluation.settings(horizon, before);
        let mut rules = self.evaluation.rules()?;
        if let (true, Some(saved)) = (rules.is_empty(), &saved) {
            rules = saved.rules().cloned().collect();
        }
        let anew = |settings| Evaluation::new(settings, rules.clone());
        let begin = saved.filter(|saved| {
            // What came after the moment that is asked for, or is of rows before another, cannot be taken out again.
            let is_before = self.at.is_none_or(|at| saved.committed_at().is_some_and(|last| last <= at.0));
            is_before && self.since.is_none() && saved.settings() == settings && saved.rules().eq(&rules)
        });
        let report = self.evaluate(begin.unwrap_or_else(|| anew(settings)), now)?;
        let Some(model) = &self.model else { return Ok(report) };
        if !report.versions.is_empty() {
            return Ok(report);
        }
        // Perhaps it is one of those that are not kept any more.
        let report = match report.older_versions {
            0 => report,
            _ => self.evaluate(anew(Settings { versions: ALL, ..settings }), now)?,
        };
        if report.versions.is_empty() {
            let since = self.since.map(|since| format!(" since {since}")).unwrap_or_default();
            anyhow::bail!("model {model} has predicted nothing{since}; `metric status` shows all that have");
        }
        Ok(report)
    }

    /// Goes on with what was committed since, up to the moment that is asked for.
    fn evaluate(&self, mut evaluation: Evaluation, now: Timestamp) -> anyhow::Result<Report> {
        let mut bases = Bases::open(&self.logs)?;
        let mut history = History::open(&self.logs)?;
        let mut since = self.since.map(Since::new);
        // A clock that was ahead for a moment must not hide what came since.
        let mut latest = evaluation.committed_at().map_or(now, |at| now.max(Timestamp(at)));
        'all: loop {
            let page = history.read(evaluation.commit() + 1, Interest::Everything)?;
            if page.is_empty() {
                break;
            }
            for mut next in page {
                if let Next::Commit(commit) = &mut next {
                    if self.at.is_some_and(|at| commit.received > at) {
                        break 'all;
                    }
                    latest = latest.max(commit.received);
                    if let Some(since) = &mut since {
                        since.keep(Arc::make_mut(commit));
                    }
                }
                evaluate::tell(&mut evaluation, &next, &mut bases)?;
            }
        }
        let wanted = |name: Option<&str>, version: Option<&str>| {
            let model = ModelId::recorded(name, version);
            self.model.as_ref().is_none_or(|wanted| wanted.includes(&model))
        };
        if let (Some(at), true) = (self.at, evaluation.is_all_forgotten()) {
            anyhow::bail!("the records of {at} are forgotten (see --retain of metric); ask for a later time");
        }
        let mut report = evaluation.report(self.at.unwrap_or(latest).0, wanted);
        if let Some(since) = since {
            since.say(&mut report);
        }
        Ok(report)
    }
}
