//! Which columns of a table are what.

use clap::Args;

use super::Missing;
use super::guess::is_unnamed;
use super::words::{argument, names, quoted};

/// The label's column where none is named.
const TARGET: &str = "target";

/// Which columns of a table are what, and what is done where a cell is missing. All other columns are features.
#[derive(Args, Debug, Clone, PartialEq, Eq, Default)]
pub struct Columns {
    /// Column with the label. [default: target]
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,

    /// Column with your own row id: not used as a feature, may hold any text.
    #[arg(long, value_name = "COLUMN")]
    pub id: Option<String>,

    /// Columns to leave out, separated by commas; "" is a column without a name.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub drop: Vec<String>,

    /// Columns of categories, separated by commas: each value becomes a feature that is 1 or 0.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub one_hot: Vec<String>,

    /// What to do with rows that have a missing cell (empty, NA, NaN, null, None, ? or -).
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Missing::Fail)]
    pub missing: Missing,
}

/// Whether a table must have labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// A table without the label's column is refused.
    Required,
    /// A table without it has rows without labels, unless the column was named with --target.
    IfThere,
    /// The label's column is left out where it is there.
    Unwanted,
}

/// Where the columns stand in a table: places from 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// The ids.
    pub id: Option<usize>,
    /// The labels.
    pub target: Option<usize>,
    /// The features, in the order in which they are wanted.
    pub features: Vec<usize>,
    /// Those features whose cells stay text: their categories.
    pub one_hot: Vec<usize>,
    /// What was left out without being named, for people.
    pub notes: Vec<String>,
}

impl Columns {
    /// The label is in this column, and all others are features.
    #[must_use]
    pub fn target(target: impl Into<String>) -> Self {
        Self { target: Some(target.into()), ..Self::default() }
    }

    /// The name of the label's column.
    #[must_use]
    pub fn label(&self) -> &str {
        self.target.as_deref().unwrap_or(TARGET)
    }

    /// Where these columns stand in a table of this header. `index`: the first column has no name and counts rows.
    pub(super) fn lay_out(&self, header: &[String], index: bool, labels: Labels) -> Result<Layout, String> {
        self.contradiction()?;
        let id = self.id.as_deref().map(|name| place(header, name, "--id")).transpose()?;
        for name in &self.drop {
            if !header.contains(name) {
                return Err(absent(header, name, "--drop"));
            }
        }
        let label = self.place_of_label(header, labels)?;
        let target = label.filter(|_| labels != Labels::Unwanted);
        let mut features: Vec<usize> = (0..header.len())
            .filter(|at| Some(*at) != label && Some(*at) != id && !self.drop.contains(&header[*at]))
            .collect();
        let mut notes = Vec::new();
        let names_first = self.one_hot.iter().any(|name| header.first() == Some(name));
        if features.first() == Some(&0) && is_unnamed(&header[0]) && !names_first {
            if !index {
                let name = argument(&header[0]);
                return Err(format!(
                    "the first column has no name and is not a pandas index, which counts the rows; leave it out with --drop {name}, use it as row id with --id {name}, or name it in the header"
                ));
            }
            features.remove(0);
            notes.push("the first column is an index without a name: it is left out".to_owned());
        }
        check_names(header, &features)?;
        let mut one_hot = Vec::new();
        for name in &self.one_hot {
            one_hot.push(place(header, name, "--one-hot")?);
        }
        if features.is_empty() {
            return Err(match (target, &self.id) {
                // Who needs no labels sends rows. These are labels that belong to rows which are out already.
                (Some(_), Some(id)) if labels == Labels::IfThere => format!(
                    "it has ids and labels, but no feature columns; to send labels alone, use `features labels --id {} \
                     --target {}` and the same --data",
                    argument(id),
                    argument(self.label())
                ),
                (Some(_), _) => "it has no feature columns, only the label".to_owned(),
                (None, _) => "it has no feature columns".to_owned(),
            });
        }
        Ok(Layout { id, target, features, one_hot, notes })
    }

    fn place_of_label(&self, header: &[String], labels: Labels) -> Result<Option<usize>, String> {
        if header.iter().any(|name| name == self.label()) {
            return place(header, self.label(), "--target").map(Some);
        }
        let absent = || absent(header, self.label(), "--target");
        match labels {
            Labels::Required if self.target.is_none() => {
                Err(absent() + "; name the label's column with --target")
            }
            Labels::Required => Err(absent()),
            Labels::IfThere if self.target.is_some() => {
                Err(absent() + "; name the label's column, or send rows without labels with --no-labels")
            }
            Labels::IfThere | Labels::Unwanted => Ok(None),
        }
    }

    /// One column cannot be two things.
    fn contradiction(&self) -> Result<(), String> {
        let roles = |name: &str| {
            let id = self.id.as_deref() == Some(name);
            [
                (self.target.as_deref() == Some(name), "--target"),
                (id, "--id"),
                (self.drop.iter().any(|other| other == name), "--drop"),
                (self.one_hot.iter().any(|other| other == name), "--one-hot"),
            ]
            .into_iter()
            .filter_map(|(is, flag)| is.then_some(flag))
            .collect::<Vec<_>>()
        };
        let label = Some(self.label().to_owned());
        for name in self.id.iter().chain(&self.drop).chain(&self.one_hot).chain(&label) {
            let mut flags = roles(name);
            if name == self.label() && !flags.contains(&"--target") && !flags.is_empty() {
                flags.insert(0, "--target (the default)");
            }
            // An id that is also left out is no contradiction: it is no feature either way.
            if flags.len() > 1 && flags != ["--id", "--drop"] {
                return Err(format!("the column {} cannot be both {}", quoted(name), flags.join(" and ")));
            }
        }
        Ok(())
    }
}

/// The place of a column that a flag names.
pub(super) fn place(header: &[String], wanted: &str, flag: &str) -> Result<usize, String> {
    let mut places = (0..header.len()).filter(|at| header[*at] == wanted);
    match (places.next(), places.next()) {
        (None, _) => Err(absent(header, wanted, flag)),
        (Some(place), None) => Ok(place),
        (Some(first), Some(second)) => Err(twice(wanted, first, second)),
    }
}

fn absent(header: &[String], wanted: &str, flag: &str) -> String {
    format!("no column {} for {flag}; the header has {}", quoted(wanted), names(header))
}

fn twice(name: &str, first: usize, second: usize) -> String {
    format!(
        "the header has the column {} twice (columns {} and {}); rename one, or leave both out with --drop {}",
        quoted(name),
        first + 1,
        second + 1,
        argument(name)
    )
}

/// Features have names, each its own.
fn check_names(header: &[String], features: &[usize]) -> Result<(), String> {
    let mut seen = std::collections::HashMap::new();
    for at in features {
        if header[*at].is_empty() {
            return Err(format!(
                "column {} of {} has no name in the header; give it one, or leave columns without a name out with \
                 --drop \"\"",
                at + 1,
                header.len()
            ));
        }
        if let Some(first) = seen.insert(&header[*at], *at) {
            return Err(twice(&header[*at], first, *at));
        }
    }
    Ok(())
}
