"""Which factor rows each run's figures rest on, and what of them changed.

Put here: the kind of a run, the stamps that lead from a result to the content of its factors, and
the comparison of two sets of factor rows. Keep out: the look-ups themselves (`reference/`,
`normalize/`) and which runs to compute again (`restatement/`).

A result does not carry its forty factor rows: runs whose look-ups ask the same questions get the same
answers, so a run carries the hash of its questions, `factors_key`, and each kind of run lists its rows
once per version of the reference tables. Two small tables thus lead from any figure to the ids and
hashes of its factors, and from a changed row to the runs that rest on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline.normalize.duration import is_timed
from ft_emissions_pipeline.normalize.filling import LOGGED_SPREAD
from ft_emissions_pipeline.tables import (
    FACTOR_ROWS,
    FACTORS_USED,
    RUN_FACTORS,
    RUN_FIELDS,
    RUNS,
    conform,
    empty,
)
from ft_emissions_pipeline.token_time import MODEL_ID

EVERY_RUN = "*"
"""`factors_key` of the rows on which any run may rest: the defaults, which hold all spreads."""

OF_ALLOCATION = "defaults/gsd_disclosed"
"""Spread of expected counts of inferences, which comes in after the run."""

PER_RUN = frozenset({"run_id", "job_id", "host", "model_name", "parent_version"})
"""Texts by which nothing is looked up; whether they are there may matter all the same."""

ASKED_BY_SIZE = ("gpu_count", "server_count", "model_parameters")
"""Numbers that decide which row answers."""

KIND = ["factors_key", "methodology", "reference_version"]
SHOWN = 5
"""Changed rows that a cause names one by one."""


def factors_key(runs: pd.DataFrame) -> pd.Series:
    """Return what each run's look-ups depend on, as a hash.

    Parameters
    ----------
    runs : DataFrame
        Table `validated_runs`.

    Returns
    -------
    Series
        Runs of one key differ only in instants within a year and in measured amounts. These decide
        no look-up, so what changes for one of them changes for all.
    """
    names = [
        column.name
        for column in RUNS.columns
        if column.kind == "string" and column.name in RUN_FIELDS and column.name not in PER_RUN
    ]
    parts = {name: runs[name] for name in (*names, *ASKED_BY_SIZE, "source_format")}
    parts["year"] = runs["date"].dt.year
    parts["timed"], parts["active"] = is_timed(runs), runs["active_s"] > 0
    known = runs[list(RUN_FIELDS)].notna().to_numpy()
    parts["known"] = pd.Series(
        [row.tobytes() for row in np.packbits(known, axis=1)], index=runs.index
    )
    parts["bases"] = runs["origins"].map(_bases, na_action="ignore")
    codes = pd.DataFrame(parts).groupby(list(parts), dropna=False, sort=False).ngroup()
    first = codes.drop_duplicates().index
    texts = zip(*(parts[name].loc[first].astype("object") for name in parts), strict=True)
    hashes = [_hash("\x1f".join("" if _is_missing(c) else str(c) for c in row)) for row in texts]
    return pd.Series(
        pd.array(hashes, dtype="str").take(codes.to_numpy()) if len(codes) else [],
        index=runs.index,
        dtype="str",
    )


def _bases(origins: str) -> str:
    return json.dumps({name: pair[0] for name, pair in sorted(json.loads(origins).items())})


def _is_missing(cell: object) -> bool:
    return bool(pd.isna(cell))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def stamps(
    runs: pd.DataFrame,
    normalized: pd.DataFrame,
    provenance: pd.DataFrame,
    reference: ref.Reference,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return what leads from runs to their factor rows.

    Parameters
    ----------
    runs : DataFrame
        Table `validated_runs`.
    normalized, provenance : DataFrame
        Tables `normalized_runs` and `field_provenance` of these runs.
    reference : Reference
        Reference tables with which they were made.

    Returns
    -------
    run_factors, factors_used, factor_rows : DataFrame
        The tables of these names.
    """
    if runs.empty:
        return empty(RUN_FACTORS), empty(FACTORS_USED), empty(FACTOR_ROWS)
    keys = pd.Series(factors_key(runs).to_numpy(), index=runs["run_id"], dtype="str")
    of_runs = normalized[["date", "run_id", "model_name", *KIND[1:]]].assign(
        factors_key=normalized["run_id"].map(keys)
    )
    kinds = of_runs[KIND].drop_duplicates()
    pairs = _named(provenance, keys, normalized, reference).merge(kinds, on="factors_key")
    every = reference.tables["defaults"][["factor_id"]].merge(
        kinds[KIND[1:]].drop_duplicates().assign(factors_key=EVERY_RUN), how="cross"
    )
    used = pd.concat([pairs, every], ignore_index=True)
    used["row_hash"] = (
        used["factor_id"].map(row_hashes(reference)).fillna(_model_version(used["factor_id"]))
    )
    used = used.dropna(subset=["row_hash"])
    return (
        conform(of_runs, RUN_FACTORS),
        conform(used, FACTORS_USED),
        rows_in_force(set(used["factor_id"]), reference),
    )


def _named(
    provenance: pd.DataFrame, keys: pd.Series, normalized: pd.DataFrame, reference: ref.Reference
) -> pd.DataFrame:
    """Return (factors_key, factor_id) of the rows that provenance names, or that stand behind it."""
    logged = provenance["rule"] == "as_logged"
    spread = provenance[logged].drop_duplicates(["run_id", "field"])
    spread = spread[spread["field"].isin(LOGGED_SPREAD)]
    gsd = [
        "defaults/" + LOGGED_SPREAD[field][0 if basis == "measured" else 1]
        for field, basis in zip(spread["field"], spread["basis"], strict=True)
    ]
    named = provenance.dropna(subset=["factor_id"])
    texts = pd.DataFrame(
        {
            "factors_key": named["run_id"].map(keys),
            "factor_id": named["factor_id"],
        }
    ).drop_duplicates()
    texts["factor_id"] = texts["factor_id"].str.split(" ")
    pieces = [
        texts.explode("factor_id"),
        pd.DataFrame({"factors_key": spread["run_id"].map(keys), "factor_id": gsd}),
        pd.DataFrame({"factors_key": keys.unique(), "factor_id": OF_ALLOCATION}),
    ]
    # A peak or a count of active parameters is read where only the identity is written down.
    for table, identity in (("gpus", "gpu_id"), ("models", "model_id")):
        row = ref.take(reference, table, normalized[identity], [])
        pieces.append(
            pd.DataFrame(
                {
                    "factors_key": normalized["run_id"].map(keys).to_numpy(),
                    "factor_id": row["factor_id"].to_numpy(),
                }
            ).dropna()
        )
    return pd.concat(pieces, ignore_index=True).drop_duplicates()


def row_hashes(reference: ref.Reference) -> pd.Series:
    """Return the hash of every row that is in force, by factor id."""
    rows = pd.concat(
        [frame[["factor_id", "row_hash"]] for frame in reference.tables.values()],
        ignore_index=True,
    )
    return rows.set_index("factor_id")["row_hash"]


def rows_in_force(ids: set[str], reference: ref.Reference) -> pd.DataFrame:
    """Return some rows of the reference tables, and token-time models, as rows of table `factor_rows`."""
    rows = [
        {"factor_id": row["factor_id"], "row_hash": row["row_hash"], "content": _as_json(row)}
        for frame in reference.tables.values()
        for row in frame[frame["factor_id"].isin(ids)].to_dict("records")
    ]
    models = pd.Series(sorted(filter(is_of_token_time, ids)), dtype="str")
    rows += [
        {"factor_id": each, "row_hash": version, "content": _as_json({"version": version})}
        for each, version in zip(models, _model_version(models), strict=True)
    ]
    return conform(pd.DataFrame(rows), FACTOR_ROWS)


def _model_version(ids: pd.Series) -> pd.Series:
    """Return the version of token-time models, which is a hash of their numbers; missing elsewhere."""
    return ids.str.removeprefix(MODEL_ID).where(ids.str.startswith(MODEL_ID))


def _as_json(row: Mapping[str, object]) -> str:
    cells = {
        name: cell
        for name, cell in row.items()
        if name not in {"factor_id", "row_hash"} and not _is_missing(cell)
    }
    return json.dumps(cells, ensure_ascii=False, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    return f"{value:%Y-%m-%d}" if isinstance(value, pd.Timestamp) else value.item()  # type: ignore[attr-defined]


def row_changes(
    old: pd.DataFrame, new: pd.DataFrame, old_rows: pd.DataFrame, new_rows: pd.DataFrame
) -> pd.DataFrame:
    """Return what differs between two sets of factor rows, cell by cell.

    Parameters
    ----------
    old, new : DataFrame
        `factor_id` and `row_hash` of each set.
    old_rows, new_rows : DataFrame
        Table `factor_rows`, at least of these rows.

    Returns
    -------
    DataFrame
        `factor_id`, `row_hash` (the old one), `change` (changed, added, removed), `column`, `old`,
        `new`: a row per cell that differs; of a row that came or went, or whose former content
        nobody kept, one without a column.
    """
    both = old.merge(new, on="factor_id", how="outer", suffixes=("_old", "_new"))
    before = {(r.factor_id, r.row_hash): r.content for r in old_rows.itertuples(index=False)}
    after = {(r.factor_id, r.row_hash): r.content for r in new_rows.itertuples(index=False)}
    found = []
    for row in both[both["row_hash_old"].ne(both["row_hash_new"])].itertuples(index=False):
        was = before.get((row.factor_id, row.row_hash_old))
        now = after.get((row.factor_id, row.row_hash_new))
        one = {"factor_id": row.factor_id, "row_hash": row.row_hash_old}
        if _is_missing(row.row_hash_old) or _is_missing(row.row_hash_new):
            change = "added" if _is_missing(row.row_hash_old) else "removed"
            found.append({**one, "change": change})
        elif was is None or now is None:
            found.append({**one, "change": "changed"})
        else:
            cells, others = json.loads(was), json.loads(now)
            found += [
                {**one, "change": "changed", "column": name, "old": cells.get(name), "new": others.get(name)}
                for name in sorted({*cells, *others})
                if cells.get(name) != others.get(name)
            ]  # fmt: skip
    names = ["factor_id", "row_hash", "change", "column", "old", "new"]
    return pd.DataFrame(found, columns=names).astype(dict.fromkeys(names[:4], "str"))


def in_words(changes: pd.DataFrame) -> str:
    """Return changes of factor rows as one line."""
    lines = []
    for factor_id, rows in changes.groupby("factor_id", sort=False):
        cells = [
            f"{row.column} {_shown(row.old)} -> {_shown(row.new)}"
            for row in rows.itertuples(index=False)
            if not _is_missing(row.column)
        ]
        what = {"added": "now used", "removed": "no longer used"}.get(rows["change"].iloc[0])
        lines.append(f"{factor_id}: {what or ', '.join(cells) or 'changed'}")
    more = f"; and {len(lines) - SHOWN} more rows" if len(lines) > SHOWN else ""
    return "; ".join(lines[:SHOWN]) + more


def _shown(cell: object) -> str:
    if _is_missing(cell):
        return "nothing"
    return f"{cell:.12g}" if isinstance(cell, float) else str(cell)


def is_of_token_time(factor_id: str) -> bool:
    """Say whether a factor is a version of the model that turns tokens into time."""
    return factor_id.startswith(MODEL_ID)


def no_causes() -> pd.DataFrame:
    """Return what `causes` does where factors explain nothing."""
    return pd.DataFrame(columns=["cause", "cause_detail"], dtype="str")


def causes(
    pairs: pd.DataFrame, run_factors: pd.DataFrame, used: pd.DataFrame, rows: pd.DataFrame
) -> pd.DataFrame:
    """Return why versions were computed anew, as far as factors are why.

    Parameters
    ----------
    pairs : DataFrame
        `model_version`, `reference_version_old` and `reference_version_new`; `methodology`.
    run_factors, used, rows : DataFrame
        Tables `run_factors`, `factors_used` and `factor_rows`.

    Returns
    -------
    DataFrame
        By `model_version`: `cause` and `cause_detail`, both missing where the run rests on the same
        rows as before. Versions of whose former rows nothing is known are left out.
    """
    keys = run_factors.set_index("run_id")["factors_key"]
    kinds = pairs.assign(factors_key=pairs["model_version"].map(keys)).dropna()
    columns = ["factors_key", "methodology", "reference_version_old", "reference_version_new"]
    sets = dict(iter(used.groupby(KIND)[["factor_id", "row_hash"]]))
    pieces = []
    for kind, versions in kinds.groupby(columns, sort=False):
        key, methodology, before, after = kind
        old, new = (sets.get((key, methodology, version)) for version in (before, after))
        if old is None or new is None:
            continue
        moved = row_changes(old, new, rows, rows)
        ids = moved["factor_id"]
        cause = "factor changed" if len(ids) else None
        if len(ids) and ids.map(is_of_token_time).all():
            cause = "token-time model changed"
        pieces.append(
            versions[["model_version"]].assign(cause=cause, cause_detail=in_words(moved) or None)
        )
    if not pieces:
        return no_causes()
    return pd.concat(pieces).set_index("model_version").astype("str")
