"""A file of samples says in blocks what it says whole, in whatever order its samples stand."""

import io
from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings

from ft_emissions_pipeline import readers
from ft_emissions_pipeline.readers import Settings, read_bytes, read_file
from ft_emissions_pipeline.readers.formats import gpu_log, nvidia_smi
from ft_emissions_pipeline.readers.shared import sample_blocks
from ft_emissions_pipeline.readers.shared.sample_blocks import read_in_blocks
from ft_emissions_pipeline.readers.shared.samples import Samples, telemetry_reading
from ft_emissions_pipeline.readers.sheets import sheets_of

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
NIGHT = pd.Timestamp("2026-03-01T23:58Z")
FRAMES = SimpleNamespace(
    facts=lambda *_: None,
    convention=lambda _: "of frames",
    in_blocks=lambda _: True,
    samples_of=lambda frame, *_: Samples(frame, len(frame), []),
)
"""A format whose pieces are samples already."""

number = st.none() | st.floats(0, 700, width=32)
sample = st.tuples(
    st.sampled_from("012"),
    # Samples a second apart, in pauses that a line may join or not, over midnights; some twice.
    st.integers(0, 90) | st.integers(0, 40).map(lambda n: n * 700) | st.integers(0, 200_000),
    number,
    # A counter that grows, wraps, or begins anew.
    st.none() | st.integers(0, 5),
    number,
)


def same(blocks, whole):
    """Hold two readings equal, whatever the order of their quarantine."""
    pd.testing.assert_frame_equal(blocks.telemetry, whole.telemetry)
    assert (blocks.records, blocks.merged) == (whole.records, whole.merged)
    rows = [
        each.quarantine.sort_values(["source_record", "reason_code"]).reset_index(drop=True)
        for each in (blocks, whole)
    ]
    pd.testing.assert_frame_equal(*rows)


SIX_S = sample_blocks._STEP_US // 1_000_000


@settings(max_examples=150, deadline=None)
@given(st.lists(sample, max_size=60), st.integers(1, 25))
@example([("0", SIX_S * n + 900 * (n > 4), 300.0, None, None) for n in range(9)], 3)
def test_samples_in_blocks_of_any_size_are_the_intervals_of_all(samples, size):
    """Invariant: neither blocks nor the order of devices, duplicates, resets or gaps tell."""
    frame = pd.DataFrame(samples, columns=["device", "s", "watts", "counter_kwh", "utilization"])
    frame = frame.astype(dict.fromkeys(("watts", "counter_kwh", "utilization"), "float64"))
    frame["utilization"] /= 700
    frame["at"] = NIGHT + pd.to_timedelta(frame.pop("s"), unit="s")
    frame["record"] = np.arange(2, len(frame) + 2)
    frame["gpu_model"] = frame["device"].map({"0": "NVIDIA A100", "1": None, "2": "NVIDIA H100"})
    blocks = [frame[n : n + size] for n in range(0, len(frame), size)] or [frame]
    found = read_in_blocks(FRAMES, lambda: iter(blocks), "a.csv", NOW)
    same(found, telemetry_reading(frame, len(frame), []))


CLEAN = [
    f"2026-03-0{1 + n // 40}T23:59:{n % 40:02d}Z,{n % 3},{300 + n}.5,{n % 100}" for n in range(80)
]
ODD = [
    "2026-03-01T23:59:05Z,1,nothing,5",
    "timestamp,gpu,power,util_pct",
    "2026-03-01T23:59:07Z,1,310 W",
    "2026-03-01T23:59:08Z,GPU 1,0.4 kW,101",
    "",
]


@settings(max_examples=60, deadline=None)
@given(st.permutations(CLEAN + ODD), st.integers(1, 900))
def test_a_csv_file_in_blocks_is_the_file(lines, block):
    """Invariant: typed cells, cells with units and refused lines, in any order and blocks."""
    data = "\n".join(["timestamp,gpu,power,util_pct", *lines]).encode()
    found = read_in_blocks(
        gpu_log, lambda: sheets_of(io.BytesIO(data), block=block, types=gpu_log.types), "a.csv", NOW
    )
    same(found, gpu_log.read(data, "a.csv", NOW))
    assert len(found.quarantine) >= 4


@pytest.mark.parametrize("late", ["0.5", "90"])
@pytest.mark.parametrize("many", [600.0, 60_000.0])
def test_what_the_first_block_cannot_show_is_taken_from_all(late, many):
    """Shares or percent, watts or milliwatts: a file begins with what fits either."""
    lines = [f"2026-03-01T12:00:{n:02d}Z,0,{100 if n < 20 else many},{0 if n < 20 else late}"
             for n in range(60)]  # fmt: skip
    data = "\n".join(["timestamp,gpu,power,util", *lines]).encode()
    found = read_in_blocks(
        gpu_log, lambda: sheets_of(io.BytesIO(data), block=200, types=gpu_log.types), "a.csv", NOW
    )
    same(found, gpu_log.read(data, "a.csv", NOW))


def test_a_first_block_that_cannot_tell_the_unit_waits_for_those_that_can():
    """Idle GPUs draw watts below 100, as if they were percent; the header tells neither."""
    lines = [f"2026-03-01T12:00:{n:02d}Z,{70 if n < 30 else 350},{60 + n}" for n in range(60)]
    lines.insert(15, "yesterday,1,2")
    data = "\n".join(["timestamp,GPU0,GPU1", *lines]).encode()
    sheets = lambda: gpu_log.sheets(io.BytesIO(data), block=200)
    found = read_in_blocks(gpu_log, sheets, "a.csv", NOW)
    same(found, gpu_log.read(data, "a.csv", NOW))
    assert found.quarantine["source_record"].tolist() == ["17"]


def test_lines_that_only_their_moment_gives_to_a_gpu_need_the_whole_file():
    data = b"timestamp, power.draw [W]\n2026/03/01 12:00:00.000, 77.07 W\n"
    sheets = lambda: sheets_of(io.BytesIO(data), types=nvidia_smi.types)
    assert read_in_blocks(nvidia_smi, sheets, "a.csv", NOW) is None


def smi(n):
    at = pd.Timestamp("2026-03-01T12:00") + pd.Timedelta(seconds=n // 2)
    return f"{at:%Y/%m/%d %H:%M:%S}.000, {n % 2}, NVIDIA H100, {300 + n % 50}.00 W, {n % 100} %"


SMI = "timestamp, index, name, power.draw [W], utilization.gpu [%]\n" + "\n".join(
    map(smi, range(4000))
)
POWER = "timestamp,gpu,power_w,util_pct\n" + "\n".join(CLEAN)


DMON = "\n".join(
    "#Date  Time  gpu pwr gtemp sm" if n % 100 == 0
    # The monitor writes no watts while it cannot ask the card.
    else f" 20260301 12:{n // 120:02d}:{n // 2 % 60:02d} {n % 2} {300 + n if n % 9 else '-'} 50 7"
    for n in range(900)
)  # fmt: skip
METRICS = [
    f'DCGM_FI_DEV_{name}{{gpu="{n % 2}",Hostname="n{n % 3 // 2}",modelName="H100"}} {value} '
    f"{1_772_323_200_000 + n // 4 * 5000}"
    # Each metric by itself, as Prometheus gives it out; some values twice, and one of a blank.
    for name, values in (("GPU_UTIL", range(90)), ("POWER_USAGE", [*range(300, 390), 2**60]),
                         ("TOTAL_ENERGY_CONSUMPTION", range(0, 9_000_000, 100_000)))
    for n, value in enumerate(values)
]  # fmt: skip
DCGM = "\n".join(["# HELP of all", *METRICS, "no metric", *METRICS[:9], "DCGM_FI_DEV_FAN{} 3 4"])
METER = "time,host,Power (kW),Total kWh,remark\n" + "\n".join(
    f"2026-03-01 12:{n // 60:02d}:{n % 60:02d},n{n % 2},{n % 7 / 10},{n / 1e3 * (n != 400)},"
    for n in range(700)
)
PLUG = "Zeit;timestamp;W\n" + "\n".join(
    f"x;2026-03-{1 + n // 300:02d}T23:5{n % 2}:0{n % 3}Z;{'unavailable' if n == 8 else n / 8}"
    for n in range(700)
).replace(".", ",")
FORMS = {
    "gpu_power.csv": (SMI, "nvidia_smi"), "gpu_log.csv": (POWER, "gpu_log"),
    "gpu_power.parquet": (SMI, "nvidia_smi"), "gpu_log.parquet": (POWER, "gpu_log"),
    "dmon.log": (DMON, "nvidia_smi"), "dcgm.prom": (DCGM, "dcgm"), "plug.csv": (PLUG, "meter"),
    "meter.csv": (METER, "meter"), "meter.parquet": (METER, "meter"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_a_large_file_is_read_in_blocks_and_says_the_same(tmp_path, monkeypatch, name):
    path, (text, source_format) = tmp_path / name, FORMS[name]
    if path.suffix != ".parquet":
        path.write_text(text)
    else:
        frame = pd.read_csv(io.StringIO(text), skipinitialspace=True)
        if text is POWER:
            frame["timestamp"] = pd.to_datetime(frame["timestamp"])
        frame.to_parquet(path, index=False)
    whole, _ = read_bytes(path.read_bytes(), path.name, NOW)
    monkeypatch.setattr(readers, "_LARGE", 1 << 11)
    monkeypatch.setattr(readers, "_MANY", 30)
    monkeypatch.setattr(readers.opening, "LIMIT", 1 << 11)
    found, content_hash, own = read_file(path, path.name, NOW)
    assert own == source_format
    assert len(found.telemetry) > 1
    same(found, whole)
    assert content_hash == readers.content_hash(path, "telemetry")


def test_a_secret_in_a_refused_line_of_a_large_file_is_dropped(tmp_path, monkeypatch):
    path = tmp_path / "gpu_power.csv"
    path.write_text(POWER + "\n2026-03-01T23:59:05Z,1,hf_abcdefghijklmnopqrstuvwxyzABCDEFGH,5\n")
    monkeypatch.setattr(readers, "_LARGE", 1 << 10)
    found, _, _ = read_file(path, path.name, NOW)
    assert found.quarantine["source_record"].tolist() == ["82"]
    assert "hf_abc" not in found.quarantine.to_csv()
