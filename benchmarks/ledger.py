"""Share 730,000 versions over their days: 2,000 models that are tuned every day of a year.

Goal: the whole ledger with its intervals in 10 s and 2 GB on two cores, a further day in 2 s.
Beside it the same figures by plain pandas: one merge of versions with counts, and one division.
That knows no partial days, no expected inferences, no roll-backs, no intervals, and does not say
what it did.

A further day means what a night does: the use lives that its runs and counts move, then the rows of
the days that moved.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from benchmarks.timing import best_of, hold_equal, peak_mb, table
from ft_emissions_pipeline import ledger as amortize
from ft_emissions_pipeline.ledger import life_days
from ft_emissions_pipeline.tables import RUN_IMPACTS, USAGE, conform

FIRST = pd.Timestamp("2025-01-01")
EXPECTED_LOG_SD = 0.3


def made(models: int, days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return counts, and daily runs at an hour of their model's own, each tuned from the last."""
    random = np.random.default_rng(6)
    number = np.arange(models * days)
    model, day = number // days, number % days
    names = pd.Series(np.char.add("model-", np.arange(models).astype("str")), dtype="str")
    run_id = pd.Series(np.char.add("run-", number.astype("str")), dtype="str")
    hour = random.integers(0, 24, models)[model]
    ended = FIRST + pd.to_timedelta(day * 24 + hour, unit="h")
    carbon, water = random.lognormal(2, 1, (2, len(number)))
    runs = pd.DataFrame(
        {
            "date": ended.floor("D"), "run_id": run_id, "model_name": names.take(model).array,
            "parent_version": run_id.shift().where(pd.Series(day > 0)), "base_model": "bert-base",
            "ended_at": ended.tz_localize("UTC"), "expected_use_life_days": 30.0,
            "expected_use_life_basis": "default", "it_energy_kwh": 1.0, "facility_energy_kwh": 1.2,
            "operational_kgco2e": carbon * 0.8, "embodied_kgco2e": carbon * 0.2,
            "total_kgco2e": carbon, "total_kgco2e_p05": carbon / 2, "total_kgco2e_p95": carbon * 2,
            "onsite_water_l": water * 0.3, "electricity_water_l": water * 0.6,
            "embodied_water_l": water * 0.1, "total_water_l": water,
            "total_water_l_p05": water / 2, "total_water_l_p95": water * 2, "quality_tier": "B",
            "share_imputed": 0.0, "methodology": "default", "reference_version": "0" * 12,
        }
    )  # fmt: skip
    usage = pd.DataFrame(
        {
            "date": FIRST + pd.to_timedelta(day, unit="D"), "model_name": names.take(model).array,
            "inferences": random.integers(1, 100_000, len(number)).astype(float),
            "source_format": "usage", "source_uri": "usage.parquet", "source_record": "1",
        }
    )  # fmt: skip
    return conform(runs, RUN_IMPACTS), conform(usage, USAGE)


def last_day(days: int) -> pd.Timestamp:
    return FIRST + pd.Timedelta(days=days - 1)


def ledger(runs: pd.DataFrame, usage: pd.DataFrame, days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    versions = amortize.model_versions(runs, usage, last_day(days))
    return versions, amortize.inference_impacts(
        versions, usage, FIRST, last_day(days), expected_log_sd=EXPECTED_LOG_SD
    )


def further_day(
    before: pd.DataFrame, runs: pd.DataFrame, usage: pd.DataFrame, days: int
) -> pd.DataFrame:
    """Return the rows that the last of some days adds or moves."""
    last = last_day(days)
    old, new = amortize.moved_versions(before, runs, usage, last, since=last)
    reported = pd.date_range(FIRST, last_day(days - 1))
    first = life_days.unshared_days(before, (old, new), reported, last).min()
    standing = life_days.serving(before, first, last).drop(old.index, errors="ignore")
    versions = pd.concat([standing, new]).sort_values(["model_name", "use_life_start"])
    of_days = usage[usage["date"].between(first, last)]
    return amortize.inference_impacts(
        versions, of_days, first, last, expected_log_sd=EXPECTED_LOG_SD
    )


def plain(runs: pd.DataFrame, usage: pd.DataFrame) -> pd.DataFrame:
    counts = usage[["date", "model_name", "inferences"]]
    rows = runs[["date", "model_name", "run_id", "total_kgco2e", "total_water_l"]].merge(counts)
    return rows.assign(
        gco2e=rows["total_kgco2e"] * 1e3 / rows["inferences"],
        water_ml=rows["total_water_l"] * 1e3 / rows["inferences"],
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--models", type=int, default=2000)
    arguments.add_argument("--days", type=int, default=365)
    arguments.add_argument("--profile", action="store_true", help="list the functions by time")
    chosen = arguments.parse_args()
    days = chosen.days
    runs, usage = made(chosen.models, days + 1)
    known = runs["date"] <= last_day(days)
    old_runs = runs[known].reset_index(drop=True)
    old_usage = usage[usage["date"] <= last_day(days)].reset_index(drop=True)
    if chosen.profile:
        import cProfile
        import pstats

        with cProfile.Profile() as profile:
            before, _ = ledger(old_runs, old_usage, days)
            further_day(before, runs, usage, days + 1)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return
    floor = best_of(3, lambda: plain(old_runs, old_usage))
    whole = best_of(2, lambda: ledger(old_runs, old_usage, days))
    peak = peak_mb() / 1e3
    before, rows = ledger(old_runs, old_usage, days)
    landed = rows.groupby("model_version")["allocated_kgco2e"].sum()
    closed = before[before["status"] == "closed"].set_index("model_version")["total_kgco2e"]
    hold_equal("what landed on days", landed.reindex(closed.index), closed)
    del rows
    further = further_day(before, runs, usage, days + 1)
    _, rows = ledger(runs, usage, days + 1)
    rows = rows[rows["date"] >= further["date"].min()]
    for column in ("allocated_kgco2e", "gco2e_per_inference_p95"):
        hold_equal(f"a further day's {column}", further[column], rows[column])
    del rows
    more = best_of(3, lambda: further_day(before, runs, usage, days + 1))
    lines = [("", "s", "CPU s", "x plain pandas")]
    for what, timed in (
        ("plain pandas: merge and divide", floor),
        ("versions and ledger, with intervals", whole),
        ("one further day", more),
    ):
        ratio = timed.cpu_s / floor.cpu_s
        lines.append((what, f"{timed.wall_s:.2f}", f"{timed.cpu_s:.2f}", f"{ratio:.1f}"))
    table(f"{len(old_runs):,} versions of {chosen.models:,} models", lines)
    print(f"Memory at most {peak:.2f} GB, the data included (Linux)")


if __name__ == "__main__":
    main()
