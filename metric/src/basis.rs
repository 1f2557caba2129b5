//! What a model's card says of the rows that it was made of, for whoever judges it later. Pure.

use evaluation::basis::{Basis, FeatureBasis, Histogram, Residuals};
use serde::Deserialize;
use serde_json::Value;

/// The parts of a card that are read; see `model`'s `card`. Whatever is missing, or is not as it should be, is not known.
#[derive(Debug, Default, Deserialize)]
struct Reference {
    #[serde(default)]
    features: Vec<Spread>,
    #[serde(default)]
    commonest: Option<Vec<f64>>,
    #[serde(default)]
    label: Option<Centre>,
    #[serde(default)]
    prediction: Option<Spread>,
    #[serde(default)]
    residual: Option<Residual>,
}

#[derive(Debug, Deserialize)]
struct Spread {
    edges: Vec<f64>,
    counts: Vec<u64>,
}

#[derive(Debug, Deserialize)]
struct Centre {
    median: f64,
}

#[derive(Debug, Deserialize)]
struct Residual {
    error: Spread,
    absolute_error: Spread,
}

impl From<Spread> for Histogram {
    fn from(Spread { edges, counts }: Spread) -> Self {
        Self { edges, counts }
    }
}

/// Reads a card.
pub(crate) fn of_card(json: &str) -> Basis {
    let card: Value = serde_json::from_str(json).unwrap_or_default();
    let reference: Reference =
        card.get("reference").map(Reference::deserialize).and_then(Result::ok).unwrap_or_default();
    // A model that encodes its features weighs columns; both are the same where it does not.
    let names: Vec<String> = card
        .get("columns")
        .or_else(|| card.get("features"))
        .map(Vec::deserialize)
        .and_then(Result::ok)
        .unwrap_or_default();
    let columns = names.len().max(reference.features.len());
    let mut histograms = reference.features.into_iter();
    let features = (0..columns).map(|at| FeatureBasis {
        name: names.get(at).cloned().unwrap_or_else(|| format!("feature_{}", at + 1)),
        histogram: histograms.next().map(Histogram::from),
        commonest: reference.commonest.as_ref().and_then(|shares| shares.get(at).copied()),
    });
    Basis {
        features: features.collect(),
        prediction: reference.prediction.map(Histogram::from),
        label_median: reference.label.map(|label| label.median),
        residuals: reference
            .residual
            .map(|of| Residuals { error: of.error.into(), absolute_error: of.absolute_error.into() }),
        holdout_mae: card.pointer("/holdout/mae").and_then(Value::as_f64),
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
}
