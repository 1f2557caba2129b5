//! An estimator's attributes, read as what they should be and refused as what they are.

use std::collections::BTreeMap;

use super::error::{PickleError, printable};
use super::globals::Class;
use super::numpy::{Array, Data, Shape};
use super::value::{Arena, Handle, Node};
use super::{Linear, Scaling};

/// An estimator with its attributes.
pub(super) struct Estimator<'m> {
    arena: &'m Arena<'m>,
    pub(super) class: Class,
    attributes: &'m [(Handle, Handle)],
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

    /// Up to three steps of a pipeline, which is one more than can be used.
    pub(super) fn steps(&self) -> Result<Vec<(String, Estimator<'m>)>, PickleError> {
        let Some(Node::List(steps)) = self.get("steps").map(|handle| &self.arena[handle]) else {
            return Err(PickleError::model("the pipeline has no steps; save a fitted one"));
        };
        steps.iter().take(3).map(|step| self.step(*step)).collect()
    }

    fn step(&self, handle: Handle) -> Result<(String, Estimator<'m>), PickleError> {
        let pair = match &self.arena[handle] {
            Node::Tuple(pair) => pair.as_slice(),
            _ => &[],
        };
        let &[name, step] = pair else {
            return Err(PickleError::model("the steps of the pipeline are not pairs; fit it anew"));
        };
        let name = printable(self.arena.text(name).unwrap_or("?").chars());
        let kind = match &self.arena[step] {
            // For example "passthrough".
            Node::Text(text) => format!("{:?}", printable(text.chars())),
            other => other.kind().to_owned(),
        };
        let refused = || {
            let why =
                format!("step {name} of the pipeline is {kind}; leave it out and fit the pipeline anew");
            PickleError::model(why)
        };
        Estimator::new(self.arena, step).ok_or_else(refused).map(|step| (name.clone(), step))
    }

    pub(super) fn regression(&self) -> Result<Linear, PickleError> {
        let class = self.class.name();
        let coefficients = self.weights()?;
        let intercept = self.intercept()?;
        self.check_width(coefficients.len())?;
        let mut parameters = BTreeMap::new();
        for name in ["alpha", "l1_ratio"] {
            if let Some(number) = self.get(name).and_then(|handle| self.number(handle)) {
                parameters.insert(name.to_owned(), number);
            }
        }
        let version = self.get("_sklearn_version").and_then(|handle| self.arena.text(handle));
        Ok(Linear {
            class: class.to_owned(),
            library_version: version.map(|version| printable(version.chars())),
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
            Shape::Single => 0,
        };
        if targets > 1 {
            let why = format!("it predicts {targets} targets, and one is needed; fit a model for one target");
            return Err(PickleError::model(why));
        }
        let weights = self.floats(array, "coef_")?;
        if targets == 0 || weights.is_empty() {
            return Err(PickleError::model("it has no weights (coef_ is empty); fit it anew"));
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

    pub(super) fn scaling(&self, width: usize) -> Result<Option<Scaling>, PickleError> {
        let (with_mean, with_std) = (self.flag("with_mean")?, self.flag("with_std")?);
        let numbers = |used: bool, name: &str, otherwise: f64| {
            if !used {
                return Ok(vec![otherwise; width]);
            }
            let numbers = self.floats(self.array(name)?, name)?;
            if numbers.len() == width {
                return Ok(numbers);
            }
            let why =
                format!("{name} has {} numbers for {width} weights; fit the pipeline anew", numbers.len());
            Err(PickleError::model(why))
        };
        let (mean, scale) = (numbers(with_mean, "mean_", 0.0)?, numbers(with_std, "scale_", 1.0)?);
        if let Some(at) = scale.iter().position(|scale| *scale == 0.0) {
            return Err(PickleError::model(format!("scale_[{at}] is zero; fit the pipeline anew")));
        }
        Ok((with_mean || with_std).then_some(Scaling { mean, scale }))
    }

    fn flag(&self, name: &str) -> Result<bool, PickleError> {
        match self.get(name).map(|handle| &self.arena[handle]) {
            Some(Node::Bool(flag)) => Ok(*flag),
            _ => Err(PickleError::model(format!("{name} is neither True nor False; fit the pipeline anew"))),
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
                let why = format!("n_features_in_ is {said} and there are {width} weights; fit it anew");
                Err(PickleError::model(why))
            }
            _ => Err(PickleError::model("n_features_in_ is not an int; fit it anew")),
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
        match self.get(name).map(|handle| &self.arena[handle]) {
            Some(Node::Array(array)) => Ok(array),
            None => Err(self.unfitted()),
            Some(other) => {
                let kind = other.kind();
                Err(PickleError::model(format!("{name} is {kind}, not an array; fit the model anew")))
            }
        }
    }

    fn unfitted(&self) -> PickleError {
        PickleError::model(format!("the {} is not fitted; fit it before it is saved", self.class.name()))
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

fn finite(numbers: &[f64], name: &str) -> Result<(), PickleError> {
    match numbers.iter().enumerate().find(|(_, number)| !number.is_finite()) {
        None => Ok(()),
        Some((at, number)) => {
            Err(PickleError::model(format!("{name}[{at}] is {number}; fit the model on finite numbers")))
        }
    }
}
