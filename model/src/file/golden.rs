//! Golden rows: raw rows with what the model says of them, so that damage to the file is noticed before it serves.

use serde::{Deserialize, Serialize};
use shared::message::Cell;

use crate::encode::{self, Encoding};
use crate::linear::Linear;

/// How many golden rows a file is given for their predictions, where there are as many rows.
const SPREAD: usize = 5;
/// How many more it is given at the most, so that each weight counts, besides those for categories.
const MORE: usize = 45;
/// How far a prediction may be from its golden row's, as a share of what it is summed up from: the same sum in another
/// order, on another processor, differs by less, and a model with another weight by more.
const TOLERANCE: f64 = 1e-12;

/// A row with what the model says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The raw row: one cell a feature, in their order.
    pub features: Vec<Cell>,
    /// The prediction, in the label's unit.
    pub prediction: f64,
}

/// Chooses out of raw rows: the ones with the smallest and the largest prediction and some between; as many more as it
/// takes, within bounds, for each weight to count and each category to occur in one of them; and one with every cell missing
/// that has a fill.
///
/// # Errors
/// A row that cannot be encoded.
pub(super) fn choose(rows: &[&[Cell]], encoding: &Encoding, linear: &Linear) -> Result<Vec<Golden>, String> {
    let encode = |row: &[Cell]| encoding.encode(row).map_err(|why| why.detail);
    let predict = |row: &[Cell]| encode(row).map(|vector| linear.predict(&[&vector])[0]);
    let predictions: Vec<f64> = rows.iter().map(|row| predict(row)).collect::<Result<_, _>>()?;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| predictions[*a].total_cmp(&predictions[*b]));
    let spread = SPREAD.min(order.len());
    let mut chosen: Vec<usize> =
        (0..spread).map(|i| order[i * (order.len() - 1) / (spread - 1).max(1)]).collect();
    let mut unseen = Unseen::new(encoding, linear);
    let most = chosen.len() + MORE + unseen.categories.len();
    for row in &chosen {
        unseen.sees(rows[*row], &encode(rows[*row])?);
    }
    for (at, row) in rows.iter().enumerate() {
        if unseen.is_empty() || chosen.len() == most {
            break;
        }
        if unseen.sees(row, &encode(row)?) {
            chosen.push(at);
        }
    }
    let golden = |row: usize| Golden { features: rows[row].to_vec(), prediction: predictions[row] };
    let mut golden: Vec<Golden> = chosen.into_iter().map(golden).collect();
    if let Some(features) = golden.first().and_then(|first| encoding.emptied(&first.features)) {
        let prediction = predict(&features)?;
        golden.push(Golden { features, prediction });
    }
    Ok(golden)
}

/// What no golden row has shown yet.
struct Unseen<'a> {
    linear: &'a Linear,
    /// The columns that were zero in each row so far: a change of their weights would not show.
    columns: Vec<usize>,
    /// The categories that did not occur, each with its feature's place.
    categories: Vec<(usize, &'a str)>,
}

impl<'a> Unseen<'a> {
    fn new(encoding: &'a Encoding, linear: &'a Linear) -> Self {
        let columns = (0..encoding.columns().len()).collect();
        Self { linear, columns, categories: encoding.each_category() }
    }

    fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.categories.is_empty()
    }

    /// Takes off what a row shows; whether that was anything.
    fn sees(&mut self, row: &[Cell], vector: &[f64]) -> bool {
        let before = self.columns.len() + self.categories.len();
        let scaling = self.linear.scaling();
        let weighed = |column: usize| scaling.map_or(vector[column], |by| by.apply(column, vector[column]));
        self.columns.retain(|column| weighed(*column) == 0.0);
        self.categories.retain(|(feature, category)| encode::category(&row[*feature]) != *category);
        self.columns.len() + self.categories.len() < before
    }
}

/// Predicts golden rows and compares.
///
/// # Errors
/// The first row that cannot be encoded, or is predicted otherwise.
pub(super) fn check(golden: &[Golden], encoding: &Encoding, linear: &Linear) -> Result<(), String> {
    for (number, Golden { features, prediction: wanted }) in (1..).zip(golden) {
        let damaged = "its weights, fills or categories were changed or damaged after it was written";
        let vector = encoding
            .encode(features)
            .map_err(|why| format!("it cannot predict its golden row {number}: {}: {damaged}", why.detail))?;
        let says = linear.predict(&[&vector])[0];
        let near = TOLERANCE * linear.magnitude(&vector).max(wanted.abs());
        // Written so that what is no number is not near.
        let agrees = (says - wanted).abs() <= near;
        if !agrees {
            return Err(format!(
                "it predicts {says} for its golden row {number}, expected {wanted}: {damaged}"
            ));
        }
    }
    Ok(())
}
