"""How soon a change is on the page, and what the console costs while nothing changes.

The first needs a page that has been open for a while without a change, the second costs processor
time of the console alone: so both are measured at the same time.
"""

import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from local.aws import Aws
from local.settings import STACK
from local.signing import Signing
from tests.e2e.console.conftest import Client, own_console
from tests.support.processor import slowness, used

from .conftest import run_page

pytestmark = pytest.mark.alone

Opened = Callable[..., Page]
WITHIN = 1_000.0  # ms
LEAD = 2  # a busy machine may delay some attempts, and by luck some are in time
TIMES = 5  # that nothing happens
# After so long without a change, a poller that nobody wakes is so slow that it rarely keeps WITHIN.
IDLE = 12.0  # seconds
SETTLED = 2.0  # seconds after which a console has read what the last change brought
PREPARED = 5.0  # seconds after which a new console has read what pages need first
MOST_WATCHED = 0.03  # of a processor
MOST_UNWATCHED = 0.005

# When the pill of the run says so, by the browser's clock, which is also that of the local AWS.
SEES = """wanted => { window.seen = new Promise((resolve) => {
  const look = () => document.querySelector(".head .pill")?.textContent.includes(wanted)
    && resolve(Date.now());
  new MutationObserver(look).observe(document.body,
    { subtree: true, childList: true, characterData: true });
  look();
}) }"""


class Quiet:
    """What consoles cost while nothing happens: one that a page listens to, one without a page."""

    def __init__(self, watched: Client, unwatched: Client) -> None:
        self.consoles = {"watched": watched, "unwatched": unwatched}
        self.prepared_at = time.monotonic() + PREPARED
        self.parts: dict[str, list[float]] = {name: [] for name in self.consoles}  # of a processor

    def observe(self) -> None:
        """Let nothing happen for IDLE seconds."""
        ends = time.monotonic() + IDLE
        time.sleep(max(SETTLED, self.prepared_at - time.monotonic()))
        began = time.monotonic()
        before = {name: used(console.pid) for name, console in self.consoles.items()}
        time.sleep(ends - time.monotonic())
        passed = (time.monotonic() - began) * 1000
        for name, console in self.consoles.items():
            self.parts[name].append((used(console.pid) - before[name]) / passed)

    def observed(self, name: str) -> list[float]:
        if not self.parts[name]:
            self.observe()
        print(", ".join(f"{part:.2%}" for part in self.parts[name]), "of a processor")
        return self.parts[name]


@pytest.fixture(scope="module")
def quiet(aws: Aws) -> Iterator[Quiet]:
    with (
        own_console(aws, "--stack", STACK) as watched,
        own_console(aws, "--stack", STACK) as unwatched,
        watched.live() as events,
    ):
        next(events)
        yield Quiet(watched, unwatched)


def test_a_run_s_change_is_on_its_page_within_a_second(
    aws: Aws, console: str, opened: Opened, quiet: Quiet
) -> None:
    """From the time of the event in the history, in clearly most of the attempts."""
    signing = Signing(aws)
    delays: list[float] = []
    while (lead := sum(1 if delay < WITHIN else -1 for delay in delays)) < LEAD:
        assert lead > -LEAD, delays
        document = f"contract-{uuid4().hex[:8]}"
        execution = signing.start(document)
        link = signing.link(document)
        page = opened(run_page(console, execution))
        expect(page.locator(".head .pill")).to_contain_text("Bob Signature")
        quiet.observe()
        page.evaluate(SEES, "Succeeded")

        signing.decide(link, "sign")

        seen = page.evaluate("window.seen")
        last = aws.history(execution)[-1]
        assert last["type"] == "ExecutionSucceeded"
        delays.append(seen - last["timestamp"].timestamp() * 1000)
    print(f"{delays} ms")


def test_an_open_page_costs_little_while_nothing_happens(quiet: Quiet) -> None:
    """Something of earlier tests may still happen: the quietest of several times counts."""
    parts = quiet.observed("watched")
    while min(parts) >= MOST_WATCHED and len(parts) < TIMES:
        quiet.observe()
    assert min(parts) < MOST_WATCHED * slowness()


def test_nothing_is_read_while_nobody_looks(quiet: Quiet) -> None:
    assert max(quiet.observed("unwatched")) < MOST_UNWATCHED
