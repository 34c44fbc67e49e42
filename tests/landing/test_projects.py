"""Logs beside and above a trainer's folder: of its run where they say so, else of their own."""

import pytest

import ft_emissions_pipeline as fte

HEADER = (
    "timestamp,project_name,run_id,duration,emissions,cpu_energy,gpu_energy,ram_energy,"
    "energy_consumed,cpu_model,gpu_count,gpu_model\n"
)


def state(seconds, steps=100, **others):
    """Return a trainer's state; every run has a loss of its own."""
    rows = [{"loss": 1 + seconds / 1e4, "step": steps}]
    if seconds:
        rows.append(
            {
                "train_runtime": seconds,
                "train_loss": rows[0]["loss"],
                "total_flos": 1e15,
                "step": steps,
            }
        )
    return {"global_step": steps, "max_steps": steps, "epoch": 1.0, "log_history": rows, **others}


def console(seconds, epoch=1.0):
    return (
        f"{{'loss': 1.0, 'epoch': 0.5}}\n{{'train_runtime': {seconds}, 'train_loss': 1.0, "
        f"'epoch': {epoch}}}\n"
    )


def tracker(run_id, seconds, kwh=0.4, gpus=1):
    return (
        f"2026-03-02T12:00:00,x,{run_id},{seconds},0.1,0.05,{kwh},0.02,{kwh + 0.07},"
        f"AMD EPYC,{gpus},{gpus} x NVIDIA A100-SXM4-80GB\n"
    )


@pytest.fixture
def runs_in(laid_out):
    """Lay files out and return the runs, by id."""

    def read(files):
        folder = laid_out(files)
        return fte.read_runs(folder)[0].set_index("run_id")

    return read


def test_a_tracker_that_was_begun_above_the_trainers_folder_is_of_its_run(runs_in):
    runs = runs_in(
        {"emissions.csv": HEADER + tracker("t", 640), "out/m/trainer_state.json": state(600.25)}
    )
    assert runs.index.tolist() == ["out/m"]
    assert runs.loc["out/m", "it_energy_kwh"] == pytest.approx(0.47)


@pytest.mark.parametrize("seconds", [300, 1300])
def test_a_tracker_of_another_time_stays_for_itself(runs_in, seconds):
    files = {
        "emissions.csv": HEADER + tracker("t", seconds),
        "out/trainer_state.json": state(600.25),
    }
    assert sorted(runs_in(files).index) == ["out", "t"]


def test_above_several_runs_a_tracker_stays_for_itself(runs_in):
    files = {"a/trainer_state.json": state(600.25), "b/trainer_state.json": state(601.5)}
    assert sorted(runs_in({**files, "emissions.csv": HEADER + tracker("t", 640)}).index) == [
        "a",
        "b",
        "t",
    ]


def test_consoles_in_a_folder_of_their_own_go_to_the_run_whose_time_they_print(runs_in):
    files = {f"out/{n}/trainer_state.json": state(600 + n + 0.4371) for n in range(3)}
    logs = {f"logs/{n}.txt": console(600 + n + 0.4371, epoch=3.0) for n in range(3)}
    runs = runs_in({**files, **logs})
    assert runs.index.tolist() == ["out/0", "out/1", "out/2"]
    assert runs["repairs"].tolist() == ["conflict:epochs"] * 3


def test_a_round_time_beside_a_run_is_no_proof(runs_in):
    runs = runs_in({"a/out/trainer_state.json": state(600.0), "b/train.txt": console(600.0)})
    assert sorted(runs.index) == ["a/out", "b/train"]


def test_a_state_without_a_time_takes_it_from_the_console_of_as_many_steps(runs_in):
    lines = console(462.3) + "    Total optimization steps = 60\n"
    files = {"train.txt": lines, "outputs/checkpoint-60/trainer_state.json": state(0, 60)}
    assert runs_in(files)["active_s"].to_dict() == {"outputs": 462.3}


def test_a_console_of_other_steps_stays_for_itself(runs_in):
    lines = console(462.3) + "    Total optimization steps = 90\n"
    runs = runs_in({"train.txt": lines, "outputs/checkpoint-60/trainer_state.json": state(0, 60)})
    assert "train" in runs.index


def test_trackers_of_all_ranks_in_a_trainers_folder_count_once_and_are_its_own(runs_in):
    ranks = {
        f"out/emissions_{n}.csv": HEADER + tracker(f"r{n}", 610 + n / 10, 3.0, gpus=8)
        for n in range(8)
    }
    runs = runs_in({**ranks, "out/trainer_state.json": state(600.25)})
    assert runs.index.tolist() == ["out"]
    assert runs.loc["out", "it_energy_kwh"] == pytest.approx(3.07)
    assert "one_machine_counted_once:" in runs.loc["out", "repairs"]


def test_the_outermost_software_is_no_conflict(runs_in):
    config = "_wandb:\n    value: {}\nper_device_train_batch_size:\n    value: 4\n"
    summary = {"train/num_tokens": 5, "_runtime": 600.0, "_timestamp": 1772447400.5}
    folder = "out/wandb/run-20260302_095930-k3x9p2ab/files/"
    runs = runs_in(
        {
            folder + "config.yaml": config,
            folder + "wandb-summary.json": summary,
            "out/trainer_state.json": state(600.25),
        }
    )
    assert runs["software"].tolist() == ["trl"]
    assert "conflict:software" not in str(runs["repairs"].item())
