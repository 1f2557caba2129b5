//! How one feature, or the prediction, is spread now, against a reference: the model file's, or else its own first rows.

use serde::{Deserialize, Serialize};

use crate::drift::{Detector, Reference};
use crate::first_rows::FirstRows;
use crate::histogram::Histogram;
use crate::report::{BinReport, Moment, ReferenceKind, SpreadReport};

/// How many rows are looked at together, and how many first rows stand in for a reference.
pub(crate) const WINDOW: usize = 500;

/// Watches one of the numbers that a row has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    name: String,
    kind: ReferenceKind,
    state: State,
    /// How many are watched together.
    histograms: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum State {
    Learning(FirstRows),
    Watching(Box<Detector>),
}

impl Spread {
    /// Of this name, against what the model file says of it, if it says anything that can be used; `histograms` are watched of the
    /// same version together.
    pub(crate) fn new(
        name: String,
        histogram: Option<&Histogram>,
        commonest: Option<f64>,
        histograms: usize,
    ) -> Self {
        let reference =
            histogram.and_then(|known| Reference::new(&known.edges, &known.counts, commonest).ok());
        let (kind, state) = match reference {
            Some(reference) => (ReferenceKind::ModelFile, watch(reference, histograms)),
            None => (ReferenceKind::FirstRows, State::Learning(FirstRows::new(WINDOW))),
        };
        Self { name, kind, state, histograms }
    }

    /// Takes in the number of a row, of this time in milliseconds.
    pub(crate) fn add(&mut self, number: f64, at: i64) {
        match &mut self.state {
            State::Watching(detector) => _ = detector.add(number, at),
            State::Learning(first) => {
                first.add(number);
                if let Some(reference) = first.all().and_then(Reference::of) {
                    self.state = watch(reference, self.histograms);
                }
            }
        }
    }

    /// How many are watched together, where that is known only now.
    pub(crate) fn among(&mut self, histograms: usize) {
        self.histograms = histograms;
    }

    pub(crate) fn kind(&self) -> ReferenceKind {
        self.kind
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it drifts or is stuck; none while nothing can be said.
    pub(crate) fn drifts(&self) -> Option<bool> {
        match &self.state {
            State::Watching(detector) if detector.statistics().is_some() => {
                Some(detector.moved().is_some() || detector.stuck().is_some())
            }
            _ => None,
        }
    }

    /// What is told of it, with each bin where that is wanted.
    pub(crate) fn report(&self, with_bins: bool) -> SpreadReport {
        let report =
            SpreadReport { name: self.name.clone(), reference: self.kind, ..SpreadReport::default() };
        let detector = match &self.state {
            State::Learning(first) => {
                let (has, wanted) = first.progress();
                // As many again are the first window.
                return SpreadReport { rows: has as u64, rows_wanted: Some(2 * wanted as u64), ..report };
            }
            State::Watching(detector) => detector,
        };
        let statistics = detector.statistics();
        let before = if self.kind == ReferenceKind::FirstRows { detector.reference().rows() } else { 0 };
        SpreadReport {
            rows: detector.rows() + before,
            rows_wanted: (statistics.is_none()).then_some(WINDOW as u64 + before),
            reference_rows: Some(detector.reference().rows()),
            psi: statistics.map(|of| of.psi),
            psi_noise: statistics.map(|of| of.psi_noise()),
            shift_sd: statistics.and_then(|of| of.shift_in_sd()),
            moved: statistics.map(|of| of.moved()),
            words: statistics.map(|of| of.words()),
            drifts_since: detector.moved().map(|since| Moment(since.at)),
            stuck_since: detector.stuck().map(|since| Moment(since.at)),
            commonest: detector.commonest().map(|(_, share)| share),
            out_of_range: detector.out_of_range(),
            bins: if with_bins && statistics.is_some() { bins(detector) } else { Vec::new() },
            ..report
        }
    }
}

fn bins(detector: &Detector) -> Vec<BinReport> {
    let reference = detector.reference();
    let share = |count: u64, of: u64| count as f64 / of.max(1) as f64;
    let (rows, before) = (detector.counts().iter().sum(), reference.rows());
    let limits = reference.limits();
    let bin = |(at, (now, then)): (usize, (&u64, &u64))| BinReport {
        from: at.checked_sub(1).and_then(|before| limits.get(before)).copied(),
        to: limits.get(at).copied(),
        share: share(*now, rows),
        reference_share: Some(share(*then, before)),
    };
    detector.counts().iter().zip(reference.counts()).enumerate().map(bin).collect()
}

fn watch(reference: Reference, histograms: usize) -> State {
    State::Watching(Box::new(Detector::new(reference, WINDOW, histograms)))
}
