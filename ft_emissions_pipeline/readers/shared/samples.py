"""Turn samples of power, energy counters and utilisation into intervals of table `telemetry`.

Put here: integrating, differences of counters, gaps, and the binning to minutes that every format
of telemetry shares. Keep out: the formats (a module each), and which run an interval belongs to
(`ft_emissions_pipeline/landing/telemetry.py`).

Power is integrated by the trapezoid between neighbouring samples of a device. Where these lie too
far apart for that, nothing is assumed: the time counts as not covered, and the next interval says
`gap_before`. A counter's difference is the energy however long it took. Where it falls (a reboot,
a reloaded driver) it tells nothing of that interval, and the next one says `counter_reset_before`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ft_emissions_pipeline.equations import JOULES_PER_KWH
from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.reading import (
    RUN_COLUMNS,
    TELEMETRY_COLUMNS,
    Reading,
    Refused,
    instants,
    no_runs,
    no_usage,
    numbers,
    quarantine_rows,
    typed,
)
from ft_emissions_pipeline.readers.scrubbing import hashed_host
from ft_emissions_pipeline.tables import RUNS, TELEMETRY
from ft_emissions_pipeline.tables.words import EnergyFrom, Instrument

SPACINGS = 10.0
"""Samples further apart than this many usual spacings of their device are not joined by a line."""
SHORTEST_GAP_S, LONGEST_GAP_S = 60.0, 3600.0
"""Up to the one they always are, beyond the other never."""

_STREAM = ["kind", "host", "run_id", "device"]
_TEXTS = ("kind", "host", "run_id", "device", "gpu_model", "record")
_VALUES = ("watts", "counter_kwh", "utilization")
_REASON = (
    "no other sample of {} lies near enough to tell an energy; sample at least every hour, "
    "and keep the samples of a device in one file"
)


def telemetry_reading(
    samples: pd.DataFrame, records: int, refused: Sequence[Refused], *, of_one_run: bool = False
) -> Reading:
    """Return the reading of a file of samples.

    Parameters
    ----------
    samples : DataFrame
        `at` (instant), `record`, `device`, and where known `kind` (`gpu` by default), `host`,
        `run_id`, `gpu_model`, `watts`, `counter_kwh` (cumulative), `utilization` (0..1).
    records : int
        Records of the file from which the samples come; at least as many as the samples.
    refused : sequence of Refused
        Further records that could not be used.
    of_one_run : bool
        Whether the file belongs to one run, of which it then tells start and end.
    """
    given = _completed(samples)
    intervals, lone = intervals_of(given)
    bad = [
        *refused,
        *(
            (record, "lone_sample", _REASON.format(device), f"device {device}")
            for record, device in zip(lone["record"], lone["device"], strict=True)
        ),
    ]
    runs = _one_run(given, intervals) if of_one_run and len(intervals) else no_runs()
    return Reading(
        "telemetry",
        runs,
        no_usage(),
        quarantine_rows(bad),
        records=records + len(refused),
        merged=records - len(intervals) - len(lone) - len(runs),
        telemetry=intervals,
    )


def _completed(samples: pd.DataFrame) -> pd.DataFrame:
    frame = samples.reset_index(drop=True)
    given = {name: frame[name].astype("str") for name in _TEXTS if name in frame}
    missing = pd.Series(np.nan, index=frame.index, dtype="str")
    texts = {name: given.get(name, missing) for name in _TEXTS}
    texts["kind"] = texts["kind"].fillna(Instrument.GPU)
    values = {
        name: frame[name].astype("float64") if name in frame else missing.astype("float64")
        for name in _VALUES
    }
    return pd.DataFrame({"at": frame["at"].astype("datetime64[us, UTC]"), **texts, **values})


def intervals_of(samples: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the intervals between samples, binned to minutes; and the samples that make none."""
    frame = samples.assign(stream=samples.groupby(_STREAM, dropna=False, sort=False).ngroup())
    frame = frame.sort_values(["stream", "at"], kind="stable")
    frame = frame.drop_duplicates(["stream", "at"], keep="last")
    powered = frame["watts"].notna() | frame["counter_kwh"].notna()
    # A sample without power amid others with it would tear a hole; the line between these is
    # better.
    frame = frame[powered | ~powered.groupby(frame["stream"]).transform("any")]
    pieces = _between(frame)
    told = pieces["energy_kwh"].notna() | pieces["utilization"].notna()
    for flag in ("gap_before", "counter_reset_before"):
        pieces[flag] = pieces.groupby("stream")[flag].shift(fill_value=False)
    binned = _binned(pieces[told])
    lone = frame[~frame["stream"].isin(pieces.loc[told, "stream"])]
    return typed(binned, TELEMETRY, TELEMETRY_COLUMNS), lone


def _between(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what lies between each sample and the next one of its device."""
    later = frame.groupby("stream")[["at", *_VALUES]].shift(-1)
    seconds = (later["at"] - frame["at"]).dt.total_seconds()
    usual = seconds.groupby(frame["stream"]).transform("median")
    apart = seconds > (SPACINGS * usual).clip(SHORTEST_GAP_S, LONGEST_GAP_S)
    counted = later["counter_kwh"] - frame["counter_kwh"]
    drawn = (frame["watts"] + later["watts"]) / 2 * seconds / JOULES_PER_KWH
    by_counter = counted >= 0
    energy = counted.where(by_counter, drawn.mask(apart))
    return frame.assign(
        ended_at=later["at"],
        seconds=seconds,
        energy_kwh=energy,
        from_power=energy.notna() & ~by_counter,
        utilization=((frame["utilization"] + later["utilization"]) / 2).mask(apart),
        gap_before=apart & energy.isna(),
        counter_reset_before=(counted < 0) & energy.isna(),
        gap_bridged_by_counter=apart & energy.notna(),
    )[seconds.notna()]


_FLAGS = ("gap_before", "counter_reset_before", "gap_bridged_by_counter")


def _binned(pieces: pd.DataFrame) -> pd.DataFrame:
    """Add up what began in the same minute of a device and hangs together."""
    known = pieces[["energy_kwh", "utilization"]].notna()
    previous = pieces.shift()
    fresh = (
        (pieces["stream"] != previous["stream"])
        | (pieces["at"].dt.floor("min") != previous["at"].dt.floor("min"))
        | (pieces["at"] != previous["ended_at"])
        | (known != known.shift(fill_value=False)).any(axis=1)
    )
    number = fresh.cumsum()
    groups = pieces.assign(busy_s=pieces["utilization"] * pieces["seconds"]).groupby(number)
    first = pieces[fresh].set_index(number[fresh])
    sums = groups[["energy_kwh", "busy_s", "seconds"]].sum(min_count=1)
    flags = groups[[*_FLAGS, "from_power"]].any()
    told = flags["from_power"].map({True: EnergyFrom.POWER.value, False: EnergyFrom.COUNTER.value})
    return pd.DataFrame(
        {
            **{name: first[name] for name in (*_STREAM, "gpu_model")},
            "started_at": first["at"],
            "ended_at": groups["ended_at"].last(),
            "energy_kwh": sums["energy_kwh"],
            "energy_from": told.where(sums["energy_kwh"].notna()),
            "utilization": (sums["busy_s"] / sums["seconds"]).clip(0.0, 1.0),
            "repairs": repairs.column({flag: flags[flag] for flag in _FLAGS}, first.index),
            "source_record": first["record"],
        }
    ).reset_index(drop=True)


def _one_run(samples: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    started, ended = intervals["started_at"].min(), intervals["ended_at"].max()
    hosts = samples["host"].dropna().unique()
    row = {
        "run_id": samples["run_id"].iloc[0],
        "host": " ".join(sorted(hosts)) or None,
        "started_at": started,
        "ended_at": ended,
        "reserved_s": (ended - started).total_seconds(),
        "gpu_model": next(iter(samples["gpu_model"].dropna()), None),
        "repairs": "",
        "source_record": samples["record"].iloc[0],
    }
    return typed(pd.DataFrame([row]), RUNS, RUN_COLUMNS)


def host_in(uri: str) -> str | None:
    """Return the hash of the machine that a folder or file name tells as `host=<name>`."""
    named = re.search(r"(?:^|/)host=([^/]+)", uri)
    if named is None:
        return None
    return hashed_host(re.sub(r"\.(?:csv|tsv|txt|prom|json|jsonl|ndjson)$", "", named.group(1)))


def hashed_hosts(names: pd.Series) -> pd.Series:
    """Return the hash of each name of a column, missing where there is none."""
    text = names.astype("str").str.strip()
    return text.where(text != "").map(hashed_host, na_action="ignore").astype("str")


def with_units(cells: pd.Series, unit: str) -> tuple[pd.Series, np.ndarray]:
    """Return numbers that carry their unit, `77.07 W`; `[N/A]` and its like are missing ones."""
    text = cells.astype("str").str.strip()
    none = text.str.fullmatch(r"\[.*\]|n/?a|nan|none|null", case=False, na=False)
    return numbers(text.mask(none).str.removesuffix(unit).str.rstrip())


def times(cells: pd.Series, timezone: str) -> tuple[pd.Series, np.ndarray]:
    """Return instants of ISO 8601, `2026/03/01 12:00:00.123`, Unix seconds or milliseconds."""
    seconds, no_number = numbers(cells)
    numeric = seconds.notna().to_numpy()
    if numeric.any():
        # Up to the year 5138 seconds stay below 1e11; today's milliseconds lie above 1e12.
        unix = seconds.where(seconds < 1e11, seconds / 1e3)
        good = (unix >= 0) & (unix < 1e10)
        micros = (unix.where(good) * 1e6).round()
        found = pd.to_datetime(micros, unit="us", utc=True).astype("datetime64[us, UTC]")
        return found, (no_number | found.isna().to_numpy())
    text = cells.astype("str").str.strip()
    dashed = text.str.replace(r"^(\d{4})/(\d{2})/(\d{2})", r"\1-\2-\3", regex=True)
    found, _ = instants(dashed, timezone)
    return found, found.isna().to_numpy()
