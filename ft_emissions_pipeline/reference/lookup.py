"""Look-ups of a million rows at once, by dictionary codes.

Put here: rows by id, by year, by size, and single defaults. Keep out: which factor to take, which
the rules in `normalize/` decide.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from ft_emissions_pipeline.reference.declaration import PROVIDER_KINDS, TABLES, Default, Reference
from ft_emissions_pipeline.reference.names import coded, joined, strings


@lru_cache(maxsize=64)
def _preferred(
    reference: Reference, table: str, key: tuple[str, ...], where: tuple[tuple[str, str], ...]
) -> tuple[pd.Index, np.ndarray]:
    """Return key -> row number; of several rows the lowest rank, then the latest validity."""
    frame = reference.tables[table]
    for column, wanted in where:
        frame = frame[frame[column] == wanted]
    order = [column for column in ("rank", "valid_from") if column in frame]
    frame = frame.sort_values(
        order, ascending=[column == "rank" for column in order], kind="stable", na_position="last"
    )
    keys = pd.Index(
        [joined(row) for row in zip(*(frame[k] for k in key), strict=True)], dtype="object"
    )
    kept = ~keys.duplicated()
    if not kept.all() and "rank" not in frame and TABLES[table].key != key:
        msg = f"{table} has several rows per {', '.join(key)}; name more key columns"
        raise ValueError(msg)
    return keys[kept], frame.index.to_numpy()[kept]


def take(
    reference: Reference,
    table: str,
    ids: pd.Series | pd.DataFrame,
    columns: Sequence[str],
    key: str | Sequence[str] | None = None,
    where: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Look rows up by id.

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

    Returns
    -------
    DataFrame
        Aligned to `ids`: the columns and `factor_id`, NaN where no row has the id. Of several rows
        the one with rank 1, else the lowest rank; then the one valid last.
    """
    names = (key,) if isinstance(key, str) else tuple(key or ())
    if isinstance(ids, pd.DataFrame):
        names, parts = names or tuple(ids.columns), [ids[column] for column in ids]
    elif table in PROVIDER_KINDS and not names:
        names, parts = TABLES[table].key, [ids.astype("str").str.replace(":", "\x1f", n=1)]
    else:
        names, parts = names or TABLES[table].key[:1], [ids]
    index, rows = _preferred(reference, table, names, tuple((where or {}).items()))
    codes, wanted = coded(parts)
    at = index.get_indexer(pd.Index([joined(values) for values in wanted], dtype="object"))
    row = np.append(rows, -1)[at][codes]
    return _rows(reference.tables[table], row, [*columns, "factor_id"], ids.index)


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
) -> tuple[pd.Index, np.ndarray, np.ndarray, np.ndarray]:
    """Return key index; and, sorted by key and step, key code, rank of the step, row number."""
    frame = reference.tables[table]
    columns = [frame[k] for k in keys] or [[""] * len(frame)]
    names = [joined(row) for row in zip(*columns, strict=True)]
    codes, index = pd.factorize(np.array(names, dtype="object"))
    steps, ranks = np.unique(frame[step].to_numpy(dtype="float64"), return_inverse=True)
    order = np.lexsort((ranks, codes))
    return pd.Index(index), steps, codes[order] * (len(steps) + 1) + ranks[order] + 1, order


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
    codes, names = coded(columns)
    code = index.get_indexer(pd.Index([joined(n) for n in names], dtype="object"))[codes]
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

    Returns
    -------
    DataFrame
        Aligned to `years`: `value`, `factor_id`, `year` of the row, `exact`, and `match`, one of
        `same_year`, `earlier_year`, `later_year` (nothing earlier exists) and `missing`.
    """
    wanted = years.to_numpy(dtype="float64", na_value=np.nan)
    if keys is None:
        keys = pd.DataFrame(index=years.index)
    elif isinstance(keys, pd.Series):
        keys = keys.to_frame(TABLES[table].key[0])
    row, later = _latest(reference, table, keys, "year", wanted)
    found = _rows(reference.tables[table], row, [value, "factor_id", "year"], years.index)
    found = found.set_axis(["value", "factor_id", "year"], axis=1)
    exact = found["year"].to_numpy(dtype="float64") == wanted
    kinds = np.array(["earlier_year", "same_year", "later_year", "missing"], dtype="object")
    match = kinds[np.select([row < 0, exact, later], [3, 1, 2], default=0)]
    return found.assign(exact=exact, match=strings(match))


def managed_service(
    reference: Reference, ids: pd.Series, parameters: pd.Series, columns: Sequence[str]
) -> pd.DataFrame:
    """Look up how a service runs jobs for models of a size; NaN where service or size is unknown."""
    wanted = parameters.to_numpy(dtype="float64", na_value=np.nan)
    table = "managed_services"
    keys = ids.to_frame("service_id")
    row, _ = _latest(reference, table, keys, "model_parameters_min", wanted)
    return _rows(reference.tables[table], row, [*columns, "factor_id"], ids.index)


def default(reference: Reference, parameter: str) -> Default:
    """Return a default value with interval, unit and row.

    Raises
    ------
    KeyError
        If there is no such parameter; the message names the nearest ones.
    """
    frame = reference.tables["defaults"]
    rows = frame[frame["parameter"] == parameter]
    if rows.empty:
        near = difflib.get_close_matches(parameter, frame["parameter"], cutoff=0.3)
        msg = f"defaults.csv has no parameter {parameter}; nearest: {', '.join(near)}"
        raise KeyError(msg)
    row = rows.iloc[-1]
    value, p05, p95 = (float(row[column]) for column in ("value", "p05", "p95"))
    return Default(value, p05, p95, row["unit"], row["factor_id"])


def describe(reference: Reference, factor_id: str) -> dict[str, object]:
    """Return a row by its factor id, without its empty cells.

    Raises
    ------
    KeyError
        If there is no such row; the message names the nearest ones.
    """
    name = factor_id.split("/", 1)[0]
    frame = reference.tables.get(name, pd.DataFrame({"factor_id": []}, dtype="str"))
    rows = frame[frame["factor_id"] == factor_id]
    if rows.empty:
        near = difflib.get_close_matches(factor_id, frame["factor_id"])
        msg = f"no reference row has the id {factor_id}; nearest: {', '.join(near) or 'none'}"
        raise KeyError(msg)
    return dict(rows.iloc[0].dropna())
