"""The closed vocabularies of the tables: what a cell of a column may say.

Put here: the words themselves, once; a word is text, so that it is stored as it stands here. Keep
out: their meaning in the calculation.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal


class Basis(StrEnum):
    """Kind of evidence that a field rests on, the best first."""

    MEASURED = "measured"
    DISCLOSED = "disclosed"
    REFERENCE = "reference"
    PREDICTED = "predicted"
    DEFAULT = "default"


class EnergyRoute(StrEnum):
    """What the energy of a run rests on."""

    METER = "meter"
    CALIBRATED = "calibrated"
    LOGGED_TOTAL = "logged_total"
    LOGGED_COMPONENTS = "logged_components"
    GPU_MEASURED = "gpu_measured"
    PARTLY_MEASURED = "partly_measured"
    POWER_MODEL = "power_model"


class Instrument(StrEnum):
    """What made a row of telemetry."""

    GPU = "gpu"
    METER = "meter"


class EnergyFrom(StrEnum):
    """What the energy of a row of telemetry was told from."""

    COUNTER = "counter"
    POWER = "power"


class Method(StrEnum):
    """How the weights were changed."""

    FULL = "full"
    LORA = "lora"
    QLORA = "qlora"
    ADAPTER = "adapter"
    DPO = "dpo"
    CONTINUED_PRETRAINING = "continued_pretraining"
    DISTILLATION = "distillation"


class Software(StrEnum):
    """Software that ran a training; of several built on each other the outermost."""

    HF_TRAINER = "hf_trainer"
    TRL = "trl"
    AXOLOTL = "axolotl"
    UNSLOTH = "unsloth"
    LLAMA_FACTORY = "llama_factory"
    TORCHTUNE = "torchtune"
    TORCHTITAN = "torchtitan"
    NEMO_MEGATRON = "nemo_megatron"
    DEEPSPEED = "deepspeed"
    MAXTEXT = "maxtext"
    PLAIN_LOOP = "plain_loop"


class AttentionKernel(StrEnum):
    """What computes attention; all but the eager one leave out what lies ahead of a token."""

    EAGER = "eager"
    SDPA = "sdpa"
    FLASH_ATTENTION = "flash_attention"
    FLEX_ATTENTION = "flex_attention"
    XFORMERS = "xformers"


class Event(StrEnum):
    """What `models.yaml` tells of a model."""

    RETIRED = "retired"
    ROLLED_BACK = "rolled_back"
    RENAMED = "renamed"
    DECLARED = "declared"
    LABELLED = "labelled"


class Life(StrEnum):
    """State of a version's use life."""

    OPEN = "open"
    CLOSED = "closed"


class UseLifeRule(StrEnum):
    """What the end of a use life rests on: what ended it, or what it is expected by."""

    SUPERSEDED = "superseded"
    ROLLED_BACK = "rolled_back"
    RETIRED = "retired"
    DISCLOSED = "disclosed"
    USUAL_INTERVAL = "usual_interval"
    ASLEEP = "asleep"
    DEFAULT = "default"


class Status(StrEnum):
    """Whether a figure of the ledger may still move."""

    PROVISIONAL = "provisional"
    FINAL = "final"


class Inferences(StrEnum):
    """What the inferences of a version or of its day rest on."""

    ACTUAL = "actual"
    ACTUAL_AND_EXPECTED = "actual_and_expected"
    EXPECTED = "expected"
    NONE = "none"
    UNALLOCATED = "unallocated"
    HANDED_ON = "handed_on"


class Sharing(StrEnum):
    """How a footprint is shared over inferences."""

    BY_USE = "by_use"
    MONTHLY = "monthly"


class HandOn(StrEnum):
    """What a version hands on to those after it.

    Nothing: it keeps its footprint; one that served no inference puts it into a row `unallocated`.
    Unused: one that served no inference hands its whole footprint on. Remainder: a version hands on
    what it had not yet amortised at the pace that was disclosed of it.
    """

    NOTHING = "nothing"
    UNUSED = "unused"
    REMAINDER = "remainder"


class Period(StrEnum):
    """Length of a roll-up's period."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class Group(StrEnum):
    """What a roll-up sums up."""

    FLEET = "fleet"
    TEAM = "team"
    TAG = "tag"
    MODEL = "model"


class Cause(StrEnum):
    """Why a reported value moved."""

    USE_LIFE_CLOSED = "use life closed"
    USAGE_TRUE_UP = "usage true-up"
    FACTOR_CHANGED = "factor changed"
    TOKEN_TIME_CHANGED = "token-time model changed"
    METHODOLOGY_CHANGED = "methodology changed"
    LATE_LOG = "late log"


Content = Literal[
    "runs",
    "configuration",
    "usage",
    "telemetry",
    "mapping",
    "token_lengths",
    "events",
    "cloud_reports",
    "other",
    "unreadable",
]
"""What a landed file holds; each reader states its own. Other: by its kind, nothing of a run. The
rows of a configuration are no runs: they complete the runs of a folder, which is their run_id."""


BUILT_ON = {
    "trl": ("hf_trainer",),
    "axolotl": ("hf_trainer", "trl"),
    "unsloth": ("hf_trainer", "trl"),
    "llama_factory": ("hf_trainer", "trl"),
}
"""Software -> what it is built on: a log of the latter does not contradict a name of the former."""


KINDS_OF = {
    "lora": ("adapter",),
    "qlora": ("adapter", "lora"),
    "dpo": ("adapter", "lora", "qlora", "full"),
}
"""Method -> methods of which it is a kind, or which it uses."""

REFINES = {"software": BUILT_ON, "method": KINDS_OF}
"""Field -> value -> values that it only makes more precise."""


def values(words: type[StrEnum]) -> tuple[str, ...]:
    """Return the words of a vocabulary as plain text, in their order."""
    return tuple(word.value for word in words)


BASES = values(Basis)
METHODS = values(Method)
SOFTWARE = values(Software)
ATTENTION_KERNELS = values(AttentionKernel)
METHODS_OF_SHARING = values(Sharing)
HAND_ON = values(HandOn)
PERIODS = values(Period)
GROUPS = values(Group)
RESTATEMENT_CAUSES = values(Cause)
