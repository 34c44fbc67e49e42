"""Series of Prometheus, as text with times or as the answer to a query.

Put here: name, labels, value and time of each sample, whatever the metric. Keep out: which metric
means what (`formats/`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pandas as pd

from ft_emissions_pipeline.readers.documents import Item, json_items, text_of
from ft_emissions_pipeline.readers.reading import RefusalError, Refused, read_each
from ft_emissions_pipeline.readers.shared.parts import part

_LINE = re.compile(r"^\s*([A-Za-z_:][\w:]*)(?:\{(.{0,8000})\})?\s+(\S+)(?:\s+(\S+))?\s*$")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')

Sample = tuple[str, str, dict[str, str], object, object]
"""record, name, labels, value, time."""


def samples_of(data: bytes, wanted: re.Pattern[str]) -> tuple[pd.DataFrame, list[Refused]]:
    """Return the samples of the metrics whose names match, and what is none.

    Returns
    -------
    samples : DataFrame
        record, name, labels (a dict), value and timestamp as they stand there.
    refused : list of Refused
        Lines or series that could not be read.
    """
    refused: list[Refused] = []
    found = _of_json if data.lstrip()[:1] in {b"{", b"["} else _of_text
    rows = [sample for sample in found(data, refused) if wanted.fullmatch(sample[1])]
    frame = pd.DataFrame(
        rows, columns=["record", "name", "labels", "value", "timestamp"], dtype="object"
    )
    return frame.astype({"record": "str", "name": "str"}), refused


def _of_text(data: bytes, refused: list[Refused]) -> Iterator[Sample]:
    for n, line in enumerate(text_of(data).split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        matched = _LINE.match(line)
        if matched is None:
            reason = "not of the form `metric{labels} value time`; remove the line"
            refused.append((str(n), "junk_row", reason, line))
            continue
        name, labels, value, stamp = matched.groups()
        yield str(n), name, dict(_LABEL.findall(labels or "")), value, stamp


def _of_json(data: bytes, refused: list[Refused]) -> Iterator[Sample]:
    found, bad = read_each(series_in(data), lambda item: list(_series(item)))
    refused += bad
    yield from (sample for _, samples in found for sample in samples)


def series_in(data: bytes) -> Iterator[tuple[str, Item]]:
    """Yield place and content of each series of an answer, or of a list or lines of series.

    Those that are refused leave no text behind: their labels name machines.
    """
    items, single = json_items(data)
    if single and isinstance(items[0].value, dict):
        listed = part(items[0].value, "data").get("result")
        if isinstance(listed, list):
            items = [Item(str(n), series) for n, series in enumerate(listed, 1)]
    yield from ((item.record, item) for item in items)


def _series(item: Item) -> Iterator[Sample]:
    if item.problem:
        raise RefusalError(item.problem, item.code)
    series = item.value if isinstance(item.value, dict) else {}
    metric = series.get("metric")
    if not isinstance(metric, dict) or not isinstance(metric.get("__name__"), str):
        msg = (
            "a series without the name of its metric; keep __name__ in the query: no sum, "
            "rate or increase"
        )
        raise RefusalError(msg, "wrong_shape")
    pairs = (
        series.get("values") if isinstance(series.get("values"), list) else [series.get("value")]
    )
    labels = {
        str(key): json.dumps(value).strip('"') if not isinstance(value, str) else value
        for key, value in metric.items()
    }
    name = labels.pop("__name__")
    for n, pair in enumerate(pairs or [], 1):
        if not isinstance(pair, list) or len(pair) != 2:
            msg = "a value without its time; save the answer to a query as it came"
            raise RefusalError(msg, "wrong_shape")
        yield f"{item.record}.{n}", name, labels, pair[1], pair[0]
