"""Every word of `repairs` is declared once, with what it means, and every declared one is used."""

import ast
from pathlib import Path

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

import ft_emissions_pipeline
from ft_emissions_pipeline import api
from ft_emissions_pipeline.landing import days
from ft_emissions_pipeline.readers import REPAIRS, Settings, read_bytes, repairs
from ft_emissions_pipeline.reference import load

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
PACKAGE = Path(ft_emissions_pipeline.__file__).parent
EXAMPLES = PACKAGE.parent / "examples" / "landing"


def words_of(frame):
    cells = frame["repairs"].dropna() if "repairs" in frame else []
    return {word.partition(":")[0] for cell in cells for word in cell.split()}


def test_what_readers_note_is_declared(all_seeds):
    found = set()
    readings = []
    for uri, data in all_seeds.items():
        reading, source_format = read_bytes(data, uri, NOW)
        readings.append((uri, source_format, reading))
        for frame in (reading.runs, reading.usage, reading.telemetry):
            found |= words_of(frame)
    runs, *_ = days.measured_runs(readings, load())
    found |= words_of(runs) | words_of(api.read_runs(EXAMPLES)[0])
    assert len(found) > 10
    assert found <= set(REPAIRS)


def texts_of(source):
    """Yield the texts of a module that do something: no docstrings, no comments."""
    tree = ast.parse(source)
    said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in said:
            yield node.value


def test_what_is_declared_is_explained_and_noted_somewhere():
    assert all(REPAIRS.values())
    modules = (
        path
        for path in PACKAGE.rglob("*.py")
        if path.name != "repairs.py" and path.parent.name != "tables"
    )
    texts = " ".join(text for path in modules for text in texts_of(path.read_text("utf-8")))
    noted = {word.partition(":")[0] for word in texts.split()}
    assert set(REPAIRS) - noted == set()


RUN_IDS = st.sets(st.text(min_size=1, max_size=12), max_size=15)


@given(RUN_IDS)
def test_runs_that_a_word_names_come_back_whatever_their_ids_hold(run_ids):
    cell = repairs.joined(["before_last_step", repairs.naming("join_ambiguous", run_ids)])
    shown, more = repairs.named(cell, "join_ambiguous")
    assert shown == sorted(run_ids)[:10]
    assert len(shown) + more == len(run_ids)
    assert repairs.parted(cell)[0] == "before_last_step"
    assert len(repairs.parted(cell)) == 2


def test_a_word_is_added_at_the_end_and_only_where_it_holds():
    cells = pd.Series(["tasks_summed", None, "conflict:pue"], dtype="str")
    found = repairs.with_words(cells, "logs_not_found", pd.Series([True, True, False]))
    assert found.tolist() == ["tasks_summed logs_not_found", "logs_not_found", "conflict:pue"]


def test_a_word_within_another_is_not_the_word():
    cells = pd.Series(["not_pue_taken_out", "pue_taken_out:1.2 cpu_only", None], dtype="str")
    assert repairs.has_word(cells, "pue_taken_out").tolist() == [False, True, False]
