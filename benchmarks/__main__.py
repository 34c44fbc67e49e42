"""Every benchmark, one after the other, each in a process of its own.

    python -m benchmarks              sizes that tell something; an hour on two cores
    python -m benchmarks --quick      small ones, to see that all results are still right
    python -m benchmarks --page FILE  write what was printed into a page, with date and machine

Each one holds its results against a baseline's before it shows a time. A wrong result ends this
with 1; a slow one never does.
"""

import argparse
import datetime as dt
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

WORK: dict[str, tuple[str, str | None]] = {
    "arithmetic": ("--runs 10000000", "--runs 200000"),
    "sizes": ("--largest 10000000 --picture", "--largest 10000"),
    "fleet": ("--runs 100000", "--runs 2000"),
    "token_time": ("--runs 1000000", "--runs 2000 --own 500"),
    "names": ("--rows 1000000", "--rows 3000"),
    "readers": ("--rows 1000000 --states 2000", "--rows 5000 --states 50"),
    "telemetry": ("--samples 10000000", "--samples 700000"),
    "landing_index": ("--files 5000", "--files 200"),
    "small_files": ("--files 1500", "--files 60"),
    "store": ("", "--models 20"),
    "ledger": ("--models 2000", "--models 20 --days 60"),
    "rollup": ("--models 2000", "--models 20 --days 60"),
    "restatement": ("--models 200 --days 1095", "--models 4 --days 40 --places 4"),
    "dask_cluster": ("--runs 10000000", "--runs 3000 --piece 1000"),
    "fleet_day": ("--runs 100000", "--runs 300"),
    "pipeline_day": ("--days 30", None),
}
"""By benchmark, what it is asked for the page, and in the quick form unless that has no sense."""

PAGE = """# What it costs

Every table is printed by `make bench`, on {date}, on a machine with {cpus} cores ({machine}),
Python {python}, pandas {pandas}, NumPy {numpy}. Machines differ and are shared: read the ratios to
the baseline of the same table and the CPU seconds, not the seconds on the clock. Over each table
stands how many additions plain Python made in a CPU second then: CPU seconds of two days are to be
compared times that. Each benchmark holds its results against the baseline's before it shows a time.

The thousand nights of [running for years](running_for_years.md) take hours and are measured apart,
by `python -m benchmarks.growth`.

## How it grows

![CPU seconds over runs, both on logarithmic axes](pictures/sizes.svg)

Ten times the runs cost ten times the CPU seconds, and no more memory: blocks go from file to file.
What a piece of runs costs by itself, mostly rules that are asked once per kind of run, weighs on
small batches. The figures are in the table of `sizes` below; its memory is at least that of the
process which started the others.

## What bounds it

- One disclosure of a new kind costs what a few hundred kinds of runs do, since each rule is asked
  once either way. A kind that comes again is known: what rests on the kind alone is not asked
  again, and the rest is pandas on one row. A faster one would ask the rules in an engine of its
  own; then two would have to agree.
- Of a fleet's runs, half is intervals: each of some twenty inputs moves up and down, what rests on
  it is worked out again, and the logarithm of each result is taken. What is left is mostly reading
  what was logged into columns, and writing them.
- A fleet's day is no longer its provenance, which is stored by kind of run. The page takes a
  quarter, as it explains 250 runs and studies all; reading, joining and naming the runs another;
  and each table of 100,000 rows is checked, sorted, stored and read again by the steps behind it,
  some seventy times in all. On the empty day after it what rests on runs alone is kept; yet each of
  2,000 models has a row of a further day in the ledger, in sums, and on the page.
- A day through the DAG pays for Dagster's own events, steps and checks; `pipeline_day` shows the
  same DAG with empty assets beside it. A table without days, `model_versions` above all, is
  one file: a further day computes only the versions that it moves, and writes them all.
- A further day of the ledger is some two hundred steps of pandas and Arrow over the 2,000 versions
  that move, of which none stands out; plain pandas merges and divides all 730,000 in half of that.
- A roll-up reads a row of spreads for each run and input. Where no two runs have equal ones, as in
  the benchmark, no sums can be kept for them.
- A restatement reads a file a day of several tables, and writes those that move; plain pandas holds
  all in memory, and neither checks nor stores. A file a month would be read in less time, but each
  night would write that month anew.
- Samples are paired, checked for gaps, clocks and duplicates, and given to runs; the baseline of
  `telemetry` only scans and sums.
- A frame of one row costs pandas nearly what one of a thousand rows does. So small files are read
  by hundreds: CodeCarbon files of one header as one sheet, and what any reader found of runs is
  checked together. What is left per file is to open and hash it, to find its reader, and to cut its
  rows out; of a document of JSON or YAML, its reader and a frame as well.

## Why the arithmetic stays in NumPy

In blocks that the processor's cache holds, the library's own equations take fewer CPU seconds from
file to file than DuckDB, and more than polars, as the table of `arithmetic` shows; most of them go
to reading and writing. And the arithmetic is a small part of what a run costs, as the table of
`fleet` shows; rules, intervals and provenance are the rest, and they ask for the equations as
Python functions that a reader can follow, with the parts that `explain` shows. So the equations
stay in one place, for numbers and for arrays, and no second engine has to agree.
"""


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: are results right?")
    parser.add_argument("--page", type=Path, help="Markdown page to write")
    parser.add_argument("names", nargs="*", help=f"only these of {', '.join(WORK)}")
    given = parser.parse_args()
    unknown = set(given.names) - set(WORK)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    wrong, page = [], [PAGE.format(**_where())]
    for name in given.names or WORK:
        asked = WORK[name][given.quick]
        if asked is None:
            continue
        arguments = asked.split()
        print(f"\n== {name} {' '.join(arguments)}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *arguments],
            check=False, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        print(done.stdout, flush=True)
        wrong += [name] if done.returncode else []
        command = " ".join(["python -m", f"benchmarks.{name}", *arguments])
        page.append(f"## {name}\n\n```console\n$ {command}\n{done.stdout.strip()}\n```\n")
    if wrong:
        msg = f"wrong or broken: {', '.join(wrong)}; see above"
        raise SystemExit(msg)
    if given.page:
        given.page.write_text("\n".join(page), encoding="utf-8")


def _where() -> dict[str, object]:
    return {
        "date": dt.date.today().isoformat(),  # noqa: DTZ011 - the reader's calendar
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "pandas": version("pandas"),
        "numpy": version("numpy"),
    }


if __name__ == "__main__":
    main()
