"""Unpack gzip and Zstandard files, told by their first bytes, in bounded memory.

Put here: compressed files of any format. Keep out: compression within a format (Parquet's own).
"""

from __future__ import annotations

import re

import pyarrow as pa

from ft_emissions_pipeline.readers.reading import RefusalError

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_SUFFIX = re.compile(r"\.(?:gz|gzip|zst|zstd)$", re.IGNORECASE)
_STEP = 1 << 22


def is_packed(data: bytes) -> bool:
    """Say whether data is compressed, by its first bytes."""
    return data.startswith(tuple(_MAGIC))


def inner_name(uri: str) -> str:
    """Return what a compressed file is called once it is unpacked."""
    return _SUFFIX.sub("", uri)


def unpacked(data: bytes, limit: int) -> bytes:
    """Return the content of a compressed file, of all its parts if there are several.

    Raises
    ------
    RefusalError
        `too_large` if the content is larger than the limit, however small the file is;
        `broken_compression` if it is cut off or damaged.
    """
    kind = next(kind for magic, kind in _MAGIC.items() if data.startswith(magic))
    pieces, size = [], 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(data), kind) as stream:
            while piece := stream.read(_STEP):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    msg = f"unpacks to more than {limit >> 20} MiB; split the file"
                    raise RefusalError(msg, "too_large")
    except (pa.ArrowException, OSError) as error:
        msg = f"the {kind} file is cut off or damaged; was it still being written?"
        raise RefusalError(msg, "broken_compression") from error
    return b"".join(pieces)
