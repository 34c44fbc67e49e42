"""Tables of many small files gathered into one each, for whoever needs all their days.

Put here: the gathered file, and which of its rows still stand. Keep out: the tables (`store.py`).

A table has a file for each day, so that reading all of a thousand days opens a thousand files. A
gathered file names the files that it was made from, which Delta never changes: only days whose
files came or went since are read anew. It may be deleted at any time.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from pyarrow import feather

from ft_emissions_pipeline.tables import Table
from ft_emissions_pipeline.warehouse import selection

FOLDER = ".gathered"
"""Folder beside the tables."""

MANY = 30
"""Files from which on gathering them pays."""

MOST_CELLS = 5_000_000
"""Cells from which on a table is left in its files: then its rows cost, not their number."""

_FILES = b"files"


def whole(
    warehouse: str | Path,
    delta: DeltaTable,
    table: Table,
    names: set[str],
    where: tuple[str, Collection[str]] | None = None,
    *,
    writes: bool,
) -> pa.Table:
    """Read columns of all days; of what was gathered only the days that moved since.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, or URL of an object store, in which nothing is gathered.
    delta : DeltaTable
        A version of the table.
    table : Table
        Which table.
    names : set of str
        The columns.
    where : (str, collection of str), optional
        A column, and which of its values the rows must have.
    writes : bool
        Whether to gather what was not; whoever says so holds the warehouse.
    """
    if not _pays(delta):
        return selection.scan(delta, table, names, None, where)
    files = {"/".join(each.rsplit("/", 2)[1:]) for each in delta.file_uris()}
    stored = selection.stored_names(delta)
    every = [name for name in table.names if name in stored]
    try:
        held, moved = _standing(warehouse, table, files)
        if held.column_names != every:
            raise LookupError
    except LookupError:
        if not writes:
            return selection.scan(delta, table, names, None, where)
        rows = selection.scan(delta, table, set(every), None)
    else:
        if not moved:
            return _chosen(held, names, where)
        fresh = selection.scan(
            delta, table, set(every), selection.on_days(table, pd.DatetimeIndex(sorted(moved)))
        )
        rows = pa.concat_tables([held, fresh.cast(held.schema)])
    if writes:
        _keep(warehouse, table, files, rows)
    return _chosen(rows, names, where)


def _chosen(rows: pa.Table, names: set[str], where: tuple[str, Collection[str]] | None) -> pa.Table:
    if where is not None:
        rows = rows.filter(pc.is_in(rows[where[0]], pa.array(sorted(where[1]), pa.string())))
    return rows.select([name for name in rows.column_names if name in names])


def _pays(delta: DeltaTable) -> bool:
    """Say whether a table has many files and few enough cells, by its log alone."""
    return (
        len(delta.file_uris()) >= MANY and delta.count() * len(delta.schema().fields) < MOST_CELLS
    )


def _standing(warehouse: str | Path, table: Table, files: set[str]) -> tuple[pa.Table, set[str]]:
    """Return the gathered rows that still stand, and the days to be read from their files."""
    try:
        rows = feather.read_table(_path(warehouse, table))
        known = set(json.loads(rows.schema.metadata[_FILES]))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid) as error:
        raise LookupError from error
    moved = {day for day in map(_day, files ^ known) if day}
    days = pc.cast(rows[str(table.partition)], pa.string())
    stands = pc.invert(pc.is_in(days, pa.array(sorted(moved), pa.string())))
    return rows.filter(stands).replace_schema_metadata(None), moved


def _keep(warehouse: str | Path, table: Table, files: set[str], rows: pa.Table) -> None:
    path = _path(warehouse, table)
    path.parent.mkdir(exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    # In one piece, as each of a thousand costs when it is read.
    named = rows.combine_chunks().replace_schema_metadata(
        {_FILES: json.dumps(sorted(files)).encode()}
    )
    try:
        feather.write_feather(named, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _path(warehouse: str | Path, table: Table) -> Path:
    return Path(warehouse) / FOLDER / f"{table.name}.arrow"


def _day(file: str) -> str:
    found = re.match(r"[^/]+=([\d-]+)/", file)
    return found[1] if found else ""
