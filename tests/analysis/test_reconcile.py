"""Runs beside what their cloud provider reports, each figure by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ft_emissions_pipeline.analysis.reconcile import (
    ABOVE,
    BELOW,
    NO_CONTRACT,
    NO_REPORT,
    NO_RUN,
    NOT_KNOWN,
    OF_RUNS,
    TOTAL,
    WITHIN,
    of_warehouse,
    reconcile,
)
from ft_emissions_pipeline.ledger.scatter import scatter
from ft_emissions_pipeline.readers import Settings, read_bytes
from ft_emissions_pipeline.tables import CLOUD_REPORTS, RUN_IMPACTS, RUN_SPREADS, conform
from ft_emissions_pipeline.warehouse import store

DATA = Path(__file__).parents[1] / "data" / "cloud_reports"
NOW = Settings(now=pd.Timestamp("2026-06-01", tz="UTC"))


def landed(*names: str, edit=lambda text: text) -> pd.DataFrame:
    frames = []
    for name in names:
        reading, kind = read_bytes(edit((DATA / name).read_text()).encode(), name, NOW)
        frames.append(reading.cloud_reports.assign(source_uri=name, source_format=kind))
    return conform(pd.concat(frames), CLOUD_REPORTS)


def runs(*rows: dict[str, object]) -> tuple[pd.DataFrame, ...]:
    """Return impacts, places and scatter of runs of 10 kg by default, 8 of them operational."""
    figures = {
        "operational_kgco2e": 8.0, "operational_direct_kgco2e": 6.0, "embodied_kgco2e": 2.0,
        "operational_market_kgco2e": 1.0, "total_kgco2e": 10.0, "onsite_water_l": 5.0,
        "total_water_l": 50.0, "date": pd.Timestamp("2026-01-20"),
        "cloud_provider": "aws", "cloud_region": "us-west-2",
    }  # fmt: skip
    frame = pd.DataFrame([{**figures, "run_id": f"r{n}", **row} for n, row in enumerate(rows)])
    places = frame.reindex(columns=list(OF_RUNS)).astype("str")
    spreads = pd.DataFrame(
        [
            {"run_id": run, "input": name, "factor_id": factor, "date": pd.Timestamp("2026-01-20"),
             "total_kgco2e_log_sd": sd, "total_water_l_log_sd": sd}
            for run in frame["run_id"]
            for name, factor, sd in (("grid_kgco2e_per_kwh", "x", 0.1), ("shift", None, 0.0),
                                     ("bend", None, 0.0))
        ]
    )  # fmt: skip
    columns = [name for name in frame if name in RUN_IMPACTS.names]
    return frame[columns], places, scatter(conform(spreads, RUN_SPREADS))


def lines(found: pd.DataFrame) -> pd.DataFrame:
    return found.set_index("line")


def test_each_line_is_ours_over_theirs_of_the_newest_method_with_all_accounts() -> None:
    """By hand: 31 kg of two accounts, v2's rows left out; 250 L withdrawn."""
    reports = landed("aws_carbon_two_methods.csv", "aws_water_withdrawals.json")
    found = lines(reconcile(reports, *runs({}, {})))
    assert found.loc[TOTAL, ["ours", "theirs", "runs"]].tolist() == [20.0, 31.0, 2]
    assert found["accounts"][TOTAL] == "444455556666 777788889999"
    assert found["ratio"].to_dict() == pytest.approx(
        {
            TOTAL: 20 / 31,
            "total, market-based": 6 / 12,
            "electricity, location-based, Scope 1 and 2": 12 / 21,
            "electricity, market-based, Scope 1 and 2": 2 / 2,
            "supply and hardware, Scope 3": 8 / 10,
            "water on site: consumed, over withdrawn": 10 / 250,
        }
    )
    assert found["unit"].tolist() == ["kgCO2e"] * 5 + ["L"]


def test_a_gap_beyond_the_interval_is_said_with_its_direction() -> None:
    """By hand: of a grid off by 0.1, the ends of n kg are n e^(-+1.645 x 0.1)."""
    reports = landed("aws_carbon_two_methods.csv")
    for count, said in ((2, BELOW), (3, WITHIN), (5, ABOVE)):
        found = lines(reconcile(reports, *runs(*({} for _ in range(count)))))
        row = found.loc[TOTAL]
        assert row["said"] == said
        assert row["ours_p95"] == pytest.approx(10 * count * np.exp(0.16449), rel=1e-4)
    assert (found["said"].drop(TOTAL) == "").all()


def test_one_thing_that_two_files_or_formats_report_counts_once() -> None:
    csv, api = "aws_carbon_two_methods.csv", "aws_emissions_and_a_quarter.json"
    again = landed(csv).assign(source_uri="b_corrected.csv", total_location_kgco2e=40.0)
    both = pd.concat([landed(csv), again, landed(api)], ignore_index=True)
    found = lines(reconcile(both, *runs({})))
    # Each account's rows of the finest breakdown, and of these the last file's: 40 kg each.
    assert found["theirs"][TOTAL] == 80.0


def test_regions_and_months_of_one_side_alone_are_named() -> None:
    elsewhere = {"cloud_region": "eu-west-1"}
    unreported = {"date": pd.Timestamp("2026-02-03")}
    reports = landed("aws_carbon_two_methods.csv")
    found = reconcile(reports, *runs(elsewhere, unreported)).set_index(["region", "line"])
    assert found["said"]["eu-west-1", TOTAL] == NO_REPORT
    assert found["said"]["us-west-2", TOTAL] == NO_RUN
    nowhere = {"cloud_region": None, "operational_market_kgco2e": np.nan}
    found_nowhere = reconcile(reports, *runs(nowhere, {"operational_market_kgco2e": np.nan}))
    said = found_nowhere.set_index(["region", "line"])["said"]
    assert said["", TOTAL] == NOT_KNOWN.format("region")
    assert said["us-west-2", "total, market-based"] == NO_CONTRACT
    # A month of which the provider tells nothing is not compared.
    assert (found["month"] == pd.Timestamp("2026-01-01")).all()


def test_a_report_by_subscription_is_set_beside_the_runs_of_all_regions() -> None:
    reports = landed(
        "azure_months_of_locations.json",
        edit=lambda text: text.replace('"Location"', '"Subscription"'),
    )
    places = ({"cloud_provider": "azure", "cloud_region": region} for region in ("a", "b"))
    found = reconcile(reports, *runs(*places))
    assert found[["region", "line", "theirs"]].to_numpy().tolist() == [
        ["", "total, market-based", 14.5]
    ]
    assert found["ours"].item() == 6.0


def test_water_of_all_regions_leaves_the_carbon_of_each_where_it_is() -> None:
    reports = landed("aws_carbon_two_methods.csv", "aws_water_withdrawals.json")
    whole = reports.assign(region=reports["region"].mask(reports["water_withdrawal_l"].notna()))
    found = reconcile(whole, *runs({}, {"cloud_region": "eu-west-1"})).set_index(["region", "line"])
    assert found["ours"]["us-west-2", TOTAL] == 10.0
    assert found["ours"]["", "water on site: consumed, over withdrawn"] == 10.0


def test_by_account_each_is_set_beside_the_runs_whose_owner_states_it() -> None:
    """By hand: 30 kg of the first account, 1 kg of the second, whose run nobody states."""
    reports = landed("aws_carbon_two_methods.csv")
    told = runs({"cloud_account": "444455556666"}, {"cloud_account": None})
    found = reconcile(reports, *told, by=["account"]).set_index(["account", "line"])
    assert found["theirs"].xs(TOTAL, level="line").dropna().to_dict() == {
        "444455556666": 30.0, "777788889999": 1.0,
    }  # fmt: skip
    assert found["ours"]["444455556666", TOTAL] == 10.0
    assert found["said"]["777788889999", TOTAL] == NO_RUN
    assert found["said"]["", TOTAL] == NOT_KNOWN.format("account")
    both = reconcile(reports, *told, by=["region", "account"])
    assert both.columns[:4].tolist() == ["provider", "region", "account", "month"]
    with pytest.raises(ValueError, match="reconcile by region or account"):
        reconcile(reports, *told, by=["city"])


def test_a_report_without_accounts_is_set_beside_the_runs_of_all_accounts() -> None:
    reports = landed("aws_carbon_two_methods.csv").iloc[:1].assign(account=None)
    told = runs({"cloud_account": "1"}, {"cloud_account": "2"})
    found = reconcile(reports.astype({"account": "str"}), *told, by=["account"])
    assert lines(found).loc[TOTAL, ["account", "runs", "ours"]].tolist() == ["", 2, 20.0]


def test_months_that_the_days_touch_are_compared_whole(tmp_path: Path) -> None:
    days = pd.Timestamp("2026-01-30"), pd.Timestamp("2026-02-02")
    store.write(tmp_path, CLOUD_REPORTS, landed("aws_carbon_two_methods.csv"))
    assert set(of_warehouse(tmp_path, days=days)["month"]) == {pd.Timestamp("2026-01-01")}
    assert of_warehouse(tmp_path, days=(days[1], days[1])).empty
