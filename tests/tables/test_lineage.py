"""What the lineage page says of a figure is what moves it."""

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from assets import defs
from ft_emissions_pipeline import methodology, reference
from ft_emissions_pipeline.impacts import footprint
from ft_emissions_pipeline.impacts.inputs import INPUTS
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, ROLLUPS, RUN_IMPACTS, TABLES, lineage
from ft_emissions_pipeline.tables.words import EnergyRoute

TOLD = [(table, column) for table, columns in lineage.COMPUTED.items() for column in columns]
FACTORS = reference.TABLES


def test_what_a_column_is_made_of_exists():
    for table, column in TOLD:
        assert column in TABLES[table].names
        for source, name in lineage.made_of(table, column):
            declared = TABLES.get(source) or FACTORS[source]
            assert name in {each.name for each in declared.columns}, (table, column, source)


def test_lineage_of_columns_runs_along_the_lineage_of_tables():
    """Each table that a column is made of lies upstream of it in the DAG."""
    graph = defs.resolve_asset_graph()
    for table, column in TOLD:
        upstream = {
            key.path[-1]
            for key in graph.get_ancestor_asset_keys(dg.AssetKey(table))
        }  # fmt: skip
        beside = {
            key.path[-1]
            for key in graph.get(dg.AssetKey(table)).assets_def.keys
        }  # fmt: skip
        sources = {source for source, _ in lineage.made_of(table, column)}
        assert sources <= upstream | beside, (table, column)


@pytest.mark.parametrize("table", [RUN_IMPACTS, INFERENCE_IMPACTS, ROLLUPS], ids=lambda t: t.name)
def test_every_figure_says_what_it_is_made_of(table):
    figures = [column.name for column in table.columns if column.kind == "float"]
    assert [name for name in figures if not lineage.made_of(table.name, name)] == []


@pytest.mark.parametrize("route", [EnergyRoute.POWER_MODEL, EnergyRoute.LOGGED_TOTAL])
def test_a_footprint_moves_with_what_it_is_made_of_and_with_nothing_else(route):
    """One route counts power and time, the other a disclosed energy; together they are all."""
    values = dict(zip(INPUTS, np.linspace(0.31, 0.67, len(INPUTS)), strict=True))
    values |= {"active_s": 1800.0, "reserved_s": 5400.0, "pue": 1.2, "development_multiplier": 2.0}
    values |= dict.fromkeys(("pace", "power_model", "scale", "hosts"), 1.0)
    runs = pd.DataFrame({"energy_route": [route]})
    chain = footprint.chain_of(runs, reference.load(), methodology.profile("default"))

    def parts(**changed):
        found = chain({name: np.array([value]) for name, value in {**values, **changed}.items()})
        return {name: float(found[name][0]) for name in RUN_IMPACTS.names if name in found}

    as_is = parts()
    moved = {name: set() for name in as_is}
    for name in INPUTS:
        for part, value in parts(**{name: values[name] * 1.1}).items():
            if value != as_is[part]:
                moved[part].add(name)
    told = {
        part: {name for source, name in lineage.made_of("run_impacts", part)
               if source == "normalized_runs" and name != "energy_route"}
        for part in as_is
    }  # fmt: skip
    power = set(INPUTS[: INPUTS.index("it_energy_kwh")])
    ignored = {"it_energy_kwh"} if route == EnergyRoute.POWER_MODEL else power
    for part in as_is:
        of_hardware_time = {"gpu_count", "server_count", "reserved_s"} & moved[part]
        assert moved[part] == told[part] - (ignored - of_hardware_time), part
