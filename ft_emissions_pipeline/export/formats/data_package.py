"""Frictionless data package: every table as CSV, with its declaration beside it.

Source: Tabular Data Package v1 (specs.frictionlessdata.io), `unit` being a key of our own. Cells
stand as they are, without the mark against formulas: the descriptor tells their types.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ft_emissions_pipeline.export.figures import Figures, as_json, inside, iso, tool
from ft_emissions_pipeline.tables import PENDING_DAYS, PENDING_RESTATEMENT, TABLES, Column, Table

FORMAT = "data-package"
FILE = "package"
HOLDS = "a folder: every table as CSV with `datapackage.json`, which Frictionless validates"
ONE = False

_KINDS = {"float": "number", "timestamp": "datetime"}
"""Kinds of columns that the format calls otherwise."""
_LEFT_OUT = (PENDING_DAYS, PENDING_RESTATEMENT)
"""What is due is a note of the pipeline to itself."""


def render(figures: Figures, out: Path | None) -> dict[str, str]:  # noqa: ARG001 (the same wherever)
    """Return the files of the folder."""
    held = [table for table in TABLES.values() if table not in _LEFT_OUT]
    files = {f"{table.name}.csv": _csv(figures.table(table), table) for table in held}
    return {"datapackage.json": as_json(_descriptor(figures, held)), **files}


def _descriptor(figures: Figures, held: list[Table]) -> dict[str, Any]:
    rests = figures.versions.iloc[-1]
    versions = sorted(figures.versions["reference_version"].unique())
    return {
        "profile": "tabular-data-package",
        "name": "ft-emissions",
        "title": "Carbon and water of fine-tuned models",
        "created": iso(figures.made_at),
        "description": f"{tool()}; factors {', '.join(versions)}; totals: {inside(rests)}",
        **({"contributors": [{"title": figures.entity}]} if figures.entity else {}),
        "resources": [
            {
                "profile": "tabular-data-resource",
                "name": table.name.replace("_", "-"),
                "path": f"{table.name}.csv",
                "description": f"One row is {table.row}.",
                "schema": {
                    "fields": [_field(column) for column in table.columns],
                    **_primary_key(table),
                },
            }
            for table in held
        ],
    }


def _primary_key(table: Table) -> dict[str, list[str]]:
    """Return the key of a table; one of which a part may be empty is none in this format."""
    whole = all(table.column(name).required for name in table.key)
    return {"primaryKey": list(table.key)} if whole else {}


def _field(column: Column) -> dict[str, Any]:
    constraints = {
        "required": column.required or None,
        "minimum": column.minimum,
        "maximum": column.maximum,
        "enum": None if column.allowed is None else list(column.allowed),
    }
    return {
        "name": column.name,
        "type": _KINDS.get(column.kind, column.kind),
        **({"unit": column.unit} if column.unit else {}),
        "description": column.description,
        "constraints": {name: limit for name, limit in constraints.items() if limit is not None},
    }


def _csv(frame: pd.DataFrame, table: Table) -> str:
    cells = frame[table.names].copy()
    for column in table.columns:
        if column.kind == "timestamp":
            cells[column.name] = cells[column.name].map(_instant)
        elif column.kind == "integer":
            cells[column.name] = cells[column.name].astype("Int64")
    return str(cells.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d"))


def _instant(instant: Any) -> str | None:
    return None if pd.isna(instant) else f"{instant:%Y-%m-%dT%H:%M:%S.%fZ}"
