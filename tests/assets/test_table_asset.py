"""Each table as an asset: its columns and check, and what a run over a few days says of it."""

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pandas as pd
import pytest
import yaml
from teams import ROOT, TABLES, Team, day, small_landing

from assets import build_defs, ledger
from assets.io_manager import DeltaIOManager
from assets.resources import Pipeline
from assets.table_asset import table_asset
from ft_emissions_pipeline import reference
from ft_emissions_pipeline.ledger import stored_rollups
from ft_emissions_pipeline.tables import (
    AMORTISATION_SCHEDULE,
    CLOUD_REPORTS,
    LANDING_INDEX,
    MODEL_EVENTS,
    PIPELINE_FOOTPRINT,
    QUARANTINE,
    RESTATEMENTS,
    RUN_IMPACTS,
    TELEMETRY,
    VALIDATED_RUNS,
    conform,
)
from ft_emissions_pipeline.warehouse import opening, store, unmoved

pytestmark = pytest.mark.slow


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


def materializations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    found = {}
    for event in result.get_asset_materialization_events():
        found[event.asset_key.to_user_string()] = event.materialization
    return found


def test_a_range_of_days_is_one_run_and_one_commit_per_table(started):
    # Version 0 is the creation of the table, version 1 its first content.
    without_rows = {
        table.name
        for table in (
            QUARANTINE,
            RESTATEMENTS,
            TELEMETRY,
            MODEL_EVENTS,
            AMORTISATION_SCHEDULE,
            CLOUD_REPORTS,
        )
    }
    assert started.team.versions() == {name: 0 if name in without_rows else 1 for name in TABLES}


def test_a_run_lets_go_of_what_is_written(started):
    with pytest.raises(dg.DagsterInvariantViolationError):
        started.result.output_for_node(VALIDATED_RUNS.name)


def test_materialisations_say_rows_place_version_and_show_some(started):
    found = materializations(started.result)
    for name, table in TABLES.items():
        metadata = found[name].metadata
        rows = started.team.read(table)
        assert metadata["dagster/row_count"].value == len(rows), name
        assert metadata["delta_version"].value == store.version(started.team.warehouse, table)
        assert metadata["dagster/uri"].value == opening.uri(started.team.warehouse, table)
        preview = metadata["preview"].value
        assert (table.key[0] in preview) if len(rows) else preview == "no rows"


def test_the_last_day_says_of_which_columns_a_table_is_made(started):
    """Dagster's page draws the lineage of the newest materialization."""
    lineage = materializations(started.result)[RUN_IMPACTS.name].metadata["dagster/column_lineage"]
    of_water = {dep.column_name for dep in lineage.value.deps_by_column["onsite_water_l"]}
    assert {"wue_l_per_kwh", "active_s"} <= of_water
    assert "pue" not in of_water


def test_each_day_has_its_own_figures_to_plot(started):
    impacts = started.team.read(RUN_IMPACTS)
    told = {
        event.partition: event.materialization.metadata
        for event in started.result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(RUN_IMPACTS.name)
    }
    assert list(told) == [f"2026-01-{number:02d}" for number in range(5, 10)]
    by_day = impacts.groupby(impacts["date"].dt.strftime("%Y-%m-%d"))["total_kgco2e"].sum()
    assert len(by_day) > 1
    for each, metadata in told.items():
        if each in by_day:
            assert metadata["total_kgco2e"].value == pytest.approx(by_day[each], rel=1e-12)
        else:
            assert "total_kgco2e" not in metadata


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
    settings = yaml.safe_load((ROOT / "assets/dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False}


def test_repeated_run_changes_no_byte_and_does_again_just_what_could_move(
    started, tmp_path, monkeypatch
):
    team = started.team.copy(tmp_path)
    for module, name in ((ledger, "quarantined"), (stored_rollups, "refreshed")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("was done again"))
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


def test_what_failed_its_check_is_not_taken_to_stand(tmp_path):
    def landing_index(pipeline: Pipeline):  # noqa: ARG001 - the notes are taken where it says
        """A file with fewer records than none."""
        row = {"source_uri": "u", "content_hash": "h", "content": "usage", "records": -1}
        return conform(pd.DataFrame([row | {"merged": 0, "quarantined": 0}]), LANDING_INDEX)

    asset = table_asset(LANDING_INDEX, group="g", made_from=lambda *_: {})(landing_index)
    resources = {
        "pipeline": Pipeline(landing="landing", warehouse=str(tmp_path)),
        "io_manager": DeltaIOManager(warehouse=str(tmp_path)),
    }
    result = dg.materialize([asset], resources=resources, raise_on_error=False)
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert len(store.read(tmp_path, LANDING_INDEX)) == 1
    assert unmoved.made_from(tmp_path, LANDING_INDEX) is None
