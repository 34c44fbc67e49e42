"""Events that are written at once are those that Dagster writes one by one."""

from collections import Counter
from collections.abc import Iterator

import dagster as dg
import pandas as pd
import pytest

from assets import event_log
from assets.partitions import DAILY, ONE_RUN, range_tags

DAYS = pd.Timestamp("2026-05-01"), pd.Timestamp("2026-05-04")


@dg.asset(
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    check_specs=[dg.AssetCheckSpec("kept", asset="daily")],
)
def daily() -> Iterator[dg.MaterializeResult]:
    yield dg.MaterializeResult(
        metadata={"rows": 3}, check_results=[dg.AssetCheckResult(passed=True, check_name="kept")]
    )


@dg.asset(deps=[daily])
def whole() -> None:
    pass


def told(instance):
    """Return what Dagster's page reads of a run: events, newest of each asset, days made."""
    job = dg.Definitions(
        [daily, whole], jobs=[dg.define_asset_job("both", [daily, whole])]
    ).resolve_job_def("both")
    run = job.execute_in_process(instance=instance, tags=range_tags(*DAYS))
    assert run.success
    events = Counter(
        (each.dagster_event.event_type_value, str(each.dagster_event.asset_key),
         each.dagster_event.partition)
        for each in instance.all_logs(run.run_id)
    )  # fmt: skip
    newest = {
        key: instance.get_latest_materialization_event(dg.AssetKey(key)).dagster_event.partition
        for key in ("daily", "whole")
    }
    versions = instance.get_latest_materialization_event(dg.AssetKey("daily"))
    tags = versions.dagster_event.step_materialization_data.materialization.tags.keys()
    made = instance.get_materialized_partitions(dg.AssetKey("daily"))
    history = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("daily"), "kept"), limit=100
    )
    checked = Counter((each.partition, each.status, each.event is None) for each in history)
    return events, newest, set(tags), made, checked


@pytest.mark.parametrize("kept", [False, True], ids=["forgotten", "kept in files"])
def test_batches_hold_what_single_events_hold(kept, tmp_path, monkeypatch):
    def instance(name):
        if not kept:
            return dg.DagsterInstance.ephemeral()
        (tmp_path / name).mkdir()
        # Dagster leaves an identity in the user's home where its telemetry is on.
        quiet = {"telemetry": {"enabled": False}}
        return dg.DagsterInstance.local_temp(str(tmp_path / name), overrides=quiet)

    monkeypatch.delenv(event_log.BATCH_SIZE, raising=False)
    with instance("singly") as singly:
        expected = told(singly)
    monkeypatch.setattr(event_log, "EVENTS", 3)
    monkeypatch.setenv(event_log.BATCH_SIZE, "3")
    with instance("batched") as batched:
        event_log.in_batches(batched)
        written = []
        store = batched.event_log_storage.store_event_batch
        batched.event_log_storage.store_event_batch = lambda events: (
            written.append(len(events)),
            store(events),
        )
        assert told(batched) == expected
    assert max(written) == 3
    assert expected[3] == {"2026-05-01", "2026-05-02", "2026-05-03", "2026-05-04"}
