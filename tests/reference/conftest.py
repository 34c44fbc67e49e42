"""The tables that come with the package."""

from __future__ import annotations

import pytest

from ft_emissions_pipeline.reference import Reference, load


@pytest.fixture(scope="module")
def reference() -> Reference:
    return load()
