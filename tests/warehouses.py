"""A small warehouse out of the library's own stages, and reference tables with edited rows."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import ledger, methodology, reference, stages, tables, token_time
from ft_emissions_pipeline.ledger import rollups, stored_rollups
from ft_emissions_pipeline.normalize import factors_used
from ft_emissions_pipeline.reference import Reference
from ft_emissions_pipeline.stages import Choices
from ft_emissions_pipeline.tables import Table
from ft_emissions_pipeline.warehouse import store

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "landing"
DAY = pd.Timedelta(days=1)
LAST = pd.Timestamp("2026-01-12")
GRID = "grid_intensity/egrid_subregion/NWPP/2023"
"""Row on which the nights of `support-bot` rest."""


COMPUTED = (
    tables.NORMALIZED_RUNS,
    tables.FIELD_PROVENANCE,
    tables.RUN_IMPACTS,
    tables.MODEL_VERSIONS,
    tables.INFERENCE_IMPACTS,
)
"""Tables that a full recomputation and a restatement must agree on."""


def chosen(factors: Reference | None = None, profile: str = "default") -> Choices:
    return Choices(factors or reference.load(), methodology.profile(profile))


def many_kinds() -> pd.DataFrame:
    """Return runs that ask by cloud, by country, by name, by tokens, by nothing."""
    runs, _ = fte.read_runs(EXAMPLES)
    nights = runs[runs["model_name"] == "support-bot"].sort_values("date").head(4)
    odd = runs[runs["model_name"] != "support-bot"]
    night = nights.head(1)
    nowhere = ["cloud_provider", "cloud_region", "country_iso3", "location"]
    shift = pd.Timedelta(days=4)
    others = [
        night.assign(country_iso3="FRA", **dict.fromkeys(nowhere[:2])),
        night.assign(gpu_model="Foo 9000", gpu_energy_kwh=np.nan, **dict.fromkeys(nowhere)),
        odd.head(1).assign(base_model="Unheard 8B", managed_service="Some Service"),
        night.assign(cpu_utilization=0.0, gpu_energy_kwh=np.nan),
    ]
    moved = [
        each.assign(
            run_id=f"odd-{number}", model_name=f"odd-{number}", date=LAST - shift,
            started_at=pd.NaT, ended_at=pd.Timestamp(LAST - shift, tz="UTC")
                + pd.Timedelta(hours=number + 1),
        )
        for number, each in enumerate(others)
    ]  # fmt: skip
    again = [
        each.assign(
            run_id=each["run_id"] + "-again",
            date=LAST - 2 * DAY,
            ended_at=each["ended_at"] + 2 * DAY,
        )
        for each in moved[:2]
    ]
    frame = pd.concat([nights, odd, *moved, *again], ignore_index=True)
    return tables.conform(frame.loc[frame["date"] <= LAST, tables.RUNS.names], tables.RUNS)


def nights(count: int) -> pd.DataFrame:
    """Return a run on each of some nights of one model."""
    night = many_kinds().query("model_name == 'support-bot'").head(1)
    days = pd.date_range(end=LAST, periods=count)
    runs = night.iloc[np.zeros(count, dtype=int)].reset_index(drop=True)
    ended = days.tz_localize("UTC") + pd.Timedelta(hours=3)
    return tables.conform(
        runs.assign(
            run_id=[f"night-{number:03d}" for number in range(count)], date=days, ended_at=ended,
            started_at=ended - pd.Timedelta(hours=2),
        ), tables.RUNS,
    )  # fmt: skip


def some_usage() -> pd.DataFrame:
    days = pd.date_range("2026-01-05", LAST)
    frame = pd.DataFrame({"date": days, "model_name": "support-bot", "inferences": 1000.0})
    frame = pd.concat([frame, frame.tail(5).assign(model_name="odd-0", inferences=10.0)])
    return tables.conform(
        frame.assign(source_format="usage", source_uri="usage.csv", source_record="1"), tables.USAGE
    )


def everything(
    runs: pd.DataFrame, usage: pd.DataFrame, choices: Choices, events: pd.DataFrame | None = None
) -> dict[Table, pd.DataFrame]:
    """Compute all tables from scratch, in pandas alone."""
    events = tables.empty(tables.MODEL_EVENTS) if events is None else events
    factors = choices.reference
    days = pd.DatetimeIndex(runs["date"].unique()).as_unit("us")
    model = token_time.parameters(factors, days)
    made = stages.footprints(runs, replace(choices, token_time=model))
    footprints, spreads = made.impacts, made.spreads
    stamps = factors_used.stamps(runs, *made.stored, factors)
    normalized, kinds, own = made.stored
    return {
        tables.VALIDATED_RUNS: runs, tables.USAGE: usage, tables.MODEL_EVENTS: events,
        tables.TOKEN_TIME_MODEL: model, tables.NORMALIZED_RUNS: normalized,
        tables.KIND_PROVENANCE: kinds, tables.FIELD_PROVENANCE: own,
        tables.RUN_FACTORS: stamps[0], tables.FACTORS_USED: stamps[1],
        tables.FACTOR_ROWS: stamps[2],
        tables.RUN_IMPACTS: footprints, tables.RUN_SPREADS: spreads,
        **shared(footprints, spreads, usage, events, factors),
    }  # fmt: skip


def shared(
    footprints: pd.DataFrame,
    spreads: pd.DataFrame,
    usage: pd.DataFrame,
    events: pd.DataFrame,
    factors: Reference,
) -> dict[Table, pd.DataFrame]:
    """Compute the tables of the ledger."""
    versions = ledger.model_versions(footprints, usage, LAST, events)
    schedule = ledger.monthly_schedule(versions, usage, LAST, events)
    spread = stored_rollups.expected_log_sd(factors)
    # With impossible factors no run has a footprint.
    first = LAST if footprints.empty else footprints["date"].min()
    days = ledger.inference_impacts(
        versions, usage, first, LAST, expected_log_sd=spread, events=events, schedule=schedule
    )
    return {
        tables.MODEL_VERSIONS: versions, tables.AMORTISATION_SCHEDULE: schedule,
        tables.INFERENCE_IMPACTS: days,
        tables.ROLLUPS: rollups.rollups(
            days,
            spreads,
            versions.set_index("model_version")[list(rollups.OF_VERSIONS)],
            expected_log_sd=spread,
        ),
    }  # fmt: skip


def write(warehouse: Path, made: dict[Table, pd.DataFrame]) -> Path:
    for table, frame in made.items():
        store.write(warehouse, table, frame)
    return warehouse


def edited(factors: Reference, name: str, frame: pd.DataFrame, touched: str = "") -> Reference:
    """Return the reference with one table replaced; the touched row gets the hash of its cells."""
    frame = frame.reset_index(drop=True)
    at = frame["factor_id"] == touched
    cells = frame[at].drop(columns=["row_hash"]).astype("str").to_csv(index=False)
    frame["row_hash"] = frame["row_hash"].where(
        ~at, hashlib.sha256(cells.encode()).hexdigest()[:12]
    )
    every = {**factors.tables, name: frame}
    together = "".join(h for each in sorted(every) for h in every[each]["row_hash"])
    return replace(
        factors, tables=every, version=hashlib.sha256(together.encode()).hexdigest()[:12]
    )


def scaled(factors: Reference, factor_id: str, by: float = 2.0) -> Reference:
    """Return the reference with the measured values of one row scaled."""
    name = factor_id.split("/")[0]
    frame = factors.tables[name].copy()
    own = [f.name for f in reference.TABLES[name].own if f.kind == "float"]
    at = frame["factor_id"] == factor_id
    assert at.any(), factor_id
    for column in own:
        frame.loc[at, column] = frame.loc[at, column] * by
    return edited(factors, name, frame, factor_id)
