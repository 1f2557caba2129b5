#!/usr/bin/env python3
"""Writes data/diabetes.csv and the fixtures in model/tests/fixtures that are scikit-learn's answers.

The Rust tests compare with them:

- reference.json: an ordinary least squares fit of the diabetes data set, and
  the mean absolute error, root mean squared error and R2 of some small
  hand-picked and random cases;
- fits.json: the weights of every algorithm, with and without scaling, on
  several data sets that scikit-learn ships, which are written beside it;
- encoded.json: predictions for a table with texts and missing cells, houses.csv,
  by OneHotEncoder(drop="first") and SimpleImputer in front of a fit.

Nothing here runs in the pipeline itself.

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
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_linnerud, load_wine
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROOT = Path(__file__).resolve().parent.parent
CSV_FILE = ROOT / "data" / "diabetes.csv"
FIXTURES = ROOT / "model" / "tests" / "fixtures"


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


def tables():
    """Name, features' names, rows and labels of each data set."""
    diabetes = load_diabetes()
    yield "diabetes", diabetes.feature_names, diabetes.data, diabetes.target
    # Not made for regression, but of features in very different units: alcohol from the rest.
    wine = load_wine()
    yield "wine", wine.feature_names[1:], wine.data[:, 1:], wine.data[:, 0]
    linnerud = load_linnerud()
    yield "linnerud", linnerud.feature_names, linnerud.data, linnerud.target[:, 0]
    # Radius from the rest: features that nearly determine each other.
    cancer = load_breast_cancer()
    names = [name.replace(" ", "_") for name in cancer.feature_names]
    yield "breast_cancer", names[1:], cancer.data[:, 1:], cancer.data[:, 0]


def fits(name, x, y):
    """Each algorithm as exactly as scikit-learn can: to the last step of coordinate descent, ridge by SVD."""
    exact = {"tol": 1e-15, "max_iter": 10_000_000}
    for scale in (False, True):
        scaled = StandardScaler().fit_transform(x) if scale else x
        estimators = [("ols", None, None, LinearRegression())]
        for penalty in (0.1, 1.0):
            estimators += [
                ("ridge", penalty, None, Ridge(alpha=penalty, solver="svd")),
                ("lasso", penalty, None, Lasso(alpha=penalty, **exact)),
                ("elastic-net", penalty, 0.3, ElasticNet(alpha=penalty, l1_ratio=0.3, **exact)),
            ]
        for algorithm, penalty, l1_ratio, estimator in estimators:
            fit = estimator.fit(scaled, y)
            yield {
                "table": name,
                "scale": scale,
                "algorithm": algorithm,
                "penalty": penalty,
                "l1_ratio": l1_ratio,
                "coefficients": fit.coef_.tolist(),
                "intercept": float(fit.intercept_),
                "predictions": fit.predict(scaled)[:20].tolist(),
            }


def houses():
    """Rows of area, heating, rooms, floor (a category that is a number), age, and price. Some numbers are missing."""
    rng = random.Random(20040412)
    worth = {"district": 0.0, "gas": 120.5, "oil": -80.25, "wood, pellets": 33.0}
    rows = []
    for _ in range(80):
        area, heating = round(rng.uniform(20, 200), 1), rng.choice(sorted(worth))
        rooms, floor, age = rng.randint(1, 7), rng.choice([-1, 0, 2, 10]), rng.randint(0, 120)
        price = 30.5 * area + worth[heating] + 210.0 * rooms + 55.0 * floor - 3.25 * age + rng.gauss(0, 40)
        row = [area, heating, rooms, floor, age]
        for column in (0, 2, 4):
            if rng.random() < 0.1:
                row[column] = None
        rows.append([*row, round(price, 2)])
    return rows


def encoded_fits(rows):
    x = numpy.array([row[:-1] for row in rows], dtype=object)
    y = numpy.array([row[-1] for row in rows])
    numbers, categories = [0, 2, 4], [1, 3]
    for column in numbers:
        x[:, column] = [numpy.nan if value is None else float(value) for value in x[:, column]]
    for missing in ("mean", "median"):
        for scale in (False, True):
            for algorithm, penalty, estimator in (
                ("ols", None, LinearRegression()),
                ("ridge", 0.5, Ridge(alpha=0.5, solver="svd")),
            ):
                columns = make_column_transformer(
                    (SimpleImputer(strategy=missing), numbers),
                    (OneHotEncoder(drop="first", sparse_output=False), categories),
                )
                steps = [columns, *([StandardScaler()] if scale else []), estimator]
                yield {
                    "missing": missing,
                    "scale": scale,
                    "algorithm": algorithm,
                    "penalty": penalty,
                    "predictions": make_pipeline(*steps).fit(x, y).predict(x).tolist(),
                }


def csv_cell(value):
    if value is None:
        return ""
    return f'"{value}"' if isinstance(value, str) else repr(value)


def csv(names, x, y):
    rows = [",".join(repr(value) for value in [*row, label]) for row, label in zip(x.tolist(), y.tolist())]
    return "\n".join([",".join([*names, "target"]), *rows]) + "\n"


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

    write(CSV_FILE, csv(data.feature_names, x, y))
    answers = []
    for name, names, x_of, y_of in tables():
        if name != "diabetes":
            write(FIXTURES / f"{name}.csv", csv(names, x_of, y_of))
        answers += fits(name, x_of, y_of)
    write(FIXTURES / "fits.json", pretty(answers) + "\n")

    rows = houses()
    lines = ["area,heating,rooms,floor,age,price", *(",".join(map(csv_cell, row)) for row in rows)]
    write(FIXTURES / "houses.csv", "\n".join(lines) + "\n")
    write(FIXTURES / "encoded.json", pretty(list(encoded_fits(rows))) + "\n")

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
    write(FIXTURES / "reference.json", pretty(reference) + "\n")


if __name__ == "__main__":
    main()
