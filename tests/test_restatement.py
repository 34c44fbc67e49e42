"""A changed factor touches exactly what rests on it, whatever was edited and whenever it was killed."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import warehouses
from ft_emissions_pipeline import factors_used, reference, restatement, store, tables
from ft_emissions_pipeline.tables import (
    FACTOR_ROWS,
    FACTORS_USED,
    FIELD_PROVENANCE,
    INFERENCE_IMPACTS,
    MODEL_VERSIONS,
    NORMALIZED_RUNS,
    RESTATEMENTS,
    RUN_FACTORS,
    RUN_IMPACTS,
    Table,
)

COMPUTED = (NORMALIZED_RUNS, FIELD_PROVENANCE, RUN_IMPACTS, MODEL_VERSIONS, INFERENCE_IMPACTS)
BY_DAY = tuple(table for table in COMPUTED if table.partition)
RUNS, USAGE, FACTORS = warehouses.many_kinds(), warehouses.some_usage(), reference.load()
BEFORE = warehouses.everything(RUNS, USAGE, warehouses.chosen(FACTORS))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return warehouses.write(tmp_path_factory.mktemp("stored"), BEFORE)


@pytest.fixture
def warehouse(stored: Path, tmp_path: Path) -> Path:
    return shutil.copytree(stored, tmp_path / "warehouse")


def results(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Return rows without the version with which they were last computed."""
    ordered = tables.from_arrow(tables.to_arrow(frame, table), table)
    return ordered.drop(columns=["reference_version"], errors="ignore")


def moved_keys(old: pd.DataFrame, new: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Return the keys of rows that differ, found by brute force."""
    sides = pd.concat(
        [results(old, table).assign(side=0), results(new, table).assign(side=1)], ignore_index=True
    )
    # Ten digits: what is computed among other runs may differ in the sixteenth.
    digits = {c: sides[c].map("{:.10e}".format) for c in sides.select_dtypes("float")}
    alone = ~sides.assign(**digits).drop(columns="side").duplicated(keep=False)
    return sides.loc[alone]


def differing_days(old: dict[Table, pd.DataFrame], new: dict[Table, pd.DataFrame]) -> set:
    return {day for t in BY_DAY for day in moved_keys(old[t], new[t], t)["date"]}


# What is touched


def edits() -> st.SearchStrategy:
    """Draw an edit of the reference tables: a value scaled, a row gone, a row that now comes first."""
    used = BEFORE[FACTORS_USED]["factor_id"]
    scalable = sorted(
        each
        for each in set(used)
        if each.split("/")[0] not in {"aliases", "instances", "cloud_regions", "common_hardware"}
        and not each.startswith("defaults/undated")
    )
    unused = [
        frame["factor_id"].iloc[0]
        for name, frame in FACTORS.tables.items()
        if name in {"gpus", "servers", "grid_intensity", "electricity_water", "datacenter"}
    ]
    removable = sorted(
        each
        for each in set(used)
        if each.split("/")[0] in {"grid_intensity", "electricity_water", "datacenter", "aliases"}
        and "/world/" not in each
    )
    added = ["grid of the year", "grid of the region", "water of first rank", "alias"]
    return st.one_of(
        st.tuples(st.just("scale"), st.sampled_from([*scalable, *unused]), st.sampled_from([0.9, 1.1])),
        st.tuples(st.just("remove"), st.sampled_from(removable)),
        st.tuples(st.just("add"), st.sampled_from(added)),
    )  # fmt: skip


def with_edit(factors: reference.Reference, edit: tuple) -> reference.Reference:
    if edit[0] == "scale":
        return warehouses.scaled(factors, edit[1], edit[2])
    if edit[0] == "remove":
        name = edit[1].split("/")[0]
        frame = factors.tables[name]
        return warehouses.edited(factors, name, frame[frame["factor_id"] != edit[1]])
    name, row = ADDED[edit[1]]
    frame = factors.tables[name]
    like = frame.head(1) if name == "aliases" else frame[frame["factor_id"] == row["like"]]
    new = like.assign(**{column: value for column, value in row.items() if column != "like"})
    return warehouses.edited(factors, name, pd.concat([frame, new]), new["factor_id"].item())


ADDED = {
    "grid of the year": ("grid_intensity", {
        "like": warehouses.GRID, "year": 2026, "gco2e_per_kwh": 111.0,
        "factor_id": "grid_intensity/egrid_subregion/NWPP/2026"}),
    "grid of the region": ("grid_intensity", {
        "like": warehouses.GRID, "zone_type": "cloud_region", "zone": "aws:us-west-2", "year": 2023,
        "gco2e_per_kwh": 99.0, "factor_id": "grid_intensity/cloud_region/aws:us-west-2/2023"}),
    "water of first rank": ("electricity_water", {
        "like": "electricity_water/country/FRA/1", "rank": 0, "l_per_kwh": 9.0,
        "factor_id": "electricity_water/country/FRA/0"}),
    "alias": ("aliases", {
        "kind": "gpus", "alias": "Foo 9000", "id": "H100-SXM5-80GB", "assumed": False,
        "factor_id": "aliases/gpus/Foo_9000/H100-SXM5-80GB"}),
}  # fmt: skip
"""New rows: a year of its own, a nearer zone, a better rank, a name that nobody knew."""


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(edits(), min_size=1, max_size=3))
def test_the_affected_set_is_what_a_full_recomputation_shows(stored: Path, drawn: list) -> None:
    factors = FACTORS
    for edit in drawn:
        if edit[0] == "add" or edit[1] in set(factors.tables[edit[1].split("/")[0]]["factor_id"]):
            factors = with_edit(factors, edit)
    choices = warehouses.chosen(factors)
    after = warehouses.everything(RUNS, USAGE, choices)
    with tempfile.TemporaryDirectory() as folder:
        warehouse = shutil.copytree(stored, Path(folder) / "warehouse")
        plan = restatement.plan(warehouse, choices)
        moved = differing_days(BEFORE, after)
        assert moved <= set(plan.days)
        # Larger than need be only by kinds of runs that rest on a row with a changed value.
        idle = plan.runs[~plan.runs["run_id"].isin(moved_runs(after))]
        changed = set(plan.rows["factor_id"])
        for key in idle["factors_key"].unique():
            of_kind = BEFORE[FACTORS_USED].query("factors_key == @key")["factor_id"]
            assert changed & set(of_kind), (drawn, key)
        done = restatement.apply(warehouse, choices)
        assert set(done.days) <= set(plan.days)
        for table in COMPUTED:
            pd.testing.assert_frame_equal(
                results(store.read(warehouse, table), table),
                results(after[table], table),
                rtol=1e-14,
                atol=0.0,
                obj=table.name,
            )
        assert restatement.plan(warehouse, choices).runs.empty


def moved_runs(after: dict[Table, pd.DataFrame]) -> set[str]:
    """Return the runs, or versions, any figure or stamp of which differs from before."""
    moved: set[str] = set()
    for table in COMPUTED:
        column = "model_version" if "model_version" in table.names else "run_id"
        moved |= set(moved_keys(BEFORE[table], after[table], table)[column])
    return moved
