"""A run without a daemon: files that hold no day, and what is on record."""

import shutil

import dagster as dg
import pytest
from teams import ROOT, write_nights

from assets.in_process import materialize
from ft_emissions_pipeline import report
from ft_emissions_pipeline.report.data import SHOWN
from ft_emissions_pipeline.tables import QUARANTINE
from ft_emissions_pipeline.warehouse import store

pytestmark = pytest.mark.slow


def test_a_file_without_days_still_reaches_quarantine(reported, tmp_path):
    team = reported.copy(tmp_path)
    (team.landing / "broken.json").write_text('{"jobArn": ')
    assert materialize(team.landing, team.warehouse).ranges == []
    assert list(team.read(QUARANTINE)["source_uri"]) == ["broken.json"]


def test_the_page_is_written_once_after_the_last_job(reported, tmp_path, monkeypatch):
    team, render, made = reported.copy(tmp_path), report.render, []
    # A night before the others moves the use life of the model, so that its other days follow.
    write_nights(team.landing / "late.csv", ("support-bot", 4))
    monkeypatch.setattr(report, "render", lambda data: made.append(data.versions) or render(data))
    done = materialize(team.landing, team.warehouse)
    assert len(done.ranges) > 1
    assert done.failures == []
    assert made == [{table.name: store.version(team.warehouse, table) for table in SHOWN}]
    page = report.write(team.warehouse)
    assert len(made) == 1
    assert page == report.page_of(team.warehouse)


def test_runs_are_on_record_where_dagster_has_a_home(tmp_path):
    home, landing = tmp_path / "home", tmp_path / "landing"
    home.mkdir()
    landing.mkdir()
    (landing / "broken.json").write_text("{")
    # Without its settings, which switch telemetry off, the home is left alone.
    materialize(landing, tmp_path / "first", home=home)
    assert list(home.iterdir()) == []
    shutil.copy(ROOT / "assets/dagster.yaml", home)
    materialize(landing, tmp_path / "second", home=home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert [run.job_name for run in instance.get_runs()] == ["intake"]
