"""GPU and meter samples become intervals: units, gaps, counters, devices; one oddity a fixture."""

import json

import pandas as pd
import pytest

from ft_emissions_pipeline.readers.scrubbing import hashed_host
from ft_emissions_pipeline.readers.shared.samples import intervals_of

SMI = "timestamp, index, name, power.draw [W], utilization.gpu [%]\n"
LABELS = 'gpu="0",UUID="GPU-ab",device="nvidia0",modelName="NVIDIA A100-SXM4-80GB",Hostname="node1"'
START = 1772366400
"""2026-03-01T12:00:00Z: 20513 days of 86400 s, and 43200 s."""


@pytest.fixture
def telemetry(read):
    """Read a file of which every record is used, as its telemetry."""

    def read_all(uri, content, **settings):
        reading = read(uri, content, **settings)
        assert reading.quarantine.empty, reading.quarantine.to_dict("records")
        return reading.telemetry

    return read_all


def smi(*rows):
    return SMI + "".join(
        f"2026/03/01 {at}, {gpu}, NVIDIA A100, {w}, {u}\n" for at, gpu, w, u in rows
    )


# nvidia-smi


def test_cells_carry_units_and_power_is_integrated(telemetry):
    found = telemetry(
        "host=node1/smi.csv",
        smi(
            ("12:00:00.000", 0, "100.00 W", "50 %"),
            ("12:00:30.000", 0, "200.00 W", "100 %"),
            ("12:01:00.000", 0, "100.00 W", "100 %"),
        ),
    ).iloc[0]
    # (100 + 200) / 2 W x 30 s + (200 + 100) / 2 W x 30 s = 9000 J.
    assert found["energy_kwh"] == pytest.approx(0.0025)
    assert found["utilization"] == pytest.approx((0.75 * 30 + 1.0 * 30) / 60)
    assert found["started_at"] == pd.Timestamp("2026-03-01T12:00Z")
    assert found["ended_at"] == pd.Timestamp("2026-03-01T12:01Z")
    assert (found["kind"], found["device"], found["gpu_model"]) == ("gpu", "0", "NVIDIA A100")
    assert found["host"] == hashed_host("node1")


def test_gpus_that_are_interleaved_are_told_apart(telemetry):
    rows = [
        (f"12:00:{s:02d}.00{g}", g, f"{100 * (g + 1)} W", "1 %") for s in (0, 36) for g in (0, 1)
    ]
    found = telemetry("a.csv", smi(*rows)).set_index("device")["energy_kwh"]
    assert found.to_dict() == {"0": pytest.approx(0.001), "1": pytest.approx(0.002)}


@pytest.mark.parametrize("none", ["[N/A]", "N/A"])
def test_what_a_gpu_does_not_support_is_missing_and_not_0(read, none):
    reading = read(
        "a.csv",
        smi(
            ("12:00:00.000", 0, none, "50 %"),
            ("12:00:30.000", 0, none, "50 %"),
            ("12:01:00.000", 0, none, "[Not Supported]"),
        ),
    )
    assert reading.telemetry["energy_kwh"].isna().all()
    assert reading.telemetry["utilization"].tolist() == [0.5]
    assert reading.quarantine["reason_code"].tolist() == ["missing_value"]


def test_a_sample_without_power_amid_others_tears_no_hole(telemetry):
    rows = [("12:00:00.000", 0, "360 W", "9 %"), ("12:00:10.000", 0, "[N/A]", "9 %"),
            ("12:00:20.000", 0, "360 W", "9 %")]  # fmt: skip
    assert telemetry("a.csv", smi(*rows))["energy_kwh"].tolist() == [pytest.approx(0.002)]


def test_a_first_sample_that_tells_less_does_not_part_the_minute_after_it(telemetry):
    rows = [(f"12:00:{s:02d}.000", 0, "360 W", "9 %" if s else "[N/A]") for s in (0, 10, 20, 30)]
    found = telemetry("a.csv", smi(*rows))
    assert found["energy_kwh"].tolist() == [pytest.approx(0.001), pytest.approx(0.002)]
    assert found["utilization"].fillna(-1).tolist() == [-1, pytest.approx(0.09)]


def test_cells_without_units_are_read_too(telemetry):
    rows = [("12:00:00.000", 0, "360.0", "9"), ("12:00:10.000", 0, "360.0", "9")]
    found = telemetry("a.csv", smi(*rows))
    assert found["energy_kwh"].tolist() == [pytest.approx(0.001)]
    assert found["energy_from"].tolist() == ["power"]


def test_a_gap_is_not_bridged_but_noted(telemetry):
    times = ["12:00:00", "12:00:01", "12:00:02", "12:30:00", "12:30:01"]
    found = telemetry("a.csv", smi(*[(f"{at}.000", 0, "360 W", "1 %") for at in times]))
    assert found["energy_kwh"].tolist() == [pytest.approx(0.0002), pytest.approx(0.0001)]
    assert found["repairs"].fillna("").tolist() == ["", "gap_before"]


def test_a_file_without_header_is_refused_with_what_to_do(refusal):
    code, reason = refusal("a.csv", "2026/03/01 12:00:00.000, 0, 77.07 W\n")
    assert code == "missing_columns"
    assert "noheader" in reason


def test_several_gpus_without_an_index_are_told_apart_by_their_place(telemetry):
    moments = [(s, ms) for s in (0, 36) for ms in (1, 3)]
    rows = [f"2026/03/01 12:00:{s:02d}.00{ms}, {100 * ms} W\n" for s, ms in moments]
    found = telemetry("a.csv", "timestamp, power.draw [W]\n" + "".join(rows))
    # 100 W and 300 W, each for 36 s: 0.001 and 0.003 kWh.
    assert found["energy_kwh"].tolist() == [pytest.approx(0.001), pytest.approx(0.003)]


def test_a_serial_name_is_kept_as_a_hash(telemetry):
    lines = [f"2026/03/01 12:00:{s}0.000, GPU-1a2b, 360 W\n" for s in (0, 1)]
    found = telemetry("a.csv", "timestamp, uuid, power.draw [W]\n" + "".join(lines))
    assert found["device"].tolist() == [hashed_host("GPU-1a2b")]


def test_a_lone_sample_is_refused(refusal):
    assert refusal("a.csv", smi(("12:00:00.000", 0, "1 W", "1 %")))[0] == "lone_sample"


def test_times_of_the_tool_are_those_of_the_zone(telemetry):
    rows = [("12:00:00.000", 0, "360 W", "9 %"), ("12:00:10.000", 0, "360 W", "9 %")]
    found = telemetry("a.csv", smi(*rows), timezone="Europe/Paris")
    assert found["started_at"][0] == pd.Timestamp("2026-03-01T11:00Z")


def test_a_day_at_1_s_is_a_row_a_minute_and_loses_no_energy():
    at = pd.date_range("2026-03-01", periods=86401, freq="s", tz="UTC").as_unit("us")
    missing = pd.Series(None, index=range(len(at)), dtype="str")
    samples = pd.DataFrame(
        {"at": at, "device": "0", "kind": "gpu", "host": missing, "run_id": missing,
         "gpu_model": missing,
         "record": "1", "watts": 500.0, "counter_kwh": float("nan"), "utilization": 1.0}
    ).astype({"device": "str", "kind": "str", "record": "str"})  # fmt: skip
    found, lone = intervals_of(samples)
    assert len(found) == 1440
    assert lone.empty
    assert found["energy_kwh"].sum() == pytest.approx(12.0)


# DCGM


def test_a_counter_of_millijoules_goes_before_power(telemetry):
    text = (
        "# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).\n"
        f"DCGM_FI_DEV_POWER_USAGE{{{LABELS}}} 100 {START}000\n"
        f"DCGM_FI_DEV_POWER_USAGE{{{LABELS}}} 100 {START + 30}000\n"
        f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{LABELS}}} 3600000000 {START}000\n"
        f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{LABELS}}} 3607200000 {START + 30}000\n"
        f"DCGM_FI_DEV_GPU_UTIL{{{LABELS}}} 90 {START}000\n"
        f"DCGM_FI_DEV_GPU_UTIL{{{LABELS}}} 100 {START + 30}000\n"
    )
    found = telemetry("dcgm.prom", text).iloc[0]
    # 7,200,000 mJ are 7200 J are 0.002 kWh.
    assert found["energy_kwh"] == pytest.approx(0.002)
    assert found["energy_from"] == "counter"
    assert found["utilization"] == pytest.approx(0.95)
    assert found["gpu_model"] == "NVIDIA A100-SXM4-80GB"
    assert found["host"] == hashed_host("node1")


def test_a_counter_that_falls_was_reset_and_tells_nothing_of_that_interval(telemetry):
    lines = [
        f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{LABELS}}} {mj} {START + n * 30}000\n"
        for n, mj in enumerate([7200000, 14400000, 100, 3600100])
    ]
    found = telemetry("dcgm.prom", "".join(lines))
    assert found["energy_kwh"].tolist() == [pytest.approx(0.002), pytest.approx(0.001)]
    assert found["repairs"].fillna("").tolist() == ["", "counter_reset_before"]


def test_slices_of_a_gpu_repeat_its_power_and_count_once(telemetry):
    lines = [
        f'DCGM_FI_DEV_POWER_USAGE{{{LABELS},GPU_I_ID="{part}"}} 360 {START + s}000\n'
        for s in (0, 10)
        for part in (7, 8)
    ]
    assert telemetry("d.prom", "".join(lines))["energy_kwh"].tolist() == [pytest.approx(0.001)]


def test_text_of_the_exporter_itself_has_no_times(refusal):
    text = f"DCGM_FI_DEV_POWER_USAGE{{{LABELS}}} 100\n"
    assert refusal("d.prom", text)[0] == "bad_timestamp"


METRIC = {"__name__": "DCGM_FI_DEV_POWER_USAGE", "gpu": "0", "Hostname": "node1"}


@pytest.mark.parametrize(
    "series",
    [
        [{"metric": METRIC, "values": [[START, "360"], [START + 10.0, "360"]]}],
        [{"metric": METRIC, "values": [360, 360],
          "timestamps": [START * 1000, START * 1000 + 10000]}],
        [{"metric": METRIC, "value": [START + s, "360"]} for s in (0, 10)],
        [{"name": METRIC["__name__"], "labels": METRIC, "value": 360, "timestamp": START + s}
         for s in (0, 10)],
    ],
)  # fmt: skip
def test_every_json_form_of_the_metrics_is_read(telemetry, series):
    lines = "\n".join(json.dumps(line) for line in series)
    answer = {"status": "success", "data": {"resultType": "matrix", "result": series}}
    for uri, content in [("d.jsonl", lines), ("d.json", answer)]:
        found = telemetry(uri, content)
        assert found["energy_kwh"].tolist() == [pytest.approx(0.001)]
        assert found["started_at"].tolist() == [pd.Timestamp("2026-03-01T12:00Z")]
        assert found["host"].tolist() == [hashed_host("node1")]


def test_a_pair_that_is_none_among_good_ones_is_refused(read):
    series = [{"metric": METRIC, "values": [{}, [START, "360"], [START + 10, "360"]]}]
    reading = read("d.json", json.dumps(series))
    assert reading.telemetry["energy_kwh"].tolist() == [pytest.approx(0.001)]
    assert reading.quarantine["reason_code"].tolist() == ["bad_timestamp"]


# MLflow


def test_a_file_of_a_metric_tells_its_run_in_the_path(read):
    uri = "mlruns/0/0a1b2c/metrics/system/gpu_3_power_usage_watts"
    reading = read(uri, f"{START}000 360 0\n{START + 10}000 360 1\n")
    assert reading.telemetry[["device", "run_id"]].to_numpy().tolist() == [["3", "0a1b2c"]]
    assert reading.telemetry["energy_kwh"].tolist() == [pytest.approx(0.001)]
    told = reading.runs[["run_id", "reserved_s", "source_record"]].to_numpy().tolist()
    assert told == [["0a1b2c", 10.0, "1"]]


@pytest.mark.parametrize(
    "metric", ["disk_usage_percentage", "cpu_utilization_percentage", "gpu_0_clock_mhz"]
)
def test_the_metrics_of_other_devices_in_a_runs_folder_cost_no_word(read, metric):
    reading = read(f"mlruns/0/0a1b2c/metrics/system/{metric}", f"{START}000 36 0\n")
    assert (reading.content, reading.records, len(reading.quarantine)) == ("other", 0, 0)


def test_an_export_of_metrics_without_energy_is_refused_by_name(refusal):
    row = {
        "run_id": "r",
        "key": "system/gpu_0_clock_mhz",
        "value": 1,
        "timestamp": START,
        "step": 0,
    }
    assert refusal("m.json", json.dumps([row]))[0] == "no_energy"


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_of_keys_and_values_is_read(read, form):
    rows = [
        {"run_id": "r", "key": f"system/gpu_0_{name}", "value": value,
         "timestamp": (START + s) * 1000, "step": s}
        for s in (0, 10)
        for name, value in (("power_usage_watts", 360.0), ("utilization_percentage", 80.0),
                            ("memory_usage_megabytes", 9.0))
    ]  # fmt: skip
    text = pd.DataFrame(rows).to_csv(index=False) if form == "csv" else json.dumps(rows)
    reading = read(f"export.{form}", text)
    assert reading.telemetry["energy_kwh"].tolist() == [pytest.approx(0.001)]
    assert reading.telemetry["utilization"].tolist() == [pytest.approx(0.8)]
    assert reading.runs["run_id"].tolist() == ["r"]
    assert reading.records == 6


# Weights & Biases


def test_joules_since_the_driver_was_loaded_are_taken_as_differences(read):
    rows = [
        {"_timestamp": START + s, "system.gpu.0.powerWatts": 100,
         "system.gpu.0.energyJoules": 5e6 + 240 * s, "system.gpu.0.gpu": 50}
        for s in (0, 15)
    ]  # fmt: skip
    uri = "wandb/run-20260301_120000-k3j2/events.jsonl"
    reading = read(uri, "\n".join(json.dumps(row) for row in rows))
    # 240 W x 15 s are 3600 J.
    assert reading.telemetry["energy_kwh"].tolist() == [pytest.approx(0.001)]
    assert reading.telemetry["utilization"].tolist() == [0.5]
    assert reading.runs[["run_id", "reserved_s"]].to_numpy().tolist() == [["k3j2", 15.0]]


def test_columns_of_the_web_page_name_the_run_and_repeat_extremes(read):
    column = "support-bot - system/gpu.0.powerWatts"
    header = f'"_timestamp","{column}","{column}__MIN","{column}__MAX"'
    reading = read("wandb_export.csv", f"{header}\n{START},360,300,420\n{START + 10},360,300,420\n")
    assert reading.telemetry["energy_kwh"].tolist() == [pytest.approx(0.001)]
    assert reading.telemetry["device"].tolist() == ["0"]
    assert reading.runs["run_id"].tolist() == ["support-bot"]


def test_several_runs_on_a_chart_of_the_web_page_stay_apart(read):
    header = '"_timestamp","a - system/gpu.0.powerWatts","b - system/gpu.0.powerWatts"'
    reading = read("wandb_export.csv", f"{header}\n{START},360,720\n{START + 10},360,720\n")
    by_run = reading.telemetry.set_index("run_id")["energy_kwh"]
    assert by_run.to_dict() == {"a": pytest.approx(0.001), "b": pytest.approx(0.002)}
    assert reading.runs.empty


@pytest.mark.parametrize("axis", ["Relative Time (Process)", "Step"])
def test_relative_times_of_the_web_page_are_refused_with_what_to_export(refusal, axis):
    text = f'"{axis}","a - system/gpu.0.powerWatts"\n0,360\n10,360\n'
    code, reason = refusal("wandb_export.csv", text)
    assert code == "missing_columns"
    assert 'stream="events"' in reason


def test_labels_tell_the_nodes_of_a_run_apart(read):
    header = (
        "_timestamp,_runtime,gpu.0.powerWatts/l:node1,gpu.0.powerWatts/l:node2,"
        "gpu.process.0.powerWatts/l:node1"
    )
    reading = read("k3j2.csv", f"{header}\n{START},0,360,720,360\n{START + 10},10,360,720,NaN\n")
    by_host = reading.telemetry.set_index("host")["energy_kwh"]
    assert by_host.to_dict() == {
        hashed_host("node1"): pytest.approx(0.001),
        hashed_host("node2"): pytest.approx(0.002),
    }
    assert set(reading.runs["host"].item().split()) == set(by_host.index)


# Meters


@pytest.mark.parametrize(
    ("column", "readings"),
    [("power_w", (360, 360)), ("Power [kW]", (0.36, 0.36)), ("energy_kwh", (7.5, 7.501)),
     ("Total Wh", (10, 11)), ("W", (360, 360))],
)  # fmt: skip
def test_the_columns_name_tells_the_unit(telemetry, column, readings):
    lines = [f"2026-03-01T12:00:{s}0Z,{value}\n" for s, value in enumerate(readings)]
    found = telemetry("meter.csv", f"timestamp,{column}\n" + "".join(lines))
    assert found[["kind", "device"]].to_numpy().tolist() == [["meter", "meter"]]
    assert found["energy_kwh"].tolist() == [pytest.approx(0.001)]


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("timestamp,power", ("360 W", "360 W")),
        ("timestamp,Power", ("360W", "360W")),
        ("timestamp,active_power", ("0.36 kW", "0.36 kW")),
        ("time,voltage,apower", ("230.1,360.0", "230.4,360.0")),
        ("timestamp,energy", ("12.001 kWh", "12.002 kWh")),
    ],
)
def test_a_unit_may_stand_behind_the_numbers_or_in_a_makers_word(telemetry, header, cells):
    rows = "".join(f"2026-03-01T12:00:{n}0Z,{cell}\n" for n, cell in enumerate(cells))
    assert telemetry("m.csv", f"{header}\n{rows}")["energy_kwh"].tolist() == [pytest.approx(0.001)]


def test_a_number_in_another_unit_than_the_first_is_refused(read):
    cells = ("unavailable", "360 W", "0.36 kW", "360 W")
    rows = "".join(f"2026-03-01T12:00:{n}0Z,{cell}\n" for n, cell in enumerate(cells))
    reading = read("m.csv", f"timestamp,power\n{rows}")
    assert reading.quarantine["source_record"].tolist() == ["2", "4"]
    assert reading.telemetry["energy_kwh"].sum() == pytest.approx(0.002)


def test_a_power_of_which_nothing_tells_the_unit_is_none_of_a_meter(refusal):
    assert refusal("m.csv", "timestamp,power\n2026-03-01T12:00:00Z,360\n")[0] == "unrecognised"


def test_two_readings_of_a_meter_hours_apart_tell_the_energy_between(telemetry):
    text = (
        "timestamp,host,kwh\n2026-03-01T08:00:00Z,node1,100.0\n2026-03-01T20:00:00Z,node1,112.5\n"
    )
    found = telemetry("meter.csv", text)
    assert found["energy_kwh"].tolist() == [pytest.approx(12.5)]
    assert found["host"].tolist() == [hashed_host("node1")]


def test_decimal_commas_of_a_spreadsheet_are_read(telemetry):
    text = "time;power_w\n2026-03-01 12:00:00;360,0\n2026-03-01 12:00:10;360,0\n"
    assert telemetry("m.csv", text)["energy_kwh"].tolist() == [pytest.approx(0.001)]


@pytest.mark.parametrize(
    ("header", "first", "second", "start"),
    [
        ("Date/time UTC,W", "2026-03-13 12:00:00,360", "2026-03-13 12:00:10,360", "12:00"),
        ("Timestamp (UTC),Wattage", "2026-03-13 12:00:00,360", "2026-03-13 12:00:10,360", "12:00"),
        ("Date,Time,Power (W)", "2026-03-13,13:00:00,360", "2026-03-13,13:00:10,360", "12:00"),
        ("Date,Time,W", "3/13/2026,1:00:00 PM,360", "3/13/2026,1:00:10 PM,360", "12:00"),
        ("timestamp,W", "13/03/2026 13:00:00,360", "13/03/2026 13:00:10,360", "12:00"),
        ("Zeit;Leistung (W)", "13.03.2026 13:00:00;360,0", "13.03.2026 13:00:10;360,0", "12:00"),
    ],
)
def test_times_of_a_meter_are_read_as_spreadsheets_and_plugs_write_them(
    telemetry, header, first, second, start
):
    found = telemetry("m.csv", f"{header}\n{first}\n{second}\n", timezone="Europe/Berlin")
    assert found["started_at"].tolist() == [pd.Timestamp(f"2026-03-13T{start}Z")]
    assert found["energy_kwh"].tolist() == [pytest.approx(0.001)]


def test_one_day_above_the_twelfth_tells_the_order_of_a_whole_column(telemetry):
    rows = "".join(f"{day} 12:00:00,{kwh}\n" for day, kwh in (("05/06/2026", 1), ("05/13/2026", 8)))
    found = telemetry("m.csv", "timestamp,kwh\n" + rows)
    assert found["started_at"].tolist() == [pd.Timestamp("2026-05-06T12:00Z")]


def test_days_with_slashes_whose_order_nothing_tells_are_refused(refusal):
    text = "timestamp,W\n05/06/2026 12:00:00,360\n"
    assert refusal("m.csv", text)[0] == "bad_timestamp"


def test_energy_per_interval_is_no_meters_reading(refusal):
    values = [0.5, 0.4, 0.6, 0.3, 0.7, 0.2]
    lines = [f"2026-03-01T{n:02d}:00:00Z,{value}\n" for n, value in enumerate(values)]
    assert refusal("m.csv", "timestamp,kwh\n" + "".join(lines))[0] == "wrong_shape"


def test_a_log_of_many_columns_is_no_meters(refusal):
    header = ",".join(["timestamp", "kwh", *(f"metric_{n}" for n in range(8))])
    assert refusal("m.csv", header + "\n")[0] == "unrecognised"
