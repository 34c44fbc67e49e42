"""Many nights of commits: few files, a short log, and every row and reported past kept."""

from __future__ import annotations

import multiprocessing.synchronize
import os
from pathlib import Path

import pandas as pd
import pytest
from kills import killed_over_and_over

from ft_emissions_pipeline import tables
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, PIPELINE_FOOTPRINT, USAGE, Table
from ft_emissions_pipeline.warehouse import health, store, upkeep
from ft_emissions_pipeline.warehouse.upkeep import KEEP_DAYS, KEEP_REPORTED_DAYS

DAY = pd.Timestamp("2026-01-05")
DUE = 4


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a table be due after few commits, and what was replaced go at once."""
    monkeypatch.setattr(upkeep, "DUE_AFTER", DUE)
    monkeypatch.setenv(KEEP_DAYS, "0")
    monkeypatch.delenv(KEEP_REPORTED_DAYS, raising=False)


def usage(inferences: float) -> pd.DataFrame:
    frame = pd.DataFrame({"date": [DAY], "model_name": "m", "inferences": inferences})
    return tables.conform(
        frame.assign(source_format="usage", source_uri="u", source_record="1"), USAGE
    )


def impacts(inferences: float) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"date": [DAY], "model_name": "m", "model_version": "v", "inferences": inferences,
         "inferences_basis": "actual", "allocated_kgco2e": 1.0, "allocated_water_l": 1.0,
         "status": "final", "methodology": "default", "reference_version": "a"}
    )  # fmt: skip
    return tables.conform(frame, INFERENCE_IMPACTS)


def footprint(number: int) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"pipeline_run_id": [f"run-{number:03d}"], "started_at": "2026-01-05T01:00:00Z",
         "duration_s": 1.0, "energy_kwh": 1.0, "carbon_kgco2e": 1.0, "country_iso3": "USA"}
    )  # fmt: skip
    return tables.conform(frame, PIPELINE_FOOTPRINT)


def data(warehouse: Path, table: Table) -> int:
    return len(list((warehouse / table.name).rglob("*.parquet"))) - len(
        list((warehouse / table.name / "_delta_log").glob("*.parquet"))
    )


def commits(warehouse: Path, table: Table) -> int:
    return len(list((warehouse / table.name / "_delta_log").glob("*.json")))


def test_nights_of_commits_leave_few_files_and_a_short_log(tmp_path):
    seen = []
    for night in range(40):
        store.write(tmp_path, USAGE, usage(float(night)), (DAY.date(), DAY.date()))
        store.append(tmp_path, PIPELINE_FOOTPRINT, footprint(night))
        upkeep.upkeep(tmp_path)
        assert store.read(tmp_path, USAGE)["inferences"].tolist() == [float(night)]
        seen += [
            (table.name, data(tmp_path, table), commits(tmp_path, table))
            for table in (USAGE, PIPELINE_FOOTPRINT)
        ]
    assert max(files for _, files, _ in seen) <= 2 * DUE
    assert max(log for *_, log in seen) <= 3 * DUE
    told = store.read(tmp_path, PIPELINE_FOOTPRINT)["pipeline_run_id"].tolist()
    assert told == [f"run-{night:03d}" for night in range(40)]
    assert health.damages(tmp_path) == []


def keep_up(warehouse: Path, ready: multiprocessing.synchronize.Event) -> None:
    upkeep.DUE_AFTER = DUE
    os.environ[KEEP_DAYS] = "0"
    ready.set()
    upkeep.upkeep(warehouse)


@pytest.mark.slow
def test_kill_9_at_random_moments_of_the_upkeep_over_and_over(tmp_path):
    start = tmp_path / "start"
    for night in range(20):
        store.write(start, USAGE, usage(float(night)), (DAY.date(), DAY.date()))
        store.append(start, PIPELINE_FOOTPRINT, footprint(night))

    def assert_whole(warehouse: Path) -> None:
        assert store.read(warehouse, USAGE)["inferences"].tolist() == [19.0]
        assert len(store.read(warehouse, PIPELINE_FOOTPRINT)) == 20
        assert health.damages(warehouse) == []

    def assert_same(warehouse: Path, undisturbed: Path) -> None:
        assert_whole(warehouse)
        for table in (USAGE, PIPELINE_FOOTPRINT):
            files = [store.opened(each, table).file_uris() for each in (warehouse, undisturbed)]
            assert [len(each) for each in files] == [1, 1]

    killed_over_and_over(keep_up, start, tmp_path, assert_whole, assert_same)


def test_what_was_reported_stays_readable_for_good(tmp_path):
    versions = {}
    for night in range(1, 3 * DUE):
        versions[night] = store.write(tmp_path, INFERENCE_IMPACTS, impacts(float(night))).version
        upkeep.upkeep(tmp_path)
    for night, version in versions.items():
        rows = store.read(tmp_path, INFERENCE_IMPACTS, version=version)
        assert rows["inferences"].tolist() == [float(night)]


def test_what_was_reported_goes_after_the_days_that_are_set(tmp_path, monkeypatch):
    monkeypatch.setenv(KEEP_REPORTED_DAYS, "0")
    for night in range(1, 3 * DUE):
        store.write(tmp_path, INFERENCE_IMPACTS, impacts(float(night)))
        upkeep.upkeep(tmp_path)
    with pytest.raises(store.HistoryGone, match="version 1 of table inference_impacts"):
        store.read(tmp_path, INFERENCE_IMPACTS, version=1)
    assert store.read(tmp_path, INFERENCE_IMPACTS)["inferences"].tolist() == [3.0 * DUE - 1]


def test_by_default_replaced_files_stay_for_a_week(tmp_path, monkeypatch):
    monkeypatch.delenv(KEEP_DAYS)
    for night in range(2 * DUE):
        store.write(tmp_path, USAGE, usage(float(night)))
        assert sum(each.deleted for each in upkeep.upkeep(tmp_path)) == 0
    assert store.read(tmp_path, USAGE, version=1)["inferences"].tolist() == [0.0]
    kept = store.opened(tmp_path, USAGE).metadata().configuration
    assert kept["delta.deletedFileRetentionDuration"] == "interval 168 hours"


def test_a_table_is_left_alone_until_it_is_due(tmp_path):
    for night in range(DUE - 1):
        store.append(tmp_path, PIPELINE_FOOTPRINT, footprint(night))
    before = store.version(tmp_path, PIPELINE_FOOTPRINT)
    (done,) = upkeep.upkeep(tmp_path)
    assert (done.table, done.joined) == (PIPELINE_FOOTPRINT, DUE - 1)
    assert store.version(tmp_path, PIPELINE_FOOTPRINT) > before
    assert upkeep.upkeep(tmp_path) == []


@pytest.mark.parametrize("given", ["week", "-1", "nan", "inf"])
@pytest.mark.parametrize("name", [KEEP_DAYS, KEEP_REPORTED_DAYS])
def test_a_setting_that_is_no_number_of_days_is_refused(tmp_path, monkeypatch, name, given):
    monkeypatch.setenv(name, given)
    with pytest.raises(ValueError, match=f"{name} is '{given}'; set it to a number of days"):
        upkeep.upkeep(tmp_path)
