"""Energy and utilisation of runs, out of the intervals that devices and meters were measured over.

Put here: which intervals belong to which run, how much energy falls into its time, and the meter's
ratio to what software measured. Keep out: reading samples (`readers/`) and what a run's energy then
rests on (`normalize/energy.py`).

An interval belongs to the run that its file names, or that `runs.yaml` gives the file to. Else it
belongs to the one run that was on its host at its time; where the file names no host, to the one
whose logs lie in its folder or below, else in the nearest folder above. Were there two, or more
GPUs than the run used, nothing is shared out, and the runs say `telemetry_ambiguous`.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers import origins, repairs
from ft_emissions_pipeline.readers.shared.run_folders import home, parents
from ft_emissions_pipeline.readers.shared.samples import SHORTEST_GAP_S, devices_of
from ft_emissions_pipeline.tables import BASES
from ft_emissions_pipeline.tables.frames import among
from ft_emissions_pipeline.tables.words import Basis, EnergyFrom, Instrument

WHOLE = 0.98
"""Share of a run's time from which on its energy counts as measured all through."""


ENOUGH = 0.5
"""Share from which on the rest is taken at the same power; below, the energy is not used."""


CLOCKS_S = 60.0
"""Runs that follow each other may overlap by this much, by clocks that disagree."""


REPORT = (
    "run_id", "kind", "outcome", "energy_kwh", "share_covered", "source_uri", "candidates",
    "by_folder", "gaps",
)  # fmt: skip


_ENERGY_OF: dict[str, str] = {
    Instrument.GPU: "gpu_energy_kwh",
    Instrument.METER: "meter_energy_kwh",
}


_HARDWARE = ("gpu_count", "gpu_model")
"""What samples of GPUs tell of a run whose logs do not."""


_UNREAD: dict[str, str] = {Instrument.GPU: "gpu_energy_unread", Instrument.METER: "energy_unread"}
"""Word of `repairs` where a device told no energy all through a run."""


class _Stream(NamedTuple):
    """What one file says of one device."""

    source_format: str
    uri: str
    kind: str
    host: str | float
    device: str
    run_id: str | float
    intervals: pd.DataFrame


_STREAM = ("source_format", "source_uri", "kind", "host", "device", "run_id")


@dataclass(frozen=True)
class _Piece:
    """What one file says of one device during one run."""

    source_format: str
    uri: str
    device: tuple[str, str]
    energy_kwh: float
    covered_s: float
    busy_s: float
    known_s: float
    first: float
    last: float
    polled: bool
    """Whether any of its energy is power sampled now and then."""
    gpu_model: str | None
    gap_s: float
    """Longest time of the run of which no sample tells the energy."""
    bridged_s: float
    """Longest time without samples over which a counter tells it."""


def measured(
    runs: pd.DataFrame,
    telemetry: pd.DataFrame | Iterable[pd.DataFrame],
    windows: pd.DataFrame | None = None,
    owners: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fill in what telemetry measured of runs, where no log of theirs did.

    Parameters
    ----------
    runs : DataFrame
        Table `runs`.
    telemetry : DataFrame or iterable of DataFrame
        Table `telemetry`, of all the days over which these runs lasted; in one, or by file.
    windows : DataFrame, optional
        `run_id`, `host`, `started_at`, `ended_at` of every run there is, for who else was on a
        host; by default the runs themselves.
    owners : DataFrame, optional
        `source_uri` and `run_id` of every record there is; by default those of the runs.

    Returns
    -------
    runs : DataFrame
        With `gpu_energy_kwh`, `gpu_utilization` and `meter_energy_kwh` filled, `gpu_count` and
        `gpu_model` where no log tells them, their `origins`, and
        in `repairs` why something was not: `telemetry_ambiguous`, `telemetry_incomplete`,
        `telemetry_covers:<share>`; `gpu_energy_unread` or `energy_unread` where devices told 0;
        `power_polled`; `telemetry_by_folder`; `gap_bridged`, `gap_bridged_by_counter` or
        `gap_left_out`, each with its seconds.
    report : DataFrame
        Columns `REPORT`: what became of the telemetry of each run and kind; without run_id, files
        that belong to no run.
    """
    runs = runs.reset_index(drop=True)
    frames = [telemetry] if isinstance(telemetry, pd.DataFrame) else telemetry
    streams = [stream for frame in frames for stream in _streams(frame)]
    if not streams:
        return runs, _report([])
    times = _times(runs)
    streams, places = _by_folder(streams, runs if owners is None else owners)
    known = _at_places(_windows(runs, windows), places)
    hosts = known.drop_duplicates("run_id").set_index("run_id")["host"]
    pieces = _pieces(runs["run_id"], hosts.reindex(runs["run_id"]), times, streams)
    rivals = _rivals(known, {run_id for run_id, _, _ in pieces})
    at = {run_id: position for position, run_id in enumerate(runs["run_id"])}
    changes: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    for (run_id, kind, by_host), found in sorted(pieces.items(), key=lambda item: item[0][:2]):
        if by_host and (run_id, kind, False) in pieces:
            # What names its run goes before what merely stood beside it.
            continue
        change, row = _outcome(
            runs.loc[at[run_id]],
            times["seconds"].iat[at[run_id]],
            kind,
            found,
            rivals.get(run_id, []) if by_host else [],
        )
        changes.append(change)
        rows.append(row)
    used = {piece.uri for found in pieces.values() for piece in found}
    timeless = set(times.loc[~(times["seconds"] > 0), "run_id"])
    unused = {(each.kind, each.uri, str(each.host)) for each in streams if each.uri not in used}
    rows += [
        {
            "kind": kind,
            "outcome": "of_no_run"
            if not (near := places.get(host, set()) & timeless)
            else "no_time",
            "source_uri": uri,
            "candidates": " ".join(sorted(near)),
        }
        for kind, uri, host in sorted(unused)
    ]
    return _filled(runs, changes), _report(rows)


def _report(rows: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(REPORT))


def _times(runs: pd.DataFrame) -> pd.DataFrame:
    """Return start and end of each run in seconds since 1970, the start counted back if need be."""
    ended = _seconds(runs["ended_at"])
    length = runs["reserved_s"].fillna(runs["active_s"])
    started = _seconds(runs["started_at"])
    started = started.where(started.notna(), ended - length)
    ended = ended.where(ended.notna(), started + length)
    return pd.DataFrame(
        {"run_id": runs["run_id"], "started": started, "ended": ended, "seconds": ended - started}
    )


def _seconds(instants: pd.Series) -> pd.Series:
    return (instants - pd.Timestamp(0, tz="UTC")).dt.total_seconds()


_FOLDER = "folder:"
"""Begins what stands for the host of samples that name none, and of the runs that lie near them."""


def _streams(telemetry: pd.DataFrame) -> Iterator[_Stream]:
    if telemetry.empty:
        return
    code, keys = devices_of(telemetry, _STREAM)
    if (np.diff(code) < 0).any():
        order = np.argsort(code, kind="stable")
        telemetry, code = telemetry.iloc[order], code[order]
    ends = np.searchsorted(code, np.arange(len(keys) + 1))
    for key, (begin, end) in zip(keys.to_numpy().tolist(), itertools.pairwise(ends), strict=True):
        yield _Stream._make((*key, telemetry.iloc[begin:end]))


def _by_folder(
    streams: list[_Stream], owners: pd.DataFrame
) -> tuple[list[_Stream], dict[str, set[str]]]:
    """Return the streams with a folder for a host where they name none, and the runs of each."""
    unnamed = {each.uri for each in streams if pd.isna(each.host) and pd.isna(each.run_id)}
    if not unnamed:
        return streams, {}
    own: dict[str, set[str]] = defaultdict(set)
    below: dict[str, set[str]] = defaultdict(set)
    for uri, ids in owners.groupby("source_uri")["run_id"]:
        folder = home(str(uri))
        own[folder].update(ids)
        for above in parents(folder):
            below[above].update(ids)
    near: dict[str, str | None] = {}
    for uri in unnamed:
        folder = home(uri)
        around = (above for above in parents(folder) if above in own)
        near[uri] = folder if folder in below else next(around, None)
    tokens = {uri: _FOLDER + quote(each) for uri, each in near.items() if each is not None}
    given = [
        each._replace(host=tokens.get(each.uri, np.nan))
        if pd.isna(each.host) and pd.isna(each.run_id)
        else each
        for each in streams
    ]
    found = {tokens[uri]: str(near[uri]) for uri in tokens}
    return given, {token: below.get(each) or own[each] for token, each in found.items()}


def _at_places(windows: pd.DataFrame, places: dict[str, set[str]]) -> pd.DataFrame:
    """Return the windows with the folders of their runs beside their hosts."""
    if not places:
        return windows
    beside: dict[str, str] = {}
    for token, ids in places.items():
        beside.update({run_id: f"{beside.get(run_id, '')} {token}" for run_id in ids})
    more = windows["run_id"].map(beside).astype("str").fillna("")
    host = (windows["host"].astype("str").fillna("") + more).str.strip()
    return windows.assign(host=host.mask(host == ""))


def _pieces(
    run_ids: pd.Series, hosts_of: pd.Series, times: pd.DataFrame, streams: list[_Stream]
) -> dict[tuple[str, str, bool], list[_Piece]]:
    """Return what each file says of each device, by run, kind, and whether by host alone."""
    at = {run_id: position for position, run_id in enumerate(run_ids)}
    on_host: dict[str, list[int]] = defaultdict(list)
    timed = (times["seconds"] > 0).to_numpy()
    for position, hosts in enumerate(hosts_of):
        if timed[position] and isinstance(hosts, str):
            for host in hosts.split():
                on_host[host].append(position)
    found: dict[tuple[str, str, bool], list[_Piece]] = defaultdict(list)
    started, ended = times["started"].to_numpy(), times["ended"].to_numpy()
    for each in sorted(streams, key=lambda stream: [str(name) for name in stream[:6]]):
        named = isinstance(each.run_id, str)
        if named:
            mine = [at[each.run_id]] if each.run_id in at else []
        else:
            mine = on_host.get(each.host, []) if isinstance(each.host, str) else []
        if not mine:
            continue
        low, high = started[mine], ended[mine]
        sums = _sums(each.intervals)
        polled = bool((each.intervals["energy_from"] == EnergyFrom.POWER).any())
        models = each.intervals["gpu_model"].dropna()
        whole = np.isnan(low) | np.isnan(high)
        low, high = np.where(whole, sums.first, low), np.where(whole, sums.last, high)
        energy, covered, busy, known = (
            sums.until(part, high) - sums.until(part, low)
            for part in (sums.energy, sums.covered, sums.busy, sums.known)
        )
        for n in np.flatnonzero((covered > 0) | (known > 0)):
            found[run_ids.iloc[mine[n]], each.kind, not named].append(
                _Piece(
                    each.source_format, each.uri, (str(each.host), each.device), energy[n],
                    covered[n], busy[n], known[n], max(sums.first, low[n]),
                    min(sums.last, high[n]), polled, None if models.empty else str(models.iloc[0]),
                    _longest(sums.gaps, low[n], high[n]), _longest(sums.bridged, low[n], high[n]),
                )
            )  # fmt: skip
    return found


@dataclass(frozen=True)
class _Sums:
    """Sums since a stream's begin at the ends of its intervals: straight lines between them."""

    knots: np.ndarray
    energy: np.ndarray
    covered: np.ndarray
    busy: np.ndarray
    known: np.ndarray
    gaps: np.ndarray
    """Begin and end of each time without samples."""
    bridged: np.ndarray
    """The same where a counter tells the energy."""

    @property
    def first(self) -> float:
        return float(self.knots[0])

    @property
    def last(self) -> float:
        return float(self.knots[-1])

    def until(self, sums: np.ndarray, instants: np.ndarray) -> np.ndarray:
        return np.asarray(np.interp(instants, self.knots, sums))


def _sums(stream: pd.DataFrame) -> _Sums:
    ordered = stream.sort_values("started_at", kind="stable")
    started = _seconds(ordered["started_at"]).to_numpy()
    ended = _seconds(ordered["ended_at"]).to_numpy()
    energy = ordered["energy_kwh"].to_numpy()
    share = ordered["utilization"].to_numpy()
    seconds = ended - started

    def summed(parts: np.ndarray) -> np.ndarray:
        total = np.cumsum(np.nan_to_num(parts))
        return np.column_stack([total - np.nan_to_num(parts), total]).ravel()

    return _Sums(
        np.column_stack([started, ended]).ravel(),
        summed(energy),
        summed(np.where(np.isnan(energy), 0.0, seconds)),
        summed(share * seconds),
        summed(np.where(np.isnan(share), 0.0, seconds)),
        np.column_stack([ended[:-1], started[1:]])[_says(ordered, "gap_before")[1:]],
        np.column_stack([started, ended])[_says(ordered, "gap_bridged_by_counter")],
    )


def _says(intervals: pd.DataFrame, word: str) -> np.ndarray:
    return repairs.has_word(intervals["repairs"], word)


def _longest(spans: np.ndarray, low: float, high: float) -> float:
    """Return the seconds of the longest of some spans, so far as it lies between two instants."""
    return float(np.diff(np.clip(spans, low, high)).max(initial=0.0))


def _windows(runs: pd.DataFrame, windows: pd.DataFrame | None) -> pd.DataFrame:
    own = _times(runs).assign(host=runs["host"])
    if windows is None:
        return own
    other = windows[~among(windows["run_id"], own["run_id"])]
    return pd.concat(
        [
            own,
            other[["run_id", "host"]].assign(
                started=_seconds(other["started_at"]), ended=_seconds(other["ended_at"])
            ),
        ]
    )


def _rivals(windows: pd.DataFrame, run_ids: Iterable[str]) -> dict[str, list[str]]:
    """Return the other runs that were on a host of each run at its time."""
    known = windows.dropna(subset=["host", "started", "ended"])
    spans = known.assign(host=known["host"].str.split()).explode("host")
    wanted = set(run_ids)
    rivals: dict[str, set[str]] = defaultdict(set)
    for _, on_host in spans.groupby("host"):
        ordered = on_host.sort_values("started")
        started, ended = ordered["started"].to_numpy(), ordered["ended"].to_numpy()
        ids = ordered["run_id"].to_numpy()
        for n in np.flatnonzero(np.isin(ids, list(wanted))):
            until = np.searchsorted(started, ended[n] - CLOCKS_S)
            beside = ids[:until][ended[:until] > started[n] + CLOCKS_S]
            rivals[ids[n]] |= set(beside) - {ids[n]}
    return {run_id: sorted(others) for run_id, others in rivals.items() if others}


def _outcome(
    run: pd.Series, seconds: float, kind: str, found: list[_Piece], rivals: list[str]
) -> tuple[dict[str, object], dict[str, object]]:
    """Return what to change in a run, and the row of the report."""
    pieces = _best_format(_apart(found))
    devices = {piece.device for piece in pieces}
    powered = [piece for piece in pieces if piece.covered_s > 0]
    counted = {piece.device for piece in powered}
    span = max(p.last for p in pieces) - min(p.first for p in pieces)
    length = seconds if seconds > 0 else span
    energy = sum(piece.energy_kwh for piece in powered)
    covered = sum(piece.covered_s for piece in powered)
    share = min(covered / (len(counted) * length), 1.0) if powered and length > 0 else 0.0
    known = sum(piece.known_s for piece in pieces)
    row: dict[str, object] = {
        "run_id": run["run_id"], "kind": kind, "energy_kwh": energy if powered else np.nan,
        "share_covered": share, "source_uri": " ".join(sorted({piece.uri for piece in pieces})),
        "candidates": " ".join(rivals),
        "by_folder": any(host.startswith(_FOLDER) for host, _ in devices),
        "gaps": repairs.joined(_gaps(powered, bridged=share < WHOLE)) or None,
    }  # fmt: skip
    change: dict[str, object] = {"run_id": run["run_id"], "place": min(p.uri for p in pieces)}
    needed = run["gpu_count"] if kind == Instrument.GPU else _hosts_of(run)
    have = len(devices) if kind == Instrument.GPU else len(counted)
    if rivals or have > needed:
        return {**change, "repair": "telemetry_ambiguous"}, {**row, "outcome": "ambiguous"}
    if kind == Instrument.GPU and not len({host for host, _ in devices}) < _hosts_of(run):
        change["gpu_count"] = float(len(devices))
        models = {piece.gpu_model for piece in pieces}
        change["gpu_model"] = models.pop() if len(models) == 1 else None
    if kind == Instrument.GPU and known > 0:
        change["gpu_utilization"] = sum(piece.busy_s for piece in pieces) / known
    if not powered:
        return change, {**row, "outcome": "no_energy"}
    if not energy > 0:
        change["repair"] = _UNREAD[kind]
        return change, {**row, "outcome": "no_energy"}
    if len(counted) < needed:
        change["repair"] = "telemetry_incomplete"
        return change, {**row, "outcome": "incomplete"}
    if share < ENOUGH:
        change["repair"] = f"telemetry_covers:{share:.0%}_unused"
        return change, {**row, "outcome": "too_short"}
    whole = share >= WHOLE
    change[_ENERGY_OF[kind]] = energy if whole else energy / share
    change["basis"] = Basis.MEASURED if whole else Basis.PREDICTED
    change["polled"] = kind == Instrument.GPU and any(piece.polled for piece in powered)
    words = [] if whole else [f"telemetry_covers:{share:.0%}"]
    words += ["telemetry_by_folder"] if row["by_folder"] else []
    words += repairs.parted(row["gaps"])
    change["repair"] = " ".join(words) or None
    return change, {**row, "outcome": "used" if whole else "extrapolated"}


def _gaps(powered: list[_Piece], *, bridged: bool) -> list[str]:
    """Return words for the longest gaps; shorter ones than a minute are drawn over by the line."""
    longest = {
        "gap_bridged" if bridged else "gap_left_out": max((p.gap_s for p in powered), default=0.0),
        "gap_bridged_by_counter": max((p.bridged_s for p in powered), default=0.0),
    }
    return [f"{word}:{s:.0f}s" for word, s in longest.items() if s > SHORTEST_GAP_S]


def _hosts_of(run: pd.Series) -> float:
    hosts = run["host"]
    return float(len(hosts.split())) if isinstance(hosts, str) else float("nan")


def _apart(found: list[_Piece]) -> list[_Piece]:
    """Leave out files that tell of a device at a time of which another file of the format told."""
    kept: list[_Piece] = []
    for piece in sorted(found, key=lambda p: (-(p.covered_s + p.known_s), p.uri)):
        same = [
            other
            for other in kept
            if (other.source_format, other.device) == (piece.source_format, piece.device)
            and (other.covered_s > 0) == (piece.covered_s > 0)
        ]
        half = (piece.last - piece.first) / 2
        shared = [min(o.last, piece.last) - max(o.first, piece.first) for o in same]
        if all(seconds < half for seconds in shared):
            kept.append(piece)
    return kept


def _best_format(pieces: list[_Piece]) -> list[_Piece]:
    """Keep the format that covers most: two tools on one machine measure the same devices."""
    covered: dict[str, float] = defaultdict(float)
    for piece in pieces:
        covered[piece.source_format] += piece.covered_s + 1e-6 * piece.known_s
    best = min(covered, key=lambda name: (-covered[name], name))
    return [piece for piece in pieces if piece.source_format == best]


def _filled(runs: pd.DataFrame, changes: list[dict[str, object]]) -> pd.DataFrame:
    if not changes:
        return runs
    filled = runs.copy()
    at = {run_id: position for position, run_id in enumerate(runs["run_id"])}
    for change in changes:
        row = at[str(change["run_id"])]
        fields = [name for name in (*_ENERGY_OF.values(), "gpu_utilization") if name in change]
        known = origins.of_run(filled.loc[row])
        taken = polled_is_taken = False
        for name in fields:
            basis = Basis.MEASURED if name == "gpu_utilization" else str(change["basis"])
            there = pd.notna(filled.at[row, name])
            if there and BASES.index(known[name].basis) <= BASES.index(basis):
                continue
            filled.at[row, name] = change[name]
            known[name] = origins.Origin(basis, str(change["place"]))
            taken = True
            polled_is_taken |= name == _ENERGY_OF[Instrument.GPU]
        for name in _HARDWARE:
            # Only what no log says: one that does speaks of the run, samples of what was there.
            if change.get(name) is not None and pd.isna(filled.at[row, name]):
                filled.at[row, name] = change[name]
                known[name] = origins.Origin(Basis.MEASURED, str(change["place"]))
                taken = True
        if taken:
            filled.at[row, "origins"] = origins.to_json(known)
        added = str(change["repair"]).split() if change.get("repair") else []
        added += ["power_polled"] if change.get("polled") and polled_is_taken else []
        if added:
            words = {*repairs.parted(filled.at[row, "repairs"]), *added}
            filled.at[row, "repairs"] = repairs.joined(sorted(words))
    return filled


def told(report: pd.DataFrame) -> Iterator[str]:
    """Yield a sentence for whatever telemetry was not used, and for what was by its folder."""
    used = report["outcome"].isin(["used", "extrapolated"])
    for row in report[used & report["by_folder"].eq(True)].itertuples(index=False):
        yield (
            f"telemetry of run {row.run_id}: {row.source_uri} names no machine; it lies with the "
            "run's logs, and no other run was there at the time"
        )
    for row in report[used & report["gaps"].notna()].itertuples(index=False):
        for word, seconds in map(repairs.about, repairs.parted(row.gaps)):
            yield (
                f"telemetry of run {row.run_id}: {row.source_uri} has no sample for up to "
                f"{seconds}: {repairs.REPAIRS[word]}"
            )
    for row in report[~used].itertuples(index=False):
        whose = "of no run" if pd.isna(row.run_id) else f"of run {row.run_id}: {row.outcome}"
        beside = ""
        if row.outcome == "no_time":
            beside = (
                f": {row.candidates} beside it tells neither start nor end; state started_at and "
                "ended_at in runs.yaml"
            )
        elif isinstance(row.candidates, str) and row.candidates:
            beside = f" (also there: {row.candidates})"
        yield f"telemetry not used: {row.source_uri}: {row.kind} {whose}{beside}"
