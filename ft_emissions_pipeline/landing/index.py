"""Which files of the landing folder hold which days, and the runs and usage of a day.

Put here: the index over the landed files, the day to which a run belongs, and the reading of just
the files that a day needs. Keep out: formats (`readers/`) and the merging of records (`join.py`).

Logs grow in place, so days follow the records, never the files. A file whose bytes are as the index
knows them is not read again to index it; one that came late or changed re-runs exactly its days.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ft_emissions_pipeline.landing import configurations, token_lengths
from ft_emissions_pipeline.landing.engines import Engine, local, over_files
from ft_emissions_pipeline.landing.join import join, linked
from ft_emissions_pipeline.readers import Reading, Settings, content_hash, files_in, read_files
from ft_emissions_pipeline.readers.cells import arrow_text, text_series
from ft_emissions_pipeline.readers.files import File
from ft_emissions_pipeline.readers.reading import NamedLengths
from ft_emissions_pipeline.reference import Reference, default, take, told_of
from ft_emissions_pipeline.tables import LANDING_INDEX, RUNS, conform, empty
from ft_emissions_pipeline.tables.frames import among, places

Folder = str | Path

_FEW = 50
"""Rows up to which a mapping of each costs less than a frame of them."""


Pairs = tuple[tuple[str, str], ...]
"""Explicit mapping: (run id, pattern of file or record)."""


_RUN_COLUMNS = (
    "job_id", "host", "base_model", "published_at", "started_at", "ended_at", "reserved_s",
    "active_s", "steps", "mark",
)  # fmt: skip
"""What the index keeps of a record of a run: just enough to tell its day, and what it joins."""


def scan(
    folder: Folder,
    reference: Reference,
    settings: Settings,
    previous: pd.DataFrame,
    engine: Engine = local,
) -> pd.DataFrame:
    """Return the index over a landing folder.

    Parameters
    ----------
    folder : Path or str
        Landing folder; as a text also a URL, see `readers.files_in`.
    reference : Reference
        Reference tables, for runs that are dated by their base model.
    settings : Settings
        Time zone and present time for the readers.
    previous : DataFrame
        The index as it was; files whose bytes it knows are not read again.
    engine : Engine
        Where files are read; see `engines`.

    Returns
    -------
    DataFrame
        Table `landing_index`; `previous` itself where nothing moved.
    """
    files = previous.drop_duplicates("source_uri")
    known = dict(zip(files["source_uri"], files["content_hash"], strict=True))
    content = dict(zip(files["source_uri"], files["content"], strict=True))
    found = files_in([folder])
    same = {
        uri
        for path, uri in found
        if uri in known and content_hash(path, content[uri]) == known[uri]
    }
    absent = {uri for uri, hashed in known.items() if hashed == token_lengths.ABSENT_HASH}
    uris = {uri for _, uri in found}
    if same == uris and known.keys() - uris == absent - uris and _days_stand(previous, reference):
        return previous
    # What a runs.yaml says of others is not in the index.
    kept = {uri for uri in same if content[uri] != "mapping"}
    frames: list[pd.DataFrame] = []
    rows: list[dict[str, object]] = []
    pairs: list[tuple[str, str]] = []
    named: list[NamedLengths] = []

    moved = [file for file in found if file[1] not in kept]
    for few, many, mapped, lengths in over_files(_indexed, engine, moved, settings):
        rows += few
        frames += many
        pairs += mapped
        named += lengths
    for uri in sorted({each.uri for each in named} - uris):
        rows += _index_rows(token_lengths.absent(uri), uri, token_lengths.ABSENT_HASH, None)[0]
    unchanged = previous[among(previous["source_uri"], list(kept))]
    unchanged = unchanged.drop(columns=["run_id", "join_note"])
    frames = [frame for frame in (unchanged, pd.DataFrame(rows), *frames) if len(frame)]
    if not frames:
        return empty(LANDING_INDEX)
    dated = _dated(pd.concat(frames, ignore_index=True), tuple(pairs), reference)
    return conform(configurations.dated(token_lengths.dated(dated, named)), LANDING_INDEX)


def _days_stand(index: pd.DataFrame, reference: Reference) -> bool:
    """Say whether runs that the reference tables date still belong to the days of the index."""
    runs = index[index["run_id"].notna()]
    told = runs[["ended_at", "started_at", "published_at"]].notna().any(axis=1)
    undated = runs[~among(runs["run_id"], runs.loc[told, "run_id"])]
    if undated.empty:
        return True
    joined, _ = join(_as_runs(undated.drop(columns="run_id")), links=undated)
    days = _day_of_run(conform(joined, RUNS), index, reference)
    return bool((undated["run_id"].map(days) == undated["date"]).all())


def _indexed(files: Sequence[tuple[File, str]], settings: Settings) -> list[tuple[Any, ...]]:
    """Return the rows of each file, and what it tells of other files."""
    return [
        (
            *_index_rows(reading, uri, hashed, source_format),
            reading.mapping,
            reading.named_lengths,
        )
        for (_, uri), (reading, hashed, source_format) in zip(
            files, read_files(files, settings), strict=True
        )
    ]


def _index_rows(
    reading: Reading, uri: str, content_hash: str, source_format: str | None
) -> tuple[list[dict[str, object]], list[pd.DataFrame]]:
    """Return the rows of a file: few as mappings, joined into a frame later, many as a frame."""
    file = {
        "source_uri": uri,
        "content_hash": content_hash,
        "source_format": source_format,
        "content": reading.content,
        "records": reading.records,
        "merged": reading.merged,
        "quarantined": len(reading.quarantine),
    }
    days = {
        *(reading.usage["date"] if len(reading.usage) else ()),
        *(telemetry_days(reading.telemetry).unique() if len(reading.telemetry) else ()),
    }
    rows: list[dict[str, object]] = [{"date": day} for day in sorted(days)]
    if len(reading.runs) > _FEW:
        runs = reading.runs.reindex(columns=["run_id", "source_record", *_RUN_COLUMNS])
        frame = runs.rename(columns={"run_id": "record_run_id"})
        return [], [pd.concat([frame, pd.DataFrame(rows)], ignore_index=True).assign(**file)]
    # A configuration is of the runs of its folder, and none itself.
    own = ("source_record",) if reading.content == "configuration" else ("run_id", "source_record")
    names = [n for n in (*own, *_RUN_COLUMNS) if n in reading.runs]
    columns = [reading.runs[name].tolist() for name in names]
    renamed = ["record_run_id" if name == "run_id" else name for name in names]
    rows = [
        *(dict(zip(renamed, cells, strict=True)) for cells in zip(*columns, strict=True)),
        *rows,
    ]
    return [{**file, **row} for row in rows or [{}]], []


def telemetry_days(telemetry: pd.DataFrame) -> pd.Series:
    """Return the UTC day on which each interval began."""
    return telemetry["started_at"].dt.floor("D").dt.tz_localize(None)


def _dated(rows: pd.DataFrame, pairs: Pairs, reference: Reference) -> pd.DataFrame:
    """Fill in the joined run of each record, and its day."""
    index = conform(rows, LANDING_INDEX)
    of_runs = index["record_run_id"].notna()
    records = index[of_runs]
    if len(records):
        as_runs = _as_runs(records.drop(columns="run_id"))
        links = linked(as_runs, pairs)
        run_ids = links["run_id"]
        index.loc[of_runs, "join_note"] = links["join_note"].to_numpy()
        index.loc[of_runs, "run_id"] = run_ids.to_numpy()
        # Most records are a run by themselves, of which there is nothing to join.
        shared = run_ids.duplicated(keep=False)
        runs = as_runs.assign(run_id=run_ids)
        if shared.any():
            joined, _ = join(as_runs[shared], pairs, links[shared])
            runs = pd.concat([runs[~shared], conform(joined, RUNS)], ignore_index=True)
        days = _day_of_run(runs, index, reference)
        at = places(days.index, run_ids)
        index.loc[of_runs, "date"] = pd.api.extensions.take(days.array, at, allow_fill=True)
    return conform(index, LANDING_INDEX)


def _day_of_run(joined: pd.DataFrame, index: pd.DataFrame, reference: Reference) -> pd.Series:
    """Return the day of each run by its id; of an undated one its configuration has a say."""
    if (index["content"] == "configuration").any():
        found = configurations.tied(index)
        joined["base_model"] = configurations.base_models(joined, index, found)
    days, _ = run_day(joined, reference)
    return days.set_axis(joined["run_id"])


def _as_runs(records: pd.DataFrame) -> pd.DataFrame:
    names = ["run_id", *_RUN_COLUMNS, "source_format", "source_uri", "source_record"]
    return conform(records.rename(columns={"record_run_id": "run_id"})[names], RUNS)


def run_day(runs: pd.DataFrame, reference: Reference) -> tuple[pd.Series, pd.Series]:
    """Return the UTC day to which each run belongs, and what it rests on.

    Parameters
    ----------
    runs : DataFrame
        Joined runs.
    reference : Reference
        Reference tables: release dates of base models, and the stand-in for undated runs.

    Returns
    -------
    date, date_rule : Series
        The day on which the run ended; else on which it would have, counted from its start; else
        of publication; else the base model's release, before which the run cannot lie; else the
        last day of the default year.
    """
    length = pd.to_timedelta(runs["reserved_s"].fillna(runs["active_s"]).fillna(0.0), unit="s")
    model = pd.Series(told_of(reference, "models", runs["base_model"], "id"), dtype="str")
    released = take(reference, "models", model, ["release_date"])["release_date"]
    year = int(default(reference, "undated_run_year").value)
    instants = {
        "ended_at": runs["ended_at"],
        "started_at": runs["started_at"] + length.dt.floor("us"),
        "published_at": runs["published_at"],
    }
    candidates = {name: each.to_numpy("datetime64[us]") for name, each in instants.items()} | {
        "base_model_release": _releases(released),
        "undated_default": np.full(len(runs), np.datetime64(f"{year}-12-31", "us")),
    }
    told = np.array(list(candidates.values()))
    first = np.isnat(told).argmin(axis=0)
    day = told[first, np.arange(len(runs))].astype("datetime64[D]").astype("datetime64[us]")
    rule = np.array(list(candidates), dtype="object")[first]
    return pd.Series(day, runs.index), pd.Series(rule, runs.index, dtype="str")


def _releases(texts: pd.Series) -> np.ndarray:
    """Return the first instants of releases, none where none is known."""
    code, different = pd.factorize(texts)
    told = np.array([*map(_release, different), np.datetime64("NaT")], "datetime64[us]")
    return np.asarray(told[code])


@lru_cache(maxsize=4096)
def _release(text: object) -> Any:
    """Return the first instant of a release, known to the year, the month or the day."""
    return pd.to_datetime(text, utc=True).to_datetime64()


def touched_days(old: pd.DataFrame, new: pd.DataFrame) -> pd.DatetimeIndex:
    """Return the days whose records came, changed or went between two states of the index."""
    if new is old:
        return pd.DatetimeIndex([])
    before, after = _marks(old), _marks(new)
    changed = pd.concat(
        [
            side[~among(marks, others)]
            for side, marks, others in ((old, before, after), (new, after, before))
        ]
    )
    days = pd.concat([changed["date"], _measured_days(changed, new)]).dropna()
    return pd.DatetimeIndex(days.unique()).sort_values()


def _marks(index: pd.DataFrame) -> pd.Series:
    """Return what tells a row from what it was, as one text."""
    marks = ("source_uri", "content_hash", "source_record", "run_id", "join_note")
    day = pa.array(index["date"].to_numpy("datetime64[D]").astype("int64"))
    texts = (*(arrow_text(index[name]) for name in marks), pc.cast(day, pa.large_string()))
    joined = pc.binary_join_element_wise(
        *texts, pa.scalar("\n", pa.large_string()), null_handling="replace", null_replacement="\0"
    )
    return text_series(joined, index.index)


def _measured_days(changed: pd.DataFrame, index: pd.DataFrame) -> pd.Series:
    """Return the days of runs that lasted while telemetry changed, or who was on their host did."""
    day = pd.Timedelta(days=1)
    told = changed[(changed["content"] == "telemetry") & changed["started_at"].isna()]
    begun = told["date"].dt.tz_localize("UTC")
    moved = changed[changed["host"].notna()].dropna(subset=["started_at", "ended_at"])
    spans = pd.concat(
        [
            pd.DataFrame({"low": begun, "high": begun + day}),
            pd.DataFrame({"low": moved["started_at"], "high": moved["ended_at"]}),
        ]
    ).drop_duplicates()
    runs = index[index["run_id"].notna()].dropna(subset=["started_at", "ended_at"])
    hit = np.zeros(len(runs), dtype=bool)
    for low, high in spans.itertuples(index=False):
        hit |= ((runs["started_at"] < high) & (runs["ended_at"] > low)).to_numpy()
    return runs.loc[hit, "date"]


def last_day(index: pd.DataFrame, *others: pd.Timestamp | None) -> pd.Timestamp | None:
    """Return the last day of which anything is known: a landed record, or another day that is told.

    Parameters
    ----------
    index : DataFrame
        Table `landing_index`, at least its dates.
    *others : Timestamp, optional
        Days of which tables tell, whatever has landed; missing ones count for nothing.
    """
    known = [day for day in (index["date"].max(), *others) if not pd.isna(day)]
    return max(known, default=None)


def outcomes(index: pd.DataFrame, refused: pd.DataFrame) -> pd.DataFrame:
    """Return how many records of each file became runs or usage, were merged, or were not used.

    Parameters
    ----------
    index : DataFrame
        Table `landing_index`.
    refused : DataFrame
        What was read but not used: `source_uri` of each record, with its `reason_code`.

    Returns
    -------
    DataFrame
        `source_uri`, `records`, `used`, `merged`, `quarantined`; in each row records = used +
        merged + quarantined (invariant 4).
    """
    files = index.drop_duplicates("source_uri").set_index("source_uri")
    later = index[index["run_id"].notna()].sort_values(["run_id", "source_uri", "source_record"])
    joined_away = later[later.duplicated("run_id")].groupby("source_uri").size()
    if "reason_code" in refused:
        # The run counts; only what it says of its parent does not.
        refused = refused[refused["reason_code"] != "impossible_parent"]
    lost = refused.groupby("source_uri").size()
    counts = files[["records", "merged", "quarantined"]].astype("int64")
    counts["merged"] += joined_away.reindex(counts.index, fill_value=0)
    counts["quarantined"] += lost.reindex(counts.index, fill_value=0)
    counts["used"] = counts["records"] - counts["merged"] - counts["quarantined"]
    return counts.reset_index()[["source_uri", "records", "used", "merged", "quarantined"]].astype(
        dict.fromkeys(("records", "used", "merged", "quarantined"), np.int64)
    )
