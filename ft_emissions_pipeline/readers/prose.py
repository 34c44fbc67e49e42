"""Prose that tells of a training: known, so that a person is asked to state it; never read.

Put here: how a sentence shows that it tells of accelerators and of time. Keep out: tables and lists
of cards and notes, which are read (`formats/disclosure.py`, `formats/model_card.py`).
"""

from __future__ import annotations

import re

_DOCUMENTS = (".md", ".markdown", ".txt", "readme")
_TRAINED = re.compile(
    r"\b(?:trained|(?:fine)?-?tuned|(?:train|tun)ing (?:took|ran|lasted))\b", re.IGNORECASE
)
_HARDWARE = re.compile(
    r"(?:\b|(?<=\dx))"
    r"(?:(?:[ABHV]\d{2,3}|L40?|T4)[GS]?\b|RTX|GTX|TPU|GPUs?|MI\d{3}|M\d (?:Pro|Max|Ultra))"
)
_TIME = re.compile(r"\b\d+(?:[.,]\d+)?[ -]?(?:h|hours?|hrs?|min(?:ute)?s?|days?)\b")


def line_that_tells(name: str, text: str) -> int | None:
    """Return the line of a note that says on what and how long something was trained.

    Parameters
    ----------
    name : str
        Of the file, in lower case.
    text : str
        Its beginning.

    Returns
    -------
    int or None
        From 1; None where no line tells both, or the file is no note.
    """
    if not name.endswith(_DOCUMENTS):
        return None
    lines = enumerate(text.splitlines(), 1)
    told = (n for n, line in lines if all(f.search(line) for f in (_TRAINED, _HARDWARE, _TIME)))
    return next(told, None)
