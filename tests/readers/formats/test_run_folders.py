"""Folders that trackers make of a run: W&B, MLflow, TensorBoard, and a hub's folder as a whole."""

import json
import shutil
import sqlite3
import struct
from contextlib import closing

import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.readers import Settings, read_bytes

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
RUN = "0123456789abcdef0123456789abcdef"
EVENTS = "runs/Mar02_10-00-00_node-a/events.out.tfevents.1772445605.node-a.4242.0"


@pytest.fixture
def run_folder(field_case):
    """Folders by name; `wandb_offline` is what wandb 0.31 wrote, `mlflow_database` MLflow 3.17.

    Their times were moved, and samples of two GPUs written beside by the tools' own declarations.
    """
    return lambda name: field_case("hf_folder").parent.parent / "run_folders" / name


@pytest.fixture
def hub(run_folder):
    """A folder as on a hub: card, adapter, state, checkpoint, W&B, and tensorboardX 2.6's file."""
    return run_folder("hub")


def test_a_hubs_folder_is_one_run_with_model_method_hardware_time_and_tokens(hub):
    runs, quarantine = fte.read_runs(hub)
    assert quarantine.empty, quarantine.to_dict("records")
    (run,) = runs.to_dict("records")
    expected = {
        "run_id": "root", "base_model": "meta-llama/Llama-2-7b-hf", "method": "lora",
        "lora_rank": 8, "gpu_count": 2, "gpu_model": "NVIDIA A100-SXM4-80GB", "active_s": 600,
        "tokens_padded": 400000, "steps": 100, "micro_batch_size": 4, "gradient_accumulation": 2,
        "gradient_checkpointing": True, "precision": "bf16", "model_parameters": 6738415616,
        "job_id": "4711", "started_at": pd.Timestamp("2026-03-02T09:59:50Z"),
    }  # fmt: skip
    assert {name: run[name] for name in expected} == expected
    assert "conflict" not in run["repairs"]


def test_of_several_wandb_runs_in_an_output_folder_that_of_the_same_time_is_the_trainers(
    hub, tmp_path
):
    shutil.copytree(hub, tmp_path / "out")
    first = tmp_path / "out/wandb/run-20260302_095950-ab12cd34/files"
    other = tmp_path / "out/wandb/run-20260228_080000-zz99zz99/files"
    shutil.copytree(first, other)
    summary = json.loads((other / "wandb-summary.json").read_text())
    (other / "wandb-summary.json").write_text(
        json.dumps({**summary, "train_runtime": 900, "_timestamp": 1772267400})
    )
    metadata = json.loads((other / "wandb-metadata.json").read_text())
    del metadata["slurm"]
    (other / "wandb-metadata.json").write_text(
        json.dumps({**metadata, "startedAt": "2026-02-28T08:00:00Z"})
    )
    runs, _ = fte.read_runs(tmp_path)
    assert runs.set_index("run_id")["active_s"].to_dict() == {"out": 600, "zz99zz99": 900}


def test_a_link_to_the_latest_wandb_run_is_followed_last(hub, tmp_path):
    shutil.copytree(hub / "wandb", tmp_path / "wandb")
    (tmp_path / "wandb/latest-run").symlink_to("run-20260302_095950-ab12cd34")
    runs, quarantine = fte.read_runs(tmp_path)
    assert runs["run_id"].tolist() == ["ab12cd34"]
    assert quarantine.empty


def test_names_of_people_in_wandbs_metadata_are_not_kept(hub):
    runs, quarantine = fte.read_runs(hub)
    assert "someone" not in runs.to_csv() + quarantine.to_csv()


def test_a_failed_run_of_mlflow_ended_early(one_run):
    meta = (
        f"artifact_uri: x\nlifecycle_stage: active\nrun_id: {RUN}\nstart_time: 1772445600000\n"
        "end_time: 1772445660000\nstatus: 4\n"
    )
    run = one_run(f"mlruns/0/{RUN}/meta.yaml", meta)
    assert (run["reserved_s"], run["repairs"]) == (60, "ended_early")


def test_a_running_run_of_mlflow_has_no_end(one_run):
    meta = (
        f"artifact_uri: x\nlifecycle_stage: active\nrun_uuid: {RUN}\nstart_time: 1772445600000\n"
        "end_time: null\nstatus: 1\n"
    )
    run = one_run(f"mlruns/0/{RUN}/meta.yaml", meta)
    assert run["started_at"] == pd.Timestamp("2026-03-02T10:00Z")
    assert pd.isna(run["ended_at"])


def test_every_part_of_an_mlflow_run_is_of_that_run(read):
    for part, content in {
        "params/learning_rate": "1e-5",
        "tags/mlflow.user": "ada",
        "metrics/loss": "1 2 3\n",
    }.items():
        reading = read(f"mlruns/0/{RUN}/{part}", content)
        assert reading.runs["run_id"].tolist() == [RUN]
        assert "ada" not in reading.runs.to_csv()


def test_events_of_evaluation_alone_are_no_training(refusal):
    record = b"\x09" + struct.pack("<d", 1772445600.0) + b"\x1a\x0dbrain.Event:2"
    scalar = b"\x0a\x09eval/loss\x15" + struct.pack("<f", 1.0)
    summary = b"\x0a" + bytes([len(scalar)]) + scalar
    event = (
        b"\x09"
        + struct.pack("<d", 1772445600.0)
        + b"\x10\x01\x2a"
        + bytes([len(summary)])
        + summary
    )
    framed = b"".join(
        struct.pack("<QI", len(each), 0) + each + bytes(4) for each in (record, event)
    )
    assert refusal("runs/x/events.out.tfevents.1", framed)[0] == "no_training"


def test_events_that_are_still_written_to_are_read_up_to_their_last_whole_record(hub):
    data = (hub / EVENTS).read_bytes()
    whole = read_bytes(data, EVENTS, NOW)[0].runs.iloc[0]
    cut = read_bytes(data[:-200], EVENTS, NOW)[0].runs.iloc[0]
    assert whole["steps"] == cut["steps"] == 100
    assert pd.isna(cut.get("tokens_padded"))


def test_field_case_wandb_meta(field_case):
    runs, quarantine = fte.read_runs(field_case("wandb_meta"))
    assert quarantine.empty, quarantine.to_dict("records")
    (run,) = runs.to_dict("records")
    assert run["started_at"] == pd.Timestamp("2026-03-02T10:00Z")
    assert (run["active_s"], run["reserved_s"], run["gpu_count"], run["gpu_model"]) == (
        600, 600, 2, "NVIDIA A100-SXM4-80GB",
    )  # fmt: skip


def test_field_case_mlflow_one(field_case):
    runs, quarantine = fte.read_runs(field_case("mlflow_one"))
    assert quarantine.empty, quarantine.to_dict("records")
    (run,) = runs.to_dict("records")
    assert (run["run_id"], run["active_s"], run["micro_batch_size"]) == (RUN, 600, 4)
    assert run["gpu_energy_kwh"] == pytest.approx(0.05)


def test_field_case_mlflow_nodes(field_case):
    runs, quarantine = fte.read_runs(field_case("mlflow_nodes"))
    assert quarantine.empty, quarantine.to_dict("records")
    assert runs["gpu_energy_kwh"].tolist() == [pytest.approx(0.1)]
    assert "conflict" not in str(runs["repairs"].iloc[0])


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("axolotl", {"tokens_padded": 400000, "active_s": 600, "software": "axolotl"}),
        ("unsloth_stats", {"active_s": 600}),
        ("hf_loghist", {"active_s": 600, "steps": 100}),
    ],
)
def test_field_case_of_the_trainer(field_case, case, expected):
    runs, quarantine = fte.read_runs(field_case(case))
    assert quarantine.empty, quarantine.to_dict("records")
    (run,) = runs.to_dict("records")
    assert {name: run[name] for name in expected} == expected


OFFLINE = "run_folders/wandb_offline/offline-run-20260302_100000-elydvfhj/run-elydvfhj.wandb"


def test_a_run_that_wandb_kept_offline_is_read_from_its_own_file(run_folder):
    runs, quarantine = fte.read_runs(run_folder("wandb_offline"))
    assert quarantine.empty, quarantine.to_dict("records")
    (run,) = runs.to_dict("records")
    expected = {
        "run_id": "elydvfhj", "base_model": "meta-llama/Llama-3.2-1B", "active_s": 540.5,
        "tokens_padded": 5000, "steps": 50, "gpu_count": 2, "gpu_model": "NVIDIA A100-SXM4-40GB",
        "job_id": "4712", "sequence_length": 2048, "packing": True, "precision": "bf16",
        "started_at": pd.Timestamp("2026-03-02T10:00Z"),
        "ended_at": pd.Timestamp("2026-03-02T10:10Z"),
    }  # fmt: skip
    assert {name: run[name] for name in expected} == expected
    # 300 W and 200 W over 600 s.
    assert run["gpu_energy_kwh"] == pytest.approx(500 * 600 / 3.6e6)
    assert "someone" not in runs.to_csv()


def test_of_a_file_of_wandb_that_was_cut_off_all_whole_records_count(landed_file, read):
    whole = landed_file(OFFLINE)
    # The samples come last: the cut takes one of seven, and 100 s of 600.
    reading = read(OFFLINE, whole[:-20])
    assert reading.telemetry["energy_kwh"].sum() == pytest.approx(500 * 500 / 3.6e6)
    assert reading.runs["active_s"].tolist() == [540.5]
    assert read(OFFLINE, whole[:60]).quarantine["reason_code"].tolist() == ["wrong_shape"]


def test_the_runs_of_mlflows_database_are_those_that_were_not_deleted(run_folder):
    runs, quarantine = fte.read_runs(run_folder("mlflow_database"))
    assert quarantine.empty, quarantine.to_dict("records")
    killed, trained = runs.sort_values("run_id").to_dict("records")
    assert (killed["reserved_s"], killed["repairs"]) == (120, "ended_early")
    assert pd.isna(killed.get("gpu_energy_kwh"))
    assert (trained["base_model"], trained["active_s"]) == ("meta-llama/Llama-3.2-1B", 590.5)
    # 300 W and 150 W over 600 s.
    assert trained["gpu_energy_kwh"] == pytest.approx(450 * 600 / 3.6e6)
    assert "someone" not in runs.to_csv()


def test_a_database_of_another_tool_is_refused(refusal, tmp_path):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("CREATE TABLE studies (study_id INTEGER)")
    code, reason = refusal("mlflow.db", (tmp_path / "mlflow.db").read_bytes())
    assert code == "wrong_shape"
    assert "no tracking database of MLflow" in reason
    assert refusal("optuna.db", (tmp_path / "mlflow.db").read_bytes())[0] == "binary_file"


def test_a_secret_in_a_binary_file_of_a_tracker_is_dropped(run_folder, landed_file, tmp_path):
    secret = "sk-abcdefghijklmnop1234"
    named = b"meta-llama/Llama-3.2-1B"
    assert len(secret) == len(named)
    shutil.copytree(run_folder("mlflow_database"), tmp_path / "a")
    with closing(sqlite3.connect(tmp_path / "a/mlflow.db")) as database:
        database.execute("UPDATE params SET value = ? WHERE value = ?", (secret, named.decode()))
        database.execute("UPDATE runs SET start_time = ? WHERE status = 'KILLED'", (secret,))
        database.commit()
    (tmp_path / "run-elydvfhj.wandb").write_bytes(
        landed_file(OFFLINE).replace(named, secret.encode())
    )
    runs, quarantine = fte.read_runs(tmp_path)
    assert len(runs) == 2
    # The start that is no number.
    assert quarantine["reason_code"].tolist() == ["not_a_number"]
    assert secret not in runs.to_csv() + quarantine.to_csv()


@pytest.mark.parametrize(
    ("uri", "content"),
    [("wandb/debug.log",
      "2026-03-02 10:00:00,958 INFO    MainThread:24051 [wandb_init.py:init():838] epoch: 1\n"),
     ("bot_2026-03-02T100000Z_carbontracker_err.log",
      "2026-03-02 10:00:00,383 - MainThread - WARNING - carbon intensity: 445.00 gCO2eq/kWh.\n")],
)  # fmt: skip
def test_what_trackers_log_of_themselves_is_no_log_of_a_run(read, uri, content):
    assert read(uri, content).content == "other"
