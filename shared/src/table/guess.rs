//! Guesses how a table is written, from its beginning. All that is guessed is here; the rest obeys.

use super::cells::{self, Evidence};
use super::dialect::{Decimal, Dialect, Separator};
use super::missing::is_missing;
use super::records;

/// How many records are looked at.
const RECORDS: usize = 1000;
/// From how many columns on a header of 0, 1, 2 ... is a header, as pandas writes it.
const COUNTED_COLUMNS: usize = 4;

/// What a table seems to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    /// How many bytes come before the header: `sep=` and comments.
    pub(super) preamble: usize,
    /// How many lines of comments there are.
    pub(super) comments: usize,
    pub(super) separator: Separator,
    pub(super) marks: Marks,
    /// The first column has no name and counts 0, 1, 2 ... or 1, 2, 3 ...
    pub(super) index: bool,
    /// What the first line looks like if it is no header.
    pub(super) no_header: Option<String>,
    /// Whether the header and a record were there to look at.
    pub(super) enough: bool,
}

/// Which mark is before the decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// This one.
    Known(Decimal),
    /// No number that was seen has one: the first that proves something decides.
    Open,
    /// There are numbers such as `1.234`, which may have a thousands mark: decimals, until something proves the other.
    LikelyPoint,
    /// There are numbers with marks, and they prove nothing or contradict each other.
    Doubtful,
}

/// Looks at the beginning of a text, or at all of it if it has `ended`.
pub(super) fn guess(text: &str, dialect: &Dialect, ended: bool) -> Guess {
    let preamble = Preamble::of(text);
    let rest = &text[preamble.length..];
    let (separator, records) = match dialect.separator.or(preamble.separator) {
        Some(separator) => (separator, records::whole(rest, separator, ended, RECORDS)),
        None => choose(rest, ended),
    };
    let (header, rows) =
        records.split_first().map_or((&[][..], &[][..]), |(header, rows)| (&header[..], rows));
    let rows: Vec<&[String]> =
        rows.iter().map(Vec::as_slice).filter(|row| row.len() == header.len()).collect();
    Guess {
        preamble: preamble.length,
        comments: preamble.comments.len(),
        separator,
        marks: dialect.decimal.map_or_else(|| marks(&rows, header.len(), separator), Marks::Known),
        index: header.len() > 1 && is_unnamed(&header[0]) && counts(&rows),
        no_header: no_header(header, &preamble, separator),
        enough: records.len() >= 2,
    }
}

/// Whether a column has no name, or the one that pandas gives such a column when it reads it.
pub(super) fn is_unnamed(name: &str) -> bool {
    name.is_empty() || name == "Unnamed: 0"
}

/// What comes before the header.
struct Preamble<'a> {
    length: usize,
    separator: Option<Separator>,
    comments: Vec<&'a str>,
}

impl<'a> Preamble<'a> {
    fn of(text: &'a str) -> Self {
        let mut preamble = Self { length: 0, separator: None, comments: Vec::new() };
        loop {
            let rest = &text[preamble.length..];
            // What has no line break yet may go on.
            let Some(end) = rest.find(['\r', '\n']) else { return preamble };
            let line = rest[..end].trim();
            let sep = line.trim_matches('"').strip_prefix("sep=").filter(|_| preamble.length == 0);
            if let Some(separator) = sep.and_then(|sep| sep.parse().ok()) {
                preamble.separator = Some(separator);
            } else if line.starts_with('#') {
                preamble.comments.push(line);
            } else if !line.is_empty() {
                return preamble;
            }
            preamble.length += end + 1;
        }
    }
}

/// The separator that splits the records most alike, and leaves fewest others in cells that are no numbers.
fn choose(text: &str, ended: bool) -> (Separator, Vec<Vec<String>>) {
    let split = |separator| (separator, records::whole(text, separator, ended, RECORDS));
    // Of several that do equally well, the last is taken.
    let tried = Separator::USUAL.into_iter().rev().map(split);
    tried
        .filter(|(_, records)| records.first().is_some_and(|header| header.len() > 1))
        .max_by_key(|(separator, records)| score(*separator, records))
        // One column.
        .unwrap_or_else(|| split(Separator::COMMA))
}

/// How well a separator splits: parts in a thousand of the records with as many cells as the first, and of the cells without
/// another separator or with a number; then how many columns there are.
fn score(separator: Separator, records: &[Vec<String>]) -> (usize, usize, usize) {
    let columns = records.first().map_or(0, Vec::len);
    let share = |good: usize, all: usize| good * 1000 / all.max(1);
    let alike = records.iter().filter(|record| record.len() == columns).count();
    let has_other = |cell: &String| {
        let mut others = Separator::USUAL.into_iter().filter(|other| *other != separator);
        others.any(|other| cell.contains(char::from(other.byte())))
    };
    let is_clean = |cell: &&String| !has_other(cell) || cells::evidence(cell) != Evidence::NoNumber;
    // Names in a header may have anything in them.
    let cells = || records[usize::from(records.len() > 1)..].iter().flatten();
    let clean = cells().filter(is_clean).count();
    (share(alike, records.len()), share(clean, cells().count()), columns)
}

/// Which decimal mark the columns of numbers prove. A column with a text in it proves nothing.
fn marks(rows: &[&[String]], columns: usize, separator: Separator) -> Marks {
    let (mut comma, mut point, mut weak_point, mut either) = (false, false, false, false);
    for column in 0..columns {
        let seen: Vec<Evidence> = rows
            .iter()
            .map(|row| &*row[column])
            .filter(|cell| !is_missing(cell))
            .map(cells::evidence)
            .collect();
        if seen.contains(&Evidence::NoNumber) {
            continue;
        }
        comma |= seen.contains(&Evidence::Only(Decimal::Comma));
        point |= seen.contains(&Evidence::Only(Decimal::Point));
        weak_point |= seen.contains(&Evidence::Point);
        either |= seen.contains(&Evidence::Either);
    }
    match (comma, point) {
        (true, false) => Marks::Known(Decimal::Comma),
        (false, true) => Marks::Known(Decimal::Point),
        // Commas between cells: those in quotes are lists or the like.
        (true, true) if separator == Separator::COMMA => Marks::Known(Decimal::Point),
        (true, true) => Marks::Doubtful,
        (false, false) if either => Marks::Doubtful,
        // Between commas, a decimal comma would be in quotes.
        (false, false) if weak_point && separator == Separator::COMMA => Marks::Known(Decimal::Point),
        (false, false) if weak_point => Marks::LikelyPoint,
        (false, false) => Marks::Open,
    }
}

/// Whether the first column counts rows from 0 or from 1.
fn counts(rows: &[&[String]]) -> bool {
    let numbers: Option<Vec<u64>> = rows.iter().map(|row| row[0].parse().ok()).collect();
    numbers.is_some_and(|numbers| {
        numbers
            .first()
            .is_some_and(|first| *first <= 1 && (*first..).zip(&numbers).all(|(n, number)| n == *number))
    })
}

/// Why the first line is no header: every cell of it is a number.
fn no_header(header: &[String], preamble: &Preamble<'_>, separator: Separator) -> Option<String> {
    let is_number = |cell: &String| !matches!(cells::evidence(cell), Evidence::NoNumber);
    let counted = || header.iter().enumerate().all(|(at, cell)| *cell == at.to_string());
    if header.is_empty() || !header.iter().all(is_number) || (header.len() >= COUNTED_COLUMNS && counted()) {
        return None;
    }
    let comment = preamble.comments.last().map(|line| line.trim_start_matches('#'));
    let named = comment.filter(|line| line.split(char::from(separator.byte())).count() == header.len());
    Some(match named {
        Some(_) => {
            "it has no header: its first line has only numbers. The comment before it looks like one: take its # away"
                .to_owned()
        }
        None => "it has no header: its first line has only numbers; put the columns' names before it".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Guess {
        guess(text, &Dialect::default(), true)
    }

    #[test]
    fn separators_are_found() {
        for (text, want) in [
            ("a,b\n1,2\n", ','),
            ("a;b\n1,5;2,5\n", ';'),
            ("a\tb\n1\t2\n", '\t'),
            ("a|b\n1|2\n", '|'),
            ("sep=;\na,b;c\n1;2\n", ';'),
            ("\"sep=|\"\r\na;b|c\r\n1|2\r\n", '|'),
            // Names and texts with other separators in them.
            ("price, EUR;area, m2\n95,0;4,5\n7,5;6,5\n", ';'),
            ("name;first, last;price\nx;y, z;1,5\n", ';'),
            ("a,b\n\"x;y\",1\n\"z;w\",2\n", ','),
            ("a;\"b\nc\";d\n1;2;3\n", ';'),
            ("alone\n1\n", ','),
        ] {
            assert_eq!(char::from(at(text).separator.byte()), want, "{text}");
        }
    }

    #[test]
    fn decimal_marks_are_proved_or_left_open() {
        let known = Marks::Known;
        for (text, want) in [
            ("a,b\n1,2\n", Marks::Open),
            ("a,b\n1.234,2\n", known(Decimal::Point)),
            ("a;b\n95,0;4\n", known(Decimal::Comma)),
            ("a;b\n1.234,5;4\n", known(Decimal::Comma)),
            ("a,b\n\"1,234.5\",4\n", known(Decimal::Point)),
            ("a;b\n1.234;2,5\n", known(Decimal::Comma)),
            ("a;b\n1,234;2.5\n", known(Decimal::Point)),
            ("a;b\n1.234;2\n", Marks::LikelyPoint),
            ("a;b\n1,234;2\n", Marks::Doubtful),
            ("a;b\n1,234;2.345\n", Marks::Doubtful),
            ("a;b\n1,5;2.5\n", Marks::Doubtful),
            ("a,b\n\"1,5\",2.5\n", known(Decimal::Point)),
            // A column of texts proves nothing.
            ("a;b\n1,5;2\nx,y;3\n", Marks::Open),
            ("a;b\n1,5;2\nNA;3\n", known(Decimal::Comma)),
        ] {
            assert_eq!(at(text).marks, want, "{text}");
        }
    }

    #[test]
    fn an_index_counts_and_a_header_names() {
        for (text, want) in [
            (",a\n0,5\n1,6\n", true),
            (",a\n1,5\n2,6\n", true),
            ("Unnamed: 0,a\n0,5\n", true),
            (",a\n2,5\n3,6\n", false),
            (",a\n0,5\n2,6\n", false),
            (",a\nx,5\n", false),
            ("n,a\n0,5\n", false),
        ] {
            assert_eq!(at(text).index, want, "{text}");
        }
        assert!(at("1.5,2\n3,4\n").no_header.unwrap().starts_with("it has no header"));
        assert!(at("# a,b\n1.5,2\n").no_header.unwrap().contains("take its # away"));
        assert!(at("1,5;2\n").no_header.is_some());
        for header in ["0,1,2,3\n5,6,7,8\n", "a,1\n1,2\n", ",0,1\n0,5,6\n"] {
            assert_eq!(at(header).no_header, None, "{header}");
        }
    }

    #[test]
    fn two_lines_are_enough_and_comments_are_passed() {
        let enough = |text| guess(text, &Dialect::default(), false).enough;
        assert!(
            !enough("a,b\n") && !enough("a,b\n1,2") && enough("a,b\n1,2\n") && !enough("a;\"b\nc\"\n1;\"2\n")
        );
        let guess = at("# made by x\n\n#\na,b\n1,2\n");
        assert_eq!((guess.preamble, guess.comments), (15, 2));
    }
}
