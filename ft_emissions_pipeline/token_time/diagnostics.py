"""What a maintainer looks at after a fit: coefficients, errors by laboratory, coverage.

Put here: text and a plot of a model. Keep out: the errors themselves (`evaluate.py`).
"""

from __future__ import annotations

import base64
from typing import cast

from ft_emissions_pipeline.token_time.model import Model
from ft_emissions_pipeline.token_time.throughput import COEFFICIENTS
from ft_emissions_pipeline.uncertainty import Z_95


def markdown(model: Model) -> str:
    """Return the model's training, held-out errors with a plot, and coefficients, as Markdown."""
    lines = [f"Version {model.version}.", ""]
    lines += [
        f"- {name}: {value}"
        for name, value in model.training.items()
        if not isinstance(value, dict | list)
    ]
    held_out = cast(dict[str, object], model.training["held_out"])
    lines += [f"- held out, {name}: {value}" for name, value in held_out.items()]
    svg = base64.b64encode(_plot(model).encode()).decode()
    lines += ["", f"![held-out error by laboratory](data:image/svg+xml;base64,{svg})", ""]
    lines += ["| coefficient | value | 90 % | meaning |", "|---|---|---|---|"]
    for name, value in model.coefficients.items():
        half = Z_95 * model.coefficient_sd[name]
        lines.append(
            f"| {name} | {value:.3g} | {value - half:.3g} to {value + half:.3g} | "
            f"{COEFFICIENTS[name].meaning} |"
        )
    return "\n".join(lines) + "\n"


def _plot(model: Model) -> str:
    """Return an SVG of the median error by laboratory."""
    import altair as alt
    import pandas as pd
    import vl_convert

    of = model.training["held_out_median_error_percent_by_laboratory"]
    by_laboratory = cast(dict[str, float], of)
    data = pd.DataFrame({"laboratory": list(by_laboratory), "error": list(by_laboratory.values())})
    chart = (
        alt.Chart(data)
        .mark_bar()
        .encode(
            x=alt.X("error:Q", title="median error of the time, held out (%)"),
            y=alt.Y("laboratory:N", sort="x", title=None),
        )
    )
    return str(vl_convert.vegalite_to_svg(chart.to_dict()))
