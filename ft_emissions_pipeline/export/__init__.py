"""Figures in the formats of others: model cards, registers, sheets, metrics, data packages.

Put here: which formats there are, and the writing of one. Keep out: gathering figures
(`figures.py`) and each format (`formats/`), one file each.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pandas as pd

from ft_emissions_pipeline.export.figures import Choice, Figures, of_tables, of_warehouse
from ft_emissions_pipeline.export.formats import (
    boamps,
    cyclonedx,
    data_package,
    dia,
    disclosure,
    esrs,
    eu_ai_act,
    ghg,
    hugging_face,
    openmetrics,
    parquet,
    sci,
    scope3,
    spdx,
    tidy_csv,
)

__all__ = ["FORMATS", "Choice", "Figures", "now", "of_tables", "of_warehouse", "write"]

FORMATS: dict[str, ModuleType] = {
    module.FORMAT: module
    for module in (
        hugging_face, disclosure, ghg, esrs, boamps, cyclonedx, tidy_csv, parquet, openmetrics,
        data_package, spdx, sci, eu_ai_act, scope3, dia,
    )
}  # fmt: skip
"""Formats by name, in order of the docs."""


def now() -> pd.Timestamp:
    """Return the present instant, or that of SOURCE_DATE_EPOCH, for exports that repeat."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    stamp = (
        pd.Timestamp.now("UTC") if epoch is None else pd.Timestamp(int(epoch), unit="s", tz="UTC")
    )
    return stamp.floor("s")


def write(name: str, figures: Figures, out: str | Path | None = None) -> str:
    """Write figures in a format.

    Parameters
    ----------
    name : str
        One of `FORMATS`.
    figures : Figures
        What is handed on.
    out : str or Path, optional
        File, or folder for a format of several files.

    Returns
    -------
    str
        The text, or where it lies.

    Raises
    ------
    ValueError
        If there is no such format, it cannot hold these figures, or it is no text and has no `out`.
    """
    if name not in FORMATS:
        msg = f"no format {name!r}; there are {', '.join(FORMATS)}"
        raise ValueError(msg)
    path = None if out is None else Path(out)
    made: str | bytes | Mapping[str, str] = FORMATS[name].render(figures, path)
    if path is None:
        if isinstance(made, str):
            return made
        msg = f"{name} is no text; say where it is to lie with --out (out=...)"
        raise ValueError(msg)
    if isinstance(made, Mapping):
        for file, text in made.items():
            _put(path / file, text)
    else:
        _put(path, made)
    return str(path)


def _put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
