#!/usr/bin/env python3
"""Sends labels for rows that were sent before, whenever they become known, by the same ids.

    send_labels.py --data labels.csv --id order --target price --ledger labels.txt
    other-program | send_labels.py --data - --id order --target price --ledger labels.txt

A label waits for its prediction, and a prediction for its label, as long as `metric --label-horizon` says.
"""

import argparse

from contract import Ledger, feed, table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="amqp://guest:guest@127.0.0.1", help="address of RabbitMQ")
    parser.add_argument("--data", required=True, help="table with ids and labels, or - for standard input")
    parser.add_argument("--id", required=True, help="column with the id of the row")
    parser.add_argument("--target", required=True, help="column with the label")
    parser.add_argument("--ledger", required=True, help="file for what was confirmed")
    args = parser.parse_args()
    ledger = Ledger(args.ledger)
    rows = table(args.data, args.id, args.target, features=False)
    feed(args.url, (("y_true", [id], [label]) for id, _, label in rows if ("y_true", id) not in ledger), ledger)


if __name__ == "__main__":
    main()
