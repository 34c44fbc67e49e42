"""A log that somebody keeps as Parquet says what it says as CSV."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_emissions_pipeline.readers import Settings, parquet, read_bytes
from ft_emissions_pipeline.readers.reading import RefusalError

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))


def kept(frame):
    out = io.BytesIO()
    frame.to_parquet(out, index=False)
    return out.getvalue()


def test_every_log_that_is_a_clean_sheet_is_read_from_parquet_too(all_seeds):
    """Whoever loads a sheet and keeps it as Parquet loses what a line held beside its cells."""
    tried = set()
    for uri, data in all_seeds.items():
        plain, own = read_bytes(data, uri, NOW)
        clean = not len(plain.quarantine) and not plain.runs["repairs"].fillna("").ne("").any()
        if not uri.endswith(".csv") or not clean or plain.content == "cloud_reports":
            continue
        frame = pd.read_csv(io.BytesIO(data), skipinitialspace=True, dtype_backend="pyarrow")
        found, other = read_bytes(kept(frame), f"{uri[:-4]}.parquet", NOW)
        tried.add(own)
        assert (other, found.records) == (own, plain.records), uri
        for name in ("runs", "usage"):
            mine, theirs = (
                # What is the same is known by cells as written: "1.0" is no "1". Usage counts rows.
                getattr(reading, name).drop(
                    columns=["mark", "series", "source_record"], errors="ignore"
                )
                for reading in (found, plain)
            )
            pd.testing.assert_frame_equal(mine, theirs, rtol=1e-12)
    assert tried >= {"codecarbon", "nvidia_smi", "gpu_log", "meter", "usage"}


def test_samples_of_two_gpus_kept_as_parquet_are_samples():
    """Two hours at 300 W and at 310 W, a sample a second, with instants and categories as types."""
    at = pd.date_range("2026-03-01", periods=7200, freq="s", tz="UTC")
    frame = pd.concat(
        pd.DataFrame({"timestamp": at, "gpu": gpu, "power_w": watts, "util_pct": np.int32(90)})
        for gpu, watts in (("0", 300.0), ("1", 310.0))
    ).astype({"gpu": "category"})
    reading, own = read_bytes(kept(frame.assign(tags=[["a"]] * len(frame))), "power.parquet", NOW)
    assert own == "gpu_log"
    kwh = reading.telemetry.groupby("device")["energy_kwh"].sum()
    assert kwh.to_dict() == pytest.approx({"0": 0.6, "1": 0.62}, rel=1e-3)
    assert not len(reading.quarantine)


def test_parquet_of_neither_names_what_usage_needs():
    reading, own = read_bytes(
        kept(pd.DataFrame({"date": ["2026-03-01"], "n": [1]})), "a.parquet", NOW
    )
    assert own == "usage"
    assert "lacks column(s) model_name, inferences" in reading.quarantine["reason"].iloc[0]


def test_a_file_that_is_cut_off_and_one_that_swells_are_refused():
    data = kept(pd.DataFrame({"timestamp": ["x" * 1000] * 5000}))
    with pytest.raises(RefusalError, match="no valid Parquet"):
        parquet.columns(data[:-20])
    with pytest.raises(RefusalError, match="its rows take more than 1 MiB as text"):
        parquet.as_csv(data, 1 << 20)


def test_columns_that_are_no_cells_are_left_out():
    table = pa.table({"a": [1, 2], "list": [[1], [2]], "raw": [b"x", b"y"], "b": ["x,y", None]})
    out = io.BytesIO()
    pq.write_table(table, out)
    assert parquet.as_csv(out.getvalue(), 1 << 20) == b'"a","b"\n1,"x,y"\n2,\n'
