"""Tables are declared in full and consistently, and frames survive the way to Arrow and back."""

import datetime as dt
import re

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docs import pages
from ft_emissions_pipeline import tables
from ft_emissions_pipeline.reference import TABLES as FACTOR_TABLES
from ft_emissions_pipeline.tables import TABLES, Column, Table
from ft_emissions_pipeline.tables import frames as frames_
from ft_emissions_pipeline.tables.schema import limits

UNIT_OF_SUFFIX = {
    "kwh": "kWh", "w": "W", "s": "s", "h": "h", "kgco2e": "kgCO2e", "gco2e": "gCO2e", "l": "L",
    "ml": "mL", "days": "day",
}  # fmt: skip

every_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())


def unit_in_name(name):
    """Return the unit that a column's name promises: `wue_l_per_kwh` promises L/kWh."""
    stem = re.sub(r"_p(05|95)$", "", name)
    denominator = ""
    if "_per_" in stem:
        stem, per = stem.split("_per_", 1)
        denominator = f"/{UNIT_OF_SUFFIX.get(per, per)}"
    unit = UNIT_OF_SUFFIX.get(stem.rsplit("_", 1)[-1])
    return None if unit is None else unit + denominator


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (Column("x", "float", "", minimum=0.0, above_zero=True, maximum=3.2e8),
         ["above 0", "at most 3.2e+08"]),
        (Column("x", "float", "", minimum=0.0, above_zero=True, smallest=0.5), ["at least 0.5"]),
        (Column("x", "float", "", minimum=0.0, smallest=0.5, maximum=2.0),
         ["0 or at least 0.5", "at most 2"]),
        (Column("x", "float", "", minimum=1), ["at least 1"]),
        (Column("x", "float", ""), []),
        (Column("x", "string", "", allowed=("a", "b")), ["one of a, b"]),
        (Column("x", "string", "", refers="gpus"), ["an id of gpus"]),
    ],
)  # fmt: skip
def test_limits_in_words(column, words):
    assert limits(column) == words


def test_the_dictionary_has_every_column_of_every_factor_table_with_its_limits():
    text = pages.pages()["data_dictionary.md"]
    for name, table in FACTOR_TABLES.items():
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for column in table.columns:
            (row,) = [
                line for line in section.splitlines() if line.startswith(f"| `{column.name}` |")
            ]
            assert f"| {', '.join(limits(column))} |" in row
            assert column.description in row


def test_units_are_read_from_names():
    assert unit_in_name("wue_l_per_kwh") == "L/kWh"
    assert unit_in_name("gco2e_per_inference_p05") == "gCO2e/inference"
    assert unit_in_name("hardware_use_life_h") == "h"
    assert unit_in_name("tokens_padded") is None


@every_table
def test_units_in_names_match_the_declared_unit(table):
    promised = {column.name: unit_in_name(column.name) for column in table.columns}
    for column in table.columns:
        if promised[column.name] is not None:
            assert column.unit == promised[column.name], column.name


@every_table
def test_every_energy_carbon_and_water_column_names_its_unit(table):
    for column in table.columns:
        if column.unit.split("/")[0] in {"kWh", "W", "kgCO2e", "gCO2e", "L", "mL", "s", "h"}:
            assert unit_in_name(column.name) == column.unit, column.name


@every_table
def test_descriptions_say_something(table):
    short = [c.name for c in table.columns if len(c.description.split()) < 3]
    assert not short
    assert all(c.description.endswith(".") for c in table.columns)
    assert len(table.row.split()) >= 3
    assert all(len(rule.description.split()) >= 3 for rule in table.row_rules)


@every_table
def test_names_are_unique_and_plain(table):
    assert len(set(table.names)) == len(table.names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in table.names)
    codes = [rule.code for rule in table.row_rules]
    assert len(set(codes)) == len(codes)


@every_table
def test_keys_and_partitions_are_declared_columns(table):
    assert table.key
    assert set(table.key) <= set(table.names)
    if table.partition is not None:
        day = table.column(table.partition)
        assert (day.kind, day.required) == ("date", True)


@every_table
def test_bounds_fit_the_type(table):
    for column in table.columns:
        if (column.minimum, column.maximum) != (None, None) or column.above_zero:
            assert column.kind in {"float", "integer"}, column.name
        if column.allowed is not None:
            assert column.kind == "string", column.name
            assert column.allowed, column.name
        if column.minimum is not None and column.maximum is not None:
            assert column.minimum < column.maximum, column.name


@pytest.mark.parametrize("table", [tables.RUNS, tables.USAGE], ids=lambda table: table.name)
def test_every_number_that_is_read_has_a_bound_on_either_side(table):
    for column in table.columns:
        if column.kind in {"float", "integer"}:
            least = max(column.minimum or 0.0, column.smallest or 0.0)
            assert least >= 1e-12, column.name
            assert column.maximum is not None, column.name
            assert column.maximum <= 1e28, column.name


@every_table
def test_a_fraction_lies_between_0_and_1(table):
    for column in table.columns:
        if column.unit == "fraction":
            assert (column.minimum, column.maximum) == (0.0, 1.0), column.name


@every_table
def test_percentiles_come_in_pairs_with_their_value(table):
    for name in table.names:
        if name.endswith(("_p05", "_p95")):
            stem = name[:-4]
            assert {stem, f"{stem}_p05", f"{stem}_p95"} <= set(table.names)


@every_table
def test_row_rules_give_one_truth_value_per_row(table):
    for rule in table.row_rules:
        held = rule.holds(tables.empty(table))
        assert isinstance(held, pd.Series)
        assert len(held) == 0


def test_the_same_name_means_the_same_quantity_everywhere():
    seen: dict[str, set] = {}
    for table in TABLES.values():
        for column in table.columns:
            seen.setdefault(column.name, set()).add((column.unit, column.kind))
    # A parameter of a model may have any unit, so `value` and its percentiles have none.
    assert {name for name, meanings in seen.items() if len(meanings) > 1} == {"value"}


def test_normalization_fills_fields_of_runs():
    assert set(tables.NEEDED) <= set(tables.RUN_FIELDS)
    assert all(tables.NORMALIZED_RUNS.column(name).required for name in tables.NEEDED)


def test_the_data_dictionary_holds_every_column():
    written = pages.pages()["data_dictionary.md"]
    for table in TABLES.values():
        assert f"## {table.name}" in written
        for column in table.columns:
            assert f"| `{column.name}` | {column.kind} |" in written


def test_an_undeclared_column_is_refused_by_name():
    with pytest.raises(ValueError, match="usage does not declare colour"):
        tables.conform(pd.DataFrame({"colour": ["red"]}), tables.USAGE)


def test_an_unreadable_column_is_refused_by_name():
    with pytest.raises(ValueError, match=r"usage\.inferences cannot be read as float"):
        tables.conform(pd.DataFrame({"inferences": ["many"]}), tables.USAGE)


@pytest.mark.parametrize("kind", ["float", "string", "timestamp", "boolean"])
def test_columns_that_are_missing_become_empty_ones(kind):
    whole = tables.conform(pd.DataFrame({"run_id": ["a", "b"]}), tables.RUNS)
    absent = [column.name for column in tables.RUNS.columns if column.kind == kind]
    made = tables.conform(whole.drop(columns=absent), tables.RUNS)
    pd.testing.assert_frame_equal(made.drop(columns="run_id"), whole.drop(columns="run_id"))


def test_an_empty_cell_in_a_required_column_is_refused_by_name():
    with pytest.raises(ValueError, match="reason_code"):
        tables.to_arrow(pd.DataFrame({"source_uri": ["a.csv"]}), tables.QUARANTINE)


@every_table
def test_an_empty_table_survives_the_way_to_arrow(table):
    arrow = tables.to_arrow(tables.empty(table), table)
    assert arrow.num_rows == 0
    pd.testing.assert_frame_equal(tables.from_arrow(arrow, table), tables.empty(table))


def cells(column: Column):
    """Return a strategy for the values of one column."""
    low = 0.0 if column.minimum is None else column.minimum
    high = 1e12 if column.maximum is None else column.maximum
    filled = {
        "string": st.sampled_from(column.allowed) if column.allowed
        else st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        "float": st.floats(low, high, exclude_min=column.above_zero, allow_nan=False),
        "integer": st.integers(0, 10**9),
        "boolean": st.booleans(),
        "timestamp": st.datetimes(
            dt.datetime(2018, 1, 1), dt.datetime(2099, 1, 1), timezones=st.just(dt.UTC)  # noqa: DTZ001
        ),
        "date": st.dates(dt.date(2018, 1, 1), dt.date(2099, 1, 1)),
    }[column.kind]  # fmt: skip
    return filled if column.required else st.none() | filled


def frames(table: Table):
    """Return a strategy for frames of a table, keys unique."""
    row = st.fixed_dictionaries({column.name: cells(column) for column in table.columns})
    return st.lists(
        row, max_size=3, unique_by=lambda cells: tuple(cells[name] for name in table.key)
    ).map(lambda rows: pd.DataFrame(rows, columns=table.names, dtype=object))


quickly = settings(
    max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@every_table
@quickly
@given(data=st.data())
def test_frames_survive_the_way_to_arrow_and_back(table, data):
    frame = data.draw(frames(table))
    arrow = tables.to_arrow(frame, table)
    assert arrow.schema.equals(tables.arrow_schema(table))
    assert arrow.schema.field(0).metadata == tables.arrow_schema(table).field(0).metadata
    back = tables.from_arrow(arrow, table)
    expected = tables.conform(frame, table).sort_values(
        list(table.key), kind="stable", na_position="first", ignore_index=True
    )
    for column in table.columns:
        if column.kind == "integer":
            # One row without a value makes the column float in one frame and the other alike.
            expected[column.name] = expected[column.name].astype(back[column.name].dtype)
    pd.testing.assert_frame_equal(back, expected)
    assert tables.to_arrow(back, table).equals(arrow)


@every_table
@quickly
@given(data=st.data())
def test_the_order_of_rows_does_not_reach_arrow(table, data):
    frame = data.draw(frames(table))
    shuffled = frame.loc[data.draw(st.permutations(range(len(frame))))]
    assert tables.to_arrow(shuffled, table).equals(tables.to_arrow(frame, table))


def test_days_are_stored_as_dates_and_instants_in_utc():
    schema = tables.arrow_schema(tables.RUNS)
    assert schema.field("date").type == pa.date32()
    assert schema.field("ended_at").type == pa.timestamp("us", tz="UTC")


def test_a_table_without_rows_is_its_callers_own():
    first = tables.empty(tables.RUNS)
    first["run_id"] = first["run_id"].astype("object")
    first.loc[0, "reserved_s"] = 1.0
    second = tables.empty(tables.RUNS)
    assert second.empty
    assert second["run_id"].dtype == "str"


def test_texts_of_a_user_that_are_categories_become_texts():
    frame = tables.empty(tables.RUNS).reindex([0]).assign(gpu_model=pd.Categorical(["A100"]))
    assert tables.conform(frame, tables.RUNS)["gpu_model"].dtype == "str"


def test_rows_of_frames_are_joined_with_their_categories_or_as_texts():
    def coded(*texts):
        return pd.DataFrame({"x": pd.Categorical(pd.array(texts, "str")), "y": len(texts)})

    both = frames_.joined([coded("a", "b"), coded("c", "a")])
    assert frames_.is_coded(both["x"].dtype)
    assert both["x"].tolist() == ["a", "b", "c", "a"]
    mixed = frames_.joined([coded("a", "b"), frames_.in_words(coded("c"))])
    assert mixed.values.tolist() == [["a", 2], ["b", 2], ["c", 1]]
