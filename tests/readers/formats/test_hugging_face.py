"""Hugging Face Trainer: each test carries one oddity seen in real files."""

import pandas as pd
import pytest

from ft_emissions_pipeline.readers.formats.hugging_face import run_folder

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
        {
            **STATE,
            "log_history": [{"loss": 1.0}],
            "epoch": 1.27,
            "global_step": 127,
            "max_steps": 300,
        },
    )
    assert pd.isna(run["active_s"])
    # Partial epochs are passes like whole ones.
    assert (run["epochs"], run["steps"]) == (1.27, 127)
    assert run["run_id"] == "out"
    assert run["repairs"] == "before_last_step padding_not_stated"


CLOCKED = {
    "global_step": 12, "max_steps": 12, "epoch": 4.0, "num_input_tokens_seen": 480,
    "total_flos": 5857920.0,
    "train_batch_size": 4,
    "log_history": [
        {"epoch": 1.33, "loss": 0.692, "num_input_tokens_seen": 168, "step": 4,
         "train_runtime": 1.4432},
        {"epoch": 2.67, "loss": 0.693, "num_input_tokens_seen": 336, "step": 8,
         "train_runtime": 2.3145},
        {"epoch": 4.0, "loss": 0.692, "num_input_tokens_seen": 480, "step": 12,
         "train_runtime": 0.4918},
        {"epoch": 4.0, "step": 12, "total_flos": 5857920.0, "train_loss": 0.6938,
         "train_runtime": 0.5399,
         "train_samples_per_second": 24.697, "train_steps_per_second": 7.409},
    ],
}  # fmt: skip
"""As transformers 5.23 wrote it of a run resumed at step 8, with tokens and a clock a row."""


def test_rows_with_a_clock_tell_every_session_of_a_resumed_run(one_run):
    run = one_run("out/trainer_state.json", CLOCKED)
    assert run["active_s"] == pytest.approx(2.3145 + 0.5399)
    assert run["tokens_padded"] == 480
    assert run["repairs"] == "sessions_summed padding_not_stated"


def test_a_clock_in_every_row_is_not_added_up(one_run):
    rows = [
        *CLOCKED["log_history"][:2],
        {**CLOCKED["log_history"][3], "train_runtime": 3.2755, "train_steps_per_second": 3.664},
    ]
    assert one_run("out/trainer_state.json", {**CLOCKED, "log_history": rows})["active_s"] == 3.2755


def test_the_time_of_the_last_session_alone_is_left_out(one_run):
    """7.409 steps/s x 0.5399 s are 4 of 12 steps: the session's own rate, since transformers 5."""
    bare = [{k: v for k, v in row.items() if "loss" not in row or k != "train_runtime"}
            for row in CLOCKED["log_history"]]  # fmt: skip
    run = one_run("out/trainer_state.json", {**CLOCKED, "log_history": bare})
    assert pd.isna(run["active_s"])
    assert pd.isna(run["reserved_s"])
    assert "time_of_last_session_left_out" in run["repairs"]


def test_earlier_versions_tell_a_resumption_by_their_mean_loss(one_run):
    """They divide the losses of the last session, 100 x 1.0, by the 300 steps of all."""
    rows = [{"loss": 1.0, "step": step} for step in (100, 200, 300)]
    whole = {**FINAL, "train_loss": 1.0, "train_steps_per_second": 0.167}
    resumed = {**whole, "train_loss": 1 / 3}
    assert (
        one_run("a/trainer_state.json", {**STATE, "log_history": [*rows, whole]})["active_s"]
        == 1800
    )
    run = one_run("b/trainer_state.json", {**STATE, "log_history": [*rows, resumed]})
    assert pd.isna(run["active_s"])


@pytest.mark.parametrize("loss", [float("nan"), -1.0, None, "0.3"])
def test_a_loss_that_tells_nothing_leaves_the_time(one_run, loss):
    rows = [{"loss": loss, "step": 300}, {**FINAL, "train_loss": 0.0}]
    assert one_run("a/trainer_state.json", {**STATE, "log_history": rows})["active_s"] == 1800


def test_results_tell_a_resumption_by_samples_where_they_count_them(one_run):
    """24.697 samples/s x 0.5399 s are 13 of 10 x 4."""
    results = {
        "epoch": 4.0,
        "train_runtime": 0.5399,
        "train_samples": 10,
        "train_samples_per_second": 24.697,
    }
    assert pd.isna(one_run("a/train_results.json", results)["active_s"])
    results["train_samples_per_second"] = 74.1
    assert one_run("b/train_results.json", results)["active_s"] == 0.5399


def test_trl_counts_tokens_without_padding_and_anew_in_each_session(one_run):
    """TRL sums the attention mask into an attribute that no checkpoint saves."""
    rows = [{"num_tokens": n, "step": step} for n, step in ((1000, 100), (2000, 200), (900, 300))]
    run = one_run(
        "a/trainer_state.json", {**STATE, "num_input_tokens_seen": 0, "log_history": [*rows, FINAL]}
    )
    assert run["tokens_unpadded"] == 2900
    assert pd.isna(run["tokens_padded"])


def test_tracked_tokens_beside_trls_are_those_with_padding(one_run):
    run = one_run("a/trainer_state.json", {**STATE, "log_history": [{"num_tokens": 30000}, FINAL]})
    assert (run["tokens_unpadded"], run["tokens_padded"]) == (30000, 48123)


def test_trainers_by_reward_count_generated_tokens_and_no_padding(one_run):
    rows = [{"num_tokens": 48123, "completions/mean_length": 90.0, "reward": 0.1}, FINAL]
    run = one_run("a/trainer_state.json", {**STATE, "log_history": rows})
    assert run["tokens_unpadded"] == 48123
    assert pd.isna(run["tokens_padded"])
    assert run["repairs"] == "generated_tokens_included"


@pytest.mark.parametrize("metric", ["eval_wer", "eval_cer", "wer"])
def test_a_model_of_sound_counts_samples_and_no_tokens(one_run, metric):
    """`num_input_tokens_seen` and `total_flos` count elements of input_features there."""
    run = one_run(
        "a/trainer_state.json", {**STATE, "log_history": [{metric: 0.2, "step": 100}, FINAL]}
    )
    assert pd.isna(run["train_flop"])
    assert "tokens_padded" not in run
    assert run["repairs"] == "no_text_tokens"


def test_results_of_evaluation_beside_training_do_not_count(one_run):
    results = {**FINAL, "train_samples": 6000, "eval_runtime": 99.0, "predict_runtime": 77.0}
    run = one_run("out/all_results.json", results)
    assert run["active_s"] == 1800
    assert run["samples"] == 6000


def test_a_list_of_log_rows_is_read_as_the_log_if_the_training_ended_in_it(one_run, refusal):
    run = one_run("out/train_results.json", [{"loss": 1.0, "step": 20}, FINAL])
    assert run["active_s"] == FINAL["train_runtime"]
    code, reason = refusal("out/train_results.json", [{"loss": 1.0, "step": 20}])
    assert code == "wrong_shape"
    assert "train_runtime" in reason


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
        ("checkpoint-best/trainer_state.json", "root"),
        ("bestseller/trainer_state.json", "bestseller"),
    ],
)
def test_the_folder_is_the_run(uri, run_id):
    assert run_folder(uri) == run_id


def test_what_a_script_wrote_beside_the_results_tells_the_hardware(one_run):
    """`metrics.update(...)` before `save_metrics` is how people keep it."""
    results = {
        "train_runtime": 3600.5, "train_samples_per_second": 10.2, "epoch": 3.0,
        "model_name_or_path": "meta-llama/Llama-2-7b-hf", "gpu": "2x A100", "region": "us-west-2",
        "date": "2025-03-04", "eval_accuracy": 0.9,
    }  # fmt: skip
    run = one_run("bot/all_results.json", results)
    assert (run["gpu_model"], run["gpu_count"]) == ("A100", 2)
    assert (run["base_model"], run["location"]) == ("meta-llama/Llama-2-7b-hf", "us-west-2")
    assert (run["active_s"], run["epochs"]) == (3600.5, 3)
    assert pd.isna(run["repairs"])


def test_what_stands_beside_the_results_and_makes_no_sense_is_named(one_run):
    results = {"train_runtime": 60.0, "train_samples_per_second": 1.0, "epoch": 1.0,
               "num_gpus": 2, "date": "03/04/2025"}  # fmt: skip
    run = one_run("bot/all_results.json", results)
    assert "gpu_count" not in run
    assert run["repairs"] == "label_not_understood:date,num_gpus"
