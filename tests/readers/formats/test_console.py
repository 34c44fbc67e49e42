"""Consoles: what trainers print, recognised by the lines."""

import pandas as pd
import pytest

import ft_emissions_pipeline as fte

EXPECTED = {
    # Ten iterations of 1.1476 s and ten of 1.0524 s; 320 samples of 2048 tokens.
    "megatron.log": {"active_s": 22.0, "steps": 20, "tokens_padded": 655360, "sequence_length": 2048, "software": "nemo_megatron"},
    "nemo.log": {"active_s": 8.0, "steps": 3, "software": "nemo_megatron"},
    # Five minutes; 20 steps of 8 sequences of 2048 tokens.
    "torchtitan.txt": {"reserved_s": 300.0, "steps": 20, "tokens_padded": 327680, "sequence_length": 2048, "software": "torchtitan"},
    "torchtune.txt": {"active_s": 100.0, "steps": 10, "software": "torchtune"},
    # From 1745926251.618 s to 1745927530.858 s.
    "mlperf.out": {"active_s": 1279.24, "tokens_padded": 3072 * 8192, "sequence_length": 8192, "lora_rank": 16},
    "unsloth_and_trainer.log": {
        "active_s": 600, "steps": 125, "tokens_padded": 200000, "samples": 1000, "micro_batch_size": 2, "gradient_accumulation": 4,
        "epochs": 1, "software": "axolotl",
    },
    # The second tracker begins at nothing; 90 s lie between the first line and the last.
    "codecarbon_two_trackers_over_midnight.out": {
        "active_s": 90, "gpu_energy_kwh": 0.15, "ram_energy_kwh": 0.015, "it_energy_kwh": 0.165, "gpu_count": 1,
        "gpu_model": "NVIDIA GeForce RTX 3090",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_a_console_tells_what_its_lines_say(console, one_run, name):
    run = one_run(name, console(name))
    expected = EXPECTED[name]
    assert {field: run[field] for field in expected} == {
        field: pytest.approx(value) if isinstance(value, float) else value
        for field, value in expected.items()
    }


def test_instants_of_a_console_are_taken_in_the_zone_of_the_settings(console, one_run):
    run = one_run("torchtitan.txt", console("torchtitan.txt"), timezone="Europe/Paris")
    assert run["started_at"] == pd.Timestamp("2025-02-03T08:19:51Z")


def test_a_console_that_ends_before_the_training_is_refused(refusal):
    assert (
        refusal("train.log", "{'loss': 1.0, 'learning_rate': 1e-05, 'epoch': 0.5}\n")[0]
        == "not_finished"
    )


def test_several_trainings_of_one_console_are_added_up_and_lines_printed_twice_are_not(one_run):
    line = "{'train_runtime': 600.0, 'train_loss': 1.0, 'epoch': 1.0}\n"
    assert one_run("train.log", line * 2)["active_s"] == 600
    run = one_run("train.log", line + line.replace("600", "300"))
    assert (run["active_s"], run["repairs"]) == (900, "sessions_summed")


def test_a_schedulers_number_in_the_name_is_the_job(one_run):
    assert (
        one_run("logs/slurm-4711.out", "{'train_runtime': 600.0, 'train_loss': 1.0}\n")["job_id"]
        == "4711"
    )


def test_python_that_prints_such_lines_is_no_console(read):
    assert read("train.py", "print(\"{'loss': 1.0}\")\n{'loss': 1.0}\n").content == "other"


@pytest.mark.parametrize(
    ("case", "field", "value"),
    [("hf_console", "active_s", 600.0), ("cc_console", "it_energy_kwh", 0.777621)],
)
def test_field_case_of_a_console(field_case, case, field, value):
    runs, quarantine = fte.read_runs(field_case(case))
    assert quarantine.empty, quarantine.to_dict("records")
    assert runs[field].tolist() == [value]
