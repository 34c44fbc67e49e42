"""Snowflake's history of fine-tuning: hours with the tokens of all jobs that ended in them."""

import pandas as pd
import pytest

from ft_emissions_pipeline.readers import basis_of

HEADER = "START_TIME,END_TIME,MODEL_NAME,TOKEN_CREDITS,TOKENS\n"
HOUR = "2024-07-06 09:00:00.000 -0700,2024-07-06 10:00:00.000 -0700,mistral-7b,1.5,3000000\n"


def test_an_hour_is_no_job_and_says_so(one_run):
    run = one_run("cortex.csv", HEADER + HOUR)
    assert run["run_id"] == "cortex.csv#2"
    assert run["base_model"] == "mistral-7b"
    assert run["tokens_unpadded"] == 3_000_000
    # The zone stands behind a space; 10:00 in UTC-7 is 17:00 UTC.
    assert run["ended_at"] == pd.Timestamp("2024-07-06T17:00Z")
    assert run["managed_service"] == "Snowflake Cortex"
    assert run["repairs"] == "jobs_of_an_hour_together"
    # START_TIME is that of the hour, not of a job: no time may be made of it.
    assert not {"started_at", "reserved_s", "active_s"} & set(run.index)
    assert basis_of("snowflake", "ended_at") == "predicted"


def test_names_of_columns_may_stand_in_any_case_and_order(one_run):
    text = (
        "tokens,end_time,start_time,token_credits,model_name\n5,2024-07-06T10:00:00Z,,0,llama3-8b\n"
    )
    assert one_run("c.csv", text)["ended_at"] == pd.Timestamp("2024-07-06T10:00Z")


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (HOUR.replace("3000000", "0"), "no_training"),
        (HOUR.replace("3000000", ""), "no_training"),
        (HOUR.replace("3000000", "many"), "not_a_number"),
        (HOUR.replace("2024-07-06 10", "yesterday 10"), "bad_timestamp"),
        (HOUR.replace(",1.5", ""), "shifted_row"),
        (HOUR.replace("3000000", "-3"), "out_of_range"),
    ],
)
def test_a_bad_hour_costs_one_record(read, row, code):
    reading = read("c.csv", HEADER + HOUR + row)
    assert len(reading.runs) == 1
    assert reading.quarantine["reason_code"].tolist() == [code]
    assert reading.quarantine["source_record"].tolist() == ["3"]


def test_a_header_that_names_a_column_twice_is_refused(refusal):
    assert refusal("c.csv", HEADER.strip() + ",tokens\n" + HOUR)[0] == "duplicated_header"
