"""AWS Bedrock customization jobs; field names as in botocore 1.44.5."""

import copy
import json

import pandas as pd
import pytest

ARN = (
    "arn:aws:bedrock:us-west-2:123456789012:model-customization-job/"
    "meta.llama2-13b-chat-v1/kbz1abcd2345"
)
JOB = {
    "jobArn": ARN,
    "jobName": "tickets",
    "outputModelName": "support-bot",
    "status": "Completed",
    "creationTime": "2024-07-06T17:01:00+00:00",
    "endTime": "2024-07-06T20:01:00+00:00",
    "baseModelArn": "arn:aws:bedrock:us-west-2::foundation-model/meta.llama2-13b-chat-v1:0:4k",
    "hyperParameters": {"epochCount": "2", "batchSize": "1"},
    "customizationType": "FINE_TUNING",
    "statusDetails": {
        "trainingDetails": {
            "creationTime": "2024-07-06T17:31:00+00:00",
            "lastModifiedTime": "2024-07-06T19:31:00+00:00",
        }
    },
}


def test_the_training_phase_has_its_own_time(one_run):
    run = one_run("jobs/a.json", JOB)
    assert run["run_id"] == "kbz1abcd2345"
    assert run["model_name"] == "support-bot"
    assert run["base_model"] == "meta.llama2-13b-chat-v1"
    assert run["managed_service"] == "AWS Bedrock"
    assert (run["cloud_provider"], run["cloud_region"]) == ("aws", "us-west-2")
    assert run["started_at"] == pd.Timestamp("2024-07-06T17:31Z")
    assert run["ended_at"] == pd.Timestamp("2024-07-06T19:31Z")
    assert run["reserved_s"] == 7200
    assert run["epochs"] == 2
    assert pd.isna(run["method"])


def test_without_it_the_job_gives_an_upper_bound(one_run):
    run = one_run("a.json", {k: v for k, v in JOB.items() if k != "statusDetails"})
    assert run["reserved_s"] == 3 * 3600
    assert run["repairs"] == "queueing_included"


def test_unix_seconds_of_the_old_command_line_are_read(one_run):
    job = copy.deepcopy(JOB)
    # 1720286460 is 2024-07-06T17:21:00Z: 19910 days of 86400 s, and 62460 s.
    job["statusDetails"]["trainingDetails"] = {
        "creationTime": 1720286460.0,
        "lastModifiedTime": 1720290060.0,
    }
    run = one_run("a.json", job)
    assert run["started_at"] == pd.Timestamp("2024-07-06T17:21Z")
    assert run["reserved_s"] == 3600


@pytest.mark.parametrize(
    ("kind", "method"),
    [("CONTINUED_PRE_TRAINING", "continued_pretraining"), ("DISTILLATION", "distillation")],
)
def test_methods_that_the_service_names_are_kept(one_run, kind, method):
    assert one_run("a.json", {**JOB, "customizationType": kind})["method"] == method


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": "Failed"}, "failed_job"),
        ({"status": "InProgress"}, "not_finished"),
        ({"status": "Stopping"}, "not_finished"),
        ({"customizationType": "IMPORTED"}, "not_a_fine_tuning"),
        ({"creationTime": "yesterday", "statusDetails": None}, "bad_timestamp"),
        ({"creationTime": "2024-07-07T00:00:00Z", "statusDetails": None}, "out_of_range"),
    ],
)
def test_jobs_without_a_model_or_with_nonsense_are_refused(refusal, change, code):
    assert refusal("a.json", {**JOB, **change})[0] == code


def test_a_custom_model_can_be_tuned_again(one_run):
    arn = "arn:aws:bedrock:us-west-2:123456789012:custom-model/amazon.titan-text-lite-v1:0:4k/ab12"
    assert (
        one_run("a.json", {**JOB, "baseModelArn": arn})["base_model"] == "amazon.titan-text-lite-v1"
    )


def test_lists_lines_and_summaries_of_jobs_are_read(read):
    jobs = [{**JOB, "jobArn": f"{ARN}{n}"} for n in range(3)]
    lines = "\n".join(json.dumps(job) for job in jobs)
    for uri, content in [
        ("list.json", jobs),
        ("lines.jsonl", lines),
        ("summaries.json", {"modelCustomizationJobSummaries": jobs}),
    ]:
        assert read(uri, content).runs["run_id"].nunique() == 3


def test_a_broken_line_costs_one_record(read):
    reading = read("jobs.jsonl", json.dumps(JOB) + '\n{"jobArn": "arn:aw\n[]\n')
    assert len(reading.runs) == 1
    assert reading.quarantine["reason_code"].tolist() == ["broken_json", "wrong_shape"]
    assert reading.quarantine["source_record"].tolist() == ["2", "3"]


def test_account_ids_appear_nowhere(read):
    refused = {"roleArn": "arn:aws:iam::123456789012:role/tuner", **JOB, "status": "Failed"}
    reading = read("jobs.json", [JOB, refused])
    said = reading.runs.to_csv() + reading.quarantine.to_csv()
    assert "123456789012" not in said
    assert "role/tuner" in said
