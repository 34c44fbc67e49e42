"""Restating the past out of the DAG: the job by hand, and the sensor that launches it."""

from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pandas as pd
import pytest
from teams import GRID_ROW, Team, changed_reference, day

from assets import build_defs, restatement
from assets.reference import reference_tables
from assets.resources import Pipeline
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, RESTATEMENTS, RUN_IMPACTS
from ft_emissions_pipeline.warehouse import store
from ft_emissions_pipeline.warehouse.lock import locked

pytestmark = pytest.mark.slow


@pytest.fixture
def changed(reported, tmp_path):
    """A team whose grid factor changed after its first report."""
    team = reported.copy(tmp_path)
    team.options["reference_data"] = changed_reference(tmp_path)
    return team


def test_the_job_restates_what_rests_on_the_change_and_shows_it(changed):
    with dg.DagsterInstance.ephemeral() as instance:
        result = changed.defs().resolve_job_def("restatement").execute_in_process(instance=instance)
        assert result.success
        refreshed = instance.get_materialized_partitions(dg.AssetKey(INFERENCE_IMPACTS.name))
    moved = changed.read(RESTATEMENTS)
    assert set(moved["cause"]) == {"factor changed"}
    assert moved["cause_detail"].str.startswith(GRID_ROW).all()
    assert set(moved["model_name"]) == {"support-bot"}
    assert refreshed == {f"2026-01-{number:02d}" for number in range(5, 10)}
    assert (changed.warehouse / "report" / "index.html").exists()


def test_the_job_gives_what_running_the_days_again_gives(changed, tmp_path):
    again = changed.copy(tmp_path / "again")
    changed.defs().resolve_job_def("restatement").execute_in_process()
    again.run(day(5), day(9))
    for table in (RUN_IMPACTS, INFERENCE_IMPACTS):
        one, other = (
            team.read(table).drop(columns=["reference_version"]) for team in (changed, again)
        )
        pd.testing.assert_frame_equal(one, other, rtol=1e-14, obj=table.name)
    columns = [*RESTATEMENTS.key, "old", "new", "cause", "cause_detail"]
    pd.testing.assert_frame_equal(
        changed.read(RESTATEMENTS)[columns], again.read(RESTATEMENTS)[columns], rtol=1e-14
    )


def sensed(
    team: Team, instance: dg.DagsterInstance, cursor: str | None
) -> dg.SensorEvaluationContext:
    pipeline = Pipeline(
        landing=str(team.landing),
        warehouse=str(team.warehouse),
        reference_data=str(team.options.get("reference_data", "")),
    )
    return dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"pipeline": pipeline}
    )


def test_the_sensor_asks_once_for_a_new_data_version_that_touches_a_run(reported, changed):
    with dg.DagsterInstance.ephemeral() as instance:

        def tick(team, cursor):
            with sensed(team, instance, cursor) as context:
                return restatement.changed_factors(context), context.cursor

        def materialize(team):
            pipeline = Pipeline(
                landing=str(team.landing), warehouse=str(team.warehouse),
                reference_data=str(team.options.get("reference_data", "")),
            )  # fmt: skip
            dg.materialize([reference_tables], instance=instance, resources={"pipeline": pipeline})

        nothing, cursor = tick(reported, None)
        assert isinstance(nothing, dg.SkipReason)
        materialize(reported)
        untouched, cursor = tick(reported, cursor)
        assert "no run rests on what changed" in untouched.skip_message
        materialize(changed)
        request, cursor = tick(changed, cursor)
        assert isinstance(request, dg.RunRequest)
        again, _ = tick(changed, cursor)
        assert "no reference table has a new data version" in again.skip_message
    assert store.read(changed.warehouse, RESTATEMENTS).empty


def test_tables_that_were_refused_are_told_of_beside_those_that_serve(reported, tmp_path):
    team = reported.copy(tmp_path)
    broken = changed_reference(tmp_path)
    table = broken / "grid_intensity.csv"
    table.write_text(table.read_text("utf-8") + "country,nowhere\n", encoding="utf-8")
    pipeline = Pipeline(
        landing=str(team.landing), warehouse=str(team.warehouse), reference_data=str(broken)
    )
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([reference_tables], instance=instance, resources={"pipeline": pipeline})
        event = instance.get_latest_materialization_event(dg.AssetKey(["reference", "gpus"]))
    told = event.asset_materialization.metadata["refused"].text
    assert "grid_intensity.csv" in told
    assert "stay in force" in told


@pytest.mark.parametrize(("setting", "status"), [("", "STOPPED"), ("1", "RUNNING")])
def test_the_sensor_is_off_but_for_one_setting(monkeypatch, setting, status):
    monkeypatch.setenv(restatement.SETTING, setting)
    sensors = {
        sensor.name: sensor
        for sensor in build_defs(landing="landing", warehouse="warehouse").sensors
    }
    assert sensors["changed_factors"].default_status.value == status
    assert sensors["changed_factors"].job_name == "restatement"
    assert sensors["failed_runs"].default_status.value == "STOPPED"


def test_a_run_that_dagster_launches_waits_for_the_warehouse_and_then_says_who_has_it(
    reported, monkeypatch, tmp_path
):
    team = reported.copy(tmp_path)
    monkeypatch.setattr("assets.resources.WAIT_S", 0.0)
    job = team.defs().resolve_job_def("restatement")
    with locked(team.warehouse, "somebody else"):
        # The thread that holds the warehouse may run; any other one is another writer.
        assert job.execute_in_process().success
        with ThreadPoolExecutor(1) as other:
            run = other.submit(job.execute_in_process, raise_on_error=False)
            with pytest.raises(Exception, match="is being written by somebody else"):
                raise_failure(run.result())
    assert job.execute_in_process().success


def raise_failure(result):
    for event in result.all_events:
        data = event.event_specific_data
        if getattr(data, "error", None) is not None:
            raise RuntimeError(data.error.to_string())


def test_the_job_fails_where_the_tables_are_refused(changed):
    changed.defs().resolve_job_def("restatement").execute_in_process()
    path = changed.options["reference_data"] / "grid_intensity.csv"
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")
    result = changed.defs().resolve_job_def("restatement").execute_in_process(raise_on_error=False)
    assert not result.success
    failure = result.failure_data_for_node("restate")
    assert "grid_intensity.csv differs from its hash" in str(failure)
