#!/usr/bin/env python3
"""Checks messages and rows against docs/messages.schema.json.

    check_messages.py SCHEMA < LINES

Each line is {"kind": "contract" | "underlying" | "event" | "row", "json": TEXT}. Prints how many there were of each
kind; ends with status 1 at the first that does not fit, or when the schema itself lets an integer grow above 2^53,
which JavaScript cannot read exactly.
"""

import collections
import json
import sys

from jsonschema import Draft202012Validator

LARGEST = 2**53 - 1


def unbounded(schema, path="#"):
    """The places of integers without bounds, or with bounds that are too wide."""
    if isinstance(schema, list):
        return [place for at, part in enumerate(schema) for place in unbounded(part, f"{path}/{at}")]
    if not isinstance(schema, dict):
        return []
    places = [place for key, part in schema.items() for place in unbounded(part, f"{path}/{key}")]
    if schema.get("type") == "integer":
        if not -LARGEST <= schema.get("minimum", -LARGEST - 1) <= schema.get("maximum", LARGEST + 1) <= LARGEST:
            places.append(path)
    return places


def integers(value):
    """Every integer of a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from integers(part)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    if places := unbounded(schema):
        sys.exit(f"integers without bounds: {places}")
    validators = {
        kind: Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]})
        for kind in ["contract", "underlying", "event", "row"]
    }
    seen = collections.Counter()
    for line in sys.stdin:
        message = json.loads(line)
        value = json.loads(message["json"])
        for error in validators[message["kind"]].iter_errors(value):
            sys.exit(f"{error.json_path}: {error.message}\n{line}")
        # Where the schema allows any number.
        if any(abs(number) > LARGEST for number in integers(value)):
            sys.exit(f"an integer above 2^53\n{line}")
        seen[message["kind"]] += 1
    print(json.dumps(seen))


main()
