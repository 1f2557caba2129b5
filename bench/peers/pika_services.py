"""The three services of the exercise, as they are usually handed in: pika, one message a row, `auto_ack`, transient queues,
no confirms. A row that is under way in a crash is lost.

Usage: pika_services.py features|model|metric URL ROWS FILE
`ready` on stdout says that it consumes; `features` begins when it reads a line.
"""

import json
import sys

import pika
import rows

FEATURES, LABELS, PREDICTIONS = "bench.pika.features", "bench.pika.y_true", "bench.pika.y_pred"


def features(channel, count: int) -> None:
    table = rows.table().tolist()
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        *row, label = table[number % len(table)]
        for queue, body in ((LABELS, label), (FEATURES, row)):
            channel.basic_publish("", queue, json.dumps({"id": str(number), "body": body}))


def model(channel) -> None:
    regression = rows.model()

    def predict(channel, method, properties, body) -> None:
        message = json.loads(body)
        prediction = regression.predict([message["body"]])[0]
        answer = json.dumps({"id": message["id"], "body": float(prediction)})
        channel.basic_publish("", PREDICTIONS, answer)

    channel.basic_consume(FEATURES, predict, auto_ack=True)
    print("ready", flush=True)
    channel.start_consuming()


def metric(channel, path: str) -> None:
    log = rows.Log(path)

    def half(name: str):
        def take(channel, method, properties, body) -> None:
            message = json.loads(body)
            log.take(name, message["id"], message["body"])

        return take

    channel.basic_consume(LABELS, half("y_true"), auto_ack=True)
    channel.basic_consume(PREDICTIONS, half("y_pred"), auto_ack=True)
    print("ready", flush=True)
    channel.start_consuming()


service, url, count, path = sys.argv[1:]
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
for queue in (FEATURES, LABELS, PREDICTIONS):
    channel.queue_declare(queue, auto_delete=False)
match service:
    case "features":
        features(channel, int(count))
    case "model":
        model(channel)
    case "metric":
        metric(channel, path)
connection.close()
