"""`ft-emissions ui`: Dagster's page over a warehouse, with what the command line ran.

Put here: the command. Keep out: definitions and Dagster's home (`assets/`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ft_emissions_pipeline import source_tree
from ft_emissions_pipeline.cli import options, output
from ft_emissions_pipeline.cli.run import dag

Host = Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 lets others in.")]
Port = Annotated[int, typer.Option(help="Port to listen at.")]


def ui(
    landing: options.Landing = "landing",
    warehouse: options.Warehouse = "warehouse",
    profile: options.Profile = "default",
    timezone: options.Zone = "UTC",
    calibrate: options.Calibrate = False,
    reference: options.ReferenceFolder = None,
    host: Host = "127.0.0.1",
    port: Port = 3000,
) -> None:
    """Open Dagster's page: lineage, checks, backfills, the nightly schedule. Ctrl-C ends it."""
    with output.refusals():
        home = dag("home").home_of(warehouse)
        if home is None:
            output.wrong_usage(
                f"{warehouse} is no folder of this machine; name with DAGSTER_HOME where Dagster "
                "keeps its runs"
            )
        chosen = {
            "landing": _from_anywhere(landing),
            "warehouse": _from_anywhere(warehouse),
            "profile": profile,
            "timezone": timezone,
            "calibrate": str(int(calibrate)),
            "reference_data": _from_anywhere(reference or ""),
        }
        names = dag("definitions").SETTINGS
        environment = {names[choice]: value for choice, value in chosen.items()}
        tree = source_tree()
        module = ["assets", "-d", str(tree)] if tree else ["ft_emissions_pipeline.assets"]
        ended = subprocess.run(
            [sys.executable, "-m", "dagster", "dev", "-m", *module, "-h", host, "-p", str(port)],
            env={**os.environ, **environment, "DAGSTER_HOME": str(home)},
            # From within its home: Dagster warns that it does not use a dagster.yaml beside it.
            cwd=home,
            check=False,
        )
    raise typer.Exit(ended.returncode)


def _from_anywhere(place: str) -> str:
    """Return a path that holds from within Dagster's home; URLs and `package` are no paths."""
    is_path = place not in ("", "package") and "://" not in place
    return str(Path(place).absolute()) if is_path else place
