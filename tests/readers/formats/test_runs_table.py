"""Tables of runs as trackers export them; one oddity a fixture."""

import pandas as pd
import pytest

from ft_emissions_pipeline.readers.scrubbing import hashed_host


@pytest.fixture
def table(read, landed_file):
    """Read a table of tests/data, as (runs by their ids, quarantine)."""

    def read_table(name):
        reading = read(name, landed_file(f"runs_tables/{name}"))
        assert reading.content == "runs"
        return reading.runs.set_index("run_id"), reading.quarantine

    return read_table


OF_BOTH = {
    "started_at": pd.Timestamp("2026-03-02T10:00Z"), "active_s": 3500.5, "epochs": 3,
    "base_model": "meta-llama/Llama-2-7b-hf", "micro_batch_size": 4, "gradient_accumulation": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "run_id", "told"),
    [
        ("wandb_one_crashed.csv", "bot-a",
         {"steps": 300, "gpu_model": "NVIDIA A100-SXM4-80GB", "gpu_count": 8}),
        ("mlflow_search.csv", "aaa111",
         {"ended_at": pd.Timestamp("2026-03-02T11:00Z"), "train_flop": 1.2e17,
          "precision": "bf16"}),
    ],
)  # fmt: skip
def test_a_table_tells_time_figures_settings_and_what_its_tracker_knows(table, name, run_id, told):
    runs, quarantine = table(name)
    assert quarantine.empty
    expected = {**OF_BOTH, **told}
    assert runs.loc[run_id, list(expected)].to_dict() == expected


@pytest.mark.parametrize(
    ("name", "run_id"), [("wandb_one_crashed.csv", "bot-b"), ("mlflow_search.csv", "bbb222")]
)
def test_a_run_that_broke_off_took_its_time_all_the_same(table, name, run_id):
    runs, _ = table(name)
    assert runs.loc[run_id, ["reserved_s", "repairs"]].tolist() == [1800, "ended_early"]


def test_a_run_that_goes_on_is_refused_alone(table):
    runs, quarantine = table("mlflow_page_one_running.csv")
    assert runs["active_s"].to_dict() == {"aaa111": 3500.5}
    assert quarantine["reason_code"].tolist() == ["not_finished"]


@pytest.mark.parametrize(
    ("duration", "seconds"), [("1.5h", 5400), ("12.3min", 738), ("40s", 40), ("250ms", 0.25),
                              ("2d", 172800)],
)  # fmt: skip
def test_durations_of_mlflows_page_have_their_unit_behind_them(one_run, duration, seconds):
    text = f"Start Time,Duration,Run ID,Status\n2026-03-02 10:00:00,{duration},a,FINISHED\n"
    assert one_run("runs.csv", text)["reserved_s"] == pytest.approx(seconds)


def test_a_duration_without_a_unit_is_refused(refusal):
    text = "Start Time,Duration,Run ID,Status\n2026-03-02 10:00:00,90,a,FINISHED\n"
    assert refusal("runs.csv", text)[0] == "bad_value"


def test_runs_of_one_name_stay_several(read):
    header = "Name,State,Created,Runtime,Hostname\n"
    line = "bot,finished,2026-03-02T10:00:00.000Z,3600,node-a\n"
    runs = read("runs.csv", header + line + line.replace("-02T", "-03T")).runs
    assert runs["run_id"].tolist() == ["bot", "bot-2"]
    assert runs["host"].unique().tolist() == [hashed_host("node-a")]
