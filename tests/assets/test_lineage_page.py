"""The lineage page as a user sees it: Dagster's web server in a process, a browser that opens it.

Runs once for each browser that the machine has.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from teams import EXAMPLES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = [
    path
    for name in ("chromium", "chromium-browser", "google-chrome")
    if (path := shutil.which(name)) is not None
][:1]
START_LIMIT_S = 90
PAGES = {
    "asset-groups": {"reference", "landing", "normalize", "impacts", "ledger", "report"},
    "locations/assets/asset-groups/ledger/lineage": {
        "model_versions",
        "inference_impacts",
        "rollups",
        "quarantine",
        # Where the group is entered and left.
        "run_impacts",
        "usage",
        "daily_report",
    },
    "assets/inference_impacts?view=overview": {
        "The table to report: every gram and litre lands on one day.",
        "gco2e_per_inference",
    },
}


@contextmanager
def ended_in_any_case(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """End the process with all that it started, whatever happens meanwhile."""
    try:
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def wait_until_up(url: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"the web server did not come up: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the page that `ft-emissions ui` opens where `ft-emissions run` ran before."""
    folder = tmp_path_factory.mktemp("folder")
    log, port = folder / "log.txt", free_port()
    (folder / "logs").mkdir()
    shutil.copy(EXAMPLES / "disclosures/intent_classifier.yaml", folder / "logs")
    command = [sys.executable, "-m", "ft_emissions_pipeline"]
    where = ["--landing", "logs", "--warehouse", "tables"]
    environment = {name: at for name, at in os.environ.items() if name != "DAGSTER_HOME"}
    environment["PYTHONPATH"] = str(ROOT)
    subprocess.run([*command, "run", *where], cwd=folder, env=environment, check=True)
    with (
        log.open("w") as output,
        ended_in_any_case(
            subprocess.Popen(
                [*command, "ui", *where, "--port", str(port)],
                env=environment,
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        ) as server,
    ):
        url = f"http://127.0.0.1:{port}"
        wait_until_up(f"{url}/server_info", server, log)
        yield url


def shown(browser: str, url: str, profile: Path) -> str:
    """Return the page as the browser has it once its scripts have run."""
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=7200,4800"]
    command += ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
    command += [f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom", url]
    with ended_in_any_case(
        subprocess.Popen(
            command,
            env={**os.environ, "HOME": str(profile)},  # where it would leave traces
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
    ) as process:
        return process.communicate(timeout=60)[0]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("browser", BROWSERS)
def test_page_names_stages_assets_and_what_they_are(browser, page, address, tmp_path):
    text = shown(browser, f"{address}/{page}", tmp_path)
    assert {name for name in PAGES[page] if name not in text} == set()
    assert "Join the Dagster community" not in text
    # Dagster loads this script from the network where telemetry is on.
    assert "oss-telemetry" not in text


def test_the_page_shows_what_the_command_line_ran(address):
    question = """{ assetOrError(assetKey: {path: ["inference_impacts"]}) {
      ... on Asset { assetMaterializations(limit: 1) { partition } } } }"""
    request = urllib.request.Request(
        f"{address}/graphql",
        json.dumps({"query": question}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        (newest,) = json.load(answer)["data"]["assetOrError"]["assetMaterializations"]
    assert newest["partition"] == "2024-07-06"
