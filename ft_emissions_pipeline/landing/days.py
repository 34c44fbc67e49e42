"""The runs, usage, telemetry, events and refused records of given days.

Put here: the reading of just the files that a day needs, and what their records make up together.
Keep out: which file holds which days (`index.py`), formats (`readers/`), the merging of records
(`join.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from ft_emissions_pipeline.landing import configurations, token_lengths
from ft_emissions_pipeline.landing import telemetry as measurements
from ft_emissions_pipeline.landing.engines import Engine, local, over_files
from ft_emissions_pipeline.landing.index import Folder, Pairs, run_day, telemetry_days
from ft_emissions_pipeline.landing.join import Links, join, mapped_ids
from ft_emissions_pipeline.readers import Reading, Settings, files_in, read_files
from ft_emissions_pipeline.readers.cells import one_text
from ft_emissions_pipeline.readers.shared.usage_days import whole_days
from ft_emissions_pipeline.reference import Reference
from ft_emissions_pipeline.tables import (
    CLOUD_REPORTS,
    MODEL_EVENTS,
    QUARANTINE,
    RUNS,
    TELEMETRY,
    USAGE,
    Table,
    conform,
    empty,
)
from ft_emissions_pipeline.tables.frames import among, words
from ft_emissions_pipeline.tables.words import Content
from ft_emissions_pipeline.warehouse.faults import fault

_MANY = 1 << 16
"""Intervals from which on a file's are not put together with those of others."""


def runs_of(
    folder: Folder,
    index: pd.DataFrame,
    first: pd.Timestamp,
    last: pd.Timestamp,
    reference: Reference,
    settings: Settings,
    engine: Engine = local,
) -> pd.DataFrame:
    """Return the runs of the days from `first` to `last`, reading only the files that hold them.

    Parameters
    ----------
    folder : Path or str
        Landing folder, as for `scan`.
    index : DataFrame
        Table `landing_index`.
    first, last : Timestamp
        UTC days, both included.
    reference : Reference
        Reference tables.
    settings : Settings
        Time zone and present time for the readers.
    engine : Engine
        Where files are read; see `engines`.

    Returns
    -------
    DataFrame
        Table `runs`.
    """
    needed = index["run_id"].notna() | index["content"].isin(["token_lengths", "configuration"])
    wanted = index[index["date"].between(first, last) & needed]
    if wanted.empty:
        return empty(RUNS)
    mappings = index.loc[index["content"] == "mapping", "source_uri"]
    uris = {*wanted["source_uri"].unique(), *mappings}
    readings = list(_read(folder, index, uris, settings, engine))
    # What a record joins depends on every other one, so it is taken from the index, not made anew.
    runs, *_ = _joined(
        readings,
        reference,
        index[["source_uri", "source_record", "run_id", "join_note"]],
        index["source_uri"].unique(),
        configurations.tied(index),
    )
    # A run of runs.yaml whose logs were left unread would stand on another day than the index
    # knows.
    of_days = among(runs["run_id"], wanted["run_id"]) & runs["date"].between(first, last)
    return runs[of_days].reset_index(drop=True)


def joined_runs(
    readings: Iterable[tuple[str, str | None, Reading]], reference: Reference
) -> pd.DataFrame:
    """Return the runs that the records of some files make up, with their day.

    Parameters
    ----------
    readings : iterable of (uri, format, Reading)
        What the files said.
    reference : Reference
        Reference tables.

    Returns
    -------
    DataFrame
        Table `runs`.
    """
    return _joined(list(readings), reference)[0]


def measured_runs(
    readings: Iterable[tuple[str, str | None, Reading]], reference: Reference
) -> tuple[pd.DataFrame, pd.DataFrame, set[str]]:
    """Return the runs of some files with what the telemetry among these files measured of them.

    Parameters
    ----------
    readings, reference
        As for `joined_runs`.

    Returns
    -------
    runs, report : DataFrame
        Table `runs`, and what became of the telemetry (`telemetry.measured`).
    unused : set of str
        Uris of configurations that complete no run.
    """
    told = list(readings)
    runs, owners, ties = _joined(told, reference)
    telemetry = _telemetry(told, _mapping(told), owners)
    given = {uri for uri, _, said in told if said.content == "configuration" and len(said.runs)}
    return *measurements.measured(runs, telemetry, owners=owners), given - set(ties["source_uri"])


def _joined(
    readings: list[tuple[str, str | None, Reading]],
    reference: Reference,
    links: Links | None = None,
    landed: Iterable[str] = (),
    ties: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return table `runs`, the run of each record, and which configuration completes which run.

    Links and ties are what the index knows of all files; without it they are found among these.
    """
    readings = token_lengths.filled(readings)
    logs = _rows("runs", (each for each in readings if each[2].content != "configuration"))
    settings = _rows("runs", (each for each in readings if each[2].content == "configuration"))
    place = ["source_uri", "source_record", "run_id"]
    no_ties = pd.DataFrame(columns=list(configurations.TIES))
    if logs.empty:
        return empty(RUNS), empty(RUNS)[place], no_ties
    records = conform(logs, RUNS)
    landed = [*landed, *(uri for uri, *_ in readings)]
    joined, merged = join(records, _mapping(readings), links, landed)
    owners = pd.concat([joined[place], merged[place]]) if len(merged) else joined[place]
    if len(settings):
        given = conform(settings, RUNS)
        mappings = {uri for uri, _, reading in readings if reading.content == "mapping"}
        if ties is None:
            ties = configurations.ties(owners[~owners["source_uri"].isin(mappings)], given)
        joined = configurations.completed(conform(joined, RUNS), given, ties)
        joined = joined.sort_values("run_id", ignore_index=True)
    ties = no_ties if ties is None else ties
    joined["date"], joined["date_rule"] = run_day(joined, reference)
    return conform(joined, RUNS), owners, ties


def _mapping(readings: list[tuple[str, str | None, Reading]]) -> Pairs:
    return tuple(pair for _, _, reading in readings for pair in reading.mapping)


def _telemetry(
    readings: list[tuple[str, str | None, Reading]], pairs: Pairs, owners: pd.DataFrame
) -> Iterator[pd.DataFrame]:
    """Yield table `telemetry` without days, each file given to the run that its own record joined.

    Of a file of several runs, samples name the record of theirs. Small files come together, a large
    one by itself, its few texts still as categories.
    """
    small = [each for each in readings if 0 < len(each[2].telemetry) <= _MANY]
    large = [[each] for each in readings if len(each[2].telemetry) > _MANY]
    for files in filter(None, [small, *large]):
        frames = [
            reading.telemetry.assign(
                source_uri=one_text(uri, reading.telemetry.index),
                source_format=one_text(source_format, reading.telemetry.index),
            )
            for uri, source_format, reading in files
        ]
        together = len(frames) > 1
        rows = conform(pd.concat(frames, ignore_index=True), TELEMETRY) if together else frames[0]
        run_id = mapped_ids(rows, pairs)
        own = owners[owners["source_uri"].isin([uri for uri, *_ in files])]
        if len(own):
            owner = own.drop_duplicates("source_uri").set_index("source_uri")["run_id"]
            place = ["source_uri", "source_record"]
            of_record = own.drop_duplicates(place).set_index(place)["run_id"]
            named = of_record.reindex(pd.MultiIndex.from_frame(rows[place])).set_axis(rows.index)
            named = named.astype("str").fillna(rows["source_uri"].map(owner).astype("str"))
            run_id = named.fillna(run_id.astype("str"))
        yield rows.assign(run_id=run_id)


def telemetry_of(
    folder: Folder,
    index: pd.DataFrame,
    first: pd.Timestamp,
    last: pd.Timestamp,
    settings: Settings,
    engine: Engine = local,
) -> pd.DataFrame:
    """Return the telemetry of the days from `first` to `last`, reading only the files that hold it.

    Parameters
    ----------
    folder, index, settings
        As for `runs_of`.
    first, last : Timestamp
        UTC days, both included; of an interval, its start's day counts.
    engine : Engine
        As for `runs_of`.

    Returns
    -------
    DataFrame
        Table `telemetry`.
    """
    held = (index["content"] == "telemetry") & index["record_run_id"].isna()
    wanted = index.loc[held & index["date"].between(first, last), "source_uri"]
    mappings = index.loc[index["content"] == "mapping", "source_uri"] if len(wanted) else []
    readings = list(_read(folder, index, {*wanted, *mappings}, settings, engine))
    owners = index.loc[index["run_id"].notna(), ["source_uri", "source_record", "run_id"]]
    frames = []
    for rows in _telemetry(readings, _mapping(readings), owners):
        date = telemetry_days(rows)
        of_days = date.between(first, last)
        frames.append(conform(rows[of_days].assign(date=date), TELEMETRY))
    return pd.concat(frames, ignore_index=True) if frames else empty(TELEMETRY)


def windows(index: pd.DataFrame) -> pd.DataFrame:
    """Return host, start and end of every run there is, for who was on a machine at a time."""
    runs = index[index["run_id"].notna()].groupby("run_id", sort=True)
    return runs.agg(
        host=("host", "first"), started_at=("started_at", "min"), ended_at=("ended_at", "max")
    ).reset_index()


def _read(
    folder: Folder,
    index: pd.DataFrame,
    uris: set[str],
    settings: Settings,
    engine: Engine = local,
) -> Iterable[tuple[str, str | None, Reading]]:
    """Yield what files say that the index knows.

    Raises
    ------
    MachineFault
        If a file is gone or can no longer be opened: its records would vanish from their days, and
        come back with no later run, as the index knows the file.
    """
    if not uris:
        return
    # Looked up, not put together: a uri lacks the secrets that the file's name may hold.
    located = {uri: path for path, uri in files_in([folder])}
    files = index.drop_duplicates("source_uri")
    hashes = dict(zip(files["source_uri"], files["content_hash"], strict=True))
    there = [(located[uri], uri) for uri in sorted(uris & set(located))]
    read = over_files(read_files, engine, there, settings)
    for uri in sorted(uris):
        log = f"log {uri}"
        if uri in located:
            reading, hashed, source_format = next(read)
            closed = "cannot_open" in set(reading.quarantine["reason_code"])
            if closed and hashed != hashes[uri]:
                raise fault(log, "it can no longer be read", "look at the drive of the logs")
            yield uri, source_format, reading
        elif hashes[uri] == token_lengths.ABSENT_HASH:
            yield uri, None, token_lengths.absent(uri)
        else:
            raise fault(log, "it went away since it was indexed", "bring the logs back")


def usage_of(
    folder: Folder,
    index: pd.DataFrame,
    first: pd.Timestamp,
    last: pd.Timestamp,
    settings: Settings,
    engine: Engine = local,
) -> pd.DataFrame:
    """Return the usage of the days from `first` to `last`.

    Where several records count the same model and version on the same hours, the one in the file
    that comes last by name stands: a corrected export supersedes the earlier one. Counts of
    different hours and of different replicas add up.

    Parameters
    ----------
    folder, index, settings
        As for `runs_of`.
    first, last : Timestamp
        UTC days, both included.
    engine : Engine
        As for `runs_of`.

    Returns
    -------
    DataFrame
        Table `usage`.
    """
    wanted = index[index["date"].between(first, last) & (index["content"] == "usage")]
    readings = _read(folder, index, set(wanted["source_uri"]), settings, engine)
    return counted(readings, (first, last))


def counted(
    readings: Iterable[tuple[str, str | None, Reading]],
    days: tuple[pd.Timestamp, pd.Timestamp] | None = None,
) -> pd.DataFrame:
    """Return table `usage` of what some files count, on all days or on those given."""
    usage = _rows("usage", readings)
    if usage.empty:
        return empty(USAGE)
    if days is not None:
        usage = usage[usage["date"].between(*days)]
    return conform(whole_days(usage), USAGE)


def events_of(folder: Folder, index: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return what the landed `models.yaml` say.

    Parameters
    ----------
    folder, index, settings
        As for `runs_of`.

    Returns
    -------
    DataFrame
        Table `model_events`.
    """
    return _whole(folder, index, settings, "events", MODEL_EVENTS)


def cloud_reports_of(folder: Folder, index: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return what the landed reports of cloud providers say: table `cloud_reports`.

    Parameters
    ----------
    folder, index, settings
        As for `runs_of`.
    """
    return _whole(folder, index, settings, "cloud_reports", CLOUD_REPORTS)


def happened(readings: Iterable[tuple[str, str | None, Reading]]) -> pd.DataFrame:
    """Return table `model_events` of what some files tell."""
    return _together(readings, "events", MODEL_EVENTS)


def _whole(
    folder: Folder, index: pd.DataFrame, settings: Settings, content: Content, table: Table
) -> pd.DataFrame:
    wanted = set(index.loc[index["content"] == content, "source_uri"])
    return _together(_read(folder, index, wanted, settings), content, table)


def _together(
    readings: Iterable[tuple[str, str | None, Reading]], content: Content, table: Table
) -> pd.DataFrame:
    """Return a table without days; a reading holds its rows under the name of their content."""
    rows = _rows(content, readings)
    return conform(rows, table) if len(rows) else empty(table)


def _rows(name: str, readings: Iterable[tuple[str, str | None, Reading]]) -> pd.DataFrame:
    """Return the rows of a frame of readings, with their file and its format."""
    told = [(getattr(said, name), uri, source_format) for uri, source_format, said in readings]
    told = [each for each in told if len(each[0])]
    if not told:
        return pd.DataFrame()
    frames, uris, formats = zip(*told, strict=True)
    owner = np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])
    place = {"source_uri": words(uris, owner), "source_format": words(formats, owner)}
    return pd.concat(frames, ignore_index=True).assign(**place)


def refused_of(
    folder: Folder, index: pd.DataFrame, previous: pd.DataFrame, settings: Settings
) -> pd.DataFrame:
    """Return the records that reading put into quarantine.

    Parameters
    ----------
    folder, index, settings
        As for `runs_of`.
    previous : DataFrame
        Table `quarantine` as it was: rows of files that did not change are taken from it.

    Returns
    -------
    DataFrame
        Table `quarantine`.
    """
    bad = index.loc[index["quarantined"] > 0, ["source_uri", "content_hash"]].drop_duplicates()
    known = previous.dropna(subset=["content_hash"]).merge(bad, on=["source_uri", "content_hash"])
    new = set(bad["source_uri"]) - set(known["source_uri"])
    hashes = bad.set_index("source_uri")["content_hash"]
    frames = [known]
    for uri, _, read in _read(folder, index, new, settings):
        unused = {"token_lengths": token_lengths.unnamed, "configuration": configurations.of_no_run}
        reading = unused[read.content]() if read.content in unused else read
        frames.append(reading.quarantine.assign(source_uri=uri, content_hash=hashes[uri]))
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return empty(QUARANTINE)
    return conform(pd.concat(frames, ignore_index=True), QUARANTINE)
