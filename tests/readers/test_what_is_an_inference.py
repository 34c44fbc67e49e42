"""What is an inference: a model ran for the caller. Fetching, listing and batches are none."""

import json
from pathlib import Path

import pandas as pd
import pytest

from ft_emissions_pipeline.readers.shared.inferences import are_inferences

CASES = Path(__file__).parents[1] / "data" / "field_cases"


def spend(n=0, **cells):
    row = {
        "request_id": f"req-{n}", "call_type": "acompletion", "spend": 0.001, "total_tokens": 10,
        "startTime": f"2026-03-02T10:00:{n:02d}Z", "model": "support-bot", "status": "success",
        "cache_hit": "False",
    }  # fmt: skip
    return {**row, **cells}


@pytest.mark.parametrize(
    ("case", "inferences"),
    # An answer and two retrievals; a completion and an embedding beside a list, a batch and a file;
    # three completions that all have the id "None".
    [("litellm_retrieve", 1), ("litellm_embedding", 2), ("usage_only", 3)],
)
def test_field_cases_of_litellm_count_what_a_model_served(read, case, inferences):
    reading = read("spend.json", (CASES / case / "spend.json").read_bytes())
    assert reading.quarantine.empty
    assert reading.usage["inferences"].tolist() == [inferences]
    told = "other_calls_left_out" in str(reading.usage["repairs"].item())
    assert told == (case != "usage_only")


@pytest.mark.parametrize(
    "kind",
    ["acompletion", "completion", "atext_completion", "aembedding", "anthropic_messages",
     "aanthropic_messages", "aresponses",
     "agenerate_content_stream", "_arealtime", "arerank", "amoderation", "aimage_generation",
     "arun_thread", "aspeech",
     "/v1/chat/completions", "/chat/completions", "/v1/embeddings", "/v1/messages",
     "/openai/deployments/bot/chat/completions", "/v1beta/models/bot:generateContent",
     "/model/bot/converse-stream", "chat.completion", None, ""],
)  # fmt: skip
def test_calls_that_run_a_model_count(kind):
    assert are_inferences(pd.Series([kind], dtype="str"), pd.Series([0.0])).tolist() == [True]


@pytest.mark.parametrize(
    "kind",
    ["aget_responses", "adelete_responses", "alist_input_items", "acreate_batch", "aretrieve_batch",
     "acancel_batch", "afile_content",
     "acreate_file", "afile_list", "aget_messages", "a_add_message", "acreate_thread",
     "alist_models", "get_models", "health_check",
     "acreate_fine_tuning_job", "avector_store_search", "avideo_retrieve", "acount_tokens",
     "/v1/models", "/v1/files/file-1/content", "/v1/batches", "/v1/responses/resp_1",
     "/v1/messages/count_tokens", "/health", "/v1/messages/batches"],
)  # fmt: skip
def test_calls_that_run_no_model_do_not(kind):
    assert are_inferences(pd.Series([kind]), pd.Series([10.0])).tolist() == [False]


def test_tokens_decide_on_kinds_of_which_nothing_is_known():
    kinds = pd.Series(["pass_through_endpoint"] * 2)
    assert are_inferences(kinds, pd.Series([10.0, 0.0])).tolist() == [True, False]


@pytest.mark.parametrize(
    "mark",
    [{"api_key": "litellm-internal-health-check"}, {"team_id": "litellm-internal-health-check"},
     {"request_tags": ["litellm-internal-health-check"]},
     {"metadata": {"user_api_key_alias": "litellm-internal-health-check"}}],
)  # fmt: skip
@pytest.mark.parametrize("form", ["json", "csv"])
def test_health_checks_of_the_proxy_are_not_counted(read, mark, form):
    rows = [spend(1, **dict.fromkeys(mark, "")), spend(2, **mark)]
    text = json.dumps(rows) if form == "json" else pd.DataFrame(rows).to_csv(index=False)
    usage = read(f"spend.{form}", text).usage
    assert usage["inferences"].tolist() == [1]
    assert usage["repairs"].tolist() == ["other_calls_left_out"]


@pytest.mark.parametrize("request_id", ["None", "", "null", "nan"])
def test_an_id_that_says_nothing_is_no_key(read, request_id):
    rows = [spend(1, request_id=request_id), spend(1, request_id=request_id),
            spend(2, request_id=request_id)]  # fmt: skip
    assert read("spend.json", rows).usage["inferences"].tolist() == [3]


def test_an_id_used_again_at_another_time_is_no_key(read):
    again = [spend(1, request_id="x"), spend(2, request_id="x")]
    twice = [spend(3), spend(3)]
    assert read("spend.json", [*again, *twice]).usage["inferences"].tolist() == [3]


def test_a_day_of_retrievals_alone_has_no_inference(read):
    assert (read("spend.json", [spend(call_type="aget_responses")]).usage["inferences"].tolist()
            == [0])  # fmt: skip
