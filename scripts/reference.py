#!/usr/bin/env python3
"""Writes data/diabetes.csv and model/tests/fixtures/reference.json.

The JSON file holds scikit-learn's answers, which the Rust tests compare with:
an ordinary least squares fit of the whole data set, and the mean absolute
error, root mean squared error and R2 of some small hand-picked and random
cases. Nothing here runs in the pipeline itself.

The committed files were made with Python 3.11 and these versions:

    pip install scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1

    python3 scripts/reference.py

The random rows come from a fixed seed, so a second run with the same versions
gives the same files, but for the last digits of the fit, which may depend on
the linear algebra library of the machine.
"""

import json
import platform
import random
from pathlib import Path

import numpy
import scipy
import sklearn
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

ROOT = Path(__file__).resolve().parent.parent
CSV_FILE = ROOT / "data" / "diabetes.csv"
JSON_FILE = ROOT / "model" / "tests" / "fixtures" / "reference.json"


def scores(y_true, y_pred):
    return {
        "mae": float(mean_absolute_error(y_true, y_pred)),
        "rmse": float(root_mean_squared_error(y_true, y_pred)),
        "r2": float(r2_score(y_true, y_pred)),
    }


def ols(x, y):
    fit = LinearRegression().fit(x, y)
    predictions = fit.predict(x)
    return {
        "coefficients": fit.coef_.tolist(),
        "intercept": float(fit.intercept_),
        "predictions": predictions.tolist(),
        **scores(y, predictions),
    }


def score_cases():
    rng = random.Random(20040401)

    def noisy(n, centre, spread, noise):
        y_true = [centre + spread * rng.uniform(-1, 1) for _ in range(n)]
        return y_true, [y + noise * rng.uniform(-1, 1) for y in y_true]

    cases = {
        # Sums of squares cancel here: only a two-pass or Welford sum is right.
        "large offset, small spread": noisy(40, 1e9, 0.5, 0.1),
        "tiny values": noisy(30, 0.0, 1e-9, 3e-10),
        "1000 random rows": noisy(1000, 150.0, 125.0, 60.0),
        "two rows": ([3.0, -0.5], [2.5, 0.0]),
        "perfect predictions": ([1.5, -2.25, 1e6, 0.1], [1.5, -2.25, 1e6, 0.1]),
        "constant prediction, the mean": ([1.0, 2.0, 4.0, 9.0], [4.0] * 4),
        "constant prediction, off the mean": ([151.0, 75.0, 141.0, 206.0, 135.0], [150.0] * 5),
        "negative r2": ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]),
    }
    return [
        {"name": name, "y_true": y_true, "y_pred": y_pred, **scores(y_true, y_pred)}
        for name, (y_true, y_pred) in cases.items()
    ]


def pretty(value, indent=0):
    """JSON with a line for each key, and each array of numbers on one line."""
    if isinstance(value, dict):
        rows = [f"{json.dumps(key)}: {pretty(item, indent + 1)}" for key, item in value.items()]
        brackets = "{}"
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        rows = [pretty(item, indent + 1) for item in value]
        brackets = "[]"
    else:
        return json.dumps(value, allow_nan=False)
    pad = "  " * indent
    body = ",\n".join(f"{pad}  {row}" for row in rows)
    return f"{brackets[0]}\n{body}\n{pad}{brackets[1]}"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii", newline="\n")


def main():
    data = load_diabetes()
    x, y = data.data, data.target

    lines = [",".join([*data.feature_names, "target"])]
    for row, label in zip(x.tolist(), y.tolist()):
        lines.append(",".join(repr(value) for value in [*row, label]))
    write(CSV_FILE, "\n".join(lines) + "\n")

    reference = {
        "versions": {
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "numpy": numpy.__version__,
            "scipy": scipy.__version__,
        },
        "ols": ols(x, y),
        "scores": score_cases(),
    }
    write(JSON_FILE, pretty(reference) + "\n")


if __name__ == "__main__":
    main()
