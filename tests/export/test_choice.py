"""Which versions and days an export holds, on the command line and in the API."""

import pandas as pd
import pytest
import schemas
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from typer.testing import CliRunner

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import cli, export, tables
from ft_emissions_pipeline.export.figures import figures as gathered
from ft_emissions_pipeline.warehouse import store


def run(*words, **env):
    return CliRunner().invoke(cli.app, ["export", *map(str, words)], env=env)


def test_the_newest_version_of_a_model_and_any_by_its_id(warehouse):
    newest = run("hugging-face", "--model", "support-bot", "--warehouse", warehouse)
    made = store.read(warehouse, tables.RUN_IMPACTS).query("model_name == 'support-bot'")
    last = made.sort_values("ended_at").iloc[-1]
    assert f"emissions: {1000 * last.total_kgco2e:.4g}" in newest.stdout
    first = made.sort_values("ended_at").iloc[0]
    by_id = run("hugging-face", "--version", first.run_id, "--warehouse", warehouse)
    assert f"emissions: {1000 * first.total_kgco2e:.4g}" in by_id.stdout


def test_days_choose_versions_made_and_inferences_served(warehouse):
    days = pd.Timestamp("2026-01-10"), pd.Timestamp("2026-01-12")
    found = export.of_warehouse(
        warehouse, export.Choice("support-bot", days=days), made_at=export.now()
    )
    assert found.versions["date"].between(*days).all()
    assert len(found.versions) == 3
    assert set(found.per_inference["date"]) == set(pd.date_range(*days))
    assert found.table(tables.FIELD_PROVENANCE)["run_id"].isin(found.versions["run_id"]).all()


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("hugging-face", "--model", "support-bott"), "nearest: support-bot", 1),
        (("hugging-face",), "name a model", 1),
        (("no-such",), "no format 'no-such'; there are hugging-face", 2),
        (("disclosure", "--from", "2026-01-01"), "--from and --to go together", 2),
        (("disclosure", "--from", "2020-01-01", "--to", "2020-01-02"), "on the days asked for", 1),
    ],
)
def test_a_refusal_says_what_there_is(warehouse, words, said, code):
    result = run(*words, "--warehouse", warehouse)
    assert (result.exit_code, said in result.output) == (code, True)


def test_the_same_instant_writes_the_same_bytes(warehouse, tmp_path):
    for name in ("a.md", "b.md"):
        result = run(
            "disclosure",
            "--warehouse",
            warehouse,
            "--out",
            tmp_path / name,
            SOURCE_DATE_EPOCH="1770681600",
        )
        assert result.stdout == f"{tmp_path / name}\n"
    assert (tmp_path / "a.md").read_bytes() == (tmp_path / "b.md").read_bytes()
    assert "made_at | 2026-02-10T00:00:00Z" in (tmp_path / "a.md").read_text()


def test_a_version_is_restated_once_a_factor_moved_it_and_not_for_its_use(warehouse):
    held = {table: store.read(warehouse, table) for table in tables.TABLES.values()}
    version = held[tables.RUN_IMPACTS]["run_id"].iloc[0]
    row = {
        "date": pd.Timestamp("2026-02-01"), "model_name": "m", "model_version": version,
        "column": "gco2e_per_inference", "old": 1.0, "new": 2.0,
    }  # fmt: skip
    for cause, restated in (("factor changed", True), ("usage true-up", False)):
        held[tables.RESTATEMENTS] = pd.DataFrame([{**row, "cause": cause}])
        found = gathered(
            lambda table, _=None: held[table], export.Choice(version=version), made_at=export.now()
        )
        assert found.versions["restated"].tolist() == [restated]


def test_an_estimate_hands_its_figures_on_without_a_warehouse(tmp_path):
    given = {
        "model_name": "m", "gpu_model": "A100", "gpu_count": 2, "reserved_s": 3600.0,
        "country_iso3": "FRA", "expected_use_life_days": 10, "expected_inferences_per_day": 100,
    }  # fmt: skip
    estimate = fte.estimate(given)
    card = estimate.export("hugging-face")
    assert f"emissions: {1000 * estimate.runs['total_kgco2e'].iloc[0]:.4g}" in card
    assert estimate.export("disclosure", tmp_path / "d.md") == str(tmp_path / "d.md")
    runs, _ = fte.read_runs(tmp_path / "d.md")
    assert runs["reserved_s"].tolist() == [3600.0]
    with pytest.raises(ValueError, match="no format 'x'"):
        estimate.export("x")


DISCLOSED = {
    "nothing_but_tokens": {"managed_service": "AWS Bedrock", "tokens_padded": 48123},
    "no_accelerator": {
        "gpu_count": 0, "reserved_s": 3600, "country_iso3": "SWE", "on_cloud": False,
    },
    "a_slice_of_a_card": {"gpu_model": "A100", "gpu_count": 0.25, "reserved_s": 60.0},
    "hostile_name": {
        "model_name": "=1+1 | \u202e<b>\n" + "x" * 10_000, "gpu_model": "H100",
        "reserved_s": 3600.0,
    },
    "development": {"gpu_model": "A100", "reserved_s": 3600.0, "development_multiplier": 3},
}  # fmt: skip


@pytest.mark.parametrize("profile", ["default", "scope3-2024"])
@pytest.mark.parametrize("name", DISCLOSED)
def test_every_format_takes_whatever_was_disclosed(tmp_path, name, profile):
    found = fte.estimate({"model_name": "m", **DISCLOSED[name]}, profile=profile)
    for form in export.FORMATS:
        out = tmp_path / form
        assert found.export(form, out) == str(out)
        for path in out.rglob("*") if out.is_dir() else [out]:
            assert path.read_bytes()
            assert "nan" not in path.read_bytes().decode("utf-8", "ignore").casefold().split()
    assert schemas.faults(schemas.boamps(), (tmp_path / "boamps").read_text()) == []
    assert schemas.faults(schemas.cyclonedx(), (tmp_path / "cyclonedx").read_text()) == []
    assert schemas.faults(schemas.dia(), (tmp_path / "dia").read_text()) == []
    assert list(text_string_to_metric_families((tmp_path / "openmetrics").read_text()))
