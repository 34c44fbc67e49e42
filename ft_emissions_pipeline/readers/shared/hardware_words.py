"""What people write where hardware is asked for: cards, their number, an instance, or a CPU.

Put here: which fields of a run one such text tells. Keep out: how accelerators and instances are
spelled, and which rows they stand for (`reference/gpu_names.py`, `reference/instance_names.py`).
"""

from __future__ import annotations

import re
from typing import Any

from ft_emissions_pipeline.reference import gpu_names, instance_names

_COUNTED = re.compile(
    r"(\d{1,4})\s*[x×*]\s*(\D.*|\d{3,4}(?!\d).*)"  # noqa: RUF001
    r"|(\d{1,4})\s+((?=.*[A-Za-z][\w -]*\d)[A-Za-z].*)"
)
_JUST_GPUS = re.compile(
    r"(?:an? )?(?:(\d{1,5})|single|one)?\s*(?:x\s*)?(?:nvidia )?(?:gpu|accelerator)s?",
    re.IGNORECASE,
)
_GPU_BEHIND = re.compile(r"\s*\b(?:gpus?|cards?)\b\.?$", re.IGNORECASE)
_CPU_NAME = r"xeon|epyc|\bcore\b|ryzen|threadripper|opteron|graviton"
_CPU = re.compile(rf"\bcpus?\b|\bno gpu\b|{_CPU_NAME}", re.IGNORECASE)
_GPU = re.compile(
    r"(?<!no )\bgpu|nvidia|tesla|rtx|gtx|tpu|\b(?:[ahtlp]\d{1,3}|v100)\b", re.IGNORECASE
)


def told_by(words: str) -> dict[str, Any]:
    """Return the fields of a run that a text on its hardware tells.

    Parameters
    ----------
    words : str
        As people write it: "4 x A100", "8 A100 GPUs", "p4d.24xlarge", "8 GPUs", "Intel Xeon, no
        GPU".

    Returns
    -------
    dict
        `gpu_model`, `gpu_count`, `instance_type` or `cpu_model`, as far as it tells them. A text
        that names machines beside accelerators stays whole; its name tells the number.
    """
    text = words.strip()
    if not text:
        return {}
    bare, _ = instance_names.several(text) or (text, 1.0)
    if instance_names.parse(instance_names.plain(bare)):
        return {"instance_type": text}
    named = gpu_names.parse(text)
    # The "v4" of a Xeon looks like a TPU's.
    cards = _GPU.search(text) or any(each.hardware_class != "tpu" for each in named)
    if _CPU.search(text) and not cards:
        return {"gpu_count": 0.0} | (
            {"cpu_model": text} if re.search(_CPU_NAME, text, re.IGNORECASE) else {}
        )
    if just := _JUST_GPUS.fullmatch(text):
        one = re.match(r"an?\b|single|one", text, re.IGNORECASE)
        return {"gpu_count": float(just[1] or 1)} if just[1] or one else {}
    match = _COUNTED.fullmatch(text)
    if match is None or _COUNTED.search(match[2] or ""):
        return {"gpu_model": text}
    count, model = float(match[1] or match[3]), _GPU_BEHIND.sub("", match[2] or match[4]).strip()
    if named and (named[0].count or 0.0) > count:
        return {"gpu_model": text}
    return {"gpu_model": model, "gpu_count": count}
