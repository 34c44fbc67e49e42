"""What assets say of themselves: owners, tags, version, freshness, where code and docs are."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from assets import build_defs, restatement
from assets.definitions import SETTINGS
from assets.home import home_of
from assets.reference import _held
from ft_emissions_pipeline import __version__
from ft_emissions_pipeline.tables import MODEL_VERSIONS, ROLLUPS


def specs_of(**choices):
    defs = build_defs(landing="landing", warehouse="warehouse", **choices)
    return {spec.key.path[-1]: spec for spec in defs.resolve_all_asset_specs()}


def test_owners_and_tags_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("FT_EMISSIONS_OWNERS", "team:ml-platform, ada@example.org")
    monkeypatch.setenv("FT_EMISSIONS_TAGS", "domain=sustainability")
    for spec in specs_of().values():
        assert list(spec.owners) == ["team:ml-platform", "ada@example.org"]
        assert spec.tags["domain"] == "sustainability"


def test_another_methodology_is_another_version_of_the_code():
    assert specs_of()[ROLLUPS.name].code_version == f"{__version__} default"
    assert specs_of(profile="scope3-2024")[ROLLUPS.name].code_version.endswith("scope3-2024")


def test_what_people_read_in_the_morning_has_a_deadline():
    due = {name for name, spec in specs_of().items() if spec.freshness_policy is not None}
    assert due == {"inference_impacts", "rollups", "daily_report"}


def test_an_asset_leads_to_its_own_function_and_to_its_table_in_the_docs():
    for name, function in (
        (MODEL_VERSIONS.name, "def model_versions("),
        ("gpus", "@dg.multi_asset"),
    ):
        metadata = specs_of()[name].metadata
        at = metadata["dagster/code_references"].code_references[0]
        lines = Path(at.file_path).read_text().splitlines()[at.line_number - 1 :]
        assert function in "\n".join(lines[:8])
        page, _, anchor = metadata["docs"].value.partition("#")
        assert f"\n## {anchor}\n" in Path(page).read_text()


def test_choices_come_from_the_environment_where_they_are_not_given(monkeypatch):
    monkeypatch.setenv(SETTINGS["profile"], "scope3-2024")
    monkeypatch.setenv(SETTINGS["calibrate"], "1")
    pipeline = build_defs().resources["pipeline"]
    assert (pipeline.profile, pipeline.calibrate) == ("scope3-2024", True)
    given = build_defs(profile="default", calibrate=False).resources["pipeline"]
    assert (given.profile, given.calibrate) == ("default", False)


@pytest.mark.parametrize(
    ("wrong", "held"),
    [
        ([], True),
        (["  servers.csv, line 3: pue is 0.1"], True),
        (["  gpus.csv, line 3: tdp_w is -1"], False),
        (["  datapackage.json is missing"], False),
    ],
)
def test_a_refused_row_fails_the_check_of_its_table_alone(wrong, held):
    found = _held("gpus", wrong)
    assert found.passed == held
    assert held or wrong[0].strip() in found.description


def test_dagsters_home_lies_beside_the_tables_and_sends_nothing(monkeypatch, tmp_path):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    home = home_of(tmp_path / "warehouse")
    assert home == tmp_path / "warehouse" / "dagster_home"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.telemetry_enabled
    assert home_of("s3://bucket/warehouse") is None
    monkeypatch.setenv("DAGSTER_HOME", "")
    assert home_of(tmp_path / "other") is None
    assert not (tmp_path / "other").exists()


def test_a_restatements_page_tells_the_factor_with_old_and_new():
    moved = pd.DataFrame(
        {"cause": "factor changed", "cause_detail": ["grid|x: 0.4 -> 0.5", "grid|x: 0.4 -> 0.5"]}
    )
    assert restatement.causes(moved).splitlines()[2:] == [
        r"| factor changed | grid\|x: 0.4 -\> 0.5 | 2 |"
    ]
