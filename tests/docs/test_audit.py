"""What a release may rest on: pinned packages under checked licences, and a list of them."""

from __future__ import annotations

import json
import re
from importlib.metadata import PathDistribution, distribution

import pytest

from docs import audit

LOCK = {
    name: each
    for path in audit.LOCKS
    for name, each in audit.locked((audit.ROOT / path).read_text("utf-8")).items()
}


def package(folder, *lines, name="thing"):
    made = folder / f"{name}-1.0.dist-info"
    made.mkdir()
    (made / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *lines, ""])
    )
    return PathDistribution(made)


def test_every_locked_package_is_pinned_and_under_a_licence_that_was_looked_at():
    assert list(audit.faults(LOCK, audit.needed())) == []


def test_what_users_get_is_locked_and_tools_are_left_out():
    needed = audit.needed()
    assert {"pandas", "dagster", "deltalake", "codecarbon", "pyarrow", "pycountry"} <= needed
    assert not needed & {"pytest", "ruff", "mypy", "hypothesis", "frictionless", audit.PROJECT}
    assert needed <= LOCK.keys()


@pytest.mark.parametrize(
    "line", ["pandas>=3", "pandas==3.1.1", "pandas", "pandas @ https://example.org/pandas.whl"]
)
def test_what_is_not_pinned_with_its_hashes_is_refused(line):
    whole = f"six==1.17.0 \\\n    --hash=sha256:{'0' * 64}\n    # via pandas\n"
    assert list(audit.locked(whole)) == ["six"]
    with pytest.raises(ValueError, match=re.escape(repr(line))):
        audit.locked(whole + line + "\n")


def test_of_one_package_the_version_of_this_machine_counts():
    pins = "".join(
        f"a=={version} ; python_version {test} '3' \\\n    --hash=sha256:{'0' * 64}\n"
        for version, test in (("1", "<"), ("2", ">="))
    )
    assert audit.locked(pins)["a"].version == "2"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["License-Expression: MIT OR GPL-3.0-only"], "MIT OR GPL-3.0-only"),
        (["Classifier: License :: OSI Approved :: BSD License"], "BSD License"),
        (["License: Apache 2.0"], "Apache 2.0"),
        ([], ""),
    ],
)
def test_a_licence_is_read_in_the_packages_own_words(tmp_path, lines, words):
    assert audit.licence(package(tmp_path, *lines)) == words


@pytest.mark.parametrize(
    ("words", "may"),
    [
        ("MIT", True), ("MIT OR GPL-3.0-only", True), ("MPL-2.0 AND MIT", True),
        ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", True), ("LGPL-2.1-only", True),
        ("GPL-3.0-only", False), ("AGPL-3.0-or-later", False), ("MIT AND GPL-2.0-only", False),
        ("GNU General Public License v3 (GPLv3)", False), ("Proprietary", False), ("", False),
    ],
)  # fmt: skip
def test_a_licence_that_binds_a_user_is_refused(words, may):
    assert audit.allowed(words) is may


def test_another_version_than_the_locked_one_is_told():
    name = "six"
    lock = {name: audit.Locked(name, "0.1", ("0" * 64,))}
    (told,) = audit.faults(lock, set())
    assert told == f"six {distribution(name).version} is installed, 0.1 is locked; run `make setup`"
    (told,) = audit.faults({}, {"requests"})
    assert told.startswith("requests is needed, but in no lock file")


def test_the_bill_names_each_package_with_version_licence_and_place():
    bill = json.loads(json.dumps(audit.bill(LOCK, audit.needed())))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    parts = {each["name"]: each for each in bill["components"]}
    assert parts.keys() == audit.needed()
    pandas = parts["pandas"]
    assert pandas["purl"] == f"pkg:pypi/pandas@{distribution('pandas').version}"
    assert pandas["licenses"] == [{"expression": "BSD-3-Clause"}]
    assert all(len(each["value"]) == 64 for each in pandas["properties"])
