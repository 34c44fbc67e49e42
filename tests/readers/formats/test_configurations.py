"""Configurations: no runs themselves, they complete those of their folder."""

import json

import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.readers.formats.model_config import sizes

STATE = {
    "global_step": 100, "max_steps": 100, "epoch": 0.97,
    "log_history": [{"train_runtime": 600.0, "train_loss": 1.0, "step": 100, "epoch": 0.97}],
}  # fmt: skip
ADAPTER = {"base_model_name_or_path": "meta-llama/Llama-2-7b-hf", "peft_type": "LORA", "r": 8}
AXOLOTL = """base_model: NousResearch/Llama-2-7b-hf
load_in_4bit: true
adapter: qlora
lora_r: 32
datasets:
  - path: a/b
sequence_len: 2048
sample_packing: true
gradient_accumulation_steps: 4
micro_batch_size: 1
num_epochs: 6
bf16: auto
tf32: true
gradient_checkpointing: true
"""
LLAMA_FACTORY = """### model
model_name_or_path: Qwen/Qwen2.5-7B
stage: sft
finetuning_type: full
cutoff_len: 12000
per_device_train_batch_size: 4
gradient_accumulation_steps: 1
num_train_epochs: 3.0
bf16: true
"""
TORCHTUNE = """model:
  _component_: torchtune.models.llama2.lora_llama2_7b
  lora_rank: 8
tokenizer:
  _component_: torchtune.models.llama2.llama2_tokenizer
  max_seq_len: 4096
checkpointer:
  checkpoint_dir: /tmp/Llama-2-7b-hf
dataset:
  packed: True
batch_size: 2
epochs: 1
max_steps_per_epoch: null
gradient_accumulation_steps: 64
dtype: bf16
enable_activation_checkpointing: True
"""
ACCELERATE = """compute_environment: LOCAL_MACHINE
distributed_type: MULTI_GPU
mixed_precision: fp16
num_machines: 1
num_processes: 8
use_cpu: false
"""
DEEPSPEED = {
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": 2,
    "bf16": {"enabled": True},
    "zero_optimization": {"stage": 2},
}
CARD = """---
base_model: meta-llama/Llama-2-7b-hf
library_name: peft
tags:
- trl
- dpo
- generated_from_trainer
---
# bot

### Training hyperparameters

- learning_rate: 5e-05
- train_batch_size: 4
- num_devices: 8
- gradient_accumulation_steps: 2
- num_epochs: 3.0
"""


@pytest.fixture
def landed(tmp_path):
    """Land files and read their runs, as (runs by id, quarantine)."""

    def land(files):
        for uri, content in files.items():
            path = tmp_path / "landing" / uri
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        runs, quarantine = fte.read_runs(tmp_path / "landing")
        return runs.set_index("run_id"), quarantine

    return land


def said(run):
    names = (
        "base_model", "method", "lora_rank", "micro_batch_size", "gradient_accumulation", "epochs",
        "sequence_length",
        "packing", "precision", "gradient_checkpointing", "world_size", "software",
    )  # fmt: skip
    return {name: run[name] for name in names if pd.notna(run[name])}


@pytest.mark.parametrize(
    ("uri", "content", "expected"),
    [
        ("adapter_config.json", ADAPTER,
         {"base_model": "meta-llama/Llama-2-7b-hf", "method": "lora", "lora_rank": 8}),
        ("adapter_config.json",
         {**ADAPTER, "base_model_name_or_path": "unsloth/llama-3-8b-bnb-4bit"},
         {"base_model": "unsloth/llama-3-8b-bnb-4bit", "method": "qlora", "lora_rank": 8,
          "software": "unsloth"}),
        ("adapter_config.json", {**ADAPTER, "peft_type": "PROMPT_TUNING"},
         {"base_model": "meta-llama/Llama-2-7b-hf", "method": "adapter"}),
        ("axolotl.yml", AXOLOTL,
         {"base_model": "NousResearch/Llama-2-7b-hf", "method": "qlora", "lora_rank": 32,
          "micro_batch_size": 1,
          "gradient_accumulation": 4, "sequence_length": 2048, "packing": True,
          "gradient_checkpointing": True,
          "software": "axolotl"}),
        ("train.yaml", LLAMA_FACTORY,
         {"base_model": "Qwen/Qwen2.5-7B", "method": "full", "micro_batch_size": 4,
          "gradient_accumulation": 1,
          "sequence_length": 12000, "precision": "bf16", "software": "llama_factory"}),
        ("recipe.yaml", TORCHTUNE,
         {"base_model": "Llama-2-7b-hf", "method": "lora", "lora_rank": 8, "micro_batch_size": 2,
          "gradient_accumulation": 64, "sequence_length": 4096, "packing": True,
          "precision": "bf16",
          # The Trainer's log does not come of torchtune; what the run's own log says stays.
          "gradient_checkpointing": True, "software": "hf_trainer"}),
        ("accelerate.yaml", ACCELERATE, {"precision": "fp16", "world_size": 8}),
        ("ds_z2.json", DEEPSPEED, {"gradient_accumulation": 2, "precision": "bf16"}),
        ("training_args.json",
         {"output_dir": "out", "per_device_train_batch_size": 8, "gradient_accumulation_steps": 2,
          "bf16": False, "fp16": True,
          "gradient_checkpointing": False, "num_train_epochs": 3, "dataset_text_field": "text",
          "packing": False},
         {"micro_batch_size": 8, "gradient_accumulation": 2, "precision": "fp16",
          "gradient_checkpointing": False,
          "packing": False, "software": "trl"}),
        ("README.md", CARD,
         {"base_model": "meta-llama/Llama-2-7b-hf", "method": "dpo", "micro_batch_size": 4,
          "gradient_accumulation": 2,
          "world_size": 8, "software": "trl"}),
    ],
)  # fmt: skip
def test_a_configuration_completes_the_run_beside_it(landed, uri, content, expected):
    runs, quarantine = landed({"out/trainer_state.json": STATE, f"out/{uri}": content})
    assert quarantine.empty, quarantine.to_dict("records")
    # What the run's own log says of epochs stays.
    assert said(runs.loc["out"]) == {"software": "hf_trainer", "epochs": 0.97, **expected}
    assert json.loads(runs.loc["out", "origins"])["active_s"] == [
        "measured",
        "out/trainer_state.json#1",
    ]
    assert runs.loc["out", "active_s"] == 600
    known = next(name for name in expected if name != "software")
    assert json.loads(runs.loc["out", "origins"])[known] == ["disclosed", f"out/{uri}#1"]


@pytest.mark.parametrize(
    ("uri", "content", "fused"),
    [
        ("axolotl.yml", AXOLOTL + "\nliger_fused_linear_cross_entropy: true\n", True),
        ("axolotl.yml", AXOLOTL + "\nliger_rms_norm: true\n", True),
        ("train.yaml", LLAMA_FACTORY + "\nenable_liger_kernel: true\n", True),
        (
            "training_args.json",
            {"per_device_train_batch_size": 8, "use_liger_kernel": False},
            False,
        ),
    ],
)
def test_fused_kernels_are_read_from_what_switches_them_on(landed, uri, content, fused):
    """Liger Kernel's switches in axolotl, LLaMA-Factory and the Trainer."""
    runs, _ = landed({"out/trainer_state.json": STATE, f"out/{uri}": content})
    assert runs.loc["out", "fused_kernels"] == fused


@pytest.mark.parametrize(
    ("uri", "content", "kernel"),
    [
        ("axolotl.yml", AXOLOTL + "\nflash_attention: true\n", "flash_attention"),
        ("axolotl.yml", AXOLOTL + "\nsdp_attention: true\nflash_attention: false\n", "sdpa"),
        ("train.yaml", LLAMA_FACTORY + "\nflash_attn: fa2\n", "flash_attention"),
        ("train.yaml", LLAMA_FACTORY + "\nflash_attn: disabled\n", "eager"),
        ("train.yaml", LLAMA_FACTORY + "\nflash_attn: auto\n", None),
        (
            "training_args.json",
            {"per_device_train_batch_size": 8, "attn_implementation": "eager"},
            "eager",
        ),
    ],
)
def test_what_computes_attention_is_read_from_its_name_or_switch(landed, uri, content, kernel):
    """Names of axolotl's, LLaMA-Factory's and transformers' settings."""
    runs, _ = landed({"out/trainer_state.json": STATE, f"out/{uri}": content})
    found = runs.loc["out", "attention_kernel"]
    assert (found if pd.notna(found) else None) == kernel


def test_the_nearest_configuration_wins_and_conflicts_are_said(landed):
    runs, _ = landed(
        {
            "sweep/axolotl.yml": AXOLOTL,
            "sweep/a/trainer_state.json": STATE,
            "sweep/a/checkpoint-100/adapter_config.json": ADAPTER,
            "sweep/b/trainer_state.json": STATE,
        }
    )
    assert runs.loc["sweep/a", "lora_rank"] == 8
    assert runs.loc["sweep/b", "lora_rank"] == 32
    assert "conflict:lora_rank" in runs.loc["sweep/a", "repairs"]
    # The base model is the same one under another owner's name; qlora is a kind of lora.
    assert "base_model" not in runs.loc["sweep/a", "repairs"]
    assert runs.loc["sweep/a", "method"] == "qlora"
    assert runs.loc["sweep/b", "sequence_length"] == 2048
    assert "conflict" not in str(runs.loc["sweep/b", "repairs"])


def test_a_configuration_beside_a_run_says_nothing_of_runs_in_folders_below(landed):
    runs, _ = landed(
        {
            "trainer_state.json": STATE,
            "adapter_config.json": ADAPTER,
            "other/trainer_state.json": STATE,
        }
    )
    assert runs.loc["root", "lora_rank"] == 8
    assert pd.isna(runs.loc["other", "lora_rank"])


def test_a_configuration_without_a_run_is_told(landed):
    runs, quarantine = landed({"a/trainer_state.json": STATE, "b/adapter_config.json": ADAPTER})
    assert pd.isna(runs.loc["a", "base_model"])
    assert quarantine[["source_uri", "reason_code"]].to_numpy().tolist() == [
        ["b/adapter_config.json", "configuration_of_no_run"]
    ]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/ada/models/Llama-2-7b-hf", "Llama-2-7b-hf"),
        ("/data/hub/models--meta-llama--Llama-2-7b-hf/snapshots/"
         "0123456789abcdef0123456789abcdef01234567", "meta-llama/Llama-2-7b-hf"),
        ("./output/checkpoint-500", None),
        ("/mnt/output", None),
    ],
)  # fmt: skip
def test_a_path_of_somebodys_machine_is_no_name(landed, path, name):
    runs, _ = landed(
        {
            "trainer_state.json": STATE,
            "adapter_config.json": {**ADAPTER, "base_model_name_or_path": path},
        }
    )
    assert runs.loc["root", "base_model"] == name or (
        name is None and pd.isna(runs.loc["root", "base_model"])
    )


def test_parameters_of_a_dense_model_and_of_a_mixture_are_those_of_their_published_weights():
    mixtral = {
        "model_type": "mixtral", "vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
        "num_local_experts": 8, "num_experts_per_tok": 2, "tie_word_embeddings": False,
    }  # fmt: skip
    # By hand: attention 41,943,040, an expert 176,160,768, router 32,768, two norms 8,192 a layer;
    # 262,144,000 of embeddings, 4,096 of the last norm. Together 46,702,792,704, as the hub counts
    # Mixtral 8x7B, and 12.9 billion in use, as its paper says.
    assert sizes(mixtral) == (46_702_792_704.0, 12_879_925_248.0)
    assert sizes({**mixtral, "model_type": "deepseek_v3"}) == (None, None)


@pytest.mark.parametrize(("way", "on"), [("offload", True), ("unsloth", True), ("false", False)])
def test_a_way_of_recomputation_is_recomputation(landed, way, on):
    configuration = AXOLOTL.replace(
        "gradient_checkpointing: true", f"gradient_checkpointing: {way}"
    )
    assert way in configuration
    runs, _ = landed({"trainer_state.json": STATE, "config.yml": configuration})
    assert runs.loc["root", "gradient_checkpointing"] == on


def test_the_card_of_axolotl_holds_its_configuration(landed):
    card = f"---\nbase_model: a/b\n---\n\naxolotl version: `0.11.0`\n```yaml\n{AXOLOTL}\n```\n"
    runs, _ = landed({"trainer_state.json": STATE, "README.md": card})
    assert runs.loc["root", ["base_model", "method", "lora_rank", "software"]].tolist() == [
        "a/b",
        "qlora",
        32,
        "axolotl",
    ]


def test_field_case_hf_folder(field_case):
    runs, quarantine = fte.read_runs(field_case("hf_folder"))
    (run,) = runs.to_dict("records")
    assert (run["base_model"], run["method"], run["active_s"]) == (
        "meta-llama/Llama-2-7b-hf",
        "lora",
        600,
    )
    assert not set(quarantine["source_uri"]) & {
        "README.md",
        "adapter_config.json",
        "trainer_state.json",
    }
