"""Profiles: every switch has a reason, the default has none on, unknown names are refused."""

from dataclasses import fields

import pytest

from ft_emissions_pipeline import methodology
from ft_emissions_pipeline.methodology import Profile

SWITCHES = {field.name for field in fields(Profile)} - {"name"}


def test_every_switch_has_a_reason_that_says_what_happens_without_it():
    assert set(methodology.REASONS) == SWITCHES
    for reason in methodology.REASONS.values():
        assert " Off: " in reason
        assert len(reason.split()) > 15


def test_the_default_profile_has_every_switch_off():
    assert methodology.switches(methodology.profile("default")) == {}


def test_the_published_profile_has_every_switch_on():
    """facts of the training page: each of its quirks is needed to come out as printed."""
    assert set(methodology.switches(methodology.profile("scope3-2024"))) == SWITCHES


@pytest.mark.parametrize("name", methodology.PROFILES)
def test_a_profile_is_found_by_its_own_name(name):
    assert methodology.profile(name).name == name


@pytest.mark.parametrize(
    ("name", "nearest"), [("scope3", "scope3-2024"), ("Default", "default"), ("", "")]
)
def test_an_unknown_profile_is_refused_with_the_nearest(name, nearest):
    with pytest.raises(
        ValueError, match=f"no profile '{name}'; there are .*did you mean '{nearest}"
    ):
        methodology.profile(name)
