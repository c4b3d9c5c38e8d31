"""The page of a comparison in a real browser: Chromium, offline, by mouse and by keyboard, light and dark.

Runs where playwright is installed (the extra `dev`) and a Chromium is found: in the path, or named by ORDEBUG_BROWSER.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from tests.compared import HOSTILE, MODEL_RUN, PROBLEMS, Runs, make_runs

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: it is in the extra 'dev'")

_PATIENCE = 180_000  # milliseconds
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return make_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def path(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("page") / "c.html"
    assert main(["compare", *runs.arguments, "--page", str(target)]) == 0
    return target


@pytest.fixture(scope="module")
def browser(path: Path) -> Iterator[Any]:  # made before: playwright keeps an event loop running here
    found = os.environ.get("ORDEBUG_BROWSER") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium found: install one (Debian: apt-get install chromium) or name it in ORDEBUG_BROWSER")
    with playwright.sync_playwright() as driver:
        # A machine may be busy, and a container's /dev/shm small.
        started = driver.chromium.launch(executable_path=found, args=["--disable-dev-shm-usage"], timeout=_PATIENCE)
        yield started
        started.close()


@pytest.fixture
def page(browser: Any, path: Path) -> Iterator[Any]:
    """The page, opened without a network; whatever it asks for or complains of fails the test."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, offline=True)
    context.set_default_timeout(_PATIENCE)
    tab = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("dialog", lambda dialog: complaints.append(dialog.message))
    tab.goto(path.as_uri())
    tab.wait_for_selector(".episode")
    yield tab
    assert asked == [path.as_uri()]
    assert complaints == []
    assert tab.evaluate("window.attacked") is None
    context.close()


def cells(page: Any, name: str) -> list[str]:
    return page.locator(f".episode > summary [data-cell={name}]").all_inner_texts()


def shown(page: Any) -> int:
    """How many episodes the page says it lists."""
    match = re.match(r"(\d+) of (\d+) episodes", page.locator("#count").inner_text())
    assert match is not None
    assert int(match[2]) == 3 * PROBLEMS
    return int(match[1])


def test_a_number_on_it_is_that_of_summary_json(page: Any, runs: Runs) -> None:
    for name in runs.names:
        figure = runs.summary(name)["metrics"]["rr@5"]
        row = page.locator("#published tr").filter(has_text=name)
        assert row.locator("td").first.inner_text() == f"{100 * figure['value']:.1f}%"
    embedded = json.loads(page.locator("#figures").text_content())
    assert embedded["runs"] == {name: runs.summary(name) for name in runs.names}


def test_filters_leave_the_episodes_that_they_name(page: Any, runs: Runs) -> None:
    outcomes = runs.summary(MODEL_RUN)["outcomes"]
    assert shown(page) == 3 * PROBLEMS
    page.select_option("select[name=run]", label=MODEL_RUN)
    assert shown(page) == PROBLEMS
    assert set(cells(page, "run")) == {MODEL_RUN}
    page.select_option("select[name=outcome]", "out-of-turns")
    assert shown(page) == outcomes["out-of-turns"] == len(cells(page, "outcome"))
    assert set(cells(page, "outcome")) == {"out-of-turns"}
    page.click("button[type=reset]")
    playwright.expect(page.locator(".episode")).to_have_count(50)
    page.select_option("select[name=type]", "B & <i>")
    assert shown(page) == PROBLEMS
    assert set(cells(page, "type")) == {"B & <i>"}
    page.fill("input[name=text]", "side relax")
    touching = [
        one
        for one in runs.episodes(MODEL_RUN)
        if one["error_type"] == "B & <i>"
        and any((turn["action"] or {}).get("target") == "side" for turn in one["turns"])
    ]
    assert 0 < shown(page) == len(touching) < PROBLEMS


def test_where_runs_differ_and_orders(page: Any, runs: Runs) -> None:
    page.check("input[name=differ]")
    assert 0 < shown(page) < 3 * PROBLEMS
    assert shown(page) % 3 == 0  # of a problem on which they differ, all runs are listed
    page.select_option("select[name=order]", "answers")
    turns = [int(text) for text in cells(page, "turns")]
    assert turns == sorted(turns, reverse=True)


def test_the_list_grows_on_demand(page: Any) -> None:
    assert page.locator(".episode").count() == 50
    more = page.locator("#more")
    assert more.inner_text() == "Show 22 more of 22"
    more.click()
    assert page.locator(".episode").count() == 3 * PROBLEMS
    assert not more.is_visible()


def test_an_episode_opens_by_keyboard_and_shows_its_turns_as_text(page: Any, runs: Runs) -> None:
    page.select_option("select[name=run]", label=MODEL_RUN)
    number, episode = next(
        (number, one) for number, one in enumerate(runs.episodes(MODEL_RUN)) if one["outcome"] == "recovered"
    )
    page.locator(".episode > summary").first.focus()
    for _ in range(number):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".episode[open] .inside")
    opened = page.locator(".episode[open]")
    assert opened.locator("[data-cell=problem]").inner_text() == episode["problem_id"]
    assert opened.locator(".turn").count() == len(episode["turns"])
    assert "recovered in turn" in opened.locator(".headline").inner_text()
    for name in episode["iis"]["rows"]:
        assert opened.locator("dl").first.locator("code", has_text=name).count() >= 1
    first = opened.locator(".turn").first
    assert first.locator(".poor, dd").count() > 0
    assert HOSTILE in opened.inner_text()
    prompt = first.locator("details", has_text="prompt").first
    prompt.locator("summary").focus()
    page.keyboard.press("Enter")
    assert prompt.locator("pre").inner_text() == episode["turns"][0]["prompt"]
    assert opened.locator("img, script").count() == 0
    page.keyboard.press("Enter")
    assert not prompt.locator("pre").is_visible()


def test_all_runs_on_a_problem(page: Any, runs: Runs) -> None:
    page.fill("input[name=text]", "p7")
    page.locator(".episode > summary").first.click()
    page.get_by_role("button", name="All runs on this problem").click()
    page.wait_for_function("document.querySelectorAll('.episode').length === 3")
    assert cells(page, "problem") == ["p7"] * 3
    assert cells(page, "run") == runs.names


def test_it_follows_light_and_dark_and_stays_readable(page: Any) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        ground, text, soft = page.evaluate(
            """() => [[document.body, 'backgroundColor'], [document.body, 'color'],
                [document.querySelector('.soft'), 'color']].map(([node, key]) => getComputedStyle(node)[key])"""
        )
        grounds.append(ground)
        assert contrast(ground, text) > 7
        assert contrast(ground, soft) > 4.5
        lines = page.locator("#plots svg.plot").first.locator("path.line")
        strokes = lines.evaluate_all("nodes => nodes.map((node) => getComputedStyle(node).stroke)")
        assert len(set(strokes)) == 3
        assert all(contrast(ground, stroke) > 3 for stroke in strokes)
    assert grounds[0] != grounds[1]


def test_nothing_is_wider_than_a_laptop_or_a_phone(page: Any) -> None:
    for width in (1366, 400):
        page.set_viewport_size({"width": width, "height": 768})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_plots_say_what_they_show(page: Any, runs: Runs) -> None:
    figure = page.locator("#plots figure").first
    assert figure.locator("path.line").count() == 3
    value = runs.summary("oracle")["metrics"]["rr@1"]["value"]
    titles = figure.locator("title").evaluate_all("nodes => nodes.map((node) => node.textContent)")
    assert any(title.startswith(f"oracle, 1: {100 * value:.1f}% [") for title in titles)
    assert page.locator("#plots svg.plot:not([aria-label])").count() == 0


def test_without_scripts_the_figures_are_there(browser: Any, path: Path, runs: Runs) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    tab = context.new_page()
    tab.goto(path.as_uri())
    assert tab.locator("#plots svg.plot").count() > 5
    assert tab.locator("noscript").is_visible()
    assert not tab.locator("#filters").is_visible()
    assert "oracle" in tab.locator("#published").inner_text()
    context.close()


def contrast(one: str, two: str) -> float:
    """The contrast ratio of two colours, as WCAG 2 defines it."""
    lights = sorted((_luminance(colour) for colour in (one, two)), reverse=True)
    return (lights[0] + 0.05) / (lights[1] + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
