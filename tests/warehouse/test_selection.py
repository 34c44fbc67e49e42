"""Conditions on days of a table."""

import pandas as pd
import pytest

from ft_emissions_pipeline.tables import USAGE
from ft_emissions_pipeline.warehouse import selection


def test_days_that_follow_each_other_are_one_range():
    days = pd.DatetimeIndex(["2026-03-05", "2026-03-01", "2026-03-02", "2026-03-01"])
    asked = selection.on_days(USAGE, days)
    assert asked.count("(") == 2
    assert asked.count("2026-03-02") == 1


def test_no_days_are_no_condition_that_lets_all_rows_pass():
    with pytest.raises(ValueError, match="no days"):
        selection.on_days(USAGE, pd.DatetimeIndex([]))
