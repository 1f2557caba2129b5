"""Holds what `metric` says over HTTP to other people's tools.

Usage: api.py URL LOGS

- The description is valid OpenAPI, and every answer is as it describes it (openapi-spec-validator, jsonschema).
- Schemathesis finds nothing.
- The scores, the lags and the coverage are those that pandas and numpy find in `metric_log.csv` and `labels_log.txt`.

Prints a line for each part; exits 1 with what is wrong.
"""

import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import jsonschema
import numpy
import openapi_spec_validator
import pandas

URL, LOGS = sys.argv[1].rstrip("/"), Path(sys.argv[2])


def ask(path):
    try:
        with urllib.request.urlopen(URL + path) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as why:
        return why.code, json.load(why)


def described(description):
    """Every answer is as it is described."""
    openapi_spec_validator.validate(description)
    count = 0
    for path, methods in description["paths"].items():
        for query in ["", "?model=nobody", "?model=%20"] if "parameters" in methods["get"] else [""]:
            status, value = ask(path + query)
            schema = methods["get"]["responses"][str(status)]["content"]["application/json"]["schema"]
            whole = {**schema, "components": description["components"]}
            jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)
            count += 1
    # A schema that takes anything would say nothing.
    report = ask("/api/v1/report")[1]
    del report["versions"][0]["scores"]["last_rows"]["mae"]
    whole = {"$ref": "#/components/schemas/Report", "components": description["components"]}
    assert not jsonschema.Draft202012Validator(whole).is_valid(report), "a report without a score is valid"
    print(f"described: {count} answers")


def attacked():
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", URL + "/api/v1/openapi.json"]
    command += ["--checks", "all", "--max-examples", "50", "--seed", "15", "--no-color"]
    # It leaves what it remembers where it runs.
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    print("attacked:", next(line.strip() for line in run.stdout.splitlines() if "generated" in line))


def close(name, found, expected, within=1e-9):
    assert abs(found - expected) <= within * max(1.0, abs(expected)), f"{name} is {found}, and by pandas {expected}"


def scores(name, table, rows):
    error = rows.y_pred - rows.y_true
    assert table["rows"] == len(rows), f"{name}: {table['rows']} rows of {len(rows)}"
    close(name + " mae", table["mae"]["value"], error.abs().mean())
    close(name + " rmse", table["rmse"]["value"], (error**2).mean() ** 0.5)
    close(name + " bias", table["bias"]["value"], error.mean())
    close(name + " r2", table["r2"]["value"], 1 - (error**2).sum() / ((rows.y_true - rows.y_true.mean()) ** 2).sum())
    close(name + " wape", table["wape"], error.abs().sum() / rows.y_true.abs().sum())
    close(name + " label_sd", table["label_sd"], rows.y_true.std())
    for share, score in [(0.5, "median"), (0.9, "p90"), (0.99, "p99")]:
        if table["sketched"]:
            # The sketch promises the rank's own number within 1 %.
            exact = error.abs().quantile(share, interpolation="lower"), error.abs().quantile(share, interpolation="higher")
            assert 0.98 * exact[0] <= table[score]["value"] <= 1.02 * exact[1], f"{name} {score}: {table[score]} {exact}"
        else:
            close(f"{name} {score}", table[score]["value"], error.abs().quantile(share))


def kaplan_meier(lags, waits, share):
    """The lag within which a share of the labels has come, by Kaplan and Meier, of lags and of waits that go on."""
    times = numpy.sort(numpy.unique(lags))
    survival = 1.0
    lags, waits = numpy.sort(lags), numpy.sort(waits)
    for time in times:
        at_risk = len(lags) - numpy.searchsorted(lags, time) + len(waits) - numpy.searchsorted(waits, time)
        survival *= 1 - (numpy.searchsorted(lags, time, "right") - numpy.searchsorted(lags, time)) / at_risk
        if 1 - survival >= share:
            return time
    return None


def recomputed(report):
    # What was recorded since the report is none of its rows: the test stops the rows first.
    rows = pandas.read_csv(LOGS / "metric_log.csv", parse_dates=["predicted_at", "labelled_at"])
    lines = (line.split(" ") for line in (LOGS / "labels_log.txt").read_text().splitlines())
    predicted = pandas.Series({id: at for at, kind, id, *_ in lines if kind == "y_predict"})
    predicted = pandas.to_datetime(predicted, format="ISO8601")
    [version] = report["versions"]
    assert version["rows"]["predicted"] == len(predicted), version["rows"]
    scores("all", version["scores"]["since_first"], rows)
    scores("last", version["scores"]["last_rows"], rows.tail(report["window"]))
    scores("period", version["scores"]["period"], rows)
    at = pandas.Timestamp(report["at"])
    waiting = predicted[~predicted.index.isin(rows.id)]
    waits = (at - waiting).dt.total_seconds().to_numpy() * 1000
    lags = rows.label_lag_ms.clip(lower=0).to_numpy()
    for share, name in [(0.5, "lag_p50"), (0.9, "lag_p90")]:
        found, exact = version["labels"][name], kaplan_meier(lags, waits, share)
        # Lags are told apart from 100 ms on, ten to a decade.
        assert not found["more"] and exact is not None, (found, exact)
        ratio = max(found["ms"], 100) / max(exact, 100)
        assert 1 / 1.3 < ratio < 1.3, f"{name} is {found['ms']} ms, and by Kaplan and Meier {exact} ms"
    old = predicted[(at - predicted).dt.total_seconds() * 1000 >= version["labels"]["lag_p90"]["ms"]]
    coverage = old.index.isin(rows.id).mean()
    close("coverage", version["labels"]["coverage"], coverage, 0.03)
    print(f"recomputed: {len(rows)} of {len(predicted)} rows, coverage {coverage:.3f}, half of the labels within "
          f"{kaplan_meier(lags, waits, 0.5):.0f} ms (said {version['labels']['lag_p50']['ms']:.0f} ms)")


status, report = ask("/api/v1/report")
assert status == 200, report
recomputed(report)
described(ask("/api/v1/openapi.json")[1])
attacked()
