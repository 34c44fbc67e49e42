"""Hugging Face Trainer: each test carries one oddity seen in real files."""

import pandas as pd
import pytest

from ft_emissions_pipeline.readers.hugging_face import run_folder

FINAL = {"epoch": 3.0, "train_runtime": 1800.0, "total_flos": 2.5e15, "train_loss": 0.4}
STATE = {
    "epoch": 3.0, "global_step": 300, "train_batch_size": 8, "num_input_tokens_seen": 48123,
    "total_flos": 2.5e15, "log_history": [{"loss": 1.0, "epoch": 1.0, "step": 100}, FINAL],
}  # fmt: skip


def test_a_finished_state_gives_time_tokens_and_flop(one_run):
    run = one_run("out/trainer_state.json", STATE)
    assert run["run_id"] == "out"
    assert run["active_s"] == run["reserved_s"] == 1800
    assert run["tokens_padded"] == 48123
    assert run["train_flop"] == 2.5e15
    assert run["epochs"] == 3
    assert run["micro_batch_size"] == 8
    assert "ended_at" not in run


def test_zero_tokens_and_zero_flop_say_not_tracked(one_run):
    run = one_run(
        "out/trainer_state.json", {**STATE, "num_input_tokens_seen": 0, "total_flos": 0.0}
    )
    assert pd.isna(run["tokens_padded"])
    # The final log row has the FLOP still, but the state's own 0.0 is newer and says "not tracked".
    assert pd.isna(run["train_flop"])


def test_an_old_state_lacks_batch_size_and_tokens(one_run):
    old = {k: v for k, v in STATE.items() if k not in {"train_batch_size", "num_input_tokens_seen"}}
    run = one_run("out/trainer_state.json", old)
    assert pd.isna(run["micro_batch_size"])
    assert run["active_s"] == 1800


def test_a_state_saved_before_the_end_has_no_time(one_run):
    run = one_run(
        "out/checkpoint-100/trainer_state.json",
        {**STATE, "log_history": [{"loss": 1.0}], "epoch": 1.27},
    )
    assert pd.isna(run["active_s"])
    assert run["epochs"] == 1.27
    assert run["run_id"] == "out"


def test_results_of_evaluation_beside_training_do_not_count(one_run):
    results = {**FINAL, "train_samples": 6000, "eval_runtime": 99.0, "predict_runtime": 77.0}
    run = one_run("out/all_results.json", results)
    assert run["active_s"] == 1800
    assert run["samples"] == 6000


def test_results_that_are_a_list_are_refused(refusal):
    code, reason = refusal("out/train_results.json", [{"loss": 1.0}, FINAL])
    assert code == "wrong_shape"
    assert "list" in reason


def test_results_of_evaluation_alone_are_no_run(refusal):
    assert refusal("out/all_results.json", {"eval_loss": 0.4})[0] == "no_training"


@pytest.mark.parametrize("value", ["fast", True, [1], {}, float("nan"), float("inf")])
def test_a_time_that_is_no_number_is_refused(refusal, value):
    code, reason = refusal("out/train_results.json", {**FINAL, "train_runtime": value})
    assert code == "not_a_number"
    assert "train_runtime" in reason


@pytest.mark.parametrize(
    ("uri", "run_id"),
    [
        ("team/out-42/trainer_state.json", "team/out-42"),
        ("team/out-42/checkpoint-3000/trainer_state.json", "team/out-42"),
        ("trainer_state.json", "root"),
        ("checkpoint-5/trainer_state.json", "root"),
        ("checkpoint-best/trainer_state.json", "checkpoint-best"),
    ],
)
def test_the_folder_is_the_run(uri, run_id):
    assert run_folder(uri) == run_id
