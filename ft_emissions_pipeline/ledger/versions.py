"""The table `model_versions`: each version's use life, the inferences over it, what it takes over.

Put here: when a use life ends, or is expected to, and the table itself. Keep out: service that
follows from events alone (`lifecycle.py`), and the sharing over days (`per_inference.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ft_emissions_pipeline.calendar_days import SECONDS_PER_DAY
from ft_emissions_pipeline.equations import GRAMS_PER_KG, MILLILITRES_PER_LITRE, per_inference
from ft_emissions_pipeline.ledger import lineage
from ft_emissions_pipeline.ledger.days import (
    SPAN,
    Ints,
    instants,
    labelled,
    position_of,
    served_days,
    total_inferences,
)
from ft_emissions_pipeline.ledger.inheritance import with_inheritance
from ft_emissions_pipeline.ledger.lifecycle import (
    ENDED_BY,
    Instants,
    Service,
    present_names,
    service,
    with_original_names,
)
from ft_emissions_pipeline.tables import MODEL_VERSIONS, conform
from ft_emissions_pipeline.tables.frames import places
from ft_emissions_pipeline.tables.words import Basis, Event, HandOn, Life, Sharing, UseLifeRule

_DAY = np.timedelta64(1, "D")
RULES = (
    *ENDED_BY, UseLifeRule.DISCLOSED, UseLifeRule.USUAL_INTERVAL, UseLifeRule.DEFAULT,
    UseLifeRule.ASLEEP,
)  # fmt: skip
"""What the end of a use life rests on: what ended it, or what it is expected by."""
ASLEEP_AFTER_INTERVALS = 5
"""Usual intervals without use and tuning after which a model sleeps: a long weekend is not enough
for one that is tuned each night, and a model that nobody touches for five cycles has been left."""
_OF_RUNS = frozenset({*MODEL_VERSIONS.names, "expected_use_life_basis", "pretraining_kgco2e"})


def model_versions(
    run_impacts: pd.DataFrame,
    usage: pd.DataFrame,
    as_of: pd.Timestamp,
    events: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return each version's use life, and the inferences over it.

    Parameters
    ----------
    run_impacts : DataFrame
        Table `run_impacts`, all days.
    usage : DataFrame
        Table `usage`, all days.
    as_of : Timestamp
        Last UTC day of which anything is known; a version that is still open serves at least
        until its end.
    events : DataFrame, optional
        Table `model_events`; without it models are only tuned.

    Returns
    -------
    DataFrame
        Table `model_versions`, ordered by model and start.

    Notes
    -----
    Without a successor a version ends with its disclosed use life; with the default one, or the
    last day on which it was used if that is later; and where its model is tuned again and again,
    it stays open until the next tuning comes, or until the model sleeps: neither used nor tuned for
    longer than `ASLEEP_AFTER_INTERVALS` of its usual intervals. It then closes at its last sign of
    life, and is open again as soon as the model is used or tuned. Life counts from when the version
    last came into service. An open version for which nobody disclosed expected inferences is
    expected to go on as its model was used so far.
    """
    runs, usage, told = with_original_names(run_impacts, usage, events)
    versions = in_order(runs)
    model, names = pd.factorize(versions["model_name"])
    habits = Habits.of(
        names,
        model,
        instants(versions["use_life_start"]),
        usage,
        places(names, usage["model_name"]),
    )
    return use_lives(versions, usage, told, as_of, habits)


@dataclass(frozen=True)
class Habits:
    """How models were tuned and used so far, by their names."""

    usual_interval_s: pd.Series
    usual_inferences: pd.Series
    last_used: pd.Series

    @classmethod
    def of(
        cls, names: pd.Index, tuned: Ints, start: Instants, usage: pd.DataFrame, used: Ints
    ) -> Habits:
        """Return habits of models from codes of their names: of tunings in order, and of usage."""
        again = tuned[1:] == tuned[:-1]
        between = (start[1:] - start[:-1])[again] / np.timedelta64(1, "s")
        interval = pd.Series(between).groupby(tuned[1:][again]).median().reindex(range(len(names)))
        known = used >= 0
        model = used[known]
        inferences = usage["inferences"].to_numpy()[known]
        date = usage["date"].to_numpy()[known].astype("datetime64[D]")
        # In order, so that of each model the last day stays.
        counted = np.sort(model * SPAN + date.astype("int64"))
        at, day = np.divmod(counted[np.diff(counted, prepend=-1) > 0], SPAN)
        days = np.bincount(at, minlength=len(names))
        total = np.bincount(model, inferences, len(names))
        last = np.full(len(names), np.datetime64("NaT", "us"))
        last[at] = day.astype("datetime64[D]")
        mean = np.divide(total, days, out=np.full(len(names), np.nan), where=days > 0)
        return cls(interval.set_axis(names), pd.Series(mean, names), pd.Series(last, names))


def use_lives(
    versions: pd.DataFrame,
    usage: pd.DataFrame,
    told: pd.DataFrame,
    as_of: pd.Timestamp,
    habits: Habits,
) -> pd.DataFrame:
    """Return table `model_versions` of runs that `in_order` returns, under models' first names."""
    codes, names = pd.factorize(versions["model_name"])
    model = codes.astype("int64")
    start = instants(versions["use_life_start"])
    serves = service(model, start, versions["model_version"], names, told)
    end, rule, closed = _ends(versions, model, names, serves, habits, as_of)
    stretch_end = serves.closes.copy()
    last = _last_of_each(serves.position)
    stretch_end[last] = end
    named = _last_named_day(versions, usage)
    life_end = np.where(named > end, named, end)
    versions["pauses"] = _pauses(serves, stretch_end, life_end)
    versions["use_life_end"] = pd.to_datetime(life_end).tz_localize("UTC")
    versions["use_life_rule"] = labelled(rule, RULES)
    versions["status"] = labelled(closed.astype("int64"), (Life.OPEN, Life.CLOSED))
    versions["projected_inferences"] = (
        versions["expected_inferences_per_day"] * versions["expected_use_life_days"]
    )
    usual = habits.usual_inferences.reindex(names).to_numpy()[model]
    versions["expected_inferences_per_day"] = versions["expected_inferences_per_day"].fillna(
        pd.Series(np.where(closed, np.nan, usual), index=versions.index)
    )
    days = served_days(versions, usage)
    versions["inferences"], versions["inferences_basis"] = total_inferences(days, len(versions))
    child, parent, _, _ = lineage.parents(versions)
    versions["generation"] = lineage.generations(versions, child, parent)
    versions = _with_declared(versions, told)
    versions = with_inheritance(versions, serves.heir[last], (child, parent), days)
    return conform(versions.reindex(columns=MODEL_VERSIONS.names), MODEL_VERSIONS)


def in_order(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs as versions, ordered by model, end and run."""
    versions = runs.rename(columns={"run_id": "model_version", "ended_at": "use_life_start"})
    versions = versions[[name for name in versions if name in _OF_RUNS]]
    return versions.take(order_of(versions)).reset_index(drop=True)


def order_of(versions: pd.DataFrame) -> Ints:
    """Return the order of versions by model, start and name, of which few names decide."""
    key = {
        # In order of the names, as a number.
        "model": pd.factorize(versions["model_name"], sort=True)[0],
        "start": instants(versions["use_life_start"]),
        "version": pa.array(versions["model_version"]),
    }
    found = pc.sort_indices(pa.table(key), [(name, "ascending") for name in key])
    return np.asarray(found, dtype="int64")


def _last_of_each(position: Ints) -> Ints:
    """Return where the last stretch of each version stands: stretches are ordered by version."""
    return (
        np.flatnonzero(np.append(position[1:] != position[:-1], True))
        if len(position)
        else position
    )


def _ends(
    versions: pd.DataFrame,
    model: Ints,
    names: pd.Index,
    serves: Service,
    habits: Habits,
    as_of: pd.Timestamp,
) -> tuple[Instants, Ints, np.ndarray]:
    """Return when each version's last service ends, its place in `RULES`, and if it is closed."""
    last = _last_of_each(serves.position)
    end, rule = serves.closes[last].copy(), serves.ended_by[last].copy()
    closed = ~np.isnat(end)
    at = np.flatnonzero(~closed)
    if not len(at):
        return end, rule, closed
    opened = serves.opens[last][at]
    usual = habits.usual_interval_s.reindex(names[model[at]]).to_numpy()
    life = versions["expected_use_life_days"].to_numpy(dtype=float)[at]
    disclosed = versions["expected_use_life_basis"].to_numpy()[at] != Basis.DEFAULT
    repeated = ~disclosed & (usual > 0)
    seconds = np.where(repeated, usual, life * SECONDS_PER_DAY)
    expected = opened + (seconds * 1e6).round().astype("timedelta64[us]")
    by_default, by_interval = (
        RULES.index(UseLifeRule.DEFAULT),
        RULES.index(UseLifeRule.USUAL_INTERVAL),
    )
    why = np.select(
        [disclosed, repeated], [RULES.index(UseLifeRule.DISCLOSED), by_interval], default=by_default
    )
    served = habits.last_used.reindex(names[model[at]])
    served_until = served.to_numpy().astype("datetime64[us]") + _DAY
    outlived = (why == by_default) & (served_until > expected)
    expected = np.where(outlived, served_until, expected)
    today_ends = np.datetime64(pd.Timestamp(as_of).date(), "us") + _DAY
    sign_of_life = np.fmax(served_until, opened)
    patience = np.where(repeated, usual * ASLEEP_AFTER_INTERVALS * 1e6, 0.0)
    asleep = repeated & (sign_of_life + patience.round().astype("timedelta64[us]") < today_ends)
    why = np.where(asleep, RULES.index(UseLifeRule.ASLEEP), why)
    expected = np.where(asleep, sign_of_life, expected)
    over = (why != by_interval) & (expected <= today_ends)
    still = np.where(over, expected, np.maximum(expected, today_ends))
    end[at], rule[at], closed[at] = np.maximum(still, opened), why, over
    return end, rule, closed


def _last_named_day(versions: pd.DataFrame, usage: pd.DataFrame) -> Instants:
    """Return the end of the last day on which usage names each version, NaT for most."""
    end = np.full(len(versions), np.datetime64("NaT", "us"))
    named = usage.dropna(subset=["model_version"])
    if len(named):
        place = position_of(versions, named["model_version"])
        known = named.assign(position=place)[place >= 0]
        days = known.groupby("position")["date"].max()
        end[days.index] = days.to_numpy().astype("datetime64[us]") + _DAY
    return end


def _pauses(serves: Service, stretch_end: Instants, life_end: Instants) -> pd.Series:
    """Return each use life's stretches without service as ISO 8601 intervals; most have none."""
    position = serves.position
    following = np.append(serves.opens[1:], np.datetime64("NaT", "us"))[: len(position)]
    last = _last_of_each(position)
    following[last] = life_end
    gap = np.flatnonzero(stretch_end < following)
    text = pd.Series(
        [
            f"{pd.Timestamp(out).isoformat()}Z/{pd.Timestamp(back).isoformat()}Z"
            for out, back in zip(stretch_end[gap], following[gap], strict=True)
        ],
        dtype="str",
    )
    joined = text.groupby(position[gap]).agg(" ".join)
    return joined.reindex(range(len(last))).astype("str")


def changed(old: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of two states of the table that are not the same in both.

    Of hundreds of thousands of versions a day changes a few; only these need a closer look.
    """
    place = position_of(new, old["model_version"])
    held = np.flatnonzero(place >= 0)
    before = old if len(held) == len(old) else old.take(held)
    same = np.ones(len(held), dtype=bool)
    for name in MODEL_VERSIONS.names:
        one, other = before[name].array, new[name].array.take(place[held])
        equal = np.asarray(one == other, dtype=bool)
        if not equal.all():
            equal |= pd.isna(one) & pd.isna(other)
        same &= equal
    kept_old, kept_new = np.ones(len(old), dtype=bool), np.ones(len(new), dtype=bool)
    kept_old[held[same]], kept_new[place[held][same]] = False, False
    return old[kept_old], new[kept_new]


def _with_declared(versions: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Add what `models.yaml` declares of each model; where it is silent, the run's own stands.

    The run's own are its team and tag, and the base model's pre-training as the factor tables have
    it; over how many inferences that is shared, only `models.yaml` can tell.
    """
    declared = events[events["event"] == Event.DECLARED]
    # Of several files the last by name stands, as everywhere.
    declared = declared.sort_values(["source_uri", "source_record"])
    declared = declared.drop_duplicates("model_name", keep="last").set_index("model_name")
    present = pd.Index(versions["model_name"].unique())
    table = pd.DataFrame(index=present).join(declared).reset_index(names="first_name")
    renamed = present_names(table["first_name"], events)
    served = table["base_model_inferences"].where(table["base_model_inferences"] > 0)
    own = pd.DataFrame(
        {
            "present_name": renamed,
            "method": table["method"].fillna(Sharing.BY_USE),
            "hand_on": table["hand_on"].fillna(HandOn.NOTHING),
            "team": table["team"],
            "tag": table["tag"],
            "base_water_ml_per_inference": per_inference(
                table["base_model_water_l"] * MILLILITRES_PER_LITRE, served
            ),
        }
    )
    at = places(present, versions["model_name"])
    columns = {name: own[name].array.take(at) for name in own}
    disclosed, shared = (
        pd.Series(column.array.take(at), index=versions.index)
        for column in (table["base_model_kgco2e"], served)
    )
    if "pretraining_kgco2e" in versions:
        disclosed = disclosed.fillna(versions["pretraining_kgco2e"])
    columns["base_gco2e_per_inference"] = per_inference(disclosed * GRAMS_PER_KG, shared)
    for label in {"team", "tag"} & set(versions):
        columns[label] = pd.Series(columns[label], dtype="str").fillna(versions[label])
    return versions.assign(**columns)
