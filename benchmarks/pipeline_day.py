"""A further day through the whole DAG, thirty days in one run against thirty runs, and a year.

The tables are those of the examples, in a temporary folder. Beside them stands the same DAG with
empty assets: what Dagster itself takes for as many steps, days and checks.
"""

import argparse
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd

from assets import build_defs
from assets.home import instance_of
from assets.partitions import range_tags
from benchmarks.timing import Timed, best_of, hold_equal, table
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS
from ft_emissions_pipeline.warehouse import store

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "landing"
FIRST = pd.Timestamp("2026-01-05")
GOAL_S = 1.0
YEAR_GOAL_S = 15.0
SHARED = ["allocated_kgco2e", "allocated_water_l"]


class Runs:
    """Runs of the DAG into one warehouse."""

    def __init__(self, defs: dg.Definitions) -> None:
        self._job = defs.resolve_job_def("everything")
        self.result: dg.ExecuteInProcessResult

    def run(self, first: pd.Timestamp, last: pd.Timestamp) -> None:
        """Run everything over some days, as the command line does."""
        with instance_of(None) as instance:
            tags = range_tags(first, last)
            self.result = self._job.execute_in_process(tags=tags, instance=instance)

    def steps(self) -> dict[str, float]:
        """Return the seconds of each step of the latest run, the longest first."""
        found = {
            event.step_key: event.event_specific_data.duration_ms / 1000
            for event in self.result.all_node_events
            if event.event_type_value == "STEP_SUCCESS"
        }
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _of_goal(spent: Timed, goal_s: float) -> str:
    return f"{spent.cpu_s / goal_s:.1f} x the goal of {goal_s:g} s"


def hollow(defs: dg.Definitions) -> dg.Definitions:
    """Return the same assets, days and checks without anything to do."""

    def emptied(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
        @dg.multi_asset(
            name=asset.op.name,
            specs=list(asset.specs),
            check_specs=list(asset.check_specs),
            partitions_def=asset.partitions_def,
            backfill_policy=asset.backfill_policy,
        )
        def body() -> Iterator[dg.MaterializeResult]:
            for spec in asset.specs:
                checks = [each for each in asset.check_specs if each.asset_key == spec.key]
                passed = [
                    dg.AssetCheckResult(passed=True, asset_key=spec.key, check_name=each.name)
                    for each in checks
                ]
                yield dg.MaterializeResult(asset_key=spec.key, check_results=passed)

        return body

    assets = [emptied(each) for each in defs.assets or () if isinstance(each, dg.AssetsDefinition)]
    return dg.Definitions(assets, jobs=[dg.define_asset_job("everything")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    days = pd.date_range(FIRST, periods=parser.parse_args().days)
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as apart:
        defs = build_defs(landing=EXAMPLES, warehouse=one)
        together, without = Runs(defs), Runs(hollow(defs))
        singly = Runs(build_defs(landing=EXAMPLES, warehouse=apart))
        # Imports of the first run are not what is asked.
        first = best_of(1, lambda: together.run(days[-1], days[-1]))
        at_once = best_of(1, lambda: together.run(FIRST, days[-1]))
        one_by_one = best_of(1, lambda: [singly.run(day, day) for day in days])
        last = (days[-1].date(), days[-1].date())
        made = (store.read(folder, INFERENCE_IMPACTS, last) for folder in (one, apart))
        # Of earlier days a run of all knows what came after.
        hold_equal("the last day", *(frame[SHARED].sum() for frame in made))
        further = iter(pd.date_range("2026-03-01", periods=5))
        empty = best_of(5, lambda: together.run(day := next(further), day))
        steps = together.steps()
        idle = best_of(3, lambda: without.run(days[-1], days[-1]))
        year = days[-1] - pd.Timedelta(days=364), days[-1]
        of_year = best_of(1, lambda: together.run(*year))
        idle_year = best_of(1, lambda: without.run(*year))
    rows = [("", "wall s", "CPU s", "x empty assets", "against")]
    for name, spent, floor, against in (
        ("first day, imports included", first, None, ""),
        ("a further day without logs", empty, idle, _of_goal(empty, GOAL_S)),
        ("a day of empty assets", idle, idle, ""),
        (f"{len(days)} days in one run", at_once, None, "1"),
        (f"{len(days)} runs of a day", one_by_one, None,
         f"{one_by_one.cpu_s / at_once.cpu_s:.1f} x"),
        ("a year in one run", of_year, idle_year, _of_goal(of_year, YEAR_GOAL_S)),
        ("a year of empty assets", idle_year, idle_year, ""),
    ):  # fmt: skip
        times = f"{spent.cpu_s / floor.cpu_s:.1f}" if floor else ""
        rows.append((name, f"{spent.wall_s:.2f}", f"{spent.cpu_s:.2f}", times, against))
    table("Pipeline", rows)
    table(
        "Steps of the last day without logs",
        [("step", "wall s"), *((name, f"{spent:.3f}") for name, spent in steps.items())],
    )


if __name__ == "__main__":
    main()
