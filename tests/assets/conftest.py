"""A team after its first days, and the examples: run once, copied where a test changes one."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from teams import EXAMPLES, Team, day, small_landing

from assets import build_defs
from assets.in_process import materialize


@pytest.fixture(scope="session")
def reported(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Team:
    """A team whose first days are reported."""

    def report(folder: Path) -> None:
        Team(small_landing(folder / "landing"), folder / "warehouse").run(
            day(5), day(9), dg.AssetSelection.all()
        )

    folder = made_once("reported", report)
    return Team(folder / "landing", folder / "warehouse")


@pytest.fixture(scope="session")
def examples(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Team:
    def run(folder: Path) -> None:
        assert materialize(EXAMPLES, folder).failures == []

    return Team(EXAMPLES, made_once("examples", run))


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    defs = build_defs(landing="landing", warehouse="warehouse")
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
