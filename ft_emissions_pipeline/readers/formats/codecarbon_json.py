"""Read CodeCarbon's emissions as JSON: rows of `emissions.csv` as objects of its API or of scripts.

The keys are the columns (`EmissionsData` in CodeCarbon's `output_methods/emissions_data.py`), so
each object is read as a row by the reader of the CSV file; a record is counted from 1 on.
"""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from ft_emissions_pipeline.readers.documents import Item, json_items, objects_of
from ft_emissions_pipeline.readers.formats import codecarbon
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings, with_refused
from ft_emissions_pipeline.tables.words import Content

FORMAT = "codecarbon_json"
LOG = "CodeCarbon's emissions as JSON or JSON lines"
TELLS = codecarbon.TELLS
LACKS = codecarbon.LACKS
CONTENT: Content = "runs"
PROGRESS = codecarbon.PROGRESS
BASIS = codecarbon.BASIS

_MARKS = (b'"duration"', b'"emissions"', b'"energy_consumed"', b'"timestamp"')


def recognises(name: str, head: bytes) -> bool:
    """Say whether the objects have the columns of a CodeCarbon file."""
    return name.endswith((".json", ".jsonl", ".ndjson")) and all(mark in head for mark in _MARKS)


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the objects of a file."""
    items, single = json_items(data)
    if (
        single
        and isinstance(items[0].value, dict)
        and isinstance(items[0].value.get("emissions"), list)
    ):
        items = [Item(str(n), value) for n, value in enumerate(items[0].value["emissions"], 1)]
    otherwise = "not an object with the columns of emissions.csv; write it as one"
    rows, refused = objects_of(items, otherwise)
    if not rows:
        msg = (
            "holds no object with the columns of emissions.csv; export them, or land the csv itself"
        )
        raise RefusalError(msg, refused[0][1] if refused else "wrong_shape")
    reading = codecarbon.read(_sheet([row for _, row in rows]), uri, settings)
    # Line 2 is the first row under the header.
    places = {str(n): record for n, (record, _) in enumerate(rows, 2)}
    runs, quarantine = (
        frame.assign(source_record=frame["source_record"].replace(places))
        for frame in (reading.runs, reading.quarantine)
    )
    return replace(
        reading,
        runs=runs,
        quarantine=with_refused(quarantine, refused),
        records=reading.records + len(refused),
    )


def _sheet(rows: list[dict[str, object]]) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([[_cell(row.get(name)) for name in names] for row in rows])
    return file.getvalue().encode("utf-8", errors="replace")


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("\n", " ").replace("\r", " ")
