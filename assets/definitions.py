"""The whole DAG as one object.

Put here: which assets, jobs, schedules and resources make up the pipeline. Keep out: their bodies.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from ft_emissions_pipeline import source_tree

from . import impacts, landing, ledger, normalize, reference, report, restatement, schedules
from .io_manager import DeltaIOManager
from .labels import labelled
from .resources import OwnFootprint, Pipeline

MODULES = (reference, landing, normalize, impacts, ledger, report)
"""The stages, in the order in which data passes through them."""


def build_defs(
    *,
    landing: str | Path | None = None,
    warehouse: str | Path | None = None,
    profile: str = "default",
    timezone: str = "UTC",
    calibrate: bool = False,
    reference_data: str | Path | None = None,
    own_country: str = "USA",
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
) -> dg.Definitions:
    """Return fresh definitions.

    Parameters
    ----------
    landing, warehouse : str or Path, optional
        Folders or URLs of the logs and of the tables; by default the environment's
        FT_EMISSIONS_LANDING and FT_EMISSIONS_WAREHOUSE; else those of the examples in the source
        tree, and `landing` and `warehouse` in the working directory where a wheel is installed.
    profile : str
        Profile of the methodology.
    timezone : str
        Zone of instants in logs that name none.
    calibrate : bool
        Whether runs without a meter are scaled by what meters of the same host saw.
    reference_data : str or Path, optional
        Folder of the factor tables, or `package`; by default the folder that the warehouse rests
        on.
    own_country : str
        Country whose grid carries the pipeline's own footprint, ISO 3166-1 alpha-3.
    loggers : mapping, optional
        Instead of Dagster's own console logger.
    """
    tree = source_tree()
    home, at_home = (tree, "examples/landing") if tree else (Path.cwd(), "landing")
    logs = landing or os.environ.get("FT_EMISSIONS_LANDING", home / at_home)
    tables = warehouse or os.environ.get("FT_EMISSIONS_WAREHOUSE", home / "warehouse")
    return dg.Definitions(
        assets=labelled(dg.load_assets_from_modules(MODULES), profile),
        jobs=[schedules.everything, schedules.allocation, schedules.intake, restatement.job],
        schedules=[schedules.daily],
        sensors=[restatement.sensor()],
        resources={
            "io_manager": DeltaIOManager(warehouse=str(tables)),
            "pipeline": Pipeline(
                landing=str(logs),
                warehouse=str(tables),
                profile=profile,
                timezone=timezone,
                calibrate=calibrate,
                reference_data=str(reference_data or ""),
            ),
            "own_footprint": OwnFootprint(country_iso3=own_country),
        },
        executor=dg.in_process_executor,
        loggers=loggers,
    )
