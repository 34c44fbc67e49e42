"""Ten thousand broken files: of each comes what could be read, or why not, and nothing gets lost.

Seeds are those of `conftest.all_seeds`, one for every reader at least (a test sees to that); so a
new format is fuzzed as soon as it has a fixture.
"""

import json
import math
import random
import re

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given, note, settings

from ft_emissions_pipeline.readers import READERS, REASONS, REPAIRS, Settings, read_bytes

pytestmark = pytest.mark.slow

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
CASES = 10_000
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


def checked(data, uri):
    """Read bytes and check what must hold of every reading, cheaply."""
    reading, source_format = read_bytes(data, uri, NOW)
    frames = (
        reading.runs, reading.usage, reading.telemetry, reading.events, reading.cloud_reports
    )  # fmt: skip
    kept = sum(map(len, frames)) + (len(reading.lengths) > 0)
    assert reading.records == kept + reading.merged + len(reading.quarantine), (uri, data)
    assert reading.records >= 0
    assert reading.merged >= 0
    codes = set(reading.quarantine["reason_code"])
    assert codes <= set(REASONS), (uri, data, codes)
    # A mutation that nobody foresaw should still be refused for a reason, not by accident.
    assert "reader_failed" not in codes, (uri, data, reading.quarantine["reason"].tolist())
    for frame in frames:
        if len(frame) and "repairs" in frame:
            words = " ".join(frame["repairs"].dropna()).split()
            assert {word.partition(":")[0] for word in words} <= set(REPAIRS), (uri, data)
        for name in ("run_id", "model_name", "source_record"):
            # What cannot be stored as UTF-8 would fail far from here.
            if len(frame) and name in frame:
                "".join(frame[name].dropna()).encode()
    return reading, source_format


def test_every_reader_has_a_seed(all_seeds):
    assert {checked(data, uri)[1] for uri, data in all_seeds.items()} == {r.FORMAT for r in READERS}


def _weight(data, uri):
    """Return how often to mutate a seed: a table takes six times as long as a one-run document."""
    return 6 if len(read_bytes(data, uri, NOW)[0].runs) and not uri.endswith(".csv") else 1


@pytest.fixture(scope="module")
def cases_of(all_seeds):
    """How many mutations of each seed make ten thousand of all: uri -> number."""
    weights = {uri: _weight(data, uri) for uri, data in all_seeds.items()}
    unit = CASES / sum(weights.values())
    return {uri: math.ceil(unit * weight) for uri, weight in weights.items()}


def codes_met(seed, uri, cases):
    """Read a seed mutated time and again; return the codes of what was refused."""
    # The same cases in every run, so that a failure comes again.
    rng = random.Random(uri)
    codes = set()
    for _ in range(cases):
        data = seed
        for mutation in rng.choices(MUTATIONS, k=rng.choice([1, 1, 2, 3])):
            data = mutation(data, rng) if data else seed
        codes |= set(checked(data, uri)[0].quarantine["reason_code"])
    return codes


@pytest.mark.parametrize("source_format", [reader.FORMAT for reader in READERS])
def test_ten_thousand_mutated_files(seeds_of, cases_of, source_format):
    met = [codes_met(seed, uri, cases_of[uri]) for uri, seed in seeds_of(source_format).items()]
    assert set.union(*met)


def test_mutations_meet_most_of_what_files_are_refused_for(all_seeds):
    assert len(set.union(*(codes_met(seed, uri, 10) for uri, seed in all_seeds.items()))) > 12


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_any_value_in_the_place_of_any_other(all_seeds):
    """Of a JSON seed one value, wherever it stands, becomes anything that JSON can say."""
    documents = {uri: _documents(data) for uri, data in all_seeds.items() if uri.endswith(".json")}
    places = [(uri, path) for uri, document in documents.items() for path in _places(document)]

    # All choices are fixed before the first draw: with draws inside of the test, hypothesis
    # reported a flaky strategy in place of a failure.
    @settings(max_examples=150, deadline=None)
    @given(place=st.sampled_from(places), value=JSON)
    def read(place, value):
        uri, path = place
        document = _with_value(documents[uri], path, value)
        data = json.dumps(document).encode()
        note(repr(data))
        checked(data, uri)

    read()


def _documents(data):
    try:
        return json.loads(data)
    except ValueError:
        return [json.loads(line) for line in data.splitlines() if line.strip()]


def _places(value):
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield (key,)
        yield from ((key, *rest) for rest in _places(value[key]))


def _with_value(document, path, value):
    if not path:
        return value
    changed = document.copy()
    changed[path[0]] = _with_value(document[path[0]], path[1:], value)
    return changed
