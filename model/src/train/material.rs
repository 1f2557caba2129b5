//! What a model is fitted to: rows with their labels, how they are encoded, what each weighs, and which are held out.

use anyhow::{Context as _, anyhow};
use clap::ValueEnum as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use shared::clock::Timestamp;
use shared::message::scorable;
use shared::printable::piece;
use shared::table::{Columns, Labels, Missing, Table};

use super::{Design, TrainOptions, learn};
use crate::encode::Encoding;
use crate::file::{TableSource, sha256};
use crate::standard;

/// Rows, and what is known of them.
#[derive(Debug)]
pub(super) struct Material {
    /// What errors call the table.
    pub(super) name: String,
    pub(super) table: Table,
    /// The label's name.
    pub(super) target: String,
    pub(super) encodings: Encodings,
    /// What each row weighs, where they do not weigh alike.
    pub(super) weights: Option<Vec<f64>>,
    /// When each row was predicted, where that decides which are held out.
    pub(super) times: Option<Vec<Timestamp>>,
    /// Where the rows came from, as the model file says it.
    pub(super) source: TableSource,
}

/// Where an encoding comes from.
#[derive(Debug)]
pub(super) enum Encodings {
    /// It is learned from the rows that are fitted.
    Learned(Missing),
    /// It is that of the model whose place is to be taken.
    Given(Encoding),
}

impl Encodings {
    /// What was done about missing cells.
    pub(super) fn missing(&self) -> Missing {
        match self {
            Self::Learned(missing) => *missing,
            Self::Given(_) => Missing::Fail,
        }
    }
}

impl Material {
    /// A table as people have them.
    pub(super) fn of_table(options: &TrainOptions) -> anyhow::Result<Self> {
        let TrainOptions { data, columns, dialect, .. } = options;
        let name = standard::input_name(data);
        let mut bytes = Vec::new();
        standard::open(data)
            .and_then(|mut input| input.read_to_end(&mut bytes))
            .with_context(|| format!("cannot read {name}"))?;
        let table = Table::parse(&*bytes, &name, dialect, columns, Labels::Required)?;
        refuse_extreme(&table, &name)?;
        let source = TableSource {
            file: standard::file_name(data),
            sha256: sha256(&bytes),
            rows: Some(table.rows.len()),
            missing: columns.missing.to_possible_value().map(|way| way.get_name().to_owned()),
            notes: table.notes.clone(),
            origin: None,
        };
        Ok(Self::learned(name, table, columns, source))
    }

    fn learned(name: String, table: Table, columns: &Columns, source: TableSource) -> Self {
        let encodings = Encodings::Learned(columns.missing);
        Self {
            name,
            table,
            target: columns.label().to_owned(),
            encodings,
            weights: None,
            times: None,
            source,
        }
    }

    /// How these rows are encoded.
    ///
    /// # Errors
    /// As [`learn::encoding`].
    pub(super) fn encoding(&self, rows: &[usize]) -> anyhow::Result<Encoding> {
        match &self.encodings {
            Encodings::Learned(missing) => learn::encoding(&self.table, rows, *missing),
            Encodings::Given(encoding) => Ok(encoding.clone()),
        }
    }

    /// The rows with these indices, encoded.
    pub(super) fn design(&self, rows: &[usize], encoding: &Encoding) -> Design {
        Design::of(&self.table, rows, encoding, self.weights.as_deref())
    }

    /// Where the rows came from, with these held out.
    pub(super) fn source_held_out_from(&self, unseen: &[usize]) -> TableSource {
        let mut source = self.source.clone();
        if let (Some(origin), Some(times)) = (&mut source.origin, &self.times) {
            origin.held_out_from = unseen.iter().map(|row| times[*row]).min().map(|time| time.to_string());
        }
        source
    }

    /// The indices of the rows to train on and of those to hold out, both in the table's order.
    pub(super) fn split(&self, holdout: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
        match &self.times {
            None => split(self.table.rows.len(), holdout, seed),
            Some(times) => split_by_time(times, holdout),
        }
    }
}

#[cfg(test)]
impl Material {
    /// A table in a test.
    pub(super) fn parse(text: &str, columns: &Columns) -> Self {
        use shared::table::Dialect;

        let table =
            Table::parse(text.as_bytes(), "t.csv", &Dialect::default(), columns, Labels::Required).unwrap();
        let source = TableSource {
            file: "t.csv".to_owned(),
            sha256: sha256(text.as_bytes()),
            rows: None,
            missing: None,
            notes: Vec::new(),
            origin: None,
        };
        Self::learned("t.csv".to_owned(), table, columns, source)
    }
}

/// Refuses labels that `metric` would refuse.
fn refuse_extreme(table: &Table, name: &str) -> anyhow::Result<()> {
    for (label, line) in table.labels.iter().zip(&table.lines) {
        scorable("the label", *label).map_err(|why| {
            let target = piece(table.target.as_deref().unwrap_or_default());
            let why = why.detail;
            anyhow!("{name}, line {line}, column {target}: {why}; use another unit for the column, or leave the row out")
        })?;
    }
    Ok(())
}

/// Splits row indices at random into those to train on and those to hold out. Both keep the table's order.
#[must_use]
fn split(rows: usize, holdout: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut shuffled: Vec<usize> = (0..rows).collect();
    shuffled.shuffle(&mut StdRng::seed_from_u64(seed));
    let (unseen, seen) = shuffled.split_at(share(rows, holdout));
    (sorted(seen), sorted(unseen))
}

/// Splits them so that the rows that were predicted last are held out: a model is asked about rows that come after those it knows.
/// What was predicted at one moment stays together, so that a moment tells which rows these are.
fn split_by_time(times: &[Timestamp], holdout: f64) -> (Vec<usize>, Vec<usize>) {
    let mut ascending = times.to_vec();
    ascending.sort_unstable();
    let last_seen = ascending[..times.len() - share(times.len(), holdout)].last();
    (0..times.len()).partition(|row| last_seen.is_some_and(|last| times[*row] <= *last))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count fits")]
fn share(rows: usize, holdout: f64) -> usize {
    (rows as f64 * holdout).round() as usize
}

fn sorted(rows: &[usize]) -> Vec<usize> {
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use shared::table::Dialect;

    use super::*;

    #[test]
    fn a_split_is_by_seed_and_leaves_no_row_out() {
        let (seen, unseen) = split(100, 0.2, 1);
        assert_eq!((seen.len(), unseen.len()), (80, 20));
        let mut all = [&seen[..], &unseen[..]].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(split(100, 0.2, 1), (seen, unseen.clone()));
        assert_ne!(split(100, 0.2, 2).1, unseen);
        assert_eq!(split(10, 0.0, 1).1, [0; 0]);
    }

    #[test]
    fn a_split_by_time_holds_out_what_was_predicted_last() {
        let times = [5, 1, 9, 3, 9].map(Timestamp);
        for (holdout, seen, unseen) in [
            (0.0, &[0, 1, 2, 3, 4][..], &[][..]),
            (0.2, &[0, 1, 2, 3, 4], &[]),
            (0.4, &[0, 1, 3], &[2, 4]),
            (0.6, &[1, 3], &[0, 2, 4]),
        ] {
            assert_eq!(split_by_time(&times, holdout), (seen.to_vec(), unseen.to_vec()), "{holdout}");
        }
    }

    #[test]
    fn a_label_that_could_not_be_scored_is_refused_with_its_place() {
        let table = |label: &str| {
            let text = format!("t,price\n1e300,1\n\n2,{label}\n");
            let columns = Columns::target("price");
            Table::parse(text.as_bytes(), "t.csv", &Dialect::default(), &columns, Labels::Required).unwrap()
        };
        assert!(refuse_extreme(&table("-1e15"), "t.csv").is_ok(), "features may be larger");
        assert_eq!(
            refuse_extreme(&table("-1e16"), "t.csv").unwrap_err().to_string(),
            "t.csv, line 4, column price: the label is -1e16; scored are numbers up to 1e15; use another unit for the column, or leave the row out"
        );
    }
}
