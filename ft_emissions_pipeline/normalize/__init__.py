"""One rule per missing data point: from runs as logged to runs with every needed field filled.

Put here: the order of the rules, what is refused, and what follows from an imputed identity. Keep
out: the rules (one module per subject beside this one) and the impacts.

The order follows the dependencies: the model before the managed service's profile, the hardware
before the time that tokens take on it, the time before the energy.
"""

from __future__ import annotations

from ft_emissions_pipeline.normalize.accepted import UNCOMPUTABLE, accepted
from ft_emissions_pipeline.normalize.filling import IMPUTED
from ft_emissions_pipeline.normalize.identities import IDENTITY_OF
from ft_emissions_pipeline.normalize.runs import RULES, filled, normalize, timed_work
from ft_emissions_pipeline.normalize.unknown import NAMES, unknown_in, unknown_of

__all__ = [
    "IDENTITY_OF", "IMPUTED", "NAMES", "RULES", "UNCOMPUTABLE", "accepted", "filled", "normalize",
    "timed_work", "unknown_in", "unknown_of",
]  # fmt: skip
