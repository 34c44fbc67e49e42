"""Which fields of runs a scenario changes, and the runs as it would have logged them.

Put here: what stays and what gives way when a run moves, takes other hardware or other work. Keep
out: filling the gaps that this leaves (`normalize/`) and comparing both sides (`comparison.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import methodology, uncertainty
from ft_emissions_pipeline.normalize import place
from ft_emissions_pipeline.normalize.energy import COMPONENTS
from ft_emissions_pipeline.normalize.filling import Context
from ft_emissions_pipeline.normalize.machine import NO_GPU
from ft_emissions_pipeline.readers import origins
from ft_emissions_pipeline.reference import Reference, nearest, resolve, take
from ft_emissions_pipeline.tables import METHODS, RUN_FIELDS
from ft_emissions_pipeline.tables.words import Basis

PLACE = ("cloud_region", "location", "country_iso3")
OF_PLACE = ("pue", "wue_l_per_kwh", "grid_kgco2e_per_kwh", "electricity_water_l_per_kwh")
WORK = ("gpu_model", "method", "base_model")
NOT_LOGGED = ("reserved_s", "active_s", "started_at", "ended_at", "train_flop", *COMPONENTS,
              "it_energy_kwh",
              "meter_energy_kwh")  # fmt: skip
"""What is left out where the token-time model is asked alone."""

USUAL_TOKENS, USUAL_PARAMETERS = 1e9, 1e10
"""Stand in where nobody told: in the ratio of two times of the same run they cancel."""


@dataclass(frozen=True)
class Side:
    """Runs as they were, or as they would have been: logged, filled, and their origins."""

    runs: pd.DataFrame
    normalized: pd.DataFrame
    provenance: pd.DataFrame


def differs(now: pd.DataFrame, then: pd.DataFrame, fields: tuple[str, ...]) -> pd.Series:
    """Return which runs were logged with another text in any of some fields."""
    names = list(fields)
    return (now[names].fillna("") != then[names].fillna("")).any(axis=1)


def refuse_unknown(changes: Mapping[str, Any], reference: Reference) -> None:
    """Raise ValueError where nothing is changed, or a change names what nobody knows."""
    if not changes:
        msg = "nothing is changed; give region, gpu, method, model, start_hour or every_days"
        raise ValueError(msg)
    if "region" in changes:
        _place(changes["region"], reference)
    for name, kind in (("gpu", "gpus"), ("model", "models")):
        if name in changes and _known(reference, kind, changes[name]) is None:
            near = ", ".join(nearest(reference, kind, changes[name])) or "none"
            msg = (
                f"{name} {changes[name]!r} is not known in reference_data/{kind}.csv; nearest: "
                f"{near}"
            )
            raise ValueError(msg)
    method = changes.get("method")
    if method is not None and method not in METHODS:
        meant = difflib.get_close_matches(method, METHODS, n=1, cutoff=0.0)[0]
        msg = f"no method {method!r}; there are {', '.join(METHODS)} (did you mean {meant!r}?)"
        raise ValueError(msg)
    hour = changes.get("start_hour")
    if hour is not None and hour not in range(24):
        msg = f"start_hour is {hour}, must be a whole hour from 0 to 23 (UTC)"
        raise ValueError(msg)
    days = changes.get("every_days")
    if days is not None and not 0 < days < np.inf:
        msg = f"every_days is {days}, must be above 0"
        raise ValueError(msg)


def _known(reference: Reference, kind: str, name: str) -> str | None:
    found: object = resolve(reference, kind, pd.Series([name], dtype="str"))["id"].iloc[0]
    return found if isinstance(found, str) else None


def _place(name: str, reference: Reference) -> tuple[str, str]:
    """Return what kind of place a name stands for, and its id."""
    kinds = ("cloud_regions", "countries", "us_states")
    for kind in kinds:
        found = _known(reference, kind, name)
        if found is not None:
            return kind, found
    near = [each for kind in kinds for each in nearest(reference, kind, name)]
    msg = (
        f"no region, country or US state {name!r}; nearest: {', '.join(near) or 'none'}; "
        "the provider may stand before a region, as in 'aws us-west-2'"
    )
    raise ValueError(msg)


def with_origins(runs: pd.DataFrame) -> pd.DataFrame:
    """Let runs joined of several records know whence the scenario's fields are, too."""
    added = dict.fromkeys(RUN_FIELDS, origins.Origin(Basis.DISCLOSED, "what-if"))
    cells = runs["origins"].map(
        lambda cell: origins.to_json({**added, **origins.from_json(cell)}), na_action="ignore"
    )
    return runs.assign(origins=cells)


def changed(
    now: Side, changes: Mapping[str, Any], reference: Reference, profile: methodology.Profile
) -> pd.DataFrame:
    """Return the runs as the scenario would have logged them; unchanged ones untouched."""
    frame = now.runs.copy()
    if "region" in changes:
        frame = _moved(frame, now, changes["region"], reference, profile)
    if "gpu" in changes:
        frame = _on_gpu(frame, now, changes["gpu"], reference)
    if "method" in changes:
        frame["method"] = changes["method"]
    if "model" in changes:
        identity = _known(reference, "models", changes["model"])
        other = now.normalized["model_id"] != identity
        frame.loc[other, "base_model"] = changes["model"]
        frame.loc[other, "model_parameters"] = np.nan
    if "start_hour" in changes:
        frame = _started_at(frame, now, changes["start_hour"])
    return frame


def _moved(
    frame: pd.DataFrame, now: Side, name: str, reference: Reference, profile: methodology.Profile
) -> pd.DataFrame:
    kind, identity = _place(name, reference)
    if kind == "cloud_regions":
        there = place.region_id(now.runs, Context(reference, profile, pd.DataFrame())) == identity
    elif kind == "countries":
        there = now.normalized["country_iso3"] == identity
    else:
        there = resolve(reference, "us_states", now.runs["location"])["id"] == identity
    for field in (*PLACE, *OF_PLACE):
        frame[field] = frame[field].where(there)
    for field, value in fields_of_place(name, reference).items():
        frame.loc[~there, field] = value
    return frame


def fields_of_place(name: str, reference: Reference) -> dict[str, str]:
    """Return the fields of a run in a cloud region, country or US state.

    Raises
    ------
    ValueError
        If nobody knows the place; the message names the nearest.
    """
    kind, identity = _place(name, reference)
    if kind == "cloud_regions":
        return dict(zip(("cloud_provider", "cloud_region"), identity.split(":", 1), strict=True))
    if kind == "countries":
        return {"location": identity, "country_iso3": identity}
    return {"location": name}


def _on_gpu(frame: pd.DataFrame, now: Side, name: str, reference: Reference) -> pd.DataFrame:
    """Put as many accelerators of another kind into their usual server, with the same share."""
    identity = _known(reference, "gpus", name)
    old = now.normalized
    other = ~old["gpu_id"].isin([identity, NO_GPU])
    usual = take(reference, "gpus", pd.Series([identity], dtype="str"), ["usual_server_id"])[
        "usual_server_id"
    ].iloc[0]
    slots = take(reference, "servers", old["server_id"], ["gpu_count"])["gpu_count"]
    new_slots = take(reference, "servers", pd.Series([usual], dtype="str"), ["gpu_count"])
    share = slots.where(slots > 0) / new_slots["gpu_count"].iloc[0]
    by_service = frame["managed_service"].notna()
    rule = now.provenance.loc[lambda rows: rows["field"] == "gpu_count"].set_index("run_id")["rule"]
    # The service's profile still tells the number, and how open it is.
    told = frame["run_id"].map(rule) == "gpu_count_of_managed_service"
    frame["gpu_count"] = frame["gpu_count"].where(~other | told, old["gpu_count"])
    frame["server_count"] = frame["server_count"].where(
        ~other, (old["server_count"] * share).where(~by_service)
    )
    for of_the_old in ("server_model", "instance_type", "gpu_max_w"):
        frame[of_the_old] = frame[of_the_old].where(~other)
    frame.loc[other & by_service, "server_model"] = usual
    frame.loc[other, "gpu_model"] = name
    return frame


def _started_at(frame: pd.DataFrame, now: Side, hour: int) -> pd.DataFrame:
    """Move a run within its day; of start and end only what is logged, so the other follows."""
    start = now.normalized["started_at"]
    shift = start.dt.floor("D") + pd.Timedelta(hours=hour) - start
    shift = shift.where(start.dt.hour != hour, pd.Timedelta(0)).dt.as_unit("us")
    neither = frame["started_at"].isna() & frame["ended_at"].isna()
    frame["started_at"] = (frame["started_at"] + shift).mask(neither, start + shift)
    frame["ended_at"] = frame["ended_at"] + shift
    return frame


@dataclass(frozen=True)
class Retimed:
    """By what other work or other hardware lengthens each run, as the token-time model says.

    `ratio` of active times is NaN where the model knows no time, and errs by `log_sd`; `operations`
    is the ratio of operations. `other` marks the runs whose work or hardware differs at all.
    """

    other: np.ndarray
    ratio: np.ndarray
    log_sd: np.ndarray
    operations: np.ndarray


def retimed(now: Side, frame: pd.DataFrame, filled: Callable[[pd.DataFrame], Side]) -> Retimed:
    """Return how long the runs of a scenario take, over how long they took.

    Both times rest on the same model: its error counts once, and on the same hardware and model of
    weights only what it leaves more open for one method than for the other.
    """
    other = differs(now.runs, frame, WORK).to_numpy()
    if not other.any():
        return Retimed(other, np.ones(len(other)), np.zeros(len(other)), np.ones(len(other)))
    before, after = (filled(_untimed(each, now, now.runs, frame)) for each in (now.runs, frame))
    times, operations = (
        (after.normalized[name] / before.normalized[name]).to_numpy(dtype=float)
        for name in ("active_s", "train_flop")
    )
    ratio = np.where(other, times, 1.0)
    errors = [_log_sd(each, "active_s") for each in (before, after)]
    only_method = ~differs(now.runs, frame, ("gpu_model", "base_model")).to_numpy()
    log_sd = np.where(
        only_method, np.sqrt(np.abs(errors[0] ** 2 - errors[1] ** 2)), np.maximum(*errors)
    )
    known = np.isfinite(ratio)
    return Retimed(
        other,
        np.where(known, ratio, np.nan),
        np.where(known & (ratio != 1), log_sd, 0.0),
        operations,
    )


def _log_sd(side: Side, field: str) -> np.ndarray:
    of = side.provenance[side.provenance["field"] == field].set_index("run_id")
    found = of.reindex(side.normalized["run_id"])
    return uncertainty.log_sd_of_interval(found["p05"], found["p95"])


def _untimed(
    frame: pd.DataFrame, now: Side, before: pd.DataFrame, after: pd.DataFrame
) -> pd.DataFrame:
    """Return runs as if nobody had logged time and energy, so that the token-time model tells both.

    What the scenario leaves alone is taken for known: in the ratio of two times it cancels.
    """
    filled = now.normalized
    same_model, same_gpu = (
        ~differs(before, after, (name,)) for name in ("base_model", "gpu_model")
    )
    parameters = filled["model_parameters"].fillna(USUAL_PARAMETERS)
    nothing = {name: frame[name].mask(frame[name].notna()) for name in NOT_LOGGED}
    return frame.assign(
        **nothing,
        tokens_padded=filled["tokens_padded"].fillna(USUAL_TOKENS),
        gpu_count=filled["gpu_count"],
        model_parameters=frame["model_parameters"].where(~same_model, parameters),
        gpu_model=frame["gpu_model"].where(
            ~same_gpu | (filled["gpu_id"] == NO_GPU), filled["gpu_id"]
        ),
    )


def scaled(frame: pd.DataFrame, now: Side, by: Retimed) -> pd.DataFrame:
    """Scale logged operations and times to what the same tokens take there.

    The times stand here for the rules that look at them, as that for the utilisation does; what is
    uncertain about them is for `comparison.py`.
    """
    logged = now.runs
    other_operations = logged["train_flop"].notna() & (by.operations != 1)
    longer = np.nan_to_num(by.ratio, nan=1.0)
    reserved = now.normalized["reserved_s"] + now.normalized["active_s"] * (longer - 1)
    ends = frame["started_at"] + pd.to_timedelta(reserved, unit="s").dt.floor("us")
    stays = (longer == 1) | frame["started_at"].isna()
    tokens = frame["tokens_padded"].where(~other_operations, now.normalized["tokens_padded"])
    return frame.assign(
        train_flop=logged["train_flop"].mask(
            other_operations, logged["train_flop"] * by.operations
        ),
        tokens_padded=tokens,
        active_s=logged["active_s"] * longer,
        reserved_s=logged["reserved_s"].where(logged["reserved_s"].isna(), reserved),
        ended_at=frame["ended_at"].where(stays, ends),
    )
