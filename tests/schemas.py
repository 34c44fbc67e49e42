"""Validators of others' formats, from the schemas in `tests/data/schemas`, without a network."""

import json
from pathlib import Path

from jsonschema import Draft4Validator, Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4, DRAFT7

FOLDER = Path(__file__).resolve().parent / "data" / "schemas"


def schema(name):
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def registry(draft, names):
    """A schema that is asked for beside these is refused: nothing may come from the network."""
    return Registry().with_resources(
        (uri, Resource(schema(name), draft)) for uri, name in names.items()
    )


BOAMPS = "https://raw.githubusercontent.com/Boavizta/BoAmps/main/model/"
CYCLONEDX = "http://cyclonedx.org/schema/"


def boamps():
    parts = ("algorithm", "dataset", "hardware", "measure", "report")
    names = {f"{BOAMPS}{part}_schema.json": f"boamps_{part}.json" for part in parts}
    return Draft4Validator(schema("boamps_report.json"), registry=registry(DRAFT4, names))


def cyclonedx():
    parts = ("spdx", "jsf-0.82", "cryptography-defs")
    names = {f"{CYCLONEDX}{part}.SNAPSHOT.schema.json": f"cyclonedx_{part}.json" for part in parts}
    return Draft7Validator(schema("cyclonedx_bom-1.7.json"), registry=registry(DRAFT7, names))


def dia():
    return Draft7Validator(schema("dia_report.json"))


def faults(validator, text):
    """Return what a validator finds wrong with JSON text."""
    return [f"{e.json_path}: {e.message[:200]}" for e in validator.iter_errors(json.loads(text))]
