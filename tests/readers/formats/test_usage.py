"""Usage of models by day, and runs.yaml."""

import io
import json

import pandas as pd
import pytest

DAY = pd.Timestamp("2026-03-02")
ROWS = [
    {"date": "2026-03-02", "model_name": "bot", "model_version": "v1", "inferences": 1000},
    {"date": "2026-03-03", "model_name": "bot", "model_version": None, "inferences": 0},
]


def _parquet(rows):
    buffer = io.BytesIO()
    pd.DataFrame(rows).to_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("uri", "content"),
    [
        ("u.csv",
         "date,model_name,model_version,inferences\n2026-03-02,bot,v1,1000\n2026-03-03,bot,,0\n"),
        ("u.csv", "Day;Model;Version;Requests\r\n2026-03-02;bot;v1;1000\r\n2026-03-03;bot;;0\r\n"),
        ("u.csv", "Usage date,Deployment name,Version,Request count\n"
                  '2026/03/02,bot,v1,"1,000"\n03.03.2026,bot,,0\n'),
        ("u.tsv", "timestamp\tmodel\tversion\tnum_requests\n"
                  "2026-03-02\tbot\tv1\t1000\n2026-03-03\tbot\t\t0\n"),
        ("u.json", ROWS),
        ("u.jsonl", "\n".join(json.dumps(row) for row in ROWS)),
        ("u.parquet", _parquet(ROWS)),
        ("u.parquet", _parquet([{**row, "date": pd.Timestamp(row["date"])} for row in ROWS])),
    ],
)  # fmt: skip
def test_every_form_says_the_same(read, uri, content):
    reading = read(uri, content)
    assert reading.content == "usage"
    assert reading.usage["date"].tolist() == [DAY, DAY + pd.Timedelta(days=1)]
    assert reading.usage["model_name"].tolist() == ["bot", "bot"]
    assert reading.usage["model_version"].isna().tolist() == [False, True]
    assert reading.usage["inferences"].tolist() == [1000, 0]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("2026-03-02,bot,many", "not_a_number"),
        ("2026-03-02,bot,nan", "not_a_number"),
        ("2026-03-02,bot,-1", "out_of_range"),
        ("2026-03-02,bot,0.5", "fractional_count"),
        ("2026-03-02,bot,", "missing_value"),
        ("2026-03-02,,5", "missing_value"),
        (",bot,5", "missing_value"),
        ("02/03/2026,bot,5", "bad_timestamp"),
        ("2199-03-02,bot,5", "date_in_future"),
        ("2001-03-02,bot,5", "out_of_range"),
        ("2026-03-02,bot,5,6", "shifted_row"),
    ],
)
def test_a_bad_cell_costs_its_day_only(read, row, code):
    reading = read("u.csv", f"date,model_name,inferences\n{row}\n2026-03-03,bot,5\n")
    assert len(reading.usage) == 1
    assert reading.quarantine["reason_code"].tolist() == [code]
    assert reading.quarantine["source_record"].tolist() == ["2"]


def test_an_instant_with_a_zone_belongs_to_its_utc_day(read):
    text = "date,model_name,inferences\n2026-03-02T23:00:00-05:00,bot,5\n2026-03-02 23:00,bot,5\n"
    assert read("u.csv", text).usage["date"].dt.day.tolist() == [3, 2]


def test_lines_that_are_no_objects_are_refused(read):
    reading = read(
        "u.jsonl",
        "\n".join([json.dumps(ROWS[0]), "[1]", "{", json.dumps({**ROWS[0], "inferences": True})]),
    )
    assert len(reading.usage) == 1
    assert sorted(reading.quarantine["reason_code"]) == [
        "broken_json",
        "not_a_number",
        "wrong_shape",
    ]


def test_parquet_without_the_columns_is_refused(refusal):
    code, reason = refusal("x.parquet", _parquet([{"a": 1}]))
    assert code == "missing_columns"
    assert "inferences" in reason


def test_a_mapping_gives_patterns_and_disclosed_fields(read):
    text = (
        "runs:\n  r1:\n    logs: [out-42, '../cc/*.csv', emissions.csv#abc, /all/x.json]\n"
        "    Server location: AWS US West (Oregon)\n    tokens_padded: 48,123\n  r2:\n"
        "    logs: b.csv\n"
    )
    reading = read("team/runs.yaml", text)
    assert reading.content == "mapping"
    assert reading.mapping == (
        ("r1", "team/out-42"), ("r1", "cc/*.csv"), ("r1", "team/emissions.csv#abc"),
        ("r1", "all/x.json"),
        ("r2", "team/b.csv"),
    )  # fmt: skip
    assert reading.runs["run_id"].tolist() == ["r1", "r2"]
    assert reading.runs["tokens_padded"].tolist()[0] == 48123
    assert reading.runs["location"].tolist()[0] == "AWS US West (Oregon)"


@pytest.mark.parametrize(
    ("entry", "code", "advice"),
    [
        ("{logs: [a.csv], reserved: 5}", "bad_value", "reserved_s"),
        ("{logs: {a: b}}", "wrong_shape", "list"),
        ("[a.csv]", "wrong_shape", "mapping"),
        ("{logs: [a.csv], Total reserved time: 5}", "bad_value", "unit"),
    ],
)
def test_a_slip_in_the_mapping_is_told(refusal, entry, code, advice):
    found, reason = refusal("runs.yaml", f"runs:\n  r1: {entry}\n")
    assert found == code
    assert advice in reason
