#!/usr/bin/env python3
"""Holds the records of a run in containers to what was published: every row and label once, nothing waiting, nothing expired.

Usage: scripts/account.py LOG STATUS ROWS

LOG is what `features` logged until it stopped, STATUS what `metric status --json` says, ROWS what `metric export` writes. Prints one
line of what was held; or exits 1 with what was not.
"""

import csv
import json
import re
import sys
from collections import Counter
from datetime import datetime


def main(log, status, rows):
    faults = []
    with open(log, encoding="utf-8") as file:
        said = re.findall(r"published (\d+) rows and (\d+) labels", file.read())
    published = [sum(int(run[part]) for run in said) for part in (0, 1)]
    if not said:
        faults.append(f"{log} does not say how much was published: features was not stopped in good order")
    with open(status, encoding="utf-8") as file:
        status = json.load(file)
    # After a swap the version before predicts the same rows in the shadow, of which a crash may leave some out.
    shadows = [model for model in status["models"] if (model["model"] or "").endswith(".shadow")]
    in_shadow = {name: sum(model[name] for model in shadows) for name in ("received", "scored", "pending", "expired")}
    for what, wanted in zip(("predictions", "labels"), published):
        beside = in_shadow if what == "predictions" else dict.fromkeys(in_shadow, 0)
        counts = {name: status[what][name] - beside[name] for name in beside}
        for name, number in (("received", wanted), ("scored", wanted), ("pending", 0), ("expired", 0)):
            if counts[name] != number:
                faults.append(f"{what}: {counts[name]} {name}, expected {number}")
    with open(rows, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ids = {row["id"] for row in rows}
    if len(rows) != len(ids) or len(ids) != published[0]:
        faults.append(f"{len(rows)} rows with {len(ids)} ids are recorded, expected {published[0]} of each")
    if in_shadow["received"] != in_shadow["scored"]:
        faults.append(f"of the shadows, {in_shadow['received']} predictions are received and {in_shadow['scored']} scored")
    for fault in faults:
        print(f"account: {fault}", file=sys.stderr)
    if faults:
        return 1
    times = sorted(datetime.fromisoformat(row["predicted_at"]) for row in rows)
    pause = max((after - before).total_seconds() for before, after in zip(times, times[1:]))
    versions = Counter(row["model_version"] for row in rows)
    again = sum(status[what]["duplicates"] for what in ("predictions", "labels"))
    print(f"{published[0]} rows and {published[1]} labels published, each recorded once, none waiting or expired; {again} duplicates; "
          f"{in_shadow['scored']} predictions in the shadow besides; "
          f"longest time without a prediction {pause:.1f} s; "
          f"by version {', '.join(f'{version} {count}' for version, count in versions.items())}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__.strip())
    sys.exit(main(*sys.argv[1:]))
