"""Where a table lies, and when it is opened anew."""

import datetime as dt
import shutil

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from ft_emissions_pipeline import tables
from ft_emissions_pipeline.tables import USAGE
from ft_emissions_pipeline.warehouse import opening, store

D = dt.date


def usage(day, *models, inferences=1.0):
    told = {"date": day, "model_name": list(models), "inferences": inferences}
    place = {"source_format": "csv", "source_uri": "usage.csv", "source_record": "1"}
    return tables.conform(pd.DataFrame({**told, **place}), USAGE)


def test_a_table_is_opened_anew_where_its_newest_commit_came_went_or_is_another(tmp_path):
    """Who reads it holds it open; another process writes, or puts another table in its place."""
    warehouse, other = tmp_path / "warehouse", tmp_path / "other"

    def read():
        return store.read(warehouse, USAGE)["inferences"].tolist()

    for to, count in ((warehouse, 1.0), (other, 2.0)):
        store.write(to, USAGE, usage(D(2026, 1, 1), "m", inferences=count))
    place, log = warehouse / USAGE.name, warehouse / USAGE.name / "_delta_log"
    assert read() == [1.0]
    assert opening.to_read(warehouse, USAGE) is opening.to_read(warehouse, USAGE)
    frame = DeltaTable(place).to_pyarrow_table().to_pandas().assign(inferences=3.0)
    rows = pa.Table.from_pandas(frame, store.selection.schema(USAGE))
    write_deltalake(place, rows, mode="append")
    assert read() == [1.0, 3.0]
    assert (store.version(warehouse, USAGE), len(store.history(warehouse, USAGE))) == (2, 3)
    (log / f"{2:020d}.json").unlink()
    assert (read(), store.version(warehouse, USAGE)) == ([1.0], 1)
    shutil.rmtree(place)
    assert store.version(warehouse, USAGE) is None
    (other / USAGE.name).rename(place)
    assert (read(), store.version(warehouse, USAGE)) == ([2.0], 1)


@pytest.mark.parametrize("name", ["a b", "é", "a+b=c"])
def test_a_warehouse_may_have_an_unusual_name(tmp_path, name):
    store.write(tmp_path / name, USAGE, usage(D(2026, 1, 1), "m"))
    assert len(store.read(str(tmp_path / name), USAGE)) == 1
    assert len(store.history(tmp_path / name, USAGE)) == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["50%", "a#b", "a?b"])
def test_a_warehouse_that_delta_would_misplace_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="has %, # or \\? in its path"):
        store.write(tmp_path / name, USAGE, usage(D(2026, 1, 1), "m"))


def test_a_url_is_used_as_it_is(tmp_path):
    assert opening.uri("s3://bucket/warehouse/", USAGE) == "s3://bucket/warehouse/usage"
    store.write(tmp_path.as_uri(), USAGE, usage(D(2026, 1, 1), "m"))
    assert len(store.read(tmp_path, USAGE)) == 1
