#!/usr/bin/env python3
"""The course exercise's three Python services, as a peer for integration tests.

    exercise.py features --url URL --form bare|wrapped --count N --data CSV
    exercise.py model    --url URL --form bare|wrapped --count N --coefficients JSON
    exercise.py metric   --url URL --form bare|wrapped --count N [--log CSV]
    exercise.py plot     --log CSV

Later forms: `--names v2` has the queues features, y_true and y_pred, `--durable`
declares them with durable=True, as RabbitMQ's second tutorial does, and
`--prediction-key y_pred` has predictions as {"id": ID, "y_pred": NUMBER}.

On the wire each sub-command does what the exercise's features.py, model.py and
metric.py do: transient queues declared by name alone, messages published to the
default exchange with no properties, and consumers that acknowledge on delivery.
(So messages that reach a consumer after its N-th are lost, as they are when one
stops the exercise's services.) A body is JSON in one of two forms:

    bare      a list of floats (Features) or a number (y_true, y_predict)
    wrapped   {"id": ID, "body": the bare form}, where features makes ID a
              timestamp and the others pass on whatever string or number it is

With `--together N` features sends N rows in one message, {"ids": [...], "body":
[...]}, and their labels in another; model reads such rows, and answers each by
itself.

plot reads metric_log.csv as the exercise's plot.py does, by its column
absolute_error, and says what it would draw: a histogram.

Unlike the exercise's services these stop, after N rows or messages, and tell on
stdout what they do: the line "ready" once connected, with queues declared and
consumers started, and then one line of JSON for each row or message. The exit
code is 1, with a message on stderr, if that takes longer than --timeout seconds.
"""

import argparse
import csv
import json
import random
import sys
import time
from collections import Counter
from datetime import datetime

import pika
from pika.exceptions import AMQPError

QUEUES = {
    "features": ["y_true", "Features"],
    "model": ["Features", "y_predict"],
    "metric": ["y_true", "y_predict"],
}
NAMES = {"v1": {}, "v2": {"Features": "features", "y_predict": "y_pred"}}
names = NAMES["v1"]


def name(queue):
    return names.get(queue, queue)


def role(queue):
    return next((role for role in names if names[role] == queue), queue)


def say(value):
    print(json.dumps(value), flush=True)


def key(args, queue):
    return args.prediction_key if queue == "y_predict" else "body"


def decode(args, queue, body):
    data = json.loads(body)
    if args.form == "bare":
        return [(None, data)]
    if "ids" in data:
        return list(zip(data["ids"], data["body"], strict=True))
    return [(data["id"], data[key(args, queue)])]


def publish(channel, args, queue, message_id, value):
    body = value if args.form == "bare" else {"id": message_id, key(args, queue): value}
    channel.basic_publish(exchange="", routing_key=name(queue), body=json.dumps(body))


def publish_together(channel, queue, ids, values):
    body = {"ids": ids, "body": values}
    channel.basic_publish(exchange="", routing_key=name(queue), body=json.dumps(body))


def check(deadline, done, count):
    if time.monotonic() > deadline:
        sys.exit(f"timed out: {done} of {count} done")


def consume(channel, args, queues, handle):
    """Calls handle(queue, id, body) until it has returned true args.count times."""
    done = 0

    def callback(_channel, method, _properties, body):
        nonlocal done
        queue = role(method.routing_key)
        for message_id, value in decode(args, queue, body):
            if done < args.count and handle(queue, message_id, value):
                done += 1

    for queue in queues:
        channel.basic_consume(queue=name(queue), on_message_callback=callback, auto_ack=True)
    print("ready", flush=True)
    while done < args.count:
        check(args.deadline, done, args.count)
        channel.connection.process_data_events(time_limit=0.2)


def features(channel, args):
    with open(args.data, newline="", encoding="utf-8") as file:
        rows = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
    print("ready", flush=True)
    last_id = 0.0
    if args.together > 1:
        for done in range(0, args.count, args.together):
            check(args.deadline, done, args.count)
            drawn = [random.choice(rows) for _ in range(min(args.together, args.count - done))]
            ids = [f"row:{done + at}" for at in range(len(drawn))]
            publish_together(channel, "y_true", ids, [label for *_, label in drawn])
            publish_together(channel, "Features", ids, [vector for *vector, _ in drawn])
            for message_id, (*_, label) in zip(ids, drawn):
                say({"id": message_id, "y_true": label})
            channel.connection.sleep(0.002)
        return
    for done in range(args.count):
        check(args.deadline, done, args.count)
        *vector, label = random.choice(rows)
        message_id = None
        if args.form == "wrapped":
            while (message_id := datetime.timestamp(datetime.now())) <= last_id:
                time.sleep(1e-6)
            last_id = message_id
        publish(channel, args, "y_true", message_id, label)
        publish(channel, args, "Features", message_id, vector)
        say({"id": message_id, "y_true": label})
        channel.connection.sleep(0.002)


def model(channel, args):
    with open(args.coefficients, encoding="utf-8") as file:
        fit = json.load(file)
    fit = fit.get("ols", fit)
    coefficients, intercept = fit["coefficients"], fit["intercept"]

    def handle(_queue, message_id, vector):
        terms = zip(coefficients, vector, strict=True)
        prediction = intercept + sum(weight * value for weight, value in terms)
        publish(channel, args, "y_predict", message_id, prediction)
        say({"id": message_id, "y_pred": prediction})
        return True

    consume(channel, args, ["Features"], handle)


def metric(channel, args):
    if args.form == "bare":

        def show(queue, _message_id, value):
            say({"queue": queue, "value": value})
            return True

        consume(channel, args, QUEUES["metric"], show)
        return

    waiting = {"y_true": {}, "y_predict": {}}
    with open(args.log, "w", newline="", encoding="utf-8") as file:
        columns = ["id", "y_true", "y_pred", "absolute_error"]
        log = csv.DictWriter(file, columns, lineterminator="\n")
        log.writeheader()
        file.flush()

        def join(queue, message_id, value):
            waiting[queue][message_id] = value
            if not all(message_id in values for values in waiting.values()):
                return False
            y_true, y_pred = (waiting[name].pop(message_id) for name in QUEUES["metric"])
            row = dict(zip(columns, [message_id, y_true, y_pred, abs(y_true - y_pred)]))
            log.writerow(row)
            file.flush()
            say(row)
            return True

        consume(channel, args, QUEUES["metric"], join)


def plot(args):
    with open(args.log, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        error = abs(float(row["y_true"]) - float(row["y_pred"]))
        if not row["id"] or float(row["absolute_error"]) != error:
            sys.exit(f"wrong row: {row}")
    errors = [float(row["absolute_error"]) for row in rows]
    width = (max(errors) - min(errors)) / 10 or 1
    bars = Counter(min(int((error - min(errors)) / width), 9) for error in errors)
    say({"ids": len({row["id"] for row in rows}), "bars": [bars[bar] for bar in range(10)]})


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    services = parser.add_subparsers(dest="service", required=True)
    for service in (features, model, metric):
        sub = services.add_parser(service.__name__)
        sub.set_defaults(run=service)
        sub.add_argument("--url", required=True, help="AMQP URL of the broker")
        sub.add_argument("--form", choices=["bare", "wrapped"], required=True)
        sub.add_argument("--count", type=int, required=True, help="stop after so many")
        sub.add_argument("--names", choices=list(NAMES), default="v1", help="what the queues are called")
        sub.add_argument("--durable", action="store_true", help="declare durable queues")
        sub.add_argument("--prediction-key", default="body", help="what stands before a prediction in a wrapped body")
        sub.add_argument("--timeout", type=float, default=60, help="seconds (default: 60)")
        if service is features:
            sub.add_argument("--data", required=True, help="CSV file, last column the label")
            sub.add_argument("--together", type=int, default=1, help="rows in one message")
        elif service is model:
            sub.add_argument("--coefficients", required=True, help="JSON file of a linear model")
        else:
            sub.add_argument("--log", help="CSV file to write (wrapped form only, which needs it)")
    services.add_parser("plot").add_argument("--log", required=True, help="metric_log.csv")
    args = parser.parse_args()
    if args.service == "metric" and args.form == "wrapped" and not args.log:
        parser.error("metric --form wrapped needs --log")
    return args


def main():
    global names
    args = arguments()
    if args.service == "plot":
        plot(args)
        return
    names = NAMES[args.names]
    args.deadline = time.monotonic() + args.timeout
    try:
        connection = pika.BlockingConnection(pika.URLParameters(args.url))
        channel = connection.channel()
        for queue in QUEUES[args.service]:
            channel.queue_declare(queue=name(queue), durable=args.durable)
        args.run(channel, args)
        connection.close()
    except AMQPError as error:
        sys.exit(f"broker: {error!r}")


if __name__ == "__main__":
    main()
