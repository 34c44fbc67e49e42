"""The shipped prior: its fit, and the errors of its fits without a source.

Put here: the fit on published rates and the errors on those held out. Keep out: the comparison with
baselines and its page (`evaluate.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ft_emissions_pipeline.reference import Reference, at_year, default, prior_file
from ft_emissions_pipeline.token_time import fit, power
from ft_emissions_pipeline.token_time.fit import RESIDUAL_SD, quantile_of
from ft_emissions_pipeline.token_time.model import (
    EXTRAPOLATION_SD,
    GROUPS,
    HARDWARE_UNKNOWN,
    KNOWN,
    TOKENS_UNKNOWN,
    Model,
    distance,
    ranges_of,
    to_json,
)
from ft_emissions_pipeline.token_time.own_runs import training_rates_hash
from ft_emissions_pipeline.token_time.throughput import NAMES, rate
from ft_emissions_pipeline.token_time.training_rates import (
    Rows,
    fit_power,
    power_inputs,
    power_rows,
    rated_rows,
    shares,
)
from ft_emissions_pipeline.token_time.workload import workload
from ft_emissions_pipeline.uncertainty import Z_95, Floats


@dataclass(frozen=True)
class HeldOut:
    """Residuals of rows by fits that knew nothing of their source: measured over predicted, on the log."""

    table: pd.DataFrame
    residual: Floats
    scale: Floats

    @property
    def score(self) -> Floats:
        """Distance in units of the scale."""
        return np.abs(self.residual) / self.scale


def hidden(rows: Rows, group: str, reference: Reference) -> Rows:
    """Return the rows with something hidden, and the time by what is left.

    Hardware unknown: the commonest accelerator of the source's year stands in. Tokens unknown: the number
    of sequences is known, but neither their length nor the time per token; both are taken as usual.
    """
    table = rows.table
    if group == HARDWARE_UNKNOWN:
        common = at_year(reference, "common_hardware", None, table["source_year"], "gpu_id")
        table = table.assign(gpu_id=common["value"].to_numpy())
        return Rows(table, workload(table, reference), rows.log_s)
    if group == TOKENS_UNKNOWN:
        told = table["sequence_length"].notna().to_numpy()
        rows = rows.at(told)
        table = rows.table.assign(sequence_length=np.nan)
        usual = default(reference, "sequence_length").value
        per_sequence = rows.log_s + np.log(rows.table["sequence_length"].to_numpy(dtype=float))
        return Rows(table, workload(table, reference), per_sequence - np.log(usual))
    return rows


def held_out(reference: Reference) -> dict[str, HeldOut]:
    """Return every row's residual by the fit that left its source out, by group of what is known."""
    rows, common = rated_rows(reference), shares(reference)
    masked = {group: hidden(rows, group, reference) for group in GROUPS}
    found = {group: (np.zeros(len(m.log_s)), np.zeros(len(m.log_s))) for group, m in masked.items()}
    for source in rows.table["source_key"].unique():
        others = rows.at((rows.table["source_key"] != source).to_numpy())
        theta, _ = fit.coefficients(others.work, others.log_s, others.weights, common)
        seen = ranges_of(others.work)
        for group, part in masked.items():
            at = (part.table["source_key"] == source).to_numpy()
            residual, scale = found[group]
            residual[at], scale[at] = _residual(theta, part, at, common, seen)
    return {group: HeldOut(masked[group].table, *found[group]) for group in GROUPS}


def _residual(
    theta: Floats,
    rows: Rows,
    at: np.ndarray,
    common: dict[str, float],
    seen: dict[str, tuple[float, float]],
) -> tuple[Floats, Floats]:
    work = rows.work.rows(at)
    predicted = rate(theta, work, common)
    far, _ = distance(seen, work)
    variance = RESIDUAL_SD**2 + predicted.variance + (EXTRAPOLATION_SD * far) ** 2
    return rows.log_s[at] - predicted.log_s, np.sqrt(variance)


def finetuning(table: pd.DataFrame) -> np.ndarray:
    """Say which rows are of fine-tuning and have tokens of their own."""
    return np.asarray((table["stage"] == "finetune") & ~table["tokens_assumed"])


NEXT_WEIGHT = {KNOWN: 0.0, HARDWARE_UNKNOWN: 0.0, TOKENS_UNKNOWN: 1.0}
"""Weight of the row to come, in sources. All rows of a source have much the same sequence length, so where
it is hidden a source is one observation, and the next run comes from a source not seen yet."""


def width_of(held: dict[str, HeldOut], group: str, without: str | None = None) -> float:
    """Return a group's conformal half-width in units of scale, over fine-tuning rows.

    Sources count equally; `without` leaves one out, as coverage on that source must be judged.
    """
    part = held[group]
    keep = (part.table["stage"] == "finetune").to_numpy()
    if without is not None:
        keep = keep & (part.table["source_key"] != without).to_numpy()
    sources = part.table["source_key"][keep]
    equal = 1.0 / sources.groupby(sources).transform("count").to_numpy(dtype=float)
    return quantile_of(part.score[keep], equal, next_weight=NEXT_WEIGHT[group])


def errors(
    residual: Floats, half_width: Floats | None = None, sources: pd.Series | None = None
) -> dict[str, float]:
    """Return errors of predictions in percent of what was measured.

    Parameters
    ----------
    residual : array
        Logarithm of measured over predicted.
    half_width : array, optional
        Of the interval, on the log.
    sources : Series, optional
        For coverage with sources counted equally.
    """
    relative = np.expm1(-residual)
    found = {
        "rows": float(len(residual)),
        "median_error_percent": 100.0 * float(np.median(np.abs(relative))),
        "p90_error_percent": 100.0 * float(np.quantile(np.abs(relative), 0.9)),
        "bias_percent": 100.0 * float(np.median(relative)),
    }
    if half_width is not None:
        inside = np.abs(residual) <= half_width
        found["coverage_percent"] = 100.0 * float(inside.mean())
        if sources is not None:
            by_source = pd.Series(inside).groupby(sources.to_numpy()).mean()
            found["coverage_by_source_percent"] = 100.0 * float(by_source.mean())
        found["mean_width_factor"] = float(np.exp(2.0 * half_width.mean()))
    return found


def errors_of(held: dict[str, HeldOut], group: str) -> dict[str, float]:
    """Return the errors of one group of held-out fits."""
    part = held[group]
    tuned = finetuning(part.table)
    sources = part.table["source_key"]
    width = sources.map({name: width_of(held, group, name) for name in sources.unique()})
    half = width.to_numpy(dtype=float) * part.scale
    return errors(part.residual[tuned], half[tuned], sources[tuned])


def fit_prior(reference: Reference) -> Model:
    """Return the prior: coefficients from all rows, intervals from held-out ones."""
    rows, common = rated_rows(reference), shares(reference)
    theta, sd = fit.coefficients(rows.work, rows.log_s, rows.weights, common)
    held = held_out(reference)
    powers = power_rows(reference)
    measured, busy, idle = power_inputs(powers, theta, reference)
    log_power = fit_power(powers, theta, reference)
    residual = np.log(measured / power.share_of_tdp(log_power, busy, idle))
    tuned = finetuning(held[KNOWN].table)
    return Model(
        coefficients={name: _rounded(value) for name, value in zip(NAMES, theta, strict=True)},
        coefficient_sd={name: _rounded(value) for name, value in zip(NAMES, sd, strict=True)},
        shares=common,
        widths={group: _rounded(width_of(held, group)) for group in GROUPS},
        power={"log_full": _rounded(log_power[0]), "log_exponent": _rounded(log_power[1]),
               "log_sd": _rounded(power.interval_width(residual) / Z_95)},
        ranges={name: (_rounded(low), _rounded(high)) for name, (low, high) in ranges_of(rows.work).items()},
        training={
            "set": "reference_data/calibration.csv", "rows_hash": training_rates_hash(reference),
            "rows": len(rows.log_s), "power_rows": len(powers),
            "sources": sorted(rows.table["source_key"].unique()),
            "held_out": {name: round(value, 1) for name, value in errors_of(held, KNOWN).items()},
            "held_out_median_error_percent_by_source": _by_source(held[KNOWN], tuned),
        },
    )  # fmt: skip


def _by_source(part: HeldOut, keep: np.ndarray) -> dict[str, float]:
    wrong = pd.Series(100.0 * np.abs(np.expm1(-part.residual[keep])))
    by_source = wrong.groupby(part.table["source_key"][keep].to_numpy()).median()
    return {str(name): round(float(value), 1) for name, value in by_source.items()}


def _rounded(value: float) -> float:
    """Return as many digits as carry meaning, so that the artefact is the same on every machine."""
    return float(f"{value:.5g}")


def write_prior(reference: Reference) -> Path:
    """Fit the prior anew and write it where the package reads it; return the path."""
    path = prior_file()
    path.write_text(to_json(fit_prior(reference)), encoding="utf-8")
    return path
