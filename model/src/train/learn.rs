//! Fills and categories, out of the rows that a model is fitted to.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow, ensure};
use shared::message::Cell;
use shared::printable::{piece, quoted};
use shared::table::{Missing, Table};

use crate::encode::{self, Encoding, MOST_CATEGORIES};
use crate::file::Centre;

/// The encoding that the rows with these indices give: the mean or the median of each column of numbers, where missing cells
/// are to be filled, and the categories that occur.
///
/// # Errors
/// A column in which every cell is missing, or one of categories in which a cell is; too many categories.
pub fn encoding(table: &Table, rows: &[usize], missing: Missing) -> anyhow::Result<Encoding> {
    let (mut fills, mut categories) = (BTreeMap::new(), BTreeMap::new());
    for (column, name) in table.features.iter().enumerate() {
        if table.one_hot.contains(&column) {
            categories.insert(name.clone(), categories_of(table, rows, column)?);
            continue;
        }
        let fill: fn(Centre) -> f64 = match missing {
            Missing::Fail | Missing::Drop => continue,
            Missing::Mean => |centre| centre.mean,
            Missing::Median => |centre| centre.median,
        };
        let numbers: Vec<f64> = rows.iter().filter_map(|row| table.rows[*row][column].as_number()).collect();
        let fill = Centre::of(&numbers).map(fill).with_context(|| {
            format!(
                "the feature {} is missing in every training row; leave the column out with --drop",
                quoted(name)
            )
        })?;
        ensure!(fill.is_finite(), "the numbers of {} are too large to add up", quoted(name));
        fills.insert(name.clone(), fill);
    }
    let count: usize = categories.values().map(Vec::len).sum();
    if let Some((name, most)) = categories.iter().max_by_key(|(_, categories)| categories.len()) {
        ensure!(
            count <= MOST_CATEGORIES,
            "{count} categories are too many; the limit is {MOST_CATEGORIES}. The column {} has {} of them: \
             it is probably an id or free text; leave it out with --drop",
            quoted(name),
            most.len()
        );
    }
    Encoding::new(&table.features, &fills, &categories).map_err(|why| anyhow!(why))
}

fn categories_of(table: &Table, rows: &[usize], column: usize) -> anyhow::Result<Vec<String>> {
    let mut seen = BTreeSet::new();
    for row in rows {
        let cell = &table.rows[*row][column];
        ensure!(
            *cell != Cell::Missing,
            "line {}, column {}: the cell is missing, and a category has no mean; leave such rows out with --missing drop",
            table.lines[*row],
            piece(&table.features[column])
        );
        seen.insert(encode::category(cell).into_owned());
    }
    let mut categories: Vec<String> = seen.into_iter().collect();
    encode::sort(&mut categories);
    Ok(categories)
}

/// Refuses features of one category, which have no column.
///
/// # Errors
/// Names the first one.
pub fn refuse_constant(encoding: &Encoding) -> anyhow::Result<()> {
    for (name, categories) in encoding.categories() {
        ensure!(
            categories.len() > 1,
            "the feature {} is {} in every training row; leave the column out with --drop",
            quoted(&name),
            quoted(&categories[0])
        );
    }
    Ok(())
}

/// What was filled and encoded: a line each, for people.
#[must_use]
pub fn notes(table: &Table, rows: &[usize], encoding: &Encoding, missing: Missing) -> Vec<String> {
    let count = |name: &String| {
        let column = table.features.iter().position(|feature| feature == name);
        let is_missing =
            |row: &&usize| column.is_some_and(|column| table.rows[**row][column] == Cell::Missing);
        rows.iter().filter(is_missing).count()
    };
    let fills = encoding.fills();
    let counts = fills.iter().map(|(name, fill)| (name, fill, count(name)));
    let filled: Vec<_> = counts.filter(|(.., count)| *count > 0).collect();
    let mut notes = Vec::new();
    if !filled.is_empty() {
        let way = if missing == Missing::Median { "median" } else { "mean" };
        let each = filled.iter().map(|(name, fill, count)| format!("{count} of {} with {fill}", piece(name)));
        notes.push(format!("filled missing cells with their column's {way}: {}", encode::listed(each)));
    }
    let categories = encoding.categories();
    if !categories.is_empty() {
        let each = categories.iter().map(|(name, of)| {
            format!("{} ({} categories, measured from {})", piece(name), of.len(), quoted(&of[0]))
        });
        notes.push(format!("one-hot: {}", encode::listed(each)));
    }
    notes
}

#[cfg(test)]
mod tests {
    use shared::table::{Columns, Dialect, Labels};

    use super::*;

    fn table(text: &str, missing: Missing) -> Table {
        let columns = Columns { one_hot: vec!["heating".to_owned()], missing, ..Columns::target("price") };
        Table::parse(text.as_bytes(), "t.csv", &Dialect::default(), &columns, Labels::Required).unwrap()
    }

    const HOUSES: &str = "area,heating,rooms,price\n10,oil,,1\n,gas,2,2\n40,gas,9,3\n100,wood,4,4\n";

    #[test]
    fn fills_and_categories_are_those_of_the_rows_that_are_fitted() {
        for (missing, rows, fills, categories) in [
            (Missing::Mean, &[0, 1, 2, 3][..], [50.0, 5.0], &["gas", "oil", "wood"][..]),
            (Missing::Median, &[0, 1, 2, 3], [40.0, 4.0], &["gas", "oil", "wood"]),
            (Missing::Mean, &[0, 1, 2], [25.0, 5.5], &["gas", "oil"]),
        ] {
            let encoding = encoding(&table(HOUSES, missing), rows, missing).unwrap();
            assert_eq!(encoding.fills().into_values().collect::<Vec<_>>(), fills);
            assert_eq!(encoding.categories()["heating"], categories);
        }
    }

    #[test]
    fn what_gives_no_fill_or_category_is_named() {
        let rows = [0, 1];
        for (text, want) in [
            (
                "area,heating,price\n,oil,1\n,gas,2\n3,gas,2\n",
                "the feature \"area\" is missing in every training row; leave the column out with --drop",
            ),
            (
                "area,heating,price\n1,oil,1\n3,,2\n",
                "line 3, column heating: the cell is missing, and a category has no mean; leave such rows out with \
                 --missing drop",
            ),
        ] {
            let error = encoding(&table(text, Missing::Mean), &rows, Missing::Mean).unwrap_err();
            assert_eq!(error.to_string(), want);
        }
        let ids: String = (0..1001).map(|id| format!("1,id-{id},2\n")).collect();
        let table = table(&format!("area,heating,price\n{ids}"), Missing::Fail);
        let rows: Vec<usize> = (0..1001).collect();
        let error = encoding(&table, &rows, Missing::Fail).unwrap_err().to_string();
        assert_eq!(
            error,
            "1001 categories are too many; the limit is 1000. The column \"heating\" has 1001 of them: it is probably an id or free text; leave it out with --drop"
        );
    }

    #[test]
    fn what_was_filled_and_encoded_is_said() {
        let table = table(HOUSES, Missing::Mean);
        let rows = [0, 1, 2, 3];
        let encoding = encoding(&table, &rows, Missing::Mean).unwrap();
        let notes = notes(&table, &rows, &encoding, Missing::Mean);
        let want = [
            "filled missing cells with their column's mean: 1 of area with 50, 1 of rooms with 5",
            "one-hot: heating (3 categories, measured from \"gas\")",
        ];
        assert_eq!(notes, want);
        assert!(refuse_constant(&encoding).is_ok());
        let oil = encoding_of_one(&table);
        assert_eq!(
            refuse_constant(&oil).unwrap_err().to_string(),
            "the feature \"heating\" is \"oil\" in every training row; leave the column out with --drop"
        );
    }

    fn encoding_of_one(table: &Table) -> Encoding {
        encoding(table, &[0], Missing::Fail).unwrap()
    }
}
