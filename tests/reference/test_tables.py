"""The package's tables: each row has its source, and derived rows follow from others."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ft_emissions_pipeline import reference as reference_tables
from ft_emissions_pipeline.reference import (
    SHIPPED,
    Reference,
    alternatives_log_sd,
    default_folder,
    describe,
    resolve,
    take,
)

TABLES = sorted(SHIPPED)


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
    ("Scope3 training", "defaults/scope3_wue_l_per_kwh", "value", 1.8),
    ("Scope3 A100 page", "defaults/scope3_gpu_power_w", "value", 428),
    ("Scope3 training", "defaults/share_reserved", "value", 0.95),
    ("Scope3 cluster", "defaults/hardware_use_life_h", "value", 4 * 8760),
]


def names(*values: str | float | None) -> pd.Series:
    return pd.Series(values, dtype="str")


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
    held = take(reference, "servers", gpus["gpu_id"], ["server_id", "rank"], key="gpu_id")
    assert ((held["rank"] != 1) | (held["server_id"] == gpus["usual_server_id"])).all()


@pytest.mark.parametrize("name", ["Georgia", "Washington"])
def test_state_whose_name_means_two_places_is_unknown(reference, name):
    assert resolve(reference, "us_states", names(name))["id"].isna().all()


def test_share_of_a_server_is_its_part_of_the_slots(reference):
    instances = reference.tables["instances"].dropna(subset="gpu_count")
    slots = take(reference, "servers", instances["server_id"], ["gpu_count"])["gpu_count"]
    assert np.allclose(instances["server_share"], instances["gpu_count"] / slots, atol=1e-4)


def test_an_instance_fits_into_its_server(reference):
    instances = reference.tables["instances"]
    servers = take(reference, "servers", instances["server_id"], ["gpu_id", "memory_gb"])
    any_card = instances["gpu_id"].isna()
    assert (any_card | (instances["gpu_id"] == servers["gpu_id"])).all()
    assert instances.loc[any_card, "instance_type"].str.startswith("n1-").all()
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
    for row in rows.itertuples():
        stated = re.match(
            r"([\d.]+) mm2 x ([\d.]+) kg/cm2 wafer / 0.55 yield \+ ([\d.]+) GB x ([\d.]+) kg/GB",
            row.notes,
        )
        area, wafer, memory, per_gb = map(float, stated.groups())
        card = cards.loc[row.gpu_id]
        unknown = cards.loc["H100-SXM5-80GB", "die_area_mm2"]
        assert area == (unknown if np.isnan(card["die_area_mm2"]) else card["die_area_mm2"])
        shared = card["host_class"] == "soc"  # its memory is the host's
        assert memory == (0 if shared else card["memory_gb"])
        assert wafer in wafers
        assert per_gb in memories
        carbon = area / 100 * wafer / component(reference, "logic wafer yield", "large dies")
        of_host = card["host_class"] in ("laptop_card", "soc")  # board, case and cooling likewise
        assert of_host == ("kg cooling" not in row.notes)
        carbon += memory * per_gb + (0 if of_host else rest)
        assert row.embodied_kgco2e == pytest.approx(carbon, abs=0.051)
        low, high = (3, 5) if "lower end a third" in row.notes else (2, 3.5)
        assert (row.p05, row.p95) == pytest.approx((carbon / low, carbon * high), abs=0.3)


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
"""Defaults behind columns of gpus.csv and servers.csv; the two tests above read them."""


def test_every_default_is_read(reference):
    """The library's code names it, whole or with gaps, or rows were derived by it."""
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


def test_instances_rest_on_documents_of_their_providers_or_say_so(reference):
    homes = {
        "alibaba": ("https://github.com/AlibabaCloudDocs/",),
        "aws": ("https://docs.aws.amazon.com/", "https://github.com/aws/"),
        "azure": ("https://learn.microsoft.com/", "https://github.com/MicrosoftDocs/"),
        "gcp": ("https://docs.cloud.google.com/", "https://github.com/GoogleCloudPlatform/"),
        "ibm": ("https://github.com/ibm-cloud-docs/",),
        "scaleway": ("https://github.com/scaleway/",),
    }
    for row in reference.tables["instances"].itertuples():
        own = row.source_url.startswith(homes.get(row.provider, ("no home",)))
        # A second address is of somebody else's copy, which no document of the provider replaced.
        copied = (not pd.isna(row.notes) and "https://" in row.notes) or "retold" in row.source
        untold = "from knowledge" in row.source
        expected = (
            "unverified" if untold else "read_in_source" if own and not copied else "secondary"
        )
        assert row.verification == expected, row.factor_id
