"""Rows of a CSV that stand in one line because a line end is missing are read, each as its own."""

from pathlib import Path

import pytest

CASES = Path(__file__).parents[1] / "data" / "field_cases"


def glued(text, *ends):
    """Take away the line ends behind some lines, counted from the header as 1."""
    lines = text.split("\n")
    return "".join(line + ("" if n in ends else "\n")
                   for n, line in enumerate(lines, 1)).rstrip("\n") + "\n"  # fmt: skip


def test_the_field_case_of_glued_rows_holds_three_runs(read):
    reading = read("emissions.csv", (CASES / "cc_glued_rows" / "emissions.csv").read_text())
    assert reading.quarantine.empty
    assert reading.records == 3
    energy = reading.runs.set_index("source_record")["it_energy_kwh"]
    assert energy.to_dict() == {"2": 0.37, "2.2": 0.17, "3": 0.17}
    assert reading.runs["repairs"].fillna("").tolist() == ["glued_rows_parted", "",
                                                           "glued_rows_parted"]  # fmt: skip


def test_many_rows_in_one_line_are_parted(read, emissions_csv):
    text = emissions_csv(*({"run_id": f"r{n}", "duration": str(100 + n)} for n in range(5)))
    reading = read("emissions.csv", glued(text, 2, 3, 4))
    assert sorted(reading.runs["active_s"]) == [100, 101, 102, 103, 104]
    assert sorted(reading.runs["source_record"]) == ["2", "2.2", "2.3", "2.4", "3"]


def test_a_glued_row_that_is_bad_costs_itself_only(read, emissions_csv):
    text = emissions_csv({"run_id": "a"}, {"run_id": "b", "duration": "-5"})
    reading = read("emissions.csv", glued(text, 2))
    assert reading.runs["run_id"].tolist() == ["a"]
    assert reading.quarantine[["source_record", "reason_code"]].to_numpy().tolist() == [
        ["2.2", "out_of_range"]
    ]


@pytest.mark.parametrize("extra", ["x", "x,y,z"])
def test_a_line_with_too_many_cells_does_not_blame_a_version(refusal, emissions_csv, extra):
    code, reason = refusal("emissions.csv", emissions_csv({}).rstrip("\n") + f",{extra}\n")
    assert code == "shifted_row"
    assert "3.2.9" not in reason
    assert "line end" in reason
