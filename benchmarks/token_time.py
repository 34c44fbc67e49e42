"""Predicting, refitting and planning with the token-time model, against its goals.

Beside it stands a constant share of the peak in plain numpy, and beside `plan` the import of pandas
alone.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import Timed, best_of, peak_mb, table
from ft_emissions_pipeline import reference, token_time
from ft_emissions_pipeline.token_time import own_runs
from ft_emissions_pipeline.token_time.workload import Workload, workload

GOAL_PREDICTION_S, GOAL_PREDICTION_GB = 2.0, 1.0
"""Of 1 M runs with intervals, look-ups included."""

GOAL_REFIT_S = 5.0
"""On 10,000 own runs."""

GOAL_PLAN_S = 2.0
"""Of the whole command, the start of Python included."""

CONFIG = Path(__file__).resolve().parents[1] / "examples" / "plan" / "support_bot.yaml"


def many_runs(count: int, factors: reference.Reference) -> pd.DataFrame:
    """Return runs of mixed sizes, hardware and methods; a third leave the batch size open."""
    draw = np.random.default_rng(7)
    models = factors.tables["models"].dropna(subset=["parameters", "layers"])
    models = models[["model_id", "family", "parameters"]]
    chosen = models.iloc[draw.integers(0, len(models), count)].reset_index(drop=True)
    batch = draw.integers(1, 33, count).astype(float)
    batch[draw.random(count) < 1 / 3] = np.nan
    return pd.DataFrame(
        {
            "run_id": np.arange(count).astype(str),
            "model_name": pd.Series(draw.integers(0, 200, count)).astype(str),
            "date": pd.Timestamp("2024-07-01"),
            "model_id": chosen["model_id"],
            "family": chosen["family"],
            "parameters": chosen["parameters"],
            "method": draw.choice(["full", "lora", "qlora"], count),
            "precision": draw.choice(["bf16", "fp32"], count),
            "software": pd.Series(np.nan, index=range(count), dtype="str"),
            "gradient_checkpointing": draw.choice([0.0, 1.0], count),
            "sequence_length": draw.choice([256.0, 1024.0, 4096.0], count),
            "micro_batch_size": batch,
            "gradient_accumulation": 8.0,
            "gpu_id": draw.choice(["A100-SXM4-80GB", "H100-SXM5-80GB", "A10G"], count),
            "gpu_count": draw.choice([1.0, 8.0], count),
            "tokens": 10 ** draw.uniform(5, 9, count),
        }
    )


def started(*arguments: str) -> Timed:
    """Return what a Python process takes from its start to its end, the best of three."""

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def once() -> Timed:
        before = spent()
        command = [sys.executable, *arguments]
        wall = best_of(1, lambda: subprocess.run(command, check=True, capture_output=True)).wall_s
        return Timed(wall, spent() - before)

    return min((once() for _ in range(3)), key=lambda timed: timed.cpu_s)


def plans() -> list[tuple[str, ...]]:
    """Return the rows on `plan`: in a process that has begun, and as a command."""
    from ft_emissions_pipeline.analysis.plan import plan

    pandas = started("-c", "import pandas")
    given = (str(CONFIG), "--examples", "20000", "--tokens-per-example", "300", "--gpu", "A100")
    command = started("-m", "ft_emissions_pipeline", "plan", *given)
    inside = best_of(
        3, lambda: plan(CONFIG, examples=2e4, tokens_per_example=300, gpu="A100")
    )  # the first call reads the factor tables
    return [
        ("", "wall s", "CPU s", "x pandas", "goal s", "of the goal"),
        *(
            (name, f"{each.wall_s:.2f}", f"{each.cpu_s:.2f}", f"{each.cpu_s / pandas.cpu_s:.1f}",
             *(("", "") if goal is None else (f"{goal:.2f}", f"{each.wall_s / goal:.0%}")))
            for name, each, goal in (
                ("import of pandas alone", pandas, None),
                ("plan, in a process under way", inside, None),
                ("ft-emissions plan", command, GOAL_PLAN_S),
            )
        ),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--own", type=int, default=10_000)
    options = parser.parse_args()
    factors, prior = reference.load(), token_time.packaged()
    runs = many_runs(options.runs, factors)
    own = runs.head(options.own)
    right = token_time.predict(prior, workload(own, factors))
    noise = np.random.default_rng(8).standard_t(4, len(own)) * 0.2
    own = own.assign(active_s=own["tokens"] * np.exp(right.log_s + 0.3 + noise) / own["gpu_count"])
    refit = best_of(2, lambda: own_runs.teach(prior, own, factors))
    taught, _ = own_runs.teach(prior, own, factors)
    members = {name: runs[name] for name in own_runs.MEMBERS}
    tokens, gpus = runs["tokens"].to_numpy(), runs["gpu_count"].to_numpy()

    def predicted(work: Workload) -> np.ndarray:
        found = token_time.predict(taught, work, members=members)
        time_s = tokens * np.exp(found.log_s) / gpus
        half = np.exp(1.645 * found.log_sd)
        return np.stack([time_s, time_s / half, time_s * half])

    whole = best_of(3, lambda: predicted(workload(runs, factors)))
    used = peak_mb() / 1e3
    work = workload(runs, factors)

    def plain() -> np.ndarray:
        time_s = tokens * work.flop_parameters / (gpus * work.peak_16bit * 0.3)
        return np.stack([time_s, time_s / 2.0, time_s * 2.0])

    baseline = best_of(3, plain)
    rows = [("", "wall s", "CPU s", "x plain numpy", "goal s", "of the goal")]
    for name, spent, goal_s in (
        ("constant share of the peak, plain numpy", baseline, None),
        ("look-ups", best_of(3, lambda: workload(runs, factors)), None),
        ("prediction with intervals", best_of(3, lambda: predicted(work)), None),
        ("look-ups and prediction", whole, GOAL_PREDICTION_S),
        (f"refit on {len(own):,} own runs", refit, GOAL_REFIT_S),
    ):
        ratio = spent.cpu_s / baseline.cpu_s
        goal = ("", "") if goal_s is None else (f"{goal_s:.2f}", f"{spent.wall_s / goal_s:.0%}")
        rows.append((name, f"{spent.wall_s:.2f}", f"{spent.cpu_s:.2f}", f"{ratio:.0f}", *goal))
    table(
        f"{options.runs:,} runs; {used:.2f} GB at the peak, the runs included, goal"
        f" {GOAL_PREDICTION_GB:.2f} GB ({used / GOAL_PREDICTION_GB:.0%})",
        rows,
    )
    table("one configuration and its alternatives", plans())


if __name__ == "__main__":
    main()
