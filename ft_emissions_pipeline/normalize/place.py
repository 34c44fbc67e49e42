"""Rules for where the run computed: region, country, and the factors of the place.

Put here: location, PUE, WUE, grid carbon intensity, electricity water. Keep out: the hardware.

The chain for each factor goes from the nearest place to the widest, as `precedence.md` beside the
reference tables writes it down; the place that answered stands in the factor's id. Your own factors
go first, hourly ones before others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ft_emissions_pipeline.equations import GRAMS_PER_KG
from ft_emissions_pipeline.normalize.filling import (
    Answer,
    Context,
    Offer,
    Rule,
    apply,
    unknown_names,
)
from ft_emissions_pipeline.reference import alternatives_log_sd, at_year, hourly_grid, resolve, take
from ft_emissions_pipeline.tables.words import Basis

DEFAULT_COUNTRY = "USA"
"""The fine-tuning page's stand-in for an unknown location: "the US as a relatively high-carbon country"."""

Keys = Callable[[pd.DataFrame, Context], pd.Series]


def region_id(frame: pd.DataFrame, context: Context) -> pd.Series:
    """Return each run's cloud region as `provider:region`, missing where none is known."""
    return _region(frame, context)["id"]


def _region(frame: pd.DataFrame, context: Context) -> pd.DataFrame:
    provider = resolve(context.reference, "providers", _provider_words(frame))["id"]
    named = resolve(context.reference, "cloud_regions", frame["cloud_region"], provider)
    located = resolve(context.reference, "cloud_regions", frame["location"], provider)
    return named.where(named["id"].notna(), located)


def _provider_words(frame: pd.DataFrame) -> pd.Series:
    service = frame["managed_service"].str.extract(r"^(\S+)", expand=False)
    return frame["cloud_provider"].fillna(service)


def _of_region(column: str) -> Answer:
    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        found = _region(frame, context)
        row = take(context.reference, "cloud_regions", found["id"], [column], on=frame["date"])
        return Offer(row[column], factor_id=row["factor_id"])

    return offer


def _country_named(frame: pd.DataFrame, context: Context) -> Offer:
    found = resolve(context.reference, "countries", frame["location"])
    return Offer(found["id"], factor_id=found["alias_factor_id"])


def _country_of_state(frame: pd.DataFrame, context: Context) -> Offer:
    """Take a US state, as CodeCarbon and disclosures name it, for a place in the USA."""
    found = resolve(context.reference, "us_states", frame["location"])
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


def _in_region(frame: pd.DataFrame, context: Context, column: str) -> pd.Series:
    found = region_id(frame, context)
    rows = take(context.reference, "cloud_regions", found, [column], on=frame["date"])
    return rows[column]


def _subregion(frame: pd.DataFrame, context: Context) -> pd.Series:
    return _in_region(frame, context, "egrid_subregion")


def _state(frame: pd.DataFrame, context: Context) -> pd.Series:
    of_region = "US-" + _in_region(frame, context, "us_state")
    named = resolve(context.reference, "us_states", frame["location"])["id"]
    return of_region.where(of_region.notna(), named)


def _world(frame: pd.DataFrame, _: Context) -> pd.Series:
    return pd.Series("WORLD", index=frame.index, dtype="str")


def _provider(frame: pd.DataFrame, context: Context) -> pd.Series:
    return resolve(context.reference, "providers", _provider_words(frame))["id"]


def _datacenter(metric: str, scope: str, keys: Keys, gsd: str) -> Answer:
    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        wanted = pd.DataFrame({"scope": scope, "key": keys(frame, context), "metric": metric})
        found = at_year(context.reference, "datacenter", wanted, frame["date"].dt.year, "value")
        age = (frame["date"].dt.year - found["year"]).abs()
        return Offer(
            found["value"],
            factor_id=found["factor_id"],
            log_sd=np.hypot(
                context.log_gsd(gsd, frame["date"]), _of_age(age, frame["date"], context)
            ),
            note=_match(found),
        )

    return offer


def _of_age(years: pd.Series, days: pd.Series, context: Context) -> np.ndarray:
    """Return what a factor's age adds, by the pedigree matrix's scores of temporal correlation."""
    scores = [context.log_gsd(f"gsd_pedigree_temporal_{score}", days) for score in (2, 3, 4, 5)]
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


def _grid(zone_type: str, keys: Keys, gsd: str, other: tuple[str, Keys] | None = None) -> Answer:
    """Take a zone's factor; `other` is a zone of equal standing, whose distance counts as spread."""

    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        wanted = pd.DataFrame({"zone_type": zone_type, "zone": keys(frame, context)})
        found = at_year(
            context.reference, "grid_intensity", wanted, frame["date"].dt.year, "gco2e_per_kwh"
        )
        # What another year adds comes on top of what the width of the zone leaves open.
        another_year = (found["match"] != "same_year") * context.log_gsd(
            "gsd_grid_earlier_year", frame["date"]
        )
        log_sd = np.hypot(context.log_gsd(gsd, frame["date"]), another_year)
        if other is not None:
            equal = pd.DataFrame({"zone_type": other[0], "zone": other[1](frame, context)})
            says = at_year(
                context.reference, "grid_intensity", equal, frame["date"].dt.year, "gco2e_per_kwh"
            )["value"]
            # Root mean square over the two, the one that is taken being at no distance.
            apart = np.abs(np.log(says / found["value"])) / np.sqrt(2)
            log_sd = np.maximum(log_sd, apart.fillna(0.0))
        return Offer(
            found["value"] / GRAMS_PER_KG,
            factor_id=found["factor_id"],
            log_sd=log_sd,
            note=_match(found),
        )

    return offer


ZONES: tuple[tuple[str, Keys], ...] = (
    ("cloud_region", region_id),
    ("egrid_subregion", _subregion),
    ("us_state", _state),
    ("country", _country),
    ("world", _world),
)
"""The chain of zones, the narrowest first."""


def _own_hours(frame: pd.DataFrame, context: Context) -> Offer:
    """Average your hourly factors over the hours of the run, or over its day where they are a guess."""
    found = pd.DataFrame({"gco2e_per_kwh": np.nan, "covered": np.nan}, index=frame.index)
    found["factor_id"] = pd.Series(np.nan, index=frame.index, dtype="str")
    if not context.reference.hours:
        return Offer(found["gco2e_per_kwh"])
    guessed = pd.Series(context.imputed("started_at", frame.index), index=frame.index)
    start = frame["started_at"].mask(guessed, frame["started_at"].dt.floor("D"))
    end = frame["ended_at"].mask(guessed, frame["ended_at"].dt.ceil("D"))
    for zone_type, keys in ZONES:
        zones = keys(frame, context).where(found["factor_id"].isna())
        here = hourly_grid(context.reference, zone_type, zones, start, end)
        found = found.where(here["factor_id"].isna(), here)
    days = frame["date"]
    uncovered = (1 - found["covered"]) * context.log_gsd("gsd_grid_same_year", days)
    said = found["covered"].map("your hourly factors cover {:.1%} of the run".format, "ignore")
    note = said.astype("str") + guessed.map(
        {True: "'s days, as its hours are not known", False: ""}
    )
    return Offer(
        found["gco2e_per_kwh"] / GRAMS_PER_KG,
        factor_id=found["factor_id"],
        log_sd=np.hypot(context.log_gsd("gsd_grid_hours", days), uncovered),
        note=note,
    )


def _own(accounting: str) -> Answer:
    """Take your own factor for the narrowest zone; it holds within its period only."""

    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        columns = ["gco2e_per_kwh", "factor_id"]
        found = pd.DataFrame(np.nan, index=frame.index, columns=columns[:1])
        found["factor_id"] = pd.Series(np.nan, index=frame.index, dtype="str")
        if context.reference.tables["own_grid"].empty:
            return Offer(found["gco2e_per_kwh"])
        for zone_type, keys in ZONES:
            zones = keys(frame, context).where(found["factor_id"].isna())
            wanted = pd.DataFrame({"accounting": accounting, "zone_type": zone_type, "zone": zones})
            here = take(
                context.reference,
                "own_grid",
                wanted,
                columns[:1],
                on=frame["date"],
                only_in_force=True,
            )
            found = found.where(here["factor_id"].isna(), here)
        return Offer(
            found["gco2e_per_kwh"] / GRAMS_PER_KG,
            factor_id=found["factor_id"],
            log_sd=context.log_gsd("gsd_disclosed", frame["date"]),
        )

    return offer


def _electricity_water(zone_type: str, keys: Keys, gsd: str) -> Answer:
    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        wanted = pd.DataFrame({"zone_type": zone_type, "zone": keys(frame, context)})
        row = take(context.reference, "electricity_water", wanted, ["l_per_kwh"], on=frame["date"])
        others = alternatives_log_sd(context.reference, "electricity_water", wanted)
        log_sd = np.maximum(context.log_gsd(gsd, frame["date"]), others)
        return Offer(row["l_per_kwh"], factor_id=row["factor_id"], log_sd=log_sd)

    return offer


LOCATION = (
    Rule("cloud_provider", "provider_of_region", Basis.DISCLOSED, "the provider of the region", _of_region("provider")),
    Rule("country_iso3", "country_of_region", Basis.DISCLOSED, "the country of the cloud region", _of_region("country_iso3")),
    Rule("country_iso3", "country_named", Basis.DISCLOSED, "the country that the location names", _country_named),
    Rule("country_iso3", "country_of_state", Basis.DISCLOSED, "the country of the state that the location names",
         _country_of_state),
    Rule("country_iso3", "country_default", Basis.DEFAULT,
         "the US, as a relatively high-carbon country (fine-tuning page)", _default_country),
)  # fmt: skip
"""Where the servers stood."""

FACTORS = (
    *(
        Rule(field, f"{metric}_of_{scope}", Basis.DEFAULT, f"{metric.upper()} of the {words}",
             _datacenter(name, scope, keys, f"gsd_{metric}_{spread}"))
        for field, metric, name in (("pue", "pue", "pue"), ("wue_l_per_kwh", "wue", "wue_l_per_kwh"))
        for scope, words, keys, spread in (
            ("region", "cloud region", region_id, "region"),
            ("provider", "cloud provider", _provider, "provider"),
            ("country", "country", _country, "country"),
            ("world", "world", _world, "world"),
        )
    ),
    Rule("grid_kgco2e_per_kwh", "grid_of_own_hours", Basis.DISCLOSED,
         "your own hourly factors, averaged over the run's hours; the year's mean stands in for hours without one",
         _own_hours),
    Rule("grid_kgco2e_per_kwh", "grid_of_own_table", Basis.DISCLOSED,
         "your own factor for the narrowest of region, subregion, state, country and world", _own("location-based")),
    Rule("grid_kgco2e_per_kwh", "grid_of_cloud_region", Basis.REFERENCE, "the provider's own figure for the region",
         _grid("cloud_region", region_id, "gsd_grid_same_year")),
    Rule("grid_kgco2e_per_kwh", "grid_of_egrid_subregion", Basis.REFERENCE, "the eGRID subregion of the cloud region",
         _grid("egrid_subregion", _subregion, "gsd_grid_same_year", other=("us_state", _state))),
    Rule("grid_kgco2e_per_kwh", "grid_of_us_state", Basis.REFERENCE, "the state of the cloud region or location",
         _grid("us_state", _state, "gsd_grid_same_year")),
    Rule("grid_kgco2e_per_kwh", "grid_of_country", Basis.REFERENCE, "the country's production mix",
         _grid("country", _country, "gsd_grid_country_for_region")),
    Rule("grid_kgco2e_per_kwh", "grid_of_world", Basis.DEFAULT, "the world's mean, where the country has no figure",
         _grid("world", _world, "gsd_grid_world")),
    Rule("market_kgco2e_per_kwh", "market_of_own_table", Basis.DISCLOSED,
         "your contracts' factor, beside the grid's; without one there is no market-based figure",
         _own("market-based")),
    Rule("electricity_water_l_per_kwh", "electricity_water_of_egrid_subregion", Basis.REFERENCE,
         "the eGRID subregion of the cloud region",
         _electricity_water("egrid_subregion", _subregion, "gsd_electricity_water")),
    Rule("electricity_water_l_per_kwh", "electricity_water_of_country", Basis.REFERENCE, "the country",
         _electricity_water("country", _country, "gsd_electricity_water")),
    Rule("electricity_water_l_per_kwh", "electricity_water_of_world", Basis.DEFAULT,
         "the world's mean, where the country has no figure",
         _electricity_water("world", _world, "gsd_electricity_water_world")),
)  # fmt: skip
"""Factors of the place."""


def has_own_hours(runs: pd.DataFrame, context: Context) -> pd.Series:
    """Say which runs stood where your hourly factors are known, in their year or one beside it.

    Of these runs each hour matters; of two others in one place and year none does.

    Parameters
    ----------
    runs : DataFrame
        Rows of table `runs`.
    context : Context
        Holds the reference tables.
    """
    listed = context.reference.tables["own_grid_hours"]
    years = pd.concat([listed.assign(year=listed["year"] + apart) for apart in (-1, 0, 1)])
    frame, _ = apply(runs, LOCATION, context)
    found = np.zeros(len(frame), dtype=bool)
    for zone_type, keys in ZONES:
        known = pd.MultiIndex.from_frame(
            years.loc[years["zone_type"] == zone_type, ["zone", "year"]]
        )
        found |= pd.MultiIndex.from_arrays([keys(frame, context), frame["date"].dt.year]).isin(
            known
        )
    return pd.Series(found, index=runs.index)
