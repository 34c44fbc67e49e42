"""Times that lines of a console begin with, and clocks of bars.

Put here: how loggers write the time before a line, and a bar how long it has run. Keep out: what
the line says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from ft_emissions_pipeline.readers.cells import instant
from ft_emissions_pipeline.readers.consoles import Fields
from ft_emissions_pipeline.readers.reading import RefusalError

STAMP = r"(?:\d{4}-\d{2}-\d{2}[ T]|\d{2}/\d{2}/\d{4} )\d{2}:\d{2}:\d{2}"
"""Time of a line: as Python's logging writes it, or with the month first, as Hugging Face's
examples set it (`datefmt="%m/%d/%Y %H:%M:%S"`)."""

_MONTH_FIRST = re.compile(r"(\d{2})/(\d{2})/(\d{4}) ")


def stamped(text: str, form: str) -> list[str]:
    """Return the times of the lines that a form finds; its group `at` is the time."""
    return [
        _MONTH_FIRST.sub(r"\3-\1-\2 ", match["at"])
        for match in re.finditer(form, text, re.MULTILINE)
    ]


def at(stamp: str, timezone: str) -> pd.Timestamp | None:
    """Return the instant of a line, None where its digits are no time."""
    try:
        return instant(stamp.replace(" ", "T"), timezone)
    except RefusalError:
        return None


def span(text: str, timezone: str, form: str) -> Fields:
    """Return start and end by the first and last of the lines that a form finds."""
    found = stamped(text, form)
    if len(found) < 2:
        return {}
    started, ended = at(found[0], timezone), at(found[-1], timezone)
    if started is None or ended is None or ended <= started:
        return {}
    return {
        "started_at": started,
        "ended_at": ended,
        "reserved_s": (ended - started).total_seconds(),
    }


def seconds(hours: str, minutes: str, rest: str) -> float:
    """Return the seconds of a bar's clock, whose hours may be empty."""
    return float((int(hours or 0) * 60 + int(minutes)) * 60 + int(rest))


def grown(values: Iterable[float]) -> float | None:
    """Return the sum of the peaks of what grows and may begin anew, None of no value."""
    total, last = 0.0, None
    for value in values:
        if last is not None and value < last:
            total += last
        last = value
    return None if last is None else total + last
