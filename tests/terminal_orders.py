"""What a terminal would obey, put wherever a log or a name of a file can hold text."""

import json
import re

ORDERS = {
    "title of the window": "\x1b]0;owned\x07",
    "colour": "\x1b[31m",
    "clear, by a single character": "\x9b2J",
    "bell": "\x07",
    "from right to left": "\u202egpj.exe\u202c",
    "new line": "\nRecords: 99 read",
    "back to the start": "\rDays run: none",
    "nothing": "\0",
    "backspace": "\b\b\b",
    "line separator": "\u2028",
}
ALL = "".join(ORDERS.values())
HARM = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""All that is no line end and no character to be seen."""


def given_in(said):
    """Return the orders in what was said, and lines that a name with a line end made up."""
    return HARM.findall(said) + re.findall(r"(?m)^(?:Records: 99|Days run: none$)", said)


def laid_out(folder):
    """Fill a folder of which names of files, models, runs, GPUs and places hold orders."""
    for n, order in enumerate(ORDERS.values()):
        here = folder / f"of{order}".replace("\0", "")
        here.mkdir(parents=True)
        run = {
            "run_id": f"run{order}{n}", "model_name": f"model{order}{n}", "reserved_s": 3600,
            "gpu_model": f"A100{order}", "gpu_count": 1, "location": f"France{order}",
            "base_model": f"base{order}", "ended_at": "2026-01-05T03:00:00Z",
        }  # fmt: skip
        (here / f"a{order}.json".replace("\0", "")).write_text(json.dumps(run))
        (here / f"b{order}.json".replace("\0", "")).write_text(f'{{"reserved_s": "{n} {order}"')
        odd = json.dumps({**run, "reserved_s": f"soon{order}", f"key{order}": order})
        (here / f"c{order}.json".replace("\0", "")).write_text(odd)
        use = {"date": "2026-01-06", "model": f"model{order}{n}", "inferences": 5}
        (here / f"usage{n}.json").write_text(json.dumps([use]))
