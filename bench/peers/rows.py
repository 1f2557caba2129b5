"""What both peers have in common: the table, the model, and the file of what is scored."""

import csv

import numpy
from sklearn.linear_model import LinearRegression


def table() -> numpy.ndarray:
    """Rows of ten features and, last, the label."""
    with open("data/diabetes.csv") as lines:
        rows = list(csv.reader(line for line in lines if not line.startswith("#")))
    return numpy.array(rows[1:], dtype=float)


def model() -> LinearRegression:
    rows = table()
    return LinearRegression().fit(rows[:, :-1], rows[:, -1])


class Log:
    """Joins labels and predictions by id in memory, and writes a line as soon as a row has both."""

    def __init__(self, path: str):
        self.path = path
        self.halves = {"y_true": {}, "y_pred": {}}
        with open(path, "w") as file:
            file.write("id,y_true,y_pred,absolute_error\n")

    def take(self, half: str, row: str, value: float) -> None:
        self.halves[half][row] = value
        other = self.halves["y_pred" if half == "y_true" else "y_true"]
        if row in other:
            values = {half: value, ("y_pred" if half == "y_true" else "y_true"): other.pop(row)}
            del self.halves[half][row]
            label, prediction = values["y_true"], values["y_pred"]
            with open(self.path, "a") as file:
                file.write(f"{row},{label},{prediction},{abs(label - prediction)}\n")
