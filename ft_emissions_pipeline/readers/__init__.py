"""Readers of logs: one module per format, each registered here by what it recognises.

A new format is one new module with the names of `reading.Reader`, and one line in `READERS`; or a
package of others with an entry point in the group `ft_emissions_pipeline.readers`.
Put here: the registry, and what happens to every file whatever its format: choosing the reader, and
turning whatever goes wrong into a row of quarantine. Keep out: finding files (`files.py`), their
bytes (`opening.py`), checking what was read (`validation.py`), and everything about one format.
"""

from __future__ import annotations

import csv
import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from ft_emissions_pipeline.readers import known_files, opening, parquet, prose
from ft_emissions_pipeline.readers.compression import inner_name, is_packed, unpacked
from ft_emissions_pipeline.readers.files import File, OutsideLink, files_in
from ft_emissions_pipeline.readers.formats import (
    adapter_config,
    aws_carbon,
    aws_carbon_api,
    axolotl_config,
    azure_carbon,
    bedrock,
    bedrock_usage,
    boamps,
    carbontracker,
    card_header,
    cloud_metrics,
    codecarbon,
    codecarbon_json,
    console,
    dcgm,
    disclosure,
    eco2ai,
    fireworks,
    google_carbon,
    gpu_log,
    helicone,
    hugging_face,
    impact_tracker,
    joule_counters,
    langfuse,
    launch_config,
    litellm,
    llama_factory,
    meter,
    mistral,
    mlflow_database,
    mlflow_metrics,
    mlflow_run,
    model_card,
    model_config,
    model_events,
    nvidia_smi,
    open_telemetry,
    openai_fine_tunes,
    openai_jobs,
    openai_usage,
    openai_usage_csv,
    openrouter,
    run_mapping,
    runs_table,
    sagemaker,
    slurm,
    snowflake,
    tensorboard,
    together,
    token_lengths,
    torchtune_config,
    training_args,
    unsloth_config,
    usage,
    vertex,
    vllm,
    wandb_file,
    wandb_metrics,
    wandb_run,
    zeus,
)
from ft_emissions_pipeline.readers.opening import (
    HEAD,
    as_utf8,
    bytes_of,
    content_hash,
    hash_of_head,
    head_of,
    limit_of,
    stand_in,
    within,
)
from ft_emissions_pipeline.readers.reading import (
    REASONS,
    Reader,
    Reading,
    RefusalError,
    Settings,
    of_no_use,
    unreadable,
)
from ft_emissions_pipeline.readers.remote import RemoteFile
from ft_emissions_pipeline.readers.repairs import REPAIRS
from ft_emissions_pipeline.readers.shared.sample_blocks import read_in_blocks
from ft_emissions_pipeline.readers.validation import validated, validated_together

__all__ = [
    "READERS",
    "REASONS",
    "REPAIRS",
    "Reader",
    "Reading",
    "Settings",
    "basis_of",
    "content_hash",
    "files_in",
    "is_small",
    "progress_of",
    "read_bytes",
    "read_file",
    "read_files",
]

GROUP = "ft_emissions_pipeline.readers"
"""Entry points of packages of others; each names a module with the names of `reading.Reader`."""

OURS: tuple[Reader, ...] = (
    codecarbon,
    codecarbon_json,
    eco2ai,
    carbontracker,
    zeus,
    impact_tracker,
    wandb_file,
    wandb_run,
    tensorboard,
    hugging_face,
    llama_factory,
    boamps,
    bedrock,
    sagemaker,
    openai_jobs,
    openai_fine_tunes,
    vertex,
    fireworks,
    mistral,
    together,
    snowflake,
    openai_usage,
    openai_usage_csv,
    openrouter,
    langfuse,
    helicone,
    open_telemetry,
    cloud_metrics,
    bedrock_usage,
    litellm,
    vllm,
    slurm,
    mlflow_database,
    mlflow_metrics,
    mlflow_run,
    runs_table,
    wandb_metrics,
    dcgm,
    joule_counters,
    nvidia_smi,
    gpu_log,
    aws_carbon,
    aws_carbon_api,
    google_carbon,
    azure_carbon,
    usage,
    meter,
    run_mapping,
    model_events,
    console,
    adapter_config,
    training_args,
    axolotl_config,
    torchtune_config,
    unsloth_config,
    launch_config,
    model_config,
    disclosure,
    model_card,
    card_header,
    token_lengths,
)
"""In order of asking, a strict one before one that takes much."""

IN_BLOCKS = (nvidia_smi, gpu_log, dcgm, meter)
"""Formats of samples whose large files are read block by block, however large they are."""

TOGETHER = (codecarbon,)
"""Formats of which many small files of a row or two are read as one sheet."""

_LOG = logging.getLogger(__name__)


def _of_others() -> Iterator[Reader]:
    """Yield the readers that installed packages offer; one that is none is told and left out."""
    known = {reader.FORMAT for reader in OURS}
    for entry in sorted(entry_points(group=GROUP)):
        try:
            reader = entry.load()
        except Exception as error:  # noqa: BLE001 - whatever a package of others does in loading
            _LOG.warning("reader %s is left out: %s", entry.value, error)
            continue
        names = (name for name in vars(Reader) if not name.startswith("_"))
        lacking = [name for name in names if not hasattr(reader, name)]
        if lacking:
            _LOG.warning("reader %s is left out: it lacks %s", entry.value, ", ".join(lacking))
        elif reader.FORMAT in known:
            _LOG.warning("reader %s is left out: %s is read already", entry.value, reader.FORMAT)
        else:
            known.add(reader.FORMAT)
            yield reader


READERS: tuple[Reader, ...] = (*_of_others(), *OURS)
"""In order of asking: the first reader that recognises a file reads it. What somebody installed
for a format of theirs comes before what takes much."""

_LARGE = 1 << 25
"""Bytes up to which a file of samples is read whole."""
_MANY = 1 << 18
"""Rows up to which one in Parquet is."""

_BAD_CONTENT = (
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError,
    MemoryError, OSError, csv.Error, re.error, yaml.YAMLError, pa.ArrowException,
)  # fmt: skip
"""What a reader may stumble with over content that nobody foresaw. A slip in our own code can look
the same, so the reason carries the exception, and tests refuse `reader_failed` for every known
fixture."""


def read_file(path: File, uri: str, settings: Settings) -> tuple[Reading, str, str | None]:
    """Read one file, whatever it holds.

    Parameters
    ----------
    path : pathlib.Path or RemoteFile
        Where the file lies: a path of this machine, or a file at a URL as `files_in` returns it.
    uri : str
        What to call it: its path relative to the landing folder.
    settings : Settings
        Time zone and present time.

    Returns
    -------
    reading : Reading
        What the file said. Bad content never raises: it is a row of quarantine.
    content_hash : str
        SHA-256 of the file's bytes; of a file that tells nothing, of its beginning and size; of one
        that cannot be read whole, of reason, size and time of change.
    source_format : str or None
        `FORMAT` of the reader that recognised the file, or the kind of a file that tells nothing of
        a run (`known_files`); None if neither is known.
    """
    return read_files([(path, uri)], settings)[0]


def read_files(
    files: Sequence[tuple[File, str]], settings: Settings
) -> list[tuple[Reading, str, str | None]]:
    """Read files as `read_file` reads each; what costs the same for one row and for many, at once.

    Parameters
    ----------
    files : sequence of (path, uri)
        As for `read_file`; the bytes of all are held together.
    settings : Settings
        Time zone and present time.
    """
    opened = [_opened(path, uri, settings) for path, uri in files]
    unread = [each for each in opened if isinstance(each, _Opened)]
    told = map(_told, unread, _read([each.file for each in unread], settings))
    return [next(told) if isinstance(each, _Opened) else each for each in opened]


def is_small(path: File) -> bool:
    """Say whether a file can be read with hundreds of others: none is larger than a beginning."""
    try:
        return isinstance(path, Path) and path.stat().st_size <= HEAD
    except OSError:
        return False


def read_bytes(data: bytes, uri: str, settings: Settings) -> tuple[Reading, str | None]:
    """Read the bytes of one file as `read_file` does; return what it said and its format."""
    return _read([_known([data], uri)], settings)[0]


@dataclass(frozen=True)
class _Known:
    """What a file is, before it is read."""

    uri: str
    content: list[bytes]
    """Its bytes, in a list so that a reader of large files can let go of them."""
    reader: Reader | None = None
    kind: str | None = None
    start: str = ""
    reading: Reading | None = None
    """What is said of a file that no reader reads."""


@dataclass(frozen=True)
class _Opened:
    """A file whose bytes were taken whole."""

    uri: str
    hashed: str
    head: bytes
    size: int
    file: _Known


def _opened(path: File, uri: str, settings: Settings) -> _Opened | tuple[Reading, str, str | None]:
    """Open a file; return what `read_file` does where nothing is left to read."""
    try:
        if isinstance(path, OutsideLink):
            if known_files.OWN_LINK.search(uri):
                return of_no_use(), stand_in(path, "leads_outside"), "logs of programs"
            msg = (
                "a link that leads out of the folder, and is not followed; put a copy in its place"
            )
            raise RefusalError(msg, "leads_outside")
        head, size = head_of(path)
        # Of what is no file, or cannot be opened, the name alone tells nothing.
        known = size >= 0 or isinstance(path, RemoteFile)
        kind = known_files.kind_of(inner_name(uri), head) if known else None
        if kind is not None:
            return of_no_use(), hash_of_head(head, size), kind
        in_blocks = _in_blocks(path, head, size, uri, settings) if isinstance(path, Path) else None
        if in_blocks is not None:
            return in_blocks
        limit = limit_of(uri)
        data = within(size, head, limit) if size == len(head) else bytes_of(path, limit)
    except RefusalError as error:
        return unreadable(error.code, str(error)), stand_in(path, error.code), None
    hashed, content = hashlib.sha256(data).hexdigest(), [data]
    del data
    return _Opened(uri, hashed, head, size, _known(content, uri))


def _told(opened: _Opened, read: tuple[Reading, str | None]) -> tuple[Reading, str, str | None]:
    reading, source_format = read
    _LOG.info("read %s: %s, %d record(s)", opened.uri, source_format, reading.records)
    if reading.content == "other" and opened.head:
        # Known again by its beginning, as `content_hash` looks at it.
        return reading, hash_of_head(opened.head, opened.size), source_format
    return reading, opened.hashed, source_format


def _known(content: list[bytes], uri: str) -> _Known:
    """Unpack the only item of a list, and find who reads it."""
    try:
        # Of what was unpacked on the way, the name may still say otherwise.
        uri = inner_name(uri)
        if is_packed(content[0]):
            content[0] = unpacked(content[0], limit_of(uri))
        data = as_utf8(content.pop())
        if not data or data.isspace():
            msg = "the file is empty; was it still being written?"
            raise RefusalError(msg, "empty_file")
        if data.startswith(parquet.MAGIC):
            uri, data = _as_known_csv(uri, data)
        reader, kind = _reader(uri, data)
    except _BAD_CONTENT as error:
        return _Known(uri, [], reading=_unread(error, ""))
    if reader is None:
        return _Known(uri, [], kind=kind, reading=of_no_use())
    return _Known(uri, [data], reader, start=_start(data))


def _read(files: Sequence[_Known], settings: Settings) -> list[tuple[Reading, str | None]]:
    """Return what files say, and the format or kind of each; empty their content."""
    told = {n: file.reading for n, file in enumerate(files) if file.reading is not None}
    read = _read_together(files, settings)
    for n, file in enumerate(files):
        if file.reader is not None and n not in read:
            try:
                read[n] = file.reader.read(file.content.pop(), file.uri, settings)
            except _BAD_CONTENT as error:
                told[n] = _unread(error, file.start)
    told |= _checked_together(read, settings)
    for n in read.keys() - told.keys():
        try:
            told[n] = _checked(read[n], settings)
        except _BAD_CONTENT as error:
            told[n] = _unread(error, files[n].start)
    return [(told[n], _kind(file, told[n])) for n, file in enumerate(files)]


def _kind(file: _Known, reading: Reading) -> str | None:
    if file.reader is None:
        return file.kind
    # Its reader looked further than the beginning, and there was nothing.
    other = reading.content == "other"
    kind = known_files.kind_otherwise(file.uri, file.start.encode()) if other else None
    return kind or file.reader.FORMAT


def _read_together(files: Sequence[_Known], settings: Settings) -> dict[int, Reading]:
    """Return by place the readings of files that their reader reads as one sheet."""
    found: dict[int, Reading] = {}
    for reader in TOGETHER:
        own = [n for n, file in enumerate(files) if file.reader is reader]
        if len(own) > 1:
            # Whatever one of them holds, each is read alone then.
            with suppress(*_BAD_CONTENT):
                read = reader.read_together([files[n].content[0] for n in own], settings)
                found |= {own[n]: reading for n, reading in read.items()}
    return found


def _checked_together(read: Mapping[int, Reading], settings: Settings) -> dict[int, Reading]:
    """Return the readings of which nothing is lost in checks."""
    found: dict[int, Reading] = {}
    if len(read) > 1:
        places = list(read)
        with suppress(*_BAD_CONTENT):
            checked = validated_together(list(read.values()), settings)
            found = {places[n]: reading for n, reading in checked}
    return found


def _checked(reading: Reading, settings: Settings) -> Reading:
    found = validated(reading, settings)
    if not found.records and found.content != "other":
        msg = "has content, but holds no record; write the file again, or remove it"
        raise RefusalError(msg, "no_record")
    return found


def _unread(error: Exception, start: str) -> Reading:
    """Return the reading of a file over whose content its reader stumbled."""
    if isinstance(error, RefusalError):
        return unreadable(error.code, str(error), start)
    if isinstance(error, RecursionError):
        return unreadable("too_deep", "nested too deeply to be a log; write the file again", start)
    msg = f"{type(error).__name__}: {error}; report it with the first lines of the file"
    return unreadable("reader_failed", msg, start)


def _in_blocks(
    path: Path, head: bytes, size: int, uri: str, settings: Settings
) -> tuple[Reading, str, str | None] | None:
    """Read a large file of samples without holding it; None for every other file."""
    name, beginning = inner_name(uri), as_utf8(head)
    in_parquet = head.startswith(parquet.MAGIC)
    try:
        if in_parquet and parquet.rows(path) > _MANY:
            name, beginning = parquet.csv_name(name), parquet.first_lines(path)[:HEAD]
        elif in_parquet or size <= _LARGE or is_packed(head) or b"\0" in head:
            return None
        elif beginning.lstrip()[:1] in {b"{", b"["}:
            # A document of JSON can only be parsed whole.
            return None
    except RefusalError:
        return None
    known = (each for each in READERS if _recognises(each, name.casefold(), beginning))
    first = next(known, None)
    log = next((each for each in IN_BLOCKS if each is first), None)
    if log is None:
        return None

    def sheets() -> Iterator[Any]:
        if in_parquet:
            yield from parquet.sheets(path, 2 * _MANY, log.types)
        else:
            with path.open("rb") as stream:
                yield from log.sheets(stream, block=_LARGE // 2)

    hashed = content_hash(path, log.CONTENT)
    try:
        reading = read_in_blocks(log, sheets, name, settings)
        if reading is None:
            return None
        reading = _checked(reading, settings)
    except _BAD_CONTENT as error:
        reading = _unread(error, _start(beginning))
    _LOG.info("read %s in blocks: %s, %d record(s)", uri, log.FORMAT, reading.records)
    return reading, hashed, log.FORMAT


def _as_known_csv(uri: str, data: bytes) -> tuple[str, bytes]:
    """Return a Parquet file as the CSV file that some reader knows, else as it is."""
    names = parquet.columns(data)
    if usage.counts(names) or aws_carbon.reports(names):
        return uri, data
    name, text = parquet.csv_name(uri), parquet.as_csv(data, opening.LIMIT)
    known = any(_recognises(reader, name.casefold(), text[:HEAD]) for reader in READERS)
    return (name, text) if known else (uri, data)


def basis_of(source_format: str, field: str) -> str:
    """Return measured, disclosed or predicted: what a field's value rests on in a format."""
    basis = _reader_of(source_format).BASIS
    return basis.get(field, basis["*"])


def progress_of(source_format: str) -> str | None:
    """Return the field that tells earlier states of a run from later ones, if there is one."""
    return _reader_of(source_format).PROGRESS


def _reader_of(source_format: str) -> Reader:
    for reader in READERS:
        if source_format == reader.FORMAT:
            return reader
    known = ", ".join(reader.FORMAT for reader in READERS)
    msg = (
        f"no reader has format {source_format!r}; registered are {known}; if a package of others "
        "read it, install that again"
    )
    raise KeyError(msg)


def _reader(uri: str, data: bytes) -> tuple[Reader | None, str | None]:
    """Return who reads a file; without anyone, the kind of it that is left quietly."""
    name, head = uri.casefold(), data[:HEAD]
    kind = known_files.kind_of(name, head)
    if kind is not None:
        return None, kind
    binary = (tensorboard, wandb_file, mlflow_database)
    known = head.startswith(parquet.MAGIC) or any(each.recognises(name, head) for each in binary)
    if b"\0" in head and not known:
        msg = (
            f"binary, {len(data)} bytes, of no format that is read; "
            "remove it from the landing folder"
        )
        raise RefusalError(msg, "binary_file")
    for reader in READERS:
        if _recognises(reader, name, head):
            return reader, None
    line = prose.line_that_tells(name, _start(data))
    if line is not None:
        msg = (
            f"line {line} tells in prose of a training, its accelerators and its time, which is "
            "not read; state it in runs.yaml (docs/formats.md lists the labels)"
        )
        raise RefusalError(msg, "told_in_prose")
    kind = known_files.kind_otherwise(name, head)
    if kind is not None:
        return None, kind
    # Nothing of its content: what it is, nobody knows.
    msg = (
        f"text, {len(data)} bytes, not recognised as any format that is read (docs/formats.md "
        "lists them); remove it, or ask for a reader"
    )
    raise RefusalError(msg, "unrecognised")


def _recognises(reader: Reader, name: str, head: bytes) -> bool:
    try:
        return reader.recognises(name, head)
    except Exception as error:
        if reader in OURS:
            raise
        # A reader of others that stumbles over a file must not cost us the file.
        _LOG.warning("reader %s fails to look at %s: %s", reader.FORMAT, name, error)
        return False


def _start(data: bytes) -> str:
    head = data[:HEAD]
    return "" if b"\0" in head else head.decode("utf-8", errors="replace")
