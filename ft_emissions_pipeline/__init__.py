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
    from ft_emissions_pipeline.api import Estimate, estimate, read_runs

__all__ = ["Estimate", "estimate", "read_runs"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("ft_emissions_pipeline.api"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
