"""What can be read in two ways, or holds nothing, is said: a row of quarantine, never a guess."""

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ft_emissions_pipeline.readers.cells import instants
from ft_emissions_pipeline.readers.sheets import sheet_of, sheets_of

USAGE = "date,model,inferences\n"
ODD_ENDS = ["\v", "\f", "\x85", "\u2028", "\u2029"]
HUGE = "9" * 5000
"""Python itself refuses to read an integer of more than 4,300 digits."""


def kept_of(reading):
    """Return records that were refused, and why."""
    rows = reading.quarantine
    return list(zip(rows["source_record"], rows["reason_code"], rows["reason"], strict=True))


def test_a_key_that_stands_twice_costs_its_document(refusal):
    text = '{"GPU": "A100", "Total reserved time": "3 h", "Total reserved time": "30 h"}'
    code, reason = refusal("d.json", text)
    assert code == "duplicated_key"
    assert "'Total reserved time' stands twice ('3 h' and '30 h')" in reason


def test_a_key_that_stands_twice_further_in_is_seen(refusal):
    text = '{"log_history": [{"step": 1, "step": 2, "train_runtime": 3}], "global_step": 2}'
    assert refusal("trainer_state.json", text)[0] == "duplicated_key"


@pytest.mark.parametrize("lines", [True, False])
def test_a_key_that_stands_twice_costs_one_record_of_many(read, lines):
    rows = [f'{{"date": "2024-01-0{n}", "model": "m", "inferences": {n}}}' for n in (1, 2, 3)]
    rows[1] = rows[1].replace('"inferences"', '"model": "other", "inferences"')
    reading = read("usage.json" + "l" * lines, "\n".join(rows) if lines else f"[{', '.join(rows)}]")
    assert reading.usage["inferences"].tolist() == [1.0, 3.0]
    ((record, code, reason),) = kept_of(reading)
    assert (record, code) == ("2", "duplicated_key")
    assert "'model' stands twice ('m' and 'other')" in reason


def test_yaml_says_it_in_the_same_words(refusal):
    code, reason = refusal("d.yaml", "GPU: A100\nTotal reserved time: 3 h\nGPU: H100\n")
    assert code == "duplicated_key"
    assert "'GPU' stands twice ('A100' in line 1 and 'H100' in line 3)" in reason


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("usage.csv", USAGE),
        ("usage.csv", f"{USAGE}\n\n"),
        ("runs.yaml", "runs: {}\n"),
        ("models.yaml", "models: {}\n"),
        ("litellm.jsonl", '{"data": []}'),
        ("completions_usage.json", '{"object": "page", "data": [], "has_more": false}'),
    ],
)
def test_a_file_with_content_but_no_record_is_in_quarantine(refusal, uri, text):
    code, reason = refusal(uri, text)
    assert code in {"no_record", "unrecognised"}
    assert "no record" in reason or "not recognised" in reason


@pytest.mark.parametrize("end", ODD_ENDS)
def test_an_odd_line_end_is_text_and_no_line(read, end):
    name, shown = f"a{end}b", "a b"
    csv_file = read("usage.csv", f"{USAGE}2024-01-01,{name},5\n2024-01-02,b,6\n")
    assert csv_file.usage["model_name"].tolist() == [shown, "b"]
    lines = read("usage.jsonl", f'{{"date": "2024-01-01", "model": "a{end if end > "~" else " "}b",'
                 ' "inferences": 5}\n')  # fmt: skip
    assert lines.usage["model_name"].tolist() == [shown]
    yaml = read("d.yaml", f"GPU: A100\nTotal reserved time: 3 h\nModel: {name}\nRegion: France\n")
    assert yaml.runs["model_name"].tolist() == [shown]
    gpus = "".join(f"2026-03-01 12:00:0{n},NVIDIA{end}A100,{n}00.0\n" for n in range(1, 5))
    log = read("power.csv", f"time,name,watts\n{gpus}")
    assert log.content == "telemetry"
    assert set(log.telemetry["kind"]) == {"gpu"}
    assert log.quarantine.empty


def test_a_quoted_newline_is_part_of_its_cell(read):
    reading = read("usage.csv", f'{USAGE}2024-01-01,"a\nb, c",5\n\n2024-01-02,d,6\n')
    assert reading.usage["model_name"].tolist() == ["a b, c", "d"]
    assert reading.usage["source_record"].tolist() == ["2", "5"]
    assert reading.quarantine.empty


def test_a_quoted_newline_in_a_row_of_other_width_is_one_row_of_quarantine(read):
    reading = read("usage.csv", f'{USAGE}2024-01-01,"a\nb",5,6\n2024-01-02,d,6\n')
    assert reading.usage["model_name"].tolist() == ["d"]
    assert [row[:2] for row in kept_of(reading)] == [("2", "shifted_row")]


@pytest.mark.parametrize("later", ["", '2024-01-05,"y,7\n', '2024-01-05,"y",7\n'])
def test_a_quote_that_never_closes_costs_its_line_alone(read, later):
    reading = read("usage.csv", f'{USAGE}2024-01-01,"x,5\n2024-01-02,b,6\n2024-01-03,c,7\n{later}')
    assert reading.usage["model_name"].tolist()[:2] == ["b", "c"]
    assert kept_of(reading)[0][:2] == ("2", "shifted_row")
    assert reading.records == 3 + bool(later)


@given(
    st.lists(
        st.lists(st.text('ab\n",é', max_size=4), min_size=2, max_size=2), min_size=1, max_size=12
    ),
    st.integers(1, 40),
)
def test_cells_come_back_as_they_were_written_wherever_pieces_are_cut(rows, block):
    rows = [[f"x{a}", b] for a, b in rows]
    written = pd.DataFrame(rows, columns=["one", "two"]).to_csv(index=False).encode()
    whole = sheet_of(written)
    assert whole.frame.to_numpy().tolist() == rows
    assert not whole.misfits
    cut = list(sheets_of(written, block=block))
    pd.testing.assert_frame_equal(pd.concat([sheet.frame for sheet in cut]), whole.frame)


@pytest.mark.parametrize("offset", ["+25:00", "+1:00", "+0", "-00:60", "+2x:00", "+", "+01:00:00x"])
def test_a_damaged_offset_costs_its_row(offset):
    good = ["2024-01-01T00:00:00", "2024-01-01T02:00:00+01:00", "2024-01-01 02:00:00 +0100"]
    cells = pd.Series([good[0] + offset, *good], dtype="str")
    found, bad = instants(cells, "Europe/Paris")
    assert bad.tolist() == [True, False, False, False]
    assert found[1:].dt.strftime("%dT%H").tolist() == ["31T23", "01T01", "01T01"]


@pytest.mark.parametrize(
    ("uri", "text", "record", "field"),
    [
        ("d.json", f'{{"GPU": "A100", "Total reserved time": {HUGE}}}', "1", "Total reserved time"),
        ("usage.json", f'[{{"date": "2024-01-01", "model": "m", "inferences": {HUGE}}}]', "1",
         "inferences"),
        ("usage.jsonl", f'{{"date": "2024-01-01", "model": "m", "inferences": -{HUGE}}}', "1",
         "inferences"),
        ("usage.csv", f"{USAGE}2024-01-01,m,{HUGE}\n", "2", "inferences"),
        ("d.yaml", f"GPU: A100\nTotal reserved time: {HUGE}\n", "1", "Total reserved time"),
        ("out/train_results.json", f'{{"train_runtime": {HUGE}}}', "", "train_runtime"),
    ],
)  # fmt: skip
def test_a_huge_integer_is_refused_in_plain_words(read, uri, text, record, field):
    ((at, _, reason),) = kept_of(read(uri, text))
    assert at == record
    assert f"{field} is " in reason
    assert "99999" in reason
    assert "sys." not in reason


def test_a_huge_integer_costs_no_other_record(read):
    rows = [{"date": f"2024-01-0{n}", "model": "m", "inferences": n} for n in (1, 2)]
    text = json.dumps(rows).replace('"inferences": 1', f'"inferences": {HUGE}')
    assert read("usage.json", text).usage["inferences"].tolist() == [2.0]
