"""Names of hardware, places and models stand for rows; what is no name stands for none."""

from __future__ import annotations

import pandas as pd
import pytest

from ft_emissions_pipeline.reference import nearest, resolve
from ft_emissions_pipeline.reference.declaration import PROVIDER_KINDS

# ---- names ---------------------------------------------------------------------------------


def names(*values: str | float | None) -> pd.Series:
    return pd.Series(values, dtype="str")


@pytest.mark.parametrize(
    ("kind", "name", "identity", "assumed"),
    [
        ("gpus", "A100", "A100-SXM4-80GB", True),
        ("gpus", "Nvidia A100 80GB", "A100-SXM4-80GB", True),
        ("gpus", "NVIDIA A100-SXM4-80GB", "A100-SXM4-80GB", False),
        ("gpus", "NVIDIA A100 80GB PCIe", "A100-PCIE-80GB", False),
        ("gpus", "a100_sxm4_40gb", "A100-SXM4-40GB", False),
        ("gpus", "NVIDIA H100 80GB HBM3", "H100-SXM5-80GB", False),
        ("gpus", "H100", "H100-SXM5-80GB", True),
        ("gpus", "V100", "V100-SXM2-16GB", True),
        ("gpus", "Tesla T4", "T4", False),
        ("gpus", "NVIDIA A10G", "A10G", False),
        ("gpus", "A10", "A10", False),
        ("gpus", "RTX 6000", "Quadro-RTX-6000", True),
        ("gpus", "NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada", False),
        ("gpus", "NVIDIA GeForce RTX 4090", "RTX-4090", False),
        ("gpus", "AMD Instinct MI250X", "MI250X-GCD", True),
        ("models", "Llama 2", "llama-2-7b", True),
        ("models", "meta-llama/Llama-2-7b-hf", "llama-2-7b", False),
        ("models", "Llama 2 70B", "llama-2-70b", False),
        ("models", "Qwen2.5", "qwen2.5-7b", True),
        ("models", "bert-base-uncased", "bert-base", False),
        ("models", "BERT", "bert-base", True),
        ("cloud_regions", "AWS US West (Oregon)", "aws:us-west-2", False),
        ("cloud_regions", "US West (Oregon)", "aws:us-west-2", False),
        ("cloud_regions", "Amazon Web Services us-east-1", "aws:us-east-1", False),
        ("cloud_regions", "us-west-2", "aws:us-west-2", False),
        ("cloud_regions", "West US 2", "azure:westus2", False),
        ("cloud_regions", "Google Cloud Oregon", "gcp:us-west1", False),
        ("instances", "p4d.24xlarge", "aws:p4d.24xlarge", False),
        ("instances", "ml.p4d.24xlarge", "aws:p4d.24xlarge", False),
        ("countries", "United States", "USA", False),
        ("countries", "US", "USA", False),
        ("countries", "USA", "USA", False),
        ("countries", "France", "FRA", False),
        ("countries", "UK", "GBR", False),
        ("countries", "Türkiye", "TUR", False),
        ("us_states", "Oregon", "US-OR", False),
        ("us_states", "Georgia, USA", "US-GA", False),
        ("managed_services", "AWS Bedrock", "aws-bedrock", False),
        ("providers", "Amazon Web Services", "aws", False),
        ("providers", "Google Cloud", "gcp", False),
        ("servers", "HPE Apollo 6500 Gen10 Plus", "hpe-apollo-6500-gen10-plus", False),
    ],
)
def test_name_stands_for(reference, kind, name, identity, assumed):
    found = resolve(reference, kind, names(name)).iloc[0]
    assert found["id"] == identity
    assert bool(found["assumed"]) is assumed


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA A100-SXM4-80GB MIG 3g.20gb",
        "A100X",
        "H100 something",
        "",
        None,
    ],
)
def test_part_of_a_name_is_no_name(reference, name):
    found = resolve(reference, "gpus", names(name))
    assert found["id"].isna().all()
    assert not found["assumed"].any()


@pytest.mark.parametrize("place", ["Oregon", "Netherlands", "Tokyo", "Dallas", "Georgia"])
def test_place_is_a_region_only_where_the_provider_is_known(reference, place):
    assert resolve(reference, "cloud_regions", names(place))["id"].isna().all()
    google = resolve(reference, "cloud_regions", names(place), names("gcp"))
    assert google["id"].str.startswith("gcp:").all()
    assert not google["assumed"].any()


def test_provider_decides_between_regions_of_one_place(reference):
    found = resolve(
        reference,
        "cloud_regions",
        names("Oregon", "Oregon", "us-west-2"),
        names("aws", "gcp", "gcp"),
    )
    assert found["id"].tolist()[:2] == ["aws:us-west-2", "gcp:us-west1"]
    assert pd.isna(found["id"].iloc[2])


def test_every_alias_and_every_id_resolves_to_itself(reference):
    for kind, rows in reference.tables["aliases"].groupby("kind"):
        owner = rows["id"].str.split(":").str[0] if kind in PROVIDER_KINDS else None
        found = resolve(reference, kind, rows["alias"], owner)
        assert (found["id"] == rows["id"]).all(), kind
    gpus = reference.tables["gpus"]["gpu_id"]
    found = resolve(reference, "gpus", gpus)
    assert (found["id"] == gpus).all()
    assert not found["assumed"].any()


def test_every_country_of_the_grid_table_has_a_name(reference):
    grid, aliases = reference.tables["grid_intensity"], reference.tables["aliases"]
    countries = set(grid.loc[grid["zone_type"] == "country", "zone"])
    assert countries == set(aliases.loc[aliases["kind"] == "countries", "id"])


def test_names_keep_their_index_and_repeat(reference):
    given_names = pd.Series(["A100", None, "A100"], index=[7, 3, 9], dtype="str")
    found = resolve(reference, "gpus", given_names)
    assert found.index.tolist() == [7, 3, 9]
    assert found["assumed"].tolist() == [True, False, True]
    assert found["alias_factor_id"].iloc[0] == "aliases/gpus/A100/A100-SXM4-80GB"


def test_nearest_names_are_offered(reference):
    assert "A100-SXM4-80GB" in nearest(reference, "gpus", "A100 SXM5 80GB")
