"""Read values that people write: "118 days", "12%", "July 6, 2024 17:01", "48,123".

Put here: how a kind of value is written, and in which unit it comes out. Keep out: which label has
which kind of value (`labels.py`).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import math
import re
from collections.abc import Callable, Mapping

import pandas as pd

from ft_emissions_pipeline.calendar_days import DAYS_PER_MEAN_YEAR, DAYS_PER_MONTH, SECONDS_PER_DAY
from ft_emissions_pipeline.readers.cells import instant
from ft_emissions_pipeline.readers.formats.token_lengths import as_field, lengths_of
from ft_emissions_pipeline.readers.reading import RefusalError
from ft_emissions_pipeline.tables import METHODS

_COUNT_SUFFIX = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12,
                 "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}  # fmt: skip
_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "m": 60, "minute": 60, "h": 3600, "hr": 3600,
            "hour": 3600, "d": 86400, "day": 86400, "w": 604800, "week": 604800}  # fmt: skip
_KWH = {
    "wh": 1e-3,
    "kwh": 1.0,
    "mwh": 1e3,
    "gwh": 1e6,
    "j": 1 / 3.6e6,
    "kj": 1 / 3.6e3,
    "mj": 1 / 3.6,
}
_W = {"w": 1.0, "watt": 1.0, "kw": 1e3, "kilowatt": 1e3}
_NUMBER = r"[+-]?(?:\d{1,3}(?:[, \u00a0\u2009\u202f]\d{3})+|\d+)?(?:\.\d+|\.)?(?:[eE][+-]?\d+)?"
_ABOUT = re.compile(
    r"^\s*(?:[~≈\u223c]|(?:about|approx|approximately|around|roughly|circa|ca|c)\b\.?)\s*"
    r"|\s*\((?:approx\w*|assumed|average|default|estimated?|measured|total|wall[ -]clock)\.?\)\s*$"
    r"|(?<=\w)\s*[*†‡]+\s*$",
    re.IGNORECASE,
)
"""What people write around a number that changes nothing of it: "~10 h", "1.2 (assumed)", "31*"."""
_DECIMAL_COMMA = re.compile(r"^(\s*[+-]?\d+),(?=(?:\d{1,2}|\d{4,})(?![\d,]))")
"""A comma that parts no thousands. In a bare count, "48,12", it may be a slip of either."""
_THINGS = re.compile(
    r"\s*\b(?:accelerator|card|device|epoch|example|gpu|machine|node|param|parameter|row|sample"
    r"|sequence|server|step|token)s?$"
)
"""What was counted, behind its number: "12 million tokens", "8 GPUs"."""
_DAY_FORMATS = ("%B %d %Y", "%b %d %Y", "%d %B %Y", "%d %b %Y", "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y")
_MONTH_FORMATS = ("%B %Y", "%b %Y", "%Y-%m", "%m/%Y")
_MIDDLE_OF_MONTH = 15
"""Day for which a month alone stands."""
_TIME_FORMATS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I %p")
_METHODS = (
    ("qlora", r"qlora"),
    ("lora", r"(?:do|rs|vera|dy)?lora\+?"),
    ("dpo", r"dpo|direct preference optimi[sz]ation"),
    ("continued_pretraining", r"continu(?:ed|al) pre training|continu(?:ed|al) pretraining|cpt"),
    ("distillation", r"distil\w*|knowledge distillation"),
    ("adapter", r"adapters?"),
    ("full", r"full|full parameters?|sft|supervised|instruction|instruct"),
)
"""Method and the words that name it; the first found decides, as LoRA does of "SFT + LoRA"."""


def value_of(value: object, style: str, timezone: str) -> object:
    """Return a value that is written in one of the styles of `labels.LABELS`.

    Raises
    ------
    ValueError or TypeError
        If it is not; the message says how to write it.
    """
    return _instant(value, timezone) if style == "instant" else _PARSERS[style](value)


def is_unit(word: str, style: str) -> bool:
    """Say whether a word is a unit in which values of a style are written."""
    try:
        value_of(f"1 {word}", style, "UTC")
    except (ValueError, TypeError):
        return False
    return style not in {"text", "method", "yes_no", "lengths", "instant"}


def with_unit(value: object, unit: str) -> object:
    """Return a plain number with the unit that its label states; any other value as it is."""
    text = _ABOUT.sub("", str(value)).strip()
    bare = not isinstance(value, bool) and re.fullmatch(_NUMBER, text)
    return f"{text} {unit}" if unit and bare else value


def plain(label: str) -> str:
    """Return a label without decoration: lower case, American spelling, single blanks."""
    text = re.sub(r"[*_`:]+", " ", label).casefold().replace("utilisation", "utilization")
    text = text.replace("data center", "datacenter").replace("data centre", "datacenter")
    text = text.replace("fine tuning", "fine-tuning").replace("finetuning", "fine-tuning")
    return " ".join(text.split())


def _text(value: object) -> str:
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value).strip()
    msg = "give text, in quotes"
    raise ValueError(msg)


def _method(value: object) -> str:
    words = re.sub(r"[-_+/,()]+", " ", _text(value).casefold())
    for method, pattern in _METHODS:
        if re.search(rf"(?<!\w)(?:{pattern})(?!\w)", " ".join(words.split())):
            return method
    msg = f"use one of {', '.join(METHODS)}"
    raise ValueError(msg)


def _number(value: object) -> float:
    """Read 48123, "48,123", "1.2M" or "7 billion"."""
    amount, unit = _amount(value, counts=True)
    unit = _THINGS.sub("", unit)
    if unit and unit not in _COUNT_SUFFIX:
        msg = f"{unit!r} is no unit here; give a plain number, like 48123, 48,123 or 1.2M"
        raise ValueError(msg)
    return amount * _COUNT_SUFFIX.get(unit, 1.0)


def _gpu_hours(value: object) -> float:
    """Read 480, "1.7M GPU hours" or "480 h"."""
    return _number(re.sub(r"\s*(?:gpu[- ]?)?(?:h|hrs?|hours?)\s*$", "", str(value).casefold()))


def _amount(
    value: object, example: str = "48123, 48,123 or 0.12", *, counts: bool = False
) -> tuple[float, str]:
    """Return a number and the word behind it, in lower case.

    The comma in a bare count, "48,12", may be a slip of either kind and is not read.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        msg = "give a number"
        raise TypeError(msg)
    if not isinstance(value, str):
        return _finite(float(value)), ""
    bare = _ABOUT.sub("", value)
    if not counts or re.search(r"^\s*0,|[^\W\d]", bare):
        bare = _DECIMAL_COMMA.sub(r"\1.", bare)
    match = re.fullmatch(rf"\s*({_NUMBER})\s*([^\d\s,.+-].*)?\s*", bare)
    if match is None or not re.search(r"\d", match.group(1)):
        msg = f"not a number; write it like {example}"
        raise ValueError(msg)
    digits = re.sub(r"[,\s]", "", match.group(1))
    return _finite(float(digits)), (match.group(2) or "").strip().casefold()


def _finite(amount: float) -> float:
    if not math.isfinite(amount):
        msg = "not a finite number"
        raise ValueError(msg)
    return amount


def _share(value: object) -> float:
    amount, unit = _amount(value)
    if unit in {"%", "percent", "per cent"}:
        return amount / 100
    if unit or not 0 <= amount <= 1:
        msg = "write a share as 12% or as 0.12"
        raise ValueError(msg)
    return amount


def _scaled(value: object, units: Mapping[str, float], example: str, bare: float | None) -> float:
    return _in_units(*_amount(value, example), units, example, bare)


def _in_units(
    amount: float, unit: str, units: Mapping[str, float], example: str, bare: float | None
) -> float:
    unit = unit.rstrip(".")
    factor = bare if not unit else units.get(unit, units.get(unit.removesuffix("s")))
    if factor is None:
        msg = f"give the unit, like {example}"
        raise ValueError(msg)
    return amount * factor


_CLOCK = re.compile(
    r"(?:(\d{1,4})(?:-|\s*d(?:ays?)?,?\s+))?(\d{1,6}):([0-5]\d):([0-5]\d)(?:\.\d+)?"
)
"""Hours, minutes and seconds; days before them as Slurm ("1-02:03:04") and Python write them."""


def _duration(value: object, bare: float | None = None) -> float:
    """Read "12 hours", "3h 20m" or "3:20:00" into seconds; a bare number needs a unit."""
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    text = _ABOUT.sub("", value).strip().casefold() if isinstance(value, str) else ""
    if clock := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return float(SECONDS_PER_DAY * days + 3600 * hours + 60 * minutes + seconds)
    if iso := re.fullmatch(r"p(?:(\d+)d)?t?((?:[\d.]+[hms])*)", text):
        text = f"{iso[1] or 0}d {iso[2]}"
    text = re.sub(r"(h|hours?)(\d{1,2})$", r"\1\2m", text)
    parts = re.findall(r"[\d.,]+\s*[a-z]+\.?", text)
    if len(parts) > 1 and not re.sub(r"[\s,]|and", "", re.sub(r"[\d.,]+\s*[a-z]+\.?", "", text)):
        return sum(_scaled(part.rstrip(","), _SECONDS, _A_DURATION, None) for part in parts)
    return _scaled(value, _SECONDS, _A_DURATION, bare)


def _hours(value: object) -> float:
    return _duration(value, bare=_SECONDS["hour"])


_A_DURATION = "12 hours, 118 days, 3h 20m or 45 min"
_DAYS = {unit: seconds / SECONDS_PER_DAY for unit, seconds in _SECONDS.items() if unit != "m"} | {
    "month": DAYS_PER_MONTH, "year": DAYS_PER_MEAN_YEAR,
}  # fmt: skip


def _intensity(value: object) -> float:
    amount, unit = _amount(value)
    unit = re.sub(r"\s|eq|e(?=/)|co[2₂]", "", unit.replace("per", "/"))
    factor = {"kg/kwh": 1.0, "g/kwh": 1e-3, "t/mwh": 1.0, "kg/mwh": 1e-3}.get(unit)
    if factor is None:
        msg = "give the unit, like 475 gCO2e/kWh or 0.475 kgCO2e/kWh"
        raise ValueError(msg)
    return amount * factor


_KG = {"g": 1e-3, "gram": 1e-3, "kg": 1.0, "kilogram": 1.0, "t": 1e3, "ton": 1e3, "tonne": 1e3,
       "metric ton": 1e3}  # fmt: skip


def _carbon(value: object) -> float:
    amount, unit = _amount(value)
    return _in_units(amount, re.split(r"\s*(?:of )?co[2₂]", unit)[0], _KG, "12 kgCO2e", None)


def _rate(value: object) -> float:
    amount, unit = _amount(value)
    if unit.replace(" ", "") not in {"", "l/kwh", "liters/kwh", "litres/kwh", "l/kw-h"}:
        msg = "give it in L/kWh, like 0.18"
        raise ValueError(msg)
    return amount


def _yes_no(value: object) -> bool:
    word = str(value).strip().casefold()
    if word in {"true", "yes", "on", "1"}:
        return True
    if word in {"false", "no", "off", "0"}:
        return False
    msg = "write true or false"
    raise ValueError(msg)


def _instant(value: object, timezone: str) -> pd.Timestamp:
    """Read "July 6, 2024 17:01", ISO 8601, or a Python date; without a zone, in `timezone`."""
    if isinstance(value, dt.date):
        value = value.isoformat()
    text = " ".join(str(value).replace(",", " ").split())
    found = _iso(text.replace(" UTC", "Z"), timezone)
    if found is not None:
        return found
    zone = timezone
    if stripped := re.fullmatch(r"(.*?)\s?(?:UTC|GMT|Z)", text):
        text, zone = stripped.group(1), "UTC"
    if slashed := re.match(r"(\d{1,2})/(\d{1,2})/(\d{4})\b", text):
        text = _in_order(*slashed.groups()) + text[slashed.end() :]
    for day in _MONTH_FORMATS:
        with contextlib.suppress(ValueError):
            read = dt.datetime.strptime(text, day)  # noqa: DTZ007 (zone follows)
            return _iso(read.replace(day=_MIDDLE_OF_MONTH).isoformat(), zone)
    for day in _DAY_FORMATS:
        for time in _TIME_FORMATS:
            try:
                read = dt.datetime.strptime(text, day + time)  # noqa: DTZ007 (zone follows)
            except ValueError:
                continue
            found = _iso(read.isoformat(), zone)
            if found is not None:
                return found
    msg = "write it like July 6, 2024 17:01 or 2024-07-06T17:01Z"
    raise ValueError(msg)


def _in_order(first: str, second: str, year: str) -> str:
    """Return a day written with slashes as ISO 8601 where its order is sure."""
    no_month = [int(part) > 12 for part in (first, second)]
    if first == second or no_month == [False, True]:
        return f"{year}-{first}-{second}"
    return f"{year}-{second}-{first}" if no_month == [True, False] else f"{first}/{second}/{year}"


def _iso(text: str, timezone: str) -> pd.Timestamp | None:
    try:
        return instant(text, timezone)
    except RefusalError:
        return None


def _lengths(value: object) -> str:
    """Read a list of lengths or of batches, or a mapping of length to count; also as JSON."""
    return as_field(lengths_of(json.loads(value) if isinstance(value, str) else value))


_PARSERS: dict[str, Callable[[object], object]] = {
    "text": _text,
    "method": _method,
    "number": _number,
    "gpu_hours": _gpu_hours,
    "share": _share,
    "duration": _duration,
    "duration_bare": lambda value: _duration(value, bare=1.0),
    "hours": _hours,
    "days": lambda value: _scaled(value, _DAYS, "365 days", None),
    "days_bare": lambda value: _scaled(value, _DAYS, "365 days", 1.0),
    "energy": lambda value: _scaled(value, _KWH, "12 kWh", None),
    "energy_bare": lambda value: _scaled(value, _KWH, "12 kWh", 1.0),
    "power": lambda value: _scaled(value, _W, "400 W", 1.0),
    "carbon": _carbon,
    "rate": _rate,
    "intensity": _intensity,
    "yes_no": _yes_no,
    "lengths": _lengths,
}
