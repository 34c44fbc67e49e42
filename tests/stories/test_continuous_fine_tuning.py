"""The worked example of docs/continuous_fine_tuning.md comes out as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
from ledger_rows import counts, impacts

from ft_emissions_pipeline.readers import Settings, read_bytes
from ft_emissions_pipeline.tables import MODEL_EVENTS, conform

PAGE = Path(__file__).resolve().parents[2] / "docs" / "continuous_fine_tuning.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def model_events(text: str) -> pd.DataFrame:
    reading, source_format = read_bytes(text.encode(), "models.yaml", Settings())
    assert reading.quarantine.empty
    return conform(
        reading.events.assign(source_uri="models.yaml", source_format=source_format), MODEL_EVENTS
    )


def run_impacts(**runs: tuple[str, float]) -> pd.DataFrame:
    rows = [
        {"run_id": name, "ended_at": pd.Timestamp(ended), "total_kgco2e": kg}
        for name, (ended, kg) in runs.items()
    ]
    return impacts(*rows).assign(model_name="support-bot")


def usage(by_day: dict[str, int]) -> pd.DataFrame:
    return counts(*by_day.items()).assign(model_name="support-bot")


def test_the_example_of_the_page_comes_out() -> None:
    names = {"run_impacts": run_impacts, "usage": usage, "model_events": model_events}
    assert len(blocks("python")) == 2
    for block in blocks("python"):
        exec(block, names)  # noqa: S102


def test_the_choices_of_the_page_are_understood() -> None:
    (example,) = blocks("yaml")
    events = model_events(example)
    assert events["event"].tolist() == ["declared", "labelled", "rolled_back", "renamed", "retired"]
    assert events["model_version"].dropna().tolist() == ["run-0301", "run-0304", "run-0430"]
    assert events["base_model_inferences"][0] == 1e12
