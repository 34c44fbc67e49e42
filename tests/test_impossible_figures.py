"""A record never stops a stage: none makes an impossible figure; one that did would stand alone."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import warehouses
import yaml
from fleet import Page
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import report, stages, tables
from ft_emissions_pipeline.api import read_logs
from ft_emissions_pipeline.ledger import rollups
from ft_emissions_pipeline.ledger.scatter import scatter
from ft_emissions_pipeline.ledger.stored_rollups import expected_log_sd
from ft_emissions_pipeline.reference import Reference
from ft_emissions_pipeline.report.data import COMPARED, RUN_NOTES
from ft_emissions_pipeline.tables import Column, Table, rows
from ft_emissions_pipeline.tables.words import HAND_ON, METHODS_OF_SHARING

NUMBERS = [column for column in tables.RUNS.columns if column.kind == "float"]
OF_MODELS = [column for column in tables.MODEL_EVENTS.columns if column.kind == "float"]
WORDS = {
    "job_id": [str(n) for n in range(50)],
    "host": [f"node{n}" for n in range(50)],
    "team": ["support"],
    "base_model": ["Llama 2 7B", "Mixtral 8x7B", "Unheard 8B"],
    "gpu_model": ["A100-SXM4-80GB", "Foo 9000"],
    "server_model": ["DGX A100", "Foo"],
    "cpu_model": ["AMD EPYC 7742", "Foo"],
    "operating_system": ["Linux"],
    "instance_type": ["p4d.24xlarge", "foo.large"],
    "managed_service": ["AWS Bedrock", "Foo Tuning"],
    "location": ["Paris, France", "Moon"],
    "cloud_provider": ["aws", "foo"],
    "cloud_region": ["eu-west-1", "nowhere-1"],
    "country_iso3": ["DEU", "ISL"],
    "precision": ["bf16", "int3"],
    "token_lengths": ['{"128": 100}', '{"1": 1}'],
}
"""Of each field of a run that holds a name, names that tables know and that nobody knows."""
PARTS = {"active_s": "reserved_s", "tokens_unpadded": "tokens_padded"}
"""What cannot be more than another field; readers refuse it."""
ROWS, ALIKE = 2500, 250
"""Runs per draw, two draws make 5,000 records; and how many share how often a field is what."""
MODELS = 250
FIRST = warehouses.LAST - pd.Timedelta(days=18)


def least(column: Column) -> float:
    return column.smallest or column.minimum or 0.0


def cells(column: Column, chance: np.random.Generator, rows: int = ROWS) -> np.ndarray:
    """Return values that a column's declaration accepts: none, 0, a bound, or any size between."""
    low, high = np.log(least(column)), np.log(column.maximum)
    between = np.clip(np.exp(chance.uniform(low, high, rows)), least(column), column.maximum)
    zero = 0.0 if column.minimum == 0.0 and not column.above_zero else least(column)
    kinds = [np.full(rows, np.nan), np.full(rows, least(column)), np.full(rows, column.maximum),
             np.full(rows, zero), between]  # fmt: skip
    # Half of all cells are empty, as in logs.
    upper = chance.dirichlet([4, 1, 1, 1, 1], -(-rows // ALIKE)).cumsum(axis=1)[:, :-1]
    drawn = chance.uniform(size=(rows, 1)) > np.repeat(upper, ALIKE, axis=0)[:rows]
    return np.choose(drawn.sum(axis=1), kinds)


def some(known: list[object], chance: np.random.Generator) -> np.ndarray:
    words = np.array([None, *known], dtype=object)
    return chance.choice(words, ROWS, p=chance.dirichlet(np.ones(len(words))))


def disclosures(chance: np.random.Generator) -> list[dict[str, object]]:
    """Return records with all numbers and words that a log can tell, as JSON has them."""
    told = {column.name: cells(column, chance) for column in NUMBERS}
    for column in tables.landing.FIELDS_OF_RUNS:
        if column.kind == "boolean":
            told[column.name] = some([True, False], chance)
        elif column.allowed or column.name in WORDS:
            told[column.name] = some(list(column.allowed or WORDS[column.name]), chance)
    for part, whole in PARTS.items():
        told[part] = np.where(np.isnan(told[part]), np.nan, np.fmin(told[part], told[whole]))
    hours = pd.to_timedelta(chance.integers(0, 18 * 24, ROWS), unit="h")
    frame = pd.DataFrame(told).assign(
        model_name=[f"model-{n}" for n in chance.integers(0, MODELS, ROWS)],
        parent_version=some([f"run-{n}" for n in chance.integers(0, ROWS, 20)], chance),
        ended_at=(FIRST + hours).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    return [{"run_id": f"run-{n}", **row.dropna().to_dict()} for n, row in frame.iterrows()]


def counts(chance: np.random.Generator) -> str:
    """Return a file of the inferences of some models and days."""
    counted = cells(tables.USAGE.column("inferences"), chance).round()
    days = (FIRST + pd.to_timedelta(chance.integers(0, 19, ROWS), unit="D")).strftime("%Y-%m-%d")
    models = [f"model-{n}" for n in chance.integers(0, MODELS, ROWS)]
    frame = pd.DataFrame({"date": days, "model_name": models, "inferences": counted}).dropna()
    return frame.drop_duplicates(["date", "model_name"]).to_csv(index=False)


def choices_for_models(chance: np.random.Generator) -> str:
    """Return a `models.yaml` with a third of the models."""
    told = {}
    for n in range(0, MODELS, 3):
        numbers = {column.name: float(cells(column, chance, 1)[0]) for column in OF_MODELS}
        told[f"model-{n}"] = {
            "method": str(chance.choice(METHODS_OF_SHARING)),
            "hand_on": str(chance.choice(HAND_ON)),
            **{name: value for name, value in numbers.items() if not np.isnan(value)},
        }
        if chance.random() < 0.3:
            told[f"model-{n}"]["events"] = [{"at": "2026-01-09", "retired": "everything"}]
    return yaml.safe_dump({"models": told})


def assert_possible(made: Mapping[Table, pd.DataFrame]) -> None:
    """Assert that no figure is impossible, and that the check of each table lets its rows pass."""
    for table, frame in made.items():
        assert rows.unsound(frame, table).empty
        _, broken = rows.split(frame, table)
        assert broken.empty, broken["reason"].tolist()
        numbers = frame[[column.name for column in table.columns if column.kind == "float"]]
        assert not np.isinf(numbers.to_numpy(dtype=float, na_value=np.nan)).any()


def page_of(made: Mapping[Table, pd.DataFrame], reference: Reference) -> str:
    normalized = made[tables.NORMALIZED_RUNS]
    return report.render(
        report.ReportData(
            run_impacts=made[tables.RUN_IMPACTS],
            spreads=scatter(made[tables.RUN_SPREADS]),
            expected_log_sd=expected_log_sd(reference),
            model_versions=made[tables.MODEL_VERSIONS],
            inference_impacts=made[tables.INFERENCE_IMPACTS],
            rollups=made[tables.ROLLUPS],
            run_notes=normalized[list(RUN_NOTES)],
            disclosed=normalized.loc[normalized["disclosed_kgco2e"].notna(), list(COMPARED)],
            basis_counts=made[tables.FIELD_PROVENANCE]
            .value_counts(["field", "basis", "rule"])
            .reset_index(name="runs"),
        )
    )


def figures_in(html: str) -> str:
    """Return what the page's script works on."""
    packed = re.search(r'id="packed">([^<]*)<', html)
    return gzip.decompress(base64.b64decode(packed[1])).decode()


def no_constant(name: str) -> None:
    pytest.fail(f"{name} stands in the page")


# What overflows is checked behind each stage; shrinking a number of 2,500 runs is no use.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=2, phases=[Phase.reuse, Phase.generate])
@given(st.integers(0, 2**32 - 1))
def test_no_record_of_a_log_leads_to_an_impossible_figure(tmp_path_factory, seed):
    chance = np.random.default_rng(seed)
    landing = tmp_path_factory.mktemp("landing")
    told = disclosures(chance)
    (landing / "records.json").write_text(json.dumps(told))
    (landing / "usage.csv").write_text(counts(chance))
    (landing / "models.yaml").write_text(choices_for_models(chance))

    logs = read_logs(landing)
    estimate = fte.estimate(logs)
    # Each record is in one place.
    lost = [*logs.quarantine["source_record"], *estimate.quarantine["source_record"]]
    ended = [*estimate.runs["run_id"], *(f"run-{int(place) - 1}" for place in lost)]
    assert sorted(ended) == sorted(each["run_id"] for each in told)
    # Half of the cells lie at a bound, and what is computed of several bounds may lie beyond one.
    assert len(estimate.runs) >= 0.5 * len(logs.runs)
    each = estimate.per_inference.filter(like="_per_inference").to_numpy(dtype=float)
    assert not np.isinf(each).any()

    ledger = warehouses.shared(
        estimate.runs, estimate.spreads, logs.usage, logs.model_events, estimate.reference
    )
    made = {
        tables.NORMALIZED_RUNS: estimate.normalized,
        tables.FIELD_PROVENANCE: estimate.provenance,
        tables.RUN_IMPACTS: estimate.runs,
        tables.RUN_SPREADS: estimate.spreads,
        **ledger,
    }
    assert_possible(made)
    sums, days = made[tables.ROLLUPS], made[tables.INFERENCE_IMPACTS]
    assert rollups.differences(sums, days).empty
    html = page_of(made, estimate.reference)
    json.loads(figures_in(html), parse_constant=no_constant)
    assert not re.search(r"\b(nan|inf|infinity)\b", Page(html).text, re.IGNORECASE)


# What is absurd is refused when it is read


@pytest.mark.parametrize("column", NUMBERS, ids=lambda column: column.name)
def test_a_number_beyond_every_measure_is_refused_with_file_record_and_field(column, tmp_path):
    for value in (1e308, 5e-324, 1e-300):
        path = tmp_path / "absurd.json"
        path.write_text(json.dumps({"reserved_s": 3600, "gpu_count": 1, column.name: value}))
        runs, quarantine = fte.read_runs(path)
        assert runs.empty, value
        (row,) = quarantine.itertuples()
        assert row.source_uri == "absurd.json"
        assert row.reason_code in {"out_of_range", "bad_value"}
        assert column.name in row.reason


def test_a_number_of_a_model_beyond_every_measure_is_refused_too(tmp_path):
    for column in OF_MODELS:
        for value in (1e308, 5e-324):
            told = {"models": {"support-bot": {column.name: value}}}
            (tmp_path / "models.yaml").write_text(yaml.safe_dump(told))
            (row,) = read_logs(tmp_path).quarantine.itertuples()
            assert (row.source_uri, row.reason_code) == ("models.yaml", "out_of_range")
            assert column.name in row.reason


def test_a_report_of_a_cloud_has_bounds_too():
    carbon = [column for column in tables.CLOUD_REPORTS.columns if column.kind == "float"]
    assert all(column.smallest and column.maximum for column in carbon)


# What is computed of accepted numbers may lie beyond every measure

DAY_OF_RUN = "2026-01-05T03:00:00Z"


@pytest.mark.parametrize(
    ("run", "field"),
    [
        ({"active_s": 3.2e8, "gpu_count": 1}, "reserved_s"),
        ({"reserved_s": 3600, "server_count": 1e6, "gpu_model": "A100"}, "gpu_count"),
        ({"reserved_s": 3600, "gpu_count": 1, "tokens_padded": 1e16, "model_parameters": 1e14},
         "train_flop"),
        ({"reserved_s": 3600, "gpu_energy_kwh": 1e9}, "it_energy_kwh"),
        ({"reserved_s": 86400, "gpu_count": 1, "ended_at": "2016-01-01T12:00:00Z"}, "started_at"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)  # fmt: skip
def test_a_run_filled_beyond_every_measure_costs_itself(run, field):
    runs = [{"ended_at": DAY_OF_RUN, **run}]
    with pytest.raises(ValueError, match=f"normalized_runs: {field} is .*computed from "):
        fte.estimate(runs)


@pytest.mark.parametrize(
    ("run", "kwh"),
    [
        # Llama 3.1 405B: 30.84 M GPU hours, TDP 700 W, 15 T tokens (model card, "Training").
        ({"base_model": "Llama 3.1 405B", "gpu_model": "H100-SXM5-80GB", "gpu_count": 16384,
          "reserved_s": 30.84e6 / 16384 * 3600, "tokens_padded": 15e12,
          "model_parameters": 405e9}, 30.84e6 * 0.7),
        # A smoke test: a thousand FLOP of a model of 7 G parameters are less than a token.
        ({"train_flop": 1e3, "model_parameters": 7e9, "gpu_model": "H100-SXM5-80GB",
          "gpu_count": 1, "reserved_s": 3600}, 0.4),
    ],
    ids=["largest", "smallest"],
)  # fmt: skip
def test_runs_as_large_and_as_small_as_they_come_are_kept(run, kwh):
    (found,) = fte.estimate([{"ended_at": DAY_OF_RUN, **run}]).runs["it_energy_kwh"]
    assert kwh / 10 < found < kwh * 10


# One run that leads to an impossible figure costs itself


@pytest.fixture
def overflowing(monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Three runs; one's metered energy overflows, as if its declaration had no bound."""
    whole = stages.impacts_and_spreads

    def impacts(normalized, *rest):
        bad = (normalized["it_energy_kwh"] > 500.0).to_numpy()
        found, spreads = whole(normalized, *rest)
        return found.assign(total_kgco2e=found["total_kgco2e"].mask(bad, np.inf)), spreads

    monkeypatch.setattr(stages, "impacts_and_spreads", impacts)
    runs = warehouses.nights(3)
    energies = ["gpu_energy_kwh", "cpu_energy_kwh", "ram_energy_kwh"]
    alone = runs.index == 1
    return runs.assign(
        **{name: runs[name].mask(alone) for name in energies},
        it_energy_kwh=runs["it_energy_kwh"].mask(alone, 777.0),
    )


def test_the_others_go_on_and_the_one_is_told_with_stage_file_and_input(overflowing):
    estimate = fte.estimate(overflowing)
    assert estimate.runs["run_id"].tolist() == ["night-000", "night-002"]
    assert set(estimate.normalized["run_id"]) == {"night-000", "night-002"}
    (row,) = estimate.quarantine.itertuples()
    assert (row.source_uri, row.reason_code) == (
        overflowing["source_uri"].iloc[1],
        "impossible_figure",
    )
    assert row.reason.startswith(
        "run night-001: run_impacts: total_kgco2e is not finite; computed from it_energy_kwh 777:"
    )


def test_a_disclosure_with_an_impossible_figure_is_refused(overflowing):  # noqa: ARG001 - patches
    run = {"reserved_s": 3600, "gpu_count": 1, "it_energy_kwh": 777.0}
    with pytest.raises(
        ValueError, match="total_kgco2e is not finite; computed from it_energy_kwh 777"
    ):
        fte.estimate(run)


@pytest.mark.slow
def test_a_night_goes_on_without_the_run(overflowing, tmp_path: Path):  # noqa: ARG001 - patches
    from assets.in_process import materialize

    landing = tmp_path / "landing"
    landing.mkdir()
    for name, kwh in (("good", 5.0), ("absurd", 777.0)):
        run = {"run_id": name, "model_name": name, "reserved_s": 3600, "it_energy_kwh": kwh,
               "gpu_count": 1,
               "ended_at": "2026-01-05T03:00:00Z"}  # fmt: skip
        (landing / f"{name}.json").write_text(json.dumps(run))
    done = materialize(landing, tmp_path / "warehouse")
    assert done.failures == []
    warehouse = tmp_path / "warehouse"
    made = stages.store.read(warehouse, tables.RUN_IMPACTS)
    assert made["run_id"].tolist() == ["good"]
    (row,) = stages.store.read(warehouse, tables.QUARANTINE).itertuples()
    assert (row.source_uri, row.reason_code) == ("absurd.json", "impossible_figure")
    assert "computed from it_energy_kwh 777" in row.reason
