"""What the page's script works on: figures by day, tables as CSV, derivations; packed into text.

Put here: what is embedded beside the markup, and its packing. Keep out: markup (`templates/`),
sums (`figures.py`), and what the script does with it (`templates/page.js`).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers.harmless import no_formula
from ft_emissions_pipeline.report.figures import CARBON_PARTS, RATIOS, SHARED, WATER_PARTS
from ft_emissions_pipeline.report.formatting import known, shortened

CHARTING = "vega.js.gz"
"""Template with the chart engine, which `python -m docs.charting` bundles."""

DIGITS = 5
"""Significant digits of amounts by day; the tables have all."""

_INTERVAL_DIGITS = 3
_LAST_EXACT_POWER = 22  # 10**23 is no float; a quotient of exact numbers is the nearest float
_DIGITS = {
    "inferences": 12,
    **dict.fromkeys(SHARED, DIGITS),
    **{ratio + end: _INTERVAL_DIGITS for ratio in RATIOS for end in ("_p05", "_p95")},
}


def packed(text: str) -> str:
    """Return text compressed, in letters that may stand in a page."""
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def fingerprint(source: str) -> str:
    """Return what a Content-Security-Policy calls a script or a style sheet that may stand here."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() + "'"


@cache
def charting() -> tuple[str, str]:
    """Return Vega, Vega-Lite and Vega-Embed as one packed script, and its fingerprint."""
    bundle = files("ft_emissions_pipeline.report").joinpath("templates", CHARTING).read_bytes()
    return base64.b64encode(bundle).decode(), fingerprint(gzip.decompress(bundle).decode())


def csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV that no spreadsheet takes for formulas; lists are parted by blanks."""
    texts = frame.select_dtypes(["object", "string", "category"]).columns
    safe = frame.assign(**{name: frame[name].map(_cell) for name in texts})
    return str(safe.to_csv(index=False, lineterminator="\n"))


def _cell(value: object) -> object:
    return no_formula(" ".join(map(str, value)) if isinstance(value, list) else value)


def payload(
    models: pd.DataFrame,
    points: pd.DataFrame,
    step_days: int,
    derivations: Mapping[str, str],
    listings: Mapping[str, pd.DataFrame],
) -> str:
    """Return everything as JSON.

    Parameters
    ----------
    models : DataFrame
        What `figures.models` returns.
    points, step_days
        What `figures.series` returns.
    derivations : mapping
        Key of a figure -> how it was made.
    listings : mapping
        Name of a table of the page -> its rows.
    """
    place = models["model_name"].reset_index().set_index("model_name")["index"]
    ordered = points.assign(model=points["model_name"].map(place)).sort_values(["model", "date"])
    found = {
        "models": [
            {
                "name": shortened(row["model_name"], 80),
                "csv": no_formula(row["model_name"]),
                "carbon": [_number(row[part]) for part in CARBON_PARTS],
                "water": [_number(row[part]) for part in WATER_PARTS],
            }
            for row in models.to_dict("records")
        ],
        "stepDays": step_days, "derivations": dict(derivations),
        "csv": {name: csv(frame) for name, frame in listings.items()},
    }  # fmt: skip
    return f'{_json(found)[:-1]},"points":{numbers(_columns(ordered))}}}'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def numbers(columns: dict[str, list[Any]]) -> str:
    """Return columns of numbers as JSON, each as short as it can be; NaN becomes null."""
    return re.sub(r"\.0(?=[],])", "", _json(columns).replace("NaN", "null"))


def _columns(rows: pd.DataFrame) -> dict[str, list[Any]]:
    """Return points as columns, the days of a model one after the other: so they pack best."""
    days = (rows["date"] - pd.Timestamp(0)).dt.days
    short = {name: rounded(rows[name].to_numpy(dtype=float), n) for name, n in _DIGITS.items()}
    whole = {"model": rows["model"].tolist(), "day": days.tolist()}
    return {**whole, "provisional": rows["provisional"].astype(int).tolist(), **short}


def rounded(values: np.ndarray, digits: int) -> list[float]:
    """Return numbers to some significant digits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = digits - 1 - np.floor(np.log10(np.abs(values)))
    whole = np.isfinite(exponent)
    up, down = (10.0 ** np.where(whole, sign * exponent, 0.0).clip(0, 300) for sign in (1, -1))
    near = np.round(values * up / down) / up * down
    inexact = whole & (np.abs(exponent) > _LAST_EXACT_POWER)
    near[inexact] = [float(f"{value:.{digits - 1}e}") for value in values[inexact]]
    return list(near.tolist())


def _number(value: Any) -> float | None:
    return float(value) if known(value) else None
