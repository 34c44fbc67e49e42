"""The methodology's table is read back as the same runs with the same footprints."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import export, tables
from ft_emissions_pipeline.export.formats import disclosure
from ft_emissions_pipeline.readers.formats.disclosure import from_mapping
from ft_emissions_pipeline.readers.shared.labels import field_of
from ft_emissions_pipeline.tables import RUN_FIELDS, RUNS


def test_every_run_of_the_examples_comes_back_with_its_footprint(figures, tmp_path):
    export.write("disclosure", figures, tmp_path / "all.md")
    runs, refused = fte.read_runs(tmp_path)
    assert refused.empty
    logged = figures.table(tables.VALIDATED_RUNS).set_index("run_id").sort_index()
    runs_by_id = runs.set_index("run_id").sort_index()
    # Of counters the energy at the plug is told, as a disclosed total is taken for that.
    fields = [field for field in RUN_FIELDS if field not in {"run_id", "it_energy_kwh"}]
    pd.testing.assert_frame_equal(runs_by_id[fields], logged[fields])
    totals = fte.estimate(runs).runs.set_index("run_id")["total_kgco2e"].sort_index()
    expected = figures.versions.set_index("run_id")["total_kgco2e"].sort_index()
    pd.testing.assert_series_equal(totals, expected, rtol=1e-12)


def test_what_was_imputed_is_not_told_as_disclosed(figures):
    text = export.write("disclosure", figures)
    router = text.split("# ticket-router")[1].split("Figure |")[0]
    assert "GPU" not in router
    assert "Total reserved time | 5195.0 s" in router


def test_it_says_what_it_rests_on(corrected):
    text = export.write("disclosure", corrected)
    for line in ("methodology | default", "status | final", "restated | yes", "inside | all work"):
        assert line in text
    whole, low, high = (
        f"{corrected.newest()[f'total_kgco2e{end}']:.6g}" for end in ("", "_p05", "_p95")
    )
    assert f"total_kgco2e | {whole} | {low} to {high}" in text


NUMBERS = [c.name for c in RUNS.columns if c.kind == "float" and c.name in RUN_FIELDS]


@given(st.sampled_from(NUMBERS), st.floats(1e-9, 1e9))
def test_every_number_is_read_as_it_was(field, value):
    if RUNS.column(field).unit == "fraction":
        value = value % 1.0
    label = disclosure._shown(field)
    assert field_of(label) == field
    assert from_mapping({label: disclosure._value(field, value)}, "a test")[field] == value


@pytest.mark.parametrize("text", ["a | b", "two\nlines", "=1+1"])
def test_a_text_keeps_to_its_cell(text):
    cell = disclosure._cell(text)
    assert "\n" not in cell
    assert "|" not in cell.replace("\\|", "")
