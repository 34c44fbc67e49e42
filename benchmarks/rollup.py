"""Roll-ups of a fleet that is re-tuned daily, with intervals, against plain sums by groupby."""

import argparse

import numpy as np
import pandas as pd

from benchmarks.timing import best_of, hold_equal, peak_mb, table
from ft_emissions_pipeline.ledger import rollups
from ft_emissions_pipeline.tables import PERIODS
from ft_emissions_pipeline.tables.words import Period

INPUTS = (
    "gpu_max_w", "gpu_idle_w", "gpu_utilization", "cpu_max_w", "cpu_utilization", "host_idle_w",
    "memory_w", "pue", "grid_kgco2e_per_kwh", "gpu_embodied_kgco2e", "server_embodied_kgco2e",
)  # fmt: skip
"""Inputs of a run on known hardware, with its time logged, that rest on a factor."""


def fleet(models: int, days: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return a year of per-inference rows, one version per model and day, spreads and versions."""
    random = np.random.default_rng(6)
    runs = models * days
    model, day = np.divmod(np.arange(runs), days)
    version = pd.Series([f"m{m:04}-{d:03}" for m, d in zip(model, day, strict=True)], dtype="str")
    names = pd.Series([f"model-{m:04}" for m in range(models)], dtype="str")
    carbon = random.lognormal(0.0, 1.0, runs)
    ledger = pd.DataFrame(
        {
            "date": pd.Timestamp("2026-01-01") + pd.to_timedelta(day, unit="D"),
            "model_name": names.to_numpy()[model],
            "model_version": version,
            "inferences": random.integers(1, 10**6, runs).astype("float64"),
            "inferences_basis": "actual",
            "allocated_kgco2e": carbon,
            "allocated_water_l": carbon * 30,
            "allocated_market_kgco2e": carbon / 2,
            "status": "final",
        }
    )
    place = random.integers(0, 40, models)[model].astype("str")
    pieces = [
        pd.DataFrame(
            {"run_id": version, "input": name, "factor_id": np.char.add(f"{name}/", place)}
        )
        for name in INPUTS
    ]
    pieces += [
        pd.DataFrame({"run_id": version, "input": name})
        for name in ("it_energy_kwh", "shift", "bend")
    ]
    # As the warehouse gives them.
    spreads = pd.concat(pieces).sort_values(["run_id", "input"], ignore_index=True)
    for metric in ("total_kgco2e_log_sd", "total_water_l_log_sd"):
        spreads[metric] = random.uniform(0.0, 0.2, len(spreads))
    versions = pd.DataFrame(
        {
            **dict.fromkeys(rollups.OF_VERSIONS, 1.0),
            "team": pd.Series((model % 20).astype("str"), dtype="str"),
            "tag": pd.Series((model % 7).astype("str"), dtype="str"),
        }
    ).set_index(pd.Index(version))
    return ledger, spreads, versions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=2000)
    parser.add_argument("--days", type=int, default=365)
    options = parser.parse_args()
    ledger, spreads, versions = fleet(options.models, options.days)
    columns = ["inferences", "allocated_kgco2e", "allocated_water_l"]

    def plain() -> pd.DataFrame:
        month = ledger["date"].dt.to_period("M")
        return ledger.groupby(["model_name", month])[columns].sum()

    def by(*keys: str) -> pd.DataFrame:
        return rollups.roll_up(ledger, spreads, keys, expected_log_sd=0.1, versions=versions)

    def table_of(due: dict[str, pd.Series] | None = None) -> pd.DataFrame:
        return rollups.rollups(ledger, spreads, versions, expected_log_sd=0.1, due=due)

    # A further day makes its month, quarter and year anew; a month for itself needs its own rows.
    last = ledger["date"].max()
    due = {each: rollups.period_start(pd.Series([last]), each) for each in PERIODS}
    month = ledger[ledger["date"] >= due[Period.MONTH][0]]
    of_month = spreads[spreads["run_id"].isin(month["model_version"])]

    def last_month() -> pd.DataFrame:
        return rollups.roll_up(
            month, of_month, ["model", "month"], expected_log_sd=0.1, versions=versions
        )

    keys, bounds = ["grouped_by", "name", "period", "date"], ["allocated_kgco2e_p05", *columns]
    whole, further = (table_of(each).set_index(keys)[bounds] for each in (None, due))
    hold_equal("what a further day moves", further, whole.loc[further.index])
    of_models = whole.loc["model"].xs(
        (Period.MONTH, due[Period.MONTH][0]), level=("period", "date")
    )
    hold_equal("the last month", last_month().set_index("model_name")[bounds], of_models)
    ours = by("model", "month").sort_values(["model_name", "date"])[columns]
    hold_equal("the sum of a model's month", ours, plain().sort_index())
    baseline = best_of(3, plain)
    rows = [("", "s", "CPU s", "x plain groupby")]
    for name, spent in (
        ("plain groupby by model and month", baseline),
        ("roll_up by model and month", best_of(2, lambda: by("model", "month"))),
        ("roll_up by team and quarter", best_of(2, lambda: by("team", "quarter"))),
        ("roll_up of all", best_of(2, by)),
        ("roll_up of the last month", best_of(3, last_month)),
        ("table rollups: 4 groups over 3 kinds of period", best_of(2, table_of)),
        ("its rows that a further day moves", best_of(2, lambda: table_of(due))),
    ):
        ratio = spent.cpu_s / baseline.cpu_s
        rows.append((name, f"{spent.wall_s:.2f}", f"{spent.cpu_s:.2f}", f"{ratio:.1f}"))
    table(f"{len(ledger):,} versions, {len(spreads):,} spreads", rows)
    print(f"peak memory {peak_mb() / 1e3:.1f} GB")


if __name__ == "__main__":
    main()
