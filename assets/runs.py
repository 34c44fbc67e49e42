"""Runs and usage of a day, as logged; and the runs that the rules let pass.

Put here: the daily tables before anything is filled in. Keep out: the files' index (`landing.py`)
and imputation (`normalized.py`).
"""

import dagster as dg
import pandas as pd

from assets.partitions import days
from assets.reference import key
from assets.resources import Pipeline
from assets.stored import table_asset
from ft_emissions_pipeline import landing, normalize
from ft_emissions_pipeline.tables import RUNS, USAGE, VALIDATED_RUNS

GROUP = "runs"


@table_asset(
    RUNS,
    group=GROUP,
    description="Reads just the files that hold the day, and joins the records of one run: "
    "measured goes before disclosed.",
    deps=[key("models"), key("defaults")],
)
def runs(
    context: dg.AssetExecutionContext, pipeline: Pipeline, landing_index: pd.DataFrame
) -> pd.DataFrame:
    first, last = days(context)
    return landing.runs_of(
        pipeline.landing_folder, landing_index, first, last, pipeline.reference(), pipeline.settings()
    )


@table_asset(
    USAGE,
    group=GROUP,
    description="Counts of inferences; of several counts of one day the file last by name stands.",
)
def usage(
    context: dg.AssetExecutionContext, pipeline: Pipeline, landing_index: pd.DataFrame
) -> pd.DataFrame:
    first, last = days(context)
    return landing.usage_of(
        pipeline.landing_folder, landing_index, first, last, pipeline.settings()
    )


@table_asset(
    VALIDATED_RUNS,
    group=GROUP,
    description="Leaves out what breaks a rule after joining, or holds neither time nor tokens; "
    "`quarantine` says what and why.",
)
def validated_runs(runs: pd.DataFrame) -> pd.DataFrame:
    accepted, _ = normalize.accepted(runs)
    return accepted
