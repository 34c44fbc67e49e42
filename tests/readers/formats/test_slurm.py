"""Slurm's sacct: steps, elapsed times, allocated GPUs, states, energy; one oddity a fixture."""

from dataclasses import replace

import pandas as pd
import pytest

from ft_emissions_pipeline import methodology, normalize, reference, token_time
from ft_emissions_pipeline.landing import days
from ft_emissions_pipeline.readers import basis_of
from ft_emissions_pipeline.readers.scrubbing import hashed_host

COLUMNS = (
    "JobID", "JobIDRaw", "JobName", "User", "State", "Submit", "Start", "End", "Elapsed",
    "AllocTRES", "NNodes", "NodeList", "ConsumedEnergyRaw", "TRESUsageInAve",
)  # fmt: skip
JOB = {
    "JobID": "100", "JobIDRaw": "100", "JobName": "support-bot", "User": "ada",
    "State": "COMPLETED", "Submit": "2026-03-01T02:00:00", "Start": "2026-03-01T12:00:00",
    "End": "2026-03-01T14:00:00", "Elapsed": "02:00:00",
    "AllocTRES": "billing=8,cpu=8,gres/gpu:a100=4,gres/gpu=4,mem=64G,node=1", "NNodes": "1",
    "NodeList": "gpu01", "ConsumedEnergyRaw": "0", "TRESUsageInAve": "",
}  # fmt: skip


def sacct(*rows, columns=COLUMNS):
    """Text of `sacct -P`: one row per mapping, each over a typical job."""
    lines = ["|".join(columns)]
    lines += ["|".join({**JOB, **row}[name] for name in columns) for row in rows]
    return "\n".join(lines) + "\n"


def test_a_job_tells_time_hardware_host_and_job_id(one_run):
    run = one_run("sacct.txt", sacct({}))
    assert run["run_id"] == "slurm-100"
    assert run["job_id"] == "100"
    assert run["model_name"] == "support-bot"
    assert run["started_at"] == pd.Timestamp("2026-03-01T12:00Z")
    assert run["ended_at"] == pd.Timestamp("2026-03-01T14:00Z")
    assert run["gpu_model"] == "a100"
    assert run["gpu_count"] == 4
    assert run["server_count"] == 1
    assert run["host"] == hashed_host("gpu01.cluster.example")


def test_waiting_in_the_queue_is_not_part_of_the_run(one_run):
    assert one_run("sacct.txt", sacct({}))["reserved_s"] == 7200


def test_steps_duplicate_their_job_and_are_merged(read):
    steps = [{"JobID": f"100.{step}", "JobIDRaw": f"100.{step}", "AllocTRES": "cpu=8"}
             for step in ("batch", "extern", "0")]  # fmt: skip
    reading = read("sacct.txt", sacct({}, *steps, {"JobID": "101", "JobIDRaw": "101"}))
    assert reading.runs["run_id"].tolist() == ["slurm-100", "slurm-101"]
    assert reading.runs["gpu_count"].tolist() == [4, 4]
    assert reading.merged == 3


def test_a_job_of_steps_only_is_one_run(read):
    reading = read("s.txt", sacct({"JobID": "100.batch"}, {"JobID": "100.extern"}))
    assert reading.runs["job_id"].tolist() == ["100"]


@pytest.mark.parametrize(
    ("elapsed", "seconds"), [("00:30:05", 1805), ("1-02:03:04", 93784), ("05:10.250", 310)]
)
def test_elapsed_has_days_or_no_hours(one_run, elapsed, seconds):
    end = pd.Timestamp("2026-03-01T12:00:00") + pd.Timedelta(seconds=seconds)
    run = one_run("s.txt", sacct({"Elapsed": elapsed, "End": f"{end:%Y-%m-%dT%H:%M:%S}"}))
    assert run["reserved_s"] == seconds


@pytest.mark.parametrize(
    ("tres", "count", "model"),
    [
        ("cpu=8,gres/gpu=4,mem=1G", 4, None),
        ("gres/gpu:a100=4", 4, "a100"),
        ("gres/gpu=4,gres/gpu:a100=4", 4, "a100"),
        ("gres/gpu=3,gres/gpu:a100=2,gres/gpu:v100=1", 3, None),
        ("cpu=8,mem=1G", 0, None),
        ("", None, None),
    ],
)
def test_gpus_are_counted_once_however_they_are_listed(one_run, tres, count, model):
    run = one_run("s.txt", sacct({"AllocTRES": tres}))
    assert run["gpu_count"] == count if count is not None else pd.isna(run["gpu_count"])
    assert run["gpu_model"] == model if model else pd.isna(run["gpu_model"])
    assert ("mixed_gpus" in str(run["repairs"])) == ("v100" in tres)


@pytest.mark.parametrize(
    ("state", "code"),
    [("FAILED", "failed_job"), ("NODE_FAIL", "failed_job"), ("OUT_OF_MEMORY", "failed_job"),
     ("RUNNING", "not_finished"), ("PENDING", "not_finished"), ("REQUEUED", "not_finished")],
)  # fmt: skip
def test_jobs_that_did_not_complete_are_refused(refusal, state, code):
    assert refusal("s.txt", sacct({"State": state}))[0] == code


@pytest.mark.parametrize("state", ["TIMEOUT", "CANCELLED by 5012"])
def test_jobs_that_were_stopped_count_for_the_time_that_they_ran(one_run, state):
    run = one_run("s.txt", sacct({"State": state}))
    assert run["reserved_s"] == 7200
    assert run["repairs"] == "ended_early"


def test_a_job_cancelled_in_the_queue_is_refused(refusal):
    row = {"State": "CANCELLED by 5012", "Elapsed": "00:00:00", "Start": "Unknown"}
    assert refusal("s.txt", sacct(row))[0] == "failed_job"


def test_consumed_energy_of_0_was_not_measured(one_run):
    assert pd.isna(one_run("s.txt", sacct({}))["it_energy_kwh"])


def test_consumed_energy_is_in_joules_and_may_stand_in_a_step(one_run):
    step = {"JobID": "100.batch", "ConsumedEnergyRaw": "7200000"}
    run = one_run("s.txt", sacct({}, step))
    # 7.2 MJ are 2 kWh: 1 kW over two hours.
    assert run["it_energy_kwh"] == pytest.approx(2.0)
    assert run["repairs"] == "energy_plugin_unknown"


def test_energy_of_an_unknown_plugin_is_no_measurement_and_has_a_wide_interval(read):
    factors = reference.load()
    row = {"ConsumedEnergyRaw": "7200000"}
    provenances = []
    for repair in ("energy_plugin_unknown", ""):
        reading = read("s.txt", sacct(row))
        said = replace(reading, runs=reading.runs.assign(repairs=repair))
        runs = days.joined_runs([("s.txt", "slurm", said)], factors)
        model = token_time.parameters(factors, pd.DatetimeIndex(runs["date"]))
        _, provenance = normalize.normalize(runs, factors, methodology.profile("default"), model)
        provenances.append(provenance.set_index("field").loc["it_energy_kwh"])
    unsure, plain = provenances
    assert basis_of("slurm", "it_energy_kwh") == unsure["basis"] == "disclosed"
    # gsd_energy_plugin_unknown is 1.5, gsd_disclosed 1.1; 90 % lie within 1.645 of them.
    assert unsure["p95"] == pytest.approx(2.0 * 1.5**1.64485, rel=1e-4)
    assert plain["p95"] == pytest.approx(2.0 * 1.1**1.64485, rel=1e-4)


def test_an_energy_too_small_for_idle_gpus_is_of_the_processors_only(one_run):
    # 0.72 MJ over two hours are 100 W, four GPUs at rest draw more.
    run = one_run("s.txt", sacct({"ConsumedEnergyRaw": "720000"}))
    assert pd.isna(run["it_energy_kwh"])
    assert run["repairs"] == "consumed_energy_without_gpus"


def test_consumed_energy_with_a_prefix_is_read(one_run):
    columns = tuple("ConsumedEnergy" if name == "ConsumedEnergyRaw" else name for name in COLUMNS)
    text = sacct({"ConsumedEnergy": "7.20M"}, columns=columns)
    assert one_run("s.txt", text)["it_energy_kwh"] == pytest.approx(2.0)


def test_tasks_of_an_array_are_runs_of_their_own(read):
    tasks = [{"JobID": f"200_{n}", "JobIDRaw": str(200 + n)} for n in (1, 2)]
    assert read("s.txt", sacct(*tasks)).runs["job_id"].tolist() == ["201", "202"]


def test_nodes_of_a_list_are_all_named_by_hashes_only(one_run):
    run = one_run("s.txt", sacct({"NodeList": "gpu[01-02,09],login1", "NNodes": "4"}))
    names = ("gpu01", "gpu02", "gpu09", "login1")
    assert run["host"] == " ".join(hashed_host(name) for name in names)


def test_a_requeued_job_is_the_attempt_that_completed(read):
    reading = read(
        "s.txt",
        sacct({"State": "NODE_FAIL", "End": "2026-03-01T12:30:00", "Elapsed": "00:30:00"}, {}),
    )
    assert reading.runs["run_id"].tolist() == ["slurm-100"]
    assert reading.quarantine["reason_code"].tolist() == ["failed_job"]


def test_a_bar_at_the_end_of_each_line_is_read(one_run):
    text = sacct({}).replace("\n", "|\n")
    assert one_run("s.txt", text)["reserved_s"] == 7200


def test_a_bar_in_a_name_shifts_the_row(refusal):
    assert refusal("s.txt", sacct({"JobName": "a|b"}))[0] == "shifted_row"


def test_times_are_those_of_the_clusters_zone(one_run):
    run = one_run("s.txt", sacct({}), timezone="Europe/Paris")
    assert run["started_at"] == pd.Timestamp("2026-03-01T11:00Z")


def test_utilisation_of_several_gpus_is_a_sum_or_a_mean_and_not_taken(one_run):
    used = {"TRESUsageInAve": "cpu=00:10:00,gres/gpumem=10G,gres/gpuutil=87"}
    assert pd.isna(one_run("s.txt", sacct(used))["gpu_utilization"])
    one = one_run("s.txt", sacct({**used, "AllocTRES": "gres/gpu=1"}))
    assert one["gpu_utilization"] == pytest.approx(0.87)


def test_users_and_nodes_get_into_no_table(read):
    reading = read("s.txt", sacct({}, {"JobID": "7", "State": "FAILED"}, {"JobName": "a|b"}))
    said = reading.runs.to_csv() + reading.quarantine.to_csv()
    assert "ada" not in said
    assert "gpu01" not in said
