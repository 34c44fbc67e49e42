"""What a run would have carried elsewhere, on other hardware, or fine-tuned in another way.

Put here: which fields of a run a scenario changes, and the difference with its interval. Keep out:
filling gaps (`normalize/`), footprints (`impacts.py`) and what is missing (`advice.py`).

Both sides of a scenario share most of what is uncertain: the same logged energy, the same use life
of hardware. What they share errs on both sides at once and cancels in the difference.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import api, equations, methodology, telemetry, token_time, uncertainty
from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline.impacts import INPUTS, footprint
from ft_emissions_pipeline.normalize import normalize, place
from ft_emissions_pipeline.normalize.energy import (
    COMPONENTS,
    flat_gpu_power_w,
    modelled_it_energy,
)
from ft_emissions_pipeline.normalize.engine import IMPUTED, Context
from ft_emissions_pipeline.normalize.hardware import NO_GPU
from ft_emissions_pipeline.normalize.time import is_timed
from ft_emissions_pipeline.tables import METHODS, RUN_FIELDS

RESULTS = (
    "it_energy_kwh", "operational_kgco2e", "embodied_kgco2e", "total_kgco2e", "total_water_l",
)  # fmt: skip
PER_INFERENCE = {
    "gco2e_per_inference": ("total_kgco2e", equations.GRAMS_PER_KG),
    "water_ml_per_inference": ("total_water_l", equations.MILLILITRES_PER_LITRE),
}
PER_YEAR = {"kgco2e_per_year": "total_kgco2e", "water_l_per_year": "total_water_l"}
DAYS_PER_YEAR = 365.0
SIDES = ("now", "then", "difference")

OF_PLACE = ("pue", "wue_l_per_kwh", "grid_kgco2e_per_kwh", "electricity_water_l_per_kwh")
ENERGIES = (*COMPONENTS, "it_energy_kwh", "meter_energy_kwh")
OF_TIME = ("reserved_s", "active_s", "started_at", "ended_at")
OF_THE_RUN = (
    "active_s", "reserved_s", "pace", "it_energy_kwh", "gpu_count", "server_count",
    "development_multiplier", "gpu_utilization", "cpu_utilization",
)  # fmt: skip
"""Inputs that both sides take from one log and one model: what is uncertain about them is common."""

USUAL_TOKENS, USUAL_PARAMETERS = 1e9, 1e10
"""Stand in where nobody told: in the ratio of two times of the same run they cancel."""

POINTS = 4096


_HOUR_UNKNOWN = (
    "no grid intensity by the hour is given for its place and day, so nobody can tell what the start "
    "hour changes"
)


@dataclass(frozen=True)
class _Side:
    """Runs as they were, or as they would have been: logged, filled, and their origins."""

    runs: pd.DataFrame
    normalized: pd.DataFrame
    provenance: pd.DataFrame


def what_if(
    runs: pd.DataFrame | api.Disclosure | Sequence[api.Disclosure],
    *,
    region: str | None = None,
    gpu: str | None = None,
    method: str | None = None,
    model: str | None = None,
    start_hour: int | None = None,
    every_days: float | None = None,
    only: str | None = None,
    profile: str = "default",
    reference: ref.Reference | None = None,
    calibrate: bool = False,
) -> pd.DataFrame:
    r"""Estimate runs as they were and as they would have been, side by side.

    Parameters
    ----------
    runs : DataFrame, mapping, or sequence of mappings
        As `estimate` takes them.
    region : str, optional
        Cloud region, country or US state where they would have run.
    gpu : str, optional
        Accelerator; as many as before, in the server usually built for it.
    method : str, optional
        One of `tables.METHODS`, for instance `lora` for `full`.
    model : str, optional
        Base model, for instance a distilled one for its teacher.
    start_hour : int, optional
        Hour of the same UTC day at which they would have started, 0 to 23.
    every_days : float, optional
        Days between two fine-tunings of the model.
    only : str, optional
        A run's id or a model's name; all runs by default.
    profile, reference, calibrate
        As `estimate` takes them.

    Returns
    -------
    DataFrame
        One row per run and quantity: run_id, model_name, quantity, now, then and difference
        (then - now), each with `_p05` and `_p95`, and note. Quantities are `RESULTS`; per
        inference, where expected inferences were disclosed; per year with `every_days`. Where the
        scenario cannot be told for a run, then and difference are empty and the note says why.

    Raises
    ------
    UnknownRun
        If `only` names neither a run nor a model.
    ValueError
        If nothing is changed, a name is not known (the message has the nearest), or a number lies
        outside its range; else as `estimate` raises it.

    Notes
    -----
    *Place.* Logged energy stays; PUE, WUE, grid and electricity water, logged ones too, are those of
    the new place. *GPU, method, model.* A logged time :math:`t` and energy :math:`E` no longer
    hold. The token-time and the power model say both for the run as it was and as it would have been,
    and are scaled so that they reproduce the log:

    .. math:: t' = t \frac{\hat t'}{\hat t}, \qquad E' = E \frac{\hat P' t'}{\hat P t}

    with as many tokens, as much idle time, and as busy accelerators as were logged; a utilisation that
    nobody logged is predicted again. A time that was
    predicted anyway is predicted again. :math:`t'` of a logged time errs by as much as the
    token-time model does for one run whose tokens are known, and more where the hardware or the
    model that it leaves was a guess; where only the method changes, the smaller of the
    model's two spreads is common. *Start hour.* It matters only where grid intensities are given
    by the hour. *Cadence.* Each fine-tuning stays as it is and serves for so many days.

    *The interval of the difference.* Inputs with the same factor row on both sides are one quantity,
    and so is what both take from the run's log and from the same model (`OF_THE_RUN`): of two spreads
    of it the smaller is common. The rest is independent. Each side is log-normal with the
    contributions :math:`c_i` of `uncertainty.propagate`, so that both together have the covariance
    :math:`\sum_i c_i c_i'`; the percentiles are those of :math:`e^{y'} - e^{y}` over 4,096
    points that fill this distribution evenly.
    """
    wanted = {"region": region, "gpu": gpu, "method": method, "model": model,
              "start_hour": start_hour, "every_days": every_days}  # fmt: skip
    changes = {name: value for name, value in wanted.items() if value is not None}
    factors = reference or ref.load()
    _refuse_unknown(changes, factors)
    chosen = methodology.profile(profile)
    accepted, _ = api.accepted(runs, factors)
    calibration = telemetry.calibration(accepted) if calibrate else None
    valid = api.selected(accepted, only).reset_index(drop=True)

    def filled(frame: pd.DataFrame) -> _Side:
        days = pd.DatetimeIndex(frame["date"].unique()).as_unit("us")
        parameters = token_time.parameters(factors, days)
        stated = _with_origins(frame)
        return _Side(frame, *normalize(stated, factors, chosen, parameters, calibration))

    now = filled(valid)
    changed = _changed(now, changes, factors, chosen)
    untimed = [now, now]
    if {"gpu", "method", "model"} & set(changes):
        untimed = [filled(_untimed(frame, now, valid, changed)) for frame in (valid, changed)]
    then = filled(_scaled(changed, now, *untimed))
    return _compared(now, then, untimed[0], untimed[1], changes, chosen, factors, _gaps(accepted))


def totals(answers: pd.DataFrame) -> pd.DataFrame:
    """Add the answers for several runs up, per-inference figures left out.

    Bounds add up too, as if the runs erred together: runs that a scenario moves to one place or one
    accelerator share its factors. Runs for which the scenario cannot be told stay out of all sums.
    """
    rows = answers[~answers["quantity"].isin(list(PER_INFERENCE)) & answers["then"].notna()]
    names = [side + bound for side in SIDES for bound in ("", "_p05", "_p95")]
    summed = rows.groupby("quantity", sort=False)[names].sum().reset_index()
    return summed.assign(runs=rows["run_id"].nunique())


def _refuse_unknown(changes: Mapping[str, Any], reference: ref.Reference) -> None:
    if not changes:
        msg = "nothing is changed; give region, gpu, method, model, start_hour or every_days"
        raise ValueError(msg)
    if "region" in changes:
        _place(changes["region"], reference)
    for name, kind in (("gpu", "gpus"), ("model", "models")):
        if name in changes and _known(reference, kind, changes[name]) is None:
            near = ", ".join(ref.nearest(reference, kind, changes[name])) or "none"
            msg = f"{name} {changes[name]!r} is not known in reference_data/{kind}.csv; nearest: {near}"
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


def _known(reference: ref.Reference, kind: str, name: str) -> str | None:
    found: object = ref.resolve(reference, kind, pd.Series([name], dtype="str"))["id"].iloc[0]
    return found if isinstance(found, str) else None


def _place(name: str, reference: ref.Reference) -> tuple[str, str]:
    """Return what kind of place a name stands for, and its id."""
    kinds = ("cloud_regions", "countries", "us_states")
    for kind in kinds:
        found = _known(reference, kind, name)
        if found is not None:
            return kind, found
    near = [each for kind in kinds for each in ref.nearest(reference, kind, name)]
    msg = (
        f"no region, country or US state {name!r}; nearest: {', '.join(near) or 'none'}; "
        "the provider may stand before a region, as in 'aws us-west-2'"
    )
    raise ValueError(msg)


def _with_origins(runs: pd.DataFrame) -> pd.DataFrame:
    """Let runs joined of several records know whence the scenario's fields are, too."""
    added = {name: ["disclosed", "what-if"] for name in RUN_FIELDS}
    origins = runs["origins"].map(
        lambda known: json.dumps({**added, **json.loads(known)}), na_action="ignore"
    )
    return runs.assign(origins=origins)


def _changed(
    now: _Side,
    changes: Mapping[str, Any],
    reference: ref.Reference,
    profile: methodology.Profile,
) -> pd.DataFrame:
    """Return the runs as the scenario would have logged them; where it changes nothing, untouched."""
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
    frame: pd.DataFrame,
    now: _Side,
    name: str,
    reference: ref.Reference,
    profile: methodology.Profile,
) -> pd.DataFrame:
    kind, identity = _place(name, reference)
    if kind == "cloud_regions":
        there = place.region_id(now.runs, Context(reference, profile, pd.DataFrame())) == identity
    elif kind == "countries":
        there = now.normalized["country_iso3"] == identity
    else:
        there = ref.resolve(reference, "us_states", now.runs["location"])["id"] == identity
    for field in ("cloud_region", "location", "country_iso3", *OF_PLACE):
        frame[field] = frame[field].where(there)
    if kind == "cloud_regions":
        provider, region = identity.split(":", 1)
        frame.loc[~there, ["cloud_provider", "cloud_region"]] = [provider, region]
    else:
        frame.loc[~there, "location"] = identity if kind == "countries" else name
    if kind == "countries":
        frame.loc[~there, "country_iso3"] = identity
    return frame


def _on_gpu(frame: pd.DataFrame, now: _Side, name: str, reference: ref.Reference) -> pd.DataFrame:
    """Put as many accelerators of another kind into their usual server, with the share of it that they had."""
    identity = _known(reference, "gpus", name)
    old = now.normalized
    other = ~old["gpu_id"].isin([identity, NO_GPU])
    usual = ref.take(reference, "gpus", pd.Series([identity], dtype="str"), ["usual_server_id"])[
        "usual_server_id"
    ].iloc[0]
    slots = ref.take(reference, "servers", old["server_id"], ["gpu_count"])["gpu_count"]
    new_slots = ref.take(reference, "servers", pd.Series([usual], dtype="str"), ["gpu_count"])
    share = slots.where(slots > 0) / new_slots["gpu_count"].iloc[0]
    by_service = frame["managed_service"].notna()
    rule = now.provenance.loc[lambda rows: rows["field"] == "gpu_count"].set_index("run_id")["rule"]
    # The service's profile still tells the number, and how open it is.
    told = frame["run_id"].map(rule) == "gpu_count_of_managed_service"
    frame["gpu_count"] = frame["gpu_count"].where(~other | told, old["gpu_count"])
    frame["server_count"] = frame["server_count"].where(
        ~other, (old["server_count"] * share).where(~by_service)
    )
    frame["server_model"] = frame["server_model"].where(~other)
    frame["instance_type"] = frame["instance_type"].where(~other)
    frame.loc[other & by_service, "server_model"] = usual
    frame.loc[other, "gpu_model"] = name
    return frame


def _started_at(frame: pd.DataFrame, now: _Side, hour: int) -> pd.DataFrame:
    """Move a run within its day; of start and end only what the log has, so that the other follows."""
    start = now.normalized["started_at"]
    shift = start.dt.floor("D") + pd.Timedelta(hours=hour) - start
    shift = shift.where(start.dt.hour != hour, pd.Timedelta(0)).dt.as_unit("us")
    neither = frame["started_at"].isna() & frame["ended_at"].isna()
    frame["started_at"] = (frame["started_at"] + shift).mask(neither, start + shift)
    frame["ended_at"] = frame["ended_at"] + shift
    return frame


def _untimed(
    frame: pd.DataFrame, now: _Side, before: pd.DataFrame, after: pd.DataFrame
) -> pd.DataFrame:
    """Return runs as if nobody had logged time and energy, so that the token-time model tells both.

    What the scenario leaves alone is taken for known: in the ratio of two times it cancels.
    """
    filled = now.normalized
    same_model = _equal(before["base_model"], after["base_model"])
    same_gpu = _equal(before["gpu_model"], after["gpu_model"])
    parameters = filled["model_parameters"].fillna(USUAL_PARAMETERS)
    return frame.assign(
        **{
            name: frame[name].mask(frame[name].notna())
            for name in (*OF_TIME, *ENERGIES, "train_flop")
        },
        tokens_padded=filled["tokens_padded"].fillna(USUAL_TOKENS),
        gpu_count=filled["gpu_count"],
        model_parameters=frame["model_parameters"].where(~same_model, parameters),
        gpu_model=frame["gpu_model"].where(
            ~same_gpu | (filled["gpu_id"] == NO_GPU), filled["gpu_id"]
        ),
    )


def _equal(before: pd.Series, after: pd.Series) -> pd.Series:
    return before.fillna("") == after.fillna("")


def _scaled(
    changed: pd.DataFrame, now: _Side, untimed_now: _Side, untimed_then: _Side
) -> pd.DataFrame:
    """Scale logged operations and times to what the same tokens take there.

    The times stand here for the rules that look at them, as that for the utilisation does; what is
    uncertain about them is for `_compared`.
    """
    logged, old, new = now.runs, untimed_now.normalized, untimed_then.normalized
    operations = new["train_flop"] / old["train_flop"]
    scaled = logged["train_flop"].notna() & (operations != 1)
    longer = np.nan_to_num(_time_ratio(now.runs, changed, untimed_now, untimed_then), nan=1.0)
    busy = now.normalized["active_s"]
    reserved = now.normalized["reserved_s"] + busy * (longer - 1)
    ends = changed["started_at"] + pd.to_timedelta(reserved, unit="s").dt.floor("us")
    other = pd.Series(longer != 1, index=logged.index)
    return changed.assign(
        train_flop=logged["train_flop"].where(~scaled, logged["train_flop"] * operations),
        tokens_padded=changed["tokens_padded"].where(~scaled, now.normalized["tokens_padded"]),
        active_s=logged["active_s"] * longer,
        reserved_s=logged["reserved_s"].where(logged["reserved_s"].isna(), reserved),
        ended_at=changed["ended_at"].where(~other | changed["started_at"].isna(), ends),
    )


def _time_ratio(
    before: pd.DataFrame, after: pd.DataFrame, untimed_now: _Side, untimed_then: _Side
) -> np.ndarray:
    """Return by what the token-time model lengthens a run's time; NaN where it knows no time."""
    ratio = untimed_then.normalized["active_s"] / untimed_now.normalized["active_s"]
    found = np.where(_other_work(before, after), ratio, 1.0)
    return np.where(np.isfinite(found), found, np.nan)


def _compared(
    now: _Side,
    then: _Side,
    untimed_now: _Side,
    untimed_then: _Side,
    changes: Mapping[str, Any],
    profile: methodology.Profile,
    reference: ref.Reference,
    gaps: pd.Series,
) -> pd.DataFrame:
    run_id = now.normalized["run_id"]
    values = {side: _values(each.normalized) for side, each in (("now", now), ("then", then))}
    origins = {
        side: _origins(each.provenance, run_id) for side, each in (("now", now), ("then", then))
    }
    other_work = _other_work(now.runs, then.runs)
    ratio = _time_ratio(now.runs, then.runs, untimed_now, untimed_then)
    unknown = np.isnan(ratio)
    ratio = np.where(unknown, 1.0, ratio)
    modelled = (now.normalized["energy_route"] == "power_model").to_numpy()
    scaled_time = other_work & is_timed(now.runs).to_numpy()
    scaled_energy = other_work & ~modelled
    only_method = _equal(now.runs["gpu_model"], then.runs["gpu_model"]) & _equal(
        now.runs["base_model"], then.runs["base_model"]
    )
    errors_of = [
        _origins(each.provenance, run_id, ("active_s",))["active_s"][0]
        for each in (untimed_now, untimed_then)
    ]
    # Both times rest on the same model: its error counts once, and on the same hardware and model of
    # weights only what it leaves more open for one method than for the other.
    model_error = np.where(
        only_method,
        np.sqrt(np.abs(errors_of[0] ** 2 - errors_of[1] ** 2)),
        np.maximum(*errors_of),
    )
    spread = {
        side: {name: pair[0] for name, pair in each.items()} for side, each in origins.items()
    }
    for each in spread.values():
        each["pace"] = np.minimum(each["active_s"], each["reserved_s"])
        for name in ("active_s", "reserved_s"):
            each[name] = np.sqrt(each[name] ** 2 - each["pace"] ** 2)
    for name in ("active_s", "reserved_s", "pace"):
        spread["then"][name] = np.where(scaled_time, spread["now"][name], spread["then"][name])
    spread["then"]["it_energy_kwh"] = np.where(
        scaled_energy, spread["now"]["it_energy_kwh"], spread["then"]["it_energy_kwh"]
    )
    flat = flat_gpu_power_w(reference)

    def both(errors: Mapping[str, Any]) -> dict[str, Any]:
        sides = {
            side: {
                name: value * errors[f"both {name}"] * errors[f"{side} {name}"]
                for name, value in values[side].items()
            }
            for side in values
        }
        for each in sides.values():
            for name in ("active_s", "reserved_s"):
                each[name] = each[name] * each["pace"]
        was, would = sides["now"], sides["then"]
        active = was["active_s"] * ratio * errors["model"]
        idle = was["reserved_s"] - was["active_s"]
        would["active_s"] = np.where(scaled_time, active, would["active_s"])
        would["reserved_s"] = np.where(scaled_time, active + idle, would["reserved_s"])
        modelled_now = modelled_it_energy(was, profile, flat)
        energy_ratio = np.divide(
            modelled_it_energy(would, profile, flat),
            modelled_now,
            out=np.ones(len(ratio)),
            where=scaled_energy & (modelled_now > 0),
        )
        would["it_energy_kwh"] = np.where(
            scaled_energy, was["it_energy_kwh"] * energy_ratio, would["it_energy_kwh"]
        )
        found = {
            side: footprint(each, profile, flat_gpu_power_w=flat, modelled=modelled)
            for side, each in sides.items()
        }
        return {f"{side} {name}": found[side][name] for side in found for name in RESULTS}

    log_sd = {"model": np.where(scaled_time & (ratio != 1), model_error, 0.0)}
    for name in values["now"]:
        common = _common_spread(name, values, spread, origins)
        log_sd[f"both {name}"] = common
        for side in ("now", "then"):
            own = spread[side][name] ** 2 - common**2
            log_sd[f"{side} {name}"] = np.sqrt(np.maximum(own, 0.0))
    certain = {name: np.ones(len(run_id)) for name in log_sd}
    middle, spreads = both(certain), uncertainty.propagate(both, certain, log_sd)
    usual = now.normalized["model_name"].map(gaps)
    # An input that is split into what is common and what is not gives a sum of parts another shift.
    alone = uncertainty.propagate(
        both, certain, {f"now {name}": each for name, each in spread["now"].items()}
    )
    notes, hidden = _notes(now, then, changes, unknown, usual)
    days = usual.fillna(now.normalized["expected_use_life_days"])
    frames = []
    for quantity, result, scale_now, scale_then in _quantities(now.normalized, days, changes):
        rows = _difference(
            middle[f"now {result}"], spreads[f"now {result}"], scale_now,
            middle[f"then {result}"], spreads[f"then {result}"], scale_then,
        )  # fmt: skip
        bounds = alone[f"now {result}"].interval(rows["now"])
        rows["now_p05"], rows["now_p95"] = bounds
        rows.insert(0, "quantity", quantity)
        frames.append(rows.assign(place=range(len(rows))))
    answers = pd.concat(frames, ignore_index=True)
    names = [f"{side}{bound}" for side in SIDES[1:] for bound in ("", "_p05", "_p95")]
    at = answers["place"].to_numpy()
    answers.loc[hidden[at], names] = np.nan
    answers.insert(0, "run_id", run_id.to_numpy()[at])
    answers.insert(1, "model_name", now.normalized["model_name"].to_numpy()[at])
    answers["note"] = pd.Series(notes, dtype="str").to_numpy()[at]
    answers = answers[answers["now"].notna()]
    return answers.sort_values("place", kind="stable").drop(columns="place").reset_index(drop=True)


def _values(normalized: pd.DataFrame) -> dict[str, np.ndarray]:
    values = {name: normalized[name].to_numpy(dtype=float) for name in INPUTS}
    return {**values, "pace": np.ones(len(normalized))}


def _origins(
    provenance: pd.DataFrame, run_id: pd.Series, names: Sequence[str] = INPUTS
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return each field's log standard deviation and factor, in the order of the runs."""
    of = provenance[provenance["field"].isin(names)]
    rows = {field: each.set_index("run_id").reindex(run_id) for field, each in of.groupby("field")}
    nothing = of.head(0).set_index("run_id").reindex(run_id)
    return {
        name: (
            uncertainty.log_sd_of_interval(found["p05"], found["p95"]),
            found["factor_id"].fillna("").to_numpy(dtype=str),
        )
        for name in names
        for found in [rows.get(name, nothing)]
    }


def _other_work(before: pd.DataFrame, after: pd.DataFrame) -> np.ndarray:
    """Return which runs would have computed something else, or on something else."""
    fields = ["gpu_model", "method", "base_model"]
    differs = before[fields].fillna("") != after[fields].fillna("")
    return np.asarray(differs.any(axis=1))


def _common_spread(
    name: str,
    values: Mapping[str, Mapping[str, np.ndarray]],
    spread: Mapping[str, Mapping[str, np.ndarray]],
    origins: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]],
) -> np.ndarray:
    smaller: np.ndarray = np.minimum(spread["now"][name], spread["then"][name])
    if name in OF_THE_RUN:
        return smaller
    factors = [origins[side][name][1] for side in ("now", "then")]
    # Hours of one series differ in their value, and err with the series.
    same = (factors[0] == factors[1]) & (
        (factors[0] != "") | (values["now"][name] == values["then"][name])
    )
    return np.asarray(np.where(same, smaller, 0.0))


def _notes(
    now: _Side,
    then: _Side,
    changes: Mapping[str, Any],
    unknown: np.ndarray,
    usual_days: pd.Series,
) -> tuple[list[str], np.ndarray]:
    """Return what is to be said of each run, and where there is no answer."""
    late = np.zeros(len(unknown), dtype=bool)
    if "start_hour" in changes:
        grid = [
            each.provenance[each.provenance["field"] == "grid_kgco2e_per_kwh"]
            .set_index("run_id")[["value", "factor_id"]]
            .fillna("")
            .reindex(now.normalized["run_id"])
            for each in (now, then)
        ]
        shifted = now.normalized["started_at"] != then.normalized["started_at"]
        moved = _place_differs(now.runs, then.runs)
        late = (shifted & ~moved).to_numpy() & (grid[0] == grid[1]).all(axis=1).to_numpy()
    notes = []
    basis = _days_basis(now, usual_days) if "every_days" in changes else [""] * len(unknown)
    for is_late, is_unknown, days in zip(late, unknown, basis, strict=True):
        said = [days] if days else []
        said += [_HOUR_UNKNOWN] if is_late else []
        said += ["the token-time model knows no peak rate for it"] if is_unknown else []
        notes.append("; ".join(said))
    only_hour = set(changes) == {"start_hour"}
    return notes, unknown | (late & only_hour)


def _place_differs(before: pd.DataFrame, after: pd.DataFrame) -> pd.Series:
    fields = ["cloud_region", "location", "country_iso3"]
    return (before[fields].fillna("") != after[fields].fillna("")).any(axis=1)


def _gaps(runs: pd.DataFrame) -> pd.Series:
    """Return the usual days between two fine-tunings of each model that has several."""
    ordered = runs.sort_values("ended_at")
    gap = ordered.groupby("model_name")["ended_at"].diff().dt.total_seconds()
    usual = gap.groupby(ordered["model_name"]).median()
    return usual[usual > 0] / equations.SECONDS_PER_HOUR / equations.HOURS_PER_DAY


def _days_basis(now: _Side, usual_days: pd.Series) -> list[str]:
    of = now.provenance[now.provenance["field"] == "expected_use_life_days"]
    basis = now.normalized["run_id"].map(of.set_index("run_id")["basis"])
    words = basis.where(~basis.isin(IMPUTED), "a default").where(
        usual_days.isna(), "the usual interval of the model"
    )
    days = usual_days.fillna(now.normalized["expected_use_life_days"])
    return [f"now every {each:.4g} days ({word})" for each, word in zip(days, words, strict=True)]


def _quantities(
    normalized: pd.DataFrame, days: pd.Series, changes: Mapping[str, Any]
) -> list[tuple[str, str, np.ndarray, np.ndarray]]:
    """Return each quantity, the result that it is made of, and its factor on either side."""
    one = np.ones(len(normalized))
    days_now = days.to_numpy(dtype=float)
    days_then = one * changes.get("every_days", days_now)
    per_day = normalized["expected_inferences_per_day"].to_numpy(dtype=float)
    per_day = np.where(per_day > 0, per_day, np.nan)
    found = [(name, name, one, one) for name in RESULTS]
    for name, (result, factor) in PER_INFERENCE.items():
        found.append((name, result, factor / (per_day * days_now), factor / (per_day * days_then)))
    if "every_days" in changes:
        for name, result in PER_YEAR.items():
            found.append((name, result, DAYS_PER_YEAR / days_now, DAYS_PER_YEAR / days_then))
    return found


def _difference(
    value_now: np.ndarray,
    spread_now: uncertainty.Spread,
    scale_now: np.ndarray,
    value_then: np.ndarray,
    spread_then: uncertainty.Spread,
    scale_then: np.ndarray,
) -> pd.DataFrame:
    """Return a quantity on both sides and its difference, each with its interval."""
    now, then = value_now * scale_now, value_then * scale_then
    columns = {"now": now, "then": then, "difference": then - now}
    bounds = {
        "now": spread_now.interval(now),
        "then": spread_then.interval(then),
        "difference": _interval_of_difference(now, spread_now, then, spread_then),
    }
    return pd.DataFrame(
        {
            name: value
            for side in SIDES
            for name, value in (
                (side, columns[side]),
                (f"{side}_p05", bounds[side][0]),
                (f"{side}_p95", bounds[side][1]),
            )
        }
    )


def _interval_of_difference(
    now: np.ndarray,
    spread_now: uncertainty.Spread,
    then: np.ndarray,
    spread_then: uncertainty.Spread,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the 5th and 95th percentile of the difference of two log-normals that share inputs.

    With :math:`r = y' - y` the logarithms' difference, whose contributions are
    :math:`c_i' - c_i`, :math:`D = e^y (e^r - 1)`: what is common leaves :math:`r` altogether.
    """
    names = spread_now.contributions.keys() | spread_then.contributions.keys()
    zero = np.zeros(len(now))
    common, variance_now, variance = zero, zero, zero
    for name in sorted(names):
        own = spread_now.contributions.get(name, zero)
        apart = spread_then.contributions.get(name, zero) - own
        variance_now = variance_now + own**2
        variance = variance + apart**2
        common = common + own * apart
    sd = np.sqrt(variance_now)
    along = np.divide(common, sd, out=np.zeros(len(now)), where=sd > 0)
    across = np.sqrt(np.maximum(variance - along**2, 0.0))
    ratio = np.divide(then, now, out=np.ones(len(now)), where=now > 0)
    difference = then - now
    low, high = difference.copy(), difference.copy()
    first, second = _normal_points()
    for row in range(len(now)):
        level = now[row] * np.exp(spread_now.shift[row] + sd[row] * first)
        shift = spread_then.shift[row] - spread_now.shift[row]
        moved = np.exp(shift + along[row] * first + across[row] * second)
        points = level * (ratio[row] * moved - 1.0)
        found = np.quantile(points, (0.05, 0.95))
        low[row], high[row] = min(found[0], low[row]), max(found[1], high[row])
    return low, high


@lru_cache(maxsize=1)
def _normal_points() -> tuple[np.ndarray, np.ndarray]:
    """Return points that fill the standard normal distribution of two quantities evenly.

    The additive recurrence by the plastic number (M. Roberts, "The unreasonable effectiveness of
    quasirandom sequences", 2018): the same points always, so that an answer never flickers.
    """
    plastic = 1.3247179572447460
    number = np.arange(POINTS)
    normal = NormalDist()
    first, second = (
        np.array([normal.inv_cdf(share) for share in (0.5 + number * step) % 1.0])
        for step in (1 / plastic, 1 / plastic**2)
    )
    return first, second
