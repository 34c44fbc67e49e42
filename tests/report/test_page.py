"""The report: sums made by hand, hostile logs, empty tables, a page that needs nothing but itself.

Expected values are worked out in the comments beside the frames, not taken from the code.
"""

import base64
import gzip
import hashlib
import io
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fleet import (
    BASES,
    COUNTED,
    DAYS,
    FULL,
    MOVED,
    NOTES,
    REFUSED,
    RUNS,
    STATED,
    Page,
    inference_impacts,
    run_impacts,
    scattered,
    versions,
)
from ledger_rows import branched_merged_and_rolled_back, counts, impacts

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import ledger, report
from ft_emissions_pipeline.analysis import reconcile
from ft_emissions_pipeline.readers import REPAIRS
from ft_emissions_pipeline.report import ReportData, figures, formatting, notices
from ft_emissions_pipeline.tables import ROLLUPS, conform


def test_header_states_the_fleet(page):
    # 0.6 + 0.3 kg; ten times that in litres; intervals half and twice of it.
    assert (
        "All fine-tuning runs 0.900 kgCO2e 0.450 to 1.80 9.00 L 4.50 to 18.0"
        " 2 models, 2 versions, 2 runs, 5.00 kWh at the facility" in page.text
    )
    assert "500 inferences: 400 counted, 100 expected." in page.text
    assert (
        "2026-01-05 to 2026-01-07 (UTC days) · profile default · reference tables a1b2c3"
        in page.text
    )
    assert "The days up to 2026-01-07 carry all of the runs' carbon and water." in page.text


def test_page_tells_its_release_and_the_instant_of_its_tables():
    made_at = pd.Timestamp("2026-01-08T01:02:03Z")
    text = Page(report.render(replace(FULL, made_at=made_at))).text
    assert f"made by ft_emissions_pipeline {fte.__version__}" in text
    assert "tables of 2026-01-08 01:02:03 UTC" in text


def test_first_screen_tells_what_moved_on_the_last_day_that_moved_anything():
    # Version 3 was written a day after version 2, so the factor's move is not the last.
    commits = pd.DataFrame(
        {
            "version": [1, 2, 3],
            "timestamp": pd.to_datetime(
                ["2026-01-06T01:00Z", "2026-01-07T01:00Z", "2026-01-08T01:00Z"]
            ),
        }
    )
    text = Page(report.render(replace(FULL, commits=commits))).text
    assert "What moved last usage true-up 1 values of 1 days of 1 model on 2026-01-08" in text


def test_first_screen_tells_the_newest_month_and_year_of_the_fleet():
    rows = [("month", "2026-01-01", 2.0), ("month", "2026-02-01", 3.0), ("year", "2026-01-01", 5.0)]
    filled = {c.name: 1 for c in ROLLUPS.columns if c.required}
    fleet = [
        {**filled, "period": period, "date": day, "allocated_kgco2e": kg, "grouped_by": "fleet"}
        for period, day, kg in rows
    ]
    text = Page(report.render(ReportData(rollups=conform(pd.DataFrame(fleet), ROLLUPS)))).text
    assert "All models in 2026-02 3.00 kgCO2e" in text
    assert "All models in 2026 5.00 kgCO2e" in text
    assert "All models in 2026-01" not in text


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
    assert page.row("country_iso3", 7) == [
        "country_iso3", "0", "1", "0", "0", "1",
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
    row = page.row("run-a sacct.txt#2", 3)
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


def test_market_based_carbon_stands_beside_the_location_based():
    # The contracts halve it; then they cover only the first of the router's two equal days.
    halved = DAYS["allocated_kgco2e"] / 2
    row = days_of(halved).row("router 2026-01-06", 9)
    assert row[1:3] == [
        "1.00 0.500 to 2.00 market-based 0.500",
        "1.50 0.750 to 3.00 market-based 0.750",
    ]
    row = days_of(halved.where(DAYS["date"] == "2026-01-05")).row("router 2026-01-06", 9)
    assert row[1] == "1.00 0.500 to 2.00"
    assert row[2].endswith("market-based 0.375, without 50 % that no contract covers")


def days_of(market):
    days = DAYS.assign(allocated_market_kgco2e=market)
    return Page(report.render(replace(FULL, inference_impacts=days)))


def test_runs_stand_beside_what_a_cloud_reports_of_them():
    line = {
        "provider": "aws", "region": "us-east-1", "month": pd.Timestamp("2026-01-01"),
        "accounts": "1234", "runs": 2, "line": "total, location-based", "unit": "kgCO2e",
        "ours": 1.0, "ours_p05": 0.5, "ours_p95": 2.0, "theirs": 4.0, "ratio": 0.25,
        "said": reconcile.BELOW,
    }  # fmt: skip
    found = Page(report.render(replace(FULL, reconciled=pd.DataFrame([line]))))
    assert found.row("aws us-east-1 1234", 9)[1:] == [
        "2026-01", "total, location-based", "2", "kgCO2e", "1.00 0.500 to 2.00", "4.00", "0.250",
        reconcile.BELOW,
    ]  # fmt: skip
    assert f"Theirs (aws) covers: {reconcile.COVERS['aws']}." in found.text
    assert "reconciled" not in Page(report.render(FULL)).ids()


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
    assert ["usage true-up", "1", "1", "1", "0", "inferences_basis expected -> actual"] in page.rows


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
    assert {tag for tag, _ in page.tags}.isdisjoint({"iframe", "object", "embed", "base"})
    assert not any("style" in attrs for _, attrs in page.tags)


def test_policy_lets_only_the_scripts_in_that_are_there(html, page):
    (policy,) = [
        a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
    ]
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    packed = re.search(r'id="vega">([^<]*)<', html)[1]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    vega = gzip.decompress(base64.b64decode(packed)).decode()
    hashes = [
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in (vega, script, style)
    ]
    assert policy == (
        f"default-src 'none'; script-src {hashes[0]} {hashes[1]}; style-src {hashes[2]};"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_licences_of_the_inlined_script_stand_in_the_page(page):
    assert "Copyright (c) 2015-2023, University of Washington Interactive Data Lab" in page.text
    assert "Redistributions in binary form must reproduce the above copyright" in page.text


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
        spreads=scattered(runs),
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
    data = ReportData(run_impacts=RUNS, spreads=scattered(RUNS), model_versions=versions(RUNS))
    found = Page(report.render(data))
    assert found.row("router", 9)[1:5] == ["unknown"] * 4
    assert "No day has a figure per inference yet" in found.text


def test_zero_carbon_makes_a_page():
    runs = run_impacts(("run-a", "router", "2026-01-05", 0.0, 0.0))
    days = inference_impacts(("2026-01-05", "router", "run-a", 100.0, 0.0, "actual", "final"))
    data = ReportData(
        run_impacts=runs,
        spreads=scattered(runs),
        model_versions=versions(runs),
        inference_impacts=days,
    )
    assert Page(report.render(data)).row("router 2026-01-05", 9)[1] == "0"


def test_many_models_and_runs_are_cut_and_it_is_said(monkeypatch):
    monkeypatch.setattr("ft_emissions_pipeline.report.page.MODELS_SHOWN", 120)
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
        spreads=scattered(runs),
        model_versions=versions(runs),
        inference_impacts=days,
    )

    found = Page(report.render(data))
    assert "The 120 models with the most carbon of 130" in found.text
    assert "the latest 250 of 260" in found.text
    assert "model-129" in found.text
    assert not [row for row in found.rows if row and row[0].startswith("model-009 2026")]


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
        ("2026", "9.00"), ("2026, team search", "9.00"), ("2026, tag chat", "6.00"),
        ("2026, no tag named", "3.00"),
    ]  # fmt: skip


def csv_behind(html, listing):
    packed = re.search(r'id="packed">([^<]*)<', html)[1]
    text = json.loads(gzip.decompress(base64.b64decode(packed)))["csv"][listing]
    return pd.read_csv(io.StringIO(text))


def test_lineage_of_a_branch_a_merge_and_a_roll_back():
    runs, made = branched_merged_and_rolled_back()
    html = report.render(ReportData(run_impacts=runs, spreads=scattered(runs), model_versions=made))
    page, rows = Page(html), csv_behind(html, "lineages").set_index("model_version")
    shown = ["model_name", "parents", "children", "total_kgco2e"]
    assert rows.loc["run-2", shown].tolist() == ["m", "run-0", "run-3 run-4", 12.8]
    assert set(rows.index) == set(made["model_version"])
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
        "m 3 versions; base model bert-base, whose pre-training is 1.00 gCO2e per inference, in "
        "no total"
    ]


def test_of_a_year_of_daily_versions_the_latest_few_are_shown():
    runs = impacts(*({"parent_version": f"run-{n - 1}" if n else None} for n in range(365)))
    made = ledger.model_versions(runs, counts(), runs["date"].max())
    page = Page(
        report.render(ReportData(run_impacts=runs, spreads=scattered(runs), model_versions=made))
    )
    assert page.row("m", 1)[0].startswith("m 365 versions, 360 earlier ones not shown")
    shown = [row[0] for row in page.rows if len(row) == 7 and row[0].startswith("run-")]
    assert shown == [f"run-{n}" for n in range(364, 359, -1)]


def test_a_parent_that_no_run_made_is_named_as_logged():
    runs = impacts({"parent_version": "hub/model"}, {"parent_version": "run-0"})
    made = ledger.model_versions(runs, counts(), runs["date"].max())
    page = Page(
        report.render(ReportData(run_impacts=runs, spreads=scattered(runs), model_versions=made))
    )
    assert page.row("run-0", 7)[1] == "hub/model, of which no run is known"


def test_base_models_stand_beside_what_was_made_of_them():
    """By hand: the router's 0.6 kg over 400; 1,000 kg over 400 inferences of its use life."""
    rooted = versions(RUNS, inferences=400.0).assign(
        base_model=["Llama 2 7B", "Unheard 8B"], family="a", parent_version=None,
        pretraining_kgco2e=[1000.0, np.nan], pretraining_source=["its card", None],
    )  # fmt: skip
    made = figures.of_base_models(rooted, DAYS, scattered(RUNS), 0.0)
    page = Page(report.render(replace(FULL, base_models=made)))
    assert page.row("Llama 2 7B its card", 8)[1:] == [
        "1", "1 of 1", "400", "1.50 0.750 to 3.00", "1,000", "2,500", "unknown"
    ]  # fmt: skip
    assert page.row("Unheard 8B", 8)[1:3] == ["1", "0 of 1"]
    assert page.row("Unheard 8B", 8)[5:] == ["none published", "unknown", "unknown"]
    assert "base-models" not in Page(report.render(FULL)).ids()


def test_models_of_one_version_have_no_lineage(page):
    assert "lineage" not in page.ids()
