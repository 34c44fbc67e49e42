"""How the figures of the page were made, as text that opens beside them.

Put here: the sums over versions and days in words. Keep out: the steps of a run, which
`analysis/explain.py` tells, and how the text is shown (`templates/`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from ft_emissions_pipeline.analysis.explain import number
from ft_emissions_pipeline.report.figures import RATIOS, SHARED, newest_rows, period_name
from ft_emissions_pipeline.report.formatting import count, day, interval, known, shortened
from ft_emissions_pipeline.tables.frames import among

_PER_KG = dict(zip(RATIOS, zip(SHARED, ("kgCO2e", "L"), ("gCO2e", "mL"), strict=True), strict=True))
LARGEST = 10
"""Models of a sum that are named."""
SUMMED = 4
"""Versions of a day whose amounts stand in its sum one by one."""


def of_models(
    models: pd.DataFrame,
    inference_impacts: pd.DataFrame,
    run_notes: pd.DataFrame,
    steps: Mapping[str, str],
) -> list[str]:
    """Return of each model how the figures of its newest day and of all its days were made.

    Parameters
    ----------
    models : DataFrame
        What `figures.models` returns.
    inference_impacts : DataFrame
        Table of this name.
    run_notes : DataFrame
        At least run_id, source_uri and source_record.
    steps : mapping
        Run id -> each step of it in words.
    """
    notes = run_notes[among(run_notes["run_id"], models["latest_version"])]
    logs = notes.drop_duplicates("run_id").set_index("run_id").to_dict("index")
    serving: dict[str, list[dict[str, Any]]] = {}
    for row in newest_rows(inference_impacts).to_dict("records"):
        serving.setdefault(row["model_name"], []).append(row)
    return [
        "\n".join(
            [
                *_newest(row, serving.get(row["model_name"], [])),
                *_mean(row),
                *_version(row["latest_version"], logs, steps),
            ]
        )
        for row in models.to_dict("records")
    ]


def of_run(run_id: str, log: Mapping[Hashable, Any], text: str) -> str:
    """Return the steps of one run, and where its log lies."""
    record = f"#{log['source_record']}" if known(log.get("source_record")) else ""
    where = [f"Log: {log['source_uri']}{record}", ""] if known(log.get("source_uri")) else []
    told = text or (
        f"Run {run_id} is not told here; `ft-emissions explain` shows each of its steps."
    )
    return "\n".join([*where, told])


def of_sums(rollups: pd.DataFrame, sums: list[dict[str, Any]]) -> dict[str, str]:
    """Return how the fleet's sums of periods are made up of models.

    Parameters
    ----------
    rollups : DataFrame
        Table of this name.
    sums : list of dict
        Its rows that are told.
    """
    by_model = rollups[rollups["grouped_by"] == "model"]
    return {period_name(row): "\n".join(_of_period(row, by_model)) for row in sums}


def _of_period(row: Mapping[str, Any], by_model: pd.DataFrame) -> list[str]:
    of = by_model[(by_model["period"] == row["period"]) & (by_model["date"] == row["date"])]
    largest = of.nlargest(LARGEST, "allocated_kgco2e")
    lines = [
        f"The fleet in {period_name(row)}",
        f"  allocated_kgco2e = sum over {count(row['ledger_rows'])} rows of inference_impacts "
        f"= {number(row['allocated_kgco2e'])} kgCO2e",
        f"  allocated_water_l = sum over the same rows = {number(row['allocated_water_l'])} L",
        f"  inferences = {count(row['inferences'])}, of which {count(row['expected_inferences'])} "
        "are expected",
        "",
        f"By model{', the largest' if len(of) > len(largest) else ''}",
    ]
    return lines + [
        f"  {shortened(each.name)}: {number(each.allocated_kgco2e)} kgCO2e, "
        f"{number(each.allocated_water_l)} L, {count(each.inferences)} inferences"
        for each in largest.itertuples(index=False)
    ]


def _newest(model: Mapping[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return [f"{shortened(model['model_name'])}: no day has inferences", ""]
    lines = [
        f"{shortened(model['model_name'])} on {day(model['latest_date'])}, "
        f"status {model['latest_status']}"
    ]
    for ratio in RATIOS:
        lines += _division(ratio, model, "latest_", rows)
    lines += [
        f"  version {each['model_version']}: {number(each['allocated_kgco2e'])} kgCO2e and "
        f"{number(each['allocated_water_l'])} L for {count(each['inferences'])} inferences "
        f"({each['inferences_basis']})"
        for each in rows
    ]
    return [*lines, ""]


def _mean(model: Mapping[str, Any]) -> list[str]:
    if not known(model["mean_inferences"]):
        return []
    lines = [f"{shortened(model['model_name'])} over all its days with known inferences"]
    for ratio in RATIOS:
        lines += _division(ratio, model, "mean_", [])
    return [*lines, ""]


def _division(
    ratio: str, model: Mapping[str, Any], which: str, rows: list[dict[str, Any]]
) -> list[str]:
    shared, amount_unit, unit = _PER_KG[ratio]
    amount, value = model[which + shared], model[which + ratio]
    parts = [number(each[shared]) for each in rows] if len(rows) <= SUMMED else []
    summed = [f"  {shared} = {' + '.join(parts)} = {number(amount)} {amount_unit}"]
    ends = interval(model[f"{which}{ratio}_p05"], model[f"{which}{ratio}_p95"])
    return (summed if len(parts) > 1 else []) + [
        f"  {ratio} = {shared} x 1000 / inferences",
        f"    = {number(amount)} x 1000 / {number(model[which + 'inferences'])}"
        f" = {number(value)} {unit} ({ends or 'no interval'})",
    ]


def _version(
    version: Any, logs: Mapping[Hashable, Mapping[Hashable, Any]], steps: Mapping[str, str]
) -> list[str]:
    if not known(version):
        return []
    return [of_run(version, logs.get(version, {}), steps.get(version, ""))]
