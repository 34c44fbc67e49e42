"""States of a run, runs of a folder, trackers of a machine: told apart by what they hold."""

import itertools
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ft_emissions_pipeline import api
from ft_emissions_pipeline.landing import days, index, same_run
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.reference import load
from ft_emissions_pipeline.tables import LANDING_INDEX, empty

CASES = Path(__file__).parents[1] / "data" / "field_cases"
NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))


def state(step, planned, *, loss=2.0, every=100, seconds=None):
    """A trainer's state after some steps; its losses tell the run."""
    rows = [
        {"loss": loss / n, "learning_rate": 1e-5 * (1 - n * every / planned), "step": n * every,
         "epoch": n * every / planned}
        for n in range(1, step // every + 1)
    ]  # fmt: skip
    if seconds:
        mean = sum(row["loss"] for row in rows) / len(rows)
        rows.append({"train_runtime": seconds, "train_loss": mean, "total_flos": 1e15, "step": step,
                     "epoch": step / planned})  # fmt: skip
    tokens = {"num_input_tokens_seen": 100 * step}
    return {"global_step": step, "max_steps": planned, "epoch": step / planned, "log_history": rows,
            **tokens}  # fmt: skip


@pytest.fixture
def runs_in(laid_out):
    """Lay files out and read them both ways, at once and day by day; both must say the same."""

    def read(files):
        folder = laid_out(files)
        at_once, _ = api.read_runs(folder)
        landed = index.scan(folder, load(), NOW, empty(LANDING_INDEX))
        first, last = landed["date"].min(), landed["date"].max()
        daily = days.runs_of(folder, landed, first, last, load(), NOW)
        computable = daily[daily["run_id"].isin(at_once["run_id"])]
        assert computable["repairs"].tolist() == at_once["repairs"].tolist()
        return daily.set_index("run_id")

    return read


@pytest.mark.parametrize(
    "names",
    [
        ("last-checkpoint", "checkpoint-100"), ("checkpoint-best", "checkpoint_200"),
        ("tmp-checkpoint-300", "checkpoint-200"),
        ("ckpt-100", "final"), ("epoch_1", "step_200"), ("first", "second"), ("a", "z"),
    ],
)  # fmt: skip
def test_states_of_one_run_are_one_whatever_they_are_called(runs_in, names):
    files = {
        f"out/{name}/trainer_state.json": state(100 * n, 400) for n, name in enumerate(names, 1)
    }
    runs = runs_in({**files, "out/trainer_state.json": state(400, 400, seconds=600.0)})
    assert runs.index.tolist() == ["out"]
    assert runs.loc["out", "tokens_padded"] == 40_000
    assert runs.loc["out", "active_s"] == 600


@pytest.mark.parametrize("names", [("last-checkpoint", "checkpoint_200"), ("one", "two")])
def test_states_without_one_above_them_are_one_run(runs_in, names):
    files = {
        f"out/{name}/trainer_state.json": state(100 * n, 400) for n, name in enumerate(names, 1)
    }
    assert runs_in(files).index.tolist() == ["out"]


def test_several_runs_in_one_folder_are_as_many(runs_in):
    made = {500: (872, 2.0), 872: (872, 2.0), 1000: (1743, 3.0), 7500: (7843, 5.0)}
    files = {
        f"out/checkpoint-{step}/trainer_state.json": state(step, planned, loss=loss, every=4)
        for step, (planned, loss) in made.items()
    }
    runs = runs_in(files)
    tokens = {"out/checkpoint-872": 87_200, "out/checkpoint-1000": 100_000,
              "out/checkpoint-7500": 750_000}  # fmt: skip
    assert runs["tokens_padded"].to_dict() == tokens


def test_of_several_runs_the_folders_own_state_keeps_its_name(runs_in):
    runs = runs_in(
        {
            "out/checkpoint-200/trainer_state.json": state(200, 400, loss=7.0),
            "out/trainer_state.json": state(300, 300, seconds=60.0),
        }
    )
    assert sorted(runs.index) == ["out", "out/checkpoint-200"]


def test_results_beside_several_runs_say_that_they_may_be_of_any(runs_in):
    results = {"train_runtime": 60.0, "train_loss": 0.4, "epoch": 1.0}
    runs = runs_in(
        {
            "out/checkpoint-200/trainer_state.json": state(200, 400, loss=7.0),
            "out/checkpoint-300/trainer_state.json": state(300, 300),
            "out/all_results.json": results,
        }
    )
    assert len(runs) == 3
    assert "join_ambiguous:out/checkpoint-200,out/checkpoint-300" in runs.loc["out", "repairs"]


def results(steps, seconds):
    """Return the results of a run: their rates have three digits behind the point."""
    return {"train_runtime": seconds, "train_loss": 1.0, "epoch": 3.0, "total_flos": 1e15,
            "train_steps_per_second": round(steps / seconds, 3)}  # fmt: skip


def test_results_beside_several_runs_are_of_the_one_that_planned_as_many_steps(runs_in):
    made = {500: (872, 2.0), 1000: (1743, 3.0), 7500: (7843, 5.0)}
    files = {
        f"out/checkpoint-{step}/trainer_state.json": state(step, planned, loss=loss, every=4)
        for step, (planned, loss) in made.items()
    }
    runs = runs_in({**files, "out/all_results.json": results(1743, 3300.0)})
    timed = runs["active_s"].dropna()
    assert timed.to_dict() == {"out/checkpoint-1000": 3300}
    assert len(runs) == 3
    assert not runs["repairs"].str.contains("join_ambiguous", na=False).any()


def test_results_of_a_number_of_steps_that_no_run_planned_may_be_of_any(runs_in):
    files = {
        f"out/checkpoint-{step}/trainer_state.json": state(step, planned, loss=loss, every=4)
        for step, (planned, loss) in {500: (872, 2.0), 1000: (1743, 3.0)}.items()
    }
    runs = runs_in({**files, "out/train_results.json": results(1300, 3300.0)})
    assert "join_ambiguous:" in runs.loc["out", "repairs"]


def test_a_run_that_was_prolonged_is_one(runs_in):
    # The same history, planned for more steps: only its learning rate shows that it went on.
    longer = state(800, 800)
    longer["log_history"][:4] = state(400, 400)["log_history"]
    runs = runs_in(
        {"out/checkpoint-400/trainer_state.json": state(400, 400), "out/trainer_state.json": longer}
    )
    assert runs.index.tolist() == ["out"]


def test_runs_beside_each_other_that_ended_alike_are_several(runs_in):
    files = {f"seed-{n}/trainer_state.json": state(400, 400, seconds=600.0) for n in range(3)}
    assert len(runs_in(files)) == 3


def test_whole_results_beside_an_earlier_state_are_not_called_unfinished(runs_in):
    runs = runs_in(
        {
            "out/trainer_state.json": state(399, 400, every=1),
            "out/train_results.json": {"train_runtime": 600.0, "train_loss": 0.4, "epoch": 1.0},
        }
    )
    assert "before_last_step" not in str(runs.loc["out", "repairs"])
    assert runs.loc["out", "active_s"] == 600


def test_a_tracker_does_not_tell_that_training_came_to_its_end(runs_in):
    runs = runs_in(
        {
            "out/trainer_state.json": state(200, 400),
            "out/emissions.csv": emissions(),
            "runs.yaml": 'runs:\n  one:\n    logs: ["out/*"]\n',
        }
    )
    assert runs.index.tolist() == ["one"]
    assert "before_last_step" in runs["repairs"].item()


# Trackers of one machine


def emissions(**cells):
    row = {
        "timestamp": "2026-03-02T12:00:00", "project_name": "demo", "run_id": "a",
        "duration": "3600", "emissions": "0.1",
        "cpu_energy": "0.05", "gpu_energy": "1.0", "ram_energy": "0.02", "energy_consumed": "1.07",
        "country_name": "France", "country_iso_code": "FRA", "os": "Linux", "cpu_count": "8",
        "cpu_model": "Xeon", "gpu_count": "2", "gpu_model": "2 x NVIDIA A100-SXM4-80GB",
        "ram_total_size": "16.0", "tracking_mode": "machine", "pue": "1.0",
    }  # fmt: skip
    row |= cells
    return ",".join(row) + "\n" + ",".join(row.values()) + "\n"


def test_the_field_case_of_two_ranks_counts_once_and_says_so():
    # ranks_run: 1.07 kWh, measured by the tracker of each of two ranks.
    runs, quarantine = api.read_runs(CASES / "ranks_run")
    assert quarantine.empty
    assert runs["it_energy_kwh"].tolist() == [pytest.approx(1.07, rel=0.01)]
    assert "one_machine_counted_once:00000000-0000-4000-8000-000000000002" in runs["repairs"].item()


def test_ranks_of_a_file_and_of_several_count_once(runs_in):
    second = emissions(run_id="b", timestamp="2026-03-02T12:00:01")
    both = emissions(run_id="a") + second.split("\n")[1] + "\n"
    runs = runs_in({"e.csv": both, "f.csv": emissions(run_id="c", timestamp="2026-03-02T12:00:09")})
    assert runs["it_energy_kwh"].tolist() == [1.07]
    assert "one_machine_counted_once:b,c" in runs["repairs"].item()


def test_rows_of_a_file_that_are_the_same_to_the_last_digit_are_left_and_named():
    # cc_glued_rows: three runs, of which two have the same figures.
    runs, quarantine = api.read_runs(CASES / "cc_glued_rows")
    assert quarantine.empty
    assert runs["it_energy_kwh"].tolist() == [0.37, 0.17, 0.17]
    assert runs["repairs"].str.contains("perhaps_one_machine:").all()


@pytest.mark.parametrize(
    "other",
    [
        {"gpu_energy": "0.6", "energy_consumed": "0.67"},
        {"timestamp": "2026-03-02T12:05:00"},
        {"gpu_count": "1", "gpu_model": "2 x NVIDIA A100-SXM4-80GB", "gpu_energy": "0.3",
         "energy_consumed": "0.37"},
    ],
)  # fmt: skip
def test_trackers_that_may_have_seen_one_machine_both_count_and_say_so(runs_in, other):
    runs = runs_in({"a.csv": emissions(run_id="a"), "b.csv": emissions(run_id="b", **other)})
    assert sorted(runs.index) == ["a", "b"]
    assert "perhaps_one_machine:b" in runs.loc["a", "repairs"]
    assert "perhaps_one_machine:a" in runs.loc["b", "repairs"]


@pytest.mark.parametrize(
    "other",
    [
        {"timestamp": "2026-03-02T13:00:00"},
        {"timestamp": "2026-03-02T12:20:00"},  # 40 of their 60 minutes
        {"cpu_model": "EPYC"},
        {"ram_total_size": "64.0"},
    ],
)
def test_other_times_and_machines_are_no_matter(runs_in, other):
    runs = runs_in({"a.csv": emissions(run_id="a"), "b.csv": emissions(run_id="b", **other)})
    assert len(runs) == 2
    assert not runs["repairs"].str.contains("machine", na=False).any()


def test_what_somebody_keeps_apart_stays_apart(runs_in):
    mapping = "runs:\n  one:\n    logs: [a.csv]\n  two:\n    logs: [b.csv]\n"
    runs = runs_in(
        {"a.csv": emissions(run_id="a"), "b.csv": emissions(run_id="b"), "runs.yaml": mapping}
    )
    assert sorted(runs.index) == ["one", "two"]


def test_trackers_of_two_projects_are_two_runs_however_alike(runs_in):
    runs = runs_in(
        {"a.csv": emissions(run_id="a"), "b.csv": emissions(run_id="b", project_name="other")}
    )
    assert runs["it_energy_kwh"].tolist() == [1.07, 1.07]
    assert runs["repairs"].str.contains("perhaps_one_machine:").all()


@pytest.mark.parametrize("alike", [True, False])
def test_more_trackers_at_once_than_a_server_has_gpus_are_of_several_machines(runs_in, alike):
    # No machine is named, so that one description stands for all of a kind.
    rows = [
        emissions(
            run_id=f"run-{n:02d}", timestamp=f"2026-03-02T12:00:{n:02d}",
            gpu_energy=f"{1 if alike else 1 + n / 10}",
            energy_consumed=f"{1.07 if alike else 1.07 + n / 10}",
        ).split("\n")[1]
        for n in range(40)
    ]  # fmt: skip
    head = emissions().split("\n")[0]
    runs = runs_in({"e.csv": "\n".join([head, *rows, ""])})
    assert len(runs) == 40
    # Of those that say the same, nothing tells a sweep from ranks; of the others, none is a copy.
    doubted = runs["repairs"].str.contains("perhaps_one_machine:", na=False)
    assert doubted.all() if alike else not doubted[20:].any()


def test_an_index_that_was_made_before_projects_were_told_still_joins_ranks():
    records = pd.DataFrame(
        {
            "run_id": ["a", "b"], "mark": "machine 1a2b 2 1.07", "host": None,
            "source_format": "codecarbon", "source_uri": ["a.csv", "b.csv"],
            "started_at": pd.to_datetime([0, 1], unit="s", utc=True),
            "ended_at": pd.to_datetime([3600, 3601], unit="s", utc=True),
        }
    )  # fmt: skip
    once, _ = same_run.machines(records, records["run_id"], pd.Series(True, records.index))
    assert once == ({"b": "a"}, {"a": {"b"}})


instants = st.integers(0, 600)
trackers = st.lists(
    st.tuples(
        instants, st.integers(1, 300), st.sampled_from(["part", "1", "2"]),
        st.sampled_from(["demo", "other"]), st.sampled_from([1.0, 1.005, 1.5]),
        st.sampled_from(["one", "two"]), st.sampled_from(["e.csv", "f.csv"]),
    ),
    min_size=2, max_size=12,
)  # fmt: skip


TWICE_IN_A_FILE = (0, 2, "1", "demo", 1.0, "one", "e.csv")


@given(trackers)
@example([TWICE_IN_A_FILE, TWICE_IN_A_FILE, (0, 1, *TWICE_IN_A_FILE[2:])])
def test_every_two_trackers_of_a_machine_are_compared(told):
    """A tracker stands for those that saw the same; of several, the first of all counts."""
    records = pd.DataFrame(
        {
            "run_id": [f"r{n:02d}" for n in range(len(told))],
            "mark": [f"tracked {machine} {gpus} {project} {kwh}"
                     for _, _, gpus, project, kwh, machine, _ in told],
            "host": None, "source_format": "codecarbon",
            "source_uri": [each[-1] for each in told],
            "started_at": pd.to_datetime([each[0] for each in told], unit="s", utc=True),
            "ended_at": pd.to_datetime([each[0] + each[1] for each in told], unit="s", utc=True),
        }
    )  # fmt: skip
    once, perhaps = same_run.machines(records, records["run_id"], pd.Series(True, records.index))
    expected, first = {}, {}
    in_order = sorted(enumerate(told), key=lambda each: (each[1][0], each[0]))
    for (n, one), (m, other) in itertools.permutations(in_order, 2):
        (low, length, gpus, project, kwh, machine, file), (start, *_) = one, other
        shared = min(low + length, start + other[1]) - max(low, start)
        near = abs(low - start) <= 60 and abs(low + length - start - other[1]) <= 60
        copied = (file, *one[:2], kwh) == (other[-1], *other[:2], other[4])
        alike = near and gpus == other[2] != "part" and project == other[3] and not copied
        alike &= abs(kwh - other[4]) <= 0.01 * max(kwh, other[4])
        if machine == other[5] and shared >= 0.8 * min(length, other[1]):
            if not alike:
                expected.setdefault(f"r{n:02d}", set()).add(f"r{m:02d}")
            elif (low, n) < (start, m):
                first.setdefault(f"r{m:02d}", f"r{n:02d}")
    assert perhaps[1] == expected
    counts = {}
    for n, _ in in_order:
        name = f"r{n:02d}"
        if name in first:
            counts[name] = counts.get(first[name], first[name])
    assert once[0] == counts
    assert once[1] == {one: {n for n, of in counts.items() if of == one} for one in counts.values()}
