"""What installed trackers write is read: a new version that writes otherwise shows here.

None of them is needed elsewhere; each test runs where its tracker is installed.
"""

import json
import time

import pandas as pd
import pytest

import ft_emissions_pipeline as fte

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SETTINGS = {
    "model_name_or_path": "meta-llama/Llama-3.2-1B",
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 2,
    "bf16": True,
}
EXPECTED = {
    "base_model": "meta-llama/Llama-3.2-1B",
    "micro_batch_size": 4,
    "gradient_accumulation": 2,
    "precision": "bf16",
}
FIGURES = {"train_runtime": 1.5, "num_input_tokens_seen": 3000}


@pytest.fixture
def logs(alone):
    """Return an empty folder for a tracker's files."""
    (alone / "logs").mkdir()
    return alone / "logs"


def only_run(folder):
    """Return the only run of a folder, of which nothing was refused."""
    runs, quarantine = fte.read_runs(folder)
    assert quarantine.empty, quarantine.to_dict("records")
    (run,) = runs.to_dict("records")
    return run


def told(run):
    """Return what the tests let every tracker keep."""
    assert abs(run["ended_at"] - pd.Timestamp.now("UTC")) < pd.Timedelta(minutes=5)
    return {name: run[name] for name in (*EXPECTED, "active_s", "tokens_padded")}


def test_wandb_offline(logs):
    wandb = pytest.importorskip("wandb")
    settings = wandb.Settings(mode="offline", silent=True, x_stats_sampling_interval=1)
    # Longer than a block of the file, so that its record lies in several pieces.
    config = {**SETTINGS, "notes_of_the_run": "x" * 70_000}
    with wandb.init(dir=str(logs), project="bot", config=config, settings=settings) as run:
        for step in (10, 20, 30):
            run.log({"train/loss": 2.0, "train/global_step": step})
        run.log(FIGURES)
        run_id = run.id
    found = only_run(logs)
    assert (found["run_id"], found["steps"]) == (run_id, 30)
    assert told(found) == {**EXPECTED, "active_s": 1.5, "tokens_padded": 3000}


@pytest.mark.parametrize("store", ["sqlite:///{}/mlflow.db", "file:{}/mlruns"])
def test_mlflow(logs, monkeypatch, store):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(store.format(logs))
    with mlflow.start_run() as run:
        mlflow.log_params(SETTINGS)
        mlflow.log_metrics({name: float(value) for name, value in FIGURES.items()}, step=30)
    found = only_run(logs)
    assert found["run_id"] == run.info.run_id
    assert told(found) == {**EXPECTED, "active_s": 1.5, "tokens_padded": 3000}


def test_tensorboard(logs):
    writer_module = pytest.importorskip("tensorboardX")
    # As transformers' TensorBoardCallback writes: arguments as a text, figures behind `train/`.
    with writer_module.SummaryWriter(str(logs / "out/runs/Mar02_10-00-00_node-a")) as writer:
        writer.add_text("args", json.dumps(SETTINGS))
        writer.add_scalar("train/loss", 2.0, 10)
        for name, value in FIGURES.items():
            writer.add_scalar(f"train/{name}", value, 30)
    assert told(only_run(logs)) == {**EXPECTED, "active_s": 1.5, "tokens_padded": 3000}


def test_carbontracker(logs):
    tracker_module = pytest.importorskip("carbontracker.tracker")
    tracker = tracker_module.CarbonTracker(
        epochs=2, monitor_epochs=2, update_interval=0.2, log_dir=str(logs), components="cpu",
        sim_cpu="a processor", sim_cpu_tdp=200, decimal_precision=12, verbose=0,
    )  # fmt: skip
    for _ in range(2):
        tracker.epoch_start()
        time.sleep(1)
        tracker.epoch_end()
    tracker.stop()
    run = only_run(logs)
    assert (run["epochs"], run["gpu_count"]) == (2, 0)
    assert 1.5 < run["active_s"] < 20
    # The simulated processor draws half of its 200 W.
    assert run["cpu_energy_kwh"] == pytest.approx(100 * run["active_s"] / 3.6e6, rel=0.3)
    assert run["it_energy_kwh"] > run["cpu_energy_kwh"]


class TwoGpus:
    """Counters of two GPUs that draw 360 W and 180 W, for a machine without any."""

    gpu_indices = (0, 1)

    def __init__(self):
        self.began = time.time()

    def __len__(self):
        return 2

    def supports_get_total_energy_consumption(self, index):
        return index in self.gpu_indices

    def get_total_energy_consumption(self, index):
        return (360e3, 180e3)[index] * (time.time() - self.began)


def test_zeus(logs, monkeypatch):
    energy = pytest.importorskip("zeus.monitor.energy")
    gpus = TwoGpus()
    monkeypatch.setattr(energy, "get_gpus", lambda *_, **__: gpus)
    monitor = energy.ZeusMonitor(
        gpu_indices=[0, 1], cpu_indices=[], log_file=str(logs / "energy.csv"),
        sync_execution_with=None,
    )  # fmt: skip
    monitor.begin_window("training", sync_execution=False)
    for _ in range(2):
        monitor.begin_window("epoch", sync_execution=False)
        time.sleep(0.5)
        monitor.end_window("epoch", sync_execution=False)
    measured = monitor.end_window("training", sync_execution=False)
    run = only_run(logs)
    assert run["gpu_count"] == 2
    assert run["active_s"] == pytest.approx(measured.time)
    assert run["gpu_energy_kwh"] == pytest.approx(measured.total_energy / 3.6e6)
