"""The pipeline's own footprint, measured with CodeCarbon while it runs.

Put here: starting, asking and ending the measurement.
Keep out: the footprint of fine-tuning runs (`impacts/`), and where the row is stored.

CodeCarbon looks for the processor's name before it measures, which takes one to three seconds where
the machine has no energy counters. That happens in a thread beside the pipeline; the seconds
that it misses count at the mean power of those that it sees.
Nothing is sent or written: of a user's CodeCarbon configuration only what describes the hardware
and its power is taken.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from ft_emissions_pipeline import tables

START_LIMIT_S = 60.0
SHORTEST_S = 0.1
"""CodeCarbon passes over intervals below 0.05 s; a shorter measurement would have no energy."""


class FootprintFailed(RuntimeError):
    """CodeCarbon could not measure."""


class Footprint:
    """A measurement under way; after its end it keeps the final figures."""

    def __init__(self, country_iso3: str) -> None:
        self._country = country_iso3
        self._started_at = pd.Timestamp.now(tz="UTC")
        self._started = time.perf_counter()
        self._tracked_from = self._started
        self._energy_kwh = self._carbon_kgco2e = 0.0
        self._tracker: Any = None
        self._latest: Any = None
        self._final: pd.DataFrame | None = None
        self._failure: Exception | None = None
        self._abandoned = threading.Event()
        # A daemon, so that a pipeline that fails early need not wait for it.
        self._starter = threading.Thread(target=self._start, name="footprint", daemon=True)
        self._starter.start()

    def so_far(self) -> pd.DataFrame:
        """Return the row of `pipeline_footprint` up to now, without `pipeline_run_id`.

        Raises
        ------
        FootprintFailed
            If CodeCarbon could not measure.
        """
        if self._final is not None:
            return self._final.copy()
        self._wait_for_figures()
        self._latest = None
        self._tracker.flush()
        return self._row()

    def _start(self) -> None:
        try:
            self._tracker = _tracker(self._country, self._take)
            if not self._abandoned.is_set():
                self._tracker.start()
                self._tracked_from = time.perf_counter()
            if self._abandoned.is_set():
                self._tracker.stop()
        except Exception as error:  # noqa: BLE001 - raised where the figures are asked for
            self._failure = error

    def _take(self, total: Any, _delta: Any) -> None:
        self._latest = total

    def _wait_for_figures(self) -> None:
        self._starter.join(START_LIMIT_S)
        if self._starter.is_alive() or self._failure is not None:
            why = self._failure or f"no start within {START_LIMIT_S:g} s"
            msg = f"the pipeline's own footprint could not be measured: CodeCarbon: {why}"
            raise FootprintFailed(msg) from self._failure
        tracked = time.perf_counter() - self._tracked_from
        time.sleep(max(0.0, SHORTEST_S - tracked))

    def _stop(self) -> None:
        self._wait_for_figures()
        self._latest = None
        self._tracker.stop()
        self._final = self._row()

    def _abandon(self) -> None:
        self._abandoned.set()
        if not self._starter.is_alive() and self._tracker is not None:
            self._tracker.stop()

    def _row(self) -> pd.DataFrame:
        if self._latest is None:
            msg = (
                "the pipeline's own footprint could not be measured: CodeCarbon gave no figures; "
                "its log says why"
            )
            raise FootprintFailed(msg)
        duration = time.perf_counter() - self._started
        scale = duration / self._latest.duration
        # The mean power can fall from one question to the next; what was consumed cannot.
        self._energy_kwh = max(self._energy_kwh, self._latest.energy_consumed * scale)
        self._carbon_kgco2e = max(self._carbon_kgco2e, self._latest.emissions * scale)
        row = pd.DataFrame(
            {
                "started_at": [self._started_at],
                "duration_s": duration,
                "energy_kwh": self._energy_kwh,
                "carbon_kgco2e": self._carbon_kgco2e,
                "country_iso3": self._country,
            }
        )
        return tables.conform(row, tables.PIPELINE_FOOTPRINT).drop(columns="pipeline_run_id")


@contextmanager
def measure(country_iso3: str) -> Iterator[Footprint]:
    """Measure energy and carbon of this process while the block runs.

    Parameters
    ----------
    country_iso3 : str
        Country whose grid is assumed, ISO 3166-1 alpha-3.

    Yields
    ------
    Footprint
        `so_far()` gives the figures, in the block up to now and after it the final ones.

    Raises
    ------
    ValueError
        If CodeCarbon does not know the country.
    FootprintFailed
        At the end of the block, if CodeCarbon could not measure.
    """
    _refuse_unknown(country_iso3)
    footprint = Footprint(country_iso3)
    try:
        yield footprint
    except BaseException:
        # The failure of the pipeline is the news; one of its measurement must not hide it.
        footprint._abandon()
        raise
    footprint._stop()


def _refuse_unknown(country_iso3: str) -> None:
    from codecarbon.input import DataSource

    source: Any = DataSource
    # CodeCarbon itself would take the world's mean without a word.
    if country_iso3 not in source().get_global_energy_mix_data():
        msg = (
            f"CodeCarbon has no grid for the country {country_iso3!r}; "
            "give an ISO 3166-1 alpha-3 code such as USA or FRA"
        )
        raise ValueError(msg)


def _tracker(country_iso3: str, take: Callable[[Any, Any], None]) -> Any:
    from codecarbon import OfflineEmissionsTracker
    from codecarbon.output_methods.base_output import BaseOutput

    # Two lines would appear before the tracker has read its own log level.
    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    receiver: Any = BaseOutput()
    receiver.out = take
    return OfflineEmissionsTracker(
        country_iso_code=country_iso3,
        tracking_mode="process",
        log_level="error",
        output_methods=[],
        output_handlers=[receiver],
        # Everything else that could write a file or open a connection, against a user's own
        # configuration too: a lock file, a folder that must exist, an endpoint, a grid service.
        allow_multiple_runs=True,
        output_dir=".",
        emissions_endpoint=False,
        electricitymaps_api_token="",
    )
