"""One row out of several records of a run: per field the best evidence wins.

Put here: which value wins, what contradicts it, and which records are earlier states of others.
Keep out: which records are of one run (`join.py`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers import READERS, basis_of, origins, progress_of, repairs
from ft_emissions_pipeline.tables import BASES, RUN_FIELDS, RUNS
from ft_emissions_pipeline.tables.words import REFINES

_ROUNDED = {"epochs": 0.005}
"""By what figures differ besides, as consoles print them with two digits behind the point."""
_CLOCKS = pd.Timedelta(minutes=1)
"""Difference of instants up to which two logs agree."""
_STATE = 0.99
"""Share of the furthest progress from which on a record of the same format is no earlier state."""
TURNS = {reader.FORMAT: turn for turn, reader in enumerate(READERS)}
"""Format -> its turn: of two logs of equal evidence the one registered first decides."""
_TIMES = ("active_s", "reserved_s")
_SOURCE = ["source_format", "source_uri", "source_record"]
AGREES = 0.01
"""Relative difference of numbers up to which two logs agree."""
ONE_MACHINE = "one_machine_counted_once"
"""Word of `repairs` of trackers that saw one machine."""


def joined(several: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run of records that are sorted, with origins and conflicts."""
    group = several["run_id"]
    notes = _trackers(several)
    used = several[~_earlier_states(several)]
    first = several.drop_duplicates("run_id").set_index("run_id")
    runs = first[_SOURCE].copy()
    formats = several["source_format"].unique()
    places = origins.place(several["source_uri"], several["source_record"]).astype("object")
    known: dict[str, origins.Origins] = {run_id: {} for run_id in runs.index}
    for field in (name for name in RUN_FIELDS if name in several and name != "run_id"):
        values = used.loc[used[field].notna(), [field, "run_id", "source_format"]]
        if values.empty:
            runs[field] = pd.Series(index=runs.index, dtype=several[field].dtype)
            continue
        ranks = {name: BASES.index(basis_of(name, field)) for name in formats}
        ranked = values.assign(
            rank=values["source_format"].map(ranks),
            # Of two instruments the reader registered first decides, whatever the files are called.
            turn=values["source_format"].map(TURNS),
            at=values.index,
        )
        ranked = _longest_first(ranked, field).sort_values(["rank", "turn"], kind="stable")
        if field in REFINES:
            ranked = _finest_first(ranked, field)
        best = ranked.drop_duplicates("run_id").set_index("run_id")
        runs[field] = best[field].reindex(runs.index)
        for run_id, n, place in zip(best.index, best["rank"], places[best["at"]], strict=True):
            known[run_id][field] = origins.Origin(BASES[n], place)
        apart = differs(ranked[field], ranked["run_id"].map(best[field]))
        notes += [(run_id, f"conflict:{field}") for run_id in ranked.loc[apart, "run_id"].unique()]
    cells = zip(group[used.index], used["repairs"], strict=True)
    notes += [(run_id, word) for run_id, cell in cells for word in repairs.parted(cell)]
    whole = _whole(used)
    notes = [note for note in notes if note[1] != "before_last_step" or note[0] not in whole]
    runs, moved = _coherent(runs)
    words: dict[str, set[str]] = {run_id: set() for run_id in runs.index}
    for run_id, word in notes + moved:
        words[run_id].add(word)
    runs["repairs"] = repairs.column_of(words.values(), runs.index)
    runs["origins"] = [origins.to_json(known[run_id]) for run_id in runs.index]
    runs["origins"] = runs["origins"].astype("str")
    return runs.reset_index().assign(logged_id=np.nan)


def _finest_first(ranked: pd.DataFrame, field: str) -> pd.DataFrame:
    """Put what only makes a run's best value more precise before it, the most precise first."""
    finer = REFINES[field]
    best = ranked["run_id"].map(ranked.drop_duplicates("run_id").set_index("run_id")[field])
    depth = [
        len(finer.get(value, ())) * (coarse in finer.get(value, ()))
        for value, coarse in zip(ranked[field], best, strict=True)
    ]
    return ranked.iloc[np.argsort(-np.array(depth), kind="stable")]


def _whole(used: pd.DataFrame) -> set[str]:
    """Return the runs whose end a trainer's log tells: an earlier state beside it was no end."""
    if "active_s" not in used:
        return set()
    trainers = [
        name
        for name in used["source_format"].unique()
        if progress_of(name) not in (None, "active_s")
    ]
    ended = used["source_format"].isin(trainers) & used["active_s"].notna()
    ended &= ~repairs.has_word(used["repairs"], "before_last_step")
    return set(used.loc[ended, "run_id"])


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


def _earlier_states(several: pd.DataFrame) -> pd.Series:
    """Say which records are superseded: checkpoints before the last, half-way copies of a log."""
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
    # Trackers of which all says that they saw one machine have a word of their own.
    several = several[~repairs.has_word(several["repairs"], ONE_MACHINE)]
    counts = several.groupby(["run_id", "source_format"])["logged_id"].nunique()
    measured = [
        name for name in several["source_format"].unique() if progress_of(name) == "active_s"
    ]
    found = counts[(counts > 1) & counts.index.isin(measured, level="source_format")]
    return [(run_id, "several_trackers_not_summed") for run_id, _ in found.index]


def differs(values: pd.Series, chosen: pd.Series) -> np.ndarray:
    """Say of each value of a field, after which it is named, if it contradicts the chosen one."""
    if values.name in REFINES:
        finer = REFINES[values.name]
        return np.array(
            [
                value != best and value not in finer.get(best, ())
                for value, best in zip(values, chosen, strict=True)
            ],
            dtype=bool,
        )
    kind = RUNS.column(str(values.name)).kind
    if kind == "float":
        apart = (values - chosen).abs() > AGREES * pd.concat([values, chosen], axis=1).abs().max(
            axis=1
        ) + _ROUNDED.get(str(values.name), 0.0)
    elif kind == "timestamp":
        apart = (values - chosen).abs() > _CLOCKS
    else:
        apart = values.astype("str").str.casefold() != chosen.astype("str").str.casefold()
    return np.asarray(apart, dtype=bool)


def _coherent(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Reconcile times of different logs: a tracker starts after a disclosed reservation."""
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
