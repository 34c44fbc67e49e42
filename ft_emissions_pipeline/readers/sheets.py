"""Open CSV files safely: by column name, with lines that do not fit set apart.

Put here: headers, rows, cells and their types, whole or in pieces. Keep out: decoding of text
(`documents.py`), and the meaning of columns; it lives in the module of the format.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from ft_emissions_pipeline.readers.documents import text_of
from ft_emissions_pipeline.readers.reading import RefusalError, Refused, refused_rows
from ft_emissions_pipeline.tables.frames import TEXT, text_array
from ft_emissions_pipeline.tables.rows import Check

_LONGEST_CELL = 1 << 16
"""Bytes over which a quote is looked for that closes a cell."""
_MAX_COLUMNS = 10_000
"""Columns beyond which a CSV file is refused; the widest log has a few hundred."""


@dataclass(frozen=True)
class Misfit:
    """A line of a CSV file with another number of cells than the header."""

    line: int
    cells: int
    text: str


@dataclass(frozen=True)
class Sheet:
    """A CSV file or a piece of it: cells as text by line number, and the lines that do not fit."""

    header: list[str]
    delimiter: str
    frame: pd.DataFrame
    misfits: list[Misfit]
    content: bytes
    """The lines of the piece, as UTF-8 with Unix line ends."""
    start: int = 1
    """Number of the first of them."""

    @cached_property
    def lines(self) -> list[str]:
        """Text of each line; `lines[n - start]` is line n."""
        return self.content.decode().split("\n")

    def line(self, number: int) -> str:
        """Return the text of one line, for messages."""
        return self.lines[number - self.start]

    def refused(self, checks: Sequence[Check]) -> list[Refused]:
        """Return the first problem of each row that breaks a check, as refused records."""
        numbers = self.frame.index
        return refused_rows(
            len(numbers), checks, lambda i: str(numbers[i]), lambda i: self.line(int(numbers[i]))
        )

    def refused_misfits(self, reason: str) -> list[Refused]:
        """Return the misfits as refused records; `{cells}` and `{columns}` become their numbers."""
        columns = len(self.header)
        return [
            (str(each.line), "shifted_row", reason.format(cells=each.cells, columns=columns),
             each.text)
            for each in self.misfits
        ]  # fmt: skip


DELIMITERS = (",", ";", "\t")


def header_of(head: bytes) -> tuple[list[str], str]:
    """Return the column names in the first line that is not blank, and their delimiter."""
    for line in text_of(head[:65536]).split("\n"):
        if line.strip():
            delimiter = max(DELIMITERS, key=line.count)
            return _names(line, delimiter), delimiter
    return [], ","


def _names(line: str, delimiter: str) -> list[str]:
    return [name.strip() for name in _row(line, delimiter)]


def sheet_of(data: bytes, wanted: Sequence[str] | None = None) -> Sheet:
    """Read a CSV file by column name; blank lines are nothing, misfit lines are set apart.

    Parameters
    ----------
    data : bytes
        The file. Its delimiter is that of the header.
    wanted : sequence of str, optional
        Columns to return; those that the header lacks are left out.

    Raises
    ------
    RefusalError
        If a column name that is wanted stands twice.
    """
    return next(sheets_of(data, wanted, block=len(data) + 1))


@dataclass(frozen=True)
class Types:
    """Columns of instants and of numbers, by which the cells of clean lines are read at once."""

    instants: frozenset[str]
    numbers: frozenset[str]


def sheets_of(
    data: bytes | BinaryIO,
    wanted: Sequence[str] | None = None,
    block: int = 1 << 23,
    types: Callable[[list[str]], Types] | None = None,
) -> Iterator[Sheet]:
    """Read a CSV file as `sheet_of` does, in pieces of `block` bytes, so that memory stays bounded.

    A file without rows is one piece. With `types`, which tells them from the header, columns of a
    piece of clean cells are instants, numbers and categories instead of text.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    return sheets_in(blocks_of(stream, block), wanted, types)


def sheets_in(
    pieces: Iterator[bytes],
    wanted: Sequence[str] | None = None,
    types: Callable[[list[str]], Types] | None = None,
) -> Iterator[Sheet]:
    """Read pieces of a CSV file, as `blocks_of` cuts it, as `sheets_of` does."""
    start, piece = 1, b""
    for piece in pieces:
        blank = len(piece) - len(piece.lstrip(b" \t\n\v\f"))
        first = piece.count(b"\n", 0, blank)
        if blank < len(piece):
            break
        start += piece.count(b"\n")
    else:
        first = 0
    at = 0
    for _ in range(first):
        at = piece.index(b"\n", at) + 1
    end = piece.find(b"\n", at) + 1 or len(piece)
    header, delimiter = header_of(piece[at:end])
    chosen = [name for name in dict.fromkeys(header) if name and (wanted is None or name in wanted)]
    _refuse_twice(header, chosen)
    places = _places(header, chosen)
    typed = None if types is None else types(header)
    for lines in itertools.chain([piece], pieces):
        yield _sheet(header, delimiter, chosen, places, lines, start, end, typed)
        start, end = start + _count(lines, b"\n"), 0


def _places(header: list[str], chosen: list[str]) -> list[int]:
    first: dict[str, int] = {}
    for n, name in enumerate(header):
        first.setdefault(name, n)
    return [first[name] for name in chosen]


def _refuse_twice(header: list[str], chosen: list[str]) -> None:
    counts = Counter(header)
    twice = [name for name in chosen if counts[name] > 1]
    if twice:
        msg = f"column {twice[0]!r} stands twice in the header; remove or rename one of them"
        raise RefusalError(msg, "duplicated_header")
    if len(header) > _MAX_COLUMNS:
        msg = f"the header has {len(header)} columns; no log has more than {_MAX_COLUMNS}"
        raise RefusalError(msg, "wrong_shape")


def _sheet(
    header: list[str],
    delimiter: str,
    chosen: list[str],
    places: list[int],
    piece: bytes,
    start: int,
    begin: int,
    types: Types | None,
) -> Sheet:
    """Return the sheet of a piece whose rows begin at byte `begin` and at line `start`."""
    body = piece[begin:] if begin else piece
    offset = start + piece.count(b"\n", 0, begin)
    clean = _typed_cells(body, header, delimiter, types) if types else None
    if clean is not None:
        return Sheet(
            header, delimiter, clean[chosen].set_axis(clean.index + offset), [], piece, start
        )
    columns, rows, misfits = _cells(body, len(header), places, delimiter)
    frame = pd.DataFrame(dict(zip(chosen, columns, strict=True)), index=rows + offset, copy=False)
    found = [Misfit(line + offset, cells, text) for line, cells, text in misfits]
    return Sheet(header, delimiter, frame, found, piece, start)


def blocks_of(stream: BinaryIO, block: int) -> Iterator[bytes]:
    """Cut a file at line ends into pieces of UTF-8 with Unix line ends, decoded as in `text_of`."""
    utf8 = _is_utf8(stream)
    held = stream.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
    more = fresh = True
    while held or more or fresh:
        lacking = block + 2 * _LONGEST_CELL - len(held)
        if more and lacking > 0:
            read = stream.read(lacking)
            held, more = held + read, bool(read)
            continue
        end = _line_end(held, held.find(b"\n", block) + 1 or len(held))
        if more and end == len(held):
            # A line longer than a piece.
            read = stream.read(block)
            held, more = held + read, bool(read)
            continue
        piece, held, fresh = held[:end], held[end:], False
        if not utf8:
            piece = piece.decode("cp1252", errors="replace").encode()
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield piece


def _line_end(data: bytes, end: int) -> int:
    """Return the end of a line, at `end` or soon behind it, that no quoted cell goes on beyond."""
    inside, at = _count(data[:end], b'"') % 2, end
    while inside and (quote := data.find(b'"', at, end + _LONGEST_CELL)) >= 0:
        before, at = at, data.find(b"\n", quote) + 1 or len(data)
        inside ^= data.count(b'"', before, at) % 2
    return end if inside else at


def _count(data: bytes, mark: bytes) -> int:
    """Return how often a byte stands in data; of one that is frequent, at once."""
    return int(np.count_nonzero(np.frombuffer(data, dtype="uint8") == mark[0]))


def _is_utf8(stream: BinaryIO) -> bool:
    """Say whether a whole file is UTF-8; its place is where it was."""
    start, decoder = stream.tell(), codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := stream.read(1 << 24):
            if decoder.getstate()[0] or not chunk.isascii():
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        stream.seek(start)
    return True


_Parsed = tuple[list[pd.api.extensions.ExtensionArray], np.ndarray, list[tuple[int, int, str]]]


def _cells(body: bytes, width: int, places: list[int], delimiter: str) -> _Parsed:
    """Return the chosen columns, the lines (from 0) that they stand on, and the misfits."""
    if body and not body.endswith(b"\n"):
        body += b"\n"
    fast = _arrow_cells(body, width, places, delimiter) if body and width else None
    lines = [] if fast else body.decode().split("\n")
    return fast or _plain_cells(lines, width, places, delimiter)


def _typed_cells(
    body: bytes, header: list[str], delimiter: str, types: Types
) -> pd.DataFrame | None:
    """Return columns by the types that they should have; None unless every cell is of its type.

    Lines are numbered from 0. What is not clean is for those who read cell by cell.
    """
    kinds = {
        name: pa.float64() if name in types.numbers else pa.dictionary(pa.int32(), pa.string())
        for name in header
        if name not in types.instants
    }
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(body),
            read_options=arrow_csv.ReadOptions(column_names=header, block_size=1 << 22),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
            convert_options=arrow_csv.ConvertOptions(
                column_types=kinds, null_values=[""], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    lines = _count(body, b"\n") + (not body.endswith(b"\n"))
    clean = table.num_rows == lines and all(
        pa.types.is_timestamp(table[name].type) for name in types.instants
    )
    return typed_frame(table) if clean else None


def typed_frame(table: pa.Table) -> pd.DataFrame | None:
    """Return a table with instants in microseconds, numbers and categories, its rows from 0.

    None where a cell is missing or no finite number.
    """
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count:
            return None
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
        elif pa.types.is_floating(column.type) and not pc.all(pc.is_finite(column)).as_py():
            return None
        columns[name] = column.to_pandas()
    return pd.DataFrame(columns, copy=False)


def _arrow_cells(body: bytes, width: int, places: list[int], delimiter: str) -> _Parsed | None:
    """Parse at once with Arrow; None where a quoted cell spans lines, which must be read singly."""
    invalid: list[tuple[int, int, str]] = []

    def note(row: arrow_csv.InvalidRow) -> str:
        if row.text.strip():
            invalid.append((row.number - 1, row.actual_columns, row.text))
        seen.append(row.number - 1)
        return "skip"

    seen: list[int] = []
    names = [str(n) for n in range(width)]
    wanted = [names[n] for n in places]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(body),
            # One thread, because only then does Arrow number the rows that do not fit.
            read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False,
                                               block_size=1 << 24),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, invalid_row_handler=note, ignore_empty_lines=False
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()), include_columns=wanted,
                strings_can_be_null=False,
            ),
        )  # fmt: skip
    except pa.ArrowInvalid:
        return None
    ends = np.frombuffer(body, dtype="uint8") == ord("\n")
    count = np.count_nonzero(ends)
    if table.num_rows + len(seen) != count:
        return None
    keep = np.ones(count, dtype=bool)
    keep[seen] = False
    rows = np.flatnonzero(keep)
    columns = [text_array(table.column(name).combine_chunks()) for name in wanted]
    if ends[0] or (ends[1:] & ends[:-1]).any():
        filled = (np.diff(np.flatnonzero(ends), prepend=-1) > 1)[rows]
        columns = [column[filled] for column in columns]
        rows = rows[filled]
    return columns, rows, invalid


def _plain_cells(body: list[str], width: int, places: list[int], delimiter: str) -> _Parsed:
    good: list[list[str]] = []
    rows: list[int] = []
    misfits: list[tuple[int, int, str]] = []
    for n, text, cells in _rows(body, delimiter):
        if len(cells) == width:
            good.append([cells[place] for place in places])
            rows.append(n)
        else:
            misfits.append((n, len(cells), text))
    index = np.array(rows, dtype="int64")
    columns = [pd.array([row[n] for row in good], dtype=TEXT) for n in range(len(places))]
    return columns, index, misfits


def _rows(body: list[str], delimiter: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield first line, text and cells of each row; a quote that never closes ends at its line."""
    odd = [n for n, line in enumerate(body) if line.count('"') % 2]
    closing = dict(itertools.pairwise(odd))
    after = 0
    for n, line in enumerate(body):
        if n < after or not line.strip():
            continue
        text, cells = line, _row(line, delimiter)
        if n in closing:
            whole = "\n".join(body[n : closing[n] + 1])
            # Strictly, as the next quote may open another cell.
            joined = _row(whole, delimiter, strict=True)
            if joined:
                text, cells, after = whole, joined, closing[n] + 1
        yield n, text, cells


def _row(text: str, delimiter: str, *, strict: bool = False) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=strict), [])
    except csv.Error:
        return []
