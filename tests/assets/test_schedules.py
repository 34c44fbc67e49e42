"""The schedule: off at first, and which days it asks for."""

from datetime import UTC, date, datetime

import dagster as dg
import pytest
from teams import day

from assets import schedules
from assets.partitions import RANGE_END, RANGE_START
from assets.resources import Pipeline
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS

pytestmark = pytest.mark.slow


def test_schedule_is_off_until_switched_on():
    assert schedules.daily.default_status is dg.DefaultScheduleStatus.STOPPED


def test_schedule_asks_for_the_days_of_open_versions_up_to_yesterday(reported, tmp_path):
    team = reported.copy(tmp_path)
    with dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 1, 13, 1, 15, tzinfo=UTC),
        resources={"pipeline": Pipeline(landing=str(team.landing), warehouse=str(team.warehouse))},
    ) as context:
        request = schedules.daily(context)
    # The version that came last of all still serves, and so does the model abroad since the 6th.
    assert request.tags[RANGE_START] == "2026-01-06"
    assert request.tags[RANGE_END] == "2026-01-12"
    assert request.run_key == "daily-2026-01-12"
    assert team.run(day(6), day(12)).success
    assert team.read(INFERENCE_IMPACTS)["date"].max().date() == date(2026, 1, 12)
