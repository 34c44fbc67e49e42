"""The one composition of the stages: accepted, token-time, normalize, impacts.

Put here: what is chosen for a computation, and the order of the stages. Keep out: what the stages
compute, reading of logs (`landing/`), sharing over inferences (`ledger/`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.reference import Reference


@dataclass(frozen=True)
class Choices:
    """With what the past is computed: reference tables, profile, and whether meters calibrate."""

    reference: Reference
    profile: Profile
    calibrate: bool = False
