"""Which texts are secrets or personal data: each kind by its form, in the order of the search.

Put here: one line for each kind. Keep out: what becomes of a secret (`scrubbing.py`).

Prefixes of keys are those that gitleaks (github.com/gitleaks/gitleaks, MIT, config/gitleaks.toml of
2026-07) lists. No detector is called: they look for files that hold a secret, so they neither tell
where it ends nor know of people, and detect-secrets knows no key of Hugging Face, Groq or NVIDIA.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Secret:
    """A kind of secret.

    One of `signs`, in small letters, occurs in whatever holds one, or where no word tells it, the
    shape `hint` does, which RE2 can read. `form` matches it, its first group being what stays;
    `holds` says of what would be removed whether it is one.
    """

    signs: tuple[str, ...]
    hint: str
    form: re.Pattern[str]
    holds: Callable[[str], bool]


def _told(signs: str, form: str, holds: Callable[[str], bool] = bool) -> Secret:
    """Return a kind that one of some words, separated by bars, gives away."""
    hint = f"(?i:{'|'.join(map(re.escape, signs.split('|')))})"
    return Secret(tuple(signs.split("|")), hint, re.compile(form, re.ASCII), holds)


def _shaped(hint: str, form: str, holds: Callable[[str], bool] = bool) -> Secret:
    """Return a kind that is known by its shape alone."""
    return Secret((), hint, re.compile(form, re.ASCII), holds)


def _named(signs: str, names: str, holds: Callable[[str], bool]) -> tuple[Secret, ...]:
    """Return the kinds of what follows a name: up to the closing quote, or else one word."""
    start = rf"((?:{names})\\?[\"']{{0,2}}\s{{0,5}}(?::=|=>|[:=])\s{{0,5}}"
    return (
        _told(signs, rf"{start}(\"\"(?=[^\"\s,}}])|\\?[\"']))(?:(?!\2)[\s\S]){{1,4000}}", holds),
        _told(
            signs,
            rf"{start}(?![{{\[]))(?:(?i:bearer|basic|token)\s+)?(?:\\?[^\s\"',;|}}\\])+",
            holds,
        ),
    )


# What a candidate must be


def _says_something(value: str) -> bool:
    return value.strip().casefold() not in {"null", "none", "nan", "true", "false", "-", ""}


def _no_number(value: str) -> bool:
    return (
        _says_something(value)
        and re.fullmatch(r"[-+]?\d[\d.,_]*(?:e[-+]?\d+)?%?", value, re.IGNORECASE) is None
    )


def _entropy(text: str) -> float:
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def _is_key(value: str) -> bool:
    """Say whether a value called a key looks secret; a dictionary's or sort's key is a word."""
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return len(value) >= 16 and mixed and _entropy(value) >= 3.0


_IDS = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32,39}(?![0-9a-f])"
)
"""Identities of runs and traces: UUIDs, and 32 digits of MLflow and OpenTelemetry."""


def _is_random(text: str) -> bool:
    """Say whether a long token was drawn at random: its cases and digits keep changing.

    Of 40 characters drawn from 64, two neighbours in three are of different classes (standard error
    0.08), and the entropy is 4.9 bits (0.1); names of models put words together, of three and more
    letters of one class.
    """
    plain = _IDS.sub("", text.rstrip("="))
    if len(plain) < 32:
        return False
    classes = [
        "d" if c.isdigit() else "u" if c.isupper() else "l" if c.isalpha() else c for c in plain
    ]
    # No base64 has signs of both its alphabets; a path of names has.
    if set(plain) & set("+/") and set(plain) & set("-_"):
        return False
    if not {"d", "l"} <= set(classes) or sum(plain.count(c) for c in "-_/") > len(plain) / 9:
        return False
    changes = sum(a != b for a, b in pairwise(classes)) / (len(plain) - 1)
    if "u" not in classes:
        return len(plain) >= 40 and changes >= 0.3 and _entropy(plain) >= 4.2
    return changes >= 0.42 and _entropy(plain) >= 4.2


def _is_basic(text: str) -> bool:
    try:
        return b":" in base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_card(text: str) -> bool:
    """Say whether digits have the check digit of ISO/IEC 7812 (Luhn)."""
    digits = [int(c) for c in text if c.isdigit()][::-1]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    """Say whether a text has the check digits of an IBAN (ISO 13616: modulo 97)."""
    plain = "".join(text.split())
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _has_digits_of_a_telephone(text: str) -> bool:
    return 9 <= sum(c.isdigit() for c in text) <= 16


def _are_no_sizes(text: str) -> bool:
    """Say whether three numbers are not all powers of two, as sizes of layers are."""
    return any(int(part) & (int(part) - 1) for part in re.findall(r"\d+", text))


def _is_hash(text: str) -> bool:
    """Say whether hexadecimal digits vary as those of a hash do."""
    return _entropy(text) > 2.5


def _is_host(text: str) -> bool:
    """Say whether a name of a machine is not yet a hash of one, nor a number."""
    return _no_number(text) and re.fullmatch(r"[0-9a-f]{8}(?: [0-9a-f]{8})*", text) is None


# The kinds

_PASSWORDS = (
    r"(?i:pass(?:word|wd|phrase|code)|(?<![a-z])pwd|secret|credential|signature|authorization|cookie"
    r"|(?:api|access|account|shared|private|signing|encrypt\w{0,6}|subscription|service|master"
    r"|storage|licen[cs]e|ssh|wandb|auth|client|project)[_ -]?key"
    r"|(?:access|auth|refresh|session|bearer|bot)[_ -]?token)[A-Za-z_-]{0,20}"
)
_TOKENS = r"(?<![A-Za-z])(?i:token)(?![A-Za-z_])|(?<=[a-z])Token(?![A-Za-z_])"
_PEOPLE = (
    r"(?i:organi[sz]ation_?id|user_?id|owner_address|tenant_?id|wandb_?(?:entity|key)|created_?by"
    r"|submitted_?by|signed_?url|(?<![a-z])(?:user(?:_?name)?|login|e-?mail|mobile|owner|author"
    r"|(?:tele)?phone(?:_?(?:number|no))?|user id|uid))"
)
_HOSTS = (
    r"(?<![A-Za-z])(?i:host(?:_?name)?|node(?:_?(?:name|list))?|instance|pod(?:_?name)?|server"
    r"|data source|fqdn|batch_?host|machine|computer_?name|api_base)"
)
_PUBLIC = (
    r"(?:[\w-]{1,63}\.){0,6}(?:huggingface\.co|hf\.co|github\.(?:com|io)|githubusercontent\.com"
    r"|gitlab\.com|openai\.com|anthropic\.com|mistral\.ai|together\.(?:ai|xyz)|fireworks\.ai|wandb\.ai"
    r"|amazonaws\.com|aws\.amazon\.com|azure\.com|windows\.net|googleapis\.com|google\.com|nvidia\.com"
    r"|codecarbon\.io|arxiv\.org|doi\.org|w3\.org|wikipedia\.org|creativecommons\.org|pytorch\.org"
    r"|python\.org)(?![\w.-])"
)
"""Machines that everyone knows."""
_NETWORK = (
    r"(?:https?|wss?|s?ftp|ssh|git|grpcs?|tcp|udp|nfs|smb|ldaps?|amqps?|postgres\w{0,12}|mysql"
    r"|mariadb|mongodb\S{0,4}|rediss?|mssql)"
)
_TOP = (
    r"(?:com|net|org|edu|gov|mil|int|cloud|example|test|de|fr|uk|ch|at|nl|be|se|no|dk|fi|es|cz|eu|us"
    r"|ca|au|jp|cn|kr|sg|br|in|ie|nz|za|ru)"
)
_INSIDE = r"(?:internal|local|lan|corp|intranet|home|cluster|localdomain)"
"""Last part of a machine's name: below a name that someone registered, or in a network of one's
own."""
_KEYS = (
    r"sk-[\w-]{16,}|(?:sk|rk|pk)_(?:live|test|prod)_\w{10,}|whsec_\w{16,}|(?:sk|pk)-lf-[\w-]{10,}"
    r"|(?:hf|api_org)_[A-Za-z0-9]{16,}|gh[opusr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}"
    r"|gl(?:pat|ptt|dt|rt|cbt|ft|imt|agent|oas|soat|ffct)-[\w.-]{10,}"
    r"|xox[abeoprs][.-][\w.-]{10,}|xapp-[\w-]{10,}|dapi[a-f0-9]{16,}(?:-\d)?|nvapi-[\w-]{16,}"
    r"|(?:gsk|r8|pcsk|fw|rpa|lsv2|KGAT)_\w{16,}|(?:pplx|xai|csk)-\w{16,}|(?:tgp|wandb)_v\d_[\w-]{16,}"
    r"|tvly-[\w-]{10,}|AIza[\w-]{20,}|ya29\.[\w-]{10,}|GOCSPX-[\w-]{10,}|ABSK[A-Za-z0-9+/=]{40,}"
    r"|(?:A3T[A-Z0-9]|AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{12,}|npm_[A-Za-z0-9]{16,}"
    r"|pypi-[\w-]{16,}|dckr_pat_[\w-]{16,}|do[opr]_v1_[a-f0-9]{16,}|dp\.\w{2,5}\.\w{16,}"
    r"|hv[bs]\.[\w-]{16,}|(?:lin_api|glsa|glc|ntn|secret|sbp|pnu|pul|rdme|rubygems|sntry[su]|sgp"
    r"|shp(?:at|ca|pa|ss)|pscale_\w{2,5}|sm_[aps]at)[_-][\w.=-]{20,}|SG\.[\w.-]{16,}"
    r"|SK[0-9a-fA-F]{32}|key-[a-f0-9]{32}|PMAK-[a-f0-9-]{16,}|HRKU-[\w-]{16,}|NRAK-\w{16,}"
    r"|ATATT\w{16,}|LTAI\w{16,}|AGE-SECRET-KEY-1\w{16,}|ops_eyJ\w{16,}"
)
"""Keys that tell by their beginning whose they are."""
_HASHED = "".join(
    rf"(?<!{word})"
    for word in ("snapshots/", "commit/", "commit ", "tree/", "blob/", "resolve/", "revision ", "@",
                 "sha1:", "sha256:", "sha512:")
)  # fmt: skip
"""What stands before the hash of a commit or of a content."""

SECRETS: tuple[Secret, ...] = (
    # Blocks of PEM, whole or cut off.
    _told("-----begin", r"()-----BEGIN [A-Z0-9 ]{1,40}-----[\s\S]*?"
          r"(?:-----END [A-Z0-9 ]{1,40}-----|\Z)"),
    # The account id in an ARN, in the name of a bucket or of a registry; who takes a role.
    _told("arn:aws", r"(arn:aws[a-z-]{0,12}:[a-z0-9-]{0,40}:[a-z0-9-]{0,30}:)\d{12}"),
    _told("user/|role/", r"(:(?:user|assumed-role/[\w+=,.@-]{1,64})/)[\w+=,.@-]+"),
    _told("s3://", r"(\bs3://[a-z0-9.-]{1,50}-)\d{12}\b"),
    _told(".dkr.", r"()\b\d{12}(?=\.dkr\.ecr\.)"),
    # The project in a Google Cloud name, the subscription in an Azure one, the account in one of
    # Fireworks.
    _told("projects/", r"(\bprojects/)[^/\s\"'\[\]]{1,64}(?=/locations/)"),
    _told("subscriptions/", r"(?i:(\bsubscriptions/))[0-9A-Fa-f-]{36}"),
    _told("accounts/", r"(\baccounts/)(?!fireworks/)[^/\s\"'\[\]]{1,64}"
          r"(?=/(?:models|datasets|deploy\w{1,20}|users|secrets|supervisedFineTuningJobs)\b)"),
    # The organisation in the name of a model that OpenAI or Mistral fine-tuned, and as an id.
    _told("ft:", r"(\bft:[A-Za-z0-9._-]{1,80}:)[^:\s\"',\[\]]{1,80}(?=:)"),
    _told("org-|user-", r"()\b(?:org|user)-[A-Za-z0-9]{16,}"),
    # The owner before the name of a model that Together made.
    _told("_name",
          r"((?:output|object)_name[\"']?\s{0,5}[:=]\s{0,5}[\"']?)[^/\s\"',\[\]]{1,80}(?=/)"),
    # What is called a header of authorization, a password, a key or a token.
    _told("authorization|cookie", r"((?i:authorization|cookie)\s{0,3}:\s{1,3})[^\r\n\"']+"),
    *_named("pass|pwd|secret|credential|signature|key|token|cookie|authorization", _PASSWORDS,
            _says_something),
    *_named("token", _TOKENS, _no_number),
    *_named("key", r"(?<![A-Za-z])(?i:key)", _is_key),
    _told("--", r"(--(?:[\w-]{0,30}[_-])?(?i:pass(?:word|wd|phrase)?|pwd|secret|token|key)"
          r"(?:\s+|=)[\"']?)[^\s\"']+", _no_number),
    _told("token|passw|pwd|secret", r"(\b(?i:token|passw(?:or)?d|pwd|secret)\s{1,3})"
          r"(?=[^\s\"']{0,80}\d)(?=[^\s\"']{0,80}[A-Za-z])[\w.~+/=!$%^&*#-]{6,}"),
    # Whoever owns a job, and machines; signed addresses as a whole, before their query is.
    *_named("ation_id|ationid|user|owner|tenant|entity|wandb|ted_by|tedby|signed|login|mail|phone|mobile"
            "|author|uid", _PEOPLE, _says_something),
    *_named("host|node|instance|pod|server|data source|fqdn|machine|computer|api_base", _HOSTS,
            _is_host),
    # The query of a URL: signatures of presigned links live there. User and password; the machine.
    _told("://", r"([A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s\"'?|<>]{1,1000}\?)[^\s\"'|<>]+"),
    _told("://", r"([A-Za-z][A-Za-z0-9+.-]{1,15}://)[^\s/\"']{1,300}@"),
    _told("://", rf"(\b{_NETWORK}://)(?!{_PUBLIC})[^\s/?#\"'<>|:)\]]+"),
    _told("hooks.slack|webhook", r"(\bhooks\.slack\.com/\w{1,20}/|/webhook\w{0,4}/)[^\s\"']+"),
    # Whose folder a path goes through; what lies below it stays.
    _told("/home|/user|/people", r"(/(?:homes?\d{0,3}|[Uu]sers?|people)/)[^/\s\"'<>|:;,]+"),
    _told("home|~", r"(^home\d{0,3}/|(?<![\w/.])~)[A-Za-z_][\w.-]{0,40}(?=/)"),
    _told("\\users|\\documents and", r"(\\(?i:users|documents and settings)\\{1,4})"
          r"(?:(?!\\)[^\r\n\"'<>|:*?]){1,64}"),
    _shaped(re.sub(r"\{\d+,\}", "", _KEYS), rf"()(?<![A-Za-z0-9])(?:{_KEYS})"),
    # Bots of Telegram, applications of Azure.
    _told(":a", r"()(?<![A-Za-z0-9])\d{6,12}:A[\w-]{30,}"),
    _told("q~", r"()(?<![\w~.])[\w~.]{3}\dQ~[\w~.-]{31,34}"),
    # JSON web tokens; headers without their name.
    _told("eyj", r"()(?<![A-Za-z0-9])eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*){0,3}"),
    _told("bearer", r"((?i:\bbearer)\s+)[\w.~+/=-]+"),
    _told("basic", r"((?i:\bbasic)\s+)[A-Za-z0-9+/]{6,}={0,2}", _is_basic),
    # Emails end in a name, unlike model@1.2.
    _told("@|%40", r"()[A-Za-z0-9._%+-]{1,64}(?:@|%40)(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}"),
    # Machines by their address and by their name.
    _shaped(r"\d\.\d{1,3}\.\d{1,3}\.\d",
            r"()(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)", _is_address),
    _shaped(r"::|(?:[0-9a-fA-F]{1,4}:){7}", r"()(?<![\w:.])(?=[0-9A-Fa-f:.]*:[0-9A-Fa-f])"
            r"[0-9A-Fa-f:.]{3,45}(?![\w:])", _is_address),
    _shaped(r"(?:[0-9a-fA-F]{2}[:-]){5}",
            r"()(?<![\w:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![\w:-])"),
    _told("ip-|desktop-|laptop-|win-",
          r"()\b(?:ip(?:-\d{1,3}){4}|(?:DESKTOP|LAPTOP|WIN)-[A-Z0-9]{7,11})\b"),
    _shaped(rf"\.(?:[A-Za-z0-9-]+\.{_TOP}|{_INSIDE})",
            rf"()(?<![\w.@/-])(?!{_PUBLIC})[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}}){{0,6}}"
            rf"\.(?:{_INSIDE}|[A-Za-z0-9-]{{1,63}}\.{_TOP})(?![\w-]|\.\w)"),
    # Cards, accounts and numbers of a person.
    _shaped(r"(?:\d[ -]?){13}",
            r"()(?<![\w.-])(?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|6(?:011|5\d\d|4[4-9]\d)|35\d\d)([ -]?)"
            r"\d{4}\2\d{4}\2\d{1,4}(?:\2\d{3})?(?![\w-]|\.\d)", _is_card),
    _shaped(r"3\d{3}[ -]?\d{6}",
            r"()(?<![\w.-])3[04678]\d\d([ -]?)\d{6}\2\d{4,5}(?![\w-]|\.\d)", _is_card),
    _shaped(r"[A-Z]{2}\d{2}[ A-Z0-9]{11}",
            r"()(?<![\w-])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![\w-])",
            _is_iban),
    _shaped(r"\d{3}-\d{2}-\d{4}", r"()(?<![\w.-])(?!000|666|9)\d{3}-\d{2}-\d{4}(?![\w-]|\.\d)"),
    _shaped(r"\+[1-9]\d{0,2}[ .-]?\(?\d|\b00[1-9]\d{0,2}[ .-]",
            r"()(?<![\w.+-])(?:\+[1-9]\d{0,2}|00[1-9]\d{0,2}[ .-])"
            r"(?:[ .-]?\(?\d{1,5}\)?){2,6}(?!\w|\.\d)", _has_digits_of_a_telephone),
    _shaped(r"\d{3}\)?[ .-]\d{3}[ .-]\d{4}", r"()(?<![\w.-])(?:1[ .-])?\(?[2-9]\d\d\)?[ .-]"
            r"[2-9]\d\d[ .-]\d{4}(?![\w-]|\.\d)", _are_no_sizes),
    _shaped(r"\b0\d{1,4}\)?[ ./]\d",
            r"()(?<![\w.:-])(?:0[1-9](?:[ .]\d\d){4}|\(?0\d{2,4}\)?[ /]\d{3,4} ?\d{3,5})"
            r"(?![\w-]|\.\d)"),
    # Long tokens drawn by chance.
    _shaped(r"[0-9a-fA-F]{40}", rf"()(?<!\w){_HASHED}[0-9a-fA-F]{{40,}}(?!\w)", _is_hash),
    _shaped(r"[\w+/=-]{32}", r"()(?<![\w+/-])[\w+/-]{32,}={0,2}(?![\w+/=-])", _is_random),
)  # fmt: skip
"""In the order in which they are sought. Repetitions are bounded, so that long junk stays
linear."""
