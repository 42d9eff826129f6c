"""The console in a browser: of the deployed service, and of a stack that has nothing of ours."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from local.aws import Aws, until
from local.settings import ROOT
from tests.browser.console.between import Between
from tests.browser.console.machines import MACHINES, template
from tests.conftest import WAIT_SCALE

expect.set_options(timeout=20_000)  # the machine may be busy
DESKTOP = {"width": 1440, "height": 900}
NARROW = {"width": 400, "height": 860}
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"


class Workbench:
    """A stack of plain machines, and its console."""

    def __init__(self, aws: Aws, stack: str, url: str) -> None:
        self.aws = aws
        self.stack = stack
        self.url = url
        self.states = aws.client("stepfunctions")

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
        return self.start("patience", lasting, name)

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


@pytest.fixture(scope="module")
def workbench(aws: Aws) -> Iterator[Workbench]:
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
        with served(aws.settings.client_environment(), "--stack", stack, "--allow-writes") as url:
            yield Workbench(aws, stack, url)
    finally:
        formation.delete_stack(StackName=stack)


@contextmanager
def served(environment: dict[str, str], *options: str) -> Iterator[str]:
    """The address of a console in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/console/"
    process = subprocess.Popen(
        [sys.executable, "-m", "console", *options, "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
    )
    try:
        until("the console's first page", lambda: _answers(f"{url}api/stack"))
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def between(aws: Aws) -> Iterator[Between]:
    """What stands between a console and the local AWS, at another address than this machine's."""
    with Between(aws.settings.endpoint) as found:
        yield found


@pytest.fixture(scope="module")
def elsewhere(aws: Aws, between: Between) -> Iterator[str]:
    """The console of the service, as if that were deployed in an account on AWS; read-only."""
    environment = aws.settings.client_environment() | {"AWS_ENDPOINT_URL": between.url}
    with served(environment, "--stage", "local") as url:
        yield url


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (URLError, OSError):
        return False


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page on a screen and in a theme. A page whose code fails, fails the test."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_page(url: str, screen: dict[str, int] = DESKTOP, theme: str = "light") -> Page:
        context = browser.new_context(viewport=screen, color_scheme=theme)  # type: ignore[arg-type]
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: (
                problems.append(message.text)
                # A request that a test makes fail is in the browser's console too.
                if message.type == "error" and "Failed to load resource" not in message.text
                else None
            ),
        )
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            # A handler of a route that still waits for the server would fail the next test.
            page.unroute_all(behavior="ignoreErrors")
        context.close()
    assert problems == []


def serious_violations(page: Page) -> list[str]:
    """What axe finds that keeps somebody from using the page."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{violation['id']}: {node['html'][:200]} ({node['failureSummary']})"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def fulfil_with(route: Route, **fields: Any) -> None:
    """Let the server answer, perhaps in part (202), and replace fields of its answer."""
    response = route.fetch()
    route.fulfill(response=response, json=response.json() | fields)


def keep_picture(page: Page, name: str) -> None:
    """For whoever wants to look: STEPWORKS_SCREENSHOTS names a folder."""
    if folder := os.environ.get("STEPWORKS_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")
