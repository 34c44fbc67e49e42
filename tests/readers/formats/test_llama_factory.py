"""LLaMA-Factory: each test carries one oddity of src/llamafactory/train/callbacks.py."""

import json

import pandas as pd
import pytest


def log(*rows):
    return "\n".join(json.dumps(row) for row in rows) + "\n"


def row(step, elapsed, total=300, **more):
    return {
        "current_steps": step, "total_steps": total, "loss": 1.0, "lr": 1e-4, "epoch": step / 100,
        "percentage": round(100 * step / total, 2), "elapsed_time": elapsed,
        "remaining_time": "0:10:00", **more,
    }  # fmt: skip


def test_the_last_row_tells_time_steps_and_tokens(one_run):
    rows = (
        row(100, "0:10:00", total_tokens=1000),
        row(300, "1:02:03", total_tokens=3000, throughput=0.81),
    )
    run = one_run("out/trainer_log.jsonl", log(*rows))
    assert run["run_id"] == "out"
    assert run["active_s"] == run["reserved_s"] == 3723
    assert (run["steps"], run["epochs"], run["tokens_padded"]) == (300, 3, 3000)
    # Whether padding was counted is a setting of the Trainer's that no file names.
    assert run["repairs"] == "padding_not_stated"


@pytest.mark.parametrize(
    ("elapsed", "seconds"),
    [("1 day, 2:03:04", 93784), ("2 days, 0:00:01", 172801), ("23:59:59", 86399)],
)
def test_days_stand_before_the_clock(one_run, elapsed, seconds):
    assert (
        one_run("out/trainer_log.jsonl", log(row(1, "0:00:00"), row(300, elapsed)))["active_s"]
        == seconds
    )


def test_a_resumed_run_has_a_clock_that_starts_anew_but_tokens_that_go_on(one_run):
    rows = (row(100, "0:10:00", total_tokens=1000), row(200, "0:20:00", total_tokens=2000),
            row(300, "0:09:00", total_tokens=3000))  # fmt: skip
    run = one_run("out/trainer_log.jsonl", log(*rows))
    assert run["active_s"] == 20 * 60 + 9 * 60
    assert run["tokens_padded"] == 3000
    assert "sessions_summed" in run["repairs"]


def test_a_run_that_broke_off_says_so(one_run):
    run = one_run("out/trainer_log.jsonl", log(row(1, "0:00:01"), row(100, "0:10:00")))
    assert run["repairs"] == "before_last_step"
    assert pd.isna(run["tokens_padded"])


def test_prediction_into_the_same_folder_is_no_training(read):
    other = {"current_steps": 5, "total_steps": 9, "percentage": 55.5, "elapsed_time": "5:00:00",
             "remaining_time": "0:00:01"}  # fmt: skip
    reading = read("out/trainer_log.jsonl", log(row(1, "0:00:10"), row(300, "0:30:00"), other))
    assert reading.runs["active_s"].tolist() == [1800]
    assert (reading.records, reading.merged) == (3, 2)


def test_prediction_alone_is_refused(refusal):
    other = {"current_steps": 5, "total_steps": 9, "percentage": 55.5, "elapsed_time": "5:00:00",
             "remaining_time": "0:00:01"}  # fmt: skip
    assert refusal("out/trainer_log.jsonl", log(other))[0] == "no_training"


def test_a_line_that_was_cut_off_costs_itself_only(read):
    text = log(row(1, "0:00:10"), row(300, "0:30:00")) + '{"current_steps": 30'
    reading = read("out/trainer_log.jsonl", text)
    assert reading.quarantine[["source_record", "reason_code"]].to_numpy().tolist() == [
        ["3", "broken_json"]
    ]
    assert reading.runs["active_s"].tolist() == [1800]


@pytest.mark.parametrize("elapsed", ["12:61:00", "soon", 12, None, "1 day 2:03:04"])
def test_a_clock_of_another_form_is_refused(read, elapsed):
    reading = read("out/trainer_log.jsonl", log(row(1, "0:00:10"), row(300, elapsed)))
    assert reading.quarantine["reason_code"].tolist() == ["bad_value"]
    assert len(reading.runs) == 1


def test_a_log_of_bad_rows_holds_no_run(read):
    reading = read("out/trainer_log.jsonl", log(row(1, "soon"), row(2, "later")))
    assert len(reading.runs) == 0
    assert reading.records == len(reading.quarantine) == 2
