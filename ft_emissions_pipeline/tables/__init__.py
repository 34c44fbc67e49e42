"""Every table and column of the pipeline, declared once.

Put here: column names, types, units, ranges, allowed values, descriptions, row rules, keys.
The Arrow schemas, the Great Expectations suites, the row rules behind quarantine, Dagster's
column schemas and the data dictionary in `docs/` all derive from these declarations.
Keep out: anything that computes a value of a table, and all reading and writing.

Conventions: instants are UTC timestamps, days are UTC dates, utilisation is a fraction 0..1, and
units stand in column names (`_kwh _w _s _kgco2e _gco2e _l _ml`). In pandas a missing number is
NaN, a missing string is NaN, an integer column that may be empty is float64.
"""

from __future__ import annotations

from ft_emissions_pipeline.tables.frames import (
    ARROW_TYPES,
    TEXT,
    arrow_schema,
    conform,
    empty,
    from_arrow,
    to_arrow,
)
from ft_emissions_pipeline.tables.impacts import RUN_IMPACTS, RUN_SPREADS
from ft_emissions_pipeline.tables.landing import (
    CLOUD_REPORTS,
    EARLIEST,
    LANDING_INDEX,
    MODEL_EVENTS,
    QUARANTINE,
    RUN_FIELDS,
    RUNS,
    TELEMETRY,
    USAGE,
    VALIDATED_RUNS,
)
from ft_emissions_pipeline.tables.ledger import (
    AMORTISATION_SCHEDULE,
    INFERENCE_IMPACTS,
    MODEL_VERSIONS,
    RESTATEMENTS,
    ROLLUPS,
)
from ft_emissions_pipeline.tables.normalize import (
    FACTOR_ROWS,
    FACTORS_USED,
    FIELD_PROVENANCE,
    KIND_PROVENANCE,
    NEEDED,
    NORMALIZED_RUNS,
    RUN_FACTORS,
    TOKEN_TIME_MODEL,
)
from ft_emissions_pipeline.tables.schema import Column, RowRule, Table
from ft_emissions_pipeline.tables.state import (
    ALLOCATION,
    EVERYTHING,
    INTAKE,
    PENDING_DAYS,
    PENDING_RESTATEMENT,
    PIPELINE_FOOTPRINT,
)
from ft_emissions_pipeline.tables.words import (
    BASES,
    GROUPS,
    METHODS,
    PERIODS,
)

__all__ = [
    "ALLOCATION", "AMORTISATION_SCHEDULE", "ARROW_TYPES", "BASES", "CLOUD_REPORTS", "EARLIEST",
    "EVERYTHING", "FACTORS_USED", "FACTOR_ROWS", "FIELD_PROVENANCE", "GROUPS",
    "INFERENCE_IMPACTS", "INTAKE", "KIND_PROVENANCE", "LANDING_INDEX", "METHODS", "MODEL_EVENTS",
    "MODEL_VERSIONS", "NEEDED", "NORMALIZED_RUNS", "PENDING_DAYS", "PENDING_RESTATEMENT", "PERIODS",
    "PIPELINE_FOOTPRINT", "QUARANTINE", "RESTATEMENTS", "ROLLUPS", "RUNS",
    "RUN_FACTORS", "RUN_FIELDS", "RUN_IMPACTS", "RUN_SPREADS", "TABLES", "TELEMETRY", "TEXT",
    "TOKEN_TIME_MODEL", "USAGE", "VALIDATED_RUNS", "Column", "RowRule", "Table",
    "arrow_schema", "conform", "empty", "from_arrow", "to_arrow",
]  # fmt: skip

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        LANDING_INDEX, RUNS, USAGE, TELEMETRY, VALIDATED_RUNS, QUARANTINE, TOKEN_TIME_MODEL,
        NORMALIZED_RUNS, KIND_PROVENANCE, FIELD_PROVENANCE, RUN_FACTORS, FACTORS_USED,
        FACTOR_ROWS, RUN_IMPACTS, RUN_SPREADS, MODEL_EVENTS, CLOUD_REPORTS, MODEL_VERSIONS,
        AMORTISATION_SCHEDULE, INFERENCE_IMPACTS, ROLLUPS, RESTATEMENTS, PENDING_DAYS,
        PENDING_RESTATEMENT, PIPELINE_FOOTPRINT,
    )
}  # fmt: skip
"""Every table by name, in the order of the data's way."""
