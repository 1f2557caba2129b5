//! What the numbers of a recorded row are: they are kept as the model weighed them that served, and its file says what that means.

use shared::message::Cell;

use super::By;
use crate::encode::Encoding;

/// The model that served.
#[derive(Debug)]
pub(crate) struct Served {
    /// What errors call its file.
    pub(crate) file: String,
    /// Its version.
    pub(crate) version: String,
    /// What it did to a row before it weighed it.
    pub(crate) encoding: Encoding,
}

impl Served {
    /// The row as its producer had it, apart from what was filled.
    ///
    /// # Errors
    /// Why these numbers are none of the model's, for people.
    pub(crate) fn raw(&self, by: &By, features: &[f64]) -> Result<Vec<Cell>, String> {
        let Self { file, version, encoding } = self;
        let (wanted, got) = (encoding.columns().len(), features.len());
        if got != wanted {
            return Err(format!("{got} numbers, and {file} weighs {wanted}"));
        }
        if !self.predicted(by) && !encoding.is_plain() {
            return Err(format!(
                "it was predicted by {by}, and only that version's own file says which of its columns are which categories; \
                 name that one with --serving, or choose rows with `metric export --features --model NAME@{version}`"
            ));
        }
        encoding.decode(features).ok_or_else(|| format!("its columns of a category are not those of {file}"))
    }

    /// Whether it is the version that predicted a row.
    pub(crate) fn predicted(&self, by: &By) -> bool {
        by.version.as_deref() == Some(&*self.version)
    }
}
