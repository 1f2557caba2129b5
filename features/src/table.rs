//! The rows of a whole table, drawn in an order.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use shared::message::{Cell, Features, Row, RowId};
use shared::printable::quoted;
use shared::table::Table;

use crate::disturb::{Disturbance, Disturber, Header};
use crate::entry::{self, Entry};
use crate::order::Rows;

/// Entries, and which of them comes next.
pub(crate) struct Drawn {
    entries: Vec<Entry>,
    rows: Rows,
    /// Disturbs what is drawn, by how many were drawn before.
    disturber: Option<Box<Disturber>>,
}

impl Drawn {
    pub(crate) fn new(
        entries: Vec<Entry>,
        rows: impl FnOnce(usize) -> Rows,
        disturber: Option<Disturber>,
    ) -> Self {
        let rows = rows(entries.len());
        Self { entries, rows, disturber: disturber.map(Box::new) }
    }

    pub(crate) fn next(&mut self) -> Option<Entry> {
        let drawn = self.rows.drawn();
        let entry = self.rows.next().map(|row| self.entries[row].clone())?;
        match &self.disturber {
            // What cannot be disturbed was refused when the columns were looked at.
            Some(disturber) => disturber.disturb(drawn, entry).ok(),
            None => Some(entry),
        }
    }

    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// No more rows are drawn.
    pub(crate) fn close(&mut self) {
        self.rows.end();
    }
}

/// The rows of a table under their own ids, if it has some.
///
/// # Errors
/// An id that is none, or that two rows have.
pub(crate) fn entries(table: Table, file: &Path, names: bool) -> anyhow::Result<Vec<Entry>> {
    let numeric = table.is_numeric();
    let header: Option<Arc<str>> = (names && numeric).then(|| Row::names_header(&table.features).into());
    let Table { features, ids, rows, labels, lines, .. } = table;
    for (value, line) in labels.iter().zip(&lines) {
        entry::label(*value).map_err(|why| anyhow::anyhow!("{}, line {line}: {why}", file.display()))?;
    }
    let mut entries = Vec::with_capacity(rows.len());
    for (at, row) in rows.into_iter().enumerate() {
        let features = if numeric {
            Features::Vector(row.iter().filter_map(Cell::as_number).collect())
        } else {
            Features::Named(features.iter().map(|name| (**name).into()).zip(row).collect())
        };
        let label = labels.get(at).copied();
        entries.push(Entry { features: Some(features), names: header.clone(), label, ..Entry::default() });
    }
    let Some(ids) = ids else { return Ok(entries) };
    let mut seen = UniqueIds::default();
    for ((entry, id), line) in entries.iter_mut().zip(&ids).zip(lines) {
        let id = entry::id(id).map_err(|why| anyhow::anyhow!("{}, line {line}: {why}", file.display()))?;
        seen.add(&id, line, file)?;
        entry.id = Some(id);
    }
    Ok(entries)
}

/// What disturbs the rows of a table, if anything does; `label` is what the label's column is called.
///
/// # Errors
/// What is to be disturbed is not there, or is a text.
pub(crate) fn disturber(
    table: &Table,
    file: &Path,
    disturbance: &Disturbance,
    label: &str,
    seed: u64,
) -> anyhow::Result<Option<Disturber>> {
    if disturbance.is_none() {
        return Ok(None);
    }
    let features: Vec<&str> = table.features.iter().map(|name| &**name).collect();
    let texts = table.one_hot.iter().map(|at| features[*at]).collect();
    let header = Header { features, texts, label: (label, table.target.is_some()) };
    let disturber = disturbance.of_table(&header, seed);
    disturber.map(Some).map_err(|why| anyhow::anyhow!("{}: {why}", file.display()))
}

/// The rows of a table that is sent once, disturbed by their place in it.
///
/// # Errors
/// A row that cannot be.
pub(crate) fn disturb(entries: Vec<Entry>, disturber: &Disturber, file: &Path) -> anyhow::Result<Vec<Entry>> {
    let disturbed = (0..).zip(entries).map(|(row, entry)| disturber.disturb(row, entry));
    disturbed.collect::<Result<_, _>>().map_err(|why| anyhow::anyhow!("{}: {why}", file.display()))
}

/// The ids of a table, each once.
#[derive(Default)]
pub(crate) struct UniqueIds(HashMap<RowId, u64>);

impl UniqueIds {
    pub(crate) fn add(&mut self, id: &RowId, line: u64, file: &Path) -> anyhow::Result<()> {
        if let Some(first) = self.0.insert(id.clone(), line) {
            bail!(
                "{}, lines {first} and {line}: both have the id {}; ids must be unique",
                file.display(),
                quoted(&id.to_string())
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Order;
    use crate::resume::Confirmed;
    use shared::table::{Columns, Dialect, Labels};

    fn read(text: &str) -> Result<Vec<Entry>, String> {
        let columns = Columns { id: Some("order".into()), ..Columns::target("price") };
        let table =
            Table::parse(text.as_bytes(), "t.csv", &Dialect::default(), &columns, Labels::IfThere).unwrap();
        entries(table, Path::new("t.csv"), true).map_err(|why| why.to_string())
    }

    #[test]
    fn a_row_keeps_its_id_as_it_is_written() {
        let entries = read("order,a,price\n007,1,2\nurn:x/y@z,3,4\n").unwrap();
        let ids: Vec<String> = entries.iter().map(|entry| entry.id.as_ref().unwrap().to_string()).collect();
        assert_eq!(ids, ["007", "urn:x/y@z"]);
        assert_eq!(entries[1].features, Some(Features::Vector(vec![3.0])));
        assert_eq!((entries[1].label, entries[1].names.as_deref()), (Some(4.0), Some("a")));
    }

    #[test]
    fn an_id_that_is_none_or_is_there_twice_is_named_with_its_lines() {
        for (text, want) in [
            (
                "order,a,price\nx,1,2\na b,3,4\n",
                "t.csv, line 3: \"a b\" is not a valid id: it has the character ' '",
            ),
            ("order,a,price\nx,1,2\ny,3,4\nx,5,6\n", "t.csv, lines 2 and 4: both have the id \"x\""),
            ("order,a,price\n,1,2\n", "t.csv, line 2: \"\" is not a valid id: it is empty"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.starts_with(want), "{why}");
        }
    }

    #[test]
    fn rows_are_numbered_as_they_are_drawn_or_by_their_place_where_each_is_sent_once() {
        let drift = Disturbance { drift: vec!["a:+100@2".parse().unwrap()], ..Disturbance::default() };
        let header = || Header { features: vec!["a"], texts: Vec::new(), label: ("price", true) };
        let disturber = drift.of_table(&header(), 1).unwrap();
        let values = |mut drawn: Drawn| -> Vec<f64> {
            let features = std::iter::from_fn(|| drawn.next()).filter_map(|entry| entry.features);
            features.map(|features| if let Features::Vector(row) = features { row[0] } else { 0.0 }).collect()
        };
        let entries = || read("order,a,price\nx,1,10\ny,2,20\nz,3,30\n").unwrap();
        let looped = |len| Rows::new(len, Order::Loop, 1, Some(5));
        let drawn = values(Drawn::new(entries(), looped, Some(disturber.clone())));
        assert_eq!(drawn, [1.0, 2.0, 103.0, 101.0, 102.0]);

        let once = disturb(entries(), &disturber, Path::new("t.csv")).unwrap();
        // A run that is resumed behind the first row.
        let confirmed = Confirmed::parse("Features,x\ny_true,x\n".as_bytes()).unwrap();
        let rest = once.into_iter().filter_map(|entry| confirmed.rest(entry)).collect();
        assert_eq!(values(Drawn::new(rest, |len| Rows::new(len, Order::Once, 1, None), None)), [2.0, 103.0]);
    }
}
