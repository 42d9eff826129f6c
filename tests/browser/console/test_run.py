"""The console's page of one run."""

import json
import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from local.aws import Aws
from local.signing import Signing
from tests.e2e.images.conftest import PNG
from tests.support import web

from .conftest import (
    DESKTOP,
    NARROW,
    THEMES,
    Workbench,
    fulfil_with,
    keep_picture,
    run_page,
    serious_violations,
)

Opened = Callable[..., Page]


def node(page: Page, name: str) -> Locator:
    """A state in the graph: a button whose name says what it is and how it is."""
    return page.locator(".graph .node").and_(
        page.get_by_role("button", name=re.compile(rf"^{re.escape(name)}, "))
    )


def timeline_row(page: Page, label: str) -> Locator:
    return page.locator(".timeline-row").filter(
        has=page.locator(".timeline-label").get_by_text(label, exact=True)
    )


def test_a_parallel_with_bob_waiting_is_live(aws: Aws, console: str, opened: Opened) -> None:
    signing = Signing(aws)
    document = f"contract-{uuid4().hex[:8]}"
    execution = signing.start(document)
    link = signing.link(document)

    page = opened(run_page(console, execution))

    expect(page.get_by_role("heading", level=1)).to_have_text(document)
    expect(page.locator(".run-header .pill")).to_have_text("Waiting in Bob Signature")
    expect(node(page, "Alice Signed")).to_have_accessible_name("Alice Signed, Pass, succeeded")
    expect(node(page, "Bob Signature")).to_have_accessible_name(
        re.compile("waits for a callback, waiting")
    )
    expect(node(page, "Document Signed")).to_have_accessible_name(re.compile("not reached"))
    expect(page.locator(".panel")).to_contain_text("Waiting for a callback")
    expect(timeline_row(page, "Bob Signature").locator(".bar.wait.is-waiting")).to_be_visible()
    expect(timeline_row(page, "Alice Signature").locator(".bar.is-succeeded")).to_be_visible()
    keep_picture(page, "run-waiting")
    page.evaluate("window.notReloaded = true")

    signing.decide(link, "sign")

    expect(page.locator(".run-header .pill")).to_have_text("Succeeded", timeout=30_000)
    expect(node(page, "Document Signed")).to_have_accessible_name(re.compile("succeeded"))
    expect(page.locator(".edge.taken")).not_to_have_count(0)
    assert page.evaluate("window.notReloaded")


def test_a_waiting_state_is_answered_in_its_panel(aws: Aws, console: str, opened: Opened) -> None:
    signing = Signing(aws)
    document = f"contract-{uuid4().hex[:8]}"
    execution = signing.start(document)
    signing.link(document)
    page = opened(run_page(console, execution))

    page.locator(".panel").get_by_role("button", name="Complete…").click()
    dialog = page.get_by_role("dialog")
    result = {"signature": f"Bob signed {document}", "signer": "Bob"}
    dialog.get_by_label("Result").fill(json.dumps(result))
    dialog.get_by_role("button", name="Complete the task").click()

    expect(dialog).to_have_count(0)
    expect(page.locator(".run-header .pill")).to_have_text("Succeeded", timeout=30_000)
    expect(node(page, "Bob Signed")).to_have_accessible_name(re.compile("succeeded"))
    expect(page.locator(".panel").get_by_role("button", name="Complete…")).to_have_count(0)


def test_a_run_and_its_mail_lead_to_each_other(aws: Aws, console: str, opened: Opened) -> None:
    signing = Signing(aws)
    document = f"contract-{uuid4().hex[:8]}"
    execution = signing.start(document)
    signing.link(document)
    subject = f"Please sign document {document}"
    page = opened(run_page(console, execution))

    expect(timeline_row(page, "Mails").get_by_label(re.compile(subject))).to_be_visible()
    page.locator(".run-header").get_by_role("link", name=re.compile(subject)).click()
    expect(page.get_by_role("heading", level=2)).to_have_text(subject)
    page.get_by_role("link", name=f"signature · {document}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(document)


def test_the_log_of_all_functions_is_searched(aws: Aws, console: str, opened: Opened) -> None:
    signing = Signing(aws)
    document = f"contract-{uuid4().hex[:8]}"
    execution = signing.start(document)
    signing.link(document)
    page = opened(run_page(console, execution))
    lines = page.locator(".run-log .log-line")
    functions = page.locator(".run-log").get_by_label("Function")
    expect(lines.first).to_be_visible()
    expect(functions.locator("option", has_text="signDocument")).to_have_count(1)
    expect(functions.locator("option", has_text="requestDocumentSignature")).to_have_count(1)
    before = lines.count()

    functions.select_option(label=functions.locator("option", has_text="signDocument").inner_text())
    expect(lines.locator(".log-function", has_text="requestDocumentSignature")).to_have_count(0)
    expect(lines.first).to_be_visible()
    functions.select_option("")
    page.get_by_label("A field and its value").fill("level:INFO")
    expect(lines.first).to_be_visible()
    expect(lines.filter(has_text="START RequestId")).to_have_count(0)
    assert 0 < lines.count() < before
    page.get_by_label("Search the log's text").fill(uuid4().hex)
    expect(page.get_by_text("No line matches")).to_be_visible()
    page.get_by_role("button", name="Clear the search").click()
    expect(lines.first).to_be_visible()


def test_a_failed_run_says_which_state_and_why(workbench: Workbench, opened: Opened) -> None:
    orders = [{"valid": True}, {"valid": False}, {"valid": True}]
    execution = workbench.ended("orders", {"orders": orders})

    page = opened(workbench.page_of(execution))

    expect(page.locator(".run-header")).to_contain_text("InvalidOrderError")
    expect(page.locator(".run-header")).to_contain_text("The order has no address.")
    expect(page.locator(".run-header .pill")).to_contain_text("Failed")
    expect(node(page, "Refuse Order")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".panel")).to_contain_text("The order has no address.")
    expect(node(page, "All Checked")).to_have_accessible_name(re.compile("not reached"))
    keep_picture(page, "run-failed")


def test_what_has_failed_says_when_and_not_since_when(workbench: Workbench, opened: Opened) -> None:
    execution = workbench.ended("orders", {"orders": [{"valid": False}]})

    page = opened(workbench.page_of(execution))

    expect(page.locator(".panel .note")).to_have_text(
        re.compile(r"InvalidOrderError: The order has no address\. Failed at \d\d:\d\d:\d\d\.$")
    )


def test_what_may_not_be_read_of_a_map_s_items_is_said(
    workbench: Workbench, opened: Opened
) -> None:
    execution = workbench.ended("orders", {"orders": [{"valid": True}]})
    problem = {"what": "items of a Map", "message": "No permission for it.", "action": "Ask."}
    page = opened()
    page.route("**/map/**", lambda route: fulfil_with(route, items=[], problems=[problem]))

    page.goto(f"{workbench.page_of(execution)}?state=Check+Orders&tab=items")

    items = page.locator(".map-items")
    expect(items.get_by_role("note")).to_contain_text("items of a Map: No permission for it. Ask.")
    expect(items.get_by_text("No items could be read")).to_be_visible()


@pytest.mark.parametrize(
    ("files", "status", "shown"),
    [
        ({"a.png": PNG}, "SUCCEEDED", "Drop Paths From State"),
        ({}, "FAILED", "All resource downloads did not succeed"),
    ],
    ids=["succeeded", "failed"],
)
def test_on_a_narrow_screen_the_graph_shows_what_has_happened(
    aws: Aws,
    console: str,
    opened: Opened,
    files: dict[str, bytes],
    status: str,
    shown: str,
) -> None:
    """The machine is so wide that its corner has nothing but states that were not reached."""
    with web.serve({f"/{name}": web.file(body) for name, body in files.items()}) as server:
        given = {"baseUrl": server.url, "resourcePaths": ["a.png"], "lambdaConcur": 1}
        execution = aws.client("stepfunctions").start_execution(
            stateMachineArn=aws.outputs["ImagesStateMachineArn"], input=json.dumps(given)
        )["executionArn"]
        assert aws.wait_for_end(execution)["status"] == status

    page = opened(run_page(console, execution), screen=NARROW)
    page.locator(".graph").scroll_into_view_if_needed()

    expect(page.locator(".graph .node.is-succeeded").first).to_be_visible()
    page.locator(".graph-view").evaluate("box => box.scrollIntoView()")
    expect(node(page, shown).locator("rect")).to_be_in_viewport(ratio=0.99)


def test_the_items_of_a_map_are_counted_and_opened(workbench: Workbench, opened: Opened) -> None:
    orders = [{"id": f"order-{number}", "valid": number != 7} for number in range(12)]
    execution = workbench.ended("orders", {"orders": orders})
    page = opened(workbench.page_of(execution))

    expect(node(page, "Check Orders")).to_have_accessible_name(re.compile("1 failed"))
    node(page, "Check Orders").click()
    page.get_by_role("tab", name="Items").click()
    items = page.locator(".map-items .row")
    page.get_by_label("Status of the items").select_option("failed")
    expect(items).to_have_count(1)
    expect(items.first).to_contain_text("order-7")
    items.first.get_by_role("button").click()
    node(page, "Refuse Order").click()
    expect(page.get_by_role("button", name="Item 7")).to_be_visible()
    page.get_by_role("tab", name="Input").click()
    expect(page.locator(".panel .json")).to_contain_text("order-7")


def test_the_items_of_a_distributed_map_are_in_their_run(
    workbench: Workbench, opened: Opened
) -> None:
    parcels = [
        {"id": f"parcel-{number}", "kilos": 40 if number == 3 else 2, "seconds": 0}
        for number in range(6)
    ]
    waiting = {"id": "parcel-late", "kilos": 2, "seconds": 20_000}
    execution = workbench.start("parcels", {"parcels": [*parcels, waiting]})
    query = "?state=Send%20Parcels&tab=items&below=children"
    page = opened(workbench.page_of(execution) + query, {"width": 1440, "height": 1800})

    expect(node(page, "Send Parcels")).to_have_accessible_name(re.compile("5 succeeded, 1 failed"))
    expect(node(page, "Weigh Parcel")).to_have_accessible_name(re.compile("waiting"))
    expect(node(page, "Refuse Parcel")).to_have_accessible_name(re.compile("failed"))
    expect(node(page, "Send Parcel")).to_have_accessible_name(re.compile("succeeded"))
    expect(timeline_row(page, "Refuse Parcel").locator(".bar.is-failed")).to_be_visible()
    children = page.locator("#below .row")
    expect(children).to_have_count(7)
    expect(children.first).to_contain_text("parcel-3")
    expect(children.first).to_contain_text("TooHeavyError")
    items = page.locator(".map-items .row")
    expect(items).to_have_count(7)
    page.get_by_label("Status of the items").select_option("failed")
    expect(items).to_have_count(1)
    keep_picture(page, "run-distributed-map")

    node(page, "Refuse Parcel").click()
    panel = page.locator(".panel")
    panel.get_by_role("tab", name="Refuse Parcel").click()
    expect(panel).to_contain_text("The parcel weighs 30 kg or more.")
    panel.get_by_role("link", name="parcel-3").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("parcel-3")
    expect(page.locator(".crumb")).to_contain_text("parcels")
    expect(node(page, "Refuse Parcel")).to_have_attribute("aria-pressed", "true")


def test_the_path_leaves_a_branch_from_a_state_that_also_catches(
    workbench: Workbench, opened: Opened
) -> None:
    page = opened(workbench.page_of(workbench.ended("careful", {})))

    expect(node(page, "Try")).to_have_accessible_name(re.compile("succeeded"))
    expect(page.locator(".edge.leave")).to_have_count(3)  # of Inner, of Try and of Give Up
    expect(page.locator(".edge.leave.taken")).to_have_count(2)
    expect(page.locator(".edge.catch.taken")).to_have_count(0)


def test_what_is_selected_is_shared_and_in_the_address(
    workbench: Workbench, opened: Opened
) -> None:
    page = opened(workbench.page_of(workbench.wait(60)))

    expect(node(page, "Be Patient")).to_have_attribute("aria-pressed", "true")
    timeline_row(page, "Be Quick").get_by_role("button").click()
    expect(node(page, "Be Quick")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".panel").get_by_role("tab").first).to_have_text("Be Quick")
    page.get_by_role("tab", name="Definition").click()
    page.reload()
    expect(timeline_row(page, "Be Quick")).to_have_class(re.compile("selected"))
    expect(page.locator(".panel .json")).to_contain_text("Pass")
    page.keyboard.press("k")
    expect(node(page, "Be Quick")).to_have_attribute("aria-pressed", "false")
    node(page, "Be Quick").focus()
    page.keyboard.press("ArrowUp")
    expect(node(page, "Both")).to_be_focused()
    page.keyboard.press("Enter")
    expect(node(page, "Both")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("region", name="Graph").get_by_role("button", name="Table").click()
    table = page.locator(".state-table")
    expect(table.get_by_role("row", name=re.compile("^Be Patient"))).to_contain_text("in Both")
    table.get_by_role("button", name="Be Quick").click()
    expect(page.locator(".panel").get_by_role("tab").first).to_have_text("Be Quick")


def test_a_run_is_stopped_and_run_again(workbench: Workbench, opened: Opened) -> None:
    tag = uuid4().hex[:8]
    page = opened(workbench.page_of(workbench.wait(600, {"id": tag})))

    page.get_by_role("button", name="Stop…").click()
    page.get_by_role("button", name="Stop the run").click()
    expect(page.locator(".run-header .pill")).to_contain_text("Stopped")
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.get_by_role("button", name="Re-run…").click()
    field = page.get_by_role("textbox", name="Input")
    field.fill("{")
    expect(page.get_by_role("button", name="Start the run")).to_be_disabled()
    expect(page.get_by_text("Not valid JSON")).to_be_visible()
    field.fill(json.dumps({"id": f"{tag}-again", "seconds": 1}))
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{tag}-again")
    expect(page.locator(".run-header .pill")).to_have_text("Succeeded")


def test_a_run_is_copied_as_a_test(workbench: Workbench, opened: Opened) -> None:
    execution = workbench.ended("echo", {"id": uuid4().hex[:8]})
    page = opened(workbench.page_of(execution))

    page.get_by_role("button", name="Copy as test…").click()

    code = page.locator(".test-code").inner_text()
    compile(code, "copied", "exec")
    assert "def test_" in code


def test_the_timeline_zooms(workbench: Workbench, opened: Opened) -> None:
    page = opened(workbench.page_of(workbench.wait(60)))
    bar = timeline_row(page, "Be Quick").locator(".bar")
    expect(bar).to_be_visible()
    box = page.locator(".timeline-overlay").bounding_box()
    assert box is not None

    page.mouse.move(box["x"] + 4, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 60, steps=4)
    page.mouse.up()

    fit = page.locator(".timeline").get_by_role("button", name="Fit", exact=True)
    expect(fit).to_be_enabled()
    fit.click()
    expect(fit).to_be_disabled()


@pytest.mark.parametrize("screen", [DESKTOP, NARROW], ids=["wide", "narrow"])
def test_everybody_can_use_it(workbench: Workbench, opened: Opened, screen: dict[str, int]) -> None:
    orders = [{"id": f"order-{number}", "valid": number != 7} for number in range(12)]
    execution = workbench.ended("orders", {"orders": orders})
    page = opened(workbench.page_of(execution), screen)
    expect(node(page, "Refuse Order")).to_be_visible()

    assert serious_violations(page, *THEMES) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for tab in ("Logs", "Definition"):
        page.locator(".panel").get_by_role("tab", name=tab).click()
    page.get_by_role("tab", name="History").click()
    page.get_by_role("region", name="Graph").get_by_role("button", name="Table").click()
    assert serious_violations(page, *THEMES) == []
    keep_picture(page, f"run-{screen['width']}", *THEMES)
