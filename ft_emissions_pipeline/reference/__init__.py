"""Factor tables: load, check, look up.

Each row has a `factor_id` (`grid_intensity/country/FRA/2021`) and a `row_hash`; the hash over all
row hashes is the version that results carry.

    declaration.py   what each table must look like
    loading.py       reading, checks, hashes, datapackage.json
    names.py         names in logs -> ids
    lookup.py        ids and years -> values

Keep out: the factors themselves (CSV files in `reference_data/`), every choice between factors
(`normalize/`, `methodology.py`) and arithmetic on them (`equations.py`).
"""

from ft_emissions_pipeline.reference.declaration import (
    TABLES,
    VERIFICATIONS,
    Default,
    Reference,
    ReferenceRefused,
)
from ft_emissions_pipeline.reference.loading import (
    check,
    default_folder,
    load,
    write_datapackage,
)
from ft_emissions_pipeline.reference.lookup import (
    at_year,
    default,
    describe,
    managed_service,
    period_note,
    take,
)
from ft_emissions_pipeline.reference.names import nearest, resolve

__all__ = [
    "TABLES",
    "VERIFICATIONS",
    "Default",
    "Reference",
    "ReferenceRefused",
    "at_year",
    "check",
    "default",
    "default_folder",
    "describe",
    "load",
    "managed_service",
    "nearest",
    "period_note",
    "resolve",
    "take",
    "write_datapackage",
]
