"""Reports of cloud providers on carbon and water: what their formats share.

Put here: amounts in the units of the table, months, and the reading that rows make up. Keep out:
where a format keeps its figures (its own module), and what they are set beside
(`analysis/reconcile.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.reading import (
    CLOUD_COLUMNS,
    Reading,
    RefusalError,
    Refused,
    quarantine_rows,
    typed,
)
from ft_emissions_pipeline.tables import CLOUD_REPORTS

UNITS = {
    "mtco2e": 1000.0, "tco2e": 1000.0, "kgco2e": 1.0, "gco2e": 0.001, "m3": 1000.0, "l": 1.0,
}  # fmt: skip
"""Unit, in small letters -> kilograms or litres. AWS means metric tons by MTCO2e."""

_LONGEST = pd.Timedelta(days=31)
Row = Mapping[str, object]


def amount(value: object, unit: object, name: str) -> float | None:
    """Return an amount in kilograms or litres, None for an empty cell.

    Raises
    ------
    RefusalError
        If it is no number, or its unit is unknown.
    """
    found = number(value, name)
    if found is None:
        return None
    factor = UNITS.get(str(unit).strip().casefold())
    if factor is None:
        msg = f"{name} is in {unit!r}, of which no factor is known; export it in {', '.join(UNITS)}"
        raise RefusalError(msg, "bad_value")
    return found * factor


def month_of(start: object, end: object = None) -> pd.Timestamp:
    """Return the first day of the month that a row is of.

    Parameters
    ----------
    start, end : object
        First day, and where the span is told its end, as cells of the export.

    Raises
    ------
    RefusalError
        If no time is told, or it is longer than a month.
    """
    first = instant(start, "UTC", "start of the period")
    if first is None:
        msg = "names no month; export the report by month"
        raise RefusalError(msg, "missing_value")
    last = instant(end, "UTC", "end of the period")
    if last is not None and last - first > _LONGEST:
        msg = f"covers {first:%Y-%m-%d} to {last:%Y-%m-%d}; export the report by month"
        raise RefusalError(msg, "out_of_range")
    return first.tz_localize(None).floor("D").replace(day=1)


def reading_of_reports(
    rows: Sequence[tuple[str, Row]],
    refused: Sequence[Refused],
    report: Callable[[Row], Mapping[str, object]],
) -> Reading:
    """Return the reading of a provider's report.

    Parameters
    ----------
    rows : sequence of (place, row)
        The rows of the file.
    refused : sequence of Refused
        What could not be read.
    report : callable
        Row -> cells of table `cloud_reports`.
    """
    lost, found = list(refused), []
    for place, row in rows:
        try:
            cells = {**report(row), "source_record": place}
            if all(cells.get(name) is None for name in _FIGURES):
                msg = "holds no figure; export the report with its emissions"
                raise RefusalError(msg, "missing_value")
            found.append(cells)
        except RefusalError as error:
            lost.append((place, error.code, str(error), repr(dict(row))))
    frame = pd.DataFrame(found, columns=list(CLOUD_COLUMNS))
    return Reading(
        "cloud_reports",
        quarantine=quarantine_rows(lost),
        records=len(found) + len(lost),
        cloud_reports=typed(frame, CLOUD_REPORTS, CLOUD_COLUMNS),
    )


_FIGURES = tuple(c.name for c in CLOUD_REPORTS.columns if c.kind == "float")
