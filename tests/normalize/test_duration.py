"""Time: predicted from tokens, between start and end, and the start-up of a service."""

from dataclasses import replace

import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.reference import load


def test_predicted_time_is_tokens_by_the_models_rate_plus_start_up(filled, origins):
    """1e9 tokens x the note's seconds per token, over the accelerators, plus 300 s."""
    gpus = filled.loc["unknown model", "gpu_count"]
    rate = float(origins.loc[("unknown model", "active_s"), "source"].split(" s per token")[0])
    active = 1e9 * rate / gpus
    assert filled.loc["unknown model", "active_s"] == pytest.approx(active, rel=1e-3)
    start = filled.loc["unknown model", "reserved_s"] - filled.loc["unknown model", "active_s"]
    assert start == pytest.approx(300.0)  # defaults.csv


def test_a_longer_time_for_the_same_tokens_leaves_the_accelerator_less_busy(filled):
    """1e7 tokens take less than the hour logged, so the accelerator waited for some of it."""
    waiting = filled.loc["time and tokens", "gpu_utilization"]
    assert 0 < waiting < filled.loc["gpu by id", "gpu_utilization"]


@pytest.mark.parametrize(
    ("case", "start", "end"),
    [
        ("end", "2024-03-01T11:00Z", "2024-03-01T12:00Z"),
        ("dates", "2024-03-01T10:00Z", "2024-03-01T12:00Z"),
        ("2022", "2022-06-29T23:00Z", "2022-06-30T00:00Z"),
    ],
)
def test_start_and_end_lie_a_reservation_apart(filled, case, start, end):
    assert filled.loc[case, "started_at"] == pd.Timestamp(start)
    assert filled.loc[case, "ended_at"] == pd.Timestamp(end)


def test_default_of_the_day_serves_and_predicted_time_follows():
    package = load()
    rows = package.tables["defaults"]
    changed = []
    for name in ("startup_s", "gsd_disclosed"):
        row = rows[rows["parameter"] == name]
        old = row.assign(valid_to=pd.Timestamp("2024-12-31"))
        new = row.assign(
            valid_from=pd.Timestamp("2025-01-01"), factor_id=row["factor_id"] + "/2025"
        )
        low = {"value": row["value"] * 0.9, "p05": row["p05"] * 0.9}
        changed += [old, new.assign(**(low if name != "gsd_disclosed" else {}))]
    kept = rows[~rows["parameter"].isin([row["parameter"].iloc[0] for row in changed])]
    tables_ = {**package.tables, "defaults": pd.concat([kept, *changed], ignore_index=True)}
    runs = [
        {
            "gpu_model": "T4",
            "gpu_count": 1,
            "train_flop": 1e18,
            "ended_at": f"{year}-06-01T00:00:00Z",
        }
        for year in (2024, 2025)
    ]
    found = fte.estimate(runs, reference=replace(package, tables=tables_))
    time = found.provenance[found.provenance["field"] == "reserved_s"].sort_values("run_id")
    startup = found.normalized.sort_values("run_id").eval("reserved_s - active_s")
    assert startup.iloc[1] == pytest.approx(0.9 * startup.iloc[0])
    assert "startup_s/2025" in time["factor_id"].iloc[1]
    assert "startup_s/2025" not in time["factor_id"].iloc[0]


def test_a_start_up_of_a_managed_service_names_the_services_row(origins):
    assert "managed_services/aws-bedrock" in origins.loc[("service", "reserved_s"), "factor_id"]
    assert "defaults/startup_s" not in origins.loc[("service", "reserved_s"), "factor_id"]
    assert "defaults/startup_s" in origins.loc[("unknown model", "reserved_s"), "factor_id"]
