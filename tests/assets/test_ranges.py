"""Days are run as they come: many at once, one alone, none at all, and those between."""

from datetime import timedelta

import pandas as pd
import pytest
from teams import START, TABLES, Team, assert_same_tables, day, small_landing, write_usage

from assets.in_process import materialize
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, RUNS, TELEMETRY, USAGE, VALIDATED_RUNS
from ft_emissions_pipeline.warehouse import store

pytestmark = pytest.mark.slow


def test_thirty_days_add_one_commit_and_thirty_again_none(reported, tmp_path):
    team = reported.copy(tmp_path)
    first_reported = team.read(INFERENCE_IMPACTS)
    before = team.versions()
    team.run(START, START + timedelta(days=29))
    grown = {"token_time_model", "model_versions", "inference_impacts", "restatements", "rollups"}
    assert team.versions() == {name: before[name] + (name in grown) for name in TABLES}
    closed = first_reported[first_reported["status"] == "final"].reset_index(drop=True)
    now = team.read(INFERENCE_IMPACTS)
    kept = now.merge(closed[list(INFERENCE_IMPACTS.key)]).reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, closed)
    after, files = team.versions(), team.data_files()
    team.run(START, START + timedelta(days=29))
    assert (team.versions(), team.data_files()) == (after, files)


def test_an_empty_day_adds_only_what_open_versions_serve(reported, tmp_path):
    team = reported.copy(tmp_path)
    team.run(day(12), day(12))
    assert team.read(RUNS, days=(day(12).date(), day(12).date())).empty
    served = team.read(INFERENCE_IMPACTS, days=(day(12).date(), day(12).date()))
    assert set(served["model_version"]) == {"support-bot-09", "chef-06"}


def test_a_single_day_of_many_is_run_alone(tmp_path):
    team = Team(small_landing(tmp_path / "landing"), tmp_path / "warehouse")
    team.run(day(6), day(6))
    assert list(team.read(RUNS)["run_id"]) == ["chef-06"]
    assert set(team.read(USAGE)["model_name"]) == {"support-bot", "chef"}
    assert set(team.read(INFERENCE_IMPACTS)["date"]) == {day(6)}


def test_an_empty_landing_folder_gives_empty_tables(tmp_path):
    (tmp_path / "landing").mkdir()
    team = Team(tmp_path / "landing", tmp_path / "warehouse")
    result = team.run(day(5), day(5))
    assert result.success
    filled = {name for name, table in TABLES.items() if len(team.read(table))}
    assert filled == {"token_time_model"}


def test_days_without_logs_between_two_runs_are_reported(reported, tmp_path):
    team = reported.copy(tmp_path)
    write_usage(team.landing / "usage_2.csv", {20: 500})
    materialize(team.landing, team.warehouse)
    served = team.read(INFERENCE_IMPACTS).query("model_version == 'chef-06'")
    assert set(served["date"]) == set(pd.date_range(day(6), day(20)))


def test_logs_beside_a_day_that_was_run_alone_are_not_forgotten(tmp_path, reported):
    team = Team(reported.landing, tmp_path / "warehouse")
    materialize(team.landing, team.warehouse, days=(day(9), day(9)))
    done = materialize(team.landing, team.warehouse)
    assert done.ranges[0] == (day(5), day(8))
    assert_same_tables(team, reported)
    assert materialize(team.landing, team.warehouse).ranges == []


def test_telemetry_of_two_days_reaches_the_run_over_midnight(tmp_path):
    """A scheduler's job, and the samples of its host; both days are run because logs touch them."""
    landing = tmp_path / "landing"
    (landing / "host=node1").mkdir(parents=True)
    (landing / "sacct.txt").write_text(
        "JobID|JobName|State|Start|End|Elapsed|AllocTRES|NodeList\n"
        "7|bot|COMPLETED|2026-01-05T23:00:00|2026-01-06T01:00:00|02:00:00|gres/gpu:a100=1|node1\n"
    )
    samples = pd.date_range("2026-01-05T22:30", "2026-01-06T01:30", freq="30s")
    lines = [f"{at:%Y/%m/%d %H:%M:%S}.000, 0, 300.00 W\n" for at in samples]
    header = "timestamp, index, power.draw [W]\n"
    (landing / "host=node1" / "smi.csv").write_text(header + "".join(lines))
    done = materialize(landing, tmp_path / "warehouse")
    assert done.failures == []
    assert [(first, last) for first, last in done.ranges][:1] == [(day(5), day(6))]
    validated = store.read(tmp_path / "warehouse", VALIDATED_RUNS)
    assert validated["gpu_energy_kwh"].tolist() == [pytest.approx(0.6)]
    assert store.read(tmp_path / "warehouse", TELEMETRY)["energy_kwh"].sum() == pytest.approx(0.9)
