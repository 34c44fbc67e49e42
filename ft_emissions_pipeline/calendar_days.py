"""Days in UTC: their length, and runs of consecutive ones.

Put here: arithmetic of days that knows nothing of runs or models. Keep out: everything else.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

SECONDS_PER_HOUR = 3600.0
HOURS_PER_DAY = 24
SECONDS_PER_DAY = HOURS_PER_DAY * SECONDS_PER_HOUR
DAYS_PER_YEAR = 365.0
"""Days of the year over which the published figures spread hardware."""
DAYS_PER_MEAN_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_MEAN_YEAR / 12


def ranges(days: pd.DatetimeIndex, gap: int) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Return contiguous ranges that cover the days; days at most `gap` days apart share one."""
    if days.empty:
        return []
    ordered = days.sort_values()
    breaks = np.flatnonzero(np.diff(ordered) > np.timedelta64(gap, "D"))
    starts = ordered[np.r_[0, breaks + 1]]
    ends = ordered[np.r_[breaks, len(ordered) - 1]]
    return list(zip(starts, ends, strict=True))
