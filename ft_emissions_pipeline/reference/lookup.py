"""Look-ups of a million rows at once, by dictionary codes.

Put here: rows by id, by year, by size, and single defaults. Keep out: which factor to take, which
the rules in `normalize/` decide.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from ft_emissions_pipeline.reference.declaration import PROVIDER_KINDS, TABLES, Default, Reference
from ft_emissions_pipeline.reference.names import coded, joined, strings

MATCHES = ("in_force", "earlier_period", "later_period", "missing")
"""How a row fits a day: it holds on it, ended before it, only began after it, or there is none."""

_ALWAYS, _FOREVER = np.iinfo("int64").min, np.iinfo("int64").max


@lru_cache(maxsize=128)
def _periods(
    reference: Reference, table: str, key: tuple[str, ...], where: tuple[tuple[str, str], ...]
) -> tuple[dict[str, int], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return number by key; days on which rows begin; and by key and day: place, row, match."""
    frame = reference.tables[table]
    for column, wanted in where:
        frame = frame[frame[column] == wanted]
    names = [joined(row) for row in zip(*(frame[k] for k in key), strict=True)]
    codes, index = pd.factorize(np.array(names, dtype="object"))
    whole = frame[list(TABLES[table].key)].drop_duplicates()
    if "rank" not in frame and whole.duplicated(list(key)).any():
        msg = f"{table} has several rows per {', '.join(key)}; name more key columns"
        raise ValueError(msg)
    ranks = frame["rank"].to_numpy() if "rank" in frame else np.zeros(len(frame))
    first, last = _days(frame["valid_from"], -1), _days(frame["valid_to"], 1)
    segments: list[tuple[int, int, int, int]] = []
    by_code = pd.Series(np.arange(len(frame))).groupby(codes).indices
    numbers, unbounded = frame.index.to_numpy(), (first == _ALWAYS) & (last == _FOREVER)
    for code, at in by_code.items():
        if len(at) == 1 and unbounded[at[0]]:
            segments.append((int(code), _ALWAYS, numbers[at[0]], MATCHES.index("in_force")))
            continue
        ends = last[at][last[at] != _FOREVER] + 1
        for day in np.unique(np.concatenate([[_ALWAYS], first[at], ends])):
            row, match = _serving(at, first[at], last[at], ranks[at], day)
            segments.append((int(code), int(day), numbers[row], match))
    of_key, begins, rows, matches = np.array(segments, dtype="int64").reshape(-1, 4).T
    days, place = np.unique(begins, return_inverse=True)
    places = of_key * (len(days) + 1) + place + 1
    return _numbered(index), days, places, rows, matches


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: code for code, name in enumerate(names)}


def _codes(index: Mapping[str, int], parts: Sequence[pd.Series]) -> np.ndarray:
    """Return by row the number of its key, -1 where there is none."""
    codes, wanted = coded(parts)
    numbers = np.array([index.get(joined(values), -1) for values in wanted], dtype="int64")
    return numbers.take(codes)


def _days(dates: pd.Series, side: int) -> np.ndarray:
    """Return dates as numbers of days; an empty one lies before or after all days."""
    days = dates.to_numpy(dtype="datetime64[D]").astype("int64")
    return np.where(dates.isna(), _ALWAYS if side < 0 else _FOREVER, days)


def _serving(
    at: np.ndarray, first: np.ndarray, last: np.ndarray, ranks: np.ndarray, day: int
) -> tuple[int, int]:
    """Return the row of one key that serves on a day, and how it fits, as a place in `MATCHES`."""
    begun, over = first <= day, last < day
    if (begun & ~over).any():
        order = np.lexsort((-first.astype(float), ranks, ~(begun & ~over)))
        return int(at[order[0]]), 0
    if begun.any():
        order = np.lexsort((ranks, -last.astype(float), ~begun))
        return int(at[order[0]]), 1
    return int(at[np.lexsort((ranks, first))[0]]), 2


def take(
    reference: Reference,
    table: str,
    ids: pd.Series | pd.DataFrame,
    columns: Sequence[str],
    key: str | Sequence[str] | None = None,
    where: Mapping[str, str] | None = None,
    on: pd.Series | None = None,
    *,
    only_in_force: bool = False,
) -> pd.DataFrame:
    """Look rows up by id and day.

    Parameters
    ----------
    reference : Reference
        Loaded tables.
    table : str
        Name of the table.
    ids : Series or DataFrame
        Ids, or one column per key column. Ids of regions and instances read `provider:name`.
    columns : sequence of str
        Columns wanted beside `factor_id`.
    key : str or sequence of str, optional
        Columns to match, by default the columns of `ids`, or the first key column of the table.
    where : mapping of str to str, optional
        Only rows with these values, as `{"method": "instance_share"}`.
    on : Series of datetime, optional
        Days on which the rows must hold, aligned to `ids`; by default the end of all time.
    only_in_force : bool
        Whether a row of another period is as good as none.

    Returns
    -------
    DataFrame
        Aligned to `ids`: the columns and `factor_id`, NaN where no row has the id. Of the rows in
        force on the day the one with the lowest rank; where none is in force the one that ended
        last before it, and where all began later the first of them. `period_note` tells which.
    """
    names = (key,) if isinstance(key, str) else tuple(key or ())
    if isinstance(ids, pd.DataFrame):
        names, parts = names or tuple(ids.columns), [ids[column] for column in ids]
    elif table in PROVIDER_KINDS and not names:
        names, parts = TABLES[table].key, [ids.astype("str").str.replace(":", "\x1f", n=1)]
    else:
        names, parts = names or TABLES[table].key[:1], [ids]
    row, match = _in_force(reference, table, names, parts, tuple((where or {}).items()), on)
    if only_in_force:
        row = np.where(match == MATCHES.index("in_force"), row, -1)
    return _rows(reference.tables[table], row, [*columns, "factor_id"], ids.index)


def _in_force(
    reference: Reference,
    table: str,
    key: tuple[str, ...],
    parts: Sequence[pd.Series],
    where: tuple[tuple[str, str], ...],
    on: pd.Series | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return row numbers, -1 where the key is unknown, and how each fits its day."""
    index, days, places, rows, matches = _periods(reference, table, key, where)
    code = _codes(index, parts)
    width = len(days) + 1
    place = np.full(len(code), len(days), dtype="int64")
    if on is not None and len(days) > 1:
        known = on.notna().to_numpy()
        day = on.to_numpy(dtype="datetime64[D]").astype("int64")
        place[known] = np.searchsorted(days, day[known], side="right")
    at = np.searchsorted(places, code * width + place, side="right") - 1
    known = code >= 0
    at = np.where(known, at, 0)
    none = MATCHES.index("missing")
    if not len(rows):
        return np.full(len(code), -1), np.full(len(code), none)
    return np.where(known, rows[at], -1), np.where(known, matches[at], none)


UPPER_BOUND = 98
"""Rank from which a row is no alternative: an upper bound, another boundary, or for a published
profile only."""


@lru_cache(maxsize=8)
def _log_sds(reference: Reference, table: str) -> pd.Series:
    frame = reference.tables[table]
    frame = frame[frame["rank"] < UPPER_BOUND].sort_values("rank", kind="stable")
    value = next(c.name for c in TABLES[table].own if c.kind == "float")
    key = [name for name in TABLES[table].key if name not in ("rank", "method")]
    names = pd.Series([joined(row) for row in zip(*(frame[k] for k in key), strict=True)])
    logs = pd.Series(np.log(frame[value].to_numpy()))
    apart = logs - logs.groupby(names).transform("first")
    return (apart**2).groupby(names).mean() ** 0.5


def alternatives_log_sd(
    reference: Reference, table: str, ids: pd.Series | pd.DataFrame
) -> np.ndarray:
    """Return how far the figures of other sources lie from the preferred one.

    Parameters
    ----------
    reference : Reference
        Loaded tables.
    table : str
        A table with ranks.
    ids : Series or DataFrame
        As in `take`.

    Returns
    -------
    array
        Root mean square of the logarithms' distance over all figures, the preferred one included;
        0 where there is but one.
    """
    parts = [ids[column] for column in ids] if isinstance(ids, pd.DataFrame) else [ids]
    codes, wanted = coded(parts)
    spreads = _log_sds(reference, table).reindex([joined(values) for values in wanted])
    found: np.ndarray = np.asarray(spreads.fillna(0.0))[codes]
    return found


def _rows(
    frame: pd.DataFrame, row: np.ndarray, columns: Sequence[str], index: pd.Index
) -> pd.DataFrame:
    """Take rows by number; -1 gives an empty row."""
    return pd.DataFrame(
        {c: pd.api.extensions.take(frame[c].array, row, allow_fill=True) for c in columns},
        index=index,
    )


@lru_cache(maxsize=64)
def _series(
    reference: Reference, table: str, keys: tuple[str, ...], step: str
) -> tuple[dict[str, int], np.ndarray, np.ndarray, np.ndarray]:
    """Return number by key; and, sorted by key and step, key code, rank of the step, row number."""
    frame = reference.tables[table]
    columns = [frame[k] for k in keys] or [[""] * len(frame)]
    names = [joined(row) for row in zip(*columns, strict=True)]
    codes, index = pd.factorize(np.array(names, dtype="object"))
    steps, ranks = np.unique(frame[step].to_numpy(dtype="float64"), return_inverse=True)
    order = np.lexsort((ranks, codes))
    return _numbered(index), steps, codes[order] * (len(steps) + 1) + ranks[order] + 1, order


def _latest(
    reference: Reference,
    table: str,
    keys: pd.DataFrame,
    step: str,
    wanted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return row numbers with the largest step not above the wanted one, and where it is later.

    The row is -1 where the key is unknown; where no step is that small, the smallest one serves
    and counts as later.
    """
    index, steps, places, order = _series(reference, table, tuple(keys.columns), step)
    columns = [keys[column] for column in keys] or [pd.Series("", index=keys.index, dtype="str")]
    code = _codes(index, columns)
    width = len(steps) + 1
    place = code * width + np.searchsorted(steps, wanted, side="right")
    at = np.searchsorted(places, place, side="right") - 1
    later = (at < 0) | (places[at] // width != code)
    at = np.where(later, at + 1, at)
    known = (code >= 0) & ~np.isnan(wanted)
    row = np.where(known, order[np.clip(at, 0, len(order) - 1)], -1)
    return row, known & later


def at_year(
    reference: Reference,
    table: str,
    keys: pd.Series | pd.DataFrame | None,
    years: pd.Series,
    value: str,
    *more: str,
) -> pd.DataFrame:
    """Look a value up by key and year; the nearest earlier year serves where the year has none.

    Parameters
    ----------
    reference : Reference
        Loaded tables.
    table : str
        A table with a `year` column.
    keys : Series or DataFrame or None
        The other key columns, under their names; a Series where there is one; None where there
        is none.
    years : Series
        Years wanted.
    value : str
        Column wanted.
    *more : str
        Further columns wanted, which keep their names.

    Returns
    -------
    DataFrame
        Aligned to `years`: `value`, `factor_id`, `year` of the row, the further columns, `exact`,
        and `match`, one of `same_year`, `earlier_year`, `later_year` (nothing earlier exists) and
        `missing`.
    """
    wanted = years.to_numpy(dtype="float64", na_value=np.nan)
    if keys is None:
        keys = pd.DataFrame(index=years.index)
    elif isinstance(keys, pd.Series):
        keys = keys.to_frame(TABLES[table].key[0])
    row, later = _latest(reference, table, keys, "year", wanted)
    frame = reference.tables[table]
    names = {"value": value, **{name: name for name in ("factor_id", "year", *more)}}
    found = {
        name: pd.api.extensions.take(frame[column].array, row, allow_fill=True)
        for name, column in names.items()
    }
    exact = np.asarray(found["year"], dtype="float64") == wanted
    kinds = np.array(["earlier_year", "same_year", "later_year", "missing"], dtype="object")
    match = strings(kinds[np.select([row < 0, exact, later], [3, 1, 2], default=0)])
    return pd.DataFrame({**found, "exact": exact, "match": match}, index=years.index)


def hourly_grid(
    reference: Reference, zone_type: str, zones: pd.Series, start: pd.Series, end: pd.Series
) -> pd.DataFrame:
    """Return the mean grid intensity over spans of time, where your own hours are known.

    Parameters
    ----------
    reference : Reference
        Loaded tables.
    zone_type : str
        Kind of zone.
    zones : Series of str
        Zones.
    start, end : Series of datetime, UTC
        Spans, aligned to `zones`.

    Returns
    -------
    DataFrame
        Aligned: `gco2e_per_kwh`, `covered` (the share of the span whose hours are known; the mean
        of the year's known hours stands in for the others) and `factor_id` of each year touched.
        NaN where the zone has no series, or none of a year that the span touches.
    """
    found = pd.DataFrame(
        {"gco2e_per_kwh": np.nan, "covered": np.nan, "factor_id": strings([None] * len(zones))},
        index=zones.index,
    )
    for zone in zones.dropna().unique():
        hours = reference.hours.get((zone_type, zone))
        if hours is None:
            continue
        at = zones.index[(zones == zone) & start.notna() & end.notna()]
        value, covered = hours.mean(start[at], end[at])
        # A span that ends at midnight of new year touches the old year only.
        last = (end[at] - pd.Timedelta(1, "us")).where(end[at] > start[at], start[at])
        codes, years = coded([start[at].dt.year, last.dt.year])
        ids = [
            " ".join(f"own_grid_hours/{zone_type}/{zone}/{y}" for y in range(first, final + 1))
            for first, final in np.asarray(years, dtype=int).reshape(-1, 2).tolist()
        ]
        found.loc[at, "gco2e_per_kwh"], found.loc[at, "covered"] = value, covered
        found.loc[at, "factor_id"] = strings(ids).take(codes) if ids else None
    return found.assign(factor_id=found["factor_id"].where(found["gco2e_per_kwh"].notna()))


def managed_service(
    reference: Reference,
    ids: pd.Series,
    parameters: pd.Series,
    columns: Sequence[str],
    on: pd.Series | None = None,
) -> pd.DataFrame:
    """Look up how a service runs jobs for models of a size on a day.

    Parameters
    ----------
    reference : Reference
        Loaded tables.
    ids : Series
        Services.
    parameters : Series
        Sizes of the models. [parameter]
    columns : sequence of str
        Columns wanted beside `factor_id`.
    on : Series of datetime, optional
        Days on which the rows must hold, as in `take`.

    Returns
    -------
    DataFrame
        Aligned to `ids`; NaN where service or size is unknown.
    """
    frame = reference.tables["managed_services"]
    low, high = frame["model_parameters_min"].to_numpy(), frame["model_parameters_max"].to_numpy()
    first, last = _days(frame["valid_from"], -1), _days(frame["valid_to"], 1)
    edges = np.unique(low)
    band = np.searchsorted(edges, parameters.to_numpy(dtype="float64", na_value=np.nan), "right")
    band = np.where(parameters.notna(), band - 1, -1)
    days = np.unique(np.concatenate([first, last[last != _FOREVER] + 1]))
    period = pd.Series(len(days) - 1, index=ids.index)
    if on is not None:
        wanted = np.where(on.isna(), _FOREVER, _days(on, 1))
        period = pd.Series(np.searchsorted(days, wanted, side="right") - 1, index=ids.index)
    codes, kinds = coded([ids, pd.Series(band), period])
    serving = np.full(len(kinds), -1)
    for place, (service, size, when) in enumerate(np.array(kinds, dtype="object")):
        if size < 0:
            continue
        fits = (low <= edges[size]) & (edges[size] < high)
        at = np.flatnonzero(frame["service_id"].eq(service).to_numpy() & fits)
        day = days[when] if when >= 0 else _ALWAYS
        if len(at):
            serving[place], _ = _serving(at, first[at], last[at], np.zeros(len(at)), day)
    return _rows(frame, serving[codes], [*columns, "factor_id"], ids.index)


def default(reference: Reference, parameter: str, on: pd.Series | None = None) -> Default:
    """Return a default value with interval, unit and row.

    Parameters
    ----------
    reference : Reference
        Loaded tables.
    parameter : str
        Name of the default.
    on : Series of datetime, optional
        Days on which the row must hold, as in `take`; by default the end of all time.

    Returns
    -------
    Default
        Single values; where the parameter has rows of several periods and days are given, Series
        aligned to them.

    Raises
    ------
    KeyError
        If there is no such parameter; the message names the nearest ones.
    """
    latest, periods = _latest_defaults(reference)
    if parameter not in latest:
        near = difflib.get_close_matches(parameter, latest, cutoff=0.3)
        msg = f"defaults.csv has no parameter {parameter}; nearest: {', '.join(near)}"
        raise KeyError(msg)
    if on is None or periods[parameter] == 1:
        return latest[parameter]
    names = pd.Series(parameter, index=on.index, dtype="str")
    found = take(reference, "defaults", names, _OF_DEFAULTS, on=on)
    return Default(*(found[name] for name in (*_OF_DEFAULTS, "factor_id")))


_OF_DEFAULTS = ["value", "p05", "p95", "unit"]


@lru_cache(maxsize=8)
def _latest_defaults(reference: Reference) -> tuple[dict[str, Default], Mapping[str, int]]:
    """Return by parameter the default of the end of all time, and how many periods have one."""
    names = reference.tables["defaults"]["parameter"]
    found = take(reference, "defaults", names, _OF_DEFAULTS)
    rows = found[[*_OF_DEFAULTS, "factor_id"]].itertuples(index=False, name=None)
    return dict(zip(names, (Default(*row) for row in rows), strict=True)), Counter(names)


def holds_for_a_time(reference: Reference, ids: Iterable[object]) -> bool:
    """Say whether a row among some, each cell the ids of one or several, has a period."""
    bounded = _bounded(reference)
    return any(part in bounded for cell in ids for part in str(cell).split())


def period_note(reference: Reference, factor_id: pd.Series, on: pd.Series) -> pd.Series:
    """Say where a row serves although it does not hold on the day.

    Parameters
    ----------
    reference : Reference
        Loaded tables.
    factor_id : Series of str
        Ids of rows, several separated by spaces.
    on : Series of datetime
        Days, aligned to `factor_id`.

    Returns
    -------
    Series of str
        "nearest earlier period, to 2025-12-31", "nearest later period, from 2026-01-01", or
        missing.
    """
    bounded = _bounded(reference)
    notes = pd.Series(np.nan, index=factor_id.index, dtype="str")
    if not bounded:
        return notes
    ids = factor_id.astype("str").to_numpy(dtype="object", na_value="")
    codes, names = pd.factorize(ids)
    days = on.to_numpy(dtype="datetime64[D]")
    for code, name in enumerate(names):
        for first, last in filter(None, (bounded.get(part) for part in str(name).split())):
            at = codes == code
            notes[at & (days > last)] = f"nearest earlier period, to {last}"
            notes[at & (days < first)] = f"nearest later period, from {first}"
    return notes


@lru_cache(maxsize=8)
def period_starts(reference: Reference) -> np.ndarray:
    """Return the days on which a row of any table begins or no longer holds, in order."""
    frames = reference.tables.values()
    dates = [frame["valid_from"] for frame in frames]
    dates += [frame["valid_to"] + pd.Timedelta(days=1) for frame in frames]
    return np.unique(pd.concat(dates).dropna().to_numpy(dtype="datetime64[D]"))


@lru_cache(maxsize=8)
def _bounded(reference: Reference) -> dict[str, tuple[np.datetime64, np.datetime64]]:
    """Return id -> first and last day of rows with bounds; a table by year says so itself."""
    found: dict[str, tuple[np.datetime64, np.datetime64]] = {}
    for frame in reference.tables.values():
        if "year" in frame:
            continue
        spans = [frame[end].to_numpy(dtype="datetime64[D]") for end in ("valid_from", "valid_to")]
        at = np.flatnonzero(~np.isnat(spans).all(axis=0))
        ends = (
            np.where(np.isnat(days[at]), np.datetime64(never), days[at])
            for days, never in zip(spans, ("1900-01-01", "2200-01-01"), strict=True)
        )
        found |= dict(zip(frame["factor_id"].array[at], zip(*ends, strict=True), strict=True))
    return found


def describe(reference: Reference, factor_id: str) -> dict[str, object]:
    """Return a row by its factor id, without its empty cells.

    Raises
    ------
    KeyError
        If there is no such row; the message names the nearest ones.
    """
    name = factor_id.split("/", 1)[0]
    places = _places_of_ids(reference, name)
    if factor_id not in places:
        near = difflib.get_close_matches(factor_id, places)
        msg = f"no reference row has the id {factor_id}; nearest: {', '.join(near) or 'none'}"
        raise KeyError(msg)
    return dict(reference.tables[name].iloc[places[factor_id]].dropna())


@lru_cache(maxsize=256)
def _places_of_ids(reference: Reference, table: str) -> dict[str, int]:
    """Return id -> number of its first row; nothing of a table that there is not."""
    ids = reference.tables[table]["factor_id"] if table in reference.tables else ()
    return {factor_id: place for place, factor_id in reversed(list(enumerate(ids)))}
