"""Read and write the factor tables as rows of text, in the order of their keys.

Put here: what every script of this folder needs of a table. Keep out: what a source says.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

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


def merge(table: str, fresh: pd.DataFrame) -> None:
    """Write rows over those of the same key; the others stay."""
    key = TABLES[table].key
    filled = fresh.astype("object").where(fresh.notna(), "")
    rows = [{c: _as_text(cell) for c, cell in row.items()} for row in filled.to_dict("records")]
    taken = {tuple(row[column] for column in key) for row in rows}
    held = [row for row in read(table) if tuple(row[column] for column in key) not in taken]
    write(table, [*held, *rows])


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def of_year(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the first and last day of each row's year."""
    year = rows["year"].astype("str")
    return rows.assign(valid_from=year + "-01-01", valid_to=year + "-12-31")


def text(value: float, digits: int = 6) -> str:
    """Return a number as short as it can be said."""
    return f"{value:.{digits}g}" if abs(value) < 1e6 else f"{value:.0f}"
