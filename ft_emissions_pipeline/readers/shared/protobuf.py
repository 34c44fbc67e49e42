"""Take messages of Protocol Buffers apart without their declaration.

Put here: the wire format (protobuf.dev, "Encoding"). Keep out: what a field means, which the module
of its format knows.
"""

from __future__ import annotations

from collections.abc import Iterator


def fields_in(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a message, up to where it is no message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        else:
            size = {1: 8, 5: 4}.get(kind, len(message) + 1)
        if size > len(message) - at:
            return
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    return value, at
