"""The footprint of each run.

Put here: the stage from normalized runs to impacts. Keep out: how a footprint is computed
(`ft_emissions_pipeline/impacts/`), and its sharing over inferences (`ledger.py`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from ft_emissions_pipeline import stages
from ft_emissions_pipeline.landing.engines import over_chunks
from ft_emissions_pipeline.tables import (
    RUN_IMPACTS,
    RUN_SPREADS,
)

from .checks import check_result, check_spec
from .partitions import DAILY, ONE_RUN
from .reference import key
from .resources import Pipeline, Workers
from .table_asset import out

GROUP = "impacts"


@dg.multi_asset(
    name="impacts",
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    ins={"normalized_runs": dg.AssetIn(), "field_provenance": dg.AssetIn()},
    deps=[key("defaults")],
    outs={
        RUN_SPREADS.name: dg.AssetOut(
            **out(RUN_SPREADS, "Which factors runs have in common, for the intervals of sums.")
        ),
        RUN_IMPACTS.name: dg.AssetOut(
            **out(
                RUN_IMPACTS,
                "Energy, carbon and water of each run, with the interval that its inputs make.",
            )
        ),
    },
    check_specs=[check_spec(RUN_SPREADS), check_spec(RUN_IMPACTS)],
)
def run_impacts(
    pipeline: Pipeline,
    workers: Workers,
    normalized_runs: pd.DataFrame,
    field_provenance: pd.DataFrame,
) -> Iterator[Any]:
    """Compute each run's footprint, and what makes its interval wide."""
    impacts, spreads = stages.sound(
        (RUN_IMPACTS, RUN_SPREADS),
        over_chunks(
            stages.impacts, workers.engine, pipeline.choices(), normalized_runs, field_provenance
        ),
    )
    for table, frame in ((RUN_SPREADS, spreads), (RUN_IMPACTS, impacts)):
        yield dg.Output(frame, output_name=table.name)
        yield check_result(frame, table)
