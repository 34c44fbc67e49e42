"""What stood in the table on a past day, by the instants of its commits."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import warehouses
from deltalake import DeltaTable
from typer.testing import CliRunner

from ft_emissions_pipeline import cli, restatement
from ft_emissions_pipeline.restatement import between
from ft_emissions_pipeline.restatement.as_reported import NothingReported, as_reported
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS
from ft_emissions_pipeline.warehouse import opening, store


@pytest.fixture(scope="module")
def restated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A warehouse whose table was first committed on March 1st and restated today."""
    made = warehouses.everything(
        warehouses.many_kinds(), warehouses.some_usage(), warehouses.chosen()
    )
    warehouse = warehouses.write(tmp_path_factory.mktemp("restated") / "warehouse", made)
    backdate(warehouse, pd.Timestamp("2026-03-01T12:00"))
    restatement.apply(
        warehouse,
        warehouses.chosen(warehouses.scaled(warehouses.reference.load(), warehouses.GRID)),
    )
    return warehouse, made[INFERENCE_IMPACTS]


def backdate(warehouse: Path, to: pd.Timestamp) -> None:
    """Let the commits so far be of a past instant, as if the table had been written then."""
    at = int(to.timestamp() * 1000)
    for log in (warehouse / INFERENCE_IMPACTS.name / "_delta_log").glob("*.json"):
        lines = log.read_text().splitlines()
        log.write_text(
            "\n".join(
                re.sub(r'("commitInfo":\{"timestamp":)\d+', rf"\g<1>{at}", line) for line in lines
            )
        )


def invoke(*arguments: object):
    return CliRunner().invoke(cli.app, [str(each) for each in arguments])


def test_the_last_commit_up_to_the_end_of_the_day_counts(restated):
    warehouse, first = restated
    found = as_reported(warehouse, pd.Timestamp("2026-03-01"))
    pd.testing.assert_frame_equal(
        found.rows, first.sort_values(list(INFERENCE_IMPACTS.key)).reset_index(drop=True)
    )
    assert len(found.restated) > 0
    today = as_reported(warehouse, pd.Timestamp.now("UTC").tz_localize(None).floor("D"))
    assert today.restated.empty
    assert today.committed_at == store.history(warehouse, INFERENCE_IMPACTS)["timestamp"].iloc[-1]
    assert not today.rows.equals(found.rows)


def test_before_the_first_commit_nothing_stood(restated, tmp_path):
    with pytest.raises(NothingReported, match=r"nothing stood .* first commit is of 2026-03-01"):
        as_reported(restated[0], pd.Timestamp("2026-02-28"))
    with pytest.raises(NothingReported, match="make it with `ft-emissions run`"):
        as_reported(tmp_path, pd.Timestamp("2026-02-28"))


def test_a_vacuumed_version_is_said_to_be_gone(restated, tmp_path):
    warehouse = shutil.copytree(restated[0], tmp_path / "warehouse")
    DeltaTable(opening.uri(warehouse, INFERENCE_IMPACTS)).vacuum(
        retention_hours=0, enforce_retention_duration=False, dry_run=False
    )
    with pytest.raises(NothingReported, match="was vacuumed"):
        as_reported(warehouse, pd.Timestamp("2026-03-01"))


def test_a_history_that_was_cut_off_is_said_to_be(restated, tmp_path):
    warehouse = shutil.copytree(restated[0], tmp_path / "warehouse")
    DeltaTable(opening.uri(warehouse, INFERENCE_IMPACTS)).create_checkpoint()
    for version, day in enumerate(("2026-02-28", "2026-03-01")):
        (warehouse / INFERENCE_IMPACTS.name / "_delta_log" / f"{version:020d}.json").unlink()
        with pytest.raises(NothingReported, match="was removed"):
            as_reported(warehouse, pd.Timestamp(day))


def test_the_command_prints_what_stood_and_what_moved_since(restated):
    asked = (
        "as-reported",
        "--at",
        "2026-03-01",
        "--warehouse",
        restated[0],
        "--date",
        "2026-01-06",
    )
    result = invoke(*asked)
    assert result.exit_code == 0, result.stderr
    assert "version 1 of inference_impacts, committed 2026-03-01 12:00 UTC" in result.stdout
    assert "support-bot" in result.stdout
    assert f"factor changed: {warehouses.GRID}: gco2e_per_kwh 288.157 -> 576.314" in result.stdout
    rows = invoke(*asked, "--format", "csv").stdout.splitlines()
    assert rows[0].startswith("date,model_name")
    assert all(row.startswith("2026-01-06") for row in rows[1:])
    told = json.loads(invoke(*asked, "--format", "json").stdout)
    assert len(told["as_reported"]) == len(rows) - 1
    assert {each["cause"] for each in told["restated_since"]} == {"factor changed"}
    early = invoke("as-reported", "--at", "2026-02-01", "--warehouse", restated[0])
    assert (early.exit_code, early.stdout) == (1, "")
    assert "nothing stood" in early.stderr


def test_an_instant_counts_to_the_second(restated):
    before = pd.Timestamp("2026-03-01T11:59:59Z")
    with pytest.raises(NothingReported, match=r"nothing stood .* on 2026-03-01 11:59:59 UTC yet"):
        as_reported(restated[0], before)
    assert as_reported(restated[0], before + pd.Timedelta(seconds=1)).table_version == 1


def test_a_commit_at_midnight_is_of_the_day_that_begins(restated, tmp_path):
    warehouse = tmp_path / "warehouse"
    table = INFERENCE_IMPACTS.name
    shutil.copytree(restated[0] / table, warehouse / table)
    backdate(warehouse, pd.Timestamp("2026-03-02"))
    with pytest.raises(NothingReported, match="nothing stood"):
        as_reported(warehouse, pd.Timestamp("2026-03-01"))
    assert not as_reported(warehouse, pd.Timestamp("2026-03-02")).rows.empty


def test_two_reports_differ_by_what_was_restated_and_by_what_was_new(restated, tmp_path):
    """The causes add up to the difference; a run and a day that were not there are named so."""
    warehouse, first = restated
    warehouse = shutil.copytree(warehouse, tmp_path / "warehouse")
    stands = store.read(warehouse, INFERENCE_IMPACTS)
    night = stands[stands["model_name"] == "support-bot"].tail(1)
    new = night.assign(model_version="a-new-run", allocated_kgco2e=3.0)
    late = night.assign(date=night["date"] + pd.Timedelta(days=40), allocated_kgco2e=2.0)
    store.write(warehouse, INFERENCE_IMPACTS, pd.concat([stands, new, late]))
    found = between.compare(warehouse, pd.Timestamp.now("UTC"), pd.Timestamp("2026-03-01"))
    assert found.earlier.table_version == 1
    by_cause = found.moved.groupby("cause")["allocated_kgco2e"].sum()
    factor = stands["allocated_kgco2e"].sum() - first["allocated_kgco2e"].sum()
    assert by_cause.to_dict() == pytest.approx(
        {"factor changed": factor, "new run": 3.0, "new day": 2.0}, rel=1e-9
    )
    assert factor > 1.0
    months = found.moved.groupby(["model_name", "month"])["allocated_kgco2e"].sum()
    stood = found.stood.set_index(["model_name", "month"])
    whole = stood["allocated_kgco2e_later"] - stood["allocated_kgco2e_earlier"]
    assert months.to_dict() == pytest.approx(whole[months.index].to_dict(), rel=1e-9)
    assert whole.drop(months.index).abs().max() == pytest.approx(0.0, abs=1e-12)


def test_the_command_compares_two_instants(restated):
    now = f"{pd.Timestamp.now('UTC'):%Y-%m-%dT%H:%M:%SZ}"
    asked = ("compare", "--warehouse", restated[0], "--at", "2026-03-01T12:00")
    found = invoke(*asked, "--at", now, "--from", "2026-01-06", "--to", "2026-01-12")
    assert found.exit_code == 0, found.stderr
    assert "Earlier: version 1 of inference_impacts, committed 2026-03-01 12:00:00" in found.stdout
    assert "factor changed" in found.stdout
    same = invoke(*asked, "--at", "2026-03-02")
    assert "Nothing moved." in same.stdout
    once = invoke(*asked)
    assert (once.exit_code, once.stdout) == (2, "")
    assert "give --at twice" in once.stderr
