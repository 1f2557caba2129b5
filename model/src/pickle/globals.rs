//! The short list of functions and classes that a pickle may name, and what is said of all others.

use super::error::{PickleError, printable};

/// What a pickle may name. None of it is the Python function: each has a meaning in `meaning`, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// Makes an array that BUILD fills.
    Reconstruct,
    /// Makes an array from bytes.
    FromBuffer,
    /// Makes a numpy scalar.
    Scalar,
    /// The class of arrays.
    Ndarray,
    /// Makes a dtype.
    Dtype,
    /// Protocol 2 has no bytes: they are text that is encoded as Latin-1.
    Encode,
    /// Makes an object, as NEWOBJ does.
    Reconstructor,
    /// The base class that `Reconstructor` is given.
    Object,
    /// joblib's place-holder for an array.
    Wrapper,
    /// An estimator.
    Class(Class),
}

/// The estimators that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    LinearRegression,
    Ridge,
    Lasso,
    ElasticNet,
    StandardScaler,
    Pipeline,
}

impl Class {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LinearRegression => "LinearRegression",
            Self::Ridge => "Ridge",
            Self::Lasso => "Lasso",
            Self::ElasticNet => "ElasticNet",
            Self::StandardScaler => "StandardScaler",
            Self::Pipeline => "Pipeline",
        }
    }

    /// Whether it predicts by weights of its own.
    pub(super) fn is_regression(self) -> bool {
        matches!(self, Self::LinearRegression | Self::Ridge | Self::Lasso | Self::ElasticNet)
    }
}

/// The list: modules by their names through the years, name, meaning.
/// numpy 2 renamed `core`, scikit-learn 0.22 put an underscore before modules and then dropped its copy of joblib,
/// and protocol 2 uses the names of Python 2.
const LIST: [(&[&str], &str, Global); 15] = [
    (&["numpy._core.multiarray", "numpy.core.multiarray"], "_reconstruct", Global::Reconstruct),
    (&["numpy._core.multiarray", "numpy.core.multiarray"], "scalar", Global::Scalar),
    (&["numpy._core.numeric", "numpy.core.numeric"], "_frombuffer", Global::FromBuffer),
    (&["numpy"], "ndarray", Global::Ndarray),
    (&["numpy"], "dtype", Global::Dtype),
    (&["_codecs"], "encode", Global::Encode),
    (&["copyreg", "copy_reg"], "_reconstructor", Global::Reconstructor),
    (&["builtins", "__builtin__"], "object", Global::Object),
    (&["joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle"], "NumpyArrayWrapper", Global::Wrapper),
    (
        &["sklearn.linear_model._base", "sklearn.linear_model.base"],
        "LinearRegression",
        Global::Class(Class::LinearRegression),
    ),
    (&["sklearn.linear_model._ridge", "sklearn.linear_model.ridge"], "Ridge", Global::Class(Class::Ridge)),
    (
        &["sklearn.linear_model._coordinate_descent", "sklearn.linear_model.coordinate_descent"],
        "Lasso",
        Global::Class(Class::Lasso),
    ),
    (
        &["sklearn.linear_model._coordinate_descent", "sklearn.linear_model.coordinate_descent"],
        "ElasticNet",
        Global::Class(Class::ElasticNet),
    ),
    (
        &["sklearn.preprocessing._data", "sklearn.preprocessing.data"],
        "StandardScaler",
        Global::Class(Class::StandardScaler),
    ),
    (&["sklearn.pipeline"], "Pipeline", Global::Class(Class::Pipeline)),
];

/// Looks a name up. Both halves must be on the list to the letter: no attribute is ever looked for, so a dotted name
/// leads nowhere.
pub(super) fn find(module: &str, name: &str) -> Result<Global, PickleError> {
    let listed = LIST.iter().find(|(modules, listed, _)| *listed == name && modules.contains(&module));
    match listed {
        Some((_, _, global)) => Ok(*global),
        None => Err(refusal(module, name)),
    }
}

fn refusal(module: &str, name: &str) -> PickleError {
    if module == "joblib.numpy_pickle" && matches!(name, "NDArrayWrapper" | "ZNDArrayWrapper") {
        return PickleError::UnsupportedFormat { what: "a file of joblib 0.9 or older" };
    }
    let dotted = printable(module.chars().chain(['.']).chain(name.chars()));
    if is_estimator(module, name) {
        return PickleError::UnsupportedClass { class: dotted };
    }
    PickleError::RefusedGlobal { name: dotted }
}

/// Whether it looks like a model, so that exporting it makes sense.
fn is_estimator(module: &str, name: &str) -> bool {
    let library = module.split('.').next().unwrap_or_default();
    matches!(library, "sklearn" | "xgboost" | "lightgbm" | "catboost")
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric())
}
