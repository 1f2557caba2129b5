//! What is read, and how: a table as a whole, or a stream of which each line counts once.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use shared::table::Labels;

use crate::csv::Records;
use crate::disturb::Disturbed;
use crate::entry::{Entries, Fault};
use crate::ndjson::{Keys, Lines};
use crate::wishes::{LineFormat, What, Wishes};

/// What people call it.
pub(crate) fn name(data: &Path) -> String {
    if is_standard(data) { "standard input".to_owned() } else { data.display().to_string() }
}

fn is_standard(data: &Path) -> bool {
    data == Path::new("-")
}

/// Whether it is read as a stream: a pipe, or lines of JSON. What is not there is not.
pub(crate) fn is_stream(data: &Path, format: Option<LineFormat>) -> bool {
    if is_standard(data) {
        return true;
    }
    let Ok(metadata) = std::fs::metadata(data) else { return false };
    if !metadata.is_file() {
        return !metadata.is_dir();
    }
    let format = format.or_else(|| by_name(data)).or_else(|| {
        let first = BufReader::new(File::open(data).ok()?).fill_buf().ok().map(by_look)?;
        Some(first)
    });
    format == Some(LineFormat::Ndjson)
}

fn by_name(data: &Path) -> Option<LineFormat> {
    let extension = data.extension()?.to_str()?.to_ascii_lowercase();
    match &*extension {
        "ndjson" | "jsonl" => Some(LineFormat::Ndjson),
        "csv" | "tsv" => Some(LineFormat::Csv),
        _ => None,
    }
}

fn by_look(begin: &[u8]) -> LineFormat {
    let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin).trim_ascii_start();
    if begin.starts_with(b"{") { LineFormat::Ndjson } else { LineFormat::Csv }
}

/// Opens a stream. Waits until there is something in it.
pub(crate) fn open(data: &Path, wishes: &Wishes) -> Result<Entries, Fault> {
    let name = name(data);
    let unreadable = |why: io::Error| Fault::Input(format!("cannot read {name}: {why}"));
    let mut input: BufReader<Box<dyn io::Read>> = BufReader::new(if is_standard(data) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(data).map_err(unreadable)?)
    });
    let format = match wishes.format.or_else(|| by_name(data)) {
        Some(format) => format,
        None => by_look(input.fill_buf().map_err(unreadable)?),
    };
    Ok(match format {
        LineFormat::Csv => {
            let records = Records::open(input, &name, wishes)?;
            let Some((disturbance, seed)) = &wishes.disturbance else { return Ok(Box::new(records)) };
            let disturber = disturbance.of_table(&records.columns(wishes.columns.label()), *seed);
            let disturber = disturber.map_err(|why| Fault::Input(format!("{name}: {why}")))?;
            Box::new(Disturbed::new(records, &name, disturber))
        }
        LineFormat::Ndjson => {
            let lines = Lines::new(input, &name, keys(wishes));
            let Some((disturbance, seed)) = &wishes.disturbance else { return Ok(Box::new(lines)) };
            Box::new(Disturbed::new(lines, &name, disturbance.by_name(*seed)))
        }
    })
}

fn keys(wishes: &Wishes) -> Keys {
    Keys {
        id: wishes.columns.id.clone(),
        target: wishes.columns.label().to_owned(),
        drop: wishes.columns.drop.clone(),
        features: wishes.what != What::Labels,
        labels: wishes.what != What::Rows(Labels::Unwanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn lines_of_json_and_what_is_no_file_are_streams() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        for (path, format, want) in [
            ("-".into(), None, true),
            ("/dev/null".into(), None, true),
            ("no-such-file".into(), None, false),
            (folder.path().to_owned(), None, false),
            (file("a.csv", "a,b\n"), None, false),
            (file("b.csv", "a,b\n"), Some(LineFormat::Ndjson), true),
            (file("c.NDJSON", ""), None, true),
            (file("d.jsonl", "{}"), Some(LineFormat::Csv), false),
            (file("e.txt", "\u{feff} {\"a\":1}\n"), None, true),
            (file("f.txt", "a,b\n"), None, false),
        ] {
            assert_eq!(is_stream(&path, format), want, "{}", path.display());
        }
    }
}
