"""The console's page of the architecture."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from local.aws import Aws

from .conftest import (
    DESKTOP,
    NARROW,
    THEMES,
    Workbench,
    fulfil_with,
    keep_picture,
    serious_violations,
)
from .test_workflows import failed_upload

Opened = Callable[..., Page]


def part(page: Page, kind: str, name: str) -> Locator:
    return page.locator(f'.part[data-id="{kind}/stepworks-local-{name}"]')


def test_what_is_connected_what_went_through_and_what_failed(
    aws: Aws, console: str, opened: Opened
) -> None:
    failed_upload(aws)
    page = opened(f"{console}architecture")

    function = part(page, "function", "processFile")
    expect(function).to_have_class(re.compile("failing"))
    cross = '[data-of="function/stepworks-local-processFile"] .failures .shape'
    expect(page.locator(cross)).to_have_count(1)  # a shape, not only a colour
    expect(part(page, "function", "sendFailureEmail")).to_have_attribute(
        "aria-label", re.compile(r"sendFailureEmail, function, \d+ invocations?$")
    )

    page.evaluate("document.querySelector('[data-id=\"machine/stepworks-local-sensor\"]').focus()")
    page.keyboard.press("Enter")
    panel = page.locator(".part-panel")
    expect(panel).to_contain_text("state machine")
    expect(panel.locator(".panel-section", has_text="Comes from")).to_contain_text(
        "executeWorkflow"
    )
    expect(panel.locator(".panel-section", has_text="Leads to")).to_contain_text(
        "invokes: Process File"
    )
    panel.get_by_role("link", name="Failed runs").click()
    expect(page.locator(".row").first).to_contain_text("NoValidReadingsError")


def test_around_one_workflow(console: str, opened: Opened) -> None:
    page = opened(f"{console}architecture")
    expect(part(page, "machine", "sensor")).to_be_attached()

    page.get_by_label("Workflow", exact=True).select_option("stepworks-local-cookies")

    expect(part(page, "function", "getMultiple")).to_be_visible()
    expect(part(page, "machine", "sensor")).to_have_count(0)
    assert "workflow=stepworks-local-cookies" in page.url


def test_where_failures_go_is_shown_on_demand(console: str, opened: Opened) -> None:
    page = opened(f"{console}architecture")
    expect(part(page, "machine", "sensor")).to_be_attached()
    expect(page.locator(".flow-group .fails")).to_have_count(0)

    page.get_by_label("Where failures go").check()

    expect(page.locator(".flow-group .fails").first).to_be_attached()


def test_the_list_and_keys_lead_to_every_part(console: str, opened: Opened) -> None:
    page = opened(f"{console}architecture")
    expect(page.locator(".part-link").first).to_be_visible()

    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("processFile")
    expect(page.locator(".part-link")).to_have_count(1)
    page.locator(".part-link").click()
    expect(page.locator(".part-panel h2")).to_have_text("processFile")
    expect(part(page, "function", "processFile")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.locator(".parts")).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator(".part-panel")).to_be_visible()


def test_nothing_moves_when_counts_change(console: str, opened: Opened) -> None:
    more = 0
    parts: dict[str, Any] = {}

    def grown(route: Route) -> None:
        """The same parts each time, with other counts: other tests may add some."""
        nonlocal more, parts
        more += 1_000
        response = route.fetch()
        found = response.json()
        if not parts and found.get("nodes"):  # none while the server reads
            parts = {name: found[name] for name in ("nodes", "edges")}
        for node in parts.get("nodes", []):
            node["count"] = more
        route.fulfill(response=response, json=found | parts)

    page = opened()
    page.route("**/api/architecture?*", grown)
    page.goto(f"{console}architecture")
    places = """() => [...document.querySelectorAll(".part")].map((one) => one.dataset.id
      + one.getAttribute("transform"))"""
    sensor = part(page, "machine", "sensor")
    expect(sensor).to_have_attribute("aria-label", re.compile("[0-9]000 runs"))
    before, label = page.evaluate(places), sensor.get_attribute("aria-label")
    assert label

    page.get_by_label("Traffic of").select_option("24")

    expect(sensor).not_to_have_attribute("aria-label", label)
    assert page.evaluate(places) == before


def test_a_stack_that_has_nothing_of_ours(workbench: Workbench, opened: Opened) -> None:
    page = opened(f"{workbench.url}architecture")

    drawn = page.locator(".part")
    # One machine puts an event on the default bus, another one an item into a table.
    expect(drawn).to_have_count(4)
    expect(page.locator(".part.foreign")).to_have_attribute("data-id", "bus/default")
    page.locator(".part-link", has_text="orders").click()
    page.locator(".part-panel").get_by_role("link", name="Workflow").click()
    expect(page.get_by_role("heading", name="orders", level=1)).to_be_visible()
    expect(page.get_by_text("Nothing in the stack starts it.")).to_be_visible()


def test_a_stack_without_connections_has_a_list(workbench: Workbench, opened: Opened) -> None:
    page = opened()
    page.route(
        "**/api/architecture?*",
        lambda route: fulfil_with(route, edges=[]),
    )
    page.goto(f"{workbench.url}architecture")

    expect(page.get_by_text("Nothing is connected")).to_be_visible()
    expect(page.locator(".part-link", has_text="orders")).to_be_visible()


def test_what_may_not_be_read_is_said_and_the_rest_is_shown(
    workbench: Workbench, opened: Opened
) -> None:
    problem = {
        "what": "metrics",
        "message": "No permission for cloudwatch:GetMetricData.",
        "action": "Ask for a policy that allows cloudwatch:GetMetricData.",
    }
    page = opened()
    page.route(
        "**/api/architecture?*",
        lambda route: fulfil_with(route, problems=[problem]),
    )
    page.goto(f"{workbench.url}architecture")

    expect(page.locator(".problems")).to_contain_text("cloudwatch:GetMetricData")
    expect(page.locator(".part-link", has_text="orders")).to_be_visible()


@pytest.mark.parametrize("screen", [DESKTOP, NARROW], ids=["wide", "narrow"])
def test_it_is_accessible_and_fits(console: str, opened: Opened, screen: dict[str, int]) -> None:
    page = opened(f"{console}architecture", screen)
    expect(page.locator(".part").first).to_be_attached()

    assert serious_violations(page, *THEMES) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
    keep_picture(page, f"architecture-{screen['width']}", *THEMES)
    page.locator(".part-link", has_text="processFile").click()
    expect(page.locator(".part-panel")).to_contain_text(re.compile("none in 24 hours|Error"))
    assert serious_violations(page, *THEMES) == []
