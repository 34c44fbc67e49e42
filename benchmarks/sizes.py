"""The same work at ten times the size, and again: does a run cost the same, and memory stay flat?

Runs whose fields are filled go from Parquet to Parquet as `arithmetic` has it, beside DuckDB and
polars; accepted runs go from Parquet through rules, intervals and provenance to impacts, in pieces,
beside plain pandas, which knows the factors. Each size and engine has a process of its own.
"""

import argparse
import tempfile
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import arithmetic, fleet
from benchmarks.timing import alone, hold_equal, table
from ft_emissions_pipeline import methodology, reference, stages
from ft_emissions_pipeline.tables import RUN_IMPACTS, VALIDATED_RUNS, from_arrow, to_arrow

PICTURE = Path(__file__).resolve().parent.parent / "docs/pictures/sizes.svg"
MADE = fleet.MADE
PLAIN = [*fleet.KIND, "active_s", "reserved_s", "gpu_utilization", "cpu_utilization"]
PIECE = 1 << 17
"""Runs at a time: enough for what a piece costs by itself not to count."""

WITHIN = 1.2
"""Goal: what a run costs at a size, relative to the size before."""


def write(path: Path, count: int) -> None:
    """Write accepted runs with ids and durations of their own, piece by piece."""
    piece = fleet.fleet(min(PIECE, count))
    with pq.ParquetWriter(path, to_arrow(piece, VALIDATED_RUNS).schema) as file:
        for start in range(0, count, PIECE):
            runs = piece.head(count - start)
            longer = runs["reserved_s"] * (1 + start / count)
            runs = runs.assign(run_id=f"{start}-" + runs["run_id"], reserved_s=longer)
            file.write_table(to_arrow(runs, VALIDATED_RUNS))


def ours(source: Path, target: Path) -> None:
    """Compute runs with provenance per kind and intervals, a piece at a time."""
    choices = stages.Choices(reference.load(), methodology.profile("default"))
    writer = None
    for batch in pq.ParquetFile(source, pre_buffer=False).iter_batches(PIECE):
        runs = from_arrow(pa.Table.from_batches([batch]), VALIDATED_RUNS)
        made = to_arrow(stages.footprints(runs, choices).impacts, RUN_IMPACTS)
        writer = writer or pq.ParquetWriter(target, made.schema)
        writer.write_table(made)
    if writer:
        writer.close()


def plain(source: Path, target: Path) -> None:
    """Compute the totals alone, by merge with factors that are known, a piece at a time."""
    choices = stages.Choices(reference.load(), methodology.profile("default"))
    first = next(pq.ParquetFile(source).iter_batches(PIECE))
    kinds = from_arrow(pa.Table.from_batches([first]), VALIDATED_RUNS).drop_duplicates(fleet.KIND)
    factors = stages.footprints(kinds, choices).normalized[[*fleet.KIND, *fleet.FACTORS]]
    schema = pa.schema([(name, pa.float64()) for name in MADE])
    with pq.ParquetWriter(target, schema) as file:
        for batch in pq.ParquetFile(source).iter_batches(PIECE, columns=PLAIN):
            made = fleet.plain(batch.to_pandas(), factors)
            file.write_table(pa.Table.from_pandas(made, schema, preserve_index=False))


def measured(sizes: list[int]) -> pd.DataFrame:
    """Return CPU seconds and peak memory of each engine at each size; results are held equal."""
    work = {
        "arithmetic": (arithmetic.write, arithmetic.engines(), arithmetic.MADE),
        "runs to impacts": (write, {"ours, in pieces": ours, "plain pandas": plain}, MADE),
    }
    rows = []
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "runs.parquet", Path(name) / "made.parquet"
        for kind, (written, engines, columns) in work.items():
            for size in sizes:
                written(source, size)
                expected = None
                for engine, call in engines.items():
                    _, spent, peak = alone(1, call, source, target)
                    made = pd.read_parquet(target, columns=columns)[columns].sum()
                    expected = made if expected is None else expected
                    hold_equal(f"{kind}, {engine}, {size:,} runs", made, expected)
                    rows.append((kind, engine, size, spent.cpu_s, peak))
    return pd.DataFrame(rows, columns=["work", "engine", "runs", "cpu_s", "peak_mb"])


def drawn(found: pd.DataFrame) -> alt.Chart:
    """Return CPU seconds over runs, both on logarithmic axes: linear growth is a straight line."""
    log, seconds = alt.Scale(type="log"), [10.0**power for power in range(-2, 4)]
    return (
        alt.Chart(found)
        .mark_line(point=True)
        .encode(
            alt.X("runs:Q", scale=log, axis=alt.Axis(format="~s", values=sorted({*found["runs"]}))),
            alt.Y("cpu_s:Q", title="CPU seconds", scale=log, axis=alt.Axis(values=seconds)),
            alt.Color("engine:N", title=None),
            alt.Column("work:N", title=None),
        )
        .properties(width=280, height=240)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=10_000_000)
    parser.add_argument("--picture", action="store_true", help=f"draw {PICTURE.name} of the docs")
    given = parser.parse_args()
    steps = range(4, 1 + int(np.log10(given.largest)))
    found = measured([10**step for step in steps])
    found["us_a_run"] = found["cpu_s"] / found["runs"] * 1e6
    before = found.groupby(["work", "engine"])["us_a_run"].shift()
    rows = [("", "runs", "CPU s", "us a run", "x the size before", "MB at most")]
    for (kind, engine, size, cpu_s, peak_mb, us_a_run), ratio in zip(
        found.itertuples(index=False), found["us_a_run"] / before, strict=True
    ):
        times = "" if np.isnan(ratio) else f"{ratio:.2f}"
        rows.append(
            (
                f"{kind}: {engine}", f"{size:,}", f"{cpu_s:.2f}", f"{us_a_run:.2f}", times,
                f"{peak_mb:,.0f}",
            )
        )  # fmt: skip
    table(f"Growth, file to file, equal to 1e-9; goal: {WITHIN:g} x the size before", rows)
    if given.picture:
        drawn(found).save(str(PICTURE))


if __name__ == "__main__":
    main()
