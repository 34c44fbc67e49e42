"""What people write where hardware is asked for."""

import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.readers.shared.hardware_words import told_by


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", {}),
        ("A100", {"gpu_model": "A100"}),
        ("4 x A100", {"gpu_model": "A100", "gpu_count": 4}),
        ("8 A100 GPUs", {"gpu_model": "A100", "gpu_count": 8}),
        ("2x 4090", {"gpu_model": "4090", "gpu_count": 2}),
        ("1080 Ti", {"gpu_model": "1080 Ti"}),
        ("RTX 4090 Laptop GPU", {"gpu_model": "RTX 4090 Laptop GPU"}),
        ("8 GPUs", {"gpu_count": 8}),
        ("a single GPU", {"gpu_count": 1}),
        ("1 NVIDIA GPU", {"gpu_count": 1}),
        ("GPU", {}),
        ("p4d.24xlarge", {"instance_type": "p4d.24xlarge"}),
        ("AWS ml.g5.12xlarge", {"instance_type": "AWS ml.g5.12xlarge"}),
        ("2x p4d.24xlarge", {"instance_type": "2x p4d.24xlarge"}),
        ("Standard_NC24ads_A100_v4", {"instance_type": "Standard_NC24ads_A100_v4"}),
        ("L40S Tensor Core", {"gpu_model": "L40S Tensor Core"}),
        ("CPU only", {"gpu_count": 0}),
        ("no GPU", {"gpu_count": 0}),
        ("Intel Xeon 8375C", {"gpu_count": 0, "cpu_model": "Intel Xeon 8375C"}),
        ("Intel(R) Xeon(R) CPU E5-2698 v4 @ 2.20GHz",
         {"gpu_count": 0, "cpu_model": "Intel(R) Xeon(R) CPU E5-2698 v4 @ 2.20GHz"}),
        ("Intel Xeon with 4 GPUs", {"gpu_model": "Intel Xeon with 4 GPUs"}),
        # The name tells the number, since it names machines.
        ("2 nodes, 8x H100 each", {"gpu_model": "2 nodes, 8x H100 each"}),
        ("8x H100 (2 nodes)", {"gpu_model": "8x H100 (2 nodes)"}),
        ("2x DGX H100", {"gpu_model": "2x DGX H100"}),
    ],
)  # fmt: skip
def test_one_text_tells_card_number_instance_or_cpu(words, told):
    assert told_by(words) == told


@pytest.mark.parametrize(
    ("words", "card", "count"),
    [
        ("Google Colab (T4)", "T4", 1),
        ("Colab Pro, A100-SXM4-40GB", "A100-SXM4-40GB", 1),
        ("Kaggle P100 PCIe 16GB", "P100-PCIE-16GB", 1),
        ("Kaggle T4", "T4", 2),
        ("2x DGX H100 SXM5 80GB", "H100-SXM5-80GB", 16),
        ("MacBook Pro M3 Max", "Apple-M3-Max", 1),
        ("p4d.24xlarge", "A100-SXM4-40GB", 8),
        ("CPU only", "none", 0),
        ("2 nodes, 8x H100 SXM5 80GB each", "H100-SXM5-80GB", 16),
    ],
)
def test_the_words_lead_to_the_hardware(words, card, count):
    run = {"Hardware Type": words, "Hours used": 4, "date": "2026-03-01"}
    found = fte.estimate(run).normalized.iloc[0]
    assert (found["gpu_id"], found["gpu_count"]) == (card, count)
