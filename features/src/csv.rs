//! Rows and labels as a table that streams by: each record when it has arrived.

use std::io::Read;
use std::sync::Arc;

use shared::message::{Cell, Features, Row};
use shared::printable::quoted;
use shared::table::{Columns, Layout, Missing, Reader, Record, TableError};
use tracing::info;

use crate::disturb::Header;
use crate::entry::{self, Entry, Fault, Numbered};
use crate::wishes::{What, Wishes};

/// The records of a table as entries.
pub(crate) struct Records<R> {
    reader: Reader<R>,
    form: Form,
    dropped: u64,
    unlabelled: u64,
}

impl<R: Read> Records<R> {
    /// Reads the header. Waits until it has arrived.
    pub(crate) fn open(input: R, name: &str, wishes: &Wishes) -> Result<Self, Fault> {
        // What was sent is not taken back.
        let mut reader = Reader::open(input, name, &wishes.dialect).map_err(fault)?.without_doubt();
        if let Some(found) = reader.found() {
            info!("{name}: {found}");
        }
        let layout = match wishes.what {
            What::Rows(labels) => reader.lay_out(&wishes.columns, labels).map_err(fault)?,
            What::Labels => labels_only(&mut reader, &wishes.columns).map_err(fault)?,
        };
        for note in &layout.notes {
            info!("{name}: {note}");
        }
        wishes.say_labels(name, layout.target.is_some());
        let form = Form::new(reader.header(), layout, wishes);
        Ok(Self { reader, form, dropped: 0, unlabelled: 0 })
    }
}

/// Where id and label stand; nothing else is read.
fn labels_only<R: Read>(reader: &mut Reader<R>, columns: &Columns) -> Result<Layout, TableError> {
    let id = columns.id.as_deref().map(|id| reader.place(id, "--id")).transpose()?;
    let target = Some(reader.place(columns.label(), "--target")?);
    let layout = Layout { id, target, ..Layout::default() };
    reader.select(&layout);
    Ok(layout)
}

impl<R: Read> Iterator for Records<R> {
    type Item = Result<Numbered, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let record = match self.reader.next() {
                Some(Ok(record)) => record,
                // Where such a line ends, and the next one begins, nobody can tell.
                Some(Err(why)) if self.reader.is_done() => return Some(Err(Fault::Input(why.to_string()))),
                Some(Err(why)) => return Some(Err(fault(why))),
                None => {
                    if self.dropped > 0 {
                        info!("{} rows with missing cells were left out", self.dropped);
                    }
                    if self.unlabelled > 0 {
                        info!("{} rows were sent without a label: their cell was missing", self.unlabelled);
                    }
                    return None;
                }
            };
            let line = record.line;
            match self.form.entry(record) {
                Ok(Some(entry)) => {
                    self.unlabelled += u64::from(self.form.layout.target.is_some() && entry.label.is_none());
                    return Some(Ok(Numbered { line, entry }));
                }
                Ok(None) => self.dropped += 1,
                Err(why) => return Some(Err(self.judge(line, why))),
            }
        }
    }
}

impl<R: Read> Records<R> {
    /// The columns that are read; `label` is what the label's is called.
    pub(crate) fn columns<'a>(&'a self, label: &'a str) -> Header<'a> {
        let Form { header, layout, .. } = &self.form;
        let names = |places: &[usize]| places.iter().map(|at| &*header[*at]).collect();
        Header {
            features: names(&layout.features),
            texts: names(&layout.one_hot),
            label: (label, layout.target.is_some()),
        }
    }

    /// What is wrong: one line's fault, or that of the whole stream.
    fn judge(&self, line: u64, bad: Bad) -> Fault {
        let reader = &self.reader;
        let at = match bad {
            Bad::Line(why) => return Fault::Line { line, why },
            Bad::NoLabel { at } => return fault(reader.cell_error(line, at, "there is no label".to_owned())),
            Bad::Missing { at } => return fault(reader.missing(line, at, false)),
            Bad::Text { at } => at,
        };
        let text = reader.text(at);
        if let Some(mark) = reader.other_decimal(text) {
            let why = format!(
                "{} has the decimal mark {mark}, but the lines before were read with the other one. Use --decimal {mark}; rows already sent may have been misread: send them again, with a new ledger",
                quoted(text)
            );
            return Fault::Input(reader.cell_error(line, at, why).to_string());
        }
        let is_label = self.form.layout.target == Some(at);
        if is_label || self.form.numeric[at] {
            return fault(reader.no_number(line, at, is_label, false));
        }
        // Not once has it been a number: no line is bad, but what is wanted of the column.
        Fault::Input(reader.no_number(line, at, false, true).to_string())
    }
}

/// Why a record is no entry.
enum Bad {
    /// The column at this place has a text, and wanted is a number.
    Text { at: usize },
    /// The column at this place has nothing.
    Missing { at: usize },
    /// The same, where the label is all that is wanted.
    NoLabel { at: usize },
    /// Something else, in words.
    Line(String),
}

impl From<String> for Bad {
    fn from(why: String) -> Self {
        Self::Line(why)
    }
}

/// Numbers that can be read in two ways are no line's fault: left out with [`Fault::Line`], all others would be read as if
/// there was no doubt.
fn fault(why: TableError) -> Fault {
    match why {
        TableError::Line { line, why, .. } => Fault::Line { line, why },
        TableError::Cell { line, column, why, .. } => {
            Fault::Line { line, why: format!("column {column}: {why}") }
        }
        whole => Fault::Input(whole.to_string()),
    }
}

/// What a record becomes.
struct Form {
    header: Vec<Box<str>>,
    /// Which columns have had a number.
    numeric: Vec<bool>,
    layout: Layout,
    missing: Missing,
    labels_only: bool,
    /// The header `x-feature-names`, where it is wanted.
    names: Option<Arc<str>>,
}

impl Form {
    fn new(header: &[String], layout: Layout, wishes: &Wishes) -> Self {
        let features: Vec<String> = layout.features.iter().map(|at| header[*at].clone()).collect();
        Self {
            header: header.iter().map(|name| (**name).into()).collect(),
            numeric: vec![false; header.len()],
            layout,
            missing: wishes.columns.missing,
            labels_only: wishes.what == What::Labels,
            names: wishes.names.then(|| Row::names_header(&features).into()),
        }
    }

    /// What a record says; nothing where it is to be left out.
    fn entry(&mut self, mut record: Record) -> Result<Option<Entry>, Bad> {
        let mut take = |at: usize| {
            record.cells.get_mut(at).map_or(Cell::Missing, |cell| std::mem::replace(cell, Cell::Missing))
        };
        let label = match self.layout.target.map(|at| (at, take(at))) {
            Some((_, Cell::Number(value))) => Some(entry::label(value)?),
            Some((at, Cell::Missing)) if self.labels_only => return Err(Bad::NoLabel { at }),
            Some((at, Cell::Text(_))) => return Err(Bad::Text { at }),
            Some((_, Cell::Missing)) | None => None,
        };
        let id = match self.layout.id.map(&mut take) {
            None => None,
            Some(Cell::Text(id)) => Some(entry::id(&id)?),
            Some(_) => Some(entry::id("")?),
        };
        if self.labels_only {
            return Ok(Some(Entry { id, label, ..Entry::default() }));
        }
        let mut cells = Vec::with_capacity(self.layout.features.len());
        for at in &self.layout.features {
            let cell = take(*at);
            match &cell {
                Cell::Missing if self.missing == Missing::Fail => return Err(Bad::Missing { at: *at }),
                Cell::Missing if self.missing == Missing::Drop => return Ok(None),
                Cell::Text(_) if !self.layout.one_hot.contains(at) => return Err(Bad::Text { at: *at }),
                Cell::Number(_) => {
                    self.numeric[*at] = true;
                    cells.push((*at, cell));
                }
                _ => cells.push((*at, cell)),
            }
        }
        let vector: Option<Vec<f64>> = cells.iter().map(|(_, cell)| cell.as_number()).collect();
        let (features, names) = match vector {
            Some(vector) => (Features::Vector(vector), self.names.clone()),
            None => {
                let named = cells.into_iter().map(|(at, cell)| (self.header[at].clone(), cell));
                (Features::Named(named.collect()), None)
            }
        };
        Ok(Some(Entry { id, features: Some(features), names, label, ..Entry::default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::table::Labels;

    fn read(text: &str, what: What, columns: Columns) -> Result<Vec<String>, String> {
        let wishes = Wishes { what, columns, ..Wishes::default() };
        let why = |fault| match fault {
            Fault::Input(why) => why,
            Fault::Line { line, why } => format!("{line}: {why}"),
        };
        let records = Records::open(text.as_bytes(), "t.csv", &wishes).map_err(why)?;
        let show = |read: Result<Numbered, Fault>| match read {
            Ok(Numbered { line, entry }) => {
                let id = entry.id.map_or("-".to_owned(), |id| id.to_string());
                let row = entry.features.map_or("-".to_owned(), |row| serde_json::to_string(&row).unwrap());
                format!("{line}: {id} {row} {:?}", entry.label)
            }
            Err(fault) => why(fault),
        };
        Ok(records.map(show).collect())
    }

    fn columns(missing: Missing) -> Columns {
        let one_hot = vec!["heating".to_owned()];
        Columns { id: Some("order".into()), one_hot, missing, ..Columns::target("price") }
    }

    const TEXT: &str =
        "order,area,heating,price\n007,50,gas,200\na b,1,gas,2\n9,,gas,\n10,oops,gas,1\n11,1\n12,2,oil,\n";

    #[test]
    fn a_record_is_a_row_with_its_id_and_its_label_or_a_fault_of_its_own() {
        let read = read(TEXT, What::Rows(Labels::IfThere), columns(Missing::Fail)).unwrap();
        assert_eq!(read[0], r#"2: 007 {"area":50.0,"heating":"gas"} Some(200.0)"#);
        for (at, begin) in [
            (1, "3: \"a b\" is not a valid id: it has the character ' '"),
            (2, "4: column area: the cell is missing (it is empty); leave such rows out with --missing drop"),
            (3, "5: column area: \"oops\" is not a number"),
            (4, "6: 2 cells, but the header has 4"),
            (5, r#"7: 12 {"area":2.0,"heating":"oil"} None"#),
        ] {
            assert!(read[at].starts_with(begin), "{}", read[at]);
        }
    }

    #[test]
    fn missing_cells_are_left_out_or_sent_as_they_are() {
        let of = |missing| read(TEXT, What::Rows(Labels::IfThere), columns(missing)).unwrap();
        assert_eq!(of(Missing::Drop).len(), 5);
        assert_eq!(of(Missing::Mean)[2], r#"4: 9 {"area":null,"heating":"gas"} None"#);
    }

    #[test]
    fn rows_of_numbers_need_no_names() {
        let read = read("a,b,target\n1,2,3\n", What::Rows(Labels::Unwanted), Columns::default()).unwrap();
        assert_eq!(read, ["2: - [1.0,2.0] None"]);
    }

    #[test]
    fn what_speaks_of_the_whole_stream_is_no_fault_of_a_line() {
        let labels = |text: &str| {
            let columns = Columns { id: Some("order".into()), ..Columns::target("price") };
            read(text, What::Labels, columns).unwrap().pop().unwrap()
        };
        for (text, said) in [
            // Nothing has proved which mark is before the decimals, and what is sent cannot be taken back.
            ("order;price\nJ1;1.234\n", "t.csv, line 2, column price: \"1.234\" can be read in two ways"),
            (
                "order;price\nJ1;2\nJ2;1,234\n",
                "t.csv, line 3, column price: \"1,234\" can be read in two ways",
            ),
            ("order;price\nJ1;1.5\nJ2;1.234\n", "3: J2 - Some(1.234)"),
            ("order;price\nJ1;1,5\nJ2;1.234\n", "3: J2 - Some(1234.0)"),
            ("order,price\nJ1,1.234\n", "2: J1 - Some(1.234)"),
            ("order,price\nJ1,1e16\n", "2: the label is 1e16; scored are numbers up to 1e15"),
        ] {
            assert!(labels(text).starts_with(said), "{text}: {}", labels(text));
        }
        // Later than where the mark was found by looking.
        let late = labels(&format!("order;price\n{}J2;6,25\n", "J1;1.5\n".repeat(20_000)));
        let said = "t.csv, line 20002, column price: \"6,25\" has the decimal mark ,";
        assert!(late.starts_with(said), "{late}");
        let rows = |text| read(text, What::Rows(Labels::IfThere), columns(Missing::Fail)).unwrap();
        let said = rows("order,area,heating,price\n1,wide,gas,2\n");
        assert_eq!(
            said,
            [
                "t.csv, line 2, column area: \"wide\" is not a number; leave the column out with --drop area, or make a feature of \
              each text with --one-hot area"
            ]
        );
    }

    #[test]
    fn ids_and_labels_alone_have_a_command_of_their_own() {
        let alone = Columns { one_hot: Vec::new(), ..columns(Missing::Fail) };
        let why = read("order,price\n7,1\n", What::Rows(Labels::IfThere), alone).unwrap_err();
        assert_eq!(
            why,
            "t.csv: it has ids and labels, but no feature columns; to send labels alone, use `features labels --id \
             order --target price` and the same --data"
        );
    }

    #[test]
    fn labels_need_nothing_else_of_the_table() {
        let labels = read(TEXT, What::Labels, columns(Missing::Fail)).unwrap();
        assert_eq!(labels[0], "2: 007 - Some(200.0)");
        assert_eq!(labels[2], "4: column price: there is no label");
        assert_eq!(labels[3], "5: 10 - Some(1.0)");
        let why = read("id,price\n", What::Labels, columns(Missing::Fail)).unwrap_err();
        assert_eq!(why, "t.csv: no column \"order\" for --id; the header has id, price");
    }
}
