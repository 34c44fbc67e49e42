"""A kind of runs that comes again is known by what it is: no rule is asked of it, none answers."""

from dataclasses import replace

import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.normalize import runs as rules_of_runs
from ft_emissions_pipeline.normalize.memory import Memory

DISCLOSED = {
    "gpu_model": "A100-SXM4-80GB",
    "gpu_count": 4,
    "location": "AWS US West (Oregon)",
    "reserved_s": 3600,
}
ELSEWHERE = {**DISCLOSED, "location": "Sweden"}
LONGER = {**DISCLOSED, "reserved_s": 7200}


@pytest.fixture
def asked(monkeypatch):
    """Names of the rules that are asked, of rules that no memory has seen yet."""
    names = []

    def counting(rule):
        def offer(frame, context):
            names.append((rule.field, rule.name))
            return rule.offer(frame, context)

        return replace(rule, offer=offer)

    counted = tuple(counting(rule) for rule in rules_of_runs.RULES)
    monkeypatch.setattr(rules_of_runs, "RULES", counted)
    return names


def of_kinds(asked):
    by_run = {(rule.field, rule.name) for rule in rules_of_runs.RULES if rule.by_run}
    return [name for name in asked if name not in by_run]


def test_rules_by_kind_are_asked_of_a_new_kind_only(asked):
    fte.estimate(DISCLOSED)
    assert ("country_iso3", "country_of_region") in of_kinds(asked)
    asked.clear()
    fte.estimate(LONGER)
    assert asked
    assert not of_kinds(asked)
    fte.estimate(ELSEWHERE)
    assert ("country_iso3", "country_named") in of_kinds(asked)
    asked.clear()
    fte.estimate(DISCLOSED, profile="scope3-2024")
    assert of_kinds(asked)


def test_what_is_known_already_changes_no_figure(asked):
    fresh = {}
    for given in (DISCLOSED, ELSEWHERE, LONGER):
        fresh[given["location"], given["reserved_s"]] = fte.estimate(given).runs["total_kgco2e"][0]
    asked.clear()
    again = fte.estimate([LONGER, ELSEWHERE, DISCLOSED])
    assert of_kinds(asked)  # these two kinds were never asked of together
    keys = [(run["location"], run["reserved_s"]) for run in (LONGER, ELSEWHERE, DISCLOSED)]
    assert again.runs["total_kgco2e"].tolist() == [fresh[key] for key in keys]
    known = fte.estimate([DISCLOSED, LONGER, ELSEWHERE])
    pd.testing.assert_series_equal(
        known.runs["total_kgco2e"], pd.Series([fresh[keys[at]] for at in (2, 0, 1)]),
        check_exact=True, check_names=False,
    )  # fmt: skip


def test_a_memory_forgets_and_gives_no_number_twice(monkeypatch):
    monkeypatch.setattr("ft_emissions_pipeline.normalize.memory.MOST", 4)
    memory = Memory(None, None, ())
    first = memory.number("kind")
    assert memory.number("kind") == first
    answers = iter(range(10))
    questions = [(0, first), (1, first), (0, first), (2, first), (0, first)]
    told = [memory.answer(question, lambda: next(answers)) for question in questions]
    assert told == [0, 1, 0, 2, 3]
    assert memory.number("kind") > first


def test_kinds_that_never_come_again_do_not_pile_up(monkeypatch):
    monkeypatch.setattr("ft_emissions_pipeline.normalize.memory.MOST", 10)
    memory = Memory(None, None, ())
    assert len({memory.number(kind) for kind in range(100)}) == 100
    assert len(memory.numbers) <= 10
