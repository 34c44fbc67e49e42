"""What the report is made of, read from the warehouse.

Put here: which tables the report shows, and their reading. Keep out: everything that adds up or
selects (`figures.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pandas as pd

from ft_emissions_pipeline import methodology, stages, tables, token_time
from ft_emissions_pipeline.analysis import advice, reconcile, study
from ft_emissions_pipeline.analysis.disclosed import COMPARED
from ft_emissions_pipeline.analysis.explain import explain
from ft_emissions_pipeline.ledger import families
from ft_emissions_pipeline.ledger.rollups import NEEDED, sum_of_runs
from ft_emissions_pipeline.ledger.scatter import Scatter, scatter
from ft_emissions_pipeline.ledger.stored_rollups import expected_log_sd, stored_scatter
from ft_emissions_pipeline.normalize import stored_provenance
from ft_emissions_pipeline.reference import Reference, in_force, refusal
from ft_emissions_pipeline.report.figures import BY_AGE, newest_rows, newest_runs, of_base_models
from ft_emissions_pipeline.tables import (
    CLOUD_REPORTS,
    FACTORS_USED,
    FIELD_PROVENANCE,
    INFERENCE_IMPACTS,
    KIND_PROVENANCE,
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
from ft_emissions_pipeline.tables.frames import among
from ft_emissions_pipeline.tables.words import EnergyRoute
from ft_emissions_pipeline.warehouse import kept, store

SHOWN: tuple[Table, ...] = (
    LANDING_INDEX, NORMALIZED_RUNS, KIND_PROVENANCE, FIELD_PROVENANCE, RUN_IMPACTS,
    MODEL_VERSIONS, INFERENCE_IMPACTS, ROLLUPS, RUN_SPREADS, QUARANTINE, RESTATEMENTS, USAGE,
    FACTORS_USED, CLOUD_REPORTS,
)  # fmt: skip
"""Tables whose change makes a new page. The pipeline's own footprint is shown too, but grows with
every run of it; a page that changed for that alone would never be the same twice."""

RUNS_DETAILED, MODELS_DETAILED = 50, 200
"""The latest runs, and the models with the most carbon, of whose newest version each step is told
and what to disclose next."""

ADVICE = ("run_id", "model_name", "field", "carbon_narrowed", "water_narrowed")
RUN_NOTES = ("run_id", "repairs", "source_format", "source_uri", "source_record", "energy_route")
FACTORS = ("factor_id", "source", "source_year", "verification", "licence")
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
    run_impacts, model_versions, rollups, quarantine : DataFrame
        Tables of the same name.
    inference_impacts : DataFrame
        Columns `rollups.NEEDED` of the table of this name.
    restatements, pipeline_footprint : DataFrame
        Tables of the same name.
    spreads : Scatter
        How runs scatter.
    fleet : mapping
        Carbon and water of all runs, as `rollups.sum_of_runs` returns them of these two; empty
        where nobody worked them out yet.
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
        Columns `ADVICE`: for the runs that are told in detail, what to disclose next.
    steps : mapping
        Run id -> each step of it in words, of these runs.
    factors : DataFrame
        Columns `FACTORS`: the rows of the reference tables on which figures rest.
    base_models : DataFrame
        What `figures.of_base_models` returns.
    reconciled : DataFrame
        Runs beside what cloud providers report, as `reconcile` returns them.
    token_time : mapping
        Errors of the token-time model on sources that no fit saw.
    commits : DataFrame
        version and timestamp: when each version of table `inference_impacts` was written.
    made_at : Timestamp
        When the newest of the tables was written; NaT where there is none.
    versions : mapping
        Name of a table -> its Delta version.
    refused_reference : str
        Why newer reference tables than those in force were refused; empty where they were not.
    """

    run_impacts: pd.DataFrame = field(default_factory=lambda: _empty(RUN_IMPACTS))
    spreads: Scatter = field(default_factory=lambda: scatter(_empty(RUN_SPREADS)))
    fleet: Mapping[str, float] = field(default_factory=dict)
    expected_log_sd: float = 0.0
    model_versions: pd.DataFrame = field(default_factory=lambda: _empty(MODEL_VERSIONS))
    inference_impacts: pd.DataFrame = field(
        default_factory=lambda: _empty(INFERENCE_IMPACTS, NEEDED)
    )
    rollups: pd.DataFrame = field(default_factory=lambda: _empty(ROLLUPS))
    quarantine: pd.DataFrame = field(default_factory=lambda: _empty(QUARANTINE))
    restatements: pd.DataFrame = field(default_factory=lambda: _empty(RESTATEMENTS))
    pipeline_footprint: pd.DataFrame = field(default_factory=lambda: _empty(PIPELINE_FOOTPRINT))
    run_notes: pd.DataFrame = field(default_factory=lambda: _empty(NORMALIZED_RUNS, RUN_NOTES))
    disclosed: pd.DataFrame = field(default_factory=lambda: _empty(NORMALIZED_RUNS, COMPARED))
    usage_notes: pd.DataFrame = field(default_factory=lambda: _empty(USAGE, ("repairs",)))
    landed: pd.DataFrame = field(default_factory=lambda: _empty(LANDING_INDEX, LANDED))
    basis_counts: pd.DataFrame = field(
        default_factory=lambda: _empty(FIELD_PROVENANCE)[list(BASIS_COUNTS[:-1])].assign(runs=0)
    )
    study: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(study.FINDINGS)))
    advice: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ADVICE)))
    steps: Mapping[str, str] = field(default_factory=dict)
    factors: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(FACTORS)))
    base_models: pd.DataFrame = field(default_factory=pd.DataFrame)
    reconciled: pd.DataFrame = field(default_factory=pd.DataFrame)
    token_time: Mapping[str, float] = field(default_factory=dict)
    commits: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame({"version": [], "timestamp": []})
    )
    made_at: Any = pd.NaT
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

    def whole(
        table: Table, columns: tuple[str, ...] | None = None, *, ordered: bool = True
    ) -> pd.DataFrame:
        version = pinned.get(table.name)
        return store.read(warehouse, table, columns=columns, version=version, ordered=ordered)

    run_impacts, inference_impacts = whole(RUN_IMPACTS), whole(INFERENCE_IMPACTS, NEEDED)
    run_notes = whole(
        NORMALIZED_RUNS,
        tuple(dict.fromkeys(("model_id", *RUN_NOTES, *COMPARED, *reconcile.OF_RUNS))),
    )
    spreads = stored_scatter(warehouse, pinned)
    reference = in_force(warehouse, keep=False)
    commits = _commits(warehouse, pinned)
    told = _details(warehouse, run_impacts, inference_impacts, run_notes, reference, pinned)
    log_sd = expected_log_sd(reference)
    model_versions = whole(MODEL_VERSIONS)
    rooted = families.rooted(model_versions, run_impacts, run_notes, reference.tables["models"])
    return ReportData(
        run_impacts=run_impacts,
        spreads=spreads,
        fleet=_fleet(warehouse, run_impacts, spreads, pinned),
        expected_log_sd=log_sd,
        base_models=of_base_models(rooted, inference_impacts, spreads, log_sd),
        model_versions=model_versions,
        inference_impacts=inference_impacts,
        rollups=whole(ROLLUPS),
        quarantine=whole(QUARANTINE),
        restatements=whole(RESTATEMENTS),
        pipeline_footprint=whole(PIPELINE_FOOTPRINT),
        run_notes=run_notes[list(RUN_NOTES)],
        disclosed=run_notes.loc[run_notes["disclosed_kgco2e"].notna(), list(COMPARED)],
        usage_notes=whole(USAGE, ("repairs",)),
        landed=whole(LANDING_INDEX, LANDED),
        basis_counts=stored_provenance.counts(warehouse, BASIS_COUNTS[:-1], pinned).rename(
            columns={"rows": BASIS_COUNTS[-1]}
        ),
        study=_study(warehouse, reference, pinned),
        advice=told[list(ADVICE)],
        steps=told.set_index("run_id")["steps"].dropna().to_dict(),
        reconciled=reconcile.reconcile(whole(CLOUD_REPORTS), run_impacts, run_notes, spreads),
        factors=_factors(whole(FACTORS_USED, ("factor_id",)), reference),
        token_time=cast("Mapping[str, float]", token_time.packaged().training["held_out"]),
        commits=commits[INFERENCE_IMPACTS.name],
        made_at=pd.concat(commits.values())["timestamp"].max(),
        versions=pinned,
        refused_reference=refusal(warehouse),
    )


def _fleet(
    warehouse: str | Path,
    run_impacts: pd.DataFrame,
    spreads: Scatter,
    versions: Mapping[str, int | None],
) -> dict[str, float]:
    found = kept.frame(
        warehouse,
        "fleet",
        kept.of_tables(warehouse, RUN_IMPACTS, RUN_SPREADS, versions=versions),
        lambda: pd.DataFrame([sum_of_runs(run_impacts, spreads)]),
    )
    return {str(name): float(found[name].item()) for name in found}


def _commits(warehouse: str | Path, versions: Mapping[str, int | None]) -> dict[str, pd.DataFrame]:
    """Return when each version of the tables was written, up to the ones that are shown."""
    found = {}
    for table in SHOWN:
        commits, newest = store.history(warehouse, table), versions.get(table.name)
        found[table.name] = commits[commits["version"] <= (-1 if newest is None else newest)]
    return found


def _factors(used: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    """Return the rows of the tables in force on which figures rest; of a row that went, its id."""
    ids = used["factor_id"].dropna().drop_duplicates().sort_values()
    ids = ids[among(ids.str.split("/").str[0], list(reference.tables))]
    rows = pd.concat(
        [
            frame.loc[among(frame["factor_id"], ids), list(FACTORS)]
            for frame in reference.tables.values()
        ]
    )
    known = rows.drop_duplicates("factor_id").set_index("factor_id")
    return known.reindex(ids).reset_index()


def _study(
    warehouse: str | Path, reference: Reference, versions: Mapping[str, int | None]
) -> pd.DataFrame:
    read_from = kept.of_tables(warehouse, *study.TABLES, versions=versions)
    return kept.frame(
        warehouse,
        "study",
        {**read_from, "reference": reference.version},
        lambda: study.of_warehouse(warehouse, versions=versions),
    )


def _details(
    warehouse: str | Path,
    run_impacts: pd.DataFrame,
    inference_impacts: pd.DataFrame,
    run_notes: pd.DataFrame,
    reference: Reference,
    versions: Mapping[str, int | None],
) -> pd.DataFrame:
    """Return what to disclose next, and each step; of runs that rest on the tables in force."""
    chosen = _detailed(run_impacts, inference_impacts, reference)
    if chosen.empty:
        return pd.DataFrame(columns=[*ADVICE, "steps"])
    models = stages.stored_token_time(warehouse, chosen, reference)
    read_from = kept.of_tables(
        warehouse, VALIDATED_RUNS, NORMALIZED_RUNS, FIELD_PROVENANCE, RUN_IMPACTS, versions=versions
    )
    rests_on = {
        **read_from,
        "reference": reference.version,
        "runs": kept.digest(chosen["run_id"]),
        "token_time": kept.digest(models),
    }
    calibrated = (run_notes["energy_route"] == EnergyRoute.CALIBRATED).any()
    return kept.frame(
        warehouse,
        "details",
        rests_on,
        lambda: _told(warehouse, chosen, models, reference, versions, calibrated=calibrated),
    )


def _told(
    warehouse: str | Path,
    chosen: pd.DataFrame,
    models: pd.DataFrame,
    reference: Reference,
    versions: Mapping[str, int | None],
    *,
    calibrated: bool,
) -> pd.DataFrame:
    """Return advice and steps of chosen rows of `run_impacts`, by a token-time model."""
    days = pd.DatetimeIndex(chosen["date"].unique())
    ids = ("run_id", set(chosen["run_id"]))
    runs, normalized = (
        store.read(warehouse, table, days, where=ids, version=versions.get(table.name))
        for table in (VALIDATED_RUNS, NORMALIZED_RUNS)
    )
    provenance = stored_provenance.stored(
        warehouse, days, runs=ids[1], versions=versions, normalized=normalized
    ).table()
    # Of a run that is being computed again, not every table may be there yet.
    whole = set(runs["run_id"]) & set(normalized["run_id"]) & set(provenance["run_id"])
    chosen = chosen[chosen["run_id"].isin(whole)]
    if chosen.empty:
        return pd.DataFrame(columns=[*ADVICE, "steps"])
    calibration = stages.stored_calibration(warehouse) if calibrated else None
    found = []
    for profile, rows in chosen.groupby("methodology"):
        used = methodology.profile(str(profile))
        choices = stages.Choices(reference, used, models, calibration)
        outcomes = advice.of_footprints(runs, normalized, provenance, rows, choices)
        found.append(advice.best(advice.ranked(outcomes)))
    explained = normalized[normalized["run_id"].isin(chosen["run_id"])]
    steps = explain(explained, provenance, chosen, reference)
    advised = pd.concat(found, ignore_index=True)[list(ADVICE)]
    return advised.assign(steps=advised["run_id"].map(steps))


def _detailed(
    run_impacts: pd.DataFrame, inference_impacts: pd.DataFrame, reference: Reference
) -> pd.DataFrame:
    """Return the latest runs, and each model's latest and the one that serves on its newest day."""
    known = run_impacts[
        (run_impacts["reference_version"] == reference.version)
        & run_impacts["methodology"].isin(list(methodology.PROFILES))
    ]
    carbon = known.groupby("model_name")["total_kgco2e"].sum().nlargest(MODELS_DETAILED)
    runs = known[["model_name", *BY_AGE]]
    of_models = runs[runs["model_name"].isin(carbon.index)].sort_values(BY_AGE)
    serving = newest_rows(inference_impacts).drop_duplicates("model_name", keep="last")
    chosen = pd.concat(
        [
            newest_runs(runs, RUNS_DETAILED).sort_values(BY_AGE).tail(RUNS_DETAILED),
            of_models.drop_duplicates("model_name", keep="last"),
            of_models[among(of_models["run_id"], serving["model_version"])],
        ]
    )
    return known.loc[chosen.drop_duplicates("run_id").index]
