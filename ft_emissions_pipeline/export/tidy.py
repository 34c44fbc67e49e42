"""Tidy rows, one figure each: of versions, and of one inference on a day.

Put here: the rows. Keep out: how they are written (`formats/tidy_csv.py`, `formats/parquet.py`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline.export.figures import FIGURES, Figures, inside, iso, rounded, tool
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, RUN_IMPACTS, Table

_OF_INFERENCE = tuple(
    name for name in INFERENCE_IMPACTS.names
    if name.endswith("_per_inference") and not name.startswith("base_")
)  # fmt: skip
_BOUNDS = ("_p05", "_p95")
_KEPT = ("model_name", "model_version", "date", "status", "restated", "methodology",
         "reference_version")  # fmt: skip


def tidy(figures: Figures) -> pd.DataFrame:
    """Return one row per figure: of what, which measure, its value with percentiles and unit."""
    restated = figures.versions.set_index("model_version")[["restated"]]
    served = figures.per_inference.drop(columns="restated", errors="ignore").merge(
        restated, left_on="model_version", right_index=True, how="left"
    )
    frames = [
        *_long(figures.versions, "version", FIGURES, RUN_IMPACTS),
        *_long(served, "inference", _OF_INFERENCE, INFERENCE_IMPACTS),
    ]
    rows = pd.concat(frames, ignore_index=True)
    rows["restated"] = rows["restated"].fillna(False).map({True: "yes", False: "no"})
    rest = {"made_at": iso(figures.made_at), "tool": tool()}
    kinds = figures.versions.drop_duplicates("methodology")
    words = {row["methodology"]: inside(row) for row in kinds.to_dict("records")}
    return rows.assign(**rest, inside=rows["methodology"].map(words))


def _long(
    frame: pd.DataFrame, of: str, measures: tuple[str, ...], table: Table
) -> list[pd.DataFrame]:
    found = []
    for measure in measures:
        if measure.endswith(_BOUNDS) or measure not in frame or frame[measure].isna().all():
            continue
        known = frame[frame[measure].notna()]
        bounds = {
            end.strip("_"): known[measure + end].map(rounded) if measure + end in known else np.nan
            for end in _BOUNDS
        }
        kept = known.reindex(columns=list(_KEPT))
        found.append(
            kept.assign(
                of=of, measure=measure, value=known[measure].map(rounded), **bounds,
                unit=table.column(measure).unit,
            )
        )  # fmt: skip
    return found
