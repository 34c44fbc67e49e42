"""Rows older than their table's cadence are listed; rows are counted by how they were checked."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
from typer.testing import CliRunner

from ft_emissions_pipeline import cli
from ft_emissions_pipeline.reference import SHIPPED, TABLES, VERIFICATIONS, aged, verified


def with_rows(reference, name, rows):
    return dataclasses.replace(reference, tables={**reference.tables, name: rows})


def test_no_row_is_too_old_in_the_year_of_its_source(reference):
    first = min(int(reference.tables[name]["source_year"].min()) for name in SHIPPED)
    assert aged(reference, first).empty


def test_the_past_of_a_zone_is_not_too_old_while_its_newest_year_is_fresh(reference):
    grid = reference.tables["grid_intensity"]
    france = grid[(grid["zone_type"] == "country") & (grid["zone"] == "FRA")]
    rows = france.assign(source_year=france["year"].astype(int) + 1)
    newest = int(rows["year"].max())
    only_france = with_rows(reference, "grid_intensity", rows)
    cadence = TABLES["grid_intensity"].cadence_years
    fresh = aged(only_france, newest + 1 + cadence)
    assert not fresh["factor_id"].str.startswith("grid_intensity/").any()
    late = aged(only_france, newest + 2 + cadence)
    ours = late[late["factor_id"].str.startswith("grid_intensity/")]
    assert ours["factor_id"].tolist() == [f"grid_intensity/country/FRA/{newest}"]
    assert ours["source_year"].tolist() == [newest + 1]


def test_what_does_not_change_never_ages(reference):
    late = aged(reference, 2099)
    tables = set(late["factor_id"].str.split("/").str[0])
    unchanging = {name for name in SHIPPED if TABLES[name].cadence_years is None}
    assert unchanging == {"gpus", "models", "calibration", "aliases"}
    assert tables == set(SHIPPED) - unchanging


def test_every_row_is_counted_once(reference):
    counts = verified(reference)
    assert list(counts.index) == list(SHIPPED)
    assert list(counts.columns) == list(VERIFICATIONS)
    sizes = pd.Series({name: len(reference.tables[name]) for name in SHIPPED})
    assert counts.sum(axis=1).equals(sizes)


def test_most_rows_that_state_what_a_source_says_were_read_in_it(reference):
    total = verified(reference).sum()
    assert total["read_in_source"] / (total.sum() - total["derived"]) >= 0.85


@pytest.mark.parametrize(
    ("options", "expected"),
    [((), "were read in it"), (("--age",), "electricity_water/country/USA/1: source of 20")],
)
def test_check_tells_how_rows_were_checked_and_which_are_old(options, expected):
    done = CliRunner().invoke(cli.app, ["reference", "check", *options])
    assert done.exit_code == 0
    assert expected in done.stdout
