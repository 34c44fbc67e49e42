"""Read and write the factor tables as rows of text, in the order of their keys.

Put here: what every script of this folder needs of a table. Keep out: what a source says.
"""

from __future__ import annotations

import csv
from pathlib import Path

from ft_emissions_pipeline.reference import TABLES

FOLDER = Path(__file__).resolve().parents[1]

Row = dict[str, str]


def read(table: str) -> list[Row]:
    """Return the rows of a table as they stand in its file."""
    with (FOLDER / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(table: str, rows: list[Row]) -> None:
    """Write a table, sorted by its key; a column that a row lacks is empty."""
    declared = TABLES[table]
    columns = [column.name for column in declared.columns]
    with (FOLDER / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: [_sortable(row[c]) for c in declared.key]))


def _sortable(cell: str) -> tuple[int, float, str]:
    try:
        return 0, float(cell), ""
    except ValueError:
        return 1, 0.0, cell


def text(value: float, digits: int = 6) -> str:
    """Return a number as short as it can be said."""
    return f"{value:.{digits}g}" if abs(value) < 1e6 else f"{value:.0f}"
