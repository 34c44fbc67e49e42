"""Trackers beside CodeCarbon, Slurm beside `sacct -P`, cards, services: values by hand."""

import json

import pandas as pd
import pytest

import ft_emissions_pipeline as fte


@pytest.fixture
def tracked(read, landed_file):
    """Read a file of tests/data/trackers or slurm as if it had landed."""
    return lambda uri: read(
        uri.rpartition("/")[2] if uri.startswith("slurm/") else uri, landed_file(uri)
    )


def test_carbontracker_takes_its_prediction_where_it_saw_fewer_epochs_than_planned(tracked):
    (run,) = tracked("trackers/two_gpus_carbontracker_output.log").runs.to_dict("records")
    assert (run["run_id"], run["active_s"], run["epochs"]) == ("trackers/two_gpus", 1800, 3)
    assert run["it_energy_kwh"] == pytest.approx(0.5247)
    assert run["disclosed_kgco2e"] == pytest.approx(0.03)
    assert run["repairs"] == "pue_may_be_included prediction_of_tracker"


def test_carbontrackers_log_beside_its_output_names_devices_and_power_without_a_pue(tracked):
    found, measured = tracked("trackers/two_gpus_carbontracker.log").runs.to_dict("records")
    assert found["run_id"] == measured["run_id"] == "trackers/two_gpus"
    assert (found["gpu_model"], found["gpu_count"]) == ("NVIDIA A100-SXM4-40GB", 2)
    # 540 W of GPUs and 120 W of CPUs over 600 s.
    assert measured["gpu_energy_kwh"] == pytest.approx(0.09)
    assert measured["cpu_energy_kwh"] == pytest.approx(0.02)


def test_what_carbontracker_measured_of_one_epoch_is_no_part_of_what_it_tells_of_three(
    landed_file, tmp_path
):
    for name in ("two_gpus_carbontracker.log", "two_gpus_carbontracker_output.log"):
        (tmp_path / name).write_bytes(landed_file(f"trackers/{name}"))
    (run,) = fte.read_runs(tmp_path)[0].to_dict("records")
    assert (run["active_s"], run["epochs"], run["gpu_count"]) == (1800, 3, 2)
    assert run["it_energy_kwh"] == pytest.approx(0.5247)
    assert pd.isna(run.get("gpu_energy_kwh"))
    assert "conflict" not in run["repairs"]


def test_inner_windows_of_zeus_repeat_their_outer_ones(tracked):
    reading = tracked("trackers/windows_within_windows.csv")
    (run,) = reading.runs.to_dict("records")
    # 540,000 J in 900 s.
    assert (run["active_s"], run["gpu_count"], run["repairs"]) == (900, 2, "windows_summed")
    assert run["gpu_energy_kwh"] == pytest.approx(0.15)
    assert (reading.records, reading.merged) == (3, 2)


def test_a_window_of_zeus_that_is_no_number_is_refused_alone(read):
    reading = read(
        "z.csv",
        "start_time,window_name,elapsed_time,gpu0_energy\n1772445600,a,60,x\n"
        "1772445700,b,60,3600\n",
    )
    assert reading.quarantine["reason_code"].tolist() == ["not_a_number"]
    assert reading.runs["gpu_energy_kwh"].tolist() == [pytest.approx(0.001)]


def test_impact_trackers_samples_are_integrated(tracked):
    (run,) = tracked("trackers/impacttracker/data.json").runs.to_dict("records")
    assert (run["run_id"], run["active_s"]) == ("trackers/impacttracker", 600)
    assert (run["gpu_energy_kwh"], run["cpu_energy_kwh"], run["gpu_utilization"]) == pytest.approx(
        (0.05, 0.01, 0.8)
    )


def test_keplers_idle_and_dynamic_joules_of_a_node_add_up_and_its_containers_are_in_them(tracked):
    telemetry = tracked("trackers/kepler_idle_and_dynamic.json").telemetry
    # 150 kJ and 30 kJ.
    assert telemetry["energy_kwh"].tolist() == [pytest.approx(0.05)]


def test_of_zeus_windows_at_prometheus_that_of_most_energy_counts(tracked):
    assert tracked("trackers/zeus_counter.prom").telemetry["energy_kwh"].tolist() == [
        pytest.approx(0.05)
    ]


def test_keplers_sums_without_their_name_are_refused_with_what_to_keep(read):
    series = {"metric": {"gpu": "0"}, "values": [[1772445600, "1"]]}
    other = {
        "metric": {"__name__": "kepler_node_gpu_joules_total"},
        "values": [[1772445600, "1"], [1772445660, "7200"]],
    }
    reading = read(
        "k.json", {"status": "success", "data": {"resultType": "matrix", "result": [series, other]}}
    )
    assert "keep __name__ in the query" in reading.quarantine["reason"].iloc[0]


def test_a_fine_tune_of_openais_first_api_began_and_ended_with_its_events(tracked):
    (run,) = tracked("trackers/openai_fine_tune_of_the_first_api.json").runs.to_dict("records")
    assert (run["base_model"], run["epochs"], run["reserved_s"]) == ("curie", 4, 508)
    assert pd.isna(run["repairs"])


def test_a_fine_tune_without_events_is_bounded_by_its_creation_and_last_update(read, landed_file):
    job = json.loads(landed_file("trackers/openai_fine_tune_of_the_first_api.json"))
    (run,) = read("f.json", {**job, "events": []}).runs.to_dict("records")
    assert (run["reserved_s"], run["repairs"]) == (513, "queueing_included end_from_last_update")
    assert read("g.json", {**job, "status": "failed"}).quarantine["reason_code"].tolist() == [
        "failed_job"
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "sacct.json",
            {
                "reserved_s": 3600,
                "gpu_count": 4,
                "gpu_model": "a100",
                "it_energy_kwh": 2.0,
                "server_count": 1,
            },
        ),
        (
            "scontrol_show_job.txt",
            {"reserved_s": 3600, "gpu_count": 8, "gpu_model": "a100", "server_count": 2},
        ),
        # A day, 20 hours, 38 minutes and 37 seconds.
        ("seff.txt", {"reserved_s": 160717, "server_count": 1}),
    ],
)
def test_slurms_other_outputs_tell_the_same_job(tracked, name, expected):
    reading = tracked(f"slurm/{name}")
    assert reading.quarantine.empty, reading.quarantine.to_dict("records")
    (run,) = reading.runs.to_dict("records")
    assert {field: run[field] for field in expected} == expected
    assert run["job_id"] == "38113"
    assert "someone" not in reading.runs.to_csv()


@pytest.mark.parametrize("gres", ["gpu:a100:2(S:0-1)", "gpu:a100:2", "lustre:1,gpu:a100:2"])
def test_the_older_name_of_allocated_gpus(one_run, gres):
    text = (
        "JobID|State|Start|End|Elapsed|AllocGRES\n"
        f"7|COMPLETED|2026-03-02T10:00:00|2026-03-02T11:00:00|01:00:00|{gres}\n"
    )
    run = one_run("sacct.txt", text)
    assert (run["gpu_count"], run["gpu_model"]) == (2, "a100")


@pytest.mark.parametrize(
    ("mark", "resources", "nodes"),
    [(",", "billing=8,cpu=32,gres/gpu=4,gres/gpu:a100=4", "n[1,3-4]"),
     (",", '"billing=8,cpu=32,gres/gpu:a100=4"', "n1"),
     ("\t", "billing=8,gres/gpu:a100=4", "n1"), (";", "gres/gpu:a100=4", "n1")],
)  # fmt: skip
def test_other_delimiters_of_sacct(one_run, mark, resources, nodes):
    header = ("JobID", "State", "Start", "End", "Elapsed", "AllocTRES", "NodeList")
    cells = ("7", "COMPLETED", "2026-03-02T10:00:00", "2026-03-02T11:00:00", "01:00:00",
             resources, nodes)  # fmt: skip
    run = one_run("sacct.csv", f"{mark.join(header)}\n{mark.join(cells)}\n")
    assert (run["gpu_count"], run["gpu_model"], run["reserved_s"]) == (4, "a100", 3600)
    assert len(run["host"].split()) == (3 if "," in nodes else 1)


def test_a_file_of_sacct_without_header_says_how_to_write_it(refusal):
    line = "7|ft|COMPLETED|2026-03-02T10:00:00|2026-03-02T11:00:00|01:00:00|gres/gpu=4\n"
    code, reason = refusal("sacct.txt", line)
    assert code == "missing_columns"
    assert "--noheader" in reason


def test_times_of_slurm_in_unix_seconds(one_run):
    text = "JobID|State|Start|End|Elapsed\n7|COMPLETED|1772445600|1772449200|01:00:00\n"
    assert one_run("sacct.txt", text)["started_at"] == pd.Timestamp("2026-03-02T10:00Z")


@pytest.mark.parametrize(
    ("line", "seconds"),
    [("**Hours used:** 12", 43200), ("Training time: 90 minutes", 5400),
     ("- Duration: ~2.5 hours", 9000), ("- **GPU hours:** 24", 43200)],
)  # fmt: skip
def test_a_list_of_a_card_tells_the_time_in_its_unit(one_run, line, seconds):
    run = one_run(
        "a/README.md", f"# m\n\n## Environmental Impact\n\n- **Hardware Type:** 2 x A100\n{line}\n"
    )
    assert run["active_s"] == seconds


def test_gpu_hours_of_a_card_without_a_number_of_gpus_take_the_fewest(one_run):
    text = "# m\n\n## Environmental Impact\n\n- **Hardware Type:** A100\n- **GPU hours:** 1,440\n"
    run = one_run("a/README.md", text)
    assert (run["gpu_count"], run["active_s"]) == (2, 720 * 3600)
    assert run["repairs"] == "gpu_count_by_hours"


@pytest.mark.parametrize(
    ("words", "kilograms"),
    [("1.8 kg", 1.8), ("0.5 kgCO2eq", 0.5), ("1,800 g CO2", 1.8), ("2 tons", 2000), ("1.8", None),
     ("[More Information Needed]", None)],
)  # fmt: skip
def test_a_list_of_a_card_tells_carbon_where_its_unit_stands(one_run, words, kilograms):
    run = one_run(
        "a/README.md",
        f"# m\n\n- **Hardware Type:** A100\n- **Hours used:** 1\n- **Carbon Emitted:** {words}\n",
    )
    found = run.get("disclosed_kgco2e")
    assert found == kilograms or (kilograms is None and pd.isna(found))


def test_the_empty_template_of_the_hub_is_no_run(read):
    card = (
        "---\nbase_model: a/b\n---\n# m\n\n## Environmental Impact\n\n"
        "- **Hardware Type:** [More Information Needed]\n"
        "- **Hours used:** [More Information Needed]\n"
    )
    assert read("a/README.md", card).content == "configuration"


CASES = {
    "cc_json": {"it_energy_kwh": 0.37, "gpu_energy_kwh": 0.3},
    "slurm_comma": {"reserved_s": 3600, "it_energy_kwh": 2.0},
    "slurm_fmt": {"reserved_s": 3600, "gpu_count": 4, "it_energy_kwh": 2.0},
    "slurm_gres": {"gpu_count": 4},
    "card_hf_table": {
        "gpu_model": "A100-SXM4-80GB", "active_s": 43200, "cloud_provider": "aws",
        "cloud_region": "us-east-1", "disclosed_kgco2e": 1.8,
    },
    "card_body": {"disclosed_kgco2e": 1.71, "it_energy_kwh": 3.51, "gpu_count": 1},
    "carbontracker": {"active_s": 28833, "it_energy_kwh": 2.80001},
    "zeus": {"active_s": 600, "gpu_energy_kwh": 0.05},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_field_case_of_a_tracker_card_or_scheduler(field_case, case):
    runs, quarantine = fte.read_runs(field_case(case))
    assert quarantine.empty, quarantine.to_dict("records")
    (run,) = runs.to_dict("records")
    assert {name: run[name] for name in CASES[case]} == CASES[case]


def test_field_case_slurm_aligned(field_case):
    runs, quarantine = fte.read_runs(field_case("slurm_aligned"))
    assert runs.empty
    assert "sacct -P" in quarantine["reason"].iloc[0]


def test_a_run_of_which_the_energy_alone_is_known_has_a_footprint(field_case):
    result = fte.estimate(fte.read_runs(field_case("card_body"))[0])
    (run,) = result.normalized.to_dict("records")
    assert run["it_energy_kwh"] == 3.51
    told = result.provenance.set_index("field")["rule"]
    assert told["reserved_s"] == "time_from_energy"
    # An A100 SXM of 40 GB is rated at 400 W; a typical utilisation is 60 %.
    assert run["reserved_s"] == pytest.approx(3.51 / (0.4 * 0.6) * 3600)
