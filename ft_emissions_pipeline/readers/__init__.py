"""Readers of logs: one module per format, each registered here by what it recognises.

A new format is one new module with the names of `reading.Reader`, and one line in `READERS`.
Put here: the registry, and what happens to every file whatever its format: opening it, choosing the
reader, and turning whatever goes wrong into a row of quarantine. Keep out: finding files
(`files.py`), checking what was read (`validation.py`), and everything about one format.
"""

from __future__ import annotations

import csv
import hashlib
import re
import stat
from pathlib import Path

import pyarrow as pa
import yaml

from ft_emissions_pipeline.readers import (
    bedrock,
    codecarbon,
    dcgm,
    disclosure,
    hugging_face,
    meter,
    mlflow_metrics,
    nvidia_smi,
    run_mapping,
    slurm,
    usage,
    wandb_metrics,
)
from ft_emissions_pipeline.readers.files import files_in
from ft_emissions_pipeline.readers.reading import (
    REASONS,
    Reader,
    Reading,
    RefusalError,
    Settings,
    unreadable,
)
from ft_emissions_pipeline.readers.validation import validated

__all__ = [
    "READERS",
    "REASONS",
    "Reader",
    "Reading",
    "Settings",
    "basis_of",
    "files_in",
    "progress_of",
    "read_file",
]

READERS: tuple[Reader, ...] = (
    codecarbon,
    hugging_face,
    bedrock,
    slurm,
    mlflow_metrics,
    wandb_metrics,
    dcgm,
    nvidia_smi,
    usage,
    meter,
    run_mapping,
    disclosure,
)
"""In order of asking: the first reader that recognises a file reads it."""

LIMIT = 1 << 30
"""Largest file that is read, in bytes."""
DOCUMENT_LIMIT = 1 << 28
"""Largest JSON, YAML or Markdown file: parsed, it takes many times its size in memory."""

_DOCUMENTS = (".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".md", ".markdown", ".txt")
_HEAD = 65536
_BAD_CONTENT = (
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError, MemoryError,
    OSError, csv.Error, re.error, yaml.YAMLError, pa.ArrowException,
)  # fmt: skip
"""What a reader may stumble with over content that nobody foresaw. A slip in our own code can look the
same, so the reason carries the exception, and tests refuse `reader_failed` for every known fixture."""


def read_file(path: Path, uri: str, settings: Settings) -> tuple[Reading, str, str | None]:
    """Read one file, whatever it holds.

    Parameters
    ----------
    path : pathlib.Path
        Where the file lies.
    uri : str
        What to call it: its path relative to the landing folder.
    settings : Settings
        Time zone and present time.

    Returns
    -------
    reading : Reading
        What the file said. Bad content never raises: it is a row of quarantine.
    content_hash : str
        SHA-256 of the file's bytes; of a file that cannot be read whole, of reason, size and time
        of change instead.
    source_format : str or None
        `FORMAT` of the reader that recognised the file, None if none did.
    """
    try:
        data = _bytes(path, _limit(uri))
    except RefusalError as error:
        return unreadable(error.code, str(error)), _stand_in(path, error.code), None
    content_hash = hashlib.sha256(data).hexdigest()
    data = _as_utf8(data)
    reader: Reader | None = None
    try:
        reader = _reader(uri, data)
        reading = validated(reader.read(data, uri, settings), settings)
    except RefusalError as error:
        reading = unreadable(error.code, str(error), _start(data))
    except RecursionError:
        msg = "nested too deeply to be a log; write the file again"
        reading = unreadable("too_deep", msg, _start(data))
    except _BAD_CONTENT as error:
        msg = f"{type(error).__name__}: {error}; report it with the first lines of the file"
        reading = unreadable("reader_failed", msg, _start(data))
    return reading, content_hash, None if reader is None else reader.FORMAT


def basis_of(source_format: str, field: str) -> str:
    """Return measured, disclosed or predicted: what a field's value rests on in a format."""
    basis = _reader_of(source_format).BASIS
    return basis.get(field, basis["*"])


def progress_of(source_format: str) -> str | None:
    """Return the field by which earlier states of a run are told from later ones, if there is one."""
    return _reader_of(source_format).PROGRESS


def _reader_of(source_format: str) -> Reader:
    for reader in READERS:
        if source_format == reader.FORMAT:
            return reader
    known = ", ".join(reader.FORMAT for reader in READERS)
    msg = f"no reader has format {source_format!r}; registered are {known}"
    raise KeyError(msg)


def _limit(uri: str) -> int:
    return DOCUMENT_LIMIT if uri.casefold().endswith(_DOCUMENTS) else LIMIT


def _bytes(path: Path, limit: int) -> bytes:
    try:
        # A pipe or device would be waited on for ever, so the kind is asked before opening.
        if not stat.S_ISREG(path.stat().st_mode):
            if path.is_dir():
                path.iterdir()
            msg = "neither a file nor a folder that can be listed; remove it or grant access"
            raise RefusalError(msg, "not_a_file")
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        # Not the exception's own text: it would carry a path of this machine.
        msg = (
            f"cannot be opened: {error.strerror or type(error).__name__}; grant access or remove it"
        )
        raise RefusalError(msg, "cannot_open") from error
    if len(data) > limit:
        msg = f"larger than {limit >> 20} MiB; split the file"
        raise RefusalError(msg, "too_large")
    if not data.strip():
        msg = "the file is empty; was it still being written?"
        raise RefusalError(msg, "empty_file")
    return data


def _stand_in(path: Path, code: str) -> str:
    try:
        status = path.lstat()
        marks = (code, status.st_size, status.st_mtime_ns, status.st_mode)
    except OSError:
        marks = (code, 0, 0, 0)
    return hashlib.sha256(repr(marks).encode()).hexdigest()


def _as_utf8(data: bytes) -> bytes:
    """Return data without byte-order mark; UTF-16, as Excel and PowerShell write it, as UTF-8."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace").encode("utf-8", errors="replace")
    return data.removeprefix(b"\xef\xbb\xbf")


def _reader(uri: str, data: bytes) -> Reader:
    name, head = uri.casefold(), data[:_HEAD]
    if b"\0" in head and not head.startswith(b"PAR1"):
        msg = "binary, and of no format that is read; remove it from the landing folder"
        raise RefusalError(msg, "binary_file")
    for reader in READERS:
        if reader.recognises(name, head):
            return reader
    msg = f"not recognised as any of {', '.join(reader.FORMAT for reader in READERS)}"
    if name.endswith(".csv"):
        first = head.split(b"\n", 1)[0][:120].decode("utf-8", errors="replace").strip()
        msg += f"; its header is {first!r}"
    msg += "; remove it, or ask for a reader"
    raise RefusalError(msg, "unrecognised")


def _start(data: bytes) -> str:
    return "" if data.startswith(b"PAR1") else data[:_HEAD].decode("utf-8", errors="replace")
