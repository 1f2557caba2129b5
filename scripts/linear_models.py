"""Every model of scikit-learn's that is read from a pickle, fitted: for scripts/pickle-fixtures.py, which runs under old
versions, and for scripts/foreign-models.py, which runs under today's."""

import warnings

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    HuberRegressor,
    Lars,
    LarsCV,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsCV,
    LassoLarsIC,
    LinearRegression,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    OrthogonalMatchingPursuit,
    OrthogonalMatchingPursuitCV,
    PassiveAggressiveRegressor,
    QuantileRegressor,
    RANSACRegressor,
    Ridge,
    RidgeCV,
    SGDRegressor,
    TheilSenRegressor,
)
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVR


def fitted(frame, y):
    """Pairs of a short name and a model fitted on a DataFrame's numbers, or on the DataFrame itself."""
    from scipy.stats import loguniform

    x = frame.to_numpy()
    seed = {"random_state": 1}
    many = {"max_iter": 10_000}
    plain = [
        LinearRegression(),
        Ridge(alpha=0.5),
        RidgeCV([0.01, 0.1, 1.0]),
        Lasso(alpha=0.01),
        LassoCV(cv=KFold(3, shuffle=True, **seed), **many),
        ElasticNet(alpha=0.01, l1_ratio=0.3),
        ElasticNetCV(l1_ratio=[0.3, 0.7], n_alphas=5, cv=3, **many)
        if "n_alphas" in ElasticNetCV().get_params()
        else ElasticNetCV(l1_ratio=[0.3, 0.7], alphas=5, cv=3, **many),
        BayesianRidge(compute_score=True),
        ARDRegression(),
        HuberRegressor(**many),
        SGDRegressor(**seed),
        SGDRegressor(loss="huber", average=True, random_state=np.random.RandomState(1)),
        SGDRegressor(loss="squared_epsilon_insensitive", **seed),
        Lars(),
        LarsCV(cv=3),
        LassoLars(alpha=0.01),
        LassoLarsCV(cv=3),
        LassoLarsIC(),
        OrthogonalMatchingPursuit(n_nonzero_coefs=2),
        OrthogonalMatchingPursuitCV(cv=3),
        # Its first default is a solver that newer SciPys do not have.
        QuantileRegressor(alpha=0.01, solver="highs"),
        TheilSenRegressor(max_subpopulation=200, **seed),
        PassiveAggressiveRegressor(**seed),
        RANSACRegressor(**seed),
        LinearSVR(C=100.0, **many, **seed),
        GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=3),
        GridSearchCV(Lasso(), [{"alpha": [0.1]}, {"max_iter": [500]}], scoring="neg_mean_squared_error", cv=KFold(3)),
        RandomizedSearchCV(Ridge(), {"alpha": loguniform(0.01, 10)}, n_iter=2, cv=3, random_state=np.random.RandomState(1)),
        HalvingGridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=3, **seed),
        HalvingRandomSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=3, **seed),
        make_pipeline(MinMaxScaler(), LinearRegression()),
        make_pipeline(MinMaxScaler((-1, 3)), Ridge()),
        make_pipeline(MaxAbsScaler(), Lasso(alpha=0.1)),
        make_pipeline(RobustScaler(), HuberRegressor(**many)),
        make_pipeline(RobustScaler(with_centering=False), Ridge()),
        make_pipeline(RobustScaler(with_scaling=False, unit_variance=True), Ridge()),
        make_pipeline(StandardScaler(), MinMaxScaler(), RobustScaler(), MaxAbsScaler(), SGDRegressor(**seed)),
        make_pipeline(FunctionTransformer(), "passthrough", StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(), Pipeline([("scale", MinMaxScaler()), ("model", LinearSVR(**many, **seed))])),
        GridSearchCV(make_pipeline(StandardScaler(), ElasticNet()), {"elasticnet__alpha": [0.1, 1.0]}, cv=3),
        make_pipeline(StandardScaler(), GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=3)),
        TransformedTargetRegressor(Ridge()),
        TransformedTargetRegressor(LinearRegression(), transformer=StandardScaler()),
        TransformedTargetRegressor(LinearRegression(), transformer=MinMaxScaler()),
        TransformedTargetRegressor(make_pipeline(StandardScaler(), Lasso(0.01)), transformer=RobustScaler()),
    ]
    one_column = [
        MultiTaskLasso(alpha=0.01),
        MultiTaskLassoCV(cv=3, **many),
        MultiTaskElasticNet(alpha=0.01),
        MultiTaskElasticNetCV(cv=3, **many),
    ]
    on_frame = [
        LassoCV(cv=3, **many),
        make_pipeline(RobustScaler(), MinMaxScaler(), BayesianRidge()),
        GridSearchCV(make_pipeline(MaxAbsScaler(), Ridge()), {"ridge__alpha": [0.1, 1.0]}, cv=3),
        TransformedTargetRegressor(Ridge(), transformer=MaxAbsScaler()),
        RANSACRegressor(**seed),
    ]
    pairs = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for models, rows, labels in [(plain, x, y), (one_column, x, y.reshape(-1, 1)), (on_frame, frame, y)]:
            for model in models:
                pairs.append((f"{len(pairs):02}-{short(model)}", model.fit(rows, labels)))
    return pairs


def short(model):
    inner = [step for _, step in model.steps] if isinstance(model, Pipeline) else []
    return "-".join(step if isinstance(step, str) else type(step).__name__ for step in [model, *inner]).lower()
