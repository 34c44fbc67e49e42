"""The check of rows against their declaration, on the tables themselves."""

import numpy as np
import pandas as pd
import pytest

from ft_emissions_pipeline.tables import RUNS, USAGE, Column, Table
from ft_emissions_pipeline.tables.rows import CODES, split, unsound

LATER = ("date", "date_rule", "source_format", "source_uri")


def _runs(**columns):
    rows = len(next(iter(columns.values())))
    names = {
        "run_id": [f"r{n}" for n in range(rows)],
        "source_record": [str(n) for n in range(rows)],
    }
    return pd.DataFrame({**names, **columns})


def test_bounds_are_kept_and_missing_cells_are_no_problem():
    good, problems = split(_runs(pue=[1.0, 5.0, np.nan, 0.99, 5.01, np.inf]), RUNS, LATER)
    assert good["run_id"].tolist() == ["r0", "r1", "r2"]
    assert problems["reason_code"].tolist() == ["out_of_range", "out_of_range", "not_a_number"]
    assert problems["source_record"].tolist() == ["3", "4", "5"]
    assert problems.index.tolist() == [3, 4, 5]


def test_a_reason_names_field_value_and_bound():
    _, problems = split(_runs(reserved_s=[-5.0]), RUNS, LATER)
    (reason,) = problems["reason"]
    assert "reserved_s is -5, must be at least 1e-06 and at most 3.2e+08 s" in reason


def test_an_allowed_value_stays():
    good, problems = split(_runs(method=["lora", None, "magic"]), RUNS, LATER)
    assert len(good) == 2
    assert problems["reason_code"].tolist() == ["not_allowed"]
    assert "qlora" in problems["reason"].item()


def test_a_rule_over_a_missing_column_is_kept():
    assert len(split(_runs(active_s=[5.0]), RUNS, LATER)[0]) == 1


def test_a_row_has_one_problem_its_first():
    _, problems = split(_runs(reserved_s=[-5.0], active_s=[7.0], pue=[9.0]), RUNS, LATER)
    assert problems["reason"].str.contains("reserved_s").tolist() == [True]


def test_rules_and_columns_can_be_ignored():
    frame = _runs(reserved_s=[5.0], active_s=[7.0])
    assert len(split(frame, RUNS, (*LATER, "active_above_reserved"))[0]) == 1
    assert split(frame, RUNS, LATER)[1]["reason_code"].tolist() == ["active_above_reserved"]


def test_a_table_without_source_record_names_its_key():
    frame = pd.DataFrame(
        {"date": [pd.Timestamp("2026-03-02")], "model_name": ["bot"], "inferences": [-1.0]}
    )
    _, problems = split(frame, USAGE, ("source_format", "source_uri", "source_record"))
    assert problems["source_record"].tolist() == ["2026-03-02/bot"]


def test_a_required_column_must_be_there_or_ignored():
    with pytest.raises(ValueError, match="table runs needs column"):
        split(_runs(pue=[1.0]), RUNS)


def test_an_empty_table_is_good():
    good, problems = split(_runs(pue=pd.Series([], dtype="float64")), RUNS, LATER)
    assert good.empty
    assert problems.empty


def test_every_code_is_explained():
    assert all(CODES.values())


def test_of_each_unsound_row_the_first_impossible_figure_is_told():
    table = Table(
        "t",
        "a row",
        (
            Column("energy_kwh", "float", "", required=True),
            Column("carbon", "float", ""),
            Column("carbon_p05", "float", ""),
            Column("carbon_p95", "float", ""),
        ),
        key=(),
    )
    frame = pd.DataFrame(
        {
            "energy_kwh": [1.0, np.nan, 1.0, 1.0, np.inf],
            "carbon": [2.0, np.inf, 5.0, np.nan, 2.0],
            "carbon_p05": [1.0, 1.0, 1.0, 1.0, 1.0],
            "carbon_p95": [3.0, 3.0, 3.0, 3.0, 3.0],
        },
        index=[10, 11, 12, 13, 14],
    )
    assert unsound(frame, table).to_dict() == {
        11: "energy_kwh is not finite",
        12: "carbon lies outside its interval",
        14: "energy_kwh is not finite",
    }
    assert unsound(frame.iloc[[0, 3]], table).empty
    assert unsound(frame.iloc[:0], table).empty
