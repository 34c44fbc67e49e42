"""The friendly layer: read logs, estimate runs, explain them, without Dagster or a warehouse.

Put here: what `import ft_emissions_pipeline as fte` offers. Keep out: computation; every function
calls the stages that the DAG calls, in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ft_emissions_pipeline import export, normalize, quarantine, stages
from ft_emissions_pipeline.analysis.explain import explain_row
from ft_emissions_pipeline.export import notebook, sheets
from ft_emissions_pipeline.impacts.footprint import Spreads
from ft_emissions_pipeline.landing import configurations, token_lengths
from ft_emissions_pipeline.landing.days import counted, happened, measured_runs
from ft_emissions_pipeline.landing.engines import local, over_files
from ft_emissions_pipeline.ledger import rollups
from ft_emissions_pipeline.ledger.scatter import scatter
from ft_emissions_pipeline.normalize import meters
from ft_emissions_pipeline.normalize.provenance import Provenance
from ft_emissions_pipeline.readers import Settings, files_in, read_files
from ft_emissions_pipeline.reference import Reference, load
from ft_emissions_pipeline.stages import Given
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    MODEL_EVENTS,
    NORMALIZED_RUNS,
    QUARANTINE,
    RUN_IMPACTS,
    RUN_SPREADS,
    USAGE,
    VALIDATED_RUNS,
    conform,
    empty,
)

if TYPE_CHECKING:
    import altair as alt

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True, repr=False)
class Estimate:
    """Footprints of some runs: `runs`, `per_inference`, `provenance`, and what was refused.

    `calibration` tells what meters saw over what software did, by host; `accepted` is what was
    logged of the runs, `spreads` how far each input moves a total; `origins` is what
    `provenance` shows, and `shares` what `spreads` does.
    """

    runs: pd.DataFrame
    per_inference: pd.DataFrame
    normalized: pd.DataFrame
    quarantine: pd.DataFrame
    reference: Reference
    accepted: pd.DataFrame
    shares: Spreads
    origins: Provenance

    @cached_property
    def provenance(self) -> pd.DataFrame:
        """Table `field_provenance`, a row per run and field, made when it is first asked for."""
        return self.origins.table()

    @cached_property
    def spreads(self) -> pd.DataFrame:
        """Table `run_spreads`, a row per run and input, made when it is first asked for."""
        return self.shares.table()

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """What meters saw over what software did, by host: what `meters.calibration` returns."""
        return meters.calibration(self.accepted)

    @property
    def table(self) -> pd.DataFrame:
        """Runs with what one inference of each carries, in order of their days."""
        return notebook.table(self.runs, self.per_inference)

    @property
    def total(self) -> dict[str, float]:
        """Carbon and water of all runs together; their interval knows which factors runs share."""
        return rollups.sum_of_runs(self.runs, scatter(self.spreads))

    def summary(self) -> pd.DataFrame:
        """Return sums by model, with a last row for all: what `export.notebook.summary` says."""
        return notebook.summary(self.table, self.spreads)

    def plot(self) -> alt.VConcatChart:
        """Return a chart of carbon and water of each run on its day, with intervals."""
        return notebook.plot(self.table)

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """Write `table` as CSV, no text of which a spreadsheet runs; without a path return it."""
        text = sheets.csv_of(self.table)
        if path is None:
            return text
        Path(path).write_text(text, "utf-8")
        return None

    def to_parquet(self, path: str | Path) -> None:
        """Write `table` as Parquet."""
        self.table.to_parquet(path, index=False)

    def __repr__(self) -> str:
        """Return one line: how many runs, and their carbon and water together."""
        models, total = self.runs["model_name"].nunique(), self.total
        return (
            f"<Estimate of {len(self.runs)} run(s) of {models} model(s): "
            f"{total['total_kgco2e']:.3g} kgCO2e, {total['total_water_l']:.3g} L>"
        )

    def _repr_html_(self) -> str:
        """Return the summary as a notebook shows it."""
        release = f"reference tables {self.reference.version}"
        profiles = ", ".join(f"profile {name}" for name in self.runs["methodology"].unique())
        return notebook.html(self.summary(), ", ".join(filter(None, (profiles, release))))

    def explain(self, run_id: str, *, draws: int = 0, seed: int = 0) -> str:
        """Return each step of a run: formula, values, units, factors, sources.

        With draws, the interval of a Monte Carlo stands beside the closed form's.

        Raises
        ------
        UnknownRun
            If no run has the id.
        """
        return explain_row(
            run_id, self.normalized, self.provenance, self.runs, self.reference, draws, seed
        )

    def export(
        self,
        name: str,
        out: str | Path | None = None,
        *,
        model: str | None = None,
        version: str | None = None,
        entity: str = "",
    ) -> str:
        """Write the figures in a format of others, as `ft-emissions export` does.

        Parameters
        ----------
        name : str
            Format, one of `export.FORMATS`.
        out : str or Path, optional
            File or folder to write; without one the text is returned.
        model, version : str, optional
            Model, or version (a run id); all by default.
        entity : str
            Who answers for the models.

        Returns
        -------
        str
            The text, or where it lies.

        Raises
        ------
        ValueError
            If there is no such format, or it cannot hold what was chosen.
        """
        found = export.of_tables(
            {
                VALIDATED_RUNS: self.accepted,
                NORMALIZED_RUNS: self.normalized,
                FIELD_PROVENANCE: self.provenance,
                RUN_IMPACTS: self.runs,
                RUN_SPREADS: self.spreads,
            },
            self.per_inference,
            export.Choice(model, version),
            made_at=export.now(),
            entity=entity,
        )
        return export.write(name, found, out)


@dataclass(frozen=True)
class Logs:
    """What files said: tables of these names, and of each file its format and content."""

    runs: pd.DataFrame
    quarantine: pd.DataFrame
    files: pd.DataFrame
    usage: pd.DataFrame
    model_events: pd.DataFrame
    telemetry: pd.DataFrame
    """What became of samples of GPUs and meters: `landing.telemetry.REPORT`."""


def read_runs(
    paths: Paths, *, timezone: str = "UTC", reference: Reference | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the runs that files, folders or globs hold.

    Parameters
    ----------
    paths : str, Path, or sequence of them
        Any supported log or disclosure.
    timezone : str
        Zone of instants that name none, for instance those of CodeCarbon.
    reference : Reference, optional
        Reference tables; those of the package by default.

    Returns
    -------
    runs, quarantine : DataFrame
        Tables `runs` and `quarantine`: every record is in one of them, or joined into a run.

    Raises
    ------
    FileNotFoundError
        If a path names nothing.
    """
    logs = read_logs(paths, timezone=timezone, reference=reference)
    return logs.runs, logs.quarantine


def read_logs(paths: Paths, *, timezone: str = "UTC", reference: Reference | None = None) -> Logs:
    """Read the runs that files, folders or globs hold, and tell what each file is.

    Parameters
    ----------
    paths, timezone, reference
        As for `read_runs`.
    """
    settings = Settings(timezone=timezone)
    readings, refused = [], []
    found = files_in(paths)
    read = over_files(read_files, local, found, settings)
    for (_, uri), (reading, content_hash, source_format) in zip(found, read, strict=True):
        readings.append((uri, source_format, reading))
        if len(reading.quarantine):
            refused.append(reading.quarantine.assign(source_uri=uri, content_hash=content_hash))
    joined, samples, unused = measured_runs(readings, reference or load())
    of_no_run = ((uri, configurations.of_no_run()) for uri in sorted(unused))
    for uri, reading in (*token_lengths.unused(readings), *of_no_run):
        refused.append(reading.quarantine.assign(source_uri=uri))
    runs, uncomputable = normalize.accepted(joined)
    frames = [frame for frame in (*refused, uncomputable) if len(frame)]
    quarantine = conform(pd.concat(frames), QUARANTINE) if frames else empty(QUARANTINE)
    files = [(uri, source_format, reading.content) for uri, source_format, reading in readings]
    columns = ["source_uri", "source_format", "content"]
    told = pd.DataFrame(files, columns=columns)
    return Logs(runs, quarantine, told, counted(readings), happened(readings), samples)


def estimate(
    runs: Given | Logs,
    *,
    profile: str = "default",
    reference: Reference | None = None,
    calibrate: bool = False,
) -> Estimate:
    """Estimate carbon and water of runs.

    Parameters
    ----------
    runs : Logs, DataFrame, mapping, or sequence of mappings
        What `read_logs` returns, so that inferences which were counted share the runs of their
        models; runs from `read_runs`; or disclosures: columns of table `runs` or the methodology's
        own labels ("Total reserved time") as keys.
    profile : str
        Profile of the methodology.
    reference : Reference, optional
        Reference tables; those of the package by default.
    calibrate : bool
        Whether runs without a meter take over the ratio that runs with one on the same host have
        between the meter's and the software's energy. `calibration` of the result tells the ratios
        either way.

    Returns
    -------
    Estimate
        Its tables, and `explain(run_id)`.

    Raises
    ------
    ValueError
        If the profile is unknown, a disclosure has an unknown key or an unreadable value, or
        nothing could be computed from it.
    """
    usage, events = empty(USAGE), empty(MODEL_EVENTS)
    if isinstance(runs, Logs):
        runs, usage, events = runs.runs, runs.usage, runs.model_events
    accepted, refused, choices = stages.prepared(
        runs, profile=profile, reference=reference, calibrate=calibrate
    )
    made = stages.footprints(accepted, choices)
    impossible = quarantine.impossible(accepted, made.impacts, choices)
    if len(impossible) and not isinstance(runs, pd.DataFrame):
        raise ValueError("; ".join(impossible["reason"]))
    found = [frame for frame in (refused, impossible) if len(frame)]
    return Estimate(
        made.impacts,
        stages.per_inference(made, choices.reference, usage, events),
        made.normalized,
        conform(pd.concat(found), QUARANTINE) if found else refused,
        choices.reference,
        accepted,
        made.shares,
        made.origins,
    )
