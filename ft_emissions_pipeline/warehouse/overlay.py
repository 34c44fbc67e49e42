"""Restated rows that lie over a table until they are written into its days.

Put here: the rows that lie over a table, their place, and what reading and settling make of them.
Keep out: every other way to read or write (`store.py`).

A restatement changes few rows of many days. Such rows stand in a small table of their own beside
the days' files, and every read shows them in place of the older ones. Whatever changes the table
next, at the latest the nightly upkeep, first writes them into the days (`settle`).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import deltalake
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from ft_emissions_pipeline.tables import Table
from ft_emissions_pipeline.warehouse import opening, selection

RESTATED = "_restated"
"""Folder in a table's own, which Delta passes over: the table of the rows that lie over it."""

_OVER = "ft_emissions.restated"
"""Property of a table: which version of `RESTATED` lies over it. Its commit is what counts."""

_NOTHING = "none"


def beside(delta: DeltaTable) -> str:
    """Return where the rows lie that lie over a table, or once did."""
    return f"{delta.table_uri.rstrip('/')}/{RESTATED}"


def version_over(delta: DeltaTable | None) -> str | None:
    """Return which version of the restated rows lies over a table; None for nothing."""
    version = None if delta is None else delta.metadata().configuration.get(_OVER)
    return None if version == _NOTHING else version


def lying_over(warehouse: str | Path, delta: DeltaTable, table: Table) -> DeltaTable | None:
    """Return what lies over a version of a table; None for nothing."""
    version = version_over(delta)
    if version is None:
        return None
    opening.refuse_empty_commit(warehouse, table, RESTATED, int(version))
    return DeltaTable(beside(delta), version=int(version))


def laid_over(
    rows: pa.Table,
    over: DeltaTable,
    table: Table,
    predicate: str | None,
    where: tuple[str, Collection[str]] | None = None,
) -> pa.Table:
    """Return scanned rows with others in place of all that share the first part of their key."""
    by = table.key[0]
    restated = pc.unique(selection.scan(over, table, {by}, None)[by])
    left = rows.filter(pc.invert(pc.is_in(rows[by], restated)))
    new = selection.scan(over, table, set(rows.column_names), predicate, where)
    return pa.concat_tables([left, new.select(rows.column_names)], promote_options="default")


def lay(warehouse: str | Path, delta: DeltaTable, table: Table, rows: pa.Table) -> bool:
    """Lay rows over a table, with those that lie there already; False where just they do."""
    by = table.key[0]
    over = lying_over(warehouse, delta, table)
    if over is not None:
        held = selection.scan_sorted(over, table, None)
        again = pc.is_in(held[by], pc.unique(rows[by]))
        if held.filter(again).equals(rows):
            return False
        rows = pa.concat_tables([held.filter(pc.invert(again)), rows])
    place = beside(delta)
    deltalake.write_deltalake(
        place,
        rows,
        mode="overwrite",
        schema_mode="overwrite",
        writer_properties=selection.encoding(table),
        configuration=opening.KEEP_HISTORY,
    )
    _point(delta, str(DeltaTable(place).version()))
    return True


def settle(warehouse: str | Path, table: Table) -> DeltaTable | None:
    """Write the rows that lie over a table into its days, and return it; None if never written.

    Killed in between, they lie over rows that are just these.

    Raises
    ------
    StoreBusy
        If another process changed the same days at the same time.
    """
    with opening.clear_errors(warehouse, table):
        delta = opening.at(warehouse, table)
        return None if delta is None else settled(warehouse, delta, table)


def settled(warehouse: str | Path, delta: DeltaTable, table: Table) -> DeltaTable:
    """Return an open table over which nothing lies any more."""
    over = lying_over(warehouse, delta, table)
    if over is None:
        return delta
    held = selection.scan(over, table, {str(table.partition)}, None)[0]
    predicate = selection.on_days(table, pd.DatetimeIndex(pc.unique(held).to_pandas()))
    rows = selection.scan(delta, table, set(table.names), predicate)
    rows = laid_over(rows, over, table, predicate)
    encoding = selection.encoding(table)
    deltalake.write_deltalake(
        delta, rows, mode="overwrite", predicate=predicate, writer_properties=encoding
    )
    _point(delta, _NOTHING)
    return delta


def forget(warehouse: str | Path, table: Table) -> None:
    """Let nothing lie over a table, as what did is lost."""
    with opening.clear_errors(warehouse, table):
        delta = opening.at(warehouse, table)
        if delta is not None:
            _point(delta, _NOTHING)


def _point(delta: DeltaTable, over: str) -> None:
    delta.alter.set_table_properties({_OVER: over}, raise_if_not_exists=False)
