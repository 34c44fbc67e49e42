"""Make text harmless where it is shown: in a terminal, in a spreadsheet, in Markdown.

Put here: what such a place would obey rather than show. Keep out: what must not be shown at all
(`readers/scrubbing.py`); HTML, which the templates of the report escape.
"""

from __future__ import annotations

import re

_NO_ROOM = "\u00ad\u180e\u200b\u2060-\u206f\ufeff\U000e0000-\U000e007f"
_LINE_ENDS = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"
HIDDEN = f"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\ufff9-\ufffb{_NO_ROOM}]"
"""Control characters, changes of direction, whatever ends a line, and what takes no room; but not
the joiners of Persian and Indian scripts."""
_SEQUENCE = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]{0,2000}(?:\x07|\x1b\\|\x9c)"
)
"""An escape sequence as a whole (ECMA-48, 5.4 and 5.6), or its end would be taken for text."""
_EACH = re.compile(f"({_SEQUENCE})|([{_LINE_ENDS}])|([{_NO_ROOM}])|{HIDDEN}")


def visible(text: str) -> str:
    """Return text on one line, without escape sequences, control and direction characters.

    A blank stands for what ends a line or parts words, nothing for what takes no room, and U+FFFD
    for anything else.
    """
    if text.isprintable():
        return text
    return _EACH.sub(lambda found: " " if found[2] else "" if found[3] else "\ufffd", text)


_FORMULA = ("=", "+", "-", "@")


def no_formula(cell: object) -> object:
    """Return a CSV cell; put `'`, the mark of text, before one that a spreadsheet would run."""
    if not isinstance(cell, str):
        return cell
    text = visible(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text


_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#!|~$&])")


def no_markup(text: str) -> str:
    """Return text that Markdown shows as it is: no link, picture, tag or end of a table cell."""
    return _MARKUP.sub(r"\\\1", visible(text))
