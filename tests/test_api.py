"""What `import ft_emissions_pipeline as fte` offers: inputs of each kind, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import tables

DOCUMENT = Path(__file__).parent / "data" / "disclosures_of_the_methodology.md"
RUN = {
    "run_id": "a", "gpu_model": "A100 80GB", "gpu_count": 4, "location": "Germany",
    "reserved_s": 43_200, "ended_at": "2024-07-07T05:00:00Z",
}  # fmt: skip
LABELS = {
    "Run ID": "a", "GPU": "A100 80GB", "Number of GPUs": "4", "Server location": "Germany",
    "Total reserved time": "12 hours", "End time": "2024-07-07 05:00",
}  # fmt: skip
OTHER = {**RUN, "run_id": "b", "gpu_count": 2}


def figures(estimate):
    return estimate.runs.set_index("run_id")[["total_kgco2e", "total_water_l"]]


@pytest.fixture(scope="module")
def one():
    return fte.estimate(RUN)


def test_an_estimate_holds_its_tables(one):
    assert one.runs["run_id"].tolist() == ["a"]
    assert one.per_inference["run_id"].tolist() == ["a"]
    assert set(one.provenance["run_id"]) == {"a"}
    assert one.normalized.columns.tolist() == tables.NORMALIZED_RUNS.names
    assert one.provenance.columns.tolist() == tables.FIELD_PROVENANCE.names
    assert one.quarantine.empty
    assert one.explain("a").startswith("Run a of model a\n")


def test_labels_of_the_methodology_mean_the_same_as_columns(one):
    pd.testing.assert_frame_equal(figures(fte.estimate(LABELS)), figures(one), check_exact=True)


def test_a_list_gives_each_run_its_own_figures(one):
    both = fte.estimate([OTHER, RUN])
    assert both.runs["run_id"].tolist() == ["a", "b"]
    pd.testing.assert_frame_equal(figures(both).loc[["a"]], figures(one), check_exact=True)
    assert figures(both).loc["b", "total_kgco2e"] < figures(both).loc["a", "total_kgco2e"]


def test_a_run_without_id_is_named_after_its_place_in_the_list():
    nameless = [
        {key: value for key, value in run.items() if key != "run_id"} for run in (RUN, OTHER)
    ]
    assert fte.estimate(nameless).runs["run_id"].tolist() == ["disclosure-1", "disclosure-2"]


def test_runs_of_a_file_give_the_figures_of_the_mapping(tmp_path, one):
    text = "| Component | Disclosed data |\n|---|---|\n" + "".join(
        f"| {label} | {value} |\n" for label, value in LABELS.items()
    )
    (tmp_path / "run.md").write_text(text)
    runs, quarantine = fte.read_runs(tmp_path)
    assert quarantine.empty
    assert runs.columns.tolist() == tables.RUNS.names
    pd.testing.assert_frame_equal(figures(fte.estimate(runs)), figures(one), check_exact=True)


def test_the_input_is_not_changed():
    runs, _ = fte.read_runs(DOCUMENT)
    before = runs.copy(deep=True)
    fte.estimate(runs)
    pd.testing.assert_frame_equal(runs, before)
    assert RUN["gpu_count"] == 4


def test_what_is_written_into_a_table_reaches_no_other():
    """Tables are made of arrays that rules have seen; provenance and spreads are made when read."""
    runs, _ = fte.read_runs(DOCUMENT)
    estimate, untouched = fte.estimate(runs), fte.estimate(runs)
    for table in (estimate.normalized, estimate.runs, runs):
        numbers = table.select_dtypes("float").columns
        table.loc[:, numbers] = 0.5
        texts = table.select_dtypes("str").columns.drop("run_id")
        table.loc[:, texts] = "other"
    pd.testing.assert_frame_equal(estimate.provenance, untouched.provenance)
    pd.testing.assert_frame_equal(estimate.spreads, untouched.spreads)
    pd.testing.assert_frame_equal(estimate.accepted, untouched.accepted)


def test_no_disclosures_give_no_runs():
    estimate = fte.estimate([])
    assert estimate.runs.empty
    assert estimate.runs.columns.tolist() == tables.RUN_IMPACTS.names
    assert estimate.per_inference.empty


def test_runs_of_a_table_that_cannot_be_computed_are_quarantined_and_the_rest_estimated(tmp_path):
    (tmp_path / "runs.csv").write_text(
        "Run ID,GPU,Server location,Total reserved time\ngood,A100 80GB,Germany,12 hours\n"
        "bad,A100 80GB,Germany,\n"
    )
    runs, quarantine = fte.read_runs(tmp_path)
    assert runs["run_id"].tolist() == ["good"]
    assert quarantine["reason_code"].tolist() == ["no_time_no_tokens"]
    unchecked = pd.concat([runs, runs.assign(run_id="timeless", reserved_s=float("nan"))])
    estimate = fte.estimate(unchecked)
    assert estimate.runs["run_id"].tolist() == ["good"]
    assert estimate.quarantine["reason"].str.contains("run timeless: neither a time").all()


def test_a_table_of_nothing_but_refused_runs_gives_empty_tables():
    runs, _ = fte.read_runs(DOCUMENT)
    times = ["reserved_s", "active_s", "tokens_padded"]
    estimate = fte.estimate(runs.assign(**dict.fromkeys(times, float("nan"))))
    assert estimate.runs.empty
    assert len(estimate.quarantine) == 2


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({**RUN, "gpu_modle": "A100"},
         "disclosure 1: 'gpu_modle' is no label .*nearest known: gpu"),
        ({**RUN, "Total reserved tme": "12 hours"}, "nearest known: total reserved time"),
        ({**RUN, "reserved_s": "long"}, "reserved_s is 'long'"),
        ({**RUN, "Total reserved time": "12"}, "Total reserved time"),
        ({**RUN, "gpu_utilization": 1.7}, "gpu_utilization is"),
        ({**RUN, "active_s": 90_000}, "active_s exceeds reserved_s"),
        ({"gpu_model": "A100"}, "neither a time .* nor tokens .* disclose one of them"),
        ({"tokens_padded": 1e6, "gpu_count": 0}, "time of runs on accelerators only"),
        ({"started_at": "1970-01-01T00:00:00Z", "reserved_s": 5}, "a wrong clock or a wrong unit"),
    ],
)  # fmt: skip
def test_a_disclosure_that_cannot_be_used_is_refused_with_what_to_do(run, message):
    with pytest.raises(ValueError, match=message):
        fte.estimate(run)


def test_the_refused_one_of_several_disclosures_is_named():
    with pytest.raises(ValueError, match="disclosure 2: 'gpus_used' is no label"):
        fte.estimate([RUN, {**OTHER, "gpus_used": 2}])


def test_an_unknown_profile_is_refused_before_anything_is_read():
    with pytest.raises(ValueError, match="no profile 'scope3'; there are default, scope3-2024"):
        fte.estimate([], profile="scope3")


def test_a_path_that_names_nothing_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing_here"):
        fte.read_runs(tmp_path / "nothing_here")


def test_public_names_are_those_of_the_design():
    assert {"read_runs", "estimate"} <= set(fte.__all__)
    assert all(getattr(fte, name).__doc__ for name in fte.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'estimates'"):
        _ = fte.estimates


def test_importing_the_package_loads_nothing_heavy():
    """No pandas for `--help`; Dagster and Great Expectations not even for an estimate."""
    code = (
        "import sys, ft_emissions_pipeline as fte\n"
        "assert 'pandas' not in sys.modules\n"
        "fte.estimate({'reserved_s': 3600})\n"
        "assert not {'dagster', 'great_expectations', 'codecarbon'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
