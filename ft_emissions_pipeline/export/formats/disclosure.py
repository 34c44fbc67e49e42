"""The methodology's own table "Component | Disclosed data", which reads back into the same runs.

Only what a log or somebody disclosed stands in it: what was imputed is imputed again by who reads
it. One value is ours: the total of software counters, which see neither fans nor power supplies,
stands as the energy at the plug, as a disclosed total is taken for that. A second table, of three
columns so that no reader takes it for disclosed data, tells what came out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline.calendar_days import SECONDS_PER_HOUR
from ft_emissions_pipeline.export.figures import Figures, Row, name_of, texts
from ft_emissions_pipeline.readers.shared.disclosed_values import value_of
from ft_emissions_pipeline.readers.shared.labels import GPU_HOURS, LABELS
from ft_emissions_pipeline.tables import RUN_FIELDS, VALIDATED_RUNS

FORMAT = "disclosure"
FILE = "disclosure.md"
HOLDS = "the methodology's disclosure table of each version, which is read back as the same run"
ONE = False

_LABEL = {
    field: (label, style)
    for label, (field, style) in reversed(LABELS.items())
    if field != GPU_HOURS
}
"""Field -> the first of its labels."""
_CAPITALS = {word.casefold(): word for word in ("GPU", "GPUs", "CPU", "PUE", "WUE", "IT", "LoRA")}
_OWN_LINE = {"total_kgco2e": "carbon", "total_water_l": "water"}


def render(figures: Figures, out: Path | None) -> str:  # noqa: ARG001 (the same wherever it lies)
    """Return two tables per version: what was disclosed, and what came out."""
    logged = figures.table(VALIDATED_RUNS).set_index("run_id", drop=False)
    return "\n".join(
        part
        for row in figures.rows()
        for part in (
            f"# {_cell(name_of(row))}", "", "Component | Disclosed data", "---|---",
            *_disclosed(logged.loc[row["run_id"]], row), "",
            "Figure | Value | 5th to 95th percentile",
            "---|---|---", *_figures(row, figures), "",
        )
    )  # fmt: skip


def _disclosed(logged: pd.Series, row: Row) -> list[str]:
    if "counted_energy_kwh" in row and not pd.isna(logged["it_energy_kwh"]):
        at_plug = row["it_energy_kwh"] / row["development_multiplier"]
        logged = logged.where(logged.index != "it_energy_kwh", at_plug)
    return [
        f"{_shown(field)} | {_cell(_value(field, logged[field]))}"
        for field in RUN_FIELDS
        if not pd.isna(logged[field])
    ]


def _figures(row: Row, figures: Figures) -> list[str]:
    said = texts(row, figures.made_at)
    bounds = {f"{total}_{end}" for total in _OWN_LINE for end in ("p05", "p95")}
    return [
        f"{name} | {_cell(value)} | "
        + (f"{said[f'{name}_p05']} to {said[f'{name}_p95']}" if name in _OWN_LINE else "")
        for name, value in said.items()
        if name not in bounds
    ]


def _shown(field: str) -> str:
    if field not in _LABEL:
        return field
    words = _LABEL[field][0].split()
    return " ".join(
        _CAPITALS.get(word, word.capitalize() if n == 0 else word) for n, word in enumerate(words)
    )


def _value(field: str, value: Any) -> str:
    """Return a value as people write it, if it is read as the same value; else as it stands."""
    style = _LABEL.get(field, ("", "number"))[1]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, pd.Timestamp):
        return str(value.isoformat())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    bare = f"{value:,.0f}" if value.is_integer() and value < 1e15 else repr(value)
    written = {
        "duration": (f"{value / SECONDS_PER_HOUR:g} hours", f"{value!r} s"),
        "days": (f"{value:g} days", f"{value!r} days"),
        "share": (f"{value * 100:g}%", repr(value)),
        "intensity": (f"{value!r} kgCO2e/kWh",),
        "energy": (f"{value!r} kWh",),
    }.get(style, (bare,))
    return next((text for text in written if value_of(text, style, "UTC") == value), written[-1])


def _cell(text: str) -> str:
    """Return text that keeps a table's cell together."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
