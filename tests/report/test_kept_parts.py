"""A page made of kept parts is the page made afresh, whatever moved in between."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
import warehouses

from ft_emissions_pipeline import report, restatement
from ft_emissions_pipeline.analysis import advice, study
from ft_emissions_pipeline.ledger import stored_rollups
from ft_emissions_pipeline.report import data
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    INFERENCE_IMPACTS,
    RUN_SPREADS,
    TOKEN_TIME_MODEL,
)
from ft_emissions_pipeline.warehouse import kept, store
from ft_emissions_pipeline.warehouse.lock import locked

CHOICES = warehouses.chosen()
EDITED = warehouses.scaled(CHOICES.reference, warehouses.GRID)
PARTS = {"details", "fleet", "scatter", "study"}


def made(nights=3, choices=CHOICES):
    """Make the tables of nights of one model, and of a run whose time is predicted."""
    predicted = warehouses.many_kinds().query("run_id == 'disclosures/intent_classifier-1'")
    runs = pd.concat([warehouses.nights(nights), predicted], ignore_index=True)
    return warehouses.everything(runs, warehouses.some_usage(), choices)


def page(warehouse):
    return report.render(report.read(warehouse))


@pytest.fixture(scope="module", autouse=True)
def few_detailed():
    """Tell of one run and of each model's latest alone, as pages of many runs do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "RUNS_DETAILED", 1)
        yield


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Make a warehouse of which the parts of the page are kept; return it and the page."""
    folder = tmp_path_factory.mktemp("first")
    with locked(folder, "a test"):
        warehouses.write(folder, made())
        html = page(folder)
    assert {each.stem for each in (folder / kept.FOLDER).iterdir()} == PARTS
    return folder, html


@pytest.fixture
def warehouse(first, tmp_path):
    """A copy of it, held as a run of the DAG holds it."""
    folder = shutil.copytree(first[0], tmp_path / "warehouse")
    with locked(folder, "a test"):
        yield folder


def a_new_run(warehouse, _):
    warehouses.write(warehouse, made(4))


def a_further_day(warehouse, _, serving="night-002"):
    days = store.read(warehouse, INFERENCE_IMPACTS)
    more = days[days["model_version"] == serving].tail(1)
    more = more.assign(date=warehouses.LAST + warehouses.DAY, inferences=5.0)
    store.write(warehouse, INFERENCE_IMPACTS, pd.concat([days, more]))


def an_older_version_that_serves_again(warehouse, _):
    a_further_day(warehouse, _, "night-000")


def a_profile(warehouse, _):
    warehouses.write(warehouse, made(choices=warehouses.chosen(profile="scope3-2024")))


def a_factor(_, monkeypatch):
    monkeypatch.setattr(data, "in_force", lambda *_, **__: EDITED)


def a_restatement(warehouse, monkeypatch):
    a_factor(warehouse, monkeypatch)
    assert restatement.apply(warehouse, warehouses.chosen(EDITED)).runs


def a_token_time_model(warehouse, _):
    model = store.read(warehouse, TOKEN_TIME_MODEL)
    numbers = model.select_dtypes("float").columns
    store.write(warehouse, TOKEN_TIME_MODEL, model.assign(**(model[numbers] * 1.5)))


def wider_spreads(warehouse, _):
    spreads = store.read(warehouse, RUN_SPREADS)
    column = "total_kgco2e_log_sd"
    store.write(warehouse, RUN_SPREADS, spreads.assign(**{column: spreads[column] * 1.5}))


def a_table_begun_anew(warehouse, _):
    before = store.version(warehouse, FIELD_PROVENANCE)
    rows = store.read(warehouse, FIELD_PROVENANCE)
    shutil.rmtree(warehouse / FIELD_PROVENANCE.name)
    store.write(warehouse, FIELD_PROVENANCE, rows.assign(basis="default"))
    assert store.version(warehouse, FIELD_PROVENANCE) == before


def another_release(_, monkeypatch):
    monkeypatch.setattr(kept, "sources", lambda: "of another release")
    monkeypatch.setattr(advice, "best", lambda advised: advised.tail(1))
    monkeypatch.setattr(study, "MINIMUM_RUNS", 3)


@pytest.mark.parametrize(
    "moved",
    [
        a_new_run, a_further_day, an_older_version_that_serves_again, a_profile, a_factor,
        a_restatement, a_token_time_model, wider_spreads, a_table_begun_anew, another_release,
    ],
)  # fmt: skip
def test_what_moved_shows_as_on_a_page_made_afresh(first, warehouse, monkeypatch, moved):
    moved(warehouse, monkeypatch)
    found = page(warehouse)
    shutil.rmtree(warehouse / kept.FOLDER)
    assert found == page(warehouse)
    assert found != first[1]


def test_of_tables_that_stand_no_part_is_made_again(first, warehouse, monkeypatch):
    a_further_day(warehouse, None)

    def refuse(*_, **__):
        raise AssertionError

    for module, name in ((advice, "of_footprints"), (study, "studied"), (data, "explain"),
                         (data, "sum_of_runs"), (stored_rollups, "scatter")):  # fmt: skip
        monkeypatch.setattr(module, name, refuse)
    assert page(warehouse) != first[1]
