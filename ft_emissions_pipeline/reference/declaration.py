"""What a reference table must look like: columns, units, bounds, keys.

Put here: the declaration of every table, from which checks and `datapackage.json` derive. Keep out:
the factors themselves (CSV files in `reference_data/`) and whatever reads them.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ft_emissions_pipeline.reference.hours import Hours
from ft_emissions_pipeline.tables.schema import Column, number, text
from ft_emissions_pipeline.tables.words import SOFTWARE

VERIFICATIONS = ("read_in_source", "secondary", "unverified", "derived")
PROVIDER_KINDS = ("cloud_regions", "instances")
"""Kinds whose id is `provider:name`; the same name may belong to several providers."""


class ReferenceRefused(ValueError):
    """The reference tables break a rule; the message lists file, line and reason."""


@dataclass(frozen=True)
class FactorTable:
    """One reference table: what a row is, its key, its columns, and its (low, value, high) triples.

    `cadence_years` says how often its sources publish anew; None where a row tells what does not
    change: a card's data sheet, a model's size, a measurement, a name. A table of yours is not in
    the package: its rows are what `ft-emissions reference add-grid` wrote.
    """

    row: str
    key: tuple[str, ...]
    own: tuple[Column, ...]
    intervals: tuple[tuple[str, str, str], ...] = ()
    yours: bool = False
    cadence_years: int | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """Own columns, then those that every table has."""
        return self.own + _COMMON

    def column(self, name: str) -> Column:
        """Return the declaration of one column."""
        return next(column for column in self.columns if column.name == name)


# The tables' short forms, but a factor's cell is filled and a number bounded unless told otherwise.
def _text(name: str, description: str, *, empty: bool = False, **more: Any) -> Column:
    return text(name, description, required=not empty, **more)


def _number(
    name: str, unit: str, low: float, high: float | None, description: str, *, empty: bool = False
) -> Column:
    return number(name, unit, description, required=not empty, minimum=low, maximum=high)


def _whole(
    name: str, unit: str, low: float, high: float, description: str, *, empty: bool = False
) -> Column:
    return Column(name, "integer", description, unit, not empty, low, high)


def _flag(name: str, description: str) -> Column:
    return Column(name, "boolean", description, required=True)


def _interval(unit: str, high: float, prefix: str = "") -> tuple[Column, Column]:
    return (
        _number(f"{prefix}p05", unit, 0, high, "5th percentile."),
        _number(f"{prefix}p95", unit, 0, high, "95th percentile."),
    )


def _class_number(name: str, unit: str, low: float, high: float, what: str) -> tuple[Column, ...]:
    return (_number(name, unit, low, high, what), *_interval(unit, high, f"{name}_"))


_COMMON = (
    _text("source", "Document, edition and place in it."),
    _text("source_url", "Its page, where there is one.", empty=True),
    _whole("source_year", "year", 1990, 2100, "Year of the document or of its reading."),
    _text("licence", "Licence or legal basis of the row."),
    _text("verification", "How the value was checked.", allowed=VERIFICATIONS),
    Column("valid_from", "date", "First day; empty where unbounded."),
    Column("valid_to", "date", "Last day; empty where unbounded."),
    _text("notes", "Method of derivation, caveats.", empty=True),
)
ACCOUNTINGS = ("location-based", "market-based")
HIGHEST_GRAMS = 2500
"""Grams per kWh above which no grid lies: lignite in old plants emits about 1500."""
_GPU = _text("gpu_id", "Accelerator.", refers="gpus")
_SERVER = _text("server_id", "Server.", refers="servers")
EVIDENCE = ("measured", "modelled", "derived")
HOST_CLASSES = (
    "data_centre", "workstation", "desktop_card", "laptop_card", "soc", "tpu", "other_accelerator",
)  # fmt: skip
"""Kinds of accelerators by where they sit: `soc` is a system on a chip (Apple, Jetson, GB10)."""
ZONE_TYPES = ("cloud_region", "egrid_subregion", "us_state", "subdivision", "country", "world")
"""Kinds of zones, the narrowest first."""
_ZONE = (
    _text("zone_type", "Kind of zone.", allowed=ZONE_TYPES),
    _text("zone", "ISO3 code, `US-OR`, `CA-QC`, eGRID subregion, `gcp:us-west1` or WORLD."),
)
_BASIS = _text("emissions_basis", "With or without building plants and fuel supply.",
               allowed=("lifecycle", "direct"))  # fmt: skip
UNITS = (
    "1", "GPU", "L", "byte", "L per chip (excl. memory)", "W", "W/GB", "day", "epoch",
    "fraction", "geometric standard deviation", "h", "inference/day", "kgCO2e",
    "kgCO2e per 8-GPU baseboard", "L/kWh", "kgCO2e/GB", "kgCO2e/cm2", "kgCO2e/cm2 wafer",
    "layers per wafer", "parameter", "ratio", "s", "sequence", "server", "token", "year", "years",
)  # fmt: skip
"""Units that a row may name where its table holds values of several units."""
_UNIT = _text("unit", "Unit of the value.", allowed=UNITS)
_YEAR = _whole("year", "year", 2000, 2100, "Year that the value describes.")

# fmt: off
TABLES: dict[str, FactorTable] = {
    "gpus": FactorTable("an accelerator as tools count it: one device", ("gpu_id",), (
        _text("gpu_id", "Identity."),
        _text("vendor", "Maker."),
        _text("host_class", "Where it usually sits.", allowed=HOST_CLASSES),
        _number("memory_gb", "GB", 1, 2000, "Memory of the device.", empty=True),
        _number("tdp_w", "W", 10, 3000, "Power at full load: thermal design power or power limit."),
        _number("idle_w", "W", 1, 500, "Power without a load."),
        _text("idle_w_basis", "Kind of evidence.", allowed=EVIDENCE),
        _number("peak_16bit_tflops", "TFLOP/s", 0.05, 10000,
                "Dense matrix peak, FP16 or BF16, FP32 accumulation.", empty=True),
        _number("peak_32bit_tflops", "TFLOP/s", 0.1, 1000, "FP32 peak outside matrix units.",
                empty=True),
        _number("peak_fp8_tflops", "TFLOP/s", 1, 20000,
                "Dense matrix peak, FP8; empty where it has no units for it.", empty=True),
        _number("peak_int8_tops", "TOP/s", 1, 20000,
                "Dense matrix peak, INT8; empty where it has no units for it.", empty=True),
        _number("peak_fp4_tflops", "TFLOP/s", 1, 50000,
                "Dense matrix peak, FP4; empty where it has no units for it.", empty=True),
        _number("matmul_16bit_tflops", "TFLOP/s", 0.05, 10000,
                "Measured rate of large BF16 matrix products; empty where nobody measured it.",
                empty=True),
        _number("die_area_mm2", "mm2", 50, 4000, "Area of all compute dies of the device.",
                empty=True),
        _number("process_nm", "nm", 1, 90, "Process node, as named by the foundry.", empty=True),
        _text("release_date", "Release, as precisely as known (year, month or day).", empty=True),
        _text("usual_server_id", "Server that usually holds it.", refers="servers"))),
    "gpu_embodied": FactorTable("the making of an accelerator by one method",
                                ("gpu_id", "method"), (
        _GPU,
        _text("method", "How the figure came about.", allowed=(
            "vendor_pcf", "lca", "literature", "sibling", "chip_area", "instance_share",
            "parametric_lca")),
        _whole("rank", "", 1, 99,
               "1 is preferred; 98 upper bound; 99 only for the published profile."),
        _number("embodied_kgco2e", "kgCO2e", 1, 5000, "Carbon of making one device."),
        *_interval("kgCO2e", 8000)),
        intervals=(("p05", "embodied_kgco2e", "p95"),), cadence_years=3),
    "gpu_water": FactorTable("water used in making an accelerator", ("gpu_id",), (
        _GPU,
        _number("embodied_water_l", "L", 10, 5000, "Water of making the logic dies."),
        *_interval("L", 20000)),
        intervals=(("p05", "embodied_water_l", "p95"),), cadence_years=3),
    "hardware_classes": FactorTable("accelerators of a kind, for names that no row has",
                                    ("host_class",), (
        _text("host_class", "Kind.", allowed=HOST_CLASSES),
        _text("name", "Name."),
        *_class_number("tdp_w", "W", 10, 3000, "Power at full load."),
        *_class_number("idle_w", "W", 1, 500, "Power without a load."),
        *_class_number("memory_gb", "GB", 1, 2000, "Memory of the device."),
        *_class_number("peak_16bit_tflops", "TFLOP/s", 0.05, 10000,
                       "Dense matrix peak in 16 bits."),
        *_class_number("die_area_mm2", "mm2", 50, 4000, "Area of its compute dies."),
        *_class_number("embodied_kgco2e", "kgCO2e", 1, 8000, "Carbon of making one device."),
        *_class_number("embodied_water_l", "L", 10, 20000, "Water of making its logic dies."),
        _text("server_id", "Its usual host.", refers="servers"),
        *_class_number("use_life_h", "h", 1000, 200000, "Hours in use before it is replaced."),
        *_class_number("share_reserved", "fraction", 0.01, 1,
                       "Share of these hours in which it is taken for a job."),
        _number("pue", "1", 1, 3,
                "Outside data centres; empty where the table of data centres serves.", empty=True),
        _number("wue_l_per_kwh", "L/kWh", 0, 10, "Outside data centres; empty likewise.",
                empty=True)),
        intervals=tuple((f"{name}_p05", name, f"{name}_p95") for name in (
            "tdp_w", "idle_w", "memory_gb", "peak_16bit_tflops", "die_area_mm2", "embodied_kgco2e",
            "embodied_water_l", "use_life_h", "share_reserved")), cadence_years=1),
    "host_overheads": FactorTable("what counters do not see of a host, by kind", ("host_class",), (
        _text("host_class",
              "Kind of the machine; `cpu_only` without an accelerator where nothing else is told.",
              allowed=(*HOST_CLASSES, "cpu_only")),
        _number("other_power_w", "W", 0.5, 500,
                "Boards, fans, disks and network of one host; empty where servers.csv tells it "
                "(host_idle_w).", empty=True),
        _number("other_power_w_p05", "W", 0.5, 500, "5th percentile.", empty=True),
        _number("other_power_w_p95", "W", 0.5, 1000, "95th percentile.", empty=True),
        _number("supply_efficiency", "fraction", 0.5, 1,
                "Output over input of its power supplies."),
        *_interval("fraction", 1, "supply_efficiency_")),
        intervals=(("supply_efficiency_p05", "supply_efficiency", "supply_efficiency_p95"),),
        cadence_years=5),
    "servers": FactorTable("a server; its GPUs are counted apart", ("server_id",), (
        _text("server_id", "Identity."),
        _text("name", "Name."),
        _text("vendor", "Maker or operator."),
        _text("gpu_id", "Accelerator that it usually holds.", refers="gpus"),
        _whole("gpu_count", "GPU", 1, 72, "Accelerator slots."),
        _whole("rank", "", 1, 99, "Among the servers of an accelerator; 1 is the usual one."),
        _text("cpu_model", "CPU."),
        _whole("cpu_count", "CPU", 1, 16, "Sockets."),
        _number("cpu_max_w", "W", 10, 1000, "Power of one CPU at full load."),
        _number("cpu_idle_w", "W", 1, 400, "Power of one CPU at rest."),
        _text("cpu_idle_w_basis", "Kind of evidence; derived: the default share of its maximum.",
              allowed=EVIDENCE),
        _number("host_idle_w", "W", 5, 5000,
                "Boards, fans, network and disks at rest, without CPU, memory and GPU."),
        *_interval("W", 10000, "host_idle_w_"),
        _text("host_idle_w_basis", "Kind of evidence.", allowed=EVIDENCE),
        _number("gpu_fan_w", "W", 1, 500,
                "What its fans draw more for an accelerator at full load than at rest; empty where "
                "no whole server was measured.", empty=True),
        _number("gpu_fan_w_p05", "W", 1, 500, "5th percentile.", empty=True),
        _number("gpu_fan_w_p95", "W", 1, 1000, "95th percentile.", empty=True),
        _number("memory_gb", "GB", 4, 20000, "Main memory."),
        _number("memory_w", "W", 0.5, 5000, "Power of the main memory."),
        _text("memory_w_basis", "Kind of evidence; derived: the default power per gigabyte.",
              allowed=EVIDENCE),
        _number("embodied_kgco2e", "kgCO2e", 10, 20000, "Carbon of making it, without GPUs."),
        *_interval("kgCO2e", 40000, "embodied_"),
        _number("embodied_water_l", "L", 10, 20000, "Water of making its CPUs."),
        *_interval("L", 60000, "water_")),
        intervals=(("host_idle_w_p05", "host_idle_w", "host_idle_w_p95"),
                   ("gpu_fan_w_p05", "gpu_fan_w", "gpu_fan_w_p95"),
                   ("embodied_p05", "embodied_kgco2e", "embodied_p95"),
                   ("water_p05", "embodied_water_l", "water_p95")), cadence_years=3),
    "instances": FactorTable("a type of cloud instance", ("provider", "instance_type"), (
        _text("provider", "Cloud provider."),
        _text("instance_type", "Name at the provider."),
        _text("gpu_id", "Accelerator; empty where any may be attached.", refers="gpus", empty=True),
        _number("gpu_count", "GPU", 0.05, 72, "Accelerators of the instance.", empty=True),
        _SERVER,
        _number("server_share", "fraction", 0.001, 1,
                "Share of the server: its GPUs over the slots; without GPUs its vCPU."),
        _whole("vcpus", "vCPU", 1, 1000, "Virtual CPUs."),
        _number("memory_gib", "GiB", 1, 20000, "Main memory.")), cadence_years=2),
    "cloud_regions": FactorTable("a region of a cloud provider", ("provider", "region_id"), (
        _text("provider", "Cloud provider."),
        _text("region_id", "Name at the provider."),
        _text("region_name", "Display name."),
        _text("country_iso3", "Country, ISO 3166-1 alpha-3."),
        _text("us_state", "State of the USA, two letters.", empty=True),
        _text("egrid_subregion", "eGRID subregion in the USA.", empty=True),
        _text("subdivision", "State or province elsewhere, ISO 3166-2, where its grid has a row.",
              empty=True),
        _number("latitude", "degree", -90, 90, "Latitude.", empty=True),
        _number("longitude", "degree", -180, 180, "Longitude.", empty=True)), cadence_years=2),
    "datacenter": FactorTable("overhead of data centres in a year",
                              ("scope", "key", "metric", "year"), (
        _text("scope", "How far the value reaches.",
              allowed=("region", "provider", "country", "world")),
        _text("key", "`aws:us-west-2`, `aws`, `USA` or `WORLD`."),
        _text("metric", "PUE, or WUE in litres per kWh of IT energy.",
              allowed=("pue", "wue_l_per_kwh")),
        _YEAR,
        _number("value", "1 or L/kWh", 0, 10, "Value; a PUE is at least 1.")), cadence_years=1),
    "grid_intensity": FactorTable("the grid's carbon in a year", ("zone_type", "zone", "year"), (
        *_ZONE,
        _YEAR,
        _number("gco2e_per_kwh", "gCO2e/kWh", 1, 2500, "Greenhouse gases per kWh."),
        _BASIS,
        _text("accounting", "What the average runs over.")), cadence_years=1),
    "power_sources": FactorTable("a way of making electricity", ("power_source",), (
        _text("power_source", "As Ember names it."),
        _number("direct_gco2e_per_kwh", "gCO2e/kWh", 0, 1500, "Greenhouse gases at the stack."),
        _number("other_gco2e_per_kwh", "gCO2e/kWh", 0, 1500,
                "The rest of the life cycle: building the plant, supplying the fuel."),
        *_interval("gCO2e/kWh", 1500, "other_"),
        _number("water_l_per_kwh", "L/kWh", 0, 100,
                "Water consumed in operation, reservoirs' evaporation included.")),
        intervals=(("other_p05", "other_gco2e_per_kwh", "other_p95"),), cadence_years=10),
    "grid_upstream": FactorTable(
        "what a country's life-cycle figure has beyond its stacks' in a year",
        ("zone_type", "zone", "year"), (
        _text("zone_type", "Kind of zone.", allowed=("country", "world")),
        _text("zone", "ISO3 code or WORLD."),
        _YEAR,
        _number("fuel_share", "ratio", 0, 2,
                "Supply of fuels and building of their plants, over what the stacks emit."),
        *_interval("ratio", 5, "fuel_share_"),
        _number("stackless_gco2e_per_kwh", "gCO2e/kWh", 0, 500,
                "Life cycle of plants without a fossil stack, per kWh of the whole mix."),
        *_interval("gCO2e/kWh", 1500, "stackless_")),
        intervals=(("fuel_share_p05", "fuel_share", "fuel_share_p95"),
                   ("stackless_p05", "stackless_gco2e_per_kwh", "stackless_p95")), cadence_years=1),
    "electricity_water": FactorTable("water consumed in generation",
                                     ("zone_type", "zone", "rank"), (
        _text("zone_type", "Kind of zone.", allowed=("country", "egrid_subregion", "world")),
        _text("zone", "ISO3 code, eGRID subregion or WORLD."),
        _whole("rank", "", 1, 99,
               "1 is preferred; 98 leaves reservoirs' evaporation out and stands beside the "
               "others."),
        _number("l_per_kwh", "L/kWh", 0.005, 60, "Water consumed per kWh."),
        _flag("hydropower_included", "Whether reservoirs' evaporation is in it.")),
        cadence_years=3),
    "models": FactorTable("a base model", ("model_id",), (
        _text("model_id", "Identity."),
        _text("name", "Name."),
        _text("family", "Family."),
        _text("provider", "Maker."),
        _text("architecture", "Kind of network.", allowed=(
            "dense_encoder", "dense_decoder", "dense_encoder_decoder", "moe_decoder", "diffusion",
            "undisclosed")),
        _number("parameters", "parameter", 1e6, 1e13,
                "Parameters; empty where the maker keeps them.", empty=True),
        _number("active_parameters", "parameter", 1e6, 1e13, "Parameters that a token passes.",
                empty=True),
        _number("active_p05", "parameter", 1e6, 1e13,
                "Lower end of an estimate, where the maker keeps them.", empty=True),
        _number("active_p95", "parameter", 1e6, 1e13, "Upper end of an estimate.", empty=True),
        _whole("layers", "layer", 1, 500, "Layers; of the encoder where there are two stacks.",
               empty=True),
        _whole("hidden_size", "", 32, 100000, "Width.", empty=True),
        _whole("heads", "head", 1, 1000, "Attention heads.", empty=True),
        _whole("vocabulary", "token", 10, 1e7, "Tokens of the vocabulary.", empty=True),
        _whole("context_length", "token", 128, 1e8, "Context length.", empty=True),
        _text("release_date", "Release, as precisely as known.", empty=True),
        _text("distilled_from", "Teacher from which it was distilled, where the table has it.",
              refers="models", empty=True),
        _text("distillation_source", "Where that is told.", empty=True),
        _number("pretraining_kgco2e", "kgCO2e", 1, 1e9, "Carbon of its pre-training, as published.",
                empty=True),
        _text("pretraining_source", "Where that is told, what it counts, and how it was checked.",
              empty=True)),
        intervals=(("active_p05", "active_parameters", "active_p95"),)),
    "common_hardware": FactorTable("the commonest hardware from a year on", ("year",), (
        _YEAR, _GPU, _SERVER), cadence_years=1),
    "managed_services": FactorTable(
        "how a managed service presumably runs a job", ("service_id", "model_parameters_min"), (
        _text("service_id", "Identity."),
        _text("name", "Name."),
        _text("provider", "Cloud on which it runs; empty where unknown.", empty=True),
        _number("model_parameters_min", "parameter", 0, 1e13, "From this size on."),
        _number("model_parameters_max", "parameter", 1, None, "Below this size."),
        _GPU,
        _whole("gpu_count", "GPU", 1, 1000, "Accelerators of a job."),
        *_interval("GPU", 1000, "gpu_count_"),
        _SERVER,
        _number("startup_s", "s", 0, 86400, "Reserved before the first step and after the last."),
        *_interval("s", 86400, "startup_s_"),
        _text("reasoning", "Why.")),
        intervals=(("gpu_count_p05", "gpu_count", "gpu_count_p95"),
                   ("startup_s_p05", "startup_s", "startup_s_p95")), cadence_years=1),
    "embodied_components": FactorTable("the making of a component", ("component", "spec"), (
        _text("component", "Component."),
        _text("spec", "Which."),
        _number("value", "see unit", 0, 10000, "Value."),
        _UNIT), cadence_years=5),
    "defaults": FactorTable("a value for what a log does not say", ("parameter",), (
        _text("parameter", "Name."),
        _number("value", "see unit", 0, 1e13, "Value."),
        *_interval("see unit", 1e13),
        _UNIT),
        intervals=(("p05", "value", "p95"),), cadence_years=3),
    "calibration": FactorTable("a published, measured training rate, time or power", ("row_id",), (
        _text("row_id", "Identity."),
        _text("source_key", "Source."),
        _text("laboratory",
              "Who measured: rows of one share people, code and machines, so folds go by it."),
        _text("stage", "Fine-tuning or pre-training.", allowed=("finetune", "pretrain")),
        _text("base_model", "Model, as the source names it."),
        _text("model_id", "Base model, where the table of models has it.", refers="models",
              empty=True),
        _text("architecture", "Kind of network.", allowed=(
            "dense_encoder", "dense_decoder", "dense_encoder_decoder", "moe_decoder")),
        _number("parameters", "parameter", 1e6, 1e13, "Parameters."),
        _number("active_parameters", "parameter", 1e6, 1e13, "Parameters that a token passes."),
        _text("method", "How the weights were changed.",
              allowed=("full", "lora", "qlora", "adapter")),
        _text("software",
              "Software that ran the training, by the words of table `runs`; "
              "empty where none of them.", empty=True, allowed=SOFTWARE),
        _text("precision", "Number format; empty where not stated.", empty=True, allowed=(
            "fp32", "tf32", "fp16", "bf16", "fp8", "nvfp4", "int4", "nf4")),
        _text("gradient_checkpointing",
              "Whether activations were recomputed; empty where not stated.", empty=True,
              allowed=("true", "false", "selective")),
        _text("fused_kernels",
              "Whether norms, rotations and losses ran as fused kernels; empty where not stated.",
              empty=True, allowed=("true", "false")),
        _whole("sequence_length", "token", 1, 1e8, "Tokens per sequence.", empty=True),
        _whole("micro_batch_size", "sequence", 1, 1e6, "Sequences per device and forward pass.",
               empty=True),
        _whole("gradient_accumulation", "", 1, 1e6, "Forward passes per optimiser step.",
               empty=True),
        _whole("global_batch_size", "sequence", 1, 1e7, "Sequences per optimiser step.",
               empty=True),
        _GPU,
        _whole("gpu_count", "GPU", 1, 100000, "Accelerators."),
        _whole("node_count", "server", 1, 100000, "Servers.", empty=True),
        _number("tokens_per_s_per_gpu", "token/s", 0.001, 1e9, "Rate of one accelerator.",
                empty=True),
        _number("wall_time_s", "s", 0.001, 1e9, "Time as measured, start-up included.", empty=True),
        _whole("tokens", "token", 1, 1e15, "Tokens of the time.", empty=True),
        _flag("tokens_assumed", "Whether the tokens are not the source's own."),
        _whole("samples", "sequence", 1, 1e12, "Sequences of the time.", empty=True),
        _number("mean_gpu_power_w", "W", 1, 3000, "Mean power of one accelerator.", empty=True),
        _number("gpu_energy_kwh", "kWh", 0, 1e9, "Energy of the accelerators.", empty=True),
        _number("power_limit_w", "W", 10, 3000, "Power limit set.", empty=True),
        _text("flag", "Why a row enters no fit.", empty=True, allowed=(
            "power_capped", "above_peak", "devices_in_turns")))),
    "aliases": FactorTable("a name under which logs know something", ("kind", "alias", "id"), (
        _text("kind", "What is named.", allowed=(
            "gpus", "servers", "instances", "cloud_regions", "countries", "us_states",
            "subdivisions", "models", "managed_services", "providers")),
        _text("alias", "Name."),
        _text("id", "Identity that it stands for."),
        _flag("assumed",
              "Whether the name is ambiguous and a default was taken; a region's name that is "
              "marked so counts only where the provider is known."),
        _text("note", "Why.", empty=True))),
    "own_grid": FactorTable("a grid factor of your own", ("accounting", "zone_type", "zone"), (
        _text("accounting", "Mix of the place, or what your contracts say.", allowed=ACCOUNTINGS),
        *_ZONE,
        _number("gco2e_per_kwh", "gCO2e/kWh", 0, HIGHEST_GRAMS, "Greenhouse gases per kWh."),
        _BASIS), yours=True),
    "own_grid_hours": FactorTable("a year of hourly grid factors of your own",
                                  ("zone_type", "zone", "year"), (
        *_ZONE,
        _YEAR,
        _number("gco2e_per_kwh", "gCO2e/kWh", 0, HIGHEST_GRAMS,
                "Mean of the hours that are known."),
        _whole("hours_known", "h", 1, 8784, "Hours of the year that the file has."),
        _text("file", "File of the hours, beside the table."),
        _text("file_hash", "SHA-256 of that file."),
        _BASIS,
        _text("accounting", "Average mix or marginal plant.", allowed=("average", "marginal"))),
        yours=True),
}
# fmt: on

SHIPPED = tuple(name for name, table in TABLES.items() if not table.yours)
YOURS = tuple(name for name, table in TABLES.items() if table.yours)


@dataclass(frozen=True, eq=False)
class Reference:
    """All reference tables, typed, with `factor_id` and `row_hash`; equal where their content is.

    `version` is the hash of all rows and of the packaged prior. `own` is the folder of your own
    tables and `hours` their hourly series by zone type and zone. `refused` says why newer tables
    than these were refused; empty where these are the newest.
    """

    tables: Mapping[str, pd.DataFrame]
    version: str
    folder: Path
    own: Path | None = None
    hours: Mapping[tuple[str, str], Hours] = field(default_factory=dict)
    refused: str = ""

    def __eq__(self, other: object) -> bool:
        """Compare what is looked up; folders may differ."""
        if self is other or not isinstance(other, Reference):
            return self is other
        ours = self.version, self.refused, self.hours.keys(), self._content
        return ours == (other.version, other.refused, other.hours.keys(), other._content)

    @cached_property
    def _content(self) -> dict[str, int]:
        """Return a hash by table, as every look-up that is kept compares references."""
        return {
            name: hash(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
            for name, table in self.tables.items()
        }

    def __hash__(self) -> int:
        return hash(self.version)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a tenth of the bytes; equal ones become one again, with what it looked up."""
        return _unpacked, (_packed(self),)


@lru_cache(maxsize=2)
def _packed(reference: Reference) -> bytes:
    told = {each.name: getattr(reference, each.name) for each in fields(reference)}
    return zlib.compress(pickle.dumps(told, 5))


@lru_cache(maxsize=4)
def _unpacked(packed: bytes) -> Reference:
    return Reference(**pickle.loads(zlib.decompress(packed)))


class Default(NamedTuple):
    """A default value with its interval, unit and row."""

    value: float
    p05: float
    p95: float
    unit: str
    factor_id: str
