"""The days of a version, and the inferences counted or expected on each.

Put here: cutting use lives at midnight (UTC), and sharing a day's counts between versions. Keep
out: when a version serves (`lifecycle.py`) and what an inference carries (`per_inference.py`).

A count that names a version is that version's, wherever in its life the day lies: an old version
serves again, or two share a day. A count of the model is shared by those in service on the day:
hour by hour where the log counts hours, else by time. Where a day's counts all name versions, one
that they do not name served none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ft_emissions_pipeline.calendar_days import HOURS_PER_DAY, SECONDS_PER_DAY
from ft_emissions_pipeline.tables import frames
from ft_emissions_pipeline.tables.words import Inferences, Status
from ft_emissions_pipeline.uncertainty import Floats

Ints = NDArray[np.int64]
Window = tuple[pd.Timestamp, pd.Timestamp]

_DAY = np.timedelta64(1, "D")
_MICROSECOND = np.timedelta64(1, "us")
SPAN = 1 << 20
"""More days than any table holds, so that model and day make one whole number."""


def stretches(
    versions: pd.DataFrame,
) -> tuple[Ints, NDArray[np.datetime64], NDArray[np.datetime64]]:
    """Return position, opening and closing of each stretch of service: the use life less pauses."""
    opens = instants(versions["use_life_start"])
    closes = instants(versions["use_life_end"])
    position = np.arange(len(versions))
    if versions["pauses"].isna().all():
        return position, opens, closes
    cuts = versions["pauses"].dropna().str.split(" ").explode()
    cuts_of = versions.index.get_indexer(cuts.index)
    edges = cuts.str.split("/", expand=True)
    out, back = (
        instants(pd.to_datetime(edges[side], format="ISO8601", utc=True)) for side in (0, 1)
    )
    position = np.concatenate([position, cuts_of])
    opens, closes = np.concatenate([opens, back]), np.concatenate([out, closes])
    # The openings and closings of one version, each in order, pair up.
    whole = np.concatenate([np.arange(len(versions)), cuts_of])
    at_open = np.lexsort((opens, position))
    close_of = np.concatenate([cuts_of, np.arange(len(versions))])
    at_close = np.lexsort((closes, close_of))
    return whole[at_open], opens[at_open], closes[at_close]


def _summed(group: NDArray[np.intp], weights: Floats, count: int) -> Floats:
    return np.bincount(group, weights=weights, minlength=count).astype("float64")


def seconds_in_service(versions: pd.DataFrame) -> Floats:
    """Return for how long each version served, its pauses left out."""
    position, opens, closes = stretches(versions)
    seconds = np.maximum((closes - opens) / np.timedelta64(1, "s"), 0.0)
    return _summed(position, seconds, len(versions))


def instants(values: pd.Series) -> NDArray[np.datetime64]:
    """Return UTC instants as numpy has them; pandas itself would make an object of each."""
    return np.asarray(values.dt.tz_localize(None).to_numpy(), dtype="datetime64[us]")


def labelled(code: Ints, labels: Sequence[str]) -> pd.Series:
    """Return a text column from codes of its few words."""
    return pd.Series(frames.words(labels, code), copy=False)


def served_days(
    versions: pd.DataFrame, usage: pd.DataFrame, window: Window | None = None
) -> pd.DataFrame:
    """Return the days of each version with the inferences on them.

    Parameters
    ----------
    versions : DataFrame
        Columns of `model_versions`: names, life, pauses, expected inferences per day.
    usage : DataFrame
        Table `usage`, under the models' first names.
    window : (Timestamp, Timestamp), optional
        First and last day wanted, both included; all by default.

    Returns
    -------
    DataFrame
        `position` of the version, `date`, `seconds` in service, `inferences` (NaN where unknown)
        and `inferences_basis`. A day on which an old version was named but did not serve by its
        life has 0 seconds.
    """
    position, day, opens, closes = _cut_at_midnight(versions, window)
    seconds = (closes - opens) / np.timedelta64(1, "s")
    codes, models = pd.factorize(versions["model_name"])
    model = codes.astype("int64")
    shared, own = _counts(versions, usage, models, window)
    key = model[position] * SPAN + day
    actual = _shared_out(key, opens, closes, day, seconds, shared)
    position, day, seconds, actual = _one_row_a_day(position, day, seconds, actual)
    position, day, seconds, actual = _with_named(position, day, seconds, actual, own)
    actual = _silent_is_none(model[position] * SPAN + day, actual, model, own)
    expected = versions["expected_inferences_per_day"].to_numpy(dtype=float)[position]
    expected = expected * seconds / SECONDS_PER_DAY
    counted = ~np.isnan(actual)
    return pd.DataFrame(
        {
            "position": position,
            "date": day.astype("datetime64[D]").astype("datetime64[us]"),
            "seconds": seconds,
            "inferences": np.where(counted, actual, expected),
            "inferences_basis": labelled(
                np.select([counted, ~np.isnan(expected)], [2, 1], default=0),
                (Inferences.NONE, Inferences.EXPECTED, Inferences.ACTUAL),
            ),
        }
    )


def _cut_at_midnight(
    versions: pd.DataFrame, window: Window | None
) -> tuple[Ints, Ints, NDArray[np.datetime64], NDArray[np.datetime64]]:
    """Return position, day, opening and closing of each piece of service that lies in one day."""
    position, opens, closes = stretches(versions)
    first = opens.astype("datetime64[D]").astype("int64")
    last = (closes - _MICROSECOND).astype("datetime64[D]").astype("int64")
    if window is not None:
        low, high = (np.datetime64(day.date(), "D").astype("int64") for day in window)
        first, last = np.maximum(first, low), np.minimum(last, high)
    count = np.where(opens < closes, np.maximum(last - first + 1, 0), 0)
    at = np.repeat(np.arange(len(position)), count)
    within = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    day = first[at] + within
    begins = day.astype("datetime64[D]").astype("datetime64[us]")
    opens, closes = np.maximum(opens[at], begins), np.minimum(closes[at], begins + _DAY)
    return position[at], day, opens, closes


class _Shared:
    """Counts by model and day: keys in order, counts, and the 24 hours where they are known."""

    def __init__(self, key: Ints, count: Floats, hours: pd.Series) -> None:
        self.key, at = np.unique(key, return_inverse=True)
        self.count = np.bincount(at, weights=count, minlength=len(self.key))
        hourly = hours.notna().to_numpy()
        self.by_hour = np.zeros((0, HOURS_PER_DAY))
        self.hourly = np.full(len(self.key), -1)
        if hourly.any():
            rows, row_of = np.unique(at[hourly], return_inverse=True)
            counts = np.array([text.split(" ") for text in hours[hourly]], dtype=float)
            self.by_hour = np.zeros((len(rows), HOURS_PER_DAY))
            np.add.at(self.by_hour, row_of, counts)
            self.hourly[rows] = np.arange(len(rows))


def _found(held: Ints, wanted: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Return where keys stand among those in order, and which of them do."""
    place = np.minimum(np.searchsorted(held, wanted), max(len(held) - 1, 0))
    return place, held[place] == wanted if len(held) else np.zeros(len(wanted), dtype=bool)


def _counts(
    versions: pd.DataFrame, usage: pd.DataFrame, models: pd.Index, window: Window | None
) -> tuple[_Shared, tuple[Ints, Ints, Floats]]:
    """Return counts of models, and (position, day, count) of counts that name a version."""
    if window is not None:
        usage = usage[usage["date"].between(*window)]
    count = usage["inferences"].to_numpy(dtype=float)
    day = usage["date"].to_numpy().astype("datetime64[D]").astype("int64")
    named = usage["model_version"].notna().to_numpy()
    model = frames.places(models, usage["model_name"])
    plain = ~named & (model >= 0)
    shared = _Shared(model[plain] * SPAN + day[plain], count[plain], usage["hours"][plain])
    if not named.any():
        none = np.empty(0, dtype="int64")
        return shared, (none, none, none.astype(float))
    place = position_of(versions, usage["model_version"][named])
    begun = instants(versions["use_life_start"]).astype("datetime64[D]").astype("int64")
    known = place >= 0
    place, day, count = place[known], day[named][known], count[named][known]
    due = begun[place] <= day
    key, at = np.unique(place[due] * SPAN + day[due], return_inverse=True)
    total = _summed(at, count[due], len(key))
    return shared, (key // SPAN, key % SPAN, total)


def position_of(versions: pd.DataFrame, names: pd.Series) -> Ints:
    """Return the position of each named version, -1 for one that is not known."""
    return frames.places(versions["model_version"], names)


def _shared_out(
    key: Ints,
    opens: NDArray[np.datetime64],
    closes: NDArray[np.datetime64],
    day: Ints,
    seconds: Floats,
    shared: _Shared,
) -> Floats:
    """Return each piece's share of its model's count, NaN where the model has none on the day."""
    place, found = _found(shared.key, key)
    actual = np.full(len(key), np.nan)
    if not found.any():
        return actual
    at = place[found]
    in_service = np.bincount(at, weights=seconds[found], minlength=len(shared.key))
    by_time = seconds[found] / in_service[at]
    actual[found] = shared.count[at] * by_time
    hourly = shared.hourly[at] >= 0
    if hourly.any():
        begins = day[found][hourly].astype("datetime64[D]").astype("datetime64[us]")
        opened, closed = (
            ((edge[found][hourly] - begins) / np.timedelta64(1, "h"))[:, None]
            for edge in (opens, closes)
        )
        hour = np.arange(HOURS_PER_DAY)[None, :]
        overlap = np.clip(np.minimum(closed, hour + 1) - np.maximum(opened, hour), 0.0, None)
        row = shared.hourly[at][hourly]
        together = np.zeros_like(shared.by_hour)
        np.add.at(together, row, overlap)
        # An hour that was counted while none served (clocks differ) falls on those of the day.
        share = np.where(
            together[row] > 0,
            overlap / np.where(together[row] > 0, together[row], 1.0),
            by_time[hourly][:, None],
        )
        of_hours = (share * shared.by_hour[row]).sum(axis=1)
        # What of the day no hour tells, for instance a second log without hours.
        rest = shared.count[at][hourly] - shared.by_hour[row].sum(axis=1)
        actual[np.flatnonzero(found)[hourly]] = of_hours + rest * by_time[hourly]
    return actual


def _one_row_a_day(
    position: Ints, day: Ints, seconds: Floats, actual: Floats
) -> tuple[Ints, Ints, Floats, Floats]:
    """Add up the pieces of a version that left service and came back within one day."""
    again = np.zeros(len(position), dtype=bool)
    again[1:] = (position[1:] == position[:-1]) & (day[1:] == day[:-1])
    if not again.any():
        return position, day, seconds, actual
    row = np.cumsum(~again) - 1
    first = np.flatnonzero(~again)
    return (
        position[first],
        day[first],
        _summed(row, seconds, len(first)),
        _summed(row, actual, len(first)),
    )


def _with_named(
    position: Ints, day: Ints, seconds: Floats, actual: Floats, own: tuple[Ints, Ints, Floats]
) -> tuple[Ints, Ints, Floats, Floats]:
    """Add the counts that name a version; one out of service gets a row for the day."""
    of_version, on, count = own
    if not len(of_version):
        return position, day, seconds, actual
    key = position * SPAN + day
    order = np.argsort(key, kind="stable")
    place, found = _found(key[order], of_version * SPAN + on)
    at = order[place[found]]
    actual = actual.copy()
    actual[at] = np.nan_to_num(actual[at]) + count[found]
    extra = ~found
    return (
        np.concatenate([position, of_version[extra]]),
        np.concatenate([day, on[extra]]),
        np.concatenate([seconds, np.zeros(extra.sum())]),
        np.concatenate([actual, count[extra]]),
    )


def _silent_is_none(
    key: Ints, actual: Floats, model: Ints, own: tuple[Ints, Ints, Floats]
) -> Floats:
    """Return 0 for versions that a day's counts do not name although they name others."""
    of_version, on, _ = own
    if not len(of_version):
        return actual
    told = np.isin(key, np.unique(model[of_version] * SPAN + on))
    return np.where(np.isnan(actual) & told, 0.0, actual)


def expectations(basis: pd.Series, status: pd.Series) -> Floats:
    """Return by how many independent expectations each row's inferences are uncertain, as a root.

    A provisional row rests on the use life still to come; where nobody counted, a row rests on an
    expected count.
    """
    counts, lives = basis == Inferences.EXPECTED, status == Status.PROVISIONAL
    return np.asarray(np.sqrt(counts.to_numpy(dtype=float) + lives.to_numpy(dtype=float)))


def total_inferences(days: pd.DataFrame, count: int) -> tuple[Floats, pd.Series]:
    """Return inferences over each version's life, and what they rest on."""
    position = days["position"].to_numpy()
    inferences = days["inferences"].to_numpy()
    known = ~np.isnan(inferences)
    total = np.bincount(position[known], weights=inferences[known], minlength=count)
    actual, expected = (
        np.bincount(position[(days["inferences_basis"] == kind).to_numpy()], minlength=count) > 0
        for kind in (Inferences.ACTUAL, Inferences.EXPECTED)
    )
    words = labelled(
        2 * actual + expected,
        (Inferences.NONE, Inferences.EXPECTED, Inferences.ACTUAL, Inferences.ACTUAL_AND_EXPECTED),
    )
    return np.where(actual | expected, total, np.nan), words
