//! Tables as people have them, held to what pandas reads from each with the right arguments, to the bit.
//!
//! `scripts/tables.py` makes them; `scripts/test` runs it and says where they are.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde::Deserialize;
use shared::message::Cell;
use shared::table::{Columns, Dialect, Labels, Table, TableError};

#[derive(Deserialize)]
struct Expected {
    file: String,
    flags: Vec<String>,
    /// The bits of each number, in hexadecimal, or null.
    columns: Option<BTreeMap<String, Vec<Option<String>>>>,
    /// What the refusal must name.
    says: Option<Vec<String>>,
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    dialect: Dialect,
    #[command(flatten)]
    columns: Columns,
}

/// The folder of the files; none where nobody made them.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("TABLES").map(PathBuf::from);
    if folder.is_none() {
        println!("left out: peers: TABLES does not name the folder that scripts/tables.py has filled");
    }
    folder
}

fn read(file: &Path, flags: &[String]) -> Result<Table, TableError> {
    let program = std::iter::once("t".to_owned());
    let Flags { dialect, columns } = Flags::parse_from(program.chain(flags.iter().cloned()));
    Table::read(file, &dialect, &columns, Labels::Required)
}

fn bits(number: f64) -> String {
    format!("{:016x}", number.to_bits())
}

/// Each column as the script writes it.
fn shown(table: &Table) -> BTreeMap<String, Vec<Option<String>>> {
    let cell = |row: &Vec<Cell>, at: usize| row[at].as_number().map(bits);
    let features = table
        .features
        .iter()
        .enumerate()
        .map(|(at, name)| (name.clone(), table.rows.iter().map(|row| cell(row, at)).collect()));
    let labels = table.labels.iter().map(|label| Some(bits(*label))).collect();
    features.chain([(table.target.clone().unwrap(), labels)]).collect()
}

#[test]
fn tables_are_read_as_pandas_reads_them_or_refused_by_name() {
    let Some(folder) = folder() else { return };
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Vec<Expected> = serde_json::from_str(&expected).unwrap();
    assert!(expected.len() >= 40, "{} tables are too few", expected.len());
    let mut wrong = Vec::new();
    for Expected { file, flags, columns, says } in expected {
        match (read(&folder.join(&file), &flags), columns, says) {
            (Ok(table), Some(columns), None) if shown(&table) == columns => {}
            (Ok(table), _, _) => {
                wrong.push(format!("{file}: read as {:?}, {:?}", shown(&table), table.notes))
            }
            (Err(why), None, Some(says)) => {
                let why = why.to_string();
                if let Some(word) = says.iter().find(|word| !why.contains(&***word)) {
                    wrong.push(format!("{file}: {why}\n    does not say {word:?}"));
                }
            }
            (Err(why), _, _) => wrong.push(format!("{file}: {why}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
