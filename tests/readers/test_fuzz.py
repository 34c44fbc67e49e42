"""Ten thousand broken files: of each comes what could be read, or why not, and nothing gets lost.

Seeds are those of `conftest.all_seeds`, one for every reader at least (a test sees to that); so a
new format is fuzzed as soon as it has a fixture.
"""

import json
import math
import random

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given, note, settings
from mutations import mutated

from ft_emissions_pipeline.readers import READERS, REASONS, REPAIRS, Settings, read_bytes

pytestmark = pytest.mark.slow

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
CASES = 10_000
FIRST = 10
"""Mutations of each seed at least."""


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


@pytest.fixture(scope="module")
def cases_of(known_seeds):
    """How many mutations of each seed make ten thousand of all: uri -> number."""
    # A table takes six times as long as a one-run document.
    weights = {
        uri: 6 if runs and not uri.endswith(".csv") else 1 for uri, (_, runs) in known_seeds.items()
    }
    unit = CASES / sum(weights.values())
    return {uri: max(FIRST, math.ceil(unit * weight)) for uri, weight in weights.items()}


def codes_met(seed, uri, cases):
    """Read a seed mutated time and again; return the codes of what was refused."""
    # The same cases in every run, so that a failure comes again.
    rng = random.Random(uri)
    codes = set()
    for _ in range(cases):
        codes |= set(checked(mutated(seed, rng), uri)[0].quarantine["reason_code"])
    return codes


@pytest.mark.parametrize("source_format", [reader.FORMAT for reader in READERS])
def test_ten_thousand_mutated_files(seeds_of, cases_of, source_format):
    met = [codes_met(seed, uri, cases_of[uri]) for uri, seed in seeds_of(source_format).items()]
    assert set.union(*met)


def test_mutations_meet_most_of_what_files_are_refused_for(all_seeds):
    # The cases above begin with these, so no more of them are read again than it takes.
    met = set()
    for uri, seed in all_seeds.items():
        met |= codes_met(seed, uri, FIRST)
        if len(met) > 12:
            break
    assert len(met) > 12


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
