"""Contributions to ESRS datapoints, after the act that a year may use."""

import pandas as pd
import pytest
from inventory_by_hand import NOT_CLOUD, sheet_of

from ft_emissions_pipeline import export


def rows_of(disclosed, tmp_path, **cells):
    return sheet_of(disclosed, tmp_path, "esrs", **{**NOT_CLOUD, **cells})


def test_own_operations_have_energy_scope_2_and_water(disclosed, tmp_path):
    rows = rows_of(disclosed, tmp_path, on_cloud=False)
    old = rows[rows["act"] == "(EU) 2023/2772"].set_index("datapoint_id")
    hand = {"E1-5_01": 2.0, "E1-6_09": 0.7, "E1-6_10": 0.1, "E1-6_11": 0.2, "E1-6_12": 0.9,
            "E1-6_13": 0.3, "E3-4_01": 0.3}  # fmt: skip
    for datapoint, value in hand.items():
        assert old.loc[datapoint, "value"] == pytest.approx(value), datapoint
    new = rows[rows["act"] == "(EU) 2026/1563"]
    assert new["datapoint_id"].isna().all()
    energy = new[new["description"].str.startswith("total energy")].iloc[0]
    assert (energy["requirement"], energy["paragraph"], energy["value"]) == ("E1-7", "par. 26", 2.0)


def test_a_cloud_adds_to_scope_3_and_to_no_own_water(disclosed, tmp_path):
    rows = rows_of(disclosed, tmp_path, on_cloud=True)
    assert not rows["datapoint_id"].isin(["E1-5_01", "E1-6_09", "E3-4_01"]).any()
    assert rows.set_index("datapoint_id").loc["E1-6_11", "value"] == pytest.approx(0.96)
    assert (rows[rows["unit"] == "m3"]["paragraph"] == "value chain, not E3-4").all()


def test_unstated_hardware_counts_towards_no_datapoint(disclosed, tmp_path):
    rows = rows_of(disclosed, tmp_path, on_cloud=None)
    with_value = rows[rows["value"].notna()]
    assert with_value["datapoint_id"].isna().all()


def test_each_year_takes_its_acts(figures, tmp_path):
    rows = pd.read_csv(export.write("esrs", figures, tmp_path / "s.csv"))
    acts = rows.groupby("period_start")["act"].unique().map(set).to_dict()
    assert acts == {
        "2024-01-01": {"(EU) 2023/2772"},
        "2026-01-01": {"(EU) 2023/2772", "(EU) 2026/1563"},
    }
    for name in ("methodology", "reference_version", "status", "made_at", "tool"):
        assert rows[name].notna().all()
