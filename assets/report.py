"""The report of the day, and what making all of it cost.

Put here: the asset that writes the page and the pipeline's own footprint. Keep out: the page
(`ft_emissions_pipeline/report/`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from ft_emissions_pipeline import report
from ft_emissions_pipeline.pipeline_footprint import FootprintFailed
from ft_emissions_pipeline.tables import (
    ALLOCATION,
    FIELD_PROVENANCE,
    INFERENCE_IMPACTS,
    KIND_PROVENANCE,
    PIPELINE_FOOTPRINT,
    QUARANTINE,
    RESTATEMENTS,
    ROLLUPS,
    RUN_IMPACTS,
    empty,
)
from ft_emissions_pipeline.warehouse import pending, store, upkeep

from .checks import check_result, check_spec
from .partitions import ALLOCATION_UNTIL, DAILY, ONE_RUN, days
from .resources import OwnFootprint, Pipeline
from .retention import forget_old_runs
from .table_asset import out

GROUP = "report"


@dg.asset(
    name=PIPELINE_FOOTPRINT.name,
    group_name=GROUP,
    deps=[INFERENCE_IMPACTS.name, RESTATEMENTS.name, QUARANTINE.name],
    check_specs=[check_spec(PIPELINE_FOOTPRINT)],
    **out(PIPELINE_FOOTPRINT, "Measured with CodeCarbon's offline tracker, up to the report."),
)
def pipeline_footprint(
    context: dg.AssetExecutionContext, own_footprint: OwnFootprint
) -> Iterator[Any]:
    """Note what this materialisation run has consumed so far.

    Where the machine cannot be measured, the run goes on and the metadata say why there is no row.
    """
    try:
        frame = own_footprint.so_far().assign(pipeline_run_id=context.run.run_id)
        own = frame.iloc[0]
        metadata = {
            name: float(own[name]) for name in ("energy_kwh", "carbon_kgco2e", "duration_s")
        }
    except FootprintFailed as error:
        context.log.warning("%s", error)
        frame, metadata = empty(PIPELINE_FOOTPRINT), {"not_measured": str(error)}
    yield dg.Output(frame, metadata=metadata)
    yield check_result(frame, PIPELINE_FOOTPRINT)


@dg.asset(
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    deps=[
        INFERENCE_IMPACTS.name,
        RESTATEMENTS.name,
        RUN_IMPACTS.name,
        KIND_PROVENANCE.name,
        FIELD_PROVENANCE.name,
        QUARANTINE.name,
        ROLLUPS.name,
        PIPELINE_FOOTPRINT.name,
    ],
    kinds={"html"},
)
def daily_report(
    context: dg.AssetExecutionContext, pipeline: Pipeline
) -> dg.MaterializeResult[None]:
    """One HTML page over all days: per-inference carbon and water, their parts, what was assumed.

    Self-contained; it lies beside the tables as `report/index.html`. Where other days are shared
    anew right after this run, it is written then.
    """
    first, last = days(context)
    until = context.run.tags.get(ALLOCATION_UNTIL)
    due = pending.days(pipeline.warehouse, ALLOCATION)
    later = until is not None and (due <= until)[(due < first) | (due > last)].any()
    path = (report.page_of if later else report.write)(pipeline.warehouse)
    inferences = store.read(
        pipeline.warehouse,
        INFERENCE_IMPACTS,
        (last.date(), last.date()),
        columns=("inferences",),
        ordered=False,
    )["inferences"]
    pending.settle(pipeline.warehouse, context.run.job_name, first, last)
    kept_up = upkeep.upkeep(pipeline.warehouse)
    return dg.MaterializeResult(
        metadata={
            "files_joined": sum(each.joined for each in kept_up),
            "files_deleted": sum(each.deleted for each in kept_up),
            "old_runs_forgotten": forget_old_runs(context.instance),
            "report": dg.MetadataValue.path(str(path)),
            "last_day": f"{last:%Y-%m-%d}",
            "versions_on_last_day": len(inferences),
            "inferences_on_last_day": float(inferences.sum()),
        }
    )
