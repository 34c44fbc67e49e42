"""`ft-emissions plan`: a run sized up before it starts.

Put here: the command and its tables. Keep out: the figures (`analysis/plan.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ft_emissions_pipeline.cli import options, output

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from ft_emissions_pipeline.analysis.plan import Plan


def plan(
    config: options.Configurations = None,
    base_model: options.BaseModel = None,
    tokens: options.Tokens = None,
    examples: options.Examples = None,
    tokens_per_example: options.TokensPerExample = None,
    sequence_length: options.SequenceLength = None,
    epochs: options.Epochs = None,
    method: options.Method = None,
    gpu: options.Gpu = None,
    gpu_count: options.GpuCount = None,
    region: options.Region = None,
    software: options.Software = None,
    expected_inferences: options.ExpectedInferences = None,
    use_life_days: options.UseLifeDays = None,
    trials: options.Trials = 1,
    date: options.Date = None,
    own: options.OwnFactors = None,
    form: options.Form = output.Format.table,
    profile: options.Profile = "default",
) -> None:
    """Size a run up before it starts: time, energy, carbon and water, beside alternatives."""
    from ft_emissions_pipeline.analysis import plan as planning
    from ft_emissions_pipeline.reference import load

    with output.refusals():
        found = planning.plan(
            config, base_model=base_model, tokens=tokens, examples=examples,
            tokens_per_example=tokens_per_example, sequence_length=sequence_length, epochs=epochs,
            method=method, gpu=gpu, gpu_count=gpu_count, region=region, software=software,
            expected_inferences=expected_inferences, use_life_days=use_life_days, trials=trials,
            day=date, profile=profile, reference=load(own=own) if own else None,
        )  # fmt: skip
    said = [*found.notes, *map(_gap, found.gaps.to_dict("records"))]
    note = ["; ".join(said), *[""] * (len(found.rows) - 1)]
    output.show(found.rows.assign(note=note), form, _parts(found, said, trials))


def _parts(found: Plan, said: list[str], trials: int) -> Iterator[Table | str]:
    from ft_emissions_pipeline.analysis.plan import PER_INFERENCE, QUANTITIES

    rows = found.rows
    hours = rows[rows["change"] == "start_hour"].sort_values("total_kgco2e", kind="stable")
    shown = rows.drop(hours.index[1:-1])
    runs = f", {trials} runs" if trials > 1 else ""
    names = ("time h", "energy kWh", "carbon kgCO2e", "water L")
    yield _table(f"The run as planned, and otherwise{runs}", shown, QUANTITIES, names)
    if rows[PER_INFERENCE[0]].notna().any():
        yield _table("Per inference", shown, PER_INFERENCE, ("carbon gCO2e", "water mL"))
    if len(hours):
        yield "Of the start hours (UTC) the one with least carbon and the one with most are shown."
    yield from said


def _table(
    title: str, rows: pd.DataFrame, quantities: Sequence[str], names: Sequence[str]
) -> Table:
    left = ("", "accelerators")
    return output.table(
        f"{title} (5th to 95th percentile)",
        (*left, *names),
        (_cells(row, quantities) for row in rows.to_dict("records")),
        left=left,
    )


def _cells(row: dict[str, Any], quantities: Sequence[str]) -> tuple[str, ...]:
    label = f"{row['change'].replace('_', ' ')} {row['choice']}".strip()
    return (
        # The accelerator stands in the next column.
        "another gpu" if row["change"] == "gpu" else label,
        f"{row['gpu_count']:g} x {row['gpu_model']}",
        *(output.interval_of(row, name) for name in quantities),
    )


def _gap(gap: dict[str, Any]) -> str:
    now, then = gap["carbon_ratio"], gap["carbon_ratio_said"]
    adds = (
        f"once said, the carbon's p95 is {output.figure(then)} times its p05, not "
        f"{output.figure(now)} times"
        if then < 0.99 * now
        else "it adds nothing to the carbon's interval"
    )
    return f"not said: {gap['what']}; taken: {gap['taken']}; {adds} ({gap['say']})"
