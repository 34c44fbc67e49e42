"""Usage that people export: counts per day and model, worked out by hand."""

import json

import pandas as pd
import pytest

EXPECTED = {
    # Two generations at one instant are two; the span is none; the third failed.
    "langfuse.jsonl": ("support-bot", 2, "failed_requests_left_out", 4),
    "helicone.csv": ("support-bot-01", 1, "cached_answers_left_out failed_requests_left_out", 3),
    "openrouter_days.json": ("acme/support-bot-2026", 7, None, 2),
    "azure_monitor.json": ("support-bot", 5, "failed_requests_left_out", 2),
    "vertex_endpoint.json": ("4321", 7, None, 1),
    "sagemaker_endpoint.json": ("support-bot", 9, None, 1),
    # 12 and 30; an hour without requests has no cell, and latencies beside them are none.
    "cloudwatch_console.csv": ("support-bot", 42, None, 2),
    # The agent's span holds the calls of the model.
    "open_telemetry_spans.json": ("support-bot", 1, "failed_requests_left_out", 3),
    # One of an agent and a failed one are no inferences.
    "open_telemetry_sdk_spans.jsonl": ("support-bot", 2, "failed_requests_left_out", 4),
    # Four by the first minute, ten by the second.
    "open_telemetry_totals.jsonl": ("support-bot", 10, None, 2),
    "open_telemetry_deltas.json": ("support-bot", 4, "failed_requests_left_out", 2),
    # Each call has a count of input and one of output.
    "open_telemetry_tokens.json": ("support-bot", 6, None, 2),
    "sglang.prom": ("support-bot", 15, None, 2),
    "tgi.json": ("support-bot", 5, None, 2),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_an_export_counts_what_a_model_served(read, landed_file, name):
    reading = read(name, landed_file(f"usage_exports/{name}"))
    assert reading.quarantine.empty, reading.quarantine.to_dict("records")
    model, inferences, repairs, records = EXPECTED[name]
    usage = reading.usage
    assert usage["model_name"].unique().tolist() == [model]
    assert usage["date"].unique().tolist() == [pd.Timestamp("2026-03-02")]
    assert usage["inferences"].sum() == inferences
    words = sorted(set(" ".join(usage["repairs"].dropna()).split()))
    assert words == (repairs or "").split()
    assert reading.records == records
    assert "Ada" not in usage.to_csv()


@pytest.mark.parametrize(
    ("case", "model", "inferences"),
    [("openai_usage_csv", "ft:gpt-4o-mini-2024-07-18", 120), ("openrouter", "acme/support-bot", 1)],
)
def test_field_case_of_usage(field_case, read, case, model, inferences):
    reading = read("activity.csv", (field_case(case) / "activity.csv").read_bytes())
    assert reading.quarantine.empty
    (row,) = reading.usage.to_dict("records")
    assert row["model_name"].startswith(model)
    assert (row["date"], row["inferences"]) == (pd.Timestamp("2026-03-02"), inferences)


def test_a_bucket_of_openai_without_model_is_refused(refusal):
    text = "start_time,end_time,num_model_requests,model\n1772409600,1772496000,120,\n"
    assert refusal("activity.csv", text)[0] == "missing_value"


def test_a_request_without_time_is_refused_alone(read):
    reading = read(
        "r.csv",
        "generation_id,created_at,model_permaslug\na,,bot\nb,2026-03-02 10:00:00,bot\n"
        "c,yesterday,bot\n",
    )
    assert reading.quarantine["reason_code"].tolist() == ["missing_value", "bad_timestamp"]
    assert reading.usage["inferences"].tolist() == [1]


def test_a_counter_of_tgi_that_no_label_ties_to_a_model_is_refused(read):
    reading = read(
        "t.prom",
        "# 2026-03-02T00:00:00Z\ntgi_request_success 1\n# 2026-03-02T01:00:00Z\n"
        "tgi_request_success 3\n",
    )
    assert reading.quarantine["reason_code"].unique().tolist() == ["missing_value"]


def test_an_average_of_cloudwatch_is_no_count(refusal):
    text = (
        "Label,bot Invocations\nStatistic,Average\n2026-03-02T10:00:00Z,1.0\n"
        "2026-03-02T11:00:00Z,1.0\n"
    )
    code, reason = refusal("graph.csv", text)
    assert code == "wrong_shape"
    assert "export Sum" in reason


CUT_APART = ("https://hooks.slack.com/services/T0/B0/", "Password=", "pwd=", "Cookie: session=")
"""What goes before a secret and tells that it is one, parted from it at a slash or a mark."""


@pytest.mark.parametrize("sign", CUT_APART)
@pytest.mark.parametrize("arn", ["arn:aws:bedrock:us-west-2:1:custom-model/bot ", "bot ", ""])
def test_a_secret_in_a_label_of_cloudwatch_is_dropped_before_the_label_is_parted(read, sign, arn):
    secret, time = "q7VbT2xLm9Kd4RsPw8Zn3YhU", "2026-03-02T10:00:00Z"
    label = f"Invocations {arn}{sign}{secret}"
    of_console = read("c.csv", f'Label,"{label}"\n{time},3\n')
    results = [{"Id": "m", "Label": label, "Timestamps": [time], "Values": [3]}]
    of_query = read("m.json", {"MetricDataResults": results})
    asked = [{"Name": "ModelId", "Value": f"{arn}{sign}{secret}"}]
    points = [{"Timestamp": time, "Sum": 3}]
    of_statistics = read(
        "m.json", {"Label": "Invocations", "Datapoints": points, "Dimensions": asked}
    )
    for reading in (of_console, of_query, of_statistics):
        assert reading.usage["inferences"].sum() == 3
        assert secret not in reading.usage.to_csv()


def test_objects_over_several_lines_below_each_other_are_records(read, landed_file):
    # As the console exporter of OpenTelemetry's SDK prints them, and jq.
    lines = landed_file("usage_exports/open_telemetry_sdk_spans.jsonl").decode().splitlines()
    printed = "\n".join(json.dumps(json.loads(line), indent=4) for line in lines)
    reading = read("spans.json", printed)
    assert reading.quarantine.empty
    assert (reading.usage["inferences"].sum(), reading.records) == (2, 4)
    broken = read("spans.json", printed.replace('"attributes"', "attributes", 1))
    assert broken.quarantine["reason_code"].tolist() == ["broken_json"]
    assert broken.usage["inferences"].sum() == 1


def test_other_metrics_of_an_answer_of_cloudwatch_are_no_requests(read):
    def series(name, value):
        return {
            "Id": "m", "Label": f"AWS/SageMaker bot AllTraffic {name}",
            "Timestamps": ["2026-03-02T10:00:00+00:00"], "Values": [value],
        }  # fmt: skip

    names = {"Invocations": 5, "ModelLatency": 5e4, "Invocation4XXErrors": 2}
    reading = read("m.json", {"MetricDataResults": [series(*each) for each in names.items()]})
    assert reading.usage[["model_name", "inferences"]].to_numpy().tolist() == [["bot", 5]]


def test_refused_calls_in_gclouds_list_of_series_are_left_out(read):
    kind = "aiplatform.googleapis.com/publisher/online_serving/model_invocation_count"
    span = {"startTime": "2026-03-02T10:00:00Z", "endTime": "2026-03-02T10:01:00Z"}
    series = [
        {
            "metric": {"type": kind, "labels": {"response_code": code}},
            "resource": {"labels": {"model_user_id": "bot"}},
            "points": [{"interval": span, "value": {"int64Value": count}}],
        }
        for code, count in (("200", "3"), ("429", "2"))
    ]
    usage = read("m.json", series).usage
    assert (usage["inferences"].sum(), usage["model_name"].unique().tolist()) == (3, ["bot"])
    assert "failed_requests_left_out" in usage["repairs"].tolist()
