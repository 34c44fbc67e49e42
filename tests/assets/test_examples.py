"""The examples, run as a user runs them: Dagster in this process, Delta tables on disk."""

import shutil

import dagster as dg
import pandas as pd
import pytest
from teams import EXAMPLES, Team, assert_allocated_once, day

from ft_emissions_pipeline.landing import index as logs
from ft_emissions_pipeline.ledger import stored_rollups
from ft_emissions_pipeline.tables import (
    INFERENCE_IMPACTS,
    LANDING_INDEX,
    MODEL_VERSIONS,
    QUARANTINE,
    RUN_IMPACTS,
    RUNS,
    USAGE,
)

pytestmark = pytest.mark.slow


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


def test_every_gram_of_a_closed_version_is_allocated_once(examples):
    assert_allocated_once(examples)
    totals = examples.read(RUN_IMPACTS).set_index("run_id")["total_kgco2e"]
    versions = examples.read(MODEL_VERSIONS).set_index("model_version")["total_kgco2e"]
    assert versions.to_dict() == totals.to_dict()


def test_families_add_up_and_tell_what_their_makers_published(examples):
    """Of Meta's cards: 31.22 t for Llama 2 7B, 420 t for Llama 3.1 8B; the rest names no base."""
    families = stored_rollups.of_warehouse(examples.warehouse, ["family", "year"])
    by_family = families.drop_duplicates("family").set_index("family")
    assert by_family["pretraining_kgco2e"].dropna().to_dict() == {
        "Llama 2": 31_220.0, "Llama 3.1": 420_000.0,
    }  # fmt: skip
    assert by_family.loc["Llama 2", ["ancestors", "ancestors_covered"]].tolist() == [1, 1]
    shared = examples.read(INFERENCE_IMPACTS)["allocated_kgco2e"].sum()
    assert families["allocated_kgco2e"].sum() == pytest.approx(shared)


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
