"""One writer at a time: the lock by which processes wait for each other at a warehouse.

Put here: the lock, and that the warehouse is still the one that was locked. Keep out: what is
written (`store.py`), and how long who waits (its callers).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ft_emissions_pipeline.warehouse.faults import MachineFault, said

LOCK = ".writer"
"""File in a local warehouse by which writers wait for each other; its time is that of the last
one."""

LOCK_POLL_S = 0.05

CLOCKS_DIFFER_S = 3600.0
"""Seconds by which the clock of a file server may be ahead of this machine's."""

_HELD = threading.local()
"""Locks of this thread's open blocks, with their open files."""


class StoreBusy(RuntimeError):
    """Another process changed the same rows at the same time; nothing of this write was kept."""


@contextmanager
def locked(warehouse: str | Path, purpose: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a local warehouse for one writer, as long as the block lasts.

    The lock is the operating system's, so it ends with its process, however that ends. Within a
    block that holds the warehouse, its own thread may ask again. An object store has no lock;
    there, Delta refuses the second of two commits to the same days.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, or URL of an object store.
    purpose : str
        What the holder does, for the message that another one gets.
    wait_s : float
        Seconds to wait for another holder.

    Raises
    ------
    StoreBusy
        If another process holds the warehouse for longer; the message names it.
    MachineFault
        If the warehouse cannot be written, or the clock stands before the last time that it was.
    """
    path, held = _lock_of(warehouse), _held()
    if path is None or path in held:
        yield
        return
    with said(f"the warehouse {warehouse}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    with file:
        with said(f"the warehouse {warehouse}"):
            _wait(file, warehouse, time.monotonic() + wait_s)
            _refuse_clock_set_back(file, warehouse)
            file.truncate(0)
            file.write(f"{purpose} (process {os.getpid()})\n")
            file.flush()
        held[path] = file
        try:
            not_replaced(warehouse)
            yield
        finally:
            del held[path]


def holds(warehouse: str | Path) -> bool:
    """Say whether this thread holds the warehouse."""
    path = _lock_of(warehouse)
    return path is not None and path in _held()


def not_replaced(warehouse: str | Path) -> None:
    """Refuse to write where the folder that this thread locked is no longer the one that is there.

    A drive that went away leaves an empty folder in which tables would begin anew, with none of the
    rows that they had.

    Raises
    ------
    MachineFault
        If the warehouse went away or was replaced.
    """
    path = _lock_of(warehouse)
    file = _held().get(path) if path else None
    if path is None or file is None:
        return
    if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
        msg = (
            f"the warehouse {warehouse} went away or was replaced while it was being written; "
            "what was written since is not in it: bring it back and run it again"
        )
        raise MachineFault(msg)


def holder(warehouse: str | Path) -> str | None:
    """Return who holds the warehouse now; None where nobody does."""
    path = _lock_of(warehouse)
    if path is None or not path.exists():
        return None
    import fcntl

    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _named(file)
    return None


def last_written(warehouse: str | Path) -> float:
    """Return the time stamp of the last writer, 0 where nobody wrote."""
    path = _lock_of(warehouse)
    return path.stat().st_mtime if path is not None and path.exists() else 0.0


def _lock_of(warehouse: str | Path) -> Path | None:
    return None if "://" in str(warehouse) else Path(warehouse).resolve() / LOCK


def _held() -> dict[Path, IO[str]]:
    held: dict[Path, IO[str]] = _HELD.__dict__.setdefault("files", {})
    return held


def _named(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip() or "another process"


def _wait(file: IO[str], warehouse: str | Path, until: float) -> None:
    import fcntl  # not on Windows, where all else can be imported

    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= until:
                msg = (
                    f"the warehouse {warehouse} is being written by {_named(file)}; "
                    "nothing was changed: run it again when that one has ended"
                )
                raise StoreBusy(msg) from error
            time.sleep(LOCK_POLL_S)


def _refuse_clock_set_back(file: IO[str], warehouse: str | Path) -> None:
    last = os.fstat(file.fileno()).st_mtime
    if last > time.time() + CLOCKS_DIFFER_S:
        msg = (
            f"the clock says {_utc(time.time())}, but the warehouse {warehouse} was last written "
            f"at {_utc(last)}; nothing was changed: set the clock, or if it was wrong then, "
            f"run `touch {Path(warehouse) / LOCK}`"
        )
        raise MachineFault(msg)


def _utc(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
