"""Rules for where the run computed: region, country, and the factors of the place.

Put here: location, PUE, WUE, grid carbon intensity, electricity water. Keep out: the hardware.

The chain for each factor goes from the nearest place to the widest, as `precedence.md` beside the
reference tables writes it down; the place that answered stands in the factor's id. Your own factors
go first, hourly ones before others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from ft_emissions_pipeline import equations
from ft_emissions_pipeline.equations import GRAMS_PER_KG
from ft_emissions_pipeline.normalize.filling import (
    Answer,
    Context,
    Offer,
    Rule,
    apply,
    ranged,
    unknown_names,
)
from ft_emissions_pipeline.reference import (
    Reference,
    alternatives_log_sd,
    at_year,
    default,
    hourly_grid,
    places,
    resolve,
    take,
)
from ft_emissions_pipeline.tables.words import Basis
from ft_emissions_pipeline.uncertainty import MOST_LEANING, Z_95, log_sd_of_interval

DEFAULT_COUNTRY = "USA"
"""The fine-tuning page's stand-in for an unknown location.

In its words, "the US as a relatively high-carbon country".
"""

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


def region_id(frame: pd.DataFrame, context: Context) -> pd.Series:
    """Return each run's cloud region as `provider:region`, missing where none is known."""
    return _region(frame, context)["id"]


def _region(frame: pd.DataFrame, context: Context) -> pd.DataFrame:
    provider = resolve(context.reference, "providers", _provider_words(frame))["id"]
    found = pd.DataFrame({"id": np.nan}, index=frame.index).astype("str")
    for name in ("cloud_region", "location"):
        for text in (frame[name], _without_zone(frame[name])):
            named = resolve(context.reference, "cloud_regions", text, provider)
            found = found.where(found["id"].notna(), named[["id"]])
    return found


def _without_zone(names: pd.Series) -> pd.Series:
    """Return the region of each name that looks like one of a region's zones, else missing."""
    known = names.dropna().unique()
    regions = {}
    for name in known[[len(name) < _LONGEST_ZONE for name in known]]:
        found = (re.match(zone, name.strip().lower()) for zone in _ZONES_OF_REGIONS)
        regions[name] = next((match[1] for match in found if match), None)
    return names.map(regions).astype("str")


_LONGEST_ZONE = 60
"""Characters; a longer text is no name of a zone."""


def _provider_words(frame: pd.DataFrame) -> pd.Series:
    service = frame["managed_service"].str.extract(r"^(\S+)", expand=False)
    return frame["cloud_provider"].fillna(service)


def _of_region(column: str) -> Answer:
    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        found = _region(frame, context)
        row = take(context.reference, "cloud_regions", found["id"], [column], on=frame["date"])
        return Offer(row[column], factor_id=row["factor_id"])

    return offer


def _country_of(part: str) -> Answer:
    """Take the country of a place that the location names by its country, a state or a city."""

    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        found = places(context.reference, frame["location"])
        named = found["named_by"] == part
        return Offer(found["country_iso3"].where(named), factor_id=found["alias_factor_id"])

    return offer


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


def _in_region(frame: pd.DataFrame, context: Context, *columns: str) -> pd.DataFrame:
    found = region_id(frame, context)
    return take(context.reference, "cloud_regions", found, columns, on=frame["date"])


def _subregion(frame: pd.DataFrame, context: Context) -> pd.Series:
    return _in_region(frame, context, "egrid_subregion")["egrid_subregion"]


def _state(frame: pd.DataFrame, context: Context) -> pd.Series:
    """Return the state or province by ISO 3166-2: of the cloud region, else of the location."""
    region = _in_region(frame, context, "us_state", "subdivision", "country_iso3")
    of_region = ("US-" + region["us_state"]).fillna(region["subdivision"])
    named = places(context.reference, frame["location"], frame["country_iso3"])["subdivision"]
    return of_region.where(region["country_iso3"].notna(), named)


def _region_beside(frame: pd.DataFrame, context: Context) -> pd.Series:
    """Return a cloud region with a figure, in the run's state or, if states lack rows, country."""
    place = _state(frame, context).fillna(frame["country_iso3"])
    return place.map(_regions_with_figures(context.reference)).astype("str")


@lru_cache(maxsize=8)
def _regions_with_figures(reference: Reference) -> dict[str, str]:
    grid, regions = (reference.tables[name] for name in ("grid_intensity", "cloud_regions"))
    figures = set(grid.loc[grid["zone_type"] == "cloud_region", "zone"])
    identity = regions["provider"] + ":" + regions["region_id"]
    place = ("US-" + regions["us_state"]).fillna(regions["subdivision"])
    place = place.fillna(regions["country_iso3"])[identity.isin(figures)]
    return dict(zip(place[::-1], identity[place.index][::-1], strict=True))  # the first one wins


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


@dataclass(frozen=True)
class Intensity:
    """Grid intensities as their rows have them, aligned to the runs: figure, basis and spread."""

    grams: pd.Series
    basis: pd.Series
    factor_id: pd.Series
    log_sd: np.ndarray
    note: pd.Series | None = None


Source = Callable[[pd.DataFrame, Context], Intensity]
"""Where a grid intensity comes from; missing where the source has none."""


def _of_zone(zone_type: str, keys: Keys, gsd: str) -> Source:
    """Take the row of a zone in the run's year, else of the nearest year that has one."""

    def source(frame: pd.DataFrame, context: Context) -> Intensity:
        wanted = pd.DataFrame({"zone_type": zone_type, "zone": keys(frame, context)})
        year = frame["date"].dt.year
        found = at_year(
            context.reference, "grid_intensity", wanted, year, "gco2e_per_kwh", "emissions_basis"
        )
        # What each year apart adds comes on top of what the width of the zone leaves open.
        apart = np.sqrt((year - found["year"]).abs())
        aged = apart * context.log_gsd("gsd_grid_earlier_year", frame["date"])
        spread = np.hypot(context.log_gsd(gsd, frame["date"]), aged)
        return Intensity(
            found["value"], found["emissions_basis"], found["factor_id"], spread, _match(found)
        )

    return source


def _first(*sources: Source) -> Source:
    """Take what the first of several sources has to say of each run."""

    def source(frame: pd.DataFrame, context: Context) -> Intensity:
        found = sources[0](frame, context)
        for each in sources[1:]:
            wider, told = each(frame, context), found.grams.notna()
            found = Intensity(
                found.grams.where(told, wider.grams),
                found.basis.where(told, wider.basis),
                found.factor_id.where(told, wider.factor_id),
                np.where(told, found.log_sd, wider.log_sd),
            )
        return found

    return source


def _upstream(frame: pd.DataFrame, context: Context) -> pd.DataFrame:
    """Return what a direct intensity of the run's country lacks; without a row, the world's."""
    columns = (
        "stackless_gco2e_per_kwh", "fuel_share_p05", "fuel_share_p95", "stackless_p05",
        "stackless_p95",
    )  # fmt: skip
    country = frame["country_iso3"].astype("str")
    found = pd.DataFrame()
    for zone_type, zone in (("country", country), ("world", country.map(lambda _: "WORLD"))):
        wanted = pd.DataFrame({"zone_type": zone_type, "zone": zone})
        here = at_year(
            context.reference,
            "grid_upstream",
            wanted,
            frame["date"].dt.year,
            "fuel_share",
            *columns,
        )
        found = here if found.empty else found.where(found["value"].notna(), here)
    return pd.DataFrame(
        {
            "fuel_factor": 1 + found["value"],
            "stackless": found["stackless_gco2e_per_kwh"],
            "fuel_log_sd": log_sd_of_interval(found["fuel_share_p05"], found["fuel_share_p95"]),
            "stackless_log_sd": log_sd_of_interval(found["stackless_p05"], found["stackless_p95"]),
            "factor_id": found["factor_id"],
        }
    )


def _on_basis(
    wanted: str, of: Intensity, frame: pd.DataFrame, context: Context, *, narrow: bool
) -> Intensity:
    """Return intensities as `lifecycle` or `direct`; a `narrow` zone is less than a country.

    The parts err for themselves: their spreads, weighed by their share of the whole, are added as
    variances.
    """
    other = (of.basis != wanted) & of.grams.notna()
    if not other.any():
        return of
    up = _upstream(frame, context)
    mix = context.log_gsd("gsd_upstream_narrower_zone", frame["date"]) if narrow else 0.0
    upstream = up["fuel_factor"], up["stackless"]
    if wanted == "lifecycle":
        moved = equations.life_cycle_intensity(of.grams, *upstream)
        parts = [of.grams * up["fuel_factor"], of.grams * (up["fuel_factor"] - 1), up["stackless"]]
    else:
        # Where plants without a stack explain the whole, next to nothing leaves one.
        moved = equations.direct_intensity(of.grams, *upstream)
        moved = moved.clip(lower=LEAST_DIRECT_SHARE * of.grams)
        less = moved * (1 - 1 / up["fuel_factor"])
        parts = [of.grams / up["fuel_factor"], less, up["stackless"] / up["fuel_factor"]]
    spreads = of.log_sd, up["fuel_log_sd"], np.hypot(up["stackless_log_sd"], mix)
    squares = [(part * log_sd) ** 2 for part, log_sd in zip(parts, spreads, strict=True)]
    spread = np.minimum(np.sqrt(sum(squares)) / moved, WIDEST)
    return Intensity(
        moved.where(other, of.grams),
        of.basis.mask(other, wanted),
        (of.factor_id + " " + up["factor_id"]).where(other, of.factor_id),
        np.where(other, spread, of.log_sd),
        of.note,
    )


LEAST_DIRECT_SHARE = 0.01
"""Of a life-cycle intensity, the least that is taken for direct.

It serves where the plants without a stack explain all.
"""

WIDEST = float(np.log(3))
"""Log standard deviation beyond which a difference of two like figures says no more."""


@dataclass(frozen=True)
class GridRule:
    """One way to a grid intensity; `others` stand equal, and their distance counts as spread."""

    name: str
    basis: Basis
    description: str
    source: Source
    others: tuple[Source, ...] = ()
    narrow: bool = False

    def life_cycle(self, frame: pd.DataFrame, context: Context) -> Offer:
        """Offer the intensity on the basis of the profile."""
        taken = self.source(frame, context)
        if not context.profile.grid_as_published:
            taken = _on_basis("lifecycle", taken, frame, context, narrow=self.narrow)
        below, above = taken.log_sd, taken.log_sd
        for other in self.others if taken.grams.notna().any() else ():
            says = other(frame, context)
            if not context.profile.grid_as_published:
                says = _on_basis("lifecycle", says, frame, context, narrow=self.narrow)
            # Root mean square over the two, the one that is taken being at no distance; the truth
            # may lie towards the other figure, not as far on the other side.
            apart = np.log(says.grams / taken.grams).where(says.basis == taken.basis) / np.sqrt(2)
            below = np.fmax(below, -apart)
            above = np.fmax(above, apart)
        # Neither side is narrower than a lean that totals can take.
        narrower = (1 - MOST_LEANING) / (1 + MOST_LEANING)
        below, above = np.fmax(below, narrower * above), np.fmax(above, narrower * below)
        value = taken.grams / GRAMS_PER_KG
        low, high = (value * np.exp(Z_95 * sd) for sd in (-below, above))
        return ranged(value, low, high, taken.factor_id, taken.note)

    def direct(self, frame: pd.DataFrame, context: Context) -> Offer:
        """Offer what of the intensity that this rule gave leaves the stacks."""
        mine = context.rule("grid_kgco2e_per_kwh", frame.index) == self.name
        if not mine.any():
            return Offer(pd.Series(np.nan, index=frame.index))
        taken = _on_basis("direct", self.source(frame, context), frame, context, narrow=self.narrow)
        grams = taken.grams.where(mine)
        return Offer(grams / GRAMS_PER_KG, taken.factor_id, taken.log_sd, taken.note)


ZONES: tuple[tuple[str, Keys], ...] = (
    ("cloud_region", region_id),
    ("egrid_subregion", _subregion),
    ("us_state", _state),
    ("subdivision", _state),
    ("country", _country),
    ("world", _world),
)
"""The chain of zones, the narrowest first."""


def _no_text(frame: pd.DataFrame, *columns: str) -> dict[str, pd.Series]:
    return dict.fromkeys(columns, pd.Series(np.nan, index=frame.index, dtype="str"))


def _own_hours(frame: pd.DataFrame, context: Context) -> Intensity:
    """Average your hourly factors over the run's hours, or over its day where they are a guess."""
    columns = ["gco2e_per_kwh", "covered"]
    found = pd.DataFrame(np.nan, index=frame.index, columns=columns)
    found = found.assign(**_no_text(frame, "factor_id", "basis"))
    if not context.reference.hours:
        return Intensity(
            found["gco2e_per_kwh"], found["basis"], found["factor_id"], np.zeros(len(frame))
        )
    guessed = pd.Series(context.imputed("started_at", frame.index), index=frame.index)
    start = frame["started_at"].mask(guessed, frame["started_at"].dt.floor("D"))
    end = frame["ended_at"].mask(guessed, frame["ended_at"].dt.ceil("D"))
    for zone_type, keys in ZONES:
        zones = keys(frame, context).where(found["factor_id"].isna())
        here = hourly_grid(context.reference, zone_type, zones, start, end)
        listed = pd.DataFrame({"zone_type": zone_type, "zone": zones})
        of_year = at_year(
            context.reference,
            "own_grid_hours",
            listed,
            start.dt.year,
            "gco2e_per_kwh",
            "emissions_basis",
        )
        here = here.assign(basis=of_year["emissions_basis"])
        found = found.where(here["factor_id"].isna(), here)
    days = frame["date"]
    uncovered = (1 - found["covered"]) * context.log_gsd("gsd_grid_same_year", days)
    said = found["covered"].map("your hourly factors cover {:.1%} of the run".format, "ignore")
    note = said.astype("str") + guessed.map(
        {True: "'s days, as its hours are not known", False: ""}
    )
    spread = np.hypot(context.log_gsd("gsd_grid_hours", days), uncovered)
    return Intensity(found["gco2e_per_kwh"], found["basis"], found["factor_id"], spread, note)


def _own(accounting: str) -> Source:
    """Take your own factor for the narrowest zone; it holds within its period only."""

    def source(frame: pd.DataFrame, context: Context) -> Intensity:
        columns = ["gco2e_per_kwh", "emissions_basis", "factor_id"]
        found = pd.DataFrame(np.nan, index=frame.index, columns=columns[:1])
        found = found.assign(**_no_text(frame, *columns[1:]))
        if not context.reference.tables["own_grid"].empty:
            for zone_type, keys in ZONES:
                zones = keys(frame, context).where(found["factor_id"].isna())
                wanted = pd.DataFrame(
                    {"accounting": accounting, "zone_type": zone_type, "zone": zones}
                )
                here = take(
                    context.reference, "own_grid", wanted, columns[:2], on=frame["date"],
                    only_in_force=True
                )  # fmt: skip
                found = found.where(here["factor_id"].isna(), here)
        spread = np.broadcast_to(context.log_gsd("gsd_disclosed", frame["date"]), len(frame))
        grams, basis, factor_id = (found[column] for column in columns)
        return Intensity(grams, basis, factor_id, np.asarray(spread))

    return source


def _market(frame: pd.DataFrame, context: Context) -> Offer:
    """Take your contracts' factor as it is: what it covers, they say."""
    taken = _own("market-based")(frame, context)
    return Offer(taken.grams / GRAMS_PER_KG, taken.factor_id, taken.log_sd)


def _logged_grid(frame: pd.DataFrame, context: Context) -> Offer:
    """Take a logged intensity for its direct part, too: it states no basis."""
    logged = context.rule("grid_kgco2e_per_kwh", frame.index).isna()
    return Offer(
        frame["grid_kgco2e_per_kwh"].where(logged),
        log_sd=context.log_sd_of("grid_kgco2e_per_kwh", frame.index),
        note="the logged intensity states no basis; as a direct one it is an upper end",
    )


def _usual_wue(frame: pd.DataFrame, context: Context) -> Offer:
    found = default(context.reference, "scope3_wue_l_per_kwh")
    value = found.value if context.profile.us_average_wue else np.nan
    return Offer(
        pd.Series(value, index=frame.index, dtype="float64"),
        factor_id=found.factor_id,
        log_sd=context.log_gsd("gsd_wue_country", frame["date"]),
    )


def _electricity_water(zone_type: str, keys: Keys, gsd: str) -> Answer:
    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        wanted = pd.DataFrame({"zone_type": zone_type, "zone": keys(frame, context)})
        row = take(context.reference, "electricity_water", wanted, ["l_per_kwh"], on=frame["date"])
        others = alternatives_log_sd(context.reference, "electricity_water", wanted)
        spread = np.maximum(context.log_gsd(gsd, frame["date"]), others)
        return Offer(row["l_per_kwh"], factor_id=row["factor_id"], log_sd=spread)

    return offer


RESERVOIRS_LEFT_OUT = 98
"""Rank of the figures of electricity water without what evaporates from reservoirs."""


def _without_reservoirs(frame: pd.DataFrame, context: Context) -> Offer:
    found = pd.DataFrame()
    for zone_type, keys in (("country", _country), ("world", _world)):
        wanted = pd.DataFrame(
            {"zone_type": zone_type, "zone": keys(frame, context), "rank": RESERVOIRS_LEFT_OUT}
        )
        here = take(context.reference, "electricity_water", wanted, ["l_per_kwh"], on=frame["date"])
        found = here if found.empty else found.where(found["l_per_kwh"].notna(), here)
    return Offer(
        found["l_per_kwh"].clip(upper=frame["electricity_water_l_per_kwh"].astype("float64")),
        factor_id=found["factor_id"],
        log_sd=context.log_gsd("gsd_electricity_water", frame["date"]),
    )


LOCATION = (
    Rule("cloud_provider", "provider_of_region", Basis.DISCLOSED, "the provider of the region",
         _of_region("provider")),
    Rule("country_iso3", "country_of_region", Basis.DISCLOSED, "the country of the cloud region",
         _of_region("country_iso3")),
    Rule("country_iso3", "country_named", Basis.DISCLOSED, "the country that the location names",
         _country_of("country")),
    Rule("country_iso3", "country_of_state", Basis.DISCLOSED,
         "the country of the state or province that the location names", _country_of("state")),
    Rule("country_iso3", "country_of_city", Basis.DISCLOSED,
         "the country of the city that the location names, of those with a cloud region",
         _country_of("city")),
    Rule("country_iso3", "country_default", Basis.DEFAULT,
         "the US, as a relatively high-carbon country (fine-tuning page)", _default_country),
)  # fmt: skip
"""Where the servers stood."""

_SUBREGION, _US_STATE, _SUBDIVISION = (
    _of_zone(zone_type, keys, "gsd_grid_same_year")
    for zone_type, keys in (
        ("egrid_subregion", _subregion),
        ("us_state", _state),
        ("subdivision", _state),
    )
)
_PROVIDER_BESIDE = _of_zone("cloud_region", _region_beside, "gsd_grid_same_year")
_COUNTRY = _of_zone("country", _country, "gsd_grid_country_for_region")

GRID = (
    GridRule("grid_of_own_hours", Basis.DISCLOSED,
             "your own hourly factors, averaged over the run's hours; the year's mean stands in "
             "for hours without one", _own_hours, narrow=True),
    GridRule("grid_of_own_table", Basis.DISCLOSED,
             "your own factor for the narrowest of region, subregion, state, country and world",
             _own("location-based"), narrow=True),
    GridRule("grid_of_cloud_region", Basis.REFERENCE, "the provider's own figure for the region",
             _of_zone("cloud_region", region_id, "gsd_grid_same_year"),
             others=(_first(_SUBREGION, _US_STATE, _SUBDIVISION, _COUNTRY),), narrow=True),
    GridRule("grid_of_egrid_subregion", Basis.REFERENCE, "the eGRID subregion of the cloud region",
             _SUBREGION, others=(_US_STATE, _PROVIDER_BESIDE), narrow=True),
    GridRule("grid_of_us_state", Basis.REFERENCE, "the state of the cloud region or location",
             _US_STATE, others=(_PROVIDER_BESIDE,), narrow=True),
    GridRule("grid_of_subdivision", Basis.REFERENCE,
             "the state or province of the cloud region or location, outside the USA",
             _SUBDIVISION, others=(_PROVIDER_BESIDE,), narrow=True),
    GridRule("grid_of_country", Basis.REFERENCE, "the country's production mix", _COUNTRY,
             others=(_PROVIDER_BESIDE,)),
    GridRule("grid_of_world", Basis.DEFAULT, "the world's mean, where the country has no figure",
             _of_zone("world", _world, "gsd_grid_world")),
)  # fmt: skip
"""Ways to a grid intensity, the nearest first."""

FACTORS = (
    *(
        Rule(field, f"{metric}_of_{scope}", Basis.DEFAULT, f"{metric.upper()} of the {words}",
             _datacenter(name, scope, keys, f"gsd_{metric}_{spread}"))
        for field, metric, name in (("pue", "pue", "pue"),
                                    ("wue_l_per_kwh", "wue", "wue_l_per_kwh"))
        for scope, words, keys, spread in (
            ("region", "cloud region", region_id, "region"),
            ("provider", "cloud provider", _provider, "provider"),
        )
    ),
    Rule("wue_l_per_kwh", "wue_of_profile", Basis.DEFAULT,
         "1.8 L/kWh wherever region and provider do not tell, in profile scope3-2024", _usual_wue),
    *(
        Rule(field, f"{metric}_of_{scope}", Basis.DEFAULT, f"{metric.upper()} of the {scope}",
             _datacenter(name, scope, keys, f"gsd_{metric}_{scope}"))
        for field, metric, name in (("pue", "pue", "pue"),
                                    ("wue_l_per_kwh", "wue", "wue_l_per_kwh"))
        for scope, keys in (("country", _country), ("world", _world))
    ),
    *(
        Rule("grid_kgco2e_per_kwh", rule.name, rule.basis, rule.description + ", on the life cycle",
             rule.life_cycle)
        for rule in GRID
    ),
    *(
        Rule("grid_direct_kgco2e_per_kwh", f"direct_part_of_{rule.name}", rule.basis,
             f"what leaves the stacks, of {rule.name}", rule.direct)
        for rule in GRID
    ),
    Rule("grid_direct_kgco2e_per_kwh", "direct_part_as_logged", Basis.DISCLOSED,
         "a logged intensity itself, as it states no basis", _logged_grid),
    Rule("market_kgco2e_per_kwh", "market_of_own_table", Basis.DISCLOSED,
         "your contracts' factor, beside the grid's; without one there is no market-based figure",
         _market),
    Rule("electricity_water_l_per_kwh", "electricity_water_of_egrid_subregion", Basis.REFERENCE,
         "the eGRID subregion of the cloud region",
         _electricity_water("egrid_subregion", _subregion, "gsd_electricity_water")),
    Rule("electricity_water_l_per_kwh", "electricity_water_of_country", Basis.REFERENCE,
         "the country", _electricity_water("country", _country, "gsd_electricity_water")),
    Rule("electricity_water_l_per_kwh", "electricity_water_of_world", Basis.DEFAULT,
         "the world's mean, where the country has no figure",
         _electricity_water("world", _world, "gsd_electricity_water_world")),
    Rule("electricity_water_without_reservoirs_l_per_kwh", "electricity_water_without_reservoirs",
         Basis.REFERENCE,
         "the country's mix without reservoirs, beside the figure with them", _without_reservoirs),
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
