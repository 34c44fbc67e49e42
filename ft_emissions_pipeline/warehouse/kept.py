"""What was worked out of tables, kept beside them, so that it is not worked out again.

Put here: keeping a frame with what it rests on, and taking it while that stands. Keep out: how a
frame is made and what it rests on (whoever asks for it), and tables themselves (`store.py`).

A kept frame names the tables of which it was made, each by its identity and version, and the
sources of this package. One that is missing, damaged, or rests on anything else is made anew, so
all may be deleted at any time. In an object store nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.tables import Table
from ft_emissions_pipeline.warehouse import opening
from ft_emissions_pipeline.warehouse.faults import said
from ft_emissions_pipeline.warehouse.lock import holds

FOLDER = ".kept"
"""Folder beside the tables."""

RestsOn = Mapping[str, str]
"""What a frame is made from: tables and choices by their names."""

_RESTS_ON = b"rests_on"


def frame(
    warehouse: str | Path, name: str, rests_on: RestsOn, made: Callable[[], pd.DataFrame]
) -> pd.DataFrame:
    """Return a frame that was kept, or make it; whoever holds the warehouse then keeps it.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, or URL of an object store.
    name : str
        What the frame is called among those that are kept.
    rests_on : mapping of str to str
        All that the frame is made from, as `of_tables` tells it of tables.
    made : callable
        Makes the frame; its index is not kept.
    """
    told = json.dumps({**rests_on, "sources": sources()}, sort_keys=True).encode()
    path = None if "://" in str(warehouse) else Path(warehouse) / FOLDER / f"{name}.parquet"
    rows = None if path is None else _standing(path, told)
    if rows is None:
        rows = pa.Table.from_pandas(made(), preserve_index=False)
        if path is not None and holds(warehouse):
            with said(f"the warehouse {warehouse}"):
                _keep(path, rows, told)
    # Made or kept, it comes the same way, and so in the same types.
    return rows.to_pandas()


def of_tables(
    warehouse: str | Path, *tables: Table, versions: Mapping[str, int | None] | None = None
) -> dict[str, str]:
    """Return of some tables which they are and in which version, the newest unless named.

    A table that was deleted and is written anew counts its versions from the start; its identity
    tells it from the old one.
    """
    found = {}
    for table in tables:
        with opening.clear_errors(warehouse, table):
            delta = opening.to_read(warehouse, table)
        if delta is not None:
            version = (versions or {}).get(table.name)
            version = delta.version() if version is None else version
            found[table.name] = f"{delta.metadata().id} {version}"
    return found


@cache
def sources() -> str:
    """Return a hash over the sources of this package, by which all is worked out."""
    found = hashlib.sha256()
    for path in sorted(Path(fte.__file__).parent.rglob("*.*")):
        if path.suffix in {".py", ".html", ".css", ".js", ".gz", ".txt"}:
            found.update(path.read_bytes())
    return found.hexdigest()


def digest(cells: pd.DataFrame | pd.Series) -> str:
    """Return a hash over cells in their order."""
    return hashlib.sha256(cells.to_csv(index=False).encode()).hexdigest()


def _standing(path: Path, told: bytes) -> pa.Table | None:
    """Return what is kept if it rests on just this, and is as it was written."""
    try:
        rows = parquet.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException):
        return None
    return rows if (rows.schema.metadata or {}).get(_RESTS_ON) == told else None


def _keep(path: Path, rows: pa.Table, told: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        parquet.write_table(
            rows.replace_schema_metadata({**(rows.schema.metadata or {}), _RESTS_ON: told}),
            draft,
            use_dictionary=False,
            write_statistics=False,
            write_page_checksum=True,
        )
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
