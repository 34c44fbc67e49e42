"""`ft-emissions compare`: what moved between two reports, and why.

Put here: the command and its tables. Keep out: the comparison (`restatement/between.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ft_emissions_pipeline.cli import options, output

if TYPE_CHECKING:
    from rich.table import Table

    from ft_emissions_pipeline.restatement.between import Compared


def compare(
    at: options.TwoInstants,
    warehouse: options.Warehouse = "warehouse",
    date: options.Date = None,
    first: options.First = None,
    last: options.Last = None,
    form: options.Form = output.Format.table,
) -> None:
    """Print what moved in the per-inference table between two instants: by cause, model, month."""
    import pandas as pd

    from ft_emissions_pipeline.restatement import between

    if len(at) != 2:
        output.wrong_usage("give --at twice: the reports to compare, as --at 2026-01-31 --at ...")
    options.need_warehouse(warehouse)
    days = options.range_of_days(date, first, last)
    with output.refusals():
        earlier, later = (pd.Timestamp(each) for each in at)
        found = between.compare(warehouse, earlier, later, days)
    if form is output.Format.json:
        output.show_as_json({"stood": found.stood, "moved": found.moved})
        return
    output.show(found.moved, form, _parts(found))


def _parts(found: Compared) -> Iterator[Table | str]:
    for words, side in (("Earlier", found.earlier), ("Later", found.later)):
        yield (
            f"{words}: version {side.table_version} of inference_impacts, "
            f"committed {side.committed_at:%Y-%m-%d %H:%M:%S} UTC"
        )
    stood = [f"{name}_{side}" for name in _AMOUNTS for side in ("earlier", "later")]
    yield output.table(
        "What stood",
        ("model", "month", *(f"{unit} {side}" for unit in _AMOUNTS.values()
                             for side in ("then", "later"))),
        (
            (row["model_name"], f"{row['month']:%Y-%m}", *(output.figure(row[n]) for n in stood))
            for row in found.stood.to_dict("records")
        ),
        left=("model", "month"),
    )  # fmt: skip
    if found.moved.empty:
        yield "Nothing moved."
        return
    yield output.table(
        "What moved",
        ("model", "month", "cause", "days", *_AMOUNTS.values(), "what changed"),
        (
            (
                row["model_name"], f"{row['month']:%Y-%m}", row["cause"], str(row["rows"]),
                *(_signed(row[name]) for name in _AMOUNTS), row["cause_detail"],
            )
            for row in found.moved.to_dict("records")
        ),
        left=("model", "month", "cause", "what changed"),
    )  # fmt: skip


_AMOUNTS = {"allocated_kgco2e": "kgCO2e", "allocated_water_l": "water L"}
"""Amounts that a reader sees; JSON and CSV hold market-based carbon, too."""


def _signed(moved: float) -> str:
    return f"{'+' if moved > 0 else ''}{output.figure(moved)}"
