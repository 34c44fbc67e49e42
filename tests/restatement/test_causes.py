"""Of which versions factors are said to be why they moved."""

from __future__ import annotations

import pandas as pd

from ft_emissions_pipeline.restatement import causes


def test_versions_of_whose_former_rows_nothing_is_known_are_left_out() -> None:
    pairs = pd.DataFrame(
        {"model_version": ["known", "new", "unheard"], "methodology": "default",
         "reference_version_old": "a", "reference_version_new": "b"}
    )  # fmt: skip
    of_runs = pd.DataFrame({"run_id": ["known", "new"], "factors_key": ["k", "n"]})
    used = pd.DataFrame(
        {"factors_key": ["k", "k", "n"], "methodology": "default",
         "reference_version": ["a", "b", "b"], "factor_id": "gpus/A100",
         "row_hash": ["1", "1", "1"]}
    )  # fmt: skip
    rows = pd.DataFrame({"factor_id": ["gpus/A100"], "row_hash": ["1"], "content": ["{}"]})
    found = causes.causes(pairs, of_runs, used, rows)
    assert found.index.tolist() == ["known"]
    assert found.isna().all(axis=None)
