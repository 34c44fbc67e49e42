"""One estimate of all cases in which something is missing."""

from dataclasses import replace

import pandas as pd
import pytest
from missing_fields import case_estimate

from ft_emissions_pipeline.reference import load


@pytest.fixture(scope="module")
def default():
    return case_estimate("default")


@pytest.fixture(scope="module")
def origins(default):
    """(run, field) -> row of provenance."""
    return default.provenance.set_index(["run_id", "field"])


@pytest.fixture(scope="module")
def filled(default):
    return default.normalized.set_index("run_id")


@pytest.fixture(scope="module")
def with_country_pue():
    """The package's tables and one row more: as yet no country's mean PUE is among them."""
    package = load()
    rows = package.tables["datacenter"]
    of_germany = rows[rows["metric"] == "pue"].head(1).assign(
        scope="country", key="DEU", year=2020, value=1.4,
        factor_id="datacenter/country/DEU/pue/2020"
    )  # fmt: skip
    more = {**package.tables, "datacenter": pd.concat([rows, of_germany], ignore_index=True)}
    return replace(package, tables=more)
