"""What the name of an accelerator says: family, form, memory, how many.

Put here: how drivers, schedulers, clouds and people spell accelerators, and which rows fit what
they say. Keep out: whole names that the alias table holds (`names.py`).

A name is taken apart, never looked up as a whole. What is left over when family, form, memory and
count are read was not understood, and a name with such a rest stands for no row.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ft_emissions_pipeline.reference.found import Found

LONGEST = 200
"""Characters above which nothing is read as the name of an accelerator."""

MEMORY_TOLERANCE = 0.08
"""Drivers show less than the data sheet, and in powers of two: a T4 of 16 GB has 15109 MiB."""


@dataclass(frozen=True)
class GpuName:
    """What a name says of one accelerator; None where it is silent.

    `count` counts devices as gpus.csv does: chips of a TPU, a fraction where a part of a card is
    named. `counted` says what the number in the name counts where that is not devices.
    """

    family: str
    vendor: str
    hardware_class: str
    form: str | None = None
    generation: str | None = None
    edition: str | None = None
    laptop: bool = False
    memory_gb: float | None = None
    count: float | None = None
    counted: str | None = None
    unread: tuple[str, ...] = ()

    def fits(self, row: Row) -> bool:
        """Say whether a row of the same family may be meant: nothing in the name contradicts it."""
        return (
            self.laptop == row.said.laptop
            and _agree(self.form, row.said.form)
            and _agree(self.generation, row.said.generation)
            and _agree(self.edition, row.said.edition)
            and set(row.said.unread) <= set(self.unread)
            and (self.memory_gb is None or _near(self.memory_gb, row.memory_gb))
        )

    def says_just(self, row: Row) -> bool:
        """Say whether a row's id tells just what the name does: `RTX 3080 Laptop` is no Max-Q."""
        said = row.said
        return (self.form, self.generation, self.edition, self.unread) == (
            said.form,
            said.generation,
            said.edition,
            said.unread,
        ) and (said.memory_gb is None or self.memory_gb is not None)


@dataclass(frozen=True)
class Row:
    """A row of gpus.csv: its id, what the id says, and its memory, which the id may leave out."""

    id: str
    said: GpuName
    memory_gb: float


def _near(said_gb: float, memory_gb: float) -> bool:
    # A row without memory (NaN) speaks against nothing.
    return not abs(said_gb / memory_gb - 1) > MEMORY_TOLERANCE


def _agree(said: str | None, known: str | None) -> bool:
    return said is None or known is None or said == known


Family = tuple[str, str, str, re.Pattern[str]]
"""What names of a family begin with, vendor, class, spelling."""


def _families(*spelled: tuple[str, str, str, str]) -> tuple[Family, ...]:
    return tuple(
        (family, vendor, kind, re.compile(rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])"))
        for family, vendor, kind, pattern in spelled
    )


_FAMILIES = _families(
    ("tpu v5e", "Google", "tpu",
     r"(?:tpu )?v?5 ?lite(?: ?pod)?(?: ?slice| device)?|(?:tpu )?v5e|ct5l ?p"),
    ("tpu v6e", "Google", "tpu", r"(?:tpu )?v?6 lite|(?:tpu )?v6e(?: slice)?|ct6e|trillium"),
    ("tpu v7", "Google", "tpu", r"tpu ?v?7x?|ironwood"),
    ("tpu v", "Google", "tpu",
     r"tpu ?v?([2-5]p?)(?: pod)?(?: slice)?|ct([2-4])p?|ct(5p)|v(5p)(?: slice)?"
     r"|v([2-4])(?: pod)?(?= \d+$)"),
    ("trainium ", "AWS", "other_accelerator", r"(?:trainium ?|trn)(\d)?n?"),
    ("inferentia ", "AWS", "other_accelerator", r"(?:inferentia ?|inf)(\d)?"),
    ("gaudi ", "Intel", "other_accelerator", r"gaudi ?([1-3])?[cd]?|hl ?([23])\d\d[a-z]?"),
    ("intel ", "Intel", "data_centre", r"((?:max|flex) ?(?:1550|1450|1350|1100|170|140))"),
    ("arc ", "Intel", "desktop_card", r"arc (pro )?([ab] ?\d\d\d?m?)"),
    ("intel ", "Intel", "soc", r"(iris(?: xe)?|u?hd)(?: graphics)?(?: \d{3,4})?(?= |$)"),
    ("ascend ", "Huawei", "other_accelerator",
     r"ascend ?(\d{3}[a-c]?)(?: ?[1-4])?(?: pro)?|(910[abc])\d?"),
    ("other ", "other", "other_accelerator",
     r"(mlu ?\d{3}|ipu|gc200|mtt s\d{2,4}|br10[04]|kunlun|cerebras|wse ?\d|groq|lpu|dcu|biren"
     r"|qualcomm ai ?100)"),
    ("instinct ", "AMD", "data_centre", r"mi ?(\d{1,3}[axcp]?)"),
    ("radeon pro ", "AMD", "workstation",
     r"(?:radeon |firepro )(?:ai )?pro ((?:wx ?|[wvr])?\d{3,4}[a-z]?(?: ?xt)?|vii|ssg|duo)"
     r"|pro (w\d{4})|radeon (wx ?\d{4})|firepro ([a-z]?\d{3,4})|radeon ai (?:pro )?(r\d{4})"),
    ("radeon ", "AMD", "soc", r"radeon (graphics|[678]\d0m|8\d\d[05]s)|(strix halo)"),
    ("radeon ", "AMD", "desktop_card",
     r"(?:radeon |rx )+(vega ?\d\d|vii|[4-9]\d{3}(?: ?xtx| ?xt| ?gre| ?m ?xt| ?[ms])?|[45]\d0x?)"
     r"|(vega ?(?:56|64))"),
    ("jetson ", "NVIDIA", "soc",
     r"(?:jetson )?(agx orin|agx xavier|agx thor|orin nano(?: super)?|orin nx|xavier nx)"
     r"|(?:jetson )(nano|orin|xavier|thor|tx[12])|(orin) (?:nvgpu)|(tx[12]|thor)"),
    ("gb10", "NVIDIA", "soc", r"gb10|dgx spark"),
    ("rtx ", "NVIDIA", "workstation",
     r"(?:quadro )?(?:rtx )(?:pro )?([1-8][05]00|500(?= ada)|5880)"
     r"|([1-6][05]00|5880)(?= (?:sff )?ada)"),
    ("rtx a", "NVIDIA", "workstation", r"(?:quadro )?rtx a(\d00|\d[05]00)|a([1-6][05]00|500)"),
    ("quadro ", "NVIDIA", "workstation",
     r"quadro ([a-z]{0,2}\d{3,4}[a-z]?)|(t(?:400|500|550|600|1000|1200))|(nvs \d{3})"),
    ("titan ", "NVIDIA", "desktop_card", r"(?:gtx )?titan ?(rtx|xp|x|v|z|black)?"),
    ("mx ", "NVIDIA", "laptop_card", r"mx ?(\d{3})"),
    ("geforce ", "NVIDIA", "desktop_card",
     r"(?:[gr]tx )?(10[1-8]0|16[1-6]0|20[5-8]0|30[5-9]0|40[5-9]0|50[5-9]0)"
     r"( ?ti super| ?ti| ?super| ?d)?(?:(m)|(?= |$))"
     r"|(?:gtx|gts?|geforce) ([2-9]\d{2}|1[06]\d0)( ?ti boost| ?ti)?(m| m)?"),
    ("", "NVIDIA", "data_centre",
     r"(?:tesla )?(gb[23]00|gh200|k(?:10|20x?|40|80)m?|m(?:40|60|10)|p(?:100|40|6|4)|v100s?"
     r"|t(?:40|10|4)g?|a10[gm]|a(?:800|100|40|30|16|10|2)x?|l(?:40[sg]?|20|4|2)|h(?:800|200|100|20)"
     r"|b(?:300|200|100))s?(?:[cmt]|(?<=00)d)?|(?:tesla|nvidia) (m[46])"
     r"|tesla ([a-z]\d{1,4}[a-z]?)"),
    ("apple m", "Apple", "soc", r"(?:apple )?m([1-9])( ?pro| ?max| ?ultra)?"),
)  # fmt: skip
"""The first that matches wins."""

_SERIES = _families(
    ("mig", "NVIDIA", "data_centre", r"mig(?= [1-7]g)"),
    ("tpu v", "Google", "tpu", r"tpu ?v?(\d{1,2}[a-z]?)"),
    ("quadro ", "NVIDIA", "workstation", r"(t\d{4})(?= |$)"),
    ("geforce ", "NVIDIA", "desktop_card",
     r"(?:(?:geforce|gtx|rtx|gts?) )+(\d{3,5})( ?ti super| ?ti| ?super| ?d)?(m)?"),
    ("radeon ", "AMD", "desktop_card", r"(?:(?:radeon|rx) )+(\d{3,5})( ?xtx| ?xt| ?gre)?"),
    ("instinct ", "AMD", "data_centre", r"instinct ([a-z]{1,3}\d{2,4}[a-z]?)"),
    ("", "NVIDIA", "data_centre", r"(?:nvidia |tesla )*((?:g[bh]|[abhlprtv])\d{2,4}[a-z]?)"),
)  # fmt: skip
"""Series without regard to their numbers: a card that comes after the table has its kind."""

_KINDS = _families(
    ("apple", "Apple", "soc", r"apple(?: silicon| m series| gpu| metal)?|mac(?:book)?|imac|mps"),
    ("jetson", "NVIDIA", "soc", r"jetson|raspberry pi"),
    ("tpu", "Google", "tpu", r"(?:google |cloud )?tpus?"),
    ("t4", "NVIDIA", "data_centre", r"colab|kaggle"),
    ("laptop", "other", "laptop_card", r"laptop|notebook computer"),
    ("geforce", "NVIDIA", "desktop_card", r"(?:geforce ?)?[gr]tx|geforce"),
    ("radeon", "AMD", "desktop_card", r"radeon|intel arc|consumer (?:grade )?gpus?"),
    ("desktop", "other", "desktop_card", r"desktop|(?:gaming |home )?pc"),
    ("workstation", "other", "workstation", r"workstation"),
)  # fmt: skip
"""Kinds of machines by words alone, of which the first counts: a laptop with some RTX is a laptop.
A notebook of Colab or Kaggle has a T4 where it names none."""

_SPLIT = re.compile(
    r"(?<=[0-9a-z])(?=(?:sxm|pcie|nvl|hbm)\d?)"
    r"|(?<=sxm[2-6])(?=\d)"
    r"|(?<=nvidia)(?=[a-z0-9])|(?<=tesla)(?=[a-z])|(?<=geforce)(?=[a-z0-9])|(?<=quadro)(?=[a-z])"
    r"|(?<=[rg]tx)(?=[a-z0-9])|(?<=titan)(?=[a-z])|(?<=radeon)(?=[a-z0-9])|(?<=instinct)(?=[a-z])"
    r"|(?<=\brx)(?=\d)|(?<=apple)(?=m\d)|(?<=\d{4})(?=ti|super|ada)|(?<=\d{4}ti)(?=super)"
    r"|(?<=tpu)(?=v\d)|(?<=ascend)(?=\d)"
)
# Trademarks, ids, revisions, sockets, cores, and the key of a Kubernetes label before its value.
_ASIDES = re.compile(
    r"\((?:r|tm|c)\)|\(?\buuid\b.*|\(rev [0-9a-f]+\)|\((?:s|idx):[0-9,-]+\)"
    r"|^\s*gpu ?\d+ ?:|\d+[ -]?cores?\b"
    r"|(?:total )?number of cores ?: ?\d+|^\s*[a-z0-9-]+(?:\.[a-z0-9-]+)+/[\w.-]+\s*[:=]"
)
_BRACKET = re.compile(r"\[([^\[\]]+)\]|\((\d+ ?x ?[a-z][^()]+)\)")
"""What lspci and catalogues put behind a name: "[GeForce RTX 3090]", "(8x H100 80GB)"."""
_BEFORE = re.compile(
    r"^\s*(?:gpu[ _])?(?:(\d{1,4}) ?[x*][ _]?(?=[a-z0-9])|(\d{1,2}) (?=[a-z]))"
    r"|(?<![\w.-])(\d{1,4}) ?x ?(?=[a-z]{1,2}\d|nvidia|tesla|tpu|[rg]tx)"
)
_AFTER = re.compile(
    r"(?:[ (_-]x ?|[:=*] ?)(\d{1,4})\)?\s*$|(?:(?<=\d)|(?<=\d[sgl]))x(\d{1,3})\s*$"
    r"|\((\d{1,4}) ?(?:x|gpus?)\)\s*$|, ?(\d{1,4}) gpus?\s*$"
)
_SPELLED = (
    ("max q", "maxq"), ("podslice", "pod slice"), ("colab pro", "colab"), ("macbook pro", "mac"),
    ("macbook air", "mac"), ("mac studio", "mac"), ("mac mini", "mac"), ("mac pro", "mac"),
)  # fmt: skip
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
_IN_WORDS = re.compile(rf"^\s*(?:an?\s+)?(?:(single)|({'|'.join(_WORDS)})) +|^\s*(an?) +")
"""A number in words before a name: "a single A100", "four A100"."""
_NODES = re.compile(
    r"\b(?P<on>(?:on|over|across) )?(?P<nodes>\d{1,4}) ?(?:x ?)?"
    r"(?:nodes?|servers?|machines?|hosts?)\b(?: ?(?P<of>of|with|x|\*|:|\()|,)? *"
)
"""How many machines a text names beside the accelerators of one or all of them."""
_EACH = re.compile(r"\beach\b(?: with| having)?|\b(?:per|a|/) ?(?:node|server|machine|host)\b")
_NODES_OF_GPUS = re.compile(r"^\s*(\d{1,4}) ?[x*] ?(\d{1,2})(?: ?[x*])? ?(?=[a-z])(?!gi?b)")
_MOST_IN_A_NODE = 8
_SYSTEMS = re.compile(r"^\s*(\d{1,3}) ?x? ?(?=(?:nvidia )?[dh]gx[ -]?[ahb]\d{3})")
"""Several systems of eight: NVIDIA's data sheets of DGX and HGX A100, H100 and B200."""
_NOTEBOOKS = (("colab", None, 1.0), ("kaggle", "t4", 2.0), ("kaggle", None, 1.0))
"""Services, a family, and the accelerators that one notebook has there."""
_LANES = re.compile(r"\bpcie?(?: gen ?\d| [345]\.0)? x(?:16|8|4)\b")
_MEMORY = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?) ?(gb|gib|g|mib|mb)(?![a-z0-9])")
_MIG = re.compile(r"(?:\bmig )?\b([1-7])g[ .](\d+)gb(?: ?\+?me)?")
_VGPU = re.compile(r"(?<![a-z0-9])(\d+)[qcab](?![a-z0-9])")
_TOPOLOGY = re.compile(r"(?<![a-z0-9])(\d+)x(\d+)(?:x(\d+))?(?![a-z0-9])")
_MARKS = str.maketrans({"\N{MULTIPLICATION SIGN}": "x", "®": " ", "™": " ", "©": " ", "µ": "u"})

_SILENT = frozenset(
    """
    nvidia corporation corp inc amd ati intel r google apple aws amazon huawei habana labs tesla
    geforce quadro radeon instinct gpu gpus graphics card cards accelerator accelerators device
    devices unit generation gen edition tensor core cores chip chips data center datacenter
    series design with hbm hbm2 hbm2e hbm3 hbm3e gddr5 gddr5x gddr6 gddr6x gddr7 ecc memory vram
    ram each per node of the gres type product com cloud gke k8s karpenter instance name model
    family shared vf virtual grid superchip grace hopper ampere volta turing pascal maxwell
    kepler lovelace pod podslice slice vm standard highgpu megagpu ultragpu hightpu metal cdna
    cdna3 cdna2 npu hpu tt tm high performance asus msi gigabyte zotac evga pny founders fe oc
    gaming trio strix tuf rog ventus eagle palit colab kaggle runpod lambda vast azure gcp
    mac macbook imac coreweave single arcturus gl xl ai graphcore cs ac vws
    spark accelerated chipset bus built in mps free tier my personal home gaming computer
    """.split()  # noqa: SIM905 (prose)
)
"""Words that tell nothing of the device: vendors, kinds, schedulers, clouds, makers of boards."""
_FORMS = {
    "sxm": "sxm", "sxm2": "sxm", "sxm3": "sxm3", "sxm4": "sxm", "sxm5": "sxm", "sxm6": "sxm",
    "hgx": "sxm", "dgx": "sxm", "oam": "sxm", "pcie": "pcie", "pci": "pcie", "pcle": "pcie",
    "nvl": "nvl", "nvl2": "nvl", "nvl72": "sxm", "dgxs": "dgxs", "mega": "sxm",
}  # fmt: skip
_FORM_OF_MEMORY = {("h100", "hbm3"): "sxm", ("h100", "hbm2e"): "pcie"}
"""The driver tells the two H100 of 80 GB apart by their kind of memory alone."""
_GENERATIONS = {
    "ada": "ada",
    "blackwell": "blackwell",
    "quadro": "turing",
    "pascal": "pascal",
    "maxwell": "maxwell",
}
_EDITIONS = {
    "server": "server", "workstation": "workstation", "sff": "sff", "gcd": "gcd", "card": "card",
    "oam": "oam",
}  # fmt: skip
_LAPTOP = frozenset(("laptop", "mobile", "notebook", "maxq"))
_MOBILE = re.compile(r"(?:geforce |quadro [km]|arc |radeon )\d+(?:m|s|mxt)$|arc a\d+m$")
"""Cards whose own number says that they sit in a laptop: GTX 980M, RX 6800S."""
_READ = _SILENT | _FORMS.keys() | _GENERATIONS.keys() | _EDITIONS.keys() | _LAPTOP
_CORES_PER_CHIP = dict.fromkeys(("tpu v2", "tpu v3", "tpu v4", "tpu v5p", "tpu v7"), 2)
"""Slices of these are named by cores (v4-8 has four chips), those of v5e and v6e by chips."""
_FIRST = ("gaudi ", "trainium ", "inferentia ")
"""The first generation bears no number."""
_SLICES_OF_A_CARD = {"a30": 4}
_SLICES = 7
"""A card parts into seven slices of computing, an A30 into four: NVIDIA, MIG user guide."""
_EIGHTHS_OF_MEMORY = {2: 2, 3: 4, 4: 4, 7: 8}
"""Slices of computing -> those of memory on cards of seven; with one there are two sizes."""
_SYSTEM_MEMORY_GB = {"gh200": (120, 480), "gb200": (480,), "gb300": (480,)}
"""The driver names Grace Hopper by the memory of its CPU."""


@lru_cache(maxsize=65536)
def parse(name: str) -> tuple[GpuName, ...]:
    """Return what a name says, once per family that it names; nothing where it names none.

    Parameters
    ----------
    name : str
        As a driver, a scheduler, a cloud or a person wrote it.
    """
    if len(name) > LONGEST:
        return ()
    text = unicodedata.normalize("NFKC", name.translate(_MARKS)).lower()
    text = _ASIDES.sub(" ", "".join(c if c.isprintable() else " " for c in text))
    brackets = _BRACKET.findall(text)
    if brackets and not _NODES.search(text) and (found := _parse("".join(brackets[-1]))):
        return found
    return _parse(text)


def _parse(text: str) -> tuple[GpuName, ...]:
    text, count = _counted_on_nodes(_LANES.sub(" pcie ", text))
    text = re.sub(r"[^a-z0-9.]+|\.(?!\d)|(?<!\d)\.", " ", _SPLIT.sub(" ", text)).strip()
    for spelled, meant in _SPELLED:
        text = text.replace(spelled, meant)
    named = _of_families(text, count, _FAMILIES) or _of_families(text, count, _SERIES)
    return named or _of_families(text, count, _KINDS)[:1]


def _of_families(text: str, count: float | None, families: Sequence[Family]) -> tuple[GpuName, ...]:
    found, rest = [], text
    for family, vendor, kind, pattern in families:
        match = pattern.search(rest)
        while match:
            named = "".join(group.replace(" ", "") for group in match.groups() if group)
            suffix = rest[match.start() : match.end()]
            found.append((f"{family}{named}", vendor, kind, suffix))
            rest = f"{rest[: match.start()]} | {rest[match.end() :]}"
            match = pattern.search(rest)
    names = [_described(text, rest, count, *each) for each in dict.fromkeys(found)]
    return tuple({name.family: name for name in names}.values())


def _counted_on_nodes(text: str) -> tuple[str, float | None]:
    """Take the number of devices off a text that may name machines: "2 nodes, 8x H100 each"."""
    if match := _NODES_OF_GPUS.match(text):
        return text[match.end() :], float(match[1]) * float(match[2])
    if match := _SYSTEMS.match(text):
        return text[match.end() :], float(match[1]) * _MOST_IN_A_NODE
    nodes = _NODES.search(text)
    if nodes is None:
        return _counted(text)
    rest, each = _EACH.subn(" ", f"{text[: nodes.start()]} {text[nodes.end() :]}".rstrip(" )"))
    rest, count = _counted(rest.strip(" ,"))
    if count is None:
        return rest, None
    of_each = each or nodes["of"] or (not nodes["on"] and count <= _MOST_IN_A_NODE)
    return rest, count * float(nodes["nodes"]) if of_each else count


def _counted(text: str) -> tuple[str, float | None]:
    """Take the number of devices off a name: before it ("8x"), or after it ("x8", ":8", "(8x)")."""
    if match := _IN_WORDS.match(text):
        return text[match.end() :], 1.0 + (_WORDS.index(match[2]) if match[2] else 0)
    match = _BEFORE.search(text)
    if match:
        rest = f"{text[: match.start()]}{text[match.end() :]}"
        return rest, float(match[1] or match[2] or match[3])
    match = _AFTER.search(text)
    if match and match.start():
        return text[: match.start()], float(match[match.lastindex or 0])
    return text, None


def _described(
    text: str, rest: str, count: float | None, family: str, vendor: str, kind: str, spelled: str
) -> GpuName:
    """Read what stands around a family."""
    family += "1" if family in _FIRST else ""
    mig = _MIG.search(rest)
    rest = _MIG.sub(" ", rest)
    memory, rest = _memory_gb(rest)
    words = [word for word in rest.split() if word != "|"]
    counted = None
    if kind == "tpu":
        words, count, counted = _chips(family, words, count)
    if mig:
        held, whole = int(mig[1]), _SLICES_OF_A_CARD.get(family, _SLICES)
        count, counted = held / whole, f"MIG slices, {whole} to a card"
        if memory is None and whole == _SLICES and held in _EIGHTHS_OF_MEMORY:
            memory = float(mig[2]) * 8 / _EIGHTHS_OF_MEMORY[held]
    said = text.split()
    if count is None:
        there = (n for place, of, n in _NOTEBOOKS if place in said and of in (None, family))
        count = next(there, None)
    form = next((_FORMS[word] for word in words if word in _FORMS), None)
    form = form or next(
        (f for (of, m), f in _FORM_OF_MEMORY.items() if of == family and m in said), None
    )
    of_words = (_GENERATIONS[word] for word in said if word in _GENERATIONS)
    generation = next(of_words, None)
    if "rtx pro" in spelled:
        generation = "blackwell"
    elif generation == "turing" and not family.startswith("rtx "):
        generation = None
    edition = next((_EDITIONS[word] for word in words if word in _EDITIONS), None)
    mobile = _MOBILE.search(family) is not None
    if mobile and kind in ("desktop_card", "workstation"):
        kind = "laptop_card"
    laptop = not mobile and not _LAPTOP.isdisjoint(words)
    if "maxq" in words:
        edition, laptop = "maxq", laptop and generation != "blackwell"
    if edition == "server":
        kind = "data_centre"
    if family.startswith("arc pro"):
        kind = "workstation"
    if laptop and kind in ("desktop_card", "workstation"):
        kind = "laptop_card"
    if memory in _SYSTEM_MEMORY_GB.get(family, ()):
        memory = None
    unread = tuple(word for word in words if word not in _READ and word[:3] != "gfx")
    if mig:
        unread += (f"MIG {mig[1]}g",)
    return GpuName(
        family, vendor, kind, form, generation, edition, laptop, memory, count, counted, unread
    )


def _memory_gb(text: str) -> tuple[float | None, str]:
    match = _MEMORY.search(text)
    if match:
        size = float(match[1]) / (1024 if match[2] in ("mib", "mb") else 1)
        return size, _MEMORY.sub(" ", text)
    match = _VGPU.search(text)
    if match:
        return float(match[1]), f"{text[: match.start()]} {text[match.end() :]}"
    return None, text


def _chips(
    family: str, words: list[str], count: float | None
) -> tuple[list[str], float | None, str | None]:
    """Read the number behind a TPU: chips or cores by generation, or a topology's (2x2x1)."""
    kept, counted = [], None
    for word in words:
        shape = _TOPOLOGY.fullmatch(word)
        if shape:
            count, counted = 1.0, "chips of the topology"
            for side in filter(None, shape.groups()):
                count *= int(side)
        elif re.fullmatch(r"\d{1,5}t?", word):
            cores = 1 if word.endswith("t") else _CORES_PER_CHIP.get(family, 1)
            chips, half = divmod(int(word.rstrip("t")), cores)
            if half or not chips:  # no slice has half a chip
                kept.append(word)
                continue
            count = float(chips)
            counted = f"cores, {cores} to a chip" if cores > 1 else "chips"
        else:
            kept.append(word)
    return kept, count, counted


Rows = Mapping[str, Sequence[Row]]
"""Rows of gpus.csv by family."""


def rows_by_family(gpus: Iterable[tuple[str, str, float]]) -> Rows:
    """Return rows of gpus.csv (id, vendor, memory) by family, read out of their own ids."""
    rows: dict[str, list[Row]] = {}
    for identity, vendor, memory_gb in gpus:
        for said in parse(f"{vendor} {identity}")[:1]:
            rows.setdefault(said.family, []).append(Row(identity, said, memory_gb))
    return rows


def match(name: str, rows: Rows, usual: Sequence[tuple[GpuName, str]]) -> Found:
    """Return the row for which a name stands, or all that may be meant.

    Parameters
    ----------
    name : str
        As logged.
    rows : mapping
        As `rows_by_family` returns them.
    usual : sequence of (GpuName, str)
        Names that leave something open, and the row that people usually mean by them.
    """
    named = parse(name)
    if not named:
        return Found()
    classes = {each.hardware_class for each in named}
    if len(named) > 1:
        several = [row.id for each in named for row in _fitting(each, rows)]
        told = ", ".join(each.family.strip() for each in named)
        return Found(
            candidates=tuple(dict.fromkeys(several)),
            hardware_class=classes.pop() if len(classes) == 1 else None,
            why=f"it names several accelerators: {told}",
        )
    return _matched(named[0], rows, usual)


def _matched(named: GpuName, rows: Rows, usual: Sequence[tuple[GpuName, str]]) -> Found:
    fitting = _in_order(named, _fitting(named, rows), usual)
    just = [row for row in fitting if named.says_just(row)]
    ids = [row.id for row in fitting]
    counts = f"; the number counts {named.counted}" if named.counted else ""
    read = f"read as {named.family}{_told(named)}{counts}"
    found = Found(
        count=named.count,
        candidates=tuple(ids),
        hardware_class=named.hardware_class,
        memory_gb=named.memory_gb,
        why=read,
    )
    if len(just) == 1:
        return replace(found, id=just[0].id, candidates=(just[0].id,))
    if named.unread:
        return replace(found, why=f"{read}; not understood: {' '.join(named.unread)}")
    if not ids:
        return replace(found, why=f"{read}; no row fits")
    if len(ids) == 1 and named.family in rows:
        return replace(found, id=ids[0])
    told = f"{read}; may be {', '.join(ids)}; the usual one is taken"
    return replace(found, id=ids[0], assumed=True, why=told)


def _told(named: GpuName) -> str:
    memory = f"{named.memory_gb:.3g} GB" if named.memory_gb else None
    said = (named.generation, named.edition, "laptop" if named.laptop else None, named.form, memory)
    return "".join(f", {word}" for word in said if word)


def _fitting(named: GpuName, rows: Rows) -> list[Row]:
    """Return the rows that may be meant; a family without rows may drop its last letter (MI300)."""
    family = list(rows.get(named.family, ()))
    if not family and named.family[-1].isdigit():
        family = [row for letter in "aexp" for row in rows.get(named.family + letter, ())]
    return [row for row in family if named.fits(row)]


def _in_order(
    named: GpuName, fitting: list[Row], usual: Sequence[tuple[GpuName, str]]
) -> list[Row]:
    """Return rows, the usual one first: the alias that says most of what the name says decides."""
    order = sorted(fitting, key=lambda row: (row.said.form != "sxm", row.memory_gb, row.id))
    if len(order) < 2:
        return order
    meant = [
        (sum(part is not None for part in _open_parts(alias)), identity)
        for alias, identity in usual
        if alias.family == named.family
        and all(
            part is None or part == own
            for part, own in zip(_open_parts(alias), _open_parts(named), strict=True)
        )
    ]
    first = max(meant)[1] if meant else ""
    return sorted(order, key=lambda row: row.id != first)


def _open_parts(named: GpuName) -> tuple[object, ...]:
    memory = None if named.memory_gb is None else round(named.memory_gb)
    return named.form, named.generation, named.edition, memory
