"""Tables of landing: what was read from files, as it was logged or disclosed.

Put here: the columns of the index, runs, usage, events, telemetry and quarantine. Keep out: columns
that a later stage fills (`normalize.py`).
"""

from __future__ import annotations

from typing import get_args

import pandas as pd

from ft_emissions_pipeline.tables.schema import (
    Column,
    RowRule,
    Table,
    day,
    instant,
    number,
    ordered,
    share,
    text,
)
from ft_emissions_pipeline.tables.words import (
    ATTENTION_KERNELS,
    HAND_ON,
    METHODS,
    METHODS_OF_SHARING,
    SOFTWARE,
    Content,
    EnergyFrom,
    Event,
    Instrument,
    values,
)

EARLIEST = pd.Timestamp("2016-01-01", tz="UTC")
"""First day of the tables: common hardware and grid intensities reach back to it. Networks were
fine-tuned on others' weights before BERT; an earlier instant is a wrong unit or a wrong clock."""


MOST_KWH = 1e9
"""More than a data centre of 100 MW draws in a year; 1e-12 kWh, the least, is 4 microjoules."""

MOST_KGCO2E = MOST_KWH * 3
"""That energy on a grid at the bound of its carbon intensity."""

MOST_L = MOST_KWH * 220
"""That energy at the bounds of water on site and of water in generating."""

# One row of `runs`, as it was logged or disclosed. The order is the order of reading: what was
# made, from what, when, on what, where, how busy, how much, with which energy, for which use.
FIELDS_OF_RUNS = (
    text("run_id", "Identity of the run, from its log; every log of one run shares it.",
         required=True),
    text("job_id", "The scheduler's id of the job, by which logs of one run may be joined."),
    text("host", "Machines of the run, as hashes separated by spaces: names are not kept."),
    text("model_name", "Registered model that the run fine-tunes, again and again.", of_names=True),
    text("team",
         "Team, product or cost centre to which the run is counted, in the words of `runs.yaml`.",
         of_names=True),
    text("tag", "Word by which runs are grouped, where `models.yaml` has none for their model.",
         of_names=True),
    text("parent_version", "Version that was fine-tuned further; empty where the base model was.",
         of_names=True),
    text("base_model", "Pre-trained model, as named in the log.", of_names=True),
    text("method", "How the weights were changed.", allowed=METHODS),
    instant("published_at", "When the fine-tuned model was published."),
    instant("started_at", "When the hardware was first reserved for the run."),
    instant("ended_at", "When the run ended."),
    number("reserved_s", "s", "Time for which the hardware was reserved.", above_zero=True,
           smallest=1e-6, maximum=3.2e8),
    number("active_s", "s", "Time in which the hardware computed, at most the reserved time.",
           smallest=1e-6, maximum=3.2e8),
    number(
        "development_multiplier",
        "ratio",
        "All work for the model, intermediate runs included, over the work of the final run.",
        minimum=1.0,
        maximum=1e3,
    ),
    text("gpu_model", "Accelerator, as named in the log.", of_names=True),
    number("gpu_count", "", "Accelerators that the run used.", smallest=1e-3, maximum=1e6),
    number("gpu_max_w", "W",
           "Power of one accelerator at full load: its rating, or the limit that was set.",
           smallest=0.1, maximum=5e4),
    text("server_model", "Server, as named in the log.", of_names=True),
    number("server_count", "", "Servers used; a share where a server was shared.", smallest=1e-4,
           maximum=1e6),
    text("cpu_model", "CPU, as named in the log.", of_names=True),
    text("operating_system", "Operating system, as named in the log.", of_names=True),
    Column("on_cloud", "boolean", "Whether the log says that the machine is a cloud's."),
    text("instance_type", "Cloud instance type.", of_names=True),
    text("managed_service", "Managed fine-tuning service, for instance AWS Bedrock.",
         of_names=True),
    text("location", "Where the servers stood, in the words of the log.", of_names=True),
    text("cloud_provider", "Cloud provider: aws, gcp, azure or another.", of_names=True),
    text("cloud_region", "The provider's own id of the region.", of_names=True),
    text("cloud_account",
         "Account, project or subscription, as the provider's carbon report names it; only where "
         "you state it.", of_names=True),
    text("country_iso3", "Country, ISO 3166-1 alpha-3.", of_names=True),
    number("pue", "ratio", "Power usage effectiveness of the data centre.", minimum=1.0,
           maximum=5.0),
    number("wue_l_per_kwh", "L/kWh", "On-site water per kWh of computing energy.", smallest=1e-9,
           maximum=20.0),
    number("grid_kgco2e_per_kwh", "kgCO2e/kWh", "Grid carbon intensity, location-based.",
           smallest=1e-9, maximum=3.0),
    number(
        "electricity_water_l_per_kwh", "L/kWh", "Water consumed in generating the electricity.",
        smallest=1e-9, maximum=200.0
    ),
    share("gpu_utilization", "Mean GPU utilisation while active.", smallest=1e-9),
    share("cpu_utilization", "Mean CPU utilisation while active.", smallest=1e-9),
    number("tokens_padded", "token", "Tokens seen in training, padding included, over all epochs.",
           smallest=1.0, maximum=1e16),
    number("tokens_unpadded", "token", "Tokens seen in training, without padding.", smallest=1.0,
           maximum=1e16),
    number("steps", "", "Optimiser steps, over all epochs.", smallest=1.0, maximum=1e12),
    number("epochs", "", "Passes over the training set.", smallest=1e-9, maximum=1e6),
    number("samples", "", "Examples in the training set.", smallest=1.0, maximum=1e12),
    number("sequence_length", "token", "Tokens per sequence, or the limit set.", smallest=1.0,
           maximum=1e8),
    text("token_lengths", "Lengths of the training examples in tokens: JSON of length -> examples, "
          "or where batches are known of `<examples>x<longest>` -> batches."),
    number("pad_to_multiple_of", "token", "Length to a multiple of which batches were padded.",
           minimum=1.0, maximum=1e6),
    number("micro_batch_size", "", "Sequences per device and forward pass.", smallest=1e-3,
           maximum=1e6),
    number("gradient_accumulation", "", "Forward passes per optimiser step.", smallest=1e-3,
           maximum=1e6),
    number("world_size", "", "Devices that each took a batch of their own in every step.",
           smallest=1.0, maximum=1e6),
    Column("gradient_checkpointing", "boolean", "Whether activations were recomputed."),
    text("attention_kernel", "What computed attention.", allowed=ATTENTION_KERNELS),
    Column("fused_kernels", "boolean",
           "Whether norms, rotations and losses ran as fused kernels (Liger or alike)."),
    Column("packing", "boolean", "Whether examples were packed into sequences of full length."),
    text("precision", "Number format of the arithmetic: fp32, tf32, fp16, bf16, fp8.",
         of_names=True),
    number("lora_rank", "", "Rank of the low-rank adapter.", smallest=1.0, maximum=1e5),
    number("model_parameters", "", "Parameters of the base model.", minimum=1e4, maximum=1e14),
    number("active_parameters", "",
           "Parameters of the base model that each token passes, where it is a mixture of experts.",
           minimum=1e4, maximum=1e14),
    text("software",
         "Software that ran the training; of several built on each other the outermost.",
         allowed=SOFTWARE),
    number("train_flop", "FLOP", "Floating-point operations of the training.", smallest=1.0,
           maximum=1e28),
    number("gpu_energy_kwh", "kWh", "Energy of the accelerators, PUE taken out.", smallest=1e-12,
           maximum=MOST_KWH),
    number("cpu_energy_kwh", "kWh", "Energy of the CPUs, PUE taken out.", smallest=1e-12,
           maximum=MOST_KWH),
    number("ram_energy_kwh", "kWh", "Energy of the memory, PUE taken out.", smallest=1e-12,
           maximum=MOST_KWH),
    number("it_energy_kwh", "kWh", "Energy of the computing hardware, PUE taken out.",
           smallest=1e-12, maximum=MOST_KWH),
    number("meter_energy_kwh", "kWh", "Energy at a physical meter at the server's plug.",
           smallest=1e-12, maximum=MOST_KWH),
    number("disclosed_kgco2e", "kgCO2e", "Carbon that the log itself states, for comparison.",
           smallest=1e-12, maximum=MOST_KGCO2E),
    number("expected_use_life_days", "day", "Expected use life of the fine-tuned model.",
           above_zero=True, smallest=1e-6, maximum=3.7e4),
    number("expected_inferences_per_day", "inference/day", "Expected inferences per day.",
           smallest=1e-6, maximum=1e15),
)  # fmt: skip


SOURCE_OF_RUNS = (
    text("source_format", "Reader that read the record.", required=True),
    text("source_uri", "File of the record, relative to the landing folder.", required=True),
    text("source_record", "Place of the record in the file.", required=True),
)


RUN_FIELDS = tuple(column.name for column in FIELDS_OF_RUNS)
"""Names of what can be known of a run; also the keys of a disclosure given as a mapping."""


_RUN_RULES = (
    RowRule("end_before_start", "ended_at lies before started_at",
            ordered("started_at", "ended_at")),
    RowRule("active_above_reserved", "active_s exceeds reserved_s by more than 1 %",
            lambda f: ~(f["active_s"] > f["reserved_s"] * 1.01)),
    RowRule("reserved_above_elapsed",
            "reserved_s exceeds the time between started_at and ended_at by more than 1 % and a "
            "minute",
            lambda f: ~(f["reserved_s"] > (f["ended_at"] - f["started_at"]).dt.total_seconds()
                        * 1.01 + 60)),
    RowRule("unpadded_above_padded", "tokens_unpadded exceeds tokens_padded",
            ordered("tokens_unpadded", "tokens_padded")),
)  # fmt: skip


LANDING_INDEX = Table(
    "landing_index",
    "a record of a landed file: where to look for the runs and the usage of a day",
    (
        text("source_uri", "File, relative to the landing folder.", required=True),
        text("content_hash", "SHA-256 of the file's bytes.", required=True),
        text("source_format",
             "Reader that recognised the file, or kind of a file that tells nothing of a run; "
             "empty if neither."),
        text("content", "What the file holds.", required=True,
              allowed=get_args(Content)),
        text("source_record", "Place of the record in the file."),
        text("record_run_id", "Run that the record itself names."),
        text("run_id", "Run to which the record belongs after joining."),
        text("join_note", "Why the record was not joined with others that it may belong to."),
        text("job_id", "The scheduler's id of the job."),
        text("host", "Machines of the run, as hashes separated by spaces."),
        text("base_model", "Pre-trained model, as named in the record.", of_names=True),
        instant("published_at", "When the fine-tuned model was published."),
        instant("started_at", "When the hardware was first reserved."),
        instant("ended_at", "When the run ended."),
        number("reserved_s", "s", "Time for which the hardware was reserved."),
        number("active_s", "s", "Time in which the hardware computed."),
        number("steps", "", "Optimiser steps that were made."),
        text("mark",
             "By what the reader tells records of one run or one machine, in its own words."),
        Column("date", "date", "UTC day of the joined run, of the usage or of the telemetry.",
               unit="UTC day"),
        Column("records", "integer", "Records read from the whole file.", required=True, minimum=0),
        Column("merged", "integer", "Of these, records that repeat another one in the file.",
               required=True, minimum=0),
        Column("quarantined", "integer", "Of these, records that were not used.", required=True,
               minimum=0),
    ),
    key=("source_uri", "source_record", "date"),
)  # fmt: skip


RUNS = Table(
    "runs",
    "a fine-tuning run as it was logged or disclosed, nothing filled in",
    (
        day("Day to which the run belongs: the day on which it ended, or its stand-in "
            "(date_rule)."),
        text("date_rule", "What the day rests on.", required=True,
              allowed=("ended_at", "started_at", "published_at", "base_model_release",
                       "undated_default")),
        *FIELDS_OF_RUNS,
        text("origins",
             "For a run joined of several records: JSON of field -> [basis, file#record]. Empty "
             "for a single record, whose format tells the basis."),
        text("repairs", "Repairs made in reading, separated by spaces."),
        text("mark",
             "By what the reader tells records of one run or one machine, in its own words."),
        *SOURCE_OF_RUNS,
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
        day("Day of the inferences."),
        text("model_name", "Name of the registered model.", required=True, of_names=True),
        text("model_version", "Version that served; empty where only the model is known.",
             of_names=True),
        number("inferences", "inference", "Inferences served on the day.", required=True,
               smallest=1e-9, maximum=1e15),
        text("hours",
             "Counts of the 24 hours (UTC), separated by spaces, where the log counts by the "
             "hour."),
        text("repairs", "Repairs made in reading, separated by spaces."),
        *SOURCE_OF_RUNS,
    ),
    key=("date", "model_name", "model_version"),
    partition="date",
    row_rules=(
        RowRule("fractional_count", "inferences is no whole number",
                lambda f: ~(f["inferences"] % 1 > 0)),
    ),
)  # fmt: skip


CLOUD_REPORTS = Table(
    "cloud_reports",
    "what a cloud provider itself reports of an account, region or service in a month",
    (
        Column("month_start", "date", "First day of the month.", unit="UTC day", required=True),
        text("provider", "Whose report it is.", required=True, allowed=("aws", "gcp", "azure")),
        text("account", "Account, project or subscription; empty where it is not told apart.",
             of_names=True),
        text("region", "The provider's id of the region; empty where it is not told apart.",
             of_names=True),
        text("service", "The provider's name of the service; empty where it is not told apart.",
             of_names=True),
        text("carbon_model",
             "Version of the provider's method; rows of two versions are never added up."),
        *(
            number(f"{scope}_kgco2e", "kgCO2e", f"{words}, as the provider reports it.",
                   smallest=1e-12, maximum=MOST_KGCO2E)
            for scope, words in (
                ("scope_1", "Scope 1"),
                ("scope_2_location", "Scope 2, location-based"),
                ("scope_2_market", "Scope 2, market-based"),
                ("scope_3_location", "Scope 3, location-based"),
                ("scope_3_market", "Scope 3, market-based"),
                ("total_location", "All scopes, location-based"),
                ("total_market", "All scopes, market-based"),
            )
        ),
        number("water_withdrawal_l", "L",
               "Water taken in, as the provider reports it: no consumption, part flows back.",
               smallest=1e-12, maximum=MOST_L),
        *SOURCE_OF_RUNS,
    ),
    key=("source_uri", "source_record"),
)  # fmt: skip


MODEL_EVENTS = Table(
    "model_events",
    "what `models.yaml` says of a model: something that happened to it, or a choice made for it",
    (
        text("model_name", "Name of the registered model.", required=True, of_names=True),
        text("event",
             "What happened; declared: choices for the model, labelled: another name of a version, "
             "both at no instant.", required=True, allowed=values(Event)),
        instant("at", "When it happened."),
        text("model_version", "Version that serves again, alone was retired, or has the label.",
             of_names=True),
        text("new_name", "Name of a renamed model from then on, or label of the version.",
             of_names=True),
        text("method", "How the footprint is shared over inferences.", allowed=METHODS_OF_SHARING),
        text("hand_on",
             "What a version hands on to the one that takes its place, or to those tuned from it.",
             allowed=HAND_ON),
        text("team", "Team that answers for the model.", of_names=True),
        text("tag",
             "Word by which models are grouped; a model has one, so that sums by tag add up.",
             of_names=True),
        number("base_model_kgco2e", "kgCO2e",
               "Carbon of the base model's pre-training, as its maker disclosed.", smallest=1e-12,
               maximum=MOST_KGCO2E),
        number("base_model_water_l", "L", "Water of the base model's pre-training.",
               smallest=1e-12, maximum=MOST_L),
        number("base_model_inferences", "inference",
               "Inferences, of all users, over which the pre-training is shared.", above_zero=True,
               smallest=1.0, maximum=1e18),
        *SOURCE_OF_RUNS,
    ),
    key=("source_uri", "source_record"),
    row_rules=(
        RowRule("event_without_instant", "an event lacks the instant at which it happened",
                lambda f: f["event"].isin([Event.DECLARED, Event.LABELLED]) | f["at"].notna()),
        RowRule("event_without_object",
                "a renaming lacks the new name, or a roll-back the version that serves again",
                lambda f: ~(((f["event"] == Event.RENAMED) & f["new_name"].isna())
                            | ((f["event"] == Event.ROLLED_BACK) & f["model_version"].isna()))),
    ),
)  # fmt: skip


TELEMETRY = Table(
    "telemetry",
    "what one device drew over an interval of a minute at most, or between two samples further "
    "apart",
    (
        day("Day on which the interval began."),
        text("kind", "Accelerator, or physical meter at the server's plug.", required=True,
              allowed=values(Instrument)),
        text("host", "Machine, as a hash: its name is not kept."),
        text("device", "Index of the accelerator, a hash of its serial name, or the meter.",
             required=True),
        text("gpu_model", "Accelerator, as named in the log.", of_names=True),
        text("run_id", "Run to which the file belongs, if it belongs to one."),
        instant("started_at", "First sample of the interval.", required=True),
        instant("ended_at", "Last sample of the interval.", required=True),
        number("energy_kwh", "kWh", "Energy between these samples.", maximum=1e5),
        text("energy_from", "Difference of an energy counter, or power sampled now and then.",
             allowed=values(EnergyFrom)),
        share("utilization", "Mean utilisation between these samples."),
        text("repairs", "What happened before or in the interval, separated by spaces."),
        *SOURCE_OF_RUNS,
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
        text("source_uri", "File, relative to the landing folder.", required=True),
        text("source_record", "Place of the record in the file; empty for a whole file."),
        text("content_hash", "SHA-256 of the file's bytes."),
        text("reason_code", "Why, as a code.", required=True),
        text("reason", "Why, and what to do.", required=True),
        text("raw", "The record, shortened, secrets removed."),
    ),
    key=("source_uri", "source_record", "reason_code"),
)
