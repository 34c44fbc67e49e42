"""Profiles of the methodology: which choice each contested step takes, and why.

Put here: named switches and the profiles that set them. Keep out: the arithmetic
(`equations.py`) and the factors (`reference_data/`).

`default` is this project's reading of the methodology with its errors mended; `scope3-2024`
reproduces the published worked examples, quirks included.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Profile:
    """A choice for each contested step; every switch is off in `default`."""

    name: str
    flat_gpu_power: bool = False
    instance_embodied_as_gpu: bool = False
    electricity_water_without_pue: bool = False
    embodied_water_of_final_run_only: bool = False
    embodied_water_of_gpus_only: bool = False
    grid_as_published: bool = False
    us_average_wue: bool = False
    counters_as_plug: bool = False
    significant_digits: int | None = None
    whole_servers: bool = False


REASONS: dict[str, str] = {
    "flat_gpu_power": (
        "Energy is GPU hours x 0.428 kW for every accelerator (an A100's share of a p4d instance), "
        "whatever the hardware and its utilisation. Off: idle, memory, CPU and GPU power apart, "
        "and reserved hours that were not active count."
    ),
    "instance_embodied_as_gpu": (
        "318 kgCO2e per GPU, which is one eighth of a whole instance, is used beside a server of "
        "its own, so the host counts twice. Off: the card alone, and the server without cards."
    ),
    "electricity_water_without_pue": (
        "Electricity water is taken from the computing energy. Off: from the facility's, because "
        "cooling draws electricity too (the published page names this as its own open point)."
    ),
    "embodied_water_of_final_run_only": (
        "Embodied water counts the hours of the final run although energy and embodied carbon "
        "count intermediate runs too. Off: the same hours everywhere."
    ),
    "embodied_water_of_gpus_only": (
        "Embodied water counts the accelerators alone although the formula names CPUs and memory. "
        "Off: the servers' chips count too."
    ),
    "grid_as_published": (
        "A grid row serves as its publisher gives it: stacks alone (eGRID, Google, national "
        "inventories) or the life cycle (Our World in Data). Off: all results are on the life "
        "cycle, and a direct row is raised by its country's supply of fuels and building of plants "
        "(grid_upstream), since two clouds in one town else differ by more than tenfold; the "
        "direct part stays beside it for a Scope 2 account."
    ),
    "us_average_wue": (
        "Where neither region nor provider tells, 1.8 L/kWh, the training page's average of the "
        "USA, serves everywhere. Off: the same laboratory's later figure for the USA (0.38 in "
        "2023), with a wide interval."
    ),
    "counters_as_plug": (
        "Energy that software counted is taken for that at the plug. Off: the power of boards, "
        "fans, disks and network and the losses of power supplies are added by class of host, "
        "because counters do not see them; the BERT study of the fine-tuning page scales its "
        "software figures by a meter for the same reason."
    ),
    "significant_digits": (
        "The published example carries per-hour figures on with three digits (0.471 kWh, 7.27 kg, "
        "4.75 L), and whole days and GPU hours. Off: nothing is rounded before the end."
    ),
    "whole_servers": (
        "Hosts are counted whole, so that one accelerator of eight pays for all of its server. "
        "Off: a run pays for its accelerators' share of the host, as the published formula of a "
        "GPU hour divides idle power by the host's GPUs."
    ),
}
"""What each switch does when on, and what `default` does instead."""

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("default"),
        Profile(
            "scope3-2024",
            flat_gpu_power=True,
            instance_embodied_as_gpu=True,
            electricity_water_without_pue=True,
            embodied_water_of_final_run_only=True,
            embodied_water_of_gpus_only=True,
            grid_as_published=True,
            us_average_wue=True,
            counters_as_plug=True,
            significant_digits=3,
            whole_servers=True,
        ),
    )
}


def profile(name: str) -> Profile:
    """Return a profile by name.

    Raises
    ------
    ValueError
        If no profile has the name.
    """
    if name not in PROFILES:
        near = difflib.get_close_matches(name, PROFILES, n=1, cutoff=0.0)
        msg = f"no profile {name!r}; there are {', '.join(PROFILES)} (did you mean {near[0]!r}?)"
        raise ValueError(msg)
    return PROFILES[name]


def switches(chosen: Profile) -> dict[str, str]:
    """Return the switches that are on in a profile, with what each does."""
    return {
        field.name: REASONS[field.name]
        for field in fields(chosen)
        if field.name != "name" and getattr(chosen, field.name)
    }
