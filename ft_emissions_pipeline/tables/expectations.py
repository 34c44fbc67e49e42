"""Checks of a table's content against its declaration, run with Great Expectations.

Put here: how a declaration becomes expectations, and how a failed one is reported.
Keep out: the declarations themselves (`tables/`), what happens with bad records, and anything
that knows of Dagster (`assets/checks.py`).

Great Expectations takes about 4 s to import and 3.5 ms for each expectation, whatever the number of
rows. So it is imported when a check runs, and a check has two steps. First it is asked whether each
row keeps all that is declared of rows, and whether no key comes twice. Only where that fails is it
asked, in full, for the expectations that are behind it. Both steps must agree; otherwise the check
has crashed, which says nothing about the data.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from ft_emissions_pipeline import tables
from ft_emissions_pipeline.tables import Column, Table
from ft_emissions_pipeline.tables.schema import limits

Expectation = tuple[str, dict[str, Any]]
"""Type of a Great Expectations expectation, and its arguments."""

EXAMPLES = 5
FINITE = sys.float_info.max

COLUMN_SET = "expect_table_columns_to_match_set"
NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
UNIQUE = "expect_column_values_to_be_unique"
UNIQUE_TOGETHER = "expect_compound_columns_to_be_unique"

EVERY, KEY = "keeps all", "number of key"
"""Columns by which all that is declared of rows is checked at once: the first is True where all of
it holds, the second tells keys apart."""

RULE_PREFIX = "keeps:"
"""A row rule is checked through a column of this name and the rule's code, True where it holds."""


class CheckCrashed(RuntimeError):
    """A check could not be carried out; nothing is known about the data."""


@dataclass(frozen=True)
class CheckResult:
    """Outcome of checking a table.

    Attributes
    ----------
    passed : bool
        Whether every expectation holds.
    failed : list of dict
        One entry for each that does not: `expectation`, `column`, `expected` in words, `bad_rows`,
        `examples` (values) and `keys` (of rows).
    evaluated : int
        Number of expectations that were decided.
    """

    passed: bool
    failed: list[dict[str, Any]] = field(default_factory=list)
    evaluated: int = 0


def expectations(table: Table) -> list[Expectation]:
    """Return what a table's declaration asks of its content, as Great Expectations words it.

    Row rules compare columns, which the tool has no words for; each one is an expectation on a
    column of truth values that `validate` adds, named `keeps:` and the rule's code.
    """
    rules = [RULE_PREFIX + rule.code for rule in table.row_rules]
    found: list[Expectation] = [(COLUMN_SET, {"column_set": [*table.names, *rules]})]
    found += [(NOT_NULL, {"column": column.name}) for column in table.columns if column.required]
    bounds = [_bounds(column, table) for column in table.columns]
    found += [(BETWEEN, bound) for bound in bounds if bound is not None]
    found += [
        (IN_SET, {"column": column.name, "value_set": list(column.allowed)})
        for column in table.columns
        if column.allowed is not None
    ]
    found += [(IN_SET, {"column": rule, "value_set": [True]}) for rule in rules]
    return [*found, _unique(table)]


def validate(frame: pd.DataFrame, table: Table, *, in_full: bool = False) -> CheckResult:
    """Check a frame against its table's declaration.

    Parameters
    ----------
    frame : DataFrame
        Content of the table, or of some of its days.
    table : Table
        Its declaration.
    in_full : bool
        Ask Great Expectations for every single expectation at once, without the first step. Slower,
        with the same outcome; the tests compare the two.

    Returns
    -------
    CheckResult
        A table without rows passes if it has the declared columns.

    Raises
    ------
    CheckCrashed
        If an expectation could not be evaluated.
    """
    declared = expectations(table)
    wrong = _wrong_columns(frame, table)
    if wrong is not None:
        return CheckResult(False, [wrong], 1)
    try:
        frame = tables.conform(frame, table, coded=True)
    except ValueError as error:
        wrong = _entry("declared_type", str(error).split(" ")[0], str(error), len(frame))
        return CheckResult(False, [wrong], 1)
    if frame.empty and not in_full:
        # Without a row only the columns can be wrong, and they were looked at above.
        return CheckResult(True, [], len(declared))
    with _crash_told(table):
        rules = pd.DataFrame(
            {RULE_PREFIX + r.code: r.holds(frame).astype(bool) for r in table.row_rules},
            index=frame.index,
        )
        whole, key = pd.concat([frame, rules], axis=1), _key_numbers(frame, table)
        held = [(e, _holds(whole, key, *e)) for e in declared if e[0] != COLUMN_SET]
        doubtful = declared if in_full else [declared[0], *_doubtful(table, key, held)]
        if len(doubtful) == 1:
            return CheckResult(True, [], len(declared))
        verdicts = _ask(whole, f"{table.name} in full", doubtful, "BOOLEAN_ONLY")
        bad = [e for e, good in zip(doubtful, verdicts, strict=True) if not good["success"]]
        details = _ask(whole, f"{table.name} in detail", bad, "SUMMARY") if bad else []
    masks = {_identity(e): mask for e, mask in held}
    for expectation in doubtful[1:]:
        if masks[_identity(expectation)].all() == (expectation in bad):
            which = f"{expectation[0]} of {_column(expectation)}"
            raise _crashed(table.name, f"Great Expectations and the package differ on {which}")
    failed = [
        _failure(frame, table, expectation, detail["result"], masks[_identity(expectation)])
        for expectation, detail in zip(bad, details, strict=True)
    ]
    return CheckResult(not failed, failed, len(declared))


def _key_numbers(frame: pd.DataFrame, table: Table) -> pd.Series:
    """Return a number for each row, the same where the key is, none where a lone key is empty.

    Great Expectations makes a hash of all that it is asked about, which of texts takes long.
    """
    keys = list(table.key)
    return frame.groupby(keys, sort=False, dropna=len(keys) == 1, observed=True).ngroup()


def _doubtful(
    table: Table, key: pd.Series, held: list[tuple[Expectation, pd.Series]]
) -> list[Expectation]:
    """Return the expectations of which Great Expectations finds a bad row, all asked as one."""
    of_rows = [mask for (name, _), mask in held if "unique" not in name]
    every = functools.reduce(lambda a, b: a & b, of_rows, pd.Series(True, index=key.index))
    asked: list[Expectation] = [
        (IN_SET, {"column": EVERY, "value_set": [True]}),
        (UNIQUE, {"column": KEY}),
    ]
    whole = pd.DataFrame({KEY: key, EVERY: every})
    verdicts = _ask(whole, f"{table.name} as one", asked, "BOOLEAN_ONLY")
    rows, keys = (verdict["success"] for verdict in verdicts)
    return [
        (name, options)
        for (name, options), mask in held
        if (not keys if "unique" in name else not (rows or mask.all()))
    ]


def _bounds(column: Column, table: Table) -> dict[str, Any] | None:
    earliest = tables.EARLIEST.to_pydatetime()
    if column.kind == "timestamp":
        return {"column": column.name, "min_value": earliest}
    if column.name == table.partition:
        return {"column": column.name, "min_value": earliest.replace(tzinfo=None)}
    if column.kind not in {"float", "integer"}:
        return None
    # A number without a declared bound must still be finite.
    bounds = {
        "column": column.name,
        "min_value": -FINITE if column.minimum is None else column.minimum,
        "max_value": FINITE if column.maximum is None else column.maximum,
    }
    if not column.above_zero:
        return bounds  # What lies between 0 and `smallest` is refused when it is read (`rows.py`).
    least = column.smallest or 0.0
    return {**bounds, "min_value": least, "strict_min": column.smallest is None}


def _unique(table: Table) -> Expectation:
    if len(table.key) == 1:
        return UNIQUE, {"column": table.key[0]}
    return UNIQUE_TOGETHER, {"column_list": list(table.key), "ignore_row_if": "never"}


def _wrong_columns(frame: pd.DataFrame, table: Table) -> dict[str, Any] | None:
    """Return what is wrong with the frame's columns; nothing else can be checked before."""
    names = list(frame.columns)
    missing = [name for name in table.names if name not in names]
    extra = [str(name) for name in names if name not in table.names]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    said = [
        f"{word} {', '.join(which)}"
        for word, which in (("missing", missing), ("not declared", extra), ("twice", twice))
        if which
    ]
    if not said:
        return None
    columns = ", ".join([*missing, *extra, *twice])
    return _entry(COLUMN_SET, columns, f"the declared columns; {'; '.join(said)}", len(frame))


def _entry(expectation: str, column: str, expected: str, bad_rows: int) -> dict[str, Any]:
    return {
        "expectation": expectation,
        "column": column,
        "expected": expected,
        "bad_rows": bad_rows,
        "examples": [],
        "keys": [],
    }


def _holds(frame: pd.DataFrame, key: pd.Series, name: str, options: dict[str, Any]) -> pd.Series:
    """Return for each row whether it keeps an expectation; an empty cell keeps all but one kind."""
    if name in {UNIQUE, UNIQUE_TOGETHER}:
        return key.isna() | ~key.duplicated(keep=False)
    values = frame[options["column"]]
    if name == NOT_NULL:
        return values.notna()
    if name == IN_SET:
        return values.isna() | values.isin(options["value_set"])
    low, high = options["min_value"], options.get("max_value")
    good = ~((values <= low) if options.get("strict_min") else (values < low))
    return good if high is None else good & ~(values > high)


def _column(expectation: Expectation) -> str:
    options = expectation[1]
    return str(options.get("column") or ", ".join(options.get("column_list", [])))


def _identity(expectation: Expectation) -> tuple[str, str]:
    return expectation[0], _column(expectation)


def _failure(
    frame: pd.DataFrame,
    table: Table,
    expectation: Expectation,
    result: dict[str, Any],
    mask: pd.Series,
) -> dict[str, Any]:
    name, options = expectation
    column = _column(expectation)
    examples = [_plain(value) for value in result.get("partial_unexpected_list", [])][:EXAMPLES]
    if column.startswith(RULE_PREFIX):
        # The values are all False; the keys and the words say more.
        column, examples = column.removeprefix(RULE_PREFIX), []
    # With the day, so that one sees which partitions are bad.
    place = [name for name in dict.fromkeys([table.partition, *table.key]) if name is not None]
    keys = frame.loc[~mask, place].head(EXAMPLES)
    return {
        "expectation": name if column in table.names or "unique" in name else "row_rule",
        "column": column,
        "expected": _in_words(table, name, column, options),
        "bad_rows": int(result.get("unexpected_count", (~mask).sum())),
        "examples": examples,
        "keys": [
            {str(part): _plain(value) for part, value in row.items()}
            for row in keys.to_dict("records")
        ],
    }


def _in_words(table: Table, name: str, column: str, options: dict[str, Any]) -> str:
    if name == NOT_NULL:
        return "a value in every row"
    if name in {UNIQUE, UNIQUE_TOGETHER}:
        return "one row for each key"
    for rule in table.row_rules:
        if rule.code == column:
            return f"no row where {rule.description}"
    if name == BETWEEN and "max_value" not in options:  # days and instants
        return f"at least {options['min_value']:%Y-%m-%d}"
    unbounded = options.get("max_value") == FINITE
    words = [*limits(table.column(column)), *(["a finite number"] if unbounded else [])]
    return " and ".join(words)


def _plain(value: object) -> object:
    """Return a value that JSON can hold."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if value is None or value is pd.NaT or value != value:  # noqa: PLR0124 - NaN of any type
        return None
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, datetime) and value.tzinfo is None:
        return f"{value:%Y-%m-%d}"
    return str(value)


def _crashed(what: str, why: str) -> CheckCrashed:
    return CheckCrashed(f"check of {what} crashed: {why}; the data were not judged")


@contextmanager
def _crash_told(table: Table) -> Iterator[None]:
    """Turn what goes wrong inside a check into `CheckCrashed`."""
    try:
        yield
    except CheckCrashed:
        raise
    except Exception as error:
        raise _crashed(table.name, f"{type(error).__name__}: {error}") from error


def _ask(
    frame: pd.DataFrame, title: str, asked: list[Expectation], result_format: str
) -> list[dict[str, Any]]:
    """Return Great Expectations' verdict on each expectation, in the order asked."""
    gx, batches = _great_expectations()
    # An identity ties each verdict to its question: results come back in an order of their own.
    suite = gx.ExpectationSuite(
        name=title,
        expectations=[
            getattr(gx.expectations, name.title().replace("_", ""))(
                **options, meta={"number": number}
            )
            for number, (name, options) in enumerate(asked)
        ],
    )
    batch = batches.get_batch({"dataframe": frame})
    outcome = batch.validate(suite, result_format=result_format)
    verdicts: dict[int, dict[str, Any]] = {}
    for result in outcome.results:
        for cause in _exceptions(result.exception_info):
            raise _crashed(title, cause)
        verdicts[result.expectation_config.meta["number"]] = {
            "success": bool(result.success),
            "result": result.result,
        }
    if len(verdicts) != len(asked):
        raise _crashed(title, f"{len(asked) - len(verdicts)} expectations gave no verdict")
    return [verdicts[number] for number in range(len(asked))]


def _exceptions(info: dict[str, Any] | None) -> list[str]:
    """Return messages of the exceptions that Great Expectations has turned into a failed check."""
    if not info:
        return []
    parts = [info] if "raised_exception" in info else list(info.values())
    return [
        str(part.get("exception_message") or "unknown exception")
        for part in parts
        if isinstance(part, dict) and part.get("raised_exception")
    ]


@functools.cache
def _great_expectations() -> tuple[Any, Any]:
    """Import Great Expectations and set it up, once per process: in memory, silent, offline."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        # It imports two modules that Python 3.11 deprecates (1.24; drop once it does not).
        warnings.filterwarnings("ignore", "module 'sre_(constants|parse)' is deprecated")
        import great_expectations as gx

        # Its import sends all warnings of the process into a log.
        logging.captureWarnings(False)
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = context.data_sources.add_pandas("memory")
    return gx, source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("whole")
