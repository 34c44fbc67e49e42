"""The DAG: thin Dagster assets over the library's stages.

    reference    reference.py    factor tables, their hash as data version
    landing      landing.py      landing_index, runs, usage, telemetry, model_events, validated_runs
    normalize    normalize.py    token_time_model, normalized_runs, field_provenance, run_factors,
                                 factors_used, factor_rows
    impacts      impacts.py      run_impacts, run_spreads
    ledger       ledger.py       model_versions, amortisation_schedule, inference_impacts, rollups,
                                 restatements, quarantine
    report       report.py       pipeline_footprint, daily_report

`restatement.py` holds the job and the sensor that restate the past when a factor changed.

What schedules lives here; what computes lives in `ft_emissions_pipeline`. `build_defs` makes fresh
definitions; `defs` are those that `dagster dev` serves.
"""

from .definitions import build_defs

defs = build_defs()

__all__ = ["build_defs", "defs"]
