"""Read samples of GPUs to energy, mean power and utilisation per run; compare with only scanning.

A sample a second of 64 GPUs on one host, whose runs follow each other; kept as Parquet, and as CSV
up to `--csv` samples. The floor of Parquet is a scan of the same columns. DuckDB reads the CSV and
groups it by GPU and run: it knows neither gaps nor duplicates, sorts nothing, and has means where
energy is asked for. Without DuckDB (`pip install duckdb`) its row is left out. Targets: ten times
the scan, three times DuckDB, 0.5 GB.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from benchmarks.timing import alone, hold_equal, table
from ft_emissions_pipeline import readers
from ft_emissions_pipeline.landing.days import measured_runs
from ft_emissions_pipeline.readers.reading import reading_of_runs
from ft_emissions_pipeline.readers.shared.samples import host_in
from ft_emissions_pipeline.reference import load

NOW = readers.Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
GPUS, RUNS_THERE = 64, 8
_BEGIN = 1_772_323_200
"""2026-03-01T00:00:00Z."""
_BLOCK = 1 << 20
SCAN, DUCKDB = "Parquet scanned", "CSV by DuckDB, grouped"
_NAME = "host=node1/gpu_power"


def write(folder: Path, samples: int, in_csv: bool) -> None:
    """Write samples of all GPUs, moment by moment, their power and utilisation at random."""
    random = np.random.default_rng(7)
    (folder / _NAME).parent.mkdir(exist_ok=True)
    schema = pa.schema(
        [("timestamp", pa.timestamp("us", "UTC")), ("gpu", pa.string()),
         ("power_w", pa.float64()), ("util_pct", pa.float64())]
    )  # fmt: skip
    names = pa.array([str(gpu) for gpu in range(GPUS)])
    csv = (folder / f"{_NAME}.csv").open("wb") if in_csv else None
    with pq.ParquetWriter(folder / f"{_NAME}.parquet", schema) as parquet:
        for begin in range(0, samples, _BLOCK):
            n = np.arange(begin, min(begin + _BLOCK, samples))
            cells = (
                pa.array((_BEGIN + n // GPUS) * 1_000_000, schema.field(0).type),
                names.take(pa.array(n % GPUS)),
                pa.array(np.round(300 + 100 * random.random(len(n)), 2)),
                pa.array(np.round(100 * random.random(len(n)))),
            )
            block = pa.table(list(cells), schema=schema)
            parquet.write_table(block)
            if csv is not None:
                arrow_csv.write_csv(block, csv, arrow_csv.WriteOptions(include_header=begin == 0))
    if csv is not None:
        csv.close()


def edges(samples: int) -> np.ndarray:
    """Return the seconds at which the runs begin, and the last ends.

    These are full minutes, as intervals are. Else a run would have its share of the minute in which
    it begins, and not just its seconds.
    """
    whole = np.linspace(0, (samples - 1) // GPUS, RUNS_THERE + 1).astype("int64")
    return _BEGIN + whole // 60 * 60


def per_run(folder: Path, kind: str, samples: int) -> pd.DataFrame:
    """Return energy, mean power and utilisation of each run, by way of the library."""
    at = pd.to_datetime(edges(samples), unit="s", utc=True).as_unit("us")
    runs = pd.DataFrame(
        {
            "run_id": [f"run-{n}" for n in range(RUNS_THERE)],
            "host": host_in(_NAME), "started_at": at[:-1], "ended_at": at[1:],
            "reserved_s": (at[1:] - at[:-1]).total_seconds(), "gpu_count": float(GPUS),
            "source_record": [str(n) for n in range(RUNS_THERE)],
        }
    )  # fmt: skip
    logged = reading_of_runs(runs.to_dict("records"), [])
    uri = f"{_NAME}.{kind}"
    said, _, source_format = readers.read_file(folder / uri, uri, NOW)
    found, _, _ = measured_runs(
        [("sacct.txt", "slurm", logged), (uri, source_format, said)], load()
    )
    energy = found["gpu_energy_kwh"]
    return pd.DataFrame(
        {"kwh": energy, "watts": energy * 3.6e6 / found["reserved_s"],
         "share": found["gpu_utilization"]}
    )  # fmt: skip


def integrated(folder: Path, samples: int) -> pd.DataFrame:
    """Return the same by the trapezoid alone, moment by moment of all GPUs."""
    length, edge = np.diff(edges(samples)), edges(samples) - _BEGIN
    sums, last = np.zeros((2, RUNS_THERE)), None
    with pq.ParquetFile(folder / f"{_NAME}.parquet") as file:
        second = 0
        for batch in file.iter_batches(GPUS << 14, columns=["power_w", "util_pct"]):
            whole = len(batch) // GPUS * GPUS
            both = np.array([column.to_numpy()[:whole] for column in batch.columns])
            moments = both.reshape(2, -1, GPUS).sum(axis=2)
            if last is not None:
                moments = np.concatenate([last, moments], axis=1)
            between = (moments[:, 1:] + moments[:, :-1]) / 2
            run = np.searchsorted(edge, second + np.arange(between.shape[1]), side="right") - 1
            inside = run < RUNS_THERE
            for n in range(2):
                sums[n] += np.bincount(run[inside], between[n][inside], RUNS_THERE)
            second, last = second + between.shape[1], moments[:, -1:]
    return pd.DataFrame(
        {"kwh": sums[0] / 3.6e6, "watts": sums[0] / length,
         "share": sums[1] / 100 / (length * GPUS)}
    )  # fmt: skip


def scan(folder: Path) -> int:
    """Read the columns and do nothing."""
    with pq.ParquetFile(folder / f"{_NAME}.parquet") as file:
        return sum(len(batch) for batch in file.iter_batches(_BLOCK))


def duckdb_means(folder: Path, samples: int) -> np.ndarray:
    """Return the mean power of each run and GPU by DuckDB, out of the CSV file."""
    import duckdb

    run = " + ".join(f"(epoch(timestamp) >= {edge})::int" for edge in edges(samples)[1:-1])
    rows = duckdb.sql(
        f"select {run} as run, gpu, avg(power_w), avg(util_pct), min(timestamp), max(timestamp) "
        f"from read_csv('{folder / _NAME}.csv') group by all"
    ).fetchall()
    return pd.DataFrame(rows).groupby(0)[2].sum().to_numpy()


def main() -> None:
    """Time what the file can be read by, once all agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--csv", type=int, default=10_000_000, help="most samples that CSV holds")
    given = parser.parse_args()
    samples = given.samples // GPUS * GPUS
    in_csv = samples <= given.csv
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, samples, in_csv)
        timed = {
            SCAN: alone(1, scan, folder),
            "Parquet to runs": alone(1, per_run, folder, "parquet", samples),
        }
        if in_csv and importlib.util.find_spec("duckdb"):
            timed[DUCKDB] = alone(1, duckdb_means, folder, samples)
        if in_csv:
            timed["CSV to runs"] = alone(1, per_run, folder, "csv", samples)
        expected, _, _ = alone(1, integrated, folder, samples)
    hold_equal("scan", timed[SCAN][0], samples)
    for what in timed.keys() - {SCAN, DUCKDB}:
        hold_equal(what, timed[what][0], expected)
    if DUCKDB in timed:
        # Means of samples are no integrals: their ends weigh as much as the others.
        hold_equal(DUCKDB, timed[DUCKDB][0], expected["watts"], GPUS / samples * 100)
    lines = [("", "s", "CPU s", "M samples/CPU s", "GB at most", "x baseline")]
    base = timed[SCAN][1].cpu_s
    for what, (_, took, peak) in timed.items():
        base = took.cpu_s if what in (SCAN, DUCKDB) else base
        rate = samples / took.cpu_s / 1e6
        lines.append(
            (what, f"{took.wall_s:.2f}", f"{took.cpu_s:.2f}", f"{rate:.1f}", f"{peak / 1e3:.2f}",
             f"{took.cpu_s / base:.1f}")
        )  # fmt: skip
    table(f"{samples:,} samples of {GPUS} GPUs to {RUNS_THERE} runs", lines)


if __name__ == "__main__":
    main()
