"""Many small CSV files of one header as one sheet, so that what costs per file is paid once.

Put here: which files can be stacked, and which of them a row is of. Keep out: the meaning of
columns (`readers/formats/`), and the choice of files that are read together (`landing/engines.py`).

A quote that does not close in its cell could swallow the files behind it, so a file with one is
left out, to be read alone.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ft_emissions_pipeline.readers.cells import as_text
from ft_emissions_pipeline.readers.reading import RefusalError
from ft_emissions_pipeline.readers.sheets import Sheet, blocks_of, header_of, sheet_of


@dataclass(frozen=True)
class Stack:
    """Rows of files one below the other."""

    sheet: Sheet
    files: list[int]
    """Place of each file among those given."""
    starts: NDArray[np.int64]
    """Line of the sheet on which each file's first row stands, which is line 2 of the file."""

    def owner(self, records: pd.Series) -> NDArray[np.int64]:
        """Return by position in `files` whose the lines of the sheet are, given as text."""
        lines = records.astype("int64").to_numpy()
        return np.asarray(np.searchsorted(self.starts, lines, side="right") - 1, dtype="int64")

    def own_lines(self, records: pd.Series) -> pd.Series:
        """Return what lines of the sheet are in their files, both as text."""
        lines = records.astype("int64").to_numpy() - self.starts[self.owner(records)] + 2
        return as_text(pd.Index(lines)).set_axis(records.index)


def stacks(contents: Sequence[bytes], wanted: Sequence[str]) -> Iterator[Stack]:
    """Yield the files that can be stacked, by their headers; each with a row at least.

    Parameters
    ----------
    contents : sequence of bytes
        The files.
    wanted : sequence of str
        Columns to return, as for `sheet_of`.
    """
    alike: dict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
    for place, data in enumerate(contents):
        (text,) = blocks_of(io.BytesIO(data), len(data) + 1)
        header, end, body = text.partition(b"\n")
        if header.strip() and end and body.strip() and _closed(header, body):
            alike[header].append((place, body if body.endswith(b"\n") else body + b"\n"))
    for header, files in alike.items():
        if len(files) > 1:
            try:
                stack = _stack(header, files, wanted)
            except RefusalError:
                # Each is refused for itself, and no file of another header with them.
                continue
            yield stack


def _stack(header: bytes, files: list[tuple[int, bytes]], wanted: Sequence[str]) -> Stack:
    sheet = sheet_of(b"\n".join([header, b"".join(body for _, body in files)]), wanted)
    lines = [body.count(b"\n") for _, body in files]
    return Stack(sheet, [place for place, _ in files], 2 + np.cumsum([0, *lines[:-1]]))


def _closed(header: bytes, body: bytes) -> bool:
    """Say whether every quote of a file opens or closes a whole cell, none over a line's end."""
    if b'"' not in body:
        return True
    _, delimiter = header_of(header)
    return b'"' not in _quoted(delimiter).sub(b"", body)


@cache
def _quoted(delimiter: str) -> re.Pattern[bytes]:
    """Return the form of a whole cell in quotes, its delimiters or line ends beside it."""
    mark = re.escape(delimiter)
    return re.compile(rf'(?:^|(?<={mark}))"[^"\n]*"(?={mark}|$)'.encode(), re.MULTILINE)
