"""The words of the columns `repairs`: what they mean, and how a cell holds several.

Put here: every word that a reader, the joining of logs or telemetry may note, once, and the only
code that joins and parts them. Keep out: when a word is noted, which stands where it happens.
Behind a colon stands what a word is about: `conflict:pue`, `telemetry_covers:93%`.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import quote, unquote

import numpy as np
import pandas as pd
import pyarrow as pa

from ft_emissions_pipeline.readers.cells import text_series

REPAIRS: dict[str, str] = {
    "before_last_step": "the log was written before the training's last planned step",
    "cached_answers_left_out": "answers out of a cache were no inferences and are not counted",
    "conflict": "two logs of the run disagree on the field; the better evidence was taken",
    "consumed_energy_without_gpus": "the scheduler's energy is too low for the GPUs; "
    "it was not used",
    "counter_reset_before": "a counter began anew before the interval; "
    "what lay between is not counted",
    "counter_restarted": "a counter began anew; its values before and after were added up",
    "counter_start_assumed": "a counter that began within the day was taken to have begun at 0",
    "country_iso2": "the country stood as no three-letter code and was translated",
    "cpu_energy_unread": "the tracker logged no energy of the CPU; that was read as missing, not "
    "0, and the part is modelled",
    "cpu_only": "the hardware is a CPU; no accelerator was counted",
    "emissions_like_kg": "a very small amount may be in kilograms where grams are asked for; "
    "it was not rescaled",
    "emissions_list_joined": "emissions that stood as a list were read as one statement",
    "emissions_unit_stated": "emissions carried a unit, which was followed instead of the "
    "prescribed one",
    "end_from_last_update": "no end was logged; the record's last update stands for it",
    "ended_early": "the job was cancelled or ran out of time",
    "energy_plugin_unknown": "the scheduler's energy does not say what it measured",
    "energy_unread": "the tracker logged no energy although time passed; "
    "the run's energy is modelled",
    "epochs_may_be_missing": "the token count may be that of one epoch",
    "epochs_summed": "a log with a row for each epoch was added up",
    "failed_requests_left_out": "failed requests were no inferences and are not counted",
    "flushes_collapsed": "of the run's cumulative rows the longest was taken; adding them up would "
    "count it again and again",
    "gap_before": "samples are missing before the interval",
    "gap_bridged": "samples are missing for this long at the longest; "
    "the energy between is taken at the mean power of the rest",
    "gap_bridged_by_counter": "samples are missing, but a counter tells the energy between",
    "gap_left_out": "samples are missing for this long at the longest; less than 2 % of the "
    "run is missing in all, and its energy is left out",
    "generated_tokens_included": "the token count includes what the model generated in training",
    "glued_rows_parted": "several rows stood in one line, a line end missing between them; "
    "each was read",
    "gpu_count_by_hours": "GPU hours are stated without a number of GPUs; the fewest that fit the "
    "dates, or a month, were taken; energy goes by the hours of all together",
    "gpu_energy_unread": "the log names a GPU but holds no energy of it; that was read as missing, "
    "not 0, and the part is modelled",
    "gpus_tracked_in_part": "the tracker's count of GPUs and its words disagree; "
    "as many count as it tracked",
    "jobs_of_an_hour_together": "the service counts an hour; all its jobs are one run",
    "join_ambiguous": "the log may be of one run with several others; it was joined with none",
    "label_not_understood": "a label of the disclosure means no known field, or one "
    "that is stated already; the others were used",
    "logs_not_found": "a log that runs.yaml names for the run is not there",
    "mixed_gpus": "the job used several kinds of GPU; the most frequent stands for all",
    "mixed_instances_not_counted": "the job used several instance types; none was taken",
    "no_text_tokens": "the input was no text; its counts of tokens were not used",
    "odd_value_left_out": "a field held what cannot be; it was left out and the run kept",
    "one_epoch_assumed": "the number of epochs is not logged; one was counted",
    "one_machine_counted_once": "several trackers measured one machine at one time (host, GPUs, "
    "time and energy say the same); one counts",
    "one_of_several_instances_counted": "several instances were used of which the hardware is not "
    "known; one was counted",
    "other_calls_left_out": "calls that ran no model (fetching, listing, batches, "
    "health checks) are not counted",
    "other_stages_included": "the figures include stages other than training",
    "overlapping_count_left_out": "a count that overlaps another in part was left out, "
    "so hours may be missing",
    "padding_not_stated": "the log does not say whether padding is in the token count; "
    "it was taken to be",
    "parameters_not_in_billions": "parameters were too many to be billions and were read as a "
    "plain number",
    "perhaps_one_machine": "another log may have measured the same machine at the same time; both "
    "count, so energy may count twice",
    "power_polled": "the accelerators' energy is power sampled now and then, "
    "which tells less than an energy counter",
    "prediction_of_tracker": "the tracker saw fewer epochs than were planned; "
    "its prediction for all was taken",
    "pue_may_be_included": "the energy may include the data centre's PUE, "
    "which the log does not state",
    "pue_taken_out": "the tracker had multiplied its energy by the PUE; that was undone, "
    "as PUE is applied later",
    "queueing_included": "the time includes waiting for hardware, which the log does not set apart",
    "ram_energy_unread": "the tracker logged no energy of the memory; that was read as missing, "
    "not 0, and the part is modelled",
    "reserved_raised_to_active": "the hardware was active for longer than reserved; "
    "the longer time counts",
    "restarts_included": "the time includes restarts of the job",
    "sessions_summed": "the run was interrupted; the times of its sessions were added up",
    "short_row_realigned": "the cells of empty columns were left out; the others fit under the "
    "header in one way only",
    "several_base_models": "several base models are named; the first was taken",
    "several_measures_not_summed": "several measures of the energy stand side by side; "
    "the first was taken",
    "several_trackers_not_summed": "several trackers logged the run; whether they saw the same "
    "server is unknown, so one counts",
    "space_padding": "cells were padded with blanks, which were removed",
    "split_at_midnight": "a count over midnight was split by time (UTC)",
    "spot_interruptions_left_out": "the time leaves out in which a spot instance was interrupted",
    "start_moved_to_reservation": "the reservation began before the log; the start was moved to it",
    "task_not_stated": "the report does not say that it is of a training",
    "tasks_summed": "the rows of a run's tasks were added up",
    "telemetry_ambiguous": "telemetry fits several runs or has more GPUs than the run; "
    "it was not used",
    "telemetry_by_folder": "the samples name no machine; they lie with the run's logs, and it was "
    "the only run there at the time",
    "telemetry_covers": "samples cover this share of the run; the rest counts at the same power, "
    "unless unused",
    "telemetry_incomplete": "telemetry lacks some of the run's GPUs or servers; it was not used",
    "time_of_last_session_left_out": "the log's time is that of the last session only; "
    "it was not used",
    "token_lengths_not_found": "the file that token_lengths names is not there or holds no lengths",
    "validation_tokens_included": "the token count includes those of validation",
    "windows_summed": "windows of measurement one behind the other were added up; inner ones "
    "repeat them and do not count",
    "warm_pool_left_out": "time for which a warm pool was kept is not counted",
}
"""Word of a column `repairs`, up to its colon -> what it means."""


_NAMED = 10
"""Runs that a word names; of more, the number is."""
_PLAIN = "/:@=()[]"
"""What a run id may hold beside letters, digits and `-._~` without being taken apart."""


def joined(words: Iterable[str]) -> str:
    """Return words as one cell holds them, in their order; empty ones are left out."""
    return " ".join(word for word in words if word)


def parted(cell: object) -> list[str]:
    """Return the words of a cell; an empty one has none."""
    return cell.split() if isinstance(cell, str) else []


def noted(flags: Mapping[str, bool]) -> list[str]:
    """Return the words whose flag is set."""
    return [word for word, holds in flags.items() if holds]


def about(word: str) -> tuple[str, str]:
    """Return a word up to its colon, and what it is about."""
    name, _, what = word.partition(":")
    return name, what


def column(flags: Mapping[str, np.ndarray | pd.Series], index: pd.Index) -> pd.Series:
    """Return a column of the words whose flag is set in each row."""
    names = list(flags)
    code = np.zeros(len(index), dtype="int64")
    for place, name in enumerate(names):
        code[np.asarray(flags[name], dtype=bool)] |= 1 << place
    at, found = pd.factorize(code)
    words = [joined(n for p, n in enumerate(names) if number >> p & 1) for number in found]
    return text_series(pa.array(words, pa.large_string()).take(pa.array(at)), index)


def column_of(cells: Iterable[Collection[str]], index: pd.Index) -> pd.Series:
    """Return a column of words from each row's collection of them, each once and in order."""
    return pd.Series(
        [joined(sorted(set(words))) or np.nan for words in cells], index=index, dtype="str"
    )


def with_words(
    cells: pd.Series, words: str | pd.Series, where: np.ndarray | pd.Series
) -> pd.Series:
    """Return a column with a word, or each row's own, added at the end of some rows."""
    if not np.any(where):
        return cells
    return cells.mask(where, (cells.fillna("") + " " + words).str.strip())


def has_word(cells: pd.Series, word: str) -> np.ndarray:
    """Say of each row whether it holds a word."""
    held = cells.str.contains(rf"(?:^| ){re.escape(word)}(?:[ :]|$)", na=False)
    return np.asarray(held, dtype=bool)


def naming(word: str, run_ids: Collection[str]) -> str:
    """Return a word that is about some runs, as `join_ambiguous:run-a,run-b`."""
    # Of thousands of records each may be of any other's run; few of the names are wanted.
    names = [quote(run_id, safe=_PLAIN) for run_id in heapq.nsmallest(_NAMED, run_ids)]
    more = f"+{len(run_ids) - _NAMED}" if len(run_ids) > _NAMED else ""
    return f"{word}:" + ",".join(names) + more


def named(cell: object, word: str) -> tuple[list[str], int]:
    """Return the runs that a word of a cell is about, and how many more there are."""
    told = dict(about(each) for each in parted(cell))
    names, _, more = told.get(word, "").partition("+")
    return [unquote(name) for name in names.split(",") if name], int(more or 0)
