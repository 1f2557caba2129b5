//! What a card says, as far as it is as it should be.

use evaluation::histogram::Histogram;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::printable::within;

/// So many features and golden rows are shown at the most.
const MOST: usize = 100;
/// The longest name of a feature, in characters.
const LONGEST: usize = 60;

/// How good it was on rows held out.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Holdout {
    pub(crate) rows: Option<u64>,
    pub(crate) mae: Option<f64>,
    pub(crate) rmse: Option<f64>,
    pub(crate) r2: Option<f64>,
}

/// A feature, as the model weighs it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Of the training rows.
    pub(crate) least: Option<f64>,
    pub(crate) most: Option<f64>,
    /// A tenth, half and nine tenths of the training rows are lower.
    pub(crate) low: Option<f64>,
    pub(crate) middle: Option<f64>,
    pub(crate) high: Option<f64>,
    /// By how much the prediction grows with one more of the feature.
    pub(crate) weight: Option<f64>,
    /// The same from `low` to `high`.
    pub(crate) effect: Option<f64>,
    /// How it lay in training.
    pub(crate) histogram: Option<Histogram>,
}

/// A card.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Card {
    pub(crate) algorithm: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) made_at: Option<String>,
    pub(crate) rows: Option<u64>,
    pub(crate) holdout: Holdout,
    pub(crate) intercept: Option<f64>,
    pub(crate) columns: Vec<Column>,
    /// How the labels lay in training.
    pub(crate) labels: Option<Histogram>,
    /// Rows and what must be predicted from them.
    pub(crate) golden: Vec<(Vec<f64>, f64)>,
}

#[derive(Deserialize)]
struct Golden {
    features: Vec<f64>,
    prediction: f64,
}

impl Card {
    /// Reads a card. What is missing, or is not as it should be, is not known, and takes nothing else along.
    pub(crate) fn read(card: &Value) -> Self {
        let golden: Vec<Golden> = part(card, "/golden").unwrap_or_default();
        let columns = columns(card);
        Self {
            algorithm: part(card, "/algorithm"),
            file: part(card, "/file"),
            data: part(card, "/training/data/file"),
            target: part(card, "/target"),
            made_at: part(card, "/made_at"),
            rows: part(card, "/rows"),
            holdout: part(card, "/holdout").unwrap_or_default(),
            intercept: part(card, "/weights/intercept"),
            labels: part(card, "/reference/target"),
            // Texts among the raw features have no column.
            golden: golden
                .into_iter()
                .filter(|row| row.features.len() == columns.len())
                .take(MOST)
                .map(|row| (row.features, row.prediction))
                .collect(),
            columns,
        }
    }
}

/// What is at a place of a card, if it is what it should be.
fn part<T: DeserializeOwned>(card: &Value, place: &str) -> Option<T> {
    card.pointer(place).and_then(|value| T::deserialize(value).ok())
}

fn columns(card: &Value) -> Vec<Column> {
    let names: Vec<String> = part(card, "/columns").or_else(|| part(card, "/features")).unwrap_or_default();
    let weights: Vec<f64> = part(card, "/weights/coefficients").unwrap_or_default();
    // A weight is of the scaled feature where there is a scaling.
    let scales: Option<Vec<f64>> = part(card, "/weights/scaling/scale");
    let column = |(at, name): (usize, &String)| {
        let histogram: Option<Histogram> = part(card, &format!("/reference/features/{at}"));
        let value = |share: f64| histogram.as_ref().and_then(|of| of.value_above(share));
        let scale = scales.as_ref().map_or(Some(1.0), |scales| scales.get(at).copied());
        let weight = weights
            .get(at)
            .zip(scale)
            .map(|(weight, scale)| weight / scale)
            .filter(|weight| weight.is_finite());
        let (low, high) = (value(0.1), value(0.9));
        let span = low.zip(high).map(|(low, high)| high - low);
        let effect = weight.zip(span).map(|(weight, span)| weight * span);
        let range: Option<(f64, f64)> = part(card, &format!("/ranges/{at}"));
        let (least, most) = range.unzip();
        Column {
            name: within(name, LONGEST),
            least,
            most,
            low,
            middle: value(0.5),
            high,
            weight,
            effect,
            histogram,
        }
    };
    names.iter().enumerate().take(MOST).map(column).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_card_says_is_read_and_what_is_odd_is_left_out() {
        let edges: Vec<f64> = (0..=10).map(f64::from).collect();
        let card = json!({
            "algorithm": "ols", "rows": 354, "target": "price", "file": 7, "holdout": { "mae": 44.2, "rows": 88 },
            "features": ["a", "b\u{1b}"],
            "weights": { "coefficients": [3.0, 4.0], "intercept": 1.5, "scaling": { "mean": [0.0, 0.0], "scale": [2.0, 0.0] } },
            "reference": { "features": [{ "edges": edges, "counts": vec![7; 10] }, { "edges": [0.0, 1.0] }] },
            "golden": [{ "features": [1.0, 2.0], "prediction": 9.0 }, { "features": [1.0], "prediction": 9.0 }],
        });
        let read = Card::read(&card);
        assert_eq!((read.algorithm.as_deref(), read.rows, read.file), (Some("ols"), Some(354), None));
        assert_eq!((read.holdout.mae, read.holdout.r2), (Some(44.2), None));
        let [a, b] = &read.columns[..] else { panic!("{:?}", read.columns) };
        assert_eq!((a.low, a.middle, a.high), (Some(1.0), Some(5.0), Some(9.0)));
        assert_eq!((a.weight, a.effect), (Some(1.5), Some(12.0)));
        assert_eq!((b.low, b.weight, b.effect), (None, None, None));
        assert!(!b.name.contains('\u{1b}'));
        assert_eq!(read.golden, [(vec![1.0, 2.0], 9.0)]);
        for odd in
            [json!(null), json!([]), json!("card"), json!({ "golden": 1, "features": [1], "holdout": [] })]
        {
            assert_eq!(Card::read(&odd), Card::default(), "{odd}");
        }
    }
}
