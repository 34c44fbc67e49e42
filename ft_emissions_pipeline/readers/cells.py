"""Cells as machines write them: columns of text, numbers and instants, and single ones of JSON.

Put here: their reading, and texts between pandas and Arrow. Keep out: values that people wrote
(`shared/labels.py`), tables of a file (`sheets.py`), and what a reader returns (`reading.py`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ft_emissions_pipeline.readers.reading import RefusalError
from ft_emissions_pipeline.readers.scrubbing import shown
from ft_emissions_pipeline.tables.frames import text_array


def trimmed(cells: pd.Series) -> tuple[pd.Series, np.ndarray | None]:
    """Return a text column with its cells stripped, empty ones missing, and which had blanks.

    The second is None if none had.
    """
    text = arrow_text(cells)
    bare = pc.utf8_trim_whitespace(text)
    lengths = pc.binary_length(bare)
    stripped = None
    if pc.sum(lengths).as_py() != pc.sum(pc.binary_length(text)).as_py():
        differs = pc.fill_null(pc.not_equal(lengths, pc.binary_length(text)), False)
        stripped = differs.to_numpy(zero_copy_only=False)
    blank = pc.equal(lengths, 0)
    if pc.any(blank).as_py():
        bare = pc.if_else(blank, pa.scalar(None, pa.large_string()), bare)
    elif stripped is None:
        return cells, None
    return text_series(bare, cells.index), stripped


def text_series(values: pa.Array, index: pd.Index) -> pd.Series:
    """Return Arrow text as a column, without a copy."""
    return pd.Series(text_array(values), index=index, copy=False)


def of_each(cells: pd.Series, change: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """Return texts changed, each of the few different ones once."""
    code, values = pd.factorize(cells)
    changed = change(pd.Series(values).astype("str"))
    again, kept = pd.factorize(changed)
    place = np.append(again, -1)[code]
    return pd.Series(pd.Categorical.from_codes(place, kept), index=cells.index)


def one_text(text: str | None, lines: pd.Index | np.ndarray) -> pd.Series:
    """Return a column of one text for all lines, or of none."""
    values = pd.Index([] if text is None else [text], dtype="str")
    code = np.full(len(lines), len(values) - 1, dtype="int8")
    return pd.Series(pd.Categorical.from_codes(code, values), index=lines)


def as_text(whole: pd.Index) -> pd.Series:
    """Return whole numbers as text, for instance line numbers."""
    return text_series(pc.cast(pa.array(whole.to_numpy()), pa.large_string()), whole)


def stacked(pieces: list[dict[str, pd.Series]]) -> pd.DataFrame:
    """Return pieces of a frame as one; empty the pieces, so that memory holds the rows once."""
    if len(pieces) == 1:
        return pd.DataFrame(pieces[0], copy=False).reset_index(drop=True)
    columns = {
        name: pd.concat([piece.pop(name) for piece in pieces], ignore_index=True)
        for name in list(pieces[0])
    }
    return pd.DataFrame(columns, copy=False)


def arrow_text(cells: pd.Series) -> pa.Array:
    """Return a text column as one Arrow array, copied only if it lies in several parts."""
    found = pa.array(cells, type=pa.large_string(), from_pandas=True)
    if not isinstance(found, pa.ChunkedArray):
        return found
    return found.chunk(0) if found.num_chunks == 1 else found.combine_chunks()


def numbers(cells: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Return a column's numbers, and which cells hold something that is none.

    Blank cells are missing numbers; text, nan and infinities are none. Text columns are read at
    once, columns of mixed objects (from JSON) cell by cell.
    """
    if pd.api.types.is_bool_dtype(cells):
        return pd.Series(np.nan, index=cells.index), cells.notna().to_numpy()
    if pd.api.types.is_numeric_dtype(cells):
        values = cells.astype("float64")
        return values, np.isinf(values.to_numpy())
    if pd.api.types.is_string_dtype(cells) and cells.dtype != object:
        return _text_numbers(cells)
    read = [_number_or_none(cell) for cell in cells]
    values = pd.Series([value for value, _ in read], index=cells.index, dtype="float64")
    return values, np.array([bad for _, bad in read], dtype=bool)


_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def _text_numbers(cells: pd.Series) -> tuple[pd.Series, np.ndarray]:
    text = arrow_text(cells)
    try:
        values = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        text = arrow_text(trimmed(cells)[0])
        shaped = pc.match_substring_regex(text, _NUMBER)
        values = pc.cast(pc.if_else(shaped, text, None), pa.float64())
    finite = pc.fill_null(pc.is_finite(values), False)
    bad = pc.and_(pc.is_valid(text), pc.invert(finite)).to_numpy(zero_copy_only=False)
    read = pd.Series(values.to_numpy(zero_copy_only=False), index=cells.index)
    return read.mask(bad) if bad.any() else read, bad


def _number_or_none(cell: object) -> tuple[float, bool]:
    try:
        value = number(cell)
    except RefusalError:
        return math.nan, True
    return (math.nan if value is None else value), False


_UNKNOWN = {"", "auto", "max", "default", "none", "null", "unknown", "n/a", "unset"}


def number(value: object, name: str = "value") -> float | None:
    """Return one number of a JSON document, None if it is missing or says that it is not known.

    Services and trainers write -1 or a word like `auto` where they were left to choose.

    Raises
    ------
    RefusalError
        With code `not_a_number`, if there is something that is no finite number.
    """
    if value is None or (isinstance(value, str) and value.strip().casefold() in _UNKNOWN):
        return None
    msg = f"{name} is {shown(value)}, no finite number; correct it or leave it out"
    if isinstance(value, bool) or not isinstance(value, (int, float, str, np.number)):
        raise RefusalError(msg, "not_a_number", name)
    try:
        read = float(value) if not isinstance(value, str) or "_" not in value else math.nan
    except (ValueError, OverflowError):
        read = math.nan
    if not math.isfinite(read):
        raise RefusalError(msg, "not_a_number", name)
    return None if read == -1 else read


def instants(cells: pd.Series, timezone: str) -> tuple[pd.Series, np.ndarray]:
    """Return a column of ISO 8601 text as UTC instants, and which cells hold something else.

    Cells that name no zone are taken in `timezone`; in the hour that repeats when summer time
    ends, they are taken in standard time.
    """
    plain = _plain_instants(cells)
    if plain is not None:
        return localized(plain, timezone), np.zeros(len(cells), dtype=bool)
    text = cells.astype("str").str.strip()
    filled = text.notna() & (text != "")
    naive = text.str.fullmatch(_CLOCK, na=False)
    zoned = text.str.fullmatch(f"{_CLOCK} ?(?:Z|[+-]\\d{{2}}(?::?\\d{{2}})?)", na=False)
    found = pd.Series(pd.NaT, index=cells.index, dtype="datetime64[us, UTC]")
    if zoned.any():
        read = pd.to_datetime(text[zoned], format="ISO8601", errors="coerce", utc=True)
        found[zoned] = read.astype("datetime64[us, UTC]")
    if naive.any():
        read = pd.to_datetime(text[naive], format="ISO8601", errors="coerce")
        found[naive] = localized(read, timezone)
    return found, (filled & found.isna()).to_numpy()


_CLOCK = r"\d{4}-\d{2}-\d{2}(?:[T ]\d[\d:.,]*)?"


def _plain_instants(cells: pd.Series) -> pd.Series | None:
    """Return wall-clock times if every cell is one, at a tenth of the cost; else None."""
    if not pd.api.types.is_string_dtype(cells) or cells.dtype == object:
        return None
    text = arrow_text(cells)
    # Arrow would take a day without a time, and drop a zone: only the form with both is plain.
    shaped = pc.match_substring_regex(text, r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?$")
    if not pc.all(pc.fill_null(shaped, False)).as_py():
        return None
    try:
        found = pc.cast(text, pa.timestamp("us"))
    except pa.ArrowInvalid:
        return None
    return pd.Series(found.to_numpy(zero_copy_only=False), index=cells.index)


def localized(naive: pd.Series, timezone: str) -> pd.Series:
    """Return naive wall-clock times of a zone as UTC instants."""
    if timezone == "UTC":
        return naive.dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    winter = np.zeros(len(naive), dtype=bool)
    local = naive.dt.tz_localize(timezone, ambiguous=winter, nonexistent="shift_forward")
    return local.dt.tz_convert("UTC").astype("datetime64[us, UTC]")


_ZONED = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII
)
"""The usual form of an instant, which the standard library reads a hundred times faster than
pandas."""


def instant(value: object, timezone: str, name: str = "time") -> pd.Timestamp | None:
    """Return one instant of a JSON document, ISO 8601 or Unix seconds, None if it is missing.

    Raises
    ------
    RefusalError
        With code `bad_timestamp`, if it is neither.
    """
    if value is None or value == "":
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # Years 1970 to 2286; anything beyond is milliseconds or nonsense.
        if 0 <= value < 1e10:
            return pd.Timestamp(value, unit="s", tz="UTC")
    elif isinstance(value, str):
        if _ZONED.fullmatch(value):
            with suppress(ValueError):
                return pd.Timestamp(datetime.fromisoformat(value)).tz_convert("UTC").as_unit("us")
        found, bad = instants(pd.Series([value], dtype="str"), timezone)
        if not bad[0]:
            return found.iloc[0]
    msg = f"{name} is {shown(value)}; write it as 2024-07-06T17:01:00Z or in Unix seconds"
    raise RefusalError(msg, "bad_timestamp", name)
