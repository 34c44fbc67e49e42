"""Which parts of a tracker's energy count as read."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from ft_emissions_pipeline.readers.shared.energy_parts import PARTS, TOTAL, without_unread


def run(**changes):
    """An hour of one named card: 0.1 + 0.05 + 0.02 kWh, unless a change says otherwise."""
    typical = {
        "active_s": 3600.0, "gpu_model": "T4", "gpu_count": 1.0, "gpu_energy_kwh": 0.1,
        "cpu_energy_kwh": 0.05, "ram_energy_kwh": 0.02, "it_energy_kwh": 0.17, "repairs": "",
    }  # fmt: skip
    frame = pd.DataFrame([{**typical, **changes}]).astype({"gpu_model": "str", "repairs": "str"})
    return without_unread(frame).iloc[0]


@pytest.mark.parametrize(("part", "word"), PARTS.items())
@pytest.mark.parametrize("cell", [0.0, np.nan])
def test_only_the_unread_part_is_lost(part, word, cell):
    left = {"gpu_energy_kwh": 0.07, "cpu_energy_kwh": 0.12, "ram_energy_kwh": 0.15}[part]
    found = run(**{part: cell, TOTAL: left})
    assert found["repairs"] == word
    assert pd.isna(found[[part, TOTAL]]).all()
    assert found[[name for name in PARTS if name != part]].sum() == pytest.approx(left)


def test_a_total_without_parts_stays():
    nothing = dict.fromkeys(PARTS, np.nan)
    assert run(**nothing, it_energy_kwh=0.17)["it_energy_kwh"] == 0.17
    assert run(**nothing, it_energy_kwh=0.17)["repairs"] == ""


def test_a_total_that_holds_more_than_the_parts_told_stays():
    """An older version splits no memory off."""
    found = run(ram_energy_kwh=np.nan, it_energy_kwh=0.17)
    assert (found["it_energy_kwh"], found["repairs"]) == (0.17, "")


def test_a_total_of_nothing_is_no_measured_0_kwh():
    found = run(**dict.fromkeys((*PARTS, TOTAL), 0.0))
    assert found[[*PARTS, TOTAL]].isna().all()
    assert found["repairs"] == "energy_unread"


def test_a_run_that_took_no_time_keeps_its_0():
    found = run(**dict.fromkeys((*PARTS, TOTAL), 0.0), active_s=0.0)
    assert found[[*PARTS, TOTAL]].eq(0.0).all()


@pytest.mark.parametrize("count", [np.nan, 0.0])
@pytest.mark.parametrize("cell", [0.0, np.nan])
def test_a_card_that_is_not_there_draws_0(count, cell):
    found = run(gpu_model=None, gpu_count=count, gpu_energy_kwh=cell, it_energy_kwh=0.07)
    assert (found["gpu_energy_kwh"], found["it_energy_kwh"], found["repairs"]) == (0, 0.07, "")


CELL = st.sampled_from([0.0, np.nan]) | st.floats(1e-6, 10)


@given(st.tuples(CELL, CELL, CELL))
def test_parts_that_were_read_stay(cells):
    given_parts = dict(zip(PARTS, cells, strict=True))
    found = run(**given_parts, it_energy_kwh=float(np.nansum(cells)))
    for name, cell in given_parts.items():
        if cell > 0:
            assert found[name] == cell
    assert pd.isna(found[TOTAL]) == (not all(cell > 0 for cell in cells))
