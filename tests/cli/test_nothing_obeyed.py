"""Nothing that stands in a log or is given to a command reaches the terminal as an order to it.

What commands over a warehouse print is searched in `tests/readers/test_what_gets_out.py`.
"""

import pytest
from terminal_orders import ALL, given_in, laid_out
from typer.testing import CliRunner

from ft_emissions_pipeline import cli
from ft_emissions_pipeline.cli import output


def invoke(*arguments):
    done = CliRunner().invoke(cli.app, [str(a) for a in arguments], env={"DAGSTER_HOME": ""})
    assert not given_in(done.stdout), arguments
    assert not given_in(done.stderr), arguments
    return done


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "landing"
    laid_out(folder)
    return folder


@pytest.mark.parametrize("form", output.Format)
def test_no_estimate_gives_an_order(hostile, form):
    done = invoke("estimate", hostile, "--format", form)
    assert done.exit_code == 0
    assert "run\ufffd" in done.stdout or "run\\ufffd" in done.stdout
    assert "not used" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("estimate", f"none{ALL}"),
        ("explain", f"run{ALL}", "--file", "{hostile}"),
        ("run", "--landing", f"none{ALL}", "--warehouse", f"w{ALL}"),
        (f"no{ALL}",),
        ("rollup", "--warehouse", f"none{ALL}"),
        ("reference", "show", f"none{ALL}"),
        ("reference", "check", f"none{ALL}"),
        ("export", f"none{ALL}"),
        ("doctor", f"more{ALL}"),
    ],
    ids=lambda command: ascii(" ".join(command))[1:16],
)
def test_no_refusal_gives_an_order(hostile, command):
    done = invoke(*(str(hostile) if part == "{hostile}" else part for part in command))
    assert done.exit_code != 0
    assert done.stderr
