"""Model versions, their use life, and what each inference of a day carries.

    lifecycle.py      names and service: which version of a model serves from when to when
    lineage.py        which version was fine-tuned from which
    days.py           the days of a version, and the inferences counted or expected on each
    inheritance.py    what a version hands on to the one that takes its place
    schedule.py       the monthly schedule for long-lived models
    versions.py       the table `model_versions`, made of the above
    versions_since.py the rows of it that what came since a day can move; `stored_versions.py`
                      knows since when
    per_inference.py  the table `inference_impacts`
    families.py       base models at the root of lineages, and how many ancestors are covered
    scatter.py        how runs scatter, and what they share, for intervals of sums
    rollups.py        sums over periods, models and labels; `stored_rollups.py` refreshes them
    life_days.py      the days that must be shared anew when use lives move
    unused.py         counts and events that the ledger cannot use, and why

Put here: which version serves when, how many inferences fall on it, how a run's footprint is shared
over them. Keep out: the footprint itself (`impacts/`) and what moved since the last report
(`restatement/differences.py`).

Every gram of a closed version lands exactly once (invariant 1): on its own days, on those of the
version that inherits it, or in one row `unallocated`. Nothing depends on the order in which runs,
counts and events arrived.
"""

from ft_emissions_pipeline.ledger.lineage import ancestors, family
from ft_emissions_pipeline.ledger.per_inference import inference_impacts
from ft_emissions_pipeline.ledger.schedule import monthly_schedule
from ft_emissions_pipeline.ledger.unused import unused
from ft_emissions_pipeline.ledger.versions import changed, model_versions
from ft_emissions_pipeline.ledger.versions_since import moved_versions

__all__ = [
    "ancestors", "changed", "family", "inference_impacts", "model_versions", "monthly_schedule",
    "moved_versions", "unused",
]  # fmt: skip
