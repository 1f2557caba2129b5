#!/usr/bin/env python3
"""Predicts the rows of Features beside the model that serves, to be compared with it on the same labels.

    challenge.py --model candidate.json --name candidate

It has a queue of its own, which is bounded and drops its oldest rows: when it is slow or away, rows are missing in the comparison, and
nothing else happens. Its predictions say that they are a challenger's. A row that it cannot use is counted, and is no dead letter: the
one that serves says what is wrong with rows.
"""

import argparse

from contract import EXCHANGE, connected, say
from serve_model import Serving, answer

# As our own challengers have it: how often a row comes that it may die of, what waits at the most, and that the queue goes away a week
# after its challenger.
BOUNDS = {
    "x-queue-type": "quorum", "x-delivery-limit": 20, "x-max-length": 100_000, "x-max-length-bytes": 64 << 20,
    "x-overflow": "drop-head", "x-expires": 7 * 24 * 3600 * 1000,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="amqp://guest:guest@127.0.0.1", help="address of RabbitMQ")
    parser.add_argument("--model", required=True, help="file of the model; it may be replaced while it predicts")
    parser.add_argument("--name", required=True, help="what its predictions say besides the version; not that of the one that serves")
    args = parser.parse_args()
    serving, bad = Serving(args.model), 0

    def refuse(_channel, _body, _properties, why):
        nonlocal bad
        bad += 1
        if bad & (bad - 1) == 0:  # the first, second, fourth, eighth ...
            say(f"rows that it cannot use: {bad}; {': '.join(why.args)}")

    def challenge(channel):
        queue = f"Features.challenger.{args.name}"
        channel.queue_declare(queue, durable=True, arguments=BOUNDS)
        channel.queue_bind(queue, EXCHANGE, "Features")
        channel.basic_qos(prefetch_count=64)
        say(f"{args.name}@{serving.look().version} challenges")
        for method, properties, body in channel.consume(queue):
            answer(channel, serving.look(), args.name, body, properties, refuse, {"model_role": "challenger"})
            channel.basic_ack(method.delivery_tag)

    connected(args.url, challenge)


if __name__ == "__main__":
    main()
