"""Hourly grid intensity of a place, and its mean over the hours of a run.

Put here: the series, and means over spans of time by prefix sums. Keep out: reading and checking
the files (`loading.py`) and which places a run asks for (`normalize/grid.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ft_emissions_pipeline.uncertainty import Floats

_HOUR = 3_600_000_000
"""Microseconds."""


class Mean(NamedTuple):
    """Mean over each span, and the share of its time whose hours were known.

    The value is NaN where the span reaches into a year of which no hour is known.
    """

    value: Floats
    covered: Floats


@dataclass(frozen=True, eq=False)
class Hours:
    """An hourly series as prefix sums, from the hour `origin` of the epoch on.

    `filled` holds each hour's value, in gaps the mean of the year's known hours; the sums run over
    its deviations from `level`, so that they stay small and a constant series stays constant.
    """

    origin: int
    level: float
    filled: Floats
    sums: Floats
    known: Floats
    served: Floats

    def mean(self, start: pd.Series, end: pd.Series) -> Mean:
        """Return the mean from start to end.

        Parameters
        ----------
        start, end : Series of datetime, UTC
            Spans; of one without a length the hour of its start counts whole.
        """
        first, last = _microseconds(start), _microseconds(end)
        instant = last <= first
        first = np.where(instant, first - first % _HOUR, first)
        last = np.where(instant, first + _HOUR, last)
        ends = [self._place(first), self._place(last)]
        hours = (last - first) / _HOUR
        value = self.level + _between(self.sums, *ends) / hours
        # Within one hour the hour's own value is exact, a difference of long sums is not.
        (here, _), (there, rest) = ends
        single = (here == there) | ((there == here + 1) & (rest == 0))
        value = np.where(single, self.filled[np.clip(here, 0, len(self.filled) - 1)], value)
        # Of the time out of reach, at most rounding is forgiven.
        whole = _between(self.served, *ends) >= hours * (1 - 1e-9)
        covered = np.clip(_between(self.known, *ends) / hours, 0.0, 1.0)
        return Mean(np.where(whole, value, np.nan), np.where(whole, covered, np.nan))

    def _place(self, at: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
        """Return the whole hours since the origin, within the series, and the rest."""
        since = np.clip(at - self.origin * _HOUR, 0, len(self.filled) * _HOUR)
        return since // _HOUR, (since % _HOUR) / _HOUR


def _microseconds(instants: pd.Series) -> NDArray[np.int64]:
    naive = instants.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(naive.to_numpy(dtype="datetime64[us]").astype("int64"))


def _between(
    sums: Floats,
    first: tuple[NDArray[np.int64], Floats],
    last: tuple[NDArray[np.int64], Floats],
) -> Floats:
    def up_to(place: tuple[NDArray[np.int64], Floats]) -> Floats:
        hour, rest = place
        after = sums[np.minimum(hour + 1, len(sums) - 1)]
        return sums[hour] + rest * (after - sums[hour])

    return up_to(last) - up_to(first)


def hours_of_year(year: int) -> pd.DatetimeIndex:
    """Return the starts of all hours of a year, UTC."""
    return pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="h", tz="UTC", inclusive="left")


def series(years: Mapping[int, pd.Series]) -> Hours:
    """Join the years of a zone into one series.

    Parameters
    ----------
    years : mapping of int to Series
        Values by start of the hour; hours may be missing, but not all of a year.
    """
    span = range(min(years), max(years) + 1)
    filled, known, served = [], [], []
    for year in span:
        index = hours_of_year(year)
        values = years.get(year, pd.Series(dtype="float64")).reindex(index).to_numpy("float64")
        there = ~np.isnan(values)
        known.append(there)
        served.append(np.full(len(index), there.any()))
        filled.append(np.where(there, values, values[there].mean() if there.any() else 0.0))
    values, flags = np.concatenate(filled), np.concatenate(served)
    level = float(values[flags][0])
    return Hours(
        origin=int(hours_of_year(span[0])[0].timestamp()) // 3600,
        level=level,
        filled=values,
        sums=_prefix(np.where(flags, values - level, 0.0)),
        known=_prefix(np.concatenate(known)),
        served=_prefix(flags),
    )


def _prefix(values: NDArray[np.generic]) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values, dtype="float64")])
