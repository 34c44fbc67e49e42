"""Names in logs that no reference table knows: a word beside each, wherever its figure goes.

Put here: which names are unknown, and the word in the provenance of the logged name. Keep out:
what a run gets in their place, which the rules decide (`hardware.py`, `machine.py`, `place.py`,
`duration.py`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import pandas as pd

from ft_emissions_pipeline.normalize.columns import Columns
from ft_emissions_pipeline.normalize.filling import Context, unknown_names
from ft_emissions_pipeline.normalize.place import region_id
from ft_emissions_pipeline.normalize.provenance import (
    AS_LOGGED,
    Piece,
    Provenance,
    Told,
    among,
    records_of,
    source_of,
)
from ft_emissions_pipeline.reference import Reference, places
from ft_emissions_pipeline.reference.names import named

_TABLES = {
    "gpu_model": "gpus",
    "server_model": "servers",
    "instance_type": "instances",
    "base_model": "models",
    "managed_service": "managed_services",
    "cloud_region": "cloud_regions",
    "location": "cloud_regions",
}
"""Field with a name -> the table that should know it."""

NAMES = tuple(_TABLES)
"""Fields with a name that some table should know."""

_SAID = re.compile(r"(?P<name>(?:" + "|".join(_TABLES) + r") '.*' is not known in .*)$")


def with_unknown_names(frame: Columns, context: Context, provenance: Provenance) -> Provenance:
    """Return the provenance with a word beside each logged name that no table knows.

    Parameters
    ----------
    frame, provenance
        As `filling.apply` returns them.
    context : Context
        Holds the reference tables.
    """
    pieces: list[Piece] = []
    for piece in provenance.pieces:
        named = piece.rule == AS_LOGGED and piece.field in _TABLES
        pieces += _with_word(piece, frame, context, provenance) if named else [piece]
    return replace(provenance, pieces=pieces)


def _with_word(piece: Piece, frame: Columns, context: Context, of: Provenance) -> list[Piece]:
    """Return the logged name of some runs, apart from that of runs whose name no table knows."""
    one_of_kind = frame.rows(of.first)
    names = one_of_kind[piece.field]
    known = names.isna() | _known(one_of_kind, piece.field, context)
    if known.all():
        return [piece]
    note = unknown_names(names.mask(known), _TABLES[piece.field], context)
    word = note.array.take(of.kind[piece.rows])
    source = pd.array(source_of(records_of(of.runs), piece), dtype="str") + "; " + word
    unknown = ~np.asarray(word.isna())
    if not unknown.any():
        return [piece]
    words = np.array(source[unknown], dtype="object")
    said = replace(among(piece, unknown), source=words, told=Told.RUN)
    return [said] if unknown.all() else [among(piece, ~unknown), said]


def _known(frame: Columns, name: str, context: Context) -> pd.Series:
    """Say which names of a field some table knows."""
    if name == "cloud_region":
        return region_id(frame, context).notna()
    return frame[name].map(partial(_is_known, context.reference, name)).astype(bool)


@lru_cache(maxsize=65536)
def _is_known(reference: Reference, field: str, name: object) -> bool:
    found = named(reference, _TABLES[field], name)
    known = found.id is not None or bool(found.candidates)
    if known or field != "location":
        return known
    return bool(places(reference, pd.Series([name], dtype="str"))["named_by"].notna()[0])


def unknown_of(provenance: pd.DataFrame) -> pd.Series:
    """Return the sentence about each logged name that no table knows, missing in all other rows.

    Parameters
    ----------
    provenance : DataFrame
        Table `field_provenance`.
    """
    logged = provenance["source"].astype("str").where(provenance["rule"] == AS_LOGGED)
    return logged.str.extract(_SAID.pattern)["name"]


def unknown_in(rule: str, source: object) -> str | None:
    """Return the sentence of one row of provenance that `unknown_of` returns of many."""
    found = isinstance(source, str) and rule == AS_LOGGED and _SAID.search(source)
    return found["name"] if found else None
