//! The account: what became of everything that was received, per model, to the last unit. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use shared::scores::Scores;

use crate::join::Model;

/// What became of the labels, or of one model's predictions.
///
/// `received = scored + pending + expired` holds at any moment; the others are counted beside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken into the join: had an id, was new.
    pub received: u64,
    /// Met their other half.
    pub scored: u64,
    /// Waited for it in vain until the horizon.
    pub expired: u64,
    /// Came after all that they could have met had expired. They are pending, scored or expired too.
    pub late: u64,
    /// Repeated what was there, and were ignored.
    pub duplicates: u64,
    /// Contradicted what was there, and were ignored.
    pub conflicts: u64,
    /// Predictions of one more model than are kept of a row, and ignored.
    pub crowded: u64,
    /// Had no id: logged, and never joined.
    pub anonymous: u64,
}

impl Counts {
    /// How many wait for their other half.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.received - self.scored - self.expired
    }

    /// Adds another account up with this one.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.scored += other.scored;
        self.expired += other.expired;
        self.late += other.late;
        self.duplicates += other.duplicates;
        self.conflicts += other.conflicts;
        self.crowded += other.crowded;
        self.anonymous += other.anonymous;
    }
}

/// One model's account and how good it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelAccount {
    /// The model and its version.
    pub model: Arc<Model>,
    /// What became of its predictions.
    pub counts: Counts,
    /// How good they were, over all that were scored.
    pub scores: Scores,
}

/// Messages of each queue that could not be used and are dead letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Of the labels.
    pub labels: u64,
    /// Of the predictions.
    pub predictions: u64,
}

/// The whole account.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    /// What became of the labels.
    pub labels: Counts,
    /// What was rejected.
    pub rejected: Rejected,
    models: Vec<ModelAccount>,
    numbers: HashMap<Arc<Model>, usize>,
}

impl Account {
    /// The number of a model, which it keeps. Numbers count from 0.
    pub fn number(&mut self, model: &Model) -> usize {
        if let Some(number) = self.numbers.get(model) {
            return *number;
        }
        let account = ModelAccount {
            model: Arc::new(model.clone()),
            counts: Counts::default(),
            scores: Scores::default(),
        };
        self.push(account);
        self.models.len() - 1
    }

    /// Adds the account of a model that it does not have.
    pub fn push(&mut self, account: ModelAccount) {
        self.numbers.insert(Arc::clone(&account.model), self.models.len());
        self.models.push(account);
    }

    /// The accounts of the models, by number.
    #[must_use]
    pub fn models(&self) -> &[ModelAccount] {
        &self.models
    }

    /// What became of the predictions of the model with this number, or else of the labels.
    ///
    /// # Panics
    /// Nobody has this number.
    pub fn counts_mut(&mut self, model: Option<usize>) -> &mut Counts {
        match model {
            Some(number) => &mut self.models[number].counts,
            None => &mut self.labels,
        }
    }

    /// The account of the model with this number.
    ///
    /// # Panics
    /// Nobody has it.
    pub fn model_mut(&mut self, number: usize) -> &mut ModelAccount {
        &mut self.models[number]
    }

    /// What became of the predictions of all models.
    #[must_use]
    pub fn predictions(&self) -> Counts {
        let mut sum = Counts::default();
        self.models.iter().for_each(|model| sum.add(&model.counts));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::message::Name;

    #[test]
    fn a_model_keeps_its_number() {
        let mut account = Account::default();
        let model = |name: &str| Model { name: Some(Name::parse(name).unwrap()), version: None };
        assert_eq!(account.number(&model("a")), 0);
        assert_eq!(account.number(&Model::default()), 1);
        assert_eq!(account.number(&model("a")), 0);
        assert_eq!(account.models().len(), 2);
    }

    #[test]
    fn models_add_up() {
        let mut account = Account::default();
        for received in [5, 7] {
            let counts = Counts { received, scored: 2, expired: 1, ..Counts::default() };
            let model =
                Arc::new(Model { name: Some(Name::parse(&received.to_string()).unwrap()), version: None });
            account.push(ModelAccount { model, counts, scores: Scores::default() });
        }
        let sum = account.predictions();
        assert_eq!((sum.received, sum.scored, sum.expired, sum.pending()), (12, 4, 2, 6));
    }
}
