"""What a message of Features asks: its rows with their ids, in the order of a model, or the reason why not."""

import json
import math


class Refused(Exception):
    """Why a message or a row is a dead letter: a reason out of docs/messages.md, and a detail for people."""


def questions(body, properties, features):
    """The rows of a message, each with its id; the key that stood before them; and whether there may be many."""
    try:
        # NaN and Infinity, which are no JSON, are a fault of their row alone.
        data = json.loads(body, parse_constant=str)
    except (ValueError, RecursionError) as why:
        raise Refused("not_json", str(why)) from why
    own = properties.message_id or (None if properties.reply_to else properties.correlation_id)
    if isinstance(data, list) and not any(isinstance(cell, (list, dict)) for cell in data):
        return [(own, data)], None, False
    if isinstance(data, list):
        return [(own if len(data) == 1 else None, row) for row in data], None, True
    if isinstance(data, dict) and all(name in data for name in features):
        inside = "id" in data and "id" not in features
        return [(data["id"] if inside else own, data)], "body" if inside else None, False
    keys = set(data) - {"id", "ids"} if isinstance(data, dict) else set()
    if len(keys) == 1 and len(data) == 2:
        key, = keys
        if "id" in data:
            return [(data["id"], data[key])], key, False
        if isinstance(data["ids"], list) and isinstance(data[key], list) and len(data["ids"]) == len(data[key]):
            return list(zip(data["ids"], data[key])), key, True
    raise Refused("bad_shape", "expected an array of numbers, a row by name, or an id or ids and one other member")


def numbers(row, features):
    """A row in the model's order."""
    if isinstance(row, dict):
        if missing := [name for name in features if name not in row]:
            raise Refused("wrong_names", f"no {missing[0]}; the model expects {', '.join(features)}")
        row = [row[name] for name in features]
    if not isinstance(row, list):
        raise Refused("bad_shape", "expected an array of numbers or a row by name")
    if len(row) != len(features):
        raise Refused("wrong_length", f"{len(row)} features, the model expects {len(features)}")
    try:
        row = [float(cell) for cell in row]
    except (TypeError, ValueError) as why:
        raise Refused("missing_value" if None in row else "bad_shape", str(why)) from why
    except OverflowError as why:
        raise Refused("not_finite", str(why)) from why
    if not all(map(math.isfinite, row)):
        raise Refused("not_finite", "a feature is NaN or infinite")
    return row
