//! Tables as people have them, with what is read from each or said of it.

use std::io::{self, Read};

use super::*;

fn columns(flags: &str) -> (Dialect, Columns) {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        dialect: Dialect,
        #[command(flatten)]
        columns: Columns,
    }
    let flags = flags.split_terminator(' ').map(|flag| flag.replace("''", ""));
    let cli = <Cli as clap::Parser>::try_parse_from(std::iter::once("t".to_owned()).chain(flags)).unwrap();
    (cli.dialect, cli.columns)
}

fn parse(text: impl AsRef<[u8]>, flags: &str) -> Result<Table, String> {
    let (dialect, columns) = columns(flags);
    Table::parse(text.as_ref(), "t.csv", &dialect, &columns, Labels::Required).map_err(|why| why.to_string())
}

/// Features, rows, labels and notes, as text.
fn shown(text: &str, flags: &str) -> String {
    let table = match parse(text, flags) {
        Ok(table) => table,
        Err(why) => return why,
    };
    let row = |row: &Vec<Cell>| row.iter().map(Cell::to_string).collect::<Vec<_>>().join(" ");
    let rows =
        table.rows.iter().zip(&table.labels).map(|(cells, label)| format!("{} -> {label}", row(cells)));
    let rows = rows.collect::<Vec<_>>().join("; ");
    let notes = table.notes.iter().map(|note| format!(" | {note}")).collect::<String>();
    format!("{}: {rows}{notes}", table.features.join(","))
}

#[test]
fn tables_of_every_dialect_are_read_to_the_right_numbers() {
    const Y: &str = "--target y";
    for (text, flags, want) in [
        ("a, y ,b\n1,2,3\n4,5,-6e-1\n", Y, "a,b: 1 3 -> 2; 4 -0.6 -> 5"),
        (
            "a;y\r\n95,5;4473,06\r\n7;1\r\n",
            Y,
            "a: 95.5 -> 4473.06; 7 -> 1 | found by looking: semicolons between cells, decimal commas",
        ),
        ("a\ty\n1.234,5\t2\n", Y, "a: 1234.5 -> 2 | found by looking: tabs between cells, decimal commas"),
        ("a|y\n1'234.5|2\n", Y, "a: 1234.5 -> 2 | found by looking: pipes between cells"),
        ("a,y\n\"1,234.5\",\"2,000\"\n", Y, "a: 1234.5 -> 2000"),
        (
            "a;y\n1\u{a0}234,5;2\n",
            Y,
            "a: 1234.5 -> 2 | found by looking: semicolons between cells, decimal commas",
        ),
        ("sep=;\na;y\n1;2\n", Y, "a: 1 -> 2 | found by looking: semicolons between cells"),
        (
            "# of 2024\n# by me\na,y\n1,2\n",
            Y,
            "a: 1 -> 2 | found by looking: comment lines before the header (2)",
        ),
        (
            "a;y\n1,234;2\n",
            "--target y --decimal ,",
            "a: 1.234 -> 2 | found by looking: semicolons between cells",
        ),
        (
            "a;y\n1,234;2\n",
            "--target y --decimal .",
            "a: 1234 -> 2 | found by looking: semicolons between cells",
        ),
        ("a;y\n1,5;2\n", "--target y --separator ; --decimal ,", "a: 1.5 -> 2"),
        ("a y\n1 2\n", "--target y --separator space", "a: 1 -> 2"),
        ("a,y\nTrue,1\nFALSE,0\n", Y, "a: 1 -> 1; 0 -> 0"),
        (
            "a\ry\r1\r".replace("\ry", ",y").as_str(),
            "--target y --missing drop",
            "t.csv, line 2: 1 cell, but the header has 2 (a, y)",
        ),
        ("a,y\r1,2\r3,4\r", Y, "a: 1 -> 2; 3 -> 4"),
        ("\u{feff}\"a\nb\",y\n\"1\",2", Y, "a\nb: 1 -> 2"),
        (
            ",a,y\n0,5,6\n1,7,8\n",
            Y,
            "a: 5 -> 6; 7 -> 8 | the first column is an index without a name: it is left out",
        ),
        (
            "Unnamed: 0;a;y\n1;5;6\n2;7;8\n",
            Y,
            "a: 5 -> 6; 7 -> 8 | found by looking: semicolons between cells | the first column is an index without a name: it is left out",
        ),
        (",a,y\n7,5,6\n3,7,8\n", "--target y --drop ''", "a: 5 -> 6; 7 -> 8"),
        (
            "a,c,y\n1,x,2\n3,,4\n5,z,\n",
            "--target y --drop c --missing drop",
            "a: 1 -> 2; 3 -> 4 | 1 of 3 rows have no label and are left out",
        ),
        (
            "a,b,y\n1,?,2\n3,4,5\n-,NA,6\n",
            "--target y --missing drop",
            "a,b: 3 4 -> 5 | 2 of 3 rows have a missing cell and are left out",
        ),
        ("a,b,y\n1,?,2\n3,4,5\n", "--target y --missing median", "a,b: 1 nothing -> 2; 3 4 -> 5"),
        ("a,b,y\n1,007,2\n3,x,5\n", "--target y --one-hot b", "a,b: 1 \"007\" -> 2; 3 \"x\" -> 5"),
        ("0,1,2,3\n5,6,7,8\n", "--target 3", "0,1,2: 5 6 7 -> 8"),
        ("a,when,y\n1700000000000000000,5,2\n1e9,6,3\n", "--target y --drop a", "when: 5 -> 2; 6 -> 3"),
    ] {
        assert_eq!(shown(text, flags), want, "{text:?} {flags}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place_and_the_way_out() {
    const Y: &str = "--target y";
    for (text, flags, want) in [
        ("", Y, "t.csv: it is empty"),
        ("\n# only this\n\n", Y, "t.csv: it has no header and no rows"),
        ("a,y\n", Y, "t.csv: it has a header but no rows"),
        ("1.5,2\n3,4\n", Y, "t.csv: it has no header: its first line has only numbers"),
        ("<!DOCTYPE html>\n<html>", Y, "t.csv: it is HTML or XML, not CSV"),
        ("[{\"a\": 1, \"y\": 2}]\n", Y, "t.csv: it is JSON, not CSV"),
        (
            "PAR1\x15\x04\x15\x10",
            Y,
            "t.csv: it is a Parquet file; convert it to CSV: python3 -c \"import pandas; pandas.read_parquet('t.csv')",
        ),
        (
            "a,b\n1,2\n",
            "",
            "t.csv: no column \"target\" for --target; the header has a, b; name the label's column with --target",
        ),
        ("a,b\n1,2\n", Y, "t.csv: no column \"y\" for --target; the header has a, b"),
        ("a,y\n1,2\n", "--target y --drop z", "t.csv: no column \"z\" for --drop; the header has a, y"),
        ("a,y\n1,2\n", "--target y --id z", "t.csv: no column \"z\" for --id; the header has a, y"),
        ("a,y\n1,2\n", "--target y --one-hot z", "t.csv: no column \"z\" for --one-hot; the header has a, y"),
        ("a,y\n1,2\n", "--target y --drop y", "t.csv: the column \"y\" cannot be both --target and --drop"),
        (
            "a;y\n1;2\n",
            "--target y --separator ,",
            "t.csv: with commas as separator the header is a single cell, \"a;y\"; it seems to be separated by semicolons: use --separator semicolon",
        ),
        (
            "a y\n1 2\n",
            Y,
            "t.csv: with commas as separator the header is a single cell, \"a y\"; it seems to be separated by blanks: use --separator space",
        ),
        ("y\n1\n", Y, "t.csv: it has no feature columns, only the label"),
        (
            "a,a,y\n1,2,3\n",
            Y,
            "t.csv: the header has the column \"a\" twice (columns 1 and 2); rename one, or leave both out with --drop a",
        ),
        (
            "a,,y\n1,2,3\n",
            Y,
            "t.csv: column 2 of 3 has no name in the header; give it one, or leave columns without a name out with --drop \"\"",
        ),
        (
            ",a,y\n7,2,3\n",
            Y,
            "t.csv: the first column has no name and is not a pandas index, which counts the rows; leave it out with --drop \"\", use it as row id with --id \"\", or name",
        ),
        ("a,y\n1,2\n1\n", Y, "t.csv, line 3: 1 cell, but the header has 2 (a, y)"),
        (
            "a,y\n\n1,2\n\n\"3\n\",4,5\n",
            Y,
            "t.csv, line 5: 3 cells, but the header has 2 (a, y); it goes on to line 6: perhaps a quote",
        ),
        ("a,y\n1,\"2\n3,4\n", Y, "t.csv, line 2: a quoted cell begins here and never ends"),
        (
            "a,y\n1,2\n\n3,x\n",
            Y,
            "t.csv, line 4, column y: \"x\" is not a number; 1 of 2 rows have a text there; name another column with --target: labels must be numbers",
        ),
        (
            "a,c,y\n1,x,2\n3,z,4\n",
            Y,
            "t.csv, line 2, column c: \"x\" is not a number; 2 of 2 rows have a text there; leave the column out with --drop c, or make a feature of each text with --one-hot c",
        ),
        (
            "a b,c,when,y\n1,x,2024-01-05,2\nq,z,2024-01-06,4\n",
            Y,
            "t.csv: 3 columns are not numeric: c (\"x\", line 2), when (\"2024-01-05\" looks like a date, line 2), a b (\"q\", line 3); leave them out with --drop \"c,when,a b\", or make a feature of each text with --one-hot \"c,a b\"",
        ),
        (
            "when,y\n2024-01-05,2\n",
            Y,
            "t.csv, line 2, column when: \"2024-01-05\" looks like a date; leave the column out with --drop when, or make a number of it",
        ),
        (
            "a,b,y\n1,2,3\n\n4,?,6\n,,7\n",
            Y,
            "t.csv, line 4, column b: the cell is missing (it is \"?\"); 2 rows have a missing cell, of 3; leave such rows out with --missing drop, fill them with --missing mean or --missing median, or leave the column out with --drop b",
        ),
        (
            "a,y\n1,\n",
            Y,
            "t.csv, line 2, column y: the label is missing (it is empty); 1 row has a missing cell, of 1; leave rows without a label out with --missing drop",
        ),
        (
            "a,b,y\n1,,3\n4,NA,6\n",
            "--target y --missing mean",
            "t.csv: the column b is empty in every row; leave it out with --drop b",
        ),
        ("a,y\n,3\nNA,6\n", "--target y --missing drop", "t.csv: all 2 rows have a missing cell"),
        (
            "order,a,y\n12345678901234567890,1,2\n",
            Y,
            "t.csv, line 2, column order: \"12345678901234567890\" is a whole number beyond 2^53, which would lose its last digits; if it is the row's id, use --id order",
        ),
        ("a,y\n1,2\n-inf,3\n", Y, "t.csv, line 3, column a: \"-inf\" is not a finite number"),
        ("a,y\n1e999,3\n", Y, "t.csv, line 2, column a: \"1e999\" is not a finite number"),
        ("a;y\n1,234;2\n", Y, "t.csv, line 2, column a: \"1,234\" can be read in two ways"),
        ("a;y\n1;2\n3;4,567\n", Y, "t.csv, line 3, column y: \"4,567\" can be read in two ways"),
        ("a;y\n1.5;2\n1,5;2\n", Y, "t.csv, line 2, column a: \"1.5\" can be read in two ways"),
        (
            "a;y\n1,5;2\n",
            "--target y --decimal .",
            "t.csv, line 2, column a: \"1,5\" is not a number; 1 of 1 rows have a text there; if it is a number with the decimal mark ,, say so with --decimal ,",
        ),
    ] {
        let said = shown(text, flags);
        assert!(said.starts_with(want), "{text:?} {flags}\n got {said}\nwant {want}");
    }
    let absent =
        Table::read(Path::new("no-such.csv"), &Dialect::default(), &Columns::target("y"), Labels::Required);
    assert!(absent.unwrap_err().to_string().starts_with("cannot read no-such.csv: "));
}

#[test]
fn ids_are_kept_as_they_stand_and_lines_are_those_of_an_editor() {
    let text = "# first\r\nid,a,y\r\n007,1,2\r\n\r\n1e3,\"3\",4\r\n12345678901234567890,5,\"6\"\r\n\"x\r\ny\",7,8\r\n-,9,1\r\n";
    let table = parse(text, "--target y --id id").unwrap();
    let ids: Vec<&str> = table.ids.iter().flatten().map(|id| &**id).collect();
    assert_eq!(ids, ["007", "1e3", "12345678901234567890", "x\r\ny", "-"]);
    assert_eq!(table.lines, [3, 5, 6, 7, 9]);
    assert_eq!(table.to_string(), "5 rows of 1 features, label y");
    assert!(table.is_numeric());
}

#[test]
fn labels_may_be_absent_where_they_are_not_required() {
    let read = |columns: &Columns| {
        Table::parse(&b"a,b\n1,2\n"[..], "t.csv", &Dialect::default(), columns, Labels::IfThere)
    };
    let table = read(&Columns::default()).unwrap();
    assert_eq!((table.features.len(), table.target, table.labels.len()), (2, None, 0));
    let named = read(&Columns::target("price")).unwrap_err().to_string();
    assert_eq!(
        named,
        "t.csv: no column \"price\" for --target; the header has a, b; name the label's column, or send rows \
         without labels with --no-labels"
    );
}

/// Gives its pieces one by one, and says when more is asked for than there is.
struct Pipe<'a>(std::slice::Iter<'a, &'a str>);

impl Read for Pipe<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self.0.next() {
            Some(piece) => piece.as_bytes().read(space),
            None => Err(io::Error::other("would have waited")),
        }
    }
}

#[test]
fn a_slow_pipe_gives_each_record_when_its_line_has_ended() {
    for end in ["\n", "\r\n"] {
        let text = ["a;y", end, "1,5", ";2", end, "3;4", end, "5"];
        let mut reader = Reader::open(Pipe(text[..5].iter()), "pipe", &Dialect::default()).unwrap();
        assert_eq!(reader.header(), ["a", "y"]);
        let first = reader.next().unwrap().unwrap();
        assert_eq!((first.line, first.cells), (2, vec![Cell::Number(1.5), Cell::Number(2.0)]));
        let waits = reader.next().unwrap().unwrap_err().to_string();
        assert_eq!(waits, "cannot read pipe: would have waited");
        let mut reader = Reader::open(Pipe(text.iter()), "pipe", &Dialect::default()).unwrap();
        assert_eq!(
            reader.by_ref().take(2).map(Result::unwrap).map(|record| record.line).collect::<Vec<_>>(),
            [2, 3]
        );
        assert!(reader.next().unwrap().is_err());
    }
}

#[test]
fn what_is_too_large_is_refused_by_name() {
    let said = |input: &mut dyn Read, flags: &str| {
        let (dialect, columns) = columns(flags);
        Table::parse(input, "t.csv", &dialect, &columns, Labels::Required).unwrap_err().to_string()
    };
    let long = |beginning: &'static [u8]| beginning.chain(io::repeat(b'x'));
    let want = "t.csv, line 2: the row is longer than 1 MiB";
    for beginning in [&b"a,y\n1,"[..], b"a,y\n1,\""] {
        let why = said(&mut long(beginning).take(3 << 20), "--target y");
        assert!(why.starts_with(want), "{why}");
    }
    // An endless line ends the reading.
    let why = said(&mut long(b"a"), "--target y");
    assert!(why.starts_with("t.csv, line 1: the row is longer than 1 MiB"), "{why}");
    let wide = ",".repeat(100_001) + "\n";
    let why = said(&mut wide.as_bytes(), "--target y");
    assert_eq!(why, "t.csv, line 1: it has more than 100000 cells, the limit");
}

#[test]
fn a_record_depends_on_its_bytes_and_not_on_how_they_arrive() {
    let text = "a;b\r\n\"1;\"\"x\"\"\";2,5\r\n\r\n\"ü\r\n\";3\r";
    let dialect = columns("--separator ; --decimal ,").0;
    let read = |input: Box<dyn Read>| {
        Reader::open(input, "t", &dialect).unwrap().map(Result::unwrap).collect::<Vec<Record>>()
    };
    let whole = read(Box::new(text.as_bytes()));
    let drop = text.bytes().fold(Box::new(io::empty()) as Box<dyn Read>, |before, byte| {
        Box::new(before.chain(io::Cursor::new([byte])))
    });
    assert_eq!(read(drop), whole);
    assert_eq!(whole[0].cells, [Cell::Text("1;\"x\"".into()), Cell::Number(2.5)]);
    assert_eq!((whole[1].line, whole.len()), (4, 2));
}

/// Cells and names go to terminals and into the log.
#[test]
fn nothing_in_a_table_can_do_harm_where_it_is_shown() {
    let hostile = "x\n2026-11-25 ERROR metric: lost\u{1b}[2J\u{202e}";
    for text in [
        format!("\"{hostile}\",y\n1,2\n"),
        format!("a,y\n1,2\n\"{hostile}\",3\n"),
        format!("a,y\n1,\"{hostile}\"\n"),
        format!("\"{hostile}\",\"{hostile}\",y\n1,1,2\n"),
        format!("\"{hostile}\",y\n1,2\n1,2,3\n"),
    ] {
        for target in ["y", "none", hostile] {
            let columns = Columns::target(target);
            let read =
                Table::parse(text.as_bytes(), "t.csv", &Dialect::default(), &columns, Labels::Required);
            let said = match read {
                Ok(table) => format!("{table} {}", table.notes.join(" ")),
                Err(why) => why.to_string(),
            };
            assert!(!said.contains(['\n', '\u{1b}', '\u{202e}']), "{said:?}");
        }
    }
}
