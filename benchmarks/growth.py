"""A thousand nights: what one more day costs as the warehouse grows, in time, files and bytes.

A small fleet is tuned every night and counted every day; each night lands two files, and the
pipeline runs as `ft-emissions run` does, into one warehouse and, with `--home`, into one of
Dagster's.
"""

import argparse
import logging
import tempfile
import time
from pathlib import Path

import pandas as pd

from assets.in_process import materialize
from benchmarks.timing import table

MODELS = 3
EARLY = 10
"""Night against which the last one is held; before it, imports and first tables cost."""

GOAL = 1.5
AROUND = 3
"""Nights before and after the one that is told, whose median it is."""


def land(landing: Path, day: pd.Timestamp) -> None:
    """Write the logs of a night, and the counts of the day before."""
    for number in range(MODELS):
        name = f"model-{number}"
        folder = landing / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"run-{day:%Y-%m-%d}.yaml").write_text(
            f"Run id: {name}-{day:%Y%m%d}\nModel: {name}\nGPU: A100 x 4\nCountry: France\n"
            f"Base model: Llama 2 7B\nStart time: {day:%Y-%m-%d}T01:00Z\n"
            f"End time: {day:%Y-%m-%d}T03:{number:02d}Z\n"
        )
    rows = [f"{day:%Y-%m-%d},model-{number},{1000 + number}" for number in range(MODELS)]
    (landing / f"usage-{day:%Y-%m-%d}.csv").write_text(
        "\n".join(["date,model_name,inferences", *rows, ""])
    )


def size(folder: Path) -> tuple[int, int]:
    """Return files and bytes below a folder."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def nights(count: int, folder: Path, home: Path | None, every: int, landed: int) -> pd.DataFrame:
    """Run some nights, one after the other; return seconds of each and, of some, what lies on disk.

    The first run makes all days that landed before it.
    """
    landing, warehouse = folder / "landing", folder / "warehouse"
    last = pd.Timestamp.now("UTC").tz_localize(None).floor("D") - pd.Timedelta(days=1)
    rows = []
    days = pd.date_range(end=last, periods=landed + count)
    for day in days[:landed]:
        land(landing, day)
    for number, day in enumerate(days[landed:], start=1):
        land(landing, day)
        began, cpu = time.perf_counter(), time.process_time()
        done = materialize(landing, warehouse, home=home)
        assert not done.failures, done.failures
        row = {"night": number, "wall_s": time.perf_counter() - began}
        row["cpu_s"] = time.process_time() - cpu
        if number in (EARLY, count) or number % every == 0:
            row["files"], row["bytes"] = size(warehouse)
            row["home_bytes"] = size(home)[1] if home else 0
            print(row, flush=True)
        rows.append(row)
    return pd.DataFrame(rows).set_index("night")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=1000)
    parser.add_argument(
        "--every", type=int, default=50, help="nights between two looks at the disk"
    )
    parser.add_argument(
        "--landed", type=int, default=0, help="days that the first run makes at once"
    )
    parser.add_argument("--home", action="store_true", help="keep Dagster's own history, too")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home" if given.home else None
        if home is not None:
            home.mkdir()
            source = Path(__file__).resolve().parent.parent / "assets/dagster.yaml"
            (home / "dagster.yaml").write_bytes(source.read_bytes())
        found = nights(given.nights, Path(folder), home, given.every, given.landed)
    told = sorted(found["files"].dropna().index)
    around = found[["wall_s", "cpu_s"]].rolling(2 * AROUND + 1, center=True, min_periods=1).median()
    first = around.loc[told[0]]
    rows = [("night", "wall s", "x", "CPU s", "x", "files", "MB", "Dagster MB")]
    for number in told:
        at, disk = around.loc[number], found.loc[number]
        rows.append(
            (
                str(number), f"{at['wall_s']:.2f}", f"{at['wall_s'] / first['wall_s']:.2f}",
                f"{at['cpu_s']:.2f}", f"{at['cpu_s'] / first['cpu_s']:.2f}",
                f"{disk['files']:.0f}", f"{disk['bytes'] / 1e6:.1f}",
                f"{disk['home_bytes'] / 1e6:.1f}",
            )
        )  # fmt: skip
    table(f"{given.nights} nights, goal: the last at most {GOAL:g} x night {EARLY}", rows)


if __name__ == "__main__":
    main()
