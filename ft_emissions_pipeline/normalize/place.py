"""Rules for where the run computed: region, country, and the factors of the place.

Put here: location, PUE, WUE, electricity water. Keep out: grid carbon intensity (`grid.py`) and the
hardware.

The chain for each factor goes from the nearest place to the widest, as `precedence.md` beside the
reference tables writes it down; the place that answered stands in the factor's id.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd

from ft_emissions_pipeline.normalize.columns import Frame
from ft_emissions_pipeline.normalize.filling import Answer, Context, Offer, Rule, unknown_names
from ft_emissions_pipeline.reference import (
    Reference,
    alternatives_log_sd,
    at_year,
    default,
    places,
    resolve,
    take,
)
from ft_emissions_pipeline.reference.names import coded, named, strings
from ft_emissions_pipeline.tables.words import Basis

DEFAULT_COUNTRY = "USA"
"""The fine-tuning page's stand-in for an unknown location.

In its words, "the US as a relatively high-carbon country".
"""

NAMED = ("cloud_region", "location")
"""Fields that may name a cloud region."""

Keys = Callable[[pd.DataFrame, Context], pd.Series]

_ZONES_OF_REGIONS = (
    r"^([a-z]{2}(?:-gov)?-[a-z]+-\d)-.+$",
    r"^(.*\d)-?[a-z]$",
    r"^([a-z]{2}-[a-z]{3})-\d$",
    r"^([a-z]+\d?)-\d$",
)
"""Zones within regions.

`us-west-2-lax-1a`, `us-east-1b` and `europe-west4-a`, `fr-par-1`, `eastus-1`.
"""


def region_id(frame: Frame, context: Context) -> pd.Series:
    """Return each run's cloud region as `provider:region`, missing where none is known."""
    names = ("managed_service", "cloud_provider", "cloud_region", "location")
    codes, words = coded([frame[name] for name in names])
    ids = [_region(context.reference, *each) for each in words]
    return pd.Series(strings(ids).take(codes), index=frame.index)


@lru_cache(maxsize=65536)
def _region(reference: Reference, service: object, cloud: object, *names: object) -> str | None:
    """Return the region that the first of some names with a meaning stands for."""
    provider = named(reference, "providers", _provider_word(service, cloud)).id
    spellings = ((name, _without_zone(name)) for name in names if isinstance(name, str))
    texts = (text for pair in spellings for text in pair if text)
    ids = (named(reference, "cloud_regions", text, provider).id for text in texts)
    return next(filter(None, ids), None)


def _without_zone(name: str) -> str | None:
    """Return the region of a name that looks like one of a region's zones."""
    if len(name) >= _LONGEST_ZONE:
        return None
    found = (re.match(zone, name.strip().lower()) for zone in _ZONES_OF_REGIONS)
    return next((match[1] for match in found if match), None)


_LONGEST_ZONE = 60
"""Characters; a longer text is no name of a zone."""


def _provider_word(service: object, cloud: object) -> object:
    """Return the provider as logged, else the first word of the service."""
    if isinstance(cloud, str) or not isinstance(service, str):
        return cloud
    word = re.match(r"\S+", service)
    return word and word[0]


def _of_region(column: str) -> Answer:
    def offer(frame: Frame, context: Context) -> Offer:
        row = _in_region(frame, context, column)
        return Offer(row[column], factor_id=row["factor_id"])

    return offer


def _country_of(part: str) -> Answer:
    """Take the country of a place that the location names by its country, a state or a city."""

    def offer(frame: Frame, context: Context) -> Offer:
        found = places(context.reference, frame["location"])
        named = found["named_by"] == part
        return Offer(found["country_iso3"].where(named), factor_id=found["alias_factor_id"])

    return offer


def _default_country(frame: Frame, context: Context) -> Offer:
    notes = [
        unknown_names(frame[name], "cloud_regions", context)
        for name in ("cloud_region", "location")
    ]
    return Offer(
        pd.Series(DEFAULT_COUNTRY, index=frame.index, dtype="str"), note=notes[0].fillna(notes[1])
    )


def country(frame: Frame, _: Context) -> pd.Series:
    """Return each run's country, ISO 3166-1 in three letters."""
    return frame["country_iso3"]


@lru_cache(maxsize=8)
def _countries(reference: Reference, table: str, rank: int | None) -> list[str]:
    rows = reference.tables[table]
    there = (rows["zone_type"] == "country") & (rank is None or rows["rank"] == rank)
    return list(rows.loc[there, "zone"].unique())


def country_or_world(
    frame: Frame, context: Context, table: str, rank: int | None = None
) -> pd.DataFrame:
    """Return the zone of each run: its country where the table has it, else the world."""
    known = frame["country_iso3"].isin(_countries(context.reference, table, rank))
    return pd.DataFrame(
        {
            "zone_type": np.where(known, "country", "world"),
            "zone": frame["country_iso3"].where(known, "WORLD"),
        }
    )


def _in_region(frame: Frame, context: Context, *columns: str) -> pd.DataFrame:
    found = region_id(frame, context)
    return take(context.reference, "cloud_regions", found, columns, on=frame["date"])


def subregion(frame: Frame, context: Context) -> pd.Series:
    """Return the eGRID subregion of each run's cloud region."""
    return _in_region(frame, context, "egrid_subregion")["egrid_subregion"]


def state(frame: Frame, context: Context) -> pd.Series:
    """Return the state or province by ISO 3166-2: of the cloud region, else of the location."""
    region = _in_region(frame, context, "us_state", "subdivision", "country_iso3")
    of_region = ("US-" + region["us_state"]).fillna(region["subdivision"])
    named = places(context.reference, frame["location"], frame["country_iso3"])["subdivision"]
    return of_region.where(region["country_iso3"].notna(), named)


def world(frame: Frame, _: Context) -> pd.Series:
    """Return the key of the world's rows for each run."""
    return pd.Series("WORLD", index=frame.index, dtype="str")


def _provider(frame: Frame, context: Context) -> pd.Series:
    pairs = zip(frame["managed_service"], frame["cloud_provider"], strict=True)
    words = pd.Series([_provider_word(*pair) for pair in pairs], frame.index, dtype="str")
    return resolve(context.reference, "providers", words)["id"]


def _datacenter(metric: str, scope: str, keys: Keys, gsd: str) -> Answer:
    def offer(frame: Frame, context: Context) -> Offer:
        wanted = pd.DataFrame({"scope": scope, "key": keys(frame, context), "metric": metric})
        found = at_year(context.reference, "datacenter", wanted, frame["date"].dt.year, "value")
        age = (frame["date"].dt.year - found["year"]).abs()
        return Offer(
            found["value"],
            factor_id=found["factor_id"],
            log_sd=np.hypot(
                context.log_gsd(gsd, frame["date"]), _of_age(age, frame["date"], context)
            ),
            note=year_note(found),
        )

    return offer


def _of_age(years: pd.Series, days: pd.Series, context: Context) -> np.ndarray:
    """Return what a factor's age adds, by the pedigree matrix's scores of temporal correlation."""
    scores = [context.log_gsd(f"gsd_pedigree_temporal_{score}", days) for score in (2, 3, 4, 5)]
    return np.select([years < limit for limit in (3, 6, 10, 15)], [0.0, *scores[:3]], scores[3])


def year_note(found: pd.DataFrame) -> pd.Series:
    """Say so where another year's factor had to serve."""
    words = (
        found["match"]
        .map({"earlier_year": "nearest earlier year", "later_year": "nearest later year"})
        .astype("str")
    )
    year = found["year"].map("{:.0f}".format, na_action="ignore").astype("str")
    return words + ", " + year


def _usual_wue(frame: Frame, context: Context) -> Offer:
    found = default(context.reference, "scope3_wue_l_per_kwh")
    return Offer(
        pd.Series(found.value, index=frame.index),
        factor_id=found.factor_id,
        log_sd=context.log_gsd("gsd_wue_country", frame["date"]),
    )


def _electricity_water(zone_type: str, keys: Keys, gsd: str) -> Answer:
    def offer(frame: Frame, context: Context) -> Offer:
        wanted = pd.DataFrame({"zone_type": zone_type, "zone": keys(frame, context)})
        row = take(context.reference, "electricity_water", wanted, ["l_per_kwh"], on=frame["date"])
        others = alternatives_log_sd(context.reference, "electricity_water", wanted)
        spread = np.maximum(context.log_gsd(gsd, frame["date"]), others)
        return Offer(row["l_per_kwh"], factor_id=row["factor_id"], log_sd=spread)

    return offer


RESERVOIRS_LEFT_OUT = 98
"""Rank of the figures of electricity water without what evaporates from reservoirs."""


def _without_reservoirs(frame: Frame, context: Context) -> Offer:
    wanted = country_or_world(frame, context, "electricity_water", RESERVOIRS_LEFT_OUT)
    wanted["rank"] = RESERVOIRS_LEFT_OUT
    found = take(context.reference, "electricity_water", wanted, ["l_per_kwh"], on=frame["date"])
    return Offer(
        found["l_per_kwh"].clip(upper=frame["electricity_water_l_per_kwh"].astype("float64")),
        factor_id=found["factor_id"],
        log_sd=context.log_gsd("gsd_electricity_water", frame["date"]),
    )


LOCATION = (
    Rule("cloud_provider", "provider_of_region", Basis.DISCLOSED, "the provider of the region",
         _of_region("provider"), needs=(NAMED,)),
    Rule("country_iso3", "country_of_region", Basis.DISCLOSED, "the country of the cloud region",
         _of_region("country_iso3"), needs=(NAMED,)),
    Rule("country_iso3", "country_named", Basis.DISCLOSED, "the country that the location names",
         _country_of("country"), needs=("location",)),
    Rule("country_iso3", "country_of_state", Basis.DISCLOSED,
         "the country of the state or province that the location names", _country_of("state"),
         needs=("location",)),
    Rule("country_iso3", "country_of_city", Basis.DISCLOSED,
         "the country of the city that the location names, of those with a cloud region",
         _country_of("city"), needs=("location",)),
    Rule("country_iso3", "country_default", Basis.DEFAULT,
         "the US, as a relatively high-carbon country (fine-tuning page)", _default_country),
)  # fmt: skip
"""Where the servers stood."""

FACTORS = (
    *(
        Rule(field, f"{metric}_of_{scope}", Basis.DEFAULT, f"{metric.upper()} of the {words}",
             _datacenter(name, scope, keys, f"gsd_{metric}_{spread}"), needs=(named,))
        for field, metric, name in (("pue", "pue", "pue"),
                                    ("wue_l_per_kwh", "wue", "wue_l_per_kwh"))
        for scope, words, keys, spread, named in (
            ("region", "cloud region", region_id, "region", NAMED),
            ("provider", "cloud provider", _provider, "provider",
             ("managed_service", "cloud_provider")),
        )
    ),
    Rule("wue_l_per_kwh", "wue_of_profile", Basis.DEFAULT,
         "1.8 L/kWh wherever region and provider do not tell, in profile scope3-2024", _usual_wue,
         choice="us_average_wue"),
    *(
        Rule(field, f"{metric}_of_{scope}", Basis.DEFAULT, f"{metric.upper()} of the {scope}",
             _datacenter(name, scope, keys, f"gsd_{metric}_{scope}"))
        for field, metric, name in (("pue", "pue", "pue"),
                                    ("wue_l_per_kwh", "wue", "wue_l_per_kwh"))
        for scope, keys in (("country", country), ("world", world))
    ),
    Rule("electricity_water_l_per_kwh", "electricity_water_of_egrid_subregion", Basis.REFERENCE,
         "the eGRID subregion of the cloud region",
         _electricity_water("egrid_subregion", subregion, "gsd_electricity_water"), needs=(NAMED,)),
    Rule("electricity_water_l_per_kwh", "electricity_water_of_country", Basis.REFERENCE,
         "the country", _electricity_water("country", country, "gsd_electricity_water")),
    Rule("electricity_water_l_per_kwh", "electricity_water_of_world", Basis.DEFAULT,
         "the world's mean, where the country has no figure",
         _electricity_water("world", world, "gsd_electricity_water_world")),
    Rule("electricity_water_without_reservoirs_l_per_kwh", "electricity_water_without_reservoirs",
         Basis.REFERENCE,
         "the country's mix without reservoirs, beside the figure with them", _without_reservoirs,
         amounts=("electricity_water_l_per_kwh",)),
)  # fmt: skip
"""Factors of the place."""
