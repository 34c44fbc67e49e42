"""How numbers, ranges and anchors look on the page.

Put here: text made from single values. Keep out: markup (`templates/`) and anything that looks
at a table.
"""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import quote

from ft_emissions_pipeline.readers.harmless import visible
from ft_emissions_pipeline.readers.repairs import about, parted

UNKNOWN = "unknown"
_TIMES, _MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def known(value: Any) -> bool:
    """Tell whether there is a value: neither None nor NaN nor NaT."""
    return value is not None and value == value  # noqa: PLR0124 - NaN differs from itself


def significant(value: Any, digits: int = 3) -> str:
    """Return a number to some significant digits, powers of ten only where zeros would pile up.

    Examples
    --------
    >>> significant(12.8), significant(121659.0), significant(0.004712)
    ('12.8', '122,000', '0.00471')
    """
    if not known(value):
        return UNKNOWN
    number = float(value)
    if number == 0 or math.isinf(number):
        return "0" if number == 0 else "∞"
    mantissa, exponent_text = f"{number:.{digits - 1}e}".split("e")
    exponent = int(exponent_text)
    if -4 <= exponent < 9:
        return f"{float(f'{mantissa}e{exponent}'):,.{max(0, digits - 1 - exponent)}f}"
    return f"{mantissa}{_TIMES}10{str(exponent).translate(_SUPERSCRIPT)}"


def interval(low: Any, high: Any) -> str:
    """Return a 5th to 95th percentile range; one number where both ends look the same."""
    if not (known(low) and known(high)):
        return ""
    ends = significant(low), significant(high)
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def count(value: Any) -> str:
    """Return a whole number with thousands separators."""
    if not known(value):
        return UNKNOWN
    return significant(value) if value >= 1e12 else f"{round(float(value)):,}"


def percent(value: Any) -> str:
    """Return a fraction as a percentage: whole, or finer where it is small."""
    if not known(value):
        return UNKNOWN
    hundredths = float(value) * 100
    if hundredths == 0 or hundredths >= 9.95:
        return f"{hundredths:.0f} %"
    return f"{significant(hundredths, 2)} %"


def change(old: Any, new: Any) -> str:
    """Return a relative change, signed; empty where there is none to tell."""
    if not (known(old) and known(new)) or old == 0:
        return ""
    moved = float(new) / float(old) - 1
    sign = _MINUS if moved < 0 else "+"
    return f"{sign}{percent(abs(moved))}"


def day(value: Any) -> str:
    """Return a day as ISO 8601."""
    return f"{value:%Y-%m-%d}" if known(value) else UNKNOWN


def instant(value: Any) -> str:
    """Return an instant as ISO 8601 to the second, in UTC."""
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if known(value) else UNKNOWN


def anchor(run_id: Any) -> str:
    """Return the id under which a run stands on the page; `#` and this link to it."""
    return f"run-{quote(str(run_id), safe='')}"


def repairs_in_words(repairs: str) -> str:
    """Return words of column `repairs` for reading; what a word is about stays as it is named."""
    words = [about(word) for word in parted(repairs)]
    return ", ".join(name.replace("_", " ") + (f": {what}" if what else "") for name, what in words)


def shortened(text: Any, length: int = 160) -> str:
    """Return text of a log on one line, cut where it is long; empty where there is none."""
    if not known(text):
        return ""
    words = visible(str(text))
    return words if len(words) <= length else f"{words[: length - 1]}…"
