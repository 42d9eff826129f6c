"""The console's pages of workflows: all of them, and one beside its definition."""

import json
from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from local.aws import Aws, until

from .conftest import (
    DESKTOP,
    NARROW,
    THEMES,
    Workbench,
    fulfil_with,
    keep_picture,
    serious_violations,
)

Opened = Callable[..., Page]
SIGNATURE = "workflows/stepworks-local-signature"


def marked(page: Page) -> str:
    """The text of the first line that is marked in the definition."""
    expect(page.locator(".source-mark")).to_be_visible()
    found: str = page.evaluate(
        """() => {
          const top = document.querySelector(".source-mark").offsetTop;
          const lines = [...document.querySelectorAll(".source-line")];
          return lines.find((line) => line.offsetTop === top).textContent;
        }"""
    )
    return found


def failed_upload(aws: Aws) -> str:
    """The name of an execution that failed because the file is empty."""
    key = f"empty-{uuid4().hex[:8]}.csv"
    aws.client("s3").put_object(Bucket=aws.outputs["SensorSourceBucket"], Key=key, Body=b"")

    def failed() -> str | None:
        for execution in aws.executions(aws.outputs["SensorStateMachineArn"]):
            if execution["status"] == "FAILED" and key.partition(".")[0] in execution["name"]:
                return str(execution["name"])
        return None

    return until("the end of the execution", failed)


def test_all_workflows_with_what_starts_them(console: str, opened: Opened) -> None:
    page = opened(f"{console}workflows")

    rows = page.locator(".row")
    expect(rows).to_have_count(7)
    expect(rows.filter(has_text="sensor")).to_contain_text("Bucket sensor-source")
    expect(rows.filter(has_text="images")).to_contain_text("POST /downloads")
    expect(rows.filter(has_text="messages")).to_contain_text("Bus commonbus")

    rows.filter(has_text="signature").get_by_role("link").click()
    expect(page.get_by_role("heading", name="signature", level=1)).to_be_visible()


def test_graph_and_definition_follow_each_other(console: str, opened: Opened) -> None:
    page = opened(console + SIGNATURE)

    page.locator(".node", has_text="Bob Signature").first.click()
    assert '"Bob Signature": {' in marked(page)
    assert "Bob%20Signature" in page.url.replace("+", "%20")

    page.get_by_role("button", name="State Are Both Signatures There?").click()
    assert '"Are Both Signatures There?": {' in marked(page)
    chosen = page.locator(".node.selected")
    expect(chosen).to_have_attribute("data-id", "Are Both Signatures There?")

    # A line belongs to its innermost state.
    page.locator(
        ".source-line", has_text='"documentId.$": "$$.Execution.Input.documen'
    ).first.click()
    expect(chosen).to_have_attribute("data-id", "Gather Signatures/0/Alice Signature")


def test_on_a_narrow_screen_the_graph_begins_at_the_start(console: str, opened: Opened) -> None:
    page = opened(f"{console}workflows/stepworks-local-images", NARROW)
    box = page.locator(".graph-view")
    expect(box).to_be_visible()
    box.evaluate("box => box.scrollIntoView()")

    first = page.get_by_role("button", name="Drop Paths From State, Pass")
    expect(first.locator("rect")).to_be_in_viewport(ratio=0.99)


def test_j_and_k_go_from_state_to_state(console: str, opened: Opened) -> None:
    page = opened(console + SIGNATURE)
    chosen = page.locator(".node.selected")
    expect(page.locator(".node").first).to_be_visible()

    page.keyboard.press("j")
    expect(chosen).to_have_attribute("data-id", "Is There A Document Id?")
    page.keyboard.press("j")
    expect(chosen).to_have_attribute("data-id", "Identify Document")
    page.keyboard.press("k")
    expect(chosen).to_have_attribute("data-id", "Is There A Document Id?")


def test_functions_have_their_last_error_and_its_run(
    aws: Aws, console: str, opened: Opened
) -> None:
    failed_upload(aws)

    page = opened(f"{console}workflows/stepworks-local-sensor")

    function = page.locator(".calls tr", has_text="processFile")
    expect(function).to_contain_text("NoValidReadingsError")
    expect(function.get_by_role("img", name="Failed")).to_be_visible()
    expect(function).to_contain_text("Process File")
    function.get_by_role("link", name="Run").click()
    expect(page.locator(".run-header")).to_contain_text("NoValidReadingsError")
    assert "runs/stepworks-local-sensor:" in page.url  # perhaps of another test's file


def start_dialog(page: Page) -> Locator:
    page.get_by_role("button", name="Start a run…").click()
    return page.get_by_role("dialog")


def test_a_run_starts_with_an_edited_sample(workbench: Workbench, opened: Opened) -> None:
    first, second = uuid4().hex[:8], uuid4().hex[:8]
    workbench.ended("echo", {"id": first})
    page = opened(f"{workbench.url}workflows/{workbench.stack}-echo")
    dialog = start_dialog(page)
    field, start = dialog.locator("textarea"), dialog.get_by_role("button", name="Start the run")

    expect(field).to_have_value(json.dumps({"id": first}, indent=2))
    field.fill('{"id": ')
    expect(dialog).to_contain_text("Not valid JSON")
    expect(start).to_be_disabled()
    field.fill(json.dumps({"id": second}))
    dialog.get_by_label("Name of the execution").fill(f"started-{second}")
    start.click()

    expect(page.get_by_role("heading", name=second)).to_be_visible()
    assert page.url.endswith(f"/runs/{workbench.stack}-echo:started-{second}")


def test_without_writes_nothing_starts(workbench: Workbench, opened: Opened) -> None:
    page = opened()
    page.route("**/api/stack", lambda route: fulfil_with(route, writable=False))
    page.goto(f"{workbench.url}workflows/{workbench.stack}-echo")

    expect(page.get_by_role("button", name="Start a run…")).to_be_disabled()


def test_counts_are_live(workbench: Workbench, opened: Opened) -> None:
    page = opened(f"{workbench.url}workflows/{workbench.stack}-patience")
    running = page.locator(".meta .tally").first
    expect(running).to_be_visible()
    before = int(running.inner_text())
    page.evaluate("window.notReloaded = true")

    workbench.wait(30)

    expect(running).to_have_text(str(before + 1), timeout=10_000)
    assert page.evaluate("window.notReloaded")


def test_what_may_not_be_read_is_said(workbench: Workbench, opened: Opened) -> None:
    denied = {"error": {"message": "No permission for states:ListStateMachines.", "action": "x"}}
    page = opened()
    page.route("**/api/workflows", lambda route: route.fulfill(status=403, json=denied))

    page.goto(f"{workbench.url}workflows")

    expect(page.get_by_text("You have no permission to see the workflows")).to_be_visible()
    page.goto(f"{workbench.url}workflows/no-such-machine")
    expect(page.get_by_text("Not found")).to_be_visible()


@pytest.mark.parametrize("screen", [DESKTOP, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("path", ["workflows", SIGNATURE], ids=["all", "one"])
def test_it_is_accessible_and_fits(
    console: str, opened: Opened, path: str, screen: dict[str, int]
) -> None:
    page = opened(console + path, screen)
    expect(page.locator(".row, .source-line").first).to_be_visible()
    if path == SIGNATURE:
        expect(page.locator(".calls tbody tr").first).to_be_visible()

    assert serious_violations(page, *THEMES) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
    name = "workflow" if path == SIGNATURE else "workflows"
    keep_picture(page, f"{name}-{screen['width']}", *THEMES)
