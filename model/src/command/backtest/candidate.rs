//! The candidate, and the model that served the rows which it is to predict.

use std::path::Path;

use anyhow::Context as _;
use shared::clock::Timestamp;
use shared::message::{Cell, Rejection};

use crate::content::{Content, Unread};
use crate::encode::Encoding;
use crate::file::sha256;
use crate::load::{self, About, Loaded, Loader};
use crate::predictor::Predictor;
use crate::recorded::Served;
use crate::refusal::Refusal;

/// A model that could take the place of the one that serves.
#[derive(Debug)]
pub(super) struct Candidate {
    /// What errors call its file.
    pub(super) file: String,
    /// The SHA-256 of what is in it, in hex.
    pub(super) sha256: String,
    pub(super) predictor: Predictor,
    /// The model that served.
    pub(super) served: Served,
    trained_on: Option<TrainedOn>,
}

/// When the rows were predicted that a model was fitted to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct TrainedOn {
    from: Timestamp,
    /// The last moment of them, or the first one that was held out.
    until: Timestamp,
    held_out: bool,
}

impl Candidate {
    /// Makes the checks of a swap.
    pub(super) fn load(file: &Path, serving: &Path) -> anyhow::Result<Self> {
        let refuse = |(reason, why)| Refusal { path: file.to_owned(), reason, why };
        let loader = Loader::of_this_program();
        let content = Content::read(file).map_err(|Unread { failure, .. }| refuse(failure))?;
        let Loaded { predictor, about } = loader.parse(&content.bytes, content.format).map_err(refuse)?;
        let served = loader
            .load(serving)
            .context("the model that served these rows is not at hand; name its file with --serving")?
            .predictor;
        load::fits(file, predictor.inputs(), served.inputs())?;
        let predictor = predictor.named_as(served.inputs());
        // Where neither has names, rows are numbers.
        let known = served.inputs().encoding().or_else(|| predictor.inputs().encoding());
        let encoding = known.cloned().unwrap_or_else(|| {
            Encoding::plain(
                (0..served.inputs().count()).map(|column| served.inputs().column(column)).collect(),
            )
        });
        let served =
            Served { file: serving.display().to_string(), version: served.version().to_string(), encoding };
        Ok(Self {
            file: file.display().to_string(),
            sha256: sha256(&content.bytes),
            predictor,
            served,
            trained_on: TrainedOn::of(&about),
        })
    }

    /// Whether the rows that were predicted then are among those that it was fitted to: they would say that it is better than it is.
    pub(super) fn was_trained_on(&self, predicted_at: Timestamp) -> bool {
        self.trained_on.is_some_and(|rows| rows.has(predicted_at))
    }

    /// What it predicts from.
    ///
    /// # Errors
    /// Why it would refuse the row.
    pub(super) fn vector(&self, raw: Vec<Cell>) -> Result<Vec<f64>, String> {
        let encoded = match self.predictor.inputs().encoding() {
            Some(encoding) => encoding.encode(raw),
            None => raw.iter().map(|cell| cell.to_number("a feature")).collect(),
        };
        let checked = encoded.and_then(|vector| self.predictor.check_numbers(&vector).map(|()| vector));
        checked.map_err(|why| why.detail)
    }

    pub(super) fn predict(&self, vectors: &[&[f64]]) -> Vec<Result<f64, Rejection>> {
        if vectors.is_empty() { Vec::new() } else { self.predictor.predict_each(vectors) }
    }
}

impl TrainedOn {
    fn of(about: &About) -> Option<Self> {
        let About::File(model) = about else { return None };
        let origin = model.training.data.as_ref()?.origin.as_ref()?;
        let until = origin.held_out_from.as_ref().unwrap_or(&origin.predicted_to);
        Some(Self {
            from: Timestamp::parse(&origin.predicted_from)?,
            until: Timestamp::parse(until)?,
            held_out: origin.held_out_from.is_some(),
        })
    }

    fn has(self, at: Timestamp) -> bool {
        self.from <= at && (at < self.until || (at == self.until && !self.held_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_held_out_are_none_that_it_was_trained_on() {
        let on = |held_out| TrainedOn { from: Timestamp(10), until: Timestamp(20), held_out };
        for (at, whole, held_out) in
            [(9, false, false), (10, true, true), (19, true, true), (20, true, false), (21, false, false)]
        {
            assert_eq!(
                (on(false).has(Timestamp(at)), on(true).has(Timestamp(at))),
                (whole, held_out),
                "{at}"
            );
        }
    }
}
