"""Usage as services and servers count it: OpenAI, Bedrock, LiteLLM, vLLM.

Shapes: OpenAI's API reference (organization/usage/completions); CloudWatch's API reference and its
page on the JSON of metric streams; LiteLLM's schema of LiteLLM_SpendLogs; vLLM's page of metrics
and Prometheus' exposition format and HTTP API. Numbers are made up, each so that it shows in one
place only.
"""

import json

import pandas as pd
import pytest

from ft_emissions_pipeline.readers import READERS

MIDNIGHT = 1772409600  # 2026-03-02T00:00:00Z
HOUR, DAY = 3600, 86400
ARN = "arn:aws:bedrock:us-west-2:123456789012:custom-model-deployment/k1abcd"


def counts(reading):
    """Return day of March -> model -> inferences, all series added up."""
    usage = reading.usage
    assert set(usage["date"].dt.strftime("%Y-%m")) <= {"2026-03"}
    added = usage.groupby([usage["date"].dt.day, "model_name"])["inferences"].sum()
    return {(int(day), model): count for (day, model), count in added.items()}


def repairs(reading):
    return sorted({word for text in reading.usage["repairs"].dropna() for word in text.split()})


def bucket(start, length, *results):
    filled = [
        {
            "object": "organization.usage.completions.result", "input_tokens": 1000,
            "output_tokens": 500, "input_cached_tokens": 0, "num_model_requests": count,
            "project_id": None, "user_id": None, "api_key_id": None, "model": model, "batch": None,
            **more,
        }
        for model, count, more in results
    ]  # fmt: skip
    return {"object": "bucket", "start_time": start, "end_time": start + length, "results": filled}


def page(*buckets, has_more=False):
    return {"object": "page", "data": list(buckets), "has_more": has_more, "next_page": None}


def test_openai_days_of_models_are_counted(read):
    reading = read(
        "usage.json",
        page(
            bucket(MIDNIGHT, DAY, ("gpt-4o", 5, {}), ("gpt-4o-mini", 7, {})),
            bucket(MIDNIGHT + DAY, DAY),
            bucket(MIDNIGHT + 2 * DAY, DAY, ("gpt-4o", 0, {})),
        ),
    )
    assert counts(reading) == {(2, "gpt-4o"): 5, (2, "gpt-4o-mini"): 7, (4, "gpt-4o"): 0}
    assert (reading.records, reading.merged) == (3, 0)


def test_openai_hours_and_projects_are_added_up(read):
    hours = [
        bucket(MIDNIGHT + n * HOUR, HOUR, ("m", 10, {"project_id": "p1"}),
               ("m", 1, {"project_id": "p2"}))
        for n in range(24)
    ]  # fmt: skip
    reading = read("usage.json", page(*hours))
    assert counts(reading) == {(2, "m"): 264}
    assert (reading.records, reading.merged) == (48, 46)


def test_openai_pages_in_one_file_that_overlap_count_once(read):
    first = page(bucket(MIDNIGHT, DAY, ("m", 5, {})), has_more=True)
    second = page(bucket(MIDNIGHT, DAY, ("m", 6, {})), bucket(MIDNIGHT + DAY, DAY, ("m", 7, {})))
    for content in ([first, second], f"{json.dumps(first)}\n{json.dumps(second)}\n"):
        reading = read("pages.jsonl", content)
        assert counts(reading) == {(2, "m"): 6, (3, "m"): 7}


def test_openai_organisation_in_a_model_name_does_not_survive(read):
    model = "ft:gpt-4o-mini-2024-07-18:acme-secret-org:support-bot:9ABel2dg"
    text = read("usage.json", page(bucket(MIDNIGHT, DAY, (model, 5, {})))).usage.to_csv()
    assert "acme" not in text
    assert "support-bot:9ABel2dg" in text
    without_suffix = "ft:gpt-4o-mini-2024-07-18:acme-secret-org::9ABel2dg"
    assert (
        "acme"
        not in read("u.json", page(bucket(MIDNIGHT, DAY, (without_suffix, 5, {})))).usage.to_csv()
    )


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (("m", -1, {}), "missing_value"),  # -1 says unknown
        (("m", 0.5, {}), "fractional_count"),
        (("m", "many", {}), "not_a_number"),
        (("m", None, {}), "missing_value"),
        ((None, 5, {}), "missing_value"),
    ],
)
def test_a_bad_result_of_openai_costs_itself_only(read, result, code):
    reading = read("u.json", page(bucket(MIDNIGHT, DAY, result, ("n", 5, {}))))
    assert counts(reading) == {(2, "n"): 5}
    assert reading.quarantine["reason_code"].tolist() == [code]


def test_a_result_without_a_model_says_how_to_ask(refusal):
    _, reason = refusal("u.json", page(bucket(MIDNIGHT, DAY, (None, 5, {}))))
    assert "group_by=model" in reason


def test_ids_of_projects_users_and_keys_do_not_reach_quarantine(read):
    ids = {"project_id": "proj_abc", "user_id": "user-xyz", "api_key_id": "key_123"}
    reading = read("u.json", page(bucket(MIDNIGHT, DAY, ("m", -1, ids), ("m", 5, ids))))
    said = reading.quarantine.to_csv() + reading.usage.to_csv()
    assert not any(secret in said for secret in ids.values())


def test_a_bucket_over_midnight_is_split_by_time_and_says_so(read):
    """From 18:00 to 06:00 is half and half; 7 is odd, and the parts stay whole and add up."""
    reading = read("u.json", page(bucket(MIDNIGHT + 18 * HOUR, 12 * HOUR, ("m", 7, {}))))
    assert counts(reading) == {(2, "m"): 4, (3, "m"): 3}
    assert repairs(reading) == ["split_at_midnight"]


def test_a_bucket_of_a_year_is_refused(refusal):
    code, reason = refusal("u.json", page(bucket(MIDNIGHT, 365 * DAY, ("m", 7, {}))))
    assert code == "out_of_range"
    assert "365 days" in reason


def statistics(*points, **more):
    dated = [{"Timestamp": time, "Sum": count, "Unit": "None"} for time, count in points]
    return {"Label": "Invocations", "Datapoints": dated, **more}


def test_get_metric_statistics_with_its_question(read):
    """CloudWatch returns datapoints in no order."""
    answer = statistics(
        ("2026-03-02T13:00:00+00:00", 3.0), ("2026-03-02T12:00:00+00:00", 2.0),
        ("2026-03-03T00:00:00+00:00", 4.0),
        Dimensions=[{"Name": "ModelId", "Value": ARN}], Period=3600,
    )  # fmt: skip
    reading = read("m.json", answer)
    assert counts(reading) == {(2, "k1abcd"): 5, (3, "k1abcd"): 4}
    assert "123456789012" not in reading.usage.to_csv()


def test_get_metric_statistics_alone_does_not_say_whose_counts_they_are(refusal):
    code, reason = refusal("m.json", statistics(("2026-03-02T13:00:00+00:00", 3.0)))
    assert code == "wrong_shape"
    assert "Dimensions" in reason


def test_a_period_over_midnight_is_split(read):
    """Days from 06:00 on, as GetMetricStatistics aligns them with the start that was asked for."""
    answer = statistics(
        ("2026-03-02T06:00:00Z", 24.0), ("2026-03-03T06:00:00Z", 48.0), Dimensions={"ModelId": "m"}
    )
    reading = read("m.json", answer)
    assert counts(reading) == {(2, "m"): 18, (3, "m"): 6 + 36, (4, "m"): 12}
    assert repairs(reading) == ["split_at_midnight"]


def test_get_metric_data_names_models_in_labels(read):
    answer = {
        "MetricDataResults": [
            {"Id": "a", "Label": "support-bot", "StatusCode": "Complete",
             "Timestamps": ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"], "Values": [5.0, 6.0]},
            {"Id": "b", "Label": f"AWS/Bedrock {ARN} Invocations", "StatusCode": "Complete",
             "Timestamps": [MIDNIGHT], "Values": [7.0]},
            {"Id": "c", "Label": "Invocations", "StatusCode": "Complete", "Timestamps": [MIDNIGHT],
             "Values": [8.0]},
        ],
        "Messages": [],
    }  # fmt: skip
    reading = read("m.json", answer)
    assert counts(reading) == {(2, "support-bot"): 5, (3, "support-bot"): 6, (2, "k1abcd"): 7}
    assert reading.quarantine["source_record"].tolist() == ["1.3"]


def streamed(count, minute=0, **more):
    return {
        "metric_stream_name": "s", "account_id": "123456789012", "region": "us-west-2",
        "namespace": "AWS/Bedrock", "metric_name": "Invocations", "dimensions": {"ModelId": "m"},
        "timestamp": (MIDNIGHT + 60 * minute) * 1000,
        "value": {"count": 1.0, "sum": count, "max": 1.0, "min": 1.0}, "unit": "None", **more,
    }  # fmt: skip


def test_a_metric_stream_is_added_up_and_other_metrics_are_no_records(read):
    lines = [
        streamed(2.0), streamed(3.0, 1), streamed(99.0, metric_name="InputTokenCount"),
        streamed(99.0, namespace="AWS/SageMaker"), streamed(99.0, dimensions={}),
        streamed(99.0, dimensions={"ModelId": "m", "ImageSize": "x"}),
        streamed(4.0, region="eu-west-1"),
    ]  # fmt: skip
    reading = read("stream.json", "\n".join(json.dumps(line) for line in lines))
    assert counts(reading) == {(2, "m"): 9}
    assert "123456789012" not in reading.usage.to_csv()


def test_a_file_of_other_metrics_is_refused(refusal):
    code, _ = refusal("stream.json", json.dumps(streamed(9.0, metric_name="InputTokenCount")))
    assert code == "wrong_shape"


def spend(n, **more):
    return {
        "request_id": f"chatcmpl-{n}", "call_type": "acompletion",
        "api_key": "88dc28d0f030c55ed4ab77ed", "spend": 0.00022, "total_tokens": 11,
        "startTime": "2026-03-02T02:28:05.123000Z", "endTime": "2026-03-02T02:28:06.000000Z",
        "model": "support-bot", "model_group": "bots", "api_base": "", "user": "ada@example.org",
        "custom_llm_provider": "openai", "cache_hit": "False", "status": "success",
        **more,
    }  # fmt: skip


LOGS = [
    spend(1),
    spend(2, model="openai/support-bot"),
    spend(3, status="failure"),
    spend(4, status=None),
    spend(5, cache_hit="True"),
    spend(5, cache_hit="True"),
    spend(6, startTime="2026-03-03 23:59:59.9"),
    spend(7, model="", status="failure"),
]


def _csv(rows):
    return pd.DataFrame(rows).to_csv(index=False)


@pytest.mark.parametrize(
    ("uri", "content"),
    [
        ("spend.json", LOGS),
        ("spend.json", {"data": LOGS, "total": 8, "page": 1}),
        ("spend.jsonl", "\n".join(json.dumps(row) for row in LOGS)),
        ("spend.csv", _csv(LOGS)),
    ],
)
def test_litellm_counts_what_the_model_served(read, uri, content):
    """Of eight rows two failed, one hit the cache and stands twice: 1, 2, 4 and 6 were served."""
    reading = read(uri, content)
    assert counts(reading) == {(2, "support-bot"): 3, (3, "support-bot"): 1}
    assert repairs(reading) == ["cached_answers_left_out", "failed_requests_left_out"]
    assert (reading.records, reading.merged) == (8, 6)
    assert "ada" not in reading.usage.to_csv()


def test_a_bad_row_of_litellm_costs_itself_only(read):
    rows = [
        spend(1),
        spend(2, startTime="yesterday"),
        spend(3, startTime=None),
        spend(4, model=None),
    ]
    reading = read("spend.json", [*rows, 5])
    assert counts(reading) == {(2, "support-bot"): 1}
    assert sorted(reading.quarantine["reason_code"]) == [
        "bad_timestamp", "missing_value", "missing_value", "wrong_shape",
    ]  # fmt: skip
    assert "ada" not in reading.quarantine.to_csv()


def metrics(time, *values, model="m", **labels):
    """Return a page of metrics: a line with the time, then a sample per reason, as vLLM has it."""
    others = "".join(f',{name}="{value}"' for name, value in labels.items())
    lines = [
        f"# {time}",
        "# HELP vllm:request_success_total Count of successfully processed requests.",
        "# TYPE vllm:request_success_total counter",
        f'vllm:num_requests_running{{model_name="{model}"}} 2.0',
    ]
    for reason, value in zip(("stop", "length", "abort"), values, strict=False):
        labels = f'engine="0",finished_reason="{reason}",model_name="{model}"{others}'
        lines.append(f"vllm:request_success_total{{{labels}}} {value}")
    return "\n".join(lines) + "\n"


def test_vllm_counter_is_read_as_differences(read):
    """Stop grows by 100, length by 10, abort by 1: 110 were served."""
    text = metrics("2026-03-02T00:00:00Z", 1000.0, 50.0, 5.0) + metrics(
        "2026-03-02T18:00:00Z", 1100.0, 60.0, 6.0
    )
    reading = read("metrics.txt", text)
    assert counts(reading) == {(2, "m"): 110}
    assert repairs(reading) == ["failed_requests_left_out"]


def test_vllm_restart_is_told_and_counts_from_zero(read):
    text = "".join(
        metrics(f"2026-03-02T0{n}:00:00Z", value) for n, value in enumerate([90, 100, 3, 5])
    )
    reading = read("metrics.prom", text)
    assert counts(reading) == {(2, "m"): 10 + 3 + 2}
    assert repairs(reading) == ["counter_restarted"]


def test_vllm_replicas_are_told_apart_and_added_up(read):
    """Two replicas; taken as one counter, 500 -> 20 would look like a restart."""
    text = ""
    for n in range(3):
        for host, base in (("10.0.0.1:8000", 500), ("10.0.0.2:8000", 20)):
            text += metrics(f"2026-03-02T0{n}:00:00Z", base + n, instance=host)
    reading = read("metrics.txt", text)
    assert counts(reading) == {(2, "m"): 4}
    assert repairs(reading) == []
    assert "10.0.0" not in reading.usage.to_csv()


def test_vllm_replica_that_appears_later_counts_from_zero_and_says_so(read):
    text = (
        metrics("2026-03-02T00:00:00Z", 7, instance="a")
        + metrics("2026-03-02T01:00:00Z", 9, instance="a")
        + metrics("2026-03-02T01:00:00Z", 4, instance="b")
    )
    reading = read("metrics.txt", text)
    assert counts(reading) == {(2, "m"): 2 + 4}
    assert repairs(reading) == ["counter_start_assumed"]


def test_vllm_difference_over_midnight_is_split(read):
    text = metrics("2026-03-02T12:00:00Z", 0) + metrics("2026-03-03T12:00:00Z", 101)
    reading = read("metrics.txt", text)
    assert counts(reading) == {(2, "m"): 51, (3, "m"): 50}
    assert repairs(reading) == ["split_at_midnight"]


@pytest.mark.parametrize("unit", [1000, 1])
def test_vllm_samples_may_carry_their_own_time(read, unit):
    line = 'vllm:request_success_total{{finished_reason="stop",model_name="m"}} {} {}\n'
    text = line.format(3, MIDNIGHT * unit) + line.format(8, (MIDNIGHT + 60) * unit)
    assert counts(read("metrics.txt", text)) == {(2, "m"): 5}


def test_one_snapshot_does_not_say_when(refusal):
    code, reason = refusal("metrics.txt", metrics("2026-03-02T00:00:00Z", 1000))
    assert code == "wrong_shape"
    assert "not when" in reason


def test_snapshots_without_times_are_refused(read):
    text = metrics("no time", 1) + metrics("no time", 2)
    assert set(read("metrics.txt", text).quarantine["reason_code"]) == {"bad_timestamp"}


def matrix(*series):
    return {
        "status": "success",
        "data": {
            "resultType": "matrix",
            "result": [
                {
                    "metric": {
                        "__name__": "vllm:request_success_total", "model_name": "m",
                        "finished_reason": "stop",
                        "instance": "gpu-node-7.internal:8000", "job": "vllm", **labels,
                    },
                    "values": values,
                }
                for labels, values in series
            ],
        },
    }  # fmt: skip


def test_range_query_of_several_replicas(read):
    reading = read(
        "range.json",
        matrix(
            ({}, [[MIDNIGHT, "10"], [MIDNIGHT + HOUR, "15"], [MIDNIGHT + 2 * HOUR, "2"]]),
            ({"instance": "gpu-node-8"}, [[MIDNIGHT, "1"], [MIDNIGHT + HOUR, "4"]]),
            ({"finished_reason": "error"}, [[MIDNIGHT, "0"], [MIDNIGHT + HOUR, "9"]]),
        ),
    )
    assert counts(reading) == {(2, "m"): 5 + 2 + 3}
    assert repairs(reading) == ["counter_restarted", "failed_requests_left_out"]
    assert "gpu-node" not in reading.usage.to_csv()


def test_a_sum_over_counters_is_refused_because_it_hides_restarts(refusal):
    answer = matrix(({}, [[MIDNIGHT, "1"], [MIDNIGHT + HOUR, "2"]]))
    answer["data"]["result"][0]["metric"] = {"query": "sum(vllm:request_success_total)"}
    code, reason = refusal("range.json", answer)
    assert code == "wrong_shape"
    assert "hides restarts" in reason


def test_a_stale_sample_costs_itself_only(read):
    values = [[MIDNIGHT, "1"], [MIDNIGHT + 60, "NaN"], [MIDNIGHT + 120, "3"], ["x"]]
    reading = read("range.json", matrix(({}, values)))
    assert counts(reading) == {(2, "m"): 2}
    assert reading.quarantine["reason_code"].tolist() == ["not_a_number", "wrong_shape"]


def test_formats_do_not_take_each_others_files():
    heads = {
        "openai_usage": ("a.json", json.dumps(page(bucket(MIDNIGHT, DAY, ("m", 5, {}))))),
        "bedrock_usage": ("a.json", json.dumps(streamed(1.0))),
        "litellm": ("a.json", json.dumps(LOGS)),
        "vllm": ("a.json", json.dumps(matrix(({}, [])))),
    }
    for own, (name, text) in heads.items():
        assert next(r.FORMAT for r in READERS if r.recognises(name, text.encode())) == own
