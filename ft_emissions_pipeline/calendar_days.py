"""Days in UTC: their length, and runs of consecutive ones.

Put here: arithmetic of days that knows nothing of runs or models. Keep out: everything else.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def ranges(days: pd.DatetimeIndex, gap: int) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Return contiguous ranges that cover the days; days at most `gap` days apart share one."""
    if days.empty:
        return []
    ordered = days.sort_values()
    breaks = np.flatnonzero(np.diff(ordered) > np.timedelta64(gap, "D"))
    starts = ordered[np.r_[0, breaks + 1]]
    ends = ordered[np.r_[breaks, len(ordered) - 1]]
    return list(zip(starts, ends, strict=True))
