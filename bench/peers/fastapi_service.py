"""The usual way to serve a scikit-learn model over HTTP: FastAPI, with the bodies of /invocations.

Usage: uvicorn --app-dir bench/peers --port PORT --workers N --no-access-log fastapi_service:app
"""

import csv

import numpy
from fastapi import FastAPI
from sklearn.linear_model import LinearRegression

with open("data/diabetes.csv") as lines:
    rows = list(csv.reader(line for line in lines if not line.startswith("#")))
table = numpy.array(rows[1:], dtype=float)
model = LinearRegression().fit(table[:, :-1], table[:, -1])
app = FastAPI()


@app.get("/ping")
def ping() -> dict:
    return {}


# Not a function of threads: a prediction takes less than to hand it to one.
@app.post("/invocations")
async def invocations(rows: list[list[float]]) -> list[float]:
    return model.predict(rows).tolist()
