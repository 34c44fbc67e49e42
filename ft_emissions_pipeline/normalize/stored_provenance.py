"""Provenance as a warehouse holds it: once per kind of run, and by run what is a run's own.

Put here: the way from provenance to its tables and back, and what is read of it. Keep out: what
provenance is (`provenance.py`), and where tables lie (`warehouse/`).

A fleet's runs are of a few kinds, whose fields come from the same rules and factors; a run has its
values. So table `normalized_runs` names the kind of each run, `kind_provenance` says of each kind
where its fields come from, and `field_provenance` holds the fields of which a run tells something
of its own: what counters of several logs saw, say, or a spread that rests on its amounts. Whoever
asks here gets a row per run and field, as if all lay in the last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline.normalize.filling import interval_of
from ft_emissions_pipeline.normalize.kinds import codes_of, first_of
from ft_emissions_pipeline.normalize.provenance import (
    OF_RUNS,
    Piece,
    Provenance,
    Told,
    as_text,
    table_of,
)
from ft_emissions_pipeline.tables import (
    BASES,
    FIELD_PROVENANCE,
    KIND_PROVENANCE,
    NORMALIZED_RUNS,
    conform,
    empty,
)
from ft_emissions_pipeline.tables.frames import among, places
from ft_emissions_pipeline.warehouse import store
from ft_emissions_pipeline.warehouse.selection import Days

Versions = Mapping[str, int | None]
"""Name of a table -> its version, the newest where none is named."""

_NUMBERS = ("p05", "p95", "log_sd")

_KEY_LENGTH = 16


def parted(
    normalized: pd.DataFrame, origins: Provenance
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return what is stored of runs and where their fields come from.

    Parameters
    ----------
    normalized : DataFrame
        Table `normalized_runs` but for `provenance_key`.
    origins : Provenance
        Of these runs.

    Returns
    -------
    normalized_runs, kind_provenance, field_provenance : DataFrame
        The tables of these names; texts of the last are categories. What is said of a run is the
        same in whatever company it is.
    """
    if normalized.empty:
        return normalized, empty(KIND_PROVENANCE), empty(FIELD_PROVENANCE)
    common = [piece for piece in origins.pieces if piece.told is not Told.RUN]
    taken = [(piece, _answer_by_run(piece, len(normalized))) for piece in common]
    code = codes_of(*(np.append(_codes(piece), -1)[answer] for piece, answer in taken))
    first = first_of(code)
    said = pd.concat([_of_kinds(piece, answer[first]) for piece, answer in taken])
    said = said.sort_values(["provenance_key", "field"])
    kinds = conform(said.astype({"provenance_key": "str"}), KIND_PROVENANCE)
    keys = _keys(kinds).array
    return (
        normalized.assign(provenance_key=keys.take(code)),
        kinds.assign(provenance_key=keys.take(kinds["provenance_key"].astype("int64"))),
        table_of([piece for piece in origins.pieces if piece.told is Told.RUN], origins.runs),
    )


def without_repeats(kinds: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `kind_provenance` with each kind once."""
    return kinds.drop_duplicates(list(KIND_PROVENANCE.key), ignore_index=True)


def _answer_by_run(piece: Piece, runs: int) -> np.ndarray:
    """Return which answer each run took, -1 for one that took none."""
    answer = np.full(runs, -1)
    answer[piece.rows] = piece.of
    return answer


def _parts(piece: Piece) -> dict[str, Any]:
    """Return what is told of an answer, by column of `kind_provenance`."""
    words = {"basis": piece.basis, "factor_id": piece.factor_id, "source": piece.source}
    if piece.told is Told.WIDTH:
        return {**words, "log_sd": piece.log_sd}
    return {**words, "value": as_text(piece.value), "p05": piece.p05, "p95": piece.p95}


def _codes(piece: Piece) -> np.ndarray:
    """Return a code by answer: equal where the same is told."""
    arrays = [part for part in _parts(piece).values() if np.ndim(part)]
    return codes_of(*arrays) if arrays else np.zeros(len(piece.value), dtype="int64")


def _of_kinds(piece: Piece, answers: np.ndarray) -> pd.DataFrame:
    """Return what is told of kinds, by the answer of each; -1 for those without one."""
    kind = np.flatnonzero(answers >= 0)
    cells = {
        name: np.asarray(part)[answers[kind]] if np.ndim(part) else part
        for name, part in _parts(piece).items()
    }
    words = {"provenance_key": kind, "field": piece.field, "rule": piece.rule}
    return pd.DataFrame({**words, **cells})


def _keys(kinds: pd.DataFrame) -> pd.Series:
    """Return the hash of what is told of each kind, whose keys are still their numbers."""
    texts: dict[str, list[str]] = {}
    for number, *cells in kinds.itertuples(index=False):
        texts.setdefault(number, []).append(repr(cells))
    hashes = (hashlib.sha256("\n".join(each).encode()).hexdigest() for each in texts.values())
    keys = pd.Series([each[:_KEY_LENGTH] for each in hashes], [int(each) for each in texts])
    return keys.sort_index().astype("str")


def held(
    normalized: pd.DataFrame,
    kinds: pd.DataFrame,
    own: pd.DataFrame,
    fields: Collection[str] | None = None,
) -> Provenance:
    """Return where fields of runs come from, out of what `parted` returns.

    Parameters
    ----------
    normalized, kinds, own : DataFrame
        Tables `normalized_runs`, `kind_provenance` and `field_provenance`; of a run whose kind is
        not named, all is in the last.
    fields : collection of str, optional
        Which fields; all by default.
    """
    wanted = list(NORMALIZED_RUNS.names if fields is None else fields)
    known = normalized["provenance_key"].dropna().drop_duplicates()
    kind = places(known, normalized["provenance_key"])
    said = kinds[among(kinds["provenance_key"], known) & kinds["field"].isin(wanted)]
    pieces = []
    for (field, rule, _), rows in said.groupby(["field", "rule", said["log_sd"].isna()]):
        answer = np.full(len(known) + 1, -1)
        answer[places(known, rows["provenance_key"])] = np.arange(len(rows))
        of = answer[kind]
        pieces.append(_piece(str(field), str(rule), rows, of, normalized))
    pieces += Provenance.of_table(own, normalized, wanted).pieces
    each = np.arange(len(normalized))
    return Provenance(normalized[list(OF_RUNS)], pieces, each, each)


def _piece(
    field: str, rule: str, rows: pd.DataFrame, of: np.ndarray, normalized: pd.DataFrame
) -> Piece:
    """Return what a rule gave to a field; `of` is each run's row among those of kinds, or -1."""
    at = np.flatnonzero(of >= 0)
    of, value = of[at], normalized[field].array
    told = {name: _one_or_each(rows[name]) for name in ("basis", "factor_id", "source", *_NUMBERS)}
    if np.isnan(told["log_sd"]).any():
        common, value = Told.KIND, value[at[first_of(of)]]
        low, high = told["p05"], told["p95"]
    else:
        told = {name: part[of] if np.ndim(part) else part for name, part in told.items()}
        common, value, of = Told.WIDTH, value[at], np.arange(len(at))
        low, high = interval_of(field, value, told["log_sd"])
    return Piece(
        field, rule, told["basis"], at, of, value, told["log_sd"], 0.0, low, high,
        told["factor_id"], told["source"], common,
    )  # fmt: skip


def _one_or_each(cells: pd.Series) -> Any:
    """Return the cell that stands in all rows, else all of them; None for an empty text."""
    if cells.dtype == "float64":
        values = cells.to_numpy()
        distinct = len(np.unique(values))
    else:
        values = cells.to_numpy("object", na_value=None)
        distinct = len(set(values))
    return values[0] if distinct == 1 else values


def stored(
    warehouse: str | Path,
    days: Days | pd.DatetimeIndex | None = None,
    *,
    runs: Collection[str] | None = None,
    fields: Collection[str] | None = None,
    versions: Versions | None = None,
    normalized: pd.DataFrame | None = None,
) -> Provenance:
    """Return where fields of a warehouse's runs come from.

    Parameters
    ----------
    warehouse : str or Path
        Folder or URL of the tables.
    days : (date, date) or DatetimeIndex, optional
        As for `store.read`.
    runs : collection of str, optional
        Ids of the runs; all by default.
    fields : collection of str, optional
        Which fields; all by default.
    versions : mapping, optional
        Versions of the tables.
    normalized : DataFrame, optional
        Rows of `normalized_runs` of these runs, where they were read already.
    """
    pinned = versions or {}
    of_runs = None if runs is None else ("run_id", runs)
    of_fields = None if fields is None else ("field", fields)
    columns = None if fields is None else [*{*OF_RUNS, *fields, "provenance_key"}]
    if normalized is None:
        normalized = store.read(
            warehouse, NORMALIZED_RUNS, days, columns, pinned.get(NORMALIZED_RUNS.name), of_runs
        )
    own = store.read(
        warehouse,
        FIELD_PROVENANCE,
        days,
        version=pinned.get(FIELD_PROVENANCE.name),
        where=of_runs or of_fields,
        ordered=False,
    )
    return held(normalized, kinds_of(warehouse, normalized), own, fields)


def kinds_of(warehouse: str | Path, normalized: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `kind_provenance` of some runs; no kind's rows ever change."""
    keys = set(normalized["provenance_key"].dropna().unique())
    return store.read(warehouse, KIND_PROVENANCE, where=("provenance_key", keys))


def bases(
    normalized: pd.DataFrame,
    own: pd.DataFrame,
    fields: Sequence[str],
    kinds: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return on which basis fields of runs stand, by run and field; missing where there is none.

    Parameters
    ----------
    normalized, own, kinds : DataFrame
        As for `held`; of the last two, what names a run or a kind, and columns field and basis.
        Without kinds all is in the second.
    fields : sequence of str
        Which fields.
    """
    codes = _basis_codes(own, fields, normalized["run_id"])[:, :-1]
    if kinds is not None:
        known = kinds["provenance_key"].drop_duplicates()
        kind = places(known, normalized["provenance_key"])
        codes = np.where(codes < 0, _basis_codes(kinds, fields, known)[:, kind], codes)
    cells = (pd.Categorical.from_codes(row, list(BASES)) for row in codes)
    return pd.DataFrame(dict(zip(fields, cells, strict=True)), index=normalized.index)


def _basis_codes(told: pd.DataFrame, fields: Sequence[str], owners: pd.Series) -> np.ndarray:
    """Return by field and owner the place of its basis in `BASES`, -1 for none and in the end."""
    owner = places(owners, told[str(owners.name)])
    field = places(pd.Index(fields), told["field"])
    known = (owner >= 0) & (field >= 0)
    codes = np.full((len(fields), len(owners) + 1), -1)
    codes[field[known], owner[known]] = places(pd.Index(BASES), told["basis"])[known]
    return codes


def counts(
    warehouse: str | Path, columns: Collection[str], versions: Versions | None = None
) -> pd.DataFrame:
    """Return how many fields of runs have each combination of cells of `field_provenance`.

    Parameters
    ----------
    warehouse, versions
        As for `stored`.
    columns : collection of str
        Some of field, basis, rule and factor_id.

    Returns
    -------
    DataFrame
        These columns and `rows`, ordered by them.
    """
    names, pinned = list(columns), versions or {}
    own = store.counts(warehouse, FIELD_PROVENANCE, names, pinned.get(FIELD_PROVENANCE.name))
    of_kinds = store.counts(
        warehouse, NORMALIZED_RUNS, ["provenance_key"], pinned.get(NORMALIZED_RUNS.name)
    )
    kinds = store.read(warehouse, KIND_PROVENANCE).merge(of_kinds, on="provenance_key")
    both = pd.concat([own, kinds[[*names, "rows"]]])
    return both.groupby(names, dropna=False, as_index=False)["rows"].sum()
