"""The console's page of all runs."""

import json
from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from .conftest import DESKTOP, NARROW, THEMES, Workbench, keep_picture, serious_violations

HOSTILE = """<img src=x onerror="owned=1">"""
Opened = Callable[..., Page]


def row(page: Page, text: str) -> "Page":
    return page.locator(".row").filter(has_text=text)  # type: ignore[return-value]


def test_runs_are_listed_newest_first_with_how_they_ended(
    workbench: Workbench, opened: Opened
) -> None:
    tag = uuid4().hex[:8]
    # Neither the order in which they end, nor that of their machines or names, is the order of
    # their starts.
    first = workbench.start("patience", {"id": f"{tag}-first", "seconds": 200}, f"c-{tag}")
    workbench.ended("orders", {"id": f"{tag}-second", "orders": [{"valid": False}]}, f"a-{tag}")
    workbench.wait(60, {"id": f"{tag}-third"}, f"d-{tag}")
    workbench.ended("echo", {"id": f"{tag}-fourth"}, f"b-{tag}")
    workbench.aws.wait_for_end(first)

    page = opened(f"{workbench.url}runs?text={tag}")

    rows = page.locator(".row")
    expect(rows).to_have_count(4)
    for place, label in enumerate(("fourth", "third", "second", "first")):
        expect(rows.nth(place)).to_contain_text(f"{tag}-{label}")
    expect(rows.nth(1)).to_contain_text("Be Patient")
    expect(rows.nth(2).get_by_role("img", name="Failed")).to_be_visible()
    expect(rows.nth(2)).to_contain_text("InvalidOrderError")
    expect(rows.nth(3).get_by_role("img", name="Succeeded")).to_be_visible()
    counts = page.locator(".workflow").filter(has_text="patience").locator(".tally")
    expect(counts.first).to_have_text("1")
    keep_picture(page, "runs")


def test_a_run_appears_and_ends_on_the_open_page(workbench: Workbench, opened: Opened) -> None:
    page = opened(f"{workbench.url}runs")
    expect(page.locator(".row").first.or_(page.get_by_text("No runs yet"))).to_be_visible()
    page.evaluate("window.notReloaded = true")
    tag = uuid4().hex[:8]

    workbench.wait(3, {"id": tag})

    expect(row(page, tag).get_by_role("img", name="Running")).to_be_visible(timeout=10_000)
    expect(page.locator(".row").first).to_contain_text(tag)
    expect(row(page, tag).get_by_role("img", name="Succeeded")).to_be_visible(timeout=15_000)
    assert page.evaluate("window.notReloaded")


def test_the_filter_is_in_the_address(workbench: Workbench, opened: Opened) -> None:
    tag = uuid4().hex[:8]
    workbench.ended("echo", {"id": f"{tag}-good"})
    workbench.ended("orders", {"id": f"{tag}-bad", "orders": [{"valid": False}]})
    page = opened(f"{workbench.url}runs")

    page.get_by_role("searchbox").fill(tag)
    expect(page.locator(".row")).to_have_count(2)
    page.get_by_label("Status", exact=True).select_option("FAILED")
    expect(page.locator(".row")).to_have_count(1)
    page.reload()

    assert f"text={tag}" in page.url
    assert "status=FAILED" in page.url
    expect(page.get_by_role("searchbox")).to_have_value(tag)
    expect(page.locator(".row")).to_have_count(1)
    expect(row(page, f"{tag}-bad")).to_be_visible()
    page.locator(".workflow").filter(has_text="echo").click()
    expect(page.get_by_text("No run matches the filter")).to_be_visible()
    page.get_by_role("button", name="Clear the filter").click()
    expect(row(page, f"{tag}-good")).to_be_visible()


def test_what_a_run_was_given_is_only_text(workbench: Workbench, opened: Opened) -> None:
    execution = workbench.ended("echo", {"id": HOSTILE, HOSTILE: [HOSTILE]})

    page = opened(f"{workbench.url}runs")
    expect(row(page, HOSTILE).first).to_be_visible()
    page.goto(workbench.page_of(execution))
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    page.get_by_role("tab", name="Input").click()
    expect(page.locator(".json-key").last).to_have_text(json.dumps(HOSTILE))
    page.get_by_role("tab", name="History").click()
    page.locator(".open-row").first.click()
    expect(page.locator(".open-row-details")).to_contain_text("onerror")

    assert page.evaluate("window.owned") is None
    assert page.locator("main img").count() == 0


def test_the_keyboard_is_enough(workbench: Workbench, opened: Opened) -> None:
    tag = uuid4().hex[:8]
    for number in range(3):
        workbench.ended("echo", {"id": f"{tag}-{number}"})
    page = opened(f"{workbench.url}runs?text={tag}")
    expect(page.locator(".row")).to_have_count(3)

    page.keyboard.press("j")
    expect(page.locator(".row-action").nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(".row-action").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{tag}-1")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    expect(page.locator(".row").first).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Next run")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("jk")
    expect(page.get_by_role("searchbox")).to_have_value("jk")


def test_a_page_that_hears_nothing_says_since_when(workbench: Workbench, opened: Opened) -> None:
    tag = uuid4().hex[:8]
    workbench.ended("echo", {"id": tag})
    page = opened(f"{workbench.url}runs?text={tag}")
    expect(row(page, tag)).to_be_visible()

    page.route("**/api/live**", lambda route: route.abort())
    page.reload()

    expect(page.get_by_text("ago; reconnecting.")).to_be_visible()
    expect(row(page, tag)).to_be_visible()  # what is known stays
    page.unroute("**/api/live**")
    expect(page.get_by_text("ago; reconnecting.")).to_have_count(0)
    expect(page.get_by_text("Live · updated now")).to_be_visible()


def test_other_addresses_lead_somewhere(workbench: Workbench, opened: Opened) -> None:
    page = opened(f"{workbench.url}nowhere")
    expect(page.get_by_text("There is no such page")).to_be_visible()
    page.get_by_role("link", name="Go to the runs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    page.goto(f"{workbench.url}runs/{workbench.stack}-echo:never-started")
    expect(page.get_by_text("Not found", exact=True)).to_be_visible()


@pytest.mark.parametrize("screen", [DESKTOP, NARROW], ids=["wide", "narrow"])
def test_everybody_can_use_it(workbench: Workbench, opened: Opened, screen: dict[str, int]) -> None:
    workbench.ended("orders", {"orders": [{"valid": False}]})
    workbench.wait(60)
    page = opened(f"{workbench.url}runs", screen)
    expect(page.locator(".row").nth(1)).to_be_visible()

    assert serious_violations(page, *THEMES) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    keep_picture(page, f"runs-{screen['width']}", *THEMES)
