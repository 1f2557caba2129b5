//! What a model's card says of the rows that it was made of, for whoever judges it later. Pure.

use evaluation::basis::{Basis, FeatureBasis, Residuals};
use evaluation::histogram::Histogram;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::printable::within;

/// How many features are read of a card: one more than are watched, so that it is known that there are more.
const MOST: usize = 101;
/// How many bins of a histogram are read at the most; `model train` makes fewer.
const MOST_BINS: usize = 1000;
/// The longest name of a feature, in characters.
const LONGEST: usize = 60;

#[derive(Debug, Deserialize)]
struct Spread {
    edges: Vec<f64>,
    counts: Vec<u64>,
}

impl From<Spread> for Histogram {
    fn from(Spread { edges, counts }: Spread) -> Self {
        Self { edges, counts }
    }
}

/// What is at a place of a card, if it is what it should be.
fn part<T: DeserializeOwned>(card: &Value, place: &str) -> Option<T> {
    card.pointer(place).and_then(|value| T::deserialize(value).ok())
}

fn histogram(card: &Value, place: &str) -> Option<Histogram> {
    let spread = part::<Spread>(card, place)
        .filter(|spread| spread.counts.len() <= MOST_BINS && spread.edges.len() <= MOST_BINS + 1);
    spread.map(Histogram::from)
}

/// Reads a card; see `card` of `model`. What is missing, or is not as it should be, is not known, and takes nothing else along.
pub(crate) fn of_card(json: &str) -> Basis {
    let card: Value = serde_json::from_str(json).unwrap_or_default();
    // A model that encodes its features weighs columns; both are the same where it does not.
    let names: Vec<String> = part(&card, "/columns").or_else(|| part(&card, "/features")).unwrap_or_default();
    let histograms = card.pointer("/reference/features").and_then(Value::as_array).map_or(0, Vec::len);
    let feature = |at: usize| FeatureBasis {
        name: names.get(at).map_or_else(|| format!("feature_{}", at + 1), |name| within(name, LONGEST)),
        histogram: histogram(&card, &format!("/reference/features/{at}")),
        commonest: part(&card, &format!("/reference/commonest/{at}")),
    };
    let error = histogram(&card, "/reference/residual/error");
    let residuals = error.zip(histogram(&card, "/reference/residual/absolute_error"));
    Basis {
        features: (0..names.len().max(histograms).min(MOST)).map(feature).collect(),
        prediction: histogram(&card, "/reference/prediction"),
        label_median: part(&card, "/reference/label/median"),
        residuals: residuals.map(|(error, absolute_error)| Residuals { error, absolute_error }),
        holdout_mae: part(&card, "/holdout/mae"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_of_ours_says_all_of_it() {
        let card = r#"{"features":["a","c"],"columns":["a","c=x","c=y"],"holdout":{"rows":9,"mae":1.5},"reference":{
            "features":[{"edges":[0,1,2],"counts":[3,4]},{"edges":[0,1],"counts":[7]},{"edges":[0,1],"counts":[7]}],
            "commonest":[0.1,0.5,0.5],"target":{"edges":[0,9],"counts":[7]},"label":{"mean":4,"median":5},
            "prediction":{"edges":[0,8],"counts":[7]},
            "residual":{"rows":7,"folds":5,"error":{"edges":[-1,1],"counts":[7]},"absolute_error":{"edges":[0,1],"counts":[7]}}}}"#;
        let basis = of_card(card);
        let names: Vec<&str> = basis.features.iter().map(|feature| feature.name.as_str()).collect();
        assert_eq!(names, ["a", "c=x", "c=y"]);
        let first = Histogram { edges: vec![0.0, 1.0, 2.0], counts: vec![3, 4] };
        assert_eq!((&basis.features[0].histogram, basis.features[0].commonest), (&Some(first), Some(0.1)));
        assert_eq!(basis.prediction.unwrap().edges, [0.0, 8.0]);
        assert_eq!((basis.label_median, basis.holdout_mae), (Some(5.0), Some(1.5)));
        let residuals = basis.residuals.unwrap();
        assert_eq!((residuals.error.edges[0], residuals.absolute_error.edges[0]), (-1.0, 0.0));
    }

    #[test]
    fn what_a_card_does_not_say_is_not_known() {
        for (card, names) in [
            ("", &[][..]),
            ("[]", &[]),
            (r#"{"features":["a"],"reference":7}"#, &["a"]),
            (r#"{"features":7,"reference":{"features":[{"edges":[0,1],"counts":[7]}]}}"#, &["feature_1"]),
            (r#"{"features":["a"],"reference":{"label":null,"residual":null}}"#, &["a"]),
        ] {
            let basis = of_card(card);
            let found: Vec<&str> = basis.features.iter().map(|feature| feature.name.as_str()).collect();
            assert_eq!(found, names, "{card}");
            assert_eq!(
                (basis.label_median, basis.residuals, basis.holdout_mae),
                (None, None, None),
                "{card}"
            );
        }
    }

    #[test]
    fn one_odd_part_takes_nothing_else_along_and_names_are_made_printable() {
        let card = r#"{"features":["a\u001b[2J\n","b"],"reference":{"features":[null,{"edges":[0,1],"counts":[7]}],
            "commonest":["x",0.5],"label":{"median":5},"residual":{"error":{"edges":[0,1],"counts":[-7]}}}}"#;
        let basis = of_card(card);
        assert!(
            basis.features[0].name.chars().all(|letter| !letter.is_control()),
            "{:?}",
            basis.features[0].name
        );
        assert_eq!((&basis.features[0].histogram, basis.features[0].commonest), (&None, None));
        assert!(basis.features[1].histogram.is_some() && basis.features[1].commonest == Some(0.5));
        assert_eq!((basis.label_median, basis.residuals), (Some(5.0), None));
    }
}
