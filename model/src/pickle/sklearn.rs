//! From scikit-learn's objects to a linear model, if they are one that predicts one finite number.

use super::PickledLinear;
use super::classes::Role;
use super::error::PickleError;
use super::estimator::{Estimator, Step, finite};
use super::scaler::composed;
use super::value::{Arena, Handle};
use crate::advice;

/// How deep estimators may be inside others. A value may hold itself.
const MAX_DEPTH: usize = 8;

/// The model that a pickle is about.
pub(super) fn linear<'m>(arena: &'m Arena<'m>, root: Handle) -> Result<PickledLinear, PickleError> {
    let whole = Estimator::new(arena, root).ok_or_else(|| {
        let kind = arena[root].kind();
        PickleError::model(format!("it holds {kind}, not a model; save the fitted model alone"))
    })?;
    read(&whole, MAX_DEPTH)
}

fn read(whole: &Estimator<'_>, depth: usize) -> Result<PickledLinear, PickleError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(PickleError::TooLarge { what: "estimators inside one another", limit: MAX_DEPTH });
    };
    let name = whole.class.name;
    match whole.class.role {
        Role::Linear => whole.regression(),
        Role::Around(attribute) => {
            let model = read(&whole.inner(attribute)?, depth)?;
            named(whole, PickledLinear { class: format!("{name}({})", model.class), ..model })
        }
        Role::Pipeline => pipeline(whole, depth),
        Role::TransformedTarget => transformed(whole, depth),
        Role::Scaler(_) => Err(PickleError::model(format!(
            "it holds only a {name}, which predicts nothing; save the pipeline with its model"
        ))),
    }
}

/// The names of features that what is around or before a model knows.
fn named(outer: &Estimator<'_>, model: PickledLinear) -> Result<PickledLinear, PickleError> {
    let width = model.coefficients.len();
    outer.check_width(width)?;
    match (outer.features(width)?, &model.features) {
        (Some(outer), Some(inner)) if outer != *inner => Err(PickleError::model(
            "the steps of the pipeline disagree on the features' names; fit it again, as a whole",
        )),
        (Some(outer), _) => Ok(PickledLinear { features: Some(outer), ..model }),
        (None, _) => Ok(model),
    }
}

fn pipeline(whole: &Estimator<'_>, depth: usize) -> Result<PickledLinear, PickleError> {
    let steps = whole.steps()?;
    let Some((Step { name, estimator: last }, before)) = steps.split_last() else {
        return Err(PickleError::model("the pipeline has no steps; save a fitted one"));
    };
    let Some(last) = last.as_ref().filter(|last| !matches!(last.class.role, Role::Scaler(_))) else {
        let what = last.as_ref().map_or("\"passthrough\"", |last| last.class.name);
        return Err(PickleError::model(format!(
            "the last step {name} of the pipeline is {what}, which predicts nothing; save it with its model"
        )));
    };
    let mut model = read(last, depth)?;
    let mut classes = vec![std::mem::take(&mut model.class)];
    // From the model to the first step, as that one's names of features are the rows'.
    for Step { name, estimator } in before.iter().rev() {
        let Some(step) = estimator else { continue };
        let Role::Scaler(kind) = step.class.role else {
            return Err(PickleError::model(format!(
                "step {name} of the pipeline is {}, and only scalers are supported before the last step; export it to ONNX: {}",
                step.class.name,
                advice::SKLEARN
            )));
        };
        let scaling = step.scaling(kind, model.coefficients.len())?;
        model.scaling = composed(scaling, model.scaling)?;
        model = named(step, model)?;
        classes.insert(0, step.class.name.to_owned());
    }
    Ok(PickledLinear { class: format!("{}({})", whole.class.name, classes.join(", ")), ..model })
}

/// A label that was scaled is unscaled by other weights.
fn transformed(whole: &Estimator<'_>, depth: usize) -> Result<PickledLinear, PickleError> {
    let transformer = whole.inner("transformer_")?;
    let Role::Scaler(kind) = transformer.class.role else {
        return Err(PickleError::model(format!(
            "its label was transformed by a {}, which is not supported",
            transformer.class.name
        )));
    };
    if let Some(function) = whole.function("func")?.or(whole.function("inverse_func")?) {
        return Err(transformed_by(function));
    }
    let mut model = read(&whole.inner("regressor_")?, depth)?;
    let Some(scaling) = transformer.scaling(kind, 1)? else {
        return named(
            whole,
            PickledLinear { class: format!("{}({})", whole.class.name, model.class), ..model },
        );
    };
    let (mean, scale) = (scaling.mean[0], scaling.scale[0]);
    model.coefficients.iter_mut().for_each(|weight| *weight *= scale);
    model.intercept = model.intercept * scale + mean;
    finite(&model.coefficients, "coef_")?;
    finite(&[model.intercept], "intercept_")?;
    let class = format!("{}({}, {})", whole.class.name, model.class, transformer.class.name);
    named(whole, PickledLinear { class, ..model })
}

fn transformed_by(function: &str) -> PickleError {
    let what = format!(
        "TransformedTargetRegressor predicts the {function} of the label, which a linear model cannot"
    );
    PickleError::model(match function {
        "log" | "log1p" | "exp" | "expm1" => {
            format!("{what}; export its regressor_ and the inverse to ONNX: {}", advice::LOG_TARGET)
        }
        _ => format!(
            "{what}; serve its regressor_ alone, and send labels transformed by {function}: {}",
            advice::OTHER_TARGET
        ),
    })
}
