"""Secrets of each kind, their random parts drawn anew for each seed; none was ever in use.

They are put in the place of each text of a file, and behind it, one text after the other.
"""

import base64
import csv
import io
import json
import random
import re
import string
from functools import cache

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
BASE64 = ALNUM + "+/"
URL_SAFE = ALNUM + "-_"


def drawn(alphabet, length, chance):
    return "".join(chance.choices(alphabet, k=length))


def planted(chance):
    """Return kind -> (text, what must not be seen of it), the random parts drawn anew."""

    def key(prefix, alphabet, length):
        body = drawn(alphabet, length, chance)
        return prefix + body, body

    def told(text, secret):
        return text.format(secret), secret

    word, digits = drawn(ALNUM, 14, chance) + "7x", drawn("123456789", 8, chance)
    pem = "\n".join(drawn(BASE64, 64, chance) for _ in range(4))
    secret40 = drawn(BASE64, 40, chance)
    return {
        "home": ("/home/adalovelace/runs/llama", "adalovelace"),
        "home of a Mac": ("/Users/ada.lovelace/runs", "lovelace"),
        "home of Windows": ("C:\\Users\\Ada Lovelace\\runs", "Lovelace"),
        "home of Windows in JSON": ("C:\\\\Users\\\\adalovelace\\\\runs", "adalovelace"),
        "home on a file server": ("/gpfs/home2/adalovelace/runs", "adalovelace"),
        "host": ("trained on gpu-node-7.corp.acme.com today", "gpu-node-7"),
        "host of a cluster": ("node17.cluster.internal", "node17"),
        "host of EC2": ("ip-10-0-12-34", "10-0-12-34"),
        "host by name": ('{"hostname": "ada-laptop"}', "ada-laptop"),
        "host of an address": ("https://mlflow.acme.de/api/2", "mlflow.acme"),
        "IPv4": ("at 10.21.33.47:8080", "10.21.33.47"),
        "IPv6": ("at 2001:db8:85a3::8a2e:370:7334", "85a3::8a2e"),
        "MAC": ("00:1b:44:11:3a:b7", "1b:44:11:3a"),
        "private key": (f"-----BEGIN RSA PRIVATE KEY-----\n{pem}\n-----END RSA PRIVATE KEY-----",
                        pem[70:90]),
        "private key cut off": (f"-----BEGIN OPENSSH PRIVATE KEY-----\\n{pem}", pem[70:90]),
        "line of a private key": (pem[:64], pem[5:25]),
        "key of an Azure account": told("DefaultEndpointsProtocol=https;AccountKey={};"
                                        "EndpointSuffix=x", drawn(BASE64, 86, chance) + "=="),
        "connection string": told("Server=tcp:db,1433;Database=x;User Id=sa;Password={};", word),
        "address of a database": told("postgresql://ada:{}@db.acme.com/x", word),
        "secret key of AWS": told("{}", secret40),
        "session token of AWS": told("{}", "IQoJb3JpZ2luX2Vj" + drawn(BASE64, 300, chance)),
        "id of an AWS key": key("AKIA", string.ascii_uppercase + "234567", 16),
        "service account of GCP": told('{{"private_key_id": "{}"}}', drawn(HEX, 40, chance)),
        "Google": key("AIza", URL_SAFE, 35),
        "Google OAuth": key("ya29.", URL_SAFE, 60),
        "Slack": key("xoxb-123456789012-123456789012-", ALNUM, 24),
        "webhook of Slack": key("https://hooks.slack.com/services/T0/B0/", ALNUM, 24),
        "Stripe": key("sk_live_", ALNUM, 24),
        "npm": key("npm_", ALNUM, 36),
        "Databricks": key("dapi", HEX, 32),
        "Groq": key("gsk_", ALNUM, 52),
        "Replicate": key("r8_", ALNUM, 37),
        "NVIDIA": key("nvapi-", URL_SAFE, 64),
        "Telegram": key("123456789:AA", URL_SAFE, 33),
        "W&B": told("{}", drawn(HEX, 40, chance)),
        "W&B, new": key("wandb_v1_", ALNUM, 40),
        "GitHub": key("ghp_", ALNUM, 36),
        "GitHub, fine-grained": key("github_pat_", ALNUM, 82),
        "GitLab": key("glpat-", URL_SAFE, 20),
        "Hugging Face": key("hf_", string.ascii_letters, 34),
        "OpenAI": key("sk-proj-", URL_SAFE, 74),
        "Anthropic": key("sk-ant-api03-", URL_SAFE, 93),
        "OpenRouter": key("sk-or-v1-", HEX, 64),
        "Perplexity": key("pplx-", ALNUM, 48),
        "PyPI": key("pypi-AgEIcHlwaS5vcmc", URL_SAFE, 60),
        "Docker": key("dckr_pat_", URL_SAFE, 27),
        "Vault": key("hvs.", URL_SAFE, 95),
        "SendGrid": key("SG.", URL_SAFE, 66),
        "Mistral": told("{}", drawn(ALNUM, 32, chance)),
        "Together": told("{}", drawn(HEX, 64, chance)),
        "JWT": told("{}", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0."
                    + drawn(URL_SAFE, 43, chance)),
        "basic": told("Basic {}", base64.b64encode(f"ada:{word}".encode()).decode()),
        "bearer": told("Bearer {}", word),
        "header": told("Authorization: token {}", word),
        "cookie": told("Cookie: session={}", word),
        "pwd": told("pwd={}", word),
        "password of digits": told("password: {}", digits),
        "password of words": ('"password": "correct horse, battery; staple"', "battery; staple"),
        "option": told("train.py --password {} --epochs 3", word),
        "option of a token": told("--hf-token={}", word),
        "token": told("token={}", word),
        "token after a blank": told("token {}", word),
        "token in camel case": told('"apiToken": "{}"', word),
        "card": ("4111 1111 1111 1111", "1111 1111"),
        "card without blanks": ("paid with 5555555555554444 now", "5555554444"),
        "card of American Express": ("378282246310005", "3782822463"),
        "IBAN": ("DE89 3704 0044 0532 0130 00", "3704 0044"),
        "IBAN without blanks": ("GB82WEST12345698765432", "WEST12345"),
        "telephone": ("+49 30 901820", "30 901820"),
        "telephone without blanks": ("call +4930901820 now", "30901820"),
        "telephone in America": ("(415) 555-2671", "555-2671"),
        "telephone in France": ("06 12 34 56 78", "12 34 56 78"),
        "email": ("ada.lovelace@example.org", "lovelace"),
        "email in an address": ("ada.lovelace%40example.org", "lovelace"),
        "number of social security": ("219-09-9999", "219-09-9999"),
        "user": ('{"user": "adalovelace"}', "adalovelace"),
    }  # fmt: skip


def groups(seed):
    """Yield texts of eight secrets each, few enough for quarantine to keep a record whole."""
    told = list(planted(random.Random(seed)).values())
    for start in range(0, len(told), 8):
        yield " ".join(text for text, _ in told[start : start + 8])


SEED = 7
HOST = "gpu-node-7.corp.example"
HOSTS = ("instance", "hostname", "Hostname", "host", "node", "api_base", "pod")
"""Keys under which logs name machines; a machine's name is known by nothing else."""


@cache
def _of_the_seed():
    return planted(random.Random(SEED))


def found_in(said):
    """Return the kinds of which a secret is seen in what was said."""
    kinds = _of_the_seed().items()
    return [kind for kind, (_, secret) in kinds if secret in said] + [HOST] * (HOST in said)


def in_each_text(data, uri, places, secrets):
    """Yield the file once for each of its texts, that text replaced or extended by the secrets.

    A place (keys, a column, what stands before on the line) that is in the set `places` is passed
    over, as it was tried in another file or record; each that is tried is added. A place after the
    other gets the next text of `secrets`.
    """
    if b"\0" in data:
        # Lengths stand before the texts of a binary file; one that is replaced breaks it.
        return
    text = data.decode()
    if uri.endswith((".json", ".jsonl", ".ndjson")):
        made = _in_json(text, secrets)
    elif uri.endswith(".csv"):
        made = _in_csv(text, secrets)
    else:
        made = _in_words(text, secrets)
    for place, written in made:
        if place not in places:
            places.add(place)
            yield written


def _in_json(text, secrets):
    try:
        documents, lines = [json.loads(text)], False
    except ValueError:
        documents, lines = [json.loads(line) for line in text.splitlines() if line.strip()], True
    for number, document in enumerate(documents):
        # Of many lines the first tells how all are read.
        if number > 0:
            break
        # A log of numbers alone gets its secrets in their places.
        texts = list(_values(document, str)) or list(_values(document, (int, float)))
        for place, holder, key in texts:
            before = holder[key]
            spoilt = [next(secrets), f"{before} {next(secrets)}"]
            for n, value in enumerate([*spoilt, HOST] if key in HOSTS else spoilt):
                holder[key] = value
                written = [json.dumps(d) for d in documents]
                yield (place, n), ("\n".join(written) if lines else written[0]).encode()
            holder[key] = before


def _values(value, kind, place=()):
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        if isinstance(value[key], kind):
            yield (*place, key if isinstance(value, dict) else 0), value, key
        # Of the items of a list each has the place of all.
        inner = (*place, key) if isinstance(value, dict) else place
        yield from _values(value[key], kind, inner)


def _in_csv(text, secrets):
    rows = list(csv.reader(io.StringIO(text)))
    for column in range(len(rows[0])):
        before = rows[1][column]
        for n, value in enumerate((next(secrets), f"{before} {next(secrets)}")):
            rows[1][column] = value
            out = io.StringIO()
            csv.writer(out).writerows(rows)
            yield (rows[0][column], n), out.getvalue().encode()
        rows[1][column] = before


def _in_words(text, secrets):
    for word in re.finditer(
        r"(?m)(?<=[:|=\"] )[^|\"\n]+|(?<==\")[^\"]+|(?<=\|)[^| \"\n-][^|\"\n]*", text
    ):
        for n, told in enumerate((next(secrets), f"{word.group().strip()} {next(secrets)}")):
            # A line of words ends with the line.
            value = " ".join(told.split())
            line = text[: word.start()].rsplit("\n", 1)[-1]
            yield (line, n), (text[: word.start()] + value + text[word.end() :]).encode()
    for host in re.finditer(r"(?:instance|host|Hostname)=\"([^\"]+)", text):
        yield host.group()[:4], (text[: host.start(1)] + HOST + text[host.end(1) :]).encode()
