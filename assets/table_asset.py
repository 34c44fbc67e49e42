"""What every table of the DAG has in common.

Put here: the description, schema, check and storage that follow from a table's declaration. Keep
out: anything about one table.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import dagster as dg
import pandas as pd

from ft_emissions_pipeline.reference.declaration import FactorTable
from ft_emissions_pipeline.tables import ARROW_TYPES, TABLES, Table, empty, lineage
from ft_emissions_pipeline.tables.schema import limits
from ft_emissions_pipeline.warehouse import unmoved

from .checks import check_result, check_spec, stands
from .partitions import DAILY, ONE_RUN
from .resources import Pipeline

KINDS = {"python", "pandas", "deltalake"}


def out(table: Table, description: str) -> dict[str, Any]:
    """Return the options of an output that holds a table."""
    return {
        "description": f"One row is {table.row}.\n\n{description}",
        "metadata": {"dagster/column_schema": column_schema(table)},
        "io_manager_key": "io_manager",
        "kinds": KINDS,
    }


def outs(described: Mapping[Table, str]) -> dict[str, dg.AssetOut]:
    """Return the outputs of a step that makes several tables, by what is said of each."""
    return {table.name: dg.AssetOut(**out(table, words)) for table, words in described.items()}


def without_rows(tables: Iterable[Table]) -> Iterator[Any]:
    """Yield what such a step makes of no runs."""
    yield from checked((table, empty(table)) for table in tables)


def checked(made: Iterable[tuple[Table, pd.DataFrame]]) -> Iterator[Any]:
    """Yield what such a step made: the rows of each table, then the check of these rows."""
    for table, frame in made:
        yield dg.Output(frame, output_name=table.name)
        yield check_result(frame, table)


def table_asset(
    table: Table,
    *,
    group: str,
    made_from: Callable[[Pipeline, pd.DataFrame], unmoved.Inputs] | None = None,
    **options: Any,
) -> Callable[..., Any]:
    """Declare an asset that makes one table; its function returns the rows, which are then checked.

    The function's docstring is what the lineage page shows. It may return None where the table
    stands as it was checked.

    Parameters
    ----------
    table : Table
        Declaration of the table; its partition column makes the asset daily.
    group : str
        Stage of the pipeline.
    made_from : callable, optional
        Returns from what the rows (its second argument) are made, to be noted once they are
        checked.
    **options
        Passed on to `dagster.asset`.
    """
    if table.partition is not None:
        options = {"partitions_def": DAILY, "backfill_policy": ONE_RUN, **options}

    def decorate(function: Callable[..., pd.DataFrame | None]) -> dg.AssetsDefinition:
        def body(*args: Any, **kwargs: Any) -> Iterator[Any]:
            frame = function(*args, **kwargs)
            yield dg.Output(frame)
            if frame is None:
                yield stands(table)
                return
            result = check_result(frame, table)
            if made_from is not None and result.passed:
                pipeline: Pipeline = kwargs["pipeline"]
                unmoved.note(pipeline.warehouse, table, made_from(pipeline, frame))
            yield result

        # Dagster reads inputs and resources off the signature, in the names of the asset's module.
        signature = inspect.signature(function, eval_str=True)
        body.__name__, body.__doc__ = function.__name__, function.__doc__
        body.__wrapped__ = function  # type: ignore[attr-defined]
        body.__signature__ = signature.replace(return_annotation=Iterator[Any])  # type: ignore[attr-defined]
        body.__annotations__ = {
            name: parameter.annotation for name, parameter in signature.parameters.items()
        }
        return dg.asset(
            name=table.name,
            group_name=group,
            check_specs=[check_spec(table)],
            **out(table, inspect.getdoc(function) or ""),
            **options,
        )(body)

    return decorate


def column_schema(table: Table | FactorTable) -> dg.TableSchema:
    """Return a table's columns with type, unit, description and constraints."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(ARROW_TYPES[column.kind]),
                description=f"{column.description} [{column.unit}]"
                if column.unit
                else column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=not column.required,
                    unique=table.key == (column.name,),
                    other=limits(column),
                ),
            )
            for column in table.columns
        ],
        constraints=dg.TableConstraints(
            other=[
                f"key: {', '.join(table.key)}",
                *(f"no row where {rule.description}" for rule in getattr(table, "row_rules", ())),
            ]
        ),
    )


@cache
def column_lineage(table: Table) -> dg.TableColumnLineage:
    """Return of which columns of other tables each column is made."""
    return dg.TableColumnLineage(
        {
            column.name: [
                dg.TableColumnDep(
                    dg.AssetKey(source if source in TABLES else ["reference", source]), name
                )
                for source, name in lineage.made_of(table.name, column.name)
            ]
            for column in table.columns
        }
    )
