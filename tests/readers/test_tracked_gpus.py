"""`gpu_count` 1 beside "4 x ...": as many GPUs count as were tracked, and the run says so."""

import pytest

A100 = "4 x NVIDIA A100-SXM4-80GB"
"""400 W each (TDP, NVIDIA A100 data sheet)."""


@pytest.mark.parametrize(
    ("counted", "words", "kwh_in_an_hour", "gpus"),
    [
        # gpu_ids = [0]: 300 W are those of one card.
        (1, A100, 0.3, 1),
        # 1,200 W are more than one card can draw, so that all four were tracked.
        (1, A100, 1.2, 4),
        (2, A100, 0.7, 2),
        (8, A100, 0.3, 8),
        # Of an unknown card nothing tells that it cannot draw as much.
        (1, "4 x Unheard-Of Card 9", 1.2, 1),
    ],
)
def test_as_many_gpus_count_as_were_tracked(
    one_run, emissions_csv, counted, words, kwh_in_an_hour, gpus
):
    cells = {"gpu_count": counted, "gpu_model": words, "gpu_energy": kwh_in_an_hour,
             "duration": 3600}  # fmt: skip
    run = one_run("emissions.csv", emissions_csv(cells))
    assert run["gpu_count"] == gpus
    assert "gpus_tracked_in_part" in run["repairs"].split()


@pytest.mark.parametrize(("counted", "gpus"), [(4, 4), ("", 4)])
def test_a_count_that_agrees_or_is_missing_is_no_matter(one_run, emissions_csv, counted, gpus):
    run = one_run("emissions.csv", emissions_csv({"gpu_count": counted, "gpu_model": A100}))
    assert run["gpu_count"] == gpus
    assert "gpus_tracked_in_part" not in str(run["repairs"])
