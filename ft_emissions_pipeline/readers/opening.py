"""Bytes of a file: its beginning, the whole of it, and by what it is known again.

Put here: opening a file of any kind, within limits, and refusing what is none. Keep out: whose log
it is (`readers/__init__.py`), unpacking (`compression.py`), and finding files (`files.py`).
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from ft_emissions_pipeline.readers.compression import inner_name
from ft_emissions_pipeline.readers.files import File
from ft_emissions_pipeline.readers.reading import RefusalError
from ft_emissions_pipeline.readers.remote import RemoteFile

LIMIT = 1 << 30
"""Largest file that is read, in bytes."""
DOCUMENT_LIMIT = 1 << 28
"""Largest JSON, YAML or Markdown file: parsed, it takes many times its size in memory."""

HEAD = 65536
"""Bytes at a file's beginning by which its format is recognised."""

_DOCUMENTS = (".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".md", ".markdown", ".txt")


def limit_of(uri: str) -> int:
    """Return how large a file of a name may be."""
    return DOCUMENT_LIMIT if inner_name(uri).casefold().endswith(_DOCUMENTS) else LIMIT


def head_of(path: Path | RemoteFile) -> tuple[bytes, int]:
    """Return a file's first bytes and its size; whatever is no file is refused."""
    if isinstance(path, RemoteFile):
        # What is far away is fetched once.
        return b"", -1
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return b"", -1
        with path.open("rb") as stream:
            return stream.read(HEAD), status.st_size
    except OSError:
        # Reading it whole says why.
        return b"", -1


def hash_of_head(head: bytes, size: int) -> str:
    """Return the hash of a file that tells nothing, by its beginning and size."""
    return hashlib.sha256(head + b"%d" % size).hexdigest()


def content_hash(path: File, content: str) -> str:
    """Return the hash by which a file is known again, empty where it must be read anew.

    Parameters
    ----------
    path : pathlib.Path or RemoteFile
        The file.
    content : str
        What it held when it was read last: of a file that tells nothing only the beginning counts.
    """
    try:
        # A file that is no regular one would be waited on for ever.
        if not isinstance(path, Path) or not stat.S_ISREG(path.stat().st_mode):
            return ""
        if content == "other":
            return hash_of_head(*head_of(path))
        if path.stat().st_size > LIMIT and content != "telemetry":
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def bytes_of(path: Path | RemoteFile, limit: int) -> bytes:
    """Return a whole file.

    Raises
    ------
    RefusalError
        If it is larger than the limit, no file, or cannot be opened.
    """
    try:
        if isinstance(path, RemoteFile):
            data = _remote_bytes(path, limit)
            return within(len(data), data, limit)
        # A pipe or device would be waited on for ever, so the kind is asked before opening.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            if path.is_dir():
                path.iterdir()
            msg = "neither a file nor a folder that can be listed; remove it or grant access"
            raise RefusalError(msg, "not_a_file")
        if status.st_size > limit:
            return within(status.st_size, b"", limit)
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        # Not the exception's own text: it would carry a path of this machine.
        msg = (
            f"cannot be opened: {error.strerror or type(error).__name__}; grant access or remove it"
        )
        raise RefusalError(msg, "cannot_open") from error
    return within(len(data), data, limit)


def within(size: int, data: bytes, limit: int) -> bytes:
    """Return the bytes of a file, unless its size is beyond a limit."""
    if size > limit:
        msg = f"larger than {limit >> 20} MiB; split the file"
        raise RefusalError(msg, "too_large")
    return data


def _remote_bytes(path: RemoteFile, limit: int) -> bytes:
    try:
        with path.open() as stream:
            return stream.read(limit + 1)
    except ImportError:
        raise
    except Exception as error:
        msg = f"cannot be fetched: {type(error).__name__}; check the URL and the rights to it"
        raise RefusalError(msg, "cannot_open") from error


def stand_in(path: File, code: str) -> str:
    """Return what stands for the hash of a file that cannot be read whole, and why it cannot."""
    try:
        if isinstance(path, RemoteFile):
            return hashlib.sha256(repr((code, str(path))).encode()).hexdigest()
        status = os.lstat(path)
        marks = (code, status.st_size, status.st_mtime_ns, status.st_mode)
    except OSError:
        marks = (code, 0, 0, 0)
    return hashlib.sha256(repr(marks).encode()).hexdigest()


def as_utf8(data: bytes) -> bytes:
    """Return data without byte-order mark; UTF-16, as Excel and PowerShell write it, as UTF-8."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace").encode("utf-8", errors="replace")
    return data.removeprefix(b"\xef\xbb\xbf")
