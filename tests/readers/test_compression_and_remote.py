"""Compressed files, files at URLs, and whatever else may lie in a landing folder."""

import gzip
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import fsspec
import pandas as pd
import pyarrow as pa
import pytest

from ft_emissions_pipeline import readers
from ft_emissions_pipeline.landing import days
from ft_emissions_pipeline.landing import index as landing
from ft_emissions_pipeline.readers import Settings, files_in, read_bytes, read_file
from ft_emissions_pipeline.reference import load
from ft_emissions_pipeline.tables import LANDING_INDEX, empty

pytestmark = pytest.mark.slow

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))


def zstd(data):
    return pa.compress(data, codec="zstd", asbytes=True)


PACKERS = {".gz": gzip.compress, ".zst": zstd}


@pytest.mark.parametrize("suffix", PACKERS)
def test_every_format_may_be_compressed(seeds, suffix):
    for uri, data in seeds.items():
        plain, own = read_bytes(data, uri, NOW)
        packed, found = read_bytes(PACKERS[suffix](data), uri + suffix, NOW)
        assert found == own
        assert (packed.records, packed.merged) == (plain.records, plain.merged), uri
        pd.testing.assert_frame_equal(packed.runs, plain.runs)
        pd.testing.assert_frame_equal(packed.usage, plain.usage)


def test_compression_is_told_by_content_and_not_by_name(seeds):
    data = seeds["emissions.csv"]
    assert len(read_bytes(gzip.compress(data), "emissions.csv", NOW)[0].runs) == 2
    assert len(read_bytes(data, "emissions.csv.gz", NOW)[0].runs) == 2
    assert (
        len(read_bytes(seeds["run/trainer_state.json"], "trainer_state.json.gz", NOW)[0].runs) == 1
    )


def test_gzip_of_several_members_is_read_whole(emissions_csv):
    first, second = (
        emissions_csv({}).encode(),
        emissions_csv({"run_id": "b"}).split("\n", 1)[1].encode(),
    )
    data = gzip.compress(first) + gzip.compress(second)
    assert len(read_bytes(data, "emissions.csv.gz", NOW)[0].runs) == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (gzip.compress(b"timestamp,duration\n" * 99)[:-12], "broken_compression"),
        (zstd(bytes(range(256)) * 99)[:-9], "broken_compression"),
        (b"\x1f\x8b and nothing more", "broken_compression"),
        (b"\x28\xb5\x2f\xfd", "broken_compression"),
        (gzip.compress(b""), "empty_file"),
        (gzip.compress(b" \n"), "empty_file"),
        (gzip.compress(gzip.compress(b"a,b\n1,2\n" * 1000)), "binary_file"),
    ],
    # An archive holds the time of its making, which is not the same in every process of a test run.
    ids=[
        "cut",
        "cut zst",
        "no archive",
        "only the mark of zst",
        "of nothing",
        "of blanks",
        "twice",
    ],
)
def test_broken_archives_cost_one_row(conserved, data, code):
    reading, source_format = read_bytes(data, "emissions.csv.gz", NOW)
    assert conserved(reading).quarantine["reason_code"].tolist() == [code]
    assert source_format is None


def _measured(tmp_path, code):
    """Run code in a process of its own; return its output and by how many MB its memory grew."""
    script = tmp_path / "measured.py"
    script.write_text(
        "import resource, sys\n"
        "from pathlib import Path\n"
        "import pandas as pd\n"
        "from ft_emissions_pipeline.readers import Settings, read_file, read_bytes\n"
        "NOW = Settings(now=pd.Timestamp('2026-10-10', tz='UTC'))\n"
        "folder = Path(sys.argv[1])\n"
        "read_bytes(b'date,model_name,inferences\\n2026-03-02,m,1\\n', 'u.csv', NOW)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"{code}\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, script, tmp_path],
        capture_output=True, text=True, check=True, timeout=300,
        env={**os.environ, "PYTHONPATH": str(Path(readers.__file__).parents[2])},
    )  # fmt: skip
    *said, grown = done.stdout.splitlines()
    # In kB on Linux, in bytes on macOS.
    return said, int(grown) / (1e6 if sys.platform == "darwin" else 1e3)


READ = (
    "r = read_file(folder / name, name, NOW)[0]; assert r.records == 1; "
    "print(r.quarantine['reason_code'].item())"
)


def test_a_file_of_two_gigabytes_is_refused_unread(tmp_path):
    with (tmp_path / "emissions.csv").open("wb") as stream:
        stream.truncate(1 << 31)
    said, grown = _measured(tmp_path, f"name = 'emissions.csv'; {READ}")
    assert said == ["too_large"]
    assert grown < 50


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_zip_bomb_is_refused_before_it_goes_off(tmp_path, suffix):
    """Of 8 GiB of zeros in a few MB no more than the limit of a JSON file is unpacked."""
    whole = PACKERS[suffix](bytes(1 << 27)) * 64
    (tmp_path / f"bomb.json{suffix}").write_bytes(whole)
    said, grown = _measured(tmp_path, f"name = 'bomb.json{suffix}'; {READ}")
    assert said == ["too_large"]
    assert grown < 600


def test_a_line_of_a_million_fields_costs_one_row_and_little_memory(tmp_path, emissions_csv):
    """As a header, and as a row of a good file, which is read but for that row."""
    (tmp_path / "header.csv").write_text(
        "timestamp,duration,emissions,energy_consumed" + ",x" * 1_000_000 + "\n1,2\n"
    )
    (tmp_path / "wide.csv").write_text(
        "timestamp,duration,emissions,energy_consumed" + ",x" * 20_000 + "\n1,2\n"
    )
    (tmp_path / "row.csv").write_text(emissions_csv({}) + "1," * 1_000_000 + "\n")
    code = (
        f"for name in ('header.csv', 'wide.csv'):\n    {READ}\n"
        "r = read_file(folder / 'row.csv', 'row.csv', NOW)[0]\n"
        "print(len(r.runs), r.records, *r.quarantine['reason_code'])"
    )
    said, grown = _measured(tmp_path, code)
    assert said == ["wrong_shape", "wrong_shape", "1 2 shifted_row"]
    assert grown < 600


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trainer_state.json", '{"a":' * 500_000),
        ("bedrock.json", '{"jobArn": "model-customization-job", "x": ' + "[" * 500_000),
        ("usage.json", '{"object": "bucket", "num_model_requests": ' + "[" * 500_000),
        ("runs.yaml", "runs: " + "[" * 500_000),
        ("card.yaml", "GPU: " + "{a: " * 100_000),
    ],
)
def test_deep_documents_cost_one_row(conserved, name, text):
    reading, _ = read_bytes(text.encode(), name, NOW)
    assert conserved(reading).quarantine["reason_code"].item() in {
        "too_deep", "broken_json", "broken_yaml", "unrecognised",
    }  # fmt: skip
    assert reading.records == 1


def test_links_in_a_circle_pipes_and_sockets_cost_one_row_each_and_nothing_waits(
    tmp_path, emissions_csv
):
    folder = tmp_path / "landing"
    folder.mkdir()
    (folder / "good.csv").write_text(emissions_csv({}))
    (folder / "circle.csv").symlink_to(folder / "circle.csv")
    (folder / "self").symlink_to(folder)
    os.mkfifo(folder / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as server:
        # Names of sockets are short; the folder's need not be.
        here = Path.cwd()
        os.chdir(folder)
        try:
            server.bind("socket.csv")
        finally:
            os.chdir(here)
        index = landing.scan(folder, load(), NOW, empty(LANDING_INDEX))
        again = landing.scan(folder, load(), NOW, index)
    quarantined = index.set_index("source_uri")["quarantined"].to_dict()
    assert quarantined == {"circle.csv": 1, "good.csv": 0, "pipe.csv": 1, "socket.csv": 1}
    assert len(again) == len(index)


@pytest.fixture
def remote(emissions_csv):
    """A landing folder in the memory of this process, as memory://landing."""
    system = fsspec.filesystem("memory")
    files = {
        "a/emissions.csv": emissions_csv({}).encode(),
        "b/emissions.csv.gz": gzip.compress(emissions_csv({"run_id": "run-b"}).encode()),
        "b/.hidden.csv": b"x",
        "notes.txt": b"nothing",
    }
    for name, data in files.items():
        system.pipe_file(f"/landing/{name}", data)
    yield "memory://landing"
    system.rm("/landing", recursive=True)


def test_a_folder_at_a_url_is_read_like_one_of_this_machine(remote, tmp_path):
    found = files_in(remote)
    assert [uri for _, uri in found] == ["a/emissions.csv", "b/emissions.csv.gz", "notes.txt"]
    readings = {uri: read_file(file, uri, NOW) for file, uri in found}
    assert readings["a/emissions.csv"][0].runs["run_id"].tolist() == ["run-a"]
    assert readings["b/emissions.csv.gz"][0].runs["run_id"].tolist() == ["run-b"]
    assert readings["notes.txt"][0].quarantine["reason_code"].tolist() == ["unrecognised"]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "emissions.csv").write_bytes(
        fsspec.filesystem("memory").cat_file("/landing/a/emissions.csv")
    )
    at_url = files_in(tmp_path.as_uri())
    assert [uri for _, uri in at_url] == ["a/emissions.csv"]
    assert read_file(*at_url[0], NOW)[1] == readings["a/emissions.csv"][1]


def test_globs_and_files_at_urls(remote):
    assert [uri for _, uri in files_in(f"{remote}/*/emissions.csv*")] == [
        "a/emissions.csv",
        "b/emissions.csv.gz",
    ]
    assert [uri for _, uri in files_in(f"{remote}/a/emissions.csv")] == ["emissions.csv"]
    both = [f"{remote}/a/emissions.csv", f"{remote}/a", f"{remote}/b/emissions.csv.gz"]
    assert [uri for _, uri in files_in(both)] == ["emissions.csv", "emissions.csv.gz"]
    with pytest.raises(FileNotFoundError, match="no file at"):
        files_in(f"{remote}/nowhere")


def test_a_landing_folder_at_a_url_is_indexed_and_its_runs_read(remote):
    index = landing.scan(remote, load(), NOW, empty(LANDING_INDEX))
    assert sorted(index["record_run_id"].dropna()) == ["run-a", "run-b"]
    day = pd.Timestamp("2026-03-01")
    runs = days.runs_of(remote, index, day, day, load(), NOW)
    assert runs["source_uri"].tolist() == ["a/emissions.csv", "b/emissions.csv.gz"]


def test_a_file_at_a_url_that_went_away_costs_one_row(remote):
    ((file, uri),) = files_in(f"{remote}/a/emissions.csv")
    fsspec.filesystem("memory").rm("/landing/a/emissions.csv")
    reading, content_hash, _ = read_file(file, uri, NOW)
    assert reading.quarantine["reason_code"].tolist() == ["cannot_open"]
    assert len(content_hash) == 64


def test_a_signed_url_shows_neither_signature_nor_host():
    url = "https://user:pw@bucket.example.com/logs/emissions.csv?X-Amz-Signature=deadbeef"
    try:
        ((file, uri),) = files_in(url)
    except ImportError as error:
        # aiohttp, by which fsspec reads https, is not installed everywhere.
        said = str(error)
    else:
        assert uri == "emissions.csv"
        said = str(file) + repr(file)
    assert not any(secret in said for secret in ("deadbeef", "pw", "bucket.example"))


def test_what_is_missing_for_a_url_is_named(monkeypatch):
    with pytest.raises(ImportError, match="s3fs"):
        files_in("s3://bucket/logs")
    with pytest.raises(ValueError, match="nothing is known that reads from gopher://"):
        files_in("gopher://host/logs")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ImportError, match=r"ft-emissions-pipeline\[remote\]"):
        files_in("memory://landing")


def test_a_secret_in_a_files_name_gets_no_further_and_the_file_is_still_found(
    tmp_path, emissions_csv
):
    folder = tmp_path / "ada@example.org"
    folder.mkdir()
    (folder / "hf_abcdefghijklmnopqrstuvwxyz.csv").write_text(emissions_csv({"run_id": ""}))
    (folder / "runs.yaml").write_text("runs: {r1: {logs: ['hf_abcdefghijklmnopqrstuvwxyz.csv']}}\n")
    index = landing.scan(tmp_path, load(), NOW, empty(LANDING_INDEX))
    day = pd.Timestamp("2026-03-01")
    runs = days.runs_of(tmp_path, index, day, day, load(), NOW)
    assert runs["run_id"].tolist() == ["r1"]
    said = index.to_csv() + runs.to_csv()
    assert "ada@" not in said
    assert "hf_abc" not in said
    assert json.loads(runs["origins"].item())
