"""Model versions, their use life, and what each inference of a day carries.

Put here: which version serves when, how many inferences fall on it, how a run's footprint is shared
over them. Keep out: the footprint itself (`impacts.py`) and what moved since the last report
(`restate.py`).

Every gram of a closed version lands on exactly one of its days (invariant 1): the days share the
run's total by inferences; where nobody knows of any, by time in service; and where a closed version
served none at all, one row `unallocated` on its last day carries the whole.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.equations import GRAMS_PER_KG, MILLILITRES_PER_LITRE, per_inference
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, MODEL_VERSIONS, conform

DAY = pd.Timedelta(days=1)
SECONDS_PER_DAY = DAY.total_seconds()


def model_versions(
    run_impacts: pd.DataFrame, usage: pd.DataFrame, as_of: pd.Timestamp
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

    Returns
    -------
    DataFrame
        Table `model_versions`, ordered by model and start.

    Notes
    -----
    Without a successor a version ends with its disclosed use life; with the default one, or the
    last day on which it was used if that is later; and where its model is tuned again and again,
    it stays open until the next tuning comes. An open version for which nobody disclosed expected
    inferences is expected to go on as its model was used so far.
    """
    runs = run_impacts.sort_values(["model_name", "ended_at", "run_id"]).reset_index(drop=True)
    versions = runs.assign(model_version=runs["run_id"], use_life_start=runs["ended_at"])
    following = versions.groupby("model_name")["use_life_start"].shift(-1)
    expected_end, rule = _expected_end(versions)
    today_ends = pd.Timestamp(as_of).tz_localize("UTC") + DAY
    last_served = pd.to_datetime(usage["date"], utc=True).groupby(usage["model_name"]).max() + DAY
    served_until = pd.Series(
        last_served.reindex(versions["model_name"]).array, index=versions.index
    )
    outlived = (rule == "default") & (served_until > expected_end)
    expected_end = expected_end.where(~outlived, served_until)
    limited_over = (rule != "usual_interval") & (expected_end <= today_ends)
    open_end = expected_end.where(limited_over | (expected_end > today_ends), today_ends)
    versions["use_life_end"] = following.where(following.notna(), open_end)
    versions["use_life_end"] = versions[["use_life_start", "use_life_end"]].max(axis=1)
    versions["use_life_rule"] = rule.where(following.isna(), "superseded")
    closed = following.notna() | limited_over
    versions["status"] = closed.map({True: "closed", False: "open"})
    usual = usage.groupby(["model_name", "date"])["inferences"].sum().groupby("model_name").mean()
    projected = pd.Series(
        usual.reindex(versions["model_name"]).to_numpy(dtype=float), index=versions.index
    ).where(~closed)
    versions["expected_inferences_per_day"] = versions["expected_inferences_per_day"].fillna(
        projected
    )
    days = _served_days(versions, usage)
    # The grouped sum of pandas depends in the last digit on what other groups there are.
    known = days.dropna(subset=["inferences"])
    counted = np.bincount(known["position"], known["inferences"], len(versions))
    served = np.bincount(known["position"], minlength=len(versions)) > 0
    versions["inferences"] = np.where(served, counted, np.nan)
    versions["inferences_basis"] = _basis_over_life(versions, days)
    return conform(versions[MODEL_VERSIONS.names], MODEL_VERSIONS)


def _expected_end(versions: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return when a version's life would end without a successor, and what that rests on."""
    start = versions["use_life_start"]
    interval = start.groupby(versions["model_name"]).diff().dt.total_seconds()
    so_far = interval.groupby(versions["model_name"]).expanding().median().droplevel(0)
    usual = pd.to_timedelta(so_far.reindex(versions.index), unit="s")
    expected = pd.to_timedelta(versions["expected_use_life_days"], unit="D")
    disclosed = versions["expected_use_life_basis"] != "default"
    repeated = usual.notna() & (usual > pd.Timedelta(0))
    life = expected.where(disclosed | ~repeated, usual)
    rule = np.select([disclosed, repeated], ["disclosed", "usual_interval"], default="default")
    return (start + life).dt.as_unit("us"), pd.Series(rule, index=versions.index, dtype="str")


def _served_days(
    versions: pd.DataFrame,
    usage: pd.DataFrame,
    first: pd.Timestamp | None = None,
    last: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Return one row per version and day of its life: seconds in service, inferences, their basis."""
    start, end = versions["use_life_start"], versions["use_life_end"]
    first_day = start.dt.floor("D").dt.tz_localize(None)
    last_day = (end - pd.Timedelta(microseconds=1)).dt.floor("D").dt.tz_localize(None)
    if first is not None:
        first_day = first_day.clip(lower=first)
    if last is not None:
        last_day = last_day.clip(upper=last)
    count = ((last_day - first_day).dt.days + 1).clip(lower=0).where(start < end, 0)
    position = np.repeat(np.arange(len(versions)), count)
    within = np.arange(len(position)) - np.asarray(np.repeat(np.cumsum(count) - count, count))
    days = pd.DataFrame({"position": position})
    days["date"] = first_day.to_numpy()[position] + within * np.timedelta64(1, "D")
    for name in ("model_name", "model_version"):
        days[name] = versions[name].to_numpy()[position]
    opens = np.maximum(start.dt.tz_localize(None).to_numpy()[position], days["date"].to_numpy())
    closes = np.minimum(
        end.dt.tz_localize(None).to_numpy()[position], (days["date"] + DAY).to_numpy()
    )
    days["seconds"] = (closes - opens) / np.timedelta64(1, "s")
    expected = versions["expected_inferences_per_day"].to_numpy(dtype=float)[position]
    actual = _actual_inferences(days, usage)
    days["inferences"] = np.where(
        np.isnan(actual), expected * days["seconds"] / SECONDS_PER_DAY, actual
    )
    days["inferences_basis"] = np.select(
        [~np.isnan(actual), ~np.isnan(expected)], ["actual", "expected"], default="none"
    )
    return days


def _actual_inferences(days: pd.DataFrame, usage: pd.DataFrame) -> np.ndarray:
    """Return counted inferences per row, NaN where nothing was counted.

    A count of a version is that version's; a count of the model is shared by the versions that
    served on the day, by their time in service.
    """
    of_model = (
        usage[usage["model_version"].isna()].groupby(["model_name", "date"])["inferences"].sum()
    )
    of_version = (
        usage.dropna(subset=["model_version"])
        .groupby(["model_name", "date", "model_version"])["inferences"]
        .sum()
    )
    in_service = days.groupby(["model_name", "date"])["seconds"].transform("sum")
    share = days["seconds"] / in_service
    model_keys = pd.MultiIndex.from_frame(days[["model_name", "date"]])
    version_keys = pd.MultiIndex.from_frame(days[["model_name", "date", "model_version"]])
    shared = of_model.reindex(model_keys).to_numpy(dtype=float) * share.to_numpy()
    own = of_version.reindex(version_keys).to_numpy(dtype=float)
    both = np.nan_to_num(shared) + np.nan_to_num(own)
    return np.where(np.isnan(shared) & np.isnan(own), np.nan, both)


def _basis_over_life(versions: pd.DataFrame, days: pd.DataFrame) -> np.ndarray:
    counts = pd.crosstab(days["position"], days["inferences_basis"])
    counts = counts.reindex(index=versions.index, columns=["actual", "expected"], fill_value=0)
    actual, expected = counts["actual"].to_numpy() > 0, counts["expected"].to_numpy() > 0
    return np.select(
        [actual & expected, actual, expected],
        ["actual_and_expected", "actual", "expected"],
        default="none",
    )


def inference_impacts(
    versions: pd.DataFrame,
    usage: pd.DataFrame,
    first: pd.Timestamp,
    last: pd.Timestamp,
    *,
    expected_log_sd: float,
) -> pd.DataFrame:
    """Return what each version's inferences carry on the days from `first` to `last`.

    Parameters
    ----------
    versions : DataFrame
        Table `model_versions`.
    usage : DataFrame
        Table `usage`, at least of these days and of these days' models.
    first, last : Timestamp
        First and last UTC day, both included.
    expected_log_sd : float
        Standard deviation of the logarithm of an expected count of inferences.

    Returns
    -------
    DataFrame
        Table `inference_impacts`.
    """
    versions = versions.reset_index(drop=True)
    days = _served_days(versions, usage, first, last)
    idle = _without_inferences(versions, first, last)
    days = days[~days["position"].isin(_zero_traffic(versions))]
    rows = pd.concat([days, idle], ignore_index=True) if len(idle) else days.reset_index(drop=True)
    of = versions.iloc[rows["position"]].reset_index(drop=True)
    share = _share_of_total(rows, of)
    rows = rows.assign(
        allocated_kgco2e=of["total_kgco2e"] * share,
        allocated_water_l=of["total_water_l"] * share,
        status=of["status"].map({"open": "provisional", "closed": "final"}),
        methodology=of["methodology"],
        reference_version=of["reference_version"],
    )
    served = rows["inferences"].where(rows["inferences"] > 0)
    counted = np.where(rows["inferences_basis"] == "expected", expected_log_sd, 0.0)
    water = of["onsite_water_l"] + of["electricity_water_l"]
    for name, total, factor in (
        ("gco2e_per_inference", of["total_kgco2e"], GRAMS_PER_KG),
        ("operational_gco2e_per_inference", of["operational_kgco2e"], GRAMS_PER_KG),
        ("embodied_gco2e_per_inference", of["embodied_kgco2e"], GRAMS_PER_KG),
        ("water_ml_per_inference", of["total_water_l"], MILLILITRES_PER_LITRE),
        ("operational_water_ml_per_inference", water, MILLILITRES_PER_LITRE),
        ("embodied_water_ml_per_inference", of["embodied_water_l"], MILLILITRES_PER_LITRE),
    ):
        rows[name] = per_inference(total * share * factor, served)
    for name, total in (("gco2e", "total_kgco2e"), ("water_ml", "total_water_l")):
        spread = np.hypot(
            uncertainty.log_sd_of_interval(of[f"{total}_p05"], of[f"{total}_p95"]), counted
        )
        low, high = uncertainty.interval(rows[f"{name}_per_inference"], spread)
        rows[f"{name}_per_inference_p05"], rows[f"{name}_per_inference_p95"] = low, high
    ordered = rows.sort_values(["date", "model_name", "model_version"])
    return conform(ordered[INFERENCE_IMPACTS.names], INFERENCE_IMPACTS)


def _share_of_total(rows: pd.DataFrame, of: pd.DataFrame) -> pd.Series:
    """Return which share of its version's total each row carries."""
    life = (of["use_life_end"] - of["use_life_start"]).dt.total_seconds()
    by_time = rows["seconds"] / life.where(life > 0)
    served = of["inferences"].where(of["inferences"] > 0)
    by_count = (rows["inferences"] / served).fillna(0.0)
    share = by_count.where(of["inferences_basis"] != "none", by_time)
    return share.where(rows["inferences_basis"] != "unallocated", 1.0)


def _zero_traffic(versions: pd.DataFrame) -> pd.Index:
    """Return positions of closed versions that nobody used, or that never came into service."""
    instant = versions["use_life_start"] >= versions["use_life_end"]
    unused = (versions["inferences_basis"] != "none") & ~(versions["inferences"] > 0)
    return versions.index[(versions["status"] == "closed") & (instant | unused)]


def _without_inferences(
    versions: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp
) -> pd.DataFrame:
    """Return the `unallocated` row of each version without traffic, on the last day of its life."""
    idle = versions.loc[_zero_traffic(versions)]
    final_instant = (idle["use_life_end"] - pd.Timedelta(microseconds=1)).where(
        idle["use_life_start"] < idle["use_life_end"], idle["use_life_end"]
    )
    day = final_instant.dt.floor("D").dt.tz_localize(None)
    idle, day = idle[day.between(first, last)], day[day.between(first, last)]
    return pd.DataFrame(
        {
            "position": idle.index,
            "date": day,
            "model_name": idle["model_name"],
            "model_version": idle["model_version"],
            "seconds": 0.0,
            "inferences": 0.0,
            "inferences_basis": "unallocated",
        }
    )
