"""Runs as people have them, each ten hours, beside what a careful person would work out by hand.

The hand's figures are round ones that need no table of this project: power at the wall from public
measurements and ratings, a country's grid in round grams. Run this file to print the table of
docs/uncertainty.md anew.
"""

from pathlib import Path
from typing import NamedTuple

import pytest

import ft_emissions_pipeline as fte

PAGE = Path(__file__).resolve().parents[2] / "docs" / "uncertainty.md"
HEAD = "| run of ten hours | by hand | hand | here | 5th to 95th percentile |"
TEN_HOURS = {"reserved_s": 36000, "active_s": 36000, "ended_at": "2026-03-02T00:00:00Z"}
AWS, GOOGLE = {"cloud_provider": "aws"}, {"cloud_provider": "gcp"}


class Common(NamedTuple):
    """A run, and the hand's watts at the wall, PUE, grams per kWh and kilograms of making it."""

    words: str
    by_hand: str
    run: dict[str, object]
    watts: float
    pue: float
    grams: float
    making: float

    @property
    def hand_kgco2e(self) -> float:
        return 10 * self.watts / 1000 * self.pue * self.grams / 1000 + self.making


RUNS = (
    Common(
        "one H100 of a server's eight, AWS Virginia",
        "a node of 10.2 kW at three quarters, over 8",
        {**AWS, "cloud_region": "us-east-1", "gpu_model": "NVIDIA H100 80GB HBM3", "gpu_count": 1},
        10200 * 0.75 / 8, 1.15, 350, 0.3,
    ),
    Common(
        "RTX 4090 at home, Germany",
        "card 320 W, PC 100 W",
        {"gpu_model": "NVIDIA GeForce RTX 4090", "gpu_count": 1, "country_iso3": "DEU",
         "operating_system": "Windows-11"},
        420, 1, 380, 0.3,
    ),
    Common(
        "RTX 3060 of a laptop, France",
        "card 70 W, the rest 25 W",
        {"gpu_model": "NVIDIA GeForce RTX 3060 Laptop GPU", "gpu_count": 1, "country_iso3": "FRA"},
        95, 1, 45, 0.2,
    ),
    Common(
        "MacBook Pro M2, United Kingdom",
        "40 W at the wall",
        {"cpu_model": "Apple M2 Pro", "operating_system": "macOS-14.1-arm64-arm-64bit",
         "country_iso3": "GBR"},
        40, 1, 230, 0.2,
    ),
    Common(
        "desktop without a card, USA",
        "CPU of 95 W at half to full, board 40 W",
        {"gpu_count": 0, "cpu_model": "Intel(R) Core(TM) i7-9700K CPU @ 3.60GHz",
         "operating_system": "Linux-5.4",
         "country_iso3": "USA"},
        110, 1, 400, 0.15,
    ),
    Common(
        "server without a card, Netherlands",
        "two CPUs of 280 W at half, the rest 150 W",
        {"gpu_count": 0, "cpu_model": "AMD EPYC 7763 64-Core Processor",
         "operating_system": "Linux-5.15", "country_iso3": "NLD"},
        430, 1.5, 270, 0.4,
    ),
    Common(
        "T4 of Colab",
        "card 65 W, a share of its host 40 W",
        {**GOOGLE, "cloud_region": "us-central1", "gpu_model": "Tesla T4", "gpu_count": 1},
        105, 1.1, 450, 0.15,
    ),
    Common(
        "SageMaker ml.g5.2xlarge, AWS Oregon",
        "A10G 150 W, a share of its host 80 W",
        {**AWS, "cloud_region": "us-west-2", "instance_type": "ml.g5.2xlarge",
         "managed_service": "SageMaker"},
        230, 1.15, 300, 0.15,
    ),
    Common(
        "two A100 of a Slurm node, Germany",
        "cards 2 x 300 W, a quarter of 1 kW besides",
        {"gpu_model": "a100", "gpu_count": 2, "country_iso3": "DEU"},
        850, 1.4, 380, 0.3,
    ),
    Common(
        "Bedrock, nothing told but ten hours, AWS Virginia",
        "eight A100 at two thirds, 6.5 kW x 2/3",
        {**AWS, "cloud_region": "us-east-1", "managed_service": "AWS Bedrock",
         "base_model": "Llama 2 7B"},
        6500 * 2 / 3, 1.15, 350, 2,
    ),
    Common(
        "TPU v3-8, Google Netherlands",
        "four chips of 220 W, a host of 300 W",
        {**GOOGLE, "cloud_region": "europe-west4", "gpu_model": "v3-8"},
        1180, 1.1, 270, 0.5,
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def estimated():
    runs = [{**TEN_HOURS, **each.run, "run_id": str(n)} for n, each in enumerate(RUNS)]
    return fte.estimate(runs).runs.set_index("run_id")


@pytest.mark.parametrize("n", range(len(RUNS)), ids=lambda n: RUNS[n].words)
def test_a_common_run_is_what_a_careful_person_works_out(estimated, n):
    hand, run = RUNS[n].hand_kgco2e, estimated.loc[str(n)]
    assert 1 / 2 <= run["total_kgco2e"] / hand <= 2
    assert run["total_kgco2e_p05"] <= hand <= run["total_kgco2e_p95"]


def table(estimated):
    rows = [HEAD, "|---|---|---|---|---|"]
    for n, each in enumerate(RUNS):
        run = estimated.loc[str(n)]
        ends = f"{run['total_kgco2e_p05']:.2g} to {run['total_kgco2e_p95']:.2g}"
        worked = f"{each.by_hand}; {each.pue:g}, {each.grams:g} g, {each.making:g} kg"
        figures = f"{each.hand_kgco2e:.2g} | {run['total_kgco2e']:.2g}"
        rows.append(f"| {each.words} | {worked} | {figures} | {ends} |")
    return "\n".join(rows)


def test_the_page_prints_the_table(estimated):
    assert table(estimated) in PAGE.read_text(encoding="utf-8")


def rewrite(page: Path, text: str) -> None:
    """Put a table in the place of the one that starts with the same head."""
    before, _, rest = page.read_text(encoding="utf-8").partition(HEAD)
    _, _, after = rest.partition("\n\n")
    page.write_text(f"{before}{text}\n\n{after}", encoding="utf-8")


if __name__ == "__main__":
    runs = [{**TEN_HOURS, **each.run, "run_id": str(n)} for n, each in enumerate(RUNS)]
    rewrite(PAGE, table(fte.estimate(runs).runs.set_index("run_id")))
