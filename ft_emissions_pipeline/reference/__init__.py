"""Factor tables: load, check, look up.

Each row has a `factor_id` (`grid_intensity/country/FRA/2021`) and a `row_hash`; the hash over all
row hashes, and over the token-time model fitted on them, is the version that results carry.

    declaration.py   what each table must look like
    hours.py         hourly series and their means
    loading.py       reading, checks, hashes, datapackage.json
    names.py         names in logs -> ids: whole names, then what follows
    gpu_names.py     accelerators' names taken apart
    instance_names.py  instances' names: families, sizes, the accelerator in them
    model_names.py   base models' names: copies, paths, sizes
    found.py         what a name was found to stand for
    places.py        free texts -> country, state, city
    lookup.py        ids and days -> values
    own_grid.py      your own grid factors, out of the files that you have
    in_force.py      which folder a warehouse rests on, and what serves while newer tables are
                     refused
    difference.py    what moved between two folders
    freshness.py     which rows are older than their sources' rhythm, and how rows were checked

Keep out: the factors themselves (CSV files in `reference_data/`), every choice between factors
(`normalize/`, `methodology.py`) and arithmetic on them (`equations.py`).
"""

from ft_emissions_pipeline.reference.declaration import (
    SHIPPED,
    TABLES,
    VERIFICATIONS,
    YOURS,
    Default,
    Reference,
    ReferenceRefused,
)
from ft_emissions_pipeline.reference.difference import difference
from ft_emissions_pipeline.reference.freshness import aged, verified
from ft_emissions_pipeline.reference.in_force import in_force, newest, refusal
from ft_emissions_pipeline.reference.loading import (
    PACKAGE,
    check,
    default_folder,
    load,
    own_folder,
    prior_file,
    seal,
    write_datapackage,
)
from ft_emissions_pipeline.reference.lookup import (
    alternatives_log_sd,
    at_year,
    default,
    describe,
    holds_for_a_time,
    hourly_grid,
    managed_service,
    period_note,
    period_starts,
    take,
)
from ft_emissions_pipeline.reference.names import (
    KINDS,
    model_size_log_sd,
    nearest,
    resolve,
    told_of,
)
from ft_emissions_pipeline.reference.own_grid import add_grid
from ft_emissions_pipeline.reference.places import places

__all__ = [
    "KINDS",
    "PACKAGE",
    "SHIPPED",
    "TABLES",
    "VERIFICATIONS",
    "YOURS",
    "Default",
    "Reference",
    "ReferenceRefused",
    "add_grid",
    "aged",
    "alternatives_log_sd",
    "at_year",
    "check",
    "default",
    "default_folder",
    "describe",
    "difference",
    "holds_for_a_time",
    "hourly_grid",
    "in_force",
    "load",
    "managed_service",
    "model_size_log_sd",
    "nearest",
    "newest",
    "own_folder",
    "period_note",
    "period_starts",
    "places",
    "prior_file",
    "refusal",
    "resolve",
    "seal",
    "take",
    "told_of",
    "verified",
    "write_datapackage",
]
