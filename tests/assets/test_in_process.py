"""A run without a daemon: files that hold no day, and what is on record."""

import shutil

import dagster as dg
import pytest
from teams import ROOT

from assets.in_process import materialize
from ft_emissions_pipeline.tables import QUARANTINE

pytestmark = pytest.mark.slow


def test_a_file_without_days_still_reaches_quarantine(reported, tmp_path):
    team = reported.copy(tmp_path)
    (team.landing / "broken.json").write_text('{"jobArn": ')
    assert materialize(team.landing, team.warehouse).ranges == []
    assert list(team.read(QUARANTINE)["source_uri"]) == ["broken.json"]


def test_runs_are_on_record_where_dagster_has_a_home(tmp_path):
    home, landing = tmp_path / "home", tmp_path / "landing"
    home.mkdir()
    landing.mkdir()
    (landing / "broken.json").write_text("{")
    # Without its settings, which switch telemetry off, the home is left alone.
    materialize(landing, tmp_path / "first", home=home)
    assert list(home.iterdir()) == []
    shutil.copy(ROOT / "dagster.yaml", home)
    materialize(landing, tmp_path / "second", home=home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert [run.job_name for run in instance.get_runs()] == ["intake"]
