#!/usr/bin/env python3
"""Writes evaluation/tests/reference.json: scores and intervals as scikit-learn, scipy and numpy have them.

A least squares fit of the first 354 rows of data/diabetes.csv predicts all rows.
The scores are of all rows, of those that the fit has not seen, of the last 100, and of all counted from 150.

The committed file was made with Python 3.11 and these versions:

    pip install scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1

    python3 scripts/evaluation-reference.py

A second run with the same versions gives the same numbers, but for their last
digits, which may depend on the linear algebra library of the machine.
"""

import json
from pathlib import Path

import numpy
from scipy import stats
from sklearn import metrics

ROOT = Path(__file__).resolve().parent.parent
FITTED = 354


def window_half(x):
    """Half the width of a mean's 95 % interval: scipy's, of the rows and of 20 batches."""
    def half(sample):
        low, high = stats.t.interval(0.95, len(sample) - 1, loc=0, scale=stats.sem(sample))
        return (high - low) / 2
    n = len(x)
    cuts = [n * i // 20 for i in range(1, 20)]
    batches = [part.mean() for part in numpy.split(x, cuts)]
    return max(half(x), half(batches)) if n >= 100 else half(x)


def around(mean, half):
    return [mean * numpy.exp(-half / mean), mean * numpy.exp(half / mean)]


def r2_influence(y, p):
    """How R2 follows the weight of each row, by a difference and not by a formula."""
    n, step = len(y), 1e-3

    def at(row, change):
        weights = numpy.ones(n)
        weights[row] += change
        return metrics.r2_score(y, p, sample_weight=weights)
    return numpy.array([(at(row, step) - at(row, -step)) / (2 * step) * n for row in range(n)])


def case(name, y, p, constant):
    e = p - y
    absolute = numpy.abs(e)
    far = y != 0
    r2 = metrics.r2_score(y, p)
    root = numpy.sqrt(around(numpy.mean(e**2), window_half(e**2)))
    bias = window_half(e)
    lacks = around(1 - r2, window_half(r2_influence(y, p)))
    naive = numpy.abs(y[3:] - y[:-3])
    return {
        "name": name,
        "y_true": y.tolist(),
        "y_pred": p.tolist(),
        "constant": constant,
        "mae": metrics.mean_absolute_error(y, p),
        "rmse": metrics.root_mean_squared_error(y, p),
        "bias": e.mean(),
        "r2": r2,
        "quantiles": numpy.quantile(absolute, [0.5, 0.9, 0.99]).tolist(),
        "max": metrics.max_error(y, p),
        "wape": absolute.sum() / numpy.abs(y).sum(),
        "mape": metrics.mean_absolute_percentage_error(y[far], p[far]),
        "smape": numpy.mean(2 * absolute / (numpy.abs(y) + numpy.abs(p))),
        "skill_to_constant": 1 - absolute.sum() / numpy.abs(y - constant).sum(),
        "skill_to_persistence": 1 - absolute[3:].sum() / naive.sum(),
        "label_sd": numpy.std(y, ddof=1),
        "deviations": [numpy.std(x, ddof=1) for x in (absolute, e, e**2)],
        "mae_interval": around(absolute.mean(), window_half(absolute)),
        "rmse_interval": root.tolist(),
        "bias_interval": [e.mean() - bias, e.mean() + bias],
        "r2_interval": [1 - lacks[1], 1 - lacks[0]],
    }


def main():
    table = numpy.loadtxt(ROOT / "data" / "diabetes.csv", delimiter=",", skiprows=1)
    x, y = numpy.column_stack([numpy.ones(len(table)), table[:, :-1]]), table[:, -1]
    weights, *_ = numpy.linalg.lstsq(x[:FITTED], y[:FITTED], rcond=None)
    p = x @ weights
    constant = float(numpy.median(y[:FITTED]))
    cases = [
        case("all rows", y, p, constant),
        case("rows that the fit has not seen", y[FITTED:], p[FITTED:], constant),
        case("the last 100", y[-100:], p[-100:], constant),
        case("around zero", y - 150, p - 150, constant - 150),
    ]
    degrees = [1, 2, 9, 19, 29, 47, 99, 199, 200, 201, 499, 9999, 99_999, 10**9]
    reference = {
        "cases": cases,
        "student": [[d, float(stats.t.ppf(0.975, d))] for d in degrees],
    }
    to = ROOT / "evaluation" / "tests" / "reference.json"
    to.write_text(json.dumps(reference, default=float) + "\n")


if __name__ == "__main__":
    main()
