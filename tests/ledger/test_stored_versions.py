"""Versions in the warehouse are made anew from the first day that moved."""

from pathlib import Path

import pandas as pd
import pytest
from ledger_rows import FIRST, counts, impacts, told

from ft_emissions_pipeline import ledger
from ft_emissions_pipeline.ledger import stored_versions
from ft_emissions_pipeline.tables import MODEL_EVENTS, MODEL_VERSIONS, RUN_IMPACTS, USAGE
from ft_emissions_pipeline.warehouse import store, unmoved

LAST = FIRST + pd.Timedelta(days=3)


def day(number: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a day's run and counts."""
    on = FIRST + pd.Timedelta(days=number)
    run = impacts({"run_id": f"run-{number}", "ended_at": on + pd.Timedelta(hours=12)})
    run = run.assign(operational_direct_kgco2e=0.0, electricity_water_without_reservoirs_l=0.0)
    return run, counts((f"{on:%Y-%m-%d}", 100.0))


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    runs, usage = (pd.concat(each) for each in zip(*map(day, range(3)), strict=True))
    versions = ledger.model_versions(runs, usage, LAST - pd.Timedelta(days=1))
    for table, rows in (
        (RUN_IMPACTS, runs), (USAGE, usage), (MODEL_EVENTS, told()), (MODEL_VERSIONS, versions),
    ):  # fmt: skip
        store.write(tmp_path, table, rows)
    unmoved.note(tmp_path, MODEL_VERSIONS, stored_versions.rests_on(tmp_path))
    return tmp_path


def moved(warehouse: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    before, runs, usage, events = (
        store.read(warehouse, table) for table in (MODEL_VERSIONS, RUN_IMPACTS, USAGE, MODEL_EVENTS)
    )
    return stored_versions.moved(warehouse, before, runs, usage, LAST, events)


def land(warehouse: Path, number: int, *, runs: pd.DataFrame, usage: pd.DataFrame) -> None:
    on = (FIRST + pd.Timedelta(days=number)).date()
    store.write(warehouse, RUN_IMPACTS, runs, (on, on))
    store.write(warehouse, USAGE, usage, (on, on))


def test_a_further_day_makes_no_table_of_all_versions(warehouse, monkeypatch):
    runs, usage = day(3)
    land(warehouse, 3, runs=runs, usage=usage)
    monkeypatch.delattr(stored_versions, "model_versions")
    old, new = moved(warehouse)
    assert list(old["model_version"]) == ["run-2"]
    assert sorted(new["model_version"]) == ["run-2", "run-3"]


def test_a_day_of_the_past_moves_what_rests_on_it(warehouse):
    runs, usage = day(1)
    land(warehouse, 1, runs=runs, usage=usage.assign(inferences=60.0))
    _, new = moved(warehouse)
    # The first day's count is run-0's alone; of the others each has the half that it served.
    found = new.set_index("model_version")["inferences"]
    assert found["run-0"] == pytest.approx(100.0 + 30.0)
    assert found["run-1"] == pytest.approx(30.0 + 50.0)


def test_an_event_may_move_any_version(warehouse, monkeypatch):
    store.write(warehouse, MODEL_EVENTS, told({"event": "declared", "team": "search"}))
    monkeypatch.delattr(stored_versions, "moved_versions")
    _, new = moved(warehouse)
    assert list(new["team"]) == ["search"] * 3
