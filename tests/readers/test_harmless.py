"""What a spreadsheet would run and what Markdown would obey stands as text."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ft_emissions_pipeline.cli import output
from ft_emissions_pipeline.readers.harmless import no_formula, no_markup, visible

RUN_BY_SPREADSHEETS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1"]


@pytest.mark.parametrize("cell", RUN_BY_SPREADSHEETS)
def test_a_printed_csv_holds_no_cell_that_a_spreadsheet_runs(cell, capsys):
    rows = pd.DataFrame({"run_id": [cell, "plain"], "change_kgco2e": [-1.5, 2.0]})
    output.show(rows, output.Format.csv, [])
    _, odd, plain = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    # As the mark says, all behind it is the text; a number below zero is none.
    assert odd == [" =1" if cell[0].isspace() else f"'{cell}", "-1.5"]
    assert plain == ["plain", "2.0"]


@given(st.text())
def test_a_guarded_cell_starts_nothing_and_is_read_back_without_its_mark(text):
    guarded = no_formula(text)
    assert guarded[:1] not in ("=", "+", "-", "@", "\t", "\r")
    assert guarded in (visible(text), f"'{visible(text)}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[a](http://x)", r"\[a\]\(http://x\)"),
        ("<img src=x>", r"\<img src=x\>"),
        ("a|b", r"a\|b"),
        ("`rm`", r"\`rm\`"),
        ("![p](u)", r"\!\[p\]\(u\)"),
        ("a\nb", "a b"),
        ("2026-01-05 12.5 W", "2026-01-05 12.5 W"),
    ],
)
def test_markup_is_shown_and_not_obeyed(text, shown):
    assert no_markup(text) == shown


@given(st.text())
def test_what_is_visible_stays_so(text):
    assert visible(visible(text)) == visible(text)
