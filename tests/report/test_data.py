"""What the report reads of a warehouse, and when its page is written anew."""

import pandas as pd
import pytest
import warehouses
from fleet import FULL, MOVED, OWN, REFUSED, Page

from ft_emissions_pipeline import report
from ft_emissions_pipeline.report import ReportData
from ft_emissions_pipeline.report.data import SHOWN
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    PIPELINE_FOOTPRINT,
    QUARANTINE,
    RESTATEMENTS,
    VALIDATED_RUNS,
)
from ft_emissions_pipeline.warehouse import store


def test_written_page_shows_the_stored_tables(warehouse):
    path = report.write(warehouse)
    found = Page(path.read_text("utf-8"))
    assert path == warehouse / "report" / "index.html"
    assert path.read_text("utf-8").startswith(
        "<!doctype html>\n<!-- ft_emissions_pipeline report of "
    )
    assert found.row("router 2026-01-06", 9)[2] == "1.50 0.750 to 3.00"
    assert found.row("pue", 7)[:6] == ["pue", "0", "0", "0", "0", "2"]
    assert "2 files landed with 6 records; 2 of them repeat another record" in found.text
    assert "run_impacts 1" in found.text
    assert [each.name for each in path.parent.iterdir()] == ["index.html"]


def test_unchanged_data_leave_the_page(warehouse):
    path = report.write(warehouse)
    path.write_text(path.read_text("utf-8") + "kept", "utf-8")

    store.append(warehouse, PIPELINE_FOOTPRINT, OWN.assign(pipeline_run_id=["p3", "p4"]))
    report.write(warehouse)

    assert path.read_text("utf-8").endswith("kept")


@pytest.mark.parametrize("table", [QUARANTINE, RESTATEMENTS], ids=lambda table: table.name)
def test_changed_data_make_a_new_page(warehouse, table):
    path = report.write(warehouse)
    before = path.read_bytes()

    store.write(
        warehouse, table, {"quarantine": REFUSED, "restatements": MOVED}[table.name].head(1)
    )
    report.write(warehouse)

    assert path.read_bytes() != before


def test_same_data_make_the_same_page(html):
    assert report.render(FULL) == html


def test_a_warehouse_without_tables_makes_a_page(tmp_path):
    assert "No run has been accepted yet" in report.write(tmp_path).read_text("utf-8")


def test_an_object_store_puts_the_page_under_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    warehouse = (tmp_path / "tables").as_uri()
    store.write(warehouse, QUARANTINE, REFUSED)

    path = report.write(warehouse)

    assert path == tmp_path / "report" / "index.html"
    assert "out_of_range" in path.read_text("utf-8")


def test_provenance_is_counted_as_it_reads_restated_rows_among_it(warehouse):
    stored = store.read(warehouse, FIELD_PROVENANCE)
    told = stored[stored["run_id"] == stored["run_id"].iloc[0]].assign(basis="disclosed")
    for restated in (None, told):
        if restated is not None:
            days, ids = pd.DatetimeIndex(restated["date"]), set(restated["run_id"])
            store.lay_over(warehouse, FIELD_PROVENANCE, restated, days, "run_id", ids)
        counted = report.read(warehouse).basis_counts
        read = store.read(warehouse, FIELD_PROVENANCE)
        whole = read.groupby(["field", "basis", "rule"], as_index=False).size()
        pd.testing.assert_frame_equal(counted, whole.rename(columns={"size": "runs"}))
    assert counted["runs"].sum() == len(stored)
    assert "disclosed" in set(counted["basis"])
    first = store.counts(warehouse, FIELD_PROVENANCE, ["basis"], version=0)
    assert first["rows"].sum() == 0


def test_every_table_shown_counts_for_the_digest():
    assert {table.name for table in SHOWN} >= set(ReportData.__dataclass_fields__) & {
        "run_impacts", "model_versions", "inference_impacts", "quarantine", "restatements",
    }  # fmt: skip


def test_advice_leaves_out_a_run_of_which_a_table_is_not_there_yet(tmp_path):
    made = warehouses.everything(warehouses.nights(3), warehouses.some_usage(), warehouses.chosen())
    warehouses.write(tmp_path, made)
    whole = report.read(tmp_path).advice
    assert len(whole) == 3
    assert whole["carbon_narrowed"].gt(0).all()
    runs = made[VALIDATED_RUNS]
    store.write(tmp_path, VALIDATED_RUNS, runs[runs["run_id"] != "night-001"])
    assert report.read(tmp_path).advice["run_id"].tolist() == ["night-000", "night-002"]
