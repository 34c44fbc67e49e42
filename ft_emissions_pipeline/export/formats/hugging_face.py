"""Front matter of a Hugging Face model card: `co2_eq_emissions` in grams, and ours beside it.

Source: hub-docs 242f4a1e, docs/hub/model-cards-co2.md; the Hub's filter takes a plain decimal
number of grams alone and reads an exponent or a thousands separator as another number
(huggingface_hub 2.4.0).
"""

from __future__ import annotations

from pathlib import Path

import yaml

from ft_emissions_pipeline.equations import GRAMS_PER_KG
from ft_emissions_pipeline.export.figures import Figures, Row, facts, plain, tool

FORMAT = "hugging-face"
FILE = "model_card.md"
HOLDS = (
    "front matter of a model card: `co2_eq_emissions` in grams, energy, water and interval under "
    "`ft_emissions`; into an existing `README.md` (`--out`) without touching the rest"
)
ONE = True

_OURS = ("co2_eq_emissions", "ft_emissions")
_LEAST_G = 0.0001
"""The Hub takes 0 for a missing number, and misreads the exponent of a smaller one."""


def render(figures: Figures, out: Path | None) -> str:
    """Return the card with our keys, everything else as it lies in `out`."""
    card = out.read_bytes().decode("utf-8") if out is not None and out.is_file() else ""
    return into(card, _keys(figures.newest(), figures))


def _keys(row: Row, figures: Figures) -> str:
    grams, low, high = (
        max(row[f"total_kgco2e{end}"] * GRAMS_PER_KG, _LEAST_G) for end in ("", "_p05", "_p95")
    )
    place = row.get("location") or row.get("cloud_region") or row["country_iso3"]
    stated = {
        "emissions": float(plain(grams, 4)),
        "source": (
            f"{tool()}, methodology {row['methodology']}, factors {row['reference_version']}, "
            f"operational + embodied, 90 % interval {plain(low, 3)} to {plain(high, 3)} g, "
            f"{row['status']}{', corrected' if row['restated'] else ''}"
        ),
        "training_type": "fine-tuning",
        "geographical_location": place,
        "hardware_used": _hardware(row),
    }
    keys = dict(zip(_OURS, (stated, facts(row, figures.made_at)), strict=True))
    return yaml.safe_dump(keys, sort_keys=False, allow_unicode=True, width=10_000)


def _hardware(row: Row) -> str:
    if row["gpu_count"] > 0:
        return f"{plain(row['gpu_count'])} x {row['gpu_model']}"
    return f"{plain(row['cpu_count'])} x {row.get('cpu_model', 'CPU')}"


def into(card: str, keys: str) -> str:
    """Put keys into a card's front matter in the place of those of the same names.

    Parameters
    ----------
    card : str
        Text of the card; it may have no front matter.
    keys : str
        YAML of `co2_eq_emissions` and `ft_emissions`.

    Raises
    ------
    ValueError
        If the front matter does not end, is no mapping, or needs a value that would be replaced.
    """
    end = "\r\n" if "\r\n" in card else "\n"
    keys = keys.replace("\n", end)
    lines = card.removeprefix("\ufeff").splitlines(keepends=True)
    if not lines or lines[0].rstrip() != "---":
        gap = end if card and not card.startswith(("\n", "\r")) else ""
        return f"---{end}{keys}---{end}{gap}{card}"
    close = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() in {"---", "..."}), 0)
    if not close:
        msg = "the front matter of the card does not end; close it with a line of ---"
        raise ValueError(msg)
    header = "".join(lines[1:close])
    start = card.index(lines[0]) + len(lines[0])
    return card[:start] + _replaced(header, keys) + card[start + len(header) :]


def _replaced(header: str, keys: str) -> str:
    before = _mapping(header)
    spans = _spans(header)
    at = spans[0][0] if spans else len(header)
    kept, place = header, at
    for start, stop in reversed(spans):
        kept = kept[:start] + kept[stop:]
    changed = kept[:place] + keys + kept[place:]
    rest = {name: value for name, value in before.items() if name not in _OURS}
    after = _mapping(changed)
    if {name: value for name, value in after.items() if name not in _OURS} != rest:
        msg = "the rest of the front matter would change; write it in block style, a key a line"
        raise ValueError(msg)
    return changed


def _mapping(header: str) -> dict[str, object]:
    try:
        found = yaml.safe_load(header)
    except yaml.YAMLError as error:
        msg = f"the front matter of the card is no YAML: {str(error).splitlines()[0]}"
        raise ValueError(msg) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        msg = f"the front matter of the card is a {type(found).__name__}; write key: value"
        raise ValueError(msg)  # noqa: TRY004 (a card that is refused, as any other)
    return found


def _spans(header: str) -> list[tuple[int, int]]:
    """Return from where to where our keys stand, whole lines."""
    root = yaml.compose(header)
    found = []
    for key, value in root.value if root is not None else ():
        if key.value in _OURS:
            last = value
            # A block ends where the next thing begins; comments between belong to that.
            while isinstance(last, yaml.CollectionNode) and last.value and not last.flow_style:
                last = last.value[-1][1] if isinstance(last, yaml.MappingNode) else last.value[-1]
            newline = header.find(
                "\n", last.end_mark.index - (header[last.end_mark.index - 1] == "\n")
            )
            found.append((key.start_mark.index, newline + 1 if newline >= 0 else len(header)))
    return found
