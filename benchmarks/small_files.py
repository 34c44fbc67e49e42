"""Read a folder for each run: one CodeCarbon file with a row or two; and trainers' states.

A folder is indexed, then its runs are read, as the first run over a landing folder does. The
baseline is pandas that reads the same files one by one and puts them together; for states it is
`json.loads` of each. Neither knows units, repairs, or what is wrong.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.fleet_day import write_day
from benchmarks.readers import write_states
from benchmarks.timing import Timed, best_of, hold_equal, table
from ft_emissions_pipeline.landing import index
from ft_emissions_pipeline.landing.days import runs_of
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.reference import Reference, load
from ft_emissions_pipeline.tables import LANDING_INDEX, empty

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
DAY = pd.Timestamp("2026-03-02")
DAYS = pd.Timestamp("2000-01-01"), pd.Timestamp("2026-12-31")


def write_logs(folder: Path, files: int) -> None:
    """Write an emissions.csv for each run, in a folder of its own; some hold an earlier flush."""
    folder.mkdir()
    together = folder / "all.csv"
    write_day(together, files, DAY)
    header, *rows = together.read_text(encoding="utf-8").splitlines(keepends=True)
    together.unlink()
    for n, row in enumerate(rows):
        home = folder / f"run-{n:05d}"
        home.mkdir()
        flushes = [row.replace(",36", ",18", 1)] if n % 3 == 0 else []
        (home / "emissions.csv").write_text("".join([header, *flushes, row]), encoding="utf-8")


def parsed_logs(folder: Path) -> float:
    """Return the energy of all runs, each from its longest row."""
    rows = pd.concat([pd.read_csv(path) for path in sorted(folder.rglob("*.csv"))])
    longest = rows.sort_values("duration").drop_duplicates("run_id", keep="last")
    return float(longest["energy_consumed"].sum())


def parsed_states(folder: Path) -> float:
    """Return the time of all trainings."""
    states = [json.loads(path.read_bytes()) for path in sorted(folder.rglob("*.json"))]
    return float(sum(state["log_history"][-1]["train_runtime"] for state in states))


def main() -> None:
    """Print what each kind of folder takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1500)
    files = parser.parse_args().files
    reference = load()
    lines = [("", "s", "CPU s", "ms a file", "x parsing")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_logs(folder / "logs", files)
        (folder / "states").mkdir()
        write_states(folder / "states", files)
        lines += _lines(
            "CodeCarbon", folder / "logs", files, reference, parsed_logs, "it_energy_kwh"
        )
        lines += _lines("states", folder / "states", files, reference, parsed_states, "active_s")
    table(f"{files:,} runs, a small file each", lines)


def _lines(
    what: str,
    folder: Path,
    files: int,
    reference: Reference,
    parse: Callable[[Path], float],
    column: str,
) -> list[tuple[str, ...]]:
    """Return the rows of the table on one kind of file, whose total is held against the floor's."""
    totals: list[float] = []
    floor = best_of(2, lambda: totals.append(parse(folder)))
    known = index.scan(folder, reference, NOW, empty(LANDING_INDEX))
    runs = runs_of(folder, known, *DAYS, reference, NOW)
    hold_equal(what, runs[column].sum(), totals[0])
    first = best_of(2, lambda: index.scan(folder, reference, NOW, empty(LANDING_INDEX)))
    read = best_of(2, lambda: runs_of(folder, known, *DAYS, reference, NOW))
    again = best_of(3, lambda: index.scan(folder, reference, NOW, known))
    both = Timed(first.wall_s + read.wall_s, first.cpu_s + read.cpu_s)
    return [
        (f"{what}, {case}", f"{took.wall_s:.2f}", f"{took.cpu_s:.2f}",
         f"{1e3 * took.cpu_s / files:.2f}", f"{took.cpu_s / floor.cpu_s:.1f}")
        for case, took in (
            ("only parsed", floor),
            ("indexed and read the first time", both),
            ("unchanged", again),
        )
    ]  # fmt: skip


if __name__ == "__main__":
    main()
