//! The estimators of scikit-learn's that are read, and what each is to a prediction.

/// An estimator's class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) name: &'static str,
    pub(super) role: Role,
}

/// What an estimator has to do with a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Predicts features x coef_ + intercept_.
    Linear,
    /// Has the fitted estimator that predicts in this attribute.
    Around(&'static str),
    /// Takes one transformer after the other, and an estimator at the end.
    Pipeline,
    /// Predicts a transformed label and transforms it back.
    TransformedTarget,
    /// Scales a column.
    Scaler(Scaler),
}

/// A transformer that takes something off a number and divides the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scaler {
    Standard,
    MinMax,
    MaxAbs,
    Robust,
    /// Applies a function; none is the identity.
    Function,
}

/// Modules by their names through the years, the classes in them, their role. scikit-learn 0.22 put an underscore before
/// modules.
const CLASSES: [(&[&str], &[&str], Role); 21] = [
    (&["sklearn.linear_model._base", "sklearn.linear_model.base"], &["LinearRegression"], Role::Linear),
    (&["sklearn.linear_model._ridge", "sklearn.linear_model.ridge"], &["Ridge", "RidgeCV"], Role::Linear),
    (
        &["sklearn.linear_model._coordinate_descent", "sklearn.linear_model.coordinate_descent"],
        &[
            "Lasso",
            "LassoCV",
            "ElasticNet",
            "ElasticNetCV",
            "MultiTaskLasso",
            "MultiTaskLassoCV",
            "MultiTaskElasticNet",
            "MultiTaskElasticNetCV",
        ],
        Role::Linear,
    ),
    (
        &["sklearn.linear_model._bayes", "sklearn.linear_model.bayes"],
        &["BayesianRidge", "ARDRegression"],
        Role::Linear,
    ),
    (&["sklearn.linear_model._huber", "sklearn.linear_model.huber"], &["HuberRegressor"], Role::Linear),
    (
        &["sklearn.linear_model._stochastic_gradient", "sklearn.linear_model.stochastic_gradient"],
        &["SGDRegressor"],
        Role::Linear,
    ),
    (
        &["sklearn.linear_model._least_angle", "sklearn.linear_model.least_angle"],
        &["Lars", "LarsCV", "LassoLars", "LassoLarsCV", "LassoLarsIC"],
        Role::Linear,
    ),
    (
        &["sklearn.linear_model._omp", "sklearn.linear_model.omp"],
        &["OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV"],
        Role::Linear,
    ),
    (&["sklearn.linear_model._quantile"], &["QuantileRegressor"], Role::Linear),
    (
        &["sklearn.linear_model._theil_sen", "sklearn.linear_model.theil_sen"],
        &["TheilSenRegressor"],
        Role::Linear,
    ),
    (
        &["sklearn.linear_model._passive_aggressive", "sklearn.linear_model.passive_aggressive"],
        &["PassiveAggressiveRegressor"],
        Role::Linear,
    ),
    (&["sklearn.svm._classes", "sklearn.svm.classes"], &["LinearSVR"], Role::Linear),
    (
        &["sklearn.linear_model._ransac", "sklearn.linear_model.ransac"],
        &["RANSACRegressor"],
        Role::Around("estimator_"),
    ),
    (
        &["sklearn.model_selection._search", "sklearn.model_selection._search_successive_halving"],
        &["GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"],
        Role::Around(BEST),
    ),
    (&["sklearn.pipeline"], &["Pipeline"], Role::Pipeline),
    (&["sklearn.compose._target"], &["TransformedTargetRegressor"], Role::TransformedTarget),
    (SCALERS, &["StandardScaler"], Role::Scaler(Scaler::Standard)),
    (SCALERS, &["MinMaxScaler"], Role::Scaler(Scaler::MinMax)),
    (SCALERS, &["MaxAbsScaler"], Role::Scaler(Scaler::MaxAbs)),
    (SCALERS, &["RobustScaler"], Role::Scaler(Scaler::Robust)),
    (
        &["sklearn.preprocessing._function_transformer"],
        &["FunctionTransformer"],
        Role::Scaler(Scaler::Function),
    ),
];
/// Where scalers are.
const SCALERS: &[&str] = &["sklearn.preprocessing._data", "sklearn.preprocessing.data"];
/// Where a search keeps what it has found.
pub(super) const BEST: &str = "best_estimator_";

/// The class of this name, if it is read.
pub(super) fn find(module: &str, name: &str) -> Option<Class> {
    CLASSES.iter().filter(|(modules, ..)| modules.contains(&module)).find_map(|(_, names, role)| {
        let name = names.iter().find(|listed| **listed == name)?;
        Some(Class { name, role: *role })
    })
}
