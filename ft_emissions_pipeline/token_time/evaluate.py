"""How wrong the model is on rows that it has not seen, beside simpler ones on the same rows.

Put here: baselines on the same folds, errors of energy, what rows of a laboratory teach about its
others, the tables. Keep out: fits (`fit.py`), held-out predictions (`prior.py`), and what enters
them (`training_rates.py`).
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
    STACK_UNSEEN,
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
    half_widths,
    held_out,
    on_common_hardware,
)
from ft_emissions_pipeline.token_time.throughput import NAMES
from ft_emissions_pipeline.token_time.training_rates import (
    Rows,
    fit_power,
    power_rows,
    power_w,
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
"""log10 alpha, low and high, by accelerator: OpenCarbonEval (arXiv:2405.12843),
data/model_emission.csv."""


def evaluate(reference: Reference) -> pd.DataFrame:
    """Return the errors of the model and of baselines on laboratories that each did not see.

    Returns
    -------
    DataFrame
        quantity, predictor, and the figures of `prior.errors`; those of intervals for the model
        alone.
    """
    held = held_out(reference)
    lines = [
        {"quantity": f"time, {text}", "predictor": "this model", **errors_of(held, group)}
        for group, text in (
            (KNOWN, "hardware, method, software known"),
            (STACK_UNSEEN, "software unknown"),
            (HARDWARE_UNKNOWN, "hardware unknown"),
            (TOKENS_UNKNOWN, "tokens unknown"),
        )
    ]
    table = held[KNOWN].table
    tuned = finetuning(table)
    for name, residual in _time_baselines(table, reference).items():
        found = errors(residual[tuned], table["laboratory"][tuned])
        lines.append({"quantity": lines[0]["quantity"], "predictor": name, **found})
    return pd.DataFrame(lines + energy_errors(held, reference))


def _flop_of(work: Workload, table: pd.DataFrame) -> Floats:
    """Return operations per token as the baselines count them: 2 N per pass, without attention."""
    return passes(table["method"], PARAMETER_PASSES) * work.forward_parameters


def _time_baselines(table: pd.DataFrame, reference: Reference) -> dict[str, Floats]:
    """Return residuals of simpler predictors on the same rows, by fits without the laboratory."""
    rows = rated_rows(reference)
    reached = -rows.log_s + np.log(_flop_of(rows.work, rows.table) / rows.work.peak_16bit)
    tuned = finetuning(table)
    constant = np.zeros(len(table))
    for laboratory in table["laboratory"].unique():
        at = (table["laboratory"] == laboratory).to_numpy()
        constant[at] = np.median(reached[tuned & ~at]) - reached[at]
    return {"constant MFU": constant, "OpenCarbonEval": _open_carbon_eval(rows)}


def _open_carbon_eval(rows: Rows) -> Floats:
    """Return residuals of OpenCarbonEval for the work that each accelerator did in an hour.

    It solves T (ln alpha + ln T - 1) = C for seconds T, with C in TFLOP; the result is the mean
    over the low and high alpha of the accelerator, or of the one in its table whose peak is
    nearest.
    """
    gpu = rows.table["gpu_id"]
    nearest = np.select(
        [gpu == "A100-SXM4-40GB", gpu.str.startswith("A100"), rows.work.peak_16bit < 2e14,
         rows.work.peak_16bit < 5e14],
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
    """Return errors of accelerators' energy: time logged, time predicted, and hardware unknown.

    Neither model has seen the laboratory. Where hardware and time are unknown, energy is measured
    in too few rows; there the time is measured, and the power of the true accelerator is the
    model's.
    """
    rows, rates, known = power_rows(reference), rated_rows(reference), held[KNOWN]
    measured = np.log(rows["mean_gpu_power_w"].to_numpy(dtype=float))
    tdp = take(reference, "gpus", rows["gpu_id"], ["tdp_w"])["tdp_w"].to_numpy(dtype=float)
    residual, guessed, half = (np.zeros(len(rows)) for _ in range(3))
    unlike = np.zeros(len(rates.table))
    for laboratory in {*rows["laboratory"], *rates.table["laboratory"]}:
        others = rates.at((rates.table["laboratory"] != laboratory).to_numpy())
        theta, _ = fit.coefficients(others.work, others.log_s, others.weights, shares(reference))
        mine = (rows["laboratory"] == laboratory).to_numpy()
        law = fit_power(rows[~mine].reset_index(drop=True), theta, reference)

        def log_w(table: pd.DataFrame, law: Floats = law, theta: Floats = theta) -> Floats:
            return np.asarray(np.log(power_w(law, table, theta, reference)))

        residual[mine] = measured[mine] - log_w(rows[mine])
        guessed[mine] = measured[mine] - log_w(on_common_hardware(rows[mine], reference))
        half[mine] = power.interval_width(measured[~mine] - log_w(rows[~mine]))
        at = (rates.table["laboratory"] == laboratory).to_numpy()
        here = rates.table[at]
        unlike[at] = log_w(here) - log_w(on_common_hardware(here, reference))
    timed = rows["row_id"].isin(known.table["row_id"]).to_numpy()
    place = pd.Index(known.table["row_id"]).get_indexer(rows["row_id"][timed])
    time_residual, width = known.residual[place], half_widths(held, KNOWN)[place]
    of, of_timed = rows["laboratory"], rows["laboratory"][timed]
    tuned = finetuning(rates.table)
    energy = held[HARDWARE_UNKNOWN].residual + unlike
    logged, predicted = "GPU energy, time logged", "GPU energy, time predicted"
    return [
        {"quantity": logged, "predictor": "this model", **errors(residual, of, half)},
        {"quantity": logged, "predictor": "TDP x hours", **errors(measured - np.log(tdp), of)},
        {"quantity": f"{logged}, hardware unknown", "predictor": "this model",
         **errors(guessed, of)},
        {"quantity": "GPU energy, hardware and time unknown", "predictor": "this model",
         **errors(energy[tuned], rates.table["laboratory"][tuned])},
        {"quantity": predicted, "predictor": "this model",
         **errors(residual[timed] + time_residual, of_timed, np.hypot(half[timed], width))},
        *({"quantity": predicted, "predictor": f"{name} x TDP",
           **errors((measured - np.log(tdp))[timed] + baseline[place], of_timed)}
          for name, baseline in _time_baselines(known.table, reference).items()),
    ]  # fmt: skip


TRIALS = 10

LEAST_OTHERS = 5
"""Rows of a laboratory that must be left to judge what its others taught."""


def own_run_trials(reference: Reference) -> pd.DataFrame:
    """Return errors on rows of a laboratory without and with others of it, drawn, as own runs.

    Returns
    -------
    DataFrame
        laboratory, given, left (rows of each draw), in_force (share of draws whose offsets were
        promoted; what is not changes nothing, as in use), `without_` and `with_` with the figures
        of `errors` over what was left, all draws together; once with `ENOUGH` rows given and once
        with half of them. No fit has seen the laboratory. A laboratory that has too few rows has no
        figures.
    """
    everything = rated_rows(reference)
    models = take(reference, "models", everything.table["model_id"], ["family"])
    table = everything.table.assign(
        run_id=everything.table["row_id"], model_name=everything.table["base_model"],
        family=models["family"], tokens=1.0,
        active_s=np.exp(everything.log_s) / everything.table["gpu_count"],
    )  # fmt: skip
    everything, tuned, lines = replace(everything, table=table), finetuning(table), []
    for laboratory in sorted(table["laboratory"][tuned].unique()):
        of_it = (table["laboratory"] == laboratory).to_numpy()
        others, here = everything.at(~of_it), everything.at(of_it & tuned)
        fitted = fit.coefficients(others.work, others.log_s, others.weights, shares(reference))
        theta, sd = (dict(zip(NAMES, values.tolist(), strict=True)) for values in fitted)
        unseen = replace(
            packaged(), coefficients=theta, coefficient_sd=sd, ranges=ranges_of(others.work)
        )
        for given in (ENOUGH, len(here.table) // 2):
            left = len(here.table) - given
            found = _trial(unseen, here, given, reference) if left >= LEAST_OTHERS else {}
            lines.append({"laboratory": laboratory, "given": given, "left": left, **found})
    return pd.DataFrame(lines)


def _trial(unseen: Model, rows: Rows, given: int, reference: Reference) -> dict[str, float]:
    draw, residuals, promoted, names = np.random.default_rng(0), [], [], []
    for _ in range(TRIALS):
        own = draw.permutation(len(rows.table)) < given
        taught, better = teach(unseen, rows.table[own], reference)
        left = rows.at(~own)
        members = {name: left.table[name] for name in MEMBERS}
        names.append(left.table["laboratory"])
        residuals.append([
            left.log_s - predict(model, left.work, members=members).log_s
            for model in (unseen, taught if better else unseen)
        ])  # fmt: skip
        promoted.append(better)
    found, rows_of = {"in_force": float(np.mean(promoted))}, pd.concat(names, ignore_index=True)
    for name, residual in zip(("without", "with"), np.hstack(residuals), strict=True):
        found |= {f"{name}_{figure}": value for figure, value in errors(residual, rows_of).items()}
    return found


def _whole(value: float) -> str:
    return f"{round(value) + 0.0:.0f}"  # never -0


def own_runs_markdown(trials: pd.DataFrame) -> str:
    """Return trials as a table of Markdown, and how many had too few rows."""
    figures = ("median_error", "p90_error", "bias")
    heads = ["laboratory", "own rows", "other rows", "in force"]
    heads += [f"{name.replace('_', ' ')} without, with" for name in figures]
    rows = []
    for row in trials.dropna(subset=["in_force"]).to_dict("records"):
        in_force = f"{100 * row['in_force']:.0f} %"
        told = (
            f"{_whole(row[f'without_{name}_percent'])} %, {_whole(row[f'with_{name}_percent'])} %"
            for name in figures
        )
        rows.append([row["laboratory"], str(row["given"]), str(row["left"]), in_force, *told])
    few = trials[trials["in_force"].isna()]
    enough = (few["given"] == ENOUGH).sum()
    return (
        _table(heads, rows) + f"\nLeft out for fewer than {LEAST_OTHERS} other rows: {enough} of"
        f" {trials['laboratory'].nunique()} laboratories with {ENOUGH} own rows, "
        f"{len(few) - enough} with half of them.\n"
    )


_SHOWN = (
    ("rows", "rows", "{:.0f}"),
    ("laboratories", "laboratories", "{:.0f}"),
    ("median_error_percent", "median error", "{:.0f} %"),
    ("balanced_median_error_percent", "balanced median", "{:.0f} %"),
    ("mean_of_laboratories_error_percent", "mean of laboratories", "{:.0f} %"),
    ("p90_error_percent", "p90 error", "{:.0f} %"),
    ("median_factor", "median factor", "{:.2f} x"),
    ("bias_percent", "bias", "{:.0f} %"),
    ("coverage_percent", "90 % coverage", "{:.0f} %"),
    ("coverage_by_laboratory_percent", "coverage, laboratories equal", "{:.0f} %"),
    ("mean_width_factor", "mean width", "{:.1f} x"),
)
"""Figures of `prior.errors`, with head and form of their column."""


def markdown(table: pd.DataFrame) -> str:
    """Return the errors as a table of Markdown."""
    heads = ["what", "predictor", *(head for _, head, _ in _SHOWN)]
    rows = []
    for row in table.to_dict("records"):
        told = (
            "" if np.isnan(row[name]) else form.format(row[name]).replace("-0 %", "0 %")
            for name, _, form in _SHOWN
        )
        rows.append([row["quantity"], row["predictor"], *told])
    return _table(heads, rows)


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = (heads, ["---"] * len(heads), *rows)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
