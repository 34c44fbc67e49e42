"""A log that somebody keeps as Parquet, as the CSV file that the readers know.

Put here: Parquet of any log whose form as CSV is read. Keep out: counts of inferences and cloud
reports, whose readers take Parquet as it is.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ft_emissions_pipeline.readers.reading import RefusalError

MAGIC = b"PAR1"
_BLOCK = 1 << 16


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
    plain = [
        field.name
        for field in file.schema_arrow
        if not pa.types.is_nested(field.type) and not pa.types.is_binary(field.type)
    ]
    header = pa_csv.WriteOptions(include_header=True)
    try:
        for block in file.iter_batches(_BLOCK, columns=plain):
            decoded = {
                name: column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
                for name, column in zip(plain, block.columns, strict=True)
            }
            table = pa.table(decoded)
            pa_csv.write_csv(table, out, header)
            header = pa_csv.WriteOptions(include_header=False)
            if out.tell() > limit:
                msg = f"its rows take more than {limit >> 20} MiB as text; split the file"
                raise RefusalError(msg, "too_large")
    except (pa.ArrowException, OSError) as error:
        raise _broken(error) from error
    return bytes(out.getvalue())


def _opened(data: bytes) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise _broken(error) from error


def _broken(error: Exception) -> RefusalError:
    return RefusalError(f"no valid Parquet: {error}; write the file again", "broken_parquet")
