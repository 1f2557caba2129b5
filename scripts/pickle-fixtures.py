#!/usr/bin/env python3
"""Writes model/tests/fixtures/pickles: small fits of scikit-learn as pickle and joblib files, what they say, and files to refuse.

    pip install scikit-learn==1.9.1 numpy==2.4.6 joblib==1.6.0 pandas==3.1.1; python scripts/pickle-fixtures.py
    pip install scikit-learn==1.3.2 numpy==1.26.4 joblib==1.1.1 'pandas<2.2'; python scripts/pickle-fixtures.py old

The second adds files of numpy 1 (numpy.core) and of joblib before 1.2 (no padding), in an environment of its own.
"""

import json
import os
import pickle
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler

warnings.simplefilter("ignore", ConvergenceWarning)
HERE = Path(__file__).resolve().parent.parent / "model" / "tests" / "fixtures" / "pickles"
HERE.mkdir(parents=True, exist_ok=True)

# Four features, since the tests damage every byte.
frame = load_diabetes(as_frame=True).data.iloc[:, 1:5]
x, y = frame.to_numpy(), load_diabetes().target
expected = {}
# Run under other versions, it adds files of theirs: scripts/pickle-fixtures.py old
PREFIX = f"{sys.argv[1]}_" if len(sys.argv) > 1 else ""


def save(name, model, how):
    path = HERE / (PREFIX + name)
    if how == "joblib":
        joblib.dump(model, path)
    elif isinstance(how, tuple) or how == "compress":
        joblib.dump(model, path, compress=3 if how == "compress" else how)
    else:
        path.write_bytes(pickle.dumps(model, protocol=how))


def number(value):
    return repr(float(value))


def scaling(steps):
    """What the scalers do together, computed as the reader does, to be the same to the bit."""
    both = None
    for step in reversed(steps):
        width = step.n_features_in_
        if isinstance(step, MinMaxScaler):
            mean, scale = -step.min_ / step.scale_, 1.0 / step.scale_
        elif step.with_mean or step.with_std:
            mean = step.mean_ if step.with_mean else np.zeros(width)
            scale = step.scale_ if step.with_std else np.ones(width)
        else:
            continue
        both = (mean, scale) if both is None else (mean + scale * both[0], scale * both[1])
    return both and {"mean": [number(m) for m in both[0]], "scale": [number(s) for s in both[1]]}


def good(name, model, how):
    save(name, model, how)
    steps = [step for _, step in model.steps if step != "passthrough"] if isinstance(model, Pipeline) else [model]
    last = steps[-1]
    names = [type(step).__name__ for step in steps]
    said = {"class": names[0] if model is last else "Pipeline(" + ", ".join(names) + ")"}
    features = getattr(steps[0], "feature_names_in_", None)
    said["features"] = None if features is None else [str(feature) for feature in features]
    said["coefficients"] = [number(weight) for weight in np.ravel(last.coef_)]
    said["intercept"] = number(np.ravel(last.intercept_)[0])
    said["scaling"] = scaling(steps[:-1])
    said["parameters"] = {
        key: number(value)
        for key, value in vars(last).items()
        if key in ("alpha", "l1_ratio") and isinstance(value, (int, float))
    }
    said["version"] = last.__getstate__()["_sklearn_version"]
    rows = x[:3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said["predictions"] = [number(np.ravel(p)[0]) for p in model.predict(rows[:, : last.n_features_in_])]
    expected[PREFIX + name] = {"model": said}


def swapped(model):
    model.coef_ = model.coef_.astype(">f8")
    return model


def ordered(model):
    model.coef_ = np.asfortranarray(model.coef_)
    return model


def bad(name, model, how, reason, text):
    save(name, model, how)
    expected[PREFIX + name] = {"reason": reason, "text": text}


def finish():
    path = HERE / "expected.json"
    before = json.loads(path.read_text())["files"] if PREFIX else {}
    rows = [[number(value) for value in row] for row in x[:3]]
    path.write_text(json.dumps({"rows": rows, "files": before | expected}, indent=1) + "\n")


for protocol in (2, 3, 4, 5):
    good(f"linear_p{protocol}.pkl", LinearRegression().fit(x, y), protocol)
for protocol in (2, 5):
    good(f"pipeline_p{protocol}.pkl", make_pipeline(StandardScaler(), Ridge()).fit(frame, y), protocol)
good("ridge_frame_p4.pkl", Ridge(alpha=0.5).fit(frame, y), 4)
good("linear.joblib", LinearRegression().fit(x, y), "joblib")
for how, ending in (("joblib", "joblib"), ("compress", "joblib.z")):
    good(f"ridge_frame.{ending}", Ridge(alpha=0.5).fit(frame, y), how)
    good(f"pipeline.{ending}", make_pipeline(StandardScaler(), Ridge()).fit(frame, y), how)
if PREFIX:
    finish()
    sys.exit()

good("big_endian_p5.pkl", swapped(LinearRegression().fit(x, y)), 5)
good("big_endian.joblib", swapped(LinearRegression().fit(x, y)), "joblib")
good("fortran_p2.pkl", ordered(LinearRegression().fit(x, y[:, None])), 2)
good("lasso.joblib", Lasso(alpha=1).fit(x, y), "joblib")
good("elastic_net_p5.pkl", ElasticNet(alpha=0.01, l1_ratio=0.25).fit(x, y), 5)
good("no_intercept_p5.pkl", LinearRegression(fit_intercept=False).fit(x, y), 5)
good("no_intercept.joblib", LinearRegression(fit_intercept=False).fit(x, y), "joblib")
good("float32_p5.pkl", Ridge().fit(x.astype("f4"), y.astype("f4")), 5)
good("float32.joblib", Ridge().fit(x.astype("f4"), y.astype("f4")), "joblib")
good("one_column_target_p5.pkl", LinearRegression().fit(x, y[:, None]), 5)
good("one_column_target.joblib", Ridge().fit(x, y[:, None]), "joblib")
good("without_mean.joblib", make_pipeline(StandardScaler(with_mean=False), Ridge()).fit(x, y), "joblib")
good("without_std_p4.pkl", make_pipeline(StandardScaler(with_std=False), Lasso()).fit(x, y), 4)
good("without_both_p5.pkl", make_pipeline(StandardScaler(with_mean=False, with_std=False), Ridge()).fit(x, y), 5)
good("numpy_alpha_p5.pkl", Ridge(alpha=np.float64(0.25)).fit(x, y), 5)
good("one_feature_p5.pkl", LinearRegression().fit(x[:, 2:3], y), 5)
good("only_step_p5.pkl", make_pipeline(Ridge()).fit(frame, y), 5)
good("min_max_p5.pkl", make_pipeline(MinMaxScaler(), Ridge()).fit(x, y), 5)
good("two_scalers_p5.pkl", make_pipeline(StandardScaler(), StandardScaler(), Ridge()).fit(x, y), 5)
good("passthrough_p5.pkl", make_pipeline("passthrough", Ridge()).fit(x, y), 5)

two = np.column_stack([y, -y])
bad("two_targets_p5.pkl", LinearRegression().fit(x, two), 5, "unsupported_model", "predicts 2 targets")
bad("two_targets.joblib", Ridge().fit(x, two), "joblib", "unsupported_model", "predicts 2 targets")
forest = RandomForestRegressor(n_estimators=2, max_depth=2, random_state=0).fit(x, y)
bad("forest_p5.pkl", forest, 5, "unsupported_class", "RandomForestRegressor")
bad("forest.joblib", forest, "joblib", "unsupported_class", "RandomForestRegressor")
bad("forest_pipeline_p5.pkl", make_pipeline(StandardScaler(), forest).fit(x, y), 5, "unsupported_class", "RandomForestRegressor")
bad("polynomial_p5.pkl", make_pipeline(PolynomialFeatures(2), Ridge()).fit(x, y), 5, "unsupported_class", "PolynomialFeatures")
log = TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp).fit(x, y)
bad("log_target_p5.pkl", log, 5, "unsupported_model", "the log of the label")
bad("logistic_p4.pkl", LogisticRegression().fit(x, y > 100), 4, "unsupported_class", "LogisticRegression")
bad("scaler_p5.pkl", StandardScaler().fit(x), 5, "unsupported_model", "StandardScaler")
bad("unfitted_p5.pkl", Ridge(), 5, "unsupported_model", "not fitted")
broken = Ridge().fit(x, y)
broken.coef_[3] = np.nan
bad("nan_p5.pkl", broken, 5, "unsupported_model", "coef_[3]")
broken = LinearRegression().fit(x, y)
broken.coef_ = broken.coef_.astype("i8")
bad("integers_p5.pkl", broken, 5, "unsupported_model", "i8")
broken = make_pipeline(StandardScaler(), Ridge()).fit(x, y)
broken.steps[0][1].scale_[1] = 0
bad("zero_scale_p5.pkl", broken, 5, "unsupported_model", "scale_[1]")
bad("frame_p5.pkl", pd.DataFrame({"a": [1.0]}), 5, "refused_global", "pandas.DataFrame")
bad("dictionary_p5.pkl", {"model": 1}, 5, "unsupported_model", "dict")
linear = LinearRegression().fit(x, y)
bad("protocol_0.pkl", linear, 0, "unsupported_format", "protocol 0")
bad("protocol_1.pkl", linear, 1, "unsupported_format", "protocol 0 or 1")
for kind in ("gzip", "bz2", "xz", "lzma"):
    bad(f"linear.joblib.{kind}", linear, (kind, 3), "unsupported_format", kind)


class Payload:
    def __reduce__(self):
        return os.system, ("touch PAYLOAD_RAN",)


for protocol in (2, 4):
    bad(f"payload_p{protocol}.pkl", Payload(), protocol, "refused_global", "posix.system")
nested = Ridge().fit(x, y)
nested.coef_ = [nested.coef_, {"x": Payload()}]
bad("payload_nested_p5.pkl", nested, 5, "refused_global", "posix.system")
bad("payload_nested.joblib", nested, "joblib", "refused_global", "posix.system")
hidden = Ridge().fit(frame, y)
hidden.feature_names_in_ = np.array(["a", Payload()], dtype=object)
bad("payload_in_names.joblib", hidden, "joblib", "refused_global", "posix.system")

finish()
