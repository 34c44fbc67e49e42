"""Reports of cloud providers: units, months, nesting, Parquet, and what cannot be placed."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

DATA = Path(__file__).parents[2] / "data" / "cloud_reports"


def reports(read, name, content=None):
    reading = read(name, (DATA / name).read_bytes() if content is None else content)
    assert reading.content == "cloud_reports"
    return reading.cloud_reports, reading.quarantine


def test_rows_of_two_methods_both_stand_and_one_of_an_unknown_unit_is_refused(read):
    rows, refused = reports(read, "aws_carbon_two_methods.csv")
    assert rows["carbon_model"].tolist() == ["v3.0.0", "v2.0.0", "v3.0.0"]
    assert rows["total_market_kgco2e"].tolist() == [12.0, 9.0, 0.0]
    assert rows["scope_3_location_kgco2e"].isna().tolist() == [False, True, False]
    assert refused["reason"].item().startswith("total_lbm_emissions is in 'stones'")


def test_parquet_of_aws_holds_the_same_as_its_csv(read):
    table = csv.read_csv(DATA / "aws_carbon_two_methods.csv")
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    name = "carbon/usage_period=2026-01/part-0.snappy.parquet"
    rows, refused = reports(read, name, buffer.getvalue())
    of_csv, _ = reports(read, "aws_carbon_two_methods.csv")
    pd.testing.assert_frame_equal(
        rows.drop(columns="source_record"), of_csv.drop(columns="source_record")
    )
    assert len(refused) == 1


def test_a_quarter_is_refused_and_the_month_beside_it_is_read(read):
    rows, refused = reports(read, "aws_emissions_and_a_quarter.json")
    assert rows["total_location_kgco2e"].tolist() == [30.0]
    assert refused["reason"].item() == (
        "covers 2026-01-01 to 2026-04-01; export the report by month"
    )


def test_googles_columns_are_read_dotted_underscored_and_nested(read):
    dotted = (DATA / "google_carbon_dotted.csv").read_text()
    header, rest = dotted.split("\n", 1)
    underscored = header.replace(".", "_") + "\n" + rest
    one, _ = reports(read, "google_carbon_dotted.csv")
    other, _ = reports(read, "google_carbon.csv", underscored)
    pd.testing.assert_frame_equal(one, other)
    assert one["account"].tolist() == ["tuning", "01A2B3-C4D5E6-F7A8B9"]
    assert one["region"].tolist() == ["us-central1", "us"]
    nested, _ = reports(read, "google_carbon_nested.jsonl")
    figures = [name for name in one if name.endswith("_kgco2e")]
    pd.testing.assert_frame_equal(nested[figures], one[figures].head(1))


def test_azures_rows_without_a_month_or_by_resource_are_refused(read):
    rows, refused = reports(read, "azure_months_of_locations.json")
    assert rows[["region", "total_market_kgco2e"]].to_numpy().tolist() == [["westeurope", 14.5]]
    assert refused["reason_code"].tolist() == ["wrong_shape", "missing_value"]


@pytest.mark.parametrize("cell", ["-2", "many"])
def test_an_impossible_amount_costs_its_row_alone(read, cell):
    text = (DATA / "google_carbon_dotted.csv").read_text().replace("0.75", cell)
    rows, refused = reports(read, "google_carbon_dotted.csv", text)
    assert (len(rows), len(refused)) == (1, 1)
