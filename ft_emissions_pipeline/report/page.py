"""From the report's data to its HTML.

Put here: what of the summaries goes into the template, and how much of it. Keep out: sums
(`figures.py`), charts (`charts.py`) and markup (`template.html`).
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from ft_emissions_pipeline import methodology
from ft_emissions_pipeline.analysis import disclosed, study
from ft_emissions_pipeline.landing.missing import lacking
from ft_emissions_pipeline.ledger import rollups
from ft_emissions_pipeline.report import charts, figures, formatting, notices
from ft_emissions_pipeline.report.data import ReportData
from ft_emissions_pipeline.tables import BASES
from ft_emissions_pipeline.tables.words import Inferences

MODELS_IN_TABLE = 100
MODELS_IN_CHARTS = 12
RUNS_SHOWN = 200
MOVES_SHOWN = 50
COMPARED_SHOWN = 12
NOT_JOINED_SHOWN = 30
REASON_EXAMPLES = 3
REMEDIES_SHOWN = 10
PERIODS_SHOWN = 12
LABELS_SHOWN = 20
EXPLAINED_SHOWN = 20
FINDINGS_SHOWN = 10
LINEAGES_SHOWN = 12
VERSIONS_SHOWN = 5
RELATIVES_SHOWN = 4

PARTS = {
    "carbon": {
        "operational_kgco2e": ("operational", charts.BLUE),
        "embodied_kgco2e": ("embodied", charts.ORANGE),
    },
    "water": {
        "onsite_water_l": ("on-site", charts.GREEN),
        "electricity_water_l": ("electricity", charts.BLUE),
        "embodied_water_l": ("embodied", charts.ORANGE),
    },
}


def page(data: ReportData) -> str:
    """Return the page.

    Parameters
    ----------
    data : ReportData
        What `data.read` returns.
    """
    shared_errors = (data.run_spreads, data.expected_log_sd)
    models = figures.models(data.inference_impacts, data.run_impacts, *shared_errors)
    drawn = [str(name) for name in models["model_name"].head(MODELS_IN_CHARTS)]
    points, step_days = figures.series(data.inference_impacts, drawn, *shared_errors)
    spans, own_days = figures.spans(points)
    runs = figures.latest_runs(data.run_impacts, data.run_notes, RUNS_SHOWN)
    moves = notices.latest_restatements(data.restatements, MOVES_SHOWN)
    compared = disclosed.compared(data.disclosed, data.run_impacts)
    explained = study.side_by_side(data.study)
    told = explained[explained["r2"].notna()]
    not_joined = notices.not_joined(data.landed)
    fields = notices.bases(data.basis_counts)
    remedies, conventions = notices.remedies(fields)
    fleet = rollups.sum_of_runs(data.run_impacts, data.run_spreads)
    profiles = sorted(data.run_impacts["methodology"].unique())
    return _template().render(
        data=data,
        period=figures.period(data.inference_impacts, data.run_impacts),
        profiles=profiles,
        reference_versions=sorted(data.run_impacts["reference_version"].unique()),
        fleet=fleet | {"facility_energy_kwh": float(data.run_impacts["facility_energy_kwh"].sum())},
        shared=data.inference_impacts[["allocated_kgco2e", "allocated_water_l"]].sum().to_dict(),
        inferences=_by_basis(data.inference_impacts),
        models=models.head(MODELS_IN_TABLE).to_dict("records"),
        all_models=len(models),
        drawn=len(drawn),
        sums=figures.latest_sums(data.rollups, PERIODS_SHOWN, LABELS_SHOWN),
        lineages=figures.lineages(
            data.model_versions,
            data.run_impacts,
            [str(name) for name in models["model_name"].head(LINEAGES_SHOWN)],
            VERSIONS_SHOWN,
        ),
        relatives_shown=RELATIVES_SHOWN,
        over_time=_over_time(points, step_days, drawn, spans),
        own_days=own_days,
        compositions=_compositions(data, drawn, len(models)),
        weekly=step_days > 1,
        runs=runs.to_dict("records"),
        shown_runs=set(runs["run_id"]),
        advice={row["run_id"]: row for row in data.advice.to_dict("records")},
        model_advice=figures.advice_by_model(data.advice, data.run_impacts),
        fields=fields[fields["imputed"] > 0].to_dict("records"),
        known_fields=fields.loc[fields["imputed"] == 0, "field"].tolist(),
        remedies=remedies[:REMEDIES_SHOWN],
        all_remedies=len(remedies),
        conventions=conventions,
        bases=BASES,
        refusals=notices.refusals(data.quarantine, REASON_EXAMPLES),
        landed=notices.landed_records(data.landed),
        other_files=notices.other_files(data.landed),
        lacking=lacking(set(data.landed["content"]), len(data.run_impacts))
        if len(data.landed)
        else [],
        compared=compared.head(COMPARED_SHOWN).to_dict("records"),
        all_compared=len(compared),
        compared_sums=compared[["disclosed_kgco2e", "total_kgco2e"]].sum().to_dict(),
        explained=told.head(EXPLAINED_SHOWN).to_dict("records"),
        all_explained=len(told),
        too_few=len(explained) - len(told),
        findings=study.compared(data.study).head(FINDINGS_SHOWN).to_dict("records"),
        questions=study.QUESTIONS,
        quantities=study.QUANTITIES,
        repairs=notices.repairs(data.run_notes, data.usage_notes),
        not_joined=not_joined[:NOT_JOINED_SHOWN],
        all_not_joined=len(not_joined),
        causes=notices.causes(data.restatements).to_dict("records"),
        moves=moves.to_dict("records"),
        switches={name: _switches(name) for name in profiles},
        own=figures.own_footprint(data.pipeline_footprint, fleet["total_kgco2e"]),
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "sig": formatting.significant,
        "count": formatting.count,
        "percent": formatting.percent,
        "day": formatting.day,
        "anchor": formatting.anchor,
        "short": formatting.shortened,
        "in_words": formatting.repairs_in_words,
    }
    environment.globals |= {
        "interval": formatting.interval,
        "change": formatting.change,
        "known": formatting.known,
    }
    source = files("ft_emissions_pipeline.report").joinpath("template.html").read_text("utf-8")
    return environment.from_string(source)


def _by_basis(inference_impacts: pd.DataFrame) -> dict[str, float]:
    sums = inference_impacts.groupby("inferences_basis")["inferences"].sum()
    return {name: float(sums.get(name, 0.0)) for name in (Inferences.ACTUAL, Inferences.EXPECTED)}


def _over_time(
    points: pd.DataFrame, step_days: int, drawn: list[str], spans: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the two groups of panels, one panel per model that has anything to draw."""
    groups = []
    for metric in (charts.CARBON, charts.WATER):
        scales, shared = charts.scales(points, metric)
        panels = [
            {
                "model": name,
                "note": scales[name].note,
                "span": spans[name],
                "svg": Markup(charts.over_time(rows, metric, scales[name], spans[name], step_days)),
            }
            for name in drawn
            for rows in [points[points["model_name"] == name]]
            if rows[metric.column].notna().any()
        ]
        groups.append({"words": metric.words, "shared": shared, "panels": panels})
    return [group for group in groups if group["panels"]]


def _compositions(data: ReportData, drawn: list[str], models: int) -> list[dict[str, Any]]:
    if data.run_impacts.empty:
        return []
    others = f"{models - len(drawn)} other models"
    frame = figures.composition(data.run_impacts, drawn, others)
    found = []
    for what, unit in (("carbon", "kgCO2e"), ("water", "L")):
        title = f"What {what} consists of"
        svg, as_shares = charts.parts(frame, PARTS[what], unit, title)
        sums = frame[list(PARTS[what])].sum(axis=1)
        totals = [
            {"model": name, "total": total}
            for name, total in zip(frame["model_name"], sums, strict=True)
        ]
        found.append(
            {
                "title": title,
                "svg": Markup(svg),
                "as_shares": as_shares,
                "unit": unit,
                "totals": totals,
            }
        )
    return found


def _switches(profile: str) -> dict[str, str]:
    """Return the quirks of a profile; of one that this release no longer has, nothing is known."""
    known = methodology.PROFILES.get(profile)
    return methodology.switches(known) if known else {}
