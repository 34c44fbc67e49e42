"""What the assets share: where things lie, which choices hold, and the run's own footprint.

Put here: resources. Keep out: the IO manager (`io_manager.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pandas as pd
from pydantic import PrivateAttr

from ft_emissions_pipeline import methodology, pipeline_footprint
from ft_emissions_pipeline.landing.due import WAIT_S
from ft_emissions_pipeline.landing.engines import Engine, opened
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.readers.remote import is_url
from ft_emissions_pipeline.reference import Reference, in_force
from ft_emissions_pipeline.stages import Choices, stored_calibration
from ft_emissions_pipeline.tables import Table
from ft_emissions_pipeline.warehouse import kept
from ft_emissions_pipeline.warehouse.lock import locked


class Pipeline(dg.ConfigurableResource):
    """Folders and choices of this installation."""

    landing: str
    warehouse: str
    profile: str = "default"
    timezone: str = "UTC"
    calibrate: bool = False
    reference_data: str = ""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Pipeline"]:
        """Hold the warehouse as long as a run lasts; sensors and schedules only look at it."""
        if context.run is None:
            yield self
            return
        with locked(self.warehouse, f"Dagster's run {context.run.run_id}", wait_s=WAIT_S):
            yield self

    @property
    def landing_folder(self) -> str | Path:
        """Folder into which logs are put: a path of this machine, or a URL."""
        return self.landing if is_url(self.landing) else Path(self.landing)

    def reference(self) -> Reference:
        """Return the checked reference tables with yours; the last good ones if newer are bad."""
        return in_force(self.warehouse, self.reference_data or None)

    def choices(self, token_time: pd.DataFrame | None = None) -> Choices:
        """Return with what this installation computes, and the token-time model of the days."""
        calibration = stored_calibration(self.warehouse) if self.calibrate else None
        profile = methodology.profile(self.profile)
        return Choices(self.reference(), profile, token_time, calibration)

    def made_from(self, *tables: Table) -> dict[str, str]:
        """Return what a table is made from that rests on these: their versions, and choices."""
        chosen = {"profile": self.profile, "reference": self.reference().version}
        return {**kept.of_tables(self.warehouse, *tables), **chosen}

    def settings(self) -> Settings:
        """Return what the readers need to know."""
        return Settings(timezone=self.timezone)


class Workers(dg.ConfigurableResource):
    """Where logs are read and runs computed: this process, or the workers of a Dask cluster."""

    scheduler: str = ""

    _engine: Engine = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Workers"]:  # noqa: ARG002
        """Hold the connection to the cluster as long as a run lasts."""
        with opened(self.scheduler) as self._engine:
            yield self

    @property
    def engine(self) -> Engine:
        """Engine of the run."""
        return self._engine


class OwnFootprint(dg.ConfigurableResource):
    """Measures the materialisation run itself, from its first step to its last."""

    country_iso3: str = "USA"

    _measured: pipeline_footprint.Footprint = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["OwnFootprint"]:
        """Measure while the run lasts, and leave the final figure in the run's tags."""
        try:
            with pipeline_footprint.measure(self.country_iso3) as measured:
                self._measured = measured
                yield self
        except pipeline_footprint.FootprintFailed as error:
            # What cannot be measured is said, and costs the figure, never the run.
            _tag(context, {"ft_emissions/own_footprint": str(error)})
        else:
            final = measured.so_far().iloc[0]
            names = ("energy_kwh", "carbon_kgco2e")
            _tag(context, {f"ft_emissions/own_{name}": f"{final[name]:.3g}" for name in names})

    def so_far(self) -> pd.DataFrame:
        """Return the row of `pipeline_footprint` up to now, without the run's id."""
        return self._measured.so_far()


def _tag(context: dg.InitResourceContext, tags: dict[str, str]) -> None:
    if context.run is not None and context.instance is not None:
        context.instance.add_run_tags(context.run.run_id, tags)
