//! The flags of the service, checked, and as plain values.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, ValueEnum};

use crate::evaluation_options::EvaluationOptions;
use crate::page_options::PageOptions;
use crate::rollback::Rollback;
use crate::store::{Before, Limits};
use crate::webhook::WebhookUrl;

/// Which text files show what is in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum TextFiles {
    /// Two, for ever.
    #[default]
    On,
    /// Two each day in UTC: those of the day before are renamed to the day, such as metric_log.csv.2026-11-25.
    Daily,
    /// None. Those that are there stay as they are.
    Off,
}

impl TextFiles {
    const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Daily => "daily",
            Self::Off => "off",
        }
    }
}

/// Where the records go, and for how long.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Records")]
pub struct MetricOptions {
    /// Folder of labels_log.txt, metric_log.csv and metric.db; created if missing.
    #[arg(long, value_name = "FOLDER", default_value = "logs")]
    pub logs: PathBuf,

    /// How long a label waits for its prediction, and a prediction for its label, before it expires. Time counts only while
    /// metric is ready, and not while rows wait to be predicted or messages wait for metric.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = humantime::parse_duration)]
    pub label_horizon: Duration,

    /// How much history metric.db keeps, such as 30d; at least the horizon. The text files keep older lines.
    /// [default: all]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub retain: Option<Duration>,

    /// Which text files show what metric.db has. Switched on again, they get what they lack, as far as --retain has kept it.
    #[arg(long, value_name = "FILES", value_enum, default_value_t)]
    pub text: TextFiles,

    /// Do not keep the picture error_distribution.png in that folder. A program that was built without the feature `png` has none.
    #[arg(long, help_heading = "Records")]
    pub no_plot: bool,

    /// Record only: how good the model is can be asked later, by `metric report`. Alert rules are not watched, and there is no
    /// page and no picture.
    #[arg(long, help_heading = "Evaluation", conflicts_with_all = ["alert", "alert_file", "alert_webhook"])]
    pub no_evaluation: bool,

    /// Where people and programs ask how good the model is.
    #[command(flatten)]
    pub page: PageOptions,

    /// What is looked at together, and which alert rules are watched.
    #[command(flatten)]
    pub evaluation: EvaluationOptions,

    /// Where each alert is posted when it begins and when it ends, in the form of Prometheus' Alertmanager.
    #[arg(long, value_name = "URL", help_heading = "Evaluation", hide_env_values = true)]
    pub alert_webhook: Option<WebhookUrl>,

    /// What follows where a version errs more than the one before, which goes on predicting the same rows after a swap.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t, help_heading = "Evaluation")]
    pub rollback: Rollback,

    /// Bring a metric.db of an older version up to date without a copy of it.
    #[arg(long, help_heading = "Records")]
    pub no_backup: bool,
}

impl MetricOptions {
    /// The defaults, for records in this folder.
    #[must_use]
    pub fn in_folder(logs: &Path) -> Self {
        Self {
            logs: logs.to_owned(),
            label_horizon: Duration::from_secs(24 * 60 * 60),
            retain: None,
            text: TextFiles::On,
            no_plot: false,
            no_evaluation: false,
            page: PageOptions::default(),
            evaluation: EvaluationOptions::default(),
            alert_webhook: None,
            rollback: Rollback::default(),
            no_backup: false,
        }
    }

    /// What matters of them, for the first line of the log.
    #[must_use]
    pub fn settings(&self) -> String {
        let time = humantime::format_duration;
        let retain = self.retain.map_or("everything".to_owned(), |retain| time(retain).to_string());
        let (logs, horizon) = (self.logs.display(), time(self.label_horizon));
        let text = match self.text {
            TextFiles::On => String::new(),
            other => format!(", text files {}", other.name()),
        };
        format!("records in {logs}, label horizon {horizon}, retain {retain}{text}")
    }

    /// What happens to a database of an older version.
    pub(crate) fn before(&self) -> Before {
        if self.no_backup { Before::Nothing } else { Before::Copy }
    }

    /// The same as plain values.
    pub(crate) fn limits(&self) -> anyhow::Result<Limits> {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let shown = humantime::format_duration;
        if let Some(retain) = self.retain {
            ensure!(
                retain >= self.label_horizon,
                "--retain {} is shorter than --label-horizon {}: what waits must be kept",
                shown(retain),
                shown(self.label_horizon)
            );
        }
        Ok(Limits {
            horizon_ms: ms(self.label_horizon),
            retain_ms: self.retain.map(ms),
            texts: self.text != TextFiles::Off,
            ..Limits::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_must_be_kept() {
        let options = |horizon, retain: Option<u64>| MetricOptions {
            label_horizon: Duration::from_secs(horizon),
            retain: retain.map(Duration::from_secs),
            ..MetricOptions::in_folder(Path::new("logs"))
        };
        let why = options(60, Some(59)).limits().unwrap_err().to_string();
        assert!(why.contains("--retain 59s is shorter than --label-horizon 1m"), "{why}");
        for (retain, retain_ms) in [(None, None), (Some(60), Some(60_000))] {
            let limits = options(60, retain).limits().unwrap();
            assert_eq!((limits.horizon_ms, limits.retain_ms), (60_000, retain_ms));
        }
    }

    #[test]
    fn only_without_text_files_no_lines_are_made_and_the_log_says_which_there_are() {
        for (text, lines, said) in [
            (TextFiles::On, true, "retain everything"),
            (TextFiles::Daily, true, "retain everything, text files daily"),
            (TextFiles::Off, false, "retain everything, text files off"),
        ] {
            let options = MetricOptions { text, ..MetricOptions::in_folder(Path::new("logs")) };
            assert_eq!(options.limits().unwrap().texts, lines);
            assert!(options.settings().ends_with(said), "{}", options.settings());
        }
    }
}
