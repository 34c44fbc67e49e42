"""Rules for the grid carbon intensity of the place: the nearest row, on one basis, with its spread.

Put here: which row answers, the step between direct and life-cycle intensities, your own factors by
hour and by contract. Keep out: where the run computed (`place.py`).

Your own factors go before the tables, hourly ones before others; then the nearest place before the
widest, as `precedence.md` beside the reference tables writes it down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from ft_emissions_pipeline import equations
from ft_emissions_pipeline.equations import GRAMS_PER_KG
from ft_emissions_pipeline.normalize.columns import Frame
from ft_emissions_pipeline.normalize.filling import Context, Needs, Offer, Rule, apply, ranged
from ft_emissions_pipeline.normalize.place import (
    LOCATION,
    NAMED,
    Keys,
    country,
    country_or_world,
    region_id,
    state,
    subregion,
    world,
    year_note,
)
from ft_emissions_pipeline.reference import Reference, at_year, hourly_grid, take
from ft_emissions_pipeline.tables.words import Basis
from ft_emissions_pipeline.uncertainty import MOST_LEANING, Z_95, log_sd_of_interval


def _region_beside(frame: Frame, context: Context) -> pd.Series:
    """Return a cloud region with a figure, in the run's state or, if states lack rows, country."""
    place = state(frame, context).fillna(frame["country_iso3"])
    return place.map(_regions_with_figures(context.reference)).astype("str")


@lru_cache(maxsize=8)
def _regions_with_figures(reference: Reference) -> dict[str, str]:
    grid, regions = (reference.tables[name] for name in ("grid_intensity", "cloud_regions"))
    figures = set(grid.loc[grid["zone_type"] == "cloud_region", "zone"])
    identity = regions["provider"] + ":" + regions["region_id"]
    place = ("US-" + regions["us_state"]).fillna(regions["subdivision"])
    place = place.fillna(regions["country_iso3"])[identity.isin(figures)]
    return dict(zip(place[::-1], identity[place.index][::-1], strict=True))  # the first one wins


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

    def source(frame: Frame, context: Context) -> Intensity:
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
            found["value"], found["emissions_basis"], found["factor_id"], spread, year_note(found)
        )

    return source


def _first(*sources: Source) -> Source:
    """Take what the first of several sources has to say of each run."""

    def source(frame: Frame, context: Context) -> Intensity:
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


def _upstream(frame: Frame, context: Context) -> pd.DataFrame:
    """Return what a direct intensity of the run's country lacks; without a row, the world's."""
    columns = (
        "stackless_gco2e_per_kwh", "fuel_share_p05", "fuel_share_p95", "stackless_p05",
        "stackless_p95",
    )  # fmt: skip
    zone = country_or_world(frame, context, "grid_upstream")
    year = frame["date"].dt.year
    found = at_year(context.reference, "grid_upstream", zone, year, "fuel_share", *columns)
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
    wanted: str, of: Intensity, frame: Frame, context: Context, *, narrow: bool
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
    by_run: bool = False
    needs: Needs = ()
    table: str | None = None

    def life_cycle(self, frame: Frame, context: Context) -> Offer:
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

    def direct(self, frame: Frame, context: Context) -> Offer:
        """Offer what of the intensity that this rule gave leaves the stacks."""
        mine = context.rule("grid_kgco2e_per_kwh", frame.index) == self.name
        if not mine.any():
            return Offer(pd.Series(np.nan, index=frame.index))
        taken = _on_basis("direct", self.source(frame, context), frame, context, narrow=self.narrow)
        grams = taken.grams.where(mine)
        return Offer(grams / GRAMS_PER_KG, taken.factor_id, taken.log_sd, taken.note)


ZONES: tuple[tuple[str, Keys], ...] = (
    ("cloud_region", region_id),
    ("egrid_subregion", subregion),
    ("us_state", state),
    ("subdivision", state),
    ("country", country),
    ("world", world),
)
"""The chain of zones, the narrowest first."""


def _no_text(frame: Frame, *columns: str) -> dict[str, pd.Series]:
    return dict.fromkeys(columns, pd.Series(np.nan, index=frame.index, dtype="str"))


def _own_hours(frame: Frame, context: Context) -> Intensity:
    """Average your hourly factors over the run's hours, or over its day where they are a guess."""
    columns = ["gco2e_per_kwh", "covered"]
    found = pd.DataFrame(np.nan, index=frame.index, columns=columns)
    found = found.assign(**_no_text(frame, "factor_id", "basis"))
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

    def source(frame: Frame, context: Context) -> Intensity:
        columns = ["gco2e_per_kwh", "emissions_basis", "factor_id"]
        found = pd.DataFrame(np.nan, index=frame.index, columns=columns[:1])
        found = found.assign(**_no_text(frame, *columns[1:]))
        for zone_type, keys in ZONES:
            zones = keys(frame, context).where(found["factor_id"].isna())
            wanted = pd.DataFrame({"accounting": accounting, "zone_type": zone_type, "zone": zones})
            here = take(
                context.reference, "own_grid", wanted, columns[:2], on=frame["date"],
                only_in_force=True
            )  # fmt: skip
            found = found.where(here["factor_id"].isna(), here)
        spread = np.broadcast_to(context.log_gsd("gsd_disclosed", frame["date"]), len(frame))
        grams, basis, factor_id = (found[column] for column in columns)
        return Intensity(grams, basis, factor_id, np.asarray(spread))

    return source


def _market(frame: Frame, context: Context) -> Offer:
    """Take your contracts' factor as it is: what it covers, they say."""
    taken = _own("market-based")(frame, context)
    return Offer(taken.grams / GRAMS_PER_KG, taken.factor_id, taken.log_sd)


def _logged_grid(frame: Frame, context: Context) -> Offer:
    """Take a logged intensity for its direct part, too: it states no basis."""
    logged = context.rule("grid_kgco2e_per_kwh", frame.index).isna()
    return Offer(
        frame["grid_kgco2e_per_kwh"].where(logged),
        log_sd=context.log_sd_of("grid_kgco2e_per_kwh", frame.index),
        note="the logged intensity states no basis; as a direct one it is an upper end",
    )


_SUBREGION, _US_STATE, _SUBDIVISION = (
    _of_zone(zone_type, keys, "gsd_grid_same_year")
    for zone_type, keys in (
        ("egrid_subregion", subregion),
        ("us_state", state),
        ("subdivision", state),
    )
)
_PROVIDER_BESIDE = _of_zone("cloud_region", _region_beside, "gsd_grid_same_year")
_COUNTRY = _of_zone("country", country, "gsd_grid_country_for_region")

GRID = (
    GridRule("grid_of_own_hours", Basis.DISCLOSED,
             "your own hourly factors, averaged over the run's hours; the year's mean stands in "
             "for hours without one", _own_hours, narrow=True, by_run=True, table="own_grid_hours"),
    GridRule("grid_of_own_table", Basis.DISCLOSED,
             "your own factor for the narrowest of region, subregion, state, country and world",
             _own("location-based"), narrow=True, table="own_grid"),
    GridRule("grid_of_cloud_region", Basis.REFERENCE, "the provider's own figure for the region",
             _of_zone("cloud_region", region_id, "gsd_grid_same_year"),
             others=(_first(_SUBREGION, _US_STATE, _SUBDIVISION, _COUNTRY),), narrow=True,
             needs=(NAMED,)),
    GridRule("grid_of_egrid_subregion", Basis.REFERENCE, "the eGRID subregion of the cloud region",
             _SUBREGION, others=(_US_STATE, _PROVIDER_BESIDE), narrow=True, needs=(NAMED,)),
    GridRule("grid_of_us_state", Basis.REFERENCE, "the state of the cloud region or location",
             _US_STATE, others=(_PROVIDER_BESIDE,), narrow=True, needs=(NAMED,)),
    GridRule("grid_of_subdivision", Basis.REFERENCE,
             "the state or province of the cloud region or location, outside the USA",
             _SUBDIVISION, others=(_PROVIDER_BESIDE,), narrow=True, needs=(NAMED,)),
    GridRule("grid_of_country", Basis.REFERENCE, "the country's production mix", _COUNTRY,
             others=(_PROVIDER_BESIDE,)),
    GridRule("grid_of_world", Basis.DEFAULT, "the world's mean, where the country has no figure",
             _of_zone("world", world, "gsd_grid_world")),
)  # fmt: skip
"""Ways to a grid intensity, the nearest first."""

RULES = (
    *(
        Rule("grid_kgco2e_per_kwh", rule.name, rule.basis, rule.description + ", on the life cycle",
             rule.life_cycle, rule.by_run, rule.needs, table=rule.table)
        for rule in GRID
    ),
    *(
        Rule("grid_direct_kgco2e_per_kwh", f"direct_part_of_{rule.name}", rule.basis,
             f"what leaves the stacks, of {rule.name}", rule.direct, rule.by_run, rule.needs,
             table=rule.table)
        for rule in GRID
    ),
    Rule("grid_direct_kgco2e_per_kwh", "direct_part_as_logged", Basis.DISCLOSED,
         "a logged intensity itself, as it states no basis", _logged_grid, by_run=True),
    Rule("market_kgco2e_per_kwh", "market_of_own_table", Basis.DISCLOSED,
         "your contracts' factor, beside the grid's; without one there is no market-based figure",
         _market, table="own_grid"),
)  # fmt: skip
"""Grid intensity, its direct part, and what your contracts say beside it."""


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
