"""Which changed rows an affected run is said to rest on."""

from __future__ import annotations

import pandas as pd

from ft_emissions_pipeline.restatement import affected


def test_only_token_time_models_that_others_replaced_are_told() -> None:
    was = ["token_time/1 gpus/A100", "token_time/1", "grid_intensity/FRA/2023", None]
    now = ["token_time/2 gpus/A100", "token_time/1", "grid_intensity/FRA/2024", None]
    old = pd.DataFrame(
        {"date": pd.Timestamp("2026-01-01"), "run_id": list("abcd"), "field": "active_s"}
    )
    found = affected._changed_models(old.assign(factor_id=was), old.assign(factor_id=now))
    told = ["token_time/1", "changed", "version", "token_time/1", "token_time/2"]
    assert found[affected.CHANGES].to_numpy().tolist() == [told]
