#!/usr/bin/env python3
"""Writes JSON schemas of Kubernetes kinds for kubeconform, from a Kubernetes source's swagger.json.

usage: kubernetes_schemas.py SWAGGER FOLDER

Each schema is complete in itself and strict: a member that Kubernetes does not know is refused.
"""
import json
import pathlib
import sys


def strict(schema):
    """Refuses unknown members, at every level, and lets int-or-string be either."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    if schema.get("format") == "int-or-string":
        return {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    if isinstance(schema.get("properties"), dict):
        schema.setdefault("additionalProperties", False)
    return schema


def references(schema):
    if isinstance(schema, list):
        for part in schema:
            yield from references(part)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix("#/definitions/")
            else:
                yield from references(value)


def reachable(name, definitions):
    found, rest = set(), [name]
    while rest:
        current = rest.pop()
        if current not in found:
            found.add(current)
            rest.extend(references(definitions[current]))
    return {name: definitions[name] for name in sorted(found)}


def main(swagger, folder):
    definitions = json.loads(pathlib.Path(swagger).read_text())["definitions"]
    definitions = {name: strict(schema) for name, schema in definitions.items()}
    # A schema describes schemas: its members are whatever their author wrote.
    definitions[f"{APIEXTENSIONS}.JSONSchemaProps"].pop("additionalProperties")
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in definitions.items():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            parts = [kind["kind"], kind["group"].split(".")[0], kind["version"]]
            file = folder / ("-".join(part for part in parts if part).lower() + ".json")
            file.write_text(json.dumps(
                {"$ref": f"#/definitions/{name}", "definitions": reachable(name, definitions)}))


APIEXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"

if __name__ == "__main__":
    main(*sys.argv[1:])
