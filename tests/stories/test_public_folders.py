"""Folders as people publish them, whole: the runs that a person would count, and a short summary.

`tests/data/folders` holds them with all that such folders hold besides; names and figures are
invented, file names and fields are those of the tools.
"""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.cli import app
from ft_emissions_pipeline.landing import days, index
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.reference import load
from ft_emissions_pipeline.tables import LANDING_INDEX, empty

FOLDERS = Path(__file__).parent.parent / "data/folders"
MLFLOW = {
    "base_model": "meta-llama/Llama-3.2-3B",
    "method": "lora",
    "lora_rank": 16,
    "precision": "bf16",
}
SLURM = {
    "base_model": "meta-llama/Llama-2-13b-hf",
    "method": "lora",
    "gpu_model": "NVIDIA A100-SXM4-40GB",
    "gpu_count": 4,
    "country_iso3": "DEU",
    "steps": 1000,
}

EXPECTED = {
    "hub_repository": {
        "root": {
            "base_model": "mistralai/Mistral-7B-v0.3",
            "method": "lora",
            "lora_rank": 16,
            "software": "trl",
            "active_s": 1800.4371,
            "gpu_model": "NVIDIA H100 80GB HBM3",
            "gpu_count": 4,
            "tokens_unpadded": 3e6,
            "micro_batch_size": 4,
            "steps": 200,
            "model_parameters": 7248023552,
        },
    },
    "trainer_output": {
        "root": {
            "base_model": "bert-base-cased",
            "gpu_model": "NVIDIA RTX A5000",
            "gpu_count": 1,
            "it_energy_kwh": 0.00649,
            "active_s": 97.5,
            "steps": 1377,
            "samples": 3668,
            "country_iso3": "FRA",
            "train_flop": 7.2e14,
        },
    },
    # 40 steps of 8 devices x 4 x 2 sequences of 2048 tokens.
    "axolotl": {
        "outputs/qlora-out": {
            "base_model": "NousResearch/Llama-3.2-1B",
            "method": "qlora",
            "lora_rank": 32,
            "software": "axolotl",
            "active_s": 840,
            "world_size": 8,
            "tokens_padded": 5242880,
            "sequence_length": 2048,
            "packing": True,
            "gradient_checkpointing": True,
        },
    },
    # Two processes wrote the clock of one hour.
    "llama_factory": {
        "saves/qwen2_5-7b/lora/sft": {
            "base_model": "Qwen2.5-7B-Instruct",
            "method": "lora",
            "lora_rank": 8,
            "software": "llama_factory",
            "active_s": 3601.2,
            "world_size": 2,
            "tokens_padded": 1.2e6,
            "sequence_length": 2048,
            "precision": "bf16",
        },
    },
    # A bar of 26:40 for each of two epochs.
    "torchtune": {
        "train": {
            "base_model": "meta-llama/Llama-3.1-8B-Instruct",
            "method": "lora",
            "lora_rank": 8,
            "software": "torchtune",
            "active_s": 3200,
            "steps": 100,
            "sequence_length": 4096,
            "packing": True,
            "gradient_accumulation": 8,
        },
    },
    # Two GPUs of 250 and 251 W; of the second run 600 s, and the third failed after 120 s.
    "mlflow": {
        "1f" * 16: {**MLFLOW, "active_s": 1180, "gpu_energy_kwh": 0.167, "steps": 100},
        "2e" * 16: {**MLFLOW, "active_s": 580, "reserved_s": 600, "gpu_energy_kwh": 0.0835},
        "3d" * 16: {**MLFLOW, "reserved_s": 120, "gpu_energy_kwh": 0.0167},
    },
    "slurm_codecarbon": {
        "runs/seed1": {**SLURM, "active_s": 3900, "job_id": "42001"},
        "runs/seed2": {**SLURM, "active_s": 3800, "job_id": "42002"},
    },
    # Eight ranks with a tracker each, all of one machine.
    "deepspeed_ranks": {
        "output": {
            "base_model": "meta-llama/Llama-2-7b-hf",
            "gpu_model": "NVIDIA H100 80GB HBM3",
            "gpu_count": 8,
            "active_s": 7215,
            "it_energy_kwh": 11.2545,
            "steps": 600,
            "micro_batch_size": 4,
            "gradient_accumulation": 4,
            "precision": "bf16",
        },
    },
    "openai": {
        "ftjob-1abcDEF": {
            "base_model": "gpt-4o-mini-2024-07-18",
            "reserved_s": 1800,
            "tokens_unpadded": 150000,
        },
        "ftjob-2abcDEF": {
            "base_model": "gpt-4o-2024-08-06",
            "reserved_s": 2400,
            "tokens_unpadded": 90000,
        },
    },
    "sagemaker": {
        "hf-qlora-2026-03-02-10-00-00-123": {
            "base_model": "tiiuae/falcon-7b",
            "instance_type": "g5.4xlarge",
            "reserved_s": 7200,
            "cloud_region": "eu-west-1",
        },
    },
    "unsloth_notebook": {
        "outputs": {
            "base_model": "unsloth/Meta-Llama-3.1-8B-bnb-4bit",
            "method": "qlora",
            "lora_rank": 16,
            "software": "unsloth",
            "gpu_model": "Tesla T4",
            "gpu_count": 1,
            "active_s": 462.3,
            "steps": 60,
            "gradient_accumulation": 4,
        },
    },
}
REFUSED = {"openai": ["failed_job"]}


@pytest.mark.parametrize("folder", EXPECTED)
def test_a_public_folder_gives_the_runs_that_a_person_would_count(folder):
    runs, quarantine = fte.read_runs(FOLDERS / folder)
    assert quarantine["reason_code"].tolist() == REFUSED.get(folder, [])
    found = runs.set_index("run_id")
    assert set(found.index) == set(EXPECTED[folder])
    for run_id, fields in EXPECTED[folder].items():
        assert found.loc[run_id, list(fields)].to_dict() == pytest.approx(fields)
        contradicted = {f"conflict:{name}" for name in fields} - {"conflict:active_s"}
        told = set(str(found.loc[run_id, "repairs"]).split())
        # A tracker runs on around the training, and torchtune's folder has another name.
        allowed = {"conflict:reserved_s"} | (
            {"conflict:base_model"} if folder == "torchtune" else set()
        )
        assert not contradicted & told - allowed


@pytest.mark.parametrize("folder", EXPECTED)
def test_the_summary_of_a_public_folder_has_under_ten_lines(folder):
    done = CliRunner().invoke(app, ["estimate", str(FOLDERS / folder)])
    assert done.exit_code == 0
    lines = [line for line in done.output.splitlines() if line.strip() and line[0] not in "┏┃┡│└ "]
    assert 0 < len(lines) < 10, done.output


def test_the_counts_of_openai_and_of_an_endpoint_are_read():
    for folder, counted in (("openai", [40, 41, 42]), ("sagemaker", [120, 205, 310])):
        found = index.scan(FOLDERS / folder, load(), Settings(), empty(LANDING_INDEX))
        usage = days.usage_of(
            FOLDERS / folder, found, found["date"].min(), found["date"].max(), Settings()
        )
        assert usage.sort_values("date")["inferences"].tolist() == counted
