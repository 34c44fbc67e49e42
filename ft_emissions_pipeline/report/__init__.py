"""The page that shows an auditor the figures, what they rest on, and what was left out.

Put here: writing the page beside the tables. Keep out: reading the tables (`data.py`), sums over
them (`figures.py`), what is said of records (`notices.py`) and of figures (`derivations.py`), how
numbers look (`formatting.py`), what the script works on (`payload.py`) and the page itself
(`page.py`, `templates/`). Nothing of the report computes a footprint; what to disclose next,
`analysis/advice.py` finds from the stored runs.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ft_emissions_pipeline import reference
from ft_emissions_pipeline.report.data import SHOWN, ReportData, read
from ft_emissions_pipeline.warehouse import kept, store

__all__ = ["ReportData", "page_of", "read", "render", "write"]


def write(warehouse: str | Path) -> Path:
    """Write the report of a warehouse, unless the page that is there already shows its data.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, or URL of an object store. The page lies in `report/` beside the tables, or
        for an object store in `report/` under the current folder.

    Returns
    -------
    Path
        The page.
    """
    page = page_of(warehouse)
    versions = {table.name: store.version(warehouse, table) for table in SHOWN}
    stamp = f"<!-- ft_emissions_pipeline report of {_digest(warehouse, versions)} -->"
    if page.exists() and stamp in _head(page):
        return page
    html = render(read(warehouse, versions))
    page.parent.mkdir(parents=True, exist_ok=True)
    # A reader who opens the page meanwhile sees the old one or the new one, never half of it.
    draft = page.with_name(f".{page.name}.{os.getpid()}")
    try:
        draft.write_text(html.replace("<!doctype html>", f"<!doctype html>\n{stamp}", 1), "utf-8")
        draft.replace(page)
    finally:
        draft.unlink(missing_ok=True)
    return page


def page_of(warehouse: str | Path) -> Path:
    """Return where the report of a warehouse lies."""
    remote = "://" in str(warehouse)
    return (Path.cwd() if remote else Path(warehouse)) / "report" / "index.html"


def render(data: ReportData) -> str:
    """Return the page as HTML; it depends on nothing but the data.

    Parameters
    ----------
    data : ReportData
        What `read` returns.
    """
    # Charts and templates take a second to import, which a command line that only asks for help,
    # or finds an unchanged page, should not pay.
    from ft_emissions_pipeline.report.page import page

    return page(data)


def _digest(warehouse: str | Path, versions: dict[str, int | None]) -> str:
    """Return a hash over where the data lie, which they are, and the sources of this package."""
    parts = hashlib.sha256()
    for name, known in sorted(kept.of_tables(warehouse, *SHOWN, versions=versions).items()):
        parts.update(f"{name} {known}\n".encode())
    parts.update(
        str(Path(warehouse).absolute() if "://" not in str(warehouse) else warehouse).encode()
    )
    parts.update(reference.refusal(warehouse).encode())
    parts.update(kept.sources().encode())
    return parts.hexdigest()


def _head(page: Path) -> str:
    with page.open(encoding="utf-8", errors="replace") as lines:
        return lines.read(400)
