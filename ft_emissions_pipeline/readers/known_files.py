"""Files of training folders that tell nothing of a run: known by kind, left without complaint.

Put here: what such files are called and how they begin. Keep out: whatever tells of a run, even in
part (`formats/`), and files that nobody knows, which are named to the user.

A file is of a kind only if name and beginning both say so: `vocab.json` is a mapping of words to
numbers, weights are binary. What is of a kind is not read beyond its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

_Finder = Callable[[str, bytes], str | None]

_BINARY = {
    "weights": (".safetensors", ".gguf", ".ggml", ".h5", ".onnx", ".pt", ".pth", ".bin", ".ckpt",
                ".pkl", ".pickle", ".distcp", ".msgpack", ".tflite", ".engine", ".mlmodel"),
    "images, sound and films": (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff",
                                ".ico", ".pdf", ".wav", ".mp3", ".flac", ".ogg", ".mp4", ".webm",
                                ".avi", ".mov"),
    "data sets": (".arrow", ".npy", ".npz", ".tfrecord", ".idx", ".mdb", ".lmdb", ".feather",
                  ".orc"),
    "tokenizers": (".model", ".spm", ".vocab"),
    "compiled code": (".so", ".pyc", ".o", ".a", ".dll", ".whl", ".dylib", ".ptx", ".cubin"),
    "binary logs": (".nsys-rep", ".qdrep", ".ncu-rep"),
}  # fmt: skip
"""Kind -> endings of files that are binary."""
_OPTIMISER = re.compile(
    r"^(?:optimizer|scheduler|scaler|rng_state\w*|training_args|random_states\w*"
    r"|custom_checkpoint\w*|lr_scheduler)\.(?:pt|pth|bin|pkl)$"
    r"|_optim_states\.pt$|^optimizer[-_].*\.bin$"
)
_TEXT = {
    "source code": (".py", ".ipynb", ".sh", ".bash", ".c", ".cc", ".cpp", ".h", ".hpp", ".cu",
                    ".cuh", ".rs", ".go", ".js", ".ts", ".java", ".r", ".jl", ".toml", ".cfg",
                    ".ini", ".lock", ".html", ".css", ".jinja", ".tex", ".bib", ".patch", ".slurm",
                    ".sbatch", ".service", ".ps1", ".bat"),
    "images, sound and films": (".svg",),
}  # fmt: skip
"""Kind -> endings of files of text that hold no log."""
_NAMED = {
    "tokenizers": re.compile(
        r"^(?:tokenizer_config|special_tokens_map|added_tokens|preprocessor_config"
        r"|processor_config|feature_extractor_config|chat_template|image_processor_config"
        r"|video_preprocessor_config)\.json$|^(?:merges|vocab|bpe\.codes|dict)\.txt$"
        r"|^chat_template\.\w+$"
    ),
    "weights": re.compile(
        r"\.index\.json$|^latest(?:_checkpointed_iteration)?(?:\.txt)?$|^\.metadata$"),
    "logs of programs": re.compile(r"^debug-core\.log$|carbontracker_err\.log$"),
    "settings of generation": re.compile(r"^generation_config\.json$"),
    "readings of other devices": re.compile(
        r"^(?:cpu_utilization|system_memory_usage|disk_(?:usage|available)|gpu_\d+_memory_usage"
        r"|network_(?:receive|transmit))_(?:percentage|megabytes)$"
    ),
}  # fmt: skip
"""Kind -> names of files that no reader need be asked about."""
_DOCUMENTS = {
    "source code": re.compile(r"^(?:dockerfile|makefile|requirements[\w.-]*\.txt"
                              r"|conda[\w.-]*\.ya?ml|environment\.ya?ml|wandb-summary\.schema)$"),
    "environments": re.compile(r"^(?:mlmodel|python_env\.yaml|python_model\.yaml)$"),
    "readmes and licences": re.compile(
        r"^(?:readme|licen[cs]e|notice|copying|changelog|contributing|authors|citation"
        r"|code_of_conduct)(?:[._-][\w.-]*)?$"),
    "readings of a tracker's power tool": re.compile(
        r"^(?:powermetrics_log\.txt|intel_power_gadget_log\.csv)$"),
}  # fmt: skip
_WHOLE_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*"\s*:\s*(-?\d+(?:\.\d+)?|[^\s\d-])')
_TOKENIZER = (b'"added_tokens"', b'"pre_tokenizer"', b'"post_processor"', b'"normalizer"',
              b'"decoder"', b'"model_max_length"')  # fmt: skip
_DATA_SET = re.compile(rb'"_fingerprint"|"_data_files"|"features":\s*\{|"download_checksums"')
_EXAMPLE = re.compile(
    rb'\A\s*\[?\s*\{\s*"(?:messages|conversations?|prompt|instruction|input|text|question|chosen'
    rb'|contents)"\s*:'
)
_STEPS = re.compile(rb"\A(?:step|epoch),(?:train_|training_|valid_|eval_)?(?:loss|accuracy)")
_LOGGED = re.compile(
    rb"^\S{0,30}\s?(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\{\"time\":\""
    rb"|(?:DEBUG|INFO|WARNING|ERROR):|\[\d{4}-)",
    re.MULTILINE,
)
_TELLING = re.compile(
    rb"(?i)kwh|\bwatt|joule|energy|emission|co2|runtime|elapsed|tokens?[_ /]|tokens_per|iteration"
    rb"|\bstep\b|epoch|loss"
)
_OF_WANDB = re.compile(rb" MainThread:\d+ \[wandb_\w+\.py:")
"""W&B's log of itself repeats the run's settings, which stand in the run's own files."""
_TIMED = re.compile(rb"(?i)time|tokens|second|energy|power|kwh|watt")
_OF_EVALUATION = re.compile(r"^(?:eval|test|predict|validation)\w*_results\.json$")


OWN_LINK = re.compile(r"(?:^|/)(?:offline-)?run-\d{8}_\d{6}-\w+/logs/debug-core\.log$")
"""W&B's own link from the folder of a run to the log of itself, which lies with the user's caches;
its reader is not asked, nor is the link followed."""


def kind_of(name: str, head: bytes) -> str | None:
    """Return the kind of a file that tells nothing of a run; None of any other.

    Parameters
    ----------
    name : str
        Its name, with folders.
    head : bytes
        Its first 64 KiB.
    """
    return _first(_SURE, name, head)


def kind_otherwise(name: str, head: bytes) -> str | None:
    """Return the kind of a file that no reader recognises, such as a README without a run."""
    return _first(_AT_LAST, name, head)


def _first(finders: Iterable[_Finder], name: str, head: bytes) -> str | None:
    own = PurePosixPath(name.casefold()).name
    return next((kind for kind in (find(own, head) for find in finders) if kind), None)


def _binary(name: str, head: bytes) -> str | None:
    if b"\0" not in head and not head.startswith((b"%PDF", b"\xff\xd8", b"GIF8", b"\x80")):
        return None
    if _OPTIMISER.search(name):
        return "optimiser states"
    return next((kind for kind, ends in _BINARY.items() if name.endswith(ends)), None)


def _text(name: str, head: bytes) -> str | None:
    if b"\0" in head:
        return None
    ended = next((kind for kind, ends in _TEXT.items() if name.endswith(ends)), None)
    return ended or next((kind for kind, form in _DOCUMENTS.items() if form.search(name)), None)


def _pointer(_: str, head: bytes) -> str | None:
    return (
        "pointers to large files"
        if head.startswith(b"version https://git-lfs.github.com/spec/")
        else None
    )


def _called(name: str, head: bytes) -> str | None:
    if b"\0" in head:
        return None
    return next((kind for kind, form in _NAMED.items() if form.search(name)), None)


def _tokenizer(name: str, head: bytes) -> str | None:
    """Tell a tokenizer by its parts, and a vocabulary because it numbers its words."""
    if not name.endswith(".json") or head.lstrip()[:1] != b"{":
        return None
    if name.startswith("tokenizer") and sum(part in head for part in _TOKENIZER) >= 1:
        return "tokenizers"
    if "vocab" in name or "token" in name or name in {"label2id.json", "id2label.json"}:
        values = _WHOLE_NUMBER.findall(head)
        if values and all(value.lstrip(b"-").isdigit() for value in values):
            return "tokenizers"
    return None


def _data_set(name: str, head: bytes) -> str | None:
    """Tell a data set by its examples, and what the `datasets` library lays beside one."""
    described = name in {"dataset_info.json", "state.json", "dataset_dict.json"}
    examples = name.endswith((".jsonl", ".json")) and _EXAMPLE.match(head)
    return "data sets" if examples or (described and _DATA_SET.search(head)) else None


def _course(name: str, head: bytes) -> str | None:
    """Tell a table of losses by its header: neither time nor tokens stand in it."""
    known = name.endswith(".csv") and _STEPS.match(head) and not _TIMED.search(head.split(b"\n")[0])
    return "courses of losses" if known else None


def _chatter(name: str, head: bytes) -> str | None:
    """Tell the log of a program that names nothing of a training in its lines."""
    if b"\0" in head or not name.endswith((".log", ".out", ".err", ".txt")):
        return None
    told = _TELLING.search(head) and not _OF_WANDB.search(head)
    return "logs of programs" if _LOGGED.search(head) and not told else None


def _registered(name: str, head: bytes) -> str | None:
    registered = name == "meta.yaml" and b"last_updated_timestamp:" in head
    return "models of a registry" if registered else None


def _evaluation(name: str, head: bytes) -> str | None:
    trained = b'"train_runtime"' in head or b'"log_history"' in head
    return "results of evaluation" if _OF_EVALUATION.match(name) and not trained else None


_SURE: tuple[_Finder, ...] = (_binary, _pointer, _called, _tokenizer)
_AT_LAST: tuple[_Finder, ...] = (_text, _evaluation, _data_set, _course, _chatter, _registered)
