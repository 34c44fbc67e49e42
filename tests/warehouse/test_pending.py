"""Days that are due stay so until a run of a job that refreshes them."""

import pandas as pd
import pytest

from ft_emissions_pipeline.tables import ALLOCATION, EVERYTHING, INTAKE
from ft_emissions_pipeline.warehouse import pending

DAYS = pd.date_range("2026-01-01", periods=4)


@pytest.mark.parametrize(
    ("job", "left"),
    [
        (EVERYTHING, {EVERYTHING: [1, 4], ALLOCATION: [1, 4], INTAKE: []}),
        (ALLOCATION, {EVERYTHING: [1, 2, 3, 4], ALLOCATION: [1, 4], INTAKE: [1]}),
        (INTAKE, {EVERYTHING: [1, 2, 3, 4], ALLOCATION: [1, 2, 3, 4], INTAKE: []}),
        ("a run of hand-picked assets",
         {EVERYTHING: [1, 2, 3, 4], ALLOCATION: [1, 2, 3, 4], INTAKE: [1]}),
    ],
)  # fmt: skip
def test_a_run_over_two_days_settles_what_its_job_refreshes(tmp_path, job, left):
    for each in (EVERYTHING, ALLOCATION):
        pending.note(tmp_path, each, DAYS)
    pending.note(tmp_path, INTAKE, DAYS[:1])  # about no day
    pending.settle(tmp_path, job, DAYS[1], DAYS[2])
    found = {each: pending.days(tmp_path, each).day.tolist() for each in left}
    assert found == left
