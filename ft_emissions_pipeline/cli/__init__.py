"""`ft-emissions`: the command line.

Put here: which commands there are, one line each. Keep out: everything else. A command lives in the
file of its name, option types in `options.py`, printing and refusing in `output.py`; a command
imports the library when it runs, so that `--help` is quick.

Exit codes: 0 done, 1 the data were refused (what and why on stderr), 2 wrong usage, 3 the machine
failed (disk, memory, clock; what is safe and what to do on stderr).
"""

from __future__ import annotations

import gc

import typer

from ft_emissions_pipeline.cli import (
    advise,
    as_reported,
    compare,
    doctor,
    estimate,
    explain,
    export,
    init,
    options,
    output,
    plan,
    reconcile,
    reference,
    report,
    restate,
    rollup,
    run,
    study,
    token_time,
    ui,
    what_if,
)

app = typer.Typer(
    cls=output.Commands,
    help="Carbon and water of fine-tuning, per inference and day, from the logs you have.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.callback()(options.of_every_command)
app.command("estimate")(estimate.estimate)
app.command("init")(init.init)
app.command("run")(run.run)
app.command("ui")(ui.ui)
app.command("explain")(explain.explain)
app.command("export")(export.export)
app.command("report")(report.report)
app.command("rollup")(rollup.rollup)
app.command("restate")(restate.restate)
app.command("as-reported")(as_reported.as_reported)
app.command("compare")(compare.compare)
app.command("reconcile")(reconcile.reconcile)
app.command("advise")(advise.advise)
app.command("what-if")(what_if.what_if)
app.command("plan")(plan.plan)
app.command("study")(study.study)
app.command("doctor")(doctor.doctor)
app.add_typer(token_time.app, name="token-time")
app.add_typer(reference.app, name="reference")


def main() -> None:
    """Run the command line."""
    # Tables are arrays, which hold no cycles: looking for some every 700 objects took a tenth.
    gc.set_threshold(50_000)
    app()
