"""Counts of requests over spans of time become counts of days: what the formats of usage share.

Put here: splitting at midnight (UTC), adding up hours and replicas, and which of two files that
count the same hours stands. Keep out: where a format keeps its counts (its own module).

A span over midnight is split in proportion to time; both parts stay whole numbers and say so in
`repairs`. A part of a span is a record of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from ft_emissions_pipeline.calendar_days import HOURS_PER_DAY
from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.reading import (
    SPAN_COLUMNS,
    Reading,
    Refused,
    as_usage,
    quarantine_rows,
    refused_rows,
)
from ft_emissions_pipeline.tables import EARLIEST, USAGE
from ft_emissions_pipeline.tables import rows as row_rules

SPLIT = "split_at_midnight"
FAILED = "failed_requests_left_out"
"""Repair of a day on which requests failed: they were no inferences."""
LOST = "overlapping_count_left_out"
"""Repair of a day of which two files count overlapping hours, so that some hours are missing."""

BUCKET_COLUMNS = ("model_name", "start", "end", "inferences", "series", "repairs", "source_record")
"""What `reading_of_buckets` takes: a count of one model between two instants. `series` tells counts
that add up (replicas, projects) from counts of the same thing; empty, it is everything."""

_LONGEST = pd.Timedelta(days=31)
_DAY = pd.Timedelta(days=1)


def series_of(labels: Mapping[str, object]) -> str:
    """Return what stands for a set of labels: the labels may name hosts, projects and people."""
    given = sorted(
        (str(name), str(value)) for name, value in labels.items() if value not in (None, "")
    )
    return hashlib.sha256(repr(given).encode()).hexdigest()[:8] if given else ""


def buckets_of(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Return buckets that were read one by one as the frame that `reading_of_buckets` takes."""
    frame = pd.DataFrame(rows, columns=list(BUCKET_COLUMNS))
    text = ("model_name", "series", "repairs", "source_record")
    for name in ("start", "end"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    frame["inferences"] = frame["inferences"].astype("float64")
    return frame.astype(dict.fromkeys(text, "str")).fillna({"series": "", "repairs": ""})


def reading_of_buckets(
    buckets: pd.DataFrame,
    refused: Sequence[Refused],
    raw: Callable[[int], str],
    counted_twice: int = 0,
) -> Reading:
    """Return the reading of a file that counts over spans of time.

    Parameters
    ----------
    buckets : DataFrame
        `BUCKET_COLUMNS`; start and end are UTC, the end is not included.
    refused : sequence of Refused
        What the format's reader refused already.
    raw : callable
        Text of the bucket at a position, for quarantine.
    counted_twice : int
        Records that the reader added to others already.

    Returns
    -------
    Reading
        A row per day, model and series. Of two counts of one span and series the later one stands.
    """
    bad = refused_rows(
        len(buckets), _checks(buckets), lambda i: buckets["source_record"].iloc[i], raw
    )
    if bad:
        broken = row_rules.first_refusals(len(buckets), _checks(buckets)).index
        buckets = buckets.drop(index=buckets.index[broken])
    key = ["model_name", "series", "start", "end"]
    distinct = buckets.drop_duplicates(key, keep="last")
    parts = _split(distinct)
    days = _added(parts, ["date", "model_name", "series"])
    usage = as_usage(days).assign(**{name: days[name] for name in SPAN_COLUMNS})
    merged = len(buckets) - len(distinct) + len(parts) - len(days) + counted_twice
    every = [*refused, *bad]
    return Reading(
        "usage",
        usage=usage,
        quarantine=quarantine_rows(every),
        records=len(days) + merged + len(every),
        merged=merged,
    )


def _checks(buckets: pd.DataFrame) -> list[row_rules.Check]:
    start, end, count = buckets["start"], buckets["end"], buckets["inferences"].to_numpy()
    return [
        (
            buckets["model_name"].isna().to_numpy(),
            "missing_value",
            lambda _: "names no model; group the export by model",
        ),
        (
            start.isna().to_numpy() | end.isna().to_numpy(),
            "missing_value",
            lambda _: "names no time; export the counts with their times",
        ),
        (
            np.isnan(count),
            "missing_value",
            lambda _: "holds no number of requests; export them again",
        ),
        (
            np.isinf(count) | (count < 0) | (count > 1e15),
            "out_of_range",
            lambda i: f"counts {count[i]:g} requests, must be 0 to 1e15; export them again",
        ),
        (
            np.mod(count, 1, where=np.isfinite(count), out=np.zeros(len(count))) != 0,
            "fractional_count",
            lambda i: f"counts {count[i]:g} requests: a rate or a mean; export sums",
        ),
        (
            (end <= start).to_numpy(),
            "end_before_start",
            lambda i: f"its span ends at {end.iloc[i]}, not after its start {start.iloc[i]}",
        ),
        (
            (start < EARLIEST).to_numpy(),
            "out_of_range",
            lambda i: f"its span starts at {start.iloc[i]}, before {EARLIEST.date()}: a wrong unit",
        ),
        (
            (end - start > _LONGEST).to_numpy(),
            "out_of_range",
            lambda i: (
                f"one count spans {(end.iloc[i] - start.iloc[i]).days} days; export days or hours"
            ),
        ),
    ]


def _split(buckets: pd.DataFrame) -> pd.DataFrame:
    """Return the buckets by UTC day, those over midnight in whole parts that add up to them."""
    first = buckets["start"].dt.floor("D")
    last = (buckets["end"] - pd.Timedelta(microseconds=1)).dt.floor("D")
    count = (last - first).dt.days.to_numpy() + 1
    position = np.repeat(np.arange(len(buckets)), count)
    within = np.arange(len(position)) - np.repeat(np.cumsum(count) - count, count)
    parts = buckets.iloc[position].reset_index(drop=True)
    day = first.iloc[position].reset_index(drop=True) + pd.to_timedelta(within, unit="D")
    opens = parts["start"].where(parts["start"] > day, day)
    closes = parts["end"].where(parts["end"] < day + _DAY, day + _DAY)
    length = (parts["end"] - parts["start"]) / pd.Timedelta(seconds=1)
    # Differences of rounded running totals are whole and add up to the whole.
    until = [
        np.floor(parts["inferences"] * ((at - parts["start"]) / pd.Timedelta(seconds=1)) / length
                 + 0.5)
        for at in (opens, closes)
    ]  # fmt: skip
    several = (count > 1)[position]
    parts["inferences"] = parts["inferences"].where(~several, until[1] - until[0])
    parts["repairs"] = repairs.with_words(parts["repairs"], SPLIT, several)
    parts["date"] = day.dt.tz_localize(None)
    parts["covers_from"], parts["covers_to"] = opens, closes
    return with_hours(parts)


def with_hours(usage: pd.DataFrame) -> pd.DataFrame:
    """Add `hours` to rows that count within one hour: the day's 24 counts, most of them 0."""
    hour = usage["covers_from"].dt.floor("h")
    last = (usage["covers_to"] - pd.Timedelta(microseconds=1)).dt.floor("h")
    within = ((hour == last) & usage["inferences"].notna()).to_numpy()
    text = np.full(len(usage), None, dtype=object)
    text[within] = [
        " ".join(("0",) * at + (f"{count:.0f}",) + ("0",) * (HOURS_PER_DAY - 1 - at))
        for at, count in zip(
            hour.dt.hour[within].astype(int), usage["inferences"][within], strict=True
        )
    ]
    return usage.assign(hours=pd.Series(text, index=usage.index, dtype="str"))


def _added_hours(texts: pd.Series) -> str | float:
    """Return the hourly counts of several rows added up; of rows without hours nothing is known."""
    known = texts.dropna()
    if known.empty:
        return np.nan
    counts = np.array([text.split(" ") for text in known], dtype=float).sum(axis=0)
    return " ".join(f"{count:.0f}" for count in counts)


def _added(parts: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Return one row per key: counts added, spans joined, the words of all repairs."""
    groups = parts.groupby(key, sort=False, dropna=False)
    days = groups.agg(
        inferences=("inferences", "sum"),
        covers_from=("covers_from", "min"),
        covers_to=("covers_to", "max"),
        source_record=("source_record", "first"),
    ).reset_index()
    days["hours"] = groups["hours"].agg(_added_hours).astype("str").array
    noted = parts["repairs"] != ""
    number = groups.ngroup().to_numpy()
    words: dict[int, set[str]] = {}
    for at, text in zip(number[noted], parts.loc[noted, "repairs"], strict=True):
        words.setdefault(at, set()).update(repairs.parted(text))
    days["repairs"] = repairs.column_of((words.get(n, set()) for n in range(len(days))), days.index)
    return days


def whole_days(usage: pd.DataFrame) -> pd.DataFrame:
    """Return one row per day, model and version, whatever the files from which its counts come.

    Parameters
    ----------
    usage : DataFrame
        Usage of all files with `source_uri`, each file's rows in its order; `SPAN_COLUMNS` where
        the format knows them. A row without them counts everything of its day.

    Returns
    -------
    DataFrame
        Columns of `usage`. Counts of different hours and of different series add up; of two counts
        of the same hours the one in the file that comes last by name stands: a corrected export
        supersedes the earlier one.
    """
    rows = usage.reindex(columns=list(dict.fromkeys([*usage.columns, *SPAN_COLUMNS])))
    rows = rows.sort_values("source_uri", kind="stable").reset_index(drop=True)
    day = rows["date"].dt.tz_localize("UTC")
    for name, otherwise in (("covers_from", day), ("covers_to", day + _DAY)):
        given = pd.to_datetime(rows[name], utc=True).astype("datetime64[us, UTC]")
        rows[name] = given.fillna(otherwise)
    rows["series"] = rows["series"].astype("str").fillna("")
    repeated = rows.duplicated(list(USAGE.key), keep=False)
    pieces = [rows[~repeated]]
    for _, group in rows[repeated].groupby(list(USAGE.key), sort=False, dropna=False):
        pieces.append(_one_day(group))
    whole = pd.concat(pieces).sort_index().reset_index(drop=True)
    return whole.drop(columns=list(SPAN_COLUMNS))


def _one_day(group: pd.DataFrame) -> pd.DataFrame:
    standing: list[tuple[str, str, pd.Timestamp, pd.Timestamp]] = []
    kept: list[object] = []
    words: set[str] = set()
    columns = ("source_uri", "series", "covers_from", "covers_to", "repairs")
    entries = list(group[list(columns)].itertuples(index=True, name=None))
    for at, uri, series, opens, closes, cell in reversed(entries):
        rivals = [
            (start, end)
            for other_uri, other, start, end in standing
            if (other == series or (uri != other_uri and "" in (other, series)))
            and start < closes
            and opens < end
        ]
        if not rivals:
            standing.append((uri, series, opens, closes))
            kept.append(at)
            words.update(repairs.parted(cell))
        elif min(start for start, _ in rivals) > opens or max(end for _, end in rivals) < closes:
            words.add(LOST)
    last = group.loc[[kept[0]]].copy()
    last["inferences"] = group.loc[kept, "inferences"].sum()
    last["hours"] = pd.Series(
        [_added_hours(group.loc[kept, "hours"])], index=last.index, dtype="str"
    )
    last["repairs"] = repairs.column_of([words], last.index)
    return last
