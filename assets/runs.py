"""Runs and usage of a day, as logged; the runs that the rules let pass, and what was not used.

Put here: the tables before anything is filled in. Keep out: the files' index (`landing.py`)
and imputation (`normalized.py`).
"""

import dagster as dg
import pandas as pd

from assets.partitions import days
from assets.reference import key
from assets.resources import Pipeline
from assets.stored import table_asset
from ft_emissions_pipeline import landing, normalize, store
from ft_emissions_pipeline.tables import QUARANTINE, RUNS, USAGE, VALIDATED_RUNS, conform

GROUP = "runs"


@table_asset(
    RUNS,
    group=GROUP,
    deps=[key("models"), key("defaults")],
)
def runs(
    context: dg.AssetExecutionContext, pipeline: Pipeline, landing_index: pd.DataFrame
) -> pd.DataFrame:
    """Read just the files that hold the day, and join the records of one run.

    Of several records of one field the measured one goes before the disclosed one.
    """
    first, last = days(context)
    return landing.runs_of(
        pipeline.landing_folder,
        landing_index,
        first,
        last,
        pipeline.reference(),
        pipeline.settings(),
    )


@table_asset(
    USAGE,
    group=GROUP,
)
def usage(
    context: dg.AssetExecutionContext, pipeline: Pipeline, landing_index: pd.DataFrame
) -> pd.DataFrame:
    """Read the day's counts; of several for one model the file last by name stands."""
    first, last = days(context)
    return landing.usage_of(
        pipeline.landing_folder, landing_index, first, last, pipeline.settings()
    )


@table_asset(
    VALIDATED_RUNS,
    group=GROUP,
)
def validated_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Leave out what breaks a rule after joining, or holds neither time nor tokens.

    `quarantine` says what was left out, and why.
    """
    accepted, _ = normalize.accepted(runs)
    return accepted


@table_asset(
    QUARANTINE,
    group=GROUP,
    ins={"runs": dg.AssetIn(partition_mapping=dg.AllPartitionMapping())},
)
def quarantine(pipeline: Pipeline, landing_index: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Collect the records that could not be read, that break a rule, or that say too little."""
    previous = store.read(pipeline.warehouse, QUARANTINE)
    unread = landing.rejected(pipeline.landing_folder, landing_index, previous, pipeline.settings())
    _, refused = normalize.accepted(runs)
    found = [frame for frame in (unread, refused) if len(frame)]
    return conform(pd.concat(found), QUARANTINE) if found else unread
