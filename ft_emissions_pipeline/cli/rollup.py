"""`ft-emissions rollup`: sums of the per-inference table.

Put here: the command and its tables. Keep out: the sums (`ledger/rollups.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ft_emissions_pipeline.cli import options, output

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def rollup(
    by: options.By = "model,month",
    first: options.First = None,
    last: options.Last = None,
    year_begins: options.YearBegins = 1,
    warehouse: options.Warehouse = "warehouse",
    form: options.Form = output.Format.table,
) -> None:
    """Sum the per-inference table up, with intervals that know which factors runs share."""
    from ft_emissions_pipeline.ledger import stored_rollups

    options.need_warehouse(warehouse)
    keys = [key.strip() for key in by.split(",") if key.strip()]
    days = options.range_of_days(None, first, last)
    with output.refusals():
        found = stored_rollups.of_warehouse(warehouse, keys, days, year_begins)
    output.show(found, form, _parts(found))
    if found.empty:
        asked = "" if days is None else " among those asked for"
        output.refuse(
            f"{warehouse} has no day with inferences{asked}; run `ft-emissions run` first"
        )


def _plain(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: output.figure(row[name])


def _interval(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: output.interval_of(row, name)


def _share(name: str, whole: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: f"{row[name] / row[whole]:.0%}" if row[whole] else ""


_TABLES = {
    "Energy and carbon of the days (5th to 95th percentile)": {
        "kWh": _plain("facility_energy_kwh"),
        "kgCO2e": _interval("allocated_kgco2e"),
        "operational": _plain("operational_kgco2e"),
        "of it direct": _plain("operational_direct_kgco2e"),
        "embodied": _plain("embodied_kgco2e"),
        "market-based": _plain("allocated_market_kgco2e"),
        "no contract": _plain("uncontracted_kgco2e"),
        "provisional": _share("provisional_kgco2e", "allocated_kgco2e"),
    },
    "Water in litres, and what one inference carries (5th to 95th percentile)": {
        "water": _interval("allocated_water_l"),
        "on site": _plain("onsite_water_l"),
        "electricity": _plain("electricity_water_l"),
        "embodied": _plain("embodied_water_l"),
        "inferences": lambda row: f"{row['inferences']:,.0f}",
        "expected": _share("expected_inferences", "inferences"),
        "gCO2e each": _interval("gco2e_per_inference"),
        "mL each": _interval("water_ml_per_inference"),
    },
}

_ANCESTORS = {
    "Of each family, over all days: known ancestors, and pre-training, which is in no total": {
        "versions": lambda row: f"{row['versions']:,.0f}",
        "ancestors": lambda row: f"{row['ancestors']:,.0f}",
        "covered": _share("ancestors_covered", "ancestors"),
        "pre-training kgCO2e": lambda row: (
            output.figure(row["pretraining_kgco2e"])
            or ("none published" if row["ancestors"] else "")
        ),
        "at most gCO2e each": _plain("pretraining_gco2e_per_inference"),
        "of all users' gCO2e each": _plain("base_gco2e_per_inference"),
    }
}


def _parts(found: pd.DataFrame) -> Iterator[Table]:
    from ft_emissions_pipeline.ledger.rollups import GROUP_KEYS

    keys = [name for name in (*GROUP_KEYS.values(), "date") if name in found]
    words = {"model_name": "model", "base_model": "base model", "date": "from"}
    titles = [words.get(key, key) for key in keys]
    of_families = _ANCESTORS if "ancestors" in found else {}
    for title, columns in (_TABLES | of_families).items():
        yield output.table(
            title,
            (*titles, *columns),
            (
                (*_group(row, keys), *(cell(row) for cell in columns.values()))
                for row in found.to_dict("records")
            ),
            left=titles,
        )


def _group(row: dict[str, Any], keys: list[str]) -> Iterator[str]:
    for key in keys:
        name = row[key]
        if key == "date":
            yield f"{name:%Y-%m-%d}"
        else:
            yield name if isinstance(name, str) else "(none named)"
