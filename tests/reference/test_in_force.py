"""Which folder of factor tables a warehouse rests on, night after night."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from teams import changed_reference

from ft_emissions_pipeline.reference import (
    ReferenceRefused,
    default_folder,
    in_force,
    load,
    newest,
    refusal,
)


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    return changed_reference(tmp_path)


def edit_without_a_seal(folder: Path) -> None:
    path = folder / "defaults.csv"
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")


def test_a_night_that_does_not_name_the_folder_rests_on_the_one_that_stands(edited, tmp_path):
    warehouse = tmp_path / "warehouse"
    named = in_force(warehouse, edited)
    assert named.version != load().version
    assert in_force(warehouse).version == named.version
    assert in_force(warehouse, keep=False).version == named.version
    assert in_force(warehouse, "package").version == load().version
    assert in_force(warehouse).version == load().version


def test_a_folder_named_from_elsewhere_is_remembered_whole(edited, tmp_path, monkeypatch):
    warehouse = tmp_path / "warehouse"
    monkeypatch.chdir(edited.parent)
    named = in_force(warehouse, edited.name)
    monkeypatch.chdir(default_folder())
    assert in_force(warehouse).folder == edited
    assert in_force(warehouse).version == named.version


def test_who_only_looks_names_nothing(edited, tmp_path):
    warehouse = tmp_path / "warehouse"
    in_force(warehouse)
    assert in_force(warehouse, edited, keep=False).version != load().version
    assert in_force(warehouse).version == load().version


@pytest.mark.parametrize("before", ["good ones stand", "nothing stands"])
def test_a_folder_that_is_not_there_is_named(before, tmp_path):
    warehouse = tmp_path / "warehouse"
    if before == "good ones stand":
        in_force(warehouse)
    with pytest.raises(ReferenceRefused, match=f"there is no folder {tmp_path / 'gone'}"):
        newest(warehouse, tmp_path / "gone")
    assert refusal(warehouse) == ""
    assert in_force(warehouse).version == load().version


def test_another_folder_that_is_refused_changes_nothing(edited, tmp_path):
    warehouse = tmp_path / "warehouse"
    in_force(warehouse)
    edit_without_a_seal(edited)
    with pytest.raises(ReferenceRefused, match=r"defaults\.csv differs from its hash"):
        newest(warehouse, edited)
    assert refusal(warehouse) == ""
    assert not in_force(warehouse).refused


def test_where_the_folder_that_stands_is_gone_the_last_good_tables_serve_and_it_is_said(
    edited, tmp_path
):
    warehouse = tmp_path / "warehouse"
    good = in_force(warehouse, edited)
    shutil.rmtree(edited)
    kept = in_force(warehouse)
    assert kept.version == good.version
    assert f"there is no folder {edited}" in kept.refused
    assert "stay in force" in refusal(warehouse)
