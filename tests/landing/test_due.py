"""A run knows what it has to do, however the one before it ended, and is quick to know nothing."""

from pathlib import Path

import pandas as pd
import pytest
import warehouses
from deltalake import DeltaTable
from teams import ROOT

from ft_emissions_pipeline.landing import due, index
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.reference import load
from ft_emissions_pipeline.tables import EVERYTHING, INTAKE, LANDING_INDEX, RUN_FACTORS, empty
from ft_emissions_pipeline.warehouse import pending, store

UNDATED = "Model: m\nGPU: A100 x 4\nCountry: France\nBase model: Llama 2 7B\nDuration: 2 h\n"


def anything(folder: Path) -> bool:
    return due.anything(folder / "landing", folder / "warehouse", "UTC", None)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    (tmp_path / "landing").mkdir()
    return tmp_path / "landing"


def test_what_a_killed_run_had_only_indexed_stays_due_until_it_is_done(landing: Path) -> None:
    (landing / "broken.json").write_text("{")
    folder, warehouse = landing.parent, landing.parent / "warehouse"
    assert [anything(folder), anything(folder)] == [True, True]
    (day,) = due.days(warehouse, INTAKE)
    pending.settle(warehouse, INTAKE, day, day)
    assert not anything(folder)
    (landing / "card.yaml").write_text(UNDATED)
    assert [anything(folder), anything(folder)] == [True, True]
    assert len(due.days(warehouse, EVERYTHING)) == 1


def test_restated_rows_are_settled_by_a_run_that_has_nothing_to_do(landing: Path) -> None:
    (landing / "broken.json").write_text("{")
    folder, warehouse = landing.parent, landing.parent / "warehouse"
    assert anything(folder)
    (day,) = due.days(warehouse, INTAKE)
    pending.settle(warehouse, INTAKE, day, day)
    rows = pd.DataFrame({"run_id": ["a"], "date": [day], "model_name": "m", "factors_key": "old",
                         "methodology": "default", "reference_version": "x"})  # fmt: skip
    store.write(warehouse, RUN_FACTORS, rows)
    store.lay_over(
        warehouse,
        RUN_FACTORS,
        rows.assign(factors_key="new"),
        pd.DatetimeIndex(rows["date"]),
        "run_id",
        {"a"},
    )
    assert not anything(folder)
    in_files = DeltaTable(warehouse / RUN_FACTORS.name).to_pyarrow_table()["factors_key"]
    assert in_files.to_pylist() == ["new"]


def test_a_run_dated_by_its_base_model_moves_with_the_factor_tables(landing: Path) -> None:
    (landing / "card.yaml").write_text(UNDATED)
    factors = load()
    before = index.scan(landing, factors, Settings(), empty(LANDING_INDEX))
    assert index.scan(landing, factors, Settings(), before) is before
    models = factors.tables["models"].copy()
    named = models["factor_id"].str.contains("llama-2-7b")
    assert f"{before['date'].iloc[0]:%Y-%m-%d}" in set(models.loc[named, "release_date"])
    models.loc[named, "release_date"] = "2023-08-01"
    moved = warehouses.edited(factors, "models", models, models.loc[named, "factor_id"].iloc[0])
    after = index.scan(landing, moved, Settings(), before)
    assert list(after["date"]) == [pd.Timestamp("2023-08-01")]


def test_a_run_that_is_refused_leaves_no_folder_of_factors_remembered(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    with pytest.raises(ValueError, match="holds no logs"):
        due.check(tmp_path / "landing", tmp_path / "warehouse", ROOT / "reference_data")
    assert not (tmp_path / "warehouse").exists()
