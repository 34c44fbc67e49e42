"""Tables of impacts: the footprint of a run, and how far it errs.

Put here: their columns. Keep out: what versions and inferences carry (`tables/ledger.py`).
"""

from __future__ import annotations

from ft_emissions_pipeline.tables.schema import (
    Column,
    RowRule,
    Table,
    day,
    instant,
    number,
    text,
    total,
    within_interval,
)
from ft_emissions_pipeline.tables.words import BASES

RUN_IMPACTS = Table(
    "run_impacts",
    "a run's footprint",
    (
        day("Day to which the run belongs."),
        text("run_id", "Identity of the run.", required=True),
        text("model_name", "Name of the registered model.", required=True),
        text("team", "Team, product or cost centre to which the run is counted."),
        text("tag", "Word by which runs are grouped."),
        text("parent_version", "Version that was fine-tuned further."),
        text("base_model", "Pre-trained model, as logged."),
        number("pretraining_kgco2e", "kgCO2e",
               "Carbon of that model's pre-training, as published; in no total."),
        instant("ended_at", "When the run ended.", required=True),
        Column("expected_use_life_days", "float", "Expected use life.", unit="day", required=True),
        text("expected_use_life_basis", "Kind of evidence for it.", required=True, allowed=BASES),
        number("expected_inferences_per_day", "inference/day",
               "Inferences expected per day: as disclosed; of an open version else the mean so "
               "far."),
        number("it_energy_kwh", "kWh", "Energy of the computing hardware.", required=True),
        number("facility_energy_kwh", "kWh",
               "That energy with cooling and losses of the data centre.", required=True),
        number("operational_kgco2e", "kgCO2e",
               "Carbon of the electricity over its life cycle, location-based.", required=True),
        number("operational_direct_kgco2e", "kgCO2e",
                "What of it leaves the power stations' stacks: the location-based figure of a "
                "Scope 2 account. Part of operational_kgco2e.", required=True),
        number("operational_market_kgco2e", "kgCO2e",
                "The same electricity at your contracts' factor; empty where you gave none. No "
                "part of the total."),
        number("embodied_kgco2e", "kgCO2e", "Share of the making of the hardware.", required=True),
        *total("total_kgco2e", "kgCO2e", "Operational and embodied carbon."),
        number("onsite_water_l", "L", "Water evaporated in cooling the data centre.",
               required=True),
        number("electricity_water_l", "L", "Water consumed in generating the electricity.",
               required=True),
        number("electricity_water_without_reservoirs_l", "L",
                "The same without what evaporates from reservoirs. Part of electricity_water_l.",
                required=True),
        number("embodied_water_l", "L", "Share of the water used in making the hardware.",
               required=True),
        *total("total_water_l", "L", "On-site, electricity and embodied water."),
        text("quality_tier",
             "A: energy metered; B: energy logged or hardware, time and place known; C: one of "
             "these imputed; D: more.", required=True, allowed=("A", "B", "C", "D")),
        number("share_imputed", "fraction",
               "Share of the carbon's uncertainty that rests on imputed fields.",
               required=True, maximum=1.0),
        text("methodology", "Profile of the methodology.", required=True),
        text("reference_version", "Hash over the reference tables.", required=True),
    ),
    key=("run_id",),
    partition="date",
    row_rules=(
        RowRule("interval_misses_carbon", "total_kgco2e lies outside its interval",
                within_interval("total_kgco2e")),
        RowRule("interval_misses_water", "total_water_l lies outside its interval",
                within_interval("total_water_l")),
    ),
)  # fmt: skip


RUN_SPREADS = Table(
    "run_spreads",
    "how far one uncertain input of a run moves its totals",
    (
        day("Day to which the run belongs."),
        text("run_id", "Identity of the run.", required=True),
        text("input",
             "Input; `pace` is what active and reserved time have in common, `shift` and `bend` "
             "say where the middle of the total lies (docs/uncertainty.md).", required=True),
        text("factor_id",
             "Row behind the input's spread: runs that share it err together; empty where the run "
             "errs alone."),
        *(
            Column(f"{total}_log_sd", "float",
                   f"Standard deviation of the logarithm of {total} that comes from the input; "
                   "negative where a larger input makes less.", required=True)
            for total in ("total_kgco2e", "total_water_l")
        ),
    ),
    key=("run_id", "input"),
    partition="date",
)  # fmt: skip
