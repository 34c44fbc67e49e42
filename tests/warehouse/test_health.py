"""Tables whose files were lost or broken: found, named, and set aside."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from ft_emissions_pipeline import tables
from ft_emissions_pipeline.tables import EVERYTHING, LANDING_INDEX, RESTATEMENTS, USAGE
from ft_emissions_pipeline.warehouse import faults, health, pending, store

DAYS = ("2026-01-05", "2026-01-06")


def usage(day: str) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "date": pd.Timestamp(day),
            "model_name": ["a", "b"],
            "inferences": 1.0,
            "source_record": "1",
        }
    )
    return tables.conform(frame.assign(source_format="usage", source_uri="usage.csv"), USAGE)


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    for day in DAYS:
        store.write(tmp_path, USAGE, usage(day), (pd.Timestamp(day).date(),) * 2)
    return tmp_path


def log(warehouse: Path, number: int) -> Path:
    return sorted((warehouse / "usage" / "_delta_log").glob("*.json"))[number]


def data(warehouse: Path, day: str = DAYS[0]) -> Path:
    return next((warehouse / "usage" / f"date={day}").glob("*.parquet"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def flipped(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[60:400] = b"\xff" * 340
    path.write_bytes(held)


# What is done to the table, what is said, its days after the repair, and the days that are due.
DAMAGES = {
    "last commit cut": (lambda w: cut(log(w, -1)), "Json error", DAYS[:1], ()),
    "last commit empty": (lambda w: log(w, -1).write_bytes(b""), "is empty", DAYS[:1], ()),
    "last commit zeroed": (lambda w: log(w, -1).write_bytes(b"\0" * 99), "Json error", DAYS[:1],
                           ()),
    "commit missing": (lambda w: log(w, 1).unlink(), "gap", (), ()),
    "first commit missing": (lambda w: log(w, 0).unlink(), "No table metadata", (), ()),
    "log missing": (lambda w: shutil.rmtree(w / "usage" / "_delta_log"), "its log is gone", (), ()),
    "data missing": (lambda w: data(w).unlink(), "is missing", DAYS[1:], DAYS[:1]),
    "data cut": (lambda w: cut(data(w)), "cannot be read", DAYS[1:], DAYS[:1]),
    "data flipped": (lambda w: flipped(data(w)), "cannot be read", DAYS[1:], DAYS[:1]),
    "a file in its place": (
        lambda w: (shutil.rmtree(w / "usage"), (w / "usage").write_text("x")), "Not a directory",
        (), ()
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", DAMAGES)
def test_damage_is_named_and_set_aside_and_what_is_whole_stays(warehouse, how):
    damage, said, left, due = DAMAGES[how]
    assert health.damages(warehouse) == []
    damage(warehouse)
    if how != "data missing":
        with pytest.raises(faults.StoreDamaged, match=r"table usage in .* is damaged"):
            store.read(warehouse, USAGE)
    (found,) = health.damages(warehouse)
    assert said in found.what
    before = {path for path in warehouse.rglob("*") if path.is_file()}
    health.repair(warehouse, found)
    assert health.damages(warehouse) == []
    assert store.read(warehouse, USAGE)["date"].dt.strftime("%F").unique().tolist() == list(left)
    assert pending.days(warehouse, EVERYTHING).strftime("%F").tolist() == list(due)
    # Nothing was deleted: what is gone from its place lies aside.
    gone = {path for path in before if not path.exists()}
    aside = [path for path in (warehouse / health.ASIDE).rglob("*") if path.is_file()]
    assert len(aside) >= len(gone)


def test_a_repair_lets_every_log_be_read_anew(warehouse):
    seen = pd.DataFrame(
        {"source_uri": ["a"], "content_hash": "1", "content": "runs", "records": 1, "merged": 0,
         "quarantined": 0}
    )  # fmt: skip
    store.write(warehouse, LANDING_INDEX, tables.conform(seen, LANDING_INDEX))
    data(warehouse).unlink()
    health.repair(warehouse, *health.damages(warehouse))
    assert store.read(warehouse, LANDING_INDEX).empty


def test_a_damaged_index_is_mended_like_any_table(warehouse):
    store.write(warehouse, LANDING_INDEX, tables.empty(LANDING_INDEX))
    (warehouse / LANDING_INDEX.name / "_delta_log" / f"{0:020d}.json").write_bytes(b"")
    health.repair(warehouse, *health.damages(warehouse))
    assert health.damages(warehouse) == []
    assert store.read(warehouse, LANDING_INDEX).empty


def test_of_what_no_log_tells_again_the_loss_is_said(warehouse):
    store.write(warehouse, RESTATEMENTS, tables.empty(RESTATEMENTS))
    shutil.rmtree(warehouse / RESTATEMENTS.name / "_delta_log")
    (warehouse / RESTATEMENTS.name / "part.parquet").write_bytes(b"x")
    told = health.repair(warehouse, *health.damages(warehouse))
    assert "what was restated" in told
