"""`ft-emissions rollup`: sums of the per-inference table.

Put here: the command and its table. Keep out: the sums (`ledger/rollups.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ft_emissions_pipeline.cli import output
from ft_emissions_pipeline.cli.options import By, Form, Warehouse, need_warehouse

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def rollup(
    by: By = "model,month",
    warehouse: Warehouse = "warehouse",
    form: Form = output.Format.table,
) -> None:
    """Sum the per-inference table up, with intervals that know which factors runs share."""
    from ft_emissions_pipeline.ledger import stored_rollups

    need_warehouse(warehouse)
    keys = [key.strip() for key in by.split(",") if key.strip()]
    with output.refusals():
        found = stored_rollups.of_warehouse(warehouse, keys)
    output.show(found, form, _parts(found))
    if found.empty:
        output.refuse(f"{warehouse} has no day with inferences; run `ft-emissions run` first")


def _parts(found: pd.DataFrame) -> Iterator[Table]:
    keys = [name for name in ("model_name", "team", "tag", "date") if name in found]
    words = {"model_name": "model", "date": "from"}
    titles = [words.get(key, key) for key in keys]
    figures = ("inferences", "kgCO2e", "water L", "gCO2e/inference", "mL water/inference")
    yield output.table(
        "Sums of the days (5th to 95th percentile)",
        (*titles, *figures),
        ((*_group(row, keys), *_figures(row)) for row in found.to_dict("records")),
        left=titles,
    )


def _group(row: dict[str, Any], keys: list[str]) -> Iterator[str]:
    for key in keys:
        name = row[key]
        if key == "date":
            yield f"{name:%Y-%m-%d}"
        else:
            yield name if isinstance(name, str) else "(none named)"


def _figures(row: dict[str, Any]) -> Iterator[str]:
    yield f"{row['inferences']:,.0f}"
    for name in (
        "allocated_kgco2e",
        "allocated_water_l",
        "gco2e_per_inference",
        "water_ml_per_inference",
    ):
        yield output.with_interval(row[name], row[f"{name}_p05"], row[f"{name}_p95"])
