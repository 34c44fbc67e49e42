"""Rows by key, year and day; what is unknown stays unknown."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ft_emissions_pipeline import reference as reference_tables
from ft_emissions_pipeline.reference import (
    Reference,
    at_year,
    describe,
    managed_service,
    period_note,
    take,
)

# ---- look-ups ------------------------------------------------------------------------------


def names(*values: str | float | None) -> pd.Series:
    return pd.Series(values, dtype="str")


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


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
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


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
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
     "hardware_use_life_h", "share_reserved", "expected_use_life_days",
     "tokens_padded_per_unpadded",
     "embedding_share", "memory_w_per_gb", "undated_run_year", "scope3_gpu_power_w",
     "checkpointing_share", "micro_batch_size", "share_32bit_below_1b", "share_8bit",
     "sequence_length", "gsd_meter", "gsd_measured", "gsd_software_measured", "gsd_disclosed",
     "gsd_energy_plugin_unknown", "gsd_power_model", "gsd_grid_same_year", "gsd_grid_earlier_year",
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
