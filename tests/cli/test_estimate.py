"""What `estimate` says beside its table: of which run no day is known, which label nobody knows."""

import pytest
from typer.testing import CliRunner

from ft_emissions_pipeline import cli

GPU = "GPU: A100\nNumber of GPUs: 1\nTotal reserved time: 10 h\n"


@pytest.fixture
def said(tmp_path):
    """Return a function: what `estimate` prints of a disclosure."""

    def of(text):
        path = tmp_path / "runs.yaml"
        path.write_text(text)
        done = CliRunner().invoke(cli.app, ["estimate", str(path)], env={"COLUMNS": "400"})
        assert done.exit_code == 0
        return done.stdout, done.stderr

    return of


def test_a_run_without_a_day_is_named(said):
    stdout, stderr = said(GPU)
    assert "No log tells the day of runs-1: another stands for it" in stdout
    assert not stderr
    stdout, _ = said(f"{GPU}date: 2026-03-01\n")
    assert "2026-03-01" in stdout
    assert "No log tells the day" not in stdout


def test_a_label_that_means_nothing_is_named(said):
    _, stderr = said(f"{GPU}date: 2026-03-01\nLucky number: 7\n")
    assert "not understood: runs.yaml#1: run runs-1 has Lucky number, which" in stderr
