"""An estimate as a notebook shows it: sums by model, as HTML, and a plot of the runs.

Put here: what a person at a notebook looks at. Keep out: the figures (`ledger/`, `stages.py`),
formats of others (`formats/`) and the report's page (`report/`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from ft_emissions_pipeline.ledger.rollups import sum_of_runs
from ft_emissions_pipeline.ledger.scatter import Scatter, scatter
from ft_emissions_pipeline.report import formatting

if TYPE_CHECKING:
    import altair as alt

ALL = "all models"
_CARRIED = ("inferences_basis", "gco2e_per_inference", "water_ml_per_inference")
_SHOWN = {
    "total_kgco2e": "carbon, kgCO2e",
    "total_water_l": "water, L",
    "gco2e_per_inference": "gCO2e per inference",
    "water_ml_per_inference": "mL per inference",
}
"""Columns that the HTML shows with their interval -> their heads."""


def table(run_impacts: pd.DataFrame, per_inference: pd.DataFrame) -> pd.DataFrame:
    """Return runs with what one inference of each carries, in order of their days.

    Parameters
    ----------
    run_impacts, per_inference : DataFrame
        Table `run_impacts`, and what `stages.per_inference` returns of it.
    """
    each = per_inference.drop(columns="model_name")
    return run_impacts.merge(each, on="run_id").sort_values(["date", "run_id"], ignore_index=True)


def summary(rows: pd.DataFrame, spreads: pd.DataFrame) -> pd.DataFrame:
    """Sum runs up by model, with a last row for all of them together.

    Parameters
    ----------
    rows : DataFrame
        What `table` returns.
    spreads : DataFrame
        Table `run_spreads`, by which sums know what runs share.

    Returns
    -------
    DataFrame
        By model: runs, first and last day, energy of the computing hardware [kWh], carbon [kgCO2e]
        and water [L] with p05 and p95, and what one inference of its newest version carries.
    """
    groups = [*rows.groupby("model_name"), (ALL, rows)]
    every = scatter(spreads)
    return pd.DataFrame([_sum(str(name), group, every) for name, group in groups])


def _sum(name: str, rows: pd.DataFrame, spreads: Scatter) -> dict[str, Any]:
    carried = [f"{column}{end}" for column in _CARRIED[1:] for end in ("", "_p05", "_p95")]
    newest = {} if name == ALL else rows.iloc[-1][[_CARRIED[0], *carried]].to_dict()
    return {
        "model_name": name,
        "runs": len(rows),
        "first_day": rows["date"].min(),
        "last_day": rows["date"].max(),
        "it_energy_kwh": rows["it_energy_kwh"].sum(),
        **sum_of_runs(rows, spreads),
        **newest,
    }


def html(summed: pd.DataFrame, release: str) -> str:
    """Return sums as an HTML table that a notebook shows; names are escaped.

    Parameters
    ----------
    summed : DataFrame
        What `summary` returns.
    release : str
        Profile and version of the reference tables.
    """
    shown = pd.DataFrame(
        {
            "model": summed["model_name"].map(formatting.shortened),
            "runs": summed["runs"],
            "days": [
                f"{formatting.day(first)} to {formatting.day(last)}"
                for first, last in zip(summed["first_day"], summed["last_day"], strict=True)
            ],
            "energy, kWh": summed["it_energy_kwh"].map(formatting.significant),
            **{
                head: [_with_interval(row, name) for row in summed.to_dict("records")]
                for name, head in _SHOWN.items()
            },
        }
    )
    title = f"<p>Fine-tuning footprint, 5th to 95th percentile in brackets ({release})</p>"
    with pd.option_context("display.max_colwidth", None):
        return f"{title}{shown.to_html(index=False, border=0)}"


def _with_interval(row: dict[str, Any], name: str) -> str:
    if not formatting.known(row.get(name)):
        return "" if row["model_name"] == ALL else formatting.UNKNOWN
    ends = formatting.interval(row[f"{name}_p05"], row[f"{name}_p95"])
    return f"{formatting.significant(row[name])} ({ends})"


def plot(rows: pd.DataFrame) -> alt.VConcatChart:
    """Draw carbon and water of each run on its day, with intervals.

    Parameters
    ----------
    rows : DataFrame
        What `table` returns.
    """
    # Loading it takes a second, which an estimate without a plot need not wait for.
    import altair as alt

    panels = [_panel(rows, name) for name in ("total_kgco2e", "total_water_l")]
    return alt.vconcat(*panels).properties(title="Fine-tuning runs (5th to 95th percentile)")


def _panel(rows: pd.DataFrame, name: str) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    columns = ["date", "model_name", "run_id", name, f"{name}_p05", f"{name}_p95"]
    values = json.loads(rows[columns].to_json(orient="records", date_format="iso"))
    # Inline data has no limit of rows.
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("date", type="temporal", title=None),
        color=alt.Color("model_name", type="nominal", title="model"),
        tooltip=[
            alt.Tooltip(column, type="temporal" if column == "date" else "nominal")
            if column in columns[:3]
            else alt.Tooltip(column, type="quantitative", format=".3~g")
            for column in columns
        ],
    )
    y = alt.Y(name, type="quantitative", title=_SHOWN[name])
    ends = base.mark_rule(opacity=0.5).encode(
        y=alt.Y(f"{name}_p05", type="quantitative", title=_SHOWN[name]), y2=f"{name}_p95"
    )
    points = base.mark_point(filled=True).encode(y=y)
    return alt.layer(ends, points).properties(width=560, height=180)
