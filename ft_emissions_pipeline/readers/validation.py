"""Check what a reader read: bounds, row rules, time; move what breaks them to quarantine.

Put here: what holds for the rows of every format. Keep out: what one format's cells must look like.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers.cells import arrow_text, of_each, text_series
from ft_emissions_pipeline.readers.reading import (
    FILLED_LATER,
    FRAMES,
    Reading,
    Refused,
    Settings,
    with_refused,
)
from ft_emissions_pipeline.readers.scrubbing import (
    scrubbed,
    scrubbed_cells,
    scrubbed_names,
    scrubbed_places,
    to_be_cleaned,
)
from ft_emissions_pipeline.tables import RUNS, USAGE, Table, rows
from ft_emissions_pipeline.tables.frames import parted

_TOLERANCE = pd.Timedelta(days=1)
"""A day in the future is a time zone; more is a wrong clock."""
_CLEANED: dict[str, Callable[[pd.Series], pd.Series]] = {
    "source_record": scrubbed_places,
    **{
        column.name: scrubbed_names
        for table, _ in FRAMES.values()
        for column in table.columns
        if column.of_names
    },
}
"""What becomes of a column of text, unless it is `scrubbed_cells`."""
_FEW = 100
"""Rows up to which copying their texts together costs less than searching them one column after the
other."""


def validated(reading: Reading, settings: Settings) -> Reading:
    """Return a reading without secrets; quarantine each row that breaks its table's rules."""
    latest = settings.now + _TOLERANCE
    frames = {name: _clean(getattr(reading, name)) for name in FRAMES}
    quarantine = frames.pop("quarantine")
    found: list[Refused] = []
    for name, frame in frames.items():
        frames[name], refused = _checked(frame, FRAMES[name][0], latest)
        found += refused
    mapping = tuple((scrubbed(run_id), scrubbed(pattern)) for run_id, pattern in reading.mapping)
    return replace(reading, **frames, quarantine=with_refused(quarantine, found), mapping=mapping)


def validated_together(
    readings: Sequence[Reading], settings: Settings
) -> Iterator[tuple[int, Reading]]:
    """Yield by place what `validated` returns of readings of runs that lose none.

    Of thousands of files each holds a row with nothing to be said of it, and to be told so costs
    the same for a row and for all.
    """
    latest, alike = settings.now + _TOLERANCE, defaultdict(list)
    for n, reading in enumerate(readings):
        others = (len(getattr(reading, name)) for name in FRAMES if name != "runs")
        if len(reading.runs) and not any(others) and not reading.mapping:
            alike[tuple(reading.runs.columns)].append(n)
    for places in alike.values():
        runs = pd.concat([readings[n].runs for n in places], ignore_index=True)
        owner = np.repeat(places, [len(readings[n].runs) for n in places])
        clean = _clean(runs)
        accepted, refused = rows.split(clean, RUNS, FILLED_LATER)
        late, _ = _in_future(accepted, latest)
        lossy = {*owner[refused.index], *owner[accepted.index[late]]}
        told = parted(clean, owner)
        yield from ((n, replace(readings[n], runs=own)) for n, own in told if n not in lossy)


def _clean(frame: pd.DataFrame) -> pd.DataFrame:
    """Remove secrets from every text column: one may stand in a model's name as well as in junk.

    An empty text becomes a missing one, as everywhere in the tables.
    """
    if frame.empty:
        return frame
    texts = {
        name: frame[name]
        for name, kind in frame.dtypes.items()
        if isinstance(kind, (pd.StringDtype, pd.CategoricalDtype))
    }
    # Most files are of one row with little to clean: seen at once, that costs one search and not
    # one a column.
    if len(frame) <= _FEW:
        texts = {name: texts[name] for name in to_be_cleaned(texts)}
    clean = {
        name: of_each(before, partial(_cleaned, name))
        if isinstance(before.dtype, pd.CategoricalDtype)
        else _cleaned(name, before)
        for name, before in texts.items()
    }
    changed = {name: cells for name, cells in clean.items() if cells is not texts[name]}
    return frame.assign(**changed) if changed else frame


def _cleaned(name: str, before: pd.Series) -> pd.Series:
    """Return a column of text cleaned, each different text once; itself if all were clean."""
    encoded = arrow_text(before).dictionary_encode()
    different = text_series(encoded.dictionary, pd.RangeIndex(len(encoded.dictionary)))
    cells = _CLEANED.get(name, scrubbed_cells)(different)
    blank = cells == ""
    if name != "source_record" and blank.any():
        cells = cells.mask(blank)
    if cells is different:
        return before
    return text_series(arrow_text(cells).take(encoded.indices), before.index)


def _checked(
    frame: pd.DataFrame, table: Table, latest: pd.Timestamp
) -> tuple[pd.DataFrame, list[Refused]]:
    if frame.empty:
        return frame, []
    # A count has its day from its reader; a run and an interval have theirs by what they last.
    accepted, found = rows.split(frame, table, FILLED_LATER[1:] if table is USAGE else FILLED_LATER)
    late, code = _in_future(accepted, latest)
    if found.empty and not late.any():
        return frame, []
    refused = [
        (row.source_record, row.reason_code, row.reason, _raw(frame.loc[row.Index]))
        for row in found.itertuples()
    ]
    if not late.any():
        return accepted.reset_index(drop=True), refused
    for _, row in accepted[late].iterrows():
        reason = (
            f"the record is of {_when(row)}, after {latest}: a wrong clock or time zone; "
            "correct it, or set the time zone of the logs"
        )
        refused.append((row["source_record"], code, reason, _raw(row)))
    return accepted[~late].reset_index(drop=True), refused


def _in_future(frame: pd.DataFrame, latest: pd.Timestamp) -> tuple[pd.Series, str]:
    if "date" in frame:
        return frame["date"] > latest.tz_localize(None), "date_in_future"
    late = pd.Series(False, index=frame.index)
    for name in ("ended_at", "started_at"):
        if name in frame:
            late |= frame[name] > latest
    return late, "ended_in_future"


def _when(row: pd.Series) -> object:
    return next(row[name] for name in ("date", "ended_at", "started_at") if pd.notna(row.get(name)))


def _raw(row: pd.Series) -> str:
    return json.dumps(row.dropna().to_dict(), default=str, ensure_ascii=False)
