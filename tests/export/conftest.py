"""Figures of the examples' warehouse, of one of its models, and of a corrected version."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from teams import EXAMPLES

from assets.in_process import materialize
from ft_emissions_pipeline import export

MADE_AT = pd.Timestamp("2026-02-10T00:00:00Z")


@pytest.fixture(scope="session")
def warehouse(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    def run(folder: Path) -> None:
        assert materialize(EXAMPLES, folder).failures == []

    return made_once("examples", run)


@pytest.fixture(scope="session")
def figures(warehouse: Path) -> export.Figures:
    return export.of_warehouse(warehouse, export.Choice(), made_at=MADE_AT, entity="Example GmbH")


@pytest.fixture(scope="session")
def disclosed(warehouse: Path) -> export.Figures:
    """Everything is disclosed of this model."""
    choice = export.Choice("contract-summariser")
    return export.of_warehouse(warehouse, choice, made_at=MADE_AT, entity="Example GmbH")


@pytest.fixture(scope="session")
def corrected(disclosed: export.Figures) -> export.Figures:
    return replace(disclosed, versions=disclosed.versions.assign(restated=True, status="final"))
