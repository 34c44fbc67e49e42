"""One figure a row, as CSV and Parquet."""

import io

import pandas as pd
import pytest

from ft_emissions_pipeline import export


def test_rows_are_the_figures_of_versions_and_days(figures):
    rows = pd.read_csv(io.StringIO(export.write("csv", figures)))
    whole = rows.query("of == 'version' and measure == 'total_kgco2e'")
    assert len(whole) == len(figures.versions)
    assert whole["value"].sum() == pytest.approx(figures.versions["total_kgco2e"].sum(), rel=1e-5)
    assert (whole["unit"] == "kgCO2e").all()
    assert whole[["p05", "p95"]].notna().all(axis=None)
    served = rows.query("of == 'inference' and measure == 'gco2e_per_inference'")
    assert len(served) == figures.per_inference["gco2e_per_inference"].notna().sum()
    for name in (
        "status",
        "restated",
        "methodology",
        "reference_version",
        "made_at",
        "tool",
        "inside",
    ):
        assert rows[name].notna().all()


def test_parquet_holds_the_same_rows(figures, tmp_path):
    rows = pd.read_csv(io.StringIO(export.write("csv", figures)))
    path = export.write("parquet", figures, tmp_path / "figures.parquet")
    typed = pd.read_parquet(path)
    pd.testing.assert_frame_equal(typed[["value", "p05", "p95"]], rows[["value", "p05", "p95"]])
    assert typed["measure"].tolist() == rows["measure"].tolist()
    assert typed["date"].dt.strftime("%Y-%m-%d").tolist() == rows["date"].tolist()


def test_bytes_need_a_place(figures):
    with pytest.raises(ValueError, match="no text; say where"):
        export.write("parquet", figures)
