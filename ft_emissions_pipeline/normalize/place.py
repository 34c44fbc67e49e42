"""Rules for where the run computed: region, country, and the factors of the place.

Put here: location, PUE, WUE, grid carbon intensity, electricity water. Keep out: the hardware.

The chain for each factor goes from the nearest place to the widest, as `precedence.md` beside the
reference tables writes it down; the place that answered stands in the factor's id.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline.equations import GRAMS_PER_KG
from ft_emissions_pipeline.normalize.engine import (
    Answer,
    Context,
    Offer,
    Rule,
    unknown_names,
)

DEFAULT_COUNTRY = "USA"
"""The fine-tuning page's stand-in for an unknown location: "the US as a relatively high-carbon country"."""

Keys = Callable[[pd.DataFrame, Context], pd.Series]


def region_id(frame: pd.DataFrame, context: Context) -> pd.Series:
    """Return each run's cloud region as `provider:region`, missing where none is known."""
    return _region(frame, context)["id"]


def _region(frame: pd.DataFrame, context: Context) -> pd.DataFrame:
    provider = ref.resolve(context.reference, "providers", _provider_words(frame))["id"]
    named = ref.resolve(context.reference, "cloud_regions", frame["cloud_region"], provider)
    located = ref.resolve(context.reference, "cloud_regions", frame["location"], provider)
    return named.where(named["id"].notna(), located)


def _provider_words(frame: pd.DataFrame) -> pd.Series:
    service = frame["managed_service"].str.extract(r"^(\S+)", expand=False)
    return frame["cloud_provider"].fillna(service)


def _of_region(column: str) -> Answer:
    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        found = _region(frame, context)
        row = ref.take(context.reference, "cloud_regions", found["id"], [column])
        return Offer(row[column], factor_id=row["factor_id"])

    return offer


def _country_named(frame: pd.DataFrame, context: Context) -> Offer:
    found = ref.resolve(context.reference, "countries", frame["location"])
    return Offer(found["id"], factor_id=found["alias_factor_id"])


def _country_of_state(frame: pd.DataFrame, context: Context) -> Offer:
    """Take a US state, as CodeCarbon and disclosures name it, for a place in the USA."""
    found = ref.resolve(context.reference, "us_states", frame["location"])
    return Offer(
        found["id"].map(lambda _: "USA", na_action="ignore"), factor_id=found["alias_factor_id"]
    )


def _default_country(frame: pd.DataFrame, context: Context) -> Offer:
    notes = [
        unknown_names(frame[name], "cloud_regions", context)
        for name in ("cloud_region", "location")
    ]
    return Offer(
        pd.Series(DEFAULT_COUNTRY, index=frame.index, dtype="str"), note=notes[0].fillna(notes[1])
    )


def _country(frame: pd.DataFrame, _: Context) -> pd.Series:
    return frame["country_iso3"]


def _subregion(frame: pd.DataFrame, context: Context) -> pd.Series:
    found = region_id(frame, context)
    return ref.take(context.reference, "cloud_regions", found, ["egrid_subregion"])[
        "egrid_subregion"
    ]


def _state(frame: pd.DataFrame, context: Context) -> pd.Series:
    found = region_id(frame, context)
    of_region = ref.take(context.reference, "cloud_regions", found, ["us_state"])["us_state"]
    of_region = "US-" + of_region
    named = ref.resolve(context.reference, "us_states", frame["location"])["id"]
    return of_region.where(of_region.notna(), named)


def _world(frame: pd.DataFrame, _: Context) -> pd.Series:
    return pd.Series("WORLD", index=frame.index, dtype="str")


def _provider(frame: pd.DataFrame, context: Context) -> pd.Series:
    return ref.resolve(context.reference, "providers", _provider_words(frame))["id"]


def _log_gsd(context: Context, name: str) -> float:
    return float(np.log(ref.default(context.reference, name).value))


def _datacenter(metric: str, scope: str, keys: Keys, gsd: str) -> Answer:
    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        wanted = pd.DataFrame({"scope": scope, "key": keys(frame, context), "metric": metric})
        found = ref.at_year(context.reference, "datacenter", wanted, frame["date"].dt.year, "value")
        age = (frame["date"].dt.year - found["year"]).abs()
        return Offer(
            found["value"],
            factor_id=found["factor_id"],
            log_sd=np.hypot(_log_gsd(context, gsd), _of_age(age, context)),
            note=_match(found),
        )

    return offer


def _of_age(years: pd.Series, context: Context) -> np.ndarray:
    """Return what a factor's age adds, by the pedigree matrix's scores of temporal correlation."""
    scores = [_log_gsd(context, f"gsd_pedigree_temporal_{score}") for score in (2, 3, 4, 5)]
    return np.select([years < limit for limit in (3, 6, 10, 15)], [0.0, *scores[:3]], scores[3])


def _match(found: pd.DataFrame) -> pd.Series:
    """Say so where another year's factor had to serve."""
    words = (
        found["match"]
        .map({"earlier_year": "nearest earlier year", "later_year": "nearest later year"})
        .astype("str")
    )
    year = found["year"].map("{:.0f}".format, na_action="ignore").astype("str")
    return words + ", " + year


def _grid(zone_type: str, keys: Keys, gsd: str) -> Answer:
    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        wanted = pd.DataFrame({"zone_type": zone_type, "zone": keys(frame, context)})
        found = ref.at_year(
            context.reference, "grid_intensity", wanted, frame["date"].dt.year, "gco2e_per_kwh"
        )
        # What another year adds comes on top of what the width of the zone leaves open.
        another_year = (found["match"] != "same_year") * _log_gsd(context, "gsd_grid_earlier_year")
        spread = np.hypot(_log_gsd(context, gsd), another_year)
        return Offer(
            found["value"] / GRAMS_PER_KG,
            factor_id=found["factor_id"],
            log_sd=spread,
            note=_match(found),
        )

    return offer


def _electricity_water(zone_type: str, keys: Keys, gsd: str) -> Answer:
    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        wanted = pd.DataFrame({"zone_type": zone_type, "zone": keys(frame, context)})
        row = ref.take(context.reference, "electricity_water", wanted, ["l_per_kwh"])
        return Offer(row["l_per_kwh"], factor_id=row["factor_id"], log_sd=_log_gsd(context, gsd))

    return offer


LOCATION = (
    Rule("cloud_provider", "provider_of_region", "disclosed", "the provider of the region", _of_region("provider")),
    Rule("country_iso3", "country_of_region", "disclosed", "the country of the cloud region", _of_region("country_iso3")),
    Rule("country_iso3", "country_named", "disclosed", "the country that the location names", _country_named),
    Rule("country_iso3", "country_of_state", "disclosed", "the country of the state that the location names",
         _country_of_state),
    Rule("country_iso3", "country_default", "default",
         "the US, as a relatively high-carbon country (fine-tuning page)", _default_country),
)  # fmt: skip
"""Where the servers stood."""

FACTORS = (
    *(
        Rule(field, f"{metric}_of_{scope}", "default", f"{metric.upper()} of the {words}",
             _datacenter(name, scope, keys, f"gsd_{metric}_{spread}"))
        for field, metric, name in (("pue", "pue", "pue"), ("wue_l_per_kwh", "wue", "wue_l_per_kwh"))
        for scope, words, keys, spread in (
            ("region", "cloud region", region_id, "region"),
            ("provider", "cloud provider", _provider, "provider"),
            ("country", "country", _country, "country"),
            ("world", "world", _world, "world"),
        )
    ),
    Rule("grid_kgco2e_per_kwh", "grid_of_cloud_region", "disclosed", "the provider's own figure for the region",
         _grid("cloud_region", region_id, "gsd_grid_same_year")),
    Rule("grid_kgco2e_per_kwh", "grid_of_egrid_subregion", "disclosed", "the eGRID subregion of the cloud region",
         _grid("egrid_subregion", _subregion, "gsd_grid_same_year")),
    Rule("grid_kgco2e_per_kwh", "grid_of_us_state", "disclosed", "the state of the cloud region or location",
         _grid("us_state", _state, "gsd_grid_same_year")),
    Rule("grid_kgco2e_per_kwh", "grid_of_country", "disclosed", "the country's production mix",
         _grid("country", _country, "gsd_grid_country_for_region")),
    Rule("grid_kgco2e_per_kwh", "grid_of_world", "default", "the world's mean, where the country has no figure",
         _grid("world", _world, "gsd_grid_world")),
    Rule("electricity_water_l_per_kwh", "electricity_water_of_egrid_subregion", "disclosed",
         "the eGRID subregion of the cloud region",
         _electricity_water("egrid_subregion", _subregion, "gsd_electricity_water")),
    Rule("electricity_water_l_per_kwh", "electricity_water_of_country", "disclosed", "the country",
         _electricity_water("country", _country, "gsd_electricity_water")),
    Rule("electricity_water_l_per_kwh", "electricity_water_of_world", "default",
         "the world's mean, where the country has no figure",
         _electricity_water("world", _world, "gsd_electricity_water_world")),
)  # fmt: skip
"""Factors of the place."""
