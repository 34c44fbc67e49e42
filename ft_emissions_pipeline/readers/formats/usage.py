"""Read how many inferences a model or version served on a day: CSV, JSON, JSON lines, Parquet.

Columns: date, model_name, inferences, and where known model_version. Rows of one day and model are
hours if any of them has a time of day; hours add up later, of two whole days the last stands.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ft_emissions_pipeline.readers import parquet
from ft_emissions_pipeline.readers.cells import numbers
from ft_emissions_pipeline.readers.documents import json_items, objects_of
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Refused,
    Settings,
    as_usage,
    quarantine_rows,
    refused_rows,
)
from ft_emissions_pipeline.readers.scrubbing import shown
from ft_emissions_pipeline.readers.shared.usage_days import with_hours
from ft_emissions_pipeline.readers.sheets import header_of, sheet_of
from ft_emissions_pipeline.tables import rows as row_rules
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "usage"
LOG = (
    "usage as CSV, JSON lines or Parquet: `date` (or `day`, `timestamp`), `model_name` (`model`, "
    "`deployment`), `inferences` (`requests`, `calls`, `request_count`), optional `model_version`"
)
TELLS = "counted inferences per model and day"
LACKS = "everything about the fine-tuning"
CONTENT: Content = "usage"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_ALIASES = {
    "date": ("date", "day", "usage_date", "timestamp", "datetime"),
    "model_name": ("model_name", "model", "deployment", "deployment_name", "endpoint_name"),
    "model_version": ("model_version", "version"),
    "inferences": (
        "inferences", "requests", "count", "inference_count", "num_inferences", "request_count",
        "num_requests", "total_requests", "calls", "call_count", "num_calls", "invocations",
        "queries", "predictions",
    ),
}  # fmt: skip
_NEEDED = ("date", "model_name", "inferences")


def counts(columns: list[str]) -> bool:
    """Say whether columns of these names are those of usage."""
    return set(_NEEDED) <= set(_named(columns))


def recognises(name: str, head: bytes) -> bool:
    """Say whether the columns are those of usage; any Parquet file is taken to be."""
    if head.startswith(parquet.MAGIC):
        return True
    if name.endswith((".json", ".jsonl", ".ndjson")):
        first = head[:4096].decode("utf-8", errors="replace")
        return all(any(f'"{alias}"' in first for alias in _ALIASES[name]) for name in _NEEDED)
    return name.endswith((".csv", ".tsv")) and counts(header_of(head)[0])


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (rows name themselves)
    """Read the days of a file; a day with a bad cell is refused."""
    refused: list[Refused]
    if data.startswith(parquet.MAGIC):
        frame, refused = _parquet(data), []
    elif data.lstrip()[:1] in {b"{", b"["}:
        frame, refused = _json(data)
    else:
        frame, refused = _csv(data)
    return _reading(frame, refused)


def _reading(frame: pd.DataFrame, refused: list[Refused]) -> Reading:
    names = _named(list(frame.columns))
    lacking = [name for name in _NEEDED if name not in names]
    if lacking:
        msg = f"lacks column(s) {', '.join(lacking)}; usage needs {', '.join(_NEEDED)}"
        raise RefusalError(msg, "missing_columns")
    cells = pd.DataFrame({name: frame[column] for name, column in names.items()}, index=frame.index)
    records = frame.index.astype("str")
    days, times, bad_day = _days(cells["date"])
    counts, bad_count = numbers(_without_commas(cells["inferences"]))
    checks: list[row_rules.Check] = [
        (bad_day, "bad_timestamp",
         lambda i: f"date is {shown(cells['date'].iloc[i])}; write it as 2024-07-06"),
        (bad_count, "not_a_number",
         lambda i: f"inferences is {shown(cells['inferences'].iloc[i])}; write a whole number"),
    ]  # fmt: skip
    usage = pd.DataFrame(
        {
            "date": days,
            **{
                name: _texts(cells[name])
                for name in ("model_name", "model_version")
                if name in cells
            },
            "inferences": counts,
            "source_record": records,
        }
    )
    bad = refused_rows(len(usage), checks, lambda i: str(records[i]), lambda i: _raw(cells.iloc[i]))
    good = ~pd.Series(records, dtype="str").isin([record for record, *_ in bad]).to_numpy()
    filled = _with_hours(as_usage(usage[good]), times[good].reset_index(drop=True))
    quarantine = quarantine_rows(refused + bad)
    records = len(usage) + len(refused)
    return Reading(CONTENT, usage=filled, quarantine=quarantine, records=records)


def _with_hours(usage: pd.DataFrame, times: pd.Series) -> pd.DataFrame:
    """Let rows with a time of day count that hour; midnight is an hour if others are."""
    hourly = times.dt.tz_localize(None) != usage["date"]
    if not hourly.any():
        return usage
    key = [usage[name] for name in ("date", "model_name", "model_version")]
    of_hours = hourly.groupby(key, dropna=False).transform("any")
    # How long a row counts is not said; that rows of other times count other requests is.
    until = times + pd.Timedelta(microseconds=1)
    spans = usage.assign(covers_from=times.where(of_hours), covers_to=until.where(of_hours))
    return with_hours(spans)


def _named(columns: list[str]) -> dict[str, str]:
    """Return our name -> the file's name, the first alias that is there."""
    lower = {str(column).strip().casefold().replace(" ", "_"): column for column in columns}
    found = {
        name: next((lower[alias] for alias in aliases if alias in lower), None)
        for name, aliases in _ALIASES.items()
    }
    return {name: column for name, column in found.items() if column is not None}


def _days(cells: pd.Series) -> tuple[pd.Series, pd.Series, np.ndarray]:
    """Return UTC days and instants; a time without a zone has the day that it names."""
    text = cells.astype("str").str.strip()
    filled = (cells.notna() & (text != "")).to_numpy()
    text = text.str.replace(r"^(\d{4})/(\d\d)/(\d\d)(?!\d)", r"\1-\2-\3", regex=True)
    text = text.str.replace(r"^(\d\d)\.(\d\d)\.(\d{4})(?!\d)", r"\3-\2-\1", regex=True)
    shaped = text.str.contains(r"^\d{4}-\d{2}-\d{2}(?:[T ]\d|$)", na=False)
    # A naive time is taken as UTC: its day is the day that it names.
    read = pd.to_datetime(text.where(shaped), format="ISO8601", errors="coerce", utc=True)
    days = read.dt.floor("D").dt.tz_localize(None).astype("datetime64[us]")
    return days, read.astype("datetime64[us, UTC]"), filled & days.isna().to_numpy()


def _without_commas(cells: pd.Series) -> pd.Series:
    """Return counts without the commas that part thousands, as spreadsheets write them."""
    text = cells.astype("str").str.strip()
    parted = text.str.fullmatch(r"\d{1,3}(?:,\d{3})+", na=False)
    return cells.mask(parted, text.str.replace(",", "", regex=False))


def _texts(cells: pd.Series) -> pd.Series:
    whole = cells.map(
        lambda cell: f"{cell:.0f}" if isinstance(cell, float) and cell % 1 == 0 else cell
    )
    text = whole.where(cells.notna()).astype("str").str.strip()
    return text.mask(text == "")


def _csv(data: bytes) -> tuple[pd.DataFrame, list[Refused]]:
    sheet = sheet_of(data)
    return sheet.frame, sheet.refused_misfits(
        "has another number of cells than the header's {columns}; write the row again"
    )


def _json(data: bytes) -> tuple[pd.DataFrame, list[Refused]]:
    items, _ = json_items(data)
    otherwise = "not an object with date, model_name and inferences; write it as one"
    rows, refused = objects_of(items, otherwise)
    names = _named(list(dict.fromkeys(key for _, row in rows for key in row)))
    places = [place for place, _ in rows]
    columns = {
        column: pd.Series([row.get(column) for _, row in rows], index=places, dtype="object")
        for column in names.values()
    }
    return pd.DataFrame(columns), refused


def _parquet(data: bytes) -> pd.DataFrame:
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names = [
            name
            for name in file.schema_arrow.names
            if name in _named(file.schema_arrow.names).values()
        ]
        frame = file.read(columns=names).to_pandas()
    except (pa.ArrowException, OSError) as error:
        msg = f"no valid Parquet: {error}; write the file again"
        raise RefusalError(msg, "broken_parquet") from error
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame


def _raw(row: pd.Series) -> str:
    return json.dumps(row.to_dict(), default=str, ensure_ascii=False)
