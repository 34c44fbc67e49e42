"""What the report is made of, read from the warehouse.

Put here: which tables the report shows, and their reading. Keep out: everything that adds up or
selects (`figures.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ft_emissions_pipeline import methodology, stages, tables
from ft_emissions_pipeline.analysis import advice, study
from ft_emissions_pipeline.analysis.disclosed import COMPARED
from ft_emissions_pipeline.ledger.stored_rollups import expected_log_sd
from ft_emissions_pipeline.reference import in_force, refusal
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    INFERENCE_IMPACTS,
    LANDING_INDEX,
    MODEL_VERSIONS,
    NORMALIZED_RUNS,
    PIPELINE_FOOTPRINT,
    QUARANTINE,
    RESTATEMENTS,
    ROLLUPS,
    RUN_IMPACTS,
    RUN_SPREADS,
    USAGE,
    VALIDATED_RUNS,
    Table,
)
from ft_emissions_pipeline.tables.words import EnergyRoute
from ft_emissions_pipeline.warehouse import store

SHOWN: tuple[Table, ...] = (
    LANDING_INDEX, NORMALIZED_RUNS, FIELD_PROVENANCE, RUN_IMPACTS, MODEL_VERSIONS,
    INFERENCE_IMPACTS, ROLLUPS, RUN_SPREADS, QUARANTINE, RESTATEMENTS, USAGE,
)  # fmt: skip
"""Tables whose change makes a new page. The pipeline's own footprint is shown too, but grows with
every run of it; a page that changed for that alone would never be the same twice."""

RUNS_AT_ONCE = 5000
"""Runs whose provenance is in memory at a time; each has some fifty rows of it."""

RUNS_ADVISED, MODELS_ADVISED = 200, 100
"""The latest runs, and the models with the most carbon, whose latest run is advised on."""

ADVICE = ("run_id", "model_name", "field", "carbon_narrowed", "water_narrowed")
RUN_NOTES = ("run_id", "repairs", "source_format", "source_uri", "energy_route")
LANDED = (
    "source_uri", "source_record", "run_id", "join_note", "content_hash", "source_format",
    "content", "records", "merged", "quarantined",
)  # fmt: skip
BASIS_COUNTS = ("field", "basis", "rule", "runs")


def _empty(table: Table, columns: tuple[str, ...] = ()) -> pd.DataFrame:
    frame = tables.empty(table)
    return frame[list(columns)] if columns else frame


@dataclass(frozen=True)
class ReportData:
    """Tables of the report, as `store.read` returns them; by default without rows.

    Attributes
    ----------
    run_impacts, run_spreads, model_versions, inference_impacts, rollups, quarantine : DataFrame
        Tables of the same name.
    restatements, pipeline_footprint : DataFrame
        Tables of the same name.
    expected_log_sd : float
        Standard deviation of the logarithm of expected inferences.
    run_notes : DataFrame
        Columns `RUN_NOTES` of table `normalized_runs`.
    disclosed : DataFrame
        Columns `disclosed.COMPARED` of table `normalized_runs`, of runs whose source disclosed a
        total.
    usage_notes : DataFrame
        Column repairs of table `usage`.
    landed : DataFrame
        Columns `LANDED` of table `landing_index`.
    basis_counts : DataFrame
        field, basis, rule, runs: table `field_provenance`, counted.
    study : DataFrame
        Columns `study.FINDINGS`: what the latest runs say about energy.
    advice : DataFrame
        Columns `ADVICE`: for the latest runs, what to disclose next.
    versions : mapping
        Name of a table -> its Delta version.
    refused_reference : str
        Why newer reference tables than those in force were refused; empty where they were not.
    """

    run_impacts: pd.DataFrame = field(default_factory=lambda: _empty(RUN_IMPACTS))
    run_spreads: pd.DataFrame = field(default_factory=lambda: _empty(RUN_SPREADS))
    expected_log_sd: float = 0.0
    model_versions: pd.DataFrame = field(default_factory=lambda: _empty(MODEL_VERSIONS))
    inference_impacts: pd.DataFrame = field(default_factory=lambda: _empty(INFERENCE_IMPACTS))
    rollups: pd.DataFrame = field(default_factory=lambda: _empty(ROLLUPS))
    quarantine: pd.DataFrame = field(default_factory=lambda: _empty(QUARANTINE))
    restatements: pd.DataFrame = field(default_factory=lambda: _empty(RESTATEMENTS))
    pipeline_footprint: pd.DataFrame = field(default_factory=lambda: _empty(PIPELINE_FOOTPRINT))
    run_notes: pd.DataFrame = field(default_factory=lambda: _empty(NORMALIZED_RUNS, RUN_NOTES))
    disclosed: pd.DataFrame = field(default_factory=lambda: _empty(NORMALIZED_RUNS, COMPARED))
    usage_notes: pd.DataFrame = field(default_factory=lambda: _empty(USAGE, ("repairs",)))
    landed: pd.DataFrame = field(default_factory=lambda: _empty(LANDING_INDEX, LANDED))
    basis_counts: pd.DataFrame = field(
        default_factory=lambda: count_bases(_empty(FIELD_PROVENANCE))
    )
    study: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(study.FINDINGS)))
    advice: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ADVICE)))
    versions: Mapping[str, int | None] = field(default_factory=dict)
    refused_reference: str = ""


def read(warehouse: str | Path, versions: Mapping[str, int | None] | None = None) -> ReportData:
    """Read what the report shows.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, or URL of an object store.
    versions : mapping, optional
        Version of each table to read, None for one that was never written; the newest by default.
    """
    if versions is None:
        versions = {table.name: store.version(warehouse, table) for table in SHOWN}
    pinned = dict(versions)

    def whole(table: Table, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
        return store.read(warehouse, table, columns=columns, version=pinned.get(table.name))

    run_impacts = whole(RUN_IMPACTS)
    disclosed = whole(NORMALIZED_RUNS, COMPARED)
    run_notes = whole(NORMALIZED_RUNS, RUN_NOTES)
    return ReportData(
        run_impacts=run_impacts,
        run_spreads=whole(RUN_SPREADS),
        expected_log_sd=expected_log_sd(in_force(warehouse, keep=False)),
        model_versions=whole(MODEL_VERSIONS),
        inference_impacts=whole(INFERENCE_IMPACTS),
        rollups=whole(ROLLUPS),
        quarantine=whole(QUARANTINE),
        restatements=whole(RESTATEMENTS),
        pipeline_footprint=whole(PIPELINE_FOOTPRINT),
        run_notes=run_notes,
        disclosed=disclosed[disclosed["disclosed_kgco2e"].notna()],
        usage_notes=whole(USAGE, ("repairs",)),
        landed=whole(LANDING_INDEX, LANDED),
        basis_counts=_basis_counts(
            warehouse, run_impacts["date"], pinned.get(FIELD_PROVENANCE.name)
        ),
        study=study.of_warehouse(warehouse, versions=pinned),
        advice=_advice(warehouse, run_impacts, run_notes, pinned),
        versions=pinned,
        refused_reference=refusal(warehouse),
    )


def _advice(
    warehouse: str | Path,
    run_impacts: pd.DataFrame,
    run_notes: pd.DataFrame,
    versions: Mapping[str, int | None],
) -> pd.DataFrame:
    """Return what to disclose next; of runs whose figures rest on the reference tables in use."""
    nothing = pd.DataFrame(columns=list(ADVICE))
    if run_impacts.empty:
        return nothing
    factors = in_force(warehouse, keep=False)
    known = run_impacts[
        (run_impacts["reference_version"] == factors.version)
        & run_impacts["methodology"].isin(list(methodology.PROFILES))
    ].sort_values(["date", "ended_at", "run_id"])
    carbon = known.groupby("model_name")["total_kgco2e"].sum().nlargest(MODELS_ADVISED)
    latest = known.drop_duplicates("model_name", keep="last")
    latest = latest[latest["model_name"].isin(carbon.index)]
    chosen = pd.concat([known.tail(RUNS_ADVISED), latest]).drop_duplicates("run_id")
    if chosen.empty:
        return nothing
    days = pd.DatetimeIndex(chosen["date"].unique())
    ids = ("run_id", set(chosen["run_id"]))
    runs, normalized, provenance = (
        store.read(warehouse, table, days, where=ids, version=versions.get(table.name))
        for table in (VALIDATED_RUNS, NORMALIZED_RUNS, FIELD_PROVENANCE)
    )
    # Of a run that is being computed again, not every table may be there yet.
    whole = set(runs["run_id"]) & set(normalized["run_id"]) & set(provenance["run_id"])
    chosen = chosen[chosen["run_id"].isin(whole)]
    if chosen.empty:
        return nothing
    calibration = None
    if (run_notes["energy_route"] == EnergyRoute.CALIBRATED).any():
        calibration = stages.stored_calibration(warehouse)
    models = stages.stored_token_time(warehouse, runs, factors)
    found = [
        advice.best(
            advice.ranked(
                advice.of_footprints(
                    runs,
                    normalized,
                    provenance,
                    rows,
                    stages.Choices(factors, methodology.profile(str(profile)), models, calibration),
                )
            )
        )
        for profile, rows in chosen.groupby("methodology")
    ]
    return pd.concat(found, ignore_index=True)[list(ADVICE)]


def count_bases(provenance: pd.DataFrame) -> pd.DataFrame:
    """Return over how many runs each field has each basis and rule.

    Parameters
    ----------
    provenance : DataFrame
        Columns field, basis and rule of table `field_provenance`.
    """
    counted = provenance.groupby(["field", "basis", "rule"], as_index=False).size()
    return counted.rename(columns={"size": "runs"})[list(BASIS_COUNTS)]


def _basis_counts(warehouse: str | Path, run_days: pd.Series, version: int | None) -> pd.DataFrame:
    columns = ("field", "basis", "rule")
    counts = [
        count_bases(
            store.read(warehouse, FIELD_PROVENANCE, days=days, columns=columns, version=version)
        )
        for days in _windows(run_days)
    ]
    if not counts:
        return count_bases(_empty(FIELD_PROVENANCE))
    return pd.concat(counts).groupby(list(columns), as_index=False)["runs"].sum()


def _windows(run_days: pd.Series) -> Iterator[store.Days]:
    """Return ranges of days that hold `RUNS_AT_ONCE` runs or, where one day has more, that day."""
    per_day = run_days.value_counts().sort_index()
    window = (per_day.cumsum() - 1) // RUNS_AT_ONCE
    for _, days in per_day.groupby(window):
        yield days.index[0].date(), days.index[-1].date()
