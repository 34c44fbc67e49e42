"""Faults of the machine in one sentence: what failed, what is safe, what to do.

Put here: which fault of disk, memory or network an error tells of, and its wording. Keep out:
faults of the data, which cost a row of `quarantine`, and looking for damage (`health.py`).

Delta, Arrow and SQLite tell of a full disk in texts of their own, and Dagster keeps of a failed
step nothing but its text; so the text is what is looked at.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NUMBERED = re.compile(r"\[Errno (\d+)\]|\(os error (\d+)\)")

_OWN = re.compile(r"ft_emissions_pipeline\.warehouse\.\w+\.(MachineFault|StoreDamaged): ")

_WORDED = {
    "disk is full": errno.ENOSPC,
    "readonly database": errno.EROFS,
    "disk I/O error": errno.EIO,
    "MemoryError": errno.ENOMEM,
    "malloc of size": errno.ENOMEM,
}
"""How SQLite (`sqlite3_errstr`), Python and Arrow word a fault without its number."""

_RIGHTS = "this user has no right to read or write there", "grant it, or run as the owner"
_READ_ONLY = "its file system is read-only", "mount it for writing, or name another folder"
_FULL = "the disk is full", "free some space"
_DEVICE = (
    "the device failed to read or write",
    "look at the disk or the network drive, then run `ft-emissions doctor`",
)
_AWAY = "its drive is gone", "mount it again"

_FAULTS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: ("the quota of the disk is used up", "free some space, or have it raised"),
    errno.EFBIG: ("a file would become larger than may be", "raise the limit on file sizes"),
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EIO: _DEVICE,
    errno.ESTALE: _AWAY,
    errno.ENODEV: _AWAY,
    errno.ENOTCONN: _AWAY,
    errno.ETIMEDOUT: _AWAY,
    errno.ENOLCK: ("its file system keeps no locks", "name a folder on a disk that does"),
    errno.EMFILE: ("this process may open no more files", "raise the limit (`ulimit -n`)"),
    errno.ENOMEM: (
        "the machine has no memory left",
        "end other programs, or run fewer days at a time with --from and --to",
    ),
}

SAFE = "nothing is written by half, each table holds its old rows or all of the new"


class MachineFault(RuntimeError):
    """Disk, memory or network failed; each table holds what it did before, or all new rows."""


class StoreDamaged(MachineFault):
    """A table whose log or data files are missing or broken; nothing was changed."""

    def __init__(self, warehouse: str | Path, table: str, what: str) -> None:
        self.what = what
        super().__init__(
            f"table {table} in {warehouse} is damaged ({what}); nothing was changed: "
            f"`ft-emissions doctor --warehouse {warehouse}` says what can be repaired"
        )


def fault(where: str, what: str, remedy: str) -> MachineFault:
    """Return the error that says what failed where, that nothing is half, and what to do."""
    return MachineFault(f"{where}: {what}; {SAFE}: {remedy} and run it again")


def explained(error: Exception | str, where: str) -> MachineFault | None:
    """Return the fault of the machine of which an error tells; None where of none.

    Parameters
    ----------
    error : Exception or str
        The error, or its class and message as Dagster keeps them.
    where : str
        Table or file that was being read or written, where the error itself is no `MachineFault`.
    """
    if isinstance(error, MachineFault):
        return error
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    if own := _OWN.match(text):
        return MachineFault(text[own.end() :])
    number = _NUMBERED.search(text)
    found = (
        int(number[1] or number[2])
        if number
        else next((code for words, code in _WORDED.items() if words in text), None)
    )
    return None if found not in _FAULTS else fault(where, *_FAULTS[found])


@contextmanager
def said(where: str) -> Iterator[None]:
    """Turn a fault of the machine within the block into `MachineFault`; any other error passes."""
    try:
        yield
    except Exception as error:
        found = explained(error, where)
        if found is None:
            raise
        raise found from error
