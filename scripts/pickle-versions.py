#!/usr/bin/env python3
"""Writes model/tests/fixtures/pickles/sklearn-VERSION.{pickles,json}: every linear model that is read, as this version of scikit-learn
saves it, with what it predicts.

    pip install scikit-learn==1.0.2 numpy==1.23.5 scipy==1.9.3 joblib==1.1.1 pandas==1.5.3    # Python 3.10; for 3.11 see below
    pip install scikit-learn==1.3.2 numpy==1.26.4 joblib==1.1.1 pandas==2.1.4
    pip install scikit-learn==1.5.2 numpy==2.0.2 joblib==1.4.2 pandas==2.2.3
    python scripts/pickle-versions.py

One of the three at a time, each in an environment of its own. scikit-learn 1.0.2 has no wheel for Python 3.11; there it was built
from source: pip install 'setuptools<60' wheel cython==0.29.36 numpy==1.23.5 scipy==1.9.3, then the same with
`--no-build-isolation --no-binary scikit-learn` and CFLAGS=-O0.

The .pickles file is the models one after the other, each compressed with zlib; the .json file says where each begins and ends.
"""

import json
import pickle
import warnings
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.datasets import load_diabetes

from linear_models import fitted

HERE = Path(__file__).resolve().parent.parent / "model" / "tests" / "fixtures" / "pickles"
data = load_diabetes()
# Few, for the size; far from zero and of several scales, for the scalers.
x = data.data[:40, [2, 3, 8]] * [1.0, 100.0, 10_000.0] + [5.0, 100.0, -300.0]
frame, y = pd.DataFrame(x, columns=["bmi", "bp", "s5"]), data.target[:40]
rows = frame.iloc[:5] + 0.5

content, models = b"", []
for name, model in fitted(frame, y):
    named = hasattr(model, "feature_names_in_")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predictions = np.ravel(model.predict(rows if named else rows.to_numpy()))
    begin = len(content)
    content += zlib.compress(pickle.dumps(model, 4), 9)
    models.append({"name": name, "bytes": [begin, len(content)], "named": named, "predictions": predictions.tolist()})

path = HERE / f"sklearn-{sklearn.__version__}"
path.with_name(path.name + ".pickles").write_bytes(content)
lines = ",\n  ".join(json.dumps(model) for model in models)
text = f'{{"rows": {json.dumps(rows.to_numpy().tolist())},\n"models": [\n  {lines}\n]}}\n'
path.with_name(path.name + ".json").write_text(text)
print(f"{len(models)} models, {len(content)} bytes: {path.name}")
