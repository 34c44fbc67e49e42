"""What runs say about energy: figures worked out by hand, and what is no evidence."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import reference, report, stages, tables
from ft_emissions_pipeline.analysis import study
from ft_emissions_pipeline.cli import app
from ft_emissions_pipeline.report import ReportData
from ft_emissions_pipeline.warehouse import store

MODELS = reference.load().tables["models"]
SWAPPED = [2, 1, 4, 3, 6, 5, 8, 7]
"""Against 1 to 8 every rank is off by one: Spearman 1 - 6 x 8 / (8 x 63) = 19/21."""


def runs(**columns):
    """Eight runs of BERT on one A100, alike but for the columns given."""
    typical = {
        "gpu_id": "A100-SXM4-40GB", "gpu_count": 1.0, "model_id": "bert-base", "method": "full",
        "active_s": np.nan, "tokens_padded": np.nan, "tokens_unpadded": np.nan, "examples": np.nan,
        "sequence_length": np.nan, "gpu_energy_kwh": np.nan, "it_energy_kwh": np.nan,
    }  # fmt: skip
    count = max((len(v) for v in columns.values() if isinstance(v, list)), default=1)
    frame = pd.DataFrame({**typical, **columns}, index=range(count))
    return frame.assign(run_id=[f"r{n}" for n in range(count)])


def of(found, **where):
    for name, value in where.items():
        found = found[found[name] == value]
    return found


@pytest.mark.parametrize("scale", ["plain", "log"])
def test_r2_and_rank_of_a_known_shuffle(scale):
    """Values are their own ranks: R2 is the rank correlation squared, of logarithms for powers."""
    x, y = np.arange(1.0, 9), np.array(SWAPPED, dtype=float)
    if scale == "log":
        x, y = 2**x, 2**y
    found = study.explained(runs(active_s=x.tolist(), gpu_energy_kwh=y.tolist()), scale)
    assert of(found, statistic="rank_correlation")["value"].item() == pytest.approx(19 / 21)
    line = of(found, statistic="r2").iloc[0]
    assert line["value"] == pytest.approx((19 / 21) ** 2)
    assert (line["subject"], line["quantity"], line["runs"]) == (
        "1 x A100-SXM4-40GB",
        "active_s",
        8,
    )
    assert 0 < line["p05"] < line["value"] < line["p95"] <= 1


def test_a_line_is_one_on_its_own_scale_only():
    """Energy is time squared: a line through logarithms, a curve through values, equal in ranks."""
    time_s = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0]
    squared = runs(active_s=time_s, gpu_energy_kwh=[t * t for t in time_s])
    by_log, plain = (study.explained(squared, scale) for scale in ("log", "plain"))
    assert of(by_log, statistic="r2")["value"].item() == pytest.approx(1)
    expected = np.corrcoef(time_s, np.square(time_s))[0, 1] ** 2
    assert of(plain, statistic="r2")["value"].item() == pytest.approx(expected)
    for found in (by_log, plain):
        assert of(found, statistic="rank_correlation")["value"].item() == pytest.approx(1)


def test_the_bootstrap_is_the_same_each_time_and_another_with_another_seed():
    some = runs(
        active_s=[float(n) for n in range(1, 9)], gpu_energy_kwh=[float(n) for n in SWAPPED]
    )
    first, again, other = (study.explained(some, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert first["value"].tolist() == other["value"].tolist()
    assert first["p05"].tolist() != other["p05"].tolist()


def test_what_explains_nothing_has_an_interval_from_zero():
    """Energy that rises and falls alike around the middle has no slope: r is 0 in the data."""
    mirrored = [1.0, 4.0, 2.0, 3.0, 3.0, 2.0, 4.0, 1.0]
    some = runs(active_s=[float(n) for n in range(1, 9)], gpu_energy_kwh=mirrored)
    line = of(study.explained(some, "plain"), statistic="r2").iloc[0]
    assert line["value"] == pytest.approx(0, abs=1e-12)
    assert line["p05"] == 0 < line["p95"]


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), min_size=2).filter(
        lambda v: any(w for _, w in v)
    )
)
def test_ranks_of_resampled_runs_are_those_of_the_runs_written_out(drawn):
    values, often = (np.array(part, dtype=float) for part in zip(*drawn, strict=True))
    ranks = study._ranks(values, often[None, :])[0]
    written_out = np.repeat(values, often.astype(int))
    expected = pd.Series(written_out).rank().to_numpy()
    assert np.repeat(ranks, often.astype(int)) == pytest.approx(expected)


def test_too_few_runs_are_said_to_be_too_few():
    found = study.explained(runs(active_s=[1.0, 2.0, 3.0], gpu_energy_kwh=[1.0, 2.0, 3.0]))
    assert found["note"].tolist() == ["too few runs: 3 of at least 8"]
    assert found["value"].isna().all()


def test_a_quantity_that_never_changes_explains_nothing():
    found = study.explained(
        runs(sequence_length=[512.0] * 8, gpu_energy_kwh=[float(n) for n in SWAPPED])
    )
    assert found["note"].tolist() == ["the same in all runs"]


def test_hardware_is_held_fixed_and_also_taken_together():
    """Each GPU's energy is its power (1 and 3) times time: R2 is 1 on each, less on both."""
    time_s = [float(2**n) for n in range(8)]
    one = runs(active_s=time_s, gpu_energy_kwh=time_s)
    two = runs(active_s=time_s, gpu_energy_kwh=[3 * t for t in time_s], gpu_id="V100-SXM2-32GB")
    found = of(study.explained(pd.concat([one, two])), statistic="r2").set_index("subject")["value"]
    assert list(found.index) == [study.ALL_HARDWARE, "1 x A100-SXM4-40GB", "1 x V100-SXM2-32GB"]
    assert found.iloc[1:].tolist() == pytest.approx([1, 1])
    assert found.iloc[0] < 0.99


STATED = {
    "base_model": "bert-base-uncased", "gpu_model": "A100-SXM4-40GB", "gpu_count": 1,
    "tokens_padded": 1e6,
    "active_s": 600.0, "samples": 100, "epochs": 3, "sequence_length": 128, "country_iso3": "FRA",
}  # fmt: skip


def test_predicted_energy_and_tokens_are_no_evidence():
    """A disclosure's energy is predicted from its time and tokens, so these must not explain it."""
    done = fte.estimate(
        [{**STATED, "steps": 10}, {k: v for k, v in STATED.items() if k != "active_s"}]
    )
    found = study.evidence(done.normalized, done.provenance)
    assert done.normalized["it_energy_kwh"].notna().all()
    assert found[list(study.ENERGIES)].isna().all(axis=None)
    assert found["active_s"].tolist() == pytest.approx([600.0, np.nan], nan_ok=True)
    assert found["tokens_padded"].tolist() == [1e6, 1e6]
    assert found["examples"].tolist() == [300, 300]


def test_tokens_told_from_samples_are_no_evidence():
    done = fte.estimate({k: v for k, v in STATED.items() if k != "tokens_padded"})
    assert done.normalized["tokens_padded"].item() > 0
    assert study.evidence(done.normalized, done.provenance)["tokens_padded"].isna().all()


@pytest.fixture
def normalized():
    return pd.DataFrame(
        {
            "run_id": ["nvml", "disclosed", "codecarbon", "meter"],
            "energy_route": ["gpu_measured", "logged_components", "logged_total", "meter"],
            **dict.fromkeys(("gpu_id", "model_id", "method"), "x"),
            **dict.fromkeys(("gpu_count", *study._NUMBERS, *study.ENERGIES), 1.0),
            "counted_energy_kwh": [0.8, 0.8, 0.8, np.nan],
        }
    )


def test_counted_energy_is_evidence_without_what_the_step_to_the_plug_adds(normalized):
    fields = ("gpu_energy_kwh", "it_energy_kwh")
    provenance = pd.DataFrame(
        [("codecarbon", name, "measured") for name in fields], columns=["run_id", "field", "basis"]
    )
    found = study.evidence(normalized, provenance).set_index("run_id")
    assert found.loc["codecarbon", "it_energy_kwh"] == 0.8


def test_energy_counts_where_a_sensor_measured_it(normalized):
    basis = {
        "nvml": {"gpu_energy_kwh": "measured", "it_energy_kwh": "predicted"},
        "disclosed": {"gpu_energy_kwh": "disclosed", "it_energy_kwh": "disclosed"},
        # CodeCarbon's memory is watts per GB times time, so its total is partly time.
        "codecarbon": {"gpu_energy_kwh": "measured", "ram_energy_kwh": "predicted",
                       "it_energy_kwh": "measured"},
        "meter": {"gpu_energy_kwh": "predicted", "ram_energy_kwh": "predicted",
                  "it_energy_kwh": "measured"},
    }  # fmt: skip
    provenance = pd.DataFrame(
        [(run, field, b) for run, fields in basis.items() for field, b in fields.items()],
        columns=["run_id", "field", "basis"],
    )
    found = study.evidence(normalized, provenance).set_index("run_id")
    assert found.index[found["gpu_energy_kwh"].notna()].tolist() == ["nvml", "codecarbon"]
    assert found.index[found["it_energy_kwh"].notna()].tolist() == ["meter"]
    assert found.loc["meter", "it_energy_kwh"] == 1.0
    assert found["active_s"].isna().all()


def test_a_distilled_model_is_paired_with_its_teacher_at_equal_work():
    """1.2 over 2 kWh for the same tokens; 5 % more are compared per token: 1.05 / 2.1 = 0.5."""
    student = runs(model_id="distilbert-base", tokens_padded=[1e6, 1.05e6, 9e6],
                   gpu_energy_kwh=[1.2, 1.05, 1.0],
                   active_s=[50.0, 52.5, 1.0])  # fmt: skip
    teacher = runs(tokens_padded=[1e6, 4e6], gpu_energy_kwh=[2.0, 2.0], active_s=[100.0, 100.0])
    found = study.distilled(pd.concat([student, teacher]), MODELS)
    energy = of(found, statistic="energy_ratio").iloc[0]
    assert energy["value"] == pytest.approx((1.2 / 2 + 1.0 / 2) / 2)
    assert energy["runs"] == 2
    assert energy["subject"] == "distilbert-base / bert-base"
    assert "1910.01108" in energy["note"]
    assert "2 of at least 8 pairs" in energy["note"]
    assert np.isnan(energy["p05"])
    assert of(found, statistic="time_ratio")["value"].item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    "other",
    [{"gpu_id": "V100-SXM2-32GB"}, {"method": "lora"}, {"gpu_count": 2.0}, {"gpu_id": None}],
)
def test_unlike_runs_make_no_pair(other):
    student = runs(model_id="distilbert-base", tokens_padded=[1e6], gpu_energy_kwh=[1.0], **other)
    assert study.distilled(
        pd.concat([student, runs(tokens_padded=[1e6], gpu_energy_kwh=[2.0])]), MODELS
    ).empty


def test_two_gpus_against_one():
    """Eight pairs took 0.9 of the energy in 0.45 of the time: the interval is a point."""
    tokens = [float(2**n) * 1e5 for n in range(8)]
    one = runs(tokens_padded=tokens, gpu_energy_kwh=tokens, active_s=tokens)
    two = runs(tokens_padded=tokens, gpu_energy_kwh=[0.9 * t for t in tokens],
               active_s=[0.45 * t for t in tokens],
               gpu_count=2.0)  # fmt: skip
    found = study.several_gpus(pd.concat([one, two]))
    assert found["subject"].unique().tolist() == ["2 x A100-SXM4-40GB / 1 x A100-SXM4-40GB"]
    for name, ratio in (("energy_ratio", 0.9), ("time_ratio", 0.45)):
        row = of(found, statistic=name).iloc[0]
        assert (row["value"], row["p05"], row["p95"], row["runs"]) == pytest.approx(
            (ratio, ratio, ratio, 8)
        )


def test_pre_training_in_fine_tunings():
    """1000 kg are 400 runs of 1 and 4 kg, 2.5 on average; 250 of the dearest, 1000 of the cheapest.

    What the user declared stands before what was published; 500 published kg over a run of 2 are
    250.
    """
    costs = pd.DataFrame(
        {
            "model_name": ["a", "a", "b", "c"],
            "total_kgco2e": [1.0, 4.0, 1.0, 2.0],
            "pretraining_kgco2e": [7.0, 7.0, np.nan, 500.0],
        }
    )
    events = pd.DataFrame({"model_name": ["a", "b"], "base_model_kgco2e": [1000.0, np.nan]})
    found = study.pre_training(costs, events)
    assert found[["subject", "runs", "value", "p05", "p95"]].to_numpy().tolist() == [
        ["a", 2, 400, 250, 1000],
        ["c", 1, 250, 250, 250],
    ]


def test_a_meter_over_software():
    valid = pd.DataFrame({"host": ["h"], "meter_energy_kwh": [1.3], "it_energy_kwh": [1.0],
                          **dict.fromkeys(study.COMPONENTS, np.nan)})  # fmt: skip
    row = study.meters(valid).iloc[0]
    assert (row["subject"], row["value"], row["runs"]) == ("h", pytest.approx(1.3), 1)


def test_pairs_are_those_of_the_table_of_base_models_each_with_its_source():
    pairs = {student: (teacher, source) for student, teacher, source in study.distillations(MODELS)}
    assert pairs["distilbert-base"] == ("bert-base", "Sanh et al. 2019, arXiv:1910.01108")
    told = MODELS[["distilled_from", "distillation_source"]].notna()
    assert (told["distilled_from"] == told["distillation_source"]).all()


def test_figures_are_of_all_runs_and_intervals_of_a_thousand_narrowed():
    """At 4000 runs the interval is half as wide as at 1000, and as wide as all resampled."""
    draw = np.random.default_rng(4)
    x, noise = draw.lognormal(size=4000), draw.lognormal(sigma=0.7, size=4000)
    many = study.explained(runs(active_s=x.tolist(), gpu_energy_kwh=(x * noise).tolist()))
    rank = of(many, statistic="rank_correlation").iloc[0]
    assert rank["runs"] == 4000
    everything = pd.Series(x).corr(pd.Series(x * noise), method="spearman")
    assert rank["value"] == pytest.approx(everything)
    drawn = draw.integers(0, 4000, (400, 4000))
    resampled = [pd.Series(x[d]).corr(pd.Series((x * noise)[d]), method="spearman") for d in drawn]
    low, high = np.percentile(resampled, [5, 95])
    assert rank["p95"] - rank["p05"] == pytest.approx(high - low, rel=0.2)


def test_questions_without_an_answer_say_why():
    done = fte.estimate(STATED)
    found = study.studied(
        done.normalized,
        done.provenance,
        tables.empty(tables.VALIDATED_RUNS),
        done.runs,
        tables.empty(tables.MODEL_EVENTS),
        MODELS,
    )
    assert set(found["finding"]) == set(study.QUESTIONS)
    assert (found["runs"] == 0).all()
    assert found["note"].str.startswith("not known").all()


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_command_studies_files(form, tmp_path):
    for number, energy in enumerate(SWAPPED):
        (tmp_path / f"{number}.csv").write_text(codecarbon(number, energy))
    done = CliRunner().invoke(app, ["study", str(tmp_path), "--format", form])
    assert done.exit_code == 0, done.output
    if form == "json":
        rank = next(r for r in json.loads(done.stdout) if r["statistic"] == "rank_correlation")
        assert rank["value"] == pytest.approx(19 / 21)
    else:
        assert ("0.905" if form == "table" else "0.9047") in done.stdout


def test_a_warehouse_is_studied_whole(tmp_path):
    """More runs than intervals are drawn from: read column by column, they tell the same."""
    count = study.RUNS_RESAMPLED + 1
    done = fte.estimate([{**STATED, "gpu_energy_kwh": 1.0}])
    days = pd.Timestamp("2026-01-05") + pd.to_timedelta(np.arange(count) % 3, "D")
    ids = [f"r{n}" for n in range(count)]

    def often(frame, **columns):
        return frame.loc[frame.index.repeat(count)].reset_index(drop=True).assign(**columns)

    spent = {"gpu_energy_kwh": np.arange(1.0, count + 1), "active_s": np.arange(1.0, count + 1)}
    runs_of_days = often(done.normalized, run_id=ids, date=days, **spent)
    basis = done.provenance.reset_index(drop=True)
    basis.loc[basis["field"] == "gpu_energy_kwh", "basis"] = "measured"
    places = np.tile(np.arange(count), len(basis))
    provenance = often(basis, run_id=np.array(ids)[places], date=days[places])
    for table, frame in (
        (tables.NORMALIZED_RUNS, runs_of_days), (tables.FIELD_PROVENANCE, provenance),
    ):  # fmt: skip
        store.write(tmp_path, table, tables.conform(frame, table))
    found = study.of_warehouse(tmp_path)
    line = of(found, statistic="r2", quantity="active_s", energy="gpu_energy_kwh").iloc[0]
    assert (line["runs"], line["value"]) == (count, pytest.approx(1.0))
    whole = study.studied(
        runs_of_days, provenance,
        *(tables.empty(t)
          for t in (tables.VALIDATED_RUNS, tables.RUN_IMPACTS, tables.MODEL_EVENTS)),
        MODELS,
    )  # fmt: skip
    pd.testing.assert_frame_equal(found, whole)


def test_what_is_said_of_kinds_of_runs_is_evidence():
    told = {**STATED, "gpu_energy_kwh": 1.0}
    runs, _, choices = stages.prepared([told, {**told, "samples": None}, {**told, "epochs": 2}])
    made = stages.footprints(runs, choices)
    normalized, kinds, own = made.stored
    assert len(kinds)
    assert len(own)
    found = study.evidence(normalized, own, kinds)
    assert found["examples"].notna().tolist() == [True, False, True]
    pd.testing.assert_frame_equal(found, study.evidence(made.normalized, made.provenance))


def test_command_without_a_warehouse_says_that_there_is_none(tmp_path):
    done = CliRunner().invoke(app, ["study", "--warehouse", str(tmp_path)])
    assert done.exit_code == 2
    assert "holds no tables" in done.output


def test_no_measured_energy_is_said():
    none = (
        tables.empty(t)
        for t in (
            tables.NORMALIZED_RUNS, tables.FIELD_PROVENANCE, tables.VALIDATED_RUNS,
            tables.RUN_IMPACTS,
            tables.MODEL_EVENTS,
        )
    )  # fmt: skip
    found = study.studied(*none, MODELS)
    assert found["note"].str.contains("no run has a measured energy").any()


def codecarbon(number, energy):
    fields = {
        "timestamp": f"2026-01-05T{number:02}:30:00", "project_name": "p",
        "run_id": f"run-{number}", "duration": 100.0 * (number + 1), "emissions": 0.1,
        "cpu_energy": 0.1, "gpu_energy": energy / 10, "ram_energy": 0.01,
        "energy_consumed": energy / 10 + 0.11, "country_iso_code": "FRA", "gpu_count": 1,
        "gpu_model": "1 x NVIDIA A100-SXM4-40GB",
    }  # fmt: skip
    return f"{','.join(fields)}\n{','.join(map(str, fields.values()))}\n"


def test_report_has_a_section_where_there_are_findings_and_none_where_not():
    some = runs(
        active_s=[float(n) for n in range(1, 9)], gpu_energy_kwh=[float(n) for n in SWAPPED]
    )
    few = some.head(3).assign(gpu_id="L4")
    page = report.render(ReportData(study=study.explained(pd.concat([some, few]), "plain")))
    assert "0.819" in page
    assert "1 more has too few runs" in page
    assert 'id="study"' not in report.render(ReportData(study=study.explained(few)))
    assert 'id="study"' not in report.render(ReportData())
