"""Restating the past after a factor, the token-time model or the methodology changed.

Put here, in the order of the work: which runs rest on what changed (`affected.py`), their figures
as they must be from now on (`recompute.py`), what would move (`plan.py`), and the writing of it
(`apply.py`). Keep out: the comparison of reported values and the words for causes
(`restatement/differences.py`, `factors_used.py`), and printing (`cli/restate.py`).
"""

from ft_emissions_pipeline.restatement.apply import CheckFailed, Done, apply, causes_by_factors
from ft_emissions_pipeline.restatement.plan import Plan, plan

__all__ = ["CheckFailed", "Done", "Plan", "apply", "causes_by_factors", "plan"]
