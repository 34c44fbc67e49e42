"""Which telemetry belongs to which run, and how much energy falls into its time."""

import itertools
import json

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.cli import app
from ft_emissions_pipeline.landing import days, telemetry
from ft_emissions_pipeline.landing import index as landing
from ft_emissions_pipeline.normalize import meters
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.readers.scrubbing import hashed_host
from ft_emissions_pipeline.reference import load
from ft_emissions_pipeline.tables import LANDING_INDEX, RUNS, TELEMETRY, conform, empty

NOON = pd.Timestamp("2026-03-01T12:00Z")
SETTINGS = Settings(now=pd.Timestamp("2026-06-01", tz="UTC"))


def hours(number):
    return NOON + pd.Timedelta(hours=number)


def runs(*rows):
    """Runs of an hour from noon on host `h1`, unless a row says otherwise."""
    typical = {
        "run_id": "r", "host": "h1", "started_at": NOON, "ended_at": hours(1), "reserved_s": 3600.0,
        "date": pd.Timestamp("2026-03-01"), "date_rule": "ended_at", "source_format": "slurm",
        "source_uri": "s.txt",
        "source_record": "2",
    }  # fmt: skip
    return conform(pd.DataFrame([{**typical, **row} for row in rows]), RUNS)


def drawn(*rows):
    """Return hours from noon with 1 kWh of GPU 0 on host `h1`, unless a row says otherwise."""
    typical = {
        "kind": "gpu", "host": "h1", "device": "0", "started_at": NOON, "ended_at": hours(1),
        "energy_kwh": 1.0, "source_format": "nvidia_smi", "source_uri": "g.csv",
        "source_record": "2", "date": pd.Timestamp("2026-03-01"),
    }  # fmt: skip
    return conform(pd.DataFrame([{**typical, **row} for row in rows]), TELEMETRY)


def one(run_rows, rows):
    """Return the first run after telemetry was applied, and the report."""
    found, report = telemetry.measured(runs(*run_rows), drawn(*rows))
    return found.iloc[0], report


def test_the_energy_of_a_host_goes_to_the_only_run_on_it():
    rows = [{"device": "0", "utilization": 0.5},
            {"device": "1", "energy_kwh": 2.0, "utilization": 1.0}]  # fmt: skip
    run, report = one([{"gpu_count": 2}], rows)
    assert run["gpu_energy_kwh"] == pytest.approx(3.0)
    assert run["gpu_utilization"] == pytest.approx(0.75)
    assert json.loads(run["origins"])["gpu_energy_kwh"] == ["measured", "g.csv"]
    assert json.loads(run["origins"])["reserved_s"] == ["measured", "s.txt#2"]
    assert report[["run_id", "outcome"]].to_numpy().tolist() == [["r", "used"]]


def test_at_the_edges_an_interval_counts_by_its_share():
    run, _ = one([{}], [
        {"started_at": hours(-1), "ended_at": hours(0.5), "energy_kwh": 3.0},
        {"started_at": hours(0.5), "ended_at": hours(4.5), "energy_kwh": 4.0},
    ])  # fmt: skip
    # A third of 3 kWh and an eighth of 4 kWh.
    assert run["gpu_energy_kwh"] == pytest.approx(1.5)


def test_two_runs_on_a_host_at_one_time_get_nothing_and_say_so():
    rows = [{}, {"run_id": "other", "started_at": hours(0.5), "ended_at": hours(2)}]
    run, report = one(rows, [{}, {"started_at": hours(1), "ended_at": hours(2)}])
    assert pd.isna(run["gpu_energy_kwh"])
    assert run["repairs"] == "telemetry_ambiguous"
    assert report.set_index("run_id").loc["r", ["outcome", "candidates"]].tolist() == [
        "ambiguous",
        "other",
    ]


def test_a_run_of_another_day_on_the_host_makes_it_ambiguous_too():
    windows = pd.DataFrame(
        {"run_id": ["late"], "host": ["h1"], "started_at": [hours(0.5)], "ended_at": [hours(20)]}
    )
    found, _ = telemetry.measured(runs({}), drawn({}), windows)
    assert found["repairs"].tolist() == ["telemetry_ambiguous"]


def test_runs_one_after_the_other_on_a_host_each_get_theirs():
    later = {"run_id": "s", "started_at": hours(1), "ended_at": hours(2)}
    found, _ = telemetry.measured(runs({}, later), drawn({"ended_at": hours(2), "energy_kwh": 3.0}))
    assert found["gpu_energy_kwh"].tolist() == [pytest.approx(1.5)] * 2


def test_a_file_that_names_its_run_needs_no_host():
    run, _ = one([{"host": None}], [{"host": None, "run_id": "r"}])
    assert run["gpu_energy_kwh"] == pytest.approx(1.0)


def test_telemetry_without_run_and_host_in_a_folder_of_its_own_is_reported():
    run, report = one([{"source_uri": "a/s.txt"}], [{"host": None, "source_uri": "b/g.csv"}])
    assert pd.isna(run["gpu_energy_kwh"])
    assert report[["source_uri", "outcome"]].to_numpy().tolist() == [["b/g.csv", "of_no_run"]]
    assert list(telemetry.told(report)) == ["telemetry not used: b/g.csv: gpu of no run"]


@pytest.mark.parametrize("host", ["h1", None])
@pytest.mark.parametrize("place", ["a/g.csv", "a/samples/g.csv", "g.csv"])
def test_samples_that_name_no_machine_are_of_the_run_in_their_folder(host, place):
    """Beside its log, in a folder within, or in the one above; another run ended before."""
    earlier = {"run_id": "earlier", "host": None, "source_uri": "b/s.txt",
               "started_at": hours(-2), "ended_at": NOON}  # fmt: skip
    run, report = one(
        [{"host": host, "source_uri": "a/s.txt"}, earlier], [{"host": None, "source_uri": place}]
    )
    assert run["gpu_energy_kwh"] == pytest.approx(1.0)
    assert run["repairs"] == "telemetry_by_folder"
    assert list(telemetry.told(report)) == [
        f"telemetry of run r: {place} names no machine; it lies with the run's logs, and no other "
        "run was there at the time"
    ]


def test_samples_tell_the_hardware_of_a_run_whose_logs_do_not():
    rows = [{"device": device, "gpu_model": "NVIDIA A100-SXM4-80GB"} for device in "01"]
    run, _ = one([{}], rows)
    assert (run["gpu_count"], run["gpu_model"]) == (2, "NVIDIA A100-SXM4-80GB")
    assert json.loads(run["origins"])["gpu_model"] == ["measured", "g.csv"]
    run, _ = one([{"gpu_count": 4, "gpu_model": "H100"}], rows)
    assert (run["gpu_count"], run["gpu_model"]) == (4, "H100")
    run, _ = one([{"host": "h1 h2"}], rows)
    assert pd.isna(run["gpu_count"])  # of the other machine there are none


def test_a_run_beside_samples_that_tells_no_time_is_named():
    timeless = {"host": None, "started_at": None, "ended_at": None, "reserved_s": None}
    run, report = one([timeless], [{"host": None}])
    assert pd.isna(run["gpu_energy_kwh"])
    assert list(telemetry.told(report)) == [
        "telemetry not used: g.csv: gpu of no run: r beside it tells neither start nor end; state "
        "started_at and ended_at in runs.yaml"
    ]


def test_of_two_runs_in_a_folder_at_one_time_neither_has_samples_that_name_no_machine():
    rows = [{"host": None, "source_uri": "a/s.txt"},
            {"host": None, "source_uri": "b/s.txt", "run_id": "other"}]  # fmt: skip
    run, report = one(rows, [{"host": None, "source_uri": "g.csv"}])
    assert pd.isna(run["gpu_energy_kwh"])
    assert run["repairs"] == "telemetry_ambiguous"
    assert set(report["outcome"]) == {"ambiguous"}


def test_more_gpus_than_the_run_used_cannot_be_shared_out():
    run, _ = one([{"gpu_count": 1}], [{"device": "0"}, {"device": "1"}])
    assert pd.isna(run["gpu_energy_kwh"])
    assert run["repairs"] == "telemetry_ambiguous"


def test_fewer_gpus_than_the_run_used_are_not_its_energy():
    run, _ = one([{"gpu_count": 2}], [{"device": "0"}])
    assert pd.isna(run["gpu_energy_kwh"])
    assert run["repairs"] == "telemetry_incomplete"


def test_a_gap_of_a_run_is_filled_at_the_same_power_and_said():
    run, report = one([{}], [{"ended_at": hours(0.75), "energy_kwh": 0.75}])
    assert run["gpu_energy_kwh"] == pytest.approx(1.0)
    assert run["repairs"] == "telemetry_covers:75%"
    assert json.loads(run["origins"])["gpu_energy_kwh"][0] == "predicted"
    assert report["share_covered"].tolist() == [pytest.approx(0.75)]


@pytest.mark.parametrize(
    ("gap_h", "flag", "energy", "word"),
    [
        (0.25, "gap_before", 1.0, "gap_bridged:900s telemetry_covers:75%"),
        (0.02, "gap_before", 0.98, "gap_left_out:72s"),
        (0.01, "gap_before", 0.99, None),
        (0.25, "gap_bridged_by_counter", 1.0, "gap_bridged_by_counter:900s"),
    ],
)
def test_a_gap_between_samples_is_told_and_whether_it_was_bridged(gap_h, flag, energy, word):
    """1 kW but for the gap: over 2 % of the hour it is filled at that power, below it is left."""
    pause = {"started_at": hours(0.5), "ended_at": hours(0.5 + gap_h), "energy_kwh": gap_h}
    rows = [{"ended_at": hours(0.5), "energy_kwh": 0.5},
            {"started_at": hours(0.5 + gap_h), "energy_kwh": 0.5 - gap_h}]  # fmt: skip
    if flag == "gap_before":
        rows[1]["repairs"] = flag
    else:
        rows.append({**pause, "repairs": flag})
    run, report = one([{"gpu_count": 1}], rows)
    assert run["gpu_energy_kwh"] == pytest.approx(energy)
    assert (run["repairs"] == word) if word else pd.isna(run["repairs"])
    told = [line for line in telemetry.told(report) if "has no sample for up to" in line]
    assert len(told) == (word is not None)


def test_telemetry_of_less_than_half_a_run_is_not_used():
    run, _ = one([{}], [{"ended_at": hours(0.25), "energy_kwh": 0.25}])
    assert pd.isna(run["gpu_energy_kwh"])
    assert run["repairs"] == "telemetry_covers:25%_unused"


def test_two_tools_on_one_host_do_not_add_up():
    run, _ = one([{}], [{}, {"source_format": "dcgm", "source_uri": "d.prom", "energy_kwh": 1.1}])
    assert run["gpu_energy_kwh"] == pytest.approx(1.1)


def test_a_copy_of_a_file_does_not_add_up_but_its_next_day_does():
    rows = [{"ended_at": hours(0.5)}, {"ended_at": hours(0.5), "source_uri": "copy.csv"},
            {"started_at": hours(0.5), "source_uri": "next.csv"}]  # fmt: skip
    assert one([{}], rows)[0]["gpu_energy_kwh"] == pytest.approx(2.0)


def test_what_a_log_measured_stays_and_what_it_predicted_gives_way():
    logged = {"gpu_energy_kwh": 5.0, "gpu_count": 1, "source_format": "codecarbon"}
    measured, _ = one([logged], [{}])
    assert measured["gpu_energy_kwh"] == 5.0
    assert pd.isna(measured["origins"])
    stated, _ = one([{"gpu_energy_kwh": 5.0, "source_format": "disclosure"}], [{}])
    assert stated["gpu_energy_kwh"] == pytest.approx(1.0)


def test_a_meter_per_host_of_the_run_is_needed():
    rows = [{"kind": "meter", "device": "meter", "source_format": "meter"}]
    run, _ = one([{"host": "h1 h2"}], rows)
    assert run["repairs"] == "telemetry_incomplete"
    run, _ = one([{"host": "h1 h2"}], [*rows, {**rows[0], "host": "h2", "energy_kwh": 2.0}])
    assert run["meter_energy_kwh"] == pytest.approx(3.0)


@settings(max_examples=50, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 599), unique=True, max_size=6).map(sorted),
    powers=st.lists(st.floats(0, 10), min_size=20, max_size=20),
)
def test_runs_that_share_a_host_without_a_gap_share_all_its_energy(cuts, powers):
    """Invariant: nothing is lost or counted twice, wherever the runs begin and end."""
    edges = [0, *cuts, 600]
    rows = [
        {"run_id": f"r{n}", "started_at": NOON + pd.Timedelta(minutes=low),
         "ended_at": NOON + pd.Timedelta(minutes=high)}
        for n, (low, high) in enumerate(itertools.pairwise(edges))
    ]  # fmt: skip
    intervals = [
        {"started_at": NOON + pd.Timedelta(minutes=30 * n),
         "ended_at": NOON + pd.Timedelta(minutes=30 * n + 30), "energy_kwh": power}
        for n, power in enumerate(powers)
    ]  # fmt: skip
    found, _ = telemetry.measured(runs(*rows), drawn(*intervals))
    assert found["gpu_energy_kwh"].sum() == pytest.approx(sum(powers), abs=1e-9)


# From files


SACCT = (
    "JobID|JobName|State|Start|End|Elapsed|AllocTRES|NodeList\n"
    "7|bot|COMPLETED|2026-03-01T23:00:00|2026-03-02T01:00:00|02:00:00|gres/gpu:a100=1|node1\n"
)
SMI = "timestamp, index, power.draw [W]\n" + "".join(
    f"{at:%Y/%m/%d %H:%M:%S}.000, 0, 300.00 W\n"
    for at in pd.date_range("2026-03-01T22:30", "2026-03-02T01:30", freq="30s")
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sacct.txt").write_text(SACCT)
    (tmp_path / "host=node1").mkdir()
    (tmp_path / "host=node1" / "smi.csv").write_text(SMI)
    return tmp_path


def test_files_of_a_scheduler_and_of_its_host_meet(folder):
    found, quarantine = fte.read_runs(folder)
    assert quarantine.empty
    assert found["run_id"].tolist() == ["slurm-7"]
    assert found["gpu_energy_kwh"].tolist() == [pytest.approx(0.6)]


def test_power_sampled_now_and_then_is_less_certain_than_a_counter(folder):
    """GSD 1.1 and 1.05, of `gsd_polled_power` and `gsd_measured`; the energy is the same."""
    polled, _ = fte.read_runs(folder)
    assert "power_polled" in polled["repairs"].item()
    counted = polled.assign(repairs=polled["repairs"].str.replace("power_polled", ""))
    widths = []
    for runs_ in (polled, counted):
        row = fte.estimate(runs_).provenance.set_index("field").loc["gpu_energy_kwh"]
        widths.append(np.log(row["p95"] / row["p05"]) / (2 * 1.6448536))
    assert widths == [pytest.approx(np.log(1.1)), pytest.approx(np.log(1.05))]


@pytest.mark.parametrize(("told", "word"), [("power", "power_polled"), ("counter", None)])
def test_what_the_energy_was_told_from_is_kept(told, word):
    run, _ = one([{"gpu_count": 1}], [{"energy_from": told}])
    assert (run["repairs"] == word) if word else pd.isna(run["repairs"])


def test_a_device_that_tells_no_energy_all_through_a_run_was_not_read():
    run, report = one([{"gpu_count": 1}], [{"energy_kwh": 0.0}])
    assert pd.isna(run["gpu_energy_kwh"])
    assert run["repairs"] == "gpu_energy_unread"
    assert report["outcome"].tolist() == ["no_energy"]


def test_a_run_over_midnight_has_the_telemetry_of_both_days(folder):
    index = landing.scan(folder, load(), SETTINGS, empty(LANDING_INDEX))
    first, last = pd.Timestamp("2026-03-01"), pd.Timestamp("2026-03-02")
    both = [days.telemetry_of(folder, index, day, day, SETTINGS) for day in (first, last)]
    assert [set(day["date"]) for day in both] == [{first}, {last}]
    assert sum(day["energy_kwh"].sum() for day in both) == pytest.approx(0.9)
    made = days.runs_of(folder, index, last, last, load(), SETTINGS)
    found, _ = telemetry.measured(made, pd.concat(both), days.windows(index))
    assert found["gpu_energy_kwh"].tolist() == [pytest.approx(0.6)]


def test_telemetry_that_lands_late_touches_the_run_that_it_belongs_to(folder):
    late = folder / "host=node1" / "smi.csv"
    content = late.read_text()
    late.unlink()
    before = landing.scan(folder, load(), SETTINGS, empty(LANDING_INDEX))
    late.write_text("".join(content.splitlines(keepends=True)[:100]))
    after = landing.scan(folder, load(), SETTINGS, before)
    days = landing.touched_days(before, after)
    assert [f"{day:%m-%d}" for day in days] == ["03-01", "03-02"]


def test_runs_yaml_gives_a_file_of_samples_to_its_run(folder):
    (folder / "host=node1" / "smi.csv").rename(folder / "smi.csv")
    (folder / "runs.yaml").write_text("runs:\n  slurm-7:\n    logs: [smi.csv]\n")
    assert fte.read_runs(folder)[0]["gpu_energy_kwh"].tolist() == [pytest.approx(0.6)]


def test_records_of_telemetry_are_counted(folder):
    index = landing.scan(folder, load(), SETTINGS, empty(LANDING_INDEX))
    counts = landing.outcomes(index, empty(RUNS)).set_index("source_uri")
    assert counts.loc["host=node1/smi.csv", "records"] == 361
    assert (counts["records"] == counts["used"] + counts["merged"] + counts["quarantined"]).all()


# Calibration


def test_a_hosts_coefficient_is_what_its_meter_saw_over_what_software_did():
    found = meters.calibration(
        runs(
            {"run_id": "a", "it_energy_kwh": 1.0, "meter_energy_kwh": 1.2},
            {"run_id": "b", "it_energy_kwh": 3.0, "meter_energy_kwh": 3.2},
            {"run_id": "c", "it_energy_kwh": 3.0},
            {"run_id": "d", "host": "h2", "gpu_energy_kwh": 1.0, "cpu_energy_kwh": 0.5,
             "ram_energy_kwh": 0.5, "meter_energy_kwh": 3.0},
            {"run_id": "e", "host": "h1 h2", "it_energy_kwh": 1.0, "meter_energy_kwh": 9.0},
        )
    )  # fmt: skip
    assert found["host"].tolist() == ["h1", "h2"]
    assert found["coefficient"].tolist() == [pytest.approx(1.1), pytest.approx(1.5)]
    assert found["runs"].tolist() == [2, 1]
    assert found["p05"][0] == pytest.approx(np.quantile([1.2, 3.2 / 3], 0.05))


def test_hosts_in_runs_yaml_are_hashed(tmp_path):
    (tmp_path / "runs.yaml").write_text(
        "runs:\n  a:\n    host: Node1.example, node2\n    reserved_s: 3600\n"
    )
    found, _ = fte.read_runs(tmp_path)
    assert found["host"].tolist() == [f"{hashed_host('node1')} {hashed_host('node2')}"]


RUN = {
    "base_model": "Llama 2 7B", "GPU": "A100 SXM 80GB", "Number of GPUs": 8, "Number of servers": 1,
    "server_model": "DGX A100", "Location": "France", "Total reserved time": "10 hours",
    "active_s": 8 * 3600, "ended_at": "2026-03-01T12:00:00Z",
}  # fmt: skip


def test_measured_gpu_energy_goes_beside_a_modelled_rest():
    """CPUs and memory by the power model, boards, and what the power supplies lose of it all."""
    estimate = fte.estimate({**RUN, "gpu_energy_kwh": 20.0})
    run = estimate.normalized.iloc[0]
    rest_idle = run["host_idle_w"] + run["cpu_count"] * run["cpu_idle_w"] + run["memory_w"]
    busy = (
        rest_idle
        + run["cpu_count"] * (run["cpu_max_w"] - run["cpu_idle_w"]) * run["cpu_utilization"]
    )
    assert run["energy_route"] == "gpu_measured"
    behind_supply = 20.0 + (busy * 8 + rest_idle * 2) / 1000
    assert run["it_energy_kwh"] == pytest.approx(behind_supply / run["supply_efficiency"])
    boards = run["host_idle_w"] * 10 / 1000
    assert run["counted_energy_kwh"] == pytest.approx(behind_supply - boards)
    assert estimate.runs["it_energy_kwh"].item() == pytest.approx(run["it_energy_kwh"])
    origin = estimate.provenance.set_index("field").loc["it_energy_kwh"]
    assert origin[["basis", "rule"]].tolist() == ["predicted", "energy_of_parts_at_plug"]
    assert origin["p05"] < run["it_energy_kwh"] < origin["p95"]


def test_the_explanation_adds_the_rest_to_the_measured_gpus():
    text = fte.estimate({**RUN, "gpu_energy_kwh": 20.0}).explain("disclosure-1")
    assert "counted_energy_kwh = gpu_energy_kwh + cpu_modelled_kwh + ram_modelled_kwh" in text
    assert "measured: GPU; the rest by power x time" in text
    assert "carried on rounded" not in text


def test_a_measured_part_narrows_the_interval():
    widths = []
    for run in (RUN, {**RUN, "gpu_energy_kwh": 30.0}):
        row = fte.estimate(run).runs.iloc[0]
        widths.append(row["total_kgco2e_p95"] / row["total_kgco2e_p05"])
    assert widths[1] < widths[0]


def test_the_published_profile_keeps_its_flat_power():
    estimate = fte.estimate({**RUN, "gpu_energy_kwh": 20.0}, profile="scope3-2024")
    assert estimate.normalized["energy_route"].tolist() == ["power_model"]


METERED = [
    {**RUN, "run_id": "a", "host": "node1", "it_energy_kwh": 10.0, "meter_energy_kwh": 12.0},
    {**RUN, "run_id": "b", "host": "node1", "it_energy_kwh": 20.0},
    {**RUN, "run_id": "c", "host": "node2", "it_energy_kwh": 20.0},
]


def test_a_meters_ratio_is_told_and_applied_only_when_asked_for():
    plain, asked = (fte.estimate(METERED, calibrate=calibrate) for calibrate in (False, True))
    assert plain.calibration["coefficient"].tolist() == [pytest.approx(1.2)]
    assert plain.runs["it_energy_kwh"].tolist() == [12.0, 20.0, 20.0]
    assert asked.runs["it_energy_kwh"].tolist() == [12.0, pytest.approx(24.0), 20.0]
    assert asked.normalized["energy_route"].tolist() == ["meter", "calibrated", "logged_total"]
    rows = asked.provenance[asked.provenance["field"] == "it_energy_kwh"]
    assert rows["rule"].tolist().count("energy_calibrated_by_meter") == 1
    assert "20 kWh by software x 1.2" in asked.explain(asked.normalized["run_id"][1])


def test_the_command_line_tells_of_meters_and_calibrates_on_request(tmp_path):
    (tmp_path / "runs.yaml").write_text(
        "runs:\n"
        + "".join(
            f"  {name}:\n    host: node1\n    reserved_s: 3600\n    it_energy_kwh: 10\n{more}"
            for name, more in (("a", "    meter_energy_kwh: 12\n"), ("b", ""))
        )
    )
    told = CliRunner().invoke(app, ["estimate", str(tmp_path)])
    assert told.exit_code == 0, told.output
    assert "not applied, see --calibrate" in told.stderr
    applied = CliRunner().invoke(
        app, ["estimate", str(tmp_path), "--calibrate", "--format", "json"]
    )
    energies = [row["it_energy_kwh"] for row in json.loads(applied.stdout)]
    assert energies == [pytest.approx(12.0), pytest.approx(12.0)]


def test_large_files_each_alone_say_what_small_ones_say_together(folder, monkeypatch):
    (folder / "runs.yaml").write_text("runs:\n  mine:\n    logs: [other.csv#2]\n")
    (folder / "other.csv").write_text((folder / "host=node1" / "smi.csv").read_text())
    index = landing.scan(folder, load(), SETTINGS, empty(LANDING_INDEX))
    days_there = pd.Timestamp("2026-03-01"), pd.Timestamp("2026-03-02")
    said = []
    for many in (1 << 16, 0):
        monkeypatch.setattr(days, "_MANY", many)
        logs = fte.read_logs(folder)
        said.append((days.telemetry_of(folder, index, *days_there, SETTINGS), logs.runs,
                     logs.telemetry))  # fmt: skip
    for together, alone in zip(*said, strict=True):
        pd.testing.assert_frame_equal(together, alone)
    assert {"mine"} < {*said[0][0]["run_id"].fillna("")}
    assert len(said[0][2])
