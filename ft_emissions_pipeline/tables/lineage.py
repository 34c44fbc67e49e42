"""From which columns of other tables each figure is computed.

Put here: what a column is `made_of`, for the lineage page and the data dictionary. Keep out: the
computation; a test moves each input and sees which figures follow.

A column that a table takes over keeps its name, so only the tables are named from which it comes.
"""

from __future__ import annotations

from ft_emissions_pipeline.tables import TABLES

TAKES_OVER: dict[str, tuple[str, ...]] = {
    "usage": ("landing_index",),
    "runs": ("landing_index",),
    "telemetry": ("landing_index",),
    "validated_runs": ("runs",),
    "normalized_runs": ("validated_runs",),
    "kind_provenance": ("normalized_runs",),
    "field_provenance": ("normalized_runs",),
    "run_factors": ("normalized_runs",),
    "factors_used": ("run_factors",),
    "factor_rows": ("factors_used",),
    "run_impacts": ("normalized_runs",),
    "run_spreads": ("run_impacts", "field_provenance"),
    "model_versions": ("run_impacts", "model_events"),
    "amortisation_schedule": ("model_versions",),
    "inference_impacts": ("model_versions",),
    "rollups": ("inference_impacts",),
    "restatements": ("inference_impacts",),
}
"""By table, those from which it takes columns of the same name over."""

_POWER_AND_TIME = (
    "gpu_count gpu_max_w gpu_idle_w gpu_utilization cpu_count cpu_max_w cpu_idle_w "
    "cpu_utilization server_count host_idle_w gpu_fan_w memory_w supply_efficiency active_s "
    "reserved_s energy_route it_energy_kwh development_multiplier"
)
_HARDWARE_TIME = (
    "gpu_count server_count hardware_use_life_h share_reserved reserved_s development_multiplier"
)


def _of(table: str, names: str) -> str:
    return " ".join(f"{table}.{name}" for name in names.split())


_ENERGY = _of("normalized_runs", _POWER_AND_TIME)
_FACILITY = f"{_ENERGY} normalized_runs.pue"
_EMBODIED = _of("normalized_runs", _HARDWARE_TIME)
_EMBODIED_CARBON = (
    f"{_EMBODIED} normalized_runs.gpu_embodied_kgco2e normalized_runs.server_embodied_kgco2e"
)
_EMBODIED_WATER = (
    f"{_EMBODIED} normalized_runs.gpu_embodied_water_l normalized_runs.server_embodied_water_l"
)
_CARBON = f"{_FACILITY} normalized_runs.grid_kgco2e_per_kwh {_EMBODIED_CARBON}"
_ONSITE = f"{_ENERGY} normalized_runs.wue_l_per_kwh"
_ELECTRICITY = f"{_FACILITY} normalized_runs.electricity_water_l_per_kwh"
_WATER = f"{_ONSITE} {_ELECTRICITY} {_EMBODIED_WATER}"

_CARD = "validated_runs.gpu_model"
_SERVER = f"{_CARD} validated_runs.server_model validated_runs.instance_type"
_PLACE = (
    "validated_runs.location validated_runs.cloud_provider validated_runs.cloud_region "
    "validated_runs.country_iso3"
)
_OF_FACTORS = {
    "gpu_max_w": f"{_CARD} validated_runs.gpu_max_w gpus.tdp_w hardware_classes.tdp_w",
    "gpu_idle_w": f"{_CARD} gpus.idle_w hardware_classes.idle_w",
    "gpu_embodied_kgco2e": f"{_CARD} gpu_embodied.embodied_kgco2e hardware_classes.embodied_kgco2e",
    "gpu_embodied_water_l": f"{_CARD} gpu_water.embodied_water_l hardware_classes.embodied_water_l",
    **{
        name: f"{_SERVER} servers.{name}"
        for name in ("cpu_count", "cpu_max_w", "cpu_idle_w", "host_idle_w", "gpu_fan_w", "memory_w")
    },
    "server_embodied_kgco2e": f"{_SERVER} servers.embodied_kgco2e",
    "server_embodied_water_l": f"{_SERVER} servers.embodied_water_l",
    "other_host_w": f"{_SERVER} host_overheads.other_power_w",
    "supply_efficiency": f"{_SERVER} host_overheads.supply_efficiency",
    "hardware_use_life_h": f"{_CARD} hardware_classes.use_life_h",
    "share_reserved": f"{_CARD} hardware_classes.share_reserved",
    "grid_direct_kgco2e_per_kwh": f"{_PLACE} grid_intensity.gco2e_per_kwh",
    "market_kgco2e_per_kwh": f"{_PLACE} own_grid.gco2e_per_kwh own_grid_hours.gco2e_per_kwh",
    "electricity_water_without_reservoirs_l_per_kwh": f"{_PLACE} electricity_water.l_per_kwh",
    "pretraining_kgco2e": "validated_runs.base_model models.pretraining_kgco2e",
    "counted_energy_kwh": "validated_runs.gpu_energy_kwh validated_runs.cpu_energy_kwh "
    "validated_runs.ram_energy_kwh",
}

_PARTS = (
    "facility_energy_kwh", "operational_kgco2e", "operational_direct_kgco2e", "embodied_kgco2e",
    "onsite_water_l", "electricity_water_l", "embodied_water_l",
)  # fmt: skip
_OWN_MARKET = "run_impacts.operational_market_kgco2e run_impacts.embodied_kgco2e"

_METRICS = (("kgco2e", "gco2e"), ("water_l", "water_ml"))


def _of_schedule() -> dict[str, str]:
    counts = _of("model_versions", "projected_inferences use_life_start") + " usage.inferences"
    made = {"inferences": "usage.inferences", "billed_share": counts,
            "projected_inferences": counts}  # fmt: skip
    for whole, part in _METRICS:
        cost = _of("model_versions", f"total_{whole} inherited_{whole}")
        names = (f"remaining_{whole}", f"billed_{whole}", f"{part}_per_inference")
        made |= dict.fromkeys(names, f"{cost} {counts}")
    return made


def _of_inferences() -> dict[str, str]:
    share = (
        "usage.inferences model_versions.inferences model_versions.handed_on_share "
        "amortisation_schedule.billed_share"
    )
    made = {"inferences": "usage.inferences model_versions.expected_inferences_per_day"}
    for whole, part in _METRICS:
        own = _of("model_versions", f"total_{whole} inherited_{whole}")
        names = "operational_kgco2e" if whole == "kgco2e" else "onsite_water_l electricity_water_l"
        inherited = f"model_versions.inherited_{whole} {share}"
        made |= {
            f"allocated_{whole}": f"{own} {share}",
            f"{part}_per_inference": f"{own} {share}",
            f"operational_{part}_per_inference": f"{_of('model_versions', names)} {share}",
            f"embodied_{part}_per_inference": f"model_versions.embodied_{whole} {share}",
            f"inherited_{whole}": inherited,
            f"inherited_{part}_per_inference": inherited,
        }
        for end in ("_p05", "_p95"):
            ends = _of("model_versions", f"total_{whole}{end} inherited_{whole}{end}")
            made[f"{part}_per_inference{end}"] = f"{own} {ends} {share}"
    market = "operational_market_kgco2e embodied_kgco2e inherited_market_kgco2e"
    made["allocated_market_kgco2e"] = f"{_of('model_versions', market)} {share}"
    made["market_gco2e_per_inference"] = made["allocated_market_kgco2e"]
    return made


def _of_rollups() -> dict[str, str]:
    made = {
        "ledger_rows": "inference_impacts.date",
        "name": "inference_impacts.model_name model_versions.team model_versions.tag",
        "expected_inferences": "inference_impacts.inferences inference_impacts.inferences_basis",
        "uncontracted_kgco2e": "inference_impacts.allocated_kgco2e "
        "inference_impacts.allocated_market_kgco2e",
    }
    share = "inference_impacts.allocated_kgco2e model_versions.total_kgco2e"
    made |= {part: f"model_versions.{part} model_versions.inherited_{part} {share}"
             for part in _PARTS}  # fmt: skip
    for whole, part in _METRICS:
        amount = f"inference_impacts.allocated_{whole}"
        spread = f"{amount} run_spreads.total_{whole}_log_sd"
        per = f"{part}_per_inference"
        made |= {
            f"provisional_{whole}": f"{amount} inference_impacts.status",
            f"uncounted_{whole}": f"{amount} inference_impacts.inferences",
            per: f"{amount} inference_impacts.inferences",
        }
        made |= {f"allocated_{whole}{end}": spread for end in ("_p05", "_p95")}
        made |= {
            f"{per}{end}": f"{spread} inference_impacts.inferences" for end in ("_p05", "_p95")
        }
    return made


COMPUTED: dict[str, dict[str, str]] = {
    "validated_runs": {
        "gpu_energy_kwh": "runs.gpu_energy_kwh telemetry.energy_kwh",
        "meter_energy_kwh": "runs.meter_energy_kwh telemetry.energy_kwh",
        "gpu_utilization": "runs.gpu_utilization telemetry.utilization",
        "gpu_model": "runs.gpu_model telemetry.gpu_model",
        "gpu_count": "runs.gpu_count telemetry.device",
    },
    "normalized_runs": {
        "gpu_id": "validated_runs.gpu_model validated_runs.instance_type validated_runs.gpu_max_w",
        "host_class": "validated_runs.gpu_model validated_runs.server_model "
        "validated_runs.operating_system validated_runs.on_cloud",
        "server_id": "validated_runs.server_model validated_runs.instance_type "
        "validated_runs.gpu_model",
        "model_id": "validated_runs.base_model",
        "active_s": "validated_runs.active_s validated_runs.reserved_s validated_runs.started_at "
        "validated_runs.ended_at validated_runs.tokens_padded validated_runs.tokens_unpadded "
        "token_time_model.value",
        "reserved_s": "validated_runs.reserved_s validated_runs.active_s validated_runs.started_at "
        "validated_runs.ended_at",
        "it_energy_kwh": "validated_runs.it_energy_kwh validated_runs.gpu_energy_kwh "
        "validated_runs.cpu_energy_kwh validated_runs.ram_energy_kwh "
        "validated_runs.meter_energy_kwh",
        "pue": f"validated_runs.pue {_PLACE} validated_runs.on_cloud datacenter.value",
        "wue_l_per_kwh": f"validated_runs.wue_l_per_kwh {_PLACE} datacenter.value",
        "grid_kgco2e_per_kwh": f"validated_runs.grid_kgco2e_per_kwh {_PLACE} "
        "validated_runs.started_at validated_runs.ended_at grid_intensity.gco2e_per_kwh "
        "grid_upstream.fuel_share own_grid.gco2e_per_kwh own_grid_hours.gco2e_per_kwh",
        "electricity_water_l_per_kwh": f"validated_runs.electricity_water_l_per_kwh {_PLACE} "
        "electricity_water.l_per_kwh",
        **_OF_FACTORS,
    },
    "run_impacts": {
        "it_energy_kwh": _ENERGY,
        "facility_energy_kwh": _FACILITY,
        "operational_kgco2e": f"{_FACILITY} normalized_runs.grid_kgco2e_per_kwh",
        "operational_direct_kgco2e": f"{_FACILITY} normalized_runs.grid_direct_kgco2e_per_kwh",
        "operational_market_kgco2e": f"{_FACILITY} normalized_runs.market_kgco2e_per_kwh",
        "embodied_kgco2e": _EMBODIED_CARBON,
        "total_kgco2e": _CARBON,
        "total_kgco2e_p05": f"{_CARBON} field_provenance.p05 field_provenance.p95",
        "total_kgco2e_p95": f"{_CARBON} field_provenance.p05 field_provenance.p95",
        "onsite_water_l": _ONSITE,
        "electricity_water_l": _ELECTRICITY,
        "electricity_water_without_reservoirs_l": f"{_FACILITY} "
        "normalized_runs.electricity_water_without_reservoirs_l_per_kwh",
        "embodied_water_l": _EMBODIED_WATER,
        "total_water_l": _WATER,
        "total_water_l_p05": f"{_WATER} field_provenance.p05 field_provenance.p95",
        "total_water_l_p95": f"{_WATER} field_provenance.p05 field_provenance.p95",
        "expected_use_life_basis": "field_provenance.basis",
        "quality_tier": "field_provenance.basis normalized_runs.energy_route",
        "share_imputed": "field_provenance.p05 field_provenance.p95 field_provenance.basis",
    },
    "run_spreads": {
        "total_kgco2e_log_sd": f"{_CARBON} field_provenance.p05 field_provenance.p95",
        "total_water_l_log_sd": f"{_WATER} field_provenance.p05 field_provenance.p95",
    },
    "model_versions": {
        "model_version": "run_impacts.run_id",
        "use_life_start": "run_impacts.ended_at",
        "use_life_end": "run_impacts.ended_at run_impacts.expected_use_life_days usage.date "
        "model_events.at",
        "inferences": "usage.inferences run_impacts.expected_inferences_per_day",
        "projected_inferences": "run_impacts.expected_inferences_per_day "
        "run_impacts.expected_use_life_days",
        **{
            f"inherited_{whole}{end}": f"run_impacts.total_{whole}{end} run_impacts.parent_version "
            "usage.inferences"
            for whole in ("kgco2e", "water_l") for end in ("", "_p05", "_p95")
        },
        **{
            f"inherited_{part}": f"run_impacts.{part} run_impacts.parent_version usage.inferences"
            for part in _PARTS
        },
        "inherited_market_kgco2e": f"{_OWN_MARKET} run_impacts.parent_version usage.inferences",
        "base_gco2e_per_inference": "model_events.base_model_kgco2e "
        "run_impacts.pretraining_kgco2e "
        "model_events.base_model_inferences",
        "base_water_ml_per_inference": "model_events.base_model_water_l "
        "model_events.base_model_inferences",
    },
    "amortisation_schedule": _of_schedule(),
    "inference_impacts": _of_inferences(),
    "rollups": _of_rollups(),
}  # fmt: skip
"""By table and column, what enters its computation, `table.column` each."""


def made_of(table: str, column: str) -> tuple[tuple[str, str], ...]:
    """Return the table and column of each column from which one is taken over or computed."""
    told = COMPUTED.get(table, {}).get(column)
    if told is not None:
        pairs = (name.split(".") for name in dict.fromkeys(told.split()))
        return tuple((source, name) for source, name in pairs)
    return tuple(
        (source, column) for source in TAKES_OVER.get(table, ()) if column in TABLES[source].names
    )
