"""What every reader returns, and the small conversions that readers share.

Put here: `Reading`, `Settings`, the reason codes, and the reading of numbers and instants that
machines wrote. Keep out: anything that knows one format (its own module), values that people wrote
(`labels.py`), and opening, recognising and validating files (`readers/__init__.py`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ft_emissions_pipeline.readers.scrubbing import raw_text, shown
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
from ft_emissions_pipeline.tables.frames import places, text_array
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
    return pd.DataFrame(columns, copy=False)


def _column_of(values: list[object], column: Column) -> object:
    if column.kind == "float":
        return np.array(values, dtype="float64")
    if column.kind == "string":
        texts = [None if value is None else str(value) or None for value in values]
        return text_array(pa.array(texts, pa.large_string()))
    return conform(
        pd.DataFrame({column.name: pd.Series(values, dtype="object")}),
        Table("runs", "a run", (column,), key=()),
    )[column.name].array


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
    """Return one of the frames of a reading without rows."""
    return _empty(of).copy(deep=False)


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


def trimmed(cells: pd.Series) -> tuple[pd.Series, np.ndarray | None]:
    """Return a text column with its cells stripped, empty ones missing, and which had blanks.

    The second is None if none had.
    """
    text = arrow_text(cells)
    bare = pc.utf8_trim_whitespace(text)
    lengths = pc.binary_length(bare)
    stripped = None
    if pc.sum(lengths).as_py() != pc.sum(pc.binary_length(text)).as_py():
        differs = pc.fill_null(pc.not_equal(lengths, pc.binary_length(text)), False)
        stripped = differs.to_numpy(zero_copy_only=False)
    blank = pc.equal(lengths, 0)
    if pc.any(blank).as_py():
        bare = pc.if_else(blank, pa.scalar(None, pa.large_string()), bare)
    elif stripped is None:
        return cells, None
    return text_series(bare, cells.index), stripped


def text_series(values: pa.Array, index: pd.Index) -> pd.Series:
    """Return Arrow text as a column, without a copy."""
    return pd.Series(text_array(values), index=index, copy=False)


def of_each(cells: pd.Series, change: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """Return texts changed, each of the few different ones once."""
    code, values = pd.factorize(cells)
    changed = change(pd.Series(values).astype("str"))
    again, kept = pd.factorize(changed)
    place = np.append(again, -1)[code]
    return pd.Series(pd.Categorical.from_codes(place, kept), index=cells.index)


def one_text(text: str | None, lines: pd.Index | np.ndarray) -> pd.Series:
    """Return a column of one text for all lines, or of none."""
    values = pd.Index([] if text is None else [text], dtype="str")
    code = np.full(len(lines), len(values) - 1, dtype="int8")
    return pd.Series(pd.Categorical.from_codes(code, values), index=lines)


def as_text(whole: pd.Index) -> pd.Series:
    """Return whole numbers as text, for instance line numbers."""
    return text_series(pc.cast(pa.array(whole.to_numpy()), pa.large_string()), whole)


def stacked(pieces: list[dict[str, pd.Series]]) -> pd.DataFrame:
    """Return pieces of a frame as one; empty the pieces, so that memory holds the rows once."""
    if len(pieces) == 1:
        return pd.DataFrame(pieces[0], copy=False).reset_index(drop=True)
    columns = {
        name: pd.concat([piece.pop(name) for piece in pieces], ignore_index=True)
        for name in list(pieces[0])
    }
    return pd.DataFrame(columns, copy=False)


def arrow_text(cells: pd.Series) -> pa.Array:
    """Return a text column as one Arrow array, copied only if it lies in several parts."""
    found = pa.array(cells, type=pa.large_string(), from_pandas=True)
    if not isinstance(found, pa.ChunkedArray):
        return found
    return found.chunk(0) if found.num_chunks == 1 else found.combine_chunks()


def among(texts: pd.Series, others: pd.Series | list[str]) -> np.ndarray:
    """Say which texts are among others; pandas' `isin` makes an object of each of these."""
    return places(pd.Series(others, dtype="str"), texts) >= 0


def numbers(cells: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Return a column's numbers, and which cells hold something that is none.

    Blank cells are missing numbers; text, nan and infinities are none. Text columns are read at
    once, columns of mixed objects (from JSON) cell by cell.
    """
    if pd.api.types.is_bool_dtype(cells):
        return pd.Series(np.nan, index=cells.index), cells.notna().to_numpy()
    if pd.api.types.is_numeric_dtype(cells):
        values = cells.astype("float64")
        return values, np.isinf(values.to_numpy())
    if pd.api.types.is_string_dtype(cells) and cells.dtype != object:
        return _text_numbers(cells)
    read = [_number_or_none(cell) for cell in cells]
    values = pd.Series([value for value, _ in read], index=cells.index, dtype="float64")
    return values, np.array([bad for _, bad in read], dtype=bool)


_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def _text_numbers(cells: pd.Series) -> tuple[pd.Series, np.ndarray]:
    text = arrow_text(trimmed(cells)[0])
    try:
        values = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        shaped = pc.match_substring_regex(text, _NUMBER)
        values = pc.cast(pc.if_else(shaped, text, None), pa.float64())
    finite = pc.fill_null(pc.is_finite(values), False)
    bad = pc.and_(pc.is_valid(text), pc.invert(finite)).to_numpy(zero_copy_only=False)
    read = pd.Series(values.to_numpy(zero_copy_only=False), index=cells.index)
    return read.mask(bad) if bad.any() else read, bad


def _number_or_none(cell: object) -> tuple[float, bool]:
    try:
        value = number(cell)
    except RefusalError:
        return math.nan, True
    return (math.nan if value is None else value), False


_UNKNOWN = {"", "auto", "max", "default", "none", "null", "unknown", "n/a", "unset"}


def number(value: object, name: str = "value") -> float | None:
    """Return one number of a JSON document, None if it is missing or says that it is not known.

    Services and trainers write -1 or a word like `auto` where they were left to choose.

    Raises
    ------
    RefusalError
        With code `not_a_number`, if there is something that is no finite number.
    """
    if value is None or (isinstance(value, str) and value.strip().casefold() in _UNKNOWN):
        return None
    msg = f"{name} is {shown(value)}, no finite number; correct it or leave it out"
    if isinstance(value, bool) or not isinstance(value, (int, float, str, np.number)):
        raise RefusalError(msg, "not_a_number", name)
    try:
        read = float(value) if not isinstance(value, str) or "_" not in value else math.nan
    except (ValueError, OverflowError):
        read = math.nan
    if not math.isfinite(read):
        raise RefusalError(msg, "not_a_number", name)
    return None if read == -1 else read


def instants(cells: pd.Series, timezone: str) -> tuple[pd.Series, np.ndarray]:
    """Return a column of ISO 8601 text as UTC instants, and which cells hold something else.

    Cells that name no zone are taken in `timezone`; in the hour that repeats when summer time
    ends, they are taken in standard time.
    """
    plain = _plain_instants(cells)
    if plain is not None:
        return localized(plain, timezone), np.zeros(len(cells), dtype=bool)
    text = cells.astype("str").str.strip()
    filled = text.notna() & (text != "")
    naive = text.str.fullmatch(_CLOCK, na=False)
    zoned = text.str.fullmatch(f"{_CLOCK} ?(?:Z|[+-]\\d{{2}}(?::?\\d{{2}})?)", na=False)
    found = pd.Series(pd.NaT, index=cells.index, dtype="datetime64[us, UTC]")
    if zoned.any():
        read = pd.to_datetime(text[zoned], format="ISO8601", errors="coerce", utc=True)
        found[zoned] = read.astype("datetime64[us, UTC]")
    if naive.any():
        read = pd.to_datetime(text[naive], format="ISO8601", errors="coerce")
        found[naive] = localized(read, timezone)
    return found, (filled & found.isna()).to_numpy()


_CLOCK = r"\d{4}-\d{2}-\d{2}(?:[T ]\d[\d:.,]*)?"


def _plain_instants(cells: pd.Series) -> pd.Series | None:
    """Return wall-clock times if every cell is one, at a tenth of the cost; else None."""
    if not pd.api.types.is_string_dtype(cells) or cells.dtype == object:
        return None
    text = arrow_text(cells)
    # Arrow would take a day without a time, and drop a zone: only the form with both is plain.
    shaped = pc.match_substring_regex(text, r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?$")
    if not pc.all(pc.fill_null(shaped, False)).as_py():
        return None
    try:
        found = pc.cast(text, pa.timestamp("us"))
    except pa.ArrowInvalid:
        return None
    return pd.Series(found.to_numpy(zero_copy_only=False), index=cells.index)


def localized(naive: pd.Series, timezone: str) -> pd.Series:
    """Return naive wall-clock times of a zone as UTC instants."""
    if timezone == "UTC":
        return naive.dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    winter = np.zeros(len(naive), dtype=bool)
    local = naive.dt.tz_localize(timezone, ambiguous=winter, nonexistent="shift_forward")
    return local.dt.tz_convert("UTC").astype("datetime64[us, UTC]")


_ZONED = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII
)
"""The usual form of an instant, which the standard library reads a hundred times faster than
pandas."""


def instant(value: object, timezone: str, name: str = "time") -> pd.Timestamp | None:
    """Return one instant of a JSON document, ISO 8601 or Unix seconds, None if it is missing.

    Raises
    ------
    RefusalError
        With code `bad_timestamp`, if it is neither.
    """
    if value is None or value == "":
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # Years 1970 to 2286; anything beyond is milliseconds or nonsense.
        if 0 <= value < 1e10:
            return pd.Timestamp(value, unit="s", tz="UTC")
    elif isinstance(value, str):
        if _ZONED.fullmatch(value):
            with suppress(ValueError):
                return pd.Timestamp(datetime.fromisoformat(value)).tz_convert("UTC").as_unit("us")
        found, bad = instants(pd.Series([value], dtype="str"), timezone)
        if not bad[0]:
            return found.iloc[0]
    msg = f"{name} is {shown(value)}; write it as 2024-07-06T17:01:00Z or in Unix seconds"
    raise RefusalError(msg, "bad_timestamp", name)


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
