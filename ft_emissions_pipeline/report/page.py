"""From the report's data to its HTML.

Put here: what of the summaries goes into the templates, and how much of it. Keep out: sums
(`figures.py`), words (`notices.py`, `derivations.py`), what the script works on (`payload.py`), and
markup, looks and script themselves (`templates/`).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import methodology
from ft_emissions_pipeline.analysis import disclosed, reconcile, study
from ft_emissions_pipeline.landing.missing import lacking
from ft_emissions_pipeline.ledger import rollups
from ft_emissions_pipeline.report import derivations, figures, formatting, notices, payload
from ft_emissions_pipeline.report.data import ReportData
from ft_emissions_pipeline.tables import BASES
from ft_emissions_pipeline.tables.words import Group, Inferences, Period

MODELS_SHOWN = 300
RUNS_SHOWN = 250
MOVES_SHOWN = 250
COMPARED_SHOWN = 50
NOT_JOINED_SHOWN = 100
REFUSED_IN_CSV = 2000
REASON_EXAMPLES = 3
PERIODS_SHOWN = 24
LABELS_SHOWN = 20
EXPLAINED_SHOWN = 20
FINDINGS_SHOWN = 10
LINEAGES_SHOWN = 12
VERSIONS_SHOWN = 5
RELATIVES_SHOWN = 4

_TEMPLATES = files("ft_emissions_pipeline.report").joinpath("templates")


def page(data: ReportData) -> str:
    """Return the page.

    Parameters
    ----------
    data : ReportData
        What `data.read` returns.
    """
    shared_errors = (data.spreads, data.expected_log_sd)
    by_day = figures.daily(data.inference_impacts, *shared_errors)
    points, step_days = figures.series(data.inference_impacts, by_day, *shared_errors)
    models = figures.models(data.inference_impacts, data.run_impacts, *shared_errors, by_day)
    runs = figures.latest_runs(data.run_impacts, data.run_notes, RUNS_SHOWN)
    sums = figures.latest_sums(data.rollups, PERIODS_SHOWN, LABELS_SHOWN)
    sections = _fleet(data, models, sums) | _runs(data, models, runs) | _evidence(data)
    listings = _listings(data, models, runs, sections)
    packed = payload.payload(models, points, step_days, _told(data, models, runs, sums), listings)
    script, style = _file("page.js"), _file("page.css")
    vega, vega_hash = payload.charting()
    return _template().render(
        data=data,
        release=fte.__version__,
        step_days=step_days,
        digits=payload.DIGITS,
        charted=len(points) > 0,
        style=Markup(style),
        script=Markup(script),
        vega=vega,
        packed=payload.packed(packed),
        script_hashes=Markup(f"{vega_hash} {payload.fingerprint(script)}"),
        style_hash=Markup(payload.fingerprint(style)),
        notice=_file("notice.txt"),
        bases=BASES,
        **sections,
    )


def _fleet(data: ReportData, models: pd.DataFrame, sums: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the first screen tells, and the sums below it."""
    fleet = data.fleet or rollups.sum_of_runs(data.run_impacts, data.spreads)
    profiles = sorted(data.run_impacts["methodology"].unique())
    last_moves = notices.last_moves(data.restatements, data.commits)
    newest = {row["period"]: row for row in sums if row["grouped_by"] == Group.FLEET}
    return {
        "period": figures.period(data.inference_impacts, data.run_impacts),
        "profiles": profiles,
        "switches": {name: _switches(name) for name in profiles},
        "reference_versions": sorted(data.run_impacts["reference_version"].unique()),
        "fleet": {
            **fleet,
            "facility_energy_kwh": float(data.run_impacts["facility_energy_kwh"].sum()),
        },
        "shared": data.inference_impacts[list(figures.SHARED)].sum().to_dict(),
        "inferences": _by_basis(data.inference_impacts),
        "newest": [newest[period] for period in (Period.MONTH, Period.YEAR) if period in newest],
        "last_moves": last_moves,
        "last_causes": notices.causes(last_moves).to_dict("records"),
        "models": models.head(MODELS_SHOWN).to_dict("records"),
        "all_models": len(models),
        "sums": sums,
        "own": figures.own_footprint(data.pipeline_footprint, fleet["total_kgco2e"]),
    }


def _runs(data: ReportData, models: pd.DataFrame, runs: pd.DataFrame) -> dict[str, Any]:
    """Return what is told of runs and versions."""
    both = data.disclosed, data.run_impacts
    totals = disclosed.totals(*both)
    explained = study.side_by_side(data.study)
    told = explained[explained["r2"].notna()]
    return {
        "runs": runs.to_dict("records"),
        "shown_runs": set(runs["run_id"]),
        "advice": {row["run_id"]: row for row in data.advice.to_dict("records")},
        "model_advice": figures.advice_by_model(data.advice, data.run_impacts),
        "lineages": figures.lineages(
            data.model_versions,
            data.run_impacts,
            [str(name) for name in models["model_name"].head(LINEAGES_SHOWN)],
            VERSIONS_SHOWN,
        ),
        "relatives_shown": RELATIVES_SHOWN,
        "base_models": data.base_models.to_dict("records"),
        "compared": disclosed.compared(*both, COMPARED_SHOWN).to_dict("records"),
        "all_compared": len(totals),
        "compared_sums": totals[["disclosed_kgco2e", "total_kgco2e"]].sum().to_dict(),
        "explained": told.head(EXPLAINED_SHOWN).to_dict("records"),
        "all_explained": len(told),
        "too_few": len(explained) - len(told),
        "findings": study.compared(data.study).head(FINDINGS_SHOWN).to_dict("records"),
        "questions": study.QUESTIONS,
        "quantities": study.QUANTITIES,
    }


def _evidence(data: ReportData) -> dict[str, Any]:
    """Return on what the figures rest, what was left out, and what moved."""
    fields = notices.bases(data.basis_counts)
    remedies, conventions = notices.remedies(fields)
    not_joined = notices.not_joined(data.landed)
    moves = notices.latest_restatements(data.restatements, MOVES_SHOWN)
    return {
        "fields": fields[fields["imputed"] > 0].to_dict("records"),
        "known_fields": fields.loc[fields["imputed"] == 0, "field"].tolist(),
        "remedies": remedies,
        "conventions": conventions,
        "refusals": notices.refusals(data.quarantine, REASON_EXAMPLES),
        "landed": notices.landed_records(data.landed),
        "other_files": notices.other_files(data.landed),
        "lacking": lacking(set(data.landed["content"].unique()), len(data.run_impacts))
        if len(data.landed)
        else [],
        "repairs": notices.repairs(data.run_notes, data.usage_notes),
        "not_joined": not_joined[:NOT_JOINED_SHOWN],
        "all_not_joined": len(not_joined),
        "causes": notices.causes(data.restatements).to_dict("records"),
        "moves": moves.to_dict("records"),
        "factors": data.factors.to_dict("records"),
        "reconciled": data.reconciled.to_dict("records"),
        "covers": {
            "ours": reconcile.OURS,
            **{name: reconcile.COVERS[name] for name in data.reconciled.get("provider", [])},
        },
        "predicted": notices.predicted_runs(data.basis_counts),
    }


def _listings(
    data: ReportData, models: pd.DataFrame, runs: pd.DataFrame, sections: dict[str, Any]
) -> dict[str, pd.DataFrame]:
    """Return the rows behind each table of the page, by the name that the page calls it."""
    rows = {
        name: pd.DataFrame(sections[name])
        for name in ("compared", "remedies", "repairs", "causes", "moves", "not_joined")
    }
    return rows | {
        "models": models,
        "lineages": pd.DataFrame([row for each in sections["lineages"] for row in each["rows"]]),
        "sums": pd.DataFrame(sections["sums"]),
        "runs": runs,
        "explained": data.study,
        "findings": data.study,
        "fields": pd.DataFrame(sections["fields"]).drop(columns="rules", errors="ignore"),
        "quarantine": data.quarantine.drop(columns="raw").head(REFUSED_IN_CSV),
        "factors": data.factors,
        "reconciled": data.reconciled,
        "base_models": data.base_models,
    }


def _told(
    data: ReportData, models: pd.DataFrame, runs: pd.DataFrame, sums: list[dict[str, Any]]
) -> dict[str, str]:
    """Return by key how each figure of the page that tells it was made."""
    of_models = derivations.of_models(models, data.inference_impacts, data.run_notes, data.steps)
    of_runs = {
        place: derivations.of_run(row["run_id"], row, data.steps[row["run_id"]])
        for place, row in enumerate(runs.to_dict("records"))
        if row["run_id"] in data.steps
    }
    fleet = [row for row in sums if row["grouped_by"] == Group.FLEET]
    return {
        **{f"model {place}": text for place, text in enumerate(of_models)},
        **{f"run {place}": text for place, text in of_runs.items()},
        **{f"sum {name}": text for name, text in derivations.of_sums(data.rollups, fleet).items()},
    }


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_file),
    )  # fmt: skip
    environment.filters |= {
        "sig": formatting.significant,
        "count": formatting.count,
        "percent": formatting.percent,
        "day": formatting.day,
        "instant": formatting.instant,
        "anchor": formatting.anchor,
        "short": formatting.shortened,
        "in_words": formatting.repairs_in_words,
    }
    environment.globals |= {
        "interval": formatting.interval,
        "change": formatting.change,
        "known": formatting.known,
    }
    return environment.get_template("page.html")


def _file(name: str) -> str:
    return _TEMPLATES.joinpath(name).read_text("utf-8")


def _by_basis(inference_impacts: pd.DataFrame) -> dict[str, float]:
    sums = inference_impacts.groupby("inferences_basis")["inferences"].sum()
    return {name: float(sums.get(name, 0.0)) for name in (Inferences.ACTUAL, Inferences.EXPECTED)}


def _switches(profile: str) -> dict[str, str]:
    """Return the quirks of a profile; of one that this release no longer has, nothing is known."""
    known = methodology.PROFILES.get(profile)
    return methodology.switches(known) if known else {}
