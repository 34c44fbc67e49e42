"""`ft-emissions explain`: each step of a run, from its log to its figures.

Put here: the command. Keep out: the steps (`analysis/explain.py`).
"""

from __future__ import annotations

import typer

from ft_emissions_pipeline.cli import options, output


def explain(
    run_id: options.Run,
    file: options.LogsOfRun = None,
    warehouse: options.Warehouse = "warehouse",
    profile: options.Profile = "default",
    timezone: options.Zone = "UTC",
    draws: options.Draws = 0,
    seed: options.Seed = 0,
    form: options.Form = output.Format.table,
) -> None:
    """Print each step of a run: formula, values, units, factors and their sources.

    As JSON or CSV: each value that the run was given, with its unit, interval, basis and source.
    """
    from ft_emissions_pipeline import api
    from ft_emissions_pipeline.analysis.explain import explain_stored, values_of, values_stored

    with output.refusals():
        if file:
            runs, quarantine = api.read_runs(file, timezone=timezone)
            found = api.estimate(runs, profile=profile)
            output.tell_of_refused_records(quarantine)
        else:
            options.need_warehouse(warehouse)
        if form is not output.Format.table:
            output.show(
                values_of(found.provenance, run_id) if file else values_stored(run_id, warehouse),
                form,
                [],
            )
        elif file:
            typer.echo(found.explain(run_id, draws=draws, seed=seed))
        else:
            typer.echo(explain_stored(run_id, warehouse, draws=draws, seed=seed))
