"""Rows as CSV or XLSX that no spreadsheet program takes for formulas.

Put here: how a sheet is written. Keep out: what stands in it (`formats/`).
"""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from ft_emissions_pipeline.export.figures import rounded
from ft_emissions_pipeline.readers.harmless import no_formula


def csv_of(rows: pd.DataFrame) -> str:
    """Return rows as CSV, numbers in full and no text as a formula."""
    texts = rows.select_dtypes(["object", "string"]).columns
    safe = rows.assign(**{name: rows[name].map(no_formula) for name in texts})
    return str(safe.to_csv(index=False, lineterminator="\n"))


def sheet(rows: pd.DataFrame, out: Path | None, made_at: pd.Timestamp) -> str | bytes:
    """Return rows as XLSX where `out` is named so, else as CSV.

    Parameters
    ----------
    rows : DataFrame
        Texts, days and numbers, which are rounded.
    out : Path, optional
        Where the sheet is to lie.
    made_at : Timestamp
        When it is made.
    """
    cells = rows.astype(object).map(_cell)
    if out is not None and out.suffix == ".xlsx":
        return _workbook(cells, made_at)
    # CSV knows no types: a text that begins like a formula gets the mark of a text.
    return str(cells.map(no_formula).to_csv(index=False, lineterminator="\n"))


def _cell(value: object) -> object:
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    return rounded(value) if isinstance(value, float) else value


def _workbook(cells: pd.DataFrame, made_at: pd.Timestamp) -> bytes:
    import xlsxwriter

    file = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, options) as book:
        # Without an instant of its own the same figures would never make the same file.
        book.set_properties({"created": made_at.to_pydatetime().replace(tzinfo=None)})
        page, bold = book.add_worksheet(), book.add_format({"bold": True})
        page.freeze_panes(1, 0)
        page.write_row(0, 0, list(cells.columns), bold)
        for number, row in enumerate(cells.itertuples(index=False), 1):
            page.write_row(number, 0, [None if pd.isna(cell) else cell for cell in row])
    return file.getvalue()
