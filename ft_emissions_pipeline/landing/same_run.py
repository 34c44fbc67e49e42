"""Which records are of one run, or measured one machine, by the marks that their readers left.

Put here: states of a training told by their history, and trackers told by their machine. Keep out:
how a mark is made (the readers), and joining by names, jobs and hosts (`join.py`).

A trainer's state holds the history of its run from the first step on: of two states of one run the
one begins as the other does. Several runs that were written into one folder begin differently.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ft_emissions_pipeline.readers.cells import arrow_text, text_series
from ft_emissions_pipeline.readers.formats.hugging_face import is_state_folder, run_folder

HISTORY, TRACKED, RESULTS = "history", "tracked", "results"
"""First words of marks."""
_MARK = (
    rf"^(?:{TRACKED}|machine) (?P<machine>\S+) (?P<gpus>\S+)(?: (?P<project>\S+))? (?P<kwh>\S+)$"
)
"""Machine, GPUs, project, energy; an index that stands from before tells `machine`, no project."""
_AT_ONCE_S = 60.0
"""Start and end of trackers of one job lie closer together than this."""
_ALIKE = 0.01
"""Share by which what trackers of one machine measured at one time may differ."""
_OVERLAP = 0.8
"""Share of the shorter time from which on two trackers ran beside each other."""
_MOST = 16
"""GPUs of the largest server, so trackers of one machine at one time."""

Found = tuple[dict[str, str], dict[str, set[str]]]
"""Run id -> run id that it becomes, and run id -> others of which it is to be told."""


@dataclass(frozen=True)
class _State:
    uri: str
    last: str
    """Steps that were planned."""
    step: float
    hashes: tuple[str, ...]
    """Of the first 1, 2, 4, ... rows."""

    @property
    def folder(self) -> PurePosixPath:
        return PurePosixPath(self.uri).parent


def histories(records: pd.DataFrame, run_ids: pd.Series) -> tuple[pd.Series, dict[str, set[str]]]:
    """Return run ids by the history of trainers' states, and records that may be of several runs.

    Parameters
    ----------
    records : DataFrame
        Records of runs with `mark`.
    run_ids : Series
        Their run ids so far; those that a mapping changed stay.

    Returns
    -------
    run_ids : Series
    doubtful : dict
        Run id of results in a folder of several runs -> these.
    """
    found = run_ids.copy()
    marked = records["mark"].fillna("").str.startswith(HISTORY).to_numpy()
    free = marked & (run_ids == records["run_id"]).to_numpy()
    if not free.any():
        return found, {}
    told = records[free]
    states = {
        n: _state(uri, mark)
        for n, uri, mark in zip(told.index, told["source_uri"], told["mark"], strict=True)
    }
    named = run_ids.to_dict()
    doubtful: dict[str, set[str]] = {}
    groups: dict[str, list[int]] = defaultdict(list)
    for n in states:
        groups[named[n]].append(n)
    for run_id, members in groups.items():
        parts = _parted([(n, states[n]) for n in members])
        if len(parts) > 1:
            names = _names(run_id, parts, states)
            for name, part in zip(names, parts, strict=True):
                found[part] = name
            others = records.index[(run_ids == run_id).to_numpy() & ~marked]
            planned = {name: states[part[0]].last for name, part in zip(names, parts, strict=True)}
            for n in others:
                fitting = _of_as_many_steps(records.at[n, "mark"], planned)
                if len(fitting) == 1:
                    found[n] = fitting[0]
            if run_id not in names and (found[others] == run_id).any():
                doubtful[run_id] = set(names)
    furthest: dict[str, _State] = {}
    named = found.to_dict()
    for n, state in states.items():
        name = named[n]
        if name not in furthest or state.step > furthest[name].step:
            furthest[name] = state
    renamed = _folders_of_one_run(furthest)
    return with_names(found, renamed), doubtful


def with_names(run_ids: pd.Series, names: Mapping[str, str]) -> pd.Series:
    """Return run ids of which some become others; of thousands pandas' `replace` asks each."""
    return run_ids.map(names).astype("str").fillna(run_ids) if names else run_ids


def _of_as_many_steps(mark: object, planned: Mapping[str, str]) -> list[str]:
    """Return the runs that planned as many steps as results tell, which name no run themselves."""
    told = re.fullmatch(rf"{RESULTS} (\S+) (\S+)", str(mark))
    if told is None:
        return []
    steps, open_by = map(float, told.groups())
    return [name for name, last in planned.items() if abs(float(last) - steps) <= open_by]


def _state(uri: str, mark: str) -> _State:
    _, last, step, hashes = mark.split(" ")
    return _State(uri, last, float(step), tuple(hashes.split(",")) if hashes != "-" else ())


def _same(one: _State, other: _State) -> bool:
    """Say whether two states are of one run; a prolonged run plans more steps than before."""
    common = min(len(one.hashes), len(other.hashes))
    if one.last == other.last:
        return one.hashes[:1] == other.hashes[:1] or not common
    return common > 1 and one.hashes[common - 1] == other.hashes[common - 1]


def _parted(members: list[tuple[int, _State]]) -> list[list[int]]:
    """Part the states of a folder into runs, that of the state that is furthest first."""
    parts: list[tuple[_State, list[int]]] = []
    for n, state in sorted(members, key=lambda member: -member[1].step):
        for first, part in parts:
            if _same(first, state):
                part.append(n)
                break
        else:
            parts.append((state, [n]))
    return [part for _, part in parts]


def _names(run_id: str, parts: list[list[int]], states: dict[int, _State]) -> list[str]:
    """Name each run of a folder: the folder's for what lies in it, else its furthest state's."""
    own = next((k for k, part in enumerate(parts) for n in part
                if run_folder(states[n].uri) == run_id
                and not is_state_folder(states[n].folder)), None)  # fmt: skip
    return [
        run_id
        if k == own
        else str(states[part[0]].folder)
        if str(states[part[0]].folder) != "."
        else run_id
        for k, part in enumerate(parts)
    ]


def _folders_of_one_run(furthest: dict[str, _State]) -> dict[str, str]:
    """Return run ids that are one run in folders of different names, nested or side by side."""
    at: dict[PurePosixPath, list[str]] = defaultdict(list)
    for name in furthest:
        at[PurePosixPath(name if name != "root" else ".")].append(name)
    renamed: dict[str, str] = {}
    beside: dict[tuple[PurePosixPath, str, str], list[str]] = defaultdict(list)
    for name, state in sorted(furthest.items()):
        path = PurePosixPath(name if name != "root" else ".")
        above = next((other for parent in path.parents for other in at.get(parent, ())
                      if other != name and _same(furthest[other], state) and state.hashes),
                     None)  # fmt: skip
        if above is not None:
            renamed[name] = renamed.get(above, above)
        elif state.hashes:
            beside[path.parent, state.last, state.hashes[0]].append(name)
    for (parent, _, _), names in beside.items():
        steps = [furthest[name].step for name in names]
        if len(names) > 1 and len(set(steps)) == len(steps) and parent not in at:
            shared = "root" if parent == PurePosixPath() else str(parent)
            renamed |= dict.fromkeys(names, shared)
    return renamed


def machines(records: pd.DataFrame, run_ids: pd.Series, free: pd.Series) -> tuple[Found, Found]:
    """Return runs whose trackers measured one machine at one time, surely and perhaps.

    Parameters
    ----------
    records, run_ids
        As for `histories`.
    free : Series of bool
        Records that no mapping gave to a run: of the others somebody said it.

    Returns
    -------
    once : Found
        Runs that are one, because host, GPUs, time and energy say the same; the second part names,
        for the run that counts, those that it stands for.
    perhaps : Found
        The second part names, for each run, others that may have measured the same machine.
    """
    marks = _parts(records["mark"])
    known = free & marks["machine"].notna()
    known &= records["started_at"].notna() & records["ended_at"].notna()
    if not known.any():
        return ({}, {}), ({}, {})
    told, marks = records[known], marks[known]
    of_one = [told["source_format"], marks["machine"], told["host"].fillna("")]
    trackers = pd.DataFrame(
        {
            "machine": marks.groupby(of_one, sort=False).ngroup(), "run_id": run_ids[known],
            "low": _seconds(told["started_at"]), "high": _seconds(told["ended_at"]),
            "kwh": marks["kwh"].astype("float64"), "named": of_one[-1] != "",
            "whole": marks["gpus"] != "part", "gpus": pd.factorize(marks["gpus"])[0],
            "project": pd.factorize(marks["project"])[0],
            "file": pd.factorize(told["source_uri"])[0],
        }
    )  # fmt: skip
    trackers = trackers.drop_duplicates(["machine", "run_id"])
    order = [(name, "ascending") for name in ("machine", "low", "run_id")]
    keys = pa.Table.from_pandas(trackers[[name for name, _ in order]], preserve_index=False)
    trackers = trackers.take(pc.sort_indices(keys, order)).reset_index(drop=True)
    alike, beside = _pairs(trackers)
    names = trackers["run_id"].tolist()
    stands_for: dict[int, int] = {}
    for one, other in alike.T.tolist():
        stands_for.setdefault(other, stands_for.get(one, one))
    ranks: dict[int, set[str]] = defaultdict(set)
    for other, one in stands_for.items():
        ranks[one].add(names[other])
    named = trackers["named"].tolist()
    crowds = {one for one, of in ranks.items() if len(of) >= _MOST and not named[one]}
    once = (
        {names[other]: names[one] for other, one in stands_for.items() if one not in crowds},
        {names[one]: of for one, of in ranks.items() if one not in crowds},
    )
    perhaps: dict[str, set[str]] = defaultdict(set)
    doubtful = [pair for pair in alike.T.tolist() if stands_for[pair[1]] in crowds]
    for one, other in [*beside.T.tolist(), *doubtful]:
        perhaps[names[one]].add(names[other])
        perhaps[names[other]].add(names[one])
    return once, ({}, dict(perhaps))


def _parts(marks: pd.Series) -> pd.DataFrame:
    """Return what the marks of trackers tell; nothing of other marks."""
    parts = pc.extract_regex(arrow_text(marks), _MARK)
    told = zip((field.name for field in parts.type), parts.flatten(), strict=True)
    return pd.DataFrame({name: text_series(cells, marks.index) for name, cells in told}, copy=False)


def _pairs(trackers: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of trackers of one machine that saw the same, and others that ran at one time.

    Trackers come by machine and start. Where no host is named, more than `_MOST` at one time are
    of several machines, of which the description is the same; then nothing tells which shared one.
    """
    machine, low, high = (trackers[name].to_numpy() for name in ("machine", "low", "high"))
    # Instants as whole numbers, of one machine after the other, so that one search finds all.
    instants = np.unique(np.concatenate([low, high, low + _AT_ONCE_S]))
    starts, ends, soon = (
        machine * len(instants) + np.searchsorted(instants, each)
        for each in (low, high, low + _AT_ONCE_S)
    )
    place = np.arange(len(trackers))
    at_once = place + 1 - np.searchsorted(np.sort(ends), starts, "right")
    apart = (at_once > _MOST) & ~trackers["named"].to_numpy()
    until = np.searchsorted(starts, ends)
    near = np.minimum(np.minimum(until, np.searchsorted(starts, soon, "right")), place + 1 + _MOST)
    calm = np.flatnonzero(~apart)
    after = _each(np.searchsorted(calm, place + 1), np.searchsorted(calm, until))
    after[1] = calm[after[1]]

    def overlapping(pairs: np.ndarray) -> np.ndarray:
        one, other = pairs
        shorter = np.minimum(high[one] - low[one], high[other] - low[other])
        shared = np.minimum(high[one], high[other]) - low[other]
        return np.asarray(pairs[:, shared >= _OVERLAP * shorter])

    alike, beside = _each(place + 1, near), overlapping(after)
    return overlapping(alike[:, _alike(trackers, alike)]), beside[:, ~_alike(trackers, beside)]


def _each(first: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return each place with those of its own from the first to before the end."""
    count = np.maximum(end - first, 0)
    one = np.repeat(np.arange(len(first)), count)
    step = np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
    return np.stack([one, first[one] + step])


def _alike(trackers: pd.DataFrame, pairs: np.ndarray) -> np.ndarray:
    """Say of which pairs both trackers measured the same.

    Two that append to one file differ in some digit. Its rows that are the same to the last one
    were written by a script or by hand, and whether they are two runs is for people to say.
    """
    gpus, project, whole = (trackers[name].to_numpy() for name in ("gpus", "project", "whole"))
    one, other = pairs
    alike = (gpus[one] == gpus[other]) & (project[one] == project[other]) & whole[one]
    one, other = pairs[:, alike]
    low, high, kwh, file = (trackers[name].to_numpy() for name in ("low", "high", "kwh", "file"))
    copied = np.logical_and.reduce([each[one] == each[other] for each in (file, low, high, kwh)])
    alike[alike] = (
        ~copied
        & (np.abs(low[one] - low[other]) <= _AT_ONCE_S)
        & (np.abs(high[one] - high[other]) <= _AT_ONCE_S)
        & (np.abs(kwh[one] - kwh[other]) <= _ALIKE * np.maximum(kwh[one], kwh[other]))
    )
    return np.asarray(alike)


def _seconds(instants: pd.Series) -> pd.Series:
    return (instants - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
