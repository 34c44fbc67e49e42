"""Read Snowflake's CORTEX_FINE_TUNING_USAGE_HISTORY, exported as CSV.

A row is no job: it holds the billed tokens of all jobs on one base model that ended within an hour,
and START_TIME and END_TIME are those of that hour. The time that the jobs took is not in it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers.cells import instants, numbers
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings, reading_of_frame
from ft_emissions_pipeline.readers.sheets import header_of, sheet_of
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "snowflake"
LOG = "Snowflake `CORTEX_FINE_TUNING_USAGE_HISTORY` as CSV"
TELLS = "billed tokens by base model and hour in which jobs ended"
LACKS = "single jobs, time, hardware, place, fine-tuned model, usage"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED, "ended_at": Basis.PREDICTED}

_NEEDED = ("start_time", "end_time", "model_name", "token_credits", "tokens")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the header is that of the view."""
    if not name.endswith((".csv", ".tsv", ".txt")):
        return False
    return set(_NEEDED) <= {column.casefold() for column in header_of(head)[0]}


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the hours of a file; one without tokens or with a bad cell is refused."""
    sheet = sheet_of(data)
    cells = sheet.frame.rename(columns=str.casefold)
    twice = [name for name in _NEEDED if list(cells.columns).count(name) > 1]
    if twice:
        msg = f"column {twice[0]!r} stands twice in the header; remove one of them"
        raise RefusalError(msg, "duplicated_header")
    ended, bad_end = instants(_zone_joined(cells["end_time"]), settings.timezone)
    tokens, bad_tokens = numbers(cells["tokens"])
    none = (tokens.isna() | (tokens == 0)).to_numpy() & ~bad_tokens
    lines = cells.index.astype("str")
    bad = sheet.refused([
        (bad_end, "bad_timestamp",
         lambda i: f"END_TIME is {cells['end_time'].iloc[i][:40]!r}; export it as ISO 8601"),
        (bad_tokens, "not_a_number",
         lambda i: f"TOKENS is {cells['tokens'].iloc[i][:40]!r}; write a whole number"),
        (none, "no_training", lambda _: "TOKENS is empty or 0: nothing was billed in this hour"),
    ])  # fmt: skip
    runs = pd.DataFrame(
        {
            "run_id": uri + "#" + lines,
            "base_model": cells["model_name"].str.strip().to_numpy(),
            "ended_at": ended.array,
            "managed_service": "Snowflake Cortex",
            "tokens_unpadded": tokens.to_numpy(),
            # Who must know it is whoever adds up: several jobs may stand behind one row.
            "repairs": "jobs_of_an_hour_together",
            "source_record": lines,
        }
    )
    good = ~np.isin(lines, [record for record, *_ in bad])
    misfits = sheet.refused_misfits(
        "{cells} cells under a header of {columns}; export the view again"
    )
    records = len(cells) + len(misfits)
    return reading_of_frame(runs[good].reset_index(drop=True), misfits + bad, records)


def _zone_joined(cells: pd.Series) -> pd.Series:
    """Return times with the zone right after the seconds; Snowflake puts a space between."""
    return cells.str.strip().str.replace(r"\s+([+-]\d{2}:?\d{2}|Z)$", r"\1", regex=True)
