"""Folders laid out as people publish them: each gives the runs that a person would count."""

import json
import shutil
from pathlib import Path

import pytest

import ft_emissions_pipeline as fte

FINAL = {"train_runtime": 600.0, "train_loss": 1.0, "total_flos": 1e16, "epoch": 3.0, "step": 300}
STATE = {
    "global_step": 300,
    "max_steps": 300,
    "epoch": 3.0,
    "train_batch_size": 4,
    "log_history": [{"loss": 1.0, "step": 100}, FINAL],
}
EARLIER = {**STATE, "global_step": 100, "epoch": 1.0, "log_history": STATE["log_history"][:1]}
RESULTS = {k: v for k, v in FINAL.items() if k != "step"}
ADAPTER = {"base_model_name_or_path": "Qwen/Qwen2.5-7B", "peft_type": "LORA", "r": 16}
LOGGED = {
    "current_steps": 300,
    "total_steps": 300,
    "epoch": 3.0,
    "elapsed_time": "0:10:00",
    "loss": 1.0,
}
CODECARBON = (
    "timestamp,project_name,run_id,duration,emissions,energy_consumed,country_iso_code\n"
    "2026-03-02T12:00:00,bot,{},{},0.1,0.4,FRA\n"
)
MLFLOW = (
    "artifact_uri: x\nlifecycle_stage: active\nrun_id: {0}\nstart_time: 1772445600000\n"
    "end_time: {1}\nstatus: 3\n"
)
EVENTS = (
    Path(__file__).parent.parent
    / "data/run_folders/hub/runs/Mar02_10-00-00_node-a/events.out.tfevents.1772445605.node-a.4242.0"
)
RUN_A, RUN_B = "a" * 32, "b" * 32

FOLDERS = {
    "an output folder of LLaMA-Factory": (
        {
            "saves/trainer_log.jsonl": json.dumps(LOGGED) + "\n"
                + json.dumps({**LOGGED, "elapsed_time": "0:10:01"}),
            "saves/trainer_state.json": STATE, "saves/all_results.json": RESULTS,
            "saves/train_results.json": RESULTS, "saves/adapter_config.json": ADAPTER,
            "saves/checkpoint-100/trainer_state.json": EARLIER,
            "saves/checkpoint-100/adapter_config.json": ADAPTER,
            "saves/training_args.yaml": "stage: sft\nfinetuning_type: lora\nlora_rank: 16\n"
                                        "cutoff_len: 2048\nper_device_train_batch_size: 4\n"
                                        "model_name_or_path: Qwen/Qwen2.5-7B\n",
        },
        {"saves": {"base_model": "Qwen/Qwen2.5-7B", "method": "lora", "software": "llama_factory",
                   "sequence_length": 2048}},
    ),
    "a project of axolotl with its configuration above the output": (
        {
            "bot.yml": "base_model: Qwen/Qwen2.5-7B\nadapter: qlora\nload_in_4bit: true\n"
                       "lora_r: 16\nsequence_len: 4096\nmicro_batch_size: 2\nnum_epochs: 3\n",
            "outputs/out/checkpoint-300/trainer_state.json": STATE,
            "outputs/out/adapter_config.json": ADAPTER,
        },
        {"outputs/out": {"base_model": "Qwen/Qwen2.5-7B", "method": "qlora", "software": "axolotl",
                         "sequence_length": 4096}},
    ),
    "a tracker and a console beside a trainer": (
        {
            "out/trainer_state.json": STATE, "out/emissions.csv": CODECARBON.format("r-1", 640),
            "out/train.log": "{'train_runtime': 600.0, 'train_loss': 1.0, 'epoch': 3.0}\n",
        },
        {"out": {"it_energy_kwh": 0.4, "country_iso3": "FRA", "active_s": 640}},
    ),
    "a tracker of something else beside a trainer": (
        {"out/trainer_state.json": STATE, "out/emissions.csv": CODECARBON.format("r-1", 7200)},
        {"out": {"active_s": 600}, "r-1": {"active_s": 7200}},
    ),
    "an MLflow store of two runs": (
        {
            f"mlruns/0/{RUN_A}/meta.yaml": MLFLOW.format(RUN_A, 1772446200000),
            f"mlruns/0/{RUN_A}/params/lora_r": "8",
            f"mlruns/0/{RUN_A}/params/model_name_or_path": "Qwen/Qwen2.5-7B",
            f"mlruns/0/{RUN_A}/tags/mlflow.user": "ada",
            f"mlruns/0/{RUN_B}/meta.yaml": MLFLOW.format(RUN_B, 1772449200000),
            f"mlruns/0/{RUN_B}/metrics/train/loss": "1 1.0 1\n",
            "mlruns/0/meta.yaml": "artifact_location: x\nexperiment_id: '0'\n"
                                  "lifecycle_stage: active\nname: Default\n",
        },
        {RUN_A: {"reserved_s": 600, "lora_rank": 8, "base_model": "Qwen/Qwen2.5-7B"},
         RUN_B: {"reserved_s": 3600}},
    ),
    "a recipe of torchtune and its console": (
        {
            "recipe.yaml": "model:\n  _component_: torchtune.models.qwen2_5.lora_qwen2_5_7b_base\n"
                           "  lora_rank: 8\nbatch_size: 2\ndtype: bf16\n",
            "logs/log_1772445600.txt": "1|300|Loss: 0.8: 100%|###| 300/300 [10:00<00:00,  "
                                       "2.00s/it]\nStep 300 | loss:0.8 lr:2e-05 "
                                       "tokens_per_second_per_gpu:1000.0\n",
        },
        {"logs/log_1772445600": {"active_s": 600, "steps": 300, "software": "torchtune",
                                 "lora_rank": 8, "precision": "bf16"}},
    ),
    "two runs in folders of their own, with one card above": (
        {
            "README.md": "---\nbase_model: Qwen/Qwen2.5-7B\ntags: [lora]\n---\n# bots\n",
            "seed-1/trainer_state.json": STATE, "seed-2/trainer_state.json": STATE,
        },
        {"seed-1": {"base_model": "Qwen/Qwen2.5-7B", "method": "lora"},
         "seed-2": {"base_model": "Qwen/Qwen2.5-7B"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_gives_the_runs_that_a_person_would_count(tmp_path, name):
    files, expected = FOLDERS[name]
    for uri, content in files.items():
        path = tmp_path / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    runs, quarantine = fte.read_runs(tmp_path)
    assert quarantine.empty, quarantine.to_dict("records")
    found = runs.set_index("run_id")
    assert set(found.index) == set(expected)
    for run_id, fields in expected.items():
        assert found.loc[run_id, list(fields)].to_dict() == fields


def test_folders_of_tensorboard_without_a_trainer_are_runs_of_their_own(tmp_path):
    for name in ("first", "second"):
        (tmp_path / "logs" / name).mkdir(parents=True)
        shutil.copy(EVENTS, tmp_path / "logs" / name)
    runs, quarantine = fte.read_runs(tmp_path)
    assert quarantine.empty
    assert runs["run_id"].tolist() == ["logs/first", "logs/second"]


def test_sessions_of_tensorboard_in_a_trainers_folder_are_of_its_run(tmp_path):
    for name in ("Mar02_10-00-00_node-a", "Mar03_10-00-00_node-a"):
        (tmp_path / "out/runs" / name).mkdir(parents=True)
        shutil.copy(EVENTS, tmp_path / "out/runs" / name)
    (tmp_path / "out/trainer_state.json").write_text(json.dumps(STATE))
    assert fte.read_runs(tmp_path)[0]["run_id"].tolist() == ["out"]
