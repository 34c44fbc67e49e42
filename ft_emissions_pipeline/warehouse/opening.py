"""Opening a Delta table: where it lies, which version it has, what an error says of it.

Put here: the one way to a table on disk, and its errors in plain words. Keep out: its rows
(`selection.py`, `overlay.py`) and writing them (`store.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, SchemaMismatchError

from ft_emissions_pipeline.tables import Table
from ft_emissions_pipeline.warehouse import selection
from ft_emissions_pipeline.warehouse.faults import StoreDamaged, explained
from ft_emissions_pipeline.warehouse.lock import StoreBusy
from ft_emissions_pipeline.warehouse.selection import StoreOutdated

# Delta forgets log entries after 30 days by default, and with them the versions that they describe.
KEEP_HISTORY = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}


def uri(warehouse: str | Path, table: Table) -> str:
    """Return where a table lies, as a URL."""
    if "://" in str(warehouse):
        return f"{str(warehouse).rstrip('/')}/{table.name}"
    folder = Path(warehouse).absolute()
    # deltalake 1.6 reads a local path as if it were a URL: it decodes percent signs once too often,
    # and loses the history behind the other two.
    if any(mark in str(folder) for mark in "%#?"):
        msg = (
            f"the warehouse {folder} has %, # or ? in its path, which Delta cannot keep; rename it"
        )
        raise ValueError(msg)
    return (folder / table.name).as_uri()


def at(warehouse: str | Path, table: Table) -> DeltaTable | None:
    """Return the newest version of a table to write by; None if it was never written."""
    place = uri(warehouse, table)
    if not DeltaTable.is_deltatable(place):
        if "://" not in str(warehouse) and _holds_data(Path(warehouse) / table.name):
            raise StoreDamaged(warehouse, table.name, "its log is gone")
        return None
    delta = DeltaTable(place)
    refuse_empty_commit(warehouse, table, "", delta.version())
    return delta


def to_read(
    warehouse: str | Path, table: Table, at_version: int | None = None
) -> DeltaTable | None:
    """Return a version of a table, the newest by default, by which nobody writes.

    To open one lists the files of all its days; the newest of a local one is opened again only
    where a commit came or went.
    """
    commit = _newest_commit(Path(warehouse) / table.name / "_delta_log")
    newest = at(warehouse, table) if commit is None else _unmoved(warehouse, table, commit)
    if newest is None or at_version in {None, newest.version()}:
        return newest
    if not 0 <= at_version <= newest.version():
        msg = (
            f"table {table.name} in {warehouse} has versions 0 to {newest.version()}, "
            f"not {at_version}"
        )
        raise ValueError(msg)
    return DeltaTable(uri(warehouse, table), version=at_version)


_Commit = tuple[str, int, int, int]


@lru_cache(maxsize=64)
def _unmoved(warehouse: str | Path, table: Table, commit: _Commit) -> DeltaTable | None:  # noqa: ARG001
    return at(warehouse, table)


def _newest_commit(log: Path) -> _Commit | None:
    """Return what tells the newest commit of a local table from any other."""
    try:
        with os.scandir(log) as entries:
            file = max((e for e in entries if e.name.endswith(".json")), key=lambda e: e.name)
            known = file.stat()
    except (OSError, ValueError):
        return None
    return file.name, known.st_ino, known.st_size, known.st_mtime_ns


def _holds_data(folder: Path) -> bool:
    return folder.is_dir() and next(folder.rglob("*.parquet"), None) is not None


def refuse_empty_commit(warehouse: str | Path, table: Table, within: str, version: int) -> None:
    """Refuse a newest commit without content, which Delta takes for one that changes nothing.

    A machine that loses power leaves such a file, and the rows of that commit would be gone unsaid.
    """
    commit = Path(warehouse) / table.name / within / "_delta_log" / f"{version:020d}.json"
    if commit.is_file() and not commit.stat().st_size:
        raise StoreDamaged(warehouse, table.name, f"its commit {version} is empty")


def busy(warehouse: str | Path, table: Table) -> str:
    """Return what is said where another process changes a table."""
    return (
        f"table {table.name} in {warehouse} is being changed by another process; "
        "nothing was written: run it again when the other one has ended"
    )


@contextmanager
def clear_errors(warehouse: str | Path, table: Table) -> Iterator[None]:
    """Say of an error of Delta, Arrow or the disk what it means for the table."""
    try:
        yield
    except CommitFailedError as error:
        raise StoreBusy(busy(warehouse, table)) from error
    except SchemaMismatchError as error:
        raise StoreOutdated(selection.outdated(warehouse, table, error)) from error
    except (DeltaError, pa.ArrowException, OSError, MemoryError) as error:
        found = explained(error, f"table {table.name} in {warehouse}")
        if found is not None:
            raise found from error
        # Delta's kernel adds a stack trace to what it says, the object store colours.
        told = re.sub(r"\x1b\[\d*m|↳", "", str(error).split("\n   0:")[0])
        raise StoreDamaged(warehouse, table.name, " ".join(told.split())) from error
