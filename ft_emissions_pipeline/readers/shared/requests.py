"""Logs with a row per request: which were inferences, and how many a model served per hour.

Put here: what exports of single requests share. Keep out: where a format keeps model, time and
state (`formats/`), and what becomes of counts over spans (`usage_days.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import instant
from ft_emissions_pipeline.readers.documents import Item, json_items
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Refused, read_each
from ft_emissions_pipeline.readers.shared.usage_days import (
    BUCKET_COLUMNS,
    buckets_of,
    reading_of_buckets,
)
from ft_emissions_pipeline.readers.sheets import header_of, sheet_of

CACHED = "cached_answers_left_out"
MISFIT = "has another number of cells than the header's {columns}; export it again"
Row = Mapping[str, object]


def rows_of(data: bytes, lists: Sequence[str] = ()) -> tuple[list[tuple[str, Row]], list[Refused]]:
    """Return place and content of each row of a CSV file, JSON list or JSON lines, and the misfits.

    Parameters
    ----------
    data : bytes
        The file.
    lists : sequence of str
        Keys under which a page holds its rows.
    """
    if data.lstrip()[:1] not in {b"{", b"["}:
        sheet = sheet_of(data)
        rows = zip(sheet.frame.index, sheet.frame.to_dict("records"), strict=True)
        found: list[tuple[str, Row]] = [
            (str(line), {str(k): v for k, v in row.items()}) for line, row in rows
        ]
        return found, sheet.refused_misfits(MISFIT)
    items, _ = json_items(data)
    listed = ((row.record, row) for item in items for row in _rows_in(item, lists))
    return read_each(listed, _row, lambda row: row.raw if row.problem else "")


def _row(item: Item) -> Row:
    return item.mapping("not a row of the export; export it again as it is")


def _rows_in(item: Item, lists: Sequence[str]) -> list[Item]:
    """Return the rows of a page, or the record itself if it is none."""
    page = item.value if isinstance(item.value, dict) else {}
    rows = next((page[key] for key in lists if isinstance(page.get(key), list)), None)
    if rows is None:
        return [item]
    return [Item(f"{item.record}.{n}", row) for n, row in enumerate(rows, 1)]


def keys_of(name: str, head: bytes) -> set[str]:
    """Return the column names of a CSV file, or the keys in the first object of a JSON file."""
    if name.endswith((".json", ".jsonl", ".ndjson")):
        text = head[:8192].decode("utf-8", errors="replace")
        return {part for n, part in enumerate(text.split('"')) if n % 2 and len(part) < 60}
    return set(header_of(head)[0]) if name.endswith((".csv", ".tsv")) else set()


def text_of_cell(row: Row, *names: str) -> str:
    """Return the first of some cells that holds text."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number and not pd.isna(value):
            return str(value)
    return ""


def reading_of_requests(
    rows: Sequence[tuple[str, Row]],
    refused: Sequence[Refused],
    request: Callable[[Row], tuple[str, object, str] | None],
) -> Reading:
    """Return the reading of a log of requests.

    Parameters
    ----------
    rows : sequence of (place, row)
        The rows.
    refused : sequence of Refused
        What could not be read.
    request : callable
        Returns model, time and a repair (`FAILED`, `CACHED`, or empty for an inference) of a row,
        or None for a row of something else.
    """
    bad = list(refused)
    told: list[dict[str, object]] = []
    others = 0
    for place, row in rows:
        try:
            found = request(row)
            if found is None:
                others += 1
                continue
            model, time, word = found
            at = instant(time, "UTC", "time")
            if at is None or not model:
                msg = "names no model or no time; export the requests with both"
                raise RefusalError(msg, "missing_value")
        except RefusalError as error:
            bad.append((place, error.code, str(error), ""))
        else:
            told.append(
                {
                    "model_name": model,
                    "at": at,
                    "inferences": float(not word),
                    "repairs": word,
                    "source_record": place,
                }
            )
    hours = _by_hour(told)
    return reading_of_buckets(
        hours,
        bad,
        lambda i: json.dumps(hours.iloc[i].to_dict(), default=str),
        len(told) - len(hours) + others,
    )


def _by_hour(told: list[dict[str, object]]) -> pd.DataFrame:
    if not told:
        return buckets_of([])
    frame = pd.DataFrame(told)
    frame["at"] = frame["at"].astype("datetime64[us, UTC]")
    groups = frame.groupby(["model_name", frame["at"].dt.floor("h")], sort=False)
    hours = groups.agg(
        model_name=("model_name", "first"),
        start=("at", "min"),
        end=("at", "max"),
        inferences=("inferences", "sum"),
        repairs=("repairs", lambda words: repairs.joined(sorted(set(words)))),
        source_record=("source_record", "first"),
    )
    hours["end"] += pd.Timedelta(microseconds=1)
    return buckets_of(hours.assign(series="")[list(BUCKET_COLUMNS)].to_dict("records"))
