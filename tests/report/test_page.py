"""The report: sums made by hand, hostile logs, empty tables, a page that needs nothing but itself.

Expected values are worked out in the comments beside the frames, not taken from the code.
"""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import warehouses
from ledger_rows import branched_merged_and_rolled_back, counts, impacts

from ft_emissions_pipeline import ledger, report
from ft_emissions_pipeline.analysis.disclosed import COMPARED
from ft_emissions_pipeline.readers import REPAIRS
from ft_emissions_pipeline.report import ReportData, charts, figures, formatting, notices
from ft_emissions_pipeline.report.data import BASIS_COUNTS, RUN_NOTES, SHOWN, count_bases
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
    VALIDATED_RUNS,
    conform,
)
from ft_emissions_pipeline.uncertainty import Z_95
from ft_emissions_pipeline.warehouse import store

BROWSERS = [path for name in ("chromium", "google-chrome") if (path := shutil.which(name))][:1]

# Half to twice the value: what a p05..p95 looks like.
LOW, HIGH = 0.5, 2.0


def run_impacts(*runs):
    """Take (run_id, model, day, operational kg, embodied kg); water is ten times the carbon."""
    rows = [
        {
            "date": day,
            "run_id": run_id,
            "model_name": model,
            "ended_at": f"{day}T12:00:00Z",
            "expected_use_life_days": 1.0,
            "expected_use_life_basis": "default",
            "it_energy_kwh": 2.0,
            "facility_energy_kwh": 2.5,
            "operational_kgco2e": operational,
            "embodied_kgco2e": embodied,
            "total_kgco2e": operational + embodied,
            "total_kgco2e_p05": (operational + embodied) * LOW,
            "total_kgco2e_p95": (operational + embodied) * HIGH,
            "onsite_water_l": operational,
            "electricity_water_l": operational * 9,
            "embodied_water_l": embodied * 10,
            "total_water_l": (operational + embodied) * 10,
            "total_water_l_p05": (operational + embodied) * 10 * LOW,
            "total_water_l_p95": (operational + embodied) * 10 * HIGH,
            "quality_tier": "C",
            "share_imputed": 0.42,
            "methodology": "default",
            "reference_version": "a1b2c3",
        }
        for run_id, model, day, operational, embodied in runs
    ]
    return conform(pd.DataFrame(rows), RUN_IMPACTS)


def spreads(runs):
    """Let all runs err together, by what takes each from half to twice its value."""
    log_sd = np.log(HIGH) / Z_95
    rows = runs[["date", "run_id"]].assign(
        input="pue",
        factor_id="defaults/one",
        total_kgco2e_log_sd=log_sd,
        total_water_l_log_sd=log_sd,
    )
    return conform(rows, RUN_SPREADS)


def versions(runs, **changes):
    frame = runs.assign(
        model_version=runs["run_id"],
        use_life_start=runs["ended_at"],
        use_life_end=runs["ended_at"] + pd.Timedelta(days=2),
        use_life_rule="superseded",
        status="closed",
        inferences=400.0,
        inferences_basis="actual",
    ).assign(**changes)
    return conform(frame[[c for c in MODEL_VERSIONS.names if c in frame]], MODEL_VERSIONS)


def inference_impacts(*days):
    """Take (day, model, version, inferences or None, kg, basis, status); water is ten times that."""
    rows = []
    for day, model, version, inferences, kg, basis, status in days:
        row = {
            "date": day,
            "model_name": model,
            "model_version": version,
            "inferences": inferences,
            "inferences_basis": basis,
            "allocated_kgco2e": kg,
            "allocated_water_l": kg * 10,
            "status": status,
            "methodology": "default",
            "reference_version": "a1b2c3",
        }
        if inferences:
            for name, value in (("gco2e", kg * 1e3), ("water_ml", kg * 1e4)):
                row[f"{name}_per_inference"] = value / inferences
                row[f"{name}_per_inference_p05"] = value / inferences * LOW
                row[f"{name}_per_inference_p95"] = value / inferences * HIGH
        rows.append(row)
    return conform(pd.DataFrame(rows), INFERENCE_IMPACTS)


RUNS = run_impacts(
    ("run-a", "router", "2026-01-05", 0.5, 0.1),
    ("run-b", "summariser", "2026-01-06", 0.2, 0.1),
)

# router: 0.3 kg over 100 inferences is 3 g, 0.3 kg over 300 is 1 g; over both days 0.6 kg over 400,
# 1.5 g. The mean of the two ratios would be 2 g. Water: 30, 10 and 15 mL.
# summariser: 0.2 kg over 100 expected inferences is 2 g; on the next day nobody knows how many.
DAYS = inference_impacts(
    ("2026-01-05", "router", "run-a", 100.0, 0.3, "actual", "final"),
    ("2026-01-06", "router", "run-a", 300.0, 0.3, "actual", "final"),
    ("2026-01-06", "summariser", "run-b", 100.0, 0.2, "expected", "provisional"),
    ("2026-01-07", "summariser", "run-b", None, 0.1, "none", "provisional"),
)

NOTES = pd.DataFrame(
    [
        ("run-a", "tasks_summed queueing_included", "codecarbon", "logs/emissions.csv", "meter"),
        ("run-b", None, "disclosure", "summariser.md", "power_model"),
    ],
    columns=list(RUN_NOTES),
)

ADVICE = pd.DataFrame(
    {
        "run_id": ["run-a", "run-b"],
        "model_name": ["router", "summariser"],
        "field": ["reserved_s active_s", None],
        "carbon_narrowed": [0.31, None],
        "water_narrowed": [0.004, None],
    }
)

BASES = pd.DataFrame(
    [
        ("cpu_count", "default", "cpu_count_of_server", 2),
        ("country_iso3", "default", "country_default", 1),
        ("country_iso3", "disclosed", "country_of_region", 1),
        ("hardware_use_life_h", "default", "hardware_use_life", 2),
        ("it_energy_kwh", "measured", "as_logged", 1),
        ("it_energy_kwh", "predicted", "energy_of_power", 1),
        ("model_name", "disclosed", "as_logged", 2),
        ("server_id", "default", "server_common_in_year", 2),
    ],
    columns=list(BASIS_COUNTS),
)

REFUSED = conform(
    pd.DataFrame(
        {
            "source_uri": ["a.json", "b.csv", "b.csv"],
            "source_record": [None, "2", "3"],
            "reason_code": ["no_time_no_tokens", "out_of_range", "out_of_range"],
            "reason": ["run x: neither a time nor tokens", "duration is -12 s", "pue is 0.3"],
        }
    ),
    QUARANTINE,
)

MOVED = conform(
    pd.DataFrame(
        {
            "date": ["2026-01-05", "2026-01-06"],
            "model_name": "router",
            "model_version": "run-a",
            "column": ["gco2e_per_inference", "inferences"],
            "old": [2.5, 200.0],
            "new": [3.0, 300.0],
            "cause": ["factor changed", "usage true-up"],
            "cause_detail": [
                "reference_version a0 -> a1b2c3",
                "inferences_basis expected -> actual",
            ],
            "old_table_version": [1, 2],
            "new_table_version": [2, 3],
        }
    ),
    RESTATEMENTS,
)

LANDED = conform(
    pd.DataFrame(
        {
            "source_uri": ["sacct.txt", "logs/emissions.csv"],
            "content_hash": "0",
            "content": "runs",
            "source_record": ["2", "1"],
            "run_id": ["run-a", "run-b"],
            "join_note": ["join_ambiguous:run-b,run%20c+3", None],
            "records": 1,
            "merged": 0,
            "quarantined": 0,
        }
    ),
    LANDING_INDEX,
)

# 0.5 kg operational of 1 kWh: theirs is 0.4, ours 1.25 x 0.4 = 0.5 a kWh; with 0.1 embodied 0.6.
STATED = pd.DataFrame(
    [("run-a", 0.4, 1.0, "logged_total", 1.25, 0.4, 1.0, "logs/emissions.csv")],
    columns=list(COMPARED),
)

COUNTED = pd.DataFrame({"repairs": ["split_at_midnight", None, "split_at_midnight"]}, dtype="str")

OWN = conform(
    pd.DataFrame(
        {
            "pipeline_run_id": ["p1", "p2"],
            "started_at": ["2026-01-07T01:00:00Z", "2026-01-08T01:00:00Z"],
            "duration_s": [20.0, 30.0],
            "energy_kwh": [0.001, 0.002],
            "carbon_kgco2e": [0.0004, 0.0005],
            "country_iso3": "USA",
        }
    ),
    PIPELINE_FOOTPRINT,
)

FULL = ReportData(
    run_impacts=RUNS,
    run_spreads=spreads(RUNS),
    model_versions=versions(RUNS),
    inference_impacts=DAYS,
    quarantine=REFUSED,
    restatements=MOVED,
    pipeline_footprint=OWN,
    run_notes=NOTES,
    disclosed=STATED,
    usage_notes=COUNTED,
    landed=LANDED,
    basis_counts=BASES,
    advice=ADVICE,
    versions={"run_impacts": 3, "quarantine": None},
)


class Page(HTMLParser):
    """What a page holds: tags with attributes, its text, the cells of each row."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts, self.rows, self._cell = [], [], [], None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"a", "code", "strong"}:
            self.handle_data(" ")
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self._cell = []

    def handle_endtag(self, tag):
        if tag in {"td", "th"}:
            self.rows[-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data):
        self.texts.append(data)
        if self._cell is not None:
            self._cell.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    def row(self, start, cells):
        """Return the only row of so many cells whose first one starts so."""
        (found,) = [row for row in self.rows if len(row) == cells and row[0].startswith(start)]
        return found

    def ids(self):
        return [attrs["id"] for _, attrs in self.tags if "id" in attrs]


@pytest.fixture(scope="module")
def html():
    return report.render(FULL)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_period_mean_is_a_ratio_of_sums():
    models = figures.models(DAYS, RUNS, spreads(RUNS), 0.0).set_index("model_name")

    router = models.loc["router"]
    assert router["latest_gco2e_per_inference"] == pytest.approx(1.0, rel=1e-12)
    assert router["mean_gco2e_per_inference"] == pytest.approx(1.5, rel=1e-12)
    assert router["mean_gco2e_per_inference_p05"] == pytest.approx(0.75, rel=1e-12)
    assert router["mean_gco2e_per_inference_p95"] == pytest.approx(3.0, rel=1e-12)
    assert router["mean_water_ml_per_inference"] == pytest.approx(15.0, rel=1e-12)
    assert (router["counted"], router["expected"]) == (400, 0)


def test_days_without_known_inferences_stay_out_of_the_mean():
    summariser = (
        figures.models(DAYS, RUNS, spreads(RUNS), 0.0).set_index("model_name").loc["summariser"]
    )

    assert summariser["mean_gco2e_per_inference"] == pytest.approx(2.0, rel=1e-12)
    assert summariser["latest_date"] == pd.Timestamp("2026-01-06")
    assert summariser["unknown_days"] == 1
    assert (summariser["counted"], summariser["expected"]) == (0, 100)


def test_a_version_that_nobody_used_adds_its_carbon_to_the_mean():
    # 0.2 kg over 100 inferences, and 0.3 kg of a version without any: 0.5 kg over 100 is 5 g. The
    # idle one's interval comes from its run: 0.25 .. 1.0 kg over 100.
    days = inference_impacts(
        ("2026-01-06", "summariser", "run-b", 100.0, 0.2, "actual", "final"),
        ("2026-01-06", "summariser", "idle", 0.0, 0.3, "unallocated", "final"),
    )
    runs = run_impacts(
        ("run-b", "summariser", "2026-01-05", 0.2, 0.0),
        ("idle", "summariser", "2026-01-06", 0.3, 0.0),
    )

    model = figures.models(days, runs, spreads(runs), 0.0).iloc[0]

    assert model["mean_gco2e_per_inference"] == pytest.approx(5.0, rel=1e-12)
    assert model["mean_gco2e_per_inference_p05"] == pytest.approx(2.5, rel=1e-12)
    assert model["mean_gco2e_per_inference_p95"] == pytest.approx(10.0, rel=1e-12)
    assert model["latest_version"] == "run-b"


def test_two_versions_of_a_day_are_one_figure_by_their_sums():
    # (0.1 + 0.3) kg over (300 + 100) inferences: 1 g. The mean of 1/3 g and 3 g would be 1.67 g.
    days = inference_impacts(
        ("2026-01-06", "router", "v1", 300.0, 0.1, "actual", "final"),
        ("2026-01-06", "router", "v2", 100.0, 0.3, "actual", "provisional"),
    )
    runs = run_impacts(
        ("v1", "router", "2026-01-05", 0.1, 0.0), ("v2", "router", "2026-01-06", 0.3, 0.0)
    )

    model = figures.models(days, runs, spreads(runs), 0.0).iloc[0]
    assert model["latest_gco2e_per_inference"] == pytest.approx(1.0, rel=1e-12)
    assert model["latest_status"] == "provisional"
    points, step_days = figures.series(days, ["router"], spreads(runs), 0.0)
    assert points["gco2e_per_inference"].tolist() == pytest.approx([1.0], rel=1e-12)
    assert step_days == 1


def test_header_states_the_fleet(page):
    # 0.6 + 0.3 kg; ten times that in litres; intervals half and twice of it.
    assert (
        "Carbon of all fine-tuning runs 0.900 kgCO2e 5th to 95th percentile 0.450 to 1.80"
        in page.text
    )
    assert "Water of all fine-tuning runs 9.00 L 5th to 95th percentile 4.50 to 18.0" in page.text
    assert "500 400 counted, 100 expected" in page.text
    assert (
        "2026-01-05 to 2026-01-07 (UTC days) · profile default · reference tables a1b2c3"
        in page.text
    )
    assert "2 versions, 2 runs, 5.00 kWh at the facility" in page.text
    assert "The days up to 2026-01-07 carry all of it." in page.text


def test_per_inference_table(page):
    assert page.row("router 2026-01-06", 9) == [
        "router 2026-01-06, version run-a",
        "1.00 0.500 to 2.00",
        "1.50 0.750 to 3.00",
        "10.0 5.00 to 20.0",
        "15.0 7.50 to 30.0",
        "400",
        "0",
        "final all 2 days final",
        "reserved_s and active_s carbon 31 % narrower",
    ]
    assert page.row("summariser 2026-01-06", 9)[-2:] == [
        "provisional 2 of 2 days provisional; 1 without known inferences",
        "nothing",
    ]


def test_runs_table_and_its_anchors(page):
    assert page.row("2026-01-05", 9) == [
        "2026-01-05",
        "router run-a logs/emissions.csv",
        "2.50",
        "0.600 0.300 to 1.20",
        "6.00 3.00 to 12.0",
        "C",
        "42 %",
        "reserved_s and active_s carbon 31 % narrower",
        "tasks summed, queueing included",
    ]
    assert {"run-run-a", "run-run-b"} <= set(page.ids())
    assert len(page.ids()) == len(set(page.ids()))


def test_every_link_leads_to_an_id_of_the_page(page):
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(page.ids())


def test_imputed_fields_and_what_to_disclose(page):
    assert page.row("country_iso3", 6) == [
        "country_iso3", "0", "1", "0", "1",
        "the US, as a relatively high-carbon country (fine-tuning page) (1 default);"
        " the country of the cloud region (1 disclosed)",
    ]  # fmt: skip
    assert page.row("server_model, or instance_type", 3) == [
        "server_model, or instance_type", "2", "cpu_count, server_id",
    ]  # fmt: skip
    assert "which no log replaces: hardware_use_life_h." in page.text
    assert "Never imputed: model_name." in page.text


def test_repairs_are_counted_with_their_meaning(page):
    words = REPAIRS["tasks_summed"]
    assert page.row("tasks_summed", 4) == ["tasks_summed", words, "1", "0"]
    assert page.row("split_at_midnight", 4)[2:] == ["0", "2"]


def test_a_run_counts_once_for_each_of_its_repairs():
    notes = pd.DataFrame({"repairs": ["conflict:pue conflict:epochs", "conflict:pue tasks_summed"]})
    found = {each["word"]: each["runs"] for each in notices.repairs(notes, COUNTED[:0])}
    assert found == {"conflict": 2, "tasks_summed": 1}


def test_what_a_repair_is_about_keeps_its_name():
    found = formatting.repairs_in_words("conflict:active_s padding_not_stated")
    assert found == "conflict: active_s, padding not stated"


def test_logs_that_were_not_joined_are_named_with_their_candidates(page):
    row = page.row("run-a sacct.txt#2", 2)
    assert row[1] == "run-b, run c and 3 more"
    assert ("a", {"href": "#run-run-b"}) in page.tags


def test_disclosed_totals_stand_beside_ours(page):
    row = page.row("run-a logs/emissions.csv", 5)
    assert row[1] == "0.400"
    assert row[2].startswith("0.600 ")
    assert row[3] == "1.50"
    assert "theirs 0.4, ours PUE 1.25 x grid 0.4 = 0.5" in row[4]
    assert "Together they state 0.400, and ours is 0.600." in page.text


def test_no_section_of_disclosed_totals_without_any():
    empty_handed = Page(report.render(replace(FULL, disclosed=STATED[:0])))
    assert "disclosed" not in empty_handed.ids()


def test_what_was_not_used(page):
    assert page.row("out_of_range", 4)[1:3] == ["2", "1"]
    assert "b.csv#2 duration is -12 s b.csv#3 pue is 0.3" in page.row("out_of_range", 4)[3]
    assert page.row("no_time_no_tokens", 4)[3].startswith("a.json run x")
    assert "nothing to compute from" in page.row("no_time_no_tokens", 4)[0]


def test_what_moved(page):
    (latest, earlier) = [
        row for row in page.rows if len(row) == 7 and "→" in row[3] and row[0] != "Day"
    ]
    assert latest[2:5] == ["inferences", "200.0 → 300.0", "+50 %"]
    assert earlier[2:5] == ["gco2e_per_inference", "2.500 → 3.000", "+20 %"]
    assert earlier[5] == "factor changed reference_version a0 -> a1b2c3"
    assert ["usage true-up", "1", "1"] in page.rows


def test_own_footprint_beside_the_fleet(page):
    # 0.0009 kg of 0.9 kg.
    assert "2 runs of this pipeline took 50.0 s, 0.00300 kWh and 0.000900 kgCO2e" in page.text
    assert "0.10 % of the carbon" in page.text


def test_quirks_of_the_profile_in_force_are_named(page):
    published = replace(FULL, run_impacts=RUNS.assign(methodology="scope3-2024"))
    assert "flat_gpu_power" in Page(report.render(published)).text
    assert "flat_gpu_power" not in page.text


def test_two_reference_versions_are_said_to_be_two():
    runs = RUNS.assign(reference_version=["old", "new"])
    assert "more than one profile or version" in report.render(replace(FULL, run_impacts=runs))


def test_composition_states_the_totals(page):
    assert "router 0.600 kgCO2e, summariser 0.300 kgCO2e." in page.text
    assert "router 6.00 L, summariser 3.00 L." in page.text


def test_weak_points_are_stated(page):
    for words in (
        "not an SCI for AI consumer score",
        "NWPP",
        "log-normal",
        "as far as they share factors",
    ):
        assert words in page.text


def test_page_refers_to_nothing_outside_itself(html, page):
    loads = {
        "src",
        "href",
        "xlink:href",
        "srcset",
        "data",
        "action",
        "poster",
        "formaction",
        "ping",
    }
    for tag, attrs in page.tags:
        for name in loads & set(attrs):
            assert attrs[name].startswith(("#", "data:")), (tag, attrs)
    assert "http:" not in html
    assert "https:" not in html
    assert not re.search(r"url\(|@import", html)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "iframe", "object", "embed", "base"})
    policies = [
        a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_charts_say_what_they_show(html, page):
    drawings = [attrs for tag, attrs in page.tags if tag == "svg"]
    # Two models' carbon and water over time, and what the totals consist of.
    assert len(drawings) == 6
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in drawings)
    assert html.count("<desc>") == 6
    assert len([tag for tag, _ in page.tags if tag == "table"]) == html.count("<caption>")


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</svg></title><script>alert(1)</script>",
        "{{ 7 * 7 }}{% raw %}",
        "--><script>alert(1)</script>",
        "javascript:alert(1)",
        "a' onmouseover='alert(1)",
    ],
)
def test_hostile_text_stays_text(hostile):
    runs = RUNS.assign(model_name=hostile, run_id=["r" + hostile, "s" + hostile])
    days = DAYS.assign(model_name=hostile, model_version="r" + hostile)
    data = replace(
        FULL,
        run_impacts=runs,
        run_spreads=spreads(runs),
        model_versions=versions(runs),
        inference_impacts=days,
        run_notes=NOTES.assign(run_id=runs["run_id"], source_uri=hostile, repairs=hostile),
        quarantine=REFUSED.assign(source_uri=hostile, reason=hostile, source_record=hostile),
        restatements=MOVED.assign(model_name=hostile, cause_detail=hostile),
        basis_counts=BASES.assign(field=hostile, rule=hostile),
    )

    found = Page(report.render(data))

    assert {tag for tag, _ in found.tags} <= {tag for tag, _ in Page(report.render(FULL)).tags}
    assert not any(name.startswith("on") for _, attrs in found.tags for name in attrs)
    assert not any("javascript:" in (attrs.get("href") or "") for _, attrs in found.tags)
    assert hostile in "".join(found.texts)


def test_empty_tables_make_a_page():
    text = Page(report.render(ReportData())).text
    for words in (
        "No run has been accepted yet", "No model has a footprint yet", "No day has a figure",
        "Every record was used", "No reported value has moved", "No run of this pipeline",
    ):  # fmt: skip
        assert words in text


def test_nothing_but_quarantine_makes_a_page():
    found = Page(report.render(ReportData(quarantine=REFUSED)))
    assert found.row("out_of_range", 4)[1] == "2"
    assert "No run has been accepted yet" in found.text


def test_runs_without_inferences_make_a_page():
    data = ReportData(run_impacts=RUNS, run_spreads=spreads(RUNS), model_versions=versions(RUNS))
    found = Page(report.render(data))
    assert found.row("router", 9)[1:5] == ["unknown"] * 4
    assert "No day has a figure per inference yet" in found.text


def test_zero_carbon_makes_a_page():
    runs = run_impacts(("run-a", "router", "2026-01-05", 0.0, 0.0))
    days = inference_impacts(("2026-01-05", "router", "run-a", 100.0, 0.0, "actual", "final"))
    data = ReportData(
        run_impacts=runs,
        run_spreads=spreads(runs),
        model_versions=versions(runs),
        inference_impacts=days,
    )
    assert Page(report.render(data)).row("router 2026-01-05", 9)[1] == "0"


def test_many_models_and_runs_are_cut_and_it_is_said():
    # 130 models, model 129 emits most; two runs each.
    runs = run_impacts(
        *(
            (f"run-{i}-{n}", f"model-{i:03d}", f"2026-01-{5 + n:02d}", 1.0 + i, 0.5)
            for i in range(130)
            for n in range(2)
        )
    )
    days = inference_impacts(
        *(
            ("2026-01-06", f"model-{i:03d}", f"run-{i}-1", 100.0, 1.5 + i, "actual", "final")
            for i in range(130)
        )
    )
    data = ReportData(
        run_impacts=runs,
        run_spreads=spreads(runs),
        model_versions=versions(runs),
        inference_impacts=days,
    )

    html = report.render(data)

    found = Page(html)
    assert "The 100 models with the most carbon of 130." in found.text
    assert "The 12 models with the most carbon of 130 are drawn." in found.text
    assert "the latest 200 of 260" in found.text
    assert "118 other models" in found.text
    assert "model-129" in found.text
    assert not [row for row in found.rows if row and row[0].startswith("model-029 2026")]
    assert len(html) < 3_000_000


def test_sums_of_the_latest_year_by_team_and_tag():
    rows = pd.DataFrame(
        [
            ("fleet", None, 2026, 9.0), ("team", "search", 2026, 9.0), ("team", "gone", 2025, 1.0),
            ("tag", "chat", 2026, 6.0), ("tag", None, 2026, 3.0), ("model", "router", 2026, 9.0),
        ],
        columns=["grouped_by", "name", "year", "allocated_kgco2e"],
    )  # fmt: skip
    rows["date"], rows["period"] = pd.to_datetime(rows.pop("year").astype(str)), "year"
    others = {
        column.name: 1 for column in ROLLUPS.columns if column.required and column.name not in rows
    }
    page = Page(report.render(ReportData(rollups=conform(rows.assign(**others), ROLLUPS))))
    sums = [row[:2] for row in page.rows if len(row) == 7 and row[0].startswith("202")]
    assert [(name, kg.split()[0]) for name, kg in sums] == [
        ("2026", "9.00"), ("2026, team search", "9.00"), ("2026, tag chat", "6.00"), ("2026, no tag named", "3.00"),
    ]  # fmt: skip


def test_lineage_of_a_branch_a_merge_and_a_roll_back():
    runs, made = branched_merged_and_rolled_back()
    page = Page(
        report.render(ReportData(run_impacts=runs, run_spreads=spreads(runs), model_versions=made))
    )
    # By hand: run-0 served 2,000 of 10,000 inferences, so 80 % of its 12.8 kg passes to run-2.
    assert page.row("run-0", 7)[1:] == [
        "base model", "run-1, run-2", "2026-01-01 to 2026-01-03 superseded", "12.8", "", "10.2"
    ]  # fmt: skip
    assert page.row("run-2", 7)[1:3] == ["run-0", "run-3, run-4"]
    assert page.row("run-2", 7)[3].endswith("served again after a break")
    assert page.row("run-2", 7)[4:] == ["12.8", "10.2", ""]
    assert page.row("run-3", 7)[1] == "run-1, run-2"
    assert page.row("run-4", 7)[3].endswith("rolled back")
    assert page.row("m", 1) == [
        "m 3 versions; base model bert-base, whose pre-training is 1.00 gCO2e per inference, in no total"
    ]


def test_of_a_year_of_daily_versions_the_latest_few_are_shown():
    runs = impacts(*({"parent_version": f"run-{n - 1}" if n else None} for n in range(365)))
    made = ledger.model_versions(runs, counts(), runs["date"].max())
    page = Page(
        report.render(ReportData(run_impacts=runs, run_spreads=spreads(runs), model_versions=made))
    )
    assert page.row("m", 1)[0].startswith("m 365 versions, 360 earlier ones not shown")
    shown = [row[0] for row in page.rows if len(row) == 7 and row[0].startswith("run-")]
    assert shown == [f"run-{n}" for n in range(364, 359, -1)]


def test_a_parent_that_no_run_made_is_named_as_logged():
    runs = impacts({"parent_version": "hub/model"}, {"parent_version": "run-0"})
    made = ledger.model_versions(runs, counts(), runs["date"].max())
    page = Page(
        report.render(ReportData(run_impacts=runs, run_spreads=spreads(runs), model_versions=made))
    )
    assert page.row("run-0", 7)[1] == "hub/model, of which no run is known"


def test_models_of_one_version_have_no_lineage(page):
    assert "lineage" not in page.ids()


def test_composition_keeps_every_gram():
    frame = figures.composition(RUNS, ["router"], "others")
    assert frame["model_name"].tolist() == ["router", "others"]
    parts = frame[[*figures.CARBON_PARTS]].to_numpy()
    assert parts.sum() == pytest.approx(RUNS["total_kgco2e"].sum(), rel=1e-12)
    assert frame[[*figures.WATER_PARTS]].to_numpy().sum() == pytest.approx(9.0, rel=1e-12)


def points(**values):
    frames = [
        pd.DataFrame(
            {
                "model_name": name,
                "gco2e_per_inference": of_model,
                "gco2e_per_inference_p95": [2 * value for value in of_model],
            }
        )
        for name, of_model in values.items()
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize(
    ("values", "shared", "logarithmic"),
    [
        ({"a": [1.0, 2.0], "b": [10.0]}, True, False),
        ({"a": [1.0, 2.0], "b": [20.0]}, True, False),
        ({"a": [1.0, 2.0], "b": [21.0]}, False, False),
        ({"a": [1.0, 51.0]}, False, True),
        ({"a": [0.0, 1.0]}, True, False),
    ],
)
def test_scales_are_shared_where_models_lie_near(values, shared, logarithmic):
    scales, found = charts.scales(points(**values), charts.CARBON)
    assert (found, scales["a"].logarithmic) == (shared, logarithmic)
    assert scales["a"].note == ("log scale" if logarithmic else "")


def test_logarithmic_axis_is_labelled():
    days = inference_impacts(
        ("2026-01-05", "router", "run-a", 1.0, 0.3, "actual", "final"),
        ("2026-01-06", "router", "run-a", 1000.0, 0.3, "actual", "final"),
    )
    text = Page(report.render(replace(FULL, inference_impacts=days))).text
    assert "router, log scale" in text
    assert "gCO2e per inference, log scale" in text


def test_long_periods_are_drawn_by_week_from_sums():
    # A Monday to start with; each day 0.1 kg over 100 inferences.
    first = pd.date_range("2026-01-05", periods=402)
    days = inference_impacts(
        *((f"{day:%Y-%m-%d}", "router", "run-a", 100.0, 0.1, "actual", "final") for day in first)
    )
    found, step_days = figures.series(days, ["router"], spreads(RUNS), 0.0)

    assert step_days == 7
    assert len(found) == 58  # 402 days are 57 weeks and 3 days
    assert found["inferences"].iloc[0] == 700
    assert found["gco2e_per_inference"].to_numpy() == pytest.approx(1.0, rel=1e-12)


def test_charts_of_far_apart_years_name_their_days():
    later = inference_impacts(
        ("2028-01-05", "summariser", "run-b", 100.0, 0.2, "actual", "final"),
        ("2028-01-06", "summariser", "run-b", 100.0, 0.2, "actual", "final"),
    )
    days = pd.concat([DAYS[DAYS["model_name"] == "router"], later], ignore_index=True)
    text = Page(report.render(replace(FULL, inference_impacts=days))).text
    assert "router, 2026-01-05 to 2026-01-06" in text
    assert "summariser, 2028-01-05 to 2028-01-06" in text


def test_models_of_far_apart_years_have_their_own_days():
    near = pd.DataFrame(
        {
            "model_name": ["a", "a", "b"],
            "date": pd.to_datetime(["2026-01-01", "2026-01-09", "2026-01-05"]),
        }
    )
    _, own = figures.spans(near)
    assert own
    wide = pd.DataFrame(
        {
            "model_name": ["a", "a", "b", "b"],
            "date": pd.to_datetime(["2026-01-01", "2026-01-09", "2026-01-02", "2026-01-08"]),
        }
    )
    spans, own = figures.spans(wide)
    assert not own
    assert spans["b"] == (pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-09"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12.8, "12.8"),
        (0, "0"),
        (121659.0, "122,000"),
        (0.00047149, "0.000471"),
        (0.000047149, "4.71×10⁻⁵"),  # noqa: RUF001
        (2.5e12, "2.50×10¹²"),  # noqa: RUF001
        (9.996, "10.0"),
        (999.6, "1,000"),
        (float("nan"), "unknown"),
        (None, "unknown"),
    ],
)
def test_numbers_have_three_significant_digits(value, text):
    assert formatting.significant(value) == text


@pytest.mark.parametrize(
    ("run_id", "anchor"), [("abc-1", "run-abc-1"), ("a b/c#d", "run-a%20b%2Fc%23d")]
)
def test_anchors_have_no_spaces(run_id, anchor):
    assert formatting.anchor(run_id) == anchor


@pytest.fixture
def warehouse(tmp_path):
    """A warehouse with the tables of `FULL`."""
    normalized = RUNS[["date", "run_id", "model_name", "methodology", "reference_version"]].merge(
        NOTES
    )
    filled = {
        column.name: 1.0 if column.kind == "float" else RUNS["ended_at"] if column.kind == "timestamp" else "x"
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


def test_written_page_shows_the_stored_tables(warehouse):
    path = report.write(warehouse)
    found = Page(path.read_text("utf-8"))
    assert path == warehouse / "report" / "index.html"
    assert path.read_text("utf-8").startswith(
        "<!doctype html>\n<!-- ft_emissions_pipeline report of "
    )
    assert found.row("router 2026-01-06", 9)[2] == "1.50 0.750 to 3.00"
    assert found.row("pue", 6)[:5] == ["pue", "0", "0", "0", "2"]
    assert "2 files landed with 6 records; 2 of them repeat another record" in found.text
    assert "run_impacts 1" in found.text
    assert [each.name for each in path.parent.iterdir()] == ["index.html"]


def test_unchanged_data_leave_the_page(warehouse):
    path = report.write(warehouse)
    path.write_text(path.read_text("utf-8") + "kept", "utf-8")

    store.append(warehouse, PIPELINE_FOOTPRINT, OWN.assign(pipeline_run_id=["p3", "p4"]))
    report.write(warehouse)

    assert path.read_text("utf-8").endswith("kept")


@pytest.mark.parametrize("table", [QUARANTINE, RESTATEMENTS], ids=lambda table: table.name)
def test_changed_data_make_a_new_page(warehouse, table):
    path = report.write(warehouse)
    before = path.read_bytes()

    store.write(
        warehouse, table, {"quarantine": REFUSED, "restatements": MOVED}[table.name].head(1)
    )
    report.write(warehouse)

    assert path.read_bytes() != before


def test_same_data_make_the_same_page(html):
    assert report.render(FULL) == html


def test_a_warehouse_without_tables_makes_a_page(tmp_path):
    assert "No run has been accepted yet" in report.write(tmp_path).read_text("utf-8")


def test_an_object_store_puts_the_page_under_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    warehouse = (tmp_path / "tables").as_uri()
    store.write(warehouse, QUARANTINE, REFUSED)

    path = report.write(warehouse)

    assert path == tmp_path / "report" / "index.html"
    assert "out_of_range" in path.read_text("utf-8")


def test_provenance_is_counted_window_by_window(warehouse, monkeypatch):
    monkeypatch.setattr("ft_emissions_pipeline.report.data.RUNS_AT_ONCE", 1)
    pieced = report.read(warehouse).basis_counts
    whole = count_bases(store.read(warehouse, FIELD_PROVENANCE))
    pd.testing.assert_frame_equal(pieced, whole)


def test_every_table_shown_counts_for_the_digest():
    assert {table.name for table in SHOWN} >= set(ReportData.__dataclass_fields__) & {
        "run_impacts", "model_versions", "inference_impacts", "quarantine", "restatements",
    }  # fmt: skip


def console_of(browser, page, profile):
    """Return what a browser writes to its console while it shows a page."""
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            f"--user-data-dir={profile}", "--enable-logging=stderr", "--v=0", "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
        env={**os.environ, "HOME": str(profile.parent)},  # where it would leave traces
    )  # fmt: skip
    assert "</html>" in done.stdout
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("browser", BROWSERS, ids=lambda path: Path(path).name)
def test_browser_shows_the_page_without_complaint(browser, html, tmp_path):
    shown = tmp_path / "index.html"
    shown.write_text(html, "utf-8")
    assert console_of(browser, shown, tmp_path / "profile") == []

    # A browser that never complained would prove nothing.
    shown.write_text(html.replace("</body>", "<script>1</script></body>"), "utf-8")
    assert console_of(browser, shown, tmp_path / "profile")


def test_advice_leaves_out_a_run_of_which_a_table_is_not_there_yet(tmp_path):
    made = warehouses.everything(warehouses.nights(3), warehouses.some_usage(), warehouses.chosen())
    warehouses.write(tmp_path, made)
    whole = report.read(tmp_path).advice
    assert len(whole) == 3
    assert whole["carbon_narrowed"].gt(0).all()
    runs = made[VALIDATED_RUNS]
    store.write(tmp_path, VALIDATED_RUNS, runs[runs["run_id"] != "night-001"])
    assert report.read(tmp_path).advice["run_id"].tolist() == ["night-000", "night-002"]
