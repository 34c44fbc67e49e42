"""The whole DAG as one object.

Put here: which assets, jobs, schedules and resources make up the pipeline. Keep out: their bodies.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from ft_emissions_pipeline import source_tree

from . import (
    failures,
    impacts,
    landing,
    ledger,
    normalize,
    reference,
    report,
    restatement,
    schedules,
)
from .io_manager import DeltaIOManager
from .labels import labelled
from .resources import OwnFootprint, Pipeline, Workers

MODULES = (reference, landing, normalize, impacts, ledger, report)
"""The stages, in the order in which data passes through them."""

SETTINGS = {
    "landing": "FT_EMISSIONS_LANDING",
    "warehouse": "FT_EMISSIONS_WAREHOUSE",
    "profile": "FT_EMISSIONS_PROFILE",
    "timezone": "FT_EMISSIONS_TIMEZONE",
    "calibrate": "FT_EMISSIONS_CALIBRATE",
    "reference_data": "FT_EMISSIONS_REFERENCE",
    "scheduler": "FT_EMISSIONS_SCHEDULER",
}
"""Environment variables of the choices of an installation; `calibrate` is 1 or 0."""


def told(choice: str, otherwise: str) -> str:
    """Return what the environment says of a choice."""
    return os.environ.get(SETTINGS[choice]) or otherwise


def build_defs(
    *,
    landing: str | Path | None = None,
    warehouse: str | Path | None = None,
    profile: str | None = None,
    timezone: str | None = None,
    calibrate: bool | None = None,
    reference_data: str | Path | None = None,
    scheduler: str | None = None,
    own_country: str = "USA",
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
) -> dg.Definitions:
    """Return fresh definitions.

    Parameters
    ----------
    landing, warehouse : str or Path, optional
        Folders or URLs of the logs and of the tables; by default those of the examples in the
        source tree, and `landing` and `warehouse` in the working directory where a wheel is
        installed.
    profile : str, optional
        Profile of the methodology; `default` by default.
    timezone : str, optional
        Zone of instants in logs that name none; UTC by default.
    calibrate : bool, optional
        Whether runs without a meter are scaled by what meters of the same host saw.
    reference_data : str or Path, optional
        Folder of the factor tables, or `package`; by default the folder that the warehouse rests
        on.
    scheduler : str, optional
        Address of a scheduler of Dask, or `local`; by default runs are computed in Dagster's
        process.
    own_country : str
        Country whose grid carries the pipeline's own footprint, ISO 3166-1 alpha-3.
    loggers : mapping, optional
        Instead of Dagster's own console logger.

    Notes
    -----
    What is not given comes from the environment, as `SETTINGS` names it: so the page that
    `ft-emissions ui` opens computes as the command line does.
    """
    tree = source_tree()
    home, at_home = (tree, "examples/landing") if tree else (Path.cwd(), "landing")
    logs = landing or told("landing", str(home / at_home))
    tables = warehouse or told("warehouse", str(home / "warehouse"))
    chosen = profile or told("profile", "default")
    if calibrate is None:
        calibrate = told("calibrate", "0") == "1"
    return dg.Definitions(
        assets=labelled(dg.load_assets_from_modules(MODULES), chosen),
        jobs=[schedules.everything, schedules.allocation, schedules.intake, restatement.job],
        schedules=[schedules.daily],
        sensors=[restatement.sensor(), failures.sensor],
        resources={
            "io_manager": DeltaIOManager(warehouse=str(tables)),
            "pipeline": Pipeline(
                landing=str(logs),
                warehouse=str(tables),
                profile=chosen,
                timezone=timezone or told("timezone", "UTC"),
                calibrate=calibrate,
                reference_data=str(reference_data or told("reference_data", "")),
            ),
            "workers": Workers(scheduler=told("scheduler", "") if scheduler is None else scheduler),
            "own_footprint": OwnFootprint(country_iso3=own_country),
        },
        executor=dg.in_process_executor,
        loggers=loggers,
    )
