"""Every table and column of the pipeline, declared once.

Put here: column names, types, units, ranges, allowed values, descriptions, row rules, keys.
The Arrow schemas, the Great Expectations suites, the row rules behind quarantine, Dagster's
column schemas and the data dictionary in `docs/` all derive from these declarations.
Keep out: anything that computes a value of a table, and all reading and writing.

Conventions: instants are UTC timestamps, days are UTC dates, utilisation is a fraction 0..1, and
units stand in column names (`_kwh _w _s _kgco2e _gco2e _l _ml`). In pandas a missing number is
NaN, a missing string is NaN, an integer column that may be empty is float64.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import pyarrow as pa

Kind = Literal["string", "float", "integer", "boolean", "timestamp", "date"]

ARROW_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "float": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}

EARLIEST = pd.Timestamp("2018-01-01", tz="UTC")
"""First day of the tables, and of the grid intensities. BERT, with which fine-tuning began, is of
October 2018; an earlier instant is a wrong unit or a wrong clock."""

BASES = ("measured", "disclosed", "predicted", "default")
METHODS = ("full", "lora", "qlora", "adapter", "dpo", "continued_pretraining", "distillation")


@dataclass(frozen=True)
class Column:
    """One column: its type, unit, bounds and meaning."""

    name: str
    kind: Kind
    description: str
    unit: str = ""
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    above_zero: bool = False
    allowed: tuple[str, ...] | None = None


@dataclass(frozen=True)
class RowRule:
    """A condition over several columns of a row; `holds` returns True for each row that keeps it."""

    code: str
    description: str
    holds: Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class Table:
    """A table: what one row is, its columns, its key and, if it has days, the partition column."""

    name: str
    row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition: str | None = None
    row_rules: tuple[RowRule, ...] = ()

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """Return the declaration of one column."""
        return next(column for column in self.columns if column.name == name)


def _text(name: str, description: str, **options: object) -> Column:
    return Column(name, "string", description, **options)  # type: ignore[arg-type]


def _number(name: str, unit: str, description: str, **options: object) -> Column:
    return Column(name, "float", description, unit=unit, **{"minimum": 0.0, **options})  # type: ignore[arg-type]


def _instant(name: str, description: str, **options: object) -> Column:
    return Column(name, "timestamp", description, unit="UTC", **options)  # type: ignore[arg-type]


def _day(description: str) -> Column:
    return Column("date", "date", description, unit="UTC day", required=True)


def _share(name: str, description: str) -> Column:
    return _number(name, "fraction", description, maximum=1.0)


def _total(name: str, unit: str, description: str) -> tuple[Column, Column, Column]:
    return (
        _number(name, unit, description, required=True),
        _number(f"{name}_p05", unit, f"5th percentile of {name}.", required=True),
        _number(f"{name}_p95", unit, f"95th percentile of {name}.", required=True),
    )


# One row of `runs`, as it was logged or disclosed. The order is the order of reading: what was
# made, from what, when, on what, where, how busy, how much, with which energy, for which use.
_RUN_FIELDS = (
    _text("run_id", "Identity of the run, from its log; every log of one run shares it.", required=True),
    _text("job_id", "The scheduler's id of the job, by which logs of one run may be joined."),
    _text("host", "Machines of the run, as hashes separated by spaces: names are not kept."),
    _text("model_name", "Registered model that the run fine-tunes, again and again."),
    _text("team", "Team, product or cost centre to which the run is counted, in the words of `runs.yaml`."),
    _text("parent_version", "Version that was fine-tuned further; empty where the base model was."),
    _text("base_model", "Pre-trained model, as named in the log."),
    _text("method", "How the weights were changed.", allowed=METHODS),
    _instant("published_at", "When the fine-tuned model was published."),
    _instant("started_at", "When the hardware was first reserved for the run."),
    _instant("ended_at", "When the run ended."),
    _number("reserved_s", "s", "Time for which the hardware was reserved.", above_zero=True, maximum=3.2e8),
    _number("active_s", "s", "Time in which the hardware computed, at most the reserved time.", maximum=3.2e8),
    _number(
        "development_multiplier",
        "ratio",
        "All work for the model, intermediate runs included, over the work of the final run.",
        minimum=1.0,
        maximum=1e3,
    ),
    _text("gpu_model", "Accelerator, as named in the log."),
    _number("gpu_count", "", "Accelerators that the run used.", maximum=1e6),
    _text("server_model", "Server, as named in the log."),
    _number("server_count", "", "Servers used; a share where a server was shared.", maximum=1e6),
    _text("instance_type", "Cloud instance type."),
    _text("managed_service", "Managed fine-tuning service, for instance AWS Bedrock."),
    _text("location", "Where the servers stood, in the words of the log."),
    _text("cloud_provider", "Cloud provider: aws, gcp, azure or another."),
    _text("cloud_region", "The provider's own id of the region."),
    _text("country_iso3", "Country, ISO 3166-1 alpha-3."),
    _number("pue", "ratio", "Power usage effectiveness of the data centre.", minimum=1.0, maximum=5.0),
    _number("wue_l_per_kwh", "L/kWh", "On-site water per kWh of computing energy.", maximum=20.0),
    _number("grid_kgco2e_per_kwh", "kgCO2e/kWh", "Grid carbon intensity, location-based.", maximum=3.0),
    _number(
        "electricity_water_l_per_kwh", "L/kWh", "Water consumed in generating the electricity.", maximum=200.0
    ),
    _share("gpu_utilization", "Mean GPU utilisation while active."),
    _share("cpu_utilization", "Mean CPU utilisation while active."),
    _number("tokens_padded", "token", "Tokens seen in training, padding included, over all epochs.", maximum=1e16),
    _number("tokens_unpadded", "token", "Tokens seen in training, without padding.", maximum=1e16),
    _number("steps", "", "Optimiser steps, over all epochs.", maximum=1e12),
    _number("epochs", "", "Passes over the training set.", maximum=1e6),
    _number("samples", "", "Examples in the training set.", maximum=1e12),
    _number("sequence_length", "token", "Tokens per sequence, or the limit set.", maximum=1e8),
    _text("token_lengths", "Lengths of the training examples in tokens: JSON of length -> examples, "
          "or where batches are known of `<examples>x<longest>` -> batches."),
    _number("pad_to_multiple_of", "token", "Length to a multiple of which batches were padded.", minimum=1.0, maximum=1e6),
    _number("micro_batch_size", "", "Sequences per device and forward pass.", maximum=1e6),
    _number("gradient_accumulation", "", "Forward passes per optimiser step.", maximum=1e6),
    _number("world_size", "", "Devices that each took a batch of their own in every step.", maximum=1e6),
    Column("gradient_checkpointing", "boolean", "Whether activations were recomputed."),
    _text("precision", "Number format of the arithmetic: fp32, tf32, fp16, bf16, fp8."),
    _number("lora_rank", "", "Rank of the low-rank adapter.", maximum=1e5),
    _number("model_parameters", "", "Parameters of the base model.", minimum=1e4, maximum=1e14),
    _number("train_flop", "FLOP", "Floating-point operations of the training.", maximum=1e28),
    _number("gpu_energy_kwh", "kWh", "Energy of the accelerators, PUE taken out."),
    _number("cpu_energy_kwh", "kWh", "Energy of the CPUs, PUE taken out."),
    _number("ram_energy_kwh", "kWh", "Energy of the memory, PUE taken out."),
    _number("it_energy_kwh", "kWh", "Energy of the computing hardware, PUE taken out."),
    _number("meter_energy_kwh", "kWh", "Energy at a physical meter at the server's plug."),
    _number("disclosed_kgco2e", "kgCO2e", "Carbon that the log itself states, for comparison."),
    _number("expected_use_life_days", "day", "Expected use life of the fine-tuned model.", above_zero=True, maximum=3.7e4),
    _number("expected_inferences_per_day", "inference/day", "Expected inferences per day.", maximum=1e15),
)  # fmt: skip

_RUN_SOURCE = (
    _text("source_format", "Reader that read the record.", required=True),
    _text("source_uri", "File of the record, relative to the landing folder.", required=True),
    _text("source_record", "Place of the record in the file.", required=True),
)

RUN_FIELDS = tuple(column.name for column in _RUN_FIELDS)
"""Names of what can be known of a run; also the keys of a disclosure given as a mapping."""


def _ordered(first: str, second: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: ~(frame[first] > frame[second])


def _within_interval(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: (
        frame[name].isna() | frame[name].between(frame[f"{name}_p05"], frame[f"{name}_p95"])
    )


_RUN_RULES = (
    RowRule("end_before_start", "ended_at lies before started_at", _ordered("started_at", "ended_at")),
    RowRule("active_above_reserved", "active_s exceeds reserved_s by more than 1 %",
            lambda f: ~(f["active_s"] > f["reserved_s"] * 1.01)),
    RowRule("reserved_above_elapsed", "reserved_s exceeds the time between started_at and ended_at by more than 1 % and a minute",
            lambda f: ~(f["reserved_s"] > (f["ended_at"] - f["started_at"]).dt.total_seconds() * 1.01 + 60)),
    RowRule("unpadded_above_padded", "tokens_unpadded exceeds tokens_padded", _ordered("tokens_unpadded", "tokens_padded")),
)  # fmt: skip

LANDING_INDEX = Table(
    "landing_index",
    "a record of a landed file: where to look for the runs and the usage of a day",
    (
        _text("source_uri", "File, relative to the landing folder.", required=True),
        _text("content_hash", "SHA-256 of the file's bytes.", required=True),
        _text("source_format", "Reader that recognised the file; empty if none did."),
        _text("content", "What the file holds.", required=True,
              allowed=("runs", "usage", "telemetry", "mapping", "token_lengths", "events", "unreadable")),
        _text("source_record", "Place of the record in the file."),
        _text("record_run_id", "Run that the record itself names."),
        _text("run_id", "Run to which the record belongs after joining."),
        _text("join_note", "Why the record was not joined with others that it may belong to."),
        _text("job_id", "The scheduler's id of the job."),
        _text("host", "Machines of the run, as hashes separated by spaces."),
        _text("base_model", "Pre-trained model, as named in the record."),
        _instant("published_at", "When the fine-tuned model was published."),
        _instant("started_at", "When the hardware was first reserved."),
        _instant("ended_at", "When the run ended."),
        _number("reserved_s", "s", "Time for which the hardware was reserved."),
        _number("active_s", "s", "Time in which the hardware computed."),
        Column("date", "date", "UTC day of the joined run, of the usage or of the telemetry.", unit="UTC day"),
        Column("records", "integer", "Records read from the whole file.", required=True, minimum=0),
        Column("merged", "integer", "Of these, records that repeat another one in the file.", required=True, minimum=0),
        Column("quarantined", "integer", "Of these, records that were not used.", required=True, minimum=0),
    ),
    key=("source_uri", "source_record", "date"),
)  # fmt: skip

RUNS = Table(
    "runs",
    "a fine-tuning run as it was logged or disclosed, nothing filled in",
    (
        _day("Day to which the run belongs: the day on which it ended, or its stand-in (date_rule)."),
        _text("date_rule", "What the day rests on.", required=True,
              allowed=("ended_at", "started_at", "published_at", "base_model_release", "undated_default")),
        *_RUN_FIELDS,
        _text("origins", "For a run joined of several records: JSON of field -> [basis, file#record]. "
              "Empty for a single record, whose format tells the basis."),
        _text("repairs", "Repairs made in reading, separated by spaces."),
        *_RUN_SOURCE,
    ),
    key=("run_id",),
    partition="date",
    row_rules=_RUN_RULES,
)  # fmt: skip

VALIDATED_RUNS = Table(
    "validated_runs",
    "a run that keeps every rule and from which a footprint can be computed",
    RUNS.columns,
    key=RUNS.key,
    partition=RUNS.partition,
    row_rules=RUNS.row_rules,
)

USAGE = Table(
    "usage",
    "the inferences that one model, or one version of it, served on one day",
    (
        _day("Day of the inferences."),
        _text("model_name", "Name of the registered model.", required=True),
        _text("model_version", "Version that served; empty where only the model is known."),
        _number("inferences", "inference", "Inferences served on the day.", required=True, maximum=1e15),
        _text("hours", "Counts of the 24 hours (UTC), separated by spaces, where the log counts by the hour."),
        _text("repairs", "Repairs made in reading, separated by spaces."),
        *_RUN_SOURCE,
    ),
    key=("date", "model_name", "model_version"),
    partition="date",
    row_rules=(
        RowRule("fractional_count", "inferences is no whole number", lambda f: ~(f["inferences"] % 1 > 0)),
    ),
)  # fmt: skip

METHODS_OF_SHARING = ("by_use", "monthly")
HAND_ON = ("nothing", "unused", "remainder")

MODEL_EVENTS = Table(
    "model_events",
    "what `models.yaml` says of a model: something that happened to it, or a choice made for it",
    (
        _text("model_name", "Name of the registered model.", required=True),
        _text("event", "What happened; declared: choices for the model, labelled: another name of a version, both at no instant.",
              required=True, allowed=("retired", "rolled_back", "renamed", "declared", "labelled")),
        _instant("at", "When it happened."),
        _text("model_version", "Version that serves again, alone was retired, or has the label."),
        _text("new_name", "Name of a renamed model from then on, or label of the version."),
        _text("method", "How the footprint is shared over inferences.", allowed=METHODS_OF_SHARING),
        _text("hand_on", "What a version hands on to the one that takes its place, or to those tuned from it.", allowed=HAND_ON),
        _text("team", "Team that answers for the model."),
        _text("tag", "Word by which models are grouped; a model has one, so that sums by tag add up."),
        _number("base_model_kgco2e", "kgCO2e", "Carbon of the base model's pre-training, as its maker disclosed."),
        _number("base_model_water_l", "L", "Water of the base model's pre-training."),
        _number("base_model_inferences", "inference", "Inferences, of all users, over which the pre-training is shared.", above_zero=True),
        *_RUN_SOURCE,
    ),
    key=("source_uri", "source_record"),
    row_rules=(
        RowRule("event_without_instant", "an event lacks the instant at which it happened",
                lambda f: f["event"].isin(["declared", "labelled"]) | f["at"].notna()),
        RowRule("event_without_object", "a renaming lacks the new name, or a roll-back the version that serves again",
                lambda f: ~(((f["event"] == "renamed") & f["new_name"].isna())
                            | ((f["event"] == "rolled_back") & f["model_version"].isna()))),
    ),
)  # fmt: skip

TELEMETRY = Table(
    "telemetry",
    "what one device drew over an interval of a minute at most, or between two samples further apart",
    (
        _day("Day on which the interval began."),
        _text("kind", "Accelerator, or physical meter at the server's plug.", required=True,
              allowed=("gpu", "meter")),
        _text("host", "Machine, as a hash: its name is not kept."),
        _text("device", "Index of the accelerator, a hash of its serial name, or the meter.", required=True),
        _text("gpu_model", "Accelerator, as named in the log."),
        _text("run_id", "Run to which the file belongs, if it belongs to one."),
        _instant("started_at", "First sample of the interval.", required=True),
        _instant("ended_at", "Last sample of the interval.", required=True),
        _number("energy_kwh", "kWh", "Energy between these samples.", maximum=1e5),
        _share("utilization", "Mean utilisation between these samples."),
        _text("repairs", "What happened before or in the interval, separated by spaces."),
        *_RUN_SOURCE,
    ),
    key=("source_uri", "run_id", "host", "device", "kind", "started_at"),
    partition="date",
    row_rules=(
        RowRule("interval_without_length", "ended_at does not lie after started_at",
                lambda f: f["ended_at"] > f["started_at"]),
    ),
)  # fmt: skip

QUARANTINE = Table(
    "quarantine",
    "a record that was not used, and why",
    (
        _text("source_uri", "File, relative to the landing folder.", required=True),
        _text("source_record", "Place of the record in the file; empty for a whole file."),
        _text("content_hash", "SHA-256 of the file's bytes."),
        _text("reason_code", "Why, as a code.", required=True),
        _text("reason", "Why, and what to do.", required=True),
        _text("raw", "The record, shortened, secrets removed."),
    ),
    key=("source_uri", "source_record", "reason_code"),
)

_FACTORS = (
    _text("gpu_id", "Accelerator in the reference table."),
    _text("server_id", "Server or platform in the reference table."),
    _text("model_id", "Base model in the reference table."),
    _number("gpu_max_w", "W", "Power of one accelerator at full load.", required=True),
    _number("gpu_idle_w", "W", "Power of one accelerator at rest.", required=True),
    _number("cpu_count", "", "CPUs in all servers of the run.", required=True),
    _number("cpu_max_w", "W", "Power of one CPU at full load.", required=True),
    _number("cpu_idle_w", "W", "Power of one CPU at rest.", required=True),
    _number("host_idle_w", "W", "Power at rest of one server's boards, fans, network and disks.", required=True),
    _number("memory_w", "W", "Power of one server's memory.", required=True),
    _number("gpu_embodied_kgco2e", "kgCO2e", "Embodied carbon of one accelerator.", required=True),
    _number("server_embodied_kgco2e", "kgCO2e", "Embodied carbon of one server.", required=True),
    _number("gpu_embodied_water_l", "L", "Water used in making one accelerator.", required=True),
    _number("server_embodied_water_l", "L", "Water used in making one server.", required=True),
    _number("hardware_use_life_h", "h", "Use life of the hardware.", required=True, above_zero=True),
    _number("market_kgco2e_per_kwh", "kgCO2e/kWh", "Carbon of the electricity by your contracts, market-based; empty where you gave none.",
            maximum=3.0),
    _share("share_reserved", "Share of the use life for which the hardware is reserved."),
)  # fmt: skip

NEEDED = (
    "model_name", "started_at", "ended_at", "reserved_s", "active_s", "development_multiplier",
    "gpu_model", "gpu_count", "server_model", "server_count", "country_iso3", "pue", "wue_l_per_kwh",
    "grid_kgco2e_per_kwh", "electricity_water_l_per_kwh", "gpu_utilization", "cpu_utilization", "it_energy_kwh",
    "expected_use_life_days",
)  # fmt: skip
"""Fields of a run that normalization fills where they are missing."""

NORMALIZED_RUNS = Table(
    "normalized_runs",
    "a run with every needed field filled and every factor looked up",
    (
        _day("Day to which the run belongs."),
        *(
            Column(**{**vars(column), "required": column.required or column.name in NEEDED})
            for column in _RUN_FIELDS
        ),
        *_FACTORS,
        _text("energy_route", "What the energy rests on.", required=True,
              allowed=("meter", "calibrated", "logged_total", "logged_components", "gpu_measured", "power_model")),
        _text("repairs", "Repairs made in reading, separated by spaces."),
        *_RUN_SOURCE,
        _text("methodology", "Profile of the methodology.", required=True),
        _text("reference_version", "Hash over the reference tables.", required=True),
    ),
    key=("run_id",),
    partition="date",
)  # fmt: skip

FIELD_PROVENANCE = Table(
    "field_provenance",
    "one field of one run: its value and where it comes from",
    (
        _day("Day to which the run belongs."),
        _text("run_id", "Identity of the run.", required=True),
        _text("field", "Column of normalized_runs.", required=True),
        _text("value", "The value, as text.", required=True),
        Column("p05", "float", "5th percentile, for numbers."),
        Column("p95", "float", "95th percentile, for numbers."),
        _text("basis", "Kind of evidence.", required=True, allowed=BASES),
        _text("rule", "Rule that gave the value; as_logged where the log did.", required=True),
        _text("factor_id", "Rows of the reference tables that the value rests on, separated by spaces."),
        _text("source", "File and record, or the source of the factor."),
    ),
    key=("run_id", "field"),
    partition="date",
    row_rules=(
        RowRule("default_without_factor", "a default lacks its factor id",
                lambda f: (f["basis"] != "default") | f["factor_id"].notna()),
    ),
)  # fmt: skip

RUN_FACTORS = Table(
    "run_factors",
    "the set of factor rows that a run's figures rest on",
    (
        _day("Day to which the run belongs."),
        _text("run_id", "Identity of the run.", required=True),
        _text("model_name", "Name of the registered model.", required=True),
        _text("factors_key", "Hash of all that the run's look-ups depend on: its names, its year, and which fields it has.",
              required=True),
        _text("methodology", "Profile of the methodology.", required=True),
        _text("reference_version", "Hash over the reference tables.", required=True),
    ),
    key=("run_id",),
    partition="date",
)  # fmt: skip

FACTORS_USED = Table(
    "factors_used",
    "a factor row that runs of one kind rest on",
    (
        _text("factors_key", "Kind of run, as in run_factors.", required=True),
        _text("methodology", "Profile of the methodology.", required=True),
        _text("reference_version", "Hash over the reference tables.", required=True),
        _text("factor_id", "Row of a reference table.", required=True),
        _text("row_hash", "Hash of the row's content.", required=True),
    ),
    key=("factors_key", "methodology", "reference_version", "factor_id"),
)

FACTOR_ROWS = Table(
    "factor_rows",
    "a factor row with the content that it had when a run used it",
    (
        _text("factor_id", "Row of a reference table.", required=True),
        _text("row_hash", "Hash of the row's content.", required=True),
        _text("content", "Its cells that are not empty, as JSON.", required=True),
    ),
    key=("factor_id", "row_hash"),
)

TOKEN_TIME_MODEL = Table(
    "token_time_model",
    "one parameter of a model that turns tokens into time, on a day",
    (
        _day("Day for which the model was fitted."),
        _text(
            "status",
            "Whether it was in force, or did worse on held-out runs than the one that was.",
            required=True,
            allowed=("in_force", "candidate"),
        ),
        _text("parameter", "Name of the parameter.", required=True),
        Column("value", "float", "Value of the parameter.", required=True),
        Column("p05", "float", "5th percentile of the parameter.", required=True),
        Column("p95", "float", "95th percentile of the parameter.", required=True),
        _text("unit", "Unit of the value."),
        _text(
            "factor_id",
            "`token_time/` and the version of the model, a hash of its numbers.",
            required=True,
        ),
    ),
    key=("date", "status", "parameter"),
    partition="date",
)

RUN_IMPACTS = Table(
    "run_impacts",
    "a run's footprint",
    (
        _day("Day to which the run belongs."),
        _text("run_id", "Identity of the run.", required=True),
        _text("model_name", "Name of the registered model.", required=True),
        _text("team", "Team, product or cost centre to which the run is counted."),
        _text("parent_version", "Version that was fine-tuned further."),
        _text("base_model", "Pre-trained model, as logged."),
        _instant("ended_at", "When the run ended.", required=True),
        Column("expected_use_life_days", "float", "Expected use life.", unit="day", required=True),
        _text("expected_use_life_basis", "Kind of evidence for it.", required=True, allowed=BASES),
        _number("expected_inferences_per_day", "inference/day", "Inferences expected per day: as disclosed; of an open version else the mean so far."),
        _number("it_energy_kwh", "kWh", "Energy of the computing hardware.", required=True),
        _number("facility_energy_kwh", "kWh", "That energy with cooling and losses of the data centre.", required=True),
        _number("operational_kgco2e", "kgCO2e", "Carbon of the electricity, location-based.", required=True),
        _number("operational_market_kgco2e", "kgCO2e",
                "The same electricity at your contracts' factor; empty where you gave none. No part of the total."),
        _number("embodied_kgco2e", "kgCO2e", "Share of the making of the hardware.", required=True),
        *_total("total_kgco2e", "kgCO2e", "Operational and embodied carbon."),
        _number("onsite_water_l", "L", "Water evaporated in cooling the data centre.", required=True),
        _number("electricity_water_l", "L", "Water consumed in generating the electricity.", required=True),
        _number("embodied_water_l", "L", "Share of the water used in making the hardware.", required=True),
        *_total("total_water_l", "L", "On-site, electricity and embodied water."),
        _text("quality_tier", "A: energy metered; B: energy logged or hardware, time and place known; C: one of these imputed; D: more.",
              required=True, allowed=("A", "B", "C", "D")),
        _number("share_imputed", "fraction", "Share of the carbon's uncertainty that rests on imputed fields.",
                required=True, maximum=1.0),
        _text("methodology", "Profile of the methodology.", required=True),
        _text("reference_version", "Hash over the reference tables.", required=True),
    ),
    key=("run_id",),
    partition="date",
    row_rules=(
        RowRule("interval_misses_carbon", "total_kgco2e lies outside its interval",
                _within_interval("total_kgco2e")),
        RowRule("interval_misses_water", "total_water_l lies outside its interval",
                _within_interval("total_water_l")),
    ),
)  # fmt: skip

RUN_SPREADS = Table(
    "run_spreads",
    "how far one uncertain input of a run moves its totals",
    (
        _day("Day to which the run belongs."),
        _text("run_id", "Identity of the run.", required=True),
        _text("input", "Input; `pace` is what active and reserved time have in common, `shift` and `bend` say where "
              "the middle of the total lies (docs/uncertainty.md).", required=True),
        _text("factor_id", "Row behind the input's spread: runs that share it err together; empty where the run errs alone."),
        *(
            Column(f"{total}_log_sd", "float", f"Standard deviation of the logarithm of {total} that comes from the input; "
                   "negative where a larger input makes less.", required=True)
            for total in ("total_kgco2e", "total_water_l")
        ),
    ),
    key=("run_id", "input"),
    partition="date",
)  # fmt: skip

MODEL_VERSIONS = Table(
    "model_versions",
    "a registered model between two fine-tunings",
    (
        _text("model_name", "Name of the registered model.", required=True),
        _text("model_version", "Version: the id of the run that made it.", required=True),
        _text("parent_version", "Version that was fine-tuned further."),
        _instant("use_life_start", "When the version was ready to serve.", required=True),
        _instant("use_life_end", "When its use life ends: the next fine-tuning, or its expectation.", required=True),
        _text("use_life_rule", "What the end rests on.", required=True,
              allowed=("superseded", "rolled_back", "retired", "disclosed", "usual_interval", "default")),
        _text("pauses", "Stretches of the use life without service, as ISO 8601 intervals separated by spaces."),
        _text("status", "open while the end is an expectation.", required=True, allowed=("open", "closed")),
        _number("inferences", "inference", "Inferences over the use life; empty where none are known."),
        _text("inferences_basis", "What they rest on; none: the days share the total by time.", required=True,
              allowed=("actual", "actual_and_expected", "expected", "none")),
        *(
            column for column in RUN_IMPACTS.columns
            if column.name in {"operational_kgco2e", "embodied_kgco2e", "onsite_water_l", "electricity_water_l",
                               "embodied_water_l", "methodology", "reference_version", "expected_inferences_per_day"}
            or column.name.startswith("total_")
        ),
        _number("expected_use_life_days", "day", "Expected use life, as disclosed or by default."),
        _number("projected_inferences", "inference", "Inferences expected over the expected use life, where disclosed."),
        Column("generation", "integer", "Fine-tunings from the base model to this version, its own included.", minimum=1),
        _text("present_name", "Name of the model after all renamings."),
        _text("team", "Team that answers for the model."),
        _text("tag", "Word by which models are grouped; a model has one, so that sums by tag add up."),
        _text("method", "How the footprint is shared over inferences.", allowed=METHODS_OF_SHARING),
        _text("hand_on", "What a version hands on to the one that takes its place, or to those tuned from it.", allowed=HAND_ON),
        _share("handed_on_share", "Share of own and inherited footprint that heirs carry instead."),
        *(
            _number(f"inherited_{total}{suffix}", unit, f"{words} that predecessors handed on{more}.")
            for total, unit, words in (("kgco2e", "kgCO2e", "Carbon"), ("water_l", "L", "Water"))
            for suffix, more in (("", ""), ("_p05", ", 5th percentile"), ("_p95", ", 95th percentile"))
        ),
        *(
            _number(f"base_{metric}_per_inference", unit, f"{words} of the base model's pre-training per inference, where disclosed.")
            for metric, unit, words in (("gco2e", "gCO2e/inference", "Carbon"), ("water_ml", "mL/inference", "Water"))
        ),
    ),
    key=("model_name", "model_version"),
    row_rules=(
        RowRule("life_without_length", "use_life_end lies before use_life_start", _ordered("use_life_start", "use_life_end")),
    ),
)  # fmt: skip

AMORTISATION_SCHEDULE = Table(
    "amortisation_schedule",
    "a month of a version whose footprint is shared by the monthly schedule",
    (
        _text("model_name", "Name of the registered model.", required=True),
        _text("model_version", "Version of the model.", required=True),
        Column("month", "integer", "Month of the version's life.", required=True, minimum=1),
        Column("month_start", "date", "First day of the month.", unit="UTC day", required=True),
        Column("month_end", "date", "Last day of the month.", unit="UTC day", required=True),
        _number("projected_inferences", "inference", "Inferences projected from the month's start to the end of the use life.", required=True),
        _number("inferences", "inference", "Inferences of the month.", required=True),
        _number("remaining_kgco2e", "kgCO2e", "Carbon not yet borne at the month's start.", required=True),
        _number("remaining_water_l", "L", "Water not yet borne at the month's start.", required=True),
        _share("billed_share", "Share of the whole that the month bears."),
        _number("billed_kgco2e", "kgCO2e", "Carbon that the month bears.", required=True),
        _number("billed_water_l", "L", "Water that the month bears.", required=True),
        _number("gco2e_per_inference", "gCO2e/inference", "Carbon per inference of the month."),
        _number("water_ml_per_inference", "mL/inference", "Water per inference of the month."),
        _text("status", "final once the month is over.", required=True, allowed=("provisional", "final")),
    ),
    key=("model_name", "model_version", "month"),
)  # fmt: skip

INFERENCE_IMPACTS = Table(
    "inference_impacts",
    "a version of a model on a day: what each of its inferences carries from the fine-tuning",
    (
        _day("Day of the inferences."),
        _text("model_name", "Name of the registered model.", required=True),
        _text("model_version", "Version of the model.", required=True),
        _number("inferences", "inference", "Inferences of the version on the day; empty where none are known."),
        _text("inferences_basis", "What they rest on.", required=True,
              allowed=("actual", "expected", "none", "unallocated", "handed_on")),
        *(
            _number(f"{metric}_per_inference{suffix}", unit, f"{words} per inference{more}.")
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
        _number("allocated_kgco2e", "kgCO2e", "Carbon that lands on this day, what was inherited included.", required=True),
        _number("allocated_water_l", "L", "Water that lands on this day, what was inherited included.", required=True),
        _text("status", "final once the use life is closed.", required=True, allowed=("provisional", "final")),
        _text("methodology", "Profile of the methodology.", required=True),
        _text("reference_version", "Hash over the reference tables.", required=True),
        _number("inherited_kgco2e", "kgCO2e", "Of the allocated carbon, what predecessors handed on."),
        _number("inherited_water_l", "L", "Of the allocated water, what predecessors handed on."),
        *(
            _number(f"{part}_{metric}_per_inference", unit, f"{words} {more}.")
            for part, more in (
                ("inherited", "per inference from predecessors' unamortised remainder, part of the whole"),
                ("base", "of the base model's pre-training per inference, where disclosed; beside the whole, not in it"),
            )
            for metric, unit, words in (("gco2e", "gCO2e/inference", "Carbon"), ("water_ml", "mL/inference", "Water"))
        ),
    ),
    key=("date", "model_name", "model_version"),
    partition="date",
    row_rules=(
        RowRule("interval_misses_gco2e_per_inference", "gco2e_per_inference lies outside its interval",
                _within_interval("gco2e_per_inference")),
        RowRule("interval_misses_water_ml_per_inference", "water_ml_per_inference lies outside its interval",
                _within_interval("water_ml_per_inference")),
    ),
)  # fmt: skip

PERIODS = ("month", "quarter", "year")
GROUPS = ("fleet", "team", "tag", "model")

ROLLUPS = Table(
    "rollups",
    "what the days of a period carry, of one model, of the models of one team or one tag, or of all",
    (
        Column("date", "date", "First day of the period.", unit="UTC day", required=True),
        _text("period", "Length of the period.", required=True, allowed=PERIODS),
        _text("grouped_by", "What is summed up.", required=True, allowed=GROUPS),
        _text("name", "Model, team or tag; empty for the fleet, and for what names no team or no tag."),
        Column("ledger_rows", "integer", "Rows of inference_impacts that are summed up.", required=True, minimum=1),
        _number("inferences", "inference", "Inferences of the period, as far as they are known.", required=True),
        _number("expected_inferences", "inference", "Of these, expected ones.", required=True),
        *_total("allocated_kgco2e", "kgCO2e", "Carbon that lands on the period's days."),
        _number("provisional_kgco2e", "kgCO2e", "Of this, carbon on provisional rows.", required=True),
        _number("uncounted_kgco2e", "kgCO2e", "Of this, carbon on days whose inferences nobody knows.", required=True),
        *_total("allocated_water_l", "L", "Water that lands on the period's days."),
        _number("provisional_water_l", "L", "Of this, water on provisional rows.", required=True),
        _number("uncounted_water_l", "L", "Of this, water on days whose inferences nobody knows.", required=True),
        *(
            _number(f"{ratio}_per_inference{suffix}", unit, f"{words} less what is uncounted, over inferences{more}.")
            for ratio, unit, words in (("gco2e", "gCO2e/inference", "Carbon"), ("water_ml", "mL/inference", "Water"))
            for suffix, more in (("", ""), ("_p05", ", 5th percentile"), ("_p95", ", 95th percentile"))
        ),
    ),
    key=("period", "date", "grouped_by", "name"),
    row_rules=(
        RowRule("interval_misses_carbon", "allocated_kgco2e lies outside its interval", _within_interval("allocated_kgco2e")),
        RowRule("interval_misses_water", "allocated_water_l lies outside its interval", _within_interval("allocated_water_l")),
    ),
)  # fmt: skip

RESTATEMENT_CAUSES = (
    "use life closed", "usage true-up", "factor changed", "token-time model changed", "methodology changed", "late log",
)  # fmt: skip

RESTATEMENTS = Table(
    "restatements",
    "a reported value that moved",
    (
        _day("Day of the reported value."),
        _text("model_name", "Name of the registered model.", required=True),
        _text("model_version", "Version of the model.", required=True),
        _text("column", "Column of inference_impacts that moved.", required=True),
        Column("old", "float", "Value as reported before; empty where the number was unknown."),
        Column("new", "float", "Value from now on; empty where the row was withdrawn."),
        _text("cause", "Why it moved.", required=True, allowed=RESTATEMENT_CAUSES),
        _text("cause_detail", "What changed, from and to."),
        Column("old_table_version", "integer", "Delta version of inference_impacts with the old value.", required=True, minimum=0),
        Column("new_table_version", "integer", "Delta version of inference_impacts with the new value.", required=True, minimum=0),
    ),
    key=("date", "model_name", "model_version", "column", "old_table_version"),
    partition="date",
)  # fmt: skip

PIPELINE_FOOTPRINT = Table(
    "pipeline_footprint",
    "one materialisation run of the pipeline itself, measured with CodeCarbon",
    (
        _text("pipeline_run_id", "Dagster's id of the run.", required=True),
        _instant("started_at", "Start of the run.", required=True),
        _number("duration_s", "s", "Duration up to the report.", required=True),
        _number("energy_kwh", "kWh", "Energy of CPU, memory and GPU.", required=True),
        _number("carbon_kgco2e", "kgCO2e", "Carbon of that energy.", required=True),
        _text("country_iso3", "Country whose grid was assumed.", required=True),
    ),
    key=("pipeline_run_id",),
)

EVERYTHING = "everything"
ALLOCATION = "allocation"
"""Jobs: all stages of some days, or only the sharing over versions and days."""

PENDING_DAYS = Table(
    "pending_days",
    "a day that a job has yet to refresh",
    (
        _day("Day that is due."),
        _text("job", "Job that is to refresh it.", required=True, allowed=(EVERYTHING, ALLOCATION)),
    ),
    key=("date", "job"),
)

PENDING_RESTATEMENT = Table(
    "pending_restatement",
    "a run whose restatement was begun and has yet to be completed",
    (
        _day("Day to which the run belongs."),
        _text("run_id", "Identity of the run.", required=True),
    ),
    key=("run_id",),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        LANDING_INDEX, RUNS, USAGE, TELEMETRY, VALIDATED_RUNS, QUARANTINE, TOKEN_TIME_MODEL, NORMALIZED_RUNS, FIELD_PROVENANCE,
        RUN_FACTORS, FACTORS_USED, FACTOR_ROWS, RUN_IMPACTS, RUN_SPREADS,
        MODEL_EVENTS, MODEL_VERSIONS, AMORTISATION_SCHEDULE, INFERENCE_IMPACTS, ROLLUPS, RESTATEMENTS,
        PENDING_DAYS, PENDING_RESTATEMENT, PIPELINE_FOOTPRINT,
    )
}  # fmt: skip


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a table: types, nullability and, as metadata, unit and description."""
    return pa.schema(
        [
            pa.field(
                column.name,
                ARROW_TYPES[column.kind],
                nullable=not column.required,
                metadata={"unit": column.unit, "description": column.description},
            )
            for column in table.columns
        ]
    )


def conform(
    frame: pd.DataFrame, table: Table, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Return the frame with exactly the table's columns, in order and in their pandas types.

    Missing columns become empty ones; columns that the table does not declare are an error.
    With `columns`, only these are returned.

    Raises
    ------
    ValueError
        If the frame has an undeclared column, or a column cannot be read as its declared type.
    """
    extra = [name for name in frame.columns if name not in set(table.names)]
    if extra:
        msg = f"table {table.name} does not declare {', '.join(extra)}; declare it in tables.py"
        raise ValueError(msg)
    return pd.DataFrame(
        {
            column.name: _typed(frame, column)
            for column in table.columns
            if columns is None or column.name in columns
        },
        index=frame.index,
        copy=False,
    ).reset_index(drop=True)


_PANDAS_TYPES = {
    "string": "str",
    "float": "float64",
    "timestamp": "datetime64[us, UTC]",
    "date": "datetime64[us]",
}


def _typed(frame: pd.DataFrame, column: Column) -> pd.Series:
    values = frame.get(column.name)
    if values is None:
        values = pd.Series(None, index=frame.index, dtype="object")
    if str(values.dtype) == _PANDAS_TYPES.get(column.kind):
        return values
    try:
        if column.kind == "boolean":
            return values.astype("boolean")
        if column.kind == "integer":
            return values.astype("float64" if values.isna().any() else "int64")
        if column.kind == "timestamp":
            return pd.to_datetime(values, utc=True).astype(_PANDAS_TYPES["timestamp"])
        return values.astype(_PANDAS_TYPES[column.kind])
    except (TypeError, ValueError) as error:
        msg = f"{table_and_column(column)} cannot be read as {column.kind}: {error}"
        raise ValueError(msg) from error


def table_and_column(column: Column) -> str:
    """Return a column's name with the table that declares it, for messages."""
    owners = [table.name for table in TABLES.values() if column in table.columns]
    return f"{owners[0]}.{column.name}" if owners else column.name


def to_arrow(frame: pd.DataFrame, table: Table) -> pa.Table:
    """Return the frame as an Arrow table with the declared schema, sorted by the key.

    Raises
    ------
    ValueError
        If a column is missing its declaration, its type or, where required, a value.
    """
    conformed = conform(frame, table)
    ordered = conformed.sort_values(list(table.key), kind="stable", na_position="first")
    unfilled = [c.name for c in table.columns if c.required and ordered[c.name].isna().any()]
    if unfilled:
        msg = f"table {table.name}: required column(s) {', '.join(unfilled)} have empty cells"
        raise ValueError(msg)
    arrow = pa.Table.from_pandas(
        ordered, schema=arrow_schema(table), preserve_index=False, safe=True
    )
    return arrow.replace_schema_metadata(None)


def from_arrow(
    arrow: pa.Table, table: Table, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Return an Arrow table, or some of its columns, as a DataFrame in the declared pandas types."""
    return conform(arrow.to_pandas(date_as_object=False), table, columns)


def empty(table: Table) -> pd.DataFrame:
    """Return a table without rows."""
    return conform(pd.DataFrame(columns=table.names), table)
