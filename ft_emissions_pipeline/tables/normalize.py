"""Tables of normalize: runs with every field filled, the values' sources, the factors used.

Put here: their columns. Keep out: the rules that fill them (`normalize/` of the library).
"""

from __future__ import annotations

from ft_emissions_pipeline.tables.landing import FIELDS_OF_RUNS, SOURCE_OF_RUNS
from ft_emissions_pipeline.tables.schema import Column, RowRule, Table, day, number, share, text
from ft_emissions_pipeline.tables.words import BASES, Basis, EnergyRoute, values

_FACTORS = (
    text("gpu_id", "Accelerator in the reference table."),
    text("host_class", "Kind of machine, as in hardware_classes.csv."),
    text("server_id", "Server or platform in the reference table."),
    text("model_id", "Base model in the reference table."),
    number("pretraining_kgco2e", "kgCO2e",
           "Carbon of the base model's pre-training, as published; in no total."),
    number("gpu_idle_w", "W", "Power of one accelerator at rest.", required=True),
    number("cpu_count", "", "CPUs in all servers of the run.", required=True),
    number("cpu_max_w", "W", "Power of one CPU at full load.", required=True),
    number("cpu_idle_w", "W", "Power of one CPU at rest.", required=True),
    number("host_idle_w", "W", "Power at rest of one server's boards, fans, network and disks.",
           required=True),
    number("gpu_fan_w", "W",
           "What a server's fans draw more for one accelerator at full load than at rest; 0 where "
           "nobody measured it.", required=True),
    number("memory_w", "W", "Power of one server's memory.", required=True),
    number("gpu_embodied_kgco2e", "kgCO2e", "Embodied carbon of one accelerator.", required=True),
    number("server_embodied_kgco2e", "kgCO2e", "Embodied carbon of one server.", required=True),
    number("gpu_embodied_water_l", "L", "Water used in making one accelerator.", required=True),
    number("server_embodied_water_l", "L", "Water used in making one server.", required=True),
    number("hardware_use_life_h", "h", "Use life of the hardware.", required=True, above_zero=True),
    number("market_kgco2e_per_kwh", "kgCO2e/kWh",
           "Carbon of the electricity by your contracts, market-based; empty where you gave none.",
           maximum=3.0),
    number("grid_direct_kgco2e_per_kwh", "kgCO2e/kWh",
           "What of the grid carbon intensity leaves the power stations' stacks, for a Scope 2 "
           "account.", required=True, maximum=3.0),
    number("electricity_water_without_reservoirs_l_per_kwh", "L/kWh",
           "Electricity water without what evaporates from reservoirs.", required=True),
    number("counted_energy_kwh", "kWh",
           "Energy of accelerators, CPUs and memory that counters saw, unread parts modelled; "
           "empty where a meter or a model tells the whole."),
    number("other_host_w", "W",
           "Power of one server's boards, fans, disks and network, added to counted energy."),
    share("supply_efficiency",
          "Output over input of the power supplies, for counted and for modelled energy; empty "
          "where the energy is told at the plug."),
    share("share_reserved", "Share of the use life for which the hardware is reserved."),
)  # fmt: skip


NEEDED = (
    "model_name", "started_at", "ended_at", "reserved_s", "active_s", "development_multiplier",
    "gpu_model", "gpu_count", "gpu_max_w", "server_model", "server_count", "country_iso3", "pue",
    "wue_l_per_kwh", "grid_kgco2e_per_kwh", "electricity_water_l_per_kwh", "gpu_utilization",
    "cpu_utilization", "it_energy_kwh", "expected_use_life_days",
)  # fmt: skip
"""Fields of a run that normalization fills where they are missing."""


NORMALIZED_RUNS = Table(
    "normalized_runs",
    "a run with every needed field filled and every factor looked up",
    (
        day("Day to which the run belongs."),
        *(
            # What is computed may be smaller than anything that is measured.
            Column(
                **{
                    **vars(column),
                    "required": column.required or column.name in NEEDED,
                    "smallest": None,
                }
            )
            for column in FIELDS_OF_RUNS
        ),
        *_FACTORS,
        text(
            "energy_route", "What the energy rests on.", required=True, allowed=values(EnergyRoute)
        ),
        text("repairs", "Repairs made in reading, separated by spaces."),
        *SOURCE_OF_RUNS,
        text("methodology", "Profile of the methodology.", required=True),
        text("reference_version", "Hash over the reference tables.", required=True),
        text("provenance_key", "Kind of run, as in kind_provenance; empty in older rows."),
    ),
    key=("run_id",),
    partition="date",
)


_EVIDENCE = (
    text("basis", "Kind of evidence.", required=True, allowed=BASES),
    text("rule", "Rule that gave the value; as_logged where the log did.", required=True),
    text("factor_id", "Rows of the reference tables that the value rests on, separated by spaces."),
)
"""What a value rests on, of a run or of a kind of runs."""

_DEFAULT_WITHOUT_FACTOR = RowRule(
    "default_without_factor",
    "a default lacks its factor id",
    lambda f: (f["basis"] != Basis.DEFAULT) | f["factor_id"].notna(),
)


KIND_PROVENANCE = Table(
    "kind_provenance",
    "one field of all runs of a kind: where their values come from",
    (
        text("provenance_key", "Kind of run, a hash over its rows, as in normalized_runs.",
             required=True),
        text("field", "Column of normalized_runs.", required=True),
        text("value", "The value, as text, where the kind's runs have one."),
        number("p05", "", "5th percentile of a number that the kind's runs have in common."),
        number("p95", "", "95th percentile of a number that the kind's runs have in common."),
        number("log_sd", "",
               "Where each run has a value of its own: standard deviation of its logarithm; p05 "
               "and p95 are value x exp(-+1.645 log_sd), within the bounds of the column."),
        *_EVIDENCE,
        text("source", "The source of the factor; of a logged value it is the run's record."),
    ),
    key=("provenance_key", "field"),
    row_rules=(_DEFAULT_WITHOUT_FACTOR,),
)  # fmt: skip


FIELD_PROVENANCE = Table(
    "field_provenance",
    "one field of one run: its value and where it comes from",
    (
        day("Day to which the run belongs."),
        text("run_id", "Identity of the run.", required=True),
        text("field", "Column of normalized_runs.", required=True),
        text("value", "The value, as text.", required=True),
        Column("p05", "float", "5th percentile, for numbers."),
        Column("p95", "float", "95th percentile, for numbers."),
        *_EVIDENCE,
        text("source", "File and record, or the source of the factor."),
    ),
    key=("run_id", "field"),
    partition="date",
    row_rules=(_DEFAULT_WITHOUT_FACTOR,),
)  # fmt: skip


RUN_FACTORS = Table(
    "run_factors",
    "the set of factor rows that a run's figures rest on",
    (
        day("Day to which the run belongs."),
        text("run_id", "Identity of the run.", required=True),
        text("model_name", "Name of the registered model.", required=True),
        text("factors_key",
             "Hash of all that the run's look-ups depend on: its names, its year, and which fields "
             "it has.", required=True),
        text("methodology", "Profile of the methodology.", required=True),
        text("reference_version", "Hash over the reference tables.", required=True),
    ),
    key=("run_id",),
    partition="date",
)  # fmt: skip


FACTORS_USED = Table(
    "factors_used",
    "a factor row that runs of one kind rest on",
    (
        text("factors_key", "Kind of run, as in run_factors.", required=True),
        text("methodology", "Profile of the methodology.", required=True),
        text("reference_version", "Hash over the reference tables.", required=True),
        text("factor_id", "Row of a reference table.", required=True),
        text("row_hash", "Hash of the row's content.", required=True),
    ),
    key=("factors_key", "methodology", "reference_version", "factor_id"),
)


FACTOR_ROWS = Table(
    "factor_rows",
    "a factor row with the content that it had when a run used it",
    (
        text("factor_id", "Row of a reference table.", required=True),
        text("row_hash", "Hash of the row's content.", required=True),
        text("content", "Its cells that are not empty, as JSON.", required=True),
    ),
    key=("factor_id", "row_hash"),
)


TOKEN_TIME_MODEL = Table(
    "token_time_model",
    "one parameter of a model that turns tokens into time, on a day",
    (
        day("Day for which the model was fitted."),
        text(
            "status",
            "Whether it was in force, or did worse on held-out runs than the one that was.",
            required=True,
            allowed=("in_force", "candidate"),
        ),
        text("parameter", "Name of the parameter.", required=True),
        Column("value", "float", "Value of the parameter.", required=True),
        Column("p05", "float", "5th percentile of the parameter.", required=True),
        Column("p95", "float", "95th percentile of the parameter.", required=True),
        text("unit", "Unit of the value."),
        text(
            "factor_id",
            "`token_time/` and the version of the model, a hash of its numbers.",
            required=True,
        ),
    ),
    key=("date", "status", "parameter"),
    partition="date",
)
