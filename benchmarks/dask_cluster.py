"""Runs in this process, beside two workers of a Dask cluster on this machine.

Runs come in pieces and go as sums, so that the memory of each side is that of its work. Both must
agree to the last bit before any time is shown. What two workers spend above one process is the way
of the pieces there and back; on one machine they share its cores, too.
"""

import argparse
import os
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.fleet import fleet
from benchmarks.timing import alone, best_of, peak_mb, table
from ft_emissions_pipeline import methodology, reference, stages
from ft_emissions_pipeline.landing import engines

TOTALS = ["total_kgco2e", "total_kgco2e_p95", "total_water_l", "total_water_l_p95"]
WORKERS = 2
LIMIT_MB = 3000
"""Memory that a worker may hold before it is stopped."""


def pieces(count: int, size: int) -> Iterator[pd.DataFrame]:
    """Yield runs, some at a time, with ids and durations of their own."""
    piece = fleet(min(size, count))
    for start in range(0, count, size):
        runs = piece.head(count - start)
        longer = 1 + start / count
        yield runs.assign(
            run_id=f"{start}-" + runs["run_id"], reserved_s=runs["reserved_s"] * longer
        )


def sums(runs: pd.DataFrame, choices: stages.Choices) -> tuple[np.ndarray, float, int, float]:
    """Return totals of runs, and what this process spent: CPU seconds, its id, peak memory."""
    cpu = time.process_time()
    made = stages.footprints(runs, choices).impacts[TOTALS].sum().to_numpy()
    return made, time.process_time() - cpu, os.getpid(), peak_mb()


def computed(count: int, size: int, workers: int) -> tuple[np.ndarray, float, dict[int, float]]:
    """Return the totals of each piece, CPU seconds of the arithmetic, peak memory by process."""
    choices = stages.Choices(reference.load(), methodology.profile("default"))
    if workers:
        import distributed

        with (
            distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                memory_limit=f"{LIMIT_MB} MB",
            ) as cluster,
            engines.opened(cluster.scheduler_address) as engine,
        ):
            found = list(engine(sums, pieces(count, size), choices))
    else:
        found = list(engines.local(sums, pieces(count, size), choices))
    peaks: dict[int, float] = {}
    for _, _, process, peak in found:
        peaks[process] = max(peak, peaks.get(process, 0.0))
    return np.array([each for each, *_ in found]), sum(cpu for _, cpu, *_ in found), peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--piece", type=int, default=engines.CHUNK_RUNS, help="runs of a piece")
    given = parser.parse_args()
    rows = [("", "wall s", "CPU s here", "CPU s of the work", "runs/s", "MB here", "MB per worker")]
    totals = []
    here = alone(1, computed, given.runs, given.piece, 0)
    # A pool's process may start none of its own, so this one holds the cluster.
    found: list[tuple[np.ndarray, float, dict[int, float]]] = []
    spent = best_of(1, lambda: found.append(computed(given.runs, given.piece, WORKERS)))
    there = found[0], spent, peak_mb()
    for name, ((made, work_s, peaks), spent, here_mb) in (
        ("this process", here), (f"{WORKERS} workers of Dask", there)
    ):  # fmt: skip
        totals.append(made)
        spread = name != "this process"
        rows.append(
            (
                name, f"{spent.wall_s:.1f}", f"{spent.cpu_s:.1f}", f"{work_s:.1f}",
                f"{given.runs / spent.wall_s:,.0f}", f"{here_mb:,.0f}",
                f"{max(peaks.values()):,.0f}" if spread else "",
            )
        )  # fmt: skip
    if not np.array_equal(*totals):
        msg = "the workers' totals differ; no times are shown"
        raise SystemExit(msg)
    table(f"{given.runs:,} runs in pieces of {given.piece:,}, equal to the last bit", rows)


if __name__ == "__main__":
    main()
