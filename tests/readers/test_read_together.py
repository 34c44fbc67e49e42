"""Files that are read together say what each says alone, whatever lies between them."""

import gzip
from dataclasses import fields

import pandas as pd
import pytest

from ft_emissions_pipeline import readers
from ft_emissions_pipeline.landing.engines import local, over_files
from ft_emissions_pipeline.readers import Settings, files_in, read_file, read_files
from ft_emissions_pipeline.readers.formats import codecarbon

NOW = Settings(timezone="Europe/Paris", now=pd.Timestamp("2026-10-10", tz="UTC"))

NAMES = (
    "timestamp,project_name,run_id,duration,emissions,cpu_energy,gpu_energy,ram_energy,"
    "energy_consumed,country_name,country_iso_code,gpu_count,gpu_model,cpu_model,task_name,pue"
)


def cells(n, **other):
    """Return the cells of a run's row by column."""
    row = {
        "timestamp": f"2026-03-02T10:{n % 60:02d}:00", "project_name": f"bot-{n % 3}",
        "run_id": f"{n:08x}-aaaa-bbbb-cccc-1234567890ab", "duration": f"{3600 + n}.5",
        "emissions": "0.06", "cpu_energy": "0.25", "gpu_energy": f"0.{500 + n}",
        "ram_energy": "0.25", "energy_consumed": f"1.{n:03d}", "country_name": "France",
        "country_iso_code": "FRA", "gpu_count": "4", "gpu_model": "4 x NVIDIA A100-SXM4-80GB",
        "cpu_model": "Intel Xeon", "task_name": "", "pue": "1.0",
    }  # fmt: skip
    return row | {name: str(value) for name, value in other.items()}


def line(n, delimiter=",", **other):
    return delimiter.join(cells(n, **other).values())


def log(*lines, names=NAMES, end="\n"):
    return ("\n".join((names, *lines)) + end).encode()


BACKWARDS = ",".join(reversed(NAMES.split(",")))

TOGETHER = {
    "plain": log(line(1)),
    "of_three_runs": log(line(2), line(3), line(4)),
    "without_an_end": log(line(5), end=""),
    "marked": b"\xef\xbb\xbf" + log(line(6)),
    "of_windows": log(line(7)).replace(b"\n", b"\r\n"),
    "utf_16": log(line(8)).decode().encode("utf-16"),
    "accents": log(line(9, project_name="modèle")),
    "cp1252": log(line(10, project_name="modèle")).decode().encode("cp1252"),
    "packed.csv.gz": gzip.compress(log(line(11))),
    "quoted": log(line(12, project_name='"a, b"')),
    "flushed": log(line(13, duration=10), line(13, duration=30), line(13, duration=20)),
    "same_run_elsewhere": log(line(13, duration=40)),
    "twice": log(line(1)),
    "blank_lines": log("", line(14), "", line(15), ""),
    "pue": log(line(16, pue=1.5)),
    "gpu_unread": log(line(17, gpu_energy=0)),
    "iso2": log(line(18, country_iso_code="FR")),
    "secret": log(line(19, project_name="me@example.com")),
    "far_summer": log(line(20, timestamp="2026-10-25T02:30:00")),
    "zoned": log(line(20, timestamp="2026-03-02T10:00:00+09:00")),
    "backwards": log(line(21).replace(",", "\0"), names=BACKWARDS),
    "backwards_too": log(line(22).replace(",", "\0"), names=BACKWARDS),
    "semicolons": log(line(23, ";", duration="3600,5"), names=NAMES.replace(",", ";")),
    "semicolons_too": log(line(24, ";"), names=NAMES.replace(",", ";")),
    "not_what_its_name_says.json.txt": log(line(25)),
}
for _name in ("backwards", "backwards_too"):
    TOGETHER[_name] = b"\n".join(
        b",".join(reversed(row.split(b"\0"))) if b"\0" in row else row
        for row in TOGETHER[_name].split(b"\n")
    )

ALONE = {
    "one_header": log(line(30), names=NAMES.upper().replace("TIMESTAMP", "timestamp")),
    "lone": log(line(31), names=NAMES.replace("pue", "PUE")),
    "blank_before": b"\n\n" + log(line(32)),
    "open_quote": log(line(33, project_name='"open')),
    "line_in_a_cell": log(line(34, project_name='"a\nb"')),
    "quote_in_a_cell": log(line(35, project_name='a"b')),
    "no_key": log(line(36, run_id="None")),
    "hash": log(line(37, run_id="#37")),
    "tasks": log(line(38, task_name="train"), line(38, task_name="eval")),
    "no_time": log(line(39, timestamp="yesterday")),
    "no_number": log(line(40, duration="x")),
    "signed": log(line(41, energy_consumed="+1.5")),
    "future": log(line(42, timestamp="2030-01-01T00:00:00")),
    "ancient": log(line(43, timestamp="1969-01-01T00:00:00")),
    "too_much": log(line(44, pue=99)),
    "cut_off": log(line(45)[:60]),
    "one_good": log(line(46), line(47)[:60]),
    "too_long": log(line(48) + ",x"),
    "glued": log(line(49), line(50) + line(51), line(52)),
    "header_again": log(line(53), NAMES, line(54)),
    "no_row": log(),
    "header_alone": NAMES.encode(),
    "pue_twice": log(line(55) + ",1", names=NAMES + ",pue"),
    "pue_twice_again": log(line(56) + ",1", names=NAMES + ",pue"),
    "empty": b"",
    "zeros": b"\0\0\0",
    "prose": b"It went well.\n",
    "object.json": b'{"a": 1}',
    "state.json": b'{"global_step": 3, "log_history": [{"train_runtime": 30.0, "step": 3}]}',
    "other_state.json": b'{"global_step": 4, "log_history": [{"train_runtime": 40.0, "step": 4}]}',
    "usage.csv": b"date,model_name,inferences\n2026-03-02,support-bot,1000\n",
    "broken.json": b'{"global_step": 3, ',
}


@pytest.fixture
def folder(tmp_path):
    """Write every file of this module into a folder of its own."""
    for number, (name, data) in enumerate((*TOGETHER.items(), *ALONE.items())):
        # Good and broken ones lie between one another.
        path = tmp_path / f"{number * 17 % 59:02d}" / (name if "." in name else f"{name}.csv")
        path.parent.mkdir()
        path.write_bytes(data)
    return tmp_path


def hold_same(found, expected, uri):
    """Check that two results of `read_file` are equal, cell by cell and type by type."""
    assert found[1:] == expected[1:], uri
    for field in fields(expected[0]):
        one, other = (getattr(reading, field.name) for reading in (found[0], expected[0]))
        if isinstance(other, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other, check_exact=True, obj=f"{uri} {field.name}")
        else:
            assert one == other, (uri, field.name)


def test_good_and_broken_logs_of_one_format(folder, monkeypatch):
    files = files_in(folder)
    expected = [read_file(path, uri, NOW) for path, uri in files]
    original, alone = codecarbon.read, []

    def watched(data, uri, settings):
        alone.append(uri.split("/")[-1].removesuffix(".csv"))
        return original(data, uri, settings)

    monkeypatch.setattr(codecarbon, "read", watched)
    for (_, uri), found, told in zip(files, read_files(files, NOW), expected, strict=True):
        hold_same(found, told, uri)
    # Equal is no wonder where each is read alone.
    assert not {*alone} & {name.removesuffix(".gz").removesuffix(".csv") for name in TOGETHER}


def test_a_quote_left_open_swallows_no_other_file(tmp_path):
    names = ('"open', 'closed"', "bot")
    for n, name in enumerate((*names, *names)):
        (tmp_path / f"{n}.csv").write_bytes(log(line(n, project_name=name)))
    files = files_in(tmp_path)
    for (path, uri), found in zip(files, read_files(files, NOW), strict=True):
        hold_same(found, read_file(path, uri, NOW), uri)


def test_logs_of_every_format(all_seeds, tmp_path):
    for uri, data in all_seeds.items():
        (tmp_path / uri).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / uri).write_bytes(data)
    files = files_in(tmp_path)
    for (path, uri), found in zip(files, read_files(files, NOW), strict=True):
        hold_same(found, read_file(path, uri, NOW), uri)


@pytest.mark.parametrize("where", ["codecarbon.read_together", "validated_together"])
def test_what_fails_together_is_read_and_checked_alone(folder, monkeypatch, where):
    def failing(*_):
        msg = "nobody foresaw this"
        raise ValueError(msg)

    files = files_in(folder)[:9]
    expected = [read_file(path, uri, NOW) for path, uri in files]
    monkeypatch.setattr(f"{readers.__name__}.{where}", failing)
    for (_, uri), found, told in zip(files, read_files(files, NOW), expected, strict=True):
        hold_same(found, told, uri)


def test_small_files_come_in_groups_and_all_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr("ft_emissions_pipeline.landing.engines.TOGETHER", 2)
    for name, size in {"a": 1, "b": 1 << 17, "c": 1, "d": 0, "e": 1 << 17, "f": 1}.items():
        (tmp_path / name).write_bytes(bytes(size))
    groups = []

    def read(files, suffix):
        groups.append("".join(uri for _, uri in files))
        return [uri + suffix for _, uri in files]

    assert list(over_files(read, local, files_in(tmp_path), "!")) == [f"{n}!" for n in "abcdef"]
    assert groups == ["ac", "df", "b", "e"]
