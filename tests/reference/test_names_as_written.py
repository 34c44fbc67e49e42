"""Names as drivers, hubs, clouds and people write them: what each stands for, what none becomes.

`tests/data/names.csv` has a spelling per row with the repository and file in which it was seen.
`id` is the row meant; of a card that the tables do not have yet only the class must be right. Empty
`id` and class: the spelling is no accelerator at all.
"""

from pathlib import Path
from time import process_time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ft_emissions_pipeline.reference import gpu_names, load, model_size_log_sd, resolve
from ft_emissions_pipeline.reference.declaration import HOST_CLASSES

SPELLINGS = pd.read_csv(Path(__file__).parents[1] / "data" / "names.csv", dtype={"spelling": "str"})


@pytest.fixture(scope="module")
def reference():
    return load()


def series(*values):
    return pd.Series(values, dtype="str")


def one(reference, kind, name):
    return resolve(reference, kind, series(name)).iloc[0]


def test_there_are_spellings_enough_and_each_was_seen():
    assert len(SPELLINGS) >= 400
    assert SPELLINGS["seen_in"].str.contains("/").all()
    assert not SPELLINGS.duplicated(["kind", "spelling"]).any()


@pytest.mark.parametrize("kind", ["gpus", "instances", "models"])
def test_spellings_stand_for_the_right_row_class_or_size(reference, kind):
    rows = SPELLINGS[SPELLINGS["kind"] == kind].reset_index(drop=True)
    found = resolve(reference, kind, rows["spelling"])
    key = {"gpus": "gpu_id", "models": "model_id"}.get(kind)
    known = reference.tables[kind][key] if key else found["id"]
    listed = rows["id"].isin(known) if key else rows["id"].notna()
    wrong = rows[listed & (found["id"] != rows["id"])]
    assert wrong.empty, wrong.to_string()
    # An instance that has a row by now needs no class.
    open_ = (
        ~listed & rows["hardware_class"].notna() & ~(found["id"].notna() & (kind == "instances"))
    )
    unsure = rows[open_ & (found["hardware_class"] != rows["hardware_class"])]
    assert unsure.empty, unsure.to_string()
    nothing = rows[["id", "hardware_class", "parameters"]].isna().all(axis=1)
    assert found.loc[nothing, "id"].isna().all()
    for column in ("count", "parameters"):
        told = rows[column].notna() & ~(found["id"].notna() & (kind == "instances"))
        assert found.loc[told, column].tolist() == pytest.approx(
            rows.loc[told, column].tolist(), rel=0.01
        )


# ---- accelerators --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "identity", "count"),
    [
        ("8xH100 SXM5 80GB", "H100-SXM5-80GB", 8),
        ("A100-PCIE-40GB:4", "A100-PCIE-40GB", 4),
        ("gpu:nvidia_h100_80gb_hbm3:8(S:0-1)", "H100-SXM5-80GB", 8),
        ("T4 x2", "T4", 2),
        ("L40S (8x)", "L40S", 8),
        ("l40sx4", "L40S", 4),
        ("v3-8", "TPU-v3", 4),  # cores, two to a chip: Google, Cloud TPU system architecture
        ("v5litepod-16", "TPU-v5e", 16),  # chips
        ("tpu7x-8", "TPU-v7", 4),  # cores
        ("a single RTX 4090 24GB", "RTX-4090", 1),
        ("an L40S", "L40S", 1),
        ("four L40S", "L40S", 4),
        ("Kaggle 2x T4", "T4", 2),
        ("2x 4090", "RTX-4090", 2),
        ("2 nodes, 8x H100 SXM5 80GB each", "H100-SXM5-80GB", 16),
        ("2 nodes of 8x L40S", "L40S", 16),
        ("16 nodes with 8 A100-SXM4-80GB each", "A100-SXM4-80GB", 128),
        ("8 L40S GPUs per node, 4 nodes", "L40S", 32),
        ("4 nodes (8x H100 SXM5 80GB)", "H100-SXM5-80GB", 32),
        ("4x8 L40S", "L40S", 32),
        ("2x8xL40S", "L40S", 16),
        ("64 L40S across 8 nodes", "L40S", 64),
        ("32 L40S, 4 nodes", "L40S", 32),  # no node holds 32
        ("1x 80GB A100-SXM4", "A100-SXM4-80GB", 1),
        ("A100-PCIE-40GB PCIe 4.0 x16", "A100-PCIE-40GB", None),  # lanes
    ],
)
def test_the_number_beside_a_name_counts_devices(reference, name, identity, count):
    found = one(reference, "gpus", name)
    assert found["id"] == identity
    assert pd.isna(found["count"]) if count is None else found["count"] == count
    assert not found["assumed"]


def test_a_part_of_a_card_is_a_fraction_of_it_and_no_whole_card(reference):
    found = one(reference, "gpus", "NVIDIA A100-SXM4-80GB MIG 3g.40gb")
    assert pd.isna(found["id"])
    assert found["candidates"] == "A100-SXM4-80GB"
    assert found["count"] == pytest.approx(3 / 7)  # NVIDIA, MIG user guide: seven slices


@pytest.mark.parametrize(
    ("name", "share", "memory_gb"),
    [
        # NVIDIA, MIG user guide, tables of profiles: slices of computing and eighths of memory.
        ("a100_3g.20gb", 3 / 7, 40),
        ("a100_3g.40gb", 3 / 7, 80),
        ("NVIDIA H100 80GB HBM3 MIG 2g.20gb", 2 / 7, 80),
        ("A30 MIG 2g.12gb", 2 / 4, None),
        ("a100_1g.10gb", 1 / 7, None),  # of a card of 40 GB, or of 80
    ],
)
def test_a_slice_tells_the_size_of_its_card(reference, name, share, memory_gb):
    found = one(reference, "gpus", name)
    assert found["count"] == pytest.approx(share)
    assert pd.isna(found["memory_gb"]) if memory_gb is None else found["memory_gb"] == memory_gb


@pytest.mark.parametrize(
    ("name", "hardware_class"),
    [
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "laptop_card"),
        ("NVIDIA GeForce GTX 1650 with Max-Q Design", "laptop_card"),
        ("NVIDIA H200 NVL", "data_centre"),
        ("NVIDIA H20-3e", "data_centre"),
        ("H100 something", "data_centre"),
        ("A100X", "data_centre"),
        ("NVIDIA A100 24GB", "data_centre"),
        ("A100 and V100", "data_centre"),
    ],
)
def test_a_name_never_passes_for_a_card_that_it_does_not_name(reference, name, hardware_class):
    found = one(reference, "gpus", name)
    full = {"RTX-4090", "H200-SXM-141GB", "H20", "A100-SXM4-80GB", "A100-PCIE-80GB"}
    assert pd.isna(found["id"]) or found["id"] not in full
    assert found["hardware_class"] == hardware_class
    assert not found["assumed"]


def test_what_a_name_leaves_open_stays_a_mixture(reference):
    found = one(reference, "gpus", "4 x NVIDIA A100 80GB")
    assert found["assumed"]
    assert set(found["candidates"].split("|")) == {"A100-SXM4-80GB", "A100-PCIE-80GB"}
    by_driver = one(reference, "gpus", "NVIDIA A100-SXM4, 81920 MiB")
    assert (by_driver["id"], by_driver["assumed"]) == ("A100-SXM4-80GB", False)


def test_every_accelerator_is_read_back_out_of_its_id(reference):
    for row in reference.tables["gpus"].itertuples():
        (read,) = gpu_names.parse(f"{row.vendor} {row.gpu_id}")
        assert read.hardware_class in HOST_CLASSES
        assert (
            one(reference, "gpus", f"3 x {row.vendor} {row.gpu_id.replace('-', ' ')}")["id"]
            == row.gpu_id
        )


# ---- instances -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("ml.g5.2xlarge", "aws:g5.2xlarge"),
        ("AWS ml.p4d.24xlarge", "aws:p4d.24xlarge"),
        ("NC24ads_A100_v4", "azure:Standard_NC24ads_A100_v4"),
        ("standard_nd96isr_h100_v5", "azure:Standard_ND96isr_H100_v5"),
        ("a3-highgpu-8g-nolssd", "gcp:a3-highgpu-8g"),
    ],
)
def test_an_instance_is_known_with_what_services_put_around_it(reference, name, identity):
    found = one(reference, "instances", name)
    assert (found["id"], found["assumed"]) == (identity, False)


@pytest.mark.parametrize(
    ("name", "identity", "count"),
    [
        ("2x g5.xlarge", "aws:g5.xlarge", 2),
        ("4 × ml.p4d.24xlarge", "aws:p4d.24xlarge", 32),  # noqa: RUF001 (as people write it)
        ("p4d.24xlarge x2", "aws:p4d.24xlarge", 16),
        ("g5.12xlarge (x3)", "aws:g5.12xlarge", 12),
        ("a3-highgpu-8g*2", "gcp:a3-highgpu-8g", 16),
        ("3 Standard_NC24ads_A100_v4", "azure:Standard_NC24ads_A100_v4", 3),
        ("2x p5.24xlarge", "aws:p5.", 8),  # half of p5.48xlarge, twice
    ],
)
def test_several_instances_of_a_type_have_several_times_its_accelerators(
    reference, name, identity, count
):
    found = one(reference, "instances", name)
    assert found["id"].startswith(identity)
    assert found["count"] == count


def test_another_size_of_a_known_family_is_scaled_and_assumed(reference):
    found = one(reference, "instances", "p5.24xlarge")  # half of p5.48xlarge with its eight H100
    assert found["id"].startswith("aws:p5.")
    assert found["assumed"]
    assert found["count"] == 4
    assert found["candidates"] == "H100-SXM5-80GB"


@pytest.mark.parametrize(
    ("name", "card", "count"),
    [
        ("gpu_8x_a100_80gb_sxm4", "A100-SXM4-80GB", 8),
        ("BM.GPU.L40S.4", "L40S", 4),
        ("Standard_ND96isr_MI300X_v5", "MI300X", None),
        ("L40S-2-48G", "L40S", 2),
    ],
)
def test_an_instance_that_names_its_card_has_it(reference, name, card, count):
    found = one(reference, "instances", name)
    if pd.isna(found["id"]):  # once it has a row, the row tells
        assert found["candidates"] == card
        assert pd.isna(found["count"]) if count is None else found["count"] == count


# ---- base models ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-1-8b-instruct-v1:0:128k",
         "llama-3.1-8b"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "llama-3.3-70b"),
        ("arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:300k/"
         "ab12cd34ef56", "amazon-nova-lite"),
        ("ft:gpt-4o-mini-2024-07-18:acme:support:9abCDEfg", "gpt-4o-mini"),
        ("gpt-35-turbo-0613.ft-0ab12cd34", "gpt-3.5-turbo"),
        ("llama3.1:8b-instruct-q4_K_M", "llama-3.1-8b"),
        ("hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M", "llama-3.2-3b"),
        ("TheBloke/Mixtral-8x7B-v0.1-GPTQ", "mixtral-8x7b"),
        ("/mnt/models/Qwen2.5-7B-Instruct-AWQ/checkpoint-500", "qwen2.5-7b"),
        ("C:\\models\\gemma-2-9b-it", "gemma-2-9b"),
        ("~/.cache/huggingface/hub/models--meta-llama--Llama-3.1-8B/snapshots/"
         "0e9e39f249a16976918f6564b8830bc894c89659", "llama-3.1-8b"),
        ("deepseek-r1:7b", "r1-distill-qwen-7b"),
        ("accounts/fireworks/models/qwen2p5-0p5b-instruct", "qwen2.5-0.5b"),
        ("mistral.mistral-7b-instruct-v0:2", "mistral-7b-v0.3"),
    ],
)  # fmt: skip
def test_a_base_model_is_known_by_what_services_and_folders_make_of_its_name(
    reference, name, identity
):
    found = one(reference, "models", name)
    assert (found["id"], found["assumed"]) == (identity, False)


@pytest.mark.parametrize(
    ("name", "parameters", "active"),
    [
        ("acme/foo-9b", 9e9, 9e9),
        ("acme/foo-560m", 560e6, 560e6),
        ("acme/foo-30B-A3B-Thinking", 30e9, 3e9),
        ("internlm/internlm2-chat-1_8b", 1.8e9, 1.8e9),
        ("acme/foo-A13B", 13e9, 13e9),
    ],
)
def test_a_name_without_a_row_tells_its_size(reference, name, parameters, active):
    found = one(reference, "models", name)
    assert pd.isna(found["id"])
    assert found["parameters"] == pytest.approx(parameters)
    assert found["active_parameters"] == pytest.approx(active)


def test_experts_share_what_lies_between_them(reference):
    # Jiang et al. 2024, arXiv:2401.04088: 46.7 billion in all, 12.9 pass; the size is the two
    # Mixtral's mean.
    found = one(reference, "models", "acme/foo-8x7b")
    assert found["parameters"] == pytest.approx(46.7e9, rel=0.05)
    assert found["active_parameters"] == pytest.approx(12.9e9, rel=0.05)


def test_a_size_in_a_name_is_nominal(reference):
    # Gemma 7B has 8.54 billion, Llama 2 7B 6.74: a factor of 1.27 and of 0.96.
    assert 0.05 < model_size_log_sd(reference) < 0.3


@pytest.mark.parametrize(
    ("name", "never"),
    [
        ("deepseek-r1:7b", "deepseek-r1"),
        ("allenai/Olmo-3-7B-Think", "olmo-7b"),
        ("gpt-4-turbo", "gpt-4"),
        ("microsoft/deberta-v3-base", "bert-base"),
        ("NousResearch/Hermes-3-Llama-3.1-70B", "llama-3.3-70b"),
        ("google/gemma-1.1-2b-it", "gemma-2-2b"),
        ("deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", "r1-distill-llama-8b"),
    ],
)
def test_a_base_model_never_passes_for_a_relative(reference, name, never):
    assert one(reference, "models", name)["id"] != never


def test_a_fine_tune_named_after_its_base_is_assumed_and_told(reference):
    found = one(reference, "models", "acme/Llama-3.1-8B-support-bot")
    assert (found["id"], found["assumed"]) == ("llama-3.1-8b", True)
    assert "support bot" in found["why"]


# ---- bad input -----------------------------------------------------------------------------

HOSTILE = (
    "", " ", "\N{ROBOT FACE}\N{FIRE}", "\x00\x1b[31mH200 NVL\x1b[0m", "H100 " * 2000, "a" * 10_000,
    "8x" * 5000, "-" * 180, "llama-" * 160, "1" * 180, "[" * 90 + "]" * 90, "/" * 900, "x8 " * 60,
    ":0" * 90, "b1" * 90, "A100 V100 T4 L4 H100", "\u2167\u00d7\uff28", "\ufdfd" * 100,
    "a" + "\u0301" * 5000,
)  # fmt: skip
TIMES = 50


@pytest.mark.parametrize("kind", ["gpus", "instances", "models"])
@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name[:12]))
def test_hostile_names_are_answered_within_a_millisecond_and_stand_for_no_row(
    reference, kind, name
):
    resolve(reference, kind, series("A100"))
    taken = []
    for repeat in range(3):
        # Told apart, so that none is remembered.
        names = series(*(name + " " * n for n in range(repeat * TIMES, (repeat + 1) * TIMES)))
        begun = process_time()
        found = resolve(reference, kind, names)
        taken.append((process_time() - begun) / TIMES)
        assert found["id"].isna().all()
    assert min(taken) < 1e-3


@given(st.text(max_size=300))
def test_any_text_is_answered(text):
    reference = load()
    for kind in ("gpus", "instances", "models"):
        found = one(reference, kind, text)
        assert isinstance(found["why"], str)


@given(
    st.sampled_from(list(SPELLINGS["spelling"])), st.sampled_from([str.upper, str.lower, str.title])
)
def test_case_decides_nothing(spelling, change):
    kind = SPELLINGS.set_index("spelling").loc[[spelling], "kind"].iloc[0]
    reference = load()
    assert one(reference, kind, spelling)[["id", "assumed"]].equals(
        one(reference, kind, change(spelling))[["id", "assumed"]]
    )


MADE_UP = pd.read_csv(
    Path(__file__).parents[1] / "data" / "names_made_up.csv", dtype={"spelling": "str"}
)
"""Spellings by the rules of their tools that no log showed; what each becomes is judged by hand."""


@pytest.mark.parametrize("kind", ["gpus", "instances", "models"])
def test_spellings_by_their_tools_rules_are_understood(reference, kind):
    rows = MADE_UP[MADE_UP["kind"] == kind].reset_index(drop=True)
    found = resolve(reference, kind, rows["spelling"])
    for column in ("id", "hardware_class"):
        told = rows[column].notna() | (column == "id")
        wrong = rows[told & (rows[column].fillna("") != found[column].fillna(""))]
        assert wrong.empty, wrong.to_string()
    assert found["assumed"].tolist() == rows["assumed"].tolist()
    for column in ("count", "parameters"):
        told = rows[column].notna()
        assert found.loc[told, column].tolist() == pytest.approx(
            rows.loc[told, column].tolist(), rel=0.01
        )
