"""What OpenLineage is told; only where the optional package is installed."""

import json

import pytest
import yaml
from teams import day, small_landing

from assets.home import SETTINGS, home_of
from assets.in_process import materialize
from ft_emissions_pipeline.tables import RUN_IMPACTS
from ft_emissions_pipeline.warehouse import store

pytest.importorskip("dagster_openlineage", exc_type=ImportError)
pytestmark = pytest.mark.slow


def test_an_event_carries_the_footprint_of_its_day_and_the_lineage_of_its_columns(
    tmp_path, monkeypatch
):
    events, warehouse = tmp_path / "events.jsonl", tmp_path / "warehouse"
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT", json.dumps(transport))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    home = home_of(warehouse)
    base_dir = str(home / "history" / "runs")
    wrapped = {"module": "dagster._core.storage.event_log", "class": "SqliteEventLogStorage",
               "config": {"base_dir": base_dir}}  # fmt: skip
    settings = yaml.safe_load(SETTINGS.read_text())
    settings["event_log_storage"] = {
        "module": "assets.open_lineage", "class": "FootprintEventLogStorage",
        "config": {"wrapped": wrapped, "namespace": "example"},
    }  # fmt: skip
    (home / SETTINGS.name).write_text(yaml.safe_dump(settings))
    landing = small_landing(tmp_path / "landing")
    assert materialize(landing, warehouse, days=(day(5), day(6)), home=home).failures == []

    told = [json.loads(line) for line in events.read_text().splitlines()]
    done = [event for event in told if event.get("eventType") == "COMPLETE"]
    of_runs = [event for event in done if event["job"]["name"] == RUN_IMPACTS.name]
    facets = [event["outputs"][0]["facets"] for event in of_runs]
    footprints = [each["ftEmissions_footprint"] for each in facets
                  if "ftEmissions_footprint" in each]  # fmt: skip
    stored = store.read(warehouse, RUN_IMPACTS).groupby("date")["total_kgco2e"].sum()
    assert [each["total_kgco2e"] for each in footprints] == pytest.approx(stored.tolist())
    lineage = next(each["columnLineage"] for each in facets if "columnLineage" in each)
    made_of = lineage["fields"]["operational_kgco2e"]["inputFields"]
    assert {"namespace": "example", "name": "normalized_runs",
            "field": "grid_kgco2e_per_kwh"} in [
        {key: each[key] for key in ("namespace", "name", "field")} for each in made_of
    ]  # fmt: skip
