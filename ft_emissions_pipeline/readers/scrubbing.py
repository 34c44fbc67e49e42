"""Take secrets out of text before it is stored or shown.

Put here: what counts as a secret in a log. Keep out: where such text comes from and goes to.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

RAW_LENGTH = 500
"""Characters of a refused record that quarantine keeps."""

_LOOKED_AT = 4000
"""Characters looked at before shortening: enough that a secret cut off by it lies beyond `RAW_LENGTH`."""

_NAMED = r"password|passwd|secret|(?:api|access)[_-]?key|(?:access|auth)[_-]?token"
_IDENTITIES = (
    r"organi[sz]ation_?id|user_?id|owner_address|tenant_?id|wandb_?(?:entity|key)|created_?by"
)
_SECRETS = (
    # Whoever owns a job, and signed addresses as a whole, before their query is.
    rf"((?i:{_IDENTITIES}|signed_?url)[\"']?\s{{0,5}}[:=]\s{{0,5}}[\"']?)[^\s\"',;|}}\[\]]+",
    # The query of a URL: signatures of presigned links live there.
    r"([A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s\"'?|<>]{1,1000}\?)[^\s\"'|<>]+",
    # User and password in a URL.
    r"([A-Za-z][A-Za-z0-9+.-]{1,15}://)[^\s/@\"']{1,200}@",
    # The account id in an ARN.
    r"(arn:aws[a-z-]{0,12}:[a-z0-9-]{0,40}:[a-z0-9-]{0,30}:)\d{12}",
    # The account id in the name of a bucket or of a container registry.
    r"(\bs3://[a-z0-9.-]{1,50}-)\d{12}\b",
    r"()\b\d{12}(?=\.dkr\.ecr\.)",
    # The project in a Google Cloud name, the subscription in an Azure one, the account in one of Fireworks.
    r"(\bprojects/)[^/\s\"'\[\]]{1,64}(?=/locations/)",
    r"(?i:(\bsubscriptions/))[0-9A-Fa-f-]{36}",
    r"(\baccounts/)(?!fireworks/)[^/\s\"'\[\]]{1,64}"
    r"(?=/(?:models|datasets|deploy\w{1,20}|users|secrets|supervisedFineTuningJobs)\b)",
    # The organisation in the name of a model that OpenAI or Mistral fine-tuned, and as an id.
    r"(\bft:[A-Za-z0-9._-]{1,80}:)[^:\s\"',\[\]]{1,80}(?=:)",
    r"()\b(?:org|user)-[A-Za-z0-9]{16,}",
    # Emails end in a name, unlike model@1.2.
    r"()[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}",
    # Keys of OpenAI and others, Hugging Face, GitHub, GitLab, Slack, AWS, Google.
    r"()\bsk-[A-Za-z0-9_-]{16,}",
    r"()\b(?:hf|gh[opusr])_[A-Za-z0-9]{16,}",
    r"()\bgithub_pat_\w{16,}",
    r"()\b(?:glpat|xox[abprs])-[A-Za-z0-9_-]{10,}",
    r"()\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}",
    r"()\bAIza[A-Za-z0-9_-]{20,}",
    # The owner before the name of a model that Together made.
    r"((?:output|object)_name[\"']?\s{0,5}[:=]\s{0,5}[\"']?)[^/\s\"',\[\]]{1,80}(?=/)",
    # JSON web tokens, bearer tokens, and whatever is called a password.
    r"()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?",
    r"((?i:\bbearer)\s+)[A-Za-z0-9._~+/=-]+",
    rf"((?i:{_NAMED})[A-Za-z_-]{{0,20}}[\"']?\s{{0,5}}[:=]\s{{0,5}}[\"']?)[^\s\"',;|}}]+",
)
"""What is a secret: all behind the first group. Repetitions are bounded, so that long junk stays linear;
`_HINT` must occur in whatever one of them matches."""

_HINT = (
    r"@|://|arn:aws|sk-|(?:hf|gh[opusr])_[A-Za-z0-9]{16}|github_pat_|glpat-|xox|AKIA|ASIA|AROA|AIDA"
    r"|AIza|eyJ"
    r"|projects/|accounts/|ft:|org-|user-|dkr|_name"
    r"|(?i:bearer|passw|secret|key|token|subscriptions/|_?id\W|address|entity|createdby|created_by|signed)"
)
"""Cheap enough to be looked for in a million cells; only cells that have it are searched for secrets."""

_HINTED = re.compile(_HINT)
_PATTERNS = tuple(re.compile(pattern) for pattern in _SECRETS)


def scrubbed(text: str) -> str:
    """Return text without account ids, signed queries, emails, keys and tokens.

    Four hexadecimal digits of the secret's hash stay, so that two names which differ in nothing
    else do not become one; they are too few to find the secret by trying.
    """
    if _HINTED.search(text) is None:
        return text
    for pattern in _PATTERNS:
        text = pattern.sub(_removed, text)
    return text


def _removed(match: re.Match[str]) -> str:
    kept = match.group(1)
    secret = match.group()[len(kept) :]
    return f"{kept}[removed {hashlib.sha256(secret.encode()).hexdigest()[:4]}]"


def hashed_host(name: str) -> str:
    """Return what stands for a machine's name: the same for `Node1` and `node1.cluster.example`.

    Eight hexadecimal digits tell the machines of a cluster apart; the domain does not count, because
    schedulers leave it out and exporters do not.
    """
    plain = name.strip().casefold()
    address = re.fullmatch(r"[0-9.]+|.*:.*", plain)
    machine = plain if address else plain.split(".", maxsplit=1)[0]
    return hashlib.sha256(machine.encode()).hexdigest()[:8]


def raw_text(text: str) -> str:
    """Return a record's text as quarantine keeps it: without secrets, on one line, shortened."""
    clean = " ".join(scrubbed(text[:_LOOKED_AT]).replace("\0", "").split())
    return clean if len(clean) <= RAW_LENGTH else f"{clean[: RAW_LENGTH - 1]}…"


_HOST_LABEL = re.compile(
    r'("?\b(?:hostname|instance|node|host|pod)"?\s*[:=]\s*")[^"]*', re.IGNORECASE
)


def without_hosts(text: str) -> str:
    """Return text without the names of machines that stand beside the labels of metrics and jobs."""
    return _HOST_LABEL.sub(r"\1[removed]", text)


def to_be_cleaned(columns: Iterable[pd.Series]) -> bool:
    """Say whether any cell of some columns of text is empty, or may hold a secret."""
    texts = [pa.array(cells.array, type=pa.large_string(), from_pandas=True) for cells in columns]
    values = pa.concat_arrays([part for text in texts for part in getattr(text, "chunks", [text])])
    found = pc.match_substring_regex(values, rf"{_HINT}|^$")
    return bool(pc.any(found).as_py())


def scrubbed_cells(cells: pd.Series) -> pd.Series:
    """Return a column of text with secrets removed; cells without any are not touched."""
    values = pa.array(cells, type=pa.large_string(), from_pandas=True)
    suspects = pc.fill_null(pc.match_substring_regex(values, _HINT), False)
    if not pc.any(suspects).as_py():
        return cells
    hits = suspects.to_numpy(zero_copy_only=False)
    clean = cells.copy()
    clean[hits] = [scrubbed(text) for text in cells[hits]]
    return clean
