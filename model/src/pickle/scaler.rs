//! The transformers that take something off each column and divide the rest, as one scaling.

use super::classes::Scaler;
use super::error::PickleError;
use super::estimator::{Estimator, finite};
use super::value::Node;
use crate::advice;
use crate::linear::Scaling;

impl Estimator<'_> {
    /// What it does to rows of `width` columns; none where it leaves them as they are.
    pub(super) fn scaling(&self, kind: Scaler, width: usize) -> Result<Option<Scaling>, PickleError> {
        let columns = |name: &str| self.columns(name, width);
        let (mean, scale) = match kind {
            Scaler::Standard => self.chosen(width, ["with_mean", "mean_"], ["with_std", "scale_"])?,
            Scaler::Robust => {
                self.chosen(width, ["with_centering", "center_"], ["with_scaling", "scale_"])?
            }
            Scaler::MaxAbs => (vec![0.0; width], columns("scale_")?),
            Scaler::MinMax => {
                if matches!(self.value("clip"), Some(Node::Bool(true))) {
                    return Err(PickleError::model(format!(
                        "the MinMaxScaler clips (clip=True), which is not supported; fit it without, or export it to ONNX: {}",
                        advice::SKLEARN
                    )));
                }
                // x * scale_ + min_, said as the others do.
                let (factor, added) = (columns("scale_")?, columns("min_")?);
                not_zero(&factor)?;
                let mean = added.iter().zip(&factor).map(|(added, factor)| -added / factor).collect();
                (mean, factor.iter().map(|factor| 1.0 / factor).collect())
            }
            Scaler::Function => match self.function("func")? {
                None => return Ok(None),
                Some(function) => {
                    return Err(PickleError::model(format!(
                        "the FunctionTransformer applies {function}, which is not supported; apply it to the features before they are sent, and fit the model to those"
                    )));
                }
            },
        };
        not_zero(&scale)?;
        if mean.iter().all(|mean| *mean == 0.0) && scale.iter().all(|scale| *scale == 1.0) {
            return Ok(None);
        }
        sound(Scaling { mean, scale }).map(Some)
    }

    /// Two attributes, each used where its flag says so.
    fn chosen(
        &self,
        width: usize,
        [centers, mean]: [&str; 2],
        [divides, scale]: [&str; 2],
    ) -> Result<(Vec<f64>, Vec<f64>), PickleError> {
        let (centers, divides) = (self.flag(centers)?, self.flag(divides)?);
        let used = |used: bool, name: &str, otherwise: f64| {
            if used { self.columns(name, width) } else { Ok(vec![otherwise; width]) }
        };
        Ok((used(centers, mean, 0.0)?, used(divides, scale, 1.0)?))
    }

    /// The function that an attribute names, in words; none where it is None.
    pub(super) fn function(&self, name: &str) -> Result<Option<&'static str>, PickleError> {
        match self.value(name) {
            None | Some(Node::None) => Ok(None),
            Some(Node::Global(super::globals::Global::Function(function))) => Ok(Some(function)),
            Some(other) => {
                let (class, kind) = (self.class.name, other.kind());
                Err(PickleError::model(format!(
                    "{name} of the {class} is {kind}; fit it again, without {name}"
                )))
            }
        }
    }
}

/// One scaling after another, as one.
pub(super) fn composed(
    first: Option<Scaling>,
    then: Option<Scaling>,
) -> Result<Option<Scaling>, PickleError> {
    let (first, then) = match (first, then) {
        (Some(first), Some(then)) => (first, then),
        (first, then) => return Ok(first.or(then)),
    };
    // ((x - m) / s - n) / t = (x - (m + s n)) / (s t)
    let pairs = || first.mean.iter().zip(&first.scale).zip(then.mean.iter().zip(&then.scale));
    sound(Scaling {
        mean: pairs().map(|((mean, scale), (next, _))| mean + scale * next).collect(),
        scale: pairs().map(|((_, scale), (_, next))| scale * next).collect(),
    })
    .map(Some)
}

fn not_zero(scale: &[f64]) -> Result<(), PickleError> {
    match scale.iter().position(|scale| *scale == 0.0) {
        None => Ok(()),
        Some(at) => Err(PickleError::model(format!("scale_[{at}] is zero; fit the pipeline again"))),
    }
}

/// Numbers that are each finite can be too much together.
fn sound(scaling: Scaling) -> Result<Scaling, PickleError> {
    not_zero(&scaling.scale)?;
    finite(&scaling.scale, "scale_")?;
    finite(&scaling.mean, "mean_").map(|()| scaling)
}
