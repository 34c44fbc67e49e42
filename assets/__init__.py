"""The DAG: thin Dagster assets over the library's stages.

    reference    reference.py    factor tables, their hash as data version
    landing      landing.py      landing_index, quarantine
    runs         runs.py         runs, usage, validated_runs
    normalized   normalized.py   token_time_model, normalized_runs, field_provenance
    impacts      impacts.py      run_impacts, run_spreads, model_versions, inference_impacts,
                                 restatements, rollups
    report       report.py       pipeline_footprint, daily_report

`restatement.py` holds the job and the sensor that restate the past when a factor changed.

What schedules lives here; what computes lives in `ft_emissions_pipeline`. `build_defs` makes fresh
definitions; `defs` are those that `dagster dev` serves.
"""

from .definitions import build_defs

defs = build_defs()

__all__ = ["build_defs", "defs"]
