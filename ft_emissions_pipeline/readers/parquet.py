"""A log that somebody keeps as Parquet, as the CSV file that the readers know.

Put here: Parquet of any log whose form as CSV is read. Keep out: counts of inferences and cloud
reports, whose readers take Parquet as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ft_emissions_pipeline.readers.reading import RefusalError
from ft_emissions_pipeline.readers.sheets import Sheet, Types

MAGIC = b"PAR1"
_BLOCK = 1 << 16
_FIRST = 1000
"""Rows that show what a file is."""


def csv_name(uri: str) -> str:
    """Return what the file would be called as CSV."""
    return re.sub(r"(?i)\.(?:parquet|pq)$", "", uri) + ".csv"


def columns(data: bytes) -> list[str]:
    """Return the names of a Parquet file's columns.

    Raises
    ------
    RefusalError
        `broken_parquet` if there is no valid end of a file.
    """
    return list(_opened(data).schema_arrow.names)


def as_csv(data: bytes, limit: int) -> bytes:
    """Return the columns of plain values as CSV, in the order of the file; row n is line n + 1.

    Raises
    ------
    RefusalError
        `broken_parquet`, or `too_large` beyond a limit in bytes.
    """
    file, out = _opened(data), pa.BufferOutputStream()
    plain = _plain(file)
    header = pa_csv.WriteOptions(include_header=True)
    try:
        for block in file.iter_batches(_BLOCK, columns=plain):
            pa_csv.write_csv(_decoded(pa.Table.from_batches([block])), out, header)
            header = pa_csv.WriteOptions(include_header=False)
            if out.tell() > limit:
                msg = f"its rows take more than {limit >> 20} MiB as text; split the file"
                raise RefusalError(msg, "too_large")
    except (pa.ArrowException, OSError) as error:
        raise _broken(error) from error
    return bytes(out.getvalue())


def rows(path: Path) -> int:
    """Return how many rows a file has."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def first_lines(path: Path) -> bytes:
    """Return the first rows as `as_csv` does, for who knows a file by its beginning."""
    with _opened(path) as file:
        first = next(file.iter_batches(_FIRST), None)
        table = pa.Table.from_batches([] if first is None else [first], file.schema_arrow)
    out = pa.BufferOutputStream()
    pq.write_table(table, out)
    return as_csv(bytes(out.getvalue()), 1 << 30)


def sheets(path: Path, block: int, types: Callable[[list[str]], Types]) -> Iterator[Sheet]:
    """Yield the columns of plain values in pieces of `block` rows, typed where the file types them.

    Row n is line n + 1, as in `as_csv`. Columns that `types` does not name are categories.
    """
    start = 2
    with _opened(path) as file:
        plain = _plain(file)
    told = types(plain)
    texts = [name for name in plain if name not in told.instants | told.numbers]
    with _opened(path, texts) as file:
        try:
            for batch in file.iter_batches(block, columns=plain):
                table = pa.table(batch.columns, plain)
                frame = _cells(table, told).set_axis(pd.RangeIndex(start, start + len(batch)))
                yield TableSheet(plain, ",", frame, [], b"", start, table=table)
                start += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise _broken(error) from error


@dataclass(frozen=True)
class TableSheet(Sheet):
    """A piece of a Parquet file; its lines are made where they are asked for."""

    table: pa.Table = field(kw_only=True)

    @cached_property
    def lines(self) -> list[str]:
        """Text of each row."""
        out = pa.BufferOutputStream()
        pa_csv.write_csv(_decoded(self.table), out, pa_csv.WriteOptions(include_header=False))
        return bytes(out.getvalue()).decode().split("\n")


def _decoded(table: pa.Table) -> pa.Table:
    """Return a table whose texts are plain, as CSV is written of."""
    columns = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, table.column_names)


def _cells(table: pa.Table, types: Types) -> pd.DataFrame:
    """Return numbers and instants as they are, all else as text."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        measured = name in types.instants | types.numbers
        if pa.types.is_timestamp(kind):
            column = column.cast(pa.timestamp("us", kind.tz), safe=False)
        elif measured and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            column = column.cast(pa.float64())
        else:
            texts = column if pa.types.is_dictionary(kind) else column.dictionary_encode()
            column = texts.cast(pa.dictionary(pa.int32(), pa.string()))
            column = column.cast(pa.string()) if measured else column
        columns[name] = column.to_pandas()
    return pd.DataFrame(columns, copy=False)


def _plain(file: pq.ParquetFile) -> list[str]:
    return [
        field.name
        for field in file.schema_arrow
        if not pa.types.is_nested(field.type) and not pa.types.is_binary(field.type)
    ]


def _opened(source: bytes | Path, texts: Sequence[str] = ()) -> pq.ParquetFile:
    try:
        file = pa.BufferReader(source) if isinstance(source, bytes) else source
        # Arrow would keep all that it has read until the end of the file.
        return pq.ParquetFile(file, read_dictionary=texts, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise _broken(error) from error


def _broken(error: Exception) -> RefusalError:
    return RefusalError(f"no valid Parquet: {error}; write the file again", "broken_parquet")
