"""GPU logs of people's own scripts are GPU telemetry, never a wall meter; one oddity a fixture."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ft_emissions_pipeline import api
from ft_emissions_pipeline.readers import Settings, read_bytes
from ft_emissions_pipeline.readers.shared.gpu_columns import by_place

CASES = Path(__file__).parents[1] / "data" / "field_cases"
NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))


@pytest.fixture
def energy(read):
    """Read a file of telemetry, every record used, as kWh of each kind and device."""

    def read_all(uri, content, **settings):
        reading = read(uri, content, **settings)
        assert reading.quarantine.empty, reading.quarantine.to_dict("records")
        return reading.telemetry.groupby(["kind", "device"])["energy_kwh"].sum().to_dict()

    return read_all


def lines(header, *rows):
    """Return a CSV of rows that begin one second apart; `{t}` is the time."""
    return header + "\n" + "".join(f"{row}\n" for row in rows)


def at(second, millisecond=0):
    return f"2026-03-02T10:{second // 60:02d}:{second % 60:02d}.{millisecond:03d}Z"


@pytest.mark.parametrize(
    ("case", "gpu_kwh", "least", "most"),
    [
        # 300 W x 600 s = 0.05 kWh, as with nvidia-smi; of the server around it (550 W at rest, 102
        # of CPUs, 85 of memory: 0.123 kWh) each of eight accelerators has its share, behind
        # supplies of 94 %: (0.05 + 0.123 / 8) / 0.94.
        ("meterlike_one_gpu", 0.05, 0.069, 0.070),
        ("meterlike_two_gpu", 0.0667, 0.103, 0.104),
        ("smi_custom", 0.05, 0.069, 0.070),
        ("smi_ok", 0.05, 0.069, 0.070),
    ],
)
def test_field_cases_of_gpu_logs_are_gpus_and_no_meter(case, gpu_kwh, least, most):
    runs, quarantine = api.read_runs([CASES / case])
    assert quarantine.empty
    run = runs.iloc[0]
    assert run["gpu_energy_kwh"] == pytest.approx(gpu_kwh, rel=0.003)
    assert pd.isna(run["meter_energy_kwh"])
    assert "logs_not_found" not in str(run["repairs"])
    assert least < api.estimate(runs).runs["it_energy_kwh"].item() < most


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("timestamp,GPU0,GPU1", "{t},300.00 W,100.00 W", {"0": 300, "1": 100}),
        ("timestamp,gpu0_power_mw,gpu1_power_mw", "{t},300000,100000", {"0": 300, "1": 100}),
        ("time,gpu_0_power_w,gpu_1_power_w,total_gpu_power_w", "{t},300,100,400",
         {"0": 300, "1": 100}),
        ("time,GPU0 (W),GPU0 util (%),GPU0 mem MiB", "{t},300,90,1000", {"0": 300}),
        ("timestamp,device,power_w", "{t},cuda:1,300", {"1": 300}),
        ("timestamp,index,watts", "{t},0,300", {"0": 300}),
        ("timestamp,gpu_id,power (mW)", "{t},GPU 2,300000", {"2": 300}),
        ("timestamp,gpu,power", "{t},0,300 W", {"0": 300}),
        ("timestamp,name,power_w", "{t},NVIDIA A100-SXM4-80GB,300", {"0": 300}),
        ("timestamp,gpuPowerW", "{t},300", {"0": 300}),
        ("ts,gpu_power_mw,gpu_memory_mw", "{t},300000,1", {"0": 300}),
        ("timestamp;gpu_index;power_w", "{t};0;300,0", {"0": 300}),
    ],
)  # fmt: skip
def test_every_way_to_write_power_of_gpus_is_read(energy, header, row, expected):
    rows = [row.replace("{t}", at(second)) for second in range(0, 61, 10)]
    found = energy("log.csv", lines(header, *rows))
    assert found == {("gpu", key): pytest.approx(watts / 60_000) for key, watts in expected.items()}


def test_a_file_that_calls_itself_a_gpus_is_no_meter(energy):
    rows = [f"{at(s)},300" for s in range(0, 61, 10)]
    assert set(energy("gpu_power.csv", lines("timestamp,power_w", *rows))) == {("gpu", "0")}


@pytest.mark.parametrize("name", ["gpu-node-7.csv", "gpu_server_meter.csv", "plug.csv"])
def test_a_meter_of_a_server_of_gpus_stays_a_meter(energy, name):
    rows = [f"{at(s)},gpu-7,300" for s in range(0, 61, 10)]
    assert set(energy(name, lines("timestamp,host,power_w", *rows))) == {("meter", "meter")}


def test_numbers_of_lines_are_no_numbers_of_gpus(energy):
    rows = [f"{n},{at(10 * n)},300" for n in range(7)]
    assert set(energy("log.csv", lines("index,timestamp,power_w", *rows))) == {("meter", "meter")}


def test_columns_without_a_unit_that_may_be_percent_are_refused(refusal):
    rows = [f"{at(s)},90,80" for s in range(0, 61, 10)]
    code, reason = refusal("log.csv", lines("timestamp,GPU0,GPU1", *rows))
    assert code == "missing_columns"
    assert "unit" in reason


def test_times_that_count_from_the_start_are_refused_once(refusal):
    rows = [f"{s},0,300" for s in range(100)]
    assert refusal("log.csv", lines("time,gpu_index,power_w", *rows))[0] == "bad_timestamp"


def test_a_cell_that_is_no_power_costs_its_line_only(read):
    rows = [f"{at(s)},0,{'ERR!' if s == 30 else '300 W'}" for s in range(0, 61, 10)]
    reading = read("log.csv", lines("timestamp,gpu_index,power_w", *rows))
    assert reading.quarantine["source_record"].tolist() == ["5"]
    assert reading.telemetry["energy_kwh"].sum() == pytest.approx(300 / 60_000)


def smi(*rows):
    head = "timestamp, power.draw [W], utilization.gpu [%]"
    return lines(head, *(f"2026/03/02 {when}, {watts} W, 90 %" for when, watts in rows))


def test_fast_sampling_of_one_gpu_is_one_gpu(energy):
    # A line each 20 ms, give or take, over 10 s: 300 W x 10 s.
    steps = np.random.default_rng(5).integers(15, 26, 500).cumsum()
    rows = [(f"10:00:{ms // 1000:02d}.{ms % 1000:03d}", 300) for ms in steps]
    found = energy("smi.csv", smi(*rows))
    seconds = (steps[-1] - steps[0]) / 1000
    assert found == {("gpu", "0"): pytest.approx(300 * seconds / 3.6e6)}


@pytest.mark.parametrize("apart_ms", [0, 2, 7])
@pytest.mark.parametrize("gpus", [2, 3, 8])
def test_without_an_index_the_sum_of_all_gpus_is_known(energy, gpus, apart_ms):
    rows = [
        (f"10:{s // 60:02d}:{s % 60:02d}.{100 + apart_ms * n:03d}", 100 * (n + 1))
        for s in range(61)
        for n in range(gpus)
    ]
    found = energy("smi.csv", smi(*rows))
    assert len(found) == gpus
    assert sum(found.values()) == pytest.approx(sum(100 * (n + 1) for n in range(gpus)) / 60_000)


def test_a_pause_between_lots_does_not_make_one_gpu_many():
    # 1 s apart, with a pause of an hour in the middle.
    seconds = [*range(100), *range(3700, 3800)]
    when = pd.Series(pd.to_datetime(seconds, unit="s", utc=True), index=range(1, 201))
    assert set(by_place(when, when.index)) == {"0"}


@pytest.mark.parametrize(
    ("metric", "blank"),
    [
        # DCGM_FP64_BLANK, DCGM_FP64_NOT_SUPPORTED, DCGM_INT64_BLANK and _NOT_FOUND,
        # DCGM_INT32_BLANK.
        ("DCGM_FI_DEV_POWER_USAGE", "140737488355328"),
        ("DCGM_FI_DEV_POWER_USAGE", "140737488355330.000000"),
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "9223372036854775792"),
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "9.223372036854775793e+18"),
        ("DCGM_FI_DEV_GPU_UTIL", "2147483632"),
        ("DCGM_FI_DEV_GPU_UTIL", "9223372036854775794"),
    ],
)
def test_blanks_of_dcgm_are_no_values(energy, metric, blank):
    labels = '{gpu="0",Hostname="node1"}'
    power = [f"DCGM_FI_DEV_POWER_USAGE{labels} 360 {1772445600 + s}000\n" for s in (0, 10, 20)]
    text = "".join(power) + f"{metric}{labels} {blank} 1772445605000\n"
    # 360 W x 20 s = 0.002 kWh.
    assert energy("dcgm.prom", text) == {("gpu", "0"): pytest.approx(0.002)}


def test_a_query_that_drops_the_metrics_name_is_refused_with_what_to_ask():
    data = (CASES / "prom_json_noname" / "q.json").read_bytes()
    reading, source_format = read_bytes(data, "q.json", NOW)
    assert source_format == "dcgm"
    assert reading.quarantine["reason_code"].tolist() == ["metric_not_named"]
    assert "keep __name__ in the query" in reading.quarantine["reason"].item()


def test_a_header_alone_is_no_slip_of_the_reader(read):
    reading = read("log.csv", "timestamp,gpu_index,power_w\n")
    assert len(reading.telemetry) == 0
    assert "reader_failed" not in set(reading.quarantine["reason_code"])


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("timestamp,device,Average Graphics Package Power (W)", "{t},card0,360"),
        ("timestamp,device,Current Socket Graphics Package Power (W)", "{t},card0,360"),
        ("unix_time,device_name,power_usage", "{t},Tesla T4,360"),
    ],
)
def test_cards_of_rocm_smi_and_of_nvml_are_gpus(energy, header, row):
    content = lines(header, *(row.format(t=at(second)) for second in range(101)))
    # 360 W for 100 s.
    assert energy("p.csv", content) == {("gpu", "0"): pytest.approx(0.01)}


def test_what_a_processors_package_draws_is_not_read_at_the_plug(refusal):
    content = lines("time,package power (W)", *(f"{at(second)},80" for second in range(5)))
    assert refusal("cpu.csv", content)[0] == "unrecognised"


def test_the_monitor_of_nvidia_smi_is_read_with_its_headings_and_gaps(seeds):
    """300 and 320 W over ten seconds: 3.1 kJ. Of the other card only the utilisation is known."""
    data = seeds["dmon.log"]
    reading, own = read_bytes(data + b" 20260301   12:00:20      0    3\n", "dmon.log", NOW)
    assert own == "nvidia_smi"
    told = reading.telemetry.set_index("device")
    assert told["energy_kwh"].tolist() == [
        pytest.approx(3100 / 3.6e6),
        pytest.approx(np.nan, nan_ok=True),
    ]
    assert told["utilization"].tolist() == [pytest.approx(0.9), pytest.approx(0.1)]
    cut = reading.quarantine.iloc[0]
    assert (cut["source_record"], cut["reason_code"]) == ("9", "shifted_row")


def test_the_monitor_of_nvidia_smi_without_times_says_how_to_get_them():
    data = b"# gpu    pwr     sm\n# Idx      W      %\n    0     86     30\n"
    reading, _ = read_bytes(data, "dmon.log", NOW)
    assert "run nvidia-smi dmon with -o DT" in reading.quarantine["reason"].item()
