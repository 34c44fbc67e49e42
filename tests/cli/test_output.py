"""How commands print: rows in three forms, figures, and which refusal ends with which exit code."""

import errno
import json

import pandas as pd
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from ft_emissions_pipeline.cli import output
from ft_emissions_pipeline.readers.remote import MissingPackageError
from ft_emissions_pipeline.stages import UnknownRun
from ft_emissions_pipeline.warehouse.faults import MachineFault
from ft_emissions_pipeline.warehouse.lock import StoreBusy

ROWS = pd.DataFrame(
    {"date": pd.to_datetime(["2026-01-05"]), "model": ["[a] b"], "kg": [0.1], "note": [None]}
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("no"), 1),
        (StoreBusy("no"), 1),
        (MachineFault("no"), 3),
        (FileNotFoundError("no"), 2),
        (MissingPackageError("no"), 2),
        (UnknownRun("no"), 2),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else None,
)
def test_a_refusal_is_a_sentence_and_an_exit_code(error, code, capsys):
    with pytest.raises(typer.Exit) as ended, output.refusals():
        raise error
    assert ended.value.exit_code == code
    assert capsys.readouterr() == ("", "no\n")


def test_a_fault_of_the_machine_has_an_exit_code_of_its_own(capsys):
    with pytest.raises(typer.Exit) as ended, output.refusals():
        raise OSError(errno.ENOSPC, "No space left on device", "report/index.html")
    assert ended.value.exit_code == 3
    assert capsys.readouterr().err == (
        "report/index.html: the disk is full; nothing is written by half, each table holds its "
        "old rows "
        "or all of the new: free some space and run it again\n"
    )


@pytest.mark.parametrize("fault", [KeyError("a"), ImportError("a"), TypeError("a"), OSError("a")])
def test_a_fault_of_the_program_is_not_told_as_a_refusal(fault, capsys):
    with pytest.raises(type(fault)), output.refusals():
        raise fault
    assert capsys.readouterr().err == ""


def test_wrong_usage_within_the_work_keeps_its_exit_code(capsys):
    with pytest.raises(typer.Exit) as ended, output.refusals():
        output.wrong_usage("no such folder")
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "no such folder\n"


def test_rows_are_printed_in_the_form_asked_for(capsys):
    def parts():
        yield output.table("Title", ("model", "kg"), [("[a] b", "0.1")], left={"model"})
        yield "A sentence."

    output.show(ROWS, output.Format.json, parts())
    assert json.loads(capsys.readouterr().out) == [
        {"date": "2026-01-05T00:00:00.000", "model": "[a] b", "kg": 0.1, "note": None}
    ]
    output.show(ROWS, output.Format.csv, parts())
    assert capsys.readouterr().out == "date,model,kg,note\n2026-01-05,[a] b,0.1,\n"
    output.show(ROWS, output.Format.table, parts())
    shown = capsys.readouterr().out
    # Square brackets are no markup.
    assert "[a] b" in shown
    assert shown.splitlines()[-1] == "A sentence."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.159432, "0.159"),
        (12.345, "12.3"),
        (1234.5, "1,234"),
        (0.000012345, "1.23e-05"),
        (999.7, "1,000"),
        (float("nan"), ""),
    ],
)
def test_a_figure_has_three_significant_digits(value, text):
    assert output.figure(value) == text


@given(st.floats(1e-3, 99), st.floats(0.1, 1), st.floats(1, 10))
def test_an_interval_stands_behind_its_figure(value, below, above):
    low, high = value * below, value * above
    told, _, bounds = output.with_interval(value, low, high).partition(" (")
    assert float(told) == pytest.approx(value, rel=5e-3)
    shown = [float(bound.replace(",", "")) for bound in bounds.removesuffix(")").split(" to ")]
    assert shown == pytest.approx([low, high], rel=5e-2)


def test_a_stored_value_that_was_not_there_was_nothing():
    assert output.change(float("nan"), 0.5) == "nothing -> 0.5"
    assert output.change(None, "DEU") == "nothing -> DEU"
