//! What was confirmed before: read from the ledger, so that the same stream can be sent again and only the rest goes out.
//!
//! A row and its label are confirmed separately. What was confirmed but not written down before a crash is sent once more, with
//! the same id and value; `metric` counts that as a repetition.

use std::io::{self, BufRead};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};
use shared::message::{Role, RowId};
use shared::printable::quoted;

use crate::entry::Entry;

/// The ids of a ledger. Each costs 16 bytes for its row and 16 for its label, and while it is read up to twice that.
#[derive(Debug, Default)]
pub struct Confirmed {
    /// Sorted.
    digests: Vec<u128>,
    rows: AtomicU64,
    labels: AtomicU64,
}

impl Confirmed {
    /// Reads a ledger; one that is not there yet has nothing.
    ///
    /// # Errors
    /// A file that cannot be read, or that is no ledger.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(why) => {
                return Err(why).with_context(|| format!("cannot read the ledger {}", path.display()));
            }
        };
        Self::parse(io::BufReader::new(file))
            .with_context(|| format!("cannot resume by the ledger {}", path.display()))
    }

    /// Reads a ledger's text. A last line without an end was torn by a crash and counts for nothing.
    ///
    /// # Errors
    /// A line that is none of a ledger's.
    pub fn parse(mut text: impl BufRead) -> anyhow::Result<Self> {
        let mut digests = Vec::new();
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            // No line of a ledger is longer.
            let mut bounded = io::Read::take(&mut text, 256);
            bounded.read_until(b'\n', &mut line)?;
            let Some(whole) = line.strip_suffix(b"\n") else {
                ensure!(line.len() < 256, "line {number} is too long for a ledger line");
                break;
            };
            let known = std::str::from_utf8(whole).ok().filter(|line| is_line(line));
            ensure!(
                known.is_some(),
                "line {number}, {}, is not a ledger line (Features,ID or y_true,ID); name the right file, or remove the line",
                quoted(&String::from_utf8_lossy(whole)),
            );
            digests.push(digest(whole));
        }
        digests.sort_unstable();
        digests.dedup();
        digests.shrink_to_fit();
        Ok(Self { digests, ..Self::default() })
    }

    /// How many rows and labels it has in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// What of this entry is still to be sent.
    pub fn rest(&self, mut entry: Entry) -> Option<Entry> {
        let Some(id) = &entry.id else { return Some(entry) };
        if entry.features.is_some() && self.has(Role::Features, id) {
            self.rows.fetch_add(1, Ordering::Relaxed);
            entry.features = None;
        }
        if entry.label.is_some() && self.has(Role::Label, id) {
            self.labels.fetch_add(1, Ordering::Relaxed);
            entry.label = None;
        }
        (entry.features.is_some() || entry.label.is_some()).then_some(entry)
    }

    fn has(&self, role: Role, id: &RowId) -> bool {
        !self.digests.is_empty()
            && self.digests.binary_search(&digest(format!("{},{id}", role.name()).as_bytes())).is_ok()
    }

    /// How many rows and labels [`Confirmed::rest`] has left out.
    #[must_use]
    pub fn left_out(&self) -> (u64, u64) {
        (self.rows.load(Ordering::Relaxed), self.labels.load(Ordering::Relaxed))
    }
}

/// Whether it is a line as a ledger has them.
fn is_line(line: &str) -> bool {
    let queues = [Role::Features, Role::Label].map(Role::name);
    line.split_once(',').is_some_and(|(queue, id)| queues.contains(&queue) && RowId::recorded(id).is_ok())
}

/// The first 16 bytes of the SHA-256 of a line: two lines that share it will not be met.
fn digest(line: &[u8]) -> u128 {
    let hash: [u8; 32] = Sha256::digest(line).into();
    u128::from_be_bytes(std::array::from_fn(|at| hash[at]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::message::Features;

    fn entry(id: &str) -> Entry {
        let features = Some(Features::Vector(vec![1.0]));
        Entry { id: Some(RowId::parse(id).unwrap()), features, label: Some(2.0), ..Entry::default() }
    }

    /// What is left of the entries a, b and order:17: `r` for the row, `l` for the label.
    fn rest(ledger: &str) -> String {
        let confirmed = Confirmed::parse(ledger.as_bytes()).unwrap();
        let rest = ["a", "b", "order:17"].map(|id| match confirmed.rest(entry(id)) {
            None => "-".to_owned(),
            Some(rest) => {
                [rest.features.map(|_| "r"), rest.label.map(|_| "l")].into_iter().flatten().collect()
            }
        });
        rest.join(" ")
    }

    #[test]
    fn what_was_confirmed_is_left_out_rows_and_labels_apart() {
        for (ledger, want) in [
            ("", "rl rl rl"),
            ("Features,a\ny_true,a\nFeatures,b\n", "- l rl"),
            ("y_true,order:17\n", "rl rl r"),
            ("Features,a\nFeatures,a\ny_true,b\n", "l r rl"),
            // Torn anywhere: never taken for a shorter id.
            ("Features,b\nFeatures,a", "rl l rl"),
            ("Features,b\nFeat", "rl l rl"),
            ("Features,b\n\0\0\0\0", "rl l rl"),
        ] {
            assert_eq!(rest(ledger), want, "{ledger:?}");
        }
        let confirmed = Confirmed::parse("Features,a\ny_true,a\nFeatures,b\n".as_bytes()).unwrap();
        for id in ["a", "b", "c"] {
            _ = confirmed.rest(entry(id));
        }
        assert_eq!((confirmed.len(), confirmed.left_out()), (3, (2, 1)));
    }

    #[test]
    fn another_file_is_no_ledger() {
        for (text, want) in [
            ("area,price\n1,2\n", "line 1, \"area,price\", is not a ledger line"),
            ("Features,a\n\n", "line 2, \"\", is not"),
            ("Features,a b\n", "line 1, \"Features,a b\", is not"),
            ("y_predict,a\n", "line 1, \"y_predict,a\", is not"),
            (&"x".repeat(5000), "line 1 is too long"),
        ] {
            let why = Confirmed::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(why.starts_with(want), "{why}");
        }
    }
}
