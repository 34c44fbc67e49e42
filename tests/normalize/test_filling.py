"""A rule is asked only of runs that have what it needs; nobody else would get an answer."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from missing_fields import CASES

from ft_emissions_pipeline import methodology, normalize, stages, token_time
from ft_emissions_pipeline.normalize import filling
from ft_emissions_pipeline.normalize import runs as runs_of_rules
from ft_emissions_pipeline.normalize.duration import OF_A_STEP
from ft_emissions_pipeline.readers import origins
from ft_emissions_pipeline.tables import RUN_FIELDS


def tells_nothing(missing, needs, _):
    """Ask every run, of columns that there are."""
    names = [(each,) if isinstance(each, str) else each for each in needs]
    return all(any(name in missing for name in each) for each in names)


def without(runs, seed, share):
    """The runs, each without some of its fields, as far as there is something to compute left."""
    rng = np.random.default_rng(seed)
    gone = {name: runs[name].mask(rng.random(len(runs)) < share) for name in RUN_FIELDS}
    return normalize.accepted(runs.assign(**{**gone, "run_id": runs["run_id"]}))[0]


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["default", "scope3-2024"])
@settings(max_examples=3, phases=[Phase.generate])  # a smaller batch tells no more
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.0, 0.2, 0.5]))
def test_of_runs_that_lack_what_a_rule_needs_it_would_tell_nothing(default, profile, seed, share):
    runs = without(default.accepted, seed, share)
    assert len(runs) > len(CASES) / 3
    of_days = token_time.parameters(default.reference, pd.DatetimeIndex(runs["date"].unique()))
    given = runs, default.reference, methodology.profile(profile), of_days
    sparingly = normalize.normalize(*given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filling, "_tells", tells_nothing)
        of_all = normalize.normalize(*given)
    for made, expected in zip(sparingly, of_all, strict=True):
        pd.testing.assert_frame_equal(made, expected, check_exact=True)


@pytest.mark.parametrize("profile", ["default", "scope3-2024"])
def test_what_is_asked_of_kinds_and_of_runs_is_what_each_run_would_be_told(default, profile):
    """Of each run there is a second one of its kind, with other amounts."""
    runs = default.accepted
    amounts = [*OF_A_STEP, "reserved_s", "it_energy_kwh", "electricity_water_l_per_kwh", "samples"]
    others = {name: runs[name] * 2 for name in amounts} | {"run_id": runs["run_id"] + " again"}
    runs = normalize.accepted(pd.concat([runs, runs.assign(**others)], ignore_index=True))[0]
    given = runs, default.reference, methodology.profile(profile), None
    by_kind = normalize.normalize(*given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs_of_rules, "RULES", filling.by_run(*normalize.RULES))
        one_by_one = normalize.normalize(*given)
    for found, wanted in zip(by_kind, one_by_one, strict=True):
        key = [name for name in ("run_id", "field") if name in found]
        pd.testing.assert_frame_equal(
            *(each.sort_values(key, ignore_index=True) for each in (found, wanted)), rtol=1e-12
        )


def test_a_field_that_a_run_does_not_tell_apart_is_of_its_format_and_record():
    told = {"base_model": "bert-base-uncased", "gpu_model": "T4", "gpu_count": 1, "active_s": 600.0}
    runs, _, choices = stages.prepared([told, told])
    another = origins.to_json({"gpu_count": origins.Origin("measured", "b.csv#2")})
    joined = runs.assign(origins=pd.Series([None, another], dtype="str"))
    before, found = (
        stages.filled(each, choices)[1].table().set_index(["run_id", "field"])
        for each in (runs, joined)
    )
    run = joined["run_id"][1]
    row = found.loc[(run, "gpu_count")]
    assert (row["basis"], row["source"]) == ("measured", "b.csv#2")
    rest = found.drop((run, "gpu_count"))
    pd.testing.assert_frame_equal(rest, before.loc[rest.index])
    assert rest.loc[(run, "active_s"), "source"] == f"{runs['source_uri'][1]}#2"
