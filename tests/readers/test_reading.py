"""What holds for every file: nothing raises, nothing disappears, no secret gets out."""

import os
import re
from types import ModuleType

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

from ft_emissions_pipeline import readers
from ft_emissions_pipeline.readers import READERS, REASONS, Settings, basis_of, files_in, read_file
from ft_emissions_pipeline.readers.scrubbing import raw_text, scrubbed, scrubbed_cells
from ft_emissions_pipeline.tables import BASES, RUN_FIELDS

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
FUZZ = settings(
    max_examples=200,
    deadline=None,
    # The folder is shared by the examples on purpose: each writes the same file anew.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def test_one_good_file_among_twenty_broken_ones(broken_folder, conserved):
    folder, expected = broken_folder
    read = {uri: conserved(read_file(path, uri, NOW)[0]) for path, uri in files_in(folder)}
    assert sum(len(reading.runs) for reading in read.values()) == 1
    codes = {uri: list(r.quarantine["reason_code"]) for uri, r in read.items() if len(r.quarantine)}
    assert codes == {uri: [code] for uri, code in expected.items()}
    assert len(codes) == 20


def test_every_good_file_is_read_by_its_own_reader(seeds, tmp_path):
    formats = set()
    for uri, data in seeds.items():
        path = tmp_path / "file"
        path.write_bytes(data)
        reading, content_hash, source_format = read_file(path, uri, NOW)
        parts = (
            reading.runs, reading.usage, reading.telemetry, reading.lengths, reading.events,
            reading.cloud_reports,
        )  # fmt: skip
        assert sum(map(len, parts)) > 0, uri
        assert len(content_hash) == 64
        formats.add(source_format)
    assert formats == {reader.FORMAT for reader in READERS}


@FUZZ
@given(data=st.data())
def test_no_mutation_of_a_good_file_raises_or_loses_a_record(seeds, tmp_path, conserved, data):
    uri = data.draw(st.sampled_from(sorted(seeds)))
    content = bytearray(seeds[uri])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = min(len(content), start + data.draw(st.integers(0, 12)))
        pieces = [
            b"",
            b"\n",
            b'"',
            b",",
            b"\xff",
            b"{",
            b"]",
            b"nan",
            b"-1",
            b"1e999",
            b": ",
            b"|",
            b"\0",
            b"&a *a",
        ]
        content[start:end] = data.draw(st.one_of(st.sampled_from(pieces), st.binary(max_size=8)))
    path = tmp_path / "file"
    path.write_bytes(bytes(content))
    reading, _, _ = read_file(path, uri, NOW)
    conserved(reading)
    # A mutation that nobody foresaw should still be refused for a reason, not by accident.
    assert "reader_failed" not in set(reading.quarantine["reason_code"]), reading.quarantine[
        "reason"
    ].tolist()


@FUZZ
@given(
    uri=st.sampled_from(["a.csv", "trainer_state.json", "j.jsonl", "d.yaml", "runs.yaml", "c.md",
                         "u.parquet", "x"]),
    start=st.sampled_from([b"", b"PAR1", b"\xff\xfe", b"\xef\xbb\xbf", b"runs:\n", b"{",
                           b"timestamp,duration,emissions,energy_consumed\n"]),
    junk=st.binary(max_size=200),
)  # fmt: skip
def test_no_junk_raises(tmp_path, conserved, uri, start, junk):
    path = tmp_path / "file"
    path.write_bytes(start + junk)
    conserved(read_file(path, uri, NOW)[0])


SECRETS = {
    "account": ("arn:aws:iam::123456789012:role/x", "123456789012"),
    "signature": ("https://b.s3.amazonaws.com/k?X-Amz-Signature=deadbeef", "deadbeef"),
    "password in url": ("https://user:hunter2@host/x", "hunter2"),
    "email": ("ada.lovelace@example.org", "lovelace"),
    "openai": ("sk-proj-abcdefghijklmnop1234", "abcdefghijklmnop"),
    "hugging face": ("hf_abcdefghijklmnopqrstuvwxyz123456", "abcdefghijklmnop"),
    "github": ("ghp_abcdefghijklmnopqrstuvwxyz1234567890", "abcdefghijklmnop"),
    "aws": ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
    "bearer": ("Authorization: Bearer abc123def456", "abc123def456"),
    "named": ("api_key=swordfish", "swordfish"),
}


@pytest.mark.parametrize("kind", SECRETS)
def test_planted_secrets_get_out_of_no_file(seeds, tmp_path, kind):
    planted, secret = SECRETS[kind]
    said = []
    for uri, content in seeds.items():
        text = content.decode("utf-8", errors="replace")
        words = [
            "support-bot",
            "Llama 2",
            "kbz1abcd2345",
            "tickets",
            '"bot"',
            "run-a",
            "3600",
            "12 hours",
            "1000",
        ]
        for word in (word for word in words if word in text):
            quoted = f'"{planted}"' if word.startswith('"') else planted
            path = tmp_path / "file"
            path.write_text(text.replace(word, quoted))
            reading, _, _ = read_file(path, uri, NOW)
            said += [reading.runs.to_csv(), reading.usage.to_csv(), reading.quarantine.to_csv()]
            said += [reading.telemetry.to_csv(), reading.events.to_csv()]
            said += [reading.cloud_reports.to_csv()]
            said += [str(reading.mapping)]
    assert "[removed" in "".join(said)
    assert secret not in "".join(said)


def test_names_that_only_look_like_secrets_stay():
    for name in [
        "bot@1.2.0",
        "hf_out-42",
        "sk-learn",
        "Tokens | 48,123",
        "meta.llama2-13b-chat-v1",
    ]:
        assert scrubbed(name) == name


def test_cells_and_texts_are_scrubbed_alike():
    planted = pd.Series([text for text, _ in SECRETS.values()] + [None, "plain"], dtype="str")
    clean = scrubbed_cells(planted)
    assert clean.dropna().tolist() == [scrubbed(text) for text in planted.dropna()]
    assert clean.isna().sum() == 1


def test_two_secrets_do_not_become_one_name():
    assert scrubbed("ada@example.org/run") != scrubbed("bob@example.org/run")


@pytest.mark.parametrize("filler", ["a", "a.", "a@", "ab://", "eyJ", "sk-", "arn:aws:"])
def test_long_junk_is_scrubbed_in_no_time(filler):
    assert len(raw_text(filler * 100_000)) <= 500


def test_too_large_links_pipes_and_closed_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(readers.opening, "LIMIT", 10)
    (tmp_path / "large.csv").write_text("x" * 11)
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.csv")
    codes = {}
    for path, uri in files_in(tmp_path):
        reading, content_hash, source_format = read_file(path, uri, NOW)
        assert source_format is None
        assert len(content_hash) == 64
        assert str(tmp_path) not in reading.quarantine.to_csv()
        codes[uri] = reading.quarantine["reason_code"].item()
    assert codes == {
        "large.csv": "too_large", "loop.csv": "cannot_open", "gone.csv": "cannot_open",
        "pipe.csv": "not_a_file",
    }  # fmt: skip


def test_a_file_that_cannot_be_opened_is_refused(tmp_path, monkeypatch):
    def closed(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "a.csv"
    path.write_text("x")
    monkeypatch.setattr(type(path), "open", closed)
    reading, _, _ = read_file(path, "a.csv", NOW)
    assert reading.quarantine["reason_code"].tolist() == ["cannot_open"]


def test_a_reader_that_stumbles_costs_its_file_only(tmp_path, monkeypatch, seeds):
    def stumble(*_args):
        return {}["unforeseen"]

    monkeypatch.setattr(readers.codecarbon, "read", stumble)
    path = tmp_path / "a.csv"
    path.write_bytes(seeds["emissions.csv"])
    reading, _, source_format = read_file(path, "a.csv", NOW)
    assert reading.quarantine["reason_code"].tolist() == ["reader_failed"]
    assert "unforeseen" in reading.quarantine["reason"].item()
    assert source_format == "codecarbon"


def test_every_reason_is_explained_and_every_reader_complete():
    assert all(explanation for explanation in REASONS.values())
    for reader in READERS:
        assert isinstance(reader, ModuleType)
        assert "*" in reader.BASIS
        assert set(reader.BASIS) <= {"*", *RUN_FIELDS}
        assert set(reader.BASIS.values()) <= set(BASES)
        assert reader.PROGRESS is None or reader.PROGRESS in RUN_FIELDS
    assert len({reader.FORMAT for reader in READERS}) == len(READERS)


def test_basis_tells_measured_from_modelled():
    assert basis_of("codecarbon", "gpu_energy_kwh") == "measured"
    assert basis_of("codecarbon", "ram_energy_kwh") == "predicted"
    assert basis_of("disclosure", "gpu_energy_kwh") == "disclosed"
    with pytest.raises(KeyError, match="no reader has format 'wandb'"):
        basis_of("wandb", "pue")


@pytest.mark.parametrize(
    "wrong", [{"timezone": "Mars/Olympus"}, {"now": pd.Timestamp("2026-10-10")}]
)
def test_settings_need_a_zone(wrong):
    with pytest.raises(ValueError, match="time zone"):
        Settings(**wrong)


def test_half_a_surrogate_pair_can_be_stored(read):
    reading = read("out/d.json", b'{"GPU": "A100 \\ud83d", "Region": "\\ud83c\\uddf3", "PUE": 1.2}')
    assert reading.runs["gpu_model"].tolist() == ["A100 ?"]
    assert reading.runs["location"].tolist() == ["\U0001f1f3"]


def test_a_number_of_five_thousand_digits_is_refused(refusal):
    code, _ = refusal("out/train_results.json", b'{"train_runtime": ' + b"9" * 5000 + b"}")
    assert code == "not_a_number"


def _touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def test_a_folder_is_walked_without_hidden_and_unfinished_files(tmp_path):
    _touch(
        tmp_path, "b.csv", "a/c.csv", ".git/x", "a/.hidden", "__pycache__/y", "z.csv.part", "w.md~"
    )
    assert [uri for _, uri in files_in(tmp_path)] == ["a/c.csv", "b.csv"]


def test_a_glob_keeps_paths_from_its_fixed_start(tmp_path):
    _touch(tmp_path, "x/1/e.csv", "x/2/e.csv", "x/2/f.md", "x/.3/e.csv")
    assert [uri for _, uri in files_in(str(tmp_path / "x" / "*" / "*.csv"))] == [
        "1/e.csv",
        "2/e.csv",
    ]


def test_files_of_one_name_are_told_apart_and_none_comes_twice(tmp_path):
    _touch(tmp_path, "x/e.csv", "y/e.csv")
    given = [tmp_path / "y" / "e.csv", tmp_path / "x" / "e.csv", tmp_path / "x" / "e.csv"]
    assert [uri for _, uri in files_in(given)] == ["x/e.csv", "y/e.csv"]


def test_files_whose_names_look_alike_are_told_apart(tmp_path):
    _touch(tmp_path, "x\x1b/e\a.csv", "x\x1b/e\b.csv", "x\x07/e\a.csv", "y/e.csv")
    uris = [uri for _, uri in files_in(tmp_path)]
    assert len(set(uris)) == 4
    alike = ["x\ufffd/e\ufffd.csv"] * 3
    assert [re.sub("[0-9a-f]{8}-", "", uri) for uri in uris] == [*alike, "y/e.csv"]
    assert uris == [uri for _, uri in files_in(tmp_path)]


def test_a_folder_linked_into_itself_is_walked_once(tmp_path):
    _touch(tmp_path, "a/e.csv")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert [uri for _, uri in files_in(tmp_path)] == ["a/e.csv"]


def test_a_path_that_leads_nowhere_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        files_in(tmp_path / "*.csv")


def test_a_name_that_is_no_utf8_can_still_be_called(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff.csv", "w"):  # noqa: PTH123 (a name of bytes)
        pass
    ((_, uri),) = files_in(tmp_path)
    assert uri.encode("utf-8")
