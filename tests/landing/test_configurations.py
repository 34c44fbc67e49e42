"""Configurations in the index follow the days of the runs they complete; no record gets lost."""

import json

import pandas as pd
import pytest

from ft_emissions_pipeline import api
from ft_emissions_pipeline.landing import configurations, days
from ft_emissions_pipeline.landing import index as landing
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.reference import load
from ft_emissions_pipeline.tables import LANDING_INDEX, QUARANTINE, empty

SETTINGS = Settings(now=pd.Timestamp("2026-06-01", tz="UTC"))
HEADER = "timestamp,project_name,run_id,duration,emissions,energy_consumed,country_iso_code\n"
RUNS = (
    HEADER
    + "2026-01-01T05:00:00,m,r1,3600,0.1,0.4,USA\n2026-02-01T05:00:00,m,r2,3600,0.1,0.4,USA\n"
)
ADAPTER = json.dumps(
    {"base_model_name_or_path": "meta-llama/Llama-2-7b-hf", "peft_type": "LORA", "r": 8}
)
STATE = json.dumps({"global_step": 10, "max_steps": 10, "train_runtime": 600.0})


@pytest.fixture
def landed(tmp_path):
    """Write files into a landing folder and return the index over it."""

    def land(previous=None, **files):
        for uri, text in files.items():
            path = tmp_path / uri
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path, landing.scan(
            tmp_path, load(), SETTINGS, empty(LANDING_INDEX) if previous is None else previous
        )

    return land


def runs_of(folder, index, day):
    return days.runs_of(
        folder, index, pd.Timestamp(day), pd.Timestamp(day), load(), SETTINGS
    ).set_index("run_id")


def test_a_configuration_stands_on_every_day_of_its_runs_and_completes_them_read_day_by_day(landed):
    folder, index = landed(**{"a/emissions.csv": RUNS, "a/adapter_config.json": ADAPTER})
    own = index[index["content"] == "configuration"]
    assert own["date"].dt.strftime("%Y-%m-%d").tolist() == ["2026-01-01", "2026-02-01"]
    for day, run_id in (("2026-01-01", "r1"), ("2026-02-01", "r2")):
        run = runs_of(folder, index, day).loc[run_id]
        assert (run["base_model"], run["lora_rank"]) == ("meta-llama/Llama-2-7b-hf", 8)


def test_a_configuration_that_comes_late_touches_the_days_of_its_runs(landed):
    _, before = landed(
        **{
            "a/emissions.csv": RUNS,
            "b/emissions.csv": RUNS.replace("r1", "r3")
            .replace("r2", "r4")
            .replace("2026-0", "2025-0"),
        }
    )
    _, after = landed(before, **{"a/adapter_config.json": ADAPTER})
    touched = landing.touched_days(before, after)
    assert touched.strftime("%Y-%m-%d").tolist() == ["2026-01-01", "2026-02-01"]
    _, again = landed(after)
    assert landing.touched_days(after, again).empty


def test_a_base_model_of_a_configuration_dates_a_run_that_nothing_else_dates(landed):
    folder, index = landed(**{"a/trainer_state.json": STATE, "a/adapter_config.json": ADAPTER})
    # Llama 2 came out on this day; no run can be older.
    assert set(index["date"].dt.strftime("%Y-%m-%d")) == {"2023-07-18"}
    assert runs_of(folder, index, "2023-07-18")["base_model"].tolist() == [
        "meta-llama/Llama-2-7b-hf"
    ]


def test_each_record_of_a_configuration_is_merged_or_refused(landed):
    folder, index = landed(
        **{
            "a/trainer_state.json": STATE,
            "a/adapter_config.json": ADAPTER,
            "b/adapter_config.json": ADAPTER,
        }
    )
    refused = days.refused_of(folder, index, empty(QUARANTINE), SETTINGS)
    assert refused["reason_code"].tolist() == ["configuration_of_no_run"]
    told = landing.outcomes(index, empty(QUARANTINE)).set_index("source_uri")[
        ["records", "used", "merged", "quarantined"]
    ]
    assert told.loc["a/adapter_config.json"].tolist() == [1, 0, 1, 0]
    assert told.loc["b/adapter_config.json"].tolist() == [1, 0, 0, 1]
    # Once a run comes into its folder, it completes it, though its own bytes are those that the
    # index knows.
    folder, later = landed(index, **{"b/trainer_state.json": STATE})
    assert days.refused_of(folder, later, refused, SETTINGS).empty
    assert runs_of(folder, later, "2023-07-18").loc["b", "lora_rank"] == 8


def test_ties_count_folders_and_a_run_beside_a_configuration_keeps_it_from_those_below():
    records = pd.DataFrame(
        {
            "source_uri": [
                "x/a/trainer_state.json",
                "x/b/c/trainer_state.json",
                "y/trainer_state.json",
            ],
            "run_id": ["a", "c", "y"],
        }
    )
    given = pd.DataFrame(
        {
            "source_uri": ["x/config.json", "x/b/config.json", "config.json"],
            "source_record": "1",
            "mark": None,
        }
    )
    found = configurations.ties(records, given)
    assert found[["run_id", "source_uri", "distance"]].to_numpy().tolist() == [
        ["a", "x/config.json", 1],
        ["a", "config.json", 2],
        ["c", "x/b/config.json", 1],
        ["c", "x/config.json", 2],
        ["c", "config.json", 3],
        ["y", "config.json", 1],
    ]


def test_a_configuration_goes_where_it_says_that_its_output_goes(tmp_path):
    axolotl = (
        "base_model: {}\nadapter: lora\nlora_r: {}\nsequence_len: 2048\nmicro_batch_size: 2\n"
        "output_dir: {}\n"
    )
    files = {
        "small.yml": axolotl.format("Qwen/Qwen2.5-0.5B", 8, "./outputs/small"),
        "configs/large.yml": axolotl.format("Qwen/Qwen2.5-7B", 64,
                                            "/home/someone/project/outputs/large"),
        "outputs/small/trainer_state.json": STATE, "outputs/large/trainer_state.json": STATE,
    }  # fmt: skip
    for uri, text in files.items():
        (tmp_path / uri).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / uri).write_text(text)
    runs, quarantine = api.read_runs(tmp_path)
    assert quarantine.empty
    assert runs.set_index("run_id")["lora_rank"].to_dict() == {
        "outputs/large": 64,
        "outputs/small": 8,
    }
    assert not runs["repairs"].str.contains("conflict", na=False).any()
    index = landing.scan(tmp_path, load(), SETTINGS, empty(LANDING_INDEX))
    assert "someone" not in index.to_csv()
    daily = days.runs_of(
        tmp_path, index, index["date"].min(), index["date"].max(), load(), SETTINGS
    )
    assert daily["lora_rank"].tolist() == runs["lora_rank"].tolist()


def test_an_adapter_saved_further_down_is_of_the_one_run_around_it(tmp_path):
    for uri, text in {
        "out/trainer_state.json": STATE,
        "out/lora_model/adapter_config.json": ADAPTER,
    }.items():
        (tmp_path / uri).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / uri).write_text(text)
    runs, quarantine = api.read_runs(tmp_path)
    assert quarantine.empty
    assert runs["lora_rank"].tolist() == [8]


def test_a_configuration_that_leaves_all_to_the_tool_tells_nothing(tmp_path):
    (tmp_path / "ds.json").write_text(
        '{"train_batch_size": "auto", "zero_optimization": {"stage": 2}}'
    )
    logs = api.read_logs(tmp_path)
    assert logs.quarantine.empty
    assert logs.files["content"].tolist() == ["other"]
