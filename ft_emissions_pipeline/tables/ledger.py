"""Tables of the ledger and of restatement: versions, days, inferences, sums, values that moved.

Put here: their columns. Keep out: the footprint of a run (`impacts/`).
"""

from __future__ import annotations

from ft_emissions_pipeline.tables.impacts import RUN_IMPACTS
from ft_emissions_pipeline.tables.schema import (
    Column,
    RowRule,
    Table,
    adds_up,
    day,
    instant,
    number,
    ordered,
    share,
    text,
    total,
    within_interval,
)
from ft_emissions_pipeline.tables.words import (
    GROUPS,
    HAND_ON,
    METHODS_OF_SHARING,
    PERIODS,
    RESTATEMENT_CAUSES,
    Inferences,
    Life,
    Status,
    UseLifeRule,
    values,
)

PARTS = {
    "facility_energy_kwh": "kgco2e", "operational_kgco2e": "kgco2e",
    "operational_direct_kgco2e": "kgco2e", "embodied_kgco2e": "kgco2e",
    "onsite_water_l": "water_l", "electricity_water_l": "water_l", "embodied_water_l": "water_l",
}  # fmt: skip
"""Part of a run's footprint -> total with which it is shared out and handed on."""

COUNTED_LIVES = tuple(
    word
    for word in values(Inferences)
    if word not in {Inferences.UNALLOCATED, Inferences.HANDED_ON}
)
COUNTED_DAYS = tuple(word for word in values(Inferences) if word != Inferences.ACTUAL_AND_EXPECTED)
"""A version's inferences may be of both kinds, those of a day only of one."""


MODEL_VERSIONS = Table(
    "model_versions",
    "a registered model between two fine-tunings",
    (
        text("model_name", "Name of the registered model.", required=True),
        text("model_version", "Version: the id of the run that made it.", required=True),
        text("parent_version", "Version that was fine-tuned further."),
        instant("use_life_start", "When the version was ready to serve.", required=True),
        instant("use_life_end", "When its use life ends: the next fine-tuning, or its expectation.",
                required=True),
        text("use_life_rule", "What the end rests on.", required=True,
              allowed=values(UseLifeRule)),
        text("pauses",
             "Stretches of the use life without service, as ISO 8601 intervals separated by "
             "spaces."),
        text("status", "open while the end is an expectation.", required=True,
             allowed=values(Life)),
        number("inferences", "inference",
               "Inferences over the use life; empty where none are known."),
        text("inferences_basis", "What they rest on; none: the days share the total by time.",
             required=True, allowed=COUNTED_LIVES),
        *(
            column for column in RUN_IMPACTS.columns
            if column.name in {*PARTS, "operational_market_kgco2e", "methodology",
                               "reference_version", "expected_inferences_per_day"}
            or column.name.startswith("total_")
        ),
        number("expected_use_life_days", "day", "Expected use life, as disclosed or by default."),
        number("projected_inferences", "inference",
               "Inferences expected over the expected use life, where disclosed."),
        Column("generation", "integer",
               "Fine-tunings from the base model to this version, its own included.", minimum=1),
        text("present_name", "Name of the model after all renamings."),
        text("team", "Team that answers for the model."),
        text("tag",
             "Word by which models are grouped; a model has one, so that sums by tag add up."),
        text("method", "How the footprint is shared over inferences.", allowed=METHODS_OF_SHARING),
        text("hand_on",
             "What a version hands on to the one that takes its place, or to those tuned from it.",
             allowed=HAND_ON),
        share("handed_on_share", "Share of own and inherited footprint that heirs carry instead."),
        *(
            number(f"inherited_{total}{suffix}", unit,
                   f"{words} that predecessors handed on{more}.")
            for total, unit, words in (("kgco2e", "kgCO2e", "Carbon"), ("water_l", "L", "Water"))
            for suffix, more in (("", ""), ("_p05", ", 5th percentile"),
                                 ("_p95", ", 95th percentile"))
        ),
        *(
            number(f"inherited_{name}", RUN_IMPACTS.column(name).unit,
                   f"What predecessors handed on of {name}.")
            for name in PARTS
        ),
        number("inherited_market_kgco2e", "kgCO2e",
               "The inherited carbon with electricity by your contracts, market-based; empty where "
               "a predecessor has no contract's factor."),
        *(
            number(f"base_{metric}_per_inference", unit,
                   f"{words} of the base model's pre-training per inference, where published and "
                   "models.yaml tells over how many.")
            for metric, unit, words in (("gco2e", "gCO2e/inference", "Carbon"),
                                        ("water_ml", "mL/inference", "Water"))
        ),
    ),
    key=("model_name", "model_version"),
    row_rules=(
        RowRule("life_without_length", "use_life_end lies before use_life_start",
                ordered("use_life_start", "use_life_end")),
    ),
)  # fmt: skip


AMORTISATION_SCHEDULE = Table(
    "amortisation_schedule",
    "a month of a version whose footprint is shared by the monthly schedule",
    (
        text("model_name", "Name of the registered model.", required=True),
        text("model_version", "Version of the model.", required=True),
        Column("month", "integer", "Month of the version's life.", required=True, minimum=1),
        Column("month_start", "date", "First day of the month.", unit="UTC day", required=True),
        Column("month_end", "date", "Last day of the month.", unit="UTC day", required=True),
        number("projected_inferences", "inference",
               "Inferences projected from the month's start to the end of the use life.",
               required=True),
        number("inferences", "inference", "Inferences of the month.", required=True),
        number("remaining_kgco2e", "kgCO2e", "Carbon not yet borne at the month's start.",
               required=True),
        number("remaining_water_l", "L", "Water not yet borne at the month's start.",
               required=True),
        share("billed_share", "Share of the whole that the month bears."),
        number("billed_kgco2e", "kgCO2e", "Carbon that the month bears.", required=True),
        number("billed_water_l", "L", "Water that the month bears.", required=True),
        number("gco2e_per_inference", "gCO2e/inference", "Carbon per inference of the month."),
        number("water_ml_per_inference", "mL/inference", "Water per inference of the month."),
        text("status", "final once the month is over.", required=True, allowed=values(Status)),
    ),
    key=("model_name", "model_version", "month"),
)  # fmt: skip


INFERENCE_IMPACTS = Table(
    "inference_impacts",
    "a version of a model on a day: what each of its inferences carries from the fine-tuning",
    (
        day("Day of the inferences."),
        text("model_name", "Name of the registered model.", required=True),
        text("model_version", "Version of the model.", required=True),
        number("inferences", "inference",
               "Inferences of the version on the day; empty where none are known."),
        text("inferences_basis", "What they rest on.", required=True,
              allowed=COUNTED_DAYS),
        *(
            number(f"{metric}_per_inference{suffix}", unit, f"{words} per inference{more}.")
            for metric, unit, words in (
                ("gco2e", "gCO2e/inference", "Carbon"),
                ("operational_gco2e", "gCO2e/inference", "Operational carbon"),
                ("embodied_gco2e", "gCO2e/inference", "Embodied carbon"),
                ("water_ml", "mL/inference", "Water"),
                ("operational_water_ml", "mL/inference", "On-site and electricity water"),
                ("embodied_water_ml", "mL/inference", "Embodied water"),
            )
            for suffix, more in (
                (("", ""), ("_p05", ", 5th percentile"), ("_p95", ", 95th percentile"))
                if metric in {"gco2e", "water_ml"} else (("", ""),)
            )
        ),
        number("allocated_kgco2e", "kgCO2e",
               "Carbon that lands on this day, what was inherited included.", required=True),
        number("allocated_water_l", "L",
               "Water that lands on this day, what was inherited included.", required=True),
        text("status", "final once the use life is closed.", required=True, allowed=values(Status)),
        text("methodology", "Profile of the methodology.", required=True),
        text("reference_version", "Hash over the reference tables.", required=True),
        number("inherited_kgco2e", "kgCO2e",
               "Of the allocated carbon, what predecessors handed on."),
        number("inherited_water_l", "L", "Of the allocated water, what predecessors handed on."),
        *(
            number(f"{part}_{metric}_per_inference", unit, f"{words} {more}.")
            for part, more in (
                ("inherited",
                 "per inference from predecessors' unamortised remainder, part of the whole"),
                ("base",
                 "of the base model's pre-training per inference, where published and models.yaml "
                 "tells over how many; beside the whole, not in it"),
            )
            for metric, unit, words in (("gco2e", "gCO2e/inference", "Carbon"),
                                        ("water_ml", "mL/inference", "Water"))
        ),
        number("market_gco2e_per_inference", "gCO2e/inference",
               "Carbon per inference with electricity by your contracts, market-based, what was "
               "inherited included; empty where a fine-tuning behind it has no contract's factor. "
               "Beside gco2e_per_inference, not in it."),
        number("allocated_market_kgco2e", "kgCO2e",
               "Carbon that lands on this day, market-based; empty in the same cases. Beside "
               "allocated_kgco2e, not in it."),
    ),
    key=("date", "model_name", "model_version"),
    partition="date",
    row_rules=(
        RowRule("interval_misses_gco2e_per_inference",
                "gco2e_per_inference lies outside its interval",
                within_interval("gco2e_per_inference")),
        RowRule("interval_misses_water_ml_per_inference",
                "water_ml_per_inference lies outside its interval",
                within_interval("water_ml_per_inference")),
    ),
)  # fmt: skip


ROLLUPS = Table(
    "rollups",
    "what the days of a period carry, of one model, of the models of one team or one tag, or of "
    "all",
    (
        Column("date", "date", "First day of the period.", unit="UTC day", required=True),
        text("period", "Length of the period.", required=True, allowed=PERIODS),
        text("grouped_by", "What is summed up.", required=True, allowed=GROUPS),
        text("name",
             "Model, team or tag; empty for the fleet, and for what names no team or no tag."),
        Column("ledger_rows", "integer", "Rows of inference_impacts that are summed up.",
               required=True, minimum=1),
        number("inferences", "inference", "Inferences of the period, as far as they are known.",
               required=True),
        number("expected_inferences", "inference", "Of these, expected ones.", required=True),
        *total("allocated_kgco2e", "kgCO2e", "Carbon that lands on the period's days."),
        number("provisional_kgco2e", "kgCO2e", "Of this, carbon on provisional rows.",
               required=True),
        number("uncounted_kgco2e", "kgCO2e",
               "Of this, carbon on days whose inferences nobody knows.", required=True),
        *total("allocated_water_l", "L", "Water that lands on the period's days."),
        number("provisional_water_l", "L", "Of this, water on provisional rows.", required=True),
        number("uncounted_water_l", "L", "Of this, water on days whose inferences nobody knows.",
               required=True),
        *(
            number(name, RUN_IMPACTS.column(name).unit,
                   f"{RUN_IMPACTS.column(name).description} Of what lands on the period's days.")
            for name in PARTS
        ),
        number("allocated_market_kgco2e", "kgCO2e",
               "Carbon that lands on the period's days with electricity by your contracts, "
               "market-based, of versions that have a contract's factor; empty where none has one. "
               "Beside allocated_kgco2e, not in it. Without percentiles: of a contract's factor "
               "nobody states an error."),
        number("uncontracted_kgco2e", "kgCO2e",
               "Of allocated_kgco2e, carbon of versions without a contract's factor: what the "
               "market-based figure leaves out.", required=True),
        *(
            number(f"{ratio}_per_inference{suffix}", unit,
                   f"{words} less what is uncounted, over inferences{more}.")
            for ratio, unit, words in (("gco2e", "gCO2e/inference", "Carbon"),
                                       ("water_ml", "mL/inference", "Water"))
            for suffix, more in (("", ""), ("_p05", ", 5th percentile"),
                                 ("_p95", ", 95th percentile"))
        ),
    ),
    key=("period", "date", "grouped_by", "name"),
    row_rules=(
        RowRule("interval_misses_carbon", "allocated_kgco2e lies outside its interval",
                within_interval("allocated_kgco2e")),
        RowRule("interval_misses_water", "allocated_water_l lies outside its interval",
                within_interval("allocated_water_l")),
        RowRule("parts_miss_carbon",
                "operational_kgco2e and embodied_kgco2e do not make up allocated_kgco2e",
                adds_up(("operational_kgco2e", "embodied_kgco2e"), "allocated_kgco2e")),
        RowRule("parts_miss_water",
                "onsite, electricity and embodied water do not make up allocated_water_l",
                adds_up(("onsite_water_l", "electricity_water_l", "embodied_water_l"),
                        "allocated_water_l")),
    ),
)  # fmt: skip


RESTATEMENTS = Table(
    "restatements",
    "a reported value that moved",
    (
        day("Day of the reported value."),
        text("model_name", "Name of the registered model.", required=True),
        text("model_version", "Version of the model.", required=True),
        text("column", "Column of inference_impacts that moved.", required=True),
        Column("old", "float", "Value as reported before; empty where the number was unknown."),
        Column("new", "float", "Value from now on; empty where the row was withdrawn."),
        text("cause", "Why it moved.", required=True, allowed=RESTATEMENT_CAUSES),
        text("cause_detail", "What changed, from and to."),
        Column("old_table_version", "integer",
               "Delta version of inference_impacts with the old value.", required=True, minimum=0),
        Column("new_table_version", "integer",
               "Delta version of inference_impacts with the new value.", required=True, minimum=0),
    ),
    key=("date", "model_name", "model_version", "column", "old_table_version"),
    partition="date",
)  # fmt: skip
