"""The closed vocabularies of the tables: what a cell of a column may say.

Put here: words that several tables or modules share. Keep out: their meaning in the calculation.
"""

from __future__ import annotations

BASES = ("measured", "disclosed", "predicted", "default")


METHODS = ("full", "lora", "qlora", "adapter", "dpo", "continued_pretraining", "distillation")


METHODS_OF_SHARING = ("by_use", "monthly")


HAND_ON = ("nothing", "unused", "remainder")


PERIODS = ("month", "quarter", "year")


GROUPS = ("fleet", "team", "tag", "model")


RESTATEMENT_CAUSES = (
    "use life closed", "usage true-up", "factor changed", "token-time model changed", "methodology changed", "late log",
)  # fmt: skip
