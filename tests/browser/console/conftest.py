"""The console in a browser: of the deployed service, and of a stack that has nothing of ours."""

import asyncio
import json
import os
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError
from urllib.parse import quote, urljoin
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from hypercorn.asyncio import serve
from hypercorn.config import Config
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Route, expect

from console.aws import Aws as ConsoleAws
from console.core import Console
from console.polling import Poller
from console.web import create
from local.aws import Aws, until
from local.settings import REGION, ROOT, STACK
from tests.browser.console.between import Between
from tests.browser.console.machines import MACHINES, template
from tests.conftest import WAIT_SCALE

expect.set_options(timeout=20_000)  # the machine may be busy
DESKTOP = {"width": 1440, "height": 900}
NARROW = {"width": 400, "height": 860}
Theme = Literal["dark", "light"]
THEMES: tuple[Theme, ...] = ("dark", "light")
EMPTY = "about:blank"
# A page without code that stays in the process of the last page: for EMPTY, another one is started.
DRAWING = "/console/page/icon.svg"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
# The violations of the rules that are as serious as that.
RUN_AXE = """axe.run(document, {
  resultTypes: ["violations"],
  rules: Object.fromEntries(axe._audit.rules
    .filter(({ impact }) => !["serious", "critical"].includes(impact))
    .map(({ id }) => [id, { enabled: false }])),
}).then(({ violations }) => violations)"""


class Workbench:
    """A stack of plain machines, and its console."""

    def __init__(self, aws: Aws, stack: str, url: str) -> None:
        self.aws = aws
        self.stack = stack
        self.url = url
        self.states = aws.client("stepfunctions")
        self._waiting: list[str] = []

    def arn(self, machine: str) -> str:
        account = "000000000000"
        return f"arn:aws:states:us-east-1:{account}:stateMachine:{self.stack}-{machine}"

    def start(self, machine: str, given: Any, name: str | None = None) -> str:
        """The ARN of a new execution."""
        started = self.states.start_execution(
            stateMachineArn=self.arn(machine),
            name=name or f"run-{uuid4().hex[:8]}",
            input=json.dumps(given),
        )
        return str(started["executionArn"])

    def wait(
        self, seconds: float, given: dict[str, Any] | None = None, name: str | None = None
    ) -> str:
        """The ARN of an execution that waits so long, by the clock on the wall."""
        lasting = {**(given or {}), "seconds": int(seconds / WAIT_SCALE)}
        self._waiting.append(self.start("patience", lasting, name))
        return self._waiting[-1]

    def stop_what_waits(self) -> None:
        while self._waiting:
            with suppress(ClientError):  # it has ended
                self.states.stop_execution(executionArn=self._waiting.pop())

    def ended(self, machine: str, given: Any, name: str | None = None) -> str:
        """The ARN of an execution that has ended."""
        execution = self.start(machine, given, name)
        self.aws.wait_for_end(execution)
        return execution

    def page_of(self, execution: str) -> str:
        """The address of a run's page."""
        return run_page(self.url, execution)


def run_page(url: str, execution: str) -> str:
    machine, name = execution.split(":")[-2:]
    return f"{url}runs/{quote(f'{machine}:{name}', safe=':')}"


@pytest.fixture
def console(aws: Aws) -> str:
    """The address of the console that the local AWS serves."""
    return f"{aws.settings.endpoint}/console/"


@pytest.fixture(scope="package")
def plain_stack(aws: Aws) -> Iterator[Workbench]:
    stack = f"workbench-{uuid4().hex[:6]}"
    formation = aws.client("cloudformation")
    formation.create_stack(StackName=stack, TemplateBody=template(stack))
    machines = aws.client("stepfunctions")
    until(
        f"the machines of {stack}",
        lambda: (
            sum(
                machine["name"].startswith(stack)
                for machine in machines.list_state_machines()["stateMachines"]
            )
            == len(MACHINES)
            or None
        ),
    )
    try:
        with served(aws.settings.endpoint, stack, writable=True) as console:
            yield Workbench(aws, stack, console.url)
    finally:
        formation.delete_stack(StackName=stack)


@pytest.fixture
def workbench(plain_stack: Workbench) -> Iterator[Workbench]:
    """A stack of plain machines. What a test lets wait there ends with the test."""
    yield plain_stack
    plain_stack.stop_what_waits()


@dataclass(frozen=True)
class Served:
    """A console: its address, and what polls AWS for it."""

    url: str
    poller: Poller


@contextmanager
def served(endpoint: str, stack: str, *, writable: bool = False) -> Iterator[Served]:
    """A console in a thread: to start `python -m console` takes longer than most tests."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    session = boto3.Session("test", "test", region_name=REGION)
    app, poller = create(Console(ConsoleAws(session, endpoint), stack, writable), port)
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.graceful_timeout = 1
    config.errorlog = None
    loop, ended = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve(app, config, shutdown_trigger=ended.wait))

    thread = threading.Thread(target=run)
    thread.start()
    url = f"http://127.0.0.1:{port}/console/"
    try:
        until("the console's first page", lambda: _answers(f"{url}api/stack"))
        yield Served(url, poller)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)


@pytest.fixture(scope="module")
def between(aws: Aws) -> Iterator[Between]:
    """What stands between a console and the local AWS, at another address than this machine's."""
    with Between(aws.settings.endpoint) as found:
        yield found


@pytest.fixture(scope="module")
def elsewhere(between: Between) -> Iterator[Served]:
    """The console of the service, as if that were deployed in an account on AWS; read-only."""
    with served(between.url, STACK) as console:
        yield console


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (URLError, OSError):
        return False


@pytest.fixture(scope="package")
def tab(browser: Browser) -> Iterator[Page]:
    """The page that all tests use: another one costs two processes and all files of the console."""
    with closing(browser.new_context(viewport=DESKTOP)) as context:  # type: ignore[arg-type]
        yield context.new_page()


def go(page: Page, url: str) -> None:
    """Open an address, although the test before may have clicked on a link as the last thing."""
    try:
        page.goto(url)
    except Error as error:
        if "interrupted by another navigation" not in error.message:
            raise
        page.wait_for_load_state()
        page.goto(url)


@pytest.fixture
def opened(tab: Page, problems: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens an address on a screen, in the light theme; without an address, a page without code."""
    with watched(tab, problems):

        def open_page(url: str = "", screen: dict[str, int] = DESKTOP) -> Page:
            tab.mouse.move(0, 0)
            tab.set_viewport_size(screen)  # type: ignore[arg-type]
            tab.emulate_media(color_scheme="light", reduced_motion="no-preference")
            go(tab, url or (EMPTY if tab.url == EMPTY else urljoin(tab.url, DRAWING)))
            return tab

        yield open_page
        for other in tab.context.pages:
            if other != tab:
                other.close()


@pytest.fixture
def first_visit(browser: Browser, problems: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens an address as somebody does who has never been there."""
    with ExitStack() as visits:

        def open_page(url: str = EMPTY) -> Page:
            context = visits.enter_context(closing(browser.new_context(viewport=DESKTOP)))  # type: ignore[arg-type]
            page = context.new_page()
            visits.enter_context(watched(page, problems))
            page.goto(url)
            return page

        yield open_page


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """What goes wrong in a page's code: it fails the test."""
    found: list[str] = []
    yield found
    assert found == []


@contextmanager
def watched(page: Page, problems: list[str]) -> Iterator[None]:
    """Note what goes wrong in the page, and take back what a test has routed elsewhere."""

    def note_error(error: Error) -> None:
        problems.append(str(error))

    def note_message(message: ConsoleMessage) -> None:
        # A request that a test makes fail is in the browser's console too.
        if message.type == "error" and "Failed to load resource" not in message.text:
            problems.append(message.text)

    page.set_default_timeout(30_000)
    page.on("pageerror", note_error)
    page.on("console", note_message)
    try:
        yield
    finally:
        if not page.is_closed():
            # A handler of a route that still waits for the server would fail the next test.
            page.unroute_all(behavior="ignoreErrors")
        page.remove_listener("pageerror", note_error)
        page.remove_listener("console", note_message)


def in_themes(page: Page, themes: tuple[Theme, ...]) -> Iterator[str]:
    """Give the page one theme after the other, and yield a suffix for each; "" if there is none."""
    for theme in themes:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # no transition to it
        yield f"-{theme}"
    if not themes:
        yield ""


def serious_violations(page: Page, *themes: Theme) -> list[str]:
    """What axe finds that keeps somebody from using the page, in each of the themes."""
    if page.evaluate("!window.axe"):
        page.evaluate(AXE.read_text())
    return [
        f"{violation['id']}{suffix}: {node['html'][:200]} ({node['failureSummary']})"
        for suffix in in_themes(page, themes)
        for violation in page.evaluate(RUN_AXE)
        for node in violation["nodes"]
    ]


def fulfil_with(route: Route, **fields: Any) -> None:
    """Let the server answer, perhaps in part (202), and replace fields of its answer."""
    response = route.fetch()
    route.fulfill(response=response, json=response.json() | fields)


def keep_picture(page: Page, name: str, *themes: Theme) -> None:
    """For whoever wants to look: STEPWORKS_SCREENSHOTS names a folder."""
    if folder := os.environ.get("STEPWORKS_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        for suffix in in_themes(page, themes):
            page.screenshot(path=Path(folder) / f"{name}{suffix}.png")
