"""The DAG in this process: for the command line and for `make run`.

Put here: which jobs run over which days, with progress. Keep out: the command line itself
(`ft_emissions_pipeline/cli/`) and which days an event touches (`landing.py`,
`restatement/differences.py`).
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from ft_emissions_pipeline import calendar_days
from ft_emissions_pipeline.landing import due, engines
from ft_emissions_pipeline.landing.due import WAIT_S
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.reference import in_force
from ft_emissions_pipeline.tables import EVERYTHING, INTAKE, LANDING_INDEX
from ft_emissions_pipeline.warehouse import faults, pending, store
from ft_emissions_pipeline.warehouse.lock import locked

from .definitions import build_defs
from .home import instance_of
from .partitions import ALLOCATION_UNTIL, range_tags

Range = tuple[pd.Timestamp, pd.Timestamp]
Progress = Callable[[str], None]
Ahead = Callable[[int, str], None]

APART = 31
"""Touched days up to a month apart share one run: the days between cost less than another run."""


@dataclass(frozen=True)
class Materialized:
    """What was run: ranges of days, and the checks that failed, as sentences."""

    ranges: list[Range]
    failures: list[str]


def materialize(
    landing: str | Path,
    warehouse: str | Path,
    *,
    days: Range | None = None,
    profile: str = "default",
    timezone: str = "UTC",
    home: Path | None = None,
    calibrate: bool = False,
    reference_data: str | Path | None = None,
    scheduler: str = "",
    progress: Progress = lambda _: None,
    ahead: Ahead = lambda *_: None,
) -> Materialized:
    """Materialize the DAG in this process.

    Parameters
    ----------
    landing : str or Path
        Folder of the logs, or its URL.
    warehouse : str or Path
        Folder or URL of the tables.
    days : (Timestamp, Timestamp), optional
        First and last day; by default the days that what landed since the last run touches.
    profile : str
        Profile of the methodology.
    timezone : str
        Zone of instants in logs that name none.
    home : Path, optional
        Dagster's home, where its web page finds the runs; by default they leave no trace.
    calibrate : bool
        Whether runs without a meter are scaled by what meters of the same host saw.
    reference_data : str or Path, optional
        Folder of the factor tables, or `package`; by default the folder that the warehouse rests
        on.
    scheduler : str
        Address of a scheduler of Dask, or `local` for workers on this machine, which read logs and
        compute runs; by default this process does.
    progress : callable
        Called with the name of each stage as it begins.
    ahead : callable
        Called before each range of days, with the number of its stages and the range in words.

    Raises
    ------
    ft_emissions_pipeline.warehouse.lock.StoreBusy
        If another run or restatement holds the warehouse for longer than a while.
    ValueError
        If the landing folder holds no file.
    ft_emissions_pipeline.warehouse.faults.MachineFault
        If disk or memory fail in a step; what the run wrote until then stands.
    ft_emissions_pipeline.reference.ReferenceRefused
        If the tables in `reference_data` are refused; any others, where no good ones stand in.
    """
    due.check(landing, warehouse, reference_data)
    with (
        locked(warehouse, "a run", wait_s=WAIT_S),
        instance_of(home) as instance,
        engines.cluster(scheduler) as address,
    ):
        defs = build_defs(
            landing=landing, warehouse=warehouse, profile=profile, timezone=timezone,
            calibrate=calibrate, reference_data=reference_data, scheduler=address,
            loggers={"progress": _logger(progress)},
        )  # fmt: skip
        if days is not None:
            index = store.read(warehouse, LANDING_INDEX)
            failures = _run(defs, instance, EVERYTHING, days, index, ahead=ahead)
            return Materialized([days], failures)
        factors = in_force(warehouse, reference_data)
        with engines.opened(address) as engine:
            due.take_in(landing, warehouse, Settings(timezone=timezone), factors, engine)
        return _run_what_is_due(defs, instance, warehouse, ahead)


def _run_what_is_due(
    defs: dg.Definitions, instance: dg.DagsterInstance, warehouse: str | Path, ahead: Ahead
) -> Materialized:
    until = {ALLOCATION_UNTIL: f"{pd.Timestamp.now('UTC'):%Y-%m-%d}"}
    index = store.read(warehouse, LANDING_INDEX)
    done: list[Range] = []
    for job in pending.SETTLES:
        # Which days the versions move on is known once all runs are, so it is asked for only then.
        for each in calendar_days.ranges(due.days(warehouse, job), APART):
            if job == INTAKE:
                failures = _run(defs, instance, job)
            else:
                done.append(each)
                failures = _run(defs, instance, job, each, index, until, ahead)
            if failures:
                return Materialized(done, failures)
            if job == INTAKE:
                pending.settle(warehouse, job, *each)
    return Materialized(done, [])


def _run(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    days: Range | None = None,
    index: pd.DataFrame | None = None,
    tags: Mapping[str, str] | None = None,
    ahead: Ahead = lambda *_: None,
) -> list[str]:
    made = defs.resolve_job_def(job)
    if days is not None and index is not None:
        ahead(len(made.graph.node_defs), _in_words(days, index))
    result = made.execute_in_process(
        tags={**(range_tags(*days) if days else {}), **(tags or {})},
        run_config={"loggers": {"progress": {"config": {}}}},
        raise_on_error=False,
        instance=instance,
    )
    failed = {
        event.step_key: _root_cause(event.step_failure_data.error)
        for event in result.all_events
        if event.event_type_value == "STEP_FAILURE"
    }
    for step, text in failed.items():
        fault = faults.explained(text, f"step {step}")
        if fault is not None:
            raise fault
    return [f"{step}: {text}" for step, text in failed.items()] + [
        f"{evaluation.asset_key.to_user_string()}: {evaluation.description}"
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR
    ]


def _in_words(days: Range, index: pd.DataFrame) -> str:
    """Return a range of days, how many they are, and how many runs the index knows of them."""
    first, last = days
    runs = index.loc[index["date"].between(first, last), "run_id"].nunique()
    return (
        f"{first:%Y-%m-%d} to {last:%Y-%m-%d}, {(last - first).days + 1} day(s)"
        f"{f', {runs} run(s)' if runs else ''}"
    )


def _root_cause(error: Any) -> str:
    """Return class and text of what was raised, within Dagster's own errors about the step."""
    while error.cause is not None and error.cls_name.startswith("Dagster"):
        error = error.cause
    return str(error.message).strip()


class _Stages(logging.Handler):
    """Passes the start of each step on; Dagster tells its loggers of every event."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        event: Any = getattr(record, "dagster_event", None)
        if event is not None and event.event_type_value == "STEP_START":
            self._progress(event.step_key)


def _logger(progress: Progress) -> dg.LoggerDefinition:
    def make(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.getLogger("ft_emissions.progress")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.handlers.clear()
        logger.addHandler(_Stages(progress))
        return logger

    return dg.LoggerDefinition(make, description="Names each stage as it begins.")
