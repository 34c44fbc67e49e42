"""Tables of documents: in Markdown between pipes, or in HTML, as many model cards write them.

Put here: which cells stand in which row. Keep out: what a table discloses
(`formats/disclosure.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

Grid = tuple[list[str], list[list[str]]]
"""A header, and the rows under it."""


def holds_tables(head: bytes) -> bool:
    """Say whether the beginning of a document may hold a table."""
    return b"|" in head or b"<table" in head.lower()


def tables_of(text: str) -> Iterator[Grid]:
    """Yield the tables of a Markdown document, those in HTML last; fenced code is passed over."""
    shown = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from _piped(shown.split("\n"))
    if "<table" in shown.casefold():
        reader = _Html()
        reader.feed(shown)
        reader.close()
        for header, *rows in filter(None, reader.tables):
            yield header, rows


_LINK = re.compile(r"\[([^\]]*)\]\([^)\s]*\)")
_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")


def _piped(lines: list[str]) -> Iterator[Grid]:
    n = 0
    while n + 1 < len(lines):
        if "|" in lines[n] and "|" in lines[n + 1] and _RULE.match(lines[n + 1]):
            end = n + 2
            while end < len(lines) and "|" in lines[end]:
                end += 1
            yield _row(lines[n]), [_row(line) for line in lines[n + 2 : end]]
            n = end
        else:
            n += 1


def _row(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [
        _LINK.sub(r"\1", cell.replace("\\|", "|").replace("**", "").replace("`", "")).strip()
        for cell in re.split(r"(?<!\\)\|", inner)
    ]


class _Html(HTMLParser):
    """Gathers the cells of tables; a tag that nobody closed ends where the next one begins."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        if tag == "table":
            self.tables.append([])
        elif self.tables and tag == "tr":
            self.tables[-1].append([])
        elif self.tables and self.tables[-1] and tag in {"td", "th"}:
            self.tables[-1][-1].append("")
        self._open = tag in {"td", "th"} or (self._open and tag not in {"table", "tr"})

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag not in {"td", "th", "tr", "table"}

    def handle_data(self, data: str) -> None:
        if self._open and self.tables and self.tables[-1] and self.tables[-1][-1]:
            cells = self.tables[-1][-1]
            cells[-1] = " ".join(f"{cells[-1]} {data}".split())
