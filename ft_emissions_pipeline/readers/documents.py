"""Open text, JSON, YAML and CSV safely, whatever their writer did to them.

Put here: decoding, parsing, and the guards against documents made to hurt. Keep out: the meaning of
what is parsed; it lives in the module of the format.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import yaml

from ft_emissions_pipeline.readers.reading import RefusalError, Refused, read_each, refused_rows
from ft_emissions_pipeline.readers.scrubbing import shown
from ft_emissions_pipeline.tables.rows import Check

_MAX_DEPTH = 60
"""Nesting beyond which a YAML document is refused; a disclosure needs four levels."""
_LONGEST_CELL = 1 << 16
"""Bytes over which a quote is looked for that closes a cell."""
_MAX_COLUMNS = 10_000
"""Columns beyond which a CSV file is refused; the widest log has a few hundred."""


def text_of(data: bytes) -> str:
    """Return a file's text with Unix line ends; UTF-8, else Windows-1252, which never fails."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True)
class Item:
    """One record of a JSON or YAML file: its place, its value, or why it has none."""

    record: str
    value: object
    problem: str = ""
    raw: str = ""
    code: str = "broken_json"
    """Reason code of the problem, if there is one."""

    def text(self) -> str:
        """Return the record as it stands there, or as Python shows what was read of it."""
        return self.raw or repr(self.value)

    def mapping(self, otherwise: str) -> dict[str, object]:
        """Return the object that the record is.

        Parameters
        ----------
        otherwise : str
            Why it is refused if it is none; `{}` in it becomes the kind of what stands there.

        Raises
        ------
        RefusalError
            If it is none, or could not be read at all.
        """
        if self.problem:
            raise RefusalError(self.problem, self.code)
        if not isinstance(self.value, dict):
            raise RefusalError(otherwise.format(type(self.value).__name__), "wrong_shape")
        return self.value


def json_items(data: bytes) -> tuple[list[Item], bool]:
    """Return the records of a JSON object, list or lines, and whether it was one object.

    A record's place is its number in a list, or the line on which it begins, from 1 on.

    Raises
    ------
    RefusalError
        If the file is none of these.
    """
    text = text_of(data)
    try:
        document = json_of(text)
    except ValueError as error:
        if isinstance(error, RefusalError) and _is_one(text):
            if not text.lstrip().startswith("["):
                raise
            return list(_json_list(text)), False
        for items in map(list, (_json_lines(text), _json_objects(text))):
            if len(items) > 1 and not all(item.problem for item in items):
                return items, False
        msg = f"no valid JSON: {error}; write the file again"
        raise RefusalError(msg, "broken_json") from error
    if isinstance(document, list):
        return [Item(str(n), value) for n, value in enumerate(document, 1)], False
    return [Item("1", document)], True


def _json_lines(text: str) -> Iterator[Item]:
    for n, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _json_item(n, line)


def _json_objects(text: str) -> Iterator[Item]:
    """Read objects that stand below each other, each over several lines, as `jq` prints them."""
    starts = [0, *(seam.end() for seam in re.finditer(r"(?m)^\}\n+(?=\{)", text))]
    line = 1
    for start, end in itertools.pairwise([*starts, len(text)]):
        yield _json_item(line, text[start:end])
        line += text.count("\n", start, end)


def _json_list(text: str) -> Iterator[Item]:
    """Read a valid list of which some record cannot be taken, one after the other."""
    n, at = 0, text.index("[") + 1
    while text[at] != "]":
        if text[at] in ", \t\n":
            at += 1
            continue
        n, end = n + 1, _LAX.raw_decode(text, at)[1]
        yield _json_item(n, text[at:end])
        at = end


def _is_one(text: str) -> bool:
    try:
        _LAX.decode(text)
    except ValueError:
        return False
    return True


def _json_item(n: int, text: str) -> Item:
    try:
        return Item(str(n), json_of(text), raw=text)
    except RefusalError as error:
        return Item(str(n), None, str(error), text, error.code)
    except (ValueError, RecursionError) as error:
        return Item(str(n), None, f"no valid JSON: {error}; correct or remove the line", text)


def objects_of(
    items: Iterable[Item], otherwise: str
) -> tuple[list[tuple[str, dict[str, object]]], list[Refused]]:
    """Return place and content of the records that are objects, and the others as refused ones."""
    placed = ((item.record, item) for item in items)
    return read_each(placed, lambda item: item.mapping(otherwise), Item.text)


def json_of(text: str) -> object:
    """Return what JSON says; an integer too long for any count stays text, for readers to refuse.

    Raises
    ------
    RefusalError
        If a key stands twice in one object.
    ValueError
        If it is no JSON.
    """
    try:
        document = _ONCE.decode(text)
    except (json.JSONDecodeError, RefusalError):
        raise
    except ValueError:
        # Python reads no integer of more than 4,300 digits.
        document = _ONCE_LONG.decode(text)
    if "\\ud" in text or "\\uD" in text:
        # Half of a surrogate pair is valid in JSON, but no text that can be stored.
        whole = json.dumps(document, ensure_ascii=False).encode("utf-8", errors="replace")
        document = json.loads(whole)
    return document


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _twice((key, shown(value)) for key, value in pairs)
    return made


def _twice(pairs: Iterable[tuple[str, str]]) -> RefusalError:
    """Say which key stands twice first, and with what."""
    first: dict[str, str] = {}
    for key, said in pairs:
        if key in first:
            break
        first[key] = said
    msg = (
        f"{shown(key)} stands twice ({first[key]} and {said}); only one of them can count, "
        "remove the other"
    )
    return RefusalError(msg, "duplicated_key")


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) < 400 else digits


_ONCE = json.JSONDecoder(object_pairs_hook=_once)
_ONCE_LONG = json.JSONDecoder(object_pairs_hook=_once, parse_int=_whole)
_LAX = json.JSONDecoder(parse_int=str)


def yaml_documents(data: bytes) -> list[object]:
    """Return the documents of a YAML file, every scalar as text.

    Text is what readers want: YAML itself would turn `NO` into False and `3:20:00` into 12000.
    Aliases (which can blow a small file up) and keys that stand twice (of which one would be lost)
    are refused.

    Raises
    ------
    RefusalError
        If the file is no YAML, or uses what is refused.
    """
    text = text_of(data).translate(_NO_LINES)
    try:
        _guard_yaml(text)
        return [document for document in yaml.load_all(text, Loader=_TextLoader) if document]
    except yaml.YAMLError as error:
        msg = f"no valid YAML: {' '.join(str(error).split())}; correct the file"
        raise RefusalError(msg, "broken_yaml") from error


def document_of(data: bytes, name: str, otherwise: str) -> dict[str, object]:
    """Return the only mapping that a JSON or YAML file holds.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        Its name; one that ends with `.json` is JSON.
    otherwise : str
        Why the file is refused if it holds anything else.

    Raises
    ------
    RefusalError
        If it does, or is neither JSON nor YAML.
    """
    if name.casefold().endswith(".json"):
        items, single = json_items(data)
        documents = [items[0].value] if single else []
    else:
        documents = yaml_documents(data)
    document = documents[0] if len(documents) == 1 else None
    if not isinstance(document, dict):
        raise RefusalError(otherwise, "wrong_shape")
    return document


def _guard_yaml(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        if isinstance(event, yaml.AliasEvent):
            line = "" if event.start_mark is None else f"line {event.start_mark.line + 1} "
            msg = f"{line}uses a YAML alias; write the value out"
            raise RefusalError(msg, "broken_yaml")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            msg = f"nested more than {_MAX_DEPTH} levels deep; a log or disclosure never is"
            raise RefusalError(msg, "too_deep")


_NO_LINES = dict.fromkeys(map(ord, "\v\f\x85\u2028\u2029"), " ")
"""What older YAML takes for the end of a line, or refuses: a blank, as wherever text is shown."""


class _TextLoader(yaml.CBaseLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        named = [pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode)]
        if len({key.value for key, _ in named}) < len(named):
            raise _twice((key.value, _written(value)) for key, value in named)
        return super().construct_mapping(node, deep=deep)


def _written(value: yaml.Node) -> str:
    said = shown(value.value) if isinstance(value, yaml.ScalarNode) else "more below it"
    return f"{said} in line {value.start_mark.line + 1}"


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
    frame = pd.DataFrame(dict(zip(chosen, columns, strict=True)), index=rows + offset, dtype="str")
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


_Parsed = tuple[list[object], np.ndarray, list[tuple[int, int, str]]]


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
                column_types=dict.fromkeys(names, pa.string()), include_columns=wanted,
                strings_can_be_null=False,
            ),
        )  # fmt: skip
    except pa.ArrowInvalid:
        return None
    count = body.count(b"\n")
    if table.num_rows + len(seen) != count:
        return None
    keep = np.ones(count, dtype=bool)
    keep[seen] = False
    rows = np.flatnonzero(keep)
    columns = [table.column(name).to_pandas().astype("str") for name in wanted]
    if body.startswith(b"\n") or b"\n\n" in body:
        ends = np.flatnonzero(np.frombuffer(body, dtype="uint8") == ord("\n"))
        filled = (np.diff(ends, prepend=-1) > 1)[rows]
        columns = [column[filled] for column in columns]
        rows = rows[filled]
    return [column.array for column in columns], rows, invalid


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
    columns: list[object] = [[row[n] for row in good] for n in range(len(places))]
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
