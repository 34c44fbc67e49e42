"""The index knows which files hold which days, and no record gets lost on the way."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pandas as pd
import pytest

from ft_emissions_pipeline import methodology, normalize, quarantine, stages
from ft_emissions_pipeline.landing import days
from ft_emissions_pipeline.landing import index as landing
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.reference import load
from ft_emissions_pipeline.tables import (
    LANDING_INDEX,
    MODEL_EVENTS,
    MODEL_VERSIONS,
    QUARANTINE,
    USAGE,
    conform,
    empty,
)
from ft_emissions_pipeline.warehouse.faults import MachineFault

DATA = Path(__file__).parents[1] / "data"
HEADER = "timestamp,project_name,run_id,duration,emissions,energy_consumed,country_iso_code"
SETTINGS = Settings(now=pd.Timestamp("2026-06-01", tz="UTC"))


def codecarbon(*rows: tuple[str, str]) -> str:
    """Return an emissions.csv with an hour's run per (end, run id)."""
    lines = [f"{end},m,{run_id},3600,0.1,0.4,USA" for end, run_id in rows]
    return "\n".join([HEADER, *lines, ""])


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_csv", ".csv").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def scan(folder: Path, previous: pd.DataFrame | None = None) -> pd.DataFrame:
    return landing.scan(
        folder, load(), SETTINGS, empty(LANDING_INDEX) if previous is None else previous
    )


def days_of(index: pd.DataFrame) -> list[str]:
    return [f"{day:%Y-%m-%d}" for day in sorted(index["date"].dropna().unique())]


def test_one_file_that_grew_for_days_holds_each_of_them(tmp_path: Path) -> None:
    write(tmp_path, a_csv=codecarbon(("2026-01-01T05:00:00", "r1"), ("2026-02-01T05:00:00", "r2")))
    index = scan(tmp_path)
    assert days_of(index) == ["2026-01-01", "2026-02-01"]
    day = pd.Timestamp("2026-02-01")
    runs = days.runs_of(tmp_path, index, day, day, load(), SETTINGS)
    assert runs["run_id"].tolist() == ["r2"]


def test_a_run_over_midnight_belongs_to_the_day_on_which_it_ended(tmp_path: Path) -> None:
    write(tmp_path, a_csv=codecarbon(("2026-01-02T00:30:00", "r1")))
    assert days_of(scan(tmp_path)) == ["2026-01-02"]


def test_a_file_that_came_late_touches_exactly_its_days(tmp_path: Path) -> None:
    before = scan(write(tmp_path, a_csv=codecarbon(("2026-01-01T05:00:00", "r1"))))
    after = scan(write(tmp_path, b_csv=codecarbon(("2025-12-24T05:00:00", "r0"))), before)
    assert [f"{d:%Y-%m-%d}" for d in landing.touched_days(before, after)] == ["2025-12-24"]
    assert landing.touched_days(after, scan(tmp_path, after)).empty


@pytest.mark.parametrize(
    ("changed", "touched"),
    [
        ({"source_uri": "b.csv"}, ["2026-01-02"]),
        ({"content_hash": "1"}, ["2026-01-02"]),
        ({"source_record": "4"}, ["2026-01-02"]),
        ({"run_id": "r9"}, ["2026-01-02"]),
        ({"run_id": None}, ["2026-01-02"]),
        ({"join_note": "join_ambiguous:r9"}, ["2026-01-02"]),
        ({"date": pd.Timestamp("2026-02-01")}, ["2026-01-02", "2026-02-01"]),
        ({"records": 7}, []),
    ],
    ids=str,
)
def test_a_record_that_changed_touches_its_days(changed, touched) -> None:
    """What is missing on both sides is the same, and the order of records is no matter."""
    rows = [
        {"source_uri": "a.csv", "content_hash": "0", "content": "runs", "source_record": f"{n}",
         "run_id": f"r{n}", "date": pd.Timestamp(f"2026-01-0{n}")}
        for n in (1, 2, 3)
    ]  # fmt: skip
    before = conform(pd.DataFrame(rows), LANDING_INDEX)
    after = conform(pd.DataFrame([rows[2], {**rows[1], **changed}, rows[0]]), LANDING_INDEX)
    assert [f"{d:%Y-%m-%d}" for d in landing.touched_days(before, after)] == touched


@pytest.mark.parametrize(
    ("after", "touched"),
    [
        ({}, ["2026-01-01", "2026-01-03"]),
        ({"a_csv": codecarbon(("2026-01-03T05:00:00", "r2"))}, ["2026-01-01", "2026-01-03"]),
        (
            {"z_csv": codecarbon(("2026-01-01T05:00:00", "r1"), ("2026-01-03T05:00:00", "r2"))},
            ["2026-01-01", "2026-01-03"],
        ),
    ],
    ids=["removed", "shortened", "renamed"],
)
def test_days_of_a_file_that_went_are_run_again(tmp_path: Path, after, touched) -> None:
    other = codecarbon(("2026-01-02T05:00:00", "r3"))
    both = codecarbon(("2026-01-01T05:00:00", "r1"), ("2026-01-03T05:00:00", "r2"))
    before = scan(write(tmp_path, a_csv=both, other_csv=other))
    (tmp_path / "a.csv").unlink()
    now = scan(write(tmp_path, **after), before)
    assert [f"{d:%Y-%m-%d}" for d in landing.touched_days(before, now)] == touched
    assert set(now["source_uri"]) == {"other.csv", *(n.replace("_", ".") for n in after)}


@pytest.mark.parametrize("what", ["went away", "can no longer be read"])
def test_a_drive_of_logs_that_fails_after_the_index_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what
) -> None:
    """Else the day would lose its runs and no later one miss them: the index knows the file."""
    index = scan(write(tmp_path, a_csv=codecarbon(("2026-01-01T05:00:00", "r1"))))
    write(tmp_path, b_csv=codecarbon(("2026-01-02T05:00:00", "r2")))
    open_ = Path.open

    def failing(path: Path, *arguments: object) -> object:
        if path.name == "a.csv":
            raise OSError(errno.EIO, "Input/output error")
        return open_(path, *arguments)

    if what == "went away":
        (tmp_path / "a.csv").unlink()
    else:
        monkeypatch.setattr(Path, "open", failing)
    day = pd.Timestamp("2026-01-01")
    with pytest.raises(MachineFault, match=rf"log a\.csv: it {what}"):
        days.runs_of(tmp_path, index, day, day, load(), SETTINGS)


def test_unchanged_files_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scan(write(tmp_path, a_csv=codecarbon(("2026-01-01T05:00:00", "r1"))))
    read = []
    original = landing.read_files

    def watched(files: list[tuple[Path, str]], settings: Settings) -> object:
        read.extend(uri for _, uri in files)
        return original(files, settings)

    monkeypatch.setattr(landing, "read_files", watched)
    write(tmp_path, b_csv=codecarbon(("2026-01-02T05:00:00", "r2")))
    after = scan(tmp_path, before)
    assert read == ["b.csv"]
    pd.testing.assert_frame_equal(
        after[after["source_uri"] == "a.csv"].reset_index(drop=True), before
    )


def test_only_files_that_hold_a_day_are_opened_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path,
        a_csv=codecarbon(("2026-01-01T05:00:00", "r1")),
        b_csv=codecarbon(("2026-01-02T05:00:00", "r2")),
    )
    index = scan(tmp_path)
    read = []
    original = days.read_files

    def watched(files: list[tuple[Path, str]], settings: Settings) -> object:
        read.extend(uri for _, uri in files)
        return original(files, settings)

    monkeypatch.setattr(days, "read_files", watched)
    day = pd.Timestamp("2026-01-02")
    days.runs_of(tmp_path, index, day, day, load(), SETTINGS)
    assert read == ["b.csv"]


def test_a_log_without_a_date_takes_the_day_of_the_run_that_it_joins(tmp_path: Path) -> None:
    write(
        tmp_path,
        a_csv=codecarbon(("2026-01-01T05:00:00", "r1")),
        hf__trainer_state_json=json.dumps(
            {"global_step": 1, "log_history": [{"train_runtime": 3000.0, "step": 1}], "epoch": 1.0,
             "max_steps": 1, "is_world_process_zero": True}
        ),
    )  # fmt: skip
    (tmp_path / "runs.yaml").write_text("runs:\n  r1:\n    logs: [hf]\n    method: lora\n")
    index = scan(tmp_path)
    assert set(index["run_id"].dropna()) == {"r1"}
    assert days_of(index) == ["2026-01-01"]
    day = pd.Timestamp("2026-01-01")
    runs = days.runs_of(tmp_path, index, day, day, load(), SETTINGS)
    assert runs[["run_id", "method"]].to_numpy().tolist() == [["r1", "lora"]]


@pytest.mark.parametrize(
    ("run", "day", "rule"),
    [
        ({"ended_at": "2026-03-05T23:59:59Z"}, "2026-03-05", "ended_at"),
        (
            {"started_at": "2026-03-05T20:00:00Z", "reserved_s": 6 * 3600.0},
            "2026-03-06",
            "started_at",
        ),
        (
            {"started_at": "2026-03-05T20:00:00Z", "active_s": 6 * 3600.0},
            "2026-03-06",
            "started_at",
        ),
        ({"published_at": "2026-03-07T00:00:00Z"}, "2026-03-07", "published_at"),
        ({"base_model": "Llama 2 7B"}, "2023-07-18", "base_model_release"),
        ({}, "2024-12-31", "undated_default"),
    ],
)
def test_a_run_is_dated_by_the_best_that_it_says(
    run: dict[str, object], day: str, rule: str
) -> None:
    names = ("ended_at", "started_at", "published_at")
    row = {"base_model": None, "reserved_s": None, "active_s": None, **dict.fromkeys(names), **run}
    frame = pd.DataFrame([row])
    for name in names:
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    frame = frame.astype({"base_model": "str", "reserved_s": float, "active_s": float})
    date, rules = landing.run_day(frame, load())
    assert f"{date[0]:%Y-%m-%d}" == day
    assert rules[0] == rule


def test_the_usage_file_last_by_name_corrects_the_earlier(tmp_path: Path) -> None:
    write(
        tmp_path,
        usage_1_csv="date,model_name,inferences\n2026-01-01,m,10\n2026-01-02,m,20\n",
        usage_2_csv="date,model_name,inferences\n2026-01-01,m,11\n",
    )
    first, last = pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-02")
    usage = days.usage_of(tmp_path, scan(tmp_path), first, last, SETTINGS)
    assert usage.sort_values("date")["inferences"].tolist() == [11.0, 20.0]


def test_no_record_disappears_and_quarantine_of_unchanged_files_is_kept(tmp_path: Path) -> None:
    """Invariant 4: records read = used + merged + quarantined, by file."""
    flushes = codecarbon(*[("2026-01-01T05:00:00", "r1")] * 3, ("2026-01-01T06:00:00", "r2"))
    write(
        tmp_path,
        a_csv=flushes + "2026-01-01T07:00:00,m,r3,-5,0.1,0.4,USA\n",
        b_csv="Zone,1,2,Total\n",
        c_csv=codecarbon(("2026-01-01T05:00:00", "r2")),
    )
    index = scan(tmp_path)
    bad = days.refused_of(tmp_path, index, empty(QUARANTINE), SETTINGS)
    counts = landing.outcomes(index, empty(QUARANTINE)).set_index("source_uri")
    assert counts.loc["a.csv"].to_dict() == {"records": 5, "used": 2, "merged": 2, "quarantined": 1}
    assert counts.loc["b.csv"].to_dict() == {"records": 1, "used": 0, "merged": 0, "quarantined": 1}
    assert counts.loc["c.csv"].to_dict() == {"records": 1, "used": 0, "merged": 1, "quarantined": 0}
    assert bad["source_uri"].tolist() == ["a.csv", "b.csv"]
    kept = days.refused_of(tmp_path / "gone", index, bad, SETTINGS)
    pd.testing.assert_frame_equal(kept, bad)


def test_a_run_with_neither_time_nor_tokens_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text("Base model: Llama 2\nGPU: A100\nNumber of GPUs: 4\n")
    index = scan(tmp_path)
    day = index["date"][0]
    runs = days.runs_of(tmp_path, index, day, day, load(), SETTINGS)
    accepted, refused = normalize.accepted(runs)
    assert accepted.empty
    assert refused["reason_code"].tolist() == ["no_time_no_tokens"]
    assert "disclose one of them" in refused["reason"][0]
    counts = landing.outcomes(index, refused)
    assert counts[["used", "quarantined"]].to_numpy().tolist() == [[0, 1]]


def test_a_run_that_breaks_a_rule_only_once_joined_stands_in_quarantine(tmp_path: Path) -> None:
    """Invariant 4 past the reading: each log is fine alone; together they end before they start."""
    (tmp_path / "a.yaml").write_text("Run id: r\nGPU: A100\nStart time: 2026-03-05T12:00Z\n")
    (tmp_path / "b.yaml").write_text("Run id: r\nGPU: A100\nEnd time: 2026-03-04T12:00Z\n")
    index = scan(tmp_path)
    assert index["quarantined"].sum() == 0
    day = index["date"][0]
    runs = days.runs_of(tmp_path, index, day, day, load(), SETTINGS)
    assert runs["run_id"].tolist() == ["r"]
    found = quarantine.quarantined(
        tmp_path / "no-tables",
        empty(QUARANTINE),
        runs,
        *map(empty, (USAGE, MODEL_VERSIONS, MODEL_EVENTS)),
        stages.Choices(load(), methodology.profile("default")),
    )
    assert found["reason_code"].tolist() == ["end_before_start"]
    assert found["source_uri"].isin(index["source_uri"]).all()
    counts = landing.outcomes(index, found)
    assert counts[["records", "used", "merged", "quarantined"]].sum().tolist() == [2, 0, 1, 1]


def usage_page(start: int, *counts: int, hours: int = 1, project: str | None = None) -> str:
    """Return a page of OpenAI's usage API: one bucket after the other."""
    width = hours * 3600
    buckets = [
        {"object": "bucket", "start_time": start + n * width, "end_time": start + (n + 1) * width,
         "results": [{"num_model_requests": count, "model": "m", "project_id": project}]}
        for n, count in enumerate(counts)
    ]  # fmt: skip
    return json.dumps({"object": "page", "data": buckets})


def usage_on(folder: Path, day: str) -> pd.DataFrame:
    at = pd.Timestamp(day)
    return days.usage_of(folder, scan(folder), at, at, SETTINGS)


NOON = 1772452800  # 2026-03-02T12:00:00Z


def test_pages_of_a_day_in_several_files_add_up(tmp_path: Path) -> None:
    write(tmp_path, p1_json=usage_page(NOON - 7200, 1, 2), p2_json=usage_page(NOON, 4, 8))
    usage = usage_on(tmp_path, "2026-03-02")
    assert usage["inferences"].tolist() == [15]
    assert usage["repairs"].isna().all()


def test_a_corrected_export_supersedes_the_earlier_one(tmp_path: Path) -> None:
    write(tmp_path, p1_json=usage_page(NOON, 1, 2), p1v2_json=usage_page(NOON, 1, 3))
    assert usage_on(tmp_path, "2026-03-02")["inferences"].tolist() == [4]


def test_exports_of_two_projects_add_up_but_not_with_their_total(tmp_path: Path) -> None:
    write(
        tmp_path, p1_json=usage_page(NOON, 1, project="a"), p2_json=usage_page(NOON, 2, project="b")
    )
    assert usage_on(tmp_path, "2026-03-02")["inferences"].tolist() == [3]
    write(tmp_path, p3_json=usage_page(NOON, 5))
    assert usage_on(tmp_path, "2026-03-02")["inferences"].tolist() == [5]


def test_exports_that_overlap_in_part_say_that_hours_are_missing(tmp_path: Path) -> None:
    write(tmp_path, p1_json=usage_page(NOON - 3600, 1, 2), p2_json=usage_page(NOON, 4, 8))
    usage = usage_on(tmp_path, "2026-03-02")
    assert usage["inferences"].tolist() == [12]
    assert usage["repairs"].tolist() == ["overlapping_count_left_out"]


def test_a_count_of_the_whole_day_stands_against_hours(tmp_path: Path) -> None:
    text = "date,model_name,inferences\n2026-03-02,m,100\n"
    write(tmp_path, a_json=usage_page(NOON, 1, 2), z_csv=text)
    assert usage_on(tmp_path, "2026-03-02")["inferences"].tolist() == [100]


def test_hours_of_a_usage_file_add_up_and_whole_days_do_not(tmp_path: Path) -> None:
    rows = [
        "2026-03-02T00:00:00Z,m,1",
        "2026-03-02T01:00:00Z,m,2",
        "2026-03-02,n,4",
        "2026-03-02,n,8",
    ]
    write(tmp_path, a_csv="\n".join(["date,model_name,inferences", *rows, ""]))
    usage = usage_on(tmp_path, "2026-03-02").set_index("model_name")["inferences"]
    assert usage.to_dict() == {"m": 3, "n": 8}


def test_a_run_whose_logs_are_of_another_day_does_not_stand_on_that_of_its_base_model(
    tmp_path: Path,
) -> None:
    """A day reads every runs.yaml, but only its own logs: what is left of other runs is not its."""
    write(tmp_path, a_csv=codecarbon(("2026-01-05T05:00:00", "r1")))
    (tmp_path / "runs.yaml").write_text("runs:\n  r1: {logs: [a.csv], base_model: Llama 2 7B}\n")
    (tmp_path / "card.yaml").write_text(
        "Base model: Llama 2 7B\nGPU: A100\nReserved time: 2 hours\n"
    )
    index = scan(tmp_path)
    assert days_of(index) == ["2023-07-18", "2026-01-05"]
    day = pd.Timestamp("2023-07-18")
    runs = days.runs_of(tmp_path, index, day, day, load(), SETTINGS)
    assert runs["source_uri"].tolist() == ["card.yaml"]


def test_what_is_told_of_models_and_by_clouds_comes_from_their_own_files(tmp_path: Path) -> None:
    report = DATA / "cloud_reports" / "google_carbon_nested.jsonl"
    write(
        tmp_path,
        **{
            "models.yaml": "models: {bot: {events: [{at: 2026-03-03, retired: everything}]}}",
            "usage.csv": "date,model_name,inferences\n2026-02-01,bot,5\n",
            report.name: report.read_text(),
        },
    )
    index = scan(tmp_path)
    events = days.events_of(tmp_path, index, SETTINGS)
    assert events[["model_name", "event"]].to_numpy().tolist() == [["bot", "retired"]]
    reported = days.cloud_reports_of(tmp_path, index, SETTINGS)
    assert set(reported["source_uri"]) == {report.name}
