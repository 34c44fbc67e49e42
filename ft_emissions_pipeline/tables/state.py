"""Tables of the pipeline's own state: its footprint, the days and restatements that are due.

Put here: their columns. Keep out: every figure of a user's run.
"""

from __future__ import annotations

from ft_emissions_pipeline.tables.schema import Table, day, instant, number, text

PIPELINE_FOOTPRINT = Table(
    "pipeline_footprint",
    "one materialisation run of the pipeline itself, measured with CodeCarbon",
    (
        text("pipeline_run_id", "Dagster's id of the run.", required=True),
        instant("started_at", "Start of the run.", required=True),
        number("duration_s", "s", "Duration up to the report.", required=True),
        number("energy_kwh", "kWh", "Energy of CPU, memory and GPU.", required=True),
        number("carbon_kgco2e", "kgCO2e", "Carbon of that energy.", required=True),
        text("country_iso3", "Country whose grid was assumed.", required=True),
    ),
    key=("pipeline_run_id",),
)


EVERYTHING = "everything"


ALLOCATION = "allocation"


INTAKE = "intake"
"""Jobs: all stages of some days; only the sharing over versions and days; only what is about no
day."""


PENDING_DAYS = Table(
    "pending_days",
    "a day that a job has yet to refresh",
    (
        day("Day that is due."),
        text(
            "job",
            "Job that is to refresh it.",
            required=True,
            allowed=(EVERYTHING, ALLOCATION, INTAKE),
        ),
    ),
    key=("date", "job"),
)


PENDING_RESTATEMENT = Table(
    "pending_restatement",
    "a run whose restatement was begun and has yet to be completed",
    (
        day("Day to which the run belongs."),
        text("run_id", "Identity of the run.", required=True),
    ),
    key=("run_id",),
)
