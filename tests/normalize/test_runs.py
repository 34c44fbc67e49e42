"""Gaps: every rule fires somewhere, what was disclosed stays, and nothing comes out empty.

Factors named here are rows of `reference_data/`; where a test repeats a number, it says of which row.
"""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import methodology, normalize, tables, token_time
from ft_emissions_pipeline.normalize.filling import IMPUTED
from ft_emissions_pipeline.reference import add_grid, describe, load

HOUR = {"reserved_s": 3600}

# name -> disclosure. Together they must hit every rule; single tests below look at single cases.
CASES = {
    "least": HOUR,
    "gpu by name": {**HOUR, "gpu_model": "A100-SXM4-80GB"},
    "gpu by vague name": {**HOUR, "gpu_model": "A100", "server_model": "DGX A100"},
    "no gpu": {**HOUR, "gpu_count": 0, "location": "Germany"},
    "no gpu, 2022": {**HOUR, "gpu_count": 0, "published_at": "2022-06-30T00:00:00Z"},
    "server alone": {**HOUR, "server_model": "HPE Apollo 6500 Gen10 Plus"},
    "two servers": {**HOUR, "server_model": "HPE Apollo 6500 Gen10 Plus", "server_count": 2},
    "many gpus": {**HOUR, "gpu_model": "H100 SXM", "gpu_count": 20},
    "instance": {**HOUR, "instance_type": "p4d.24xlarge", "cloud_region": "eu-west-1"},
    "part of a server": {**HOUR, "instance_type": "g5.xlarge", "location": "AWS US West (Oregon)"},
    "service": {"managed_service": "AWS Bedrock", "base_model": "Llama 2", "tokens_padded": 48123},
    "service, two servers": {
        "managed_service": "Fireworks AI", "base_model": "Llama 2 7B", "tokens_padded": 48123,
        "server_count": 2,
    },
    "service, part of a server": {
        "managed_service": "AWS Bedrock", "gpu_count": 2, "gpu_model": "A100-SXM4-40GB",
        "tokens_padded": 48123,
    },
    "unknown service": {"managed_service": "Tunesmith", "tokens_padded": 48123},
    "unknown model": {"base_model": "Lama-2-7b", "tokens_padded": 1e9},
    "model by name": {"base_model": "Llama-2-13b", "tokens_unpadded": 1e9, "method": "qlora"},
    "samples": {"base_model": "Llama 2 7B", "samples": 1000, "sequence_length": 512, "epochs": 3},
    "samples alone": {"base_model": "Llama 2 7B", "samples": 1000, "epochs": 1},
    "trainer": {"base_model": "Llama 2 7B", "train_flop": 1e18},
    "steps": {"base_model": "Llama 2 7B", "steps": 100, "micro_batch_size": 4, "gradient_accumulation": 2,
              "world_size": 8, "sequence_length": 512},
    "shuffled lengths": {"base_model": "Llama 2 7B", "token_lengths": {100: 9, 300: 1}, "micro_batch_size": 4},
    "given batches": {"base_model": "Llama 2 7B", "token_lengths": [[100, 300], [100]], "epochs": 3},
    "active": {"active_s": 3000, "gpu_model": "T4"},
    "time and tokens": {**HOUR, "base_model": "Llama 2 7B", "tokens_padded": 1e7, "gpu_count": 1},
    "dates": {"started_at": "2024-03-01T10:00:00Z", "ended_at": "2024-03-01T12:00:00Z"},
    "end": {**HOUR, "ended_at": "2024-03-01T12:00:00Z"},
    "2022": {**HOUR, "published_at": "2022-06-30T00:00:00Z"},
    "2024": {**HOUR, "published_at": "2024-06-30T00:00:00Z"},
    "google": {**HOUR, "cloud_provider": "gcp", "cloud_region": "us-west1",
               "ended_at": "2022-03-01T12:00:00Z"},
    "azure": {**HOUR, "cloud_provider": "azure", "cloud_region": "westeurope",
              "ended_at": "2022-03-01T12:00:00Z"},
    "provider": {**HOUR, "cloud_provider": "aws", "location": "Germany"},
    "state": {**HOUR, "location": "Oregon, USA"},
    "nowhere": {**HOUR, "country_iso3": "ZZZ"},
    "meter": {**HOUR, "meter_energy_kwh": 5, "it_energy_kwh": 7},
    "total": {**HOUR, "it_energy_kwh": 7},
    "gpus measured": {**HOUR, "gpu_energy_kwh": 4},
    "components": {**HOUR, "gpu_energy_kwh": 4, "cpu_energy_kwh": 2, "ram_energy_kwh": 1},
    # Names that nothing stands for.
    "odd gpu": {**HOUR, "gpu_model": "A1000 80GB"},
    "odd gpu in a server": {**HOUR, "gpu_model": "A1000 80GB", "server_model": "DGX-1"},
    "odd gpu at a service": {**HOUR, "gpu_model": "A1000 80GB", "managed_service": "AWS Bedrock"},
    "odd server": {**HOUR, "server_model": "DGX A1000"},
    "odd region": {**HOUR, "cloud_region": "us-west-9"},
    "odd place": {**HOUR, "location": "Netherland"},
    "place like no other": {**HOUR, "location": "Xq"},
    "odd model": {**HOUR, "base_model": "Lama-2-7b", "managed_service": "AWS Bedrock"},
    "odd service": {**HOUR, "managed_service": "Bedrok"},
    "desktop": {**HOUR, "gpu_model": "RTX 4090", "server_model": "under my desk"},
    # Tokens of an unknown model, beside what seems to be a time or leaves no peak.
    "tokens, end": {"tokens_padded": 1e6, "ended_at": "2024-03-01T00:00:00Z"},
    "tokens, start": {"tokens_padded": 1e6, "started_at": "2024-03-01T00:00:00Z"},
    "tokens, no time": {"tokens_padded": 1e6, "started_at": "2024-03-01T00:00:00Z",
                        "ended_at": "2024-03-01T00:00:00Z"},
    "tokens, not active": {"tokens_padded": 1e6, "active_s": 0},
    # gpus.csv knows no 32-bit peak of the one and no 16-bit peak of the other.
    "tokens, fp32": {"tokens_padded": 1e6, "precision": "fp32", "gpu_model": "H100-NVL-94GB"},
    "tokens, fp16": {"tokens_padded": 1e6, "precision": "fp16", "gpu_model": "K80"},
    # One disclosure with the accelerator's id, with another name of it, and without.
    "gpu by id": {"tokens_padded": 1e9, "base_model": "Llama 2 7B", "gpu_model": "A100-SXM4-80GB"},
    "gpu by alias": {"tokens_padded": 1e9, "base_model": "Llama 2 7B",
                     "gpu_model": "NVIDIA A100-SXM4-80GB"},
    "gpu guessed": {"tokens_padded": 1e9, "base_model": "Llama 2 7B"},
    "size disclosed": {"base_model": "Llama 2", "model_parameters": 13e9, "tokens_padded": 1e6},
    "experts": {"base_model": "mixtral-8x7b", "tokens_padded": 1e6},
    "grid of the year": {**HOUR, "country_iso3": "USA", "ended_at": "2024-03-01T00:00:00Z"},
    "grid of another year": {**HOUR, "country_iso3": "USA", "ended_at": "2026-03-01T00:00:00Z"},
}  # fmt: skip


def case_estimate(profile, reference=None):
    disclosures = [{**fields, "run_id": name} for name, fields in CASES.items()]
    return fte.estimate(disclosures, profile=profile, reference=reference)


@pytest.fixture(scope="module")
def default():
    return case_estimate("default")


@pytest.fixture(scope="module")
def origins(default):
    """(run, field) -> row of provenance."""
    return default.provenance.set_index(["run_id", "field"])


@pytest.fixture(scope="module")
def filled(default):
    return default.normalized.set_index("run_id")


@pytest.fixture(scope="module")
def with_country_pue():
    """The package's tables and one row more: as yet no country's mean PUE is among them."""
    package = load()
    rows = package.tables["datacenter"]
    of_germany = rows[rows["metric"] == "pue"].head(1).assign(
        scope="country", key="DEU", year=2020, value=1.4, factor_id="datacenter/country/DEU/pue/2020"
    )  # fmt: skip
    more = {**package.tables, "datacenter": pd.concat([rows, of_germany], ignore_index=True)}
    return replace(package, tables=more)


@pytest.fixture(scope="module")
def with_own_grid(tmp_path_factory):
    """The package's tables and yours over them: hours and a contract for Germany, a factor for Oregon."""
    folder = tmp_path_factory.mktemp("own")
    hours, periods = folder / "hours.csv", folder / "periods.csv"
    hours.write_text("starts_at,gco2e_per_kwh\n2024-03-01T10:00Z,100\n")
    periods.write_text(
        "zone,valid_from,valid_to,gco2e_per_kwh,accounting\n"
        "DEU,2024-01-01,2024-12-31,12,market-based\nUS-OR,2024-01-01,2024-12-31,150,location-based\n"
    )
    for file, zone in ((hours, "DEU"), (periods, None)):
        add_grid(file, folder / "own", zone=zone, source="me", licence="ours")
    return load(own=folder / "own")


def test_no_rule_is_dead(default, with_country_pue, with_own_grid):
    estimates = (
        fte.estimate(
            [{**CASES["dates"], "location": place} for place in ("Germany", "Oregon, USA")],
            reference=with_own_grid,
        ),
        default,
        case_estimate("scope3-2024"),
        fte.estimate({**HOUR, "location": "Germany"}, reference=with_country_pue),
        fte.estimate(
            [
                {**HOUR, "host": "node1", "it_energy_kwh": 7, "meter_energy_kwh": 8},
                {**HOUR, "host": "node1", "it_energy_kwh": 7},
            ],
            calibrate=True,
        ),
    )
    hit = {
        (row.field, row.rule)
        for estimate in estimates
        for row in estimate.provenance.itertuples(index=False)
    }
    never = {(rule.field, rule.name) for rule in normalize.RULES} - hit
    assert not never


def test_a_country_goes_before_the_world(with_country_pue):
    run = fte.estimate({**HOUR, "location": "Germany"}, reference=with_country_pue).normalized
    assert run["pue"].tolist() == [1.4]


def test_rules_are_described_and_named_once():
    names = [(rule.field, rule.name) for rule in normalize.RULES]
    assert len(set(names)) == len(names)
    assert all(len(rule.description.split()) > 1 for rule in normalize.RULES)
    assert {rule.basis for rule in normalize.RULES} <= set(tables.BASES)


def test_every_factor_can_be_looked_up(default):
    ids = {i for text in default.provenance["factor_id"].dropna() for i in str(text).split()}
    rules = {rule.name for rule in normalize.RULES}
    assert len(ids) > 60
    for factor_id in ids:
        table, rest = factor_id.split("/", 1)
        assert (
            (table == "methodology" and rest in rules)
            or factor_id == f"token_time/{token_time.packaged().version}"
            or describe(default.reference, factor_id)
        )


# The fine-tuning page's table of missing data points, row by row: case, field, value, rule.
MISSING_DATA_POINTS = (
    ("2022", "gpu_id", "A100-SXM4-80GB", "gpu_common_in_year"),  # the page's own example
    ("2024", "gpu_id", "H100-SXM5-80GB", "gpu_common_in_year"),  # common_hardware.csv
    ("2022", "server_id", "hpe-apollo-6500-gen10-plus", "server_of_gpu"),
    ("2024", "server_id", "dgx-h100", "server_of_gpu"),
    ("no gpu, 2022", "server_id", "hpe-apollo-6500-gen10-plus", "server_common_in_year"),
    ("least", "server_count", "1", "one_server"),
    ("gpu by name", "server_count", "1", "one_server"),
    ("least", "country_iso3", "USA", "country_default"),
    ("provider", "pue", "1.15", "pue_of_provider"),  # datacenter.csv: aws 2024
    ("no gpu", "pue", "1.56", "pue_of_world"),  # Uptime survey 2024
    ("no gpu", "wue_l_per_kwh", "1.8", "wue_of_world"),
    ("least", "wue_l_per_kwh", "1.8", "wue_of_country"),  # the US average of the training page
    ("unknown model", "reserved_s", None, "time_from_tokens"),
    ("2022", "started_at", "2022-06-29T23:00:00+00:00", "start_from_publication"),
    ("least", "gpu_utilization", "0.6", "utilization_default"),
    ("time and tokens", "gpu_utilization", None, "utilization_from_model"),
    ("least", "cpu_utilization", "0.12", "cpu_utilization_default"),
)


@pytest.mark.parametrize(("case", "field", "value", "rule"), MISSING_DATA_POINTS)
def test_missing_data_point_is_filled_as_the_page_says(origins, case, field, value, rule):
    row = origins.loc[(case, field)]
    assert row["rule"] == rule
    assert row["basis"] in IMPUTED
    if value is None:
        assert float(row["value"]) > 0
    else:
        assert row["value"] == value


def test_predicted_time_is_tokens_by_the_models_rate_plus_start_up(filled, origins):
    """1e9 tokens x the seconds per token that the note states, over 8 accelerators, plus 300 s."""
    rate = float(origins.loc[("unknown model", "active_s"), "source"].split(" s per token")[0])
    active = 1e9 * rate / 8
    assert filled.loc["unknown model", "active_s"] == pytest.approx(active, rel=1e-3)
    start = filled.loc["unknown model", "reserved_s"] - filled.loc["unknown model", "active_s"]
    assert start == pytest.approx(300.0)  # defaults.csv


def test_sequences_of_unknown_length_tell_a_time_with_the_widest_interval(filled, origins):
    """1000 samples x the usual 512 tokens: defaults.csv."""
    assert filled.loc["samples alone", "tokens_padded"] == 1000 * 512
    alone, limited = (origins.loc[(case, "active_s")] for case in ("samples alone", "samples"))
    assert log_sd_of(alone) > 2 * log_sd_of(limited)


def test_samples_count_every_sequence_at_its_limit(filled):
    assert filled.loc["samples", "tokens_padded"] == 1000 * 512 * 3


def test_steps_count_every_sequence_of_every_device_at_its_limit(filled):
    assert filled.loc["steps", "tokens_padded"] == 100 * 4 * 2 * 8 * 512


def test_the_trainers_operations_tell_tokens_by_parameters_without_embeddings(filled):
    """1e18 / (6 x 6.74e9 parameters), of which the usual 0.08 are embeddings: defaults.csv."""
    tokens = 1e18 / (6 * 6.74e9 * (1 - 0.08))
    assert filled.loc["trainer", "tokens_padded"] == pytest.approx(tokens, rel=1e-9)


def tokens_of(**fields):
    run = {"base_model": "Llama 2 7B", **fields}
    rows = fte.estimate(run).provenance.set_index("field")
    return (
        tuple(rows.loc["tokens_padded", ["rule", "value"]])
        if "tokens_padded" in rows.index
        else None
    )


STEPS = {
    "steps": 100.0,
    "micro_batch_size": 4.0,
    "gradient_accumulation": 2.0,
    "sequence_length": 512.0,
}


def test_a_tracked_count_goes_before_every_route():
    rule, value = tokens_of(tokens_padded=5e6, train_flop=1e18, **STEPS, world_size=8.0)
    assert (rule, value) == ("as_logged", "5000000")


def test_devices_are_the_accelerators_that_were_logged_but_no_guess():
    assert tokens_of(**STEPS, gpu_count=2.0) == ("padded_from_steps", str(100 * 4 * 2 * 2 * 512))
    assert tokens_of(**STEPS, reserved_s=3600.0) is None


def test_operations_tell_no_tokens_of_a_model_that_nobody_names():
    rows = fte.estimate({"train_flop": 1e18, "gpu_count": 1}).provenance
    assert "tokens_padded" not in set(rows["field"])


def test_tokens_with_padding_are_no_fewer_than_without():
    rule, value = tokens_of(tokens_unpadded=9e9, train_flop=1e18)
    assert (rule, float(value)) == ("padded_from_flop", 9e9)


def test_a_longer_time_for_the_same_tokens_leaves_the_accelerator_less_busy(filled):
    """1e7 tokens take less than the hour logged, so the accelerator waited for some of it."""
    waiting = filled.loc["time and tokens", "gpu_utilization"]
    assert 0 < waiting < filled.loc["gpu by id", "gpu_utilization"]


def test_utilisation_stands_for_the_power_models_share_of_tdp(filled):
    """idle + utilisation x (TDP - idle) is what the power model says; at most the TDP."""
    run = filled.loc["model by name"]
    power = run["gpu_idle_w"] + run["gpu_utilization"] * (run["gpu_max_w"] - run["gpu_idle_w"])
    assert 0.6 < power / run["gpu_max_w"] <= 1.0


@pytest.mark.parametrize(
    ("case", "gpus", "servers"),
    [
        ("least", 8, 1),
        ("two servers", 16, 2),
        ("many gpus", 20, 3),  # 20 in servers of 8
        ("instance", 8, 1),
        ("part of a server", 1, 1 / 8),  # instances.csv: g5.xlarge
        ("service", 8, 1),
        ("service, part of a server", 2, 2 / 8),
        ("service, two servers", 16, 2),  # the service's profile is of 8 accelerators
        ("no gpu", 0, 1),
    ],
)
def test_counts_fit_the_servers(filled, case, gpus, servers):
    assert filled.loc[case, "gpu_count"] == gpus
    assert filled.loc[case, "server_count"] == pytest.approx(servers, rel=1e-12)


@pytest.mark.parametrize(
    ("case", "start", "end"),
    [
        ("end", "2024-03-01T11:00Z", "2024-03-01T12:00Z"),
        ("dates", "2024-03-01T10:00Z", "2024-03-01T12:00Z"),
        ("2022", "2022-06-29T23:00Z", "2022-06-30T00:00Z"),
    ],
)
def test_start_and_end_lie_a_reservation_apart(filled, case, start, end):
    assert filled.loc[case, "started_at"] == pd.Timestamp(start)
    assert filled.loc[case, "ended_at"] == pd.Timestamp(end)


@pytest.mark.parametrize(
    ("case", "energy", "route", "gsd"),
    [
        ("meter", 5.0, "meter", 1.1),  # gsd_disclosed: a disclosed reading
        ("total", 7.0, "logged_total", 1.1),
        ("components", 7.0, "logged_components", None),
    ],
)
def test_energy_is_taken_from_the_best_record(default, origins, filled, case, energy, route, gsd):
    assert filled.loc[case, "it_energy_kwh"] == energy
    assert filled.loc[case, "energy_route"] == route
    run = default.runs.set_index("run_id").loc[case]
    assert run["it_energy_kwh"] == energy
    log_sd = log_sd_of(origins.loc[(case, "it_energy_kwh")])
    if gsd is None:  # errors of parts add up as squares: 4 and 2 kWh at 1.1, 1 kWh at 1.15
        log_sd_of_sum = (
            np.sqrt((4 * np.log(1.1)) ** 2 + (2 * np.log(1.1)) ** 2 + np.log(1.15) ** 2) / 7
        )
        assert log_sd == pytest.approx(log_sd_of_sum, rel=1e-6)
    else:
        assert log_sd == pytest.approx(np.log(gsd), rel=1e-6)


def test_a_run_without_accelerators_has_neither_power_nor_making_of_any(default, filled):
    run = filled.loc["no gpu"]
    assert run["gpu_id"] == "none"
    for name in ("gpu_max_w", "gpu_idle_w", "gpu_embodied_kgco2e", "gpu_embodied_water_l"):
        assert run[name] == 0
    impacts = default.runs.set_index("run_id").loc["no gpu"]
    assert impacts["total_kgco2e"] > 0
    assert impacts["total_kgco2e_p05"] < impacts["total_kgco2e"] < impacts["total_kgco2e_p95"]


@pytest.mark.parametrize(
    ("case", "field", "note"),
    [
        ("odd gpu", "gpu_id", "gpu_model 'A1000 80GB' .*gpus.csv; nearest: .*A100"),
        ("odd gpu in a server", "gpu_id", "gpu_model 'A1000 80GB' .*nearest: .*A100"),
        ("odd gpu at a service", "gpu_id", "gpu_model 'A1000 80GB' .*nearest: .*A100"),
        ("odd server", "server_id", "server_model 'DGX A1000' .*servers.csv; nearest: .*DGX A100"),
        ("desktop", "server_id", "server_model 'under my desk' .*servers.csv; nearest: "),
        ("odd region", "country_iso3", "cloud_region 'us-west-9' .*nearest: .*us-west-"),
        ("odd place", "country_iso3", "location 'Netherland' .*nearest: .*Netherlands"),
        ("place like no other", "country_iso3", "location 'Xq' .*nearest: none"),
        ("odd model", "model_parameters", "base_model 'Lama-2-7b' .*models.csv; nearest: .*[Ll]lama-2"),
        ("odd service", "gpu_id", "managed_service 'Bedrok' .*nearest: .*[Bb]edrock"),
    ],
)  # fmt: skip
def test_an_unknown_name_falls_back_with_a_note_of_the_nearest(origins, case, field, note):
    row = origins.loc[(case, field)]
    assert row["basis"] == "default"
    assert re.search(note, row["source"]), row["source"]


def test_a_desktop_of_unknown_name_is_no_cluster(filled):
    """A known accelerator in an unknown server: the server that usually holds it, not the year's."""
    assert filled.loc["desktop", "server_id"] == "generic-workstation"


def test_a_gpu_disclosed_by_its_id_is_not_taken_for_a_guess(origins):
    """The id is also what a guess is named after; only a guess may be any accelerator."""
    by_id, by_alias, guessed = (
        origins.loc[(f"gpu {how}", "active_s")] for how in ("by id", "by alias", "guessed")
    )
    assert by_id["value"] == by_alias["value"] == guessed["value"]
    assert by_id["p95"] == by_alias["p95"]
    assert by_id["p95"] < guessed["p95"]


def test_disclosed_parameters_count_and_not_those_of_a_vague_name(filled):
    """6 x 13e9 per token, and attention's part of about a hundredth at the usual 512 tokens."""
    flop = filled.loc["size disclosed", "train_flop"]
    assert 6 * 13e9 * 1e6 < flop < 6 * 13e9 * 1e6 * 1.02


def test_a_mixture_of_experts_computes_with_its_active_parameters(filled):
    """6 x 12.9e9 and attention: 12 x 32 layers x 4096 x the usual 512 tokens; models.csv."""
    per_token = 6 * 12.9e9 + 12 * 32 * 4096 * 512
    assert filled.loc["experts", "train_flop"] == pytest.approx(per_token * 1e6)


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("tokens, ")])
def test_tokens_of_an_unknown_model_tell_the_time_whatever_else_is_known(default, case):
    run = default.runs.set_index("run_id").loc[case]
    assert 0 < run["total_kgco2e_p05"] <= run["total_kgco2e"] <= run["total_kgco2e_p95"]


def log_sd_of(row):
    return np.log(row["p95"] / row["p05"]) / (2 * 1.6448536)


def test_another_year_of_a_country_leaves_more_open_than_the_same(origins):
    """Grid rows of the USA end before 2026: what that adds comes on top of the zone's width."""
    same, another = (
        origins.loc[(f"grid of {year}", "grid_kgco2e_per_kwh")]
        for year in ("the year", "another year")
    )
    assert log_sd_of(same) == pytest.approx(np.log(1.3), rel=1e-6)  # gsd_grid_country_for_region
    both = np.hypot(np.log(1.3), np.log(1.15))  # and gsd_grid_earlier_year
    assert log_sd_of(another) == pytest.approx(both, rel=1e-6)


@pytest.mark.parametrize(
    ("field", "cell", "per_cell"),
    [
        ("grid_kgco2e_per_kwh", "gco2e_per_kwh", 1000),
        ("electricity_water_l_per_kwh", "l_per_kwh", 1),
        ("pue", "value", 1),
        ("gpu_max_w", "tdp_w", 1),
        ("gpu_embodied_water_l", "embodied_water_l", 1),
        ("server_embodied_kgco2e", "embodied_kgco2e", 1),
    ],
)
def test_a_factor_is_the_cell_of_its_row_in_the_unit_of_the_column(
    default, origins, filled, field, cell, per_cell
):
    for case in ("grid of the year", "instance", "google"):
        row = describe(default.reference, origins.loc[(case, field), "factor_id"])
        assert filled.loc[case, field] == pytest.approx(row[cell] / per_cell, rel=1e-12)


GRID_CHAIN = (
    (
        {"cloud_provider": "gcp", "cloud_region": "us-west1"},
        "grid_of_cloud_region",
        "cloud_region/gcp:us-west1/2024",
    ),
    (
        {"cloud_provider": "aws", "cloud_region": "us-west-2"},
        "grid_of_egrid_subregion",
        "egrid_subregion/NWPP/2022",
    ),
    ({"location": "Oregon, USA"}, "grid_of_us_state", "us_state/US-OR/2023"),
    ({"location": "Germany"}, "grid_of_country", "country/DEU/2024"),
    ({"country_iso3": "ZZZ"}, "grid_of_world", "world/WORLD/2024"),
)


@pytest.mark.parametrize(("place", "rule", "factor"), GRID_CHAIN)
def test_grid_falls_back_step_by_step_and_says_which(place, rule, factor):
    found = fte.estimate({**CASES["dates"], **place}).provenance.set_index("field")
    row = found.loc["grid_kgco2e_per_kwh"]
    assert (row["rule"], row["factor_id"]) == (rule, f"grid_intensity/{factor}")
    year = factor[-4:]
    assert (
        pd.isna(row["source"])
        if year == "2024"
        else row["source"] == f"nearest earlier year, {year}"
    )


@pytest.mark.parametrize(("year", "value"), [(2022, 0.41974), (2023, 0.36292), (2024, 0.33638)])
def test_each_year_takes_its_own_factor_though_later_ones_are_known(year, value):
    run = {**HOUR, "country_iso3": "DEU", "ended_at": f"{year}-12-31T23:00:00Z"}
    row = fte.estimate(run).provenance.set_index("field").loc["grid_kgco2e_per_kwh"]
    assert row["factor_id"] == f"grid_intensity/country/DEU/{year}"
    assert float(row["value"]) == pytest.approx(value, abs=0.01)
    assert pd.isna(row["source"])


@pytest.mark.parametrize(
    ("day", "watts"), [("2024-12-31", "70"), ("2025-01-01", "75"), ("2026-07-01", "75")]
)
def test_rules_take_the_row_in_force_on_the_runs_day(day, watts):
    package = load()
    cards = package.tables["gpus"]
    card = cards[cards["gpu_id"] == "T4"]
    old = card.assign(valid_to=pd.Timestamp("2024-12-31"), factor_id="gpus/T4/")
    new = card.assign(valid_from=pd.Timestamp("2025-01-01"), valid_to=pd.Timestamp("2025-12-31"),
                      tdp_w=75.0, factor_id="gpus/T4/2025-01-01")  # fmt: skip
    both = pd.concat([cards.drop(card.index), old, new], ignore_index=True)
    dated = replace(package, tables={**package.tables, "gpus": both})
    run = {**HOUR, "gpu_model": "T4", "ended_at": f"{day}T12:00:00Z"}
    row = fte.estimate(run, reference=dated).provenance.set_index("field").loc["gpu_max_w"]
    assert row["value"] == watts
    assert (
        row["source"] == "nearest earlier period, to 2025-12-31"
        if day > "2026"
        else pd.isna(row["source"])
    )


def test_default_of_the_day_serves_and_predicted_time_follows():
    package = load()
    rows = package.tables["defaults"]
    changed = []
    for name in ("startup_s", "gsd_disclosed"):
        row = rows[rows["parameter"] == name]
        old = row.assign(valid_to=pd.Timestamp("2024-12-31"))
        new = row.assign(
            valid_from=pd.Timestamp("2025-01-01"), factor_id=row["factor_id"] + "/2025"
        )
        low = {"value": row["value"] * 0.9, "p05": row["p05"] * 0.9}
        changed += [old, new.assign(**(low if name != "gsd_disclosed" else {}))]
    kept = rows[~rows["parameter"].isin([row["parameter"].iloc[0] for row in changed])]
    tables_ = {**package.tables, "defaults": pd.concat([kept, *changed], ignore_index=True)}
    runs = [
        {
            "gpu_model": "T4",
            "gpu_count": 1,
            "train_flop": 1e18,
            "ended_at": f"{year}-06-01T00:00:00Z",
        }
        for year in (2024, 2025)
    ]
    found = fte.estimate(runs, reference=replace(package, tables=tables_))
    time = found.provenance[found.provenance["field"] == "reserved_s"].sort_values("run_id")
    startup = found.normalized.sort_values("run_id").eval("reserved_s - active_s")
    assert startup.iloc[1] == pytest.approx(0.9 * startup.iloc[0])
    assert "startup_s/2025" in time["factor_id"].iloc[1]
    assert "startup_s/2025" not in time["factor_id"].iloc[0]


def test_what_other_sources_say_reaches_the_interval():
    """Two figures of equal standing for Oregon: subregion 274.775 (2022), state 165.544 (2023)."""
    run = {**CASES["dates"], "cloud_provider": "aws", "cloud_region": "us-west-2"}
    rows = fte.estimate(run).provenance.set_index("field")
    apart = np.log(274.775 / 165.544) / np.sqrt(2)
    grid = rows.loc["grid_kgco2e_per_kwh"]
    assert grid["p05"] == pytest.approx(0.274775 * np.exp(-1.6448536 * apart))
    package = load()
    water = package.tables["electricity_water"]
    usa = (water["zone"] == "USA") & (water["rank"] == 2)
    far = water.assign(l_per_kwh=water["l_per_kwh"].mask(usa, 31.3))  # ten times the preferred one
    loud = replace(package, tables={**package.tables, "electricity_water": far})
    row = fte.estimate({**HOUR, "country_iso3": "USA"}, reference=loud).provenance
    row = row.set_index("field").loc["electricity_water_l_per_kwh"]
    assert row["p95"] == pytest.approx(3.13 * np.exp(1.6448536 * np.log(10) / np.sqrt(2)), rel=1e-6)
    card = fte.estimate({**HOUR, "gpu_model": "H100 SXM"}).provenance.set_index("field")
    stated = describe(package, "gpu_embodied/H100-SXM5-80GB/vendor_pcf")
    width = np.sqrt(stated["p95"] / stated["p05"])
    assert card.loc["gpu_embodied_kgco2e", "p95"] == pytest.approx(164 * width)


def test_grid_carbon_is_in_kilograms(filled):
    """Ember and Our World in Data print 350 to 400 g/kWh for the USA of these years."""
    assert 0.35 < filled.loc["grid of the year", "grid_kgco2e_per_kwh"] < 0.4


def test_a_guessed_device_may_be_any_and_a_vague_name_any_of_its_variants(default, origins):
    named, vague, guessed = (
        log_sd_of(origins.loc[(case, "gpu_max_w")])
        for case in ("gpu by id", "gpu by vague name", "gpu guessed")
    )
    gpus = default.reference.tables["gpus"].set_index("gpu_id")
    watts = np.log(gpus["tdp_w"])
    of_a100 = watts[watts.index.str.startswith("A100-")]
    part = np.log(1.15)  # gsd_hardware_power
    assert named == pytest.approx(part, rel=1e-6)
    assert vague == pytest.approx(np.hypot(part, of_a100.std()), rel=1e-6)
    assert guessed == pytest.approx(np.hypot(part, watts.std()), rel=1e-6)
    assert guessed > vague > named


def test_the_world_is_the_widest_place(origins):
    row = origins.loc[("nowhere", "grid_kgco2e_per_kwh")]
    assert row["rule"] == "grid_of_world"
    assert log_sd_of(row) >= np.log(1.6) - 1e-9  # gsd_grid_world


def test_a_start_up_of_a_managed_service_names_the_services_row(origins):
    assert "managed_services/aws-bedrock" in origins.loc[("service", "reserved_s"), "factor_id"]
    assert "defaults/startup_s" not in origins.loc[("service", "reserved_s"), "factor_id"]
    assert "defaults/startup_s" in origins.loc[("unknown model", "reserved_s"), "factor_id"]


FULL = {
    "model_name": "support-bot", "parent_version": "7", "base_model": "Llama 2 7B",
    "method": "lora", "started_at": "2024-07-06T17:00:00Z", "ended_at": "2024-07-07T05:00:00Z",
    "reserved_s": 43200.0, "active_s": 40000.0, "development_multiplier": 1.5,
    "gpu_model": "A100 80GB", "gpu_count": 4.0, "server_model": "HPE Apollo 6500 Gen10 Plus",
    "server_count": 1.0, "cloud_provider": "aws", "cloud_region": "us-west-2",
    "country_iso3": "USA", "pue": 1.2, "wue_l_per_kwh": 0.5, "grid_kgco2e_per_kwh": 0.3,
    "electricity_water_l_per_kwh": 3.0, "gpu_utilization": 0.47, "cpu_utilization": 0.12,
    "tokens_padded": 2e9, "tokens_unpadded": 1.5e9, "epochs": 3.0, "samples": 1e5,
    "sequence_length": 2048.0, "precision": "bf16", "model_parameters": 6.74e9,
    "train_flop": 8e19, "it_energy_kwh": 25.0, "expected_use_life_days": 7.0,
    "expected_inferences_per_day": 1000.0,
}  # fmt: skip
TIMES = ("reserved_s", "active_s", "tokens_padded", "tokens_unpadded", "train_flop")


@st.composite
def subsets(draw):
    """A full disclosure without some of its fields; one that tells the time always stays."""
    lost = draw(st.sets(st.sampled_from(sorted(FULL)), max_size=len(FULL)))
    kept = draw(st.sampled_from(TIMES))
    return {name: value for name, value in FULL.items() if name not in lost - {kept}}


def text_of(value):
    return f"{value:.12g}" if isinstance(value, float) else str(value)


@settings(max_examples=6)
@given(st.lists(subsets(), min_size=25, max_size=25))
def test_whatever_is_missing_is_filled_and_whatever_is_disclosed_stays(disclosures):
    runs = [{**fields, "run_id": f"run-{n:02}"} for n, fields in enumerate(disclosures)]
    estimate = fte.estimate(runs)
    rows = estimate.provenance.set_index(["run_id", "field"])
    normalized = estimate.normalized.set_index("run_id")

    for run in runs:  # invariant 5, first half
        for name, value in run.items():
            if name == "run_id":
                continue
            row = rows.loc[(run["run_id"], name)]
            assert (row["basis"], row["rule"]) == ("disclosed", "as_logged")
            if name in ("started_at", "ended_at"):
                assert normalized.loc[run["run_id"], name] == pd.Timestamp(value)
            else:
                assert row["value"] == text_of(value)
                assert normalized.loc[run["run_id"], name] == value

    defaults = rows[rows["basis"] == "default"]  # invariant 5, second half
    assert defaults[["rule", "factor_id"]].notna().all(axis=None)
    needed = [*tables.NEEDED, *(c.name for c in tables.NORMALIZED_RUNS.columns if c.required)]
    assert normalized.reset_index()[needed].notna().all(axis=None)

    impacts = estimate.runs  # invariant 2
    for total, parts in (
        ("total_kgco2e", ["operational_kgco2e", "embodied_kgco2e"]),
        ("total_water_l", ["onsite_water_l", "electricity_water_l", "embodied_water_l"]),
    ):
        assert (impacts[parts] >= 0).all(axis=None)
        assert impacts[total].to_numpy() == pytest.approx(impacts[parts].sum(axis=1), rel=1e-12)
        assert impacts[total].between(impacts[f"{total}_p05"], impacts[f"{total}_p95"]).all()
    numbers = rows.dropna(subset=["p05"])
    of_value = numbers["value"].astype(float)
    rounding = 1e-9 * of_value.abs()  # provenance holds values as text of 12 digits
    assert of_value.between(numbers["p05"] - rounding, numbers["p95"] + rounding).all()


@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_runs_does_not_matter(default, seed):
    """Invariant 7, for runs; what joins files to runs has its own tests."""
    names = np.random.default_rng(seed).permutation(list(CASES))
    shuffled = fte.estimate([{**CASES[name], "run_id": name} for name in names])
    pd.testing.assert_frame_equal(shuffled.runs, default.runs, check_exact=True)
    keys, place = ["run_id", "field"], ["source"]  # as logged: the number of the disclosure
    pd.testing.assert_frame_equal(
        shuffled.provenance.sort_values(keys, ignore_index=True).drop(columns=place),
        default.provenance.sort_values(keys, ignore_index=True).drop(columns=place),
        check_exact=True,
    )


def test_a_run_alone_comes_out_as_among_others(default):
    """No rule looks at other runs."""
    alone = fte.estimate({**CASES["service"], "run_id": "service"})
    among = default.runs[default.runs["run_id"] == "service"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.runs, among, check_exact=True)


def test_no_runs_give_empty_tables():
    runs = tables.empty(tables.RUNS)
    model = token_time.parameters(load(), pd.DatetimeIndex([]))
    normalized, provenance = normalize.normalize(
        runs, load(), methodology.profile("default"), model
    )
    assert normalized.empty
    assert provenance.empty
