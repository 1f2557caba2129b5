//! The charts of the page as pictures by themselves: which there are, and how one becomes a file. A report in, SVG or PNG out.

use clap::ValueEnum;
use evaluation::number::count;
use evaluation::report::Report;
use shared::printable::printable;

use crate::page::words::Zone;
use crate::plot::{
    Figure, SHEET_WIDE, Score, Sheet, Span, Theme, drift, error_distribution, errors, evidence, lag, scatter,
    scores,
};

/// What can be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Picture {
    /// A score by time of prediction; below 30 labels the error of each row.
    Scores,
    /// Prediction minus label, of the last labelled rows.
    Errors,
    /// The sizes of these errors: the picture that a running metric keeps in error_distribution.png.
    ErrorDistribution,
    /// Predictions over labels.
    Scatter,
    /// How late labels come.
    Lag,
    /// The evidence that errors have grown, label by label.
    Evidence,
    /// The features and the prediction beside what they were.
    Drift,
}

/// How it is drawn.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look {
    pub(crate) score: Score,
    pub(crate) theme: Theme,
}

impl Picture {
    /// As a file of its own, in SVG. Times are in UTC, for nobody knows who will look.
    ///
    /// # Errors
    /// Why there is nothing to draw yet.
    pub(crate) fn draw(self, report: &Report, look: Look) -> Result<String, String> {
        let told = version(report).ok_or_else(|| report.verdict.sentence.clone())?;
        let figure = self.figure(report, told, look.score)?;
        let version = &report.versions[told];
        let of = format!(
            "{}: {} labelled of {} predictions; {} {}",
            printable(&version.name()),
            count(version.rows.labelled),
            count(version.rows.predicted),
            Zone::default().whole(report.at),
            Zone::default().name(),
        );
        Ok(Sheet { theme: look.theme, of: &of }.around(&figure))
    }

    fn figure(self, report: &Report, told: usize, score: Score) -> Result<Figure, String> {
        let (version, zone, span) = (&report.versions[told], Zone::default(), Span::Pixels(SHEET_WIDE));
        if version.charts.is_none() && !matches!(self, Self::Scores | Self::Drift) {
            return Err(format!(
                "{} does not serve any more, and of such a version only scores and drift are kept; --at TIME shows it as it was while it served",
                printable(&version.name())
            ));
        }
        match self {
            Self::Scores => scores(report, told, score, zone, span),
            Self::Errors => errors(version, span),
            Self::ErrorDistribution => error_distribution(version, span),
            Self::Scatter => scatter(version, span),
            Self::Lag => lag(version, span),
            Self::Evidence => evidence(version, zone, span),
            Self::Drift => drift(version, span),
        }
    }
}

/// The version that a picture is of: the one that is spoken of, or else the last.
pub(crate) fn version(report: &Report) -> Option<usize> {
    let last = || report.versions.len().checked_sub(1);
    report.verdict.version.filter(|at| *at < report.versions.len()).or_else(last)
}

#[cfg(test)]
mod tests;
