"""Provenance as a warehouse holds it: by kind of run, and read as a row per run and field."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import methodology, normalize, reference, stages
from ft_emissions_pipeline.normalize import stored_provenance
from ft_emissions_pipeline.normalize.provenance import Piece
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    KIND_PROVENANCE,
    NORMALIZED_RUNS,
    expectations,
)
from ft_emissions_pipeline.tables.frames import in_words
from ft_emissions_pipeline.warehouse import store

ROOT = Path(__file__).resolve().parent.parent.parent
CHOICES = stages.Choices(reference.load(), methodology.profile("default"))
TABLES = (NORMALIZED_RUNS, KIND_PROVENANCE, FIELD_PROVENANCE)
SAME_KIND = [
    {"run_id": run, "model_name": "bot", "gpu_model": "A100", "gpu_count": 4, "reserved_s": hours,
     "gpu_utilization": 0.9, "country_iso3": "FRA", "ended_at": "2026-03-01T00:00:00Z"}
    for run, hours in (("one", 3600), ("two", 7200))
]  # fmt: skip


def made(runs):
    return stages.footprints(runs.reset_index(drop=True), CHOICES)


@pytest.fixture(scope="module", params=["examples/landing", "tests"])
def logged(request):
    """Return runs of many kinds: joined from several logs, disclosed, metered, of odd names."""
    runs, _ = fte.read_runs(ROOT / request.param)
    accepted, _ = normalize.accepted(runs)
    assert accepted["origins"].notna().any()
    return accepted


def warehouse_of(found, folder):
    for table, frame in zip(TABLES, found.stored, strict=True):
        store.write(folder, table, frame)
    return folder


def test_what_is_stored_by_kind_reads_as_a_row_per_run_and_field(logged, tmp_path):
    found = made(logged)
    for table, frame in zip(TABLES, found.stored, strict=True):
        assert expectations.validate(frame, table).passed
    warehouse_of(found, tmp_path)

    read = stored_provenance.stored(tmp_path).table()

    pd.testing.assert_frame_equal(read, found.provenance, check_exact=True)
    few = set(read["run_id"].unique()[:3])
    some = stored_provenance.stored(tmp_path, runs=few, fields=("pue", "gpu_id")).table()
    wanted = read["run_id"].isin(few) & read["field"].isin(["pue", "gpu_id"])
    pd.testing.assert_frame_equal(some, read[wanted].reset_index(drop=True), check_exact=True)
    counted = stored_provenance.counts(tmp_path, ("field", "basis", "rule"))
    whole = read.groupby(["field", "basis", "rule"], as_index=False).size()
    pd.testing.assert_frame_equal(counted, whole.rename(columns={"size": "rows"}))


def test_a_run_is_stored_alike_alone_and_in_company(logged):
    normalized, _, own = made(logged).stored
    keys = normalized.set_index("run_id")["provenance_key"]
    for number in range(len(logged)):
        one, _, own_of_one = made(logged.iloc[[number]]).stored
        for run_id, key in zip(one["run_id"], one["provenance_key"], strict=True):
            assert keys[run_id] == key
            of_run = own[own["run_id"] == run_id].reset_index(drop=True)
            pd.testing.assert_frame_equal(in_words(of_run), in_words(own_of_one))


def test_runs_of_a_kind_share_its_rows_and_keep_their_values(tmp_path):
    runs, _, _ = stages.prepared(SAME_KIND)
    found = made(runs)
    normalized, kinds, own = found.stored

    assert normalized["provenance_key"].nunique() == 1
    assert not kinds.duplicated("field").any()
    assert set(own["field"]) == {"it_energy_kwh"}
    read = stored_provenance.stored(warehouse_of(found, tmp_path)).table()
    reserved = read[read["field"] == "reserved_s"].set_index("run_id")["value"]
    assert reserved.to_dict() == {"one": "3600", "two": "7200"}
    of_logged = read[read["rule"] == "as_logged"].groupby("run_id")["source"].unique()
    assert {run: list(each) for run, each in of_logged.items()} == {
        "one": ["disclosure#1"], "two": ["disclosure#2"]
    }  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [{"gpu_model": "H100"}, {"country_iso3": "DEU"}, {"pue": 1.1}, {"gpu_utilization": None}],
    ids=lambda each: next(iter(each)),
)
def test_what_is_told_of_another_kind_has_another_key(other):
    another = {name: cell for name, cell in {**SAME_KIND[1], **other}.items() if cell is not None}
    runs, _, _ = stages.prepared([SAME_KIND[0], another])
    normalized, _, _ = made(runs).stored
    assert normalized["provenance_key"].nunique() == 2


def test_runs_of_another_value_are_of_another_kind_though_all_else_is_told_alike():
    runs, _, _ = stages.prepared(SAME_KIND)
    found = made(runs)
    each, values = np.arange(2), np.array(["a", "b"], dtype="object")
    piece = Piece("host_class", "by_hand", "default", each, each, values,
                  0.0, 0.0, np.nan, np.nan, "methodology/by_hand")  # fmt: skip
    origins = replace(found.origins, pieces=[*found.origins.pieces, piece])
    normalized = found.normalized.assign(host_class=["a", "b"])

    read = stored_provenance.held(*stored_provenance.parted(normalized, origins)).table()

    told = read[read["rule"] == "by_hand"].set_index("run_id")["value"]
    assert told.to_dict() == dict(zip(normalized["run_id"], ["a", "b"], strict=True))


def test_rows_of_an_older_warehouse_hold_each_field_by_run(tmp_path):
    runs, _, _ = stages.prepared(SAME_KIND)
    found = made(runs)
    store.write(tmp_path, NORMALIZED_RUNS, found.normalized)
    store.write(tmp_path, FIELD_PROVENANCE, found.provenance)

    read = stored_provenance.stored(tmp_path).table()

    pd.testing.assert_frame_equal(read, found.provenance, check_exact=True)
    counted = stored_provenance.counts(tmp_path, ("rule",))
    assert counted["rows"].sum() == len(read)


def test_a_day_without_runs_has_no_provenance(tmp_path):
    assert stored_provenance.stored(tmp_path).table().empty
    assert stored_provenance.counts(tmp_path, ("rule",)).empty


def test_names_that_no_table_knows_make_no_kinds(tmp_path):
    told = [{**SAME_KIND[0], "run_id": each, "base_model": f"/scratch/{each}/checkpoint"}
            for each in ("one", "two", "three")]  # fmt: skip
    runs, _, _ = stages.prepared(told)
    found = made(runs)
    normalized, _, own = found.stored

    assert normalized["provenance_key"].nunique() == 1
    named = in_words(own)[own["field"] == "base_model"].set_index("run_id")["source"]
    assert sorted(named.index) == ["one", "three", "two"]
    assert named["two"].startswith(
        "disclosure#2; base_model '/scratch/two/checkpoint' is not known"
    )
    read = stored_provenance.stored(warehouse_of(found, tmp_path)).table()
    pd.testing.assert_frame_equal(read, found.provenance, check_exact=True)
