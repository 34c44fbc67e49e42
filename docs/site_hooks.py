"""What the site makes of a page besides Markdown: equations become MathML, which needs no script.

Put here: hooks of mkdocs. Keep out: the pages. This runs in the environment of the site alone
(dependency group `docs`).
"""

import re
from typing import Any

from latex2mathml.converter import convert

_BLOCK = re.compile(r"^\$\$\n(.+?)\n\$\$$", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the page with each block between `$$` as MathML."""
    return _BLOCK.sub(lambda found: f"<div>{convert(found[1], display='block')}</div>", markdown)
