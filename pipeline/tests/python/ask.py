"""Tutorial 6's client, with JSON: asks for predictions by a queue of its own, one after the other or many at once.

Usage: ask.py URL QUEUE ROWS [--at-once] [--leave] [--patience SECONDS]

ROWS is a file with a row a line, or - for what is piped in. Prints a line for each reply, in the rows' order: the body of a
prediction, or of an error.
With --leave it sends the rows and goes away without waiting.
With --patience it waits so long for each reply, prints null where none came, and wants it no more.
"""

import json
import sys
import time
import uuid

import pika


class Client:
    def __init__(self, url, queue):
        self.queue = queue
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.callback_queue = self.channel.queue_declare(queue="", exclusive=True).method.queue
        self.channel.basic_consume(queue=self.callback_queue, on_message_callback=self.on_response, auto_ack=True)
        self.replies = {}
        self.given_up = set()

    def on_response(self, channel, method, properties, body):
        if properties.correlation_id in self.given_up:
            return
        assert properties.correlation_id not in self.replies, "a second reply"
        error = properties.type == "error"
        assert error == ("x-reason" in properties.headers), properties
        self.replies[properties.correlation_id] = json.loads(body)

    def send(self, row):
        asked = str(uuid.uuid4())
        properties = pika.BasicProperties(reply_to=self.callback_queue, correlation_id=asked)
        self.channel.basic_publish(exchange="", routing_key=self.queue, properties=properties, body=row)
        return asked

    def wait(self, asked):
        while asked not in self.replies:
            self.connection.process_data_events(time_limit=None)
        return self.replies[asked]

    def wait_for(self, asked, patience):
        end = time.monotonic() + patience
        while asked not in self.replies and (left := end - time.monotonic()) > 0:
            self.connection.process_data_events(time_limit=left)
        # Of a model that was killed, a second one may come, too.
        self.given_up.add(asked)
        return self.replies.get(asked)


url, queue, rows = sys.argv[1:4]
client = Client(url, queue)
if "--patience" in sys.argv:
    patience = float(sys.argv[sys.argv.index("--patience") + 1])
    for row in sys.stdin if rows == "-" else open(rows):
        print(json.dumps(client.wait_for(client.send(row.strip()), patience)), flush=True)
    sys.exit()
with open(rows) as lines:
    rows = [line.strip() for line in lines]
if "--leave" in sys.argv:
    for row in rows:
        client.send(row)
    sys.exit()
if "--at-once" in sys.argv:
    replies = [client.wait(asked) for asked in [client.send(row) for row in rows]]
else:
    replies = [client.wait(client.send(row)) for row in rows]
for reply in replies:
    print(json.dumps(reply))
