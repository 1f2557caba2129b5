"""Holds messages to an AsyncAPI document, and the document to AsyncAPI's own schema where that is at hand.

Usage: asyncapi.py DOCUMENT MESSAGES

MESSAGES has a JSON object a line: which `message` of the document it is, `payload`, `headers`, and whether it is `good`.
SCHEMAS=DIR has asyncapi-3.1.0.json, as that project publishes it; without it, that is not asked.
"""

import json
import os
import sys
from pathlib import Path

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

document = json.loads(Path(sys.argv[1]).read_text())
schemas = os.environ.get("SCHEMAS")
if schemas and (schema := Path(schemas) / "asyncapi-3.1.0.json").exists():
    fault = best_match(Draft7Validator(json.loads(schema.read_text())).iter_errors(document))
    assert fault is None, f"{'/'.join(map(str, fault.absolute_path))}: {fault.message[:500]}"
    print("held: the document is one by AsyncAPI's own schema")

validators = {}
wrong, counts = [], {}
for line in Path(sys.argv[2]).read_text().splitlines():
    sent = json.loads(line)
    faults = []
    for part in ("payload", "headers"):
        if part not in sent:
            continue
        at = f"#/components/messages/{sent['message']}/{part}"
        if at not in validators:
            schema = {"allOf": [{"$ref": at}], "components": document["components"]}
            Draft7Validator.check_schema(schema)
            validators[at] = Draft7Validator(schema)
        fault = best_match(validators[at].iter_errors(sent[part]))
        faults += [] if fault is None else [f"{part}: {fault.message[:300]}"]
    if bool(faults) == sent["good"]:
        wrong.append(f"{line[:500]}\n    is {faults or 'as described'}")
    counts[sent["message"]] = counts.get(sent["message"], 0) + 1
print("held:", ", ".join(f"{count} of {name}" for name, count in sorted(counts.items())))
sys.exit("\n".join(wrong) if wrong else 0)
