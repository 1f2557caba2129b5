//! What is fitted: rows of a table, encoded, and their labels.

use shared::table::Table;

use crate::encode::Encoding;

/// Encoded rows with their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// The columns' names, as a person knows them: `area`, `heating=gas`.
    pub columns: Vec<String>,
    /// The rows: each as long as `columns`.
    pub rows: Vec<Vec<f64>>,
    /// The labels: as many as rows.
    pub labels: Vec<f64>,
    /// What each row weighs, where they do not weigh alike: as many as rows.
    pub weights: Option<Vec<f64>>,
}

impl Design {
    /// The rows of a table with these indices. One that cannot be encoded, because no row that the encoding was made of has
    /// its category, is left out. `weights` has one for each row of the table.
    #[must_use]
    pub fn of(table: &Table, rows: &[usize], encoding: &Encoding, weights: Option<&[f64]>) -> Self {
        let encoded = |row: &usize| Some((encoding.encode(&table.rows[*row]).ok()?, *row));
        let (vectors, rows): (Vec<_>, Vec<_>) = rows.iter().filter_map(encoded).unzip();
        Self {
            columns: encoding.columns().to_vec(),
            rows: vectors,
            labels: rows.iter().map(|row| table.labels[*row]).collect(),
            weights: weights.map(|weights| rows.iter().map(|row| weights[*row]).collect()),
        }
    }

    /// The rows as a model takes them.
    #[must_use]
    pub fn vectors(&self) -> Vec<&[f64]> {
        self.rows.iter().map(Vec::as_slice).collect()
    }
}

#[cfg(test)]
impl Design {
    /// All rows of a table of numbers.
    pub(crate) fn parse(text: &str, target: &str) -> Self {
        use shared::table::{Columns, Dialect, Labels};

        let columns = Columns::target(target);
        let table =
            Table::parse(text.as_bytes(), "t.csv", &Dialect::default(), &columns, Labels::Required).unwrap();
        let rows: Vec<usize> = (0..table.rows.len()).collect();
        Self::of(&table, &rows, &Encoding::plain(table.features.clone()), None)
    }
}
