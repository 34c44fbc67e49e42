"""`ft-emissions explain`: each step of a run, from its log to its figures.

Put here: the command. Keep out: the steps (`analysis/explain.py`).
"""

from __future__ import annotations

import typer

from ft_emissions_pipeline.cli.options import (
    Draws,
    LogsOfRun,
    Profile,
    Run,
    Seed,
    Warehouse,
    Zone,
    need_warehouse,
)
from ft_emissions_pipeline.cli.output import refusals, tell_of_refused_records


def explain(
    run_id: Run,
    file: LogsOfRun = None,
    warehouse: Warehouse = "warehouse",
    profile: Profile = "default",
    timezone: Zone = "UTC",
    draws: Draws = 0,
    seed: Seed = 0,
) -> None:
    """Print each step of a run: formula, values, units, factors and their sources."""
    from ft_emissions_pipeline import api
    from ft_emissions_pipeline.analysis.explain import explain_stored, stored_ancestry

    with refusals():
        if file:
            runs, quarantine = api.read_runs(file, timezone=timezone)
            text = api.estimate(runs, profile=profile).explain(run_id, draws=draws, seed=seed)
            tell_of_refused_records(quarantine)
        else:
            need_warehouse(warehouse)
            text = explain_stored(run_id, warehouse, draws=draws, seed=seed)
            text = f"{text}\n\n{stored_ancestry(warehouse, run_id)}".rstrip()
    typer.echo(text)
