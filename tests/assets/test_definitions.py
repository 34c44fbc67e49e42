"""The DAG as users run it: Dagster in this process, Delta tables on disk, nothing mocked.

`python tests/assets/test_definitions.py` writes the golden graph anew, for a change of the graph made on purpose.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
import yaml
from teams import (
    EXAMPLES,
    GRID_ROW,
    ROOT,
    START,
    TABLES,
    Team,
    changed_reference,
    day,
    small_landing,
    write_nights,
    write_usage,
)

from assets import build_defs, schedules
from assets.in_process import materialize
from assets.partitions import RANGE_END, RANGE_START
from assets.resources import Pipeline
from ft_emissions_pipeline import reference, tables
from ft_emissions_pipeline.landing import index as logs
from ft_emissions_pipeline.tables import (
    AMORTISATION_SCHEDULE,
    FIELD_PROVENANCE,
    INFERENCE_IMPACTS,
    LANDING_INDEX,
    MODEL_EVENTS,
    MODEL_VERSIONS,
    PIPELINE_FOOTPRINT,
    QUARANTINE,
    RESTATEMENTS,
    RUN_IMPACTS,
    RUNS,
    TELEMETRY,
    USAGE,
    VALIDATED_RUNS,
)
from ft_emissions_pipeline.warehouse import pending, store

GOLDEN = Path(__file__).parents[1] / "golden" / "graph.json"


@dataclass
class Started:
    """A team after its first run: what ran, on which instance, and where it tried to connect."""

    team: Team
    result: dg.ExecuteInProcessResult
    instance: dg.DagsterInstance
    connections: list


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    folder = tmp_path_factory.mktemp("started")
    team = Team(small_landing(folder / "landing"), folder / "warehouse")
    connections = []

    def refuse(made: socket.socket, address: object) -> None:
        connections.append((made.family, address))
        msg = f"no network in tests: {address}"
        raise OSError(msg)

    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket.socket, "connect", refuse)
            result = team.run(day(5), day(9), dg.AssetSelection.all(), instance)
        yield Started(team, result, instance, connections)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Team:
    team = Team(EXAMPLES, tmp_path_factory.mktemp("examples"))
    done = materialize(team.landing, team.warehouse)
    assert done.failures == []
    return team


# The graph


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
                "job": sensor.job_name,
                "on_by_default": sensor.default_status is dg.DefaultSensorStatus.RUNNING,
            }
            for sensor in defs.sensors
        },
    }


def as_text(found: dict) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def test_graph_is_as_reviewed():
    assert as_text(graph()) == GOLDEN.read_text(), (
        "the graph moved; if on purpose, run `python tests/assets/test_definitions.py` and have the change of "
        "tests/golden/graph.json reviewed"
    )


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    defs = build_defs(landing="landing", warehouse="warehouse")
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_every_asset_says_what_it_is(specs):
    for name, spec in specs.items():
        assert len((spec.description or "").split()) > 6, name
        assert spec.group_name != "default", name
        assert spec.kinds, name


def test_every_table_is_an_asset_with_columns_and_a_blocking_check(specs):
    defs = build_defs(landing="landing", warehouse="warehouse")
    checks = {
        spec.asset_key.to_user_string(): spec
        for checked in defs.resolve_asset_graph().assets_defs
        for spec in checked.check_specs
    }
    for name, table in TABLES.items():
        columns = specs[name].metadata["dagster/column_schema"].columns
        assert [column.name for column in columns] == table.names
        assert checks[name].blocking


# One run over a few days


def materializations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    found = {}
    for event in result.get_asset_materialization_events():
        found[event.asset_key.to_user_string()] = event.materialization
    return found


def test_a_range_of_days_is_one_run_and_one_commit_per_table(started):
    # Version 0 is the creation of the table, version 1 its first content.
    without_rows = {
        table.name
        for table in (QUARANTINE, RESTATEMENTS, TELEMETRY, MODEL_EVENTS, AMORTISATION_SCHEDULE)
    }
    assert started.team.versions() == {name: 0 if name in without_rows else 1 for name in TABLES}


def test_materialisations_say_rows_place_version_and_show_some(started):
    found = materializations(started.result)
    for name, table in TABLES.items():
        metadata = found[name].metadata
        rows = started.team.read(table)
        assert metadata["dagster/row_count"].value == len(rows), name
        assert metadata["delta_version"].value == store.version(started.team.warehouse, table)
        assert metadata["dagster/uri"].value == store.uri(started.team.warehouse, table)
        preview = metadata["preview"].value
        assert (table.key[0] in preview) if len(rows) else preview == "no rows"


def test_run_records_its_own_footprint(started):
    own = started.team.read(PIPELINE_FOOTPRINT)
    assert list(own["pipeline_run_id"]) == [started.result.run_id]
    assert own["energy_kwh"].item() > 0
    metadata = materializations(started.result)[PIPELINE_FOOTPRINT.name].metadata
    assert metadata["energy_kwh"].value == pytest.approx(own["energy_kwh"].item(), rel=1e-12)
    tags = started.instance.get_run_by_id(started.result.run_id).tags
    # The tags hold the whole run, the row what came before the report; three digits are kept.
    assert float(tags["ft_emissions/own_energy_kwh"]) >= own["energy_kwh"].item() * 0.995
    assert float(tags["ft_emissions/own_carbon_kgco2e"]) > 0


def test_nothing_calls_the_network(started):
    assert started.connections == []
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False}


def test_repeated_run_changes_no_byte_and_restates_nothing(started, tmp_path):
    team = started.team.copy(tmp_path)
    before, versions = team.data_files(), team.versions()
    again = team.run(
        day(5), day(9), dg.AssetSelection.all() - dg.AssetSelection.assets("daily_report")
    )
    assert team.data_files() == before
    assert team.versions() == {**versions, PIPELINE_FOOTPRINT.name: 2}
    assert not any(
        made.metadata["changed"].value
        for name, made in materializations(again).items()
        if name in TABLES and name != PIPELINE_FOOTPRINT.name
    )
    assert data_versions(again) == data_versions(started.result)


def data_versions(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    return {
        name: made.tags["dagster/data_version"]
        for name, made in materializations(result).items()
        if name.startswith("reference/")
    }


def test_data_version_of_reference_tables_is_the_hash_of_their_rows(started):
    found = data_versions(started.result)
    assert set(found) == {f"reference/{name}" for name in reference.TABLES}
    for name, frame in reference.load().tables.items():
        rows = "".join(frame["row_hash"]).encode()
        assert hashlib.sha256(rows).hexdigest().startswith(found[f"reference/{name}"])


def test_thirty_days_add_one_commit_and_thirty_again_none(started, tmp_path):
    team = started.team.copy(tmp_path)
    first_reported = team.read(INFERENCE_IMPACTS)
    before = team.versions()
    team.run(START, START + timedelta(days=29))
    grown = {
        "token_time_model", "model_versions", "inference_impacts", "restatements", "rollups",
    }  # fmt: skip
    assert team.versions() == {name: before[name] + (name in grown) for name in TABLES}
    closed = first_reported[first_reported["status"] == "final"].reset_index(drop=True)
    now = team.read(INFERENCE_IMPACTS)
    kept = now.merge(closed[list(INFERENCE_IMPACTS.key)]).reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, closed)
    after, files = team.versions(), team.data_files()
    team.run(START, START + timedelta(days=29))
    assert (team.versions(), team.data_files()) == (after, files)


def test_an_empty_day_adds_only_what_open_versions_serve(started, tmp_path):
    team = started.team.copy(tmp_path)
    team.run(day(12), day(12))
    assert team.read(RUNS, days=(day(12).date(), day(12).date())).empty
    served = team.read(INFERENCE_IMPACTS, days=(day(12).date(), day(12).date()))
    assert set(served["model_version"]) == {"support-bot-09", "chef-06"}


def test_a_single_day_of_many_is_run_alone(tmp_path):
    team = Team(small_landing(tmp_path / "landing"), tmp_path / "warehouse")
    team.run(day(6), day(6))
    assert list(team.read(RUNS)["run_id"]) == ["chef-06"]
    assert set(team.read(USAGE)["model_name"]) == {"support-bot", "chef"}
    assert set(team.read(INFERENCE_IMPACTS)["date"]) == {day(6)}


def test_an_empty_landing_folder_gives_empty_tables(tmp_path):
    (tmp_path / "landing").mkdir()
    team = Team(tmp_path / "landing", tmp_path / "warehouse")
    result = team.run(day(5), day(5))
    assert result.success
    filled = {name for name, table in TABLES.items() if len(team.read(table))}
    assert filled == {"token_time_model"}


# The examples


def test_examples_give_every_version_of_the_nightly_model(examples):
    versions = examples.read(MODEL_VERSIONS)
    nightly = versions[versions["model_name"] == "support-bot"].sort_values("use_life_start")
    assert len(nightly) == 35
    assert list(nightly["status"]) == ["closed"] * 34 + ["open"]
    assert set(versions["model_name"]) == {
        "support-bot",
        "ticket-router",
        "contract-summariser",
        "intent-classifier",
    }


def assert_allocated_once(team: Team) -> None:
    """Assert invariant 1: what the days of a closed version carry sums to its run's total."""
    versions = team.read(MODEL_VERSIONS).set_index(["model_name", "model_version"])
    closed = versions[versions["status"] == "closed"]
    assert len(closed)
    impacts = team.read(INFERENCE_IMPACTS).groupby(["model_name", "model_version"])
    for allocated, total in (
        ("allocated_kgco2e", "total_kgco2e"),
        ("allocated_water_l", "total_water_l"),
    ):
        sums = impacts[allocated].sum().reindex(closed.index)
        assert sums.to_numpy() == pytest.approx(closed[total].to_numpy(), rel=1e-9)


def test_every_gram_of_a_closed_version_is_allocated_once(examples):
    assert_allocated_once(examples)
    totals = examples.read(RUN_IMPACTS).set_index("run_id")["total_kgco2e"]
    versions = examples.read(MODEL_VERSIONS).set_index("model_version")["total_kgco2e"]
    assert versions.to_dict() == totals.to_dict()


def test_quarantine_holds_the_broken_records_of_the_examples(examples):
    quarantine = examples.read(QUARANTINE)
    found = dict(zip(quarantine["source_uri"], quarantine["reason_code"], strict=True))
    assert found == {
        "broken/emissions.csv": "unrecognised",
        "broken/half_written_job.json": "broken_json",
        "broken/negative_duration.csv": "out_of_range",
    }
    assert quarantine["reason"].str.split().str.len().min() > 3


def test_no_record_of_the_examples_disappears(examples):
    index = examples.read(LANDING_INDEX)
    counts = logs.outcomes(index, examples.read(QUARANTINE).query("content_hash.isna()"))
    files = [path for path in EXAMPLES.rglob("*") if path.is_file()]
    assert len(counts) == len(files)
    together = counts[["used", "merged", "quarantined"]].sum(axis=1)
    assert list(together) == list(counts["records"])
    by_file = counts.set_index("source_uri")["records"]
    assert by_file["support-bot/emissions.csv"] == 35
    assert counts["used"].sum() == len(examples.read(RUNS)) + len(examples.read(USAGE))


def test_order_and_names_of_files_change_nothing(examples, tmp_path):
    landing = shutil.copytree(EXAMPLES, tmp_path / "landing")
    for old, new in (
        ("support-bot/emissions.csv", "00/first.csv"),
        ("support-bot/usage.csv", "zz/counts.csv"),
        ("ticket-router/bedrock_job.json", "00/job.json"),
        ("ticket-router/usage.jsonl", "zz/more.jsonl"),
    ):
        (landing / new).parent.mkdir(exist_ok=True)
        (landing / old).rename(landing / new)
    renamed = Team(landing, tmp_path / "warehouse")
    renamed.run(
        day(5),
        day(31),
        dg.AssetSelection.assets(RUN_IMPACTS.name).upstream().required_multi_asset_neighbors(),
    )
    span = (day(5).date(), day(31).date())
    there, here = renamed.read(RUN_IMPACTS), examples.read(RUN_IMPACTS, days=span)
    assert len(here) > 20
    pd.testing.assert_frame_equal(there, here, check_exact=True)


# What moves, and why


@dataclass(frozen=True)
class Step:
    """State after one event of the story."""

    days: list[tuple[pd.Timestamp, pd.Timestamp]]
    version: int
    table: pd.DataFrame
    moved: pd.DataFrame
    partitions: dict[str, str]


@pytest.fixture(scope="module")
def story(started, tmp_path_factory) -> dict[str, Step]:
    """A late log, a corrected count, a successor and a changed factor, one after the other."""
    folder = tmp_path_factory.mktemp("story")
    team = started.team.copy(folder)
    steps = {}

    def note(name: str, days: list) -> None:
        known = pd.concat([step.moved for step in steps.values()]) if steps else None
        moved = team.read(RESTATEMENTS)
        if known is not None:
            moved = moved[~moved.set_index(KEY).index.isin(known.set_index(KEY).index)]
        runs = team.read(RUN_IMPACTS)
        version = store.version(team.warehouse, INFERENCE_IMPACTS)
        partitions = {
            str(each.date()): rows.to_csv(index=False) for each, rows in runs.groupby("date")
        }
        steps[name] = Step(days, version, team.read(INFERENCE_IMPACTS), moved, partitions)

    note("first report", [])
    write_nights(team.landing / "late.csv", ("support-bot", 8))
    note("late log", materialize(team.landing, team.warehouse).ranges)
    write_usage(team.landing / "usage_corrected.csv", {6: 3000})
    note("usage true-up", materialize(team.landing, team.warehouse).ranges)
    write_nights(team.landing / "next.csv", ("support-bot", 11))
    note("use life closed", materialize(team.landing, team.warehouse).ranges)
    team.options["reference_data"] = changed_reference(folder)
    team.run(day(5), day(11))
    note("factor changed", [(day(5), day(11))])
    steps["team"] = team
    return steps


KEY = list(RESTATEMENTS.key)


def causes(moved: pd.DataFrame, number: int, model: str = "support-bot") -> set[str]:
    rows = moved[(moved["date"] == day(number)) & (moved["model_name"] == model)]
    return set(rows["cause"])


def test_a_late_log_runs_just_its_day_and_the_days_that_it_moves(story):
    step = story["late log"]
    # The run lands on the 8th; it cuts short the version of the 7th, which served until the 9th.
    assert step.days == [(day(8), day(8)), (day(7), day(9))]
    before = story["first report"].partitions
    assert {name: text for name, text in step.partitions.items() if name != "2026-01-08"} == before
    assert set(step.moved["date"]) == {day(7), day(8), day(9)}
    assert causes(step.moved, 7) == causes(step.moved, 9) == {"late log"}


def test_a_corrected_count_is_a_true_up(story):
    step = story["usage true-up"]
    assert causes(step.moved, 6) >= {"usage true-up"}
    # The version of the 5th serves into the 7th; the open one goes on as the model was used so far.
    assert set(step.moved["date"]) == {day(5), day(6), day(7), day(9)}
    count = step.moved[step.moved["column"] == "inferences"]
    assert list(count["date"]) == [day(6)]
    assert (count["old"].item(), count["new"].item()) == (1000.0, 3000.0)


def test_a_successor_closes_the_use_life(story):
    step = story["use life closed"]
    moved = step.moved[step.moved["model_version"] == "support-bot-09"]
    assert set(moved["cause"]) == {"use life closed"}
    ended = step.table.query("model_version == 'support-bot-09'")
    assert set(ended["status"]) == {"final"}


def test_a_changed_factor_moves_only_runs_that_rest_on_it(story):
    step = story["factor changed"]
    assert set(step.moved["cause"]) == {"factor changed"}
    assert set(step.moved["model_name"]) == {"support-bot"}
    assert set(step.moved["column"]) == {"gco2e_per_inference", "allocated_kgco2e"}
    assert (step.moved["new"] > step.moved["old"]).all()
    provenance = story["team"].read(FIELD_PROVENANCE)
    rest = provenance[provenance["factor_id"].fillna("").str.contains(GRID_ROW, regex=False)]
    assert set(rest["run_id"].str.rsplit("-", n=1).str[0]) == {"support-bot"}


def test_what_was_reported_once_stays_readable(story):
    team = story["team"]
    for name in ("first report", "late log", "usage true-up", "use life closed", "factor changed"):
        step = story[name]
        as_reported = team.read(INFERENCE_IMPACTS, version=step.version)
        pd.testing.assert_frame_equal(as_reported, step.table)


def test_restatements_lead_from_the_first_reports_to_the_present_table(story):
    team = story["team"]
    restated = team.read(RESTATEMENTS)
    columns = sorted(set(restated["column"]))
    key = list(INFERENCE_IMPACTS.key)
    state: dict[tuple, dict[str, float]] = {}
    for version in range(store.version(team.warehouse, INFERENCE_IMPACTS) + 1):
        for row in restated[restated["new_table_version"] == version].to_dict("records"):
            reported = state[tuple(row[name] for name in key)]
            assert reported[row["column"]] == pytest.approx(row["old"], rel=1e-12, nan_ok=True)
            reported[row["column"]] = row["new"]
        state = {of: values for of, values in state.items() if values["allocated_kgco2e"] >= 0}
        rows = team.read(INFERENCE_IMPACTS, version=version).set_index(key)
        for of, row in rows.iterrows():
            state.setdefault(of, row[columns].to_dict())
    now = team.read(INFERENCE_IMPACTS).set_index(key)
    assert set(state) == set(now.index)
    replayed = pd.DataFrame.from_dict(state, orient="index").reindex(now.index)[columns]
    pd.testing.assert_frame_equal(
        replayed.astype(float), now[columns].astype(float), rtol=1e-12, check_names=False
    )


def test_every_gram_stays_allocated_once_through_the_story(story):
    assert_allocated_once(story["team"])


def test_days_without_logs_between_two_runs_are_reported(started, tmp_path):
    team = started.team.copy(tmp_path)
    write_usage(team.landing / "usage_2.csv", {20: 500})
    materialize(team.landing, team.warehouse)
    served = team.read(INFERENCE_IMPACTS).query("model_version == 'chef-06'")
    assert set(served["date"]) == set(pd.date_range(day(6), day(20)))


def test_logs_beside_a_day_that_was_run_alone_are_not_forgotten(tmp_path, started):
    team = Team(started.team.landing, tmp_path / "warehouse")
    materialize(team.landing, team.warehouse, days=(day(9), day(9)))
    done = materialize(team.landing, team.warehouse)
    assert done.ranges[0] == (day(5), day(8))
    assert_same_tables(team, started.team)
    assert materialize(team.landing, team.warehouse).ranges == []


def assert_same_tables(one: Team, other: Team) -> None:
    """Assert that two warehouses report the same; how they came to it may differ."""
    for table in TABLES.values():
        if table not in (PIPELINE_FOOTPRINT, RESTATEMENTS):
            pd.testing.assert_frame_equal(one.read(table), other.read(table), obj=table.name)


# What goes wrong


def killed_at(stage: str, landing: Path, warehouse: Path) -> None:
    """Run everything, and die without a word as a stage begins."""

    def die(begun: str) -> None:
        if begun == stage:
            os.kill(os.getpid(), signal.SIGKILL)

    materialize(landing, warehouse, progress=die)


def test_a_killed_run_leaves_readable_tables_and_a_rerun_completes_them(tmp_path, started):
    team = Team(started.team.landing, tmp_path / "warehouse")
    # A fork server imports Dagster once for all three processes.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["assets.in_process", "great_expectations", "codecarbon"])
    for stage in ("runs", "model_versions", "daily_report"):
        process = processes.Process(target=killed_at, args=(stage, team.landing, team.warehouse))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL, stage
        for table in TABLES.values():
            team.read(table)
    done = materialize(team.landing, team.warehouse)
    assert done.failures == []
    assert_same_tables(team, started.team)
    assert pending.days(team.warehouse, tables.EVERYTHING).empty


def test_telemetry_of_two_days_reaches_the_run_over_midnight(tmp_path):
    """A scheduler's job, and the samples of its host; both days are run because logs touch them."""
    landing = tmp_path / "landing"
    (landing / "host=node1").mkdir(parents=True)
    (landing / "sacct.txt").write_text(
        "JobID|JobName|State|Start|End|Elapsed|AllocTRES|NodeList\n"
        "7|bot|COMPLETED|2026-01-05T23:00:00|2026-01-06T01:00:00|02:00:00|gres/gpu:a100=1|node1\n"
    )
    samples = pd.date_range("2026-01-05T22:30", "2026-01-06T01:30", freq="30s")
    lines = [f"{at:%Y/%m/%d %H:%M:%S}.000, 0, 300.00 W\n" for at in samples]
    header = "timestamp, index, power.draw [W]\n"
    (landing / "host=node1" / "smi.csv").write_text(header + "".join(lines))
    done = materialize(landing, tmp_path / "warehouse")
    assert done.failures == []
    assert [(first, last) for first, last in done.ranges][:1] == [(day(5), day(6))]
    validated = store.read(tmp_path / "warehouse", VALIDATED_RUNS)
    assert validated["gpu_energy_kwh"].tolist() == [pytest.approx(0.6)]
    assert store.read(tmp_path / "warehouse", TELEMETRY)["energy_kwh"].sum() == pytest.approx(0.9)


def test_a_roll_back_in_models_yaml_moves_the_days_that_it_touches(started, tmp_path):
    team = started.team.copy(tmp_path)
    (team.landing / "models.yaml").write_text(
        "models:\n  support-bot:\n    team: support\n    events:\n"
        "      - {at: 2026-01-08T03:00:00Z, rolled_back_to: support-bot-05}\n"
    )
    done = materialize(team.landing, team.warehouse)
    assert done.failures == []
    assert done.ranges == [(day(5), day(9))]
    versions = team.read(MODEL_VERSIONS).set_index("model_version")
    assert versions["team"].dropna().unique().tolist() == ["support"]
    assert versions["use_life_rule"]["support-bot-07"] == "rolled_back"
    assert versions["pauses"]["support-bot-05"] == "2026-01-07T03:00:00Z/2026-01-08T03:00:00Z"
    served = team.read(INFERENCE_IMPACTS).query("model_version == 'support-bot-05'")
    assert list(served["date"]) == [day(5), day(6), day(7), day(8), day(9)]
    assert set(team.read(RESTATEMENTS)["model_version"]) == {"support-bot-05", "support-bot-07"}
    assert_allocated_once(team)
    assert materialize(team.landing, team.warehouse).ranges == []


def test_counts_that_no_version_fits_stand_in_quarantine_until_the_log_lands(started, tmp_path):
    team = started.team.copy(tmp_path)
    write_usage(team.landing / "early.csv", {8: 70}, "newcomer")
    materialize(team.landing, team.warehouse)
    quarantine = team.read(QUARANTINE)
    assert list(quarantine["reason_code"]) == ["unknown_model"]
    assert list(quarantine["source_uri"]) == ["early.csv"]
    write_nights(team.landing / "newcomer.csv", ("newcomer", 8))
    materialize(team.landing, team.warehouse)
    assert team.read(QUARANTINE).empty
    rows = team.read(INFERENCE_IMPACTS)
    counted = rows[(rows["model_name"] == "newcomer") & (rows["date"] == day(8))]
    assert counted["inferences"].tolist() == [70.0]


def test_a_model_by_months_has_its_schedule_stored(started, tmp_path):
    team = started.team.copy(tmp_path)
    (team.landing / "models.yaml").write_text("models: {chef: {method: monthly}}\n")
    materialize(team.landing, team.warehouse)
    schedule = team.read(AMORTISATION_SCHEDULE)
    assert set(schedule["model_version"]) == {"chef-06"}
    days = team.read(INFERENCE_IMPACTS).query("model_name == 'chef'")
    rate = schedule["gco2e_per_inference"][0]
    assert days["gco2e_per_inference"].to_numpy() == pytest.approx([rate] * len(days), rel=1e-9)


def test_a_file_without_days_still_reaches_quarantine(started, tmp_path):
    team = started.team.copy(tmp_path)
    (team.landing / "broken.json").write_text('{"jobArn": ')
    assert materialize(team.landing, team.warehouse).ranges == []
    assert list(team.read(QUARANTINE)["source_uri"]) == ["broken.json"]


def test_runs_are_on_record_where_dagster_has_a_home(tmp_path):
    home, landing = tmp_path / "home", tmp_path / "landing"
    home.mkdir()
    landing.mkdir()
    (landing / "broken.json").write_text("{")
    # Without its settings, which switch telemetry off, the home is left alone.
    materialize(landing, tmp_path / "first", home=home)
    assert list(home.iterdir()) == []
    shutil.copy(ROOT / "dagster.yaml", home)
    materialize(landing, tmp_path / "second", home=home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert [run.job_name for run in instance.get_runs()] == ["intake"]


# By itself


def test_schedule_is_off_until_switched_on():
    assert schedules.daily.default_status is dg.DefaultScheduleStatus.STOPPED


def test_schedule_asks_for_the_days_of_open_versions_up_to_yesterday(started, tmp_path):
    team = started.team.copy(tmp_path)
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


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(as_text(graph()))
