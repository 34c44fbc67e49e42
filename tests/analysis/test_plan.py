"""A run sized up before it starts: worked by hand for a published configuration of each tool.

Of the published files the settings stand here that the readers take; their tokens are ours.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import token_time
from ft_emissions_pipeline.reference import add_grid, load

DAY = pd.Timestamp("2026-06-01")
DATA = Path(__file__).resolve().parents[1] / "data" / "configurations"

AXOLOTL = """base_model: NousResearch/Llama-2-7b-hf
load_in_8bit: true
load_in_4bit: false
datasets:
  - path: mhenrichsen/alpaca_2k_test
    type: alpaca
val_set_size: 0.05
output_dir: ./lora-out
sequence_len: 4096
sample_packing: true
adapter: lora
lora_r: 32
gradient_accumulation_steps: 4
micro_batch_size: 2
num_epochs: 4
bf16: true
gradient_checkpointing: true
"""
"""axolotl, `examples/llama-2/lora.yml`; there `bf16: auto`."""

LLAMA_FACTORY = """model_name_or_path: meta-llama/Meta-Llama-3-8B-Instruct
stage: sft
finetuning_type: lora
lora_rank: 8
cutoff_len: 2048
max_samples: 1000
output_dir: saves/llama3-8b/lora/sft
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
num_train_epochs: 3.0
bf16: true
"""
"""LLaMA-Factory, `examples/train_lora/llama3_lora_sft.yaml`."""

TRL = """model_name_or_path: mistralai/Mistral-7B-v0.1
load_in_4bit: true
use_peft: true
lora_r: 16
dataset_num_proc: 12
bf16: true
gradient_accumulation_steps: 2
gradient_checkpointing: true
max_length: 2048
max_steps: -1
num_train_epochs: 1
per_device_train_batch_size: 4
"""
"""TRL, alignment-handbook's `recipes/zephyr-7b-beta/sft/config_qlora.yaml`."""

TORCHTUNE = """tokenizer:
  _component_: torchtune.models.llama3.llama3_tokenizer
dataset:
  _component_: torchtune.datasets.alpaca_dataset
model:
  _component_: torchtune.models.llama3_1.llama3_1_8b
checkpointer:
  checkpoint_dir: /tmp/Meta-Llama-3.1-8B-Instruct/
batch_size: 2
epochs: 3
max_steps_per_epoch: null
gradient_accumulation_steps: 1
enable_activation_checkpointing: True
dtype: bf16
"""
"""torchtune, `recipes/configs/llama3_1/8B_full.yaml`."""

UNSLOTH = (DATA / "unsloth.yaml").read_text("utf-8")
"""Unsloth, `studio/backend/assets/configs/lora_text.yaml`."""

ON_AN_A100 = {"gpu": "A100-SXM4-80GB", "gpu_count": 1, "region": "USA"}


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Plan what a configuration says."""

    def of(text, name="config.yaml", **said):
        path = tmp_path_factory.mktemp("plan") / name
        path.write_text(text, "utf-8")
        return fte.plan(path, **{"day": DAY, **said})

    return of


@dataclass(frozen=True)
class Case:
    """A run in the terms of docs/token_time.md; N parameters, L layers of width d."""

    tokens: float
    per_pass: float
    parameters: float
    layers: int
    width: int
    method: str = "lora"
    rank: float = 0.0
    recomputed: float = 1.0
    length: float = 0.0
    gpus: float = 1.0
    software: str = "hf_trainer"
    wide_share: float = 0.0


def hours(case):
    """Return the hours by the formula and the packaged coefficients, written out anew.

    The A100 reaches 312 TFLOP/s in 16 bits and 19.5 in 32 (NVIDIA's data sheet), 271.2 measured,
    which 0.87 of it stands for; a job starts up in 300 s (defaults.csv). Unsloth fuses kernels.
    """
    c, frozen = token_time.packaged().coefficients, case.method != "full"
    attention = 2 * case.layers * case.width * case.length
    adapters = 8 * case.layers * case.width * case.rank
    passes = 2 if frozen else 3
    flop = (2 * passes + 2 * case.recomputed) * case.parameters + 6 * adapters
    flop += np.exp(c["attention"]) * (3 + case.recomputed) * attention
    share = (
        c["share_of_peak"] + c["size"] * np.log(case.parameters / 7e9)
        + c["several_gpus"] * (case.gpus > 1) + c["generation_nvidia_int8"]
        + c[f"software_{case.software}"] + c["fused_kernels"] * (case.software == "unsloth")
        + np.log(271.2 / 312 / 0.87)
    )  # fmt: skip
    kernels = c["latency"] + c["latency_frozen"] * frozen
    kernels += c["latency_quantized"] * (case.method == "qlora")
    kernels += c["latency_several_gpus"] * (case.gpus > 1)
    latency = case.layers * np.exp(kernels)
    read = np.exp(c["weights"]) + np.exp(c["unpacking"]) * (case.method == "qlora")
    updated = np.exp(c["optimizer"]) / min(case.gpus, 8)
    memory = 6 * case.parameters / (312e12 * 0.5) * (read + (0 if frozen else updated))
    k = 1 + np.exp(c["sharpness"])

    def a_pass(peak, log_share):
        compute = case.per_pass * flop / (peak * np.exp(log_share))
        return (compute**k + latency**k) ** (1 / k) + memory

    narrow, wide = a_pass(312e12, share), a_pass(19.5e12, share + c["fp32"])
    of_a_pass = narrow ** (1 - case.wide_share) * wide**case.wide_share
    return (case.tokens / case.per_pass * of_a_pass / case.gpus + 300) / 3600


CASES = {
    # 2,000 x 150 x 4 tokens, packed into passes of 2 x 4,096.
    "axolotl": (
        AXOLOTL, {"examples": 2000, "tokens_per_example": 150},
        Case(1.2e6, 8192, 6.74e9, 32, 4096, rank=32, length=4096),
    ),
    # 1,091 x 200 x 3 tokens, 1.3 times as many with padding; recomputation is not said: half.
    "LLaMA-Factory": (
        LLAMA_FACTORY, {"examples": 1091, "tokens_per_example": 200},
        Case(1091 * 200 * 3 * 1.3, 200, 8.03e9, 32, 4096, rank=8, recomputed=0.5, length=200),
    ),
    # Longer than its limit of 2,048: cut to it. Eight accelerators in one server.
    "TRL": (
        TRL, {"examples": 1e5, "tokens_per_example": 3000, "gpu_count": 8},
        Case(1e5 * 2048 * 1.3, 8192, 7.24e9, 32, 4096, "qlora", 16, length=2048, gpus=8),
    ),
    # 52,002 x 100 x 3 tokens, 1.3 times as many with padding, all weights on four accelerators.
    "torchtune": (
        TORCHTUNE, {"examples": 52_002, "tokens_per_example": 100, "gpu_count": 4},
        Case(52_002 * 100 * 3 * 1.3, 200, 8.03e9, 32, 4096, "full", length=100, gpus=4,
             software="torchtune"),
    ),
    # Precision is not said: below 1e9 parameters a share computes in 32 bits.
    "Unsloth": (
        UNSLOTH, {"examples": 52_002, "tokens_per_example": 100},
        Case(52_002 * 100 * 1.3, 200, 0.49e9, 24, 896, "qlora", 64, length=100,
             software="unsloth", wide_share=token_time.packaged().shares["share_32bit_below_1b"]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("tool", CASES)
def test_the_time_of_a_published_configuration(planned, tool):
    text, said, case = CASES[tool]
    run = planned(text, **{**ON_AN_A100, **said}).rows.iloc[0]
    assert run["time_h"] == pytest.approx(hours(case), rel=2e-3)
    assert run["time_h_p05"] < run["time_h"] < run["time_h_p95"]


def test_a_plan_is_the_estimate_of_the_run_that_it_says(planned):
    """One composition: what is planned and then logged alike has the same figures."""
    plan = planned(AXOLOTL, **ON_AN_A100, tokens=3e5, expected_inferences=1000, use_life_days=10)
    logged = {
        "base_model": "NousResearch/Llama-2-7b-hf", "method": "lora", "lora_rank": 32,
        "micro_batch_size": 2, "gradient_accumulation": 4, "sequence_length": 4096,
        "packing": True, "gradient_checkpointing": True, "precision": "bf16",
        "software": "axolotl", "gpu_model": "A100-SXM4-80GB", "gpu_count": 1,
        "country_iso3": "USA", "tokens_unpadded": 1.2e6, "expected_inferences_per_day": 1000,
        "expected_use_life_days": 10, "published_at": "2026-06-01T12:00:00Z",
    }  # fmt: skip
    est = fte.estimate(logged)
    for name in ("total_kgco2e", "total_water_l"):
        for end in ("", "_p05", "_p95"):
            assert plan.rows[name + end][0] == pytest.approx(est.runs[name + end][0], rel=1e-9)
    each = plan.rows["gco2e_per_inference"][0]
    assert each == pytest.approx(1000 * plan.rows["total_kgco2e"][0] / (1000 * 10))


def test_a_sweep_is_as_many_runs(planned):
    one, ten = (planned(AXOLOTL, **ON_AN_A100, tokens=3e5, trials=n).rows.iloc[0] for n in (1, 10))
    for name in ("time_h", "it_energy_kwh", "total_kgco2e", "total_water_l"):
        for end in ("", "_p05", "_p95"):
            assert ten[name + end] == pytest.approx(10 * one[name + end], rel=1e-6)


def test_steps_are_made_whatever_the_size_of_the_set(planned):
    """60 steps x 2 x 4 sequences of 4,096 packed tokens on each of 2; alternatives do as many."""
    text = AXOLOTL + "max_steps: 60\n"
    plan = planned(text, **{**ON_AN_A100, "gpu_count": 2})
    case = Case(60 * 2 * 4 * 2 * 4096, 8192, 6.74e9, 32, 4096, rank=32, length=4096, gpus=2)
    assert plan.rows["time_h"][0] == pytest.approx(hours(case), rel=2e-3)
    assert "the configuration makes 60 steps" in plan.notes[0]


def test_alternatives_hold_the_work():
    """70B in full: 16 bytes x 70.6e9 x 1.3 = 1,468 GB; 32 A100 of 80 GB, the next power of two."""
    plan = fte.plan(base_model="Llama 3 70B", method="full", tokens=1e7, gpu="A100-SXM4-80GB",
                    gpu_count=8, day=DAY)  # fmt: skip
    assert any("8 x A100-SXM4-80GB may not hold the work" in note for note in plan.notes)
    assert any("it takes 32" in note for note in plan.notes)
    fits = plan.rows[plan.rows["change"] == "gpu"]
    memory = load().tables["gpus"].drop_duplicates("gpu_id").set_index("gpu_id")["memory_gb"]
    assert len(fits) > 0
    assert (fits["gpu_count"] * fits["gpu_model"].map(memory) >= 1468).all()
    lora = plan.rows.set_index("choice").loc["lora"]
    assert (lora["gpu_count"], lora["time_h"] < plan.rows["time_h"][0]) == (8, True)


def test_a_number_in_the_accelerators_name_is_a_count(planned):
    plan = planned(AXOLOTL, tokens=3e5, gpu="4x A100")
    assert plan.rows.loc[plan.rows["change"] != "method", "gpu_count"].eq(4).all()
    assert "gpu count" not in set(plan.gaps["what"])


def test_another_place_leaves_time_and_energy(planned):
    plan = planned(AXOLOTL, **ON_AN_A100, tokens=3e5)
    there = plan.rows[plan.rows["change"] == "place"]
    assert "USA" not in set(there["choice"])
    assert (there["it_energy_kwh"] == plan.rows["it_energy_kwh"][0]).all()
    carbon = there.set_index("choice")["total_kgco2e"]
    assert carbon["SWE"] < carbon["DEU"] < carbon["IND"]


def test_what_is_not_said_is_said_to_widen_the_interval(planned):
    """Each gap is named once; what one adds is gone once it is said."""
    text = AXOLOTL.replace("gradient_checkpointing: true\n", "")
    plan = planned(text, tokens=3e5)
    gaps = plan.gaps.set_index("what")
    assert set(gaps.index) == {"place", "gpu", "gpu count", "gradient checkpointing"}
    assert (
        gaps.loc[["place", "gpu"], "carbon_ratio_said"] < 0.95 * gaps["carbon_ratio"].iloc[0]
    ).all()
    said = planned(text, tokens=3e5, region=gaps.loc["place", "taken"])
    assert "place" not in set(said.gaps["what"])
    assert said.gaps["carbon_ratio"][0] == pytest.approx(
        gaps.loc["place", "carbon_ratio_said"], rel=0.02
    )


def test_a_limit_is_no_length(planned):
    """Examples of unknown length may be as short as usual ones, and the interval says so."""
    plan = planned(LLAMA_FACTORY, **ON_AN_A100, examples=1091)
    assert plan.gaps.iloc[0][["what", "taken"]].tolist() == ["tokens per example", "512"]
    assert plan.gaps["carbon_ratio"][0] > 3 * plan.gaps["carbon_ratio_said"][0]


def test_what_the_tool_does_with_a_setting_left_out(planned):
    """The Trainer makes 3 epochs, axolotl 1."""
    three, one = (
        planned(text, **ON_AN_A100, tokens=1e6)
        for text in (LLAMA_FACTORY.replace("num_train_epochs: 3.0\n", ""),
                     AXOLOTL.replace("num_epochs: 4\n", ""))
    )  # fmt: skip
    assert three.notes == ("not said: epochs; taken: 3, what llama_factory does then (--epochs)",)
    assert one.notes[0].startswith("not said: epochs; taken: 1, what axolotl")


def test_what_is_doubtful_of_the_plan_is_said():
    """No table knows the model, its size is in its name; some years are hardly a plan."""
    notes = fte.plan(base_model="Unheard 8B", method="lora", tokens=5e11, epochs=1).notes
    assert notes[0].startswith("guessed: base_model 'Unheard 8B' is not known")
    assert notes[1].startswith("longer than a year: check tokens")


def test_a_thousand_years_are_no_plan():
    with pytest.raises(ValueError, match=r"no such run: .*_s is .*check tokens, epochs and GPUs"):
        fte.plan(base_model="Unheard 8B", method="lora", tokens=1e14, epochs=1)


def test_start_hours_where_the_grid_is_known_by_the_hour(tmp_path):
    """Half a kilogram by day and nothing much at night: an hour's run is cleanest at night."""
    hours_ = pd.date_range("2026-01-01", "2026-12-31 23:00", freq="h", tz="UTC")
    grams = np.where((hours_.hour >= 6) & (hours_.hour < 18), 500.0, 20.0)
    table = pd.DataFrame(
        {"starts_at": hours_.strftime("%Y-%m-%dT%H:%M:%SZ"), "gco2e_per_kwh": grams}
    )
    table.to_csv(tmp_path / "hours.csv", index=False)
    add_grid(tmp_path / "hours.csv", tmp_path / "own", zone="DEU", source="made up", licence="none")
    plan = fte.plan(base_model="Llama 2 7B", method="lora", tokens=1e6, gpu="A100-SXM4-80GB",
                    gpu_count=1, region="DEU", day=DAY,
                    reference=load(own=tmp_path / "own"))  # fmt: skip
    by_hour = plan.rows[plan.rows["change"] == "start_hour"].set_index("choice")["total_kgco2e"]
    assert len(by_hour) == 24
    assert by_hour["20:00"] < plan.rows["total_kgco2e"][0] < by_hour["10:00"]


def test_accelerate_and_deepspeed_complete_a_configuration(tmp_path):
    (tmp_path / "trl.yaml").write_text(TRL)
    (tmp_path / "accelerate.yaml").write_text(
        "distributed_type: MULTI_GPU\nnum_processes: 4\nmixed_precision: fp16\n"
    )
    plan = fte.plan([tmp_path / "trl.yaml", tmp_path / "accelerate.yaml"], tokens=1e6, gpu="A100",
                    day=DAY)  # fmt: skip
    assert plan.rows["gpu_count"][0] == 4


@pytest.mark.parametrize(
    ("text", "said", "reason"),
    [
        (AXOLOTL, {}, "give --tokens, or --examples"),
        (AXOLOTL + "max_steps: 60\n", {}, "give --gpu-count"),
        (UNSLOTH.replace("max_steps: 0", "max_steps: 60").replace("  batch_size: 2\n", ""),
         {"gpu_count": 1}, "does not say micro_batch_size; give --tokens and --epochs"),
        (AXOLOTL, {"tokens": -1}, "--tokens is -1, must be above 0"),
        (AXOLOTL, {"tokens": 1e6, "trials": 0}, "trials is 0"),
        (AXOLOTL, {"tokens": 1e16}, "^tokens_unpadded is 4e.16[^;]*;[^;]*$"),
        (AXOLOTL, {"tokens": 1e6, "gpu": "A1000000"}, "is not known"),
        (AXOLOTL, {"tokens": 1e6, "region": "Nowhere at all"}, "no region, country or US state"),
        (AXOLOTL, {"tokens": 1e6, "software": "keras"}, "software"),
        ("gpu_model: A100\nreserved_s: 3600\n", {"tokens": 1e6}, "is no configuration"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(planned, text, said, reason):
    with pytest.raises(ValueError, match=reason):
        planned(text, **said)
