"""Read the lengths of training examples in tokens, by which padding is counted instead of bounded.

    lengths.csv      lengths.txt      lengths.json            batches.json
    length,count     128              [128, 130, 512]         [[128, 130], [512]]
    128,900          130              {"128": 900, "512": 3}
    512,3            512

A file says nothing of a run: `token_lengths` in `runs.yaml` names the file of each run. Here, too,
lengths become the field `token_lengths`. How padding follows from it stands in `tokens.py`.
"""

from __future__ import annotations

import json
import re
from itertools import chain

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers.cells import numbers
from ft_emissions_pipeline.readers.documents import json_of, text_of
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
from ft_emissions_pipeline.readers.scrubbing import shown
from ft_emissions_pipeline.readers.sheets import sheet_of
from ft_emissions_pipeline.tables import RUNS
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "token_lengths"
LOG = (
    "Lengths of the training examples in tokens: one a line, `length,count`, or a JSON list, "
    "list of batches or mapping"
)
TELLS = (
    "tokens with padding, exactly for given batches and in expectation for shuffled ones, of the "
    "runs whose `token_lengths` in `runs.yaml` names the file"
)
LACKS = "everything else; the batch size above all"
CONTENT: Content = "token_lengths"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

LONGEST = RUNS.column("sequence_length").maximum
MOST = RUNS.column("samples").maximum

_TEXTS = (".csv", ".tsv", ".txt")
_HEADER = re.compile(
    rb"\s*\"?length\"?[ \t]*(?:[,;\t][ \t]*\"?count\"?[ \t]*)?(?:\n|\r|$)", re.IGNORECASE
)
_BARE = re.compile(rb"\s*\d{1,9}[ \t]*(?:\n|\r|$)")
_JSON = re.compile(rb"\s*(?:\[\s*(?:\[\s*)?\d+\s*[,\]]|\{\s*\"\d+\"\s*:\s*\d+\s*[,}])")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file has nothing but lengths, by its header or its first value."""
    if name.endswith(".json"):
        return bool(_JSON.match(head))
    return name.endswith(_TEXTS) and bool(_HEADER.match(head) or _BARE.match(head))


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read the lengths; refuse a file with a bad line, as the others may not be all."""
    if uri.casefold().endswith(".json"):
        lengths = lengths_of(_document(data))
    elif _HEADER.match(data):
        sheet = sheet_of(data)
        if sheet.misfits:
            _refuse(f"line {sheet.misfits[0].line}", sheet.misfits[0].text)
        cells = sheet.frame.rename(columns=str.casefold)
        lengths = _checked(cells["length"], cells.get("count"), "line")
    else:
        lines = pd.Series(text_of(data).split("\n"), dtype="str")
        lines.index += 1
        lengths = _checked(lines[lines.str.strip() != ""], None, "line")
    return Reading(CONTENT, records=1, lengths=lengths)


def lengths_of(document: object) -> pd.DataFrame:
    """Return length, count and batch (-1 if unknown) of a list, a list of batches or a mapping.

    Raises
    ------
    RefusalError
        If the document is none of these, or a length or count is no whole number.
    """
    if isinstance(document, dict):
        return _checked(_column(list(document)), _column(list(document.values())), "value")
    if not isinstance(document, list):
        msg = "lengths must be a list, a list of batches, or a mapping of length to count"
        raise RefusalError(msg, "wrong_shape")
    if not any(isinstance(batch, list) for batch in document):
        return _checked(_column(document), None, "value")
    if not all(isinstance(batch, list) for batch in document):
        msg = "some batches are lists and some are not; write each batch as a list of lengths"
        raise RefusalError(msg, "wrong_shape")
    lengths = _checked(_column(list(chain.from_iterable(document))), None, "value")
    sizes = [len(batch) for batch in document]
    return lengths.assign(batch=np.repeat(np.arange(len(sizes)), sizes))


def as_field(lengths: pd.DataFrame, batch_size: int | None = None) -> str:
    """Return lengths as table `runs` keeps them: JSON of length -> examples, or of batches.

    Parameters
    ----------
    lengths : DataFrame
        What `lengths_of` returns.
    batch_size : int, optional
        Given where the examples were taken in this order, so many at a time.

    Returns
    -------
    str
        `{"128": 900}`, or where batches are known `{"8x512": 13}`: 13 batches of 8 examples, the
        longest of 512 tokens.
    """
    if batch_size is not None and (lengths["batch"] < 0).all():
        whole = lengths.loc[lengths.index.repeat(lengths["count"].to_numpy())]
        lengths = whole.assign(batch=np.arange(len(whole)) // batch_size, count=1)
    if (lengths["batch"] < 0).any():
        counted = lengths.groupby("length")["count"].sum()
        found = {str(length): int(count) for length, count in counted.items() if count}
    else:
        batches = lengths.groupby("batch")["length"].agg(["size", "max"])
        shapes = batches.groupby(["size", "max"]).size()
        found = {f"{size}x{longest}": int(count) for (size, longest), count in shapes.items()}
    return json.dumps(found)


def _document(data: bytes) -> object:
    try:
        return json_of(text_of(data))
    except RefusalError:
        raise
    except ValueError as error:
        msg = f"not valid JSON: {error}; was it still being written?"
        raise RefusalError(msg, "broken_json") from error


def _column(values: list[object]) -> pd.Series:
    return pd.Series(values, dtype="object", index=range(1, len(values) + 1))


def _checked(lengths: pd.Series, counts: pd.Series | None, place: str) -> pd.DataFrame:
    found = {}
    for name, cells, most in (("length", lengths, LONGEST), ("count", counts, MOST)):
        if cells is None:
            found[name] = pd.Series(1, index=lengths.index, dtype="int64")
            continue
        values, bad = numbers(cells)
        assert most is not None
        bad |= ~(values.between(0, most) & (values % 1 == 0)).to_numpy()
        if bad.any():
            _refuse(f"{place} {cells.index[bad][0]}", str(cells[bad].iloc[0]))
        found[name] = values.astype("int64")
    frame = pd.DataFrame(found).assign(batch=-1).reset_index(drop=True)
    if frame["count"].sum() == 0:
        msg = "no example has a length; write the file again"
        raise RefusalError(msg, "wrong_shape")
    return frame


def _refuse(place: str, value: str) -> None:
    msg = (
        f"{place} is {shown(value)}; lengths and counts must be whole numbers of at least 0, and a "
        "sum over only some of them would be too low: correct the file"
    )
    raise RefusalError(msg, "bad_value")
