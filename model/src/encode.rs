//! From a raw row, as its producer has it, to the numbers that the model weighs: a missing cell is filled, and a category
//! becomes columns of 0 and 1.
//!
//! A feature of k categories becomes k - 1 columns. The first category has none: a row of it is 0 in all of them. With a
//! column each, they would add up to 1 in every row, and no weight beside an intercept could be told.

mod category;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use shared::message::{Cell, Rejection};
use shared::printable::{piece, quoted};

use category::{Categories, is_number};

pub use category::category;
pub(crate) use category::sort;

/// How many categories a model has at the most, over all its features.
pub const MOST_CATEGORIES: usize = 1000;
/// How many features or categories a message lists.
const LISTED: usize = 5;

/// What is done to each feature of a raw row.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoding {
    features: Vec<String>,
    kinds: Vec<Kind>,
    columns: Vec<String>,
}

/// What a feature is.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// A number, and what stands for a missing one.
    Number { fill: Option<f64> },
    /// One of these.
    Category(Categories),
}

impl Encoding {
    /// Features that are numbers and are weighed as they come.
    #[must_use]
    pub fn plain(features: Vec<String>) -> Self {
        let kinds = features.iter().map(|_| Kind::Number { fill: None }).collect();
        Self { columns: features.clone(), features, kinds }
    }

    /// Features of these names, in the order in which a row has them: with fills for missing cells of some, and the
    /// categories of others.
    ///
    /// # Errors
    /// A fill or categories of a feature that there is not, or that has both; categories that are none, too many, or one of
    /// them twice; two columns of one name.
    pub fn new(
        features: &[String],
        fills: &BTreeMap<String, f64>,
        categories: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, String> {
        let known: BTreeSet<&String> = features.iter().collect();
        if let Some(name) = fills.keys().chain(categories.keys()).find(|name| !known.contains(name)) {
            return Err(format!(
                "it has a fill or categories for {}, which is not one of its features",
                quoted(name)
            ));
        }
        if let Some(name) = fills.keys().find(|name| categories.contains_key(*name)) {
            return Err(format!(
                "it has both a fill and categories for {}; only one is allowed",
                quoted(name)
            ));
        }
        let count: usize = categories.values().map(Vec::len).sum();
        if count > MOST_CATEGORIES {
            return Err(format!("it has {count} categories; expected at most {MOST_CATEGORIES}"));
        }
        let kind = |name: &String| match categories.get(name) {
            None => Ok(Kind::Number { fill: fills.get(name).copied() }),
            Some(names) => Categories::new(name, names.clone()).map(Kind::Category),
        };
        let kinds: Vec<Kind> = features.iter().map(kind).collect::<Result<_, _>>()?;
        let columns: Vec<String> =
            features.iter().zip(&kinds).flat_map(|(name, kind)| kind.columns(name)).collect();
        let mut seen = BTreeSet::new();
        match columns.iter().find(|column| !seen.insert(*column)) {
            Some(column) => Err(format!("it has two columns called {column:?}")),
            None => Ok(Self { features: features.to_vec(), kinds, columns }),
        }
    }

    /// The features' names, in the order in which a row has them.
    #[must_use]
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The names of the encoded columns, in the order of the weights: `area`, `heating=gas`.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What stands for a missing cell, by the feature's name.
    #[must_use]
    pub fn fills(&self) -> BTreeMap<String, f64> {
        let fill = |(name, kind): (&String, &Kind)| match kind {
            Kind::Number { fill: Some(fill) } => Some((name.clone(), *fill)),
            _ => None,
        };
        self.features.iter().zip(&self.kinds).filter_map(fill).collect()
    }

    /// The categories, by the feature's name; the first of each has no column.
    #[must_use]
    pub fn categories(&self) -> BTreeMap<String, Vec<String>> {
        let of = |(name, kind): (&String, &Kind)| match kind {
            Kind::Category(categories) => Some((name.clone(), categories.names.clone())),
            Kind::Number { .. } => None,
        };
        self.features.iter().zip(&self.kinds).filter_map(of).collect()
    }

    /// Every category, with its feature's place in a row.
    pub(crate) fn each_category(&self) -> Vec<(usize, &str)> {
        let mut all = Vec::new();
        for (at, kind) in self.kinds.iter().enumerate() {
            if let Kind::Category(Categories { names, .. }) = kind {
                all.extend(names.iter().map(|name| (at, &**name)));
            }
        }
        all
    }

    /// A raw row without the cells that have a fill; none where nothing has one.
    pub(crate) fn emptied(&self, row: &[Cell]) -> Option<Vec<Cell>> {
        let has_fill = |kind: &Kind| matches!(kind, Kind::Number { fill: Some(_) });
        let emptied =
            |(kind, cell): (&Kind, &Cell)| if has_fill(kind) { Cell::Missing } else { cell.clone() };
        self.kinds.iter().any(has_fill).then(|| self.kinds.iter().zip(row).map(emptied).collect())
    }

    /// The first feature that only a row by name can have: one of its categories is no number.
    #[must_use]
    pub fn textual(&self) -> Option<&str> {
        let is_textual = |kind: &Kind| match kind {
            Kind::Number { .. } => false,
            Kind::Category(categories) => !categories.names.iter().all(|name| is_number(name)),
        };
        let at = self.kinds.iter().position(is_textual)?;
        Some(&self.features[at])
    }

    /// Whether a row of numbers is weighed as it comes.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.kinds.iter().all(|kind| matches!(kind, Kind::Number { .. }))
    }

    /// What the model weighs: one number a column, from one cell a feature, in their order.
    ///
    /// # Errors
    /// The first cell that has no number: its code, and words that name the feature.
    pub fn encode<C: Borrow<Cell>>(&self, cells: impl IntoIterator<Item = C>) -> Result<Vec<f64>, Rejection> {
        let mut row = Vec::with_capacity(self.columns.len());
        for ((name, kind), cell) in self.features.iter().zip(&self.kinds).zip(cells) {
            kind.encode(name, cell.borrow(), &mut row)?;
        }
        Ok(row)
    }

    /// A raw row that is encoded as these numbers: as many as there are columns. What was missing in the one they come from is the
    /// fill. None where a category's columns are not 0, or one of them 1.
    #[must_use]
    pub fn decode(&self, vector: &[f64]) -> Option<Vec<Cell>> {
        let mut row = Vec::with_capacity(self.kinds.len());
        let mut rest = vector;
        for kind in &self.kinds {
            let (columns, behind) = rest.split_at_checked(kind.width())?;
            row.push(kind.decode(columns)?);
            rest = behind;
        }
        rest.is_empty().then_some(row)
    }

    /// What is lost for rows that were made for another encoding of the same features: a feature that is no category any
    /// more, or has become one. What it is here, and what it is there.
    pub(crate) fn difference(&self, other: &Self) -> Option<(String, String)> {
        let both = self.features.iter().zip(self.kinds.iter().zip(&other.kinds));
        both.into_iter().find_map(|(name, kinds)| match kinds {
            (Kind::Number { .. }, Kind::Category(_)) => {
                Some((format!("feature {} is a number", quoted(name)), "a category".to_owned()))
            }
            (Kind::Category(_), Kind::Number { .. }) => {
                Some((format!("feature {} is a category", quoted(name)), "a number".to_owned()))
            }
            _ => None,
        })
    }

    /// The first kind of row that the other encoding takes and this one refuses, for people.
    pub(crate) fn narrower(&self, other: &Self) -> Option<String> {
        let both = self.features.iter().zip(self.kinds.iter().zip(&other.kinds));
        both.into_iter().find_map(|(name, kinds)| match kinds {
            (Kind::Number { fill: None }, Kind::Number { fill: Some(_) }) => {
                Some(format!("rows without {}, which are no longer filled", quoted(name)))
            }
            (Kind::Category(ours), Kind::Category(theirs)) => {
                let lost = theirs.names.iter().find(|name| !ours.places.contains_key(*name))?;
                Some(format!(
                    "rows whose {} is {}, which is no longer a category",
                    quoted(name),
                    quoted(lost)
                ))
            }
            _ => None,
        })
    }
}

impl Kind {
    /// How many columns it becomes.
    fn width(&self) -> usize {
        match self {
            Self::Number { .. } => 1,
            Self::Category(Categories { names, .. }) => names.len().saturating_sub(1),
        }
    }

    fn decode(&self, columns: &[f64]) -> Option<Cell> {
        let names = match (self, columns) {
            (Self::Number { .. }, [number]) => return Some(Cell::Number(*number)),
            (Self::Number { .. }, _) => return None,
            (Self::Category(Categories { names, .. }), _) => names,
        };
        let mut ones = columns.iter().enumerate().filter(|(_, column)| **column != 0.0);
        let name = match (ones.next(), ones.next()) {
            (None, _) => names.first()?,
            (Some((at, one)), None) if *one == 1.0 => names.get(at + 1)?,
            _ => return None,
        };
        Some(Cell::Text(name.as_str().into()))
    }

    fn columns(&self, feature: &str) -> Vec<String> {
        match self {
            Self::Number { .. } => vec![feature.to_owned()],
            Self::Category(Categories { names, .. }) => {
                names.iter().skip(1).map(|category| format!("{feature}={category}")).collect()
            }
        }
    }

    fn encode(&self, name: &str, cell: &Cell, row: &mut Vec<f64>) -> Result<(), Rejection> {
        match (self, cell) {
            (Self::Number { fill: Some(fill) }, Cell::Missing) => row.push(*fill),
            (Self::Number { fill: None }, Cell::Missing) => {
                let way_out = "send a number, or train the model with --missing mean or --missing median";
                return Err(Rejection::new(
                    Rejection::MISSING,
                    format!("{} is missing, and the model has no fill value for it; {way_out}", piece(name)),
                ));
            }
            (Self::Number { .. }, cell) => row.push(cell.to_number(piece(name))?),
            (Self::Category(_), Cell::Missing) => {
                let detail = format!("{} is missing; expected one of the model's categories", piece(name));
                return Err(Rejection::new(Rejection::MISSING, detail));
            }
            (Self::Category(categories), cell) => {
                let Some(place) = categories.place(cell) else {
                    let detail = format!(
                        "{} is {}, which is not a trained category; the categories are {}",
                        piece(name),
                        quoted(&category(cell)),
                        categories.listed()
                    );
                    return Err(Rejection::new(Rejection::CATEGORY, detail));
                };
                row.extend((1..categories.names.len()).map(|at| if at == place { 1.0 } else { 0.0 }));
            }
        }
        Ok(())
    }
}

/// The first few of a list, for people.
pub(crate) fn listed(each: impl Iterator<Item = String>) -> String {
    let mut each: Vec<String> = each.collect();
    let more = each.len().saturating_sub(LISTED);
    each.truncate(LISTED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    each.join(", ") + &rest
}

#[cfg(test)]
mod tests;
