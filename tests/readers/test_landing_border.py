"""A folder of logs is a border: what leads out of it, or is no file, is one row without content."""

import os
import socket

import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.readers import Settings, files_in, read_file

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
SECRET = "run_id,reserved_s\nnobody-may-see-this,3600\n"


@pytest.fixture
def landing(tmp_path):
    """A landing folder beside a folder that nobody gave."""
    (tmp_path / "outside" / "deeper").mkdir(parents=True)
    (tmp_path / "outside" / "private.csv").write_text(SECRET)
    (tmp_path / "outside" / "deeper" / "private.csv").write_text(SECRET)
    (tmp_path / "landing" / "inside").mkdir(parents=True)
    return tmp_path / "landing"


def rows(folder):
    found = {}
    for path, uri in files_in(folder):
        reading, content_hash, _ = read_file(path, uri, NOW)
        assert len(content_hash) == 64
        found[uri] = reading.quarantine
    return found


LINKS = {
    "to a file": ("../outside/private.csv", "a.csv"),
    "to a file, by its whole path": ("{parent}/outside/private.csv", "a.csv"),
    "to a folder": ("../../outside", "inside/a"),
    "to the folder above": ("..", "up"),
    "to the root": ("/", "root"),
    "to a device": ("/dev/zero", "zero.csv"),
    "by way of another link": ("first", "second.csv"),
    "to a folder with the same beginning": ("../landing-of-another/x.csv", "a.csv"),
    "with a name that is known": ("../outside/private.csv", "vocab.txt"),
    "to nothing outside": ("../nowhere", "a.csv"),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_that_leads_out_is_one_row_and_is_not_followed(landing, kind):
    (landing.parent / "landing-of-another").mkdir()
    (landing.parent / "landing-of-another/x.csv").write_text(SECRET)
    (landing / "inside/.first").symlink_to("../../outside/private.csv")
    (landing / "first").symlink_to("inside/.first")
    target, name = LINKS[kind]
    target = target.format(parent=landing.parent)
    (landing / name).parent.mkdir(exist_ok=True)
    (landing / name).symlink_to(target)
    found = rows(landing)
    assert set(found) == {name, "first"}
    assert found[name]["reason_code"].tolist() == ["leads_outside"]
    assert found[name]["raw"].fillna("").tolist() == [""]
    assert target not in found[name]["reason"].item() or target in {"..", "/", "first"}
    for pattern in (str(landing / "**/*"), str(landing / "*")):
        runs, quarantine = fte.read_runs(pattern)
        assert runs.empty
        assert "nobody-may-see-this" not in quarantine.to_csv()


def test_a_link_within_the_folder_and_one_that_is_named_are_followed(landing):
    (landing / "inside/a.csv").write_text(SECRET)
    (landing / "b.csv").symlink_to("inside/a.csv")
    (landing / "again").symlink_to("inside")
    codes = [code for frame in rows(landing).values() for code in frame["reason_code"]]
    assert "leads_outside" not in codes
    named = landing.parent / "named"
    named.symlink_to(landing)
    assert set(rows(named)) == {"b.csv", "inside/a.csv"}
    (landing / "out.csv").symlink_to("../outside/private.csv")
    ((path, _),) = files_in(landing / "out.csv")
    assert path == landing / "out.csv"


@pytest.mark.parametrize(
    "name", ["a.csv", "vocab.txt", "model.safetensors", "tokenizer_config.json", "README.md"]
)
def test_what_is_no_file_is_one_row_whatever_its_name(landing, name, monkeypatch):
    os.mkfifo(landing / name)
    assert rows(landing)[name]["reason_code"].tolist() == ["not_a_file"]
    (landing / name).unlink()
    # A path of a socket has 107 characters at most.
    monkeypatch.chdir(landing)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        assert rows(landing)[name]["reason_code"].tolist() == ["not_a_file"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.csv", b"nobody,may,see\n1,2,this\n", "unrecognised"),
        ("letter", "Dear nobody, may you see this".encode("utf-16"), "unrecognised"),
        ("a.json", b'{"nobody": "may see this"}', "unrecognised"),
        ("a.xlsx", b"PK\x03\x04\0nobody may see this", "binary_file"),
    ],
)
def test_of_what_is_not_recognised_nothing_but_name_kind_and_size_is_kept(
    landing, name, content, code
):
    (landing / name).write_bytes(content)
    (row,) = rows(landing)[name].itertuples()
    assert row.reason_code == code
    assert pd.isna(row.raw) or row.raw == ""
    assert "bytes" in row.reason
    assert not any(word in row.reason for word in ("nobody", "see", "this"))


def test_of_a_broken_file_of_a_known_format_the_beginning_is_kept(landing, seeds):
    (landing / "trainer_state.json").write_bytes(seeds["run/trainer_state.json"][:-20])
    (row,) = rows(landing)["trainer_state.json"].itertuples()
    assert row.reason_code == "broken_json"
    assert row.raw


def test_the_link_that_wandb_makes_to_its_own_log_is_left_quietly_and_not_followed(landing):
    logs = landing / "wandb/offline-run-20260301_120000-k3x9p2ab/logs"
    logs.mkdir(parents=True)
    (logs / "debug-core.log").symlink_to(landing.parent / "outside/private.csv")
    ((path, uri),) = files_in(landing)
    reading, _, kind = read_file(path, uri, NOW)
    assert (reading.content, kind, len(reading.quarantine)) == ("other", "logs of programs", 0)
