//! An estimator's attributes, read as what they should be and refused as what they are.

use std::collections::BTreeMap;

use shared::printable::piece;

use super::PickledLinear;
use super::classes::Class;
use super::error::PickleError;
use super::numpy::{Array, Data, Shape};
use super::value::{Arena, Handle, Node};

/// The most steps of a pipeline that are looked at.
const MAX_STEPS: usize = 64;

/// An estimator with its attributes.
#[derive(Clone, Copy)]
pub(super) struct Estimator<'m> {
    arena: &'m Arena<'m>,
    pub(super) class: Class,
    attributes: &'m [(Handle, Handle)],
}

/// A step of a pipeline.
pub(super) struct Step<'m> {
    pub(super) name: String,
    /// None where rows pass as they are.
    pub(super) estimator: Option<Estimator<'m>>,
}

impl<'m> Estimator<'m> {
    pub(super) fn new(arena: &'m Arena<'m>, handle: Handle) -> Option<Self> {
        match &arena[handle] {
            Node::Object(class, attributes) => {
                Some(Self { arena, class: *class, attributes: attributes.as_deref().unwrap_or_default() })
            }
            _ => None,
        }
    }

    fn get(&self, name: &str) -> Option<Handle> {
        self.arena.entry(self.attributes, name)
    }

    /// The value of an attribute, if there is one.
    pub(super) fn value(&self, name: &str) -> Option<&'m Node<'m>> {
        self.get(name).map(|handle| &self.arena[handle])
    }

    /// An attribute that is a fitted estimator.
    pub(super) fn inner(&self, name: &str) -> Result<Estimator<'m>, PickleError> {
        let handle = self.get(name).ok_or_else(|| {
            let class = self.class.name;
            PickleError::model(format!(
                "the {class} has no {name}; fit it (with refit, if it searches) before it is saved"
            ))
        })?;
        Estimator::new(self.arena, handle).ok_or_else(|| {
            let (class, kind) = (self.class.name, self.arena[handle].kind());
            PickleError::model(format!(
                "{name} of the {class} is {kind}, not a model; save the fitted model alone"
            ))
        })
    }

    /// The steps of a pipeline.
    pub(super) fn steps(&self) -> Result<Vec<Step<'m>>, PickleError> {
        match self.value("steps") {
            Some(Node::List(steps)) if steps.len() <= MAX_STEPS => {
                steps.iter().map(|step| self.step(*step)).collect()
            }
            Some(Node::List(_)) => {
                Err(PickleError::TooLarge { what: "steps in a pipeline", limit: MAX_STEPS })
            }
            _ => Err(PickleError::model("the pipeline has no steps; save a fitted one")),
        }
    }

    fn step(&self, handle: Handle) -> Result<Step<'m>, PickleError> {
        let pair = match &self.arena[handle] {
            Node::Tuple(pair) => pair.as_slice(),
            _ => &[],
        };
        let &[name, step] = pair else {
            return Err(PickleError::model("the steps of the pipeline are not pairs; fit it again"));
        };
        let name = piece(self.arena.text(name).unwrap_or("?"));
        match &self.arena[step] {
            Node::None | Node::Text("passthrough") => Ok(Step { name, estimator: None }),
            other => match Estimator::new(self.arena, step) {
                Some(estimator) => Ok(Step { name, estimator: Some(estimator) }),
                None => Err(PickleError::model(format!(
                    "step {name} of the pipeline is {}; leave it out and fit the pipeline again",
                    other.kind()
                ))),
            },
        }
    }

    /// What a linear estimator was fitted to.
    pub(super) fn regression(&self) -> Result<PickledLinear, PickleError> {
        let coefficients = self.weights()?;
        let intercept = self.intercept()?;
        self.check_width(coefficients.len())?;
        let mut parameters = BTreeMap::new();
        for name in ["alpha", "l1_ratio"] {
            // With cross-validation, the one that was found.
            let found = if self.class.name.ends_with("CV") { format!("{name}_") } else { name.to_owned() };
            if let Some(number) = self.get(&found).and_then(|handle| self.number(handle)) {
                parameters.insert(name.to_owned(), number);
            }
        }
        let version = self.get("_sklearn_version").and_then(|handle| self.arena.text(handle));
        Ok(PickledLinear {
            class: self.class.name.to_owned(),
            library_version: version.map(piece),
            features: self.features(coefficients.len())?,
            scaling: None,
            coefficients,
            intercept,
            parameters,
        })
    }

    fn weights(&self) -> Result<Vec<f64>, PickleError> {
        let array = self.array("coef_")?;
        let targets = match array.shape {
            Shape::Matrix(targets, _) => targets,
            Shape::Vector(_) => 1,
            Shape::Single | Shape::Deeper(_) => 0,
        };
        if targets > 1 {
            let why = format!("it predicts {targets} targets, expected one; fit a model for one target");
            return Err(PickleError::model(why));
        }
        let weights = self.floats(array, "coef_")?;
        if targets == 0 || weights.is_empty() {
            return Err(PickleError::model("it has no weights (coef_ is empty); fit it again"));
        }
        Ok(weights)
    }

    fn intercept(&self) -> Result<f64, PickleError> {
        let not_one = || PickleError::model("intercept_ is not one number; fit the model for one target");
        let handle = self.get("intercept_").ok_or_else(|| self.unfitted())?;
        match &self.arena[handle] {
            Node::Array(array) => match *self.floats(array, "intercept_")? {
                [intercept] => Ok(intercept),
                _ => Err(not_one()),
            },
            _ => {
                let intercept = self.number(handle).ok_or_else(not_one)?;
                finite(&[intercept], "intercept_").map(|()| intercept)
            }
        }
    }

    /// A number for each of `width` columns.
    pub(super) fn columns(&self, name: &str, width: usize) -> Result<Vec<f64>, PickleError> {
        let numbers = self.floats(self.array(name)?, name)?;
        if numbers.len() == width {
            return Ok(numbers);
        }
        let why = format!("{name} has {} numbers for {width} weights; fit the pipeline again", numbers.len());
        Err(PickleError::model(why))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, PickleError> {
        match self.value(name) {
            Some(Node::Bool(flag)) => Ok(*flag),
            _ => Err(PickleError::model(format!("{name} is neither True nor False; fit the pipeline again"))),
        }
    }

    pub(super) fn features(&self, width: usize) -> Result<Option<Vec<String>>, PickleError> {
        let Some(handle) = self.get("feature_names_in_") else { return Ok(None) };
        let wrong =
            || PickleError::model(format!("feature_names_in_ is not {width} names; fit it on named columns"));
        let Node::Array(array) = &self.arena[handle] else { return Err(wrong()) };
        let (Data::Objects(names), Shape::Vector(_)) = (&array.data, array.shape) else {
            return Err(wrong());
        };
        if names.len() != width {
            return Err(wrong());
        }
        let names: Option<_> = names.iter().map(|name| self.arena.text(*name).map(str::to_owned)).collect();
        names.map(Some).ok_or_else(wrong)
    }

    pub(super) fn check_width(&self, width: usize) -> Result<(), PickleError> {
        // Versions before 0.23 do not say it.
        let Some(handle) = self.get("n_features_in_") else { return Ok(()) };
        match self.arena[handle] {
            Node::Int(said) if usize::try_from(said) == Ok(width) => Ok(()),
            Node::Int(said) => {
                let why = format!("n_features_in_ is {said} and there are {width} weights; fit it again");
                Err(PickleError::model(why))
            }
            _ => Err(PickleError::model("n_features_in_ is not an int; fit it again")),
        }
    }

    /// A Python number or a numpy scalar.
    fn number(&self, handle: Handle) -> Option<f64> {
        match self.arena[handle] {
            Node::Float(number) => Some(number),
            // Larger ones would be rounded, and are no plausible setting.
            Node::Int(number) => i32::try_from(number).ok().map(f64::from),
            _ => None,
        }
    }

    fn array(&self, name: &str) -> Result<&'m Array<'m>, PickleError> {
        match self.value(name) {
            Some(Node::Array(array)) => Ok(array),
            None => Err(self.unfitted()),
            Some(other) => {
                let kind = other.kind();
                Err(PickleError::model(format!("{name} is {kind}, not an array; fit the model again")))
            }
        }
    }

    fn unfitted(&self) -> PickleError {
        PickleError::model(format!("the {} is not fitted; fit it before it is saved", self.class.name))
    }

    /// All elements of an array, which must be finite doubles or floats.
    fn floats(&self, array: &Array<'m>, name: &str) -> Result<Vec<f64>, PickleError> {
        let bytes = match array.data {
            Data::Raw(raw) => Some(raw),
            Data::Bytes(handle) => match &self.arena[handle] {
                Node::Bytes(bytes) => Some(&**bytes),
                _ => None,
            },
            Data::Objects(_) => None,
        };
        let numbers = bytes.and_then(|bytes| array.dtype.floats(bytes)).ok_or_else(|| {
            let code = array.dtype.code();
            PickleError::model(format!("{name} is of type {code}, not f8 or f4; fit the model on floats"))
        })?;
        finite(&numbers, name).map(|()| numbers)
    }
}

/// Holds numbers to being finite; otherwise says which is not.
pub(super) fn finite(numbers: &[f64], name: &str) -> Result<(), PickleError> {
    match numbers.iter().enumerate().find(|(_, number)| !number.is_finite()) {
        None => Ok(()),
        Some((at, number)) => {
            Err(PickleError::model(format!("{name}[{at}] is {number}; fit the model on finite numbers")))
        }
    }
}
