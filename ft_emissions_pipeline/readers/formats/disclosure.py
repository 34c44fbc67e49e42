"""Read disclosures: "Component | Disclosed data" tables in Markdown, or as YAML, JSON or CSV.

What labels mean and how values are written stands in `labels.py`. One table, mapping or CSV row is
one run; a Markdown document may hold any number of tables, of which others are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.documents import Item, json_items, text_of, yaml_documents
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Refused,
    Settings,
    reading_of_runs,
)
from ft_emissions_pipeline.readers.shared.disclosed_values import plain
from ft_emissions_pipeline.readers.shared.labels import (
    EVIDENCE,
    GPU_HOURS,
    HARDWARE,
    WORK,
    field_of,
    nearest,
    not_understood,
    parsed,
    understood,
    with_fewest_gpus,
)
from ft_emissions_pipeline.readers.shared.marked_tables import holds_tables, tables_of
from ft_emissions_pipeline.readers.sheets import header_of, sheet_of
from ft_emissions_pipeline.tables import RUNS
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "disclosure"
LOG = "disclosure as Markdown or HTML table of one run, or of one a row or column; YAML, JSON, CSV"
TELLS = "whatever it states"
LACKS = "whatever it leaves out"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_MARKDOWN = (".md", ".markdown", ".txt")
_YAML = (".yaml", ".yml")
_JSON = (".json", ".jsonl", ".ndjson")
_VALUE_HEADERS = {
    "disclosed data",
    "disclosed",
    "disclosure",
    "disclosed value",
    "value",
    "values",
    "data",
}
_KEY = re.compile(rb'^\s*(?:-\s+)?["\']?([A-Za-z][\w -]{1,40})["\']?\s*:', re.MULTILINE)
_TOP_KEY = re.compile(rb'^["\']?([A-Za-z][\w -]{1,40})["\']?[ \t]*:', re.MULTILINE)
_LISTED = re.compile(
    rb"\A(?:\s*#[^\n]*\n|\s*\n|---[ \t]*\n)*(?:-\s|[\"']?(?:disclosures|runs)[\"']?\s*:)"
)
"""YAML that begins with a list, or with the name of one: then labels stand further in."""
_JSON_LISTED = re.compile(r'^\s*\{\s*"(?:disclosures|runs)"\s*:\s*\[')
_JSON_KEY = re.compile(rb'"([A-Za-z][\w -]{1,40})"\s*:')
_OF_CALLS = re.compile(
    r"^(?:request|call|trace|span|response|completion|prompt|conversation|message|generation|api)s?"
    r"(?:[_ -]?(?:id|type|tokens?|key|time|text|s))?$"
    r"|(?:prompt|completion|input|output|cached|generated)_?tokens"
    r"|^(?:latency|ttft|finish_reason|cache_hit|stream|usage|choices|created)",
    re.IGNORECASE,
)
_LISTS = ("disclosures", "runs")
_SUMS = {"total", "totals", "sum", "overall", "all", "all models", "all runs", "grand total"}
_HEAD = 65536
"""Bytes of a file's beginning; a shorter one is whole."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether a document discloses a run: two labels, one on hardware, place, time, energy."""
    if name.endswith(_MARKDOWN):
        return holds_tables(head) and any(True for _ in markdown_tables(text_of(head)))
    if name.endswith(_YAML):
        listed = _LISTED.search(head) is not None
        return _discloses(key.decode() for key in (_KEY if listed else _TOP_KEY).findall(head))
    if name.endswith(_JSON):
        return any(_discloses(_meant(one)) for one in _first_objects(head))
    if name.endswith((".csv", ".tsv")):
        header, _ = header_of(head)
        known = [label for label in header if understood(label)]
        return _discloses(header) and 2 * len(known) >= len(header)
    return False


def _first_objects(head: bytes) -> Iterator[Mapping[str, object]]:
    """Yield the first object that may hold a disclosure: the document, or the first of a list.

    Of an object that does not end within the beginning of its file nothing is said: no disclosure
    is as long as that.
    """
    text = text_of(head).lstrip()
    named = _JSON_LISTED.match(text)
    start = text[named.end() :] if named else text.removeprefix("[")
    try:
        value, _ = json.JSONDecoder().raw_decode(start.lstrip())
    except (ValueError, RecursionError):
        if len(head) < _HEAD and not named:
            # A slip of the pen is worth telling: the labels are there.
            yield dict.fromkeys((key.decode() for key in _JSON_KEY.findall(head)), "")
        return
    if isinstance(value, dict):
        yield value


def _meant(disclosed: Mapping[str, object]) -> Iterator[str]:
    """Yield the labels whose value may be theirs; a vocabulary numbers any of them."""
    for label, value in disclosed.items():
        field = understood(str(label))
        if field is None:
            yield str(label)
            continue
        kind = RUNS.column(field).kind if field in RUNS.names else "float"
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if kind == "string" and (number or isinstance(value, dict)) and field != "token_lengths":
            continue
        # Unix seconds have ten digits.
        if kind == "timestamp" and isinstance(value, (int, float)) and value < 1e9:
            continue
        yield label


def _discloses(labels: Iterable[str]) -> bool:
    """Say whether labels are a disclosure's; a record of a call has some, but others beside."""
    told = list(labels)
    if any(_OF_CALLS.search(label) for label in told):
        return False
    fields = {field_of(label) for label in told} - {None}
    if len(fields) >= 2 and fields & EVIDENCE:
        return True
    common = {understood(label) for label in told}
    return bool(common & HARDWARE) and bool(common & WORK)


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read every disclosure of a document; refuse one with a value that cannot be understood."""
    rows: list[dict[str, object]] = []
    refused: list[Refused] = []
    stem = str(PurePosixPath(uri).with_suffix("")) if PurePosixPath(uri).suffix else uri
    for n, item in enumerate(_items(data, uri.casefold()), 1):
        try:
            row = _run(item, settings.timezone)
        except RefusalError as error:
            refused.append((item.record, error.code, str(error), _raw(item)))
        else:
            rows.append({"run_id": f"{stem}-{n}", **row, "source_record": item.record})
    return reading_of_runs(rows, refused)


def from_mapping(
    mapping: Mapping[str, object], source: str, timezone: str = "UTC"
) -> dict[str, object]:
    """Return the fields of one disclosure given as a mapping of labels or column names.

    Parameters
    ----------
    mapping : mapping of str to object
        Labels of the methodology ("Total reserved time") or columns of `runs` ("reserved_s").
    source : str
        What to call the mapping in messages.
    timezone : str
        Zone of instants that name none.

    Returns
    -------
    dict
        Field -> value, in the units of `tables.RUNS`; missing values are left out.

    Raises
    ------
    ValueError
        If a key is unknown, or a value cannot be understood.
    """
    try:
        fields, unknown = parsed(mapping, timezone)
    except RefusalError as error:
        msg = f"{source}: {error}"
        raise ValueError(msg) from error
    if unknown:
        msg = f"{source}: {unknown[0]!r} is no label of a disclosure; {nearest(unknown[0])}"
        raise ValueError(msg)
    return with_fewest_gpus(fields)


def _run(item: Item, timezone: str) -> dict[str, object]:
    told = item.mapping("a {}, not a mapping of labels to values; write label: value")
    fields, unknown = parsed(told, timezone)
    if not fields:
        msg = f"none of its labels is known, or none has a value; {nearest(next(iter(told), ''))}"
        raise RefusalError(msg, "wrong_shape")
    if plain(str(fields.get("model_name", ""))) in _SUMS:
        msg = (
            f"{fields['model_name']!r} is the sum of the runs beside it, which are read one by one"
        )
        raise RefusalError(msg, "sum_of_runs")
    fields = with_fewest_gpus(fields)
    words = [str(fields.get("repairs", "")), not_understood(unknown)]
    return {**fields, "repairs": repairs.joined(words)}


def _items(data: bytes, name: str) -> list[Item]:
    if name.endswith(_MARKDOWN):
        return [_table_item(n, rows) for n, rows in enumerate(markdown_tables(text_of(data)), 1)]
    if name.endswith((".csv", ".tsv")):
        return list(_csv_items(data))
    if name.endswith(_YAML):
        documents = yaml_documents(data)
        values = [value for document in documents for value in _listed(document)]
        return [Item(str(n), value) for n, value in enumerate(values, 1)]
    items, single = json_items(data)
    if single:
        return [Item(str(n), value) for n, value in enumerate(_listed(items[0].value), 1)]
    return items


def _listed(document: object) -> list[object]:
    """Return a document's disclosures: itself, its items, or those in `disclosures` or `runs`."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        for name in _LISTS:
            if isinstance(document.get(name), list):
                return list(document[name])
    return [document]


def _csv_items(data: bytes) -> Iterator[Item]:
    sheet = sheet_of(data)
    for misfit in sheet.misfits:
        reason = (
            f"has {misfit.cells} cells under a header of {len(sheet.header)}; write the row again"
        )
        yield Item(str(misfit.line), None, reason, misfit.text, "shifted_row")
    for line, cells in zip(sheet.frame.index, sheet.frame.to_dict("records"), strict=True):
        yield Item(str(line), {str(label): cell for label, cell in cells.items()})


def _table_item(n: int, rows: list[tuple[str, str]]) -> Item:
    labels = [plain(label) for label, _ in rows]
    twice = [label for label in labels if labels.count(label) > 1]
    problem = f"{twice[0]!r} stands twice in the table; state it once" if twice else ""
    return Item(str(n), dict(rows), problem, code="duplicated_label")


def markdown_tables(text: str) -> Iterator[list[tuple[str, str]]]:
    """Yield what discloses a run: a table of labels and values, or a row or column of one of runs.

    Other tables are passed over.
    """
    for header, rows in tables_of(text):
        turned = [list(cells) for cells in zip(header, *rows, strict=False)]
        for first, *others in ([header, *rows], turned):
            # Over the names of models people write nothing.
            labels = [first[0] or "Model", *first[1:]]
            if len(header) > 2 and _lists_runs(labels):
                yield from (list(zip(labels, cells, strict=False)) for cells in others)
                break
        if len(header) == 2 and plain(header[1]) in _VALUE_HEADERS:
            pairs = [(cells[0], cells[1] if len(cells) > 1 else "") for cells in rows if cells[0]]
            if _discloses(label for label, _ in pairs):
                yield pairs


def _lists_runs(labels: list[str]) -> bool:
    """Say whether labels of a table tell of each run which it was, on what, and what it took."""
    fields = [field for label in labels if (field := understood(label))]
    told = set(fields)
    by_name = {"model_name", "base_model", "run_id"} & told
    # Many makers of models tell GPU hours, power and carbon in a table, and the card in a sentence.
    of_gpus = HARDWARE & told or (GPU_HOURS in told and {"gpu_max_w", "disclosed_kgco2e"} & told)
    return (
        len(labels) > 2
        and 2 * len(fields) > len(labels)
        and bool(by_name and of_gpus and WORK & told)
    )


def _raw(item: Item) -> str:
    return item.raw or json.dumps(item.value, default=str, ensure_ascii=False)
