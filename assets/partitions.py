"""The days of the pipeline, and what one run of it covers.

Put here: partitions and the range of days of a run. Keep out: which days ought to be run
(`ft_emissions_pipeline/landing/`).
"""

import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import pandas as pd

from ft_emissions_pipeline.tables import EARLIEST, Table

FIRST = f"{EARLIEST:%Y-%m-%d}"


class _Days(dg.DailyPartitionsDefinition):
    """Days that are listed at once.

    Whatever rests on every day of a table asks for the list, many times in a run, and Dagster walks
    there from tick to tick of a clock.
    """

    def get_partition_keys(
        self, current_time: datetime | None = None, dynamic_partitions_store: Any = None
    ) -> Sequence[str]:
        last = None if current_time else self.get_last_partition_key()
        if last is None:
            return super().get_partition_keys(current_time, dynamic_partitions_store)
        return pd.date_range(FIRST, last).strftime("%Y-%m-%d").tolist()


DAILY = _Days(start_date=FIRST, timezone="UTC", end_offset=1)
"""UTC days; the present one included, so that a run that ended today is not told to wait."""

# Dagster warns of the policy wherever an asset takes it; it has kept its meaning since 1.5.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")

ONE_RUN = dg.BackfillPolicy.single_run()
"""A backfill of many days is one run and one commit per table."""

LONGEST_RUN = 31
"""Days before the one on which a run ended, whose telemetry may be of the run."""

# No day lies before the first; that a window may reach there is said with a parameter in beta.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*allow_nonexistent_upstream.*")

DAYS_OF_A_RUN = dg.TimeWindowPartitionMapping(
    start_offset=-LONGEST_RUN, allow_nonexistent_upstream_partitions=True
)
"""The day of a run and those over which it may have lasted."""

ALL_DAYS = dg.AssetIn(partition_mapping=dg.AllPartitionMapping())
"""Input of which every day is needed."""


def every_day(table: Table) -> dg.AllPartitionMapping | None:
    """Return the mapping to all days of a table on which one without days rests."""
    return dg.AllPartitionMapping() if table.partition else None


RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
ALLOCATION_UNTIL = "ft_emissions/allocation_until"
"""Tag of a run after which days up to this one are shared anew at once, if any are due then."""

LAST_DAY_TAGS = (RANGE_END, "dagster/partition")
"""Tags that name the last day of a run over a range, and the day of a run over one."""


def days(context: dg.AssetExecutionContext) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the first and last UTC day of a run."""
    keys = context.partition_key_range
    return pd.Timestamp(keys.start), pd.Timestamp(keys.end)


def tagged_days(tags: Mapping[str, str]) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """Return the first and last day of a run by its tags; None for a run without days.

    For assets without partitions, which stand in runs over days all the same.
    """
    last = next((tags[tag] for tag in LAST_DAY_TAGS if tag in tags), None)
    if last is None:
        return None
    return pd.Timestamp(tags.get(RANGE_START, last)), pd.Timestamp(last)


def range_tags(first: pd.Timestamp, last: pd.Timestamp) -> dict[str, str]:
    """Return the tags that make one run cover a range of days."""
    return {RANGE_START: f"{first:%Y-%m-%d}", RANGE_END: f"{last:%Y-%m-%d}"}
