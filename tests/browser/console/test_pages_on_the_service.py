"""The console's pages of events, open callbacks, mails and dead letters, on the service."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from local.aws import Aws, until
from local.settings import STACK
from local.signing import Signing

from .conftest import DESKTOP, NARROW, THEMES, fulfil_with, keep_picture, serious_violations

Opened = Callable[..., Page]
HOSTILE = "<img src=x onerror=document.title='owned'>"
MESSAGES = "com.devpost.commonevent"


@pytest.fixture
def tag() -> str:
    return uuid4().hex[:8]


@pytest.fixture
def signing(aws: Aws) -> Signing:
    return Signing(aws)


def got(console: str, path: str) -> Any:
    with urllib.request.urlopen(f"{console}api/{path}", timeout=30) as answer:
        return json.load(answer)


def row(page: Page, text: str) -> Any:
    return page.locator(".row").filter(has_text=text)


def put(aws: Aws, detail: dict[str, Any], kind: str = "message") -> str:
    answer = aws.client("events").put_events(
        Entries=[
            {
                "EventBusName": aws.outputs["MessagesBusName"],
                "Source": MESSAGES,
                "DetailType": kind,
                "Detail": json.dumps(detail),
            }
        ]
    )
    return str(answer["Entries"][0]["EventId"])


def deliver_late(aws: Aws, message: str, minutes: int) -> None:
    """An event reaches the queue of the event log minutes after it happened."""
    queue = aws.client("cloudformation").describe_stack_resource(
        StackName=STACK, LogicalResourceId="EventLogQueue"
    )["StackResourceDetail"]["PhysicalResourceId"]
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    event = {
        "id": str(uuid4()),
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "source": MESSAGES,
        "detail-type": "message",
        "detail": {"message": message},
    }
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(event))


# -- Events ---------------------------------------------------------------------------------------


def test_an_event_that_is_sent_appears_on_the_open_page(
    aws: Aws, console: str, opened: Opened, tag: str
) -> None:
    page = opened(f"{console}events?text={tag}&source={MESSAGES}")
    expect(page.get_by_text("No event matches the filter")).to_be_visible()
    page.evaluate("window.notReloaded = true")

    page.get_by_role("button", name="Send an event…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Sample").select_option(label=f"{MESSAGES} · message")
    dialog.get_by_label("Detail", exact=True).fill(json.dumps({"message": json.dumps(tag)}))
    dialog.get_by_role("button", name="Send", exact=True).click()

    expect(dialog).to_have_count(0)
    expect(row(page, "message").first).to_be_visible()
    expect(page.get_by_role("region", name="message")).to_contain_text(MESSAGES)
    assert page.evaluate("window.notReloaded")


def test_an_event_that_breaks_its_schema_is_not_sent(console: str, opened: Opened) -> None:
    page = opened(f"{console}events")
    page.get_by_role("button", name="Send an event…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Sample").select_option(label=f"{MESSAGES} · message")
    dialog.get_by_label("Detail", exact=True).fill('{"massage": 1}')
    dialog.get_by_role("button", name="Send", exact=True).click()

    expect(dialog.get_by_role("alert")).to_contain_text("'message' is a required property")


def test_a_rule_that_does_not_match_says_why_field_by_field(
    aws: Aws, console: str, opened: Opened, tag: str
) -> None:
    event = put(aws, {"message": json.dumps(tag)})
    page = opened(f"{console}events/{event}?tab=rules")

    matching = page.locator(".rule").filter(has=page.get_by_role("img", name="Matches"))
    expect(matching.filter(has_text="messages").first).to_be_visible()
    other = page.locator(".rule").filter(has=page.get_by_role("img", name="Does not match"))
    other.filter(has_text="TaskGetMultipleRule").click()
    fields = page.locator(".rule-fields tbody tr")
    source = fields.filter(has=page.get_by_text("source", exact=True))
    expect(source).to_contain_text('["project"]')
    expect(source).to_contain_text(f'"{MESSAGES}"')
    expect(source.get_by_role("img", name="Failed")).to_be_visible()
    assert serious_violations(page) == []
    keep_picture(page, "event-rules")


def test_what_an_event_holds_is_only_text(aws: Aws, console: str, opened: Opened, tag: str) -> None:
    event = put(aws, {"message": json.dumps(HOSTILE + tag), HOSTILE: HOSTILE})
    page = opened(f"{console}events/{event}")

    expect(
        page.get_by_role("group", name="Detail", exact=True).get_by_text(HOSTILE).first
    ).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert "owned" not in page.title()


def test_the_filter_of_events_is_in_the_address(
    aws: Aws, console: str, opened: Opened, tag: str
) -> None:
    put(aws, {"message": json.dumps(f"{tag}-one")})
    put(aws, {"message": json.dumps(f"{tag}-two")})
    page = opened(f"{console}events")

    page.get_by_role("searchbox").fill(tag)
    page.get_by_label("Source").select_option(MESSAGES)
    expect(page.locator(".row")).to_have_count(2)
    page.reload()

    assert f"text={tag}" in page.url
    assert f"source={MESSAGES}" in page.url
    expect(page.locator(".row")).to_have_count(2)


def test_an_event_that_is_recorded_late_appears_in_its_place(
    aws: Aws, console: str, opened: Opened, tag: str
) -> None:
    """On the open page, although newer events of other runs are there already."""
    deliver_late(aws, f"{tag}-older", 30)
    put(aws, {"message": json.dumps(f"{tag}-newer")})
    page = opened(f"{console}events?text={tag}&source={MESSAGES}")
    rows = page.locator(".row")
    expect(rows).to_have_count(2)

    deliver_late(aws, f"{tag}-late", 10)

    expect(rows).to_have_count(3)
    for position, name in enumerate(("newer", "late", "older")):
        expect(rows.nth(position)).to_contain_text(f"{tag}-{name}")


def test_a_run_says_which_event_started_it_by_way_of_another_machine(
    aws: Aws, console: str, opened: Opened
) -> None:
    answer = aws.client("events").put_events(
        Entries=[{"Source": "project", "DetailType": "start", "Detail": '{"names": ["Ada"]}'}]
    )
    event = answer["Entries"][0]["EventId"]
    run = f"stepworks-local-cookies:{event}"
    until("the run", lambda: run in json.dumps(got(console, "runs?limit=100")))
    page = opened(f"{console}runs/{run}")

    page.get_by_role("link", name="project · start").first.click()
    expect(page).to_have_url(re.compile(f"events/{event}"))


def test_a_run_s_timeline_has_its_events(aws: Aws, console: str, opened: Opened, tag: str) -> None:
    put(aws, {"message": json.dumps(tag)})

    def started() -> str | None:
        for run in got(console, "runs?workflow=stepworks-local-messages&limit=20")["runs"]:
            if run["label"] == tag or tag in json.dumps(got(console, f"runs/{run['id']}")["run"]):
                return str(run["id"])
        return None

    page = opened(f"{console}runs/{until('the run of the message', started)}")

    event = page.locator(".timeline").get_by_role("link", name="message", exact=True)
    expect(event).to_be_visible()
    event.click()
    expect(page.get_by_role("group", name="Detail", exact=True)).to_contain_text(tag)


def test_a_run_s_timeline_has_what_functions_made_of_its_events(
    aws: Aws, console: str, opened: Opened, tag: str
) -> None:
    detail = json.dumps({"names": [f"Ada {tag}", f"Bea {tag}"], "stage": "local"})
    entry = {"Source": "project", "DetailType": "start", "Detail": detail}
    start = aws.client("events").put_events(Entries=[entry])["Entries"][0]["EventId"]

    def started() -> str | None:
        runs = got(console, "runs?workflow=stepworks-local-cookies&limit=20")["runs"]
        return next((str(run["id"]) for run in runs if run["name"] == start), None)

    run = until("the run that the event starts", started)
    page = opened(f"{console}runs/{run}")
    expect(page.locator(".run-header .pill")).to_have_text("Succeeded", timeout=60_000)

    def timeline_row(label: str) -> Any:
        label_of = page.locator(".timeline-label").get_by_text(label, exact=True)
        return page.locator(".timeline-row").filter(has=label_of)

    hops = timeline_row("processSingle").get_by_role(
        "link", name=re.compile("task.process.single → task.process.single.post")
    )
    expect(hops.first).to_be_visible()
    side_effects = timeline_row("sideEffect").get_by_role("link", name=re.compile("a side effect"))
    expect(side_effects.first).to_be_visible()
    expect(timeline_row("Start of the run").locator(".bar.queue")).to_be_visible()
    expect(page.locator(".run-header").get_by_role("link", name="project · start")).to_be_visible()
    assert serious_violations(page) == []
    keep_picture(page, "run-hops")

    timeline_row("sideEffect").get_by_role("button").click()
    expect(page.locator(".run-log").get_by_label("Function")).to_have_value("sideEffect")
    lines = page.locator(".run-log .log-function")
    expect(lines.first).to_have_text("sideEffect")
    expect(lines.filter(has_text="processSingle")).to_have_count(0)
    timeline = page.get_by_role("region", name="Timeline")
    timeline.get_by_role("button", name="Table").click()
    table = timeline.get_by_role("table")
    assert serious_violations(page) == []
    table.get_by_role("link", name="start → start of the run").click()
    expect(page.get_by_role("group", name="Detail", exact=True)).to_contain_text(f"Ada {tag}")


# -- Waiting --------------------------------------------------------------------------------------


def token_of(aws: Aws, execution: str, state: str) -> str:
    """The task token that a function was called with."""

    def found() -> str | None:
        for event in aws.history(execution):
            sent = event.get("taskScheduledEventDetails", {}).get("parameters", "")
            if state in sent and '"taskToken"' in sent:
                return str(json.loads(sent)["Payload"]["taskToken"])
        return None

    return until(f"the token of {state}", found)


def test_what_waits_for_bob_is_completed_on_the_page(
    aws: Aws, signing: Signing, console: str, opened: Opened, tag: str
) -> None:
    execution = signing.start(f"contract-{tag}")
    token = token_of(aws, execution, "Bob")
    page = opened(f"{console}waiting")

    row(page, f"contract-{tag}").get_by_role("button").click()
    panel = page.get_by_role("region", name="Bob Signature", exact=True)
    expect(panel).to_contain_text("Deadline")
    expect(panel.get_by_label("Parameters")).to_contain_text("hidden")
    keep_picture(page, "waiting")
    assert serious_violations(page) == []
    panel.get_by_role("button", name="Complete…").click()
    dialog = page.get_by_role("dialog")
    result = {"signature": f"Bob signed contract-{tag}", "signer": "Bob"}
    dialog.get_by_label("Result").fill(json.dumps(result))
    dialog.get_by_role("button", name="Complete the task").click()

    expect(dialog).to_have_count(0)
    expect(row(page, f"contract-{tag}")).to_have_count(0)
    exited = [
        event["stateExitedEventDetails"]["output"]
        for event in aws.history(execution)
        if event.get("stateExitedEventDetails", {}).get("name") == "Bob Signature"
    ]
    assert exited
    assert "Bob signed" in exited[0]
    machine, name = execution.split(":")[-2:]
    for path in (
        "waiting",
        f"runs/{machine}:{name}",
        f"runs/{machine}:{name}/raw",
        f"runs/{machine}:{name}/history",
    ):
        assert token not in json.dumps(got(console, quote(path, safe="/:")))


def test_what_waits_for_bob_is_failed_on_the_page(
    aws: Aws, signing: Signing, console: str, opened: Opened, tag: str
) -> None:
    execution = signing.start(f"contract-{tag}")
    page = opened(f"{console}waiting")

    row(page, f"contract-{tag}").get_by_role("button").click()
    page.get_by_role("button", name="Fail…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Error").fill("SignatureDeclinedError")
    dialog.get_by_label("Cause").fill("The console said so.")
    dialog.get_by_role("button", name="Fail the task").click()

    expect(dialog).to_have_count(0)
    assert aws.wait_for_end(execution)["status"] == "FAILED"


def test_a_task_without_a_deadline_is_called_out(aws: Aws, opened: Opened, workbench: Any) -> None:
    execution = workbench.start("callback", {"id": "forgotten"})
    page = opened(f"{workbench.url}waiting")

    expect(row(page, "forgotten")).to_contain_text("No deadline")
    row(page, "forgotten").get_by_role("button").click()
    expect(page.locator(".note.is-failed")).to_contain_text("has no TimeoutSeconds")
    aws.client("stepfunctions").stop_execution(executionArn=execution)
    expect(page.get_by_text("This task does not wait any more")).to_be_visible()
    expect(page.get_by_text("Nothing waits")).to_be_visible()


def test_nobody_completes_a_task_without_the_page_s_token(console: str) -> None:
    request = urllib.request.Request(
        f"{console}api/waiting/x/complete", b'{"output": {}}', {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)

    assert refused.value.code == 403


# -- Inbox ----------------------------------------------------------------------------------------

EVIL_HTML = """
<p>Read me</p>
<script>parent.document.title = "owned"; document.title = "owned"</script>
<img src="{beacon}/image"><iframe src="{beacon}/frame"></iframe>
<link rel="stylesheet" href="{beacon}/style"><style>body {{ background: url({beacon}/css) }}</style>
<meta http-equiv="refresh" content="0; url={beacon}/refresh">
<form action="{beacon}/form" id="f"><button>Send</button></form>
<a href="{beacon}/link" target="_top">Click</a>
<svg onload="parent.document.title = 'owned'"></svg>
"""


@pytest.fixture
def beacon() -> Iterator[tuple[str, list[str]]]:
    """A web server that notes who asks."""
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    asked: list[str] = []

    class Noting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Noting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def send_mail(aws: Aws, subject: str, text: str, markup: str) -> None:
    sender = "stepworks@example.com"
    aws.client("ses").verify_email_identity(EmailAddress=sender)
    aws.client("ses").send_email(
        Source=sender,
        Destination={"ToAddresses": ["someone@example.com"]},
        Message={
            "Subject": {"Data": subject},
            "Body": {"Text": {"Data": text}, "Html": {"Data": markup}},
        },
    )


def test_a_mail_with_hostile_html_does_nothing(
    aws: Aws,
    console: str,
    browser: Any,
    tag: str,
    beacon: tuple[str, list[str]],
) -> None:
    url, asked = beacon
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.goto(f"{console}inbox")
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()

    send_mail(aws, f"Hello {tag} {HOSTILE}", "Read me", EVIL_HTML.format(beacon=url))
    row(page, tag).get_by_role("button").click()

    frame = page.frame_locator("iframe.mail-frame")
    expect(frame.get_by_text("Read me")).to_be_visible()
    frame.get_by_role("button", name="Send").click()
    frame.get_by_role("link", name="Click").click()
    page.wait_for_timeout(1_000)  # for what should not come
    assert asked == []
    assert "owned" not in page.title()
    assert page.url.startswith(f"{console}inbox")
    assert page.locator("img[src=x]").count() == 0
    context.close()


def test_bob_s_link_is_hidden_and_opens_his_page(
    signing: Signing, console: str, opened: Opened, tag: str
) -> None:
    signing.start(f"contract-{tag}")
    link = signing.link(f"contract-{tag}")
    code = link.partition("code=")[2]
    page = opened(f"{console}inbox")

    row(page, f"contract-{tag}").first.get_by_role("button").click()
    expect(page.get_by_label("Links in this mail")).to_contain_text("code=•••••• hidden")
    keep_picture(page, "inbox")
    assert serious_violations(page) == []
    mails = [mail["id"] for mail in got(console, "inbox")["mails"] if tag in mail["subject"]]
    for path in ("inbox", f"inbox/{mails[0]}"):
        assert code not in json.dumps(got(console, path))
    with page.expect_popup() as popup:
        page.get_by_label("Links in this mail").get_by_role("link").click()

    expect(popup.value.get_by_role("heading", level=1)).to_have_text(
        f"Sign document contract-{tag}"
    )


# -- Dead letters ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("alone_with_dead_letters")
def test_a_dead_letter_is_sent_again(aws: Aws, console: str, opened: Opened, tag: str) -> None:
    put(aws, {"message": f"no JSON {HOSTILE} {tag}"})
    page = opened(f"{console}dead-letters")

    def arrived() -> str | None:
        for queue in got(console, "dead-letters")["queues"]:
            for letter in queue["letters"] or []:
                if tag in json.dumps(letter["body"]):
                    return str(letter["id"])
        return None

    letter = page.locator(f".row[data-key='{until('the dead letter', arrived)}']")
    expect(letter).to_be_visible()
    expect(letter).to_contain_text("machine messages")
    letter.get_by_role("button").click()
    panel = page.locator(".split-panel")
    expect(panel.locator(".note.is-failed")).to_contain_text("detail.message")
    expect(panel.get_by_label("Content")).to_contain_text(tag)
    assert page.locator("img[src=x]").count() == 0
    assert serious_violations(page) == []
    keep_picture(page, "dead-letters")
    panel.get_by_role("button", name="Send again…").click()
    page.get_by_role("dialog").get_by_role("button", name="Send again").click()

    expect(page.get_by_role("dialog")).to_contain_text("started an execution")
    page.get_by_role("link", name="open the run").click()
    expect(page).to_have_url(re.compile("/runs/stepworks-local-messages:redrive-"))


@pytest.mark.parametrize("screen", [DESKTOP, NARROW], ids=["wide", "narrow"])
def test_a_list_out_of_sight_draws_nothing(
    console: str, first_visit: Opened, screen: dict[str, int]
) -> None:
    """On a page of its own: one that draws without end never answers again."""
    page = first_visit()
    page.set_viewport_size(screen)  # type: ignore[arg-type]
    queues = [letters(name, 60) for name in ("first", "last")]
    page.route("**/api/dead-letters", lambda route: fulfil_with(route, queues=queues))
    page.goto(f"{console}dead-letters")
    first, last = (page.locator(f".row[data-key^={name}]") for name in ("first", "last"))

    expect(first.first).to_be_visible()
    expect(last).to_have_count(0)
    page.mouse.wheel(0, 100_000)
    expect(last.last).to_be_visible()
    expect(first).to_have_count(0)


def letters(queue: str, count: int) -> dict[str, Any]:
    """A queue's dead letters as the page gets them."""
    origin = {"kind": "function", "title": "recordMessage", "arn": None}
    return {
        "name": queue,
        "title": queue,
        "count": count,
        "letters": [
            {"id": f"{queue}-{n}", "at": 0, "error": "E", "reason": "why", "origin": origin}
            for n in range(count)
        ],
        "heldElsewhere": 0,
        "error": None,
    }


# -- All four -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["events", "waiting", "inbox", "dead-letters"])
@pytest.mark.parametrize("screen", [DESKTOP, NARROW], ids=["wide", "narrow"])
def test_everybody_can_use_the_page(
    console: str, opened: Opened, name: str, screen: dict[str, int]
) -> None:
    page = opened(f"{console}{name}", screen)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("[aria-busy=true]")).to_have_count(0)

    assert serious_violations(page, *THEMES) == []
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= screen["width"]


@pytest.mark.parametrize("path", ["runs?text={tag}", "events?text={tag}", "waiting", "inbox"])
def test_a_card_ends_with_its_rows(
    aws: Aws, signing: Signing, console: str, opened: Opened, tag: str, path: str
) -> None:
    execution = signing.start(f"contract-{tag}")
    signing.link(f"contract-{tag}")  # it waits, and there is a mail
    page = opened(f"{console}{path.format(tag=tag)}")
    expect(row(page, tag).first).to_be_visible()

    empty = page.locator(".card:has(.table)").evaluate(
        "card => card.getBoundingClientRect().bottom"
        " - card.querySelector('.table-body').getBoundingClientRect().bottom"
    )
    assert abs(empty) <= 2  # px, of its border
    aws.client("stepfunctions").stop_execution(executionArn=execution)


@pytest.mark.parametrize(
    ("key", "title"), [("e", "Events"), ("w", "Waiting"), ("i", "Inbox"), ("d", "Dead letters")]
)
def test_a_key_leads_to_the_page(console: str, opened: Opened, key: str, title: str) -> None:
    page = opened(f"{console}runs")
    expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()

    page.keyboard.press("g")
    page.keyboard.press(key)

    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()


def test_a_stack_without_an_event_log_says_what_is_missing(workbench: Any, opened: Opened) -> None:
    page = opened(f"{workbench.url}events")
    expect(page.get_by_text("The stack keeps no event log")).to_be_visible()

    page.goto(f"{workbench.url}dead-letters")
    expect(page.get_by_text("The stack has no dead-letter queue")).to_be_visible()
