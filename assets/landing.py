"""Landed logs: which file holds which day, and what could not be used.

Put here: the two tables over the whole landing folder. Keep out: the daily tables (`runs.py`).
"""

import dagster as dg
import pandas as pd

from assets import pending
from assets.reference import key
from assets.resources import Pipeline
from assets.stored import table_asset
from ft_emissions_pipeline import landing, normalize, store
from ft_emissions_pipeline.tables import LANDING_INDEX, QUARANTINE, conform

GROUP = "landing"


@table_asset(
    LANDING_INDEX,
    group=GROUP,
    deps=[key("models"), key("defaults")],
)
def landing_index(pipeline: Pipeline) -> pd.DataFrame:
    """Look through the landing folder; files that did not change are not read again."""
    previous = store.read(pipeline.warehouse, LANDING_INDEX)
    index = landing.scan(
        pipeline.landing_folder, pipeline.reference(), pipeline.settings(), previous
    )
    pending.note(pipeline.warehouse, pending.EVERYTHING, landing.touched_days(previous, index))
    return index


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
