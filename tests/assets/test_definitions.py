"""The graph of assets as reviewed.

`python tests/assets/test_definitions.py` writes the golden graph anew, for a change of the graph
made on purpose.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from assets import build_defs
from assets.partitions import DAILY

GOLDEN = Path(__file__).parents[1] / "golden" / "graph.json"


def graph() -> dict:
    """Return what of the definitions a reviewer would want to see change."""
    defs = build_defs(landing="landing", warehouse="warehouse")
    assets = defs.resolve_asset_graph()
    checks: dict[dg.AssetKey, list[str]] = {}
    for check in sorted(assets.asset_check_keys, key=lambda each: each.name):
        checks.setdefault(check.asset_key, []).append(check.name)
    return {
        "assets": {
            key.to_user_string(): {
                "group": assets.get(key).group_name,
                "deps": sorted(parent.to_user_string() for parent in assets.get(key).parent_keys),
                "partitions": "daily" if assets.get(key).partitions_def else "none",
                "blocking_checks": checks.get(key, []),
            }
            for key in sorted(assets.get_all_asset_keys())
        },
        "jobs": {
            job.name: (
                sorted(node.name for node in job.nodes)
                if isinstance(job, dg.JobDefinition)
                else "every asset"
                if (selected := job.selection.resolve(assets)) == assets.get_all_asset_keys()
                else sorted(key.to_user_string() for key in selected)
            )
            for job in defs.jobs
        },
        "schedules": {
            schedule.name: {
                "job": schedule.job_name,
                "cron": schedule.cron_schedule,
                "timezone": schedule.execution_timezone,
                "on_by_default": schedule.default_status is dg.DefaultScheduleStatus.RUNNING,
            }
            for schedule in defs.schedules
        },
        "sensors": {
            sensor.name: {
                "job": sensor.job_name if sensor.has_jobs else None,
                "on_by_default": sensor.default_status is dg.DefaultSensorStatus.RUNNING,
            }
            for sensor in defs.sensors
        },
    }


def as_text(found: dict) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def test_graph_is_as_reviewed():
    assert as_text(graph()) == GOLDEN.read_text(), (
        "the graph moved; if on purpose, run `python tests/assets/test_definitions.py` and "
        "have the change of "
        "tests/golden/graph.json reviewed"
    )


def test_every_asset_says_what_it_is(specs):
    for name, spec in specs.items():
        assert len((spec.description or "").split()) > 6, name
        assert spec.group_name != "default", name
        assert spec.kinds, name


def test_days_are_those_that_dagster_counts():
    daily = dg.DailyPartitionsDefinition(start_date="2016-01-01", timezone="UTC", end_offset=1)
    assert DAILY.get_partition_keys() == daily.get_partition_keys()
    night = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    assert DAILY.get_partition_keys(night) == daily.get_partition_keys(night)
    assert DAILY.get_partition_keys(night)[-1] == "2026-03-01"


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(as_text(graph()))
