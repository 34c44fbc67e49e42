"""Say which calls to a service are inferences, and which only fetch, list or store something.

Put here: kinds of calls by the names and routes that proxies log, and what a request's id is worth.
Keep out: one proxy's columns (its own module), and days and hours (`usage_days.py`).

Names are those of LiteLLM's `CallTypes` (litellm/types/utils.py) and the routes of the OpenAI,
Anthropic, Google and Cohere APIs: an inference runs a model for the caller, whatever comes out of
it.
"""

from __future__ import annotations

import re

import pandas as pd

OTHER_CALLS = "other_calls_left_out"
"""Repair: calls that ran no model are not counted."""

_RUNS_A_MODEL = {
    "completion", "completions", "text_completion", "chat", "chat_completion", "chat_completions",
    "embedding", "embeddings", "messages", "anthropic_messages", "responses", "responses_websocket",
    "generate_content", "generate_content_stream", "image_generation", "image_generations",
    "image_edit", "image_variation", "moderation", "moderations", "transcription", "transcriptions",
    "translation", "translations", "speech", "rerank", "realtime", "ocr", "create_video",
    "video_generation", "video_remix", "video_edit", "video_extension", "run_thread",
    "run_thread_stream", "generate", "predict", "invoke", "converse", "inference",
}  # fmt: skip
_RUNS_NONE = {
    "get", "add", "list", "retrieve", "delete", "cancel", "file", "files", "batch", "batches",
    "model", "models", "health", "assistant", "assistants", "thread", "threads", "vector", "store",
    "stores", "tuning", "job", "jobs", "content", "count", "container", "containers", "skill",
    "skills", "upload", "uploads", "input", "items", "login", "key", "keys", "spend", "mcp",
}  # fmt: skip
_LAST_OF_A_ROUTE = {
    "completions", "embeddings", "messages", "responses", "generations", "edits", "variations",
    "moderations", "transcriptions", "translations", "speech", "rerank", "chat", "embed",
    "generate", "generatecontent", "streamgeneratecontent", "predict", "invoke",
    "invoke-with-response-stream", "converse", "converse-stream", "realtime", "ocr", "videos",
}  # fmt: skip
_NO_KEY = {"", "none", "null", "nan", "undefined", "n/a", "-"}


def are_inferences(kinds: pd.Series, tokens: pd.Series) -> pd.Series:
    """Say of each call whether a model ran for it.

    Parameters
    ----------
    kinds : Series of str
        Name or route of the call, missing where the log names none: then it counts.
    tokens : Series of float
        Tokens of the call: they decide on kinds of which nothing is known.
    """
    known = {kind: _runs_a_model(kind) for kind in kinds.dropna().unique()}
    told = kinds.map(known)
    return told.where(told.notna(), kinds.isna() | (tokens > 0)).astype(bool)


def _runs_a_model(kind: str) -> bool | None:
    """Return None of a kind of which nothing is known."""
    name = kind.strip().casefold()
    if not name:
        return True
    if "/" in name:
        return re.split(r"[/:]", name.split("?")[0].rstrip("/"))[-1] in _LAST_OF_A_ROUTE
    name = re.sub(r"[\s.-]+", "_", name).strip("_")
    bare = name[1:].lstrip("_") if name.startswith("a") else name
    if name in _RUNS_A_MODEL or bare in _RUNS_A_MODEL:
        return True
    words = {*name.split("_"), *bare.split("_")}
    return False if words & _RUNS_NONE else None


def repeated(request_ids: pd.Series, at: pd.Series) -> pd.Series:
    """Say which requests stand once more further below: the same id at the same time.

    An id that says nothing, or is used again at another time, is no key.
    """
    key = request_ids.str.strip().str.casefold()
    named = request_ids.notna() & ~key.isin(_NO_KEY)
    both = pd.DataFrame({"id": request_ids, "at": at})
    return named & both.duplicated(keep="last")
