"""The arithmetic of footprints alone, Parquet to Parquet, beside DuckDB and polars.

Each engine reads the inputs of the same runs, already filled and with their factors as columns, and
writes carbon and water of each. DuckDB and polars come with the extra `bench`; without them only
plain pandas stands beside. All must agree before any time is shown.
"""

import argparse
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.timing import alone, hold_equal, table
from ft_emissions_pipeline import methodology
from ft_emissions_pipeline.impacts import footprint
from ft_emissions_pipeline.impacts.inputs import INPUTS

MADE = ["total_kgco2e", "total_water_l"]
BLOCK = 1 << 17
"""Runs at a time: their columns stay within the processor's cache."""

IDLE_W = (
    "(server_count * (host_idle_w + memory_w) + cpu_count * cpu_idle_w + gpu_count * gpu_idle_w)"
)
IT_KWH = f"""(
    {IDLE_W} * greatest(reserved_s, active_s)
    + (cpu_count * (cpu_max_w - cpu_idle_w) * cpu_utilization
       + gpu_count * (gpu_max_w - gpu_idle_w + gpu_fan_w) * gpu_utilization) * active_s
) / 3600000 / supply_efficiency * development_multiplier"""
MADE_PER_USE = "reserved_s / 3600 * development_multiplier / (hardware_use_life_h * share_reserved)"
SQL = f"""
with energy as (select *, {IT_KWH} as kwh, {MADE_PER_USE} as share from runs)
select kwh * pue * grid_kgco2e_per_kwh
         + share * (gpu_count * gpu_embodied_kgco2e + server_count * server_embodied_kgco2e)
         as total_kgco2e,
       kwh * (wue_l_per_kwh + pue * electricity_water_l_per_kwh)
         + share * (gpu_count * gpu_embodied_water_l + server_count * server_embodied_water_l)
         as total_water_l
from energy
"""
"""The same equations as one query; both DuckDB and polars read it."""

RANGES = {
    "gpu_count": (1, 64), "server_count": (1, 8), "cpu_count": (1, 16), "gpu_max_w": (70, 1200),
    "gpu_idle_w": (5, 100), "gpu_utilization": (0.1, 1), "cpu_max_w": (100, 500),
    "cpu_idle_w": (10, 100), "cpu_utilization": (0.01, 1), "host_idle_w": (50, 900),
    "gpu_fan_w": (0, 150), "memory_w": (10, 300),
    "supply_efficiency": (0.8, 0.96), "active_s": (60, 1e5),
    "reserved_s": (60, 2e5), "it_energy_kwh": (0, 0),
    "pue": (1, 2), "wue_l_per_kwh": (0, 2), "grid_kgco2e_per_kwh": (0.01, 1),
    "electricity_water_l_per_kwh": (0.1, 10), "gpu_embodied_kgco2e": (50, 300),
    "server_embodied_kgco2e": (500, 4000), "gpu_embodied_water_l": (100, 900),
    "server_embodied_water_l": (1000, 9000), "hardware_use_life_h": (2e4, 6e4),
    "share_reserved": (0.5, 1), "development_multiplier": (1, 2),
}  # fmt: skip


def write(path: Path, count: int) -> None:
    """Write runs with random inputs, block by block."""
    random = np.random.default_rng(1)
    with pq.ParquetWriter(path, pa.schema([(name, pa.float64()) for name in INPUTS])) as file:
        for first in range(0, count, BLOCK):
            rows = min(BLOCK, count - first)
            file.write_table(
                pa.table({name: random.uniform(*RANGES[name], rows) for name in INPUTS})
            )


def ours(source: Path, target: Path) -> None:
    """Compute the footprints of the library, block by block."""
    profile, schema = methodology.profile("default"), pa.schema([(m, pa.float64()) for m in MADE])
    # As the warehouse stores numbers: they seldom repeat, so no dictionary of them is sought.
    with pq.ParquetWriter(target, schema, use_dictionary=False) as file:
        for batch in pq.ParquetFile(source, pre_buffer=False).iter_batches(BLOCK):
            values = {name: batch[name].to_numpy() for name in INPUTS}
            parts = footprint.footprint(values, profile, flat_gpu_power_w=0.0, modelled=True)
            file.write_table(pa.table({name: parts[name] for name in MADE}))


def pandas(source: Path, target: Path) -> None:
    """Compute them as one frame, with every column in memory."""
    runs = pd.read_parquet(source)
    profile = methodology.profile("default")
    parts = footprint.footprint(runs, profile, flat_gpu_power_w=0.0, modelled=True)
    pd.DataFrame({name: parts[name] for name in MADE}).to_parquet(target)


def duckdb(source: Path, target: Path) -> None:
    """Compute them in DuckDB."""
    import duckdb

    with duckdb.connect() as connection:
        connection.sql(f"create view runs as from '{source}'")
        connection.sql(f"copy ({SQL}) to '{target}' (format parquet)")


def polars(source: Path, target: Path) -> None:
    """Compute them in polars, as a stream."""
    import polars as pl

    context = pl.SQLContext(runs=pl.scan_parquet(source))
    context.execute(SQL).sink_parquet(target)


def engines() -> dict[str, Callable[[Path, Path], None]]:
    """Return what is installed."""
    peers = {"DuckDB": duckdb, "polars": polars}
    found = {name: call for name, call in peers.items() if importlib.util.find_spec(name.lower())}
    return {"ours, in blocks": ours, "ours, one frame": pandas, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000_000)
    given = parser.parse_args()
    rows = [("", "wall s", "CPU s", "runs/CPU s", "MB at most")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "runs.parquet", given.runs)
        expected = None
        for engine, call in engines().items():
            _, spent, peak = alone(2, call, folder / "runs.parquet", folder / "made.parquet")
            made = pd.read_parquet(folder / "made.parquet", columns=MADE)
            expected = made if expected is None else expected
            hold_equal(engine, made, expected, 1e-12)
            rate = f"{given.runs / spent.cpu_s:,.0f}"
            times = (f"{spent.wall_s:.2f}", f"{spent.cpu_s:.2f}")
            rows.append((engine, *times, rate, f"{peak:,.0f}"))
    table(f"Carbon and water of {given.runs:,} runs, Parquet to Parquet, equal to 1e-12", rows)


if __name__ == "__main__":
    main()
