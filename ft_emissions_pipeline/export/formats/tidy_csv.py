"""Tidy CSV (or XLSX by the name of the file): one row per figure."""

from __future__ import annotations

from pathlib import Path

from ft_emissions_pipeline.export.figures import Figures
from ft_emissions_pipeline.export.sheets import sheet
from ft_emissions_pipeline.export.tidy import tidy

FORMAT = "csv"
FILE = "figures.csv"
HOLDS = "tidy rows (CSV or XLSX), one per figure of a version, and of one inference on each day"
ONE = False


def render(figures: Figures, out: Path | None) -> str | bytes:
    """Return the rows."""
    return sheet(tidy(figures), out, figures.made_at)
