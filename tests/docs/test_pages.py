"""Pages made from the code are as committed, and links in the written ones lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import pages

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", sorted(pages.pages()))
def test_a_made_page_is_as_committed(name: str) -> None:
    committed = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert committed == pages.pages()[name], "run `python -m docs.pages` and commit what it changes"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if not target.startswith(("http", "mailto"))]
    missing = [target for target in local if not (page.parent / target).exists()]
    assert not missing
