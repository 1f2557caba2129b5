//! A table of numbers read from CSV: features and, in one column, the label.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

/// Which columns of a table are what. All others are features.
#[derive(Args, Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The column that holds the label.
    #[arg(long, env = "TARGET", value_name = "COLUMN", default_value = "target")]
    pub target: String,

    /// The column that names a row. It is no feature, and may hold any text.
    #[arg(long, env = "ID_COLUMN", value_name = "COLUMN")]
    pub id: Option<String>,

    /// Columns to leave out, with commas between. They may hold any text.
    #[arg(long, env = "DROP_COLUMNS", value_name = "COLUMNS", value_delimiter = ',')]
    pub drop: Vec<String>,
}

impl Columns {
    /// The label is in this column, and all others are features.
    #[must_use]
    pub fn target(target: impl Into<String>) -> Self {
        Self { target: target.into(), id: None, drop: Vec::new() }
    }

    fn left_out(&self) -> impl Iterator<Item = &String> {
        self.id.iter().chain(&self.drop)
    }
}

/// A table whose every cell is a finite number, but for the columns that were left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The features' names, in the columns' order.
    pub features: Vec<String>,
    /// The label's name.
    pub target: String,
    /// The feature vectors: each as long as `features`.
    pub rows: Vec<Vec<f64>>,
    /// The labels: as many as rows.
    pub labels: Vec<f64>,
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The file cannot be opened or read.
    #[error("cannot read {}: {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The reason.
        why: io::Error,
    },
    /// A line has more or fewer cells than the header, or is not UTF-8.
    #[error("{}, line {line}: {why}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1 with the header.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// A cell is not a finite number.
    #[error("{}, line {line}, column {column}: {value:?} is not a finite number", file.display())]
    Cell {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1 with the header.
        line: u64,
        /// The column's name.
        column: String,
        /// The cell's text.
        value: String,
    },
    /// The header lacks the target or has a name twice, or there are no features or rows.
    #[error("{}: {why}", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// What is wrong and what is there instead.
        why: String,
    },
}

impl Dataset {
    /// Reads a CSV file with a header.
    ///
    /// # Errors
    /// [`DatasetError`] with the place of the first fault.
    pub fn read(file: &Path, columns: &Columns) -> Result<Self, DatasetError> {
        let bytes =
            std::fs::read(file).map_err(|why| DatasetError::Unreadable { file: file.to_owned(), why })?;
        Self::parse(&bytes, file, columns)
    }

    /// Reads CSV text; `file` is its name in errors.
    ///
    /// # Errors
    /// As [`Dataset::read`].
    pub fn parse(text: &[u8], file: &Path, columns: &Columns) -> Result<Self, DatasetError> {
        let shape = |why: String| DatasetError::Shape { file: file.to_owned(), why };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
        let header = reader.headers().map_err(|why| faulty(file, text, why))?.clone();
        let names: Vec<&str> = header.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
        if let Some(name) =
            names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name))
        {
            return Err(shape(format!("the header has the column {name:?} twice")));
        }
        if let Some(place) = names.iter().position(|name| name.is_empty()) {
            return Err(shape(format!("column {} has no name in the header; give it one", place + 1)));
        }
        let target = &columns.target;
        let absent = |name: &str| format!("no column {name:?}; the header has {}", names.join(", "));
        if !names.contains(&&**target) {
            return Err(shape(format!("{}; name the label's column with --target", absent(target))));
        }
        for name in columns.left_out() {
            if name == target {
                return Err(shape(format!("the column {name:?} cannot be the target and be left out")));
            }
            if !names.contains(&&**name) {
                return Err(shape(format!("{}; what --id and --drop name must be there", absent(name))));
            }
        }
        let left_out: Vec<bool> =
            names.iter().map(|name| columns.left_out().any(|other| other == name)).collect();
        let kept = |at: &usize| !left_out[*at] && names[*at] != target;
        let features: Vec<String> = (0..names.len()).filter(kept).map(|at| names[at].to_owned()).collect();
        if features.is_empty() {
            return Err(shape("no column besides the target".to_owned()));
        }
        let mut rows = Vec::new();
        let mut labels = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|why| faulty(file, text, why))?;
            let mut cells = Vec::with_capacity(features.len());
            for ((value, column), _) in
                record.iter().zip(&names).zip(&left_out).filter(|(_, left_out)| !**left_out)
            {
                let Some(number) = value.parse().ok().filter(|number: &f64| number.is_finite()) else {
                    return Err(DatasetError::Cell {
                        file: file.to_owned(),
                        line: line_of(text, record.position()),
                        column: (*column).to_owned(),
                        value: value.chars().take(40).collect(),
                    });
                };
                if column == target { labels.push(number) } else { cells.push(number) }
            }
            rows.push(cells);
        }
        if rows.is_empty() {
            return Err(shape("no rows below the header".to_owned()));
        }
        Ok(Self { features, target: target.clone(), rows, labels })
    }

    /// The rows with these indices, and their labels.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> (Vec<&[f64]>, Vec<f64>) {
        rows.iter().map(|row| (&*self.rows[*row], self.labels[*row])).unzip()
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {} features, label {}", self.rows.len(), self.features.len(), self.target)
    }
}

/// The line a record stands on. Its position is where the reader began to look for it: before empty lines.
fn line_of(text: &[u8], position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else { return 1 };
    let rest = usize::try_from(position.byte()).ok().and_then(|at| text.get(at..)).unwrap_or_default();
    let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n');
    position.line() + empty.count() as u64
}

fn faulty(file: &Path, text: &[u8], why: csv::Error) -> DatasetError {
    let file = file.to_owned();
    let line = line_of(text, why.position());
    match why.into_kind() {
        csv::ErrorKind::Io(why) => DatasetError::Unreadable { file, why },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => DatasetError::Line {
            file,
            line,
            why: format!("{len} cells, where the header has {expected_len}"),
        },
        csv::ErrorKind::Utf8 { .. } => DatasetError::Line { file, line, why: "it is not UTF-8".to_owned() },
        other => DatasetError::Line { file, line, why: format!("it cannot be read: {other:?}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Dataset, String> {
        parse_columns(text, &Columns::target("y"))
    }

    fn parse_columns(text: &str, columns: &Columns) -> Result<Dataset, String> {
        Dataset::parse(text.as_bytes(), Path::new("t.csv"), columns).map_err(|why| why.to_string())
    }

    #[test]
    fn columns_that_are_left_out_may_hold_any_text() {
        let columns = |id: Option<&str>, drop: &[&str]| Columns {
            id: id.map(str::to_owned),
            drop: drop.iter().map(|name| (*name).to_owned()).collect(),
            ..Columns::target("y")
        };
        let text = "name,a,city,y,b\nx,1,,2,3\n,4,Berlin,5,6\n";
        let table = parse_columns(text, &columns(Some("name"), &["city"])).unwrap();
        assert_eq!(
            (table.features, table.rows),
            (vec!["a".to_owned(), "b".to_owned()], vec![vec![1.0, 3.0], vec![4.0, 6.0]])
        );
        assert_eq!(table.labels, [2.0, 5.0]);
        for (columns, want) in [
            (columns(Some("name"), &[]), "t.csv, line 2, column city: \"\" is not a finite number"),
            (
                columns(Some("nam"), &["city"]),
                "t.csv: no column \"nam\"; the header has name, a, city, y, b; what --id and",
            ),
            (columns(None, &["y"]), "t.csv: the column \"y\" cannot be the target and be left out"),
            (columns(Some("name"), &["a", "b", "city"]), "t.csv: no column besides the target"),
        ] {
            let error = parse_columns(text, &columns).unwrap_err();
            assert!(error.starts_with(want), "{error}");
        }
    }

    #[test]
    fn the_target_may_be_any_column() {
        let table = parse("a, y ,b\n1,2,3\n4,5,-6e-1\n").unwrap();
        assert_eq!(table.features, ["a", "b"]);
        assert_eq!(table.rows, [[1.0, 3.0], [4.0, -0.6]]);
        assert_eq!(table.labels, [2.0, 5.0]);
        assert_eq!(table.to_string(), "2 rows of 2 features, label y");
    }

    #[test]
    fn a_byte_order_mark_and_windows_lines_are_read() {
        assert_eq!(parse("\u{feff}y,a\r\n1,2\r\n").unwrap().features, ["a"]);
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        for (text, want) in [
            ("a,y\n1,2\n3,x\n", "t.csv, line 3, column y: \"x\" is not a finite number"),
            ("a,y\n1,2\n\n,4\n", "t.csv, line 4, column a: \"\" is not a finite number"),
            ("a,y\nNaN,2\n", "t.csv, line 2, column a: \"NaN\" is not a finite number"),
            ("a,y\n1e999,2\n", "t.csv, line 2, column a: \"1e999\" is not a finite number"),
            ("a,y\n1,2\n1\n", "t.csv, line 3: 1 cells, where the header has 2"),
            (
                "a,b\n1,2\n",
                "t.csv: no column \"y\"; the header has a, b; name the label's column with --target",
            ),
            (",a,y\n1,2,3\n", "t.csv: column 1 has no name in the header; give it one"),
            ("a,a,y\n1,2,3\n", "t.csv: the header has the column \"a\" twice"),
            ("y\n1\n", "t.csv: no column besides the target"),
            ("a,y\n", "t.csv: no rows below the header"),
        ] {
            assert_eq!(parse(text).unwrap_err(), want);
        }
        let latin1 = Dataset::parse(b"a,y\n\xe9,1\n", Path::new("t.csv"), &Columns::target("y")).unwrap_err();
        assert_eq!(latin1.to_string(), "t.csv, line 2: it is not UTF-8");
        let missing = Dataset::read(Path::new("no-such.csv"), &Columns::target("y")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read no-such.csv: "), "{missing}");
    }
}
