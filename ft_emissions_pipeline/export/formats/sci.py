"""SCI for AI, provider score: carbon per token, FLOP and parameter, and the total beside it.

Source: Green Software Foundation, SCI for AI 4b7c0f7, SPEC.md. A fine-tuning is on the provider's
side; training is never in a consumer's score, and what one inference carries is no SCI.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ft_emissions_pipeline.equations import GRAMS_PER_KG
from ft_emissions_pipeline.export.figures import Figures, Row, as_json, facts, name_of, rounded

FORMAT = "sci"
FILE = "sci.json"
HOLDS = "SCI for AI, provider score: rates per token, FLOP and parameter, as far as these are known"
ONE = False

_UNITS = (
    ("tokens_unpadded", "gco2e_per_1000_training_tokens",
     "effective: without padding, of the final run", GRAMS_PER_KG, 1e3),
    ("tokens_padded", "gco2e_per_1000_training_tokens",
     "gross: with padding, of the final run", GRAMS_PER_KG, 1e3),
    ("train_flop", "gco2e_per_1e12_flop", "of the final run", GRAMS_PER_KG, 1e12),
    ("model_parameters", "kgco2e_per_1e9_parameters", "gross: those of the base model", 1.0, 1e9),
)  # fmt: skip
"""Field, score, what it counts, from kg, and units to a score."""


def render(figures: Figures, out: Path | None) -> str:  # noqa: ARG001 (the same wherever it lies)
    """Return a statement per version."""
    return as_json([_statement(row, figures) for row in figures.rows()])


def _statement(row: Row, figures: Figures) -> dict[str, object]:
    return {
        "standard": "SCI for AI (Green Software Foundation), extends ISO/IEC 21031:2024",
        "model": name_of(row),
        "boundary": "provider: design and development, the fine-tuning alone",
        "not": "a consumer score; training is in none",
        "includes": ["operational", "embodied"],
        "excludes": ["inception", "data preparation", "deployment", "pre-training"],
        "scores": list(_scores(row)),
        "why": "each functional unit that the logs count; which one says most depends on its use",
        "beside": facts(row, figures.made_at),
    }


def _scores(row: Row) -> Iterator[dict[str, object]]:
    for field, score, counts, grams, units in _UNITS:
        if row.get(field, 0.0) > 0:
            yield {
                "score": score,
                **{
                    name: rounded(row[f"total_kgco2e{end}"] * grams / (row[field] / units))
                    for name, end in (("value", ""), ("p05", "_p05"), ("p95", "_p95"))
                },
                "functional_unit": field,
                "amount": rounded(row[field]),
                "counts": counts,
            }
