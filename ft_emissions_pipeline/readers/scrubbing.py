"""Take secrets, and what a terminal would obey, out of text before it is stored or shown.

Put here: what becomes of a secret. Keep out: what counts as one (`secrets.py`), and where such text
comes from and goes to.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ft_emissions_pipeline.readers.harmless import HIDDEN, visible
from ft_emissions_pipeline.readers.secrets import SECRETS, Secret

RAW_LENGTH = 500
"""Characters of a refused record that quarantine keeps."""

_QUOTED = 60
"""Characters of a value that a sentence quotes."""

_LOOKED_AT = 4000
"""Characters looked at before shortening."""

_MARK = re.compile(r"(\[removed [0-9a-f]{4}\])")
_HINT = "|".join(dict.fromkeys([*(secret.hint for secret in SECRETS), HIDDEN]))
"""Cheap enough to be looked for in a million cells; only cells that have it are searched for
secrets."""
_HINTED = re.compile(_HINT, re.ASCII)
_SHAPED = tuple(secret for secret in SECRETS if not secret.signs)
_SIGNED = re.compile("|".join(re.escape(s) for secret in SECRETS for s in secret.signs))


def scrubbed(text: str) -> str:
    """Return text without secrets, personal data and terminal codes; a second pass changes nothing.

    Four hexadecimal digits of the secret's hash stay, so that two names which differ in nothing
    else do not become one; they are too few to find the secret by trying.
    """
    if _HINTED.search(text) is None:
        return text
    text, before = visible(text), ""
    # What is taken out can join what stood apart; each round takes out more, so there is a last
    # one.
    while text != before:
        before, small = text, text.casefold()
        for secret in SECRETS if _SIGNED.search(small) else _SHAPED:
            given_away = not secret.signs or any(sign in small for sign in secret.signs)
            if given_away and secret.form.search(text) is not None:
                parts = _MARK.split(text)
                parts[::2] = [
                    secret.form.sub(partial(_removed, secret), part) for part in parts[::2]
                ]
                text = "".join(parts)
    return text


def _removed(secret: Secret, match: re.Match[str]) -> str:
    kept = match.group(1)
    found = match.group()[len(kept) :]
    if not secret.holds(found):
        return match.group()
    return kept + _mark(found)


def _mark(secret: str) -> str:
    return f"[removed {hashlib.sha256(secret.encode()).hexdigest()[:4]}]"


def hashed_host(name: str) -> str:
    """Return what stands for a machine's name: the same for `Node1` and `node1.cluster.example`.

    Eight hexadecimal digits tell the machines of a cluster apart; the domain does not count,
    because schedulers leave it out and exporters do not.
    """
    plain = name.strip().casefold()
    address = re.fullmatch(r"[0-9.]+|.*:.*", plain)
    machine = plain if address else plain.split(".", maxsplit=1)[0]
    return hashlib.sha256(machine.encode()).hexdigest()[:8]


def raw_text(text: str) -> str:
    """Return a record's text as quarantine keeps it: without secrets, on one line, shortened."""
    if len(text) > _LOOKED_AT:
        # A secret that is cut off would not be known for one.
        text = text[:_LOOKED_AT].rsplit(None, 1)[0]
    clean = " ".join(scrubbed(text).split())
    return clean if len(clean) <= RAW_LENGTH else f"{clean[: RAW_LENGTH - 1]}…"


def shown(value: object) -> str:
    """Return a value as a sentence quotes it: what must go is gone before the rest is shortened."""
    return repr(scrubbed(str(value)[:_LOOKED_AT])[:_QUOTED])


def to_be_cleaned(columns: Mapping[str, pd.Series]) -> list[str]:
    """Return the columns of text of which any cell is empty, or may hold a secret."""
    texts = [
        pa.array(cells, type=pa.large_string(), from_pandas=True) for cells in columns.values()
    ]
    values = pa.concat_arrays([part for text in texts for part in getattr(text, "chunks", [text])])
    empty = pc.equal(pc.binary_length(values), 0)
    suspects = pc.or_(_hinted(values), pc.or_(empty, _no_names(values)))
    found = pc.fill_null(suspects, False).to_numpy(zero_copy_only=False)
    ends = np.cumsum([len(text) for text in texts])[:-1]
    return [name for name, own in zip(columns, np.split(found, ends), strict=True) if own.any()]


def scrubbed_cells(cells: pd.Series) -> pd.Series:
    """Return a column of text with secrets removed; cells without any are not touched."""
    values = pa.array(cells, type=pa.large_string(), from_pandas=True)
    return _replaced(cells, _hinted(values), scrubbed)


def _hinted(values: pa.Array) -> pa.Array:
    """Say which texts must be searched: those with a hint that are no mere identity of a run."""
    if len(values) < _COMPILED_FOR:
        return pa.array([
            text is not None and _HINTED.search(text) is not None and not re.match(_UUID, text)
            for text in values.to_pylist()
        ], type=pa.bool_())  # fmt: skip
    hinted = pc.match_substring_regex(values, _HINT)
    return pc.and_(hinted, pc.invert(pc.match_substring_regex(values, _UUID)))


_COMPILED_FOR = 256
"""Texts from which on Arrow's own search is the faster one: it compiles its pattern anew."""
_UUID = r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def scrubbed_places(cells: pd.Series) -> pd.Series:
    """Return a column of places in files without secrets; line numbers look like addresses."""
    values = pa.array(cells, type=pa.large_string(), from_pandas=True)
    told = pc.invert(pc.match_substring_regex(values, r"^[0-9.]*$"))
    if not pc.any(told).as_py():
        return cells
    return _replaced(cells, pc.and_(told, _hinted(values)), scrubbed)


def scrubbed_names(cells: pd.Series) -> pd.Series:
    """Return a column of names without secrets; take out a whole text that cannot be a name."""
    clean = scrubbed_cells(cells)
    values = pa.array(clean, type=pa.large_string(), from_pandas=True)
    return _replaced(clean, _no_names(values), _mark)


def _no_names(values: pa.Array) -> pa.Array:
    """Say which texts cannot be names: too long, or with a sign that no name has."""
    texts = values.to_pylist() if len(values) < _COMPILED_FOR else []
    if texts and all(text is None or text.isascii() for text in texts):
        known = _ascii_of_names()
        return pa.array([
            None if text is None else not known.issuperset(text) or len(text) > _LONGEST_NAME
            for text in texts
        ], type=pa.bool_())  # fmt: skip
    signs = pc.invert(pc.match_substring_regex(values, _NAME))
    return pc.or_(signs, pc.greater(pc.utf8_length(values), _LONGEST_NAME))


@cache
def _ascii_of_names() -> frozenset[str]:
    """Return what of ASCII stands in names, as the pattern says it."""
    each = pa.array(map(chr, range(128)), pa.large_string())
    return frozenset(each.filter(pc.match_substring_regex(each, _NAME)).to_pylist())


_LONGEST_NAME = 200
_NAME = (
    r"^[\p{L}\p{M}\p{N}\p{So}\p{Zs}\p{Pd}_.,:;/\\()\[\]+@&'\x{2019}#*"
    r"|=~%!?®™°²³\x{d7}·\x{200c}\x{200d}]*$"
)
"""Letters of any script, and the signs of names of models, chips, regions and companies."""


def _replaced(cells: pd.Series, where: pa.Array, by: Callable[[str], str]) -> pd.Series:
    """Return a column of which some cells are replaced, each different text once."""
    hits = pc.fill_null(where, False).to_numpy(zero_copy_only=False)
    if not hits.any():
        return cells
    new = {text: by(text) for text in cells[hits].unique()}
    if all(text == other for text, other in new.items()):
        return cells
    clean = cells.copy()
    clean[hits] = cells[hits].map(new)
    return clean
