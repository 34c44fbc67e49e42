"""Dagster's own history ends: old runs go with their events, ticks as dagster.yaml says."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus
from teams import ROOT

from assets.retention import KEEP_RUNS_DAYS, forget_old_runs


@dg.job
def quick() -> None:
    """Do nothing."""

    @dg.op
    def nothing() -> None:
        pass

    nothing()


@pytest.fixture
def instance(tmp_path: Path):
    shutil.copy(ROOT / "assets/dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def test_runs_that_are_old_enough_are_forgotten_the_oldest_first(instance, monkeypatch):
    ids = [quick.execute_in_process(instance=instance).run_id for _ in range(3)]
    assert forget_old_runs(instance) == 0
    monkeypatch.setenv(KEEP_RUNS_DAYS, "0")
    monkeypatch.setattr("assets.retention.AT_ONCE", 2)
    assert forget_old_runs(instance) == 2
    assert [run.run_id for run in instance.get_runs()] == ids[2:]
    assert forget_old_runs(instance) == 1
    assert list(instance.get_runs()) == []


def test_a_run_that_has_not_ended_is_never_forgotten(instance, monkeypatch):
    monkeypatch.setenv(KEEP_RUNS_DAYS, "0")
    begun = instance.create_run_for_job(quick, status=dg.DagsterRunStatus.STARTED)
    assert forget_old_runs(instance) == 0
    assert instance.get_run_by_id(begun.run_id) is not None


@pytest.mark.parametrize("of", [InstigatorType.SCHEDULE, InstigatorType.SENSOR])
def test_ticks_are_forgotten_after_days_that_dagster_yaml_sets(instance, of):
    kept = instance.get_tick_retention_settings(of)
    # Of a tick under way nothing can be purged.
    ended = {days for status, days in kept.items() if status is not TickStatus.STARTED}
    assert ended
    assert all(0 < days <= 90 for days in ended)
