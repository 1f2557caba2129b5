#!/usr/bin/env python3
"""Serves a model of yours in the place of `model`: takes rows from Features, publishes predictions to y_predict.

    serve_model.py --model data/model.json

Put your own model into `Model`. The rest keeps the contract: a row is acknowledged when its prediction is confirmed, so that one
that was under way in a crash comes again; an answer has the form and the ids of its question; a prediction says by which version
it was made and from which numbers; a row that cannot be used is a dead letter, with its reason.
"""

import argparse
import hashlib
import json
import os
import struct

import pika

from contract import DEAD, EXCHANGE, connected, publish, say
from rows import Refused, numbers, questions


class Model:
    """A linear model as `model train` writes it."""

    def __init__(self, path):
        with open(path, "rb") as file:
            text = file.read()
        self.version = hashlib.sha256(text).hexdigest()[:12]
        model = json.loads(text)
        self.features, self.weights, self.intercept = model["features"], model["coefficients"], model["intercept"]
        if any(model.get(key) for key in ("scaling", "fills", "categories")):
            raise ValueError("it scales, fills or encodes, which this example does not")

    def predict(self, row):
        return self.intercept + sum(weight * number for weight, number in zip(self.weights, row))


class Serving:
    """The model of a file, and the one that takes its place there."""

    def __init__(self, path):
        self.path, self.stamp, self.model = path, None, None
        self.look()

    def look(self):
        try:
            stat = os.stat(self.path)
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        except OSError as why:
            stamp = str(why)
        if stamp != self.stamp:
            self.stamp = stamp
            try:
                self.model = Model(self.path)
                say(f"{self.path}: {self.model.version} serves")
            except (KeyError, OSError, TypeError, ValueError) as why:
                said = f"{self.path} cannot be used: {why!r}"
                if not self.model:
                    raise SystemExit(said) from why
                say(f"{said}; {self.model.version} keeps serving")
        return self.model


def letter(channel, body, properties, why):
    """A dead letter, in the queue Features.dead."""
    reason, detail = why.args
    headers = {"x-reason": reason, "x-detail": detail, "x-service": "example"}
    publish(channel, DEAD, "Features", body, properties.message_id, (properties.headers or {}) | headers)
    say(f"dead-lettered to Features.dead ({reason}): {detail}")


def answer(channel, model, name, body, properties, refuse=letter, instead=None):
    """Publishes the predictions of one message, and a letter for each row that cannot be used. `instead` are the headers of whoever has
    other ones than what was weighed."""
    try:
        rows, key, many = questions(body, properties, model.features)
    except Refused as why:
        return refuse(channel, body, properties, why)
    good = []
    for number, (id, row) in enumerate(rows, start=1):
        try:
            vector = numbers(row, model.features)
            if not abs(prediction := model.predict(vector)) <= 1e15:
                raise Refused("too_extreme", f"the prediction would be {prediction}")
            good.append((id, vector, prediction))
        except Refused as why:
            if not many:
                return refuse(channel, body, properties, why)
            alone = pika.BasicProperties(headers={"x-part": f"{number} of {len(rows)}"})
            refuse(channel, {"id": id, key: row} if key else row, alone, why)
    # One message carries 48 KiB of features at the most.
    most = max(1, 6144 // len(model.features))
    for some in (good[at:at + most] for at in range(0, len(good), most)):
        ids, vectors, predictions = zip(*some)
        weighed = [number for vector in vectors for number in vector]
        headers = {"model": name, "model_version": model.version}
        headers |= instead or {"features": struct.pack(f"<{len(weighed)}d", *weighed)}
        came = properties.headers or {}
        if asked := came.get("published_at_ms"):
            headers["features_published_at_ms"] = asked
        headers |= {trace: came[trace] for trace in ("traceparent", "tracestate") if trace in came}
        value, id = predictions if many else predictions[0], ids[0] if len(rows) == 1 else None
        if key:
            value, id = ({"ids": ids, "body": value} if many else {"id": id, "body": value}), None
        publish(channel, EXCHANGE, "y_predict", value, id, headers)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="amqp://guest:guest@127.0.0.1", help="address of RabbitMQ")
    parser.add_argument("--model", required=True, help="file of the model; it may be replaced while it serves")
    parser.add_argument("--model-name", default="model", help="what predictions say besides the version")
    args = parser.parse_args()
    serving = Serving(args.model)

    def serve(channel):
        channel.basic_qos(prefetch_count=64)
        for method, properties, body in channel.consume("Features"):
            answer(channel, serving.look(), args.model_name, body, properties)
            channel.basic_ack(method.delivery_tag)

    connected(args.url, serve)


if __name__ == "__main__":
    main()
