"""The rows of `model_versions` that can move with what came since a day.

Put here: which versions a further day touches, and what their rows rest on beside it. Keep out: how
a row follows (`versions.py`).

A version stands as it was if it closed before that day and is not the last of a model that was used
or tuned since. The others are made anew, of each model all from the first that can move; where it
has counts since, beside them those that served on the first one's first day, with which they share
these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ft_emissions_pipeline.ledger import lineage
from ft_emissions_pipeline.ledger.days import Ints, instants, position_of
from ft_emissions_pipeline.ledger.lifecycle import Instants, with_original_names
from ft_emissions_pipeline.ledger.versions import (
    Habits,
    changed,
    in_order,
    model_versions,
    order_of,
    use_lives,
)
from ft_emissions_pipeline.tables.frames import places
from ft_emissions_pipeline.tables.words import Event, HandOn, Life, UseLifeRule

_OF_TREE = ["model_name", "use_life_start", "model_version", "parent_version", "generation"]
"""Columns from which generations follow."""
_NEVER = np.datetime64("9999-12-31", "us")


def moved_versions(
    before: pd.DataFrame,
    run_impacts: pd.DataFrame,
    usage: pd.DataFrame,
    as_of: pd.Timestamp,
    since: pd.Timestamp,
    events: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of `model_versions` that are not the same as before: the old and the new.

    Parameters
    ----------
    before : DataFrame
        Table `model_versions` as it was.
    run_impacts, usage, as_of, events
        As for `model_versions`.
    since : Timestamp
        First UTC day whose runs or counts may be others than before; events must be the same.

    Returns
    -------
    old, new : DataFrame
        What `versions.changed` returns of the whole table.

    Notes
    -----
    Where a model hands on, what one version carries rests on many, so all are made anew.
    """
    runs, counts, told = with_original_names(run_impacts, usage, events)
    tail = _tail(before, runs, counts, told, as_of, since)
    hands_on = told["hand_on"].isin([HandOn.UNUSED, HandOn.REMAINDER]).any()
    if hands_on or (~tail.moving).sum() != len(runs) - len(tail.runs) + tail.beside.sum():
        return changed(before, model_versions(run_impacts, usage, as_of, events))
    versions = in_order(tail.runs)
    new = use_lives(versions, tail.usage, told, as_of, tail.habits)
    new = new[~_is_in(new["model_version"], before["model_version"][tail.beside])]
    new = new.assign(generation=_generations(before, ~tail.moving, new))
    return changed(before[tail.moving], new)


@dataclass(frozen=True)
class _Tail:
    """What is made anew: which versions, which others stand beside them, and what they rest on."""

    moving: NDArray[np.bool_]
    beside: NDArray[np.bool_]
    runs: pd.DataFrame
    usage: pd.DataFrame
    habits: Habits


def _tail(
    before: pd.DataFrame,
    runs: pd.DataFrame,
    usage: pd.DataFrame,
    told: pd.DataFrame,
    as_of: pd.Timestamp,
    since: pd.Timestamp,
) -> _Tail:
    fresh = (runs["date"] >= since).to_numpy()
    tuned, ended = runs["model_name"][fresh], instants(runs["ended_at"][fresh])
    names = pd.Index(before["model_name"].unique())
    names = names.append(pd.Index(tuned.unique()).difference(names, sort=False))
    model, used, tuned = (
        places(names, each) for each in (before["model_name"], usage["model_name"], tuned)
    )
    opens, closes = (instants(before[edge]) for edge in ("use_life_start", "use_life_end"))
    order = _in_order(model, opens)

    first = min(ended.min(initial=since.to_datetime64()), as_of.to_datetime64())
    can_move = _unsettled(before) | (closes >= first.astype("datetime64[D]"))
    counted = (usage["date"] >= since).to_numpy()
    latest = order[np.append(np.diff(model[order]) != 0, True)[: len(order)]]
    can_move[latest[np.isin(model[latest], np.concatenate([tuned, used[counted]]))]] = True
    can_move[_named(before, usage[counted & usage["model_version"].notna().to_numpy()])] = True
    told = told[told["event"].isin([Event.RETIRED, Event.ROLLED_BACK])]
    can_move |= np.isin(model, places(names, told["model_name"]))

    begins = _earliest(
        np.append(model[can_move], tuned), np.append(opens[can_move], ended), len(names)
    )
    moving, days = opens >= begins[model], begins.astype("datetime64[D]")
    due = _due(usage, used, days)
    shares = (closes >= days[model]) & _asked(due, names)[model]
    beside = (opens >= _earliest(model[shares], opens[shares], len(names))[model]) & ~moving

    runs = runs[fresh | _is_in(runs["run_id"], before["model_version"][moving | beside])]
    others = order[~(moving | beside)[order]]
    tunings = _with_later(
        model[others], opens[others], places(names, runs["model_name"]), instants(runs["ended_at"])
    )
    return _Tail(moving, beside, runs, due, Habits.of(names, *tunings, usage, used))


def _unsettled(before: pd.DataFrame) -> NDArray[np.bool_]:
    """Say which ends are an expectation; a model that slept is awake on an earlier last day."""
    asleep = before["use_life_rule"] == UseLifeRule.ASLEEP
    return np.array((before["status"] == Life.OPEN) | asleep, dtype=bool)


def _named(before: pd.DataFrame, usage: pd.DataFrame) -> Ints:
    """Return the positions of the versions that some counts name."""
    if usage.empty:
        return np.empty(0, dtype="int64")
    found = position_of(before, usage["model_version"])
    return found[found >= 0]


def _due(usage: pd.DataFrame, used: Ints, days: Instants) -> pd.DataFrame:
    """Return the counts from each model's day on; those that name a version may be another's."""
    date = usage["date"].to_numpy()
    days = np.append(days, _NEVER)
    named = usage["model_version"].notna().to_numpy()
    return usage[(date >= days[used]) | (named & (date >= days.min()))]


def _asked(due: pd.DataFrame, names: pd.Index) -> NDArray[np.bool_]:
    """Say which models some counts may be of; those that name a version, of any."""
    if due["model_version"].notna().any():
        return np.ones(len(names), dtype=bool)
    return np.isin(np.arange(len(names)), places(names, due["model_name"]))


def _with_later(
    model: Ints, start: Instants, later_model: Ints, later_start: Instants
) -> tuple[Ints, Instants]:
    """Return tunings in order with others, each of which came after all of its model."""
    order = np.lexsort((later_start, later_model))
    at = np.searchsorted(model, later_model[order], side="right")
    return np.insert(model, at, later_model[order]), np.insert(start, at, later_start[order])


def _in_order(model: Ints, opens: Instants) -> Ints:
    """Return the order by model and start; a table that was just made has it."""
    same = model[1:] == model[:-1]
    if ((model[1:] > model[:-1]) | (same & (opens[1:] >= opens[:-1]))).all():
        return np.arange(len(model))
    return np.lexsort((opens, model))


def _is_in(texts: pd.Series, wanted: pd.Series | np.ndarray) -> NDArray[np.bool_]:
    among = pa.array(pd.Series(wanted, dtype="str"))
    return np.asarray(pc.is_in(pa.array(texts), among, skip_nulls=True))


def _earliest(model: Ints, instant: Instants, count: int) -> Instants:
    """Return the first instant of each model, and one that never comes where it has none."""
    found = np.full(count, _NEVER)
    np.minimum.at(found, model, instant)
    return found


def _generations(before: pd.DataFrame, stands: NDArray[np.bool_], new: pd.DataFrame) -> Ints:
    """Return the generations of new versions; of those that stand they are known."""
    named = new["parent_version"].dropna()
    words = pd.concat([named, named.str.split(lineage.BETWEEN, regex=True).explode()]).unique()
    of_words = (_is_in(before[name], words) for name in ("model_version", "model_name"))
    older = before[stands & np.logical_or(*of_words)].assign(parent_version=pd.Series(dtype="str"))
    tree = pd.concat([older[_OF_TREE], new[_OF_TREE].assign(generation=1)], ignore_index=True)
    order = order_of(tree)
    tree = tree.take(order)
    child, parent, _, _ = lineage.parents(tree)
    known = tree["generation"].to_numpy(dtype="int64")
    depth = lineage.generations(tree, child, parent, known)
    return depth[np.argsort(order)][len(older) :]
