"""Which factor rows each run's figures rest on, and what of them changed.

Put here: the kind of a run, the stamps that lead from a result to the content of its factors, and
the comparison of two sets of factor rows. Keep out: the look-ups themselves (`reference/`,
`normalize/`) and which runs to compute again (`restatement/`).

A result does not carry its forty factor rows: runs whose look-ups ask the same questions get the
same answers, so a run carries the hash of its questions, `factors_key`, and each kind of run lists
its rows once per version of the reference tables. Two small tables thus lead from any figure to
the ids and hashes of its factors, and from a changed row to the runs that rest on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ft_emissions_pipeline.normalize.filling import LOGGED_GSD
from ft_emissions_pipeline.normalize.kinds import (
    ASKED_BY_SIZE,
    PER_RUN,
    codes_of,
    first_of,
    is_timed,
)
from ft_emissions_pipeline.normalize.provenance import AS_LOGGED
from ft_emissions_pipeline.readers import origins
from ft_emissions_pipeline.reference import Reference, take
from ft_emissions_pipeline.tables import (
    FACTOR_ROWS,
    FACTORS_USED,
    RUN_FACTORS,
    RUN_FIELDS,
    RUNS,
    conform,
    empty,
)
from ft_emissions_pipeline.tables.frames import in_words, places
from ft_emissions_pipeline.tables.words import Basis
from ft_emissions_pipeline.token_time import MODEL_ID

EVERY_RUN = "*"
"""`factors_key` of the rows on which any run may rest: the defaults, which hold all spreads."""


OF_ALLOCATION = "defaults/gsd_expectation"
"""Spread of expected counts of inferences, which comes in after the run."""


KIND = ["factors_key", "methodology", "reference_version"]


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
    bases = runs["origins"].map(_bases, na_action="ignore")
    codes = codes_of(*parts.values(), *known.T, bases)
    first = first_of(codes)
    fields = [row.tobytes() for row in np.packbits(known[first], axis=1)]
    *asked, told = (part.take(first).astype("object") for part in (*parts.values(), bases))
    texts = zip(*asked, fields, told, strict=True)
    hashes = [_hash("\x1f".join("" if _is_missing(c) else str(c) for c in row)) for row in texts]
    return pd.Series(
        pd.array(hashes, dtype="str").take(codes) if len(codes) else [],
        index=runs.index,
        dtype="str",
    )


def _bases(cell: str) -> str:
    return json.dumps({name: basis for name, (basis, _) in sorted(origins.from_json(cell).items())})


def _is_missing(cell: object) -> bool:
    return bool(pd.isna(cell))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def stamps(
    runs: pd.DataFrame,
    normalized: pd.DataFrame,
    kinds: pd.DataFrame,
    own: pd.DataFrame,
    reference: Reference,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return what leads from runs to their factor rows.

    Parameters
    ----------
    runs : DataFrame
        Table `validated_runs`.
    normalized, kinds, own : DataFrame
        Tables `normalized_runs`, `kind_provenance` and `field_provenance` of these runs.
    reference : Reference
        Reference tables with which they were made.

    Returns
    -------
    run_factors, factors_used, factor_rows : DataFrame
        The tables of these names.
    """
    if runs.empty:
        return empty(RUN_FACTORS), empty(FACTORS_USED), empty(FACTOR_ROWS)
    keys = factors_key(runs).array.take(places(runs["run_id"], normalized["run_id"]))
    of_runs = normalized[["date", "run_id", "model_name", *KIND[1:]]].assign(factors_key=keys)
    made = of_runs[KIND].drop_duplicates()
    of_kinds = normalized[["provenance_key", "gpu_id", "model_id"]].assign(factors_key=keys)
    of_kinds = of_kinds.drop_duplicates()
    told = _told(of_kinds, kinds, own, of_runs)
    pairs = _named(told, of_kinds, reference).merge(made, on="factors_key")
    every = reference.tables["defaults"][["factor_id"]].merge(
        made[KIND[1:]].drop_duplicates().assign(factors_key=EVERY_RUN), how="cross"
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


def _told(
    of_kinds: pd.DataFrame, kinds: pd.DataFrame, own: pd.DataFrame, of_runs: pd.DataFrame
) -> pd.DataFrame:
    """Return by factors_key what provenance tells of a field, each combination once."""
    words = ["factors_key", "field", "basis", "rule", "factor_id"]
    run, ids = pd.factorize(own["run_id"])
    at = places(of_runs["run_id"], pd.Series(ids, dtype="str"))[run]
    of_own = own[words[1:]].assign(factors_key=of_runs["factors_key"].array.take(at))
    both = [of_kinds.merge(kinds, on="provenance_key")[words], of_own[words].drop_duplicates()]
    return pd.concat([in_words(each) for each in both]).drop_duplicates()


def _named(told: pd.DataFrame, of_kinds: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    """Return (factors_key, factor_id) of the rows that provenance names or rests on."""
    named = told[["factors_key", "factor_id"]].dropna().drop_duplicates()
    spread = told[told["rule"].eq(AS_LOGGED) & told["field"].isin(LOGGED_GSD)]
    gsd = [
        "defaults/" + LOGGED_GSD[field][0 if basis == Basis.MEASURED else 1]
        for field, basis in zip(spread["field"], spread["basis"], strict=True)
    ]
    pieces = [
        named.assign(factor_id=named["factor_id"].str.split(" ")).explode("factor_id"),
        pd.DataFrame({"factors_key": spread["factors_key"], "factor_id": gsd}),
        of_kinds[["factors_key"]].assign(factor_id=OF_ALLOCATION),
    ]
    # A peak or a count of active parameters is read where only the identity is written down.
    for table, identity in (("gpus", "gpu_id"), ("models", "model_id")):
        row = take(reference, table, of_kinds[identity], [])
        pieces.append(of_kinds[["factors_key"]].assign(factor_id=row["factor_id"]).dropna())
    return pd.concat(pieces, ignore_index=True).drop_duplicates()


def row_hashes(reference: Reference) -> pd.Series:
    """Return the hash of every row that is in force, by factor id."""
    rows = pd.concat(
        [frame[["factor_id", "row_hash"]] for frame in reference.tables.values()],
        ignore_index=True,
    )
    return rows.set_index("factor_id")["row_hash"]


def is_of_token_time(factor_id: str) -> bool:
    """Say whether a factor is a version of the model that turns tokens into time."""
    return factor_id.startswith(MODEL_ID)


def rows_in_force(ids: set[str], reference: Reference) -> pd.DataFrame:
    """Return some reference rows, and token-time models, as rows of table `factor_rows`."""
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
    """Return the version of token-time models, a hash of their numbers; missing elsewhere."""
    return ids.str.removeprefix(MODEL_ID).where(ids.str.startswith(MODEL_ID))


def _as_json(row: Mapping[str, object]) -> str:
    cells = {
        name: cell
        for name, cell in row.items()
        if name not in {"factor_id", "row_hash"} and not _is_missing(cell)
    }
    return json.dumps(cells, ensure_ascii=False, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    return value.item()  # type: ignore[attr-defined]
