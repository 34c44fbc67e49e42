"""The shipped prior: its fit, and the errors of its fits without a laboratory.

Put here: the fit on published rates and the errors on those held out. Keep out: the comparison with
baselines and its page (`evaluate.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd

from ft_emissions_pipeline.reference import Reference, at_year, default, prior_file
from ft_emissions_pipeline.token_time import fit, power
from ft_emissions_pipeline.token_time.fit import quantile_of
from ft_emissions_pipeline.token_time.model import (
    GROUPS,
    HARDWARE_UNKNOWN,
    KNOWN,
    STACK_UNSEEN,
    TOKENS_UNKNOWN,
    WITHIN,
    Model,
    added_variance,
    ranges_of,
    to_json,
)
from ft_emissions_pipeline.token_time.own_runs import training_rates_hash
from ft_emissions_pipeline.token_time.throughput import NAMES, rate
from ft_emissions_pipeline.token_time.training_rates import (
    Rows,
    fit_power,
    power_rows,
    power_w,
    rated_rows,
    shares,
)
from ft_emissions_pipeline.token_time.workload import workload
from ft_emissions_pipeline.uncertainty import Z_95, Floats

ALL_EFFECTS = "all effects"

VARIANTS: dict[str, tuple[str, ...]] = {
    ALL_EFFECTS: (),
    "no offsets of software": ("software_",),
    "no offsets of generations": ("generation_",),
    "no effect of tuned recipes": ("tuned",),
}
"""Variants of the model among which held-out laboratories choose, by the coefficients that each
leaves out."""

MAD_TO_SD = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""


@dataclass(frozen=True)
class HeldOut:
    """Residuals of rows, measured over predicted on the log, by fits without their laboratory.

    `variance` is what unknown inputs, effects and extrapolation add.
    """

    table: pd.DataFrame
    residual: Floats
    variance: Floats


@dataclass(frozen=True)
class Interval:
    """Standard deviations within and between laboratories, and the half-width in their scale."""

    within: float
    between: float
    width: float

    def half_width(self, variance: Floats) -> Floats:
        """Return the half-width of the 90 % interval on the log."""
        return self.width * np.sqrt(self.within**2 + self.between**2 + variance)


def hidden(rows: Rows, group: str, reference: Reference) -> Rows:
    """Return the rows with something hidden, and the time by what is left.

    Hardware unknown: the commonest accelerator of the source's year stands in. Tokens unknown: the
    number of sequences is known, but neither their length nor the time per token; both are taken as
    usual.
    """
    table = rows.table
    if group == HARDWARE_UNKNOWN:
        table = on_common_hardware(table, reference)
        return Rows(table, workload(table, reference), rows.log_s)
    if group == STACK_UNSEEN:
        table = table.assign(software=pd.Series(pd.NA, index=table.index, dtype="str"))
        return Rows(table, workload(table, reference), rows.log_s)
    if group == TOKENS_UNKNOWN:
        told = table["sequence_length"].notna().to_numpy()
        rows = rows.at(told)
        table = rows.table.assign(sequence_length=np.nan)
        usual = default(reference, "sequence_length").value
        per_sequence = rows.log_s + np.log(rows.table["sequence_length"].to_numpy(dtype=float))
        return Rows(table, workload(table, reference), per_sequence - np.log(usual))
    return rows


def on_common_hardware(table: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    """Return the rows as if on the commonest accelerator of their source's year."""
    common = at_year(reference, "common_hardware", None, table["source_year"], "gpu_id")
    return table.assign(gpu_id=common["value"].to_numpy())


@lru_cache(maxsize=1)
def held_out(reference: Reference) -> dict[str, HeldOut]:
    """Return every row's residual by the fit without its laboratory, by group of what is known.

    The variant is chosen anew for each laboratory, by the others.
    """
    rows, common = rated_rows(reference), shares(reference)
    masked = {group: hidden(rows, group, reference) for group in GROUPS}
    found = {group: (np.zeros(len(m.log_s)), np.zeros(len(m.log_s))) for group, m in masked.items()}
    choose = chooser(rows, common)
    for laboratory in rows.table["laboratory"].unique():
        others = rows.at((rows.table["laboratory"] != laboratory).to_numpy())
        theta, sd = fitted(others, common, choose(laboratory))
        seen = ranges_of(others.work)
        for group, part in masked.items():
            at = (part.table["laboratory"] == laboratory).to_numpy()
            work = part.work.rows(at)
            predicted = rate(theta, work, common)
            residual, variance = found[group]
            residual[at] = part.log_s[at] - predicted.log_s
            variance[at], _ = added_variance(predicted, sd, seen, work)
    return {group: HeldOut(masked[group].table, *found[group]) for group in GROUPS}


def fitted(rows: Rows, common: dict[str, float], variant: str) -> tuple[Floats, Floats]:
    """Return the coefficients of a variant and their standard deviations."""
    return fit.coefficients(rows.work, rows.log_s, rows.weights, common, VARIANTS[variant])


def chooser(rows: Rows, common: dict[str, float]) -> Callable[[str | None], str]:
    """Return what chooses the variant without a laboratory, by the others' mean held-out error.

    Laboratories count equally, an error is the mean distance on the log; those with fine-tuning
    rows judge.
    """
    laboratory, tuned = rows.table["laboratory"].to_numpy(), finetuning(rows.table)
    judges = sorted(set(laboratory[tuned]))

    @cache
    def distances(variant: str, left_out: frozenset[str]) -> dict[str, float]:
        others = rows.at(~np.isin(laboratory, list(left_out)))
        theta, _ = fitted(others, common, variant)
        of = {name: tuned & (laboratory == name) for name in left_out}
        return {
            name: float(
                np.mean(np.abs(rows.log_s[at] - rate(theta, rows.work.rows(at), common).log_s)))
            for name, at in of.items() if at.any()
        }  # fmt: skip

    def choose(without: str | None) -> str:
        pairs = {name: frozenset({name, without or name}) for name in judges if name != without}
        error = {
            v: np.array([distances(v, pair)[name] for name, pair in pairs.items()])
            for v in VARIANTS
        }
        return surely_best(error)

    return choose


def surely_best(error: dict[str, Floats]) -> str:
    """Return the variant that errs least over laboratories, all effects where that is not sure.

    Notes
    -----
    Effects stay unless leaving some out gains more than the standard error of the gain (Hastie,
    Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.10).
    """
    best = min(error, key=lambda variant: float(error[variant].mean()))
    gain = error[ALL_EFFECTS] - error[best]
    sure = gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain))
    return best if sure else ALL_EFFECTS


def finetuning(table: pd.DataFrame) -> np.ndarray:
    """Say which rows are of fine-tuning and have tokens of their own."""
    return np.asarray((table["stage"] == "finetune") & ~table["tokens_assumed"])


LEVEL = 0.85
"""Coverage by which the interval is set where hardware and tokens are known, widened from there as
a normal distribution's: of fewer than ten laboratories the farthest one alone would set the 90 %
quantile."""
TO_COVERAGE = Z_95 / NormalDist().inv_cdf((1.0 + LEVEL) / 2.0)

NEXT_WEIGHT = {HARDWARE_UNKNOWN: 0.0, TOKENS_UNKNOWN: 1.0}
"""Weight of the row to come, in laboratories. All rows of one have much the same sequence length,
so where it is hidden a laboratory is one observation, and the next run comes from one not seen
yet."""


def interval_of(held: dict[str, HeldOut], group: str, without: str | None = None) -> Interval:
    """Return a group's spreads and half-width over fine-tuning rows; laboratories count equally.

    Parameters
    ----------
    held : dict
        Of `held_out`.
    group : str
        One of `GROUPS`.
    without : str, optional
        Leaves a laboratory out, as coverage on it must be judged.

    Notes
    -----
    Between: scaled median of the laboratories' median residuals. Within: root mean square of their
    scaled median deviations. Where hardware or tokens are hidden, the spreads are those of runs
    with both known.
    """
    spread_of = group if group in (KNOWN, STACK_UNSEEN) else KNOWN
    part = _judged(held[spread_of], without)
    by_laboratory = pd.Series(part.residual).groupby(part.table["laboratory"].to_numpy())
    centre = by_laboratory.median()
    apart = by_laboratory.agg(lambda rows: np.median(np.abs(rows - rows.median())))
    between = MAD_TO_SD * float(np.median(np.abs(centre)))
    within = MAD_TO_SD * float(np.sqrt(np.mean(apart**2)))
    part = _judged(held[group], without)
    score = np.abs(part.residual) / np.sqrt(within**2 + between**2 + part.variance)
    laboratories = part.table["laboratory"]
    equal = 1.0 / laboratories.groupby(laboratories).transform("count").to_numpy(dtype=float)
    if group == spread_of:
        width = TO_COVERAGE * quantile_of(score, equal, coverage=LEVEL)
    else:
        width = quantile_of(score, equal, next_weight=NEXT_WEIGHT[group])
    return Interval(within, between, width)


def _judged(part: HeldOut, without: str | None) -> HeldOut:
    keep = finetuning(part.table)
    if without is not None:
        keep = keep & (part.table["laboratory"] != without).to_numpy()
    return HeldOut(part.table[keep], part.residual[keep], part.variance[keep])


def half_widths(held: dict[str, HeldOut], group: str) -> Floats:
    """Return each row's half-width on the log, by an interval blind to its laboratory."""
    part = held[group]
    half = np.zeros(len(part.residual))
    for name in part.table["laboratory"].unique():
        at = (part.table["laboratory"] == name).to_numpy()
        half[at] = interval_of(held, group, name).half_width(part.variance[at])
    return half


def errors(
    residual: Floats, laboratories: pd.Series, half_width: Floats | None = None
) -> dict[str, float]:
    """Return errors of predictions in percent of what was measured.

    Parameters
    ----------
    residual : array
        Logarithm of measured over predicted.
    laboratories : Series
        Who measured each row.
    half_width : array, optional
        Of the interval, on the log.

    Returns
    -------
    dict
        The balanced median is that of rows of which each laboratory's together count as much as
        another's; the mean over laboratories is that of their medians.
    """
    relative = np.expm1(-residual)
    wrong = pd.Series(np.abs(relative))
    by_laboratory = wrong.groupby(laboratories.to_numpy())
    balanced = quantile_of(
        wrong.to_numpy(), 1.0 / by_laboratory.transform("count").to_numpy(dtype=float), coverage=0.5
    )
    found = {
        "rows": float(len(residual)),
        "laboratories": float(by_laboratory.ngroups),
        "median_error_percent": 100.0 * float(wrong.median()),
        "balanced_median_error_percent": 100.0 * balanced,
        "mean_of_laboratories_error_percent": 100.0 * float(by_laboratory.median().mean()),
        "p90_error_percent": 100.0 * float(wrong.quantile(0.9)),
        "median_factor": float(np.exp(np.median(np.abs(residual)))),
        "bias_percent": 100.0 * float(np.median(relative)),
    }
    if half_width is not None:
        inside = pd.Series(np.abs(residual) <= half_width)
        found["coverage_percent"] = 100.0 * float(inside.mean())
        found["coverage_by_laboratory_percent"] = 100.0 * float(
            inside.groupby(laboratories.to_numpy()).mean().mean()
        )
        found["mean_width_factor"] = float(np.exp(2.0 * half_width.mean()))
    return found


def errors_of(held: dict[str, HeldOut], group: str) -> dict[str, float]:
    """Return the errors of one group of held-out fits."""
    part = held[group]
    tuned = finetuning(part.table)
    half = half_widths(held, group)
    return errors(part.residual[tuned], part.table["laboratory"][tuned], half[tuned])


def fit_prior(reference: Reference) -> Model:
    """Return the prior: coefficients from all rows, intervals from held-out ones."""
    rows, common = rated_rows(reference), shares(reference)
    variant = chooser(rows, common)(None)
    theta, sd = fitted(rows, common, variant)
    held = held_out(reference)
    intervals = {group: interval_of(held, group) for group in GROUPS}
    powers = power_rows(reference)
    log_power = fit_power(powers, theta, reference)
    predicted_w = power_w(log_power, powers, theta, reference)
    residual = np.log(powers["mean_gpu_power_w"].to_numpy(dtype=float) / predicted_w)
    tuned = finetuning(held[KNOWN].table)
    return Model(
        coefficients={name: _rounded(value) for name, value in zip(NAMES, theta, strict=True)},
        coefficient_sd={name: _rounded(value) for name, value in zip(NAMES, sd, strict=True)},
        shares=common,
        spread={WITHIN: _rounded(intervals[KNOWN].within),
                **{group: _rounded(intervals[group].between) for group in (KNOWN, STACK_UNSEEN)}},
        widths={group: _rounded(found.width) for group, found in intervals.items()},
        power={"log_full": _rounded(log_power[0]), "log_exponent": _rounded(log_power[1]),
               "log_sd": _rounded(power.interval_width(residual) / Z_95)},
        ranges={name: (_rounded(low), _rounded(high))
                for name, (low, high) in ranges_of(rows.work).items()},
        training={
            "set": "reference_data/calibration.csv", "rows_hash": training_rates_hash(reference),
            "rows": len(rows.log_s), "power_rows": len(powers), "variant": variant,
            "laboratories": sorted(rows.table["laboratory"].unique()),
            "held_out": {name: round(value, 1) for name, value in errors_of(held, KNOWN).items()},
            "held_out_median_error_percent_by_laboratory": _by_laboratory(held[KNOWN], tuned),
        },
    )  # fmt: skip


def _by_laboratory(part: HeldOut, keep: np.ndarray) -> dict[str, float]:
    wrong = pd.Series(100.0 * np.abs(np.expm1(-part.residual[keep])))
    by_laboratory = wrong.groupby(part.table["laboratory"][keep].to_numpy()).median()
    return {str(name): round(float(value), 1) for name, value in by_laboratory.items()}


def _rounded(value: float) -> float:
    """Return as many digits as carry meaning, so that the artefact is the same on every machine."""
    return float(f"{value:.5g}")


def write_prior(reference: Reference) -> Path:
    """Fit the prior anew and write it where the package reads it; return the path."""
    path = prior_file()
    path.write_text(to_json(fit_prior(reference)), encoding="utf-8")
    return path
