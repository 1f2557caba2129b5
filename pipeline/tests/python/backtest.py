"""Recomputes with pandas what `model backtest --json` says: backtest.py MODEL.json TABLE REPORT.json."""

import json
import math
import sys

import numpy
import pandas

NEAR = 1e-9
ALPHA = 0.05
BEST = 500


def batch_deviation(differences):
    """The long-run deviation from means of batches that double, as docs/evaluation.md has it."""
    size, means, batch = 1, [], []
    for difference in differences:
        if len(means) >= 64:
            means = [(a + b) / 2 for a, b in zip(means[::2], means[1::2])]
            size *= 2
        batch.append(difference)
        if len(batch) >= size:
            means.append(math.fsum(batch) / size)
            batch = []
    return math.sqrt(size) * numpy.std(means, ddof=1) if len(means) > 1 else 0.0


def half(rows, alpha):
    """How far the bounds are from the mean difference."""
    n = len(rows)
    difference = rows.new_error - rows.served_error
    spread = max(
        difference.std(ddof=1) if n > 1 else 0.0,
        batch_deviation(difference),
        math.sqrt(((rows.new - rows.y_pred) ** 2).mean()),
    )
    a = -2 * math.log(2 * alpha)
    rho2 = (a + math.log1p(a)) / BEST
    v = n * rho2 + 1
    return spread * math.sqrt(2 * v / (n * n * rho2) * math.log1p(math.sqrt(v) / (2 * alpha)))


def near(what, got, want):
    assert got is not None and abs(got - want) <= NEAR * max(1, abs(want)), f"{what}: {got}, pandas has {want}"


def check(what, report, rows, alpha):
    assert report["rows"] == len(rows), f"{what}: {report['rows']} rows, pandas has {len(rows)}"
    new, served = rows.new_error.mean(), rows.served_error.mean()
    near(f"{what}, mae_new", report["mae_new"], new)
    near(f"{what}, mae_served", report["mae_served"], served)
    near(f"{what}, difference", report["difference"], new - served)
    near(f"{what}, percent", report["percent"], 100 * (new - served) / served)
    if len(rows) < 10:
        assert report["interval"] is None, what
        return
    width = half(rows, alpha)
    near(f"{what}, low", report["interval"]["low"], new - served - width)
    near(f"{what}, high", report["interval"]["high"], new - served + width)
    low, high = new - served - width, new - served + width
    finding = (
        "undecided" if len(rows) < 50
        else "worse" if low > 0
        else "better" if high < 0
        else "not_worse" if high < 0.05 * served
        else "undecided"
    )
    assert report["finding"] == finding, f"{what}: {report['finding']}, pandas has {finding}"


def main():
    model_file, table_file, report_file = sys.argv[1:]
    with open(model_file) as file:
        model = json.load(file)
    with open(report_file) as file:
        report = json.load(file)
    rows = pandas.read_csv(table_file, float_precision="round_trip")
    columns = [column for column in rows if column.startswith("feature_")]
    rows["new"] = rows[columns].to_numpy() @ numpy.array(model["coefficients"]) + model["intercept"]
    rows["new_error"] = (rows.new - rows.y_true).abs()
    rows["served_error"] = (rows.y_pred - rows.y_true).abs()
    check("all rows", report, rows, ALPHA)

    slices = report["slices"]
    names = dict(zip(model["features"], columns))
    for one in slices:
        values = rows[names[one["feature"]]]
        inside = (values >= (-math.inf if one["from"] is None else one["from"])) & (
            values < (math.inf if one["to"] is None else one["to"])
        )
        check(f"{one['feature']} from {one['from']} to {one['to']}", one, rows[inside], ALPHA / len(slices))
    features = {one["feature"] for one in slices}
    for feature in features:
        counted = sum(one["rows"] for one in slices if one["feature"] == feature)
        assert counted == len(rows), f"{feature}: {counted} rows in its slices"
    assert features == set(model["features"]), features
    print(f"{len(rows)} rows and {len(slices)} slices are as pandas has them")


main()
