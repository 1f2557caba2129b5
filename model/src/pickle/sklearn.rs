//! From scikit-learn's objects to a linear model, if they are one that predicts one finite number.

use super::Linear;
use super::error::PickleError;
use super::estimator::Estimator;
use super::globals::Class;
use super::value::{Arena, Handle};

/// The model that a pickle is about.
pub(super) fn linear<'m>(arena: &'m Arena<'m>, root: Handle) -> Result<Linear, PickleError> {
    let whole = Estimator::new(arena, root).ok_or_else(|| {
        let kind = arena[root].kind();
        PickleError::model(format!("it holds {kind}, not a model; save the fitted model alone"))
    })?;
    match whole.class {
        Class::Pipeline => pipeline(&whole),
        Class::StandardScaler => {
            let why =
                "it holds a StandardScaler alone, which predicts nothing; save the pipeline with its model";
            Err(PickleError::model(why))
        }
        _ => whole.regression(),
    }
}

fn pipeline(whole: &Estimator<'_>) -> Result<Linear, PickleError> {
    let steps = whole.steps()?;
    match steps.as_slice() {
        [] => Err(PickleError::model("the pipeline has no steps; save a fitted one")),
        [(_, only)] if only.class.is_regression() => {
            Ok(Linear { class: format!("Pipeline({})", only.class.name()), ..only.regression()? })
        }
        [(_, first), (_, last)] if first.class == Class::StandardScaler && last.class.is_regression() => {
            scaled(first, last)
        }
        [first, rest @ ..] => {
            let unfit = [first].into_iter().filter(|(_, step)| step.class != Class::StandardScaler);
            let (name, step) = unfit
                .chain(rest.iter().take(1).filter(|(_, step)| !step.class.is_regression()))
                .chain(rest.iter().skip(1))
                .next()
                .unwrap_or(first);
            Err(PickleError::model(format!(
                "step {name} of the pipeline is {}, and only a StandardScaler and then one linear model are read; \
                 export it to ONNX (skl2onnx)",
                step.class.name()
            )))
        }
    }
}

fn scaled(scaler: &Estimator<'_>, last: &Estimator<'_>) -> Result<Linear, PickleError> {
    let model = last.regression()?;
    let width = model.coefficients.len();
    scaler.check_width(width)?;
    let features = scaler.features(width)?;
    if model.features.is_some() && model.features != features {
        let why = "the steps of the pipeline disagree on the features' names; fit it anew, as a whole";
        return Err(PickleError::model(why));
    }
    let class = format!("Pipeline({}, {})", scaler.class.name(), last.class.name());
    Ok(Linear { class, features, scaling: scaler.scaling(width)?, ..model })
}
