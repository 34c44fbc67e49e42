"""Consoles: what trainers print, recognised by the lines."""

import json

import pandas as pd
import pytest

import ft_emissions_pipeline as fte

EXPECTED = {
    # Ten iterations of 1.1476 s and ten of 1.0524 s; 320 samples of 2048 tokens.
    "megatron.log": {"active_s": 22.0, "steps": 20, "tokens_padded": 655360,
                     "sequence_length": 2048, "software": "nemo_megatron"},
    "nemo.log": {"active_s": 8.0, "steps": 3, "software": "nemo_megatron"},
    # Five minutes; 20 steps of 8 sequences of 2048 tokens.
    "torchtitan.txt": {"reserved_s": 300.0, "steps": 20, "tokens_padded": 327680,
                       "sequence_length": 2048, "software": "torchtitan"},
    # 30 + 2.5 + 2.5 s; one of two hosts prints each step again.
    "maxtext.log": {"active_s": 35.0, "steps": 3, "tokens_unpadded": 90000.0,
                    "software": "maxtext"},
    # From DeepSpeed's first line to its last.
    "deepspeed.log": {"reserved_s": 130.0, "steps": 40, "software": "deepspeed"},
    "torchtune.txt": {"active_s": 100.0, "steps": 10, "software": "torchtune"},
    # From 1745926251.618 s to 1745927530.858 s.
    "mlperf.out": {"active_s": 1279.24, "tokens_padded": 3072 * 8192, "sequence_length": 8192,
                   "lora_rank": 16},
    "unsloth_and_trainer.log": {
        "active_s": 600, "steps": 125, "tokens_padded": 200000, "samples": 1000,
        "micro_batch_size": 2, "gradient_accumulation": 4, "epochs": 1, "software": "axolotl",
    },
    # The second tracker begins at nothing; 90 s lie between the first line and the last.
    "codecarbon_two_trackers_over_midnight.out": {
        "active_s": 90, "gpu_energy_kwh": 0.15, "ram_energy_kwh": 0.015, "it_energy_kwh": 0.165,
        "gpu_count": 1,
        "gpu_model": "NVIDIA GeForce RTX 3090",
    },
    # 64 sequences a step are 2 on each of 8 devices, 4 times.
    "llama_factory.log": {
        "active_s": 3600.5, "steps": 279, "samples": 5995, "world_size": 8, "method": "lora",
        "micro_batch_size": 2, "gradient_accumulation": 4, "software": "llama_factory",
        "base_model": "Qwen/Qwen2.5-7B-Instruct",
        "started_at": pd.Timestamp("2025-02-20T02:13:56Z"),
        "ended_at": pd.Timestamp("2025-02-20T03:13:56.5Z"),
    },
    # 1:23:45 on the bar; the last line is of 13:28:12.
    "axolotl_bar_without_runtime.log": {
        "active_s": 5025, "steps": 500, "software": "axolotl",
        "ended_at": pd.Timestamp("2024-05-01T13:28:12Z"),
    },
    # 16:45; the shorter bar is that of an evaluation.
    "broken_off_at_step_100.log": {
        "active_s": 1005, "steps": 100, "world_size": 4, "epochs": 0.2,
    },
    # 1:44 from 13:38:31 on.
    "accelerate_under_mpi.out": {
        "active_s": 104, "steps": 79, "world_size": 8, "samples": 10000,
        "started_at": pd.Timestamp("2022-09-21T13:38:31Z"),
        "ended_at": pd.Timestamp("2022-09-21T13:40:15Z"),
    },
    "swift.log": {
        "active_s": 570.4, "world_size": 4, "ended_at": pd.Timestamp("2025-09-26T13:10:19Z"),
    },
    # 10:12 and 1:10:10.
    "lightning.txt": {
        "active_s": 4822, "epochs": 2, "world_size": 2, "gpu_model": "NVIDIA A100-SXM4-80GB",
    },
    # 320 + 318 + 319 s; the last bar is that of an evaluation.
    "keras_2_and_an_evaluation.txt": {"active_s": 957, "steps": 5625, "epochs": 3},
    "keras_3.log": {"active_s": 195, "steps": 1200, "epochs": 2},
    # 10 / 0.5 + 10 / 0.4 + 10 / 1.0 s of training, 5.5 + 4.5 s of validation.
    "mlx_two_trainings.log": {
        "active_s": 65.0, "steps": 30, "tokens_unpadded": 2500, "operating_system": "macOS",
    },
    "litgpt.txt": {
        "active_s": 184.27, "steps": 160, "tokens_padded": 241664, "tokens_unpadded": 230325,
    },
    # Four lines of 55.2 s together, and 27 iterations of (0.4 + 9.4) / 2 s between them.
    "nano_gpt.log": {
        "active_s": 187.5, "steps": 31, "tokens_padded": 31 * 491520, "software": "plain_loop",
    },
    "verl_step_2_made_again.log": {"active_s": 301.5, "steps": 2},
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


@pytest.mark.parametrize(
    ("listed", "model", "count"),
    [(["Tesla T4"], "Tesla T4", 1), (["NVIDIA A100-SXM4-80GB"] * 2, "NVIDIA A100-SXM4-80GB", None),
     (["Tesla T4", "Tesla V100-SXM2..."], None, None)],
)  # fmt: skip
def test_the_table_of_nvidia_smi_names_the_accelerator_if_there_is_one_kind(
    one_run, listed, model, count
):
    rows = "".join(
        f"|   {n}  {name}       Off  |   00000000:0{n}:04.0 Off |                    0 |\n"
        for n, name in enumerate(listed)
    )
    run = one_run("train.log", rows + "{'train_runtime': 600.0, 'train_loss': 1.0}\n")
    assert (run.get("gpu_model"), run.get("gpu_count")) == (model, count)


@pytest.mark.parametrize(
    ("trained", "method", "parameters"),
    [("494,032,768", "full", 494032768), ("39,976,960", "adapter", None)],
)
def test_parameters_of_all_are_the_models_only_where_all_are_trained(
    one_run, trained, method, parameters
):
    """QLoRA's notebooks count two weights of four bits as one: 3.5 of 7 billion."""
    line = f"trainable params: {trained} || all params: 494,032,768 || trainable%: 8.1\n"
    run = one_run("train.log", line + "{'train_runtime': 600.0, 'train_loss': 1.0}\n")
    assert (run["method"], run.get("model_parameters")) == (method, parameters)


@pytest.mark.parametrize(
    "name", ["Epoch {}:", "Epoch {}/3:", "Train step of epoch {}:", "Epoch [{}/3]:"]
)
def test_each_epoch_may_have_a_bar_whatever_its_loop_is(one_run, name):
    bars = "".join(
        f"{name.format(n)}  50%|##  | 5/10 [00:40<00:40, 8.0s/it]\n"
        f"{name.format(n)} 100%|####| 10/10 [01:20<00:00, 8.0s/it, loss=0.5]\n"
        for n in (1, 2, 3)
    )
    run = one_run("loop.log", bars)
    assert (run["active_s"], run["epochs"]) == (240, 3)


def test_a_bar_that_is_not_full_belongs_to_a_training_that_goes_on(refusal, console):
    text = console("broken_off_at_step_100.log").partition("Traceback")[0]
    assert refusal("train.log", text)[0] == "not_finished"


def test_an_example_that_has_a_time_in_it_is_no_line_of_a_log(one_run):
    shown = "input: the meeting of 2019-03-01 12:00:00 was moved\n"
    run = one_run("train.log", shown + "{'train_runtime': 600.0, 'train_loss': 1.0}\n")
    assert "ended_at" not in run


def test_a_console_whose_only_time_stands_at_its_head_ended_when_its_time_had_passed(one_run):
    line = "[2024-05-01 12:03:33,120] [INFO] [axolotl.load_model:808] loaded\n"
    run = one_run("train.log", line + "{'train_runtime': 3600.0, 'train_loss': 1.0}\n")
    assert run["ended_at"] == pd.Timestamp("2024-05-01T13:03:33Z")


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


def notebook(*outputs):
    """Return a notebook whose cells gave some outputs."""
    cells = [{"cell_type": "code", "source": "x", "outputs": [output]} for output in outputs]
    return json.dumps({"cells": cells, "nbformat": 4})


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}


# As Unsloth prints them since 2025: the card first, lower case, and devices in parallel.
BANNERS = (
    "==((====))==  Unsloth 2025.3.19: Fast Llama patching. Transformers: 4.50.0.\n"
    "   \\\\   /|    NVIDIA L4. Num GPUs = 1. Max memory: 22.161 GB. Platform: Linux.\n"
    "\\        /    Bfloat16 = TRUE. FA [Xformers = 0.0.29.post3. FA2 = False]\n"
    "==((====))==  Unsloth - 2x faster free finetuning | Num GPUs used = 1\n"
    "   \\\\   /|    Num examples = 51,760 | Num Epochs = 1 | Total steps = 60\n"
    "O^O/ \\_/ \\    Batch size per device = 2 | Gradient accumulation steps = 4\n"
    "\\        /    Data Parallel GPUs = 1 | Total batch size (2 x 4 x 1) = 8\n"
)
BAR = "<div><progress value='60' max='60'></progress>\n [60/60 07:39, Epoch 0/1]\n</div>"
RESULT = (
    "TrainOutput(global_step=60, training_loss=0.9, metrics={'train_runtime': 462.3, "
    "'train_loss': 0.9})"
)


@pytest.mark.parametrize(
    ("output", "seconds"),
    [
        ({"output_type": "display_data", "data": {"text/html": [BAR]}}, 459.0),
        ({"output_type": "execute_result", "data": {"text/plain": RESULT}}, 462.3),
    ],
)
def test_what_the_cells_of_a_notebook_printed_is_a_console(one_run, output, seconds):
    run = one_run("llama.ipynb", notebook(stream(BANNERS), output))
    expected = {
        "active_s": seconds, "steps": 60, "gpu_model": "NVIDIA L4", "gpu_count": 1, "world_size": 1,
        "micro_batch_size": 2, "gradient_accumulation": 4, "samples": 51760, "software": "unsloth",
        "attention_kernel": "xformers",
    }  # fmt: skip
    assert {name: run[name] for name in expected} == expected


@pytest.mark.parametrize(
    "content", ["{", '{"cells": 3, "nbformat": 4}', notebook(stream("hello\n"))]
)
def test_a_notebook_that_printed_nothing_of_a_training_is_source_code(read, content):
    reading = read("broken.ipynb", content)
    assert (reading.content, len(reading.quarantine)) == ("other", 0)


def test_each_epoch_of_torchtune_has_a_bar_of_its_own(one_run):
    bars = (
        "1|5|Loss: 1.4: 50%|##| 5/10 [02:00<02:00, 24.00s/it]\n"
        "1|10|Loss: 1.4: 100%|##| 10/10 [04:00<00:00, 24.00s/it]\n"
    )
    run = one_run("tune.txt", bars + bars.replace("1|5", "2|15").replace("1|10", "2|20"))
    assert (run["active_s"], run["steps"]) == (480, 20)
