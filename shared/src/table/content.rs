//! What a file is that is no table of text, by its first bytes, and the way out.

/// How many bytes tell what a file is.
pub(super) const START: usize = 64;

/// Beginnings of files that are known by them.
const KNOWN: [(&[u8], &str); 15] = [
    (
        b"PAR1",
        "it is a Parquet file; convert it to CSV: python3 -c \"import pandas; pandas.read_parquet('FILE').to_csv('FILE.csv', index=False)\"",
    ),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "it is an old Excel workbook (xls); open it and save the sheet as CSV",
    ),
    (
        b"SQLite format 3\0",
        "it is an SQLite database; convert a table to CSV: sqlite3 -header -csv FILE 'SELECT * FROM some_table' > FILE.csv",
    ),
    (
        b"ARROW1",
        "it is a Feather (Arrow) file; convert it to CSV: python3 -c \"import pandas; pandas.read_feather('FILE').to_csv('FILE.csv', index=False)\"",
    ),
    (b"\x89HDF\r\n", "it is an HDF5 file; convert it to CSV with pandas: read_hdf, then to_csv"),
    (b"\x93NUMPY", "it is a NumPy array, whose columns have no names; save it as CSV with a header"),
    (b"\x1f\x8b", "it is compressed with gzip twice; decompress it once: gzip -dc FILE"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd; decompress it: zstd -d FILE"),
    (b"\xfd7zXZ\0", "it is compressed with xz; decompress it: xz -d FILE"),
    (b"BZh", "it is compressed with bzip2; decompress it: bzip2 -d FILE"),
    (b"7z\xbc\xaf", "it is a 7z archive; unpack it and give the table in it"),
    (b"%PDF", "it is a PDF; save the table in it as CSV"),
    (b"\x80\x04", "it is a pickle; convert the table in it to CSV with pandas: read_pickle, then to_csv"),
    (b"\x80\x05", "it is a pickle; convert the table in it to CSV with pandas: read_pickle, then to_csv"),
    (b"\x7fELF", "it is a program"),
];

/// What the file is, if it is no table of text.
pub(super) fn refusal(start: &[u8]) -> Option<String> {
    if start.is_empty() {
        return Some("it is empty".to_owned());
    }
    if start.starts_with(b"PK\x03\x04") {
        return Some(zip(start));
    }
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Some((*what).to_owned());
    }
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.iter().take(START).any(|byte| *byte == 0).then(no_text)
}

/// What is said of bytes that are no characters.
pub(super) fn no_text() -> String {
    "it is not text: it contains zero bytes; expected CSV".to_owned()
}

/// The first file in an archive tells whether an office program has made it.
fn zip(start: &[u8]) -> String {
    let has = |name: &[u8]| start.windows(name.len()).any(|window| window == name);
    if has(b"[Content_Types].xml") || has(b"_rels/") || has(b"docProps/") || has(b"xl/") {
        "it is an Excel workbook (xlsx); open it and save the sheet as CSV, or: \
         python3 -c \"import pandas; pandas.read_excel('FILE').to_csv('FILE.csv', index=False)\""
            .to_owned()
    } else if has(b"mimetype") {
        "it is an OpenDocument spreadsheet; open it and save the sheet as CSV".to_owned()
    } else {
        "it is a zip archive, as Excel workbooks are too; unpack it, or save the sheet as CSV".to_owned()
    }
}

/// What text is that is no table.
pub(super) fn refusal_of_text(text: &str) -> Option<String> {
    let text = text.trim_start();
    let mut characters = text.chars();
    match (characters.next(), characters.find(|c| !c.is_whitespace())) {
        (Some('<'), Some('!' | '?' | 'a'..='z' | 'A'..='Z')) => Some(
            "it is HTML or XML, not CSV: perhaps a downloaded error page; open it to see, and download it again"
                .to_owned(),
        ),
        (Some('{'), Some('"' | '}')) | (Some('['), Some('{' | '[' | '"' | ']')) => Some(
            "it is JSON, not CSV; convert it to CSV: python3 -c \"import pandas; pandas.read_json('FILE').to_csv('FILE.csv', index=False)\" \
             (with lines=True for an object in each line)"
                .to_owned(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_named() {
        for (start, want) in [
            (&b""[..], "it is empty"),
            (b"PAR1\x15\x04", "it is a Parquet file"),
            (b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0\x12\x34\x56\x78\0\0\0\0\0\0\0\0\x13\0\0\0[Content_Types].xml", "it is an Excel workbook (xlsx)"),
            (b"PK\x03\x04\x14\0\0\0\x08\0table.csv", "it is a zip archive"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "it is an old Excel workbook"),
            (b"SQLite format 3\0\x10\0", "it is an SQLite database"),
            (b"\x28\xb5\x2f\xfd\x04", "it is compressed with zstd"),
            (b"a,\0\0\0b\n1,2\n", "it is not text"),
        ] {
            let said = refusal(start).unwrap();
            assert!(said.starts_with(want), "{said}");
        }
        assert_eq!(refusal(b"a,b\n1,2\n"), None);
        for (text, want) in [
            ("  <!DOCTYPE html>", "it is HTML"),
            ("<html>", "it is HTML"),
            ("{\"a\": 1}", "it is JSON"),
            ("[\n  {\"a\": 1}]", "it is JSON"),
        ] {
            let said = refusal_of_text(text).unwrap();
            assert!(said.starts_with(want), "{said}");
        }
        for table in ["a,b\n1,2\n", "[m],[kg]\n", "<5,>5\n", "{a},b\n"] {
            assert_eq!(refusal_of_text(table), None, "{table}");
        }
    }
}
