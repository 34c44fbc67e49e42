"""Conditions on days of a table, and the order of its rows."""

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ft_emissions_pipeline import stages
from ft_emissions_pipeline.tables import FIELD_PROVENANCE, USAGE
from ft_emissions_pipeline.warehouse import selection


def test_days_that_follow_each_other_are_one_range():
    days = pd.DatetimeIndex(["2026-03-05", "2026-03-01", "2026-03-02", "2026-03-01"])
    asked = selection.on_days(USAGE, days)
    assert asked.count("(") == 2
    assert asked.count("2026-03-02") == 1


def test_no_days_are_no_condition_that_lets_all_rows_pass():
    with pytest.raises(ValueError, match="no days"):
        selection.on_days(USAGE, pd.DatetimeIndex([]))


KEYED = st.tuples(
    st.sampled_from(["a", "A", "b", "ä", "", None]), st.sampled_from(["x", "y"]), st.integers(0, 2)
)


@pytest.mark.parametrize("coded", [False, True])
@given(told=st.lists(KEYED))
def test_rows_have_one_order_however_they_came(told, coded):
    # Empty cells first, then by the key, and where it comes twice by the other columns.
    rows = pa.Table.from_pylist(
        [dict(zip(("run_id", "field", "p05"), each, strict=True)) for each in told],
        pa.schema([("run_id", "string"), ("field", "string"), ("p05", "int64")]),
    )
    if coded:
        for at, name in enumerate(("run_id", "field")):
            rows = rows.set_column(at, name, rows[name].dictionary_encode())
    found = [tuple(row.values()) for row in selection.canonical(rows, FIELD_PROVENANCE).to_pylist()]
    by_bytes = [(a is not None, (a or "").encode(), b.encode(), c) for a, b, c in told]
    assert found == [each for _, each in sorted(zip(by_bytes, told, strict=True))]


def test_provenance_is_made_in_the_order_in_which_it_is_stored():
    logged = [{"run_id": each, "gpu": "A100", "hours": 2} for each in ("run-b", "run-a")]
    runs, _, choices = stages.prepared(logged)
    made = stages.filled(runs, choices)[1].table()
    key = made[["run_id", "field"]].to_records(index=False).tolist()
    assert key == sorted(set(key))
