"""What an estimate shows in a notebook: sums, HTML, a plot, and files of its table."""

from pathlib import Path

import pandas as pd
import pytest

import ft_emissions_pipeline as fte

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "landing"
HOSTILE = "=<script>alert(1)</script>"
JOB = {"Base model": "Llama 2 7B", "GPU": "A100", "Number of GPUs": 4, "Server location": "France",
       "End time": "2026-01-05", "Total reserved time": "2 h"}  # fmt: skip


@pytest.fixture(scope="module")
def estimate():
    jobs = [
        {**JOB, "Model": "bot", "expected_inferences_per_day": 1000, "expected_use_life_days": 10},
        {**JOB, "Model": "bot", "End time": "2026-01-04", "Number of GPUs": 8},
        {**JOB, "Model": HOSTILE},
    ]
    return fte.estimate(jobs)


def test_sums_are_of_a_models_runs_and_the_last_row_is_of_all(estimate):
    summed = estimate.summary().set_index("model_name")
    runs = estimate.runs
    of_bot = runs[runs["model_name"] == "bot"]
    for name in ("total_kgco2e", "total_water_l", "it_energy_kwh"):
        assert summed.loc["bot", name] == pytest.approx(of_bot[name].sum(), rel=1e-12)
        assert summed.loc["all models", name] == pytest.approx(runs[name].sum(), rel=1e-12)
    assert summed["runs"].tolist() == [1, 2, 3]
    # Runs of one grid and one kind of card err together: what they have in common adds up.
    alone = (of_bot["total_kgco2e_p95"] - of_bot["total_kgco2e"]).pow(2).sum() ** 0.5
    assert summed.loc["bot", "total_kgco2e_p95"] - of_bot["total_kgco2e"].sum() > alone
    # The newest version is told: that of 5 January, with 10,000 inferences expected.
    newest = of_bot.loc[of_bot["date"].idxmax(), "total_kgco2e"]
    assert summed.loc["bot", "gco2e_per_inference"] == pytest.approx(newest * 1000 / 10_000)


def test_a_notebook_shows_sums_with_names_that_are_no_markup(estimate):
    page = estimate._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "profile default" in page
    assert page.count("<tr>") == 3
    assert "unknown" in page  # what one inference of a model without counts carries


def test_a_prompt_shows_one_line(estimate):
    carbon = estimate.runs["total_kgco2e"].sum()
    assert repr(estimate).startswith(f"<Estimate of 3 run(s) of 2 model(s): {carbon:.3g} kgCO2e, ")


def test_a_plot_shows_every_run_with_its_interval(estimate):
    drawn = estimate.plot().to_dict()
    carbon, water = drawn["vconcat"]
    for panel, name in ((carbon, "total_kgco2e"), (water, "total_water_l")):
        values = drawn["datasets"][panel["data"]["name"]]
        assert [row[name] for row in values] == pytest.approx(estimate.table[name].tolist())
        assert panel["layer"][0]["encoding"]["y2"]["field"] == f"{name}_p95"


def test_files_of_the_table_hold_it(estimate, tmp_path):
    estimate.to_parquet(tmp_path / "runs.parquet")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "runs.parquet"), estimate.table, check_dtype=False
    )
    assert estimate.to_csv(tmp_path / "runs.csv") is None
    read = pd.read_csv(tmp_path / "runs.csv")
    assert read["total_kgco2e"].tolist() == estimate.table["total_kgco2e"].tolist()
    assert read["model_name"].tolist().count(f"'{HOSTILE}") == 1  # no formula
    assert (tmp_path / "runs.csv").read_text("utf-8") == estimate.to_csv()


def test_no_run_has_a_table_and_a_plot_too():
    none = fte.estimate(fte.read_runs(EXAMPLES / "broken")[0])
    assert "all models" in none._repr_html_()
    assert set(map(len, none.plot().to_dict()["datasets"].values())) == {0}


def test_counts_that_lie_beside_share_the_runs_of_their_model(tmp_path):
    (tmp_path / "usage.csv").write_text(
        "date,model_name,inferences\n2026-01-05,bot,1000\n2026-01-06,bot,3000\n"
    )
    (tmp_path / "runs.yaml").write_text(
        "runs:\n  a: {model: bot, base model: Llama 2 7B, GPU: A100, end time: 2026-01-05, "
        "total reserved time: 2 h}\n"
    )
    (tmp_path / "models.yaml").write_text(
        "models:\n  bot: {events: [{at: 2026-01-07, retired: everything}]}\n"
    )
    logs = fte.read_logs(tmp_path)
    counted = fte.estimate(logs).table.iloc[0]
    assert (counted["inferences"], counted["inferences_basis"]) == (4000, "actual")
    each = counted["total_kgco2e"] * 1000 / 4000
    assert counted["gco2e_per_inference"] == pytest.approx(each)
    # Without the counts nobody knows of an inference.
    assert fte.estimate(logs.runs).table["inferences_basis"].item() == "none"
