"""Open text, JSON and YAML safely, whatever their writer did to them.

Put here: decoding, parsing, and the guards against documents made to hurt. Keep out: rows of CSV
(`sheets.py`), and the meaning of what is parsed; it lives in the module of the format.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import yaml

from ft_emissions_pipeline.readers.reading import RefusalError, Refused, read_each
from ft_emissions_pipeline.readers.scrubbing import shown

_MAX_DEPTH = 60
"""Nesting beyond which a YAML document is refused; a disclosure needs four levels."""


def text_of(data: bytes) -> str:
    """Return a file's text with Unix line ends; UTF-8, else Windows-1252, which never fails."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True)
class Item:
    """One record of a JSON or YAML file: its place, its value, or why it has none."""

    record: str
    value: object
    problem: str = ""
    raw: str = ""
    code: str = "broken_json"
    """Reason code of the problem, if there is one."""

    def text(self) -> str:
        """Return the record as it stands there, or as Python shows what was read of it."""
        return self.raw or repr(self.value)

    def mapping(self, otherwise: str) -> dict[str, object]:
        """Return the object that the record is.

        Parameters
        ----------
        otherwise : str
            Why it is refused if it is none; `{}` in it becomes the kind of what stands there.

        Raises
        ------
        RefusalError
            If it is none, or could not be read at all.
        """
        if self.problem:
            raise RefusalError(self.problem, self.code)
        if not isinstance(self.value, dict):
            raise RefusalError(otherwise.format(type(self.value).__name__), "wrong_shape")
        return self.value


def json_items(data: bytes) -> tuple[list[Item], bool]:
    """Return the records of a JSON object, list or lines, and whether it was one object.

    A record's place is its number in a list, or the line on which it begins, from 1 on.

    Raises
    ------
    RefusalError
        If the file is none of these.
    """
    text = text_of(data)
    try:
        document = json_of(text)
    except ValueError as error:
        if isinstance(error, RefusalError) and _is_one(text):
            if not text.lstrip().startswith("["):
                raise
            return list(_json_list(text)), False
        for items in map(list, (_json_lines(text), _json_objects(text))):
            if len(items) > 1 and not all(item.problem for item in items):
                return items, False
        msg = f"no valid JSON: {error}; write the file again"
        raise RefusalError(msg, "broken_json") from error
    if isinstance(document, list):
        return [Item(str(n), value) for n, value in enumerate(document, 1)], False
    return [Item("1", document)], True


def _json_lines(text: str) -> Iterator[Item]:
    for n, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _json_item(n, line)


def _json_objects(text: str) -> Iterator[Item]:
    """Read objects that stand below each other, each over several lines, as `jq` prints them."""
    starts = [0, *(seam.end() for seam in re.finditer(r"(?m)^\}\n+(?=\{)", text))]
    line = 1
    for start, end in itertools.pairwise([*starts, len(text)]):
        yield _json_item(line, text[start:end])
        line += text.count("\n", start, end)


def _json_list(text: str) -> Iterator[Item]:
    """Read a valid list of which some record cannot be taken, one after the other."""
    n, at = 0, text.index("[") + 1
    while text[at] != "]":
        if text[at] in ", \t\n":
            at += 1
            continue
        n, end = n + 1, _LAX.raw_decode(text, at)[1]
        yield _json_item(n, text[at:end])
        at = end


def _is_one(text: str) -> bool:
    try:
        _LAX.decode(text)
    except ValueError:
        return False
    return True


def _json_item(n: int, text: str) -> Item:
    try:
        return Item(str(n), json_of(text), raw=text)
    except RefusalError as error:
        return Item(str(n), None, str(error), text, error.code)
    except (ValueError, RecursionError) as error:
        return Item(str(n), None, f"no valid JSON: {error}; correct or remove the line", text)


def objects_of(
    items: Iterable[Item], otherwise: str
) -> tuple[list[tuple[str, dict[str, object]]], list[Refused]]:
    """Return place and content of the records that are objects, and the others as refused ones."""
    placed = ((item.record, item) for item in items)
    return read_each(placed, lambda item: item.mapping(otherwise), Item.text)


def json_of(text: str) -> object:
    """Return what JSON says; an integer too long for any count stays text, for readers to refuse.

    Raises
    ------
    RefusalError
        If a key stands twice in one object.
    ValueError
        If it is no JSON.
    """
    try:
        document = _ONCE.decode(text)
    except (json.JSONDecodeError, RefusalError):
        raise
    except ValueError:
        # Python reads no integer of more than 4,300 digits.
        document = _ONCE_LONG.decode(text)
    if "\\ud" in text or "\\uD" in text:
        # Half of a surrogate pair is valid in JSON, but no text that can be stored.
        whole = json.dumps(document, ensure_ascii=False).encode("utf-8", errors="replace")
        document = json.loads(whole)
    return document


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _twice((key, shown(value)) for key, value in pairs)
    return made


def _twice(pairs: Iterable[tuple[str, str]]) -> RefusalError:
    """Say which key stands twice first, and with what."""
    first: dict[str, str] = {}
    for key, said in pairs:
        if key in first:
            break
        first[key] = said
    msg = (
        f"{shown(key)} stands twice ({first[key]} and {said}); only one of them can count, "
        "remove the other"
    )
    return RefusalError(msg, "duplicated_key")


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) < 400 else digits


_ONCE = json.JSONDecoder(object_pairs_hook=_once)
_ONCE_LONG = json.JSONDecoder(object_pairs_hook=_once, parse_int=_whole)
_LAX = json.JSONDecoder(parse_int=str)


def yaml_documents(data: bytes) -> list[object]:
    """Return the documents of a YAML file, every scalar as text.

    Text is what readers want: YAML itself would turn `NO` into False and `3:20:00` into 12000.
    Aliases (which can blow a small file up) and keys that stand twice (of which one would be lost)
    are refused.

    Raises
    ------
    RefusalError
        If the file is no YAML, or uses what is refused.
    """
    text = text_of(data).translate(_NO_LINES)
    try:
        _guard_yaml(text)
        return [document for document in yaml.load_all(text, Loader=_TextLoader) if document]
    except yaml.YAMLError as error:
        msg = f"no valid YAML: {' '.join(str(error).split())}; correct the file"
        raise RefusalError(msg, "broken_yaml") from error


def document_of(data: bytes, name: str, otherwise: str) -> dict[str, object]:
    """Return the only mapping that a JSON or YAML file holds.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        Its name; one that ends with `.json` is JSON.
    otherwise : str
        Why the file is refused if it holds anything else.

    Raises
    ------
    RefusalError
        If it does, or is neither JSON nor YAML.
    """
    if name.casefold().endswith(".json"):
        items, single = json_items(data)
        documents = [items[0].value] if single else []
    else:
        documents = yaml_documents(data)
    document = documents[0] if len(documents) == 1 else None
    if not isinstance(document, dict):
        raise RefusalError(otherwise, "wrong_shape")
    return document


def _guard_yaml(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        if isinstance(event, yaml.AliasEvent):
            line = "" if event.start_mark is None else f"line {event.start_mark.line + 1} "
            msg = f"{line}uses a YAML alias; write the value out"
            raise RefusalError(msg, "broken_yaml")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            msg = f"nested more than {_MAX_DEPTH} levels deep; a log or disclosure never is"
            raise RefusalError(msg, "too_deep")


_NO_LINES = dict.fromkeys(map(ord, "\v\f\x85\u2028\u2029"), " ")
"""What older YAML takes for the end of a line, or refuses: a blank, as wherever text is shown."""


class _TextLoader(yaml.CBaseLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        named = [pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode)]
        if len({key.value for key, _ in named}) < len(named):
            raise _twice((key.value, _written(value)) for key, value in named)
        return super().construct_mapping(node, deep=deep)


def _written(value: yaml.Node) -> str:
    said = shown(value.value) if isinstance(value, yaml.ScalarNode) else "more below it"
    return f"{said} in line {value.start_mark.line + 1}"
