"""Checks against the declarations, with the real Great Expectations and the real Dagster."""

import contextlib
import json
import logging
import os
import subprocess
import sys
import warnings

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.checks import check_result, check_spec
from assets.io_manager import DeltaIOManager
from ft_emissions_pipeline import tables
from ft_emissions_pipeline.tables import RUNS, TABLES, USAGE, Table, expectations
from ft_emissions_pipeline.warehouse import store

# A note of which days are due is no asset, so it is never checked.
CHECKED = {name: table for name, table in TABLES.items() if not name.startswith("pending_")}
every_table = pytest.mark.parametrize("table", CHECKED.values(), ids=CHECKED.keys())


def good(table: Table, rows=3):
    """Return rows that keep every declaration: each value at a bound, or just above it."""
    low = {column.name: column.minimum or 0.0 for column in table.columns}
    cells = {
        column.name: {
            "string": [column.allowed[0]] * rows
            if column.allowed
            else [f"{column.name} {row}" for row in range(rows)],
            "float": low[column.name] + float(column.above_zero),
            "integer": int(low[column.name]),
            "boolean": True,
            "timestamp": pd.Timestamp("2026-01-02", tz="UTC")
            + pd.Timedelta(hours=int(column.name == "ended_at")),
            "date": pd.Timestamp("2026-01-02"),
        }[column.kind]
        for column in table.columns
    }
    return tables.conform(pd.DataFrame(cells, index=range(rows)), table)


def runs(**changes):
    frame = good(RUNS)
    for name, values in changes.items():
        frame[name] = values
    return tables.conform(frame, RUNS)


def only_failure(frame, table):
    result = expectations.validate(frame, table)
    assert not result.passed
    assert len(result.failed) == 1, result.failed
    return result.failed[0]


@every_table
def test_good_rows_pass_every_expectation(table):
    result = expectations.validate(good(table), table)
    assert result == expectations.CheckResult(True, [], len(expectations.expectations(table)))


@every_table
def test_an_empty_table_passes(table):
    assert expectations.validate(tables.empty(table), table).passed
    assert expectations.validate(tables.empty(table), table, in_full=True).passed


@every_table
def test_each_declared_column_appears_in_the_expectations(table):
    asked = expectations.expectations(table)
    for column in table.columns:
        kinds = {kind for kind, options in asked if options.get("column") == column.name}
        assert (expectations.NOT_NULL in kinds) is column.required, column.name
        assert (expectations.IN_SET in kinds) is (column.allowed is not None), column.name
        if column.kind in {"float", "integer", "timestamp"}:
            assert expectations.BETWEEN in kinds, column.name
    assert sum("unique" in kind for kind, _ in asked) == 1


@pytest.mark.parametrize(
    ("column", "value", "expectation", "expected"),
    [
        ("pue", 0.99, expectations.BETWEEN, "at least 1 and at most 5"),
        ("pue", 5.01, expectations.BETWEEN, "at least 1 and at most 5"),
        ("reserved_s", 0.0, expectations.BETWEEN, "at least 1e-06 and at most 3.2e+08"),
        ("gpu_energy_kwh", -1e-9, expectations.BETWEEN, "0 or at least 1e-12 and at most 1e+09"),
        ("gpu_energy_kwh", np.inf, expectations.BETWEEN, "0 or at least 1e-12 and at most 1e+09"),
        ("method", "magic", expectations.IN_SET, "one of full, lora"),
        ("source_uri", None, expectations.NOT_NULL, "a value in every row"),
        ("published_at", pd.Timestamp(0, tz="UTC"), expectations.BETWEEN, "at least 2016-01-01"),
    ],
)
def test_a_bad_cell_fails_its_own_expectation_only(column, value, expectation, expected):
    frame = runs()
    frame.loc[1, column] = value
    failure = only_failure(frame, RUNS)
    assert (failure["expectation"], failure["column"]) == (expectation, column)
    assert failure["expected"].startswith(expected)
    assert failure["bad_rows"] == 1
    assert failure["keys"] == [{"date": "2026-01-02", "run_id": "run_id 1"}]
    json.dumps(failure["examples"])


def test_values_at_their_bounds_pass():
    assert expectations.validate(runs(pue=[1.0, 5.0, np.nan]), RUNS).passed


def test_a_repeated_key_fails():
    failure = only_failure(runs(run_id=["a", "a", "b"]), RUNS)
    assert (failure["expectation"], failure["bad_rows"]) == (expectations.UNIQUE, 2)


def test_a_key_repeats_with_empty_parts_too():
    frame = good(USAGE).assign(model_name="m", model_version=[None, None, "1"])
    failure = only_failure(tables.conform(frame, USAGE), USAGE)
    assert (failure["expectation"], failure["bad_rows"]) == (expectations.UNIQUE_TOGETHER, 2)
    assert failure["column"] == "date, model_name, model_version"
    assert failure["keys"][0]["model_version"] is None


def test_a_row_that_breaks_a_rule_fails_by_the_rules_code():
    failure = only_failure(
        runs(started_at=pd.Timestamp("2026-01-03", tz="UTC"), reserved_s=np.nan), RUNS
    )
    assert (failure["expectation"], failure["column"]) == ("row_rule", "end_before_start")
    assert failure["expected"] == "no row where ended_at lies before started_at"
    assert failure["bad_rows"] == 3


@every_table
def test_every_row_rule_can_fail(table):
    for rule in table.row_rules:
        never = tables.RowRule(rule.code, rule.description, lambda f: pd.Series(False, f.index))
        broken = tables.Table(
            table.name, table.row, table.columns, table.key, table.partition, (never,)
        )
        assert only_failure(good(broken), broken)["column"] == rule.code


def test_all_failures_are_reported_at_once():
    frame = runs(pue=9.0, gpu_utilization=[0.5, 2.0, 3.0], method="magic")
    failed = {f["column"]: f["bad_rows"] for f in expectations.validate(frame, RUNS).failed}
    assert failed == {"pue": 3, "gpu_utilization": 2, "method": 3}


def test_many_bad_rows_are_counted_but_few_are_shown():
    frame = good(RUNS, 500).assign(pue=9.0)
    failure = only_failure(frame, RUNS)
    assert failure["bad_rows"] == 500
    assert len(failure["keys"]) == len(failure["examples"]) == expectations.EXAMPLES


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda f: f.drop(columns="inferences"), "missing inferences"),
        (lambda f: f.assign(colour="red"), "not declared colour"),
        (lambda f: pd.concat([f, f[["date"]]], axis=1), "twice date"),
    ],
)
def test_other_columns_than_declared_fail(change, expected):
    failure = only_failure(change(good(USAGE)), USAGE)
    assert failure["expectation"] == expectations.COLUMN_SET
    assert expected in failure["expected"]


def test_a_column_of_another_type_fails():
    failure = only_failure(good(USAGE).assign(inferences="many"), USAGE)
    assert (failure["expectation"], failure["column"]) == ("declared_type", "usage.inferences")


def test_columns_in_another_order_and_type_family_pass():
    frame = good(USAGE)
    frame = frame.assign(date=frame["date"].dt.date, inferences=1)[frame.columns[::-1]]
    assert expectations.validate(frame, USAGE).passed


@settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    pue=st.lists(st.none() | st.floats(0.5, 6.0), min_size=3, max_size=3),
    inferences=st.lists(st.floats(allow_nan=False), min_size=3, max_size=3),
    name=st.lists(st.sampled_from([None, "a", "b"]), min_size=3, max_size=3),
)
def test_the_quick_way_and_the_full_way_agree(pue, inferences, name):
    for table, frame in (
        (RUNS, good(RUNS).assign(pue=pue, run_id=name, method=name)),
        (USAGE, good(USAGE).assign(inferences=inferences, model_name=name, model_version=None)),
    ):
        typed = tables.conform(frame, table)
        assert expectations.validate(typed, table) == expectations.validate(
            typed, table, in_full=True
        )


def with_rule(holds):
    rule = tables.RowRule("broken", "the rule is broken", holds)
    return tables.Table("usage", USAGE.row, USAGE.columns, USAGE.key, USAGE.partition, (rule,))


def test_a_rule_that_crashes_is_no_verdict_on_the_data():
    table = with_rule(lambda frame: frame["no such column"] > 0)
    with pytest.raises(
        expectations.CheckCrashed, match=r"check of usage crashed: KeyError.*not judged"
    ):
        expectations.validate(good(USAGE), table)


def test_a_crash_inside_great_expectations_is_no_verdict_on_the_data(monkeypatch):
    asked = expectations.expectations(USAGE)
    asked.insert(1, (expectations.BETWEEN, {"column": "model_name", "min_value": 1.0}))
    monkeypatch.setattr(expectations, "expectations", lambda _: asked)
    monkeypatch.setattr(
        expectations, "_holds", lambda frame, *_: pd.Series(True, index=frame.index)
    )
    with pytest.raises(expectations.CheckCrashed, match=r"check of usage .*crashed: .*not judged"):
        expectations.validate(good(USAGE), USAGE, in_full=True)


def test_a_disagreement_is_no_verdict_on_the_data(monkeypatch):
    monkeypatch.setattr(
        expectations, "_holds", lambda frame, *_: pd.Series(False, index=frame.index)
    )
    with pytest.raises(
        expectations.CheckCrashed, match=r"differ on expect_column_values_to_not_be_null"
    ):
        expectations.validate(good(USAGE), USAGE)


def test_a_failed_expectation_with_an_exception_is_recognised():
    flat = {"raised_exception": True, "exception_message": "flat"}
    nested = {"('metric',)": {"raised_exception": True, "exception_message": "nested"}}
    assert expectations._exceptions(flat) == ["flat"]
    assert expectations._exceptions(nested) == ["nested"]
    assert expectations._exceptions({"raised_exception": False}) == []
    assert expectations._exceptions(None) == []


def test_python_warnings_stay_warnings_after_the_import():
    expectations.validate(good(USAGE), USAGE)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.warn("still here", stacklevel=1)
    assert [str(warning.message) for warning in seen] == ["still here"]
    assert logging._warnings_showwarning is None


ALONE = """
import socket, sys
def refuse(*args, **kwargs):
    # Said aloud, because a library may swallow the exception.
    print("a connection was tried", flush=True)
    raise OSError("no network in this test")
class Closed(socket.socket):
    connect = connect_ex = sendto = sendmsg = refuse
socket.socket, socket.getaddrinfo = Closed, refuse
import pandas as pd
from ft_emissions_pipeline import tables
from ft_emissions_pipeline.tables import expectations
assert not {"great_expectations", "dagster"} & set(sys.modules)
row = {"date": "2026-01-02", "model_name": "m", "inferences": 1.0, "source_format": "usage"}
row |= {"source_uri": "usage.csv", "source_record": "2"}
frame = tables.conform(pd.DataFrame([row]), tables.USAGE)
assert expectations.validate(frame, tables.USAGE).passed
assert "great_expectations" in sys.modules
"""


def test_a_check_is_silent_offline_and_leaves_no_file(tmp_path):
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        cwd=here,
        env={**os.environ, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [*home.iterdir(), *here.iterdir()] == []


# The check as Dagster runs it.


def materialize(frame, warehouse):
    @dg.asset(name="usage", check_specs=[check_spec(USAGE)])
    def toy_usage():
        yield dg.Output(frame)
        yield check_result(frame, USAGE)

    @dg.asset(name="quarantine", deps=["usage"])
    def downstream():
        return tables.empty(tables.QUARANTINE)

    with dg.instance_for_test() as instance:
        return dg.materialize(
            [toy_usage, downstream],
            instance=instance,
            raise_on_error=False,
            resources={"io_manager": DeltaIOManager(warehouse=str(warehouse))},
        )


def test_a_passed_check_lets_the_next_asset_run(tmp_path):
    result = materialize(good(USAGE), tmp_path)
    assert result.success
    check = result.get_asset_check_evaluations()[0]
    assert (check.check_name, check.passed) == ("expectations_hold", True)
    assert check.metadata["evaluated"].value == len(expectations.expectations(USAGE))
    assert check.metadata["days"].value == "2026-01-02 to 2026-01-02"
    assert store.version(tmp_path, tables.QUARANTINE) == 0


def test_a_failed_check_blocks_the_next_asset_and_shows_the_rows(tmp_path):
    result = materialize(good(USAGE).assign(inferences=[1.0, -1.0, 1.5]), tmp_path)
    assert not result.success
    check = result.get_asset_check_evaluations()[0]
    assert not check.passed
    shown = {row.data["column"]: row.data for row in check.metadata["failed"].records}
    assert shown["inferences"]["examples"] == "[-1.0]"
    assert '"model_name": "model_name 1"' in shown["inferences"]["keys"]
    assert shown["fractional_count"]["bad_rows"] == 1
    assert (
        "inferences: 1 row(s), expected 0 or at least 1e-09 and at most 1e+15" in check.description
    )
    assert store.version(tmp_path, tables.QUARANTINE) is None


def test_a_crashed_check_is_an_error_of_the_run(tmp_path, monkeypatch):
    def crash(*_):
        msg = "check of usage crashed"
        raise expectations.CheckCrashed(msg)

    monkeypatch.setattr(expectations, "validate", crash)
    result = materialize(good(USAGE), tmp_path)
    assert not result.success
    with contextlib.suppress(Exception):
        assert result.get_asset_check_evaluations() == []
    assert store.version(tmp_path, tables.QUARANTINE) is None


@every_table
def test_check_specs_block_and_say_what_a_row_is(table):
    spec = check_spec(table)
    assert spec.blocking
    assert spec.asset_key == dg.AssetKey(table.name)
    assert table.row in spec.description
