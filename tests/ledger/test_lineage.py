"""Who was tuned from whom, and what a family handed on."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_rows import FIRST, branched_merged_and_rolled_back, counts, impacts

from ft_emissions_pipeline import ledger


def test_ancestors_of_branches_and_merges_are_shown() -> None:
    runs = impacts(
        {}, {"model_name": "left", "parent_version": "run-0"},
        {"model_name": "right", "parent_version": "m"},
        {"model_name": "left", "parent_version": "run-1, run-2"},
    )  # fmt: skip
    versions = ledger.model_versions(runs, counts(), pd.Timestamp("2026-01-04"))
    assert versions.set_index("model_version")["generation"].to_dict() == {
        "run-0": 1, "run-1": 2, "run-2": 2, "run-3": 3,
    }  # fmt: skip
    assert ledger.ancestors(versions, "run-3") == ["run-1", "run-2", "run-0"]
    assert ledger.ancestors(versions, "run-0") == []


@given(
    st.lists(st.tuples(st.sampled_from("mn"), st.integers(0, 3),
                       st.sets(st.integers(0, 11), max_size=3)), max_size=12)
)  # fmt: skip
def test_a_generation_is_the_longest_way_from_a_base_model(
    tuned: list[tuple[str, int, set[int]]],
) -> None:
    runs = [
        {"run_id": f"r{n:02d}", "model_name": model, "ended_at": FIRST + pd.Timedelta(days=day),
         "parent_version": " ".join(f"r{parent:02d}" for parent in sorted(parents)) or None}
        for n, (model, day, parents) in enumerate(tuned)
    ]  # fmt: skip
    versions = ledger.model_versions(impacts(*runs), counts(), pd.Timestamp("2026-01-09"))
    older = dict(
        zip(versions["model_version"],
            ledger.family(versions, versions["model_version"].tolist())["parents"], strict=True)
    )  # fmt: skip

    def depth(version: str) -> int:
        return 1 + max(map(depth, older[version]), default=0)

    assert versions["generation"].tolist() == [depth(each) for each in versions["model_version"]]


def test_a_family_has_parents_children_and_what_was_handed_on() -> None:
    _, versions = branched_merged_and_rolled_back()
    found = ledger.family(versions, ["run-3", "run-0"])
    assert found["parents"].tolist() == [["run-1", "run-2"], []]
    assert found["children"].tolist() == [[], ["run-1", "run-2"]]
    assert found["handed_on_kgco2e"].tolist() == pytest.approx([0.0, 10.24])


def test_the_newest_version_of_a_parent_model_does_not_hang_on_the_order_of_the_table() -> None:
    runs = impacts(
        {"run_id": "z-first"},
        {"run_id": "a-second"},
        {"model_name": "right", "parent_version": "m"},
    )
    versions = ledger.model_versions(runs, counts(), pd.Timestamp("2026-01-04"))
    stored = versions.sort_values(["model_name", "model_version"], ignore_index=True)
    assert stored["model_version"].tolist() == ["a-second", "z-first", "run-2"]
    assert ledger.ancestors(stored, "run-2") == ["a-second"]
