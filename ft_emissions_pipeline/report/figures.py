"""Sums and selections that the page shows.

Put here: DataFrame to DataFrame summaries; means are recomputed from sums, never from ratios. Keep
out: text and markup (`formatting.py`, `templates/`), what is embedded (`payload.py`).

Intervals of sums are those of the roll-ups: runs err together as far as they share factors.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import ledger
from ft_emissions_pipeline.ledger import families, rollups
from ft_emissions_pipeline.ledger.scatter import Scatter
from ft_emissions_pipeline.tables.frames import places
from ft_emissions_pipeline.tables.words import Group, Inferences, Period, Status

TOTALS = ("total_kgco2e", "total_water_l")
CARBON_PARTS = ("operational_kgco2e", "embodied_kgco2e")
WATER_PARTS = ("onsite_water_l", "electricity_water_l", "embodied_water_l")
RATIOS = ("gco2e_per_inference", "water_ml_per_inference")
BY_AGE = ["date", "ended_at", "run_id"]
SHARED = ("allocated_kgco2e", "allocated_water_l")
MARKET = ("allocated_market_kgco2e", "uncontracted_kgco2e")
"""Market-based carbon, and the location-based carbon of what no contract's factor is known for."""


def period(inference_impacts: pd.DataFrame, run_impacts: pd.DataFrame) -> tuple[Any, Any] | None:
    """Return first and last day that the figures cover; of the runs where nothing is shared yet."""
    for frame in (inference_impacts, run_impacts):
        if len(frame):
            return frame["date"].min(), frame["date"].max()
    return None


def per_inference(
    rows: pd.DataFrame, keys: list[str], spreads: Scatter, expected_log_sd: float
) -> pd.DataFrame:
    """Return carbon and water per inference of groups: sums over sums, as roll-ups make them.

    Parameters
    ----------
    rows : DataFrame
        Table `inference_impacts`. Rows whose inferences nobody knows stay out on both sides of
        the division; a version that served none counts on the side of the amounts.
    keys : list of str
        Columns that name a group.
    spreads, expected_log_sd
        As `rollups.summed` takes them.

    Returns
    -------
    DataFrame
        The keys, inferences, carbon and water that they share, and the per-inference columns with
        percentiles.
    """
    known = rows[rows["inferences"].notna()]
    found = rollups.summed(known, known[keys], spreads, expected_log_sd=expected_log_sd)
    ratios = [ratio + suffix for ratio in RATIOS for suffix in ("", "_p05", "_p95")]
    return found[[*keys, "inferences", *SHARED, *MARKET, *ratios]]


def daily(rows: pd.DataFrame, spreads: Scatter, expected_log_sd: float) -> pd.DataFrame:
    """Return `per_inference` of each model on each day, with the day's status."""
    keys = ["model_name", "date"]
    found = per_inference(rows, keys, spreads, expected_log_sd)
    provisional = (rows["status"] == Status.PROVISIONAL).groupby([rows[key] for key in keys]).any()
    return found.merge(provisional.rename("provisional").reset_index(), on=keys, how="left")


def newest_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what served on the newest day of each model that has inferences, most used last."""
    served = rows[rows["inferences"] > 0]
    newest = served.groupby("model_name")["date"].transform("max")
    return served[served["date"] == newest].sort_values(["model_name", "inferences"], kind="stable")


def models(
    rows: pd.DataFrame,
    run_impacts: pd.DataFrame,
    spreads: Scatter,
    expected_log_sd: float,
    by_day: pd.DataFrame,
) -> pd.DataFrame:
    """Return one row per model, the one whose runs emitted most first.

    Parameters
    ----------
    rows, run_impacts : DataFrame
        Tables `inference_impacts` and `run_impacts`.
    spreads, expected_log_sd
        As for `rollups.summed`.
    by_day : DataFrame
        What `daily` returns.

    Returns
    -------
    DataFrame
        model_name, runs, parts and totals of carbon and water of its runs; for the newest day
        with inferences (`latest_`) and for all days (`mean_`) what `per_inference` returns;
        latest_date, latest_version, latest_status; counted and expected inferences; days,
        provisional_days, unknown_days.
    """
    by_run = run_impacts.groupby("model_name")
    frame = by_run[[*TOTALS, *CARBON_PARTS, *WATER_PARTS]].sum()
    frame["runs"] = by_run.size()
    names = frame.index.union(pd.Index(rows["model_name"].unique()), sort=False)
    frame = frame.reindex(names)
    latest = by_day[by_day["inferences"] > 0].drop_duplicates("model_name", keep="last")
    frame = frame.join(latest.set_index("model_name").add_prefix("latest_"))
    frame["latest_status"] = frame.pop("latest_provisional").map(
        {True: Status.PROVISIONAL, False: Status.FINAL}
    )
    mean = per_inference(rows, ["model_name"], spreads, expected_log_sd)
    frame = frame.join(mean.set_index("model_name").add_prefix("mean_"))
    served_most = newest_rows(rows).drop_duplicates("model_name", keep="last")
    frame["latest_version"] = served_most.set_index("model_name")["model_version"]
    by_basis = rows.pivot_table(
        index="model_name", columns="inferences_basis", values="inferences", aggfunc="sum"
    ).reindex(columns=[Inferences.ACTUAL, Inferences.EXPECTED])
    frame["counted"], frame["expected"] = by_basis["actual"], by_basis["expected"]
    days = rows.assign(
        provisional=rows["status"] == Status.PROVISIONAL, unknown=rows["inferences"].isna()
    )
    per_day = days.groupby(["model_name", "date"])[["provisional", "unknown"]].any()
    by_model = per_day.groupby("model_name")
    frame["days"] = by_model.size()
    frame["provisional_days"] = by_model["provisional"].sum()
    frame["unknown_days"] = by_model["unknown"].sum()
    counts = ["counted", "expected", "days", "provisional_days", "unknown_days", "runs"]
    frame[counts] = frame[counts].fillna(0.0)
    frame = frame.rename_axis("model_name").reset_index()
    return frame.sort_values(
        ["total_kgco2e", "model_name"], ascending=[False, True], na_position="last"
    ).reset_index(drop=True)


def series(
    rows: pd.DataFrame, by_day: pd.DataFrame, spreads: Scatter, expected_log_sd: float
) -> tuple[pd.DataFrame, int]:
    """Return figures of all models by day, or by weeks where the days are too many for a page.

    Parameters
    ----------
    rows : DataFrame
        Table `inference_impacts`.
    by_day : DataFrame
        What `daily` returns of them.
    spreads, expected_log_sd
        As for `rollups.summed`.

    Returns
    -------
    points : DataFrame
        What `daily` returns; a week stands under its Monday.
    step_days : int
        Days from one point to the next.
    """
    step_days = 1
    while len(by_day) > MOST_POINTS and step_days < LONGEST_STEP_DAYS:
        step_days = 7 if step_days == 1 else 2 * step_days
        weeks = (rows["date"] - MONDAY).dt.days // step_days
        first = MONDAY + pd.to_timedelta(weeks * step_days, unit="D")
        by_day = daily(rows.assign(date=first), spreads, expected_log_sd)
    return by_day, step_days


MOST_POINTS = 80_000
"""Points that fit into a page of 3 MB: 200 models over a year of days are 73,000."""

LONGEST_STEP_DAYS = 448
MONDAY = pd.Timestamp("1970-01-05")


def latest_sums(rollups: pd.DataFrame, periods: int, labels: int) -> list[dict[str, Any]]:
    """Return the fleet's latest months, quarter and year, and that year's teams and tags.

    Parameters
    ----------
    rollups : DataFrame
        Table `rollups`.
    periods, labels : int
        Most months, and most teams and tags each, to show; these stay out where nothing names one.

    Returns
    -------
    list of dict
        label, and the columns of the table.
    """
    fleet = rollups[rollups["grouped_by"] == Group.FLEET].sort_values("date")
    shown = [
        fleet[fleet["period"] == period].tail(count)
        for period, count in ((Period.MONTH, periods), (Period.QUARTER, 1), (Period.YEAR, 1))
    ]
    of_year = rollups[rollups["period"] == Period.YEAR]
    of_year = of_year[of_year["date"] == of_year["date"].max()]
    for label in ("team", "tag"):
        named = of_year[of_year["grouped_by"] == label]
        if named["name"].notna().any():
            shown.append(named.nlargest(labels, "allocated_kgco2e"))
    rows = pd.concat(shown)
    return [{**row, "label": _label(row)} for row in rows.to_dict("records")]


def period_name(row: Mapping[str, Any]) -> str:
    """Return the period of a row of table `rollups` as 2026-01, 2026 Q1 or 2026."""
    first = row["date"]
    return {
        "month": f"{first:%Y-%m}", "quarter": f"{first:%Y} Q{first.quarter}", "year": f"{first:%Y}",
    }[row["period"]]  # fmt: skip


def _label(row: dict[str, Any]) -> str:
    if row["grouped_by"] == Group.FLEET:
        return period_name(row)
    label = row["grouped_by"]
    if not isinstance(row["name"], str):
        return f"{period_name(row)}, no {label} named"
    return f"{period_name(row)}, {label} {row['name']}"


def lineages(
    model_versions: pd.DataFrame, run_impacts: pd.DataFrame, names: list[str], shown: int
) -> list[dict[str, Any]]:
    """Return from which versions the latest versions of models were fine-tuned.

    Parameters
    ----------
    model_versions, run_impacts : DataFrame
        Tables of the same name.
    names : list of str
        Models; one of a single version without parents has no lineage and is left out.
    shown : int
        Most versions of a model.

    Returns
    -------
    list of dict
        model_name, versions (how many there are), base_models, base_gco2e_per_inference, rows
        (what `ledger.family` returns of the latest versions, the newest first).
    """
    table = model_versions[model_versions["model_name"].isin(names)]
    table = table.sort_values(["use_life_start", "model_version"], ascending=False)
    latest = table.groupby("model_name").head(shown)
    family = ledger.family(model_versions, latest["model_version"].tolist())
    runs = run_impacts[run_impacts["model_name"].isin(names)]
    bases = runs.groupby("model_name")["base_model"].unique()
    counted = table["model_name"].value_counts()
    of_model: dict[str, list[dict[Hashable, Any]]] = {name: [] for name in names}
    for row in family.to_dict("records"):
        of_model[row["model_name"]].append(row)
    return [
        {
            "model_name": name,
            "versions": int(counted[name]),
            "base_models": [base for base in bases.get(name, []) if isinstance(base, str)],
            "base_gco2e_per_inference": rows[0]["base_gco2e_per_inference"],
            "rows": rows,
        }
        for name, rows in of_model.items()
        if len(rows) > 1 or any(row["parents"] for row in rows)
    ]


def of_base_models(
    rooted: pd.DataFrame, rows: pd.DataFrame, spreads: Scatter, expected_log_sd: float
) -> pd.DataFrame:
    """Return what the days of each base model's versions carry, beside its own pre-training.

    Parameters
    ----------
    rooted : DataFrame
        What `families.rooted` returns.
    rows, spreads, expected_log_sd
        As for `per_inference`.

    Returns
    -------
    DataFrame
        base_model, what `per_inference` returns, `families.TOLD`, pretraining_source; the base
        model with most inferences first, versions whose base model nobody names left out.
    """
    known = rooted.dropna(subset=["base_model"])
    at = places(known["model_version"], rows["model_version"])
    named = rows[at >= 0].assign(base_model=known["base_model"].array.take(at[at >= 0]))
    sums = per_inference(named, ["base_model"], spreads, expected_log_sd)
    sources = rooted.groupby("base_model")["pretraining_source"].first().reset_index()
    told = families.told(rooted, "base_model").merge(sources, on="base_model")
    return sums.merge(told, on="base_model").sort_values("inferences", ascending=False)


def newest_runs(run_impacts: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Return the newest runs, at least as many as the limit where those at its edge are as old.

    They are in no order: sorting a year of many models by their ids would take seconds.
    """
    day, instant = (run_impacts[name].to_numpy("datetime64[us]") for name in BY_AGE[:2])
    edge = np.lexsort((instant, day))[-limit:][:1]
    return run_impacts[(day > day[edge]) | ((day == day[edge]) & (instant >= instant[edge]))]


def latest_runs(run_impacts: pd.DataFrame, run_notes: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Return the latest runs with what was noted when they were read."""
    recent = newest_runs(run_impacts, limit)
    shown = recent.sort_values(BY_AGE, ascending=[False, False, True]).head(limit)
    notes = run_notes[run_notes["run_id"].isin(shown["run_id"])].drop_duplicates("run_id")
    return shown.merge(notes, on="run_id", how="left")


def advice_by_model(advice: pd.DataFrame, run_impacts: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return what to disclose next for each model: what is advised for its latest run."""
    named = run_impacts["model_name"].isin(advice["model_name"])
    of_models = run_impacts.loc[named, ["model_name", *BY_AGE]]
    latest = of_models.sort_values(BY_AGE).drop_duplicates("model_name", keep="last")["run_id"]
    rows = advice[advice["run_id"].isin(latest)]
    return {str(row["model_name"]): row for row in rows.to_dict("records")}


def own_footprint(pipeline_footprint: pd.DataFrame, fleet_kgco2e: float) -> dict[str, float]:
    """Return what the pipeline itself consumed, and its share of what it reports."""
    carbon = float(pipeline_footprint["carbon_kgco2e"].sum())
    return {
        "runs": len(pipeline_footprint),
        "duration_s": float(pipeline_footprint["duration_s"].sum()),
        "energy_kwh": float(pipeline_footprint["energy_kwh"].sum()),
        "carbon_kgco2e": carbon,
        "share": carbon / fleet_kgco2e if fleet_kgco2e > 0 else np.nan,
    }
