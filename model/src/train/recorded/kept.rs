//! Which recorded rows are kept, and what is said of the others. Pure.

use std::time::Duration;

use anyhow::bail;
use shared::clock::Timestamp;
use shared::message::Cell;
use shared::printable::piece;

use crate::file::{Origin, PredictedBy};
use crate::recorded::{By, RecordedRow, Served, Versions};

/// The rows that are kept so far, and counts of those that are not.
pub(super) struct Kept<'a> {
    served: &'a Served,
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) labels: Vec<f64>,
    pub(super) lines: Vec<u64>,
    pub(super) times: Vec<Timestamp>,
    by: Versions,
    outside: u64,
    without_features: u64,
    unfit: u64,
    /// Why the first one of them does not fit.
    first_unfit: Option<String>,
    /// How many were predicted by versions whose file is not at hand.
    others: u64,
}

impl<'a> Kept<'a> {
    pub(super) fn new(served: &'a Served) -> Self {
        Self {
            served,
            rows: Vec::new(),
            labels: Vec::new(),
            lines: Vec::new(),
            times: Vec::new(),
            by: Versions::default(),
            outside: 0,
            without_features: 0,
            unfit: 0,
            first_unfit: None,
            others: 0,
        }
    }

    /// Counts a row that was predicted at another time than is wanted.
    pub(super) fn outside(&mut self) {
        self.outside += 1;
    }

    /// Keeps a row, or counts why not.
    ///
    /// # Errors
    /// Too many versions.
    pub(super) fn take(&mut self, row: RecordedRow) -> anyhow::Result<()> {
        let Some(features) = &row.features else {
            self.without_features += 1;
            return Ok(());
        };
        match self.served.raw(&row.by, features) {
            Ok(raw) => {
                self.by.count(&row.by)?;
                self.others += u64::from(!self.served.predicted(&row.by));
                self.rows.push(raw);
                self.labels.push(row.label);
                self.lines.push(row.line);
                self.times.push(row.predicted_at);
            }
            Err(why) => {
                self.unfit += 1;
                self.first_unfit.get_or_insert_with(|| format!("line {}: {why}", row.line));
            }
        }
        Ok(())
    }

    /// Whether there is something to train on.
    ///
    /// # Errors
    /// There is not, or rows of several models, of which each has a prediction and the same label.
    pub(super) fn usable(&self) -> anyhow::Result<()> {
        if self.rows.is_empty() {
            match &self.first_unfit {
                Some(why) => bail!("no row fits; {why}"),
                None if self.notes().is_empty() => bail!("it has no rows"),
                None => bail!("no rows are left: {}", self.notes().join("; ")),
            }
        }
        self.by.refuse_several_models()
    }

    /// What is said of the rows that are not kept, and of those whose file is not at hand: a line each.
    pub(super) fn notes(&self) -> Vec<String> {
        let left_out =
            |count: u64, what: &str| (count > 0).then(|| format!("left out: {} {what}", rows(count)));
        let unfit = self.first_unfit.as_deref().unwrap_or_default();
        let others = format!(
            "other versions than {} predicted {}; their numbers are taken for the same features",
            piece(&self.served.version),
            rows(self.others)
        );
        [
            left_out(self.outside, "predicted at other times"),
            left_out(self.without_features, "whose features are not known"),
            left_out(self.unfit, &format!("of other numbers than what served has; {unfit}")),
            (self.others > 0).then_some(others),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What the model file says of the rows. Those that are held out are known later.
    pub(super) fn origin(&self, half_life_s: Option<f64>) -> Origin {
        let time = |time: Option<&Timestamp>| time.map_or(String::new(), Timestamp::to_string);
        let by = |(by, rows): (&By, u64)| PredictedBy {
            model: by.model.as_deref().map(piece),
            version: by.version.as_deref().map(piece),
            rows,
        };
        Origin {
            predicted_from: time(self.times.iter().min()),
            predicted_to: time(self.times.iter().max()),
            held_out_from: None,
            predicted_by: self.by.largest().0.into_iter().map(by).collect(),
            encoded_as: self.served.version.clone(),
            half_life_s,
        }
    }

    /// What each row weighs: half for each half-life between it and the latest.
    pub(super) fn weights(&self, half_life: Duration) -> Vec<f64> {
        let latest = self.times.iter().max().map_or(0, |time| time.0);
        let half_life = half_life.as_secs_f64() * 1000.0;
        self.times.iter().map(|time| (-((latest - time.0) as f64) / half_life).exp2()).collect()
    }
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}
