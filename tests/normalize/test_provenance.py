"""Where fields come from, shown as a table."""

import datetime as dt

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ft_emissions_pipeline.normalize.provenance import Piece, Provenance

INSTANTS = st.datetimes(dt.datetime(2018, 1, 1), dt.datetime(2099, 1, 1))  # noqa: DTZ001


@given(
    st.lists(INSTANTS | INSTANTS.map(lambda instant: instant.replace(microsecond=0)), min_size=1),
    st.sampled_from(["us", "ns"]),
)
def test_instants_are_told_as_python_writes_them(instants, unit):
    cells = pd.DatetimeIndex(instants, tz="UTC").as_unit(unit).array
    each = np.arange(len(cells))
    runs = pd.DataFrame(
        {
            "date": pd.Timestamp("2026-01-01").as_unit("us"),
            "run_id": [f"{n:04d}" for n in each],
            "source_uri": "a",
            "source_record": "1",
        }
    ).astype(dict.fromkeys(("run_id", "source_uri", "source_record"), "str"))
    piece = Piece("ended_at", "as_logged", "measured", each, each, cells, 0.0, 0.0, np.nan, np.nan)
    told = Provenance(runs, [piece], each, each)
    assert told.table()["value"].tolist() == [
        pd.Timestamp(instant, tz="UTC").isoformat() for instant in instants
    ]
