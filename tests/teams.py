"""A team's folder of logs and its warehouse, run by Dagster in this process."""

import csv
import hashlib
import shutil
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from assets import build_defs
from assets.home import instance_of
from assets.partitions import range_tags
from ft_emissions_pipeline import reference, tables
from ft_emissions_pipeline.tables import (
    INFERENCE_IMPACTS,
    MODEL_VERSIONS,
    PIPELINE_FOOTPRINT,
    RESTATEMENTS,
)
from ft_emissions_pipeline.warehouse import store
from ft_emissions_pipeline.warehouse.lock import LOCK

ROOT = Path(__file__).resolve().parent.parent
# What is due is a note of the runs, and no stage.
TABLES = {name: table for name, table in tables.TABLES.items() if not name.startswith("pending_")}
EXAMPLES = ROOT / "examples" / "landing"
START = pd.Timestamp("2026-01-05")
GRID_ROW = "grid_intensity/egrid_subregion/NWPP/2023"
"""Row of the grid on which the nights of `support-bot` rest; those in France do not."""


def day(number: int) -> pd.Timestamp:
    """Return a day of January 2026."""
    return pd.Timestamp(year=2026, month=1, day=number)


def write_nights(path: Path, *nights: tuple[str, int], abroad: bool = False) -> None:
    """Write a CodeCarbon file of a run per (model, day of January 2026), cut from examples."""
    with (EXAMPLES / "support-bot" / "emissions.csv").open(newline="") as file:
        template = next(csv.DictReader(file))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, template)
        writer.writeheader()
        for model, number in nights:
            row = {
                **template,
                "timestamp": f"2026-01-{number:02d}T03:00:00",
                "project_name": model,
                "run_id": f"{model}-{number:02d}",
            }
            if abroad:
                row |= {"country_name": "France", "country_iso_code": "FRA", "on_cloud": "N"}
                row |= dict.fromkeys(("region", "cloud_provider", "cloud_region"), "")
            writer.writerow(row)


def write_usage(path: Path, counts: dict[int, int], model: str = "support-bot") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"2026-01-{number:02d},{model},{count}" for number, count in counts.items()]
    path.write_text("\n".join(["date,model_name,inferences", *rows, ""]))


@dataclass
class Team:
    """A team's folder of logs and its warehouse."""

    landing: Path
    warehouse: Path
    options: dict = field(default_factory=dict)

    def defs(self) -> dg.Definitions:
        return build_defs(landing=self.landing, warehouse=self.warehouse, **self.options)

    def run(
        self,
        first: pd.Timestamp,
        last: pd.Timestamp,
        selection: dg.AssetSelection | None = None,
        instance: dg.DagsterInstance | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run the stages over some days; of all, the report and the footprint are left out."""
        defs = self.defs()
        chosen = selection or dg.AssetSelection.all() - dg.AssetSelection.groups("report")
        keys = chosen.resolve(defs.resolve_asset_graph())
        # As `ft-emissions run` does it: events of many days are written at once.
        with nullcontext(instance) if instance else instance_of(None) as opened:
            return defs.resolve_job_def("everything").execute_in_process(
                tags=range_tags(first, last), asset_selection=sorted(keys), instance=opened
            )

    def read(self, table: tables.Table, **options: object) -> pd.DataFrame:
        return store.read(self.warehouse, table, **options)

    def versions(self) -> dict[str, int | None]:
        return {name: store.version(self.warehouse, table) for name, table in TABLES.items()}

    def data_files(self) -> dict[str, str]:
        """Return the hash of each data file, and of the list of those that make up each table."""
        return {
            str(path.relative_to(self.warehouse)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.warehouse.rglob("*"))
            if path.is_file()
            and path.name != LOCK
            and not path.is_relative_to(self.warehouse / PIPELINE_FOOTPRINT.name)
        }

    def copy(self, to: Path) -> "Team":
        return Team(
            shutil.copytree(self.landing, to / "landing"),
            shutil.copytree(self.warehouse, to / "warehouse"),
            dict(self.options),
        )


def small_landing(folder: Path) -> Path:
    """Write the logs of two models: one tuned every other night, one abroad and once."""
    write_nights(folder / "a.csv", *[("support-bot", number) for number in (5, 7, 9)])
    write_nights(folder / "b.csv", ("chef", 6), abroad=True)
    write_usage(folder / "usage.csv", dict.fromkeys(range(5, 10), 1000))
    write_usage(folder / "usage_chef.csv", dict.fromkeys(range(6, 10), 10), "chef")
    return folder


def changed_reference(folder: Path) -> Path:
    """Copy the reference tables, the grid of one region doubled."""
    copy = shutil.copytree(reference.default_folder(), folder / "reference")
    path = copy / "grid_intensity.csv"
    lines = path.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("egrid_subregion,NWPP,2023,"))
    cells = lines[at].split(",", 4)
    lines[at] = ",".join([*cells[:3], str(2 * float(cells[3])), cells[4]])
    path.write_text("\n".join([*lines, ""]))
    reference.write_datapackage(copy)
    return copy


def assert_allocated_once(team: Team) -> None:
    """Assert invariant 1: what the days of a closed version carry sums to its run's total."""
    versions = team.read(MODEL_VERSIONS).set_index(["model_name", "model_version"])
    closed = versions[versions["status"] == "closed"]
    assert len(closed)
    impacts = team.read(INFERENCE_IMPACTS).groupby(["model_name", "model_version"])
    for allocated, total in (
        ("allocated_kgco2e", "total_kgco2e"),
        ("allocated_water_l", "total_water_l"),
    ):
        sums = impacts[allocated].sum().reindex(closed.index)
        assert sums.to_numpy() == pytest.approx(closed[total].to_numpy(), rel=1e-9)


def assert_same_tables(one: Team, other: Team) -> None:
    """Assert that two warehouses report the same; how they came to it may differ."""
    for table in TABLES.values():
        if table not in (PIPELINE_FOOTPRINT, RESTATEMENTS):
            pd.testing.assert_frame_equal(one.read(table), other.read(table), obj=table.name)
