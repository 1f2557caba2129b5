//! The reader of tables on bytes of any kind: it never panics, a record has a cell for each column of the header and a later
//! line than the one before, numbers are finite, and how the bytes arrive changes nothing where nothing is to be guessed.

#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use shared::message::Cell;
use shared::table::{Columns, Decimal, Dialect, Labels, Reader, Record, Table};

/// Gives its bytes a few at a time.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let some = space.len().min(3);
        self.0.read(&mut space[..some])
    }
}

/// The header, the records, and what ended them, if something did.
fn read(input: impl Read, dialect: &Dialect) -> (Vec<String>, Vec<Record>, Option<String>) {
    let mut reader = match Reader::open(input, "t", dialect) {
        Ok(reader) => reader,
        Err(why) => return (Vec::new(), Vec::new(), Some(why.to_string())),
    };
    let (header, mut records) = (reader.header().to_vec(), Vec::new());
    for record in &mut reader {
        match record {
            Ok(record) => records.push(record),
            Err(why) => return (header, records, Some(why.to_string())),
        }
    }
    assert!(reader.next().is_none());
    (header, records, None)
}

fuzz_target!(|bytes: &[u8]| {
    let (header, records, _) = read(bytes, &Dialect::default());
    let mut line = 0;
    for record in &records {
        assert_eq!(record.cells.len(), header.len());
        assert!(record.line > line, "line {} after {line}", record.line);
        line = record.line;
        assert!(record.cells.iter().all(|cell| !matches!(cell, Cell::Number(number) if !number.is_finite())));
    }
    // Of damaged gzip data, more or less can be read by other steps.
    let steps = if bytes.starts_with(&[0x1f, 0x8b]) {
        &[][..]
    } else {
        &[(",", Decimal::Point), (";", Decimal::Comma)]
    };
    for (separator, decimal) in steps.iter().copied() {
        let given = Dialect { separator: separator.parse().ok(), decimal: Some(decimal) };
        let (whole, dripped) = (read(bytes, &given), read(Drip(bytes), &given));
        assert_eq!((&whole.0, &whole.1), (&dripped.0, &dripped.1));
        assert_eq!(whole.2.is_some(), dripped.2.is_some());
    }
    if let Some(target) = header.last() {
        let columns = Columns::target(target.as_str());
        if let Ok(table) = Table::parse(bytes, "t", &Dialect::default(), &columns, Labels::Required) {
            assert!(table.is_numeric());
            assert_eq!((table.labels.len(), table.lines.len()), (table.rows.len(), table.rows.len()));
        }
    }
});
