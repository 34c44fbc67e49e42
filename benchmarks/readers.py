"""Reading a long CodeCarbon file, against pandas' fastest reader of the same bytes."""

import io
from pathlib import Path

import pandas as pd

from benchmarks.timing import best_of, table
from ft_emissions_pipeline.readers import Settings, codecarbon

EXAMPLE = (
    Path(__file__).resolve().parent.parent
    / "examples" / "landing" / "support-bot" / "emissions.csv"
)  # fmt: skip
ROWS = 100_000


def long_file() -> bytes:
    """Return the nights of the examples, again and again under new ids."""
    header, *nights = EXAMPLE.read_text().splitlines()
    at = header.split(",").index("run_id")
    lines = [header]
    for number in range(ROWS):
        cells = nights[number % len(nights)].split(",")
        cells[at] = f"run-{number}"
        lines.append(",".join(cells))
    return ("\n".join(lines) + "\n").encode()


def main() -> None:
    data = long_file()
    settings = Settings(timezone="UTC")
    plain = best_of(3, lambda: pd.read_csv(io.BytesIO(data), engine="pyarrow")).wall_s
    python = best_of(2, lambda: pd.read_csv(io.BytesIO(data))).wall_s
    reader = best_of(2, lambda: codecarbon.read(data, "emissions.csv", settings)).wall_s
    assert len(codecarbon.read(data, "emissions.csv", settings).runs) == ROWS
    rows = [("", "s", "rows/s", "x pyarrow")]
    for name, spent in (
        ('pandas.read_csv(engine="pyarrow")', plain),
        ("pandas.read_csv", python),
        ("readers.codecarbon, checked and typed", reader),
    ):
        rows.append((name, f"{spent:.2f}", f"{ROWS / spent:,.0f}", f"{spent / plain:.1f}"))
    table(f"{ROWS:,} rows of CodeCarbon, {len(data) / 1e6:.0f} MB", rows)


if __name__ == "__main__":
    main()
