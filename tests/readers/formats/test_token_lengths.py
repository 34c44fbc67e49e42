"""Files of token lengths: what they look like, whose they are, and what tokens follow."""

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import normalize
from ft_emissions_pipeline.landing import index as landing
from ft_emissions_pipeline.landing.days import refused_of, runs_of
from ft_emissions_pipeline.readers import Settings, read_bytes
from ft_emissions_pipeline.readers.formats.token_lengths import as_field
from ft_emissions_pipeline.reference import load
from ft_emissions_pipeline.tables import LANDING_INDEX, QUARANTINE, empty

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
RUN = "base_model: Llama 2 7B, end time: 2026-03-01T12:00Z, per-device batch size: 2, epochs: 3"


def lengths(text, name="lengths.csv"):
    reading, source_format = read_bytes(text.encode(), name, NOW)
    assert source_format == "token_lengths", reading.quarantine["reason"].tolist()
    return reading


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [
        ("one_a_line.txt", "3\n1\n3\n", '{"1": 1, "3": 2}'),
        ("blank_lines_and_windows_ends.txt", "3\r\n\r\n 1 \r\n3", '{"1": 1, "3": 2}'),
        ("with_a_header.csv", "length\n3\n1\n3\n", '{"1": 1, "3": 2}'),
        ("histogram.csv", "length,count\n1,1\n3,2\n", '{"1": 1, "3": 2}'),
        ("histogram_with_a_length_twice.csv", "Length;Count\n3;1\n1;1\n3;1\n", '{"1": 1, "3": 2}'),
        ("list.json", "[3, 1, 3]", '{"1": 1, "3": 2}'),
        ("mapping.json", '{"1": 1, "3": 2}', '{"1": 1, "3": 2}'),
        ("batches.json", "[[3, 1], [3]]", '{"1x3": 1, "2x3": 1}'),
        ("single.json", "[7]", '{"7": 1}'),
    ],
)
def test_every_form_is_read(name, text, field):
    assert as_field(lengths(text, name).lengths) == field


def test_the_order_of_a_file_cut_into_batches():
    assert as_field(lengths("3\n1\n2\n2\n9\n").lengths, 2) == '{"1x9": 1, "2x2": 1, "2x3": 1}'


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("word.csv", "length,count\n1,2\nmany,3\n", "line 3 is 'many'"),
        ("negative.txt", "12\n-3\n", "line 2 is '-3'"),
        ("fraction.json", "[12, 1.5]", "value 2 is '1.5'"),
        ("too_long.txt", "12\n999999999\n", "line 2"),
        ("shifted.csv", "length,count\n1,2,3\n", "line 2"),
        ("cut_off.json", "[12, 13", "broken_json"),
        ("mixed.json", "[[12], 13]", "some batches are lists"),
        ("no_examples.csv", "length,count\n", "no example has a length"),
    ],
)
def test_a_file_with_one_bad_line_is_refused_whole(conserved, name, text, place):
    reading = conserved(lengths(text, name))
    (row,) = reading.quarantine.itertuples()
    assert place in f"{row.reason_code} {row.reason}"


@given(st.lists(st.integers(0, 500), min_size=1, max_size=30), st.integers(1, 5))
def test_batches_in_order_have_the_tokens_that_the_library_counts(sizes, batch):
    frame = lengths(json.dumps(sizes), "l.json").lengths
    positions = [list(range(len(sizes)))[n : n + batch] for n in range(0, len(sizes), batch)]
    shapes = json.loads(as_field(frame, batch))
    tokens = sum(
        count * int(size) * int(longest)
        for (size, longest), count in ((shape.split("x"), n) for shape, n in shapes.items())
    )
    assert tokens == fte.expected_padded_tokens(sizes, batch, batches=positions)


# through runs.yaml


def tokens_of(folder):
    """Return value, p05, p95, basis, rule and source of tokens_padded, and the run's repairs."""
    runs, quarantine = fte.read_runs(folder)
    provenance = fte.estimate(runs).provenance.query("field == 'tokens_padded'")
    found = provenance[["value", "p05", "p95", "basis", "rule", "source"]].to_dict("records")
    return found, runs["repairs"].tolist(), quarantine


def put(folder, **files):
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_shuffled_batches_are_expected(tmp_path):
    """Of 1, 2, 3 by twos: 2x2+3, 2x3+2 or 2x3+1 tokens, 22/3 on average; three epochs: 22."""
    put(tmp_path, lengths_csv="length,count\n1,1\n2,1\n3,1\n")
    put(tmp_path, runs_yaml=f"runs:\n  r1: {{{RUN}, token_lengths: lengths.csv}}\n")
    ((tokens,), (repairs,), quarantine) = tokens_of(tmp_path)
    assert float(tokens["value"]) == pytest.approx(22)
    assert tokens["p05"] < 22 < tokens["p95"]
    assert (tokens["basis"], tokens["rule"]) == ("predicted", "padded_from_lengths")
    assert "3 examples of 6 tokens in shuffled batches of 2" in tokens["source"]
    assert pd.isna(repairs)
    assert quarantine.empty


@pytest.mark.parametrize(
    ("files", "stated"),
    [
        ({"lengths_txt": "1\n2\n3\n"}, "token_lengths: lengths.txt, batches: in order"),
        ({"batches_json": "[[1, 2], [3]]"}, "token_lengths: batches.json"),
        ({}, "token_lengths: [[1, 2], [3]]"),
        ({}, "token_lengths: [1, 2, 3], batches: in order"),
    ],
)
def test_given_batches_are_exact(tmp_path, files, stated):
    """1, 2 and then 3: 2x2 + 3 = 7 tokens; three epochs: 21."""
    put(tmp_path, **files, runs_yaml=f"runs:\n  r1: {{{RUN}, {stated}}}\n")
    ((tokens,), _, quarantine) = tokens_of(tmp_path)
    assert (tokens["value"], tokens["p05"], tokens["p95"]) == ("21", 21, 21)
    assert (tokens["basis"], tokens["rule"]) == ("disclosed", "padded_from_batches")
    assert quarantine.empty


def test_lengths_are_cut_and_rounded_up_as_the_run_says(tmp_path):
    """Cut at 10 and padded to a multiple of 4: 20 and 5 make 2 x 12; by steps two epochs: 48."""
    put(
        tmp_path,
        lengths_txt="20\n5\n",
        runs_yaml="runs:\n  r1: {base_model: Llama 2 7B, per-device batch size: 2, steps: 4, "
        "world size: 1,\n    gradient accumulation steps: 1, sequence length: 10, "
        "pad_to_multiple_of: 4, token_lengths: lengths.txt}\n",
    )
    ((tokens,), _, _) = tokens_of(tmp_path)
    assert (tokens["value"], tokens["p05"]) == ("96", 96)


def test_a_tracked_count_stands_before_lengths(tmp_path):
    put(tmp_path, lengths_txt="20\n5\n")
    put(tmp_path, runs_yaml=f"runs:\n  r1: {{{RUN}, tokens: 99, token_lengths: lengths.txt}}\n")
    ((tokens,), _, _) = tokens_of(tmp_path)
    assert (tokens["value"], tokens["rule"]) == ("99", "as_logged")


def test_a_missing_file_is_told_and_costs_no_run(tmp_path):
    put(tmp_path, runs_yaml=f"runs:\n  r1: {{{RUN}, tokens: 99, token_lengths: gone.csv}}\n")
    _, (repairs,), quarantine = tokens_of(tmp_path)
    assert repairs == "token_lengths_not_found"
    (row,) = quarantine.itertuples()
    assert (row.source_uri, row.reason_code) == ("gone.csv", "file_missing")
    assert "put it there, or correct token_lengths in runs.yaml" in row.reason


def test_lengths_that_no_run_names_are_told(tmp_path):
    put(tmp_path, lengths_csv="length\n1\n", runs_yaml=f"runs:\n  r1: {{{RUN}, tokens: 9}}\n")
    _, _, quarantine = tokens_of(tmp_path)
    assert quarantine["reason_code"].tolist() == ["lengths_of_no_run"]


@pytest.mark.parametrize(
    "entry",
    [
        "token_lengths: l.csv, batches: in order",
        "token_lengths: l.csv, batches: sorted, per-device batch size: 2",
        "token_lengths: [1, x]",
        "token_lengths: {1: two}",
        "token_lengths: [[1], 2]",
    ],
)
def test_what_runs_yaml_says_wrong_is_told(conserved, entry):
    reading, _ = read_bytes(f"runs:\n  r1: {{{entry}}}\n".encode(), "runs.yaml", NOW)
    assert conserved(reading).quarantine["reason_code"].item() in {"bad_value", "wrong_shape"}


# in the landing folder

TWO_DAYS = f"""
runs:
  r1: {{{RUN}, token_lengths: lengths.csv}}
  r2: {{base_model: Llama 2 7B, end time: 2026-03-05T12:00Z, per-device batch size: 2, \
token_lengths: lengths.csv}}
  r3: {{base_model: Llama 2 7B, end time: 2026-03-07T12:00Z, tokens: 99}}
"""


def scan(folder, before=None):
    index = landing.scan(folder, load(), NOW, empty(LANDING_INDEX) if before is None else before)
    lost = refused_of(folder, index, empty(QUARANTINE), NOW)
    counts = landing.outcomes(index, empty(QUARANTINE)).set_index("source_uri")
    assert (counts["used"] >= 0).all()
    assert counts["quarantined"].sum() == len(lost)
    return index, counts["quarantined"].get("lengths.csv"), lost["reason_code"].tolist()


def days(old, new):
    return [f"{day:%m-%d}" for day in landing.touched_days(old, new)]


def test_a_change_of_the_file_touches_the_days_of_its_runs(tmp_path):
    put(tmp_path, runs_yaml=TWO_DAYS)
    missing, refused, codes = scan(tmp_path)
    assert (refused, codes) == (1, ["file_missing"])
    put(tmp_path, lengths_csv="length\n1\n3\n")
    came, refused, codes = scan(tmp_path, missing)
    assert (refused, codes) == (0, [])
    assert days(missing, came) == ["03-01", "03-05"]
    assert days(came, scan(tmp_path, came)[0]) == []
    put(tmp_path, lengths_csv="length\n1\n4\n")
    changed, *_ = scan(tmp_path, came)
    assert days(came, changed) == ["03-01", "03-05"]
    put(tmp_path, lengths_csv="length\n1\nbroken\n")
    broken, refused, codes = scan(tmp_path, changed)
    assert (refused, codes) == (1, ["bad_value"])
    assert days(changed, broken) == ["03-01", "03-05"]
    put(
        tmp_path,
        lengths_csv="length\n1\n4\n",
        runs_yaml=TWO_DAYS.replace("lengths.csv", "other.csv"),
    )
    unnamed, refused, codes = scan(tmp_path, changed)
    assert (refused, codes) == (1, ["lengths_of_no_run", "file_missing"])
    assert "03-01" in days(changed, unnamed)


def test_a_day_opens_the_lengths_of_its_runs_and_no_others(tmp_path):
    put(tmp_path, runs_yaml=TWO_DAYS, lengths_csv="length\n1\n3\n")
    index, *_ = scan(tmp_path)
    day = pd.Timestamp("2026-03-05")
    runs = runs_of(tmp_path, index, day, day, load(), NOW)
    assert runs["token_lengths"].tolist() == ['{"1": 1, "3": 1}']
    accepted, refused = normalize.accepted(runs)
    assert accepted["run_id"].tolist() == ["r2"]
    assert refused.empty
