"""Charts as SVG that can stand inside a page.

Put here: what is drawn, and the SVG made of it. Keep out: sums (`figures.py`) and the text beside
a chart (`template.html`). Colours are legible on white and on black; text and lines take the
colour of the page around them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from ft_emissions_pipeline.report.formatting import known

BLUE, ORANGE, GREEN = "#3b7dd8", "#d97f24", "#2a9d78"
FAR_APART = 20.0
"""Ratio of the largest to the smallest model above which each model has its own scale."""
WIDE = 50.0
"""Ratio within one model above which its scale is logarithmic."""
MARKED_POINTS = 62
FONTS = "Liberation Sans, Arial, Helvetica, sans-serif"
"""All of one width: the renderer measures labels with the first, a reader may have any of them."""
NUMBERS = ".6~g"

_POINTS = alt.NamedData(name="points")
_OPENING_TAG = re.compile(r"<svg\b[^>]*?(viewBox=\"[^\"]*\")[^>]*>")
_NOISE = re.compile(r' (?:aria-[a-z]+|role|pointer-events|class)="[^"]*"')


@dataclass(frozen=True)
class Metric:
    """What a panel shows: column, unit, words for it, colour."""

    column: str
    unit: str
    words: str
    colour: str


CARBON = Metric("gco2e_per_inference", "gCO2e per inference", "Carbon per inference", BLUE)
WATER = Metric("water_ml_per_inference", "mL per inference", "Water per inference", GREEN)


@dataclass(frozen=True)
class Scale:
    """How the vertical axis of a panel runs."""

    logarithmic: bool
    top: float | None

    @property
    def note(self) -> str:
        """Words that a reader needs to read the axis right; empty for a plain one."""
        return "log scale" if self.logarithmic else ""


def scales(points: pd.DataFrame, metric: Metric) -> tuple[dict[str, Scale], bool]:
    """Return each model's scale, and whether all models share one.

    Parameters
    ----------
    points : DataFrame
        What `figures.series` returns.
    metric : Metric
        What is drawn.
    """
    values = points[points[metric.column] > 0]
    by_model = values.groupby("model_name")
    low, high = by_model[metric.column].min(), by_model[metric.column].max()
    logarithmic = high / low > WIDE
    shared = len(low) > 0 and not logarithmic.any() and high.max() / low.min() <= FAR_APART
    top = float(values[f"{metric.column}_p95"].max()) if shared else None
    found = {
        str(name): Scale(bool(logarithmic.get(name, False)), top)
        for name in points["model_name"].unique()
    }
    return found, shared


def over_time(
    points: pd.DataFrame, metric: Metric, scale: Scale, span: tuple[Any, Any], step_days: int
) -> str:
    """Return one model's figures over time as SVG, with the band of its interval.

    Parameters
    ----------
    points : DataFrame
        One model's rows of `figures.series`.
    metric : Metric
        What is drawn.
    scale : Scale
        Its vertical axis.
    span : (Timestamp, Timestamp)
        First and last day of the horizontal axis.
    step_days : int
        Days from one point to the next; where one is missing, the line breaks.
    """
    by_day = points.set_index("date")
    days = pd.date_range(by_day.index.min(), by_day.index.max(), freq=f"{step_days}D")
    filled = by_day.reindex(days)
    names = {"value": metric.column, "low": f"{metric.column}_p05", "high": f"{metric.column}_p95"}
    rows = [
        {"day": _milliseconds(at), **{key: _drawn(row[name], scale) for key, name in names.items()}}
        for at, row in zip(days, filled.to_dict("records"), strict=True)
    ]
    title = f"{metric.unit}, log scale" if scale.logarithmic else metric.unit
    vertical = alt.Scale(type="log") if scale.logarithmic else alt.Scale(zero=True)
    if scale.top:
        vertical.domain = [0, scale.top]
    base = alt.Chart(_POINTS).encode(
        x=alt.X(
            "day:T",
            scale=alt.Scale(type="utc", domain=[_milliseconds(at) for at in _widened(span)]),
            axis=alt.Axis(title=None, tickCount=4, format=_day_format(span), grid=False),
        )
    )
    axis = alt.Axis(title=title, tickCount=4, format=NUMBERS)
    line = base.mark_line(
        color=metric.colour,
        strokeWidth=1.6,
        point={"size": 12, "color": metric.colour} if len(rows) <= MARKED_POINTS else False,
    ).encode(y=alt.Y("value:Q", scale=vertical, axis=axis))
    band = base.mark_area(color=metric.colour, opacity=0.22).encode(
        y=alt.Y("low:Q", scale=vertical, axis=axis), y2="high:Q"
    )
    description = f"{metric.words} over time; the band is the 5th to 95th percentile."
    return _svg((band + line).properties(width=330, height=160), rows, metric.words, description)


def parts(
    frame: pd.DataFrame, columns: dict[str, tuple[str, str]], unit: str, title: str
) -> tuple[str, bool]:
    """Return what totals consist of as stacked bars, and whether these show shares.

    Parameters
    ----------
    frame : DataFrame
        model_name and the columns, in the order of the bars.
    columns : dict
        Column -> its name in the legend and its colour.
    unit : str
        Unit of the columns.
    title : str
        What the chart shows.
    """
    whole = frame[list(columns)].sum(axis=1)
    positive = whole[whole > 0]
    as_shares = len(positive) > 1 and positive.max() / positive.min() > FAR_APART
    rows = [
        {"model": str(row["model_name"]), "part": label, "order": order, "value": float(row[name])}
        for row in frame.to_dict("records")
        for order, (name, (label, _)) in enumerate(columns.items())
    ]
    labels = [label for label, _ in columns.values()]
    chart = (
        alt.Chart(_POINTS)
        .mark_bar()
        .encode(
            y=alt.Y(
                "model:N",
                sort=[str(name) for name in frame["model_name"]],
                axis=alt.Axis(title=None, labelLimit=130, domain=False, ticks=False),
            ),
            x=alt.X(
                "value:Q",
                stack="normalize" if as_shares else "zero",
                axis=alt.Axis(
                    title="share of the total" if as_shares else unit,
                    format=".0%" if as_shares else NUMBERS,
                    tickCount=4,
                ),
            ),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=labels, range=[colour for _, colour in columns.values()]),
                legend=alt.Legend(title=None, orient="top", symbolType="square", columnPadding=16),
            ),
            order="order:Q",
        )
        .properties(width=440, height={"step": 22})
    )
    description = f"Stacked bars per model: {', '.join(labels)}, in {unit}."
    return _svg(chart, rows, title, description, fit="fit-x"), as_shares


def _drawn(value: Any, scale: Scale) -> float | None:
    if not known(value) or (scale.logarithmic and value <= 0):
        return None
    return float(value)


def _milliseconds(at: Any) -> float:
    return float(pd.Timestamp(at).tz_localize("UTC").timestamp() * 1000)


def _widened(span: tuple[Any, Any]) -> tuple[Any, Any]:
    """Give a period of one day some room, so that its point stands in the middle."""
    first, last = span
    return (
        (first, last)
        if first < last
        else (first - pd.Timedelta(days=1), last + pd.Timedelta(days=1))
    )


def _day_format(span: tuple[Any, Any]) -> str:
    return "%d %b" if (span[1] - span[0]).days < 300 else "%b %Y"


def _svg(
    chart: Any, rows: list[dict[str, Any]], title: str, description: str, fit: Any = "fit"
) -> str:
    styled = (
        chart.configure(
            autosize=alt.AutoSizeParams(type=fit, contains="padding"),
            background="transparent",
            aria=False,
            font=FONTS,
            padding={"left": 4, "right": 8, "top": 4, "bottom": 2},
        )
        .configure_view(stroke=None)
        .configure_axis(
            labelColor="currentColor",
            titleColor="currentColor",
            titleFontWeight="normal",
            titlePadding=8,
            gridColor="currentColor",
            gridOpacity=0.14,
            domainColor="currentColor",
            domainOpacity=0.5,
            tickColor="currentColor",
            tickOpacity=0.5,
            labelFontSize=11,
            titleFontSize=11,
        )
        .configure_legend(labelColor="currentColor", labelFontSize=11, labelLimit=200)
    )
    # Altair would check every part and point against the grammar's schema, which takes longer than
    # drawing; the renderer refuses what it cannot draw.
    drawing = {**styled.to_dict(validate=False), "datasets": {_POINTS.name: rows}}
    grammar = "_".join(alt.SCHEMA_VERSION.split(".")[:2])
    return _inline(vl_convert.vegalite_to_svg(drawing, vl_version=grammar), title, description)


def _inline(svg: str, title: str, description: str) -> str:
    """Make a drawing part of the page: it scales with it, and says what it shows."""
    label = escape(f"{title}. {description}")
    lean = _NOISE.sub("", svg)
    opening = _OPENING_TAG.search(lean)
    if opening is None:
        msg = "the chart renderer returned no SVG with a viewBox"
        raise ValueError(msg)
    width, height = opening[1].split('"')[1].split()[2:]
    tag = (
        f'<svg {opening[1]} width="{width}" height="{height}" role="img" aria-label="{label}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    )
    return tag + lean[opening.end() :].strip()
