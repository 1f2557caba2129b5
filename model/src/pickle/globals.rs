//! The short list of functions and classes that a pickle may name, and what is said of all others.

use shared::printable::printable;

use super::classes::{self, Class};
use super::error::PickleError;

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
    /// A function of numpy's that transforms a label.
    Function(&'static str),
    /// Has to do with how a model was fitted, not with what it predicts. Whatever is made of it is not looked at.
    Fitting,
}

/// The list: modules by their names through the years, name, meaning.
/// numpy 2 renamed `core`, scikit-learn dropped its copy of joblib, and protocol 2 uses the names of Python 2.
const LIST: [(&[&str], &str, Global); 9] = [
    (&["numpy._core.multiarray", "numpy.core.multiarray"], "_reconstruct", Global::Reconstruct),
    (&["numpy._core.multiarray", "numpy.core.multiarray"], "scalar", Global::Scalar),
    (&["numpy._core.numeric", "numpy.core.numeric"], "_frombuffer", Global::FromBuffer),
    (&["numpy"], "ndarray", Global::Ndarray),
    (&["numpy"], "dtype", Global::Dtype),
    (&["_codecs"], "encode", Global::Encode),
    (&["copyreg", "copy_reg"], "_reconstructor", Global::Reconstructor),
    (&["builtins", "__builtin__"], "object", Global::Object),
    (&["joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle"], "NumpyArrayWrapper", Global::Wrapper),
];

/// Where numpy's functions are, by its version.
const NUMPY: [&str; 3] = ["numpy", "numpy.core._multiarray_umath", "numpy._core._multiarray_umath"];
/// The functions that people transform a label by.
const FUNCTIONS: [&str; 10] =
    ["log", "exp", "log1p", "expm1", "log2", "exp2", "log10", "sqrt", "square", "cbrt"];

/// What searches and estimators keep of their fitting: random numbers, splits, scores, losses, distributions to draw
/// settings from. Modules, and what is listed of them; nothing listed is everything that is a plain name.
const FITTING: [(&str, &[&str]); 16] = [
    ("numpy.random._pickle", &["__randomstate_ctor", "__bit_generator_ctor", "__generator_ctor"]),
    ("numpy.random._mt19937", &["MT19937"]),
    ("numpy.random._pcg64", &["PCG64"]),
    ("numpy.random.bit_generator", &["SeedSequence", "__pyx_unpickle_SeedSequence"]),
    ("numpy.ma", &["MaskedArray"]),
    ("numpy.ma.core", &["MaskedArray", "_mareconstruct"]),
    ("sklearn.model_selection._split", &[]),
    ("sklearn.metrics._scorer", SCORERS),
    ("sklearn.metrics.scorer", SCORERS),
    ("sklearn.metrics._regression", &[]),
    ("sklearn.metrics.regression", &[]),
    ("sklearn.linear_model._sgd_fast", LOSSES),
    ("sklearn.linear_model.sgd_fast", LOSSES),
    ("sklearn.utils._metadata_requests", &["MetadataRequest", "MethodMetadataRequest"]),
    ("scipy.stats._distn_infrastructure", &["rv_frozen", "rv_continuous_frozen"]),
    ("scipy.stats._continuous_distns", &[]),
];
/// How searches score.
const SCORERS: &[&str] =
    &["_PassthroughScorer", "_passthrough_scorer", "_Scorer", "_PredictScorer", "_MultimetricScorer"];
/// The losses that SGDRegressor minimises, as versions before 1.6 save them.
const LOSSES: &[&str] = &["SquaredLoss", "Huber", "EpsilonInsensitive", "SquaredEpsilonInsensitive"];

/// Looks a name up. Both halves must be on the list to the letter: no attribute is ever looked for, so a dotted name
/// leads nowhere. `outer` is the class that the whole pickle is about, as far as is known by then.
pub(super) fn find(module: &str, name: &str, outer: Option<Class>) -> Result<Global, PickleError> {
    if let Some((_, _, global)) =
        LIST.iter().find(|(modules, listed, _)| *listed == name && modules.contains(&module))
    {
        return Ok(*global);
    }
    if let Some(class) = classes::find(module, name) {
        return Ok(Global::Class(class));
    }
    if let (true, Some(function)) =
        (NUMPY.contains(&module), FUNCTIONS.iter().find(|listed| **listed == name))
    {
        return Ok(Global::Function(function));
    }
    let fitting = |(listed, names): &(&str, &[&str])| {
        *listed == module && (names.contains(&name) || (names.is_empty() && is_plain(name)))
    };
    if FITTING.iter().any(fitting) { Ok(Global::Fitting) } else { Err(refusal(module, name, outer)) }
}

/// Whether it is one word.
fn is_plain(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn refusal(module: &str, name: &str, outer: Option<Class>) -> PickleError {
    if module == "joblib.numpy_pickle" && matches!(name, "NDArrayWrapper" | "ZNDArrayWrapper") {
        return PickleError::UnsupportedFormat { what: "a file of joblib 0.9 or older" };
    }
    let dotted = printable(&format!("{module}.{name}"));
    if is_estimator(module, name) {
        return PickleError::UnsupportedClass { class: dotted, within: outer.map(|class| class.name) };
    }
    PickleError::RefusedGlobal { name: dotted, within: outer.map(|class| class.name) }
}

/// Whether it looks like a model, so that exporting it makes sense.
fn is_estimator(module: &str, name: &str) -> bool {
    let library = module.split('.').next().unwrap_or_default();
    matches!(library, "sklearn" | "xgboost" | "lightgbm" | "catboost" | "statsmodels")
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && is_plain(name)
}
