"""From the logs of fine-tuning runs to daily carbon and water per inference.

    import ft_emissions_pipeline as fte

    runs, quarantine = fte.read_runs("logs/")
    est = fte.estimate(runs)
    print(est.explain(runs.run_id[0]))

The public names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_emissions_pipeline.analysis.advice import advise
    from ft_emissions_pipeline.analysis.plan import plan
    from ft_emissions_pipeline.analysis.scenarios import what_if
    from ft_emissions_pipeline.api import Estimate, Logs, estimate, read_logs, read_runs
    from ft_emissions_pipeline.token_time.padding import expected_padded_tokens

    __version__: str

__all__ = [
    "Estimate", "Logs", "advise", "estimate", "expected_padded_tokens", "plan", "read_logs",
    "read_runs", "what_if",
]  # fmt: skip

_ELSEWHERE = {
    "advise": "ft_emissions_pipeline.analysis.advice",
    "expected_padded_tokens": "ft_emissions_pipeline.token_time.padding",
    "plan": "ft_emissions_pipeline.analysis.plan",
    "what_if": "ft_emissions_pipeline.analysis.scenarios",
}
"""Public names that do not live in `api`."""


def source_tree() -> Path | None:
    """Return the top of the source tree, None in an installed wheel.

    The source tree has `assets/` and `reference_data/` beside the package; a wheel has them in it.
    """
    package = Path(__file__).resolve().parent
    return None if (package / "reference_data").is_dir() else package.parent


def shipped(folder: str) -> Path:
    """Return the folder `assets` or `reference_data` that came with this package."""
    return (source_tree() or Path(__file__).resolve().parent) / folder


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("ft-emissions-pipeline")
    if name in __all__:
        module = _ELSEWHERE.get(name, "ft_emissions_pipeline.api")
        return getattr(import_module(module), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
