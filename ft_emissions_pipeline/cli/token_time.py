"""`ft-emissions token-time`: how wrong the token-time model is, and its fit.

Put here: the commands. Keep out: everything else (`token_time/` of the library).
"""

from __future__ import annotations

from collections.abc import Iterator

import typer

from ft_emissions_pipeline.cli import options, output

app = typer.Typer(
    help="The model that turns tokens into time and energy.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def evaluate(form: options.Form = output.Format.table) -> None:
    """Print errors on sources no fit saw, beside simpler predictors, and what own runs change.

    As JSON or CSV: the errors alone.
    """
    from ft_emissions_pipeline.reference import load
    from ft_emissions_pipeline.token_time import evaluate as evaluation

    factors = load()
    errors = evaluation.evaluate(factors)

    def parts() -> Iterator[str]:
        yield evaluation.markdown(errors)
        yield evaluation.own_runs_markdown(evaluation.own_run_trials(factors)).rstrip("\n")

    output.show(errors, form, parts())


@app.command()
def show() -> None:
    """Print the model that comes with the package: every number, and what it was fitted on."""
    from ft_emissions_pipeline.token_time import packaged, to_json

    typer.echo(to_json(packaged()), nl=False)


@app.command()
def fit() -> None:
    """Fit the prior anew on reference_data/calibration.csv and write it into the package."""
    from ft_emissions_pipeline.reference import load
    from ft_emissions_pipeline.token_time.prior import write_prior

    typer.echo(write_prior(load()))
