"""Take documents of JSON and YAML apart; what is of another kind is as if it were not there.

Put here: objects, lists and texts by their keys. Keep out: opening documents (`documents.py`), and
numbers and instants, of which a wrong one is refused (`reading.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

Part = Mapping[str, object]


def part(document: Part, *keys: str) -> Part:
    """Return the object at the end of a path of keys; an empty one if there is none."""
    for key in keys:
        inner = document.get(key)
        document = inner if isinstance(inner, dict) else {}
    return document


def objects(document: Part, key: str) -> list[Part]:
    """Return the objects of a list; other things in it are left out."""
    listed = document.get(key)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def text(document: Part, key: str) -> str:
    """Return a text without blanks around it; an empty one if there is none."""
    value = document.get(key)
    return value.strip() if isinstance(value, str) else ""
