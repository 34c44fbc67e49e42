"""A day on which a fleet logs many runs, through the whole DAG, and an empty day after it.

Trackers of 2,000 models write one file, on machines of a few kinds that name no host. Beside it the
library alone reads the same file and computes the same footprints: what is above that is joining,
storing, checks, sums, the page, and Dagster itself.
"""

import argparse
import logging
import tempfile
from pathlib import Path

import pandas as pd

import ft_emissions_pipeline as fte
from assets import build_defs
from benchmarks.pipeline_day import Runs
from benchmarks.readers import TRACKED
from benchmarks.timing import best_of, hold_equal, peak_mb, table
from ft_emissions_pipeline import methodology, reference, stages
from ft_emissions_pipeline.tables import RUN_IMPACTS
from ft_emissions_pipeline.warehouse import store

DAYS = pd.date_range("2026-03-01", periods=3)
"""A small day, on which Python imports what is needed; the fleet's; an empty one."""

COUNTRIES = (("France", "FRA"), ("Germany", "DEU"), ("United States", "USA"),
             ("Sweden", "SWE"), ("Poland", "POL"), ("Japan", "JPN"))  # fmt: skip
GPUS = ("4 x NVIDIA A100-SXM4-80GB", "8 x NVIDIA H100 80GB HBM3", "1 x Tesla T4", "2 x NVIDIA L4")
MODELS = 2000
GOAL_S, GOAL_MB, GOAL_EMPTY_S = 15.0, 1500.0, 1.0


def write_day(path: Path, runs: int, day: pd.Timestamp) -> None:
    """Write an emissions.csv of a day's runs, all round the clock."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        stream.write(",".join(TRACKED) + "\n")
        for n in range(runs):
            (country, iso3), gpus = COUNTRIES[n % len(COUNTRIES)], GPUS[n // 6 % len(GPUS)]
            row = {
                **TRACKED,
                "timestamp": f"{day:%Y-%m-%d}T{n % 24:02d}:{n // 24 % 60:02d}:{n * 7 % 60:02d}",
                "project_name": f"model-{n % MODELS:04d}",
                "run_id": f"{n:08x}-aaaa-bbbb-cccc-{day:%Y%m%d}0000",
                "duration": f"{3600 + n % 100}.{n % 1000:03d}",
                "gpu_energy": f"0.{500 + n % 400}",
                "energy_consumed": f"1.{n % 977:03d}",
                "country_name": country, "country_iso_code": iso3, "region": "",
                "gpu_count": gpus[0], "gpu_model": gpus,
            }  # fmt: skip
            stream.write(",".join(row.values()) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    count = parser.parse_args().runs
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as landing, tempfile.TemporaryDirectory() as warehouse:
        files = [Path(landing) / f"{day:%d}" / "emissions.csv" for day in DAYS[:2]]
        runs = Runs(build_defs(landing=landing, warehouse=warehouse))

        write_day(files[0], 100, DAYS[0])
        runs.run(DAYS[0], DAYS[0])
        write_day(files[1], count, DAYS[1])
        spent = best_of(1, lambda: runs.run(DAYS[1], DAYS[1]))
        peak = peak_mb()
        empty = best_of(1, lambda: runs.run(DAYS[2], DAYS[2]))
        day = DAYS[1].date(), DAYS[1].date()
        made = store.read(warehouse, RUN_IMPACTS, day)
        choices = stages.Choices(reference.load(), methodology.profile("default"))
        found: list[pd.DataFrame] = []

        def alone() -> None:
            read, _ = fte.read_runs(files[1])
            found.append(stages.footprints(read, choices).impacts)

        bare = best_of(1, alone)
        names = ["total_kgco2e", "total_water_l"]
        hold_equal("the day", made[names].sum(), found[-1][names].sum(), 1e-9)
    rows = [("", "wall s", "CPU s", "x the library alone", "against")]
    for name, each, goal_s in (
        ("read and computed by the library alone", bare, None),
        ("the day through the DAG", spent, GOAL_S),
        ("an empty day after it", empty, GOAL_EMPTY_S),
    ):
        against = f"{each.cpu_s / goal_s:.1f} x the goal of {goal_s:g} s" if goal_s else ""
        times = f"{each.cpu_s / bare.cpu_s:.1f}"
        rows.append((name, f"{each.wall_s:.2f}", f"{each.cpu_s:.2f}", times, against))
    models = made["model_name"].nunique()
    at_most = f"{peak:,.0f} MB at most, goal {GOAL_MB:,.0f}"
    table(f"{len(made):,} runs of {models:,} models; {at_most}", rows)


if __name__ == "__main__":
    main()
