"""One writer at a time: the lock by which processes wait for each other at a warehouse.

Put here: the lock. Keep out: what is written (`store.py`), and how long who waits (its callers).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ft_emissions_pipeline.warehouse.store import StoreBusy

LOCK = ".writer"
"""File in a local warehouse by which writers wait for each other."""

LOCK_POLL_S = 0.05

_HELD = threading.local()
"""Locks of this thread's open blocks."""


@contextmanager
def locked(warehouse: str | Path, purpose: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a local warehouse for one writer, as long as the block lasts.

    The lock is the operating system's, so it ends with its process, however that ends. Within a block
    that holds the warehouse, its own thread may ask again. An object store has no lock; there, Delta
    refuses the second of two commits to the same days.

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
    """
    path = Path(warehouse).resolve() / LOCK
    held: set[Path] = _HELD.__dict__.setdefault("paths", set())
    if "://" in str(warehouse) or path in held:
        yield
        return
    import fcntl  # not on Windows, where all else can be imported

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() >= until:
                    file.seek(0)
                    holder = file.read().strip() or "another process"
                    msg = (
                        f"the warehouse {warehouse} is being written by {holder}; "
                        "nothing was changed: run it again when that one has ended"
                    )
                    raise StoreBusy(msg) from error
                time.sleep(LOCK_POLL_S)
        file.truncate(0)
        file.write(f"{purpose} (process {os.getpid()})\n")
        file.flush()
        held.add(path)
        try:
            yield
        finally:
            held.remove(path)
