"""What a late log, a corrected count, a successor and a changed factor move, and why."""

from dataclasses import dataclass

import pandas as pd
import pytest
from teams import GRID_ROW, assert_allocated_once, changed_reference, day, write_nights, write_usage

from assets.in_process import materialize
from ft_emissions_pipeline.normalize import stored_provenance
from ft_emissions_pipeline.tables import (
    INFERENCE_IMPACTS,
    RESTATEMENTS,
    RUN_IMPACTS,
)
from ft_emissions_pipeline.warehouse import store

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Step:
    """State after one event of the story."""

    days: list[tuple[pd.Timestamp, pd.Timestamp]]
    version: int
    table: pd.DataFrame
    moved: pd.DataFrame
    partitions: dict[str, str]


@pytest.fixture(scope="module")
def story(reported, tmp_path_factory) -> dict[str, Step]:
    """A late log, a corrected count, a successor and a changed factor, one after the other."""
    folder = tmp_path_factory.mktemp("story")
    team = reported.copy(folder)
    steps = {}

    def note(name: str, days: list) -> None:
        known = pd.concat([step.moved for step in steps.values()]) if steps else None
        moved = team.read(RESTATEMENTS)
        if known is not None:
            moved = moved[~moved.set_index(KEY).index.isin(known.set_index(KEY).index)]
        runs = team.read(RUN_IMPACTS)
        version = store.version(team.warehouse, INFERENCE_IMPACTS)
        partitions = {
            str(each.date()): rows.to_csv(index=False) for each, rows in runs.groupby("date")
        }
        steps[name] = Step(days, version, team.read(INFERENCE_IMPACTS), moved, partitions)

    note("first report", [])
    write_nights(team.landing / "late.csv", ("support-bot", 8))
    note("late log", materialize(team.landing, team.warehouse).ranges)
    write_usage(team.landing / "usage_corrected.csv", {6: 3000})
    note("usage true-up", materialize(team.landing, team.warehouse).ranges)
    write_nights(team.landing / "next.csv", ("support-bot", 11))
    note("use life closed", materialize(team.landing, team.warehouse).ranges)
    team.options["reference_data"] = changed_reference(folder)
    team.run(day(5), day(11))
    note("factor changed", [(day(5), day(11))])
    steps["team"] = team
    return steps


KEY = list(RESTATEMENTS.key)


def causes(moved: pd.DataFrame, number: int, model: str = "support-bot") -> set[str]:
    rows = moved[(moved["date"] == day(number)) & (moved["model_name"] == model)]
    return set(rows["cause"])


def test_a_late_log_runs_just_its_day_and_the_days_that_it_moves(story):
    step = story["late log"]
    # The run lands on the 8th; it cuts short the version of the 7th, which served until the 9th.
    assert step.days == [(day(8), day(8)), (day(7), day(9))]
    before = story["first report"].partitions
    assert {name: text for name, text in step.partitions.items() if name != "2026-01-08"} == before
    assert set(step.moved["date"]) == {day(7), day(8), day(9)}
    assert causes(step.moved, 7) == causes(step.moved, 9) == {"late log"}


def test_a_corrected_count_is_a_true_up(story):
    step = story["usage true-up"]
    assert causes(step.moved, 6) >= {"usage true-up"}
    # The version of the 5th serves into the 7th; the open one goes on as the model was used so far.
    assert set(step.moved["date"]) == {day(5), day(6), day(7), day(9)}
    count = step.moved[step.moved["column"] == "inferences"]
    assert list(count["date"]) == [day(6)]
    assert (count["old"].item(), count["new"].item()) == (1000.0, 3000.0)


def test_a_successor_closes_the_use_life(story):
    step = story["use life closed"]
    moved = step.moved[step.moved["model_version"] == "support-bot-09"]
    assert set(moved["cause"]) == {"use life closed"}
    ended = step.table.query("model_version == 'support-bot-09'")
    assert set(ended["status"]) == {"final"}


def test_a_changed_factor_moves_only_runs_that_rest_on_it(story):
    step = story["factor changed"]
    assert set(step.moved["cause"]) == {"factor changed"}
    assert set(step.moved["model_name"]) == {"support-bot"}
    assert set(step.moved["column"]) == {"gco2e_per_inference", "allocated_kgco2e"}
    assert (step.moved["new"] > step.moved["old"]).all()
    provenance = stored_provenance.stored(story["team"].warehouse).table()
    rest = provenance[provenance["factor_id"].fillna("").str.contains(GRID_ROW, regex=False)]
    assert set(rest["run_id"].str.rsplit("-", n=1).str[0]) == {"support-bot"}


def test_what_was_reported_once_stays_readable(story):
    team = story["team"]
    for name in ("first report", "late log", "usage true-up", "use life closed", "factor changed"):
        step = story[name]
        as_reported = team.read(INFERENCE_IMPACTS, version=step.version)
        pd.testing.assert_frame_equal(as_reported, step.table)


def test_restatements_lead_from_the_first_reports_to_the_present_table(story):
    team = story["team"]
    restated = team.read(RESTATEMENTS)
    columns = sorted(set(restated["column"]))
    key = list(INFERENCE_IMPACTS.key)
    state: dict[tuple, dict[str, float]] = {}
    for version in range(store.version(team.warehouse, INFERENCE_IMPACTS) + 1):
        for row in restated[restated["new_table_version"] == version].to_dict("records"):
            reported = state[tuple(row[name] for name in key)]
            assert reported[row["column"]] == pytest.approx(row["old"], rel=1e-12, nan_ok=True)
            reported[row["column"]] = row["new"]
        state = {of: values for of, values in state.items() if values["allocated_kgco2e"] >= 0}
        rows = team.read(INFERENCE_IMPACTS, version=version).set_index(key)
        for of, row in rows.iterrows():
            state.setdefault(of, row[columns].to_dict())
    now = team.read(INFERENCE_IMPACTS).set_index(key)
    assert set(state) == set(now.index)
    replayed = pd.DataFrame.from_dict(state, orient="index").reindex(now.index)[columns]
    pd.testing.assert_frame_equal(
        replayed.astype(float), now[columns].astype(float), rtol=1e-12, check_names=False
    )


def test_every_gram_stays_allocated_once_through_the_story(story):
    assert_allocated_once(story["team"])
