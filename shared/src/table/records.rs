//! Text in, records out, as they arrive, each with the line where it begins.

use std::io::Read;

use csv_core::{ReadRecordResult, ReaderBuilder};

use super::TableError;
use super::dialect::Separator;
use super::text::{Fault, Text};

/// The longest record, in bytes.
pub(super) const LONGEST: usize = 1 << 20;
/// The most columns.
const MOST_COLUMNS: usize = 100_000;

/// The cells of a record, as they stand.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// The line where it begins, counted from 1.
    pub(super) line: u64,
    text: String,
    ends: Vec<usize>,
}

impl Raw {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A cell without the blanks around it.
    pub(super) fn cell(&self, column: usize) -> &str {
        let begin = if column == 0 { 0 } else { self.ends[column - 1] };
        self.text[begin..self.ends[column]].trim()
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|column| self.cell(column))
    }

    fn is_blank(&self) -> bool {
        self.len() == 1 && self.text.trim().is_empty()
    }
}

/// What has arrived, and where in it the next record begins.
pub(super) struct Records<R> {
    name: String,
    text: Text<R>,
    arrived: Vec<u8>,
    at: usize,
    splitter: csv_core::Reader,
    line: u64,
    after_return: bool,
}

impl<R: Read> Records<R> {
    pub(super) fn open(input: R, name: &str) -> Result<Self, TableError> {
        let text = Text::open(input).map_err(|fault| faulty(name, None, fault))?;
        Ok(Self {
            name: name.to_owned(),
            text,
            arrived: Vec::new(),
            at: 0,
            splitter: splitter(Separator::COMMA),
            line: 1,
            after_return: false,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn text(&self) -> &Text<R> {
        &self.text
    }

    /// Waits for more; false at the end.
    pub(super) fn more(&mut self) -> Result<bool, TableError> {
        self.arrived.drain(..self.at);
        self.at = 0;
        self.text.more(&mut self.arrived).map_err(|fault| faulty(&self.name, Some(self.line), fault))
    }

    /// What has arrived and is not split yet.
    pub(super) fn ahead(&self) -> &str {
        std::str::from_utf8(&self.arrived[self.at..]).unwrap_or_default()
    }

    /// Goes on behind so many bytes, with records of this separator.
    pub(super) fn begin(&mut self, behind: usize, separator: Separator) {
        self.pass(behind);
        self.splitter = splitter(separator);
    }

    /// Reads the next record; false where there is none.
    pub(super) fn next(&mut self, raw: &mut Raw) -> Result<bool, TableError> {
        loop {
            if !self.pass_line_breaks()? {
                return Ok(false);
            }
            self.split(raw)?;
            // A line of blanks is as empty as one without.
            if !raw.is_blank() {
                return Ok(true);
            }
        }
    }

    fn split(&mut self, raw: &mut Raw) -> Result<(), TableError> {
        raw.line = self.line;
        let mut bytes = std::mem::take(&mut raw.text).into_bytes();
        bytes.resize(bytes.capacity().clamp(1024, LONGEST), 0);
        raw.ends.resize(raw.ends.capacity().clamp(64, MOST_COLUMNS), 0);
        let (mut length, mut columns, mut closing) = (0, 0, false);
        loop {
            // At the end, a line break ends the last record, unless it stands in quotes.
            let input = if closing { b"\n" } else { &self.arrived[self.at..] };
            let (result, read, written, ended) =
                self.splitter.read_record(input, &mut bytes[length..], &mut raw.ends[columns..]);
            if !closing {
                self.pass(read);
            }
            length += written;
            columns += ended;
            match result {
                ReadRecordResult::Record | ReadRecordResult::End => break,
                ReadRecordResult::OutputFull if length < LONGEST => {
                    bytes.resize((length * 2).min(LONGEST), 0);
                }
                ReadRecordResult::OutputFull => {
                    return Err(self.line_error(raw.line, too_long()));
                }
                ReadRecordResult::OutputEndsFull if columns < MOST_COLUMNS => {
                    raw.ends.resize((columns * 2).min(MOST_COLUMNS), 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    let why = format!("it has more than {MOST_COLUMNS} cells, the limit");
                    return Err(self.line_error(raw.line, why));
                }
                ReadRecordResult::InputEmpty if closing => {
                    let why = "a quoted cell begins here and never ends: a quote (\") is missing".to_owned();
                    return Err(self.line_error(raw.line, why));
                }
                ReadRecordResult::InputEmpty => closing = !self.more()?,
            }
        }
        bytes.truncate(length);
        raw.ends.truncate(columns);
        // Separators and quotes are ASCII, so that what is between them is whole.
        raw.text = String::from_utf8(bytes).unwrap_or_default();
        if raw.text.len() < length {
            return Err(self.line_error(raw.line, "it cannot be read as text".to_owned()));
        }
        Ok(())
    }

    /// The last line of the record that was read last.
    pub(super) fn last_line(&self) -> u64 {
        self.line.saturating_sub(1)
    }

    fn line_error(&self, line: u64, why: String) -> TableError {
        TableError::Line { file: self.name.clone(), line, why }
    }

    /// Goes to the next record; false where there is none.
    fn pass_line_breaks(&mut self) -> Result<bool, TableError> {
        loop {
            match self.arrived.get(self.at).copied() {
                Some(b'\r' | b'\n') => self.pass(1),
                Some(_) => return Ok(true),
                None if !self.more()? => return Ok(false),
                None => {}
            }
        }
    }

    fn pass(&mut self, bytes: usize) {
        for byte in &self.arrived[self.at..self.at + bytes] {
            let ends_line = *byte == b'\r' || (*byte == b'\n' && !self.after_return);
            self.line += u64::from(ends_line);
            self.after_return = *byte == b'\r';
        }
        self.at += bytes;
    }
}

/// The whole records in a text, without blanks around their cells; at the end of a file also the last, unfinished one.
pub(super) fn whole(text: &str, separator: Separator, ended: bool, most: usize) -> Vec<Vec<String>> {
    let mut splitter = splitter(separator);
    let mut rest = text.trim_start_matches(['\r', '\n']).as_bytes();
    let (mut bytes, mut ends) = (vec![0; text.len()], vec![0; text.len().min(MOST_COLUMNS) + 1]);
    let (mut length, mut columns) = (0, 0);
    let mut records: Vec<Vec<String>> = Vec::new();
    let mut closed = false;
    while records.len() < most {
        let (result, read, written, ended_cells) =
            splitter.read_record(rest, &mut bytes[length..], &mut ends[columns..]);
        rest = &rest[read..];
        length += written;
        columns += ended_cells;
        match result {
            ReadRecordResult::Record => {
                let begins = [0].iter().chain(&ends);
                let cell = |(begin, end): (&usize, &usize)| {
                    String::from_utf8_lossy(&bytes[*begin..*end]).trim().to_owned()
                };
                let cells: Vec<String> = begins.zip(&ends[..columns]).map(cell).collect();
                if cells.len() > 1 || cells.iter().any(|cell| !cell.is_empty()) {
                    records.push(cells);
                }
                (length, columns) = (0, 0);
            }
            ReadRecordResult::InputEmpty if ended && !closed => {
                closed = true;
                rest = b"\n";
            }
            _ => break,
        }
    }
    records
}

fn splitter(separator: Separator) -> csv_core::Reader {
    ReaderBuilder::new().delimiter(separator.byte()).build()
}

fn too_long() -> String {
    format!("the row is longer than {} MiB, the limit; perhaps a quote (\") is missing", LONGEST >> 20)
}

fn faulty(name: &str, line: Option<u64>, fault: Fault) -> TableError {
    let file = name.to_owned();
    match (fault, line) {
        (Fault::Unreadable(why), _) => TableError::Unreadable { file, why },
        (Fault::Wrong(why), Some(line)) => TableError::Line { file, line, why },
        (Fault::Wrong(why), None) => {
            TableError::Shape { why: why.replace("FILE", &file.replace(['\'', '"', '\\'], "_")), file }
        }
    }
}
