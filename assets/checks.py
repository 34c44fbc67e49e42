"""Asset checks that a table's content keeps its declaration.

Put here: how the outcome of a check is shown in Dagster.
Keep out: what is checked, and how (`ft_emissions_pipeline/tables/expectations.py`).

An asset yields its rows and then the check of these rows, in memory: a check of its own would load
every partition of the table again. A failed check blocks what is downstream.
"""

from __future__ import annotations

import json

import dagster as dg
import pandas as pd

from ft_emissions_pipeline.tables import ROLLUPS, Table, expectations

CHECK_NAME = "expectations_hold"


def check_spec(table: Table) -> dg.AssetCheckSpec:
    """Return the check that an asset of this table declares."""
    rules = "; ".join(rule.description for rule in table.row_rules)
    return dg.AssetCheckSpec(
        CHECK_NAME,
        asset=table.name,
        blocking=True,
        description=(
            f"Each row is {table.row}. Columns, empty cells, ranges, allowed values and the key "
            f"({', '.join(table.key)}) are as declared in `tables/`"
            + (f"; no row where: {rules}." if rules else ".")
        ),
    )


def check_result(frame: pd.DataFrame, table: Table) -> dg.AssetCheckResult:
    """Check rows in memory; to be yielded after the output that holds them.

    Raises
    ------
    ft_emissions_pipeline.tables.expectations.CheckCrashed
        If the check could not be carried out, which says nothing about the rows.
    """
    result = expectations.validate(frame, table)
    metadata: dict[str, dg.MetadataValue] = {
        "evaluated": dg.MetadataValue.int(result.evaluated),
        "rows": dg.MetadataValue.int(len(frame)),
    }
    if result.failed:
        metadata["failed"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {name: failure[name] for name in ("column", "expected", "bad_rows")}
                    | {name: _text(failure[name]) for name in ("examples", "keys")}
                )
                for failure in result.failed
            ]
        )
    if table.partition is not None and table.partition in frame and len(frame):
        days = pd.to_datetime(frame[table.partition])
        metadata["days"] = dg.MetadataValue.text(f"{days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}")
    return dg.AssetCheckResult(
        passed=result.passed,
        check_name=CHECK_NAME,
        asset_key=dg.AssetKey(table.name),
        severity=dg.AssetCheckSeverity.ERROR,
        description=_summary(result),
        metadata=metadata,
    )


def stands(table: Table, check_name: str = CHECK_NAME) -> dg.AssetCheckResult:
    """Return the outcome for a table that was checked before, and did not move since."""
    return dg.AssetCheckResult(
        passed=True,
        check_name=check_name,
        asset_key=dg.AssetKey(table.name),
        severity=dg.AssetCheckSeverity.ERROR,
        description="Neither the table nor what it is made from moved since it was checked.",
    )


ADDS_UP = dg.AssetCheckSpec(
    "adds_up",
    asset=ROLLUPS.name,
    blocking=True,
    description="Inferences, carbon and water of every model, of all teams, tags and the fleet, "
    "in every period, are the sum of inference_impacts over its days, to a relative 1e-9.",
)


def sums_check(differences: pd.DataFrame) -> dg.AssetCheckResult:
    """Return the outcome of comparing roll-ups with what they sum up.

    Parameters
    ----------
    differences : DataFrame
        What `rollup.differences` returns.
    """
    first = [
        f"{row.period} of {row.date:%Y-%m-%d}, {row.grouped_by} {row.name or ''}: {row.column} is "
        f"{row.rolled_up:.9g}, the ledger has {row.ledger:.9g}"
        for row in differences.fillna({"name": ""}).head(5).itertuples(index=False, name="Differs")
    ]
    return dg.AssetCheckResult(
        passed=differences.empty,
        check_name=ADDS_UP.name,
        asset_key=ADDS_UP.asset_key,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(first) or "Every roll-up is the sum of the ledger.",
        metadata={"differences": len(differences)},
    )


def _summary(result: expectations.CheckResult) -> str:
    if result.passed:
        return f"All {result.evaluated} expectations hold."
    listed = "; ".join(
        f"{failure['column']}: {failure['bad_rows']} row(s) without {failure['expected']}"
        if failure["expectation"] == expectations.NOT_NULL
        else f"{failure['column']}: {failure['bad_rows']} row(s), expected {failure['expected']}"
        for failure in result.failed
    )
    return f"{len(result.failed)} of {result.evaluated} expectations fail: {listed}."


def _text(values: list[object]) -> str:
    return json.dumps(values, ensure_ascii=False, default=str)
