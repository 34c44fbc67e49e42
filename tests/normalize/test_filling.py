"""A rule is asked only of runs that have what it needs; nobody else would get an answer."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from missing_fields import CASES

from ft_emissions_pipeline import methodology, normalize, token_time
from ft_emissions_pipeline.normalize import filling
from ft_emissions_pipeline.tables import RUN_FIELDS


def tells_nothing(missing, needs):
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
