"""The page of a small fleet, and a warehouse with its tables."""

import pandas as pd
import pytest
from fleet import DAYS, FULL, MOVED, NOTES, OWN, REFUSED, RUNS, Page, spreads

from ft_emissions_pipeline import report
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    INFERENCE_IMPACTS,
    LANDING_INDEX,
    MODEL_VERSIONS,
    NORMALIZED_RUNS,
    PIPELINE_FOOTPRINT,
    QUARANTINE,
    RESTATEMENTS,
    RUN_IMPACTS,
    RUN_SPREADS,
    conform,
)
from ft_emissions_pipeline.warehouse import store


@pytest.fixture(scope="module")
def html():
    return report.render(FULL)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


@pytest.fixture
def warehouse(tmp_path):
    """A warehouse with the tables of `FULL`."""
    normalized = RUNS[["date", "run_id", "model_name", "methodology", "reference_version"]].merge(
        NOTES
    )
    filled = {
        column.name: 1.0 if column.kind == "float"
        else RUNS["ended_at"] if column.kind == "timestamp" else "x"
        for column in NORMALIZED_RUNS.columns
        if column.required and column.name not in normalized
    }  # fmt: skip
    provenance = pd.DataFrame(
        {
            "date": ["2026-01-05", "2026-01-05", "2026-01-06"],
            "run_id": ["run-a", "run-a", "run-b"],
            "field": ["pue", "country_iso3", "pue"],
            "value": ["1.2", "USA", "1.2"],
            "basis": ["default", "disclosed", "default"],
            "rule": ["pue_of_world", "as_logged", "pue_of_world"],
            "factor_id": ["f/1", None, "f/1"],
        }
    )
    landed = pd.DataFrame(
        {
            "source_uri": ["logs/emissions.csv"] * 2 + ["summariser.md"],
            "content_hash": "0",
            "content": "runs",
            "source_record": ["1", "2", "1"],
            "records": [5, 5, 1],
            "merged": [2, 2, 0],
            "quarantined": [1, 1, 0],
        }
    )
    for table, frame in (
        (RUN_IMPACTS, RUNS),
        (RUN_SPREADS, spreads(RUNS)),
        (MODEL_VERSIONS, FULL.model_versions),
        (INFERENCE_IMPACTS, DAYS),
        (QUARANTINE, REFUSED),
        (RESTATEMENTS, MOVED),
        (PIPELINE_FOOTPRINT, OWN),
        (NORMALIZED_RUNS, normalized.assign(**filled)),
        (FIELD_PROVENANCE, provenance),
        (LANDING_INDEX, landed),
    ):
        store.write(tmp_path, table, conform(frame, table))
    return tmp_path
