"""Several processes write one log: small falls of the clock are no new session."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ft_emissions_pipeline.readers.shared.clocks import sessions

CASES = Path(__file__).parents[1] / "data" / "field_cases"


def rows(*cells):
    """LLaMA-Factory's log of (step, seconds)."""
    return "\n".join(
        json.dumps(
            {"current_steps": step, "total_steps": 400, "loss": 1.0, "epoch": step / 400,
             "elapsed_time": f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}"}
        )
        for step, s in cells
    )  # fmt: skip


def test_the_field_case_of_two_writers_is_one_session(one_run):
    # lf_two_writers: 400 steps, the last at 1:40:05 of the one process.
    run = one_run("lf/trainer_log.jsonl", (CASES / "lf_two_writers/trainer_log.jsonl").read_text())
    assert run["active_s"] == 6005
    assert "sessions_summed" not in str(run["repairs"])


@pytest.mark.parametrize("late", [1, 40, 100, 170, 900])
@pytest.mark.parametrize("writers", [2, 3])
def test_processes_that_started_later_take_no_time_of_their_own(one_run, late, writers):
    cells = [
        (10 * n, 150 * n - late * k)
        for n in range(1, 41)
        for k in range(writers)
        if 150 * n > late * k
    ]
    run = one_run("out/trainer_log.jsonl", rows(*cells))
    assert run["active_s"] == 6000
    assert "sessions_summed" not in str(run["repairs"])


def test_two_writers_that_are_resumed_have_two_sessions(one_run):
    first = [(10 * n, 150 * n + 3 * k) for n in range(1, 21) for k in (1, 0)]
    second = [(200 + 10 * n, 150 * n + 3 * k) for n in range(1, 21) for k in (1, 0)]
    run = one_run("out/trainer_log.jsonl", rows(*first, *second))
    assert run["active_s"] == 2 * 3003
    assert "sessions_summed" in run["repairs"]


def test_a_session_resumed_at_an_earlier_step_counts(one_run):
    # It broke off after step 100 and began anew from the state of step 50.
    first = [(10 * n, 150 * n) for n in range(1, 11)]
    second = [(50 + 10 * n, 150 * n) for n in range(1, 11)]
    assert one_run("out/trainer_log.jsonl", rows(*first, *second))["active_s"] == 3000


def test_a_session_that_begins_after_a_short_one_counts(one_run):
    assert (
        one_run("out/trainer_log.jsonl", rows((10, 150), (20, 148), (30, 300)))["active_s"] == 450
    )


def test_a_trainers_state_of_two_writers_is_one_session(one_run):
    clock = [(step, 15.0 * step + late) for step in (10, 20, 30) for late in (2.0, 0.0)]
    history = [{"loss": 1.0, "step": step, "train_runtime": s} for step, s in clock]
    state = {"global_step": 30, "max_steps": 30, "epoch": 1.0, "log_history": history}
    assert one_run("out/trainer_state.json", state)["active_s"] == 452.0


@given(st.lists(st.floats(1, 1e4), min_size=1, max_size=30), st.integers(1, 4))
def test_sessions_add_up_to_what_each_alone_lasts(lengths, readings):
    clock = [length * n / readings for length in lengths for n in range(1, readings + 1)]
    assert sum(sessions(clock, list(range(len(clock))))) <= sum(lengths) * (1 + 1e-9)
    assert max(sessions(clock, list(range(len(clock))))) == pytest.approx(max(lengths))
