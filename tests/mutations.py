"""Files broken as disks, editors, other programs and hands break them: bytes -> bytes."""

import random
import re

NUMBERS = [
    b"0", b"-1", b"1e308", b"-1e308", b"1e999", b"9" * 400, b"1e-320", b"NaN", b"Infinity", b"0x10",
    b"1_000", b"1,5", b"1772409600000", b"99999999999999999999", b"0.1", b"true", b"null", b'""',
    b"[]", b"{}",
]  # fmt: skip
TEXTS = [
    "\u202e", "\U0001f600", "e\u0301", "\ufeff", "\u0000", "\u2028", "\u00a0", "\uff11\uff12",
    "\\ud800", "\r", "\t", '"', "'", "\\", "|", ";", ",", "\n", ": ", "- ", "#", "&a ", "*a", "{",
    "]", "---\n", "=HYPERLINK(1)", "%s", "../", "2026-13-45T25:61:61", "0000-00-00",
    "2026-03-29T02:30:00", "12 months", "ada@example.org",
]  # fmt: skip


def flipped(data, rng):
    spot = rng.randrange(len(data))
    return data[:spot] + bytes([data[spot] ^ (1 << rng.randrange(8))]) + data[spot + 1 :]


def truncated(data, rng):
    return data[: rng.randrange(len(data))]


def without_middle(data, rng):
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[end:]


def swapped_lines(data, rng):
    lines = data.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def repeated_lines(data, rng):
    lines = data.split(b"\n")
    spot = rng.randrange(len(lines))
    return b"\n".join(lines[:spot] + [lines[spot]] * rng.randrange(4) + lines[spot:])


def swapped_cells(data, rng):
    lines = data.split(b"\n")
    spot = rng.randrange(len(lines))
    delimiter = rng.choice([b",", b";", b"|", b"\t", b":"])
    cells = lines[spot].split(delimiter)
    a, b = rng.randrange(len(cells)), rng.randrange(len(cells))
    cells[a], cells[b] = cells[b], cells[a]
    lines[spot] = delimiter.join(cells)
    return b"\n".join(lines)


def dropped_cell(data, rng):
    lines = data.split(b"\n")
    spot = rng.randrange(len(lines))
    cells = lines[spot].split(b",")
    del cells[rng.randrange(len(cells))]
    lines[spot] = b",".join(cells)
    return b"\n".join(lines)


def repeated_key(data, rng):
    """Write a key and its value twice, as JSON allows and YAML does not."""
    found = list(re.finditer(rb'"\w+"\s*:\s*(?:"[^"]*"|[\w.+-]+)', data)) or list(
        re.finditer(rb"(?m)^[ \t]*[\w ]+: ?.*\n", data)
    )
    if not found:
        return data + data
    pair = rng.choice(found)
    return data[: pair.end()] + rng.choice([b"", b", ", b","]) + pair.group() + data[pair.end() :]


def other_number(data, rng):
    found = list(re.finditer(rb"-?\d[\d.eE+-]*", data))
    if not found:
        return data + rng.choice(NUMBERS)
    number = rng.choice(found)
    return data[: number.start()] + rng.choice(NUMBERS) + data[number.end() :]


def other_value(data, rng):
    """Put something of another type in the place of a value of JSON."""
    found = list(re.finditer(rb":\s*(\"[^\"]*\"|[\w.+-]+)", data))
    if not found:
        return other_number(data, rng)
    value = rng.choice(found)
    new = rng.choice([*NUMBERS, b'[{"a": 1}]', b'{"a": [1]}', b'"x"', b"[[[]]]", b"false"])
    return data[: value.start(1)] + new + data[value.end(1) :]


def with_text(data, rng):
    spot = rng.randrange(len(data) + 1)
    text = rng.choice(TEXTS).encode("utf-8")
    return data[:spot] + text * rng.choice([1, 1, 1, 50]) + data[spot + rng.randrange(3) :]


def other_encoding(data, rng):
    text = data.decode("utf-8", errors="replace")
    return text.encode(rng.choice(["utf-16", "utf-8-sig", "cp1252", "latin-1"]), errors="replace")


def other_line_ends(data, rng):
    return data.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b" \n"]))


MUTATIONS = [
    flipped, truncated, without_middle, swapped_lines, repeated_lines, swapped_cells, dropped_cell,
    repeated_key, other_number, other_number, other_value, other_value, with_text, with_text,
    other_encoding,
    other_line_ends,
]  # fmt: skip


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return a file broken in one to three ways."""
    seed = data
    for mutation in rng.choices(MUTATIONS, k=rng.choice([1, 1, 2, 3])):
        data = mutation(data, rng) if data else seed
    return data
