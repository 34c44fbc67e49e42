"""OpenMetrics 1.0 text for a scrape: what one inference of each current version carries.

Source: OpenMetrics 1.0, text format. Base units, one label `bound`; only the newest day of each
model, as a scrape tells the present and no past.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from ft_emissions_pipeline.equations import GRAMS_PER_KG, JOULES_PER_KWH, MILLILITRES_PER_LITRE
from ft_emissions_pipeline.export.figures import Figures, Row, plain, release

FORMAT = "openmetrics"
FILE = "ft_emissions.txt"
HOLDS = "OpenMetrics text: what one inference carries today, and each model's newest fine-tuning"
ONE = False

_BOUNDS = (("value", ""), ("p05", "_p05"), ("p95", "_p95"))
_INFERENCE = (
    ("inference_co2e_grams", "grams", "Carbon that one inference carries from fine-tuning",
     "gco2e_per_inference", 1.0),
    ("inference_market_co2e_grams", "grams",
     "Carbon that one inference carries from fine-tuning, with electricity by contracts' factors",
     "market_gco2e_per_inference", 1.0),
    ("inference_water_litres", "litres", "Water that one inference carries from fine-tuning",
     "water_ml_per_inference", 1 / MILLILITRES_PER_LITRE),
)  # fmt: skip
_VERSION = (
    ("fine_tuning_co2e_grams", "grams", "Operational and embodied carbon of the fine-tuning",
     "total_kgco2e", GRAMS_PER_KG),
    ("fine_tuning_water_litres", "litres",
     "On-site, electricity and embodied water of the fine-tuning", "total_water_l", 1.0),
    ("fine_tuning_energy_joules", "joules", "Energy of the facility for the fine-tuning",
     "facility_energy_kwh", JOULES_PER_KWH),
)  # fmt: skip
"""Family, unit, help, column and factor to the base unit."""
_SAID = ("status", "methodology", "reference_version", "restated")


def render(figures: Figures, out: Path | None) -> str:  # noqa: ARG001 (the same wherever it lies)
    """Return the exposition."""
    served = figures.per_inference
    served = served[served["gco2e_per_inference"].notna()].sort_values(["date", "model_version"])
    today = served.drop_duplicates("model_name", keep="last").sort_values("model_name")
    newest = figures.versions.drop_duplicates("model_name", keep="last").sort_values("model_name")
    restated = figures.versions.set_index("model_version")["restated"]
    today = today.assign(restated=today["model_version"].map(restated).fillna(False).astype(bool))
    return "\n".join([*_text(figures, today, newest), "# EOF", ""])


def _text(figures: Figures, today: pd.DataFrame, newest: pd.DataFrame) -> Iterator[str]:
    for families, frame in ((_INFERENCE, today), (_VERSION, newest)):
        rows = frame.to_dict("records")
        for family, unit, words, column, factor in families:
            yield from _family(family, "gauge", words, unit)
            for row in rows:
                for bound, end in _BOUNDS:
                    if pd.notna(row.get(column + end)):
                        yield _sample(family, _named(row, bound=bound), row[column + end] * factor)
    for family, frame, words in (
        ("inference", today, "What the figures of one inference rest on"),
        ("fine_tuning", newest, "What the figures of a fine-tuning rest on"),
    ):
        yield from _family(family, "info", words)
        for row in frame.to_dict("records"):
            said = {name: str(row[name]).lower() for name in _SAID if name in row}
            yield _sample(f"{family}_info", _named(row, **said), 1.0)
    yield from _family("build", "info", "Release of the pipeline")
    yield _sample("build_info", {"version": release()}, 1.0)
    yield from _family("made_at_seconds", "gauge", "When this was written", "seconds")
    yield _sample("made_at_seconds", {}, figures.made_at.timestamp())


def _named(row: Row, **more: str) -> dict[str, str]:
    return {"model": row["model_name"], "version": row["model_version"], **more}


def _family(name: str, kind: str, words: str, unit: str = "") -> Iterable[str]:
    yield f"# TYPE ft_emissions_{name} {kind}"
    if unit:
        yield f"# UNIT ft_emissions_{name} {unit}"
    yield f"# HELP ft_emissions_{name} {words}"


def _sample(name: str, labels: Row, value: float) -> str:
    told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"ft_emissions_{name}{f'{{{told}}}' if told else ''} {plain(value, 10)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
