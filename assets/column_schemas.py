"""Column schemas as Dagster shows them, made of the declarations in `tables.py`.

Put here: how a declared column is worded for Dagster's catalogue.
Keep out: types, units, ranges and descriptions themselves; they are declared in `tables.py`.
"""

from __future__ import annotations

import dagster as dg

from ft_emissions_pipeline import tables
from ft_emissions_pipeline.tables import Column, Table


def column_schema(table: Table) -> dg.TableSchema:
    """Return a table's columns with type, unit, description and constraints."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(tables.ARROW_TYPES[column.kind]),
                description=_description(column),
                constraints=dg.TableColumnConstraints(
                    nullable=not column.required,
                    unique=table.key == (column.name,),
                    other=_limits(column),
                ),
            )
            for column in table.columns
        ],
        constraints=dg.TableConstraints(
            other=[
                f"key: {', '.join(table.key)}",
                *(f"no row where {rule.description}" for rule in table.row_rules),
            ]
        ),
    )


def _description(column: Column) -> str:
    return f"{column.description} [{column.unit}]" if column.unit else column.description


def _limits(column: Column) -> list[str]:
    limits = []
    if column.above_zero:
        limits.append("> 0")
    elif column.minimum is not None:
        limits.append(f">= {column.minimum:g}")
    if column.maximum is not None:
        limits.append(f"<= {column.maximum:g}")
    if column.allowed is not None:
        limits.append(f"one of {', '.join(column.allowed)}")
    return limits
