"""What a wheel installs: one name, and a pipeline that runs without the source tree."""

import io
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from assets import defs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "ft_emissions_pipeline"

THEIRS = """
import dagster as dg

@dg.asset
def of_the_user(): ...

defs = dg.Definitions(assets=[of_the_user])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, check=True, capture_output=True, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def project(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> "Project":
    """A user's project, with a package `assets` of its own, where the wheel is installed."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "assets").mkdir()
    (folder / "assets" / "__init__.py").write_text(THEIRS)
    shutil.copytree(ROOT / "examples" / "landing", folder / "landing")
    return Project(folder, wheel)


class Project:
    """A folder and a virtual environment, from which the source tree cannot be seen."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        self.scripts = folder / ".venv" / ("Scripts" if os.name == "nt" else "bin")
        venv.create(folder / ".venv", with_pip=False)
        pip = ["-m", "pip", "--python", str(self.scripts / "python"), "install", "--quiet"]
        more = ["--no-deps", "--no-index", "--disable-pip-version-check"]
        subprocess.run([sys.executable, *pip, *more, str(wheel)], check=True, cwd=folder)
        # The dependencies are those of this environment. A folder that a .pth file names has its
        # own .pth files left alone, so that the project installed in place is not seen.
        (site,) = (folder / ".venv").rglob("site-packages")
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a script of the environment in the user's folder, which is first on the path."""
        told = subprocess.run(
            [self.scripts / command[0], *command[1:]],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(self.folder),
                "DAGSTER_HOME": "",
                "DAGSTER_DISABLE_TELEMETRY": "1",
            },
        )
        assert told.returncode == 0, told.stdout + told.stderr
        return told

    def tells(self, code: str) -> str:
        return self.run("python", "-c", code).stdout.strip()


def test_a_wheel_holds_one_name_and_all_that_belongs_to_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {PACKAGE, f"{PACKAGE}-{fte.__version__}.dist-info"}
    assert not [name for name in names if "__pycache__" in name]
    held = {name.removeprefix(f"{PACKAGE}/") for name in names}
    assert "py.typed" in held
    scripts_of_maintainers = ROOT / "reference_data" / "sources"
    for top in ("assets", "reference_data"):
        files = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / top).rglob("*")
            if path.is_file()
            and "__pycache__" not in path.parts
            and not path.is_relative_to(scripts_of_maintainers)
        }
        assert files == {name for name in held if name.startswith(f"{top}/")}


def test_the_installed_package_knows_itself_and_no_source_tree(project):
    assert project.tells(f"import {PACKAGE} as p; print(p.__version__)") == fte.__version__
    assert project.tells(f"import {PACKAGE} as p; print(p.source_tree())") == "None"
    place = Path(project.tells(f"import {PACKAGE} as p; print(p.__file__)"))
    assert place.is_relative_to(project.folder)
    tables = Path(project.tells(f"from {PACKAGE}.reference import load; print(load().folder)"))
    assert tables == place.parent / "reference_data"
    assert not project.tells(f"import sys; print(*[p for p in sys.path if p == {str(ROOT)!r}])")


def test_the_examples_run_where_the_wheel_is_installed(project):
    told = project.run("ft-emissions", "run")
    assert "Records: 103 read from 13 files, 94 used, 6 merged, 3 in quarantine" in told.stdout
    assert (project.folder / "warehouse" / "report" / "index.html").is_file()


def test_the_wheel_estimates_what_the_source_tree_estimates(project):
    printed = project.run("ft-emissions", "estimate", "landing", "--format", "csv").stdout
    installed = pd.read_csv(io.StringIO(printed)).set_index("run_id")["total_kgco2e"]
    runs, _ = fte.read_runs(project.folder / "landing")
    here = fte.estimate(runs).runs.set_index("run_id")["total_kgco2e"]
    assert len(here) > 1
    pd.testing.assert_series_equal(
        installed.sort_index(), here.sort_index(), check_index_type=False
    )


def test_dagster_loads_the_pipelines_assets_and_the_users_side_by_side(project):
    told = project.run(
        "python", "-m", "dagster", "definitions", "validate",
        "-m", f"{PACKAGE}.assets", "-m", "assets",
    )  # fmt: skip
    for location in (f"{PACKAGE}.assets", "assets"):
        assert f"Validation successful for code location {location}." in told.stdout + told.stderr
    keys = "print(*sorted(k.to_user_string() for k in defs.resolve_all_asset_keys()))"
    assert project.tells(f"from assets import defs; {keys}") == "of_the_user"
    folders = "p = defs.resources['pipeline']; print(p.landing); print(p.warehouse)"
    ours, *places = project.tells(
        f"from {PACKAGE}.assets import defs; {keys}; {folders}"
    ).splitlines()
    assert ours.split() == sorted(k.to_user_string() for k in defs.resolve_all_asset_keys())
    # Logs and tables lie in the working directory, never among the installed files.
    assert places == [str(project.folder / name) for name in ("landing", "warehouse")]
