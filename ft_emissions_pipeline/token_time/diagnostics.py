"""What a maintainer looks at after a fit: coefficients, errors by laboratory, coverage.

Put here: text and a plot of a model. Keep out: the errors themselves (`evaluate.py`).
"""

from __future__ import annotations

import base64
from html import escape
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
    """Return an SVG of the median error by laboratory, the smallest first."""
    of = model.training["held_out_median_error_percent_by_laboratory"]
    errors = sorted(cast(dict[str, float], of).items(), key=lambda pair: pair[1])
    scale = _BAR / max(error for _, error in errors)
    bars = "".join(
        f'<text x="{_NAMES}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{_NAMES + 5}" y="{y}" width="{error * scale:.0f}" height="16" fill="#4c78a8"/>'
        f'<text x="{_NAMES + 10 + error * scale:.0f}" y="{y + 12}">{error:.3g} %</text>'
        for y, (name, error) in zip(range(24, 10**6, 20), errors, strict=False)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_NAMES + _BAR + 80}" '
        f'height="{20 * len(errors) + 30}" font-family="sans-serif" font-size="11">'
        f'<text x="{_NAMES + 5}" y="14">median error of the time, held out</text>{bars}</svg>'
    )


_NAMES, _BAR = 180, 300
"""Pixels for the names, and of the longest bar."""
