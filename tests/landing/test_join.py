"""Joining records to runs: what belongs together, and which value wins."""

import json

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from ft_emissions_pipeline.landing.join import AMBIGUOUS, join
from ft_emissions_pipeline.readers import repairs

CC, HF, DOC, MAP = "codecarbon", "hugging_face", "disclosure", "run_mapping"
FLOATS = ("reserved_s", "active_s", "epochs", "tokens_padded", "it_energy_kwh", "ram_energy_kwh",
          "pue", "train_flop")  # fmt: skip
TIMES = ("started_at", "ended_at")
TEXTS = ("run_id", "job_id", "host", "location", "gpu_model", "repairs", "source_format",
         "source_uri", "source_record")  # fmt: skip


def records(*rows):
    """Records in the types that readers give them; row: format, uri#record, run id, fields."""
    made = []
    for source_format, place, run_id, fields in rows:
        uri, record = place.split("#")
        made.append({"source_format": source_format, "source_uri": uri, "source_record": record,
                     "run_id": run_id, **fields})  # fmt: skip
    frame = pd.DataFrame(made, columns=[*FLOATS, *TIMES, *TEXTS])
    kinds = {**dict.fromkeys(FLOATS, "float64"), **dict.fromkeys(TEXTS, "str")}
    for name in TIMES:
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame.astype(kinds)


def test_a_run_with_one_record_passes_through():
    given_records = records(
        (CC, "a.csv#2", "r", {"it_energy_kwh": 1.0, "repairs": "space_padding"})
    )
    runs, merged = join(given_records, [])
    assert len(merged) == 0
    assert runs["origins"].isna().all()
    pd.testing.assert_frame_equal(runs[list(given_records)], given_records)


def test_logs_of_one_run_complete_each_other():
    runs, merged = join(
        records(
            (HF, "out/trainer_state.json#1", "r", {"tokens_padded": 48123}),
            (CC, "emissions.csv#2", "r", {"it_energy_kwh": 1.0}),
            (DOC, "card.md#1", "r", {"location": "US West (Oregon)"}),
        ),
        [],
    )
    run = runs.iloc[0]
    assert (run["tokens_padded"], run["it_energy_kwh"], run["location"]) == (
        48123,
        1.0,
        "US West (Oregon)",
    )
    assert json.loads(run["origins"]) == {
        "tokens_padded": ["measured", "out/trainer_state.json#1"],
        "it_energy_kwh": ["measured", "emissions.csv#2"],
        "location": ["disclosed", "card.md#1"],
    }
    assert (run["source_uri"], run["source_record"]) == ("card.md", "1")
    assert merged.values.tolist() == [
        ["emissions.csv", "2", "r"],
        ["out/trainer_state.json", "1", "r"],
    ]
    assert pd.isna(run["repairs"])


def test_measured_beats_disclosed_and_disclosed_beats_predicted():
    runs, _ = join(
        records(
            (DOC, "a.md#1", "r", {"it_energy_kwh": 9.0, "ram_energy_kwh": 0.3}),
            (CC, "b.csv#2", "r", {"it_energy_kwh": 1.0, "ram_energy_kwh": 0.1}),
        ),
        [],
    )
    assert runs["it_energy_kwh"].item() == 1.0
    assert runs["ram_energy_kwh"].item() == 0.3
    assert runs["repairs"].item() == "conflict:it_energy_kwh conflict:ram_energy_kwh"


def test_numbers_within_a_percent_do_not_conflict():
    runs, _ = join(
        records(
            (DOC, "a.md#1", "r", {"it_energy_kwh": 1.005}),
            (CC, "b.csv#2", "r", {"it_energy_kwh": 1.0}),
        )
    )
    assert runs["it_energy_kwh"].item() == 1.0
    assert runs["repairs"].isna().all()


def test_within_one_basis_the_first_place_wins_and_line_9_goes_before_line_10():
    runs, _ = join(
        records((DOC, "a.csv#10", "r", {"pue": 1.5}), (DOC, "a.csv#9", "r", {"pue": 1.2}))
    )
    assert runs["pue"].item() == 1.2
    assert runs["repairs"].item() == "conflict:pue"


def test_an_earlier_checkpoint_does_not_count():
    runs, merged = join(
        records(
            (
                HF,
                "out/checkpoint-100/trainer_state.json#1",
                "out",
                {"epochs": 1.0, "train_flop": 1e15},
            ),
            (
                HF,
                "out/checkpoint-300/trainer_state.json#1",
                "out",
                {"epochs": 2.99, "train_flop": 2.9e15},
            ),
            (HF, "out/train_results.json#1", "out", {"epochs": 3.0, "active_s": 1800}),
        )
    )
    assert runs["train_flop"].item() == 2.9e15
    assert runs["active_s"].item() == 1800
    assert runs["repairs"].isna().all()
    assert len(merged) == 2


def test_of_a_log_and_its_later_copy_the_later_counts():
    runs, _ = join(
        records(
            (CC, "monday/emissions.csv#2", "r", {"active_s": 100, "it_energy_kwh": 0.1}),
            (CC, "tuesday/emissions.csv#2", "r", {"active_s": 900, "it_energy_kwh": 0.9}),
        )
    )
    assert runs["it_energy_kwh"].item() == 0.9


@pytest.mark.parametrize("pattern",
                         ["cc/emissions.csv", "cc/*.csv", "cc", "*.csv", "cc/emissions.csv#2",
                          "cc/emissions.csv#uuid-1", "cc/*#uuid-?"])  # fmt: skip
def test_a_mapping_names_files_folders_and_records(pattern):
    runs, merged = join(
        records(
            (MAP, "runs.yaml#r", "r", {"location": "Oregon"}),
            (CC, "cc/emissions.csv#2", "uuid-1", {"it_energy_kwh": 1.0}),
        ),
        [("r", pattern)],
    )
    assert runs["run_id"].tolist() == ["r"]
    assert runs["it_energy_kwh"].item() == 1.0
    assert runs["location"].item() == "Oregon"
    assert len(merged) == 1


def test_an_exact_pattern_goes_before_a_wildcard():
    logs = records((CC, "a.csv#2", "u1", {}), (CC, "a.csv#3", "u2", {}))
    runs, _ = join(logs, [("all", "*"), ("one", "a.csv#3")])
    assert runs.set_index("run_id")["source_record"].to_dict() == {"all": "2", "one": "3"}


def test_a_pattern_with_brackets_in_a_file_name_matches_exactly():
    runs, _ = join(records((CC, "a[1].csv#2", "u", {})), [("r", "a[1].csv")])
    assert runs["run_id"].tolist() == ["r"]


def test_a_mapping_whose_logs_are_not_there_says_so():
    runs, _ = join(
        records((MAP, "runs.yaml#r", "r", {}), (CC, "a.csv#2", "u", {})), [("r", "b.csv")]
    )
    assert runs.set_index("run_id")["repairs"].fillna("").to_dict() == {
        "r": "logs_not_found",
        "u": "",
    }


def test_several_trackers_of_one_run_are_not_added_up_and_the_run_says_so():
    logs = records(
        (CC, "n1/emissions.csv#2", "u1", {"it_energy_kwh": 1.0, "active_s": 10}),
        (CC, "n2/emissions.csv#2", "u2", {"it_energy_kwh": 1.0, "active_s": 10}),
    )
    runs, _ = join(logs, [("r", "*")])
    assert runs["it_energy_kwh"].item() == 1.0
    assert runs["repairs"].item() == "several_trackers_not_summed"


def test_a_disclosed_reservation_reaches_back_before_the_tracker():
    logs = records(
        (CC, "e.csv#2", "r", {"reserved_s": 3600, "active_s": 3600,
                              "started_at": "2026-03-01T11:00Z", "ended_at": "2026-03-01T12:00Z"}),
        (DOC, "d.md#1", "r", {"reserved_s": 7200}),
    )  # fmt: skip
    run = join(logs)[0].iloc[0]
    assert (run["reserved_s"], run["active_s"]) == (7200, 3600)
    assert run["started_at"] == pd.Timestamp("2026-03-01T10:00Z")
    assert run["repairs"] == "conflict:reserved_s start_moved_to_reservation"


def test_a_reservation_that_is_longer_by_the_rounding_of_clocks_moves_nothing():
    logs = records(
        (CC, "e.csv#2", "r", {"active_s": 3600, "started_at": "2026-03-01T11:00Z",
                              "ended_at": "2026-03-01T12:00Z"}),
        (DOC, "d.md#1", "r", {"reserved_s": 3620}),
    )  # fmt: skip
    run = join(logs)[0].iloc[0]
    assert run["started_at"] == pd.Timestamp("2026-03-01T11:00Z")
    assert "start_moved" not in str(run["repairs"])


def test_a_disclosed_reservation_shorter_than_the_measured_time_is_raised():
    logs = records(
        (CC, "e.csv#2", "r", {"active_s": 3600}), (DOC, "d.md#1", "r", {"reserved_s": 1800})
    )
    run = join(logs)[0].iloc[0]
    assert run["reserved_s"] == 3600
    assert run["repairs"] == "reserved_raised_to_active"


def test_no_records_give_no_runs():
    runs, merged = join(records())
    assert runs.empty
    assert merged.empty


_ROW = st.tuples(
    st.sampled_from([CC, HF, DOC, MAP]),
    st.sampled_from(["a.csv", "b/c.csv", "b/d.md", "runs.yaml"]),
    st.sampled_from(["u1", "u2", "u3"]),
    st.fixed_dictionaries(
        {},
        optional={
            "it_energy_kwh": st.sampled_from([1.0, 1.001, 2.0]),
            "active_s": st.sampled_from([10.0, 100.0]),
            "epochs": st.sampled_from([1.0, 3.0]),
            "location": st.sampled_from(["Oregon", "oregon", "Paris"]),
            "ended_at": st.just("2026-03-01T12:00Z"),
        },
    ),
)
_PAIRS = st.lists(
    st.tuples(
        st.sampled_from(["r1", "r2"]), st.sampled_from(["a.csv", "b/*", "*#u2", "b", "a.csv#3"])
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(_ROW, max_size=7), pairs=_PAIRS, seed=st.integers(0, 1000))
def test_order_changes_nothing_and_no_record_disappears(rows, pairs, seed):
    placed = [
        (fmt, f"{uri}#{n}", run_id, fields) for n, (fmt, uri, run_id, fields) in enumerate(rows)
    ]
    shuffled = np.random.default_rng(seed)
    order = shuffled.permutation(len(placed))
    runs, merged = join(records(*placed), pairs)
    again, merged_again = join(records(*(placed[n] for n in order)), pairs[::-1])
    pd.testing.assert_frame_equal(runs, again)
    pd.testing.assert_frame_equal(merged, merged_again)
    assert runs["run_id"].is_unique
    assert len(runs) + len(merged) == len(placed)
    assert (runs["origins"].notna() == runs["run_id"].isin(merged["run_id"])).all()


def test_the_state_of_a_resumed_run_goes_before_results_of_its_last_session():
    rows = [
        (HF, "out/train_results.json#1", "r", {"active_s": 60.0, "epochs": 3.0}),
        (HF, "out/trainer_state.json#1", "r", {"active_s": 3600.0, "epochs": 3.0}),
    ]
    runs, _ = join(records(*rows))
    assert runs["active_s"].tolist() == [3600]
    assert "conflict:active_s" in runs["repairs"].iloc[0]


# Without a common id


def at(start, end, **fields):
    """Fields of a record on host `h1` from one hour of a day to another."""
    day = "2026-03-01T{:02d}:00:00Z"
    return {"host": "h1", "started_at": day.format(start), "ended_at": day.format(end), **fields}


def ids(*rows):
    """Run id -> repairs of what the records join to."""
    runs, merged = join(records(*rows))
    assert len(runs) + len(merged) == len(rows)
    return runs.set_index("run_id")["repairs"].fillna("").to_dict()


def test_a_schedulers_job_joins_the_log_that_names_it():
    rows = [("slurm", "s.txt#2", "slurm-7", {"job_id": "7"}),
            (DOC, "a.md#1", "bot", {"job_id": "7"})]  # fmt: skip
    assert ids(*rows) == {"bot": ""}


def test_the_name_in_runs_yaml_goes_before_that_of_a_log():
    rows = [(DOC, "a.md#1", "a", {"job_id": "7"}), (MAP, "runs.yaml#z", "z", {"job_id": "7"})]
    assert ids(*rows) == {"z": ""}


def test_two_runs_of_one_format_in_one_job_stay_apart():
    rows = [
        ("slurm", "s.txt#2", "slurm-7", {"job_id": "7"}),
        (DOC, "a.md#1", "a", {"job_id": "7"}),
        (DOC, "b.md#1", "b", {"job_id": "7"}),
    ]
    assert ids(*rows) == {
        "slurm-7": "join_ambiguous:a,b",
        "a": "join_ambiguous:b,slurm-7",
        "b": "join_ambiguous:a,slurm-7",
    }


def test_records_on_one_host_at_one_time_are_one_run():
    rows = [("slurm", "s.txt#2", "slurm-7", at(8, 20)), (DOC, "a.md#1", "bot", at(9, 19))]
    # The job was there longer than what ran in it, which the run says.
    assert ids(*rows) == {"bot": "conflict:ended_at conflict:started_at"}


@pytest.mark.parametrize(
    "other", [at(20, 22), at(16, 22), at(9, 19, host="h2"), {**at(9, 19), "ended_at": None}]
)
def test_another_time_or_host_is_another_run(other):
    rows = [("slurm", "s.txt#2", "slurm-7", at(8, 18)), (DOC, "a.md#1", "bot", other)]
    assert ids(*rows) == {"slurm-7": "", "bot": ""}


def test_several_candidates_at_one_time_are_not_joined_but_told():
    rows = [
        ("slurm", "s.txt#2", "slurm-7", at(8, 20)),
        (DOC, "a.md#1", "a", at(9, 12)),
        (DOC, "b.md#1", "b", at(13, 19)),
    ]
    assert ids(*rows) == {
        "slurm-7": "join_ambiguous:a,b",
        "a": "join_ambiguous:slurm-7",
        "b": "join_ambiguous:slurm-7",
    }


def test_candidates_are_named_whatever_they_are_called_and_the_many_are_counted():
    names = ["run, one+two", "run 10 %", *(f"z{n:02}" for n in range(20))]
    rows = [
        ("slurm", "s.txt#2", "slurm-7", at(8, 20)),
        *((DOC, f"{n}.md#1", name, at(9, 19)) for n, name in enumerate(names)),
    ]
    found = ids(*rows)
    assert repairs.named(found["run 10 %"], AMBIGUOUS) == (["slurm-7"], 0)
    shown, more = repairs.named(f"space_padding {found['slurm-7']}", AMBIGUOUS)
    assert (shown, more) == ([*sorted(names)[:10]], 12)


def test_records_of_one_format_on_one_host_are_never_joined():
    rows = [("slurm", "s.txt#2", "slurm-7", at(8, 20)), ("slurm", "s.txt#3", "slurm-8", at(8, 20))]
    assert ids(*rows) == {"slurm-7": "", "slurm-8": ""}
