"""What the three examples share of the contract in docs/messages.md: a connection that comes back, messages that are sent until
they are confirmed, and a ledger of those that were."""

import csv
import json
import math
import re
import sys
import time

import pika
from pika.exceptions import AMQPError, NackError, UnroutableError

ID = re.compile(r"""-?[A-Za-z0-9_][!#-&(-+\--\[\]-~]{0,127}""")
EXCHANGE = "pipeline"
DEAD = "pipeline.dead"


def say(text):
    print(text, file=sys.stderr, flush=True)


def connected(url, work):
    """Calls `work` with a channel that confirms, and with a new one whenever RabbitMQ was lost, until it returns."""
    said = None
    while True:
        began = time.monotonic()
        try:
            with pika.BlockingConnection(pika.URLParameters(url)) as connection:
                channel = connection.channel()
                channel.confirm_delivery()
                return work(channel)
        except AMQPError as why:
            # What lasts is said once.
            if type(why) is not said or time.monotonic() - began > 10:
                say(f"no RabbitMQ, trying again every second: {why!r}")
            said = type(why)
            time.sleep(1)


def publish(channel, exchange, queue, value, message_id=None, headers=None):
    """Returns when the broker has the message on disk, in the queue. A value is written as JSON, bytes are sent as they are."""
    now = time.time()
    properties = pika.BasicProperties(
        app_id="example", content_type="application/json", delivery_mode=2, message_id=message_id, timestamp=int(now),
        headers={"published_at_ms": int(now * 1000)} | (headers or {}))
    body = value if isinstance(value, bytes) else json.dumps(value, allow_nan=False).encode()
    said = None
    while True:
        try:
            return channel.basic_publish(exchange, queue, body, properties, mandatory=True)
        except UnroutableError:
            what = f"nobody has made the queue {queue}: start its consumer, or run `pipeline topology`; waiting"
        except NackError:
            what = f"RabbitMQ takes no more for {queue}, it may be full; waiting"
        if said != (said := what):
            say(said)
        # Not time.sleep: heartbeats go on meanwhile.
        channel.connection.sleep(1)


class Ledger:
    """A file with a line QUEUE,ID for each message that was confirmed, as `features --ledger` writes it."""

    def __init__(self, path):
        self.done, self.file = set(), open(path, "a+", encoding="ascii", newline="")
        self.file.seek(0)
        text = self.file.read()
        # What a kill has cut off is written again.
        self.file.truncate(text.rfind("\n") + 1)
        self.done.update(text.split("\n")[:-1])

    def __contains__(self, entry):
        return ",".join(entry) in self.done

    def add(self, queue, ids):
        self.file.write("".join(f"{queue},{id}\n" for id in ids))
        self.file.flush()


def table(path, id_column, target=None, features=True):
    """The rows of a table with a header, one by one: id, features (all other columns) and label. `-` is standard input."""
    file = sys.stdin if path == "-" else open(path, encoding="utf-8", newline="")
    rows = csv.DictReader(file)
    for column in filter(None, (id_column, target)):
        if column not in (rows.fieldnames or ()):
            sys.exit(f"{path} has no column {column}, only {', '.join(rows.fieldnames or ())}")
    for row in rows:
        try:
            id, label = row.pop(id_column), float(row.pop(target)) if target else 0.0
            cells = [float(cell) for cell in row.values()] if features else []
            if not ID.fullmatch(id):
                raise ValueError(f"{id!r} is no id: 1 to 128 letters, digits and signs without space, quotes, comma and backslash")
            if not all(map(math.isfinite, [label, *cells])):
                raise ValueError("a number that is not finite")
        except (TypeError, ValueError) as why:
            sys.exit(f"{path}, line {rows.line_num}: {why}; all before it was sent, mend it and start again")
        yield id, cells, label


def feed(url, messages, ledger):
    """Sends (queue, ids, value) one after the other, and notes each in the ledger once it is confirmed."""
    messages = (message for message in messages if message[1])
    current = next(messages, None)

    def work(channel):
        nonlocal current
        while current:
            queue, ids, values = current
            if len(ids) == 1:
                publish(channel, EXCHANGE, queue, values[0], message_id=ids[0])
            else:
                publish(channel, EXCHANGE, queue, {"ids": ids, "body": values})
            ledger.add(queue, ids)
            current = next(messages, None)

    connected(url, work)
