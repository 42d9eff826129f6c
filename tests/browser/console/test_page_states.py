"""What the console's pages show while they have nothing to show: each page, each reason."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.sync_api import Page, Route, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from local.aws import Aws
from local.signing import Signing

from .between import Between
from .conftest import (
    DESKTOP,
    NARROW,
    Served,
    Workbench,
    keep_picture,
    serious_violations,
    served,
)

Opened = Callable[..., Page]
FOUR_K = {"width": 3840, "height": 2160}


@dataclass(frozen=True)
class Shown:
    """A page: its address, the request for its data, and what it says."""

    path: str
    request: str  # below api/, as a regular expression
    what: str  # in "Loading …" and "Could not load …"
    empty: dict[str, Any] | None = None  # an answer that has nothing in it
    said: str = ""  # what the page says then

    @property
    def id(self) -> str:
        return self.path.partition("?")[0].replace("{run}", "…")


WORKFLOW = "workflows/stepworks-local-signature"
RUN = "runs/{run}"
PAGES = (
    Shown(
        "runs", r"runs\?", "the runs", {"runs": [], "next": None, "workflows": []}, "No runs yet"
    ),
    Shown(RUN, r"runs/[^/?]+$", "this run"),
    Shown("events", r"events\?", "the events", {"events": [], "kinds": []}, "No events yet"),
    Shown(
        "waiting",
        r"waiting$",
        "what waits",
        {"waiting": [], "total": 0, "complete": True},
        "Nothing waits",
    ),
    Shown("inbox", r"inbox$", "the inbox", {"mails": [], "total": 0}, "No mails yet"),
    Shown(
        "dead-letters", r"dead-letters$", "dead letters", {"queues": []}, "has no dead-letter queue"
    ),
    Shown(
        "workflows",
        r"workflows$",
        "the workflows",
        {"workflows": [], "problems": []},
        "No state machines",
    ),
    Shown(WORKFLOW, r"workflows/[^/?]+$", "this workflow"),
    Shown(
        "architecture",
        r"architecture\?",
        "the architecture",
        {"nodes": [], "edges": [], "problems": [], "hours": 1, "hasEventLog": True},
        "The stack has nothing to show",
    ),
    Shown("object?bucket={bucket}&object=report.txt", r"object\?", "this object"),
    Shown("item?table={table}&item={item}", r"item\?", "this item"),
)
with_pages = pytest.mark.parametrize("shown", PAGES, ids=lambda shown: shown.id)


@pytest.fixture(scope="module")
def run(aws: Aws) -> str:
    """The id of a run that waits for Bob."""
    signing = Signing(aws)
    document = f"contract-{uuid4().hex[:8]}"
    machine, name = signing.start(document).split(":")[-2:]
    signing.link(document)
    return f"{machine}:{name}"


@pytest.fixture(scope="module")
def stored(aws: Aws) -> dict[str, str]:
    """An object and an item, for the addresses of their pages."""
    bucket, table = aws.outputs["ImagesBucket"], aws.outputs["ImagesTable"]
    key = {"url": {"S": f"http://127.0.0.1/{uuid4().hex[:8]}"}}
    aws.client("s3").put_object(Bucket=bucket, Key="report.txt", Body=b"All is well.")
    aws.client("dynamodb").put_item(TableName=table, Item=key)
    return {"bucket": bucket, "table": table, "item": quote(json.dumps(key))}


class Answers:
    """Answers a page's requests in the server's place, as a test says."""

    def __init__(self, page: Page, request: str) -> None:
        self.mode: Callable[[Route], None] = lambda route: route.continue_()
        self.held: list[Route] = []
        page.route(re.compile(rf"/api/{request}"), lambda route: self.mode(route))

    def hold(self) -> None:
        """Until the next answer."""
        self.mode = self.held.append

    def with_(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body)
        self.mode = lambda route: route.fulfill(
            status=status, content_type="application/json", body=text
        )
        while self.held:
            self.mode(self.held.pop())

    def fail(self, status: int, message: str, action: str) -> None:
        self.with_(status, {"error": {"message": message, "action": action}})


def ask_again(page: Page) -> None:
    """Press the button, unless the page has asked again by itself: then there may be none."""
    with suppress(PlaywrightTimeout):
        page.get_by_role("button", name="Try again").click(timeout=2_000)


@with_pages
def test_a_page_without_data_says_why(
    console: str, run: str, stored: dict[str, str], opened: Opened, shown: Shown
) -> None:
    page = opened()
    answers = Answers(page, shown.request)
    answers.hold()
    page.goto(f"{console}{shown.path.format(run=run, **stored)}")
    expect(page.get_by_text(re.compile("^Loading .*…$")).first).to_be_visible()

    answers.fail(403, "No permission for some:Action.", "Ask for a policy that allows it.")
    expect(page.get_by_text(f"You have no permission to see {shown.what}")).to_be_visible()
    expect(page.get_by_text("No permission for some:Action.")).to_be_visible()
    expect(page.get_by_text("Ask for a policy that allows it.")).to_be_visible()
    assert serious_violations(page) == []

    answers.fail(503, "AWS does not answer.", "Retrying.")
    ask_again(page)
    expect(page.get_by_text(f"Could not load {shown.what}")).to_be_visible()
    expect(page.get_by_text("AWS does not answer.")).to_be_visible()
    keep_picture(page, f"failed-{shown.path.partition('/')[0]}")

    if shown.empty is not None:
        answers.with_(200, shown.empty)
        ask_again(page)
        expect(page.get_by_text(shown.said)).to_be_visible()
        keep_picture(page, f"empty-{shown.path}")
    else:
        answers.fail(404, "There is no such thing.", "")
        ask_again(page)
        expect(page.get_by_text("Not found", exact=True)).to_be_visible()

    answers.mode = lambda route: route.continue_()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(
        page.locator(".empty-title").filter(has_text=re.compile("permission|load|found"))
    ).to_have_count(0)


@with_pages
def test_a_page_without_aws_keeps_what_it_has(
    between: Between,
    elsewhere: Served,
    run: str,
    stored: dict[str, str],
    opened: Opened,
    shown: Shown,
) -> None:
    page = opened(f"{elsewhere.url}{shown.path.format(run=run, **stored)}")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_be_visible()
    expect(page.get_by_text("Live · updated now")).to_be_visible()
    expect(page.locator(".empty[aria-busy]")).to_have_count(0)
    before = heading.inner_text()
    # The server has read what all pages need; its first time takes a while.
    runs = page.get_by_role("link", name=re.compile(r"^Runs [1-9]"))
    expect(runs).to_be_visible(timeout=60_000)

    between.down = True
    elsewhere.poller.wake()  # it polls at once
    try:
        expect(
            page.get_by_text(re.compile(r"AWS stopped answering .* ago; reconnecting\."))
        ).to_be_visible()
        expect(page.get_by_text(re.compile("Not connected for "))).to_be_visible()
        expect(heading).to_have_text(before)
        expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    finally:
        between.recover()
        elsewhere.poller.wake()
    expect(page.get_by_text("reconnecting")).to_have_count(0)
    expect(page.get_by_text("Live · updated now")).to_be_visible()


@pytest.fixture
def refusing(between: Between) -> Iterator[Between]:
    yield between
    between.recover()


@pytest.mark.parametrize(
    ("path", "operation", "action"),
    [
        ("runs", "ListExecutions", "states:ListExecutions"),
        ("waiting", "ListExecutions", "states:ListExecutions"),
        ("events", "Query", "dynamodb:Query"),
        ("runs/stepworks-local-signature:unknown", "DescribeExecution", "states:DescribeExecution"),
    ],
    ids=["runs", "waiting", "events", "a run"],
)
def test_what_aws_refuses_is_named(
    refusing: Between, elsewhere: Served, opened: Opened, path: str, operation: str, action: str
) -> None:
    refusing.refuse(operation)

    page = opened(f"{elsewhere.url}{path}")

    # A page that the server could still answer from what it knew says that this is old.
    nothing_shown = page.get_by_text("You have no permission to see")
    old_shown = page.get_by_text(f"What one sees is old: No permission for {action}.")
    expect(nothing_shown.or_(old_shown).first).to_be_visible()
    expect(page.get_by_text(f"No permission for {action}.").first).to_be_visible()
    if nothing_shown.count():
        expect(page.get_by_text(f"Ask for a policy that allows {action}.")).to_be_visible()
    expect(page.get_by_text("stopped answering")).to_have_count(0)


def test_a_banner_names_the_account_and_nothing_can_be_changed(
    aws: Aws, elsewhere: Served, run: str, opened: Opened
) -> None:
    page = opened(f"{elsewhere.url}{RUN.format(run=run)}")

    banner = page.get_by_role("note")
    expect(banner).to_contain_text("AWS account 000000000000 · us-east-1 · stepworks-local")
    expect(banner).to_contain_text("Read-only")
    for name in ("Re-run…", "Complete…", "Fail…"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    expect(page.get_by_role("button", name="Stop…")).to_have_count(0)
    page.goto(f"{elsewhere.url}inbox")
    expect(page.get_by_text("There is no inbox here")).to_be_visible()
    keep_picture(page, "account")


def test_a_failed_run_is_redriven(
    aws: Aws, workbench: Workbench, refusing: Between, opened: Opened
) -> None:
    execution = workbench.ended("orders", {"orders": [{"valid": False}]})
    machine, name = execution.split(":")[-2:]
    # The emulator cannot redrive and so does not say that the run can be; AWS does both.
    refusing.additions["DescribeExecution"] = {"redriveStatus": "REDRIVABLE"}
    with served(refusing.url, workbench.stack, writable=True) as console:
        page = opened(f"{console.url}runs/{machine}:{name}")
        expect(page.get_by_role("note")).to_contain_text("Writes are allowed")
        page.get_by_role("button", name="Redrive…").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("continues from Refuse Order")

        dialog.get_by_role("button", name="Redrive", exact=True).click()
        expect(dialog.get_by_role("alert")).to_contain_text("states:RedriveExecution")
        refusing.answers["RedriveExecution"] = (200, b'{"redriveDate": 1700000000}')
        dialog.get_by_role("button", name="Redrive", exact=True).click()

        expect(dialog).to_have_count(0)
        assert refusing.asked.count("RedriveExecution") == 2


@pytest.mark.parametrize("path", ["runs", RUN, "events", "architecture"], ids=lambda path: path)
@pytest.mark.parametrize("screen", [FOUR_K, NARROW, DESKTOP], ids=["4k", "narrow", "wide"])
def test_a_page_fits_its_screen(
    console: str, run: str, opened: Opened, path: str, screen: dict[str, int]
) -> None:
    page = opened(f"{console}{path.format(run=run)}", screen)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".card").first).to_be_visible()
    expect(page.locator(".empty[aria-busy]")).to_have_count(0)

    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    cut = page.evaluate(
        """() => [...document.querySelectorAll("h1, h2, .actions button, .tools button")]
            .map((one) => [one.outerHTML, one.getBoundingClientRect()])
            .filter(([, box]) => box.width > 0 && (box.left < 0 || box.right > innerWidth + 1))
            .map(([html]) => html)"""
    )
    assert cut == []
    expect(page.locator("nav [aria-current=page]")).to_be_in_viewport(ratio=1)
    keep_picture(page, f"{path.partition('/')[0]}-{screen['width']}")
