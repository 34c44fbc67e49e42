"""CodeCarbon: each test carries one oddity seen in real files; values are worked out by hand."""

import re

import pandas as pd
import pytest


@pytest.mark.parametrize("width", [12, 29, "30 with version", "30 with experiment", 31, 32, 34, 38])
def test_every_column_set_since_v1_is_read(one_run, emissions_csv, width):
    run = one_run("emissions.csv", emissions_csv({}, width=width))
    assert run["run_id"] == "run-a"
    assert run["model_name"] == "support-bot"
    assert run["it_energy_kwh"] == 1.0
    assert run["reserved_s"] == run["active_s"] == 3600
    assert run["ended_at"] == pd.Timestamp("2026-03-01T12:00Z")
    assert run["started_at"] == pd.Timestamp("2026-03-01T11:00Z")
    assert run["country_iso3"] == "FRA"


def test_pue_is_taken_out_of_every_energy(one_run, emissions_csv):
    row = {"pue": "1.25", "cpu_energy": "0.5", "gpu_energy": "1", "ram_energy": "0.25",
           "energy_consumed": "1.75"}  # fmt: skip
    run = one_run("emissions.csv", emissions_csv(row))
    assert run["pue"] == 1.25
    assert run["cpu_energy_kwh"] == pytest.approx(0.4)
    assert run["gpu_energy_kwh"] == pytest.approx(0.8)
    assert run["ram_energy_kwh"] == pytest.approx(0.2)
    assert run["it_energy_kwh"] == pytest.approx(1.4)


def test_a_default_pue_of_one_says_not_set(one_run, emissions_csv):
    assert pd.isna(one_run("emissions.csv", emissions_csv({"pue": "1.0"}))["pue"])


def test_no_accelerator_listed_beside_no_gpu_energy_means_none_was_used(one_run, emissions_csv):
    row = {"gpu_energy": "0.0", "gpu_model": "", "gpu_count": "", "energy_consumed": "0.2"}
    run = one_run("emissions.csv", emissions_csv(row))
    assert run["gpu_count"] == 0
    assert run["it_energy_kwh"] == 0.2


def test_before_gpus_were_listed_nothing_is_said_of_them(one_run, emissions_csv):
    assert pd.isna(one_run("emissions.csv", emissions_csv({}, width=12))["gpu_count"])


def test_pue_may_differ_between_rows(read, emissions_csv):
    rows = [{"run_id": "a", "pue": "1.0"}, {"run_id": "b", "pue": "1.25"}]
    runs = read("emissions.csv", emissions_csv(*rows)).runs.set_index("run_id")
    assert runs["it_energy_kwh"].to_dict() == {"a": 1.0, "b": pytest.approx(0.8)}


def test_timestamp_is_wall_clock_of_the_zone_in_the_settings(one_run, emissions_csv):
    run = one_run("emissions.csv", emissions_csv({}), timezone="Europe/Paris")
    assert run["ended_at"] == pd.Timestamp("2026-03-01T11:00Z")


def test_cumulative_rows_of_interleaved_runs_collapse_to_the_longest(read, emissions_csv):
    rows = [
        {"run_id": "a", "duration": "10", "energy_consumed": "0.1"},
        {"run_id": "b", "duration": "90", "energy_consumed": "0.9"},
        {"run_id": "a", "duration": "30", "energy_consumed": "0.3"},
        {"run_id": "b", "duration": "60", "energy_consumed": "0.6"},
        {"run_id": "a", "duration": "20", "energy_consumed": "0.2"},
    ]
    reading = read("emissions.csv", emissions_csv(*rows))
    assert reading.runs.set_index("run_id")["it_energy_kwh"].to_dict() == {"a": 0.3, "b": 0.9}
    assert (reading.records, reading.merged) == (5, 3)
    assert reading.runs["source_record"].tolist() == ["3", "4"]


def test_a_bad_last_flush_leaves_the_one_before_it(read, emissions_csv):
    reading = read("emissions.csv", emissions_csv({"duration": "10"}, {"duration": "9e9"}))
    assert reading.runs["active_s"].tolist() == [10]
    assert reading.quarantine["reason_code"].tolist() == ["out_of_range"]


@pytest.mark.parametrize("no_key", ["None", "", "nan"])
def test_a_run_id_of_none_is_no_key(read, emissions_csv, no_key):
    reading = read("a/emissions.csv", emissions_csv({"run_id": no_key}, {"run_id": no_key}))
    assert reading.runs["run_id"].tolist() == ["a/emissions.csv#2", "a/emissions.csv#3"]
    assert reading.merged == 0


def test_rows_keep_their_line_numbers_past_blank_and_junk_lines(read, emissions_csv):
    head, row = emissions_csv({"run_id": "None"}).splitlines()
    reading = read("emissions.csv", f"{head}\n\n0\n{row}\n \n{row}\n")
    assert reading.runs["source_record"].tolist() == ["4", "6"]
    assert reading.quarantine["source_record"].tolist() == ["3"]


@pytest.mark.parametrize("junk", ["0", ".0" + 37 * ",", 37 * ",", "<<<<<<< HEAD", ">>>>>>> theirs"])
def test_junk_rows_are_refused_as_such(read, emissions_csv, junk):
    reading = read("emissions.csv", emissions_csv({}) + junk + "\n")
    assert len(reading.runs) == 1
    assert reading.quarantine["reason_code"].tolist() == ["junk_row"]


def test_short_and_shifted_rows_are_refused(read, emissions_csv):
    # CodeCarbon 3.2.9 leaves out the cells of empty columns when it appends.
    short = ",".join(emissions_csv({}).splitlines()[1].split(",")[:35])
    tail = "38,machine,N,0f9b5c1e"
    padded = tail + 34 * ","
    reading = read("emissions.csv", emissions_csv({}) + f"{short}\n{tail}\n{padded}\n")
    assert len(reading.runs) == 1
    assert reading.quarantine["reason_code"].tolist() == 3 * ["shifted_row"]
    assert "38" in reading.quarantine["reason"].iloc[1]


FULL = {
    "timestamp": "2026-03-02T12:00:00", "run_id": "0f9b5c1e-aaaa-bbbb-cccc-1234567890ab",
    "experiment_id": "none", "emissions_rate": "1e-5", "cpu_power": "42.5", "gpu_power": "0.0",
    "ram_power": "10", "gpu_energy": "0.0", "water_consumed": "0.0", "region": "ile-de-france",
    "os": "Linux-5.15", "python_version": "3.11.9", "codecarbon_version": "3.2.9",
    "cpu_count": "64", "cpu_model": '"Xeon, 2.9 GHz"', "longitude": "2.3", "latitude": "48.9",
    "ram_total_size": "503.5", "tracking_mode": "machine", "cpu_utilization_percent": "12.5",
    "gpu_utilization_percent": "0", "ram_utilization_percent": "10", "ram_used_gb": "50",
}  # fmt: skip


def shortened(text, *dropped):
    """Return a file whose last row lacks cells of some columns, as CodeCarbon 3.2.9 appends it."""
    *before, row = text.splitlines()
    cells = [
        cell
        for name, cell in zip(
            before[0].split(","), re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', row), strict=True
        )
        if name not in dropped
    ]
    return "\n".join([*before, ",".join(cells)]) + "\n"


@pytest.mark.parametrize(
    "dropped",
    [
        ("region", "gpu_count", "gpu_model"),
        ("gpu_count", "gpu_model"),
        ("region", "cloud_provider", "cloud_region", "gpu_count", "gpu_model", "longitude",
         "latitude"),
        ("experiment_id", "region", "cloud_provider", "cloud_region", "gpu_count", "gpu_model"),
    ],
)  # fmt: skip
def test_a_short_row_of_codecarbon_329_is_realigned_where_that_is_unambiguous(
    read, emissions_csv, dropped
):
    text = emissions_csv({}, FULL)
    whole = read("whole/emissions.csv", text).runs
    reading = read("short/emissions.csv", shortened(text, *dropped))
    assert reading.quarantine.empty
    runs = reading.runs.set_index("run_id")
    run = runs.loc[FULL["run_id"]]
    assert run["repairs"] == "short_row_realigned"
    assert pd.isna(runs.loc["run-a", "repairs"])
    assert (run["it_energy_kwh"], run["cpu_energy_kwh"], run["active_s"]) == (1.0, 0.25, 3600)
    assert run["cpu_utilization"] == 0.125
    expected = whole.set_index("run_id").loc[FULL["run_id"]]
    # The mark tells ranks of one machine apart, by its GPUs too.
    gpus = ["gpu_model", "gpu_count", "gpu_energy_kwh", "it_energy_kwh", "repairs", "mark"]
    if "region" in dropped:  # the state beside the country went with its cell
        assert pd.isna(run["location"])
        gpus.append("location")
    pd.testing.assert_series_equal(run.drop(gpus), expected.drop(gpus))
    assert run["gpu_count"] == 0


@pytest.mark.parametrize(
    ("changes", "dropped"),
    [
        # Not even a value that is not read may be guessed from a cell of another form.
        ({}, ("emissions_rate",)),
        # Versions before did not drop cells.
        ({"codecarbon_version": "3.2.6"}, ("gpu_count", "gpu_model")),
    ],
)
def test_a_short_row_that_fits_in_no_way_is_refused(read, emissions_csv, changes, dropped):
    text = shortened(emissions_csv({}, {**FULL, **changes}), *dropped)
    reading = read("emissions.csv", text)
    assert reading.runs["run_id"].tolist() == ["run-a"]
    assert reading.quarantine["reason_code"].tolist() == ["shifted_row"]


def test_a_short_row_that_fits_in_two_ways_is_refused(read, emissions_csv):
    # With the columns in this order, 2 may be the number of GPUs as well as a longitude.
    header, row = emissions_csv({**FULL, "longitude": "2", "latitude": "4"}).splitlines()
    header = header.replace("gpu_count,gpu_model", "gpu_model,gpu_count")
    text = shortened(f"{header}\n{row}\n", "gpu_model", "gpu_count")
    reading = read("emissions.csv", text)
    assert reading.quarantine["reason_code"].tolist() == ["shifted_row"]


def test_a_header_repeated_by_concatenation_is_junk(read, emissions_csv):
    text = emissions_csv({})
    reading = read("emissions.csv", text + text)
    assert (len(reading.runs), reading.merged, len(reading.quarantine)) == (1, 1, 1)


def test_crlf_and_byte_order_mark_do_not_matter(one_run, emissions_csv):
    text = emissions_csv({}).replace("\n", "\r\n")
    assert one_run("emissions.csv", b"\xef\xbb\xbf" + text.encode())["run_id"] == "run-a"


def test_utf16_from_a_spreadsheet_is_read(one_run, emissions_csv):
    assert one_run("emissions.csv", emissions_csv({}).encode("utf-16"))["run_id"] == "run-a"


def test_latin_letters_of_windows_are_read(one_run, emissions_csv):
    text = emissions_csv({"project_name": "modèle"})
    assert one_run("emissions.csv", text.encode("cp1252"))["model_name"] == "modèle"


def test_space_padding_is_stripped_and_noted(read, emissions_csv):
    row = {
        "duration": " 3600 ",
        "energy_consumed": " 1.0",
        "run_id": " b ",
        "timestamp": " 2026-03-01T12:00:00",
    }
    runs = read("emissions.csv", emissions_csv({}, row)).runs.set_index("run_id")
    assert runs.loc["b", "it_energy_kwh"] == 1.0
    assert runs.loc["b", "repairs"] == "space_padding"
    assert pd.isna(runs.loc["run-a", "repairs"])


def test_a_lone_blank_is_an_unknown_region(one_run, emissions_csv):
    run = one_run("emissions.csv", emissions_csv({"cloud_provider": " ", "cloud_region": " "}))
    assert pd.isna(run["cloud_provider"])
    assert pd.isna(run["cloud_region"])
    assert pd.isna(run["repairs"])


def test_cloud_provider_and_region_are_kept(one_run, emissions_csv):
    run = one_run(
        "emissions.csv", emissions_csv({"cloud_provider": "aws", "cloud_region": "us-west-2"})
    )
    assert (run["cloud_provider"], run["cloud_region"]) == ("aws", "us-west-2")


def test_a_two_letter_country_is_left_to_location(one_run, emissions_csv):
    run = one_run("emissions.csv", emissions_csv({"country_iso_code": "FR"}))
    assert run["location"] == "FR"
    assert pd.isna(run["country_iso3"])
    assert run["repairs"] == "country_iso2"


def test_gpu_energy_of_zero_with_a_named_gpu_was_not_read(one_run, emissions_csv):
    run = one_run("emissions.csv", emissions_csv({"gpu_energy": "0.0"}))
    assert pd.isna(run["gpu_energy_kwh"])
    assert pd.isna(run["it_energy_kwh"])
    assert run["cpu_energy_kwh"] == 0.25
    assert run["repairs"] == "gpu_energy_unread"


def test_gpu_energy_of_zero_without_a_gpu_is_zero(one_run, emissions_csv):
    run = one_run(
        "emissions.csv", emissions_csv({"gpu_energy": "0", "gpu_model": "", "gpu_count": ""})
    )
    assert run["gpu_energy_kwh"] == 0
    assert run["it_energy_kwh"] == 1.0


@pytest.mark.parametrize(
    ("cell", "logged", "model", "count"),
    [
        ("4 x NVIDIA A100-SXM4-80GB", "", "NVIDIA A100-SXM4-80GB", 4),
        ("NVIDIA H100", "2", "NVIDIA H100", 2),
        # CodeCarbon puts different models one behind the other, without a separator.
        ("1 x Tesla T41 x NVIDIA A100", "2", "1 x Tesla T41 x NVIDIA A100", 2),
    ],
)
def test_gpu_count_is_taken_out_of_the_model(one_run, emissions_csv, cell, logged, model, count):
    run = one_run("emissions.csv", emissions_csv({"gpu_model": cell, "gpu_count": logged}))
    assert (run["gpu_model"], run["gpu_count"]) == (model, count)


def test_utilisation_is_a_fraction_and_zero_says_not_measured(one_run, emissions_csv):
    row = {"gpu_utilization_percent": "47", "cpu_utilization_percent": "0.0"}
    run = one_run("emissions.csv", emissions_csv(row))
    assert run["gpu_utilization"] == pytest.approx(0.47)
    assert pd.isna(run["cpu_utilization"])


def test_wue_counts_only_above_zero(read, emissions_csv):
    runs = read("emissions.csv", emissions_csv({"run_id": "a"}, {"run_id": "b", "wue": "0.2"})).runs
    assert runs["wue_l_per_kwh"].isna().tolist() == [True, False]


def test_the_default_project_name_is_no_model(one_run, emissions_csv):
    assert pd.isna(
        one_run("emissions.csv", emissions_csv({"project_name": "codecarbon"}))["model_name"]
    )


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "1,5", "12 kWh", "1_000", "0x10", "1e999"])
def test_a_cell_that_is_no_number_is_refused(refusal, emissions_csv, cell):
    code, reason = refusal("emissions.csv", emissions_csv({"energy_consumed": f'"{cell}"'}))
    assert code == "not_a_number"
    assert "energy_consumed" in reason
    assert cell in reason


@pytest.mark.parametrize(
    ("cell", "read_as"), [("1e-8", 1e-8), ("+2.5", 2.5), (".5", 0.5), ("3.", 3.0)]
)
def test_every_way_of_writing_a_number_is_read(one_run, emissions_csv, cell, read_as):
    assert (
        one_run("emissions.csv", emissions_csv({"energy_consumed": cell}))["it_energy_kwh"]
        == read_as
    )


@pytest.mark.parametrize("cell", ["06/07/2024 17:01", "2026-13-01T00:00:00", "1709294400", "2026"])
def test_a_timestamp_of_another_form_is_refused(refusal, emissions_csv, cell):
    assert refusal("emissions.csv", emissions_csv({"timestamp": cell}))[0] == "bad_timestamp"


def test_runs_of_milliseconds_and_of_days_are_read(read, emissions_csv):
    rows = [
        {"run_id": "a", "duration": "0.008", "energy_consumed": "1e-8"},
        {"run_id": "b", "duration": "1010880", "energy_consumed": "113"},
    ]
    assert read("emissions.csv", emissions_csv(*rows)).runs["active_s"].tolist() == [0.008, 1010880]


@pytest.mark.parametrize("column", ["timestamp", "duration"])
def test_time_is_required(refusal, emissions_csv, column):
    code, reason = refusal("emissions.csv", emissions_csv({column: ""}))
    assert code == "missing_value"
    assert column in reason


def test_semicolons_come_with_decimal_commas(one_run, emissions_csv):
    text = emissions_csv({"energy_consumed": "1.5"}).replace(",", ";").replace(".", ",")
    assert one_run("emissions.csv", text)["it_energy_kwh"] == 1.5


def test_a_duplicated_header_is_refused(refusal, emissions_csv):
    head, row = emissions_csv({}).splitlines()
    code, reason = refusal("emissions.csv", f"{head},duration\n{row},5\n")
    assert code == "duplicated_header"
    assert "duration" in reason


def test_a_quote_left_open_costs_one_row_only(read, emissions_csv):
    rows = [{"run_id": "a"}, {"run_id": "b", "project_name": '"open'}, {"run_id": "c"}]
    reading = read("emissions.csv", emissions_csv(*rows))
    assert reading.runs["run_id"].tolist() == ["a", "c"]
    assert reading.quarantine["source_record"].tolist() == ["3"]


def test_a_quoted_comma_is_part_of_its_cell(one_run, emissions_csv):
    run = one_run("emissions.csv", emissions_csv({"project_name": '"bots, all"'}))
    assert run["model_name"] == "bots, all"


def test_task_rows_are_added_up(one_run, emissions_csv):
    rows = [
        {"task_name": "load", "duration": "100", "energy_consumed": "0.1"},
        {"task_name": "train", "duration": "300", "energy_consumed": "0.3",
         "timestamp": "2026-03-01T12:05:00"},
    ]  # fmt: skip
    text = emissions_csv(*rows, width=29, extra=["task_name"])
    run = one_run("emissions_base_run-a.csv", text)
    assert run["it_energy_kwh"] == pytest.approx(0.4)
    assert run["active_s"] == 400
    assert "tasks_summed" in run["repairs"]


def test_paths_with_spaces_are_fine(one_run, emissions_csv):
    assert one_run("my runs/emissions (1).csv", emissions_csv({}))["run_id"] == "run-a"


def test_a_file_without_rows_holds_no_record_and_says_so(refusal, emissions_csv):
    assert refusal("emissions.csv", emissions_csv())[0] == "no_record"


def test_energy_of_a_gpu_that_no_column_names_stays(one_run):
    # Versions before 2.0 have no columns of hardware.
    header = (
        "timestamp,project_name,run_id,duration,emissions,cpu_energy,gpu_energy,ram_energy,"
        "energy_consumed"
    )
    run = one_run(
        "emissions.csv", f"{header}\n2026-03-02T11:00:00,x,r1,3600,0.1,0.05,1.0,0.02,1.07\n"
    )
    assert run["gpu_energy_kwh"] == 1.0
