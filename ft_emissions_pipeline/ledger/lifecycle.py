"""Names and service: which version of a model serves from when to when.

Put here: renaming, labels of versions, and the stretches of service that follow from tunings,
roll-backs and retirements. Keep out: for how long an open version is expected to serve
(`versions.py`), and counts (`days.py`).

A version comes into service when its run ends, or when an event puts it back; it goes out when
another one comes in, or when an event retires it. At one instant runs go before events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ft_emissions_pipeline.ledger.days import Ints
from ft_emissions_pipeline.tables import MODEL_EVENTS, empty
from ft_emissions_pipeline.tables.words import Event, UseLifeRule

Instants = NDArray[np.datetime64]

NEVER = np.datetime64("NaT", "us")
ENDED_BY = ("", UseLifeRule.SUPERSEDED, UseLifeRule.ROLLED_BACK, UseLifeRule.RETIRED)
"""What ends a stretch of service; by their place here, as a year of daily tuning has many."""


@dataclass(frozen=True)
class Service:
    """Stretches of service, ordered by version and time; `closes` is NaT while nothing ended one.

    `ended_by` says what did, as a place in `ENDED_BY`; `heir` is the position of the version that
    superseded this one, else -1.
    """

    position: Ints
    opens: Instants
    closes: Instants
    ended_by: Ints
    heir: Ints


def original_names(
    names: pd.Series, at: pd.Series, events: pd.DataFrame, to_end_of: str = "us"
) -> pd.Series:
    """Return the first name of models that were renamed: under it a model stays in the ledger.

    Parameters
    ----------
    names : Series
        Names as logged.
    at : Series of datetime64
        Instant of each record, UTC.
    events : DataFrame
        Table `model_events`.
    to_end_of : str
        "D" where a record stands for its whole day: then the day of the renaming counts as after
        it.
    """
    renamings = events[events["event"] == Event.RENAMED].sort_values("at", ascending=False)
    for event in renamings.itertuples(index=False):
        since = event.at.floor("D") if to_end_of == "D" else event.at
        names = names.mask((names == event.new_name) & (at >= since), event.model_name)
    return names


def present_names(names: pd.Series, events: pd.DataFrame) -> pd.Series:
    """Return the name that a model has after all renamings."""
    for event in events[events["event"] == Event.RENAMED].sort_values("at").itertuples(index=False):
        names = names.mask(names == event.model_name, event.new_name)
    return names


def with_original_names(
    runs: pd.DataFrame, usage: pd.DataFrame, events: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return runs, usage and events under their models' first names and the ids of versions."""
    told = empty(MODEL_EVENTS) if events is None else events
    if told["event"].eq(Event.RENAMED).any():
        begun = runs["ended_at"] if "ended_at" in runs else runs["use_life_start"]
        day = usage["date"].dt.tz_localize("UTC")
        runs = runs.assign(model_name=original_names(runs["model_name"], begun, told))
        usage = usage.assign(model_name=original_names(usage["model_name"], day, told, "D"))
        told = told.assign(model_name=_of_events(told))
    labelled = told["event"] == Event.LABELLED
    if labelled.any():
        # Of several files the last by name stands, as everywhere.
        labels = told[labelled].sort_values(["source_uri", "source_record"])
        labels = labels.drop_duplicates(["model_name", "new_name"], keep="last")
        usage = usage.assign(model_version=_without_labels(usage, labels))
        ids = _without_labels(told, labels)
        told = told.assign(model_version=told["model_version"].where(labelled, ids))
    return runs, usage, told


def _without_labels(records: pd.DataFrame, labels: pd.DataFrame) -> pd.Series:
    """Return the versions that records name; for a label of their model the id behind it."""
    versions = records["model_version"].copy()
    named = versions.notna()
    known = pd.MultiIndex.from_frame(labels[["model_name", "new_name"]])
    place = known.get_indexer(
        pd.MultiIndex.from_frame(records.loc[named, ["model_name", "model_version"]])
    )
    behind = versions.index[named][place >= 0]
    versions[behind] = labels["model_version"].take(place[place >= 0]).to_numpy()
    return versions


def _of_events(events: pd.DataFrame) -> pd.Series:
    """Return the first name of each event's model; what is said of no instant is said of all."""
    latest = pd.Series(pd.Timestamp.max.floor("us"), index=events.index).dt.tz_localize("UTC")
    at = events["at"].where(events["at"].notna(), latest)
    return original_names(events["model_name"], at, events).where(
        events["event"] != Event.RENAMED, events["model_name"]
    )


def service(
    model: Ints, start: Instants, versions: pd.Series, names: pd.Index, events: pd.DataFrame
) -> Service:
    """Return the stretches in which each version serves.

    Parameters
    ----------
    model, start : array
        Code of the model and instant of readiness of each version, sorted by both.
    versions : Series
        Names of the versions.
    names : Index
        Names of the models, by code.
    events : DataFrame
        Table `model_events`, under first names; those that `contradicting` finds are ignored.
    """
    count = len(model)
    follows = np.zeros(count, dtype=bool)
    follows[:-1] = model[1:] == model[:-1]
    following = np.append(start[1:], NEVER) if count else start
    told = events[events["event"].isin([Event.RETIRED, Event.ROLLED_BACK])]
    told = told[~contradicting(told)]
    special = np.unique(names.get_indexer(told["model_name"]))
    plain = np.flatnonzero(~np.isin(model, special))
    closes = np.where(follows, following, NEVER)
    found = Service(
        plain,
        start[plain],
        closes[plain],
        follows[plain] * ENDED_BY.index(UseLifeRule.SUPERSEDED),
        np.where(follows, np.arange(count) + 1, -1)[plain],
    )
    if not len(plain) < count:
        return found
    stretches = [
        stretch
        for code in special[special >= 0]
        for stretch in _timeline(
            np.flatnonzero(model == code), start, versions, told[told["model_name"] == names[code]]
        )
    ]
    return _joined(found, stretches)


Stretch = tuple[int, np.datetime64, np.datetime64, str, int]


def _timeline(
    positions: Ints, start: Instants, versions: pd.Series, events: pd.DataFrame
) -> list[Stretch]:
    """Walk through what happened to one model, and return each version's stretches of service."""
    place = {versions.iloc[at]: int(at) for at in positions}
    happened = [(start[at], 0, int(at), UseLifeRule.SUPERSEDED) for at in positions]
    for event in events.itertuples(index=False):
        named = None if pd.isna(event.model_version) else place.get(event.model_version, -1)
        if named != -1 and not (named is None and event.event == Event.ROLLED_BACK):
            at = event.at.tz_localize(None).to_datetime64().astype("datetime64[us]")
            happened.append((at, 1, -1 if named is None else named, event.event))
    stretches: list[Stretch] = []
    serving, since = -1, NEVER
    for at, _, version, what in sorted(happened, key=lambda each: (each[0], each[1], each[2])):
        if what == UseLifeRule.RETIRED:
            if serving >= 0 and version in (-1, serving):
                stretches.append((serving, since, at, what, -1))
                serving = -1
            continue
        if what == UseLifeRule.ROLLED_BACK and (at < start[version] or serving == version):
            continue
        if serving >= 0:
            stretches.append(
                (serving, since, at, what, version if what == UseLifeRule.SUPERSEDED else -1)
            )
        serving, since = version, at
    if serving >= 0:
        stretches.append((serving, since, NEVER, "", -1))
    return stretches


def _joined(plain: Service, stretches: list[Stretch]) -> Service:
    columns = [np.array(column) for column in zip(*stretches, strict=True)]
    position = np.concatenate([plain.position, columns[0].astype("int64")])
    opens = np.concatenate([plain.opens, columns[1].astype("datetime64[us]")])
    order = np.lexsort((opens, position))
    closes = np.concatenate([plain.closes, columns[2].astype("datetime64[us]")])
    reasons = np.array([ENDED_BY.index(reason) for reason in columns[3]])
    ended_by = np.concatenate([plain.ended_by, reasons])
    heir = np.concatenate([plain.heir, columns[4].astype("int64")])
    return Service(position[order], opens[order], closes[order], ended_by[order], heir[order])


def contradicting(events: pd.DataFrame) -> pd.Series:
    """Say which events claim an instant of their model that another one claims, too.

    Of several the first by version stands; which of them is right only the team can know.
    """
    ordered = events.sort_values(["model_name", "at", "event", "model_version"], na_position="last")
    moving = ordered["event"].isin([Event.RETIRED, Event.ROLLED_BACK])
    same = ordered[moving].duplicated(["model_name", "at", "event", "model_version"])
    rival = ordered[moving].duplicated(["model_name", "at"]) & ~same
    return rival.reindex(events.index, fill_value=False)
