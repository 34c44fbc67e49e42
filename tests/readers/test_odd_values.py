"""-1 and "auto" mean unknown, everywhere; one odd field is left out and never loses a run."""

import json
from copy import deepcopy

import pandas as pd
import pytest

from ft_emissions_pipeline.readers.cells import number
from ft_emissions_pipeline.readers.reading import RefusalError
from ft_emissions_pipeline.readers.shared.odd_fields import without_odd_fields

OPENAI = {
    "id": "ftjob-1", "object": "fine_tuning.job", "status": "succeeded",
    "model": "gpt-4o-mini-2024-07-18",
    "created_at": 1772445600, "finished_at": 1772449200, "trained_tokens": 5000,
    "hyperparameters": {"n_epochs": 3, "batch_size": 4},
}  # fmt: skip
TOGETHER = {
    "id": "ft-1", "status": "completed", "model": "meta-llama/Llama-2-7b",
    "training_file": "file-1", "n_checkpoints": 1, "created_at": "2026-03-02T10:00:00Z",
    "updated_at": "2026-03-02T11:00:00Z", "token_count": 5000, "n_epochs": 3, "batch_size": 8,
    "max_seq_length": 2048, "param_count": 7000000000,
    "training_type": {"type": "Lora", "lora_r": 8},
}  # fmt: skip
FIREWORKS = {
    "name": "accounts/a/supervisedFineTuningJobs/sft-1", "state": "JOB_STATE_COMPLETED",
    "baseModel": "llama-v3-8b", "create_time": "2026-03-02T10:00:00Z",
    "completedTime": "2026-03-02T11:00:00Z", "epochs": 2, "nodes": 1, "loraRank": 8,
}  # fmt: skip
MISTRAL = {
    "id": "m-1", "object": "job", "model": "open-mistral-7b", "status": "SUCCESS",
    "job_type": "completion", "created_at": 1772445600, "modified_at": 1772449200,
    "training_files": ["x"], "trained_tokens": 5000,
    "hyperparameters": {"training_steps": 10, "learning_rate": 1e-4, "epochs": 2, "seq_len": 2048},
}  # fmt: skip
BEDROCK_JOB = {
    "jobArn": "arn:aws:bedrock:us-west-2:123456789012:model-customization-job/"
    "meta.llama2-13b-chat-v1/kbz1", "status": "Completed",
    "creationTime": "2024-07-06T17:01:00+00:00", "endTime": "2024-07-06T20:01:00+00:00",
    "baseModelArn": "arn:aws:bedrock:us-west-2::foundation-model/meta.llama2-13b-chat-v1:0:4k",
    "hyperParameters": {"epochCount": "2", "batchSize": "1"}, "customizationType": "FINE_TUNING",
    "statusDetails": {
        "trainingDetails": {"creationTime": "2024-07-06T17:31:00+00:00",
                            "lastModifiedTime": "2024-07-06T19:31:00+00:00"}
    },
}  # fmt: skip
TRAINER_STATE = {
    "epoch": 3.0, "global_step": 300, "max_steps": 300, "train_batch_size": 8,
    "num_input_tokens_seen": 48123,
    "log_history": [{"loss": 1.0, "epoch": 1.0, "step": 100},
                    {"step": 300, "train_loss": 0.4, "train_runtime": 1800.0}],
}  # fmt: skip
JOBS = {"openai": OPENAI, "together": TOGETHER, "fireworks": FIREWORKS, "mistral": MISTRAL,
        "bedrock": BEDROCK_JOB}  # fmt: skip
FIELDS = [
    ("openai", ("hyperparameters", "n_epochs"), "epochs"),
    ("openai", ("trained_tokens",), "tokens_unpadded"),
    ("together", ("n_epochs",), "epochs"),
    ("together", ("max_seq_length",), "sequence_length"),
    ("together", ("param_count",), "model_parameters"),
    ("together", ("training_type", "lora_r"), "lora_rank"),
    ("fireworks", ("nodes",), "server_count"),
    ("fireworks", ("loraRank",), "lora_rank"),
    ("mistral", ("hyperparameters", "epochs"), "epochs"),
    ("mistral", ("hyperparameters", "seq_len"), "sequence_length"),
    ("bedrock", ("hyperParameters", "epochCount"), "epochs"),
    ("bedrock", ("hyperParameters", "batchSize"), "micro_batch_size"),
]


def changed(job, path, value):
    job = deepcopy(job)
    inner = job
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return job


@pytest.mark.parametrize("unknown", [-1, " -1 ", "auto", "AUTO", "", None])
@pytest.mark.parametrize(("service", "path", "field"), FIELDS)
def test_minus_one_and_auto_say_unknown(one_run, service, path, field, unknown):
    run = one_run("job.json", changed(JOBS[service], path, unknown))
    assert pd.isna(run.get(field))
    assert "odd_value_left_out" not in str(run["repairs"])


@pytest.mark.parametrize("odd", ["many", -7, 1e300, [3], {"a": 1}, True])
@pytest.mark.parametrize(("service", "path", "field"), FIELDS)
def test_one_odd_field_never_loses_a_run(one_run, service, path, field, odd):
    good = one_run("job.json", JOBS[service])
    run = one_run("job.json", changed(JOBS[service], path, odd))
    assert pd.isna(run.get(field))
    assert "odd_value_left_out:" in run["repairs"]
    assert run["reserved_s"] == good["reserved_s"] == 3600.0 * (2 if service == "bedrock" else 1)


@pytest.mark.parametrize("never", [0, -1, "0001-01-01T00:00:00Z"])
def test_an_instant_that_never_came_is_missing(one_run, never):
    run = one_run("job.json", {**OPENAI, "finished_at": never})
    assert pd.isna(run["ended_at"])
    assert run["tokens_unpadded"] == 5000


def test_an_odd_instant_leaves_the_tokens(one_run):
    run = one_run("job.json", {**OPENAI, "created_at": "yesterday"})
    assert run["tokens_unpadded"] == 5000
    assert "odd_value_left_out:created_at" in run["repairs"].split()


def test_an_odd_phase_of_bedrock_leaves_the_job_s_own_times(one_run):
    job = deepcopy(BEDROCK_JOB)
    job["statusDetails"]["trainingDetails"]["creationTime"] = "soon"
    assert one_run("job.json", job)["reserved_s"] == 3 * 3600


def test_a_trainer_under_deepspeed_writes_auto(one_run):
    state = {**TRAINER_STATE, "train_batch_size": "auto", "max_steps": -1}
    run = one_run("out/trainer_state.json", state)
    assert pd.isna(run["micro_batch_size"])
    assert run["active_s"] == 1800


def test_an_odd_field_of_a_trainer_leaves_its_time(one_run):
    run = one_run("out/trainer_state.json", {**TRAINER_STATE, "num_input_tokens_seen": -3})
    assert pd.isna(run.get("tokens_padded"))
    assert run["active_s"] == 1800


def test_a_record_of_which_nothing_is_left_says_what_was_wrong(refusal):
    assert refusal("a/trainer_state.json",
                   json.dumps({"global_step": 1, "epoch": "x"}))[0] == "not_a_number"  # fmt: skip
    assert refusal("b/train_results.json", json.dumps({"train_runtime": -5}))[0] == "out_of_range"


def test_a_record_of_no_run_is_refused_as_before():
    def run(_):
        msg = "no job"
        raise RefusalError(msg, "wrong_shape")

    with pytest.raises(RefusalError, match="no job"):
        without_odd_fields(run, {})


@pytest.mark.parametrize("value", [-1, -1.0, " -1 ", "auto", " Auto ", None, ""])
def test_number_knows_what_is_not_known(value):
    assert number(value) is None
