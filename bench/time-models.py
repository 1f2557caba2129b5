#!/usr/bin/env python3
"""Times the original Python models of a folder that `scripts/foreign-models.py` made.

    python3 bench/time-models.py [FOLDER [FILE ...]]        (default: target/foreign-models)

Prints one JSON object a line. The first tells the thread settings, each other one
is a supported file with microseconds per row, for 1 row a call and 1000 rows a call:

    {"file": ..., "original_1": ..., "original_1000": ...,
     "onnxruntime_1": ..., "onnxruntime_1000": ...}

`original_*` is `predict` of the Python object the file was made from, and
`onnxruntime_*` (ONNX files only) `InferenceSession.run` of the Python package.
Each number is the median of the calls that fit in 0.3 s, after a few that do not
count. All is held to one thread. Made with the versions of `model/tests/python/requirements.txt`.
"""

import json
import os
import platform
import statistics
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

THREADS = {
    name: "1" for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
}
# These are read once, when the libraries load.
os.environ.update(THREADS)

import joblib
import numpy
import onnxruntime
import pandas
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_info

BUDGET_S = 0.3
MOST_CALLS = 5000
DTYPES = {"tensor(float)": numpy.float32, "tensor(double)": numpy.float64}


def per_row(call, rows):
    """The median time of `call`, in microseconds for each of its rows."""
    for _ in range(3):
        call()
    times = []
    end = time.perf_counter() + BUDGET_S
    while len(times) < MOST_CALLS and (len(times) < 3 or time.perf_counter() < end):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return round(statistics.median(times) / rows * 1e6, 4)


def load_original(path):
    """The original, held to one job where it or its last step has such a setting."""
    model = joblib.load(path)
    last = model.steps[-1][1] if isinstance(model, Pipeline) else model
    if "n_jobs" in last.get_params():
        last.set_params(n_jobs=1)
    return model


def time_original(model, rows, names):
    # A model fitted on a DataFrame warns on each call about rows without names.
    if hasattr(model, "feature_names_in_"):
        rows = pandas.DataFrame(rows, columns=names)
    one = rows[:1]
    return {
        "original_1": per_row(lambda: model.predict(one), 1),
        "original_1000": per_row(lambda: model.predict(rows), len(rows)),
    }


def time_onnxruntime(content, rows, names):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()

    def feed(part):
        if len(inputs) == 1:
            return {inputs[0].name: numpy.ascontiguousarray(part, DTYPES[inputs[0].type])}
        return {
            each.name: part[:, [names.index(each.name)]].astype(DTYPES[each.type])
            for each in inputs
        }

    one, all_rows = feed(rows[:1]), feed(rows)
    return {
        "onnxruntime_1": per_row(lambda: session.run(None, one), 1),
        "onnxruntime_1000": per_row(lambda: session.run(None, all_rows), len(rows)),
    }


def main():
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "target/foreign-models")
    files = sys.argv[2:]
    expected = json.loads((folder / "expected.json").read_text())
    names = expected["feature_names"]
    rows = numpy.array(expected["rows"])
    rows = numpy.tile(rows, (1000 // len(rows) + 1, 1))[:1000]

    blas = [
        {key: pool.get(key) for key in ["internal_api", "num_threads", "version", "architecture"]}
        for pool in threadpool_info()
    ]
    settings = {
        "environment": THREADS,
        "n_jobs": 1,
        "intra_op_num_threads": 1,
        "inter_op_num_threads": 1,
        "thread_pools": blas,
        "python": platform.python_version(),
        **{name: version(name) for name in ["scikit-learn", "numpy", "onnxruntime"]},
    }
    print(json.dumps({"settings": settings}), flush=True)

    # Several files were made from one original: it is timed once.
    timed = {}
    for model in expected["models"]:
        if not model.get("supported") or files and model["file"] not in files:
            continue
        name = model["original"]
        if name not in timed:
            original = load_original(folder / "originals" / f"{name}.joblib")
            timed[name] = time_original(original, rows, names)
        line = {"file": model["file"], **timed[name]}
        if model["kind"] == "onnx":
            content = (folder / model["file"]).read_bytes()
            line.update(time_onnxruntime(content, rows, names))
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
