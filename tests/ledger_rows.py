"""Runs, counts and events of one model as rows of the tables, for tests of the ledger."""

from __future__ import annotations

import pandas as pd

from ft_emissions_pipeline import ledger
from ft_emissions_pipeline.tables import MODEL_EVENTS, RUN_IMPACTS, USAGE, conform, empty

FIRST = pd.Timestamp("2026-01-01")


def impacts(*runs: dict[str, object]) -> pd.DataFrame:
    """Return run impacts with 12.8 kgCO2e and 18.3 L each, but for what a run says."""
    rows = []
    for number, run in enumerate(runs):
        row = {
            "run_id": f"run-{number}",
            "model_name": "m",
            "base_model": "bert-base",
            "ended_at": FIRST + pd.Timedelta(days=number),
            "expected_use_life_days": 30.0,
            "expected_use_life_basis": "default",
            "it_energy_kwh": 30.0,
            "facility_energy_kwh": 33.0,
            "operational_kgco2e": 10.0,
            "embodied_kgco2e": 2.8,
            "total_kgco2e": 12.8,
            "onsite_water_l": 5.0,
            "electricity_water_l": 13.0,
            "embodied_water_l": 0.3,
            "total_water_l": 18.3,
            "quality_tier": "B",
            "share_imputed": 0.0,
            "methodology": "default",
            "reference_version": "0" * 12,
            **run,
        }
        for total in ("total_kgco2e", "total_water_l"):
            row.setdefault(f"{total}_p05", row[total] / 2)
            row.setdefault(f"{total}_p95", row[total] * 2)
        row["date"] = pd.Timestamp(row["ended_at"]).floor("D")
        rows.append(row)
    return conform(pd.DataFrame(rows), RUN_IMPACTS)


def counts(*rows: tuple[str, float] | tuple[str, float, str]) -> pd.DataFrame:
    """Return usage of model m: day, inferences and, if a version is named, the version."""
    if not rows:
        return empty(USAGE)
    frame = pd.DataFrame(
        [
            {
                "date": pd.Timestamp(day),
                "model_name": "m",
                "model_version": version[0] if version else None,
                "inferences": inferences,
                "source_format": "usage",
                "source_uri": "usage.csv",
                "source_record": str(number),
            }
            for number, (day, inferences, *version) in enumerate(rows)
        ]
    )
    return conform(frame, USAGE)


def told(*events: dict[str, object]) -> pd.DataFrame:
    """Return events of model m; each says what happened and, but for choices, when."""
    rows = [
        {
            "model_name": "m", "source_format": "model_events", "source_uri": "models.yaml",
            "source_record": str(number), **event,
        }
        for number, event in enumerate(events)
    ]  # fmt: skip
    return conform(pd.DataFrame(rows), MODEL_EVENTS)


def at(day: float) -> pd.Timestamp:
    """Return an instant by days since the first."""
    return (FIRST + pd.Timedelta(days=day)).tz_localize("UTC")


def branched_merged_and_rolled_back() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return runs and versions of model m and of its branch `left`, which merges m in again.

    run-0 was to serve 10 days of 1,000 inferences and served 2: it hands 80 % of 12.8 kg on. run-4
    was rolled back after a day. Pre-training: 100 kg over 100,000 inferences, 1 g each.
    """
    runs = impacts(
        {"expected_use_life_days": 10.0, "expected_use_life_basis": "disclosed",
         "expected_inferences_per_day": 1000.0},
        {"model_name": "left", "parent_version": "run-0"},
        {"parent_version": "run-0"},
        {"model_name": "left", "parent_version": "run-1, run-2"},
        {"parent_version": "run-2"},
    )  # fmt: skip
    usage = counts(*((f"2026-01-0{day}", 1000.0) for day in range(1, 7)))
    events = told(
        {"event": "declared", "at": None, "hand_on": "remainder",
         "base_model_kgco2e": 100.0, "base_model_inferences": 1e5},
        {"event": "rolled_back", "at": at(5), "model_version": "run-2"},
    )  # fmt: skip
    return runs, ledger.model_versions(runs, usage, pd.Timestamp("2026-01-06"), events)


def shared_out(versions: pd.DataFrame, usage: pd.DataFrame, last: str) -> pd.DataFrame:
    return ledger.inference_impacts(versions, usage, FIRST, pd.Timestamp(last), expected_log_sd=0.1)


# What happens to models besides tuning
ROLLED_BACK = {"event": "rolled_back", "at": at(4), "model_version": "run-0"}

TUNED_TWICE = ({"ended_at": FIRST}, {"ended_at": FIRST + pd.Timedelta(days=2)})

LABELLED = {"event": "labelled", "at": None, "new_name": "v1", "model_version": "run-0"}
