"""What a reader does with the page, in a browser: sort, filter, choose, open, take along.

The fleet is that of `fleet.FULL`, twelve plain models, and names that somebody may give to a model.
"""

import importlib.util
import io
import itertools
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from fleet import FULL, inference_impacts, run_impacts, scattered, versions

from docs.browser import PROGRAMS, browser
from ft_emissions_pipeline import report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAMS, reason="no Chromium is installed"),
]

HOSTILE = {
    "markup": "</script><img src=x onerror=alert(1)>",
    "long": "m" * 10_000,
    "right_to_left": "نموذج \u202egnp.exe",
    "formula": '=HYPERLINK("x")',
    "never_used": "never used",
}
PLAIN = [f"model-{n:02d}" for n in range(12)]
READY = "document.documentElement.dataset.ready === 'yes'"


def grown():
    """Return a fleet in which each model emits one gram more a day than the one before it."""
    names = [*PLAIN, *HOSTILE.values()]
    runs = run_impacts(
        *((f"run-{n}", name, "2025-12-30", 0.01 * (n + 1), 0.0) for n, name in enumerate(names))
    )
    served = [name for name in names if name != HOSTILE["never_used"]]
    days = inference_impacts(
        *(
            (f"2026-01-{day:02d}", name, f"run-{n}", 10.0 * day, 0.001 * (n + 1), "actual", "final")
            for n, name in enumerate(served)
            for day in (1, 2, 4)
        ),
        ("2026-01-01", HOSTILE["never_used"], f"run-{len(names) - 1}", 0.0, 0.2, "actual", "final"),
    )
    return replace(
        FULL,
        run_impacts=runs,
        spreads=scattered(runs),
        model_versions=versions(runs),
        inference_impacts=days,
        steps={"run-15": "it_energy_kwh = power_w x active_h\n  gpus/A100: NVIDIA, 2020"},
    )


GROWN = grown()


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(report.render(GROWN), "utf-8")
    return path


@pytest.fixture(scope="module")
def started():
    with browser(PROGRAMS[0]) as running:
        yield running


@pytest.fixture
def page(started, shown):
    started.complaints.clear()
    started.sized(1280, 900)
    started.as_if()
    started.open(shown)
    started.until(READY)
    yield started
    assert started.complaints == []


def rows(page, name):
    """Return the first cell of each row of a table that is seen."""
    return page.run(
        f"[...document.querySelectorAll('[data-listing={name}] tbody tr')]"
        ".filter((row) => !row.hidden).map((row) => row.cells[0].textContent)"
    )


def csv_of(page, click):
    """Return the table that a click saves."""
    text = page.run(
        "(async () => { const make = URL.createObjectURL; let taken;"
        " URL.createObjectURL = (blob) => { taken = blob; return make(blob); };"
        f" {click}.click(); URL.createObjectURL = make; return taken.text(); }})()"
    )
    return pd.read_csv(io.StringIO(text))


def choose(page, name, value, event="change"):
    page.run(
        f"(() => {{ const one = document.getElementById('{name}'); one.value = '{value}';"
        f" one.dispatchEvent(new Event('{event}')); }})()"
    )


def test_a_script_that_the_policy_does_not_know_is_complained_of(started, shown, tmp_path):
    """A browser that never complained would prove nothing."""
    altered = tmp_path / "altered.html"
    altered.write_text(
        shown.read_text("utf-8").replace("</body>", "<script>1</script></body>"), "utf-8"
    )
    started.open(altered)
    started.until(READY)
    assert any("Content Security Policy" in each for each in started.complaints)


def test_table_is_paged_sorted_and_filtered(page):
    assert len(rows(page, "models")) == 10
    heading = "document.querySelector('[data-listing=models] thead').rows[0].cells[1]"
    page.run(f"{heading}.querySelector('button').click()")
    assert page.run(f"{heading}.getAttribute('aria-sort')") == "descending"
    values = page.run(
        "[...document.querySelectorAll('[data-listing=models] tbody tr')]"
        ".map((row) => row.cells[1].dataset.value).filter((value) => value).map(Number)"
    )
    # On the newest day 40 inferences share one to sixteen grams.
    assert values == pytest.approx([n / 40 for n in range(16, 0, -1)], rel=1e-12)

    page.run("document.querySelector('[aria-label^=\"Next in Per-inference\"]').click()")
    assert len(rows(page, "models")) == 7
    page.run(
        "(() => { const find = document.querySelector('[aria-label^=\"Filter Per-inference\"]');"
        " find.value = 'MODEL-0'; find.dispatchEvent(new Event('input')); })()"
    )
    assert sorted(name[:8] for name in rows(page, "models")) == PLAIN[:10]


def test_every_model_with_inferences_can_be_drawn_and_says_its_values(page):
    picks = page.run("[...document.querySelectorAll('#picks li')].map((line) => line.textContent)")
    assert len(picks) == 17
    assert HOSTILE["markup"] in picks
    page.run(
        "[...document.querySelectorAll('#picks input')].filter((box) => box.checked)"
        ".forEach((box) => box.click());"
    )
    page.until("document.getElementById('over-time-told').textContent.includes('No model')")
    page.run(
        "[...document.querySelectorAll('#picks li')]"
        ".find((line) => line.textContent === 'model-03').querySelector('input').click()"
    )
    page.until("document.documentElement.dataset.drawn === 'carbon 4'")
    # 4 g over 10, 20 and 40 inferences; the third of January is a hole.
    said = (
        "model-03: 3 points from 2026-01-01 to 2026-01-04, values 0.100 to 0.400;"
        " newest 0.100 (0.0500 to 0.200) gCO2e"
    )
    assert said in page.run("document.getElementById('over-time-told').textContent")
    drawing = "document.getElementById('over-time')"
    assert said in page.run(f"{drawing}.getAttribute('aria-label')")
    assert page.run(f"{drawing}.querySelectorAll('[aria-roledescription=\"point\"]').length") == 3
    assert "2026-01-0" in page.run(f"{drawing}.textContent")
    assert "model-03 0.0400 kgCO2e, of which 0.0400 operational, 0 embodied" in page.run(
        "document.getElementById('parts').getAttribute('aria-label')"
    )


@pytest.mark.parametrize("day", ["", "2031-01-01"])
def test_a_period_without_a_day_draws_nothing_amiss(page, day):
    choose(page, "from", day)
    page.until(f"document.documentElement.dataset.drawn === 'carbon {0 if day else 12}'")


def test_chosen_period_sums_the_chosen_models(page):
    choose(page, "metric", "water")
    choose(page, "from", "2026-01-02")
    page.until("document.documentElement.dataset.drawn === 'water 9'")
    compared = page.run(
        "[...document.getElementById('compared').tBodies[0].rows]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    # Drawn at first are those with the most carbon that were used; 16 g on each of two days.
    assert compared[0] == [HOSTILE["formula"], "2", "60", "0.0320", "0.533", "0.320", "5.33"]
    assert len(compared) == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_values_as_a_table_equal_the_tables(page, scheme):
    page.as_if(scheme=scheme)
    values = csv_of(page, "document.querySelector('[aria-label=\"Values drawn as CSV\"]')")
    ours = values[values["Model"] == "'" + HOSTILE["formula"]]
    assert ours["Value"].tolist() == pytest.approx([1.6, 0.8, 0.4], rel=1e-9)
    assert ours["95th percentile"].tolist() == pytest.approx([3.2, 1.6, 0.8], rel=1e-9)


def test_tables_are_taken_along_whole_and_harmless(page):
    models = csv_of(
        page,
        "document.querySelector('[aria-label=\"Per-inference figures of each model as CSV\"]')",
    )
    assert len(models) == 17
    assert HOSTILE["long"] in set(models["model_name"])
    assert "'" + HOSTILE["formula"] in set(models["model_name"])
    carbon = models.set_index("model_name")["latest_gco2e_per_inference"]
    assert carbon["model-11"] == pytest.approx(12 / 40, rel=1e-12)

    days = csv_of(page, "document.querySelector('[data-csv=days]')")
    merged = days.merge(GROWN.inference_impacts.assign(date=lambda f: f["date"].astype("str")),
                        on=["model_name", "date"], suffixes=("", "_table"))  # fmt: skip
    assert len(merged) == 15 * 3 + 1 - 3  # the names that had to be made harmless do not match
    for name in ("inferences", "allocated_kgco2e", "allocated_water_l"):
        assert merged[name].tolist() == pytest.approx(merged[f"{name}_table"].tolist(), rel=1e-4)


def test_figure_opens_how_it_was_made_by_keyboard(page):
    figure = (
        "[...document.querySelectorAll('[data-how]')].find((one) => one.textContent === '0.400')"
    )
    page.run(f"{figure}.focus()")
    page.press("Enter", 13)
    assert page.run("document.getElementById('derivation').open")
    text = page.run("document.getElementById('derivation-text').textContent")
    # 16 g over 40 inferences.
    assert "gco2e_per_inference = allocated_kgco2e x 1000 / inferences" in text
    assert "= 0.016 x 1000 / 40 = 0.4 gCO2e (0.200 to 0.800)" in text
    assert "gpus/A100: NVIDIA, 2020" in text
    page.press("Escape", 27)
    assert not page.run("document.getElementById('derivation').open")
    assert page.run("document.activeElement.textContent") == "0.400"


def test_link_to_a_run_turns_to_its_page(page):
    page.run(
        "(() => { const sizes = document.querySelector('[aria-label^=\"Rows of Table of runs\"]');"
        " sizes.value = '10'; sizes.dispatchEvent(new Event('change')); })()"
    )
    hidden = page.run(
        "[...document.querySelectorAll('[data-listing=runs] tbody tr')]"
        ".find((row) => row.hidden).id"
    )
    page.run(
        f"(() => {{ const link = document.createElement('a'); link.href = '#{hidden}';"
        " document.body.append(link); link.click(); link.remove(); })()"
    )
    assert not page.run(f"document.getElementById('{hidden}').hidden")


@pytest.mark.parametrize("width", [390, 1280])
def test_page_is_no_wider_than_the_window(page, width):
    page.sized(width, 844)
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.run("document.documentElement.scrollWidth") <= width


def test_print_shows_no_controls(page):
    page.as_if(media="print")
    seen = page.run(
        "[...document.querySelectorAll('nav, .bar, .choice, .skip')]"
        ".filter((each) => getComputedStyle(each).display !== 'none').length"
    )
    assert seen == 0


CONTRAST = """
(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (colour) => parts(colour).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (one) => {
    const colour = getComputedStyle(one).backgroundColor;
    return /, 0\\)$/.test(colour) ? ground(one.parentElement) : colour;
  };
  return [...document.querySelectorAll('body *')]
    .filter((one) => one.checkVisibility() && !one.disabled && !one.closest('svg, [disabled]'))
    .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((one) => [light(getComputedStyle(one).color), light(ground(one)), one.outerHTML])
    .filter(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5)
    .map(([, , html]) => html.slice(0, 200));
})()
"""
"""Text of less contrast than 4.5 to 1 (WCAG 2.2, 1.4.3, with its formula of relative luminance)."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(page, scheme):
    page.as_if(scheme=scheme)
    assert page.run(CONTRAST) == []


def test_everything_has_a_name_and_headings_keep_their_order(page):
    nameless = page.run(
        "[...document.querySelectorAll('button, input, select, [role=region], table')]"
        ".filter((one) => !one.matches('table') || !one.caption)"
        ".filter((one) => !(one.getAttribute('aria-label') || one.getAttribute('aria-labelledby')"
        " || one.labels?.length || one.textContent.trim())).map((one) => one.outerHTML)"
    )
    assert nameless == []
    levels = page.run("[...document.querySelectorAll('h1, h2, h3')].map((one) => +one.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


_AXE = importlib.util.find_spec("axe_core_python")


@pytest.mark.skipif(_AXE is None, reason="axe-core-python, which brings axe-core, is not installed")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing(started, shown, width, scheme):
    """The rules of axe-core; its licence (MPL-2.0) keeps it out of the page and of this project."""
    source = (Path(_AXE.origin).parent / "axe.min.js").read_text("utf-8")
    started.without_policy()
    started.sized(width, 844)
    started.as_if(scheme=scheme)
    started.open(shown)
    started.until(READY)
    started.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    started.run(f"{source};0")
    found = started.run(
        "axe.run(document).then((told) => told.violations"
        ".map((rule) => [rule.id, rule.nodes.map((node) => node.html.slice(0, 200))]))"
    )
    assert found == []


def test_a_fleet_without_runs_makes_no_complaint(started, tmp_path):
    started.complaints.clear()
    empty = tmp_path / "empty.html"
    empty.write_text(report.render(report.ReportData()), "utf-8")
    started.open(empty)
    started.until(READY)
    assert started.complaints == []
