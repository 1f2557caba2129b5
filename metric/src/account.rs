//! The account: what became of everything that was received, per model, to the last unit. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use evaluation::scores::Scores;

use crate::join::ModelId;

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

    /// What is left of it without another account, which is part of it.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        Self {
            received: self.received - part.received,
            scored: self.scored - part.scored,
            expired: self.expired - part.expired,
            late: self.late - part.late,
            duplicates: self.duplicates - part.duplicates,
            conflicts: self.conflicts - part.conflicts,
            crowded: self.crowded - part.crowded,
            anonymous: self.anonymous - part.anonymous,
        }
    }
}

/// One model's account and how good it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelAccount {
    /// The model and its version.
    pub model: Arc<ModelId>,
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

/// How many models and versions are shown by themselves, where all of them could be too many.
pub const LATEST: usize = 20;

/// The whole account.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    /// What became of the labels.
    pub labels: Counts,
    /// What was rejected.
    pub rejected: Rejected,
    /// Of the predictions of all models.
    predictions: Counts,
    models: Vec<ModelAccount>,
    numbers: HashMap<Arc<ModelId>, usize>,
    /// The numbers of the models that were heard of last, the very last one at the end.
    latest: Vec<usize>,
}

impl Account {
    /// The number of a model that is heard of, which it keeps. Numbers count from 0.
    pub fn number(&mut self, model: &ModelId) -> usize {
        // Almost always the one before, whose names are sooner compared than hashed.
        if let Some(last) = self.latest.last().copied().filter(|last| *self.models[*last].model == *model) {
            return last;
        }
        if let Some(number) = self.numbers.get(model) {
            let number = *number;
            self.hear_of(number);
            return number;
        }
        self.push(ModelAccount {
            model: Arc::new(model.clone()),
            counts: Counts::default(),
            scores: Scores::default(),
        });
        self.models.len() - 1
    }

    /// Adds the account of a model that it does not have, and that is heard of.
    pub fn push(&mut self, account: ModelAccount) {
        self.numbers.insert(Arc::clone(&account.model), self.models.len());
        self.predictions.add(&account.counts);
        self.models.push(account);
        self.hear_of(self.models.len() - 1);
    }

    /// Makes the model with this number the latest one.
    pub fn hear_of(&mut self, number: usize) {
        if self.latest.last() == Some(&number) {
            return;
        }
        match self.latest.iter().position(|latest| *latest == number) {
            Some(place) => self.latest[place..].rotate_left(1),
            None if self.latest.len() < LATEST => self.latest.push(number),
            None => {
                self.latest.rotate_left(1);
                self.latest[LATEST - 1] = number;
            }
        }
    }

    /// Makes this account, which was another one once, the same again. Since then, no model's has changed but these, and those
    /// that are new.
    pub fn follow(&mut self, other: &Self, changed: impl IntoIterator<Item = usize>) {
        let known = self.models.len();
        for number in changed.into_iter().filter(|number| *number < known) {
            self.models[number].clone_from(&other.models[number]);
        }
        for account in &other.models[known..] {
            self.numbers.insert(Arc::clone(&account.model), self.models.len());
            self.models.push(account.clone());
        }
        (self.labels, self.rejected, self.predictions) = (other.labels, other.rejected, other.predictions);
        self.latest.clone_from(&other.latest);
    }

    /// The accounts of the models, by number.
    #[must_use]
    pub fn models(&self) -> &[ModelAccount] {
        &self.models
    }

    /// The accounts of the [`LATEST`] models that were heard of last, in the order of their numbers.
    #[must_use]
    pub fn latest(&self) -> Vec<&ModelAccount> {
        let mut numbers = self.latest.clone();
        numbers.sort_unstable();
        numbers.into_iter().map(|number| &self.models[number]).collect()
    }

    /// Changes what became of the predictions of the model with this number, or else of the labels.
    ///
    /// # Panics
    /// Nobody has this number.
    pub fn count(&mut self, model: Option<usize>, change: impl Fn(&mut Counts)) {
        match model {
            Some(number) => {
                change(&mut self.models[number].counts);
                change(&mut self.predictions);
            }
            None => change(&mut self.labels),
        }
    }

    /// Takes in a prediction of the model with this number that has met its label.
    ///
    /// # Panics
    /// Nobody has this number.
    pub fn score(&mut self, number: usize, y_true: f64, y_pred: f64) {
        self.count(Some(number), |counts| counts.scored += 1);
        self.models[number].scores.add(y_true, y_pred);
    }

    /// What became of the predictions of all models.
    #[must_use]
    pub fn predictions(&self) -> Counts {
        self.predictions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::message::Name;

    #[test]
    fn a_model_keeps_its_number() {
        let mut account = Account::default();
        let model = |name: &str| ModelId {
            name: Some(Name::parse(name).unwrap()),
            version: None,
            ..ModelId::default()
        };
        assert_eq!(account.number(&model("a")), 0);
        assert_eq!(account.number(&ModelId::default()), 1);
        assert_eq!(account.number(&model("a")), 0);
        assert_eq!(account.models().len(), 2);
    }

    #[test]
    fn models_add_up() {
        let mut account = Account::default();
        for received in [5, 7] {
            let counts = Counts { received, scored: 2, expired: 1, ..Counts::default() };
            let model = Arc::new(ModelId {
                name: Some(Name::parse(&received.to_string()).unwrap()),
                version: None,
                ..ModelId::default()
            });
            account.push(ModelAccount { model, counts, scores: Scores::default() });
        }
        account.count(Some(1), |counts| counts.received += 8);
        account.score(0, 1.0, 2.0);
        account.count(None, |counts| counts.received += 100);
        let sum = account.predictions();
        assert_eq!((sum.received, sum.scored, sum.expired, sum.pending()), (20, 5, 2, 13));
        assert_eq!(account.models()[0].counts.scored, 3);
        assert_eq!(sum.without(&account.models()[1].counts), account.models()[0].counts);
    }

    #[test]
    fn the_latest_are_those_that_were_heard_of_last() {
        let mut account = Account::default();
        let model = |number: usize| ModelId {
            name: Some(Name::parse("m").unwrap()),
            version: Some(Name::parse(&number.to_string()).unwrap()),
            ..ModelId::default()
        };
        let shown = |account: &Account| {
            let version = |of: &&ModelAccount| of.model.version.as_ref().unwrap().to_string();
            account.latest().iter().map(version).collect::<Vec<_>>().join(" ")
        };
        (0..LATEST).for_each(|number| _ = account.number(&model(number)));
        let all = shown(&account);
        // The first ones again, so that the third is the one to go.
        assert_eq!(account.number(&model(1)), 1);
        assert_eq!(account.number(&model(0)), 0);
        assert_eq!(shown(&account), all);
        assert_eq!(account.number(&model(77)), LATEST);
        assert_eq!(shown(&account), all.replacen(" 2 ", " ", 1) + " 77");
        // One that went comes back.
        assert_eq!(account.number(&model(2)), 2);
        assert_eq!(shown(&account), all.replacen(" 3 ", " ", 1) + " 77");
        assert_eq!(account.latest().len(), LATEST);
    }

    #[test]
    fn every_count_adds_up() {
        let counts = |by: u64| Counts {
            received: 100 * by,
            scored: 2 * by,
            expired: 3 * by,
            late: 5 * by,
            duplicates: 7 * by,
            conflicts: 11 * by,
            crowded: 13 * by,
            anonymous: 17 * by,
        };
        let mut sum = counts(1);
        sum.add(&counts(3));
        assert_eq!(sum, counts(4));
        assert_eq!(sum.without(&counts(3)), counts(1));
    }

    #[test]
    fn labels_and_models_are_counted_apart() {
        let mut account = Account::default();
        for name in ["a", "b"] {
            account.number(&ModelId {
                name: Some(Name::parse(name).unwrap()),
                version: None,
                ..ModelId::default()
            });
        }
        account.count(None, |counts| counts.late += 1);
        account.count(Some(1), |counts| counts.late += 2);
        account.count(Some(0), |counts| counts.late += 4);
        let of_models: Vec<u64> = account.models().iter().map(|model| model.counts.late).collect();
        assert_eq!((account.labels.late, &of_models[..]), (1, &[4, 2][..]));
    }
}
