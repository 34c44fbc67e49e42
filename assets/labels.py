"""What every asset says of itself beside its rows.

Put here: owners, tags, version of the code, when it must be fresh, where its code and its page in
the docs are. Keep out: what a table's declaration tells (`table_asset.py`).
"""

import inspect
import os
import warnings
from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

import ft_emissions_pipeline
from ft_emissions_pipeline import source_tree
from ft_emissions_pipeline.reference import TABLES as FACTOR_TABLES
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, ROLLUPS, TABLES

OWNERS = "FT_EMISSIONS_OWNERS"
"""Environment variable of owners: addresses of e-mail or `team:NAME`, with commas between."""

TAGS = "FT_EMISSIONS_TAGS"
"""Environment variable of tags, `key=value` or `key`, with commas between."""

FRESH = dg.FreshnessPolicy.cron(
    deadline_cron="0 6 * * *", lower_bound_delta=timedelta(hours=5), timezone="UTC"
)
"""What the schedule makes each night is there by six; made before one o'clock it is the last's."""

REPORTED = (INFERENCE_IMPACTS.name, ROLLUPS.name, "daily_report")
"""Assets on which people rely in the morning."""


def labelled(assets: Sequence[dg.AssetsDefinition], profile: str) -> Sequence[dg.AssetsDefinition]:
    """Return assets with owners, tags, version, freshness, and links to code and docs.

    Parameters
    ----------
    assets : sequence of AssetsDefinition
        All assets of the DAG.
    profile : str
        Profile of the methodology: another one makes other rows of the same code.

    Raises
    ------
    dagster.DagsterInvalidDefinitionError
        If an owner or a tag in the environment is none.
    """
    owners, tags = _listed(OWNERS), dict(each.partition("=")[::2] for each in _listed(TAGS))
    version = f"{ft_emissions_pipeline.__version__} {profile}"

    def label(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
        source = _source(asset)
        return asset.map_asset_specs(
            lambda spec: spec.replace_attributes(
                owners=owners,
                tags={**spec.tags, **tags},
                code_version=version,
                freshness_policy=FRESH if spec.key.path[-1] in REPORTED else None,
                metadata={**spec.metadata, **source, **_page(spec.key.path[-1])},
            )
        )

    return [label(asset) for asset in assets]


def _listed(setting: str) -> list[str]:
    return [each.strip() for each in os.environ.get(setting, "").split(",") if each.strip()]


def _source(asset: dg.AssetsDefinition) -> dict[str, object]:
    """Return where an asset's function stands; what wraps it is the same for all."""
    function = inspect.unwrap(asset.op.compute_fn.decorated_fn)  # type: ignore[union-attr]
    file, line = inspect.getfile(function), inspect.getsourcelines(function)[1]
    with warnings.catch_warnings():
        # Dagster 1.13 counts links to code among what may still change.
        warnings.simplefilter("ignore", dg.BetaWarning)
        reference = dg.LocalFileCodeReference(file_path=file, line_number=line)
        found = dg.CodeReferencesMetadataValue(code_references=[reference])
    return {"dagster/code_references": found}


def _page(table: str) -> dict[str, object]:
    """Return where the data dictionary tells of a table; a wheel brings no pages along."""
    tree = source_tree()
    if tree is None or table not in {*TABLES, *FACTOR_TABLES}:
        return {}
    return {"docs": dg.MetadataValue.path(str(tree / f"docs/data_dictionary.md#{table}"))}
