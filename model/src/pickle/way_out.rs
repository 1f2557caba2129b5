//! The way out for what is not read, by its class.

use crate::advice;

/// For a name that has no place in a model.
pub(super) fn of_refused(within: Option<&str>) -> String {
    match within {
        Some(search) if search.ends_with("SearchCV") => {
            format!("save the model that {search} found: {}", advice::BEST)
        }
        Some("TransformedTargetRegressor") => {
            format!(
                "serve its regressor_ alone, which predicts the transformed label: {}",
                advice::OTHER_TARGET
            )
        }
        _ => "save only the fitted model, with joblib.dump(model, path)".to_owned(),
    }
}

/// For a model of another kind. `class` is dotted; `within` is what it is a part of.
pub(super) fn of_class(class: &str, within: Option<&str>) -> String {
    let (library, name) = (class.split('.').next(), class.rsplit('.').next().unwrap_or(class));
    if is_classifier(name) {
        return "it is a classifier; expected a regression, which predicts one number".to_owned();
    }
    let onnx = |line: &str| format!("export it to ONNX: {line}");
    if within == Some("TransformedTargetRegressor") {
        let alone = "its regressor_ alone predicts the transformed label";
        return match library {
            Some("sklearn") if !class.starts_with("sklearn.preprocessing") => {
                format!("if the label is its log or log1p, export it to ONNX: {}", advice::LOG_TARGET)
            }
            _ => format!("{alone}: {}", advice::OTHER_TARGET),
        };
    }
    match (library, name) {
        (Some("xgboost"), "Booster") => onnx(advice::XGBOOST_BOOSTER),
        (Some("lightgbm"), "Booster") => onnx(advice::LIGHTGBM_BOOSTER),
        (Some("xgboost"), _) => onnx(advice::XGBOOST),
        (Some("lightgbm"), _) => onnx(advice::LIGHTGBM),
        (Some("catboost"), _) => onnx(advice::CATBOOST_PICKLE),
        (Some("statsmodels"), _) => {
            format!("if it is least squares (OLS, WLS, GLS), convert its weights: {}", advice::STATSMODELS)
        }
        _ => onnx(advice::SKLEARN),
    }
}

/// Whether a class of this name predicts classes.
fn is_classifier(name: &str) -> bool {
    name.ends_with("Classifier")
        || name.ends_with("ClassifierCV")
        || name.ends_with("NB")
        || name.ends_with("SVC")
        || name.starts_with("LogisticRegression")
        || name == "Perceptron"
}
