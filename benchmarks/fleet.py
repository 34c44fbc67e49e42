"""A fleet of few kinds and many runs: figures with intervals and provenance, beside plain pandas.

The baseline knows the factors of each kind beforehand: it merges them to the runs and multiplies,
without look-ups by name, rules, intervals, provenance or checks. Both must agree before any time is
shown.
"""

import argparse
import itertools

import numpy as np
import pandas as pd

import ft_emissions_pipeline as fte
from benchmarks.timing import best_of, peak_mb, table
from ft_emissions_pipeline import methodology, reference, stages
from ft_emissions_pipeline.normalize import accepted
from ft_emissions_pipeline.normalize.memory import memory_of

GPUS = ("A100-SXM4-80GB", "A100-SXM4-40GB", "H100-SXM5-80GB", "V100-SXM2-32GB", "NVIDIA A10G", "T4")
PLACES = ("us-west-2", "us-east-1", "eu-west-1", "eu-central-1", "ap-south-1")
MODELS = ("Llama 2 7B", "Llama-2-13b", "mixtral-8x7b", "bert-base-uncased")
COUNTS = (1, 4, 8)
KIND = ["gpu_model", "gpu_count", "cloud_region", "base_model"]
FACTORS = [
    "gpu_max_w", "gpu_idle_w", "cpu_count", "cpu_max_w", "cpu_idle_w", "server_count",
    "host_idle_w", "gpu_fan_w", "memory_w", "gpu_embodied_kgco2e", "server_embodied_kgco2e",
    "gpu_embodied_water_l", "server_embodied_water_l", "hardware_use_life_h", "share_reserved",
    "supply_efficiency", "pue", "wue_l_per_kwh", "grid_kgco2e_per_kwh",
    "electricity_water_l_per_kwh",
]  # fmt: skip
MADE = ["total_kgco2e", "total_water_l"]
HOUR_S, WATTS_PER_KW = 3600.0, 1000.0
ONE_S, THOUSAND_S = 0.02, 0.5
"""Goals, in CPU seconds, of one disclosure and of a thousand."""


def fleet(count: int) -> pd.DataFrame:
    """Return accepted runs: every kind in turn, with times and utilisations of their own."""
    kinds = itertools.product(GPUS, COUNTS, PLACES, MODELS)
    logged = [dict(zip(KIND, kind, strict=True)) for kind in kinds]
    day = {"cloud_provider": "aws", "ended_at": "2025-03-01T12:00:00Z"}
    amounts = {"reserved_s": 7200.0, "active_s": 7000.0, "gpu_utilization": 0.5,
               "cpu_utilization": 0.1}  # fmt: skip
    one_of_each, _, _ = stages.prepared([{**day, **amounts, **each} for each in logged])
    runs = one_of_each.iloc[np.arange(count) % len(one_of_each)].reset_index(drop=True)
    random = np.random.default_rng(1)
    reserved = random.uniform(600, 80_000, count)
    return accepted(
        runs.assign(
            run_id=[f"run-{number}" for number in range(count)],
            reserved_s=reserved,
            active_s=reserved * random.uniform(0.5, 1.0, count),
            gpu_utilization=random.uniform(0.2, 1.0, count),
            cpu_utilization=random.uniform(0.05, 0.5, count),
        )
    )[0]


def plain(runs: pd.DataFrame, factors: pd.DataFrame) -> pd.DataFrame:
    """Return the totals by plain merge and arithmetic."""
    f = runs[[*KIND, "active_s", "reserved_s", "gpu_utilization", "cpu_utilization"]].merge(
        factors, on=KIND, how="left"
    )
    active_h, reserved_h = f["active_s"] / HOUR_S, f["reserved_s"] / HOUR_S
    idle_w = (
        f["server_count"] * (f["host_idle_w"] + f["memory_w"])
        + f["cpu_count"] * f["cpu_idle_w"]
        + f["gpu_count"] * f["gpu_idle_w"]
    )
    busy_w = (
        idle_w
        + f["cpu_count"] * (f["cpu_max_w"] - f["cpu_idle_w"]) * f["cpu_utilization"]
        + f["gpu_count"]
        * (f["gpu_max_w"] - f["gpu_idle_w"] + f["gpu_fan_w"])
        * f["gpu_utilization"]
    )
    energy_kwh = (busy_w * active_h + idle_w * (reserved_h - active_h)) / WATTS_PER_KW
    energy_kwh /= f["supply_efficiency"]
    made = {
        metric: reserved_h
        * (
            f["gpu_count"] * f[f"gpu_embodied_{metric}"]
            + f["server_count"] * f[f"server_embodied_{metric}"]
        )
        / (f["hardware_use_life_h"] * f["share_reserved"])
        for metric in ("kgco2e", "water_l")
    }
    facility_kwh = energy_kwh * f["pue"]
    water_l = energy_kwh * f["wue_l_per_kwh"] + facility_kwh * f["electricity_water_l_per_kwh"]
    return pd.DataFrame(
        {
            "total_kgco2e": facility_kwh * f["grid_kgco2e_per_kwh"] + made["kgco2e"],
            "total_water_l": water_l + made["water_l"],
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    given = parser.parse_args()
    runs = fleet(given.runs)
    choices = stages.Choices(reference.load(), methodology.profile("default"))
    of_kinds = stages.footprints(runs.drop_duplicates(KIND), choices).normalized
    factors = of_kinds.drop_duplicates(KIND)[[*KIND, *FACTORS]]
    before = peak_mb()
    found = []
    whole = best_of(1, lambda: found.append(stages.footprints(runs, choices)))
    held = peak_mb() - before
    shown = best_of(1, lambda: found[0].provenance)
    baseline = best_of(3, lambda: plain(runs, factors))
    difference = (found[0].impacts[MADE] / plain(runs, factors) - 1).abs().max().max()
    if not difference < 1e-12:
        msg = f"the figures differ from plain pandas by up to {difference:.1e}; no times are shown"
        raise SystemExit(msg)
    disclosure = {"gpu_model": "A100-SXM4-80GB", "gpu_count": 4, "base_model": "Llama 2 7B",
                  "location": "AWS US West (Oregon)", "reserved_s": 43200}  # fmt: skip
    many = [{**disclosure, "reserved_s": 1000 + n, "run_id": f"{n}"} for n in range(1000)]
    single = best_of(5, lambda: fte.estimate(disclosure))
    new = best_of(3, lambda: (memory_of.cache_clear(), fte.estimate(disclosure)))
    batch = best_of(2, lambda: fte.estimate(many))
    rows = [("", "wall s", "CPU s", "runs/CPU s", "x plain pandas, or goal")]
    for name, spent in (
        ("plain pandas: totals alone, factors known", baseline),
        ("figures, intervals, provenance held per kind", whole),
        ("provenance as its long table, on top", shown),
    ):
        times = f"{spent.cpu_s / baseline.cpu_s:,.0f}"
        rate = f"{given.runs / spent.cpu_s:,.0f}"
        rows.append((name, f"{spent.wall_s:.3f}", f"{spent.cpu_s:.3f}", rate, times))
    for name, spent, count, goal_s in (
        ("estimate of one disclosure, warm", single, 1, ONE_S),
        ("the same, of a kind not seen before", new, 1, ONE_S),
        ("estimate of 1,000 disclosures", batch, len(many), THOUSAND_S),
    ):
        rate, against = f"{count / spent.cpu_s:,.0f}", f"{spent.cpu_s / goal_s:.1f} x {goal_s:g} s"
        rows.append((name, f"{spent.wall_s:.3f}", f"{spent.cpu_s:.3f}", rate, against))
    table(
        f"{given.runs:,} runs of {len(factors)} kinds, equal to {difference:.0e}; "
        f"{held:,.0f} MB above the runs themselves",
        rows,
    )


if __name__ == "__main__":
    main()
