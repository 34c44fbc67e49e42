"""One rule per missing data point: from runs as logged to runs with every needed field filled.

Put here: the order of the rules, what is refused, and what follows from an imputed identity. Keep
out: the rules (one module per subject beside this one) and the impacts.

The order follows the dependencies: the model before the managed service's profile, the hardware
before the time that tokens take on it, the time before the energy.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.normalize import duration, energy, hardware, place, tokens
from ft_emissions_pipeline.normalize.filling import IMPUTED as IMPUTED
from ft_emissions_pipeline.normalize.filling import Context, Rule, apply
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    NORMALIZED_RUNS,
    QUARANTINE,
    RUNS,
    TOKEN_TIME_MODEL,
    conform,
    empty,
)
from ft_emissions_pipeline.tables import rows as row_rules

__all__ = [
    "IDENTITY_OF", "IMPUTED", "RULES", "UNCOMPUTABLE", "accepted", "normalize", "timed_work",
]  # fmt: skip

RULES: tuple[Rule, ...] = (
    *duration.MODEL,
    *place.LOCATION,
    *hardware.IDENTITY,
    *duration.WORK,
    *duration.DURATION,
    *hardware.FACTORS,
    *place.FACTORS,
    *energy.RULES,
)

IDENTITY_OF = {
    **dict.fromkeys(
        ("gpu_max_w", "gpu_idle_w", "gpu_embodied_kgco2e", "gpu_embodied_water_l"), "gpu_id"
    ),
    **dict.fromkeys(
        (
            "cpu_count", "cpu_max_w", "cpu_idle_w", "host_idle_w", "memory_w",
            "server_embodied_kgco2e", "server_embodied_water_l",
        ),
        "server_id",
    ),
    **dict.fromkeys(("grid_kgco2e_per_kwh", "electricity_water_l_per_kwh"), "country_iso3"),
}  # fmt: skip
"""Factor -> the identity by which it was looked up; a guessed identity makes a guessed factor."""

UNCOMPUTABLE = {
    "no_time_no_tokens": "neither a time nor tokens are known, so nothing can be computed"
}
"""Reason code -> explanation, for runs that `accepted` refuses although no rule is broken."""


def normalize(
    runs: pd.DataFrame,
    reference: ref.Reference,
    profile: Profile,
    token_time: pd.DataFrame,
    calibration: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fill every needed field of the runs, and write down where each value comes from.

    Parameters
    ----------
    runs : DataFrame
        Rows of table `runs` that `accepted` lets pass.
    reference : Reference
        Reference tables.
    profile : Profile
        Choices of the methodology.
    token_time : DataFrame
        Rows of table `token_time_model`.
    calibration : DataFrame, optional
        Coefficients of `telemetry.calibration`, to be applied to runs without a meter.

    Returns
    -------
    normalized, provenance : DataFrame
        Tables `normalized_runs` and `field_provenance`.
    """
    context = Context(reference, profile, token_time)
    if calibration is not None:
        runs = energy.calibrated(runs, calibration)
    routes = energy.route(runs.reset_index(drop=True), profile)
    frame, provenance = apply(_meter_first(runs), RULES, context)
    provenance = _guessed_identities(provenance, reference)
    frame["energy_route"] = routes.to_numpy()
    frame["methodology"] = profile.name
    frame["reference_version"] = reference.version
    declared = [name for name in NORMALIZED_RUNS.names if name in frame]
    return conform(frame[declared], NORMALIZED_RUNS), conform(provenance, FIELD_PROVENANCE)


def timed_work(runs: pd.DataFrame, reference: ref.Reference, profile: Profile) -> pd.DataFrame:
    """Return the runs that teach how long tokens take: those that tell tokens, time, model and hardware.

    Parameters
    ----------
    runs : DataFrame
        Rows of table `runs` that `accepted` lets pass.
    reference : Reference
        Reference tables.
    profile : Profile
        Choices of the methodology.

    Returns
    -------
    DataFrame
        date, run_id, model_name, family, tokens, active_s, and the columns of `token_time.workload`. Of a
        run that logs its reservation alone, the usual start-up is taken off; where that would leave less
        than half of it, the run teaches nothing.
    """
    context = Context(reference, profile, empty(TOKEN_TIME_MODEL))
    frame, _ = apply(runs, (*duration.MODEL, *hardware.IDENTITY, *tokens.TOKENS), context)
    dated = (frame["ended_at"] - frame["started_at"]).dt.total_seconds()
    startup = ref.default(reference, "startup_s", frame["date"]).value
    computing = frame["reserved_s"].fillna(dated) - startup
    active = frame["active_s"].where(frame["active_s"] > 0, computing.where(computing > startup))
    known = (
        ~context.imputed("gpu_id", frame.index)
        & ~context.imputed("gpu_count", frame.index)
        & ~context.imputed("model_parameters", frame.index)
        & (context.rule("tokens_padded", frame.index) != tokens.USUAL_LENGTH).to_numpy()
    )
    tells = known & (frame["gpu_count"] > 0) & active.notna() & (frame["tokens_padded"] > 0)
    family = ref.take(reference, "models", frame["model_id"], ["family"], on=frame["date"])[
        "family"
    ]
    timed = duration.steps_of(frame).assign(
        family=family, tokens=frame["tokens_padded"], active_s=active
    )
    return timed[tells & frame["model_parameters"].notna()].reset_index(drop=True)


def _meter_first(runs: pd.DataFrame) -> pd.DataFrame:
    """Let a physical meter stand before a logged total, which then stays visible as components."""
    return runs.assign(it_energy_kwh=runs["it_energy_kwh"].where(runs["meter_energy_kwh"].isna()))


def accepted(runs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the runs that can be computed from those that cannot.

    Parameters
    ----------
    runs : DataFrame
        Table `runs`: joined records, each of which was checked when it was read.

    Returns
    -------
    accepted, quarantine : DataFrame
        Tables `runs` and `quarantine`: what breaks a row rule after joining, or leaves nothing to
        compute from.
    """
    whole, problems = row_rules.split(runs, RUNS)
    broken = runs.loc[problems.index, ["source_uri", "source_record"]].assign(
        reason_code=problems["reason_code"], reason=problems["reason"]
    )
    empty_handed = _refusals(whole)
    kept = whole[~whole["run_id"].isin(empty_handed["run_id"])].reset_index(drop=True)
    refused = [frame for frame in (broken, empty_handed.drop(columns="run_id")) if len(frame)]
    return kept, conform(pd.concat(refused), QUARANTINE) if refused else empty(QUARANTINE)


def _refusals(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs from which nothing can be computed, and why.

    Parameters
    ----------
    runs : DataFrame
        Rows of table `runs`.

    Returns
    -------
    DataFrame
        `run_id`, `source_uri`, `source_record`, `reason_code`, `reason`.
    """
    counted = (runs["train_flop"] > 0) | tokens.tells_tokens(runs)
    # Tokens tell the time by an accelerator's peak; a run without one has none.
    refused = runs[~(duration.is_timed(runs) | (counted & (runs["gpu_count"] != 0)))]
    return pd.DataFrame(
        {
            "run_id": refused["run_id"],
            "source_uri": refused["source_uri"],
            "source_record": refused["source_record"],
            "reason_code": next(iter(UNCOMPUTABLE)),
            "reason": "run "
            + refused["run_id"].astype("str")
            + ": neither a time (reserved_s, active_s, or started_at and ended_at) nor tokens "
            "(tokens_padded, tokens_unpadded, train_flop, token_lengths with micro_batch_size, samples, "
            "or steps with micro_batch_size, gradient_accumulation and world_size, all above 0; they "
            "tell the time of runs on accelerators only) are known; disclose one of them, or map "
            "another log of the run to it in runs.yaml",
        }
    )


def _guessed_identities(provenance: pd.DataFrame, reference: ref.Reference) -> pd.DataFrame:
    """Widen factors by what is open about the identity by which they were looked up.

    A guessed accelerator, server or country could be any, so the spread over all of them comes on
    top; a name that covers several variants (PCIe or SXM) adds the spread over these.
    """
    changed = provenance.copy()
    for field, identity in IDENTITY_OF.items():
        of = changed[changed["field"] == identity].set_index("run_id")
        rows = changed.index[(changed["field"] == field) & (changed["rule"] != "as_logged")]
        run_id = changed.loc[rows, "run_id"]
        guessed = run_id.map(of["basis"]).isin(IMPUTED).to_numpy()
        vague = (
            run_id.map(of["rule"])
            .astype("str")
            .str.endswith("_name_ambiguous")
            .to_numpy(dtype=bool)
        )
        # The others keep theirs to the last digit: on its way through a logarithm it would change.
        doubtful = guessed | vague
        if not doubtful.any():
            continue
        rows, run_id, guessed, vague = (
            rows[doubtful],
            run_id[doubtful],
            guessed[doubtful],
            vague[doubtful],
        )
        wide, of_variants = _spreads_over(reference, field)
        variant = run_id.map(of["value"]).map(_variant_family).map(of_variants).fillna(0.0)
        extra = np.where(guessed, wide, np.where(vague, variant, 0.0))
        low, high = changed.loc[rows, "p05"], changed.loc[rows, "p95"]
        log_sd = np.hypot(uncertainty.log_sd_of_interval(low, high), extra)
        middle = np.sqrt((low * high).to_numpy(dtype=float))
        changed.loc[rows, "p05"], changed.loc[rows, "p95"] = uncertainty.interval(middle, log_sd)
        changed.loc[rows[guessed], "basis"] = "default"
    return changed


def _variant_family(identity: str) -> str:
    """Return what the variants of a device share: `A100` of `A100-SXM4-80GB`."""
    return str(identity).split("-", maxsplit=1)[0]


_COLUMN_OF = {
    "gpu_max_w": ("gpus", "tdp_w"),
    "gpu_idle_w": ("gpus", "idle_w"),
    "gpu_embodied_kgco2e": ("gpu_embodied", "embodied_kgco2e"),
    "gpu_embodied_water_l": ("gpu_water", "embodied_water_l"),
    "cpu_count": ("servers", "cpu_count"),
    "cpu_max_w": ("servers", "cpu_max_w"),
    "cpu_idle_w": ("servers", "cpu_idle_w"),
    "host_idle_w": ("servers", "host_idle_w"),
    "memory_w": ("servers", "memory_w"),
    "server_embodied_kgco2e": ("servers", "embodied_kgco2e"),
    "server_embodied_water_l": ("servers", "embodied_water_l"),
    "grid_kgco2e_per_kwh": ("grid_intensity", "gco2e_per_kwh"),
    "electricity_water_l_per_kwh": ("electricity_water", "l_per_kwh"),
}


def _spreads_over(reference: ref.Reference, field: str) -> tuple[float, pd.Series]:
    """Return a factor's log standard deviation over all devices or places, and by family."""
    table, column = _COLUMN_OF[field]
    rows = reference.tables[table]
    if "zone_type" in rows:
        rows = rows[rows["zone_type"] == "country"]
    if "year" in rows:
        rows = rows[rows["year"] == rows["year"].max()]
    if "rank" in rows:
        rows = rows[rows["rank"] == 1]
    logs = np.log(rows[column].where(rows[column] > 0))
    family = rows.iloc[:, 0].map(_variant_family)
    return float(logs.std()), logs.groupby(family).std()
