"""Consoles: what trainers and trackers print while they run, a module for each.

Put here: the lines of one software. `MARKS` tells a console that has them, `told` reads them: it
takes the text and the zone of times that name none, and returns fields of the run and what was
repaired. Keep out: opening of files and notebooks (`formats/console.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ft_emissions_pipeline.tables.words import BUILT_ON

Fields = dict[str, object]
Told = tuple[Fields, list[str]]


def known(fields: Fields) -> Fields:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def together(parts: Iterable[Callable[[str, str], Told]], text: str, timezone: str) -> Told:
    """Return what parts tell of one run: of a field the first to tell it, software made precise."""
    fields: Fields = {}
    words: list[str] = []
    for part in parts:
        found, repaired = part(text, timezone)
        outer = found.get("software")
        refined = fields.get("software") in BUILT_ON.get(str(outer), ())
        fields = {**found, **fields, **({"software": outer} if refined else {})}
        words += repaired
    return fields, words
