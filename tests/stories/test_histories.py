"""Random histories of models in any order: nothing is lost, and reports can be replayed.

A history is a set of facts: tunings, branches, merges, roll-backs, retirements, renamings, counts
and their corrections. The facts arrive in any order, with reports in between, each of which
computes only the days that moved, as the pipeline does. Whatever the order, the ledger that stands
at the end is the one that a single report over everything gives.
"""

from __future__ import annotations

from random import Random

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from ledger_rows import FIRST, counts, impacts

from ft_emissions_pipeline import calendar_days, ledger
from ft_emissions_pipeline.ledger import life_days
from ft_emissions_pipeline.restatement import differences
from ft_emissions_pipeline.tables import (
    INFERENCE_IMPACTS,
    MODEL_EVENTS,
    MODEL_VERSIONS,
    RESTATEMENTS,
    conform,
    empty,
)

pytestmark = pytest.mark.slow

LAST = 12
TOGETHER = 50
"""Histories that share one ledger, each with models and versions of its own."""
KEY = list(INFERENCE_IMPACTS.key)
REPORTED = list(differences.REPORTED)


def at(hour: int) -> pd.Timestamp:
    return FIRST.tz_localize("UTC") + pd.Timedelta(hours=hour)


class Team:
    """A team's facts as they arrive, and a ledger that is kept up to date report by report."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, object]] = {}
        self.counts: dict[tuple[str, int, str | None], int] = {}
        self.events: dict[tuple[object, ...], dict[str, object]] = {}
        self.versions = empty(MODEL_VERSIONS)
        self.ledger = empty(INFERENCE_IMPACTS)
        self.first_reports: dict[tuple, dict[str, float]] = {}
        self.moves: list[pd.DataFrame] = []
        self.touched: set[pd.Timestamp] = set()
        self.reports = 0

    def declare(self, model: str, hand_on: str, method: str) -> None:
        self.events["declared", model] = {
            "model_name": model, "event": "declared", "hand_on": hand_on, "method": method
        }  # fmt: skip

    def tune(self, name, model, hour, kg, parents, life, per_day) -> None:
        self.runs[name] = {
            "run_id": name, "model_name": model, "ended_at": FIRST + pd.Timedelta(hours=hour),
            "total_kgco2e": kg, "parent_version": " ".join(parents) or None,
            "expected_inferences_per_day": per_day, "expected_use_life_days": life or 30.0,
            "expected_use_life_basis": "default" if life is None else "disclosed",
        }  # fmt: skip

    def count_or_correct(self, model, day, version, count) -> None:
        self.counts[model, day, version] = count
        self.touched.add(FIRST + pd.Timedelta(days=day))

    def roll_back(self, model, hour, version) -> None:
        self.events[model, hour, version] = {
            "model_name": model, "event": "rolled_back", "at": at(hour), "model_version": version
        }  # fmt: skip

    def retire(self, model, hour, version) -> None:
        self.events[model, hour, version, "retired"] = {
            "model_name": model, "event": "retired", "at": at(hour), "model_version": version
        }  # fmt: skip

    def rename(self, model, hour, name) -> None:
        self.events["renamed", model] = {
            "model_name": model, "event": "renamed", "at": at(hour), "new_name": name
        }  # fmt: skip

    def report(self) -> None:
        """Compute the days that moved since the last report, and note what moved on them."""
        found = self.use_lives()
        reported = pd.DatetimeIndex(self.ledger["date"].unique())
        last = FIRST + pd.Timedelta(days=LAST)
        moved = ledger.changed(self.versions, found[0])
        due = life_days.unshared_days(self.versions, moved, reported, last)
        due = due.union(pd.DatetimeIndex(sorted(self.touched)))
        for first, final in calendar_days.ranges(due, 2):
            new = self.rows(found, first, final)
            within = self.ledger["date"].between(first, final)
            old = self.ledger[within]
            self.reports += 1
            self.moves.append(
                differences.restatements(old, new, self.reports if len(self.ledger) else None)
            )
            self.ledger = pd.concat([self.ledger[~within], new], ignore_index=True)
            for row in new.itertuples(index=False):
                key = tuple(getattr(row, name) for name in KEY)
                values = {name: getattr(row, name) for name in REPORTED}
                self.first_reports.setdefault((self.reports, *key), values)
        self.versions, self.touched = found[0], set()

    def use_lives(self) -> tuple[pd.DataFrame, ...]:
        """Return versions, usage, events and schedule from all facts, in the order of arrival."""
        runs = impacts(*self.runs.values())
        usage = self.usage()
        events = conform(
            pd.DataFrame([
                {**event, "source_format": "model_events", "source_uri": "models.yaml",
                 "source_record": str(key)}
                for key, event in self.events.items()
            ]), MODEL_EVENTS,
        )  # fmt: skip
        today = FIRST + pd.Timedelta(days=LAST)
        found = ledger.model_versions(runs, usage, today, events)
        return found, usage, events, ledger.monthly_schedule(found, usage, today, events)

    def usage(self) -> pd.DataFrame:
        rows = [
            (f"{FIRST + pd.Timedelta(days=day):%Y-%m-%d}", float(count),
             *([version] if version else []))
            for (_, day, version), count in self.counts.items()
        ]  # fmt: skip
        return counts(*rows).assign(model_name=[model for model, _, _ in self.counts] or None)

    @staticmethod
    def rows(found: tuple[pd.DataFrame, ...], first: pd.Timestamp, last: pd.Timestamp):
        table, usage, events, schedule = found
        return ledger.inference_impacts(
            table, usage, first, last, expected_log_sd=0.1, events=events, schedule=schedule
        )

    def hold_to_all_promises(self) -> None:
        """Hold the ledger at the end to everything that is promised of it."""
        self.report()
        found = self.use_lives()
        whole = self.rows(found, FIRST, FIRST + pd.Timedelta(days=120))
        self.arrival_does_not_matter(found, whole)
        self.every_gram_lands_once(found[0], whole)
        self.what_was_reported_leads_to_what_stands()
        self.nothing_is_silent(found)

    def arrival_does_not_matter(self, found: tuple[pd.DataFrame, ...], whole: pd.DataFrame) -> None:
        within = whole[whole["date"] <= FIRST + pd.Timedelta(days=LAST)]
        kept = self.ledger.sort_values(KEY, ignore_index=True)
        same = {"check_exact": False, "rtol": 1e-9}
        pd.testing.assert_frame_equal(kept, within.sort_values(KEY, ignore_index=True), **same)
        self.runs = dict(reversed(self.runs.items()))
        self.counts = dict(reversed(self.counts.items()))
        self.events = dict(reversed(self.events.items()))
        pd.testing.assert_frame_equal(self.use_lives()[0], found[0], **same)

    @staticmethod
    def every_gram_lands_once(table: pd.DataFrame, whole: pd.DataFrame) -> None:
        version = table.set_index("model_version")
        landed = whole.groupby("model_version")["allocated_kgco2e"].sum().reindex(version.index)
        landed = landed.fillna(0.0)
        closed = version["status"] == "closed"
        owed = (version["total_kgco2e"] + version["inherited_kgco2e"]) * (
            1 - version["handed_on_share"]
        )
        assert landed[closed].to_numpy() == pytest.approx(owed[closed].to_numpy(), rel=1e-9)
        assert (landed <= owed * (1 + 1e-9)).all()
        # What all versions owe is what all runs made: nothing is carried twice on the way to heirs.
        assert owed.sum() == pytest.approx(version["total_kgco2e"].sum(), rel=1e-9)
        assert (whole[["allocated_kgco2e", "inherited_kgco2e"]] >= 0).all(axis=None)

    def what_was_reported_leads_to_what_stands(self) -> None:
        moves = pd.concat([empty(RESTATEMENTS), *[m for m in self.moves if len(m)]])
        state: dict[tuple, dict[str, float]] = {}
        by_report = dict(iter(moves.groupby("new_table_version")))
        for number in range(1, self.reports + 1):
            # A restatement's new version is the one that the report before it left, plus one.
            for move in by_report.get(number + 1, empty(RESTATEMENTS)).to_dict("records"):
                held = state[tuple(move[name] for name in KEY)]
                assert held[move["column"]] == pytest.approx(move["old"], rel=1e-9, nan_ok=True)
                held[move["column"]] = move["new"]
            state = {key: held for key, held in state.items() if held["allocated_kgco2e"] >= 0}
            for (report, *key), values in self.first_reports.items():
                if report == number:
                    state.setdefault(tuple(key), dict(values))
        stands = self.ledger.set_index(KEY)[REPORTED]
        assert set(state) == set(stands.index)
        for key, held in state.items():
            want = stands.loc[key].to_dict()
            assert held == pytest.approx(want, rel=1e-9, nan_ok=True)

    def nothing_is_silent(self, found: tuple[pd.DataFrame, ...]) -> None:
        """Every count is on a row of the ledger, or says in quarantine why it is not."""
        table, usage, events, _ = found
        whole = self.rows(found, FIRST, FIRST + pd.Timedelta(days=LAST))
        actual = whole.loc[whole["inferences_basis"] == "actual", "inferences"].sum()
        lost = ledger.unused(table, usage, events)
        lost = set(lost.loc[lost["source_uri"] == "usage.csv", "source_record"])
        counted = usage.loc[~usage["source_record"].isin(lost), "inferences"].sum()
        assert actual == pytest.approx(counted, rel=1e-9)


HOURS = LAST * 24
HAND_ON = ["nothing", "unused", "remainder"]
LIVES = [None, 0.5, 4.0, 70.0]
PER_DAY = [None, 0.0, 100.0]
METHODS = ["by_use", "monthly"]


def facts(random: Random, history: int) -> list[tuple[str, dict[str, object]]]:
    """Return what happens in one history: its two models, and up to six versions of either."""
    models = [f"{letter}-{history}" for letter in "mn"]
    versions = [f"run-{history}-{number}" for number in range(6)]
    named = [None, *versions]
    happened = [
        ("tune", {
            "name": name, "model": random.choice(models), "hour": random.randrange(HOURS),
            "kg": random.uniform(0.1, 1e4), "parents": random.sample(versions, random.randrange(3)),
            "life": random.choice(LIVES), "per_day": random.choice(PER_DAY),
        }) for name in random.sample(versions, random.randrange(1, 7))
    ]  # fmt: skip
    happened += [
        ("count_or_correct", {"model": random.choice(models), "day": random.randrange(LAST),
                              "version": random.choice(named), "count": random.randrange(10**6)})
        for _ in range(random.randrange(8))
    ]  # fmt: skip
    if random.random() < 0.5:
        where = {"model": random.choice(models), "hour": random.randrange(HOURS)}
        happened.append(("roll_back", {**where, "version": random.choice(versions)}))
    if random.random() < 0.3:
        where = {"model": random.choice(models), "hour": random.randrange(HOURS)}
        happened.append(("retire", {**where, "version": random.choice(named)}))
    if random.random() < 0.2:
        happened.append(
            ("rename", {"model": models[0], "hour": random.randrange(HOURS), "name": models[1]})
        )
    for model in models:
        choice = {"hand_on": random.choice(HAND_ON), "method": random.choice(METHODS)}
        happened.append(("declare", {"model": model, **choice}))
    return happened


@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_five_hundred_histories_keep_every_promise(seed: int) -> None:
    random = Random(seed)
    arriving = [fact for history in range(TOGETHER) for fact in facts(random, history)]
    random.shuffle(arriving)
    team = Team()
    for number, (what, values) in enumerate(arriving):
        getattr(team, what)(**values)
        if number in (len(arriving) // 3, 2 * len(arriving) // 3):
            team.report()
    team.hold_to_all_promises()


models = st.sampled_from("mn")
versions = st.integers(0, 5).map("run-{}".format)
hours = st.integers(0, HOURS - 1)


class OneHistory(RuleBasedStateMachine):
    """The same step by step: a report refreshes just the days that one model's facts moved."""

    @initialize(hand_on=st.sampled_from(HAND_ON), method=st.sampled_from(METHODS))
    def begin(self, hand_on: str, method: str) -> None:
        self.team = Team()
        self.team.declare("m", hand_on, method)

    @rule(
        name=versions, model=models, hour=hours, kg=st.floats(0.1, 1e4),
        parents=st.lists(versions, max_size=2), life=st.sampled_from(LIVES),
        per_day=st.sampled_from(PER_DAY),
    )  # fmt: skip
    def tune(self, **values) -> None:
        self.team.tune(**values)

    @rule(
        model=models,
        day=st.integers(0, LAST - 1),
        version=st.none() | versions,
        count=st.integers(0, 10**6),
    )
    def count_or_correct(self, **values) -> None:
        self.team.count_or_correct(**values)

    @rule(model=models, hour=hours, version=versions)
    def roll_back(self, **values) -> None:
        self.team.roll_back(**values)

    @rule(model=models, hour=hours, version=st.none() | versions)
    def retire(self, **values) -> None:
        self.team.retire(**values)

    @rule(hour=hours)
    def rename(self, hour: int) -> None:
        self.team.rename("m", hour, "n")

    @rule()
    def report(self) -> None:
        self.team.report()

    def teardown(self) -> None:
        self.team.report()
        self.team.hold_to_all_promises()


TestOneHistory = OneHistory.TestCase
TestOneHistory.settings = settings(
    max_examples=15,
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
