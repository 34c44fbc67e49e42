"""From the logs of fine-tuning runs to daily carbon and water per inference.

    import ft_emissions_pipeline as fte

    runs, quarantine = fte.read_runs("logs/")
    est = fte.estimate(runs)
    print(est.explain(runs.run_id[0]))

The public names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_emissions_pipeline.analysis.advice import advise
    from ft_emissions_pipeline.analysis.scenarios import what_if
    from ft_emissions_pipeline.api import Estimate, estimate, read_runs
    from ft_emissions_pipeline.token_time.padding import expected_padded_tokens

__all__ = ["Estimate", "advise", "estimate", "expected_padded_tokens", "read_runs", "what_if"]

_ELSEWHERE = {
    "advise": "ft_emissions_pipeline.analysis.advice",
    "expected_padded_tokens": "ft_emissions_pipeline.token_time.padding",
    "what_if": "ft_emissions_pipeline.analysis.scenarios",
}
"""Public names that do not live in `api`."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        module = _ELSEWHERE.get(name, "ft_emissions_pipeline.api")
        return getattr(import_module(module), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
