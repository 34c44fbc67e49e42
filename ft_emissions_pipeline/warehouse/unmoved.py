"""Tables that stand as they were made and checked, so that what did not move is not done again.

Put here: notes of which versions of other tables, and which choices, a table was made from. Keep
out: what a table is made from (`assets/`), and tables themselves (`store.py`).

The notes lie in a file beside the tables; in an object store none are kept, and all is done anew.
Without a note, or with one of another version of the table, nothing is taken to stand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_emissions_pipeline.tables import Table
from ft_emissions_pipeline.warehouse import kept
from ft_emissions_pipeline.warehouse.faults import said

NOTES = "made_from.json"
"""File of the notes in a local warehouse."""

Inputs = Mapping[str, str]
"""What a table is made from: other tables as `kept.of_tables` tells them, and choices by name."""


def stands(warehouse: str | Path, table: Table, inputs: Inputs) -> bool:
    """Say whether a table was made and checked from just these inputs, and is unchanged since."""
    return made_from(warehouse, table) == dict(inputs)


def made_from(warehouse: str | Path, table: Table) -> dict[str, str] | None:
    """Return what a table was made from when it was checked; None if it was written since."""
    note = _notes(warehouse).get(table.name)
    if note is None or note.get("made") != kept.of_tables(warehouse, table):
        return None
    return dict(note["inputs"])


def since(made_from: Inputs | None, now: Inputs, table: Table) -> int | None:
    """Return in which version a table was taken; None if it was not, or is another table now."""
    identity, _, version = (made_from or {}).get(table.name, "").rpartition(" ")
    is_now = now.get(table.name, "").rpartition(" ")[0]
    return int(version) if identity and identity == is_now else None


def note(warehouse: str | Path, table: Table, inputs: Inputs) -> None:
    """Note what a table was made from, now that it was checked."""
    if "://" in str(warehouse):
        return
    made = kept.of_tables(warehouse, table)
    notes = _notes(warehouse) | {table.name: {"made": made, "inputs": dict(inputs)}}
    path = Path(warehouse) / NOTES
    draft = path.with_name(f".{NOTES}.{os.getpid()}")
    with said(f"the warehouse {warehouse}"):
        draft.write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        draft.replace(path)


def _notes(warehouse: str | Path) -> dict[str, dict[str, Any]]:
    path = Path(warehouse) / NOTES
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError):
        # Not there, or cut short by a machine that lost power: then all is done anew.
        return {}
