"""The friendly layer: read logs, estimate runs, explain them, without Dagster or a warehouse.

Put here: what `import ft_emissions_pipeline as fte` offers. Keep out: computation; every function
calls the stages that the DAG calls, in the same order.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ft_emissions_pipeline import equations, methodology, normalize, token_time
from ft_emissions_pipeline.analysis import explain as explanation
from ft_emissions_pipeline.impacts import footprint as impact
from ft_emissions_pipeline.landing import days, token_lengths
from ft_emissions_pipeline.normalize import meters
from ft_emissions_pipeline.readers import Settings, files_in, read_file
from ft_emissions_pipeline.readers.formats.disclosure import FORMAT, from_mapping
from ft_emissions_pipeline.readers.reading import Reading, reading_of_runs
from ft_emissions_pipeline.reference import Reference, in_force, load
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    NORMALIZED_RUNS,
    QUARANTINE,
    RUN_IMPACTS,
    TOKEN_TIME_MODEL,
    VALIDATED_RUNS,
    conform,
    empty,
)
from ft_emissions_pipeline.warehouse import store

Paths = str | Path | Sequence[str | Path]
Disclosure = Mapping[str, object]


class UnknownRun(KeyError):
    """No run has the id; the message names runs that there are."""


@dataclass(frozen=True)
class Estimate:
    """Footprints of some runs: `runs`, `per_inference`, `provenance`, and what was refused.

    `calibration` tells what meters saw over what software did, by host.
    """

    runs: pd.DataFrame
    per_inference: pd.DataFrame
    provenance: pd.DataFrame
    normalized: pd.DataFrame
    quarantine: pd.DataFrame
    reference: Reference
    calibration: pd.DataFrame

    def explain(self, run_id: str, *, draws: int = 0, seed: int = 0) -> str:
        """Return each step of a run: formula, values, units, factors, sources.

        With draws, the interval of a Monte Carlo stands beside the closed form's.

        Raises
        ------
        UnknownRun
            If no run has the id.
        """
        return explain_row(
            run_id, self.normalized, self.provenance, self.runs, self.reference, draws, seed
        )


def read_runs(
    paths: Paths, *, timezone: str = "UTC", reference: Reference | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the runs that files, folders or globs hold.

    Parameters
    ----------
    paths : str, Path, or sequence of them
        Any supported log or disclosure.
    timezone : str
        Zone of instants that name none, for instance those of CodeCarbon.
    reference : Reference, optional
        Reference tables; those of the package by default.

    Returns
    -------
    runs, quarantine : DataFrame
        Tables `runs` and `quarantine`: every record is in one of them, or joined into a run.

    Raises
    ------
    FileNotFoundError
        If a path names nothing.
    """
    settings = Settings(timezone=timezone)
    readings, lost = [], []
    for path, uri in files_in(paths):
        reading, content_hash, source_format = read_file(path, uri, settings)
        readings.append((uri, source_format, reading))
        lost.append(reading.quarantine.assign(source_uri=uri, content_hash=content_hash))
    for uri, reading in token_lengths.unused(readings):
        lost.append(reading.quarantine.assign(source_uri=uri))
    joined, _ = days.measured_runs(readings, reference or load())
    runs, refused = normalize.accepted(joined)
    lost.append(refused)
    frames = [frame for frame in lost if len(frame)]
    quarantine = conform(pd.concat(frames), QUARANTINE) if frames else empty(QUARANTINE)
    return runs, quarantine


def estimate(
    runs: pd.DataFrame | Disclosure | Sequence[Disclosure],
    *,
    profile: str = "default",
    reference: Reference | None = None,
    calibrate: bool = False,
) -> Estimate:
    """Estimate carbon and water of runs.

    Parameters
    ----------
    runs : DataFrame, mapping, or sequence of mappings
        Runs from `read_runs`, or disclosures: columns of table `runs` or the methodology's own
        labels ("Total reserved time") as keys.
    profile : str
        Profile of the methodology.
    reference : Reference, optional
        Reference tables; those of the package by default.
    calibrate : bool
        Whether runs without a meter take over the ratio that runs with one on the same host have
        between the meter's and the software's energy. `calibration` of the result tells the ratios
        either way.

    Returns
    -------
    Estimate
        Its tables, and `explain(run_id)`.

    Raises
    ------
    ValueError
        If the profile is unknown, a disclosure has an unknown key or an unreadable value, or
        nothing could be computed from it.
    """
    chosen = methodology.profile(profile)
    factors = reference or load()
    valid, refused = accepted(runs, factors)
    coefficients = meters.calibration(valid)
    normalized, provenance, impacts = footprints(
        valid, factors, chosen, coefficients if calibrate else None
    )
    return Estimate(
        impacts,
        expected_per_inference(impacts),
        provenance,
        normalized,
        refused,
        factors,
        coefficients,
    )


def accepted(
    runs: pd.DataFrame | Disclosure | Sequence[Disclosure], reference: Reference
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the runs that can be computed, and what was refused of a table of runs.

    Raises
    ------
    ValueError
        If a disclosure is refused.
    """
    disclosed = not isinstance(runs, pd.DataFrame)
    valid, refused = normalize.accepted(_of_disclosures(runs, reference) if disclosed else runs)
    if disclosed and len(refused):
        msg = "; ".join(refused["reason"])
        raise ValueError(msg)
    return valid, refused


def footprints(
    valid: pd.DataFrame,
    reference: Reference,
    profile: methodology.Profile,
    calibration: pd.DataFrame | None = None,
    models: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return tables `normalized_runs`, `field_provenance` and `run_impacts` of accepted runs."""
    models = models_in_force(valid, reference, models)
    normalized, provenance = normalize.normalize(valid, reference, profile, models, calibration)
    return normalized, provenance, impact.run_impacts(normalized, provenance, profile, reference)


def models_in_force(
    valid: pd.DataFrame, reference: Reference, models: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the token-time model of each day of some runs; without any given, the packaged one."""
    if models is not None:
        return models
    return token_time.parameters(reference, pd.DatetimeIndex(valid["date"].unique()).as_unit("us"))


def selected(runs: pd.DataFrame, only: str | None) -> pd.DataFrame:
    """Return the runs of one id or of one model; all where none is named.

    Raises
    ------
    UnknownRun
        If no run has the id or the model; the message names the nearest.
    """
    if only is None:
        return runs
    chosen = runs[(runs["run_id"] == only) | (runs["model_name"] == only)]
    if chosen.empty:
        known = [*runs["model_name"].dropna().unique(), *runs["run_id"]]
        near = ", ".join(difflib.get_close_matches(only, known, cutoff=0.4)) or known[0]
        msg = f"no run or model {only!r} among {len(runs)} runs; nearest: {near}"
        raise UnknownRun(msg)
    return chosen.reset_index(drop=True)


def _of_disclosures(runs: Any, reference: Reference) -> pd.DataFrame:
    given = [runs] if isinstance(runs, Mapping) else list(runs)
    rows = []
    for number, mapping in enumerate(given, start=1):
        fields = from_mapping(mapping, f"disclosure {number}")
        rows.append(
            {
                "run_id": f"disclosure-{number}",
                **fields,
                "source_record": str(number),
                "repairs": "",
            }
        )
    reading: Reading = reading_of_runs(rows, [])
    return days.joined_runs([("disclosure", FORMAT, reading)], reference)


def expected_per_inference(impacts: pd.DataFrame) -> pd.DataFrame:
    """Share each run over the inferences that were expected of it.

    Parameters
    ----------
    impacts : DataFrame
        Table `run_impacts`.

    Returns
    -------
    DataFrame
        run_id, model_name, inferences (expected over the use life), gco2e_per_inference and
        water_ml_per_inference with p05 and p95; empty where no inferences were disclosed.
    """
    inferences = impacts["expected_inferences_per_day"] * impacts["expected_use_life_days"]
    served = inferences.where(inferences > 0)
    frame = impacts[["run_id", "model_name"]].assign(inferences=served)
    for name, total, factor in (
        ("gco2e_per_inference", "total_kgco2e", equations.GRAMS_PER_KG),
        ("water_ml_per_inference", "total_water_l", equations.MILLILITRES_PER_LITRE),
    ):
        for suffix in ("", "_p05", "_p95"):
            frame[name + suffix] = equations.per_inference(impacts[total + suffix] * factor, served)
    return frame


def stored_runs(warehouse: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the accepted runs of a warehouse, and what their figures rest on.

    Returns
    -------
    runs : DataFrame
        Table `validated_runs`.
    options : dict
        `profile`, `reference`, `calibrate` and `token_time`, as `advise` and `what_if` take them.

    Raises
    ------
    ValueError
        If there are no runs, or their figures are of several profiles.
    """
    valid = store.read(warehouse, VALIDATED_RUNS)
    if valid.empty:
        msg = f"{warehouse} holds no runs; make the tables first with `ft-emissions run`"
        raise ValueError(msg)
    profiles = store.read(warehouse, RUN_IMPACTS, columns=("methodology",))["methodology"].unique()
    if len(profiles) != 1:
        msg = (
            f"the figures of {warehouse} are of profiles {', '.join(profiles) or 'unknown'}; "
            "bring them to one with `ft-emissions run`"
        )
        raise ValueError(msg)
    routes = store.read(warehouse, NORMALIZED_RUNS, columns=("energy_route",))["energy_route"]
    reference = in_force(warehouse, keep=False)
    return valid, {
        "profile": str(profiles[0]),
        "reference": reference,
        "calibrate": bool((routes == "calibrated").any()),
        "token_time": stored_models(warehouse, valid, reference),
    }


def stored_models(warehouse: str | Path, valid: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    """Return the token-time model on which a warehouse's figures rest, for each day of some runs.

    On a day without one the packaged model is in force, as for runs without a warehouse.
    """
    days = pd.DatetimeIndex(valid["date"].unique()).as_unit("us")
    stored = store.read(warehouse, TOKEN_TIME_MODEL, days)
    missing = days.difference(pd.DatetimeIndex(stored["date"].unique()))
    return conform(pd.concat([stored, token_time.parameters(reference, missing)]), TOKEN_TIME_MODEL)


def explain_stored(run_id: str, warehouse: str | Path, *, draws: int = 0, seed: int = 0) -> str:
    """Return the explanation of a run out of a warehouse's tables.

    Raises
    ------
    UnknownRun
        If no run has the id.
    """
    normalized, provenance, impacts = (
        store.read(warehouse, table) for table in (NORMALIZED_RUNS, FIELD_PROVENANCE, RUN_IMPACTS)
    )
    reference = in_force(warehouse, keep=False)
    return explain_row(run_id, normalized, provenance, impacts, reference, draws, seed)


def explain_row(
    run_id: str,
    normalized: pd.DataFrame,
    provenance: pd.DataFrame,
    impacts: pd.DataFrame,
    reference: Reference,
    draws: int = 0,
    seed: int = 0,
) -> str:
    """Return the explanation of one run out of whole tables.

    Raises
    ------
    UnknownRun
        If no run has the id.
    """
    at = normalized["run_id"] == run_id
    if not at.any():
        known = ", ".join(normalized["run_id"].head(10))
        msg = f"no run {run_id!r}; there are {len(normalized)}, for instance {known}"
        raise UnknownRun(msg)
    return explanation.explain(
        normalized[at].iloc[0],
        provenance[provenance["run_id"] == run_id],
        impacts[impacts["run_id"] == run_id].iloc[0],
        reference,
        draws=draws,
        seed=seed,
    )
