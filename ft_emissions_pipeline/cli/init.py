"""`ft-emissions init`: a `runs.yaml` and a `models.yaml` to begin with.

Put here: the command. Keep out: what stands in the files (`analysis/starting.py`).
"""

from __future__ import annotations

import typer

from ft_emissions_pipeline.cli import options, output


def init(folder: options.LogsFolder, timezone: options.Zone = "UTC") -> None:
    """Write a commented runs.yaml and models.yaml for a folder, from what its logs tell.

    A file that is there already is left alone. Neither moves a figure until you edit it.
    """
    from ft_emissions_pipeline import api
    from ft_emissions_pipeline.analysis import starting

    if not folder.is_dir():
        output.wrong_usage(f"{folder} is no folder; name the folder of your logs")
    with output.refusals():
        with output.progress_shown(lines=False) as (begun, _):
            begun("reading logs")
            logs = api.read_logs(folder, timezone=timezone)
            begun("estimating")
            found = api.estimate(logs.runs)
        models = sorted({*found.runs["model_name"], *logs.usage["model_name"]})
        for name, told, text in (
            ("runs.yaml", found.accepted, starting.runs_yaml(found.accepted, found.provenance)),
            ("models.yaml", models, starting.models_yaml(models)),
        ):
            if not len(told):
                output.remark(f"{folder / name} is not written: no log names any")
            elif (folder / name).exists():
                output.remark(f"{folder / name} is there already, and is left alone")
            else:
                (folder / name).write_text(text, "utf-8")
                typer.echo(f"{folder / name}")
    output.tell_of_refused_records(logs.quarantine)
