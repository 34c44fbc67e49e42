"""Which token-length file tells of which run.

Put here: how the lengths of a file get into the runs that name it in `runs.yaml`, and what becomes
of files that are missing or that no run names. Keep out: the files' formats
(`readers/formats/token_lengths.py`) and the tokens that follow from lengths (`tokens.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from ft_emissions_pipeline.readers import Reading
from ft_emissions_pipeline.readers.formats import run_mapping
from ft_emissions_pipeline.readers.formats.token_lengths import as_field
from ft_emissions_pipeline.readers.reading import NamedLengths, unreadable

Told = tuple[str, str | None, Reading]
"""uri, format and what the file said."""

ABSENT_HASH = hashlib.sha256(b"").hexdigest()
"""Stands for the content of a file that is not there."""
NOT_FOUND = "token_lengths_not_found"


def absent(uri: str) -> Reading:
    """Return the reading of a file that is named but not there: one record, in quarantine."""
    reason = (
        f"{uri} is not in the landing folder; put it there, or correct token_lengths in runs.yaml"
    )
    return unreadable("file_missing", reason)


def unnamed() -> Reading:
    """Return the reading of lengths that no run names: one record, in quarantine."""
    reason = (
        "no run names these token lengths; add token_lengths: <this file> to its run in runs.yaml, "
        "or remove it"
    )
    return unreadable("lengths_of_no_run", reason)


def unused(readings: Sequence[Told]) -> Iterator[tuple[str, Reading]]:
    """Yield uri and reading of files named but not there, and of lengths that nobody names."""
    named = {lengths.uri for _, _, reading in readings for lengths in reading.named_lengths}
    yield from ((uri, absent(uri)) for uri in sorted(named - {uri for uri, _, _ in readings}))
    for uri, _, reading in readings:
        if reading.content == "token_lengths" and uri not in named:
            yield uri, unnamed()


def filled(readings: Sequence[Told]) -> list[Told]:
    """Return the readings, those of `runs.yaml` with the lengths that their runs name."""
    known = {uri: reading.lengths for uri, _, reading in readings if len(reading.lengths)}
    return [(uri, kind, _filled(reading, known)) for uri, kind, reading in readings]


def _filled(reading: Reading, known: dict[str, pd.DataFrame]) -> Reading:
    if not reading.named_lengths:
        return reading
    fields = {
        each.run_id: as_field(known[each.uri], each.batch_size)
        for each in reading.named_lengths
        if each.uri in known
    }
    lost = {each.run_id for each in reading.named_lengths} - set(fields)
    runs = reading.runs
    lengths = runs["run_id"].map(fields).astype("str")
    if "token_lengths" in runs:
        lengths = lengths.fillna(runs["token_lengths"])
    words = runs["repairs"].mask(runs["run_id"].isin(lost), NOT_FOUND)
    return replace(reading, runs=runs.assign(token_lengths=lengths, repairs=words))


def dated(index: pd.DataFrame, named: Sequence[NamedLengths]) -> pd.DataFrame:
    """Return the index with a row of each token-length file for each day of the runs that name it.

    Parameters
    ----------
    index : DataFrame
        Table `landing_index`, its runs dated.
    named : sequence of NamedLengths
        What all `runs.yaml` name. Lengths that none names are counted as not used.
    """
    ours = index["content"] == "token_lengths"
    if not ours.any():
        return index
    files = index[ours].drop_duplicates("source_uri").drop(columns="date")
    of_runs = index[index["source_format"] == run_mapping.FORMAT]
    day = of_runs.drop_duplicates("record_run_id").set_index("record_run_id")["date"]
    days = pd.DataFrame(
        {
            "source_uri": pd.Series([each.uri for each in named], dtype="str"),
            "date": pd.Series([each.run_id for each in named], dtype="str").map(day),
        }
    ).dropna()
    rows = files.merge(days.drop_duplicates(), on="source_uri", how="left")
    rows["quarantined"] = rows["date"].isna().astype("int64")
    return pd.concat([index[~ours], rows], ignore_index=True)
