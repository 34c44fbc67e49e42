"""Part rows of a CSV file that stand in one line because a line end is missing between them.

Put here: where such a line is cut. Keep out: rows that lack cells (a format's own module).

A writer that was stopped, or a file put together by hand, ends without a line end; what is appended
then begins in the last cell. Where every row begins with an instant, the place of the cut is
certain.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace

import pandas as pd

from ft_emissions_pipeline.readers.sheets import Misfit, Sheet

_SEAM = re.compile(r"^(.*?)(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}.*)$")


def unglued(sheet: Sheet) -> tuple[Sheet, list[Sheet], list[int]]:
    """Return a sheet with the first row of each glued line, the further rows, and these lines.

    The n-th sheet of further rows holds the rows that stood (n + 2)-th in their line.
    """
    width = len(sheet.header)
    parts = {misfit.line: found for misfit in sheet.misfits if (found := _rows(misfit, sheet))}
    if not parts or len(set(sheet.header)) < width:
        return sheet, [], []
    misfits = [misfit for misfit in sheet.misfits if misfit.line not in parts]
    deepest = max(map(len, parts.values()))
    layers = [
        pd.DataFrame.from_dict(
            {line: rows[n] for line, rows in parts.items() if len(rows) > n},
            orient="index",
            columns=sheet.header,
        ).reindex(columns=sheet.frame.columns)
        for n in range(deepest)
    ]
    whole = pd.concat([sheet.frame, layers[0].astype("str")]).sort_index()
    further = [
        replace(sheet, frame=layer.astype("str").sort_index(), misfits=[]) for layer in layers[1:]
    ]
    return replace(sheet, frame=whole, misfits=misfits), further, sorted(parts)


def _rows(misfit: Misfit, sheet: Sheet) -> list[list[str]]:
    """Return the rows of a line with too many cells; none unless they fill it exactly."""
    width = len(sheet.header)
    if width < 2 or misfit.cells <= width or (misfit.cells - 1) % (width - 1):
        return []
    try:
        cells = next(csv.reader([misfit.text], delimiter=sheet.delimiter), [])
    except csv.Error:
        return []
    rows: list[list[str]] = []
    while len(cells) > width:
        seam = _SEAM.match(cells[width - 1])
        if seam is None:
            return []
        rows.append([*cells[: width - 1], seam[1]])
        cells = [seam[2], *cells[width:]]
    return [*rows, cells]
