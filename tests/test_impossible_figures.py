"""A record never stops a stage: none makes an impossible figure; one that did would stand alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import warehouses
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import stages, tables
from ft_emissions_pipeline.tables import Column

NUMBERS = [column for column in tables.RUNS.columns if column.kind == "float"]
NAMES = {
    "gpu_model": [None, "A100-SXM4-80GB", "Foo 9000"],
    "base_model": [None, "Llama 2 7B", "Unheard 8B"],
    "managed_service": [None, None, "AWS Bedrock"],
    "country_iso3": [None, "DEU"],
    "method": [None, "lora"],
}
PARTS = {"active_s": "reserved_s", "tokens_unpadded": "tokens_padded"}
"""What cannot be more than another field; readers refuse it."""
ROWS = 1000
"""Runs per draw: five draws make 5,000 records."""


def least(column: Column) -> float:
    return column.smallest or column.minimum or 0.0


def cells(column: Column, chance: np.random.Generator) -> np.ndarray:
    """Return values that a column's declaration accepts: none, 0, a bound, or any size between."""
    low, high = np.log(least(column)), np.log(column.maximum)
    between = np.clip(np.exp(chance.uniform(low, high, ROWS)), least(column), column.maximum)
    zero = 0.0 if column.minimum == 0.0 and not column.above_zero else least(column)
    kinds = [np.full(ROWS, np.nan), np.full(ROWS, least(column)), np.full(ROWS, column.maximum),
             np.full(ROWS, zero), between]  # fmt: skip
    share = chance.dirichlet(np.ones(len(kinds)))
    return np.choose(chance.choice(len(kinds), ROWS, p=share), kinds)


def disclosures(seed: int) -> list[dict[str, object]]:
    """Return records with all numbers and names that a log can tell, as JSON has them."""
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            **{column.name: cells(column, chance) for column in NUMBERS},
            **{name: chance.choice(np.array(known, dtype=object), ROWS)
               for name, known in NAMES.items()},
        }
    )  # fmt: skip
    for part, whole in PARTS.items():
        frame[part] = frame[[part, whole]].min(axis=1).where(frame[part].notna())
    return [
        {"run_id": f"run-{n}", "ended_at": "2024-07-07T05:00:00Z", **row.dropna().to_dict()}
        for n, row in frame.iterrows()
    ]


def assert_possible(estimate: fte.Estimate) -> None:
    for frame, table in (
        (estimate.runs, tables.RUN_IMPACTS),
        (estimate.normalized, tables.NORMALIZED_RUNS),
        (estimate.provenance, tables.FIELD_PROVENANCE),
    ):
        numbers = [column for column in table.columns if column.kind == "float"]
        values = frame[[column.name for column in numbers]].to_numpy(dtype=float, na_value=np.nan)
        assert not np.isinf(values).any()
        required = [column.name for column in numbers if column.required]
        assert frame[required].notna().all(axis=None)
    for total in ("total_kgco2e", "total_water_l"):
        runs = estimate.runs
        assert runs[total].between(runs[f"{total}_p05"], runs[f"{total}_p95"]).all()
    each = estimate.per_inference.filter(like="_per_inference").to_numpy(dtype=float)
    assert not np.isinf(each).any()


# What overflows is checked behind each stage; shrinking a number of 1,000 runs is no use.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=5, phases=[Phase.reuse, Phase.generate])
@given(st.integers(0, 2**32 - 1))
def test_no_record_of_a_log_leads_to_an_impossible_figure(tmp_path_factory, seed):
    landing = tmp_path_factory.mktemp("landing")
    told = disclosures(seed)
    (landing / "records.json").write_text(json.dumps(told))
    runs, refused = fte.read_runs(landing)
    estimate = fte.estimate(runs)
    assert_possible(estimate)
    # Each record is in one place; very few that keep their bounds are lost to their figures.
    lost = [*refused["source_record"], *estimate.quarantine["source_record"]]
    ended = [*estimate.runs["run_id"], *(f"run-{int(place) - 1}" for place in lost)]
    assert sorted(ended) == sorted(each["run_id"] for each in told)
    assert len(estimate.runs) >= 0.8 * len(runs)


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
