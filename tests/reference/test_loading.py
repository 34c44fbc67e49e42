"""Bad factor tables are refused by file, line, reason; good ones hash and read alike anywhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from ft_emissions_pipeline.reference import (
    SHIPPED,
    Reference,
    ReferenceRefused,
    check,
    default_folder,
    load,
    take,
    write_datapackage,
)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return load()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_folder(), tmp_path / "reference_data"))


def rewrite(folder: Path, table: str, change) -> None:
    """Change a table's raw text cells and state its new hash."""
    path = folder / f"{table}.csv"
    frame = pd.read_csv(path, dtype="str", keep_default_na=False)
    change(frame).to_csv(path, index=False, lineterminator="\n")
    write_datapackage(folder)


def put(row: int, **cells: str):
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        for column, text in cells.items():
            frame.loc[row, column] = text
        return frame

    return change


@pytest.mark.parametrize(
    ("table", "change", "problem"),
    [
        ("grid_intensity", put(10, gco2e_per_kwh="-3"),
         "grid_intensity.csv line 12: gco2e_per_kwh -3 must be at least 1 and at most 2500"),
        ("grid_intensity", put(0, gco2e_per_kwh="many"), "line 2: gco2e_per_kwh many is no number"),
        ("grid_intensity", put(0, year="2024.5"), "year 2024.5 is no whole number"),
        ("gpus", put(3, source=""), "gpus.csv line 5: source is empty"),
        ("gpus", put(3, licence=""), "gpus.csv line 5: licence is empty"),
        ("gpus", put(3, source_year=""), "gpus.csv line 5: source_year is empty"),
        ("gpus", put(3, verification="sure"), "verification sure must be one of read_in_source"),
        ("gpus", put(0, tdp_w="90000"),
         "gpus.csv line 2: tdp_w 90000 must be at least 10 and at most 3000 W"),
        ("datacenter", put(0, metric="pue", value="0.9"),
         "datacenter.csv line 2: value 0.9 is below 1"),
        ("defaults", put(0, p05="1e9"), "defaults.csv line 2: value lies outside p05..p95"),
        ("aliases", put(0, id="nowhere"), "aliases.csv line 2: nowhere is no id of"),
        ("instances", put(0, gpu_id="A99"), "instances.csv line 2: gpu_id A99 is not in gpus.csv"),
        ("gpus", put(0, valid_from="2025-01-01", valid_to="2024-12-31"),
         "line 2: valid_to lies before valid_from"),
        ("gpus", put(3, source_url="", verification="read_in_source"),
         "gpus.csv line 5: source_url is empty"),
        ("defaults", put(0, unit="pounds"), "defaults.csv line 2: unit pounds must be one of"),
        ("embodied_components", put(0, unit="t"),
         "embodied_components.csv line 2: unit t must be one of"),
        ("grid_intensity", put(0, gco2e_per_kwh="99999"),
         "gco2e_per_kwh 99999 must be at least 1 and at most 2500"),
        ("servers",
         lambda f: pd.concat([f.assign(valid_to="2025-12-31"),
                              f.tail(1).assign(valid_from="2025-06-01")]),
         "is there twice for the same time"),
        ("gpus", put(0, valid_from="soon"), "gpus.csv line 2: valid_from soon is no date"),
        ("gpus", lambda f: pd.concat([f, f.tail(1)]), "key .* is there twice for the same time"),
        ("aliases", lambda f: pd.concat([f, f.tail(1)]), "is there twice"),
        ("gpus", lambda f: f.drop(columns="tdp_w"), "gpus.csv line 1: column tdp_w is missing"),
        ("gpus", lambda f: f.assign(price="1"), "gpus.csv line 1: column price is not declared"),
        ("gpu_embodied", lambda f: f[f["gpu_id"] != "T4"], "T4 needs one row of rank 1"),
        ("gpu_water", lambda f: f[f["gpu_id"] != "T4"], "T4 has no row in gpu_water.csv"),
    ],
)  # fmt: skip
def test_broken_row_is_refused_with_file_line_and_reason(folder, table, change, problem):
    rewrite(folder, table, change)
    with pytest.raises(ReferenceRefused, match=problem.replace("(", r"\(")):
        load(folder)


def test_edit_without_a_stated_hash_is_refused(folder):
    path = folder / "defaults.csv"
    path.write_text(path.read_text("utf-8").replace("0.95", "0.96", 1), encoding="utf-8")
    with pytest.raises(ReferenceRefused, match=r"defaults\.csv differs from its hash"):
        load(folder)


def test_all_problems_of_a_folder_are_told_at_once(folder):
    rewrite(folder, "gpus", put(3, source="", tdp_w="-1"))
    rewrite(folder, "defaults", put(0, licence=""))
    problems = check(folder)
    assert len(problems) == 3
    assert all(re.match(r"\w+\.csv line \d+: ", problem) for problem in problems)


def test_file_that_is_no_text_is_refused(folder):
    (folder / "gpus.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReferenceRefused, match=r"gpus.csv is no CSV file in UTF-8"):
        load(folder)


def test_a_file_older_than_a_column_that_may_be_empty_is_read(folder):
    """Factors of one's own outlive a release that measures one thing more."""
    before = load(folder).tables["gpus"]
    rewrite(folder, "gpus", lambda f: f.drop(columns="matmul_16bit_tflops"))
    after = load(folder).tables["gpus"]
    assert after["matmul_16bit_tflops"].isna().all()
    other = before.columns.drop(["matmul_16bit_tflops", "row_hash"])
    pd.testing.assert_frame_equal(after[other], before[other])


def test_missing_table_is_refused(folder):
    (folder / "gpus.csv").unlink()
    with pytest.raises(ReferenceRefused, match=r"gpus.csv is missing"):
        load(folder)


def test_package_description_is_up_to_date(folder):
    stated = (folder / "datapackage.json").read_text("utf-8")
    assert write_datapackage(folder).read_text("utf-8") == stated


def test_changed_row_changes_its_hash_and_the_version_only(folder, reference):
    rewrite(folder, "defaults", put(0, notes="changed"))
    changed = load(folder)
    assert changed.version != reference.version
    before, after = reference.tables["defaults"], changed.tables["defaults"]
    assert (before["row_hash"] != after["row_hash"]).tolist() == [True] + [False] * (len(after) - 1)
    assert (before["factor_id"] == after["factor_id"]).all()


def test_row_may_follow_another_in_time(folder):
    def follow(frame: pd.DataFrame) -> pd.DataFrame:
        new = frame[frame["server_id"] == "aws-p5"].assign(
            valid_from="2026-01-01", host_idle_w="900"
        )
        frame.loc[frame["server_id"] == "aws-p5", "valid_to"] = "2025-12-31"
        return pd.concat([frame, new])

    rewrite(folder, "servers", follow)
    reference = load(folder)
    assert reference.tables["servers"]["factor_id"].is_unique
    latest = take(reference, "servers", pd.Series(["aws-p5"], dtype="str"), ["host_idle_w"]).iloc[0]
    assert (latest["host_idle_w"], latest["factor_id"]) == (900, "servers/aws-p5/2026-01-01")


def test_tables_are_read_once_and_again_after_a_change(folder):
    first = load(folder)
    assert load(folder) is first
    rewrite(folder, "defaults", put(0, notes="changed"))
    assert load(folder) is not first


def test_package_is_valid_by_the_frictionless_library(monkeypatch):
    """Another reader reads types, bounds, allowed values, keys, sizes and hashes."""
    from frictionless import Package

    monkeypatch.chdir(default_folder())
    report = Package("datapackage.json").validate()
    assert report.valid, report.flatten(["name", "rowNumber", "fieldName", "message"])
    assert {task.name for task in report.tasks} == {name.replace("_", "-") for name in SHIPPED}
