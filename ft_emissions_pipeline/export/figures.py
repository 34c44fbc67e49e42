"""The figures that are handed on, and what every format says of them.

Put here: which versions and days an export holds, one row per version, and the facts that go into
each format. Keep out: every format (`formats/`), and what computes a figure.
"""

from __future__ import annotations

import difflib
import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.methodology import PROFILES
from ft_emissions_pipeline.normalize import stored_provenance
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    INFERENCE_IMPACTS,
    MODEL_VERSIONS,
    NORMALIZED_RUNS,
    RESTATEMENTS,
    RUN_IMPACTS,
    Table,
    empty,
)
from ft_emissions_pipeline.tables.words import Cause, EnergyRoute, Life, Status
from ft_emissions_pipeline.warehouse import store

Row: TypeAlias = Mapping[str, Any]
"""A version; what is unknown of it is left out."""

Days: TypeAlias = tuple[pd.Timestamp, pd.Timestamp]

TOOL = "ft_emissions_pipeline"
DIGITS = 6
"""Significant digits handed on: more than a figure is good for, and alike on every machine."""

CORRECTIONS = (
    Cause.FACTOR_CHANGED,
    Cause.TOKEN_TIME_CHANGED,
    Cause.METHODOLOGY_CHANGED,
    Cause.LATE_LOG,
)
"""Why the footprint of a version moves; the other causes move only its share over inferences."""

READ_AS_ENERGY = (
    EnergyRoute.METER,
    EnergyRoute.CALIBRATED,
    EnergyRoute.LOGGED_TOTAL,
    EnergyRoute.LOGGED_COMPONENTS,
)
"""Routes on which a meter or counters told the energy, or all its large parts."""


class Rows(Protocol):
    """What returns the rows of a table, of all runs or of some."""

    def __call__(self, table: Table, runs: Collection[str] | None = None) -> pd.DataFrame:
        """Return the rows."""


@dataclass(frozen=True)
class Choice:
    """Of which model, version and days (first and last) figures are handed on; all by default."""

    model: str | None = None
    version: str | None = None
    days: Days | None = None


@dataclass(frozen=True)
class Figures:
    """Figures of some versions.

    Attributes
    ----------
    versions : DataFrame
        One row per version, the oldest first: columns of `run_impacts` and `normalized_runs`,
        `model_version`, `status` (final once its use life is closed), `restated` (whether its
        footprint was corrected), and `use_life_start`, `use_life_end`, `inferences` where known.
    per_inference : DataFrame
        Rows of `inference_impacts` of the models and days.
    table : callable
        Table -> its rows that belong to the models, versions and days; of some runs alone where
        their ids are given.
    made_at : Timestamp
        When the export was made, UTC.
    entity : str
        Who answers for the models.
    days : (Timestamp, Timestamp), optional
        First and last day that were asked for.
    """

    versions: pd.DataFrame
    per_inference: pd.DataFrame
    table: Rows
    made_at: pd.Timestamp
    entity: str
    days: Days | None = None

    def rows(self) -> list[Row]:
        """Return every version."""
        return [
            {str(name): cell for name, cell in row.items() if not pd.isna(cell)}
            for row in self.versions.to_dict("records")
        ]

    def newest(self) -> Row:
        """Return the newest version.

        Raises
        ------
        ValueError
            If the versions are of several models; a format of one version cannot hold them.
        """
        models = sorted(self.versions["model_name"].unique())
        if len(models) > 1:
            msg = f"this format holds one version; name a model: {', '.join(models)}"
            raise ValueError(msg)
        return self.rows()[-1]

    def evidence(self, row: Row) -> pd.DataFrame:
        """Return table `field_provenance` of a version, by field."""
        return self.table(FIELD_PROVENANCE, {row["run_id"]}).set_index("field")


def figures(
    read: Rows,
    choice: Choice,
    *,
    made_at: pd.Timestamp,
    entity: str = "",
    expected: pd.DataFrame | None = None,
) -> Figures:
    """Gather the figures of some versions.

    Parameters
    ----------
    read : callable
        Table -> its rows, of all runs or of some.
    choice : Choice
        Which models, versions and days.
    made_at : Timestamp
        When the export is made, UTC.
    entity : str
        Who answers for the models.
    expected : DataFrame, optional
        What one inference carries, where there is no ledger.

    Raises
    ------
    ValueError
        If no version is left.
    """
    impacts = known = read(RUN_IMPACTS)
    for column, wanted in (("model_name", choice.model), ("run_id", choice.version)):
        known = known if wanted is None else known[known[column] == wanted]
    runs_of_it = set(known["run_id"])

    def kept_of(rows: pd.DataFrame) -> pd.DataFrame:
        return _of_days(_of_runs(rows, choice, runs_of_it), choice)

    def chosen(table: Table, runs: Collection[str] | None = None) -> pd.DataFrame:
        return kept_of(read(table, runs))

    kept = _of_days(known, choice)
    if kept.empty:
        raise ValueError(_nothing(impacts, choice))
    return Figures(
        _versions(kept, chosen, read),
        chosen(INFERENCE_IMPACTS) if expected is None else kept_of(expected),
        chosen,
        made_at,
        entity,
        choice.days,
    )


def of_warehouse(
    warehouse: str | Path, choice: Choice, *, made_at: pd.Timestamp, entity: str = ""
) -> Figures:
    """Gather the figures of a warehouse, as `figures` does."""

    def read(table: Table, runs: Collection[str] | None = None) -> pd.DataFrame:
        if table is FIELD_PROVENANCE:
            return stored_provenance.stored(warehouse, runs=runs).table()
        return store.read(warehouse, table, where=None if runs is None else ("run_id", runs))

    return figures(read, choice, made_at=made_at, entity=entity)


def of_tables(
    tables: Mapping[Table, pd.DataFrame],
    expected: pd.DataFrame,
    choice: Choice,
    *,
    made_at: pd.Timestamp,
    entity: str = "",
) -> Figures:
    """Gather the figures of tables at hand, as `figures` does; one that is missing has no rows.

    Parameters
    ----------
    tables : mapping of Table to DataFrame
        At least `run_impacts` and `normalized_runs`.
    expected : DataFrame
        What `stages.per_inference` returns of the runs: there is no ledger.
    choice, made_at, entity
        As for `figures`.
    """
    kept = tables[RUN_IMPACTS][["run_id", "date", "methodology", "reference_version"]]
    served = expected.merge(kept, on="run_id").rename(columns={"run_id": "model_version"})
    served = served.assign(status=Status.PROVISIONAL)
    served = served[served["inferences"].notna()]

    def read(table: Table, runs: Collection[str] | None = None) -> pd.DataFrame:
        found = tables.get(table, empty(table))
        return found if runs is None else found[found["run_id"].isin(runs)]

    return figures(read, choice, made_at=made_at, entity=entity, expected=served)


def _of_runs(frame: pd.DataFrame, choice: Choice, runs: set[str]) -> pd.DataFrame:
    """Return the rows of the chosen runs; of rows that name no run, those of the chosen model."""
    by_model = choice.model is not None and "model_name" in frame
    if by_model:
        frame = frame[frame["model_name"] == choice.model]
    names = [name for name in ("model_version", "run_id") if name in frame]
    by_run = choice.version is not None or (choice.model is not None and not by_model)
    if by_run and names:
        frame = frame[frame[names[0]].isin(runs)]
    return frame


def _of_days(frame: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    if choice.days is not None and "date" in frame:
        frame = frame[frame["date"].between(*choice.days)]
    return frame.reset_index(drop=True)


def _nothing(impacts: pd.DataFrame, choice: Choice) -> str:
    if impacts.empty:
        return "there are no runs; make the tables first with `ft-emissions run`"
    known = {*impacts["model_name"], *impacts["run_id"]}
    wanted = choice.version or choice.model
    if wanted is None or wanted in known:
        first, last = impacts["date"].min(), impacts["date"].max()
        return (
            f"no version was made on the days asked for, but on {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        )
    near = difflib.get_close_matches(wanted, known, cutoff=0.4) or sorted(known)[:3]
    return f"no model or version {wanted!r}; nearest: {', '.join(near)}"


def _versions(impacts: pd.DataFrame, chosen: Rows, read: Rows) -> pd.DataFrame:
    normalized = chosen(NORMALIZED_RUNS)
    more = [name for name in normalized if name not in impacts or name == "run_id"]
    lives = (
        read(MODEL_VERSIONS)[
            ["model_version", "use_life_start", "use_life_end", "inferences", "status"]
        ]
        .rename(columns={"model_version": "run_id"})
        .drop_duplicates("run_id", keep="last")
    )
    moved = read(RESTATEMENTS)
    moved = moved.loc[moved["cause"].isin(CORRECTIONS), "model_version"]
    rows = impacts.merge(normalized[more], on="run_id").merge(lives, on="run_id", how="left")
    closed = rows["status"] == Life.CLOSED
    return rows.assign(
        model_version=rows["run_id"],
        status=np.where(closed, Status.FINAL, Status.PROVISIONAL),
        restated=rows["run_id"].isin(moved),
    ).sort_values(["ended_at", "run_id"], ignore_index=True)


# What every format says


def rounded(value: float) -> float:
    """Return a number with `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}")


def plain(value: float, digits: int = DIGITS) -> str:
    """Return a number with some significant digits and no exponent.

    >>> plain(1e-07), plain(123456789.0), plain(22.0266548)
    ('0.0000001', '123457000', '22.0267')
    """
    return str(np.format_float_positional(float(f"{value:.{digits}g}"), trim="-"))


def name_of(row: Row) -> str:
    """Return model and version in one text."""
    return f"{row['model_name']} {row['model_version']}"


def release() -> str:
    """Return the release of the pipeline."""
    return fte.__version__


def tool() -> str:
    """Return the pipeline and its release."""
    return f"{TOOL} {release()}"


def inside(row: Row) -> str:
    """Return what is inside the totals, in the words of every format."""
    published = PROFILES[row["methodology"]].grid_as_published
    grid = "at the grid factors as published" if published else "over its life cycle"
    return (
        "all work for the version, intermediate runs included; operational carbon of the "
        f"facility's electricity {grid}, location-based, and embodied carbon of the hardware; "
        "water on site, of electricity and of making the hardware; no pre-training, no inference"
    )


FIGURES = (
    "it_energy_kwh", "facility_energy_kwh", "operational_kgco2e", "operational_direct_kgco2e",
    "operational_market_kgco2e", "embodied_kgco2e", "total_kgco2e", "total_kgco2e_p05",
    "total_kgco2e_p95", "onsite_water_l", "electricity_water_l", "embodied_water_l",
    "total_water_l", "total_water_l_p05", "total_water_l_p95",
)  # fmt: skip
"""Figures of a version, columns of `run_impacts`."""


def facts(row: Row, made_at: pd.Timestamp) -> dict[str, str | float | bool]:
    """Return what every export says: what a version rests on, how sure it is, what is inside."""
    return {
        "tool": tool(),
        "methodology": row["methodology"],
        "reference_version": row["reference_version"],
        "made_at": iso(made_at),
        "status": str(row["status"]),
        "restated": bool(row["restated"]),
        "energy_from": row["energy_route"],
        "quality_tier": row["quality_tier"],
        "pue": rounded(row["pue"]),
        **{name: rounded(row[name]) for name in FIGURES if name in row},
        "inside": inside(row),
    }


def texts(row: Row, made_at: pd.Timestamp) -> dict[str, str]:
    """Return the facts as texts, for formats whose properties are texts."""
    return {name: _text(value) for name, value in facts(row, made_at).items()}


def told(row: Row, made_at: pd.Timestamp) -> str:
    """Return the facts in one line, for formats that have no other place."""
    return "; ".join(f"{name}={value}" for name, value in texts(row, made_at).items())


def _text(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else plain(value)


def iso(instant: pd.Timestamp) -> str:
    """Return an instant in UTC as ISO 8601, to the second."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def as_json(content: object) -> str:
    """Return content as JSON text."""
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def uuid_of(row: Row, made_at: pd.Timestamp) -> str:
    """Return an id of this statement on a version: the same for the same statement."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name_of(row)} {told(row, made_at)}"))
