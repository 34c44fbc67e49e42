"""A further day through the whole DAG, and thirty days in one run against thirty runs.

The tables are those of the examples, in a temporary folder.
"""

import argparse
import logging
import tempfile
from pathlib import Path

import dagster as dg
import pandas as pd

from assets import build_defs
from assets.partitions import range_tags
from benchmarks.timing import best_of, hold_equal, table
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS
from ft_emissions_pipeline.warehouse import store

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "landing"
FIRST = pd.Timestamp("2026-01-05")
GOAL_S = 1.0
SHARED = ["allocated_kgco2e", "allocated_water_l"]


class Runs:
    """Runs of the DAG into one warehouse."""

    def __init__(self, warehouse: str) -> None:
        defs = build_defs(landing=EXAMPLES, warehouse=warehouse)
        self._job = defs.resolve_job_def("everything")
        self.result: dg.ExecuteInProcessResult

    def run(self, first: pd.Timestamp, last: pd.Timestamp) -> None:
        """Run everything over some days."""
        self.result = self._job.execute_in_process(tags=range_tags(first, last))

    def steps(self) -> dict[str, float]:
        """Return the seconds of each step of the latest run, the longest first."""
        found = {
            event.step_key: event.event_specific_data.duration_ms / 1000
            for event in self.result.all_node_events
            if event.event_type_value == "STEP_SUCCESS"
        }
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    days = pd.date_range(FIRST, periods=parser.parse_args().days)
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as apart:
        together, singly = Runs(one), Runs(apart)
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
    table(
        "Pipeline",
        [
            ("", "wall s", "CPU s", "against"),
            ("first day, imports included", f"{first.wall_s:.2f}", f"{first.cpu_s:.2f}", ""),
            (
                "a further day without logs",
                f"{empty.wall_s:.2f}",
                f"{empty.cpu_s:.2f}",
                f"{empty.wall_s / GOAL_S:.2f} x the goal of {GOAL_S:g} s",
            ),
            (f"{len(days)} days in one run", f"{at_once.wall_s:.2f}", f"{at_once.cpu_s:.2f}", "1"),
            (
                f"{len(days)} runs of a day",
                f"{one_by_one.wall_s:.2f}",
                f"{one_by_one.cpu_s:.2f}",
                f"{one_by_one.wall_s / at_once.wall_s:.1f} x",
            ),
        ],
    )
    table(
        "Steps of the last day without logs",
        [("step", "wall s"), *((name, f"{spent:.3f}") for name, spent in steps.items())],
    )


if __name__ == "__main__":
    main()
