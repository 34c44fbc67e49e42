"""Rules for what the run computed on: accelerator, server, counts, and their factors.

Put here: GPU and server identity and number, their power, their making. Keep out: how busy they
were and for how long (`duration.py`), energy (`energy.py`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.equations import training_memory
from ft_emissions_pipeline.normalize import machine
from ft_emissions_pipeline.normalize.columns import AnyFrame, Frame
from ft_emissions_pipeline.normalize.filling import (
    Answer,
    Context,
    Offer,
    Rule,
    by_default,
    by_itself,
    by_name,
    ranged,
    unknown_names,
    widened_to,
)
from ft_emissions_pipeline.normalize.kinds import INSTANCES, SLICES
from ft_emissions_pipeline.normalize.machine import NO_GPU
from ft_emissions_pipeline.reference import (
    Reference,
    alternatives_log_sd,
    at_year,
    default,
    managed_service,
    resolve,
    take,
    told_of,
)
from ft_emissions_pipeline.tables.words import Basis


def _of_instance(column: str) -> Answer:
    def offer(frame: Frame, context: Context) -> Offer:
        found = resolve(context.reference, "instances", frame["instance_type"])
        columns = [column] if column == "gpu_count" else [column, "gpu_count"]
        row = take(context.reference, "instances", found["id"], columns, on=frame["date"])
        values = row[column]
        if column in ("gpu_count", "server_share"):  # of another size than the row's, or of several
            values = values * (found["count"] / row["gpu_count"]).fillna(1.0)
            values = values * frame[INSTANCES].fillna(1.0)
        return Offer(values, row["factor_id"], note=found["why"].where(found["assumed"]))

    return offer


def _gpu_in_instance_name(*, ambiguous: bool) -> Answer:
    def offer(frame: Frame, context: Context) -> Offer:
        found = resolve(context.reference, "instances", frame["instance_type"])
        several = found["candidates"].str.contains("|", regex=False, na=False)
        wanted = found["id"].isna() & found["candidates"].notna() & (several == ambiguous)
        usual = found["candidates"].str.replace(r"\|.*", "", regex=True)
        return Offer(usual.where(wanted), note=found["why"])

    return offer


def _count_in_name(kind: str, column: str, several: str) -> Answer:
    def offer(frame: Frame, context: Context) -> Offer:
        found = resolve(context.reference, kind, frame[column])
        return Offer(found["count"] * frame[several].fillna(1.0), note=found["why"])

    return offer


def _card_of_slices(frame: Frame, context: Context) -> Offer:
    """Take the card of which a run held slices; of several that may be meant, the usual one."""
    found = resolve(context.reference, "gpus", frame["gpu_model"])
    usual = found["candidates"].str.replace(r"\|.*", "", regex=True)
    return Offer(usual.where(found["count"] < 1), note=found["why"])


def counts_set_aside(runs: AnyFrame, reference: Reference) -> AnyFrame:
    """Set aside counts of what is part of a server or of a card; rules know how large a part.

    Parameters
    ----------
    runs : DataFrame
        Table `runs`.
    reference : Reference
        Reference tables.

    Returns
    -------
    DataFrame
        With `instances`, the servers logged beside the type of a rented instance, and `slices`,
        the accelerators logged beside the name of a slice; without these counts themselves.
        Beside a number of accelerators the number of servers stays as it is.
    """
    servers, gpus = (runs[name].to_numpy(dtype=float) for name in ("server_count", "gpu_count"))
    instance, card = runs["instance_type"], runs["gpu_model"]
    rented = instance.notna().to_numpy() & np.isnan(gpus) & (servers >= 1) & (servers % 1 == 0)
    if rented.any():
        found = told_of(reference, "instances", instance[rented], "id")
        rented[rented] = pd.notna(found)
    sliced = card.notna().to_numpy() & (gpus >= 1)
    if sliced.any():
        found = told_of(reference, "gpus", card[sliced], "count")
        sliced[sliced] = found.astype(float) < 1
    return runs.assign(
        **{
            INSTANCES: np.where(rented, servers, np.nan),
            "server_count": np.where(rented, np.nan, servers),
            SLICES: np.where(sliced, gpus, np.nan),
            "gpu_count": np.where(sliced, np.nan, gpus),
        }
    )


_MANAGED = (
    "gpu_id", "gpu_count", "gpu_count_p05", "gpu_count_p95", "server_id",
    "startup_s", "startup_s_p05", "startup_s_p95",
)  # fmt: skip


def managed_rows(frame: Frame, context: Context) -> pd.DataFrame:
    """Return the execution profile of each run's managed service and model size.

    Parameters
    ----------
    frame : DataFrame
        Runs, with `managed_service` and `model_parameters`.
    context : Context
        Holds the reference tables.

    Returns
    -------
    DataFrame
        Rows of `managed_services`, aligned; missing where no service is named. A service that the
        table does not know takes the profile `generic-managed`.
    """
    named = frame["managed_service"].notna()
    found = resolve(context.reference, "managed_services", frame["managed_service"])["id"]
    service = found.where(found.notna() | ~named, "generic-managed")
    return managed_service(
        context.reference,
        service,
        frame["model_parameters"].astype("float64"),
        _MANAGED,
        on=frame["date"],
    )


def _of_managed(column: str) -> Answer:
    def offer(frame: Frame, context: Context) -> Offer:
        row = managed_rows(frame, context)
        note = None if column == "gpu_count" else _unknown_on_service(column, frame, context)
        if f"{column}_p05" not in row:
            return Offer(row[column], factor_id=row["factor_id"], note=note)
        low, high = row[f"{column}_p05"], row[f"{column}_p95"]
        return ranged(row[column], low, high, row["factor_id"], note)

    return offer


def _gpus_of_managed(frame: Frame, context: Context) -> Offer:
    """Leave runs alone that name several servers.

    The profile is of one job whose size nobody told.
    """
    offer = _of_managed("gpu_count")(frame, context)
    return replace(offer, values=offer.values.where(~(frame["server_count"] > 1)))


def _gpu_of_server(frame: Frame, context: Context) -> Offer:
    found = resolve(context.reference, "servers", frame["server_model"])
    row = take(context.reference, "servers", found["id"], ["gpu_id"], on=frame["date"])
    note = _unknown_hardware("gpu_id", frame, context)
    return Offer(row["gpu_id"], factor_id=row["factor_id"], note=note)


def _common(column: str) -> Answer:
    def offer(frame: Frame, context: Context) -> Offer:
        found = at_year(context.reference, "common_hardware", None, frame["date"].dt.year, column)
        return Offer(
            found["value"],
            factor_id=found["factor_id"],
            note=_unknown_hardware(column, frame, context),
        )

    return offer


SAME_POWER = 0.02
"""Ratings are told in round watts."""


def _gpu_of_power(frame: Frame, context: Context) -> Offer:
    common = context.reference.tables["common_hardware"].sort_values("year")
    rated_w = take(context.reference, "gpus", common["gpu_id"], ["tdp_w"])["tdp_w"].to_numpy()
    near = np.abs(frame["gpu_max_w"].to_numpy(dtype=float)[:, None] / rated_w - 1) < SAME_POWER
    known = common["year"].to_numpy() <= frame["date"].dt.year.to_numpy()[:, None]
    latest = np.where(near & known, np.arange(len(common)), -1).max(axis=1)
    row = (
        common[["gpu_id", "factor_id"]]
        .iloc[latest]
        .set_axis(frame.index)
        .where(pd.Series(latest >= 0, frame.index))
    )
    return Offer(
        row["gpu_id"],
        factor_id=row["factor_id"],
        note=_unknown_hardware("gpu_id", frame, context),
    )


def _unknown_hardware(column: str, frame: Frame, context: Context) -> pd.Series:
    """Say so where hardware was named, but by a name that nothing stands for."""
    name, kind = {"gpu_id": ("gpu_model", "gpus"), "server_id": ("server_model", "servers")}[column]
    instance = resolve(context.reference, "instances", frame["instance_type"])
    unread = instance["id"].isna() & instance["candidates"].isna()
    of_instance = unknown_names(frame["instance_type"].where(unread), "instances", context)
    return unknown_names(frame[name], kind, context).fillna(of_instance)


def _unknown_on_service(column: str, frame: Frame, context: Context) -> pd.Series:
    found = resolve(context.reference, "managed_services", frame["managed_service"])["id"]
    service = frame["managed_service"].where(found.isna())
    hardware = _unknown_hardware(column, frame, context)
    return hardware.fillna(unknown_names(service, "managed_services", context))


def _server_of_gpu(frame: Frame, context: Context) -> Offer:
    row = take(context.reference, "gpus", frame["gpu_id"], ["usual_server_id"], on=frame["date"])
    note = _unknown_hardware("server_id", frame, context)
    return Offer(row["usual_server_id"], factor_id=row["factor_id"], note=note)


def _no_gpu(frame: Frame) -> pd.Series:
    none = pd.Series(NO_GPU, index=frame.index, dtype="str")
    return none.where(frame["gpu_count"] == 0)


def _slots(frame: Frame, context: Context) -> pd.DataFrame:
    row = take(context.reference, "servers", frame["server_id"], ["gpu_count"], on=frame["date"])
    return row.set_axis(["slots", "factor_id"], axis=1)


def _gpus_for_work(frame: Frame, context: Context) -> Offer:
    """Take as many accelerators as hold the memory of training, rounded up to a power of two.

    The interval reaches from what the lightest method needs, where none is named, to whole servers.
    """
    headroom = default(context.reference, HEADROOM, frame["date"]).value
    centre = _that_hold_the_work(frame, context, "full", headroom)
    least = _least_that_hold_the_work(frame, context)
    slots = _slots(frame, context)["slots"].where(lambda s: s > 0, 1.0)
    whole = np.ceil(centre / slots) * slots
    untold = ~(frame["server_count"] > 0)
    return ranged(centre.where(untold), least, whole, f"defaults/{HEADROOM}")


HEADROOM = "training_memory_headroom"
"""Default: memory of training over that of weights, gradients and optimiser states."""


def _least_that_hold_the_work(frame: Frame, context: Context) -> pd.Series:
    headroom = default(context.reference, HEADROOM, frame["date"]).p05
    return _that_hold_the_work(frame, context, "qlora", headroom)


def _that_hold_the_work(frame: Frame, context: Context, method: str, headroom: float) -> pd.Series:
    """Return as many accelerators as hold the memory of training; missing where no size is known.

    `method` stands where none is named.
    """
    card, kind = (
        take(context.reference, table, frame["gpu_id"], ["memory_gb"], on=frame["date"])
        for table in ("gpus", "hardware_classes")
    )
    memory = card["memory_gb"].fillna(kind["memory_gb"])
    known = ~context.imputed("model_parameters", frame.index)
    parameters = frame["model_parameters"].astype("float64").where(known)
    bytes_each = {
        name: default(context.reference, parameter).value
        for name, parameter in BYTES_OF_METHOD.items()
    }
    each = frame["method"].fillna(method).map(lambda name: bytes_each.get(name, bytes_each["full"]))
    needed = training_memory(parameters, each, headroom) / BYTES_PER_GB / memory
    return np.exp2(np.ceil(np.log2(needed.clip(lower=1.0))))


BYTES_PER_GB = 1e9
BYTES_OF_METHOD = {
    "full": "training_bytes_full", "continued_pretraining": "training_bytes_full",
    "distillation": "training_bytes_full", "dpo": "training_bytes_full",
    "lora": "training_bytes_lora", "adapter": "training_bytes_lora",
    "qlora": "training_bytes_qlora",
}  # fmt: skip
"""Method -> default that says how many bytes a parameter takes in training."""


def _gpus_fill_servers(frame: Frame, context: Context) -> Offer:
    """Fill the servers.

    The interval reaches from one accelerator in each, or what the work needs, to the servers that
    a run may have held where nobody told their number.
    """
    row = _slots(frame, context)
    slots = row["slots"].where(row["slots"] > 0, 1.0)
    servers = frame["server_count"].fillna(1.0)
    more = default(context.reference, "server_count", frame["date"]).p95
    most = servers.where(frame["server_count"].notna(), more)
    needed = _least_that_hold_the_work(frame, context)
    least = np.fmax(servers, np.minimum(needed, servers * slots))
    return ranged(servers * slots, least, most * slots, factor_id=row["factor_id"])


def _shared_host(frame: Frame, context: Context) -> Offer:
    """Take the share that a run's accelerators are of their host's; it may have held the whole.

    A machine in an office or at home is nobody else's at the same time.
    """
    row = _slots(frame, context)
    share = frame["gpu_count"] / row["slots"]
    shared = ~machine.outside_data_centres(frame) & (not context.profile.whole_servers)
    wanted = (share > 0) & (share < 1) & shared
    width, lean = (of("gpu_count", frame.index) for of in (context.log_sd_of, context.skew_of))
    spread, _ = uncertainty.interval(1.0, width, lean)
    return ranged(
        share.where(wanted), share * spread, pd.Series(1.0, frame.index), row["factor_id"]
    )


def _one_server(frame: Frame, context: Context) -> Offer:
    slots = _slots(frame, context)["slots"].where(lambda s: s > 0, 1.0)
    one = (frame["gpu_count"] <= slots).map({True: 1.0}).astype("float64")
    return _as_wide_as_gpus(Offer(one), frame, context)


def _servers_for_gpus(frame: Frame, context: Context) -> Offer:
    row = _slots(frame, context)
    slots = row["slots"].where(row["slots"] > 0, 1.0)
    offer = Offer(np.ceil(frame["gpu_count"] / slots), row["factor_id"])
    return _as_wide_as_gpus(offer, frame, context)


def _as_wide_as_gpus(offer: Offer, frame: Frame, context: Context) -> Offer:
    """Give servers that are counted by accelerators the spread of these."""
    width, lean = (of("gpu_count", frame.index) for of in (context.log_sd_of, context.skew_of))
    return replace(offer, log_sd=width, skew=lean)


def _managed_share(frame: Frame, context: Context) -> Offer:
    row = _slots(frame, context)
    managed = frame["managed_service"].notna() & (row["slots"] > 0)
    offer = Offer((frame["gpu_count"] / row["slots"]).where(managed), row["factor_id"])
    return _as_wide_as_gpus(offer, frame, context)


def _making(table: str, id_column: str, value: str, low: str, high: str) -> Answer:
    def offer(frame: Frame, context: Context) -> Offer:
        row = take(context.reference, table, frame[id_column], [value, low, high], on=frame["date"])
        offer = ranged(row[value], row[low], row[high], row["factor_id"])
        if table == "gpu_embodied":
            others = alternatives_log_sd(context.reference, table, frame[id_column])
            return widened_to(offer, others)
        return offer

    return offer


def _instance_share(frame: Frame, context: Context) -> Offer:
    row = take(
        context.reference, "gpu_embodied", frame["gpu_id"], ["embodied_kgco2e", "p05", "p95"],
        where={"method": "instance_share"}, on=frame["date"],
    )  # fmt: skip
    return ranged(row["embodied_kgco2e"], row["p05"], row["p95"], row["factor_id"])


RATIO_BEHIND = {
    "idle_w": "gpu_idle_share",
    "cpu_idle_w": "cpu_idle_share",
    "memory_w": "memory_w_per_gb",
}
"""Power that a row derives where nobody measured it -> the default by which it does."""


def _power(table: str, column: str, target: str) -> Rule:
    """Take a power: with its own percentiles, those of the default it derives from, or alone."""
    device = {"gpus": "gpu", "servers": "server"}[table]
    own = [f"{column}_p05", f"{column}_p95"] if column == "host_idle_w" else []
    basis = [f"{column}_basis"] if column in RATIO_BEHIND else []

    def offer(frame: Frame, context: Context) -> Offer:
        columns = [column, *own, *basis]
        row = take(context.reference, table, frame[f"{device}_id"], columns, on=frame["date"])
        value, factor = row[column], row["factor_id"]
        if own:
            return ranged(value, row[own[0]], row[own[1]], factor)
        width = context.log_gsd("gsd_hardware_power", frame["date"])
        low, high = uncertainty.interval(value, width)
        if basis:
            ratio = default(context.reference, RATIO_BEHIND[column], frame["date"])
            derived = row[basis[0]] == "derived"
            low = np.where(derived, value * ratio.p05 / ratio.value, low)
            high = np.where(derived, value * ratio.p95 / ratio.value, high)
            # The first row is the one that decides the spread.
            factor = factor.mask(derived, ratio.factor_id + " " + factor)
        return ranged(value, low, high, factor)

    what = {"gpus": "accelerator", "servers": "server"}[table]
    description = f"{column} of the {what} in {table}.csv"
    return Rule(target, f"{target}_of_{device}", Basis.REFERENCE, description, offer)


def _sockets(frame: Frame, context: Context) -> Offer:
    row = take(context.reference, "servers", frame["server_id"], ["cpu_count"], on=frame["date"])
    return Offer(row["cpu_count"] * frame["server_count"], factor_id=row["factor_id"])


def _nothing(frame: Frame) -> pd.Series:
    return (frame["gpu_id"] == NO_GPU).map({True: 0.0}).astype("float64")


def _fans(frame: Frame, context: Context) -> Offer:
    columns = ["gpu_fan_w", "gpu_fan_w_p05", "gpu_fan_w_p95"]
    row = take(context.reference, "servers", frame["server_id"], columns, on=frame["date"])
    power, low, high = (row[name].fillna(0.0) for name in columns)
    return ranged(power.where(row["factor_id"].notna()), low, high, row["factor_id"])


IDENTITY = (
    Rule("gpu_id", "no_gpu", Basis.MEASURED, "the log says that no accelerator was used",
         by_itself(_no_gpu)),
    Rule("gpu_id", "gpu_named", Basis.DISCLOSED, "the name means one accelerator",
         by_name("gpus", "gpu_model", ambiguous=False), needs=("gpu_model",)),
    Rule("gpu_id", "card_of_slices", Basis.DISCLOSED, "the card of which the run held slices",
         _card_of_slices, needs=("gpu_model",)),
    Rule("gpu_id", "gpu_of_instance", Basis.REFERENCE, "the accelerator of the instance type",
         _of_instance("gpu_id"), needs=("instance_type",)),
    Rule("gpu_id", "gpu_in_instance_name", Basis.REFERENCE,
         "the accelerator that the instance type names", _gpu_in_instance_name(ambiguous=False),
         needs=("instance_type",)),
    Rule("gpu_id", "gpu_name_ambiguous", Basis.DISCLOSED,
         "the name means several variants; the usual one is taken",
         by_name("gpus", "gpu_model", ambiguous=True), needs=("gpu_model",)),
    Rule("gpu_id", "gpu_in_instance_name_ambiguous", Basis.DISCLOSED,
         "the instance type names several variants; the usual one is taken",
         _gpu_in_instance_name(ambiguous=True), needs=("instance_type",)),
    Rule("gpu_id", "gpu_of_managed_service", Basis.DEFAULT,
         "the accelerator of the service's execution profile", _of_managed("gpu_id"),
         needs=("managed_service",)),
    machine.CLASS_OF_ACCELERATOR[0],
    Rule("gpu_id", "gpu_of_server", Basis.DEFAULT,
         "the accelerator that the named server usually holds", _gpu_of_server,
         needs=("server_model",)),
    machine.CLASS_OF_ACCELERATOR[1],
    Rule("gpu_id", "gpu_of_power", Basis.DEFAULT,
         "the latest of the years' most common accelerators that is rated at the power told",
         _gpu_of_power, needs=("gpu_max_w",)),
    Rule("gpu_id", "gpu_common_in_year", Basis.DEFAULT,
         "the most common accelerator of the year (fine-tuning page)", _common("gpu_id")),
    Rule("gpu_model", "gpu_model_of_id", Basis.DEFAULT, "named after the accelerator taken",
         by_itself(lambda frame: frame["gpu_id"])),
    *machine.CLASS_OF_HOST,
    Rule("server_id", "server_named", Basis.DISCLOSED, "the name means one server",
         by_name("servers", "server_model", ambiguous=False), needs=("server_model",)),
    Rule("server_id", "server_name_ambiguous", Basis.DISCLOSED,
         "the name means several variants; the usual one is taken",
         by_name("servers", "server_model", ambiguous=True), needs=("server_model",)),
    Rule("server_id", "server_of_instance", Basis.REFERENCE, "the platform of the instance type",
         _of_instance("server_id"), needs=("instance_type",)),
    Rule("server_id", "server_of_managed_service", Basis.DEFAULT,
         "the server of the service's execution profile", _of_managed("server_id"),
         needs=("managed_service",)),
    *machine.HOST,
    Rule("server_id", "server_of_gpu", Basis.DEFAULT, "a server built for the accelerator",
         _server_of_gpu),
    Rule("server_id", "server_common_in_year", Basis.DEFAULT,
         "the most common server of the year (fine-tuning page)", _common("server_id")),
    Rule("server_model", "server_model_of_id", Basis.DEFAULT, "named after the server taken",
         by_itself(lambda frame: frame["server_id"])),
    Rule("gpu_count", "gpu_count_in_name", Basis.DISCLOSED,
         "the number that stands beside the accelerator's name",
         _count_in_name("gpus", "gpu_model", SLICES), needs=("gpu_model",)),
    Rule("gpu_count", "gpu_count_of_instance", Basis.REFERENCE, "accelerators of the instance type",
         _of_instance("gpu_count"), needs=("instance_type",)),
    Rule("gpu_count", "gpu_count_in_instance_name", Basis.DISCLOSED,
         "the number that stands in the instance type",
         _count_in_name("instances", "instance_type", INSTANCES), needs=("instance_type",)),
    Rule("gpu_count", "gpus_that_took_batches", Basis.DISCLOSED,
         "as many accelerators as devices took batches of their own",
         by_itself(lambda frame: frame["world_size"].where(frame["gpu_id"] != NO_GPU)),
         needs=("world_size",)),
    Rule("gpu_count", "gpu_count_of_managed_service", Basis.DEFAULT,
         "accelerators of the service's execution profile", _gpus_of_managed,
         needs=("managed_service",)),
    Rule("gpu_count", "gpus_for_work", Basis.PREDICTED,
         "as many accelerators as hold weights, gradients and optimiser states", _gpus_for_work,
         needs=("gpu_id", "model_parameters")),
    Rule("gpu_count", "gpus_fill_servers", Basis.DEFAULT,
         "the servers are used whole; 1 server if none is named", _gpus_fill_servers),
    Rule("server_count", "server_share_of_instance", Basis.REFERENCE,
         "the instance's share of its platform", _of_instance("server_share"),
         needs=("instance_type",)),
    Rule("server_count", "server_share_of_managed_service", Basis.DEFAULT,
         "the accelerators' share of the server", _managed_share, needs=("managed_service",)),
    Rule("server_count", "share_of_host", Basis.DEFAULT,
         "the accelerators' share of their host; up to the whole, which a run may have held",
         _shared_host),
    Rule("server_count", "one_server", Basis.DEFAULT, "1 server for fine-tuning (fine-tuning page)",
         _one_server),
    Rule("server_count", "servers_for_gpus", Basis.DEFAULT,
         "as many servers as hold the accelerators", _servers_for_gpus),
)  # fmt: skip
"""Which accelerators and servers, and how many."""

FACTORS = (
    *machine.FACTORS[-4:],
    *(Rule(name, "no_gpu", Basis.MEASURED, "the log says that no accelerator was used",
           by_itself(_nothing))
      for name in ("gpu_max_w", "gpu_idle_w", "gpu_embodied_kgco2e", "gpu_embodied_water_l")),
    _power("gpus", "tdp_w", "gpu_max_w"),
    _power("gpus", "idle_w", "gpu_idle_w"),
    *machine.FACTORS[:-4],
    Rule("cpu_count", "cpu_count_of_server", Basis.REFERENCE,
         "cpu_count of the server in servers.csv", _sockets),
    *(_power("servers", name, name) for name in ("cpu_max_w", "cpu_idle_w", "host_idle_w",
                                                 "memory_w")),
    Rule("gpu_fan_w", "fans_of_server", Basis.REFERENCE,
         "gpu_fan_w of the server in servers.csv; 0 where nobody measured it", _fans),
    Rule("gpu_embodied_kgco2e", "instance_share", Basis.REFERENCE,
         "one accelerator's share of a whole instance (published profile)", _instance_share,
         choice="instance_embodied_as_gpu"),
    Rule("gpu_embodied_kgco2e", "gpu_embodied", Basis.REFERENCE,
         "making of one accelerator, by precedence of the sources",
         _making("gpu_embodied", "gpu_id", "embodied_kgco2e", "p05", "p95")),
    Rule("gpu_embodied_water_l", "gpu_embodied_water", Basis.REFERENCE,
         "water used in making one accelerator",
         _making("gpu_water", "gpu_id", "embodied_water_l", "p05", "p95")),
    Rule("server_embodied_kgco2e", "server_embodied", Basis.REFERENCE,
         "making of one server without accelerators",
         _making("servers", "server_id", "embodied_kgco2e", "embodied_p05", "embodied_p95")),
    Rule("server_embodied_water_l", "server_embodied_water", Basis.REFERENCE,
         "water used in making one server's chips",
         _making("servers", "server_id", "embodied_water_l", "water_p05", "water_p95")),
    Rule("hardware_use_life_h", "hardware_use_life", Basis.DEFAULT,
         "use life of AI hardware (cluster page)", by_default("hardware_use_life_h")),
    Rule("share_reserved", "share_reserved", Basis.DEFAULT,
         "share of the use life that is reserved (cluster page)", by_default("share_reserved")),
)  # fmt: skip
"""Power and making of the hardware."""
