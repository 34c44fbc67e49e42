"""What every reader is told and returns: settings, readings, and records refused with a reason.

Put here: `Reading`, `Settings`, the reason codes, and how frames and refusals become a reading.
Keep out: anything that knows one format (its own module), how cells are read (`cells.py`), and
opening, recognising and validating files (`readers/__init__.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa

from ft_emissions_pipeline.readers.scrubbing import raw_text
from ft_emissions_pipeline.tables import (
    CLOUD_REPORTS,
    MODEL_EVENTS,
    QUARANTINE,
    RUN_FIELDS,
    RUNS,
    TELEMETRY,
    USAGE,
    Column,
    Table,
    conform,
)
from ft_emissions_pipeline.tables import rows as row_rules
from ft_emissions_pipeline.tables.frames import PANDAS_TYPES, text_array
from ft_emissions_pipeline.tables.words import Content

RUN_COLUMNS = (*RUN_FIELDS, "repairs", "mark", "source_record")
USAGE_COLUMNS = (
    "date", "model_name", "model_version", "inferences", "hours", "repairs", "source_record",
)  # fmt: skip
SPAN_COLUMNS = ("series", "covers_from", "covers_to")
"""Columns that usage has besides where the format knows them: what of the day its row counts."""
TELEMETRY_COLUMNS = tuple(
    name for name in TELEMETRY.names if name not in {"date", "source_format", "source_uri"}
)
EVENT_COLUMNS = tuple(
    name for name in MODEL_EVENTS.names if name not in {"source_format", "source_uri"}
)
CLOUD_COLUMNS = tuple(
    name for name in CLOUD_REPORTS.names if name not in {"source_format", "source_uri"}
)
QUARANTINE_COLUMNS = ("source_record", "reason_code", "reason", "raw")
FILLED_LATER = ("date", "date_rule", "source_format", "source_uri")
"""Columns of a record that no reader fills: they follow from its file, and from other files."""

Each = TypeVar("Each")
Told = TypeVar("Told")

REASONS: dict[str, str] = {
    **row_rules.CODES,
    "bad_timestamp": "a timestamp is not of the form that the format writes",
    "bad_value": "a disclosed value cannot be understood",
    "binary_file": "the file is binary and of no known binary format",
    "broken_compression": "the compressed file is cut off or damaged",
    "broken_json": "the text is not valid JSON",
    "broken_parquet": "the file is not valid Parquet",
    "broken_yaml": "the text is not valid YAML, or uses what the readers refuse",
    "configuration_of_no_run": "a configuration beside and below which there is no run",
    "cannot_open": "the file cannot be opened",
    "date_in_future": "the day lies in the future",
    "duplicated_key": "a key stands twice in one object of JSON or YAML",
    "duplicated_header": "a column name stands twice in the header",
    "duplicated_label": "a label stands twice in one disclosure",
    "empty_file": "the file is empty",
    "ended_in_future": "the run ended in the future: a wrong clock or time zone",
    "failed_job": "the job failed and made no model",
    "file_missing": "a file that runs.yaml names is not in the landing folder",
    "gpu_count_needed": "GPU hours are disclosed without the number of GPUs",
    "junk_row": "the row holds no record",
    "leads_outside": "a link leads out of the folder",
    "lengths_of_no_run": "token lengths that no run of a runs.yaml names",
    "lone_sample": "a sample stands too far from any other of its device for an energy to follow",
    "metric_not_named": "a series of Prometheus lacks the name of its metric",
    "missing_columns": "columns that the format needs are missing",
    "no_record": "the file has content, but holds no record",
    "no_energy": "a metric tells neither the power nor the utilisation of a device",
    "no_training": "the file tells of evaluation only",
    "not_a_file": "the path is neither a file nor a folder",
    "not_a_fine_tuning": "nothing was fine-tuned: the model was imported, or made from nothing",
    "not_finished": "the job is still going on",
    "reader_failed": "the reader stumbled over the content",
    "shifted_row": "the row's cells do not stand under their headers",
    "sum_of_runs": "the record is the sum of others",
    "told_in_prose": "sentences tell of a training; they are not read",
    "too_deep": "the document is nested too deeply",
    "too_large": "the file is larger than the limit",
    "unrecognised": "no reader knows the file's format",
    "wrong_shape": "the document is valid but not built as the format prescribes",
}
"""Reason code -> explanation. Quarantine rows use no other codes."""


@dataclass(frozen=True)
class Settings:
    """What a reader must be told, because no log says it."""

    timezone: str = "UTC"
    """Zone of timestamps that name none, as an IANA name."""
    now: pd.Timestamp = field(default_factory=lambda: pd.Timestamp.now("UTC"))
    """A record that ended more than a day after this instant is refused."""

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            msg = f"{self.timezone!r} is no time zone; use an IANA name like UTC or Europe/Paris"
            raise ValueError(msg) from error
        if self.now.tzinfo is None:
            msg = f"now is {self.now}, which names no time zone; give it in UTC"
            raise ValueError(msg)


@dataclass(frozen=True)
class NamedLengths:
    """Which file has the token lengths of a run, by `runs.yaml`."""

    run_id: str
    uri: str
    batch_size: int | None
    """Examples of a batch where they were taken in the file's order, None where they were
    shuffled."""


@dataclass(frozen=True)
class Reading:
    """What one file said; `records` are its runs, usage, telemetry, merged and quarantined ones.

    In a mapping each run of `runs.yaml` is one record, whether or not it discloses anything.
    """

    content: Content
    runs: pd.DataFrame = field(default_factory=lambda: no_rows("runs"))
    usage: pd.DataFrame = field(default_factory=lambda: no_rows("usage"))
    quarantine: pd.DataFrame = field(default_factory=lambda: no_rows("quarantine"))
    records: int = field(kw_only=True)
    merged: int = 0
    mapping: tuple[tuple[str, str], ...] = ()
    telemetry: pd.DataFrame = field(default_factory=lambda: no_rows("telemetry"))
    named_lengths: tuple[NamedLengths, ...] = ()
    lengths: pd.DataFrame = field(default_factory=pd.DataFrame)
    """length, count and batch of a token-length file, see `token_lengths.lengths_of`."""
    events: pd.DataFrame = field(default_factory=lambda: no_rows("events"))
    cloud_reports: pd.DataFrame = field(default_factory=lambda: no_rows("cloud_reports"))


class Reader(Protocol):
    """A module of this package that reads one log format."""

    @property
    def FORMAT(self) -> str:
        """Name of the format, as `source_format` carries it."""

    @property
    def LOG(self) -> str:
        """What people call such a log, and its usual file names."""

    @property
    def TELLS(self) -> str:
        """What it tells, and how: for the table of formats in the documentation."""

    @property
    def LACKS(self) -> str:
        """What must come from elsewhere."""

    @property
    def CONTENT(self) -> Content:
        """What the rows of its files are."""

    @property
    def BASIS(self) -> Mapping[str, str]:
        """Field -> measured, disclosed or predicted; "*" for all others."""

    @property
    def PROGRESS(self) -> str | None:
        """Field that grows during a run, by which `join` knows its earlier states, or None."""

    def recognises(self, name: str, head: bytes) -> bool:
        """Say from file name and first 64 KiB, as UTF-8, whether this module reads the file."""

    def read(self, data: bytes, uri: str, settings: Settings) -> Reading:
        """Read a whole file; raise `RefusalError` if none of it can be used."""


class RefusalError(ValueError):
    """A record or file that cannot be used: a reason code of `REASONS`, and what to do.

    `field` is the one that makes no sense, where it is one.
    """

    def __init__(self, reason: str, code: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.field = field


Refused = tuple[str, str, str, str]
"""source_record, reason code, reason, raw text: one row of quarantine in the making."""


def reading_of_runs(
    rows: Sequence[Mapping[str, object]], refused: Sequence[Refused], content: Content = "runs"
) -> Reading:
    """Return the reading of a format whose records are few enough to be read one by one."""
    quarantine = quarantine_rows(refused)
    records = len(rows) + len(refused)
    return Reading(content, _runs_of(rows), quarantine=quarantine, records=records)


def _runs_of(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Return rows in the declared pandas types, by column, as thousands of files hold one row."""
    if not rows:
        return no_rows("runs")
    named = {name for row in rows for name in row} | {"run_id", "repairs", "source_record"}
    columns = {
        column.name: _column_of([row.get(column.name) for row in rows], column)
        for column in RUNS.columns
        if column.name in named and column.name in RUN_COLUMNS
    }
    return pd.DataFrame(columns, pd.RangeIndex(len(rows)), copy=False)


def _column_of(values: list[object], column: Column) -> object:
    if column.kind == "float":
        return np.array(values, dtype="float64")
    if column.kind == "string":
        texts = [None if value is None else str(value) or None for value in values]
        return text_array(pa.array(texts, pa.large_string()))
    return pd.array(values, dtype=PANDAS_TYPES[column.kind])


def reading_of_frame(
    runs: pd.DataFrame, refused: Sequence[Refused], records: int, merged: int = 0
) -> Reading:
    """Return the reading of a format whose runs are a frame already."""
    quarantine, runs = quarantine_rows(refused), typed(runs, RUNS, RUN_COLUMNS)
    return Reading("runs", runs, quarantine=quarantine, records=records, merged=merged)


def as_usage(counts: pd.DataFrame) -> pd.DataFrame:
    """Return counts as the usage frame of a reading, with every column but those of spans."""
    return typed(counts.reindex(columns=list(USAGE_COLUMNS)), USAGE, USAGE_COLUMNS)


def by_rules(runs: pd.DataFrame, raw: Callable[[str], str]) -> tuple[pd.DataFrame, list[Refused]]:
    """Return the runs that keep the rules of their table, and the others as refused records.

    Parameters
    ----------
    runs : DataFrame
        Columns of table `runs`, with `source_record`.
    raw : callable
        Returns the text of a record.
    """
    good, broken = row_rules.split(runs, RUNS, ignore=FILLED_LATER)
    return good, [
        (row.source_record, row.reason_code, row.reason, raw(row.source_record))
        for row in broken.itertuples()
    ]


def read_each(
    records: Iterable[tuple[str, Each]],
    read: Callable[[Each], Told],
    raw: Callable[[Each], str] = lambda _: "",
) -> tuple[list[tuple[str, Told]], list[Refused]]:
    """Return place and content of each record that can be used, and the others as refused ones.

    Parameters
    ----------
    records : iterable of (place, record)
        The records of a file.
    read : callable
        Returns what a record says, or raises `RefusalError`.
    raw : callable
        Returns the text of a record, for quarantine.
    """
    found: list[tuple[str, Told]] = []
    refused: list[Refused] = []
    for place, record in records:
        try:
            found.append((place, read(record)))
        except RefusalError as error:
            refused.append((place, error.code, str(error), raw(record)))
    return found, refused


def unreadable(code: str, reason: str, raw: str = "") -> Reading:
    """Return the reading of a file of which nothing can be used: one record, in quarantine."""
    return Reading("unreadable", quarantine=quarantine_rows([("", code, reason, raw)]), records=1)


@cache
def of_no_use() -> Reading:
    """Return the reading of a file that tells nothing of a run: no record and no complaint."""
    return Reading("other", records=0)


FRAMES = {
    "runs": (RUNS, ("run_id", "repairs", "source_record")),
    "usage": (USAGE, USAGE_COLUMNS),
    "telemetry": (TELEMETRY, TELEMETRY_COLUMNS),
    "events": (MODEL_EVENTS, EVENT_COLUMNS),
    "cloud_reports": (CLOUD_REPORTS, CLOUD_COLUMNS),
    "quarantine": (QUARANTINE, QUARANTINE_COLUMNS),
}
"""Frame of a reading -> its table, and the columns that it has in any case."""


def no_rows(of: str) -> pd.DataFrame:
    """Return one of the frames of a reading without rows; readings share it, and change none."""
    return _empty(of)


@cache
def _empty(of: str) -> pd.DataFrame:
    """Return a frame without rows, made once: of ten thousand small files most frames are empty."""
    table, names = FRAMES[of]
    return typed(pd.DataFrame(columns=list(names)), table, names)


def quarantine_rows(refused: Sequence[Refused]) -> pd.DataFrame:
    """Return refused records as rows of quarantine, secrets removed and texts shortened."""
    if not refused:
        return no_rows("quarantine")
    rows = [
        (record, code, raw_text(reason), raw_text(raw)) for record, code, reason, raw in refused
    ]
    columns = zip(QUARANTINE_COLUMNS, zip(*rows, strict=True), strict=True)
    texts = {
        name: text_array(pa.array(cells, pa.large_string(), from_pandas=True))
        for name, cells in columns
    }
    return pd.DataFrame(texts, copy=False)


def with_refused(quarantine: pd.DataFrame, refused: Sequence[Refused]) -> pd.DataFrame:
    """Return rows of quarantine with further refused records behind them."""
    if not refused:
        return quarantine
    both = pd.concat([quarantine, quarantine_rows(refused)], ignore_index=True)
    return typed(both, QUARANTINE, QUARANTINE_COLUMNS)


def typed(frame: pd.DataFrame, table: Table, names: Collection[str]) -> pd.DataFrame:
    """Return the named columns that the frame has, in order and in their declared pandas types."""
    present = tuple(c for c in table.columns if c.name in frame and c.name in names)
    return conform(
        frame[[column.name for column in present]], Table(table.name, table.row, present, key=())
    )


def refused_rows(
    rows: int,
    checks: Sequence[row_rules.Check],
    record: Callable[[int], str],
    raw: Callable[[int], str],
) -> list[Refused]:
    """Return the first problem of each row that breaks a check, as refused records."""
    found = row_rules.first_refusals(rows, checks)
    return [
        (record(position), code, reason, raw(position))
        for position, code, reason in zip(
            found.index, found["reason_code"], found["reason"], strict=True
        )
    ]
