//! What models were made of, from their cards, as far as those had come at a moment: a card that comes late changes nothing of
//! what was said before.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use evaluation::basis::Basis;
use shared::clock::Timestamp;

use crate::basis;
use crate::join::ModelId;
use crate::store::Reader;

/// How many models are remembered.
const MOST: usize = 100;

/// The cards of the records in a folder.
#[derive(Debug)]
pub(crate) struct Bases {
    reader: Reader,
    /// By the model's tag, with the time at which its card came; none where there is no card.
    known: HashMap<String, Option<(Timestamp, Arc<Basis>)>>,
}

impl Bases {
    /// Opens the database of a folder.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self { reader: Reader::open(folder)?, known: HashMap::new() })
    }

    /// Looks once more for cards that were not there.
    pub(crate) fn look_again(&mut self) {
        self.known.retain(|_, known| known.is_some());
    }

    /// What is said of a model by the card that had come until this time.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub(crate) fn of(&mut self, model: &ModelId, at: Timestamp) -> anyhow::Result<Option<Arc<Basis>>> {
        let tag = model.tag();
        if !self.known.contains_key(&tag) {
            if self.known.len() >= MOST {
                self.known.clear();
            }
            let card = self.reader.card(model)?;
            let known = card.map(|card| (card.first_seen, Arc::new(basis::of_card(&card.json))));
            self.known.insert(tag.clone(), known);
        }
        let known = self.known.get(&tag).and_then(Option::as_ref);
        Ok(known.filter(|(came, _)| *came <= at).map(|(_, basis)| Arc::clone(basis)))
    }
}
