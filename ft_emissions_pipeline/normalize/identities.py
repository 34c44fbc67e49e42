"""A guessed accelerator, server or country widens a run by all that it could be.

Put here: the spread of a factor over what an unknown identity may stand for. Keep out: the spread
of one row (`filling.py`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.normalize.columns import Frame
from ft_emissions_pipeline.normalize.filling import Context
from ft_emissions_pipeline.normalize.kinds import first_of
from ft_emissions_pipeline.normalize.provenance import AS_LOGGED, Piece
from ft_emissions_pipeline.reference import Reference
from ft_emissions_pipeline.tables.words import Basis

IDENTITY_OF = {
    **dict.fromkeys(
        ("gpu_max_w", "gpu_idle_w", "gpu_embodied_kgco2e", "gpu_embodied_water_l"), "gpu_id"
    ),
    **dict.fromkeys(
        (
            "cpu_count", "cpu_max_w", "cpu_idle_w", "host_idle_w", "gpu_fan_w", "memory_w",
            "server_embodied_kgco2e", "server_embodied_water_l",
        ),
        "server_id",
    ),
    **dict.fromkeys(
        ("grid_kgco2e_per_kwh", "grid_direct_kgco2e_per_kwh", "electricity_water_l_per_kwh"),
        "country_iso3"
    ),
}  # fmt: skip
"""Factor -> the identity by which it was looked up; a guessed identity makes a guessed factor."""


def guessed_identities(frame: Frame, context: Context, piece: Piece) -> Piece:
    """Widen factors by what is open about the identity by which they were looked up.

    A guessed country could be any, a guessed accelerator or server any of its kind, so the spread
    over these comes on top; a name that covers several variants (PCIe or SXM) adds the spread over
    those.
    """
    if piece.field not in IDENTITY_OF or piece.rule == AS_LOGGED:
        return piece
    identity, first = IDENTITY_OF[piece.field], piece.rows[first_of(piece.of)]
    index = frame.index[first]
    guessed = context.imputed(identity, index)
    rules = context.rule(identity, index).to_numpy(dtype="object")
    # The others keep theirs to the last digit: on its way through a logarithm it would change.
    doubtful = guessed | [str(rule).endswith("_name_ambiguous") for rule in rules]
    if not doubtful.any():
        return piece
    named = frame[identity].iloc[first].astype("str")
    of_kinds, of_variants = _log_sds_over(context.reference, piece.field)
    # Of a kind with one row nobody sees the spread: it is taken as usual, not as the widest.
    within = of_kinds.fillna(of_kinds.median())
    wide = named.map(_kinds(context.reference, identity)).map(within).fillna(of_kinds.max())
    variant = named.map(_variant_family).map(of_variants).fillna(0.0)
    value = np.asarray(piece.value, dtype=float)
    ends = uncertainty.widened(value, piece.p05, piece.p95, np.where(guessed, wide, variant))
    low, high = (
        np.where(doubtful, value * by, end)
        for by, end in zip(ends, (piece.p05, piece.p95), strict=True)
    )
    basis = np.where(guessed, Basis.DEFAULT, piece.basis).astype("object")
    return replace(piece, p05=low, p95=high, basis=basis)


_FAMILY = re.compile(r"\D*\d*[A-Za-z]*")


def _variant_family(identity: str) -> str:
    """Return what the variants of a device share.

    `A100` of `A100-SXM4-80GB`, `RTX-4090` of `RTX-4090-D`.
    """
    found = _FAMILY.match(str(identity))
    return found.group() if found else ""


@lru_cache(maxsize=64)
def _kinds(reference: Reference, identity: str) -> pd.Series:
    """Return the kind by identity: an accelerator's class, and a server's by its accelerator."""
    gpus = reference.tables["gpus"].drop_duplicates("gpu_id", keep="last").set_index("gpu_id")
    # Nobody guesses a card without matrix units of 16 bits for a run whose hardware is not told.
    kinds = gpus["host_class"].where(gpus["peak_16bit_tflops"].notna())
    if identity == "server_id":
        servers = reference.tables["servers"].drop_duplicates("server_id", keep="last")
        return servers.set_index("server_id")["gpu_id"].map(kinds)
    return kinds


_COLUMN_OF = {
    "gpu_max_w": ("gpus", "tdp_w"),
    "gpu_idle_w": ("gpus", "idle_w"),
    "gpu_embodied_kgco2e": ("gpu_embodied", "embodied_kgco2e"),
    "gpu_embodied_water_l": ("gpu_water", "embodied_water_l"),
    "cpu_count": ("servers", "cpu_count"),
    "cpu_max_w": ("servers", "cpu_max_w"),
    "cpu_idle_w": ("servers", "cpu_idle_w"),
    "host_idle_w": ("servers", "host_idle_w"),
    "gpu_fan_w": ("servers", "gpu_fan_w"),
    "memory_w": ("servers", "memory_w"),
    "server_embodied_kgco2e": ("servers", "embodied_kgco2e"),
    "server_embodied_water_l": ("servers", "embodied_water_l"),
    "grid_kgco2e_per_kwh": ("grid_intensity", "gco2e_per_kwh"),
    "grid_direct_kgco2e_per_kwh": ("grid_intensity", "gco2e_per_kwh"),
    "electricity_water_l_per_kwh": ("electricity_water", "l_per_kwh"),
}


@lru_cache(maxsize=64)
def _log_sds_over(reference: Reference, field: str) -> tuple[pd.Series, pd.Series]:
    """Return a factor's log standard deviation by kind of device (places: one), and by family."""
    table, column = _COLUMN_OF[field]
    rows = reference.tables[table]
    if "zone_type" in rows:
        rows = rows[rows["zone_type"] == "country"]
    if "year" in rows:
        rows = rows[rows["year"] == rows["year"].max()]
    if "rank" in rows:
        rows = rows[rows["rank"] == 1]
    logs = np.log(rows[column].where(rows[column] > 0))
    kind = pd.Series("place", rows.index, dtype="object")
    if "gpu_id" in rows:
        kind = rows["gpu_id"].map(_kinds(reference, "gpu_id"))
    family = rows.iloc[:, 0].map(_variant_family)
    return logs.groupby(kind).std(), logs.groupby(family).std()
