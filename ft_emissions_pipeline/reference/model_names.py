"""What the name of a base model says: words and numbers that identify it, and its size.

Put here: how hubs, clouds, local folders and quantised copies spell models, and which row fits what
they say. Keep out: whole names that the alias table holds (`names.py`).

A name is reduced to what tells models apart. Who copied it, how it was quantised or aligned, how
long a context it is served with and where it lies on disk do not change how large it is.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile

from ft_emissions_pipeline.reference.found import Found

LONGEST = 1000
"""Characters above which nothing is read as the name of a model."""

PARTS = 4
"""Parts of a path that are tried, from the last on."""


@dataclass(frozen=True)
class ModelName:
    """What a name says: its telling words, and the size in parameters where it has one.

    `experts` says that the size was written as experts x size ("8x7b"), of which the experts share
    attention and embeddings; `active` is what a token passes, where the name tells it ("A3B").
    """

    words: tuple[str, ...]
    parameters: float | None = None
    active: float | None = None
    experts: int | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """Return the words without regard to their order: `7b-llama-2` is `llama-2-7b`."""
        return tuple(sorted(self.words))

    def place_of(self, row: ModelName) -> int:
        """Return where a row's words begin in this name, in order, after its family's version.

        -1 where they do not: `Hermes-3-Llama-3.1-8B` has `llama-3.1-8b`, `OLMo-3-7B` not `olmo-7b`.
        """
        found = (
            at
            for at, word in enumerate(self.words)
            if word == row.words[0]
            and _version(self.words[at + 1 :]) == _version(row.words[1:])
            and _in_turn(row.words, self.words[at:])
        )
        return next(found, -1)


def _version(words: Sequence[str]) -> list[str]:
    return list(takewhile(str.isdigit, words))


def _in_turn(words: Sequence[str], among: Iterable[str]) -> bool:
    rest = iter(among)
    return all(word in rest for word in words)


_SILENT = frozenset(
    """
    instruct instruction chat it pt hf model models text latest release v0 gguf ggml gptq awq
    bnb exl2 exl3 mlx onnx quantized quantised quant quants int4 int8 fp8 fp16 fp32 bf16 f16 f32
    nf4 fp4 mxfp4 nvfp4 4bit 8bit 2bit 3bit 5bit 6bit bit bits w4a16 w8a8 w8a16 imatrix i1
    dynamic ud qat sym autoround eetq hqq aqlm smashed safetensors pytorch checkpoint ckpt
    merged adapter adapters lora qlora peft sft dpo orpo kto grpo rlhf ft finetune finetuned
    finetuning tuned full fsdp meta facebook google openai microsoft nvidia amazon anthropic
    cohere alibaba unsloth thebloke bartowski community publishers foundation custom deduped
    reference free uncased cased llm huggingface textgeneration generation accounts fireworks
    togethercomputer eleutherai base0 f snapshot main
    """.split()  # noqa: SIM905 (prose)
)
"""What does not change a model's size: alignment, quantisation, formats, makers and copiers."""
_QUANTISATION = re.compile(
    r"\b(?:i?q[1-8](?:_(?:[0-9k]|[xsml]{1,3}|nl))*|[iu]?int[248]"
    r"|(?:mx|nv)?[fbn]{1,2}p?(?:4|8|16|32)|w\d{1,2}a\d{1,2}|\d-?bits?|\d+bpw|g(?:32|64|128))\b"
)
_CONTEXT = re.compile(
    r"\b(?:4|8|16|18|24|28|32|48|64|96|100|128|200|256|262|300|512)k\b|(?<=[- ])1m\b"
)
_DATE = re.compile(r"\b20[12]\d-?[01]\d-?[0-3]\d\b|(?<=-)(?:0[1-9]|1[0-2])[0-3]\d\b")
_MONTH = re.compile(r"2[3-6](?:0[1-9]|1[0-2])")
"""A month (2409) tells releases apart where no size does: Mistral Small had 22 billion, then 24."""
_BEDROCK = re.compile(
    r"^(?:(?:us|eu|apac|au|jp|ca|us-gov|global)\.)?"
    r"(?:meta|amazon|anthropic|mistral|cohere|deepseek|openai|qwen|ai21|google|nvidia|minimax"
    r"|moonshot|zai|writer)\.(?=[a-z])"
)
_SERVED = re.compile(r"(?:-v[1-9]\d?)?(?:(?<!v0):\d{1,2})?(?::\d{1,4}k)?$")
"""What Bedrock puts behind a model: version of the service, and context."""
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)(b|m|t|bn)$")
_EXPERTS = re.compile(r"^(\d+)x(\d+(?:\.\d+)?)(b|m)$")
_ACTIVE = re.compile(r"^a(\d+(?:\.\d+)?)(b|m)$")
_WORD = re.compile(
    r"a\d+(?:\.\d+)?[bm](?![a-z])|e\d+b(?![a-z])|\d+x\d+(?:\.\d+)?[bm](?![a-z])"
    r"|\d+(?:\.\d+)?(?:bn|[bmt])(?![a-z0-9])|[a-z]+|\d+"
)
_TIMES = {"m": 1e6, "b": 1e9, "bn": 1e9, "t": 1e12}


def parse(name: str) -> tuple[ModelName, ...]:
    """Return the readings of a name, the likeliest first: of a path, its last parts.

    Parameters
    ----------
    name : str
        A hub id, a path, an ARN, an id of a service, or plain words.
    """
    if len(name) > LONGEST:
        return ()
    text = unicodedata.normalize("NFKC", name).lower().strip()
    readings = (reading(part) for part in _parts(text))
    return tuple(dict.fromkeys(reading for reading in readings if reading.words))


def _parts(text: str) -> Iterator[str]:
    """Yield what may be the model's own name within a name."""
    if text.startswith("ft:"):
        text = text.split(":")[1]
    elif re.match(r"[a-z0-9.-]+:ft-", text):
        text = text.split(":")[0]
    text = re.sub(r"\.ft-[0-9a-f]+.*$", "", text)
    text = re.sub(r"^(?:hf\.co|https?://(?:www\.)?[^/]+|hf://|s3://|gs://|dbfs:)/?", "", text)
    parts = [part for part in re.split(r"[/\\]+", text) if part]
    for part in list(reversed(parts))[:PARTS]:
        if part.startswith("models--"):
            part = part.split("--")[-1]
        if part.startswith("arn:"):
            part = part.split(":", 5)[-1]
        yield from reversed(part.split("@"))


@lru_cache(maxsize=65536)
def reading(part: str) -> ModelName:
    """Return what one part of a name says."""
    part = part.replace("+", "-plus-").removeprefix("c4ai-")
    part = re.sub(r"(?<![\d_])(\d)_(?=\db\b)", r"\1.", part)  # internlm2-chat-1_8b
    part = re.sub(r"[\s_]+", "-", part) if not _QUANTISATION.search(part) else part
    if bedrock := _BEDROCK.match(part):
        part = _SERVED.sub("", part[bedrock.end() :], count=1)
    part = _QUANTISATION.sub("-", part).replace("_", "-")
    part = re.sub(r"\.(?:gguf|safetensors|bin|pt|pth|nemo)$", "", part)
    part = _CONTEXT.sub("-", _DATE.sub("-", part))
    part = re.sub(r"(?<=\d)p(?=\d)", ".", part)  # qwen2p5-0p5b, Fireworks
    part = re.sub(r"(?<=\d)b(?=\d)", ".", re.sub(r"\b(\d)b(\d)\b", r"\1.\2b", part))  # bloom-7b1
    part = re.sub(r"(?<=[a-z])v(?=\d)|\bv(?=\d)", "", part)  # v0.3, llama-v2
    words: list[str] = []
    total = active = None
    experts = None
    for word in _WORD.findall(part):
        if word in _SILENT:
            continue
        if many := _EXPERTS.match(word):
            experts = int(many[1])
            total = float(many[2]) * _TIMES[many[3]]
        elif share := _ACTIVE.match(word):
            active = float(share[1]) * _TIMES[share[2]]
        elif word[0] == "e" and total is None and _SIZE.match(word[1:]):
            total = float(word[1:-1]) * _TIMES[word[-1]]  # parameters in use at a time: Gemma 3n
        elif (size := _SIZE.match(word)) and total is None:
            total = float(size[1]) * _TIMES[size[2]]
            word = f"{float(size[1]):g}{size[2][0]}"
        words.append(word)
    total = total or active  # "A13B" alone: what a token passes
    if total:
        words = [
            word for word in words if word not in ("base", "turbo") and not _MONTH.fullmatch(word)
        ]
    return ModelName(tuple(words), total, active, experts)


@dataclass(frozen=True)
class Rows:
    """Rows of models.csv by what their ids, names and aliases say.

    `by_key` holds id, whether it is assumed, and the alias; `by_word` the same readings by their
    first word; `nominal` how rows' sizes compare with the sizes in their names.
    """

    by_key: Mapping[tuple[str, ...], tuple[str, bool, str | None]]
    by_word: Mapping[str, Sequence[ModelName]]
    parameters: Mapping[str, float]
    share_of_experts: float
    active_of_one: float
    log_sd: float


def rows_by_words(
    sizes: Mapping[str, tuple[float, float]],
    spellings: Iterable[tuple[str, str, bool, str | None]],
) -> Rows:
    """Return the rows of models.csv, ready to be matched.

    Parameters
    ----------
    sizes : mapping of str to (float, float)
        Id -> parameters and active parameters, NaN where the maker keeps them.
    spellings : iterable of (spelling, id, assumed, alias_factor_id)
        Aliases first, then names, then ids: the last of one key wins.
    """
    by_key: dict[tuple[str, ...], tuple[str, bool, str | None]] = {}
    readings: dict[tuple[str, ...], ModelName] = {}
    logs: list[float] = []
    of_experts: list[float] = []
    of_one: list[float] = []
    for spelling, identity, assumed, alias in spellings:
        for read in parse(spelling)[:1]:
            by_key[read.key] = identity, assumed, alias
            readings[read.key] = read
            total, active = sizes[identity]
            if spelling != identity or math.isnan(total):
                continue
            if read.experts and read.parameters:
                of_experts.append(math.log(total / (read.experts * read.parameters)))
                of_one.append(math.log(active / read.parameters))
            elif read.parameters and read.parameters != active:
                logs.append(math.log(total / read.parameters))
    by_word: dict[str, list[ModelName]] = {}
    for read in readings.values():
        by_word.setdefault(read.words[0], []).append(read)
    return Rows(
        by_key,
        by_word,
        {identity: total for identity, (total, _) in sizes.items()},
        _geometric_mean(of_experts),
        _geometric_mean(of_one),
        math.sqrt(sum(log**2 for log in logs) / len(logs)) if logs else 0.0,
    )


def _geometric_mean(logs: Sequence[float]) -> float:
    return math.exp(sum(logs) / len(logs)) if logs else 1.0


_SIZE_WORDS = frozenset(
    """
    base large small medium mini tiny nano micro xs xl xxl huge giant lite pro scout maverick
    """.split()  # noqa: SIM905 (prose)
)
"""Words that tell sizes of a family apart where no number does."""


_SIZED_BY_VERSION = frozenset(("gpt",))
"""Families whose version tells the size: a deployment `my-gpt-4o` is as large as any."""


def match(name: str, rows: Rows) -> Found:
    """Return the row for which a name stands; else the size that it tells.

    Parameters
    ----------
    name : str
        As logged.
    rows : Rows
        As `rows_by_words` returns them.

    Notes
    -----
    The telling words must be those of a row, in any order. Where more words stand beside them (a
    fine-tune named after its base) the row is assumed, and only if a size is among them.
    """
    readings = parse(name)
    size = next((each for each in readings if each.parameters), None)
    told = Found() if size is None else _size(size, rows)
    for read in readings:
        if size is not None and read.parameters is None and read is not readings[0]:
            continue
        undated = tuple(word for word in read.key if not _MONTH.fullmatch(word))
        bare = tuple(word for word in undated if word != "base")
        key = next((each for each in (read.key, undated, bare) if each in rows.by_key), None)
        if key:
            identity, assumed, alias = rows.by_key[key]
            return replace(told, id=identity, assumed=assumed, alias_factor_id=alias,
                           candidates=(identity,),
                why=f"read as {' '.join(read.words)}",
            )  # fmt: skip
        within = _within(read, rows)
        if within:
            identity, assumed, alias = rows.by_key[within.key]
            rest = list((Counter(read.words) - Counter(within.words)).elements())
            more = any(not word.isdigit() for word in rest)  # digits are a release of the same size
            return replace(told, id=identity, assumed=assumed or more, alias_factor_id=alias,
                           candidates=(identity,),
                why=f"read as {' '.join(within.words)}; beside it: {' '.join(rest)}",
            )  # fmt: skip
    return told


def _within(read: ModelName, rows: Rows) -> ModelName | None:
    """Return the longest reading of a row that is part of a name and agrees with its size."""
    words = set(read.words)
    near = [
        row
        for word in words
        for row in rows.by_word.get(word, ())
        if words.issuperset(row.words)
        and read.place_of(row) >= 0
        and (row.parameters is None or row.parameters == read.parameters)
        and row.active == read.active
        and (row.parameters or not (_SIZE_WORDS | _SIZED_BY_VERSION).isdisjoint(row.words))
        and not math.isnan(rows.parameters[rows.by_key[row.key][0]])
    ]
    # Of two the base comes last: DeepSeek-R1-0528-Qwen3-8B.
    return max(near, key=lambda row: (len(row.words), read.place_of(row)), default=None)


def _size(read: ModelName, rows: Rows) -> Found:
    """Return what a name's size means: experts share what lies between, two work on a token."""
    size = read.parameters or 0.0
    total, active = size, read.active or size
    if read.experts:
        total, active = size * read.experts * rows.share_of_experts, size * rows.active_of_one
    return Found(
        parameters=total,
        active_parameters=active,
        why=f"no row; its name tells {total:.3g} parameters",
    )
