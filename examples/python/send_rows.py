#!/usr/bin/env python3
"""Sends the rows of a table and their labels to the pipeline, under ids of your own.

    send_rows.py --data orders.csv --id order --target price --ledger sent.txt

Killed, or without RabbitMQ for a while, it is started again in the same way: what the ledger has is not sent again. What was
confirmed and not written down comes twice, with the same id and value, and counts once.
"""

import argparse
import itertools

from contract import Ledger, feed, table


def messages(args, ledger):
    """The next rows and then their labels, as many in a message as `--together` says, without what was confirmed."""
    rows = table(args.data, args.id, args.target)
    while some := list(itertools.islice(rows, args.together)):
        wanted = [row for row in some if ("Features", row[0]) not in ledger]
        yield "Features", [id for id, _, _ in wanted], [cells for _, cells, _ in wanted]
        if args.no_labels or not args.target:
            continue
        wanted = [row for row in some if ("y_true", row[0]) not in ledger]
        yield "y_true", [id for id, _, _ in wanted], [label for _, _, label in wanted]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="amqp://guest:guest@127.0.0.1", help="address of RabbitMQ")
    parser.add_argument("--data", required=True, help="table with a header, or - for standard input")
    parser.add_argument("--id", required=True, help="column with the id of each row")
    parser.add_argument("--target", help="column with the label; without it, rows only")
    parser.add_argument("--ledger", required=True, help="file for what was confirmed")
    parser.add_argument("--no-labels", action="store_true", help="do not send the labels: they come later, by send_labels.py")
    parser.add_argument("--together", type=int, default=1,
                        help="rows in one message, up to 4096; from a pipe, a row waits for the others")
    args = parser.parse_args()
    ledger = Ledger(args.ledger)
    feed(args.url, messages(args, ledger), ledger)


if __name__ == "__main__":
    main()
