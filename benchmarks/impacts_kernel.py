"""Normalization and footprints of many runs, against reading them and against one call per run."""

import argparse
import cProfile
import pstats
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import ft_emissions_pipeline as fte
from benchmarks.timing import best_of, table
from ft_emissions_pipeline import methodology, normalize, reference, tables, token_time
from ft_emissions_pipeline.impacts import footprint

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "landing"
ECOLOGITS_CALL_S = 0.24e-3
"""An impact call of EcoLogits 0.9.1, one request at a time, measured on two cores."""


def many_runs(count: int) -> pd.DataFrame:
    """Return the runs of the examples, again and again under new ids."""
    runs, _ = fte.read_runs(EXAMPLES)
    again = runs.iloc[np.arange(count) % len(runs)].reset_index(drop=True)
    return again.assign(run_id=[f"run-{number}" for number in range(count)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    options = parser.parse_args()
    runs, factors = many_runs(options.runs), reference.load()
    chosen = methodology.profile("default")
    model = token_time.parameters(factors, pd.DatetimeIndex(runs["date"].unique()).as_unit("us"))

    def filled() -> tuple[pd.DataFrame, pd.DataFrame]:
        return normalize.normalize(runs, factors, chosen, model)

    normalized, provenance = filled()

    def footprints() -> pd.DataFrame:
        return footprint.impacts_and_spreads(normalized, provenance, factors, chosen)[0]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.parquet"
        runs.to_parquet(path)
        reading = best_of(3, lambda: tables.conform(pd.read_parquet(path), tables.RUNS)).wall_s
    filling = best_of(2, filled).wall_s
    computing = best_of(2, footprints).wall_s
    singly = ECOLOGITS_CALL_S * options.runs
    rows = [("", "s", "runs/s", "x reading", "x faster than calls")]
    for name, spent in (
        ("read the runs from Parquet", reading),
        ("normalize", filling),
        ("run_impacts", computing),
        ("normalize and run_impacts", filling + computing),
        ("EcoLogits, a call per run (published)", singly),
    ):
        rows.append(
            (
                name,
                f"{spent:.2f}",
                f"{options.runs / spent:,.0f}",
                f"{spent / reading:.1f}",
                f"{singly / spent:.1f}",
            )
        )
    table(f"{options.runs:,} runs, {len(provenance):,} fields", rows)
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(filled)
        profile.runcall(footprints)
        pstats.Stats(profile).sort_stats("cumulative").print_stats("ft_emissions_pipeline", 40)
        pstats.Stats(profile).sort_stats("tottime").print_stats(20)


if __name__ == "__main__":
    main()
