"""The pipeline's own footprint, with the real CodeCarbon."""

import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from ft_emissions_pipeline import pipeline_footprint, tables
from ft_emissions_pipeline.tables import PIPELINE_FOOTPRINT

FIGURES = ["duration_s", "energy_kwh", "carbon_kgco2e"]


def work(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        np.random.default_rng(1).normal(size=10_000).sum()


def test_figures_are_there_before_the_end_and_never_fall():
    with pipeline_footprint.measure("USA") as measured:
        rows = []
        for _ in range(3):
            work(0.15)
            rows.append(measured.so_far())
    figures = pd.concat([*rows, measured.so_far()])[FIGURES]
    assert (figures > 0).all(axis=None)
    assert (figures.diff().dropna() >= 0).all(axis=None)
    pd.testing.assert_frame_equal(measured.so_far(), measured.so_far())


def test_the_row_is_one_of_the_table_but_for_the_run_id():
    started = pd.Timestamp.now(tz="UTC")
    with pipeline_footprint.measure("FRA") as measured:
        work(0.1)
    row = measured.so_far()
    assert row.columns.tolist() == [n for n in PIPELINE_FOOTPRINT.names if n != "pipeline_run_id"]
    assert row["country_iso3"].tolist() == ["FRA"]
    assert started <= row["started_at"][0] <= pd.Timestamp.now(tz="UTC")
    assert 0.1 <= row["duration_s"][0] <= 30.0
    arrow = tables.to_arrow(row.assign(pipeline_run_id="r"), PIPELINE_FOOTPRINT)
    assert arrow.num_rows == 1


def test_carbon_follows_the_country():
    intensity = {}
    for country in ("FRA", "POL"):
        with pipeline_footprint.measure(country) as measured:
            work(0.1)
        row = measured.so_far().iloc[0]
        intensity[country] = row["carbon_kgco2e"] / row["energy_kwh"]
    # Nuclear against coal: France lies near 0.05, Poland near 0.7 kgCO2e/kWh.
    assert 0.02 < intensity["FRA"] < 0.15
    assert 0.4 < intensity["POL"] < 1.0


def test_an_empty_block_has_figures_too():
    with pipeline_footprint.measure("USA") as measured:
        pass
    assert (measured.so_far()[FIGURES] > 0).all(axis=None)


def test_an_unknown_country_is_refused():
    with (
        pytest.raises(ValueError, match="no grid for the country 'ZZZ'; give an ISO 3166-1"),
        pipeline_footprint.measure("ZZZ"),
    ):
        pytest.fail("the block must not run")


def test_a_failure_of_the_pipeline_is_passed_on():
    with pytest.raises(ZeroDivisionError), pipeline_footprint.measure("USA"):
        work(1 / 0)


def test_a_measurement_that_fails_says_so(monkeypatch):
    def broken(*_):
        msg = "no sensor"
        raise OSError(msg)

    monkeypatch.setattr(pipeline_footprint, "_tracker", broken)
    with (
        pytest.raises(
            pipeline_footprint.FootprintFailed, match="could not be measured: CodeCarbon: no sensor"
        ),
        pipeline_footprint.measure("USA") as measured,
    ):
        measured.so_far()


ALONE = """
import socket, sys, threading
def refuse(*args, **kwargs):
    # Said aloud, because a library may swallow the exception.
    print("a connection was tried", flush=True)
    raise OSError("no network in this test")
class Closed(socket.socket):
    connect = connect_ex = sendto = sendmsg = refuse
socket.socket, socket.getaddrinfo = Closed, refuse
from ft_emissions_pipeline import pipeline_footprint as footprint
assert not {"codecarbon", "dagster"} & set(sys.modules)
with footprint.measure("USA") as measured:
    assert measured.so_far()["energy_kwh"][0] > 0
assert measured.so_far()["energy_kwh"][0] > 0
assert [t.name for t in threading.enumerate() if not t.daemon] == ["MainThread"]
"""

# What a user of CodeCarbon may have set: all of it would write a file or open a connection.
CONFIGURATION = """[codecarbon]
output_dir = no/such/folder
output_methods = csv,api,prometheus
save_to_api = true
emissions_endpoint = http://127.0.0.1:9/emissions
electricitymaps_api_token = token
co2_signal_api_token = token
allow_multiple_runs = false
log_level = debug
"""


@pytest.mark.parametrize("configuration", ["", CONFIGURATION], ids=["no settings", "settings"])
def test_measuring_is_silent_offline_and_leaves_no_file(tmp_path, configuration):
    home, here, scratch = (tmp_path / name for name in ("home", "here", "scratch"))
    for folder in (home, here, scratch):
        folder.mkdir()
    if configuration:
        (home / ".codecarbon.config").write_text(configuration)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ALONE],
        cwd=here,
        env={
            **os.environ,
            "HOME": str(home),
            "TMPDIR": str(scratch),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    left = [path.name for folder in (home, here, scratch) for path in folder.iterdir()]
    assert left == ([".codecarbon.config"] if configuration else [])
