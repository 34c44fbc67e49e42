"""One commit of a year of days, against pandas writing the same rows to one Parquet file."""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import best_of, table
from ft_emissions_pipeline.tables import USAGE, conform
from ft_emissions_pipeline.warehouse import store

DAYS = 365


def year(models: int) -> pd.DataFrame:
    """Return usage of some models over a year."""
    days = pd.date_range("2025-01-01", periods=DAYS)
    rows = DAYS * models
    frame = pd.DataFrame(
        {
            "date": np.repeat(days, models),
            "model_name": np.tile([f"model-{number}" for number in range(models)], DAYS),
            "inferences": np.arange(rows, dtype=float),
            "source_format": "usage",
            "source_uri": "usage.csv",
            "source_record": [str(number) for number in range(rows)],
        }
    )
    return conform(frame, USAGE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=300)
    frame = year(parser.parse_args().models)
    span = (frame["date"].min().date(), frame["date"].max().date())
    with tempfile.TemporaryDirectory() as folder:
        plain = best_of(3, lambda: frame.to_parquet(Path(folder) / "usage.parquet")).wall_s
        first = best_of(1, lambda: store.write(folder, USAGE, frame, span)).wall_s
        again = best_of(3, lambda: store.write(folder, USAGE, frame, span)).wall_s
        moved = frame.assign(inferences=frame["inferences"] + 1)
        replaced = best_of(1, lambda: store.write(folder, USAGE, moved, span)).wall_s
        columns = ["date", "model_name", "inferences"]
        kept = store.read(folder, USAGE)[columns].sort_values(columns, ignore_index=True)
        pd.testing.assert_frame_equal(kept, moved[columns].sort_values(columns, ignore_index=True))
        whole = best_of(3, lambda: store.read(folder, USAGE)).wall_s
        day = best_of(3, lambda: store.read(folder, USAGE, (span[1], span[1]))).wall_s
    rows = [("", "s", "x plain")]
    for name, spent in (
        ("pandas.to_parquet, one file", plain),
        (f"first commit of {DAYS} days", first),
        ("the same rows again: no commit", again),
        ("every row changed: one commit", replaced),
        ("read all days", whole),
        ("read one day", day),
    ):
        rows.append((name, f"{spent:.3f}", f"{spent / plain:.1f}"))
    table(f"{len(frame):,} rows on {DAYS} days", rows)


if __name__ == "__main__":
    main()
