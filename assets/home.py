"""Where Dagster keeps what it knows of runs: beside the tables, so that its page shows them.

Put here: the home of a warehouse. Keep out: how long runs stay (`retention.py`).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from ft_emissions_pipeline.readers.remote import is_url

from .event_log import in_batches, kept_open

SETTINGS = Path(__file__).with_name("dagster.yaml")
FOLDER = "dagster_home"


def home_of(warehouse: str | Path) -> Path | None:
    """Return Dagster's home for a warehouse, made where it is missing; None leaves no trace.

    DAGSTER_HOME names another one, or none where it is set and empty. The tables of an object
    store have no folder beside them.
    """
    named = os.environ.get("DAGSTER_HOME")
    if named == "" or (named is None and is_url(str(warehouse))):
        return None
    home = Path(named) if named else Path(warehouse).absolute() / FOLDER
    # Without settings Dagster sends telemetry.
    if not (home / SETTINGS.name).exists():
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SETTINGS, home / SETTINGS.name)
    return home


@contextmanager
def instance_of(home: Path | None) -> Iterator[dg.DagsterInstance]:
    """Open the instance that keeps its runs in a home, or one that forgets them.

    A home without settings is left alone, as Dagster would send telemetry.
    """
    kept = home is not None and (home / SETTINGS.name).is_file()
    made = dg.DagsterInstance.from_config(str(home)) if kept else dg.DagsterInstance.ephemeral()
    with made as instance, kept_open(instance):
        in_batches(instance)
        yield instance
