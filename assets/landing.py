"""Landed logs: which file holds which day.

Put here: the index over the whole landing folder. Keep out: what the files say (`runs.py`).
"""

import pandas as pd

from assets.reference import key
from assets.resources import Pipeline
from assets.table_asset import table_asset
from ft_emissions_pipeline.landing import index as landing
from ft_emissions_pipeline.tables import EVERYTHING, LANDING_INDEX
from ft_emissions_pipeline.warehouse import pending, store

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
    pending.note(pipeline.warehouse, EVERYTHING, landing.touched_days(previous, index))
    return index
