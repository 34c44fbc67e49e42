"""eco2AI: each test carries one oddity of what its tracker writes (emission_track.py, 0.3.13)."""

import pandas as pd
import pytest

HEADER = (
    "id,project_name,experiment_description,epoch,start_time,duration(s),power_consumption(kWh),"
    "CO2_emissions(kg),CPU_name,GPU_name,OS,region/country,cost"
)


def sheet(*rows, header=HEADER):
    return "\n".join([header, *rows]) + "\n"


def row(run="r1", epoch="N/A", start="2026-03-01 10:00:00", seconds="3600", kwh="0.5", kg="0.2",
        gpu="NVIDIA A100-SXM4-80GB 4 device(s) method:nvml_energy", place="CH/Ticino"):  # fmt: skip
    cpu = '"Xeon/2 device(s), TDP:150 method:tdp"'
    return (
        f'{run},support-bot,no experiment description,"{epoch}",{start},{seconds},{kwh},{kg},'
        f"{cpu},{gpu},Linux,{place},0"
    )


def test_a_row_tells_time_energy_hardware_country_and_its_own_carbon(one_run):
    run = one_run("emission.csv", sheet(row()))
    assert run["run_id"] == "r1"
    assert run["started_at"] == pd.Timestamp("2026-03-01T10:00:00Z")
    assert run["ended_at"] == pd.Timestamp("2026-03-01T11:00:00Z")
    assert (run["active_s"], run["it_energy_kwh"], run["disclosed_kgco2e"]) == (3600, 0.5, 0.2)
    assert (run["gpu_model"], run["gpu_count"]) == ("NVIDIA A100-SXM4-80GB", 4)
    assert (run["location"], run["model_name"]) == ("CH", "support-bot")
    # The file has no column for the PUE that the energy was multiplied by.
    assert run["repairs"] == "pue_may_be_included"


def test_rows_of_epochs_stand_side_by_side_and_are_added_up(read):
    """`new_epoch` sets start_time and consumption back (sb-ai-lab/Eco2AI at 0157f5a)."""
    rows = [
        row(epoch="epoch: 1, loss: 0.9, ", seconds="100", kwh="0.1", kg="0.04"),
        row(epoch="epoch: 2, loss: 0.5, ", start="2026-03-01 10:01:40", seconds="110", kwh="0.2",
            kg="0.08"),
        row(epoch="epoch: 3, loss: 0.4, ", start="2026-03-01 10:03:30", seconds="120", kwh="0.3",
            kg="0.12"),
    ]  # fmt: skip
    reading = read("emission.csv", sheet(*rows))
    (run,) = reading.runs.to_dict("records")
    assert run["active_s"] == 330
    assert run["it_energy_kwh"] == pytest.approx(0.6)
    assert run["disclosed_kgco2e"] == pytest.approx(0.24)
    assert run["ended_at"] == pd.Timestamp("2026-03-01T10:05:30Z")
    assert run["repairs"] == "pue_may_be_included epochs_summed"
    assert (reading.records, reading.merged) == (3, 2)


def test_a_copy_of_a_row_counts_once(read):
    reading = read("emission.csv", sheet(row(seconds="60", kwh="0.1"), row()))
    assert reading.runs["it_energy_kwh"].tolist() == [0.5]
    assert reading.merged == 1


def test_earlier_versions_spell_the_unit_otherwise_and_have_no_cost(one_run):
    header = HEADER.replace("(kWh)", "(kWTh)").removesuffix(",cost")
    run = one_run("emission.csv", sheet(row().removesuffix(",0"), header=header))
    assert run["it_energy_kwh"] == 0.5


def test_energy_of_devices_is_taken_where_it_was_asked_for(read):
    header = HEADER + ",CPU_consumption(kWh),GPU_consumption(kWh),RAM_consumption(kWh)"
    old, new = row(run="old") + ",N/A,N/A,N/A", row(run="new") + ",0.1,0.35,0.05"
    runs = read("emission.csv", sheet(old, new, header=header)).runs.set_index("run_id")
    assert runs.loc["new", ["cpu_energy_kwh", "gpu_energy_kwh", "ram_energy_kwh"]].tolist() == [
        0.1,
        0.35,
        0.05,
    ]
    assert runs.loc["old", ["cpu_energy_kwh", "gpu_energy_kwh"]].isna().all()


def test_a_machine_without_accelerator_has_none(one_run):
    run = one_run("emission.csv", sheet(row(gpu=" 0 device(s)", place="US/Texas")))
    assert pd.isna(run["gpu_model"])
    assert run["gpu_count"] == 0
    assert run["location"] == "Texas, USA"


@pytest.mark.parametrize(
    ("place", "location"),
    [
        ("FR", "FR"),
        ("Russia", "Russia"),
        ("CH/Ticino", "CH"),
        ("US/Texas", "Texas, USA"),
        ("US", "US"),
    ],
)
def test_a_place_is_its_country_and_in_the_usa_its_state(one_run, place, location):
    assert one_run("emission.csv", sheet(row(place=place)))["location"] == location


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"seconds": "long"}, "not_a_number"),
        ({"seconds": "-1"}, "out_of_range"),
        ({"kwh": ""}, "missing_value"),
        ({"start": "yesterday"}, "bad_timestamp"),
        ({"start": ""}, "missing_value"),
        ({"place": "CH,more"}, "shifted_row"),
    ],
)
def test_a_broken_row_costs_itself_only(read, change, code):
    reading = read("emission.csv", sheet(row(), row(run="r2", **change)))
    assert reading.quarantine["reason_code"].tolist() == [code]
    assert reading.runs["run_id"].tolist() == ["r1"]
