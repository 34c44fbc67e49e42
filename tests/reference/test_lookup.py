"""The factor tables are complete, sourced and as published; look-ups agree with loops."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ft_emissions_pipeline import reference as reference_tables
from ft_emissions_pipeline.reference import (
    SHIPPED,
    Reference,
    alternatives_log_sd,
    at_year,
    default_folder,
    describe,
    load,
    managed_service,
    nearest,
    period_note,
    resolve,
    take,
)
from ft_emissions_pipeline.reference.declaration import PROVIDER_KINDS

TABLES = sorted(SHIPPED)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return load()


def names(*values: str | float | None) -> pd.Series:
    return pd.Series(values, dtype="str")


# ---- values as published -------------------------------------------------------------------

OWID = "OWID/Ember 2026-04"
SPOT_CHECKS = [
    (OWID, "grid_intensity/country/USA/2024", "gco2e_per_kwh", 383.78),
    (OWID, "grid_intensity/country/FRA/2024", "gco2e_per_kwh", 40.48),
    (OWID, "grid_intensity/country/DEU/2023", "gco2e_per_kwh", 362.92),
    (OWID, "grid_intensity/country/IND/2022", "gco2e_per_kwh", 705.75),
    (OWID, "grid_intensity/country/SWE/2024", "gco2e_per_kwh", 34.91),
    (OWID, "grid_intensity/world/WORLD/2024", "gco2e_per_kwh", 471.08),
    ("EPA eGRID2022", "grid_intensity/egrid_subregion/NWPP/2022", "gco2e_per_kwh", 274.775),
    ("EPA eGRID2022", "grid_intensity/egrid_subregion/NWPP/2022", "emissions_basis", "direct"),
    ("EPA eGRID2023", "grid_intensity/us_state/US-OR/2023", "gco2e_per_kwh", 165.544),
    ("EPA eGRID2023", "grid_intensity/us_state/US-OR/2023", "emissions_basis", "direct"),
    ("Google 2024", "grid_intensity/cloud_region/gcp:us-west1/2024", "gco2e_per_kwh", 79.23),
    ("Google 2024", "grid_intensity/cloud_region/gcp:europe-north1/2024", "gco2e_per_kwh", 39.32),
    ("Google 2024", "cloud_regions/gcp/europe-north1", "country_iso3", "FIN"),
    ("AWS 2024", "datacenter/region/aws:us-west-2/pue/2024", "value", 1.12),
    ("AWS 2024", "datacenter/region/aws:us-west-2/wue_l_per_kwh/2024", "value", 0.16),
    ("EPA map", "cloud_regions/aws/us-west-2", "egrid_subregion", "NWPP"),
    ("WRI 2020", "electricity_water/egrid_subregion/NWPP/1", "l_per_kwh", 9.48),
    ("WRI 2020", "electricity_water/country/FRA/1", "l_per_kwh", 3.67),
    ("WRI 2020", "electricity_water/country/USA/1", "l_per_kwh", 3.13),
    ("Epoch", "gpus/A100-SXM4-80GB", "tdp_w", 400),
    ("lightning-fabric", "gpus/A100-SXM4-80GB", "peak_16bit_tflops", 312),
    ("Epoch", "gpus/H100-SXM5-80GB", "tdp_w", 700),
    ("lightning-fabric", "gpus/H100-SXM5-80GB", "peak_16bit_tflops", 989.4),
    ("Epoch", "gpus/H100-PCIE-80GB", "tdp_w", 350),
    ("Epoch", "gpus/H100-PCIE-80GB", "peak_16bit_tflops", 756),
    ("spec tables", "gpus/RTX-4090", "tdp_w", 450),
    ("spec tables", "gpus/RTX-4090", "peak_16bit_tflops", 165.2),
    ("lightning-fabric", "gpus/T4", "peak_16bit_tflops", 65),
    ("mlco2", "gpus/T4", "tdp_w", 70),
    ("lightning-fabric", "gpus/L4", "peak_16bit_tflops", 121),
    ("mlco2", "gpus/L4", "tdp_w", 72),
    ("Scope3 A100 page", "gpu_water/A100-SXM4-80GB", "embodied_water_l", 411.9),
    ("litgpt", "models/llama-2-7b", "parameters", 6.74e9),
    ("litgpt", "models/llama-2-7b", "layers", 32),
    ("litgpt", "models/llama-2-7b", "hidden_size", 4096),
    ("litgpt", "models/llama-2-7b", "heads", 32),
    ("Uptime Update 221", "datacenter/world/WORLD/pue/2023", "value", 1.58),
    ("NVIDIA PCF 1312/8", "gpu_embodied/H100-SXM5-80GB/vendor_pcf", "embodied_kgco2e", 164),
    ("Scope3 A100 page", "gpu_embodied/A100-SXM4-80GB/instance_share", "embodied_kgco2e", 318),
    ("Scope3 training", "servers/hpe-apollo-6500-gen10-plus", "embodied_kgco2e", 2500),
    ("Scope3 training", "datacenter/country/USA/wue_l_per_kwh/2016", "value", 1.8),
    ("Scope3 A100 page", "defaults/scope3_gpu_power_w", "value", 428),
    ("Scope3 training", "defaults/share_reserved", "value", 0.95),
    ("Scope3 cluster", "defaults/hardware_use_life_h", "value", 4 * 8760),
]


@pytest.mark.parametrize(
    ("factor_id", "column", "expected"),
    [check[1:] for check in SPOT_CHECKS],
    ids=[f"{source}: {factor_id} {column}" for source, factor_id, column, _ in SPOT_CHECKS],
)
def test_value_is_as_published(reference, factor_id, column, expected):
    value = describe(reference, factor_id)[column]
    assert value == (expected if isinstance(expected, str) else pytest.approx(expected, rel=2e-6))


def test_water_of_an_a100_follows_from_wafer_layers_and_dies(reference):
    assert describe(reference, "gpu_water/A100-SXM4-80GB")["embodied_water_l"] == pytest.approx(
        137.3 * 87 / 29, rel=1e-3
    )


# ---- completeness --------------------------------------------------------------------------


def test_tables_that_come_with_the_package_have_no_problem():
    assert reference_tables.check() == []


@pytest.mark.parametrize("table", TABLES)
def test_every_row_says_where_it_comes_from(reference, table):
    frame = reference.tables[table]
    assert len(frame)
    assert frame[["source", "source_year", "licence", "verification"]].notna().all(axis=None)
    assert frame.loc[frame["verification"] == "read_in_source", "source_url"].notna().all()


@pytest.mark.parametrize("table", TABLES)
def test_ids_are_unique_and_have_no_spaces(reference, table):
    ids = reference.tables[table]["factor_id"]
    assert ids.is_unique
    assert not ids.str.contains(r"\s").any()


@pytest.mark.parametrize("table", TABLES)
def test_files_are_sorted_by_key_and_end_lines_with_lf(reference, table):
    key = list(reference_tables.TABLES[table].key)
    rows = reference.tables[table][key]
    assert rows.sort_values(key, kind="stable").index.equals(rows.index)
    text = (default_folder() / f"{table}.csv").read_bytes()
    assert b"\r" not in text
    assert text.endswith(b"\n")


def test_every_accelerator_has_power_carbon_and_water(reference):
    gpus = reference.tables["gpus"]
    ids = gpus["gpu_id"]
    assert gpus[["tdp_w", "idle_w"]].notna().all(axis=None)
    assert (gpus["idle_w"] < 0.5 * gpus["tdp_w"]).all()
    embodied = take(reference, "gpu_embodied", ids, ["rank", "p05", "embodied_kgco2e", "p95"])
    assert (embodied["rank"] == 1).all()
    assert take(reference, "gpu_water", ids, ["embodied_water_l"]).notna().all(axis=None)


def test_peak_of_a_dense_matrix_unit_is_never_a_sparse_one(reference):
    frame = reference.tables["gpus"].set_index("gpu_id")["peak_16bit_tflops"]
    assert frame["A100-SXM4-80GB"] == 312  # sparse: 624
    assert frame["H100-SXM5-80GB"] < 1000  # sparse: 1979


def test_no_data_under_a_share_alike_licence_are_shipped(reference):
    for name in SHIPPED:
        frame = reference.tables[name]
        assert not frame["licence"].str.contains("ODbL|BY-SA").any(), name
    with_agpl = {
        name
        for name, frame in reference.tables.items()
        if frame["licence"].str.contains("AGPL").any()
    }
    assert with_agpl <= {"gpu_embodied"}  # single computed figures, no copy of the package's data


def test_a_world_value_stands_behind_every_factor_of_a_site(reference):
    grid, overhead = reference.tables["grid_intensity"], reference.tables["datacenter"]
    assert (grid["zone_type"] == "world").sum() >= 5
    world = overhead[overhead["scope"] == "world"]
    assert (world["metric"] == "pue").sum() >= 5
    assert (world["metric"] == "wue_l_per_kwh").any()
    assert "electricity_water/world/WORLD/1" in set(
        reference.tables["electricity_water"]["factor_id"]
    )


def test_bands_of_managed_services_cover_every_size_once(reference):
    for _, bands in reference.tables["managed_services"].groupby("service_id"):
        low, high = bands["model_parameters_min"], bands["model_parameters_max"]
        assert low.iloc[0] == 0
        assert high.iloc[-1] == np.inf
        assert (high.to_numpy()[:-1] == low.to_numpy()[1:]).all()


def test_usual_server_of_an_accelerator_is_the_one_of_rank_1(reference):
    gpus = reference.tables["gpus"]
    held = take(reference, "servers", gpus["gpu_id"], ["server_id"], key="gpu_id")["server_id"]
    assert (held.isna() | (held == gpus["usual_server_id"])).all()


@pytest.mark.parametrize("name", ["Georgia", "Washington"])
def test_state_whose_name_means_two_places_is_unknown(reference, name):
    assert resolve(reference, "us_states", names(name))["id"].isna().all()


def test_share_of_a_server_is_its_part_of_the_slots(reference):
    instances = reference.tables["instances"]
    slots = take(reference, "servers", instances["server_id"], ["gpu_count"])["gpu_count"]
    assert np.allclose(instances["server_share"], instances["gpu_count"] / slots, atol=1e-4)


def test_an_instance_fits_into_its_server(reference):
    instances = reference.tables["instances"]
    servers = take(reference, "servers", instances["server_id"], ["gpu_id", "memory_gb"])
    assert (instances["gpu_id"] == servers["gpu_id"]).all()
    assert (instances["memory_gib"] <= servers["memory_gb"]).all()


def test_common_hardware_covers_2016_to_2025(reference):
    assert set(reference.tables["common_hardware"]["year"]) == set(range(2016, 2026))


# ---- derived rows follow from what they say ------------------------------------------------


def component(reference: Reference, name: str, spec: str) -> float:
    rows = reference.tables["embodied_components"]
    return rows.loc[(rows["component"] == name) & (rows["spec"] == spec), "value"].item()


def test_rows_of_the_chip_area_method_follow_from_die_memory_and_components(reference):
    cards = reference.tables["gpus"].set_index("gpu_id")
    rows = reference.tables["gpu_embodied"].loc[lambda f: f["method"] == "chip_area"]
    wafers = {
        component(reference, "logic wafer", f"TSMC-class N{node}")
        for node in (28, 20, 14, 10, 7, 5, 3)
    }
    memories = {
        component(reference, "GDDR6", "graphics memory"),
        component(reference, "HBM2/HBM2e/HBM3", "stacked memory"),
    }
    rest = component(reference, "GPU module rest", "HGX H100, neither memory nor ICs, per GPU")
    assert len(rows) > 50
    unstated = set()
    for row in rows.itertuples():
        stated = re.match(
            r"([\d.]+) mm2 x ([\d.]+) kg/cm2 wafer / 0.55 yield \+ ([\d.]+) GB x ([\d.]+) kg/GB",
            row.notes,
        )
        area, wafer, memory, per_gb = map(float, stated.groups())
        card = cards.loc[row.gpu_id]
        unknown = cards.loc["H100-SXM5-80GB", "die_area_mm2"]
        assert area == (unknown if np.isnan(card["die_area_mm2"]) else card["die_area_mm2"])
        if np.isnan(card["memory_gb"]):
            unstated.add(row.gpu_id)
        else:
            assert memory == card["memory_gb"]
        assert wafer in wafers
        assert per_gb in memories
        carbon = area / 100 * wafer / component(reference, "logic wafer yield", "large dies")
        carbon += memory * per_gb + rest
        assert row.embodied_kgco2e == pytest.approx(carbon, abs=0.051)
        low, high = (3, 5) if "lower end a third" in row.notes else (2, 3.5)
        assert (row.p05, row.p95) == pytest.approx((carbon / low, carbon * high), abs=0.3)
    assert unstated == {"Trainium3"}  # of which the table of GPUs has no memory


def test_rest_of_a_module_is_what_the_split_leaves(reference):
    parts = (
        "thermal",
        "electromechanical",
        "common",
        "pcb",
        "interconnect",
        "mechanical",
        "unallocated",
    )
    rest = sum(component(reference, "HGX H100 baseboard", part) for part in parts) / 8
    name = ("GPU module rest", "HGX H100, neither memory nor ICs, per GPU")
    assert component(reference, *name) == pytest.approx(rest)


def test_idle_power_that_nobody_measured_is_the_median_share_of_tdp(reference):
    cards = reference.tables["gpus"].set_index("gpu_id")
    known = cards.loc[["V100-SXM2-16GB", "T4", "A100-SXM4-40GB", "A40", "P40"]]
    share = reference_tables.default(reference, "gpu_idle_share").value
    assert share == pytest.approx((known["idle_w"] / known["tdp_w"]).median(), abs=5e-4)
    derived = cards[cards["idle_w_basis"] == "derived"]
    assert len(derived) > 50
    assert derived["idle_w"].to_numpy() == pytest.approx(share * derived["tdp_w"], abs=0.051)


def test_servers_rest_at_a_share_of_their_cpus_power_and_their_memory_draws_by_its_size(reference):
    servers = reference.tables["servers"]
    for power, default, of in (
        ("cpu_idle_w", "cpu_idle_share", "cpu_max_w"), ("memory_w", "memory_w_per_gb", "memory_gb"),
    ):  # fmt: skip
        expected = reference_tables.default(reference, default).value * servers[of]
        assert servers[power].to_numpy() == pytest.approx(expected.to_numpy(), abs=0.051)


OF_DERIVED_ROWS = {"gpu_idle_share", "cpu_idle_share", "memory_w_per_gb"}
"""Defaults by which columns of gpus.csv and servers.csv were worked out; the two tests above read them."""


def test_every_default_is_read(reference):
    """Its name stands in the library's code, whole or as a name with gaps; or rows were derived by it."""
    said, gapped = set(OF_DERIVED_ROWS), set()
    for path in Path(reference_tables.__file__).parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.add(node.value.removeprefix("defaults/"))
            elif isinstance(node, ast.JoinedStr) and ast.unparse(node)[2:].startswith("gsd_"):
                parts = (
                    p.value if isinstance(p, ast.Constant) else "[a-z0-9]+" for p in node.values
                )
                gapped.add("".join(parts))
    parameters = set(reference.tables["defaults"]["parameter"])
    assert {p for p in parameters - said if not any(re.fullmatch(g, p) for g in gapped)} == set()


def test_water_of_other_dies_is_scaled_by_their_area(reference):
    cards = reference.tables["gpus"].set_index("gpu_id")
    water = reference.tables["gpu_water"].set_index("gpu_id")
    share = (cards["die_area_mm2"] / cards.loc["A100-SXM4-80GB", "die_area_mm2"]).fillna(1.0)
    expected = water.loc["A100-SXM4-80GB", "embodied_water_l"] * share
    assert water["embodied_water_l"].to_numpy() == pytest.approx(
        expected.reindex(water.index).to_numpy(), abs=0.1
    )


def test_interval_of_the_preferred_making_holds_every_other_source(reference):
    rows = reference.tables["gpu_embodied"].loc[lambda f: f["rank"] < 99]
    preferred = rows[rows["rank"] == 1].set_index("gpu_id")
    for row in rows.itertuples():
        bounds = preferred.loc[row.gpu_id]
        assert bounds["p05"] <= row.embodied_kgco2e <= bounds["p95"], row.factor_id


def test_alternatives_lie_apart_as_a_pocket_calculator_says(reference):
    keys = pd.DataFrame({"zone_type": "country", "zone": ["USA", "FRA"]}, dtype="str")
    found = alternatives_log_sd(reference, "electricity_water", keys)
    # 3.13 (WRI) and 4.35 (LBNL): the square of one distance over two figures.
    assert found == pytest.approx([np.log(4.35 / 3.13) / np.sqrt(2), 0.0])
    cards = alternatives_log_sd(reference, "gpu_embodied", names("H100-SXM5-80GB"))
    apart = np.log([1.0, 273 / 164, 162.1 / 164])  # vendor, literature, chip area; no upper bound
    assert cards == pytest.approx([np.sqrt((apart**2).mean())])


def test_instances_rest_on_documents_of_their_providers(reference):
    homes = {
        "aws": ("https://docs.aws.amazon.com/", "https://github.com/aws/"),
        "azure": ("https://learn.microsoft.com/",),
        "gcp": ("https://docs.cloud.google.com/", "https://github.com/GoogleCloudPlatform/"),
    }
    for row in reference.tables["instances"].itertuples():
        assert row.source_url.startswith(homes[row.provider]), row.factor_id
        # A second address is that of somebody else's copy, which the provider's document did not replace.
        copied = not pd.isna(row.notes) and "https://" in row.notes
        assert row.verification == ("secondary" if copied else "read_in_source"), row.factor_id


# ---- names ---------------------------------------------------------------------------------


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
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA A100-SXM4-80GB MIG 3g.20gb",
        "A100X",
        "H100 something",
        "v3-8",
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


# ---- look-ups ------------------------------------------------------------------------------


def test_take_gives_aligned_rows_and_nan_for_the_unknown(reference):
    ids = pd.Series(["T4", "no such", None], index=[5, 1, 8], dtype="str")
    found = take(reference, "gpus", ids, ["tdp_w"])
    assert found.index.tolist() == [5, 1, 8]
    assert found["tdp_w"].iloc[0] == 70
    assert found.iloc[1:].isna().all(axis=None)
    assert found["factor_id"].iloc[0] == "gpus/T4"


def test_take_prefers_rank_1_and_follows_a_condition(reference):
    ids = names("A100-SXM4-80GB")
    preferred = take(reference, "gpu_embodied", ids, ["method", "rank"])
    published = take(
        reference, "gpu_embodied", ids, ["embodied_kgco2e"], where={"method": "instance_share"}
    )
    assert preferred["rank"].iloc[0] == 1
    assert published["embodied_kgco2e"].iloc[0] == 318


def test_take_reads_ids_of_regions_and_columns_of_keys(reference):
    region = take(reference, "cloud_regions", names("aws:us-west-2"), ["us_state"])
    assert region["us_state"].iloc[0] == "OR"
    keys = pd.DataFrame({"zone_type": ["country", "egrid_subregion"], "zone": ["USA", "NWPP"]})
    water = take(reference, "electricity_water", keys, ["l_per_kwh"])
    assert water["l_per_kwh"].tolist() == [3.13, 9.48]


def test_take_refuses_a_key_that_leaves_several_rows(reference):
    with pytest.raises(ValueError, match="several rows per zone"):
        take(reference, "grid_intensity", names("FRA"), ["gco2e_per_kwh"], key="zone")


def slow_at_year(frame: pd.DataFrame, zone_type: str, zone: str, year: float):
    rows = frame[(frame["zone_type"] == zone_type) & (frame["zone"] == zone)].sort_values("year")
    if rows.empty or np.isnan(year):
        return None, "missing"
    earlier = rows[rows["year"] <= year]
    if earlier.empty:
        return rows.iloc[0], "later_year"
    row = earlier.iloc[-1]
    return row, "same_year" if row["year"] == year else "earlier_year"


ZONES = [
    ("country", "USA"),
    ("country", "ESH"),
    ("country", "nowhere"),
    ("us_state", "US-OR"),
    ("egrid_subregion", "NWPP"),
    ("cloud_region", "gcp:us-west1"),
    ("cloud_region", "gcp:northamerica-northeast1"),
    ("world", "WORLD"),
]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.sampled_from(ZONES), st.one_of(st.integers(2005, 2035), st.just(np.nan))),
        min_size=1,
        max_size=40,
    )
)
def test_at_year_equals_a_slow_loop(reference, wanted):
    frame = reference.tables["grid_intensity"]
    keys = pd.DataFrame([zone for zone, _ in wanted], columns=["zone_type", "zone"], dtype="str")
    years = pd.Series([float(year) for _, year in wanted])
    found = at_year(reference, "grid_intensity", keys, years, "gco2e_per_kwh")
    for (zone, year), row in zip(wanted, found.itertuples(), strict=True):
        expected, match = slow_at_year(frame, *zone, year)
        assert row.match == match
        assert row.exact == (match == "same_year")
        if expected is None:
            assert np.isnan(row.value)
            assert pd.isna(row.factor_id)
        else:
            assert (row.value, row.year) == (expected["gco2e_per_kwh"], expected["year"])
            assert row.factor_id == expected["factor_id"]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(2000, 2040))
def test_nearest_earlier_year_serves(reference, year):
    found = at_year(reference, "common_hardware", None, pd.Series([year]), "gpu_id").iloc[0]
    assert found["year"] == min(max(year, 2016), 2025)
    assert found["exact"] == (2016 <= year <= 2025)


# ---- look-ups by validity ------------------------------------------------------------------

DAY = pd.Timestamp("2020-01-01")
DAYS = pd.timedelta_range("0D", periods=40, freq="D")


@st.composite
def periods(draw):
    """Rows of one server that do not overlap in time, and days around them."""
    edges = sorted(draw(st.sets(st.integers(0, 39), min_size=2, max_size=8)))
    rows = [
        {
            "valid_from": DAY + DAYS[first],
            "valid_to": DAY + DAYS[draw(st.integers(first, after - 1))],
        }
        for first, after in pairwise(edges)
    ]
    if draw(st.booleans()):
        rows[0]["valid_from"] = pd.NaT
    if draw(st.booleans()):
        rows[-1]["valid_to"] = pd.NaT
    days = draw(st.lists(st.integers(-5, 45), min_size=1, max_size=20))
    return rows, [DAY + pd.Timedelta(day, "D") for day in days]


def with_periods(reference: Reference, table: str, rows: list[dict]) -> Reference:
    """Replace a table by copies of its first row, one per period, with ids p0, p1, ..."""
    first = reference.tables[table].head(1)
    copies = [
        first.assign(**row, factor_id=f"{table}/p{number}") for number, row in enumerate(rows)
    ]
    frame = pd.concat(copies, ignore_index=True)
    for column in ("valid_from", "valid_to"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[s]")
    return replace(reference, tables={**reference.tables, table: frame})


def slow_in_force(rows: list[dict], day: pd.Timestamp) -> tuple[int, str]:
    begun = [n for n, row in enumerate(rows) if not row["valid_from"] > day]
    if not begun:
        return 0, "nearest later period"
    over = rows[begun[-1]]["valid_to"] < day
    return begun[-1], "nearest earlier period" if over else ""


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(periods())
def test_row_in_force_on_the_day_serves_else_the_nearest_earlier_labelled(reference, drawn):
    rows, days = drawn
    on = pd.Series(days, dtype="datetime64[us]")
    for table, parameter in (("servers", "server_id"), ("defaults", "parameter")):
        dated = with_periods(reference, table, rows)
        identity = dated.tables[table][parameter].iloc[0]
        found = take(dated, table, names(*[identity] * len(on)), [parameter], on=on)["factor_id"]
        notes = period_note(dated, found, on)
        for day, factor_id, note in zip(days, found, notes, strict=True):
            expected, label = slow_in_force(rows, day)
            assert factor_id == f"{table}/p{expected}"
            assert label == "" if pd.isna(note) else note.startswith(label)
        latest = take(dated, table, names(identity), [parameter])["factor_id"].item()
        assert latest == f"{table}/p{len(rows) - 1}"
    if len(rows) > 1:
        as_default = reference_tables.default(dated, identity, on)
        assert as_default.factor_id.tolist() == found.tolist()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(periods())
def test_service_runs_jobs_as_it_did_on_the_day(reference, drawn):
    rows, days = drawn
    dated = with_periods(reference, "managed_services", rows)
    band = dated.tables["managed_services"].iloc[0]
    on = pd.Series(days, dtype="datetime64[us]")
    size = pd.Series(float(band["model_parameters_min"]), index=on.index)
    service = names(*[band["service_id"]] * len(on))
    found = managed_service(dated, service, size, ["gpu_count"], on=on)["factor_id"]
    assert found.tolist() == [f"managed_services/p{slow_in_force(rows, day)[0]}" for day in days]


@pytest.mark.parametrize(
    ("day", "row"),
    [("2024-12-31", "old"), ("2025-01-01", "new"), ("2025-06-30", "new"), ("2025-07-01", "new")],
)
def test_first_and_last_day_of_a_period_belong_to_it(reference, day, row):
    dated = with_periods(
        reference, "servers",
        [{"valid_from": pd.NaT, "valid_to": pd.Timestamp("2024-12-31")},
         {"valid_from": pd.Timestamp("2025-01-01"), "valid_to": pd.Timestamp("2025-06-30")}],
    )  # fmt: skip
    server = dated.tables["servers"]["server_id"].iloc[0]
    on = pd.Series([day], dtype="datetime64[us]")
    found = take(dated, "servers", names(server), ["name"], on=on)["factor_id"].item()
    assert found == {"old": "servers/p0", "new": "servers/p1"}[row]
    strict = take(dated, "servers", names(server), ["name"], on=on, only_in_force=True)
    assert strict["factor_id"].isna().item() == (day == "2025-07-01")


def test_a_row_in_force_goes_before_a_better_one_of_another_time(reference):
    rows = reference.tables["gpu_embodied"]
    h100 = rows["gpu_id"] == "H100-SXM5-80GB"
    late = rows.copy()
    late.loc[h100 & (rows["rank"] == 1), "valid_from"] = pd.Timestamp("2025-01-01")
    dated = replace(reference, tables={**reference.tables, "gpu_embodied": late})
    on = pd.Series(["2024-06-01", "2025-06-01"], dtype="datetime64[us]")
    found = take(dated, "gpu_embodied", names(*["H100-SXM5-80GB"] * 2), ["rank"], on=on)
    assert found["rank"].tolist() == [2, 1]


def test_managed_service_is_found_by_size(reference):
    services = names("aws-bedrock", "aws-bedrock", "aws-bedrock", "no such")
    sizes = pd.Series([6.74e9, 3e9, np.nan, 1e9])
    found = managed_service(reference, services, sizes, ["gpu_count", "model_parameters_min"])
    assert found["model_parameters_min"].iloc[:2].tolist() == [3e9, 3e9]
    assert found["gpu_count"].iloc[2:].isna().all()


def test_default_has_value_interval_and_row(reference):
    life = reference_tables.default(reference, "hardware_use_life_h")
    assert life.p05 <= life.value <= life.p95
    assert (life.unit, life.factor_id) == ("h", "defaults/hardware_use_life_h")
    with pytest.raises(KeyError, match="startup_s"):
        reference_tables.default(reference, "start_up_s")


@pytest.mark.parametrize(
    "parameter",
    ["gpu_utilization", "cpu_utilization", "startup_s", "reserved_per_active",
     "hardware_use_life_h", "share_reserved", "expected_use_life_days", "tokens_padded_per_unpadded",
     "embedding_share", "memory_w_per_gb", "undated_run_year", "scope3_gpu_power_w", "checkpointing_share", "micro_batch_size",
     "share_32bit_below_1b", "share_8bit", "sequence_length", "gsd_meter", "gsd_measured", "gsd_software_measured",
     "gsd_disclosed", "gsd_energy_plugin_unknown", "gsd_power_model", "gsd_grid_same_year", "gsd_grid_earlier_year",
     "gsd_grid_hours",
     "gsd_grid_country_for_region", "gsd_pue_region", "gsd_pue_provider", "gsd_pue_world",
     "gsd_wue_region", "gsd_wue_provider", "gsd_wue_world", "gsd_electricity_water",
     "gsd_electricity_water_world", "gsd_hardware_power"],
)  # fmt: skip
def test_default_exists(reference, parameter):
    default = reference_tables.default(reference, parameter)
    if parameter.startswith("gsd_"):
        assert 1 < default.value < 4


def test_unknown_factor_id_names_the_nearest(reference):
    with pytest.raises(KeyError, match="gpus/T4"):
        describe(reference, "gpus/T4x")
