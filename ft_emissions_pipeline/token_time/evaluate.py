"""How wrong the model is on rows that it has not seen, beside simpler ones on the same rows.

Put here: leave-one-source-out predictions, the errors of them, baselines, what rows of a source teach about its
others, the tables. Keep out: fits
(`fit.py`), and what enters them (`training_rates.py`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ft_emissions_pipeline.reference import Reference, take
from ft_emissions_pipeline.token_time import fit, power
from ft_emissions_pipeline.token_time.flops import PARAMETER_PASSES, passes
from ft_emissions_pipeline.token_time.model import (
    HARDWARE_UNKNOWN,
    KNOWN,
    TOKENS_UNKNOWN,
    Model,
    packaged,
    predict,
    ranges_of,
)
from ft_emissions_pipeline.token_time.own_runs import ENOUGH, MEMBERS, teach
from ft_emissions_pipeline.token_time.prior import (
    HeldOut,
    errors,
    errors_of,
    finetuning,
    held_out,
    width_of,
)
from ft_emissions_pipeline.token_time.throughput import NAMES
from ft_emissions_pipeline.token_time.training_rates import (
    Rows,
    fit_power,
    power_inputs,
    power_rows,
    rated_rows,
    shares,
)
from ft_emissions_pipeline.token_time.workload import Workload
from ft_emissions_pipeline.uncertainty import Floats

OPEN_CARBON_EVAL = {
    "V100": (-0.17262738395120092, 10.469236477138125),
    "A100-SXM4-40GB": (24.58885476652223, 37.971324077627784),
    "A100": (36.11288426582052, 50.50578258708355),
    "H100": (100.0, 110.0),
}
"""log10 alpha, low and high, by accelerator: OpenCarbonEval (arXiv:2405.12843), data/model_emission.csv."""


def evaluate(reference: Reference) -> pd.DataFrame:
    """Return the errors of the model and of baselines, on rows of sources that each did not see.

    Returns
    -------
    DataFrame
        quantity, predictor, rows, median_error_percent, p90_error_percent, bias_percent, and for the model
        coverage_percent, coverage_by_source_percent, mean_width_factor.
    """
    held = held_out(reference)
    lines = [
        {"quantity": f"time, {text}", "predictor": "this model", **errors_of(held, group)}
        for group, text in (
            (KNOWN, "hardware and method known"),
            (HARDWARE_UNKNOWN, "hardware unknown"),
            (TOKENS_UNKNOWN, "tokens unknown"),
        )
    ]
    known = held[KNOWN]
    tuned = finetuning(known.table)
    for name, residual in _time_baselines(known.table, reference).items():
        lines.append(
            {"quantity": lines[0]["quantity"], "predictor": name, **errors(residual[tuned])}
        )
    lines += energy_errors(held, reference)
    return pd.DataFrame(lines)


def _flop_of(work: Workload, table: pd.DataFrame) -> Floats:
    """Return operations per token as the baselines count them: 2 N per pass, without attention."""
    return passes(table["method"], PARAMETER_PASSES) * work.forward_parameters


def _time_baselines(table: pd.DataFrame, reference: Reference) -> dict[str, Floats]:
    """Return residuals of simpler predictors on the same rows, each source left out of its own."""
    rows = rated_rows(reference)
    reached = -rows.log_s + np.log(_flop_of(rows.work, rows.table) / rows.work.peak_16bit)
    tuned = finetuning(table)
    constant = np.zeros(len(table))
    for source in table["source_key"].unique():
        at = (table["source_key"] == source).to_numpy()
        constant[at] = np.median(reached[tuned & ~at]) - reached[at]
    return {"constant MFU": constant, "OpenCarbonEval": _open_carbon_eval(rows)}


def _open_carbon_eval(rows: Rows) -> Floats:
    """Return residuals of OpenCarbonEval for the work that each accelerator did in an hour.

    It solves T (ln alpha + ln T - 1) = C for seconds T, with C in TFLOP; the result is the mean over
    the low and high alpha of the accelerator, or of the one in its table whose peak is nearest.
    """
    gpu = rows.table["gpu_id"]
    nearest = np.select(
        [gpu == "A100-SXM4-40GB", gpu.str.startswith("A100"), rows.work.peak_16bit < 2e14, rows.work.peak_16bit < 5e14],
        ["A100-SXM4-40GB", "A100", "V100", "A100"], default="H100",
    )  # fmt: skip
    hour = 3600.0
    work = _flop_of(rows.work, rows.table) * hour / np.exp(rows.log_s) / 1e12
    predicted = np.zeros(len(gpu))
    for side in (0, 1):
        log_alpha = np.log(10.0) * np.array([OPEN_CARBON_EVAL[name][side] for name in nearest])
        seconds = np.full(len(gpu), hour)
        for _ in range(50):
            seconds = work / np.maximum(log_alpha + np.log(seconds) - 1.0, 1e-3)
        predicted += seconds / 2.0
    return np.log(hour / predicted)


def energy_errors(held: dict[str, HeldOut], reference: Reference) -> list[dict[str, object]]:
    """Return errors of the accelerators' energy: with the time logged, and with it predicted too.

    One source alone tells power, so a fold is an accelerator of it: the power model never saw the
    accelerator it is judged on, the time model never saw the source.
    """
    rows, common = power_rows(reference), rated_rows(reference)
    residual, tdp = np.zeros(len(rows)), np.zeros(len(rows))
    half = np.zeros(len(rows))
    for source in rows["source_key"].unique():
        others = common.at((common.table["source_key"] != source).to_numpy())
        theta, _ = fit.coefficients(others.work, others.log_s, others.weights, shares(reference))
        measured, busy, idle = power_inputs(rows, theta, reference)
        tdp = np.log(measured)
        for gpu in rows["gpu_id"].unique():
            at = (rows["gpu_id"] == gpu).to_numpy()
            seen = fit_power(rows[~at].reset_index(drop=True), theta, reference)
            residual[at] = np.log(measured[at] / power.share_of_tdp(seen, busy[at], idle[at]))
            half[at] = power.interval_width(
                np.log(measured[~at] / power.share_of_tdp(seen, busy[~at], idle[~at]))
            )
    known = held[KNOWN]
    timed = rows["row_id"].isin(known.table["row_id"]).to_numpy()
    place = pd.Index(known.table["row_id"]).get_indexer(rows["row_id"][timed])
    time_residual = known.residual[place]
    width = (
        np.array([width_of(held, KNOWN, name) for name in known.table["source_key"].iloc[place]])
        * known.scale[place]
    )
    baselines = _time_baselines(known.table, reference)
    logged, predicted = "GPU energy, time logged", "GPU energy, time predicted"
    return [
        {"quantity": logged, "predictor": "this model", **errors(residual, half)},
        {"quantity": logged, "predictor": "TDP x hours", **errors(tdp)},
        {"quantity": predicted, "predictor": "this model",
         **errors(residual[timed] + time_residual, np.hypot(half[timed], width))},
        *({"quantity": predicted, "predictor": f"{name} x TDP", **errors(tdp[timed] + baseline[place])}
          for name, baseline in baselines.items()),
    ]  # fmt: skip


TRIALS = 10


LEAST_OTHERS = 5
"""Rows of a source that must be left to judge what its others taught."""


def own_run_trials(reference: Reference) -> pd.DataFrame:
    """Return the errors on rows of a source without and with others of it, drawn at random, as own runs.

    Returns
    -------
    DataFrame
        source, given, left (rows of each draw), in_force (share of draws whose offsets were promoted; what is not
        changes nothing, as in use), `without_` and `with_` with the figures of `errors` over what was left, all
        draws together; once with `ENOUGH` rows given and once with half of them. No fit has seen the source. A
        source that has too few rows has no figures.
    """
    everything = rated_rows(reference)
    models = take(reference, "models", everything.table["model_id"], ["family"])
    table = everything.table.assign(
        run_id=everything.table["row_id"], model_name=everything.table["base_model"],
        family=models["family"], tokens=1.0,
        active_s=np.exp(everything.log_s) / everything.table["gpu_count"],
    )  # fmt: skip
    everything, tuned, lines = replace(everything, table=table), finetuning(table), []
    for source in sorted(table["source_key"][tuned].unique()):
        of_source = (table["source_key"] == source).to_numpy()
        others, here = everything.at(~of_source), everything.at(of_source & tuned)
        theta, _ = fit.coefficients(others.work, others.log_s, others.weights, shares(reference))
        named = dict(zip(NAMES, theta.tolist(), strict=True))
        unseen = replace(packaged(), coefficients=named, ranges=ranges_of(others.work))
        for given in (ENOUGH, len(here.table) // 2):
            left = len(here.table) - given
            found = _trial(unseen, here, given, reference) if left >= LEAST_OTHERS else {}
            lines.append({"source": source, "given": given, "left": left, **found})
    return pd.DataFrame(lines)


def _trial(unseen: Model, rows: Rows, given: int, reference: Reference) -> dict[str, float]:
    draw, residuals, promoted = np.random.default_rng(0), [], []
    for _ in range(TRIALS):
        own = draw.permutation(len(rows.table)) < given
        taught, better = teach(unseen, rows.table[own], reference)
        left = rows.at(~own)
        members = {name: left.table[name] for name in MEMBERS}
        residuals.append([
            left.log_s - predict(model, left.work, members=members).log_s
            for model in (unseen, taught if better else unseen)
        ])  # fmt: skip
        promoted.append(better)
    found = {"in_force": float(np.mean(promoted))}
    for name, residual in zip(("without", "with"), np.hstack(residuals), strict=True):
        found |= {f"{name}_{figure}": value for figure, value in errors(residual).items()}
    return found


def _whole(value: float) -> str:
    return f"{round(value) + 0.0:.0f}"  # never -0


def own_runs_markdown(trials: pd.DataFrame) -> str:
    """Return trials as a table of Markdown, and how many had too few rows."""
    heads = ["source", "own rows", "other rows", "in force"]
    figures = ("median_error", "p90_error", "bias")
    heads += [f"{name.replace('_', ' ')} without, with" for name in figures]
    lines = [" | ".join(heads), " | ".join(["---"] * len(heads))]
    told = trials.dropna(subset=["in_force"])
    for row in told.to_dict("records"):
        cells = [
            row["source"],
            str(row["given"]),
            str(row["left"]),
            f"{100 * row['in_force']:.0f} %",
        ]
        cells += [
            f"{_whole(row[f'without_{name}_percent'])} %, {_whole(row[f'with_{name}_percent'])} %"
            for name in figures
        ]
        lines.append(" | ".join(cells))
    few = trials[trials["in_force"].isna()]
    enough = (few["given"] == ENOUGH).sum()
    return (
        "\n".join(f"| {line} |" for line in lines)
        + f"\n\nLeft out for fewer than {LEAST_OTHERS} other rows: {enough} of"
        f" {trials['source'].nunique()} sources with {ENOUGH} own rows, {len(few) - enough} with half of them.\n"
    )


def markdown(table: pd.DataFrame) -> str:
    """Return the errors as a table of Markdown."""
    heads = ["what", "predictor", "rows", "median error", "p90 error", "bias", "90 % coverage",
             "coverage, sources equal", "mean width"]  # fmt: skip
    lines = [" | ".join(heads), " | ".join(["---"] * len(heads))]
    for row in table.to_dict("records"):
        cells = [row["quantity"], row["predictor"], f"{row['rows']:.0f}"]
        cells += [
            f"{_whole(row[f'{name}_percent'])} %" for name in ("median_error", "p90_error", "bias")
        ]
        cells += [
            "" if np.isnan(row[name]) else form.format(row[name])
            for name, form in (
                ("coverage_percent", "{:.0f} %"), ("coverage_by_source_percent", "{:.0f} %"),
                ("mean_width_factor", "{:.1f} x"),
            )
        ]  # fmt: skip
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines) + "\n"
