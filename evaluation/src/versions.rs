//! The versions that are kept: those that predicted last. Of the others, how much had come is remembered, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::version::{Events, Version};

/// The versions, in the order in which they were heard of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Versions {
    kept: Vec<Version>,
    /// Where each is, by the number that the record has for it.
    places: BTreeMap<usize, usize>,
    /// The numbers of those that were let go.
    gone: BTreeSet<usize>,
    /// What had come of those, by the model.
    events: BTreeMap<Option<String>, Events>,
}

impl Versions {
    /// Those that are kept.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Version> {
        self.kept.iter()
    }

    /// What had come of those that were let go, by the model.
    pub(crate) fn gone(&self) -> impl Iterator<Item = (&Option<String>, Events)> {
        self.events.iter().map(|(model, events)| (model, *events))
    }

    /// How many were let go.
    pub(crate) fn older(&self) -> usize {
        self.gone.len()
    }

    pub(crate) fn knows(&self, number: usize) -> bool {
        self.places.contains_key(&number)
    }

    pub(crate) fn has_known(&self, number: usize) -> bool {
        self.knows(number) || self.gone.contains(&number)
    }

    pub(crate) fn of_number(&mut self, number: usize) -> Option<&mut Version> {
        let place = *self.places.get(&number)?;
        self.kept.get_mut(place)
    }

    /// The numbers of those of which nothing is known that they could be compared with, with their model and version.
    pub(crate) fn lacking(&self) -> impl Iterator<Item = (usize, &Version)> {
        let kept = self.places.iter().filter_map(|(number, place)| Some((*number, self.kept.get(*place)?)));
        kept.filter(|(_, version)| version.lacks_basis())
    }

    /// Adds one, and lets the one go that has not predicted for longest where there are more than so many.
    pub(crate) fn add(&mut self, number: usize, version: Version, most: usize) {
        while self.kept.len() >= most.max(1) {
            self.let_go();
        }
        self.gone.remove(&number);
        self.places.insert(number, self.kept.len());
        self.kept.push(version);
    }

    fn let_go(&mut self) {
        let oldest =
            self.kept.iter().enumerate().min_by_key(|(place, version)| (version.last_predicted, *place));
        let Some((oldest, _)) = oldest else { return };
        let version = self.kept.remove(oldest);
        let events = self.events.entry(version.model.clone()).or_default();
        events.predictions += version.events().predictions;
        events.labels += version.events().labels;
        let number = self.places.iter().find(|(_, place)| **place == oldest).map(|(number, _)| *number);
        if let Some(number) = number {
            self.places.remove(&number);
            self.gone.insert(number);
        }
        self.places.values_mut().filter(|place| **place > oldest).for_each(|place| *place -= 1);
    }
}
