"""The footprint of each run.

Put here: the stage from normalized runs to impacts. Keep out: how a footprint is computed
(`ft_emissions_pipeline/impacts/`), and its sharing over inferences (`ledger.py`).
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
import pandas as pd

from ft_emissions_pipeline import stages
from ft_emissions_pipeline.impacts.inputs import ASKED
from ft_emissions_pipeline.landing.engines import over_chunks
from ft_emissions_pipeline.normalize import stored_provenance
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    KIND_PROVENANCE,
    RUN_IMPACTS,
    RUN_SPREADS,
)
from ft_emissions_pipeline.warehouse import store

from .checks import check_spec
from .partitions import DAILY, ONE_RUN, days
from .reference import key
from .resources import Pipeline, Workers
from .table_asset import checked, outs, without_rows

GROUP = "impacts"

MADE = {
    RUN_SPREADS: "Which factors runs have in common, for the intervals of sums.",
    RUN_IMPACTS: "Energy, carbon and water of each run, with the interval that its inputs make.",
}
"""Tables of the stage, and what is said of them."""


@dg.multi_asset(
    name="impacts",
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    deps=[key("defaults"), KIND_PROVENANCE.name, FIELD_PROVENANCE.name],
    outs=outs(MADE),
    check_specs=[check_spec(table) for table in MADE],
)
def run_impacts(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    workers: Workers,
    normalized_runs: pd.DataFrame,
) -> Iterator[Any]:
    """Compute each run's footprint, and what makes its interval wide."""
    if normalized_runs.empty:
        yield from without_rows(MADE)
        return
    first, last = days(context)
    own = store.read(
        pipeline.warehouse,
        FIELD_PROVENANCE,
        (first.date(), last.date()),
        where=("field", ASKED),
        ordered=False,
    )
    kinds = stored_provenance.kinds_of(pipeline.warehouse, normalized_runs)
    stage = partial(stages.impacts, kinds=kinds)
    impacts, spreads = over_chunks(stage, workers.engine, pipeline.choices(), normalized_runs, own)
    yield from checked(zip(MADE, (spreads, impacts), strict=True))
