"""Files that the installed tools write are read whole, so a new version shows here.

The Trainer's files are beside this one (`test_read_live_trainer.py`).
"""

import time

import pandas as pd
import pytest

from ft_emissions_pipeline.readers import Settings, read_file

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("ignore")  # those of the tool are not ours
def test_codecarbon_offline_writes_a_file_that_is_read(alone, conserved):
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="FRA", project_name="bot", output_dir=str(alone), save_to_file=True,
        measure_power_secs=0.5, log_level="error", allow_multiple_runs=True,
        tracking_mode="process",
    )  # fmt: skip
    tracker.start()
    until = time.monotonic() + 1.2
    while time.monotonic() < until:  # a process that sleeps draws nothing, and is told so
        sum(range(10_000))
    kilograms = tracker.stop()
    reading, _, source_format = read_file(alone / "emissions.csv", "emissions.csv", Settings())
    assert source_format == "codecarbon"
    assert conserved(reading).quarantine.empty, reading.quarantine.to_dict("records")
    (run,) = reading.runs.to_dict("records")
    assert (run["model_name"], run["country_iso3"]) == ("bot", "FRA")
    assert 0.9 < run["active_s"] < 120
    assert kilograms > 0
    assert run["it_energy_kwh"] > 0
    assert run["disclosed_kgco2e"] == pytest.approx(kilograms, rel=1e-6)
    now = pd.Timestamp.now("UTC")
    # The tracker writes its machine's local time without a zone; none is more than 14 hours off.
    assert abs(run["ended_at"] - now) < pd.Timedelta(hours=15)
