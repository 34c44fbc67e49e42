"""Join records of several files to runs: per field the best evidence wins.

A trainer's state knows time and tokens, CodeCarbon the energy, a disclosure the place; together they
are one run. Put here: which records belong together and which value wins. Keep out: reading files,
filling gaps (`normalize.py`), and assigning runs to days.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import translate

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers import READERS, Reading, basis_of, progress_of, run_mapping
from ft_emissions_pipeline.tables import BASES, RUN_FIELDS, RUNS

MERGED_COLUMNS = ("source_uri", "source_record", "run_id")

_TOLERANCE = 0.01
"""Relative difference of numbers up to which two logs agree."""
_CLOCKS = pd.Timedelta(minutes=1)
"""Difference of instants up to which two logs agree."""
_STATE = 0.99
"""Share of the furthest progress from which on a record of the same format is no earlier state."""
_TURNS = {reader.FORMAT: turn for turn, reader in enumerate(READERS)}
_TIMES = ("active_s", "reserved_s")
_SOURCE = ["source_format", "source_uri", "source_record"]


def as_records(reading: Reading, source_format: str, source_uri: str) -> pd.DataFrame:
    """Return the runs of one file as records for `join`."""
    return reading.runs.assign(
        source_format=pd.array([source_format] * len(reading.runs), dtype="str"),
        source_uri=pd.array([source_uri] * len(reading.runs), dtype="str"),
    )


def join(
    records: pd.DataFrame, mapping: Iterable[tuple[str, str]] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join records that belong to the same run.

    Parameters
    ----------
    records : pandas.DataFrame
        Records of all files: any of `tables.RUN_FIELDS` with run_id, repairs, source_format,
        source_uri, source_record. Their order does not matter.
    mapping : iterable of (run_id, pattern)
        From `runs.yaml`. A pattern matches a file's uri, a folder above it, uri#source_record or
        uri#run_id, with `*` and `?`. An exact pattern goes before one with wildcards; of several,
        the first in alphabetical order counts.

    Returns
    -------
    runs : pandas.DataFrame
        One row per run. Per field measured goes before disclosed before predicted, then the format
        that is registered first, then the first in order of source_uri and source_record. A run of several records has its `origins`: JSON of
        field -> [basis, uri#record]; its source is its first record.
    merged : pandas.DataFrame
        source_uri, source_record, run_id of every record that joined another one.
    """
    ordered = _ordered(records)
    ordered = ordered.assign(logged_id=ordered["run_id"])
    ordered["run_id"], unmatched = _mapped(ordered, mapping)
    alone = ~ordered["run_id"].duplicated(keep=False)
    single = ordered[alone].assign(
        origins=pd.Series(np.nan, index=ordered.index[alone], dtype="str")
    )
    several = ordered[~alone]
    runs = _joined(several) if len(several) else single.iloc[:0]
    if len(single) and len(runs):
        runs = pd.concat([single, runs])
    elif len(single):
        runs = single
    lost = runs["run_id"].isin(unmatched) & (runs["source_format"] == run_mapping.FORMAT)
    runs.loc[lost, "repairs"] = (
        runs.loc[lost, "repairs"].fillna("") + " logs_not_found"
    ).str.strip()
    runs = (
        runs.drop(columns="logged_id").sort_values("run_id", kind="stable").reset_index(drop=True)
    )
    second = several[several["run_id"].duplicated()]
    return runs, second[list(MERGED_COLUMNS)].reset_index(drop=True)


def _ordered(records: pd.DataFrame) -> pd.DataFrame:
    """Sort by file and place; shorter places first, so that line 9 goes before line 10."""
    lengths = records["source_record"].str.len()
    return (
        records.assign(_length=lengths)
        .sort_values(["source_uri", "_length", "source_record", "source_format"], kind="stable")
        .drop(columns="_length")
        .reset_index(drop=True)
    )


def _mapped(
    records: pd.DataFrame, mapping: Iterable[tuple[str, str]]
) -> tuple[pd.Series, set[str]]:
    """Return each record's run id after mapping, and the mapped runs of which no log was found."""
    pairs = sorted(set(mapping), key=lambda pair: (_is_wild(pair[1]), pair[1], pair[0]))
    ids = records["run_id"].copy()
    # A runs.yaml is about its runs already; a pattern like `*` must not draw it elsewhere.
    free = np.array(records["source_format"] != run_mapping.FORMAT)
    found: set[str] = set()
    if not pairs:
        return ids, found
    uri = records["source_uri"]
    keys = [uri, uri + "#" + records["source_record"], uri + "#" + records["run_id"]]
    for run_id, pattern in pairs:
        hits = np.zeros(len(records), dtype=bool)
        for key in keys[1:] if "#" in pattern else keys[:1]:
            hits |= _matches(key, pattern)
        hits &= records["source_format"].ne(run_mapping.FORMAT).to_numpy()
        if hits.any():
            found.add(run_id)
        hits &= free
        ids[hits] = run_id
        free &= ~hits
    return ids, {run_id for run_id, _ in pairs} - found


def _is_wild(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")


def _matches(key: pd.Series, pattern: str) -> np.ndarray:
    exact = (key == pattern) | key.str.startswith(pattern.rstrip("/") + "/")
    if not _is_wild(pattern):
        return np.asarray(exact, dtype=bool)
    return np.asarray(exact | key.str.match(translate(pattern)), dtype=bool)


def _joined(several: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run of records that are sorted, with origins and conflicts."""
    group = several["run_id"]
    notes = _trackers(several)
    used = several[~_earlier_states(several)]
    first = several.drop_duplicates("run_id").set_index("run_id")
    runs = first[_SOURCE].copy()
    formats = several["source_format"].unique()
    places = (several["source_uri"] + "#" + several["source_record"]).astype("object")
    origins: dict[str, dict[str, list[str]]] = {run_id: {} for run_id in runs.index}
    for field in (name for name in RUN_FIELDS if name in several and name != "run_id"):
        values = used.loc[used[field].notna(), [field, "run_id", "source_format"]]
        if values.empty:
            runs[field] = pd.Series(index=runs.index, dtype=several[field].dtype)
            continue
        ranks = {name: BASES.index(basis_of(name, field)) for name in formats}
        ranked = values.assign(
            rank=values["source_format"].map(ranks),
            # Of two instruments the reader registered first decides, whatever the files are called.
            turn=values["source_format"].map(_TURNS),
            at=values.index,
        )
        ranked = _longest_first(ranked, field).sort_values(["rank", "turn"], kind="stable")
        best = ranked.drop_duplicates("run_id").set_index("run_id")
        runs[field] = best[field].reindex(runs.index)
        for run_id, n, place in zip(best.index, best["rank"], places[best["at"]], strict=True):
            origins[run_id][field] = [BASES[n], place]
        differs = _differs(ranked[field], ranked["run_id"].map(best[field]))
        notes += [
            (run_id, f"conflict:{field}") for run_id in ranked.loc[differs, "run_id"].unique()
        ]
    repairs = zip(group[used.index], used["repairs"].fillna("").str.split(), strict=True)
    notes += [(run_id, word) for run_id, words in repairs for word in words]
    runs, moved = _coherent(runs)
    runs["repairs"] = _words(notes + moved, runs.index)
    runs["origins"] = [json.dumps(origins[run_id], ensure_ascii=False) for run_id in runs.index]
    runs["origins"] = runs["origins"].astype("str")
    return runs.reset_index().assign(logged_id=np.nan)


def _longest_first(values: pd.DataFrame, field: str) -> pd.DataFrame:
    """Order times of one run in one format by length, where its files tell of sessions.

    The results of a resumed run hold its last session, the state beside them all. Which format
    comes first stays as it is, and so do trackers, of which the longest is no better than another.
    """
    if field not in _TIMES:
        return values
    of_sessions = [
        name for name in values["source_format"].unique() if progress_of(name) not in (None, field)
    ]
    place = values.groupby(["run_id", "source_format"])["at"].transform("min")
    shortness = (-values[field]).where(values["source_format"].isin(of_sessions), 0.0)
    order = pd.DataFrame({"place": place, "shortness": shortness}).sort_values(
        ["place", "shortness"], kind="stable"
    )
    return values.loc[order.index]


def _words(notes: list[tuple[str, str]], run_ids: pd.Index) -> pd.Series:
    words: dict[str, set[str]] = {run_id: set() for run_id in run_ids}
    for run_id, word in notes:
        words[run_id].add(word)
    return pd.Series(
        [" ".join(sorted(words[i])) or np.nan for i in run_ids], index=run_ids, dtype="str"
    )


def _earlier_states(several: pd.DataFrame) -> pd.Series:
    """Say which records are superseded: checkpoints before the last, copies of a log made half-way."""
    progress = pd.Series(np.nan, index=several.index)
    for name in several["source_format"].unique():
        field = progress_of(name)
        if field is not None and field in several:
            own = several["source_format"] == name
            progress[own] = several.loc[own, field]
    furthest = progress.groupby([several["run_id"], several["source_format"]]).transform("max")
    return progress < furthest * _STATE


def _trackers(several: pd.DataFrame) -> list[tuple[str, str]]:
    """Note runs to which a mapping gave records of different logged ids in one format.

    Two trackers on one server each measure all of it; on two servers each measures its own. The
    logs do not say which, so nothing is added up, and the run says so.
    """
    counts = several.groupby(["run_id", "source_format"])["logged_id"].nunique()
    measured = [
        name for name in several["source_format"].unique() if progress_of(name) == "active_s"
    ]
    found = counts[(counts > 1) & counts.index.isin(measured, level="source_format")]
    return [(run_id, "several_trackers_not_summed") for run_id, _ in found.index]


def _differs(values: pd.Series, chosen: pd.Series) -> np.ndarray:
    kind = RUNS.column(str(values.name)).kind
    if kind == "float":
        apart = (values - chosen).abs() > _TOLERANCE * pd.concat(
            [values, chosen], axis=1
        ).abs().max(axis=1)
    elif kind == "timestamp":
        apart = (values - chosen).abs() > _CLOCKS
    else:
        apart = values.astype("str").str.casefold() != chosen.astype("str").str.casefold()
    return np.asarray(apart, dtype=bool)


def _coherent(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Reconcile times of different logs: a tracker starts after the reservation that someone disclosed."""
    notes: list[tuple[str, str]] = []
    if not {"reserved_s", "active_s"} <= set(runs):
        return runs, notes
    longer = runs["active_s"] > runs["reserved_s"]
    runs.loc[longer, "reserved_s"] = runs.loc[longer, "active_s"]
    notes += [(run_id, "reserved_raised_to_active") for run_id in runs.index[longer]]
    if {"started_at", "ended_at"} <= set(runs):
        elapsed = (runs["ended_at"] - runs["started_at"]).dt.total_seconds()
        outside = runs["reserved_s"] > elapsed * 1.01 + 60
        reserved = pd.to_timedelta(runs.loc[outside, "reserved_s"], unit="s").dt.as_unit("us")
        runs.loc[outside, "started_at"] = runs.loc[outside, "ended_at"] - reserved
        notes += [(run_id, "start_moved_to_reservation") for run_id in runs.index[outside]]
    return runs, notes
