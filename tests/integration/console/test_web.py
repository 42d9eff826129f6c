"""The console's server without a local AWS: what AWS's errors become, and what it costs to look."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from console.aws import Aws
from console.core import Console
from console.polling import Poller
from console.web import create

PORT = 4999
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:other-sorter"
STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/other/1"


class FakeAws(Aws):
    """Answers calls from a table; counts them."""

    def __init__(self) -> None:
        self.endpoint = None
        self.region = "eu-west-1"
        self.calls: list[str] = []
        self.failure: Exception | None = None
        self.failing = ""
        self.runs: list[dict[str, Any]] = []

    def client(self, service: str) -> Any:
        return _Client(self)

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(operation)
        if self.failure is not None and self.failing in ("", operation):
            raise self.failure
        if operation == "describe_stacks":
            return {"Stacks": [{"StackId": STACK, "Outputs": []}]}
        if operation == "list_stack_resources":
            machine = {
                "ResourceType": "AWS::StepFunctions::StateMachine",
                "LogicalResourceId": "Sorter",
                "PhysicalResourceId": MACHINE,
                "ResourceStatus": "CREATE_COMPLETE",
            }
            return {"StackResourceSummaries": [machine]}
        if operation == "list_state_machines":
            return {"stateMachines": [{"stateMachineArn": MACHINE, "type": "STANDARD"}]}
        if operation == "list_executions":
            wanted = given.get("statusFilter")
            found = [run for run in self.runs if wanted in (None, run["status"])]
            return {"executions": sorted(found, key=lambda run: run["startDate"], reverse=True)}
        if operation == "describe_execution":
            for run in self.runs:
                if run["executionArn"] == given["executionArn"]:
                    return run
            absent = {"Error": {"Code": "ExecutionDoesNotExist", "Message": "It does not exist"}}
            raise ClientError(absent, operation)  # type: ignore[arg-type]
        if operation == "describe_state_machine_for_execution":
            return {"definition": '{"StartAt": "A", "States": {"A": {"Type": "Wait"}}}'}
        if operation == "stop_execution":
            return {}
        if operation == "get_execution_history":
            return {"events": []}
        raise AssertionError(operation)

    def start(self, name: str, status: str = "SUCCEEDED") -> None:
        now = datetime.now(UTC)
        ended = {} if status == "RUNNING" else {"stopDate": now}
        self.runs.append(
            {
                "executionArn": MACHINE.replace("stateMachine", "execution") + f":{name}",
                "stateMachineArn": MACHINE,
                "name": name,
                "status": status,
                "startDate": now,
                "input": json.dumps({"file": f"{name}.csv"}),
                **ended,
            }
        )


class _Client:
    def __init__(self, aws: FakeAws) -> None:
        self.aws = aws

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        return lambda **given: self.aws.answer(operation, given)

    def get_paginator(self, operation: str) -> Any:
        class Paginator:
            def paginate(_, **given: Any) -> Iterator[dict[str, Any]]:
                yield self.aws.answer(operation, given)

        return Paginator()


@pytest.fixture
def aws() -> FakeAws:
    return FakeAws()


class Page:
    """Calls the app as a server would."""

    def __init__(self, aws: FakeAws, writable: bool = False) -> None:
        self.app, self.poller = create(Console(aws, "other", writable), PORT)

    async def ask(
        self, path: str, method: str = "GET", host: str = f"127.0.0.1:{PORT}", **headers: str
    ) -> tuple[int, Any]:
        sent: list[dict[str, Any]] = []
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": f"/console/{path}",
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [
                (b"host", host.encode()),
                *((key.replace("_", "-").encode(), one.encode()) for key, one in headers.items()),
            ],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], json.loads(body) if body.startswith(b"{") else body


def ask(page: Page, path: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    return asyncio.run(page.ask(path, method, **headers))


def denied(operation: str) -> ClientError:
    error = {"Error": {"Code": "AccessDeniedException", "Message": "User: me is not authorized"}}
    return ClientError(error, operation)  # type: ignore[arg-type]


def test_a_missing_permission_is_named(aws: FakeAws) -> None:
    aws.failure, aws.failing = denied("ListExecutions"), "list_executions"

    status, answer = ask(Page(aws), "api/runs")

    assert status == 403
    assert answer["error"]["message"] == "No permission for states:ListExecutions."
    assert "states:ListExecutions" in answer["error"]["action"]


def test_an_aws_that_does_not_answer_is_told_as_such(aws: FakeAws) -> None:
    aws.failure = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    status, answer = ask(Page(aws), "api/stack")

    assert status == 503
    assert "does not answer" in answer["error"]["message"]


def test_who_only_reads_gets_no_token_and_writes_nothing(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.web.secrets.token_urlsafe", lambda _: "guessed")
    aws.start("one")
    page = Page(aws)

    assert "token" not in ask(page, "api/stack")[1]
    stop = "api/runs/other-sorter:one/stop"
    status, answer = ask(page, stop, "POST", x_console_token="guessed")
    assert (status, answer["error"]["message"]) == (403, "This console only reads.")
    assert "stop_execution" not in aws.calls
    assert ask(Page(aws, writable=True), stop, "POST", x_console_token="guessed")[0] == 200
    assert "stop_execution" in aws.calls


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1", "127.0.0.1:1", f"a.localhost:{PORT}"])
def test_it_answers_under_its_own_address_alone(aws: FakeAws, host: str) -> None:
    assert asyncio.run(Page(aws).ask("api/stack", host=host))[0] == 403


def test_every_other_address_is_the_page_and_below_api_nothing(aws: FakeAws) -> None:
    assert ask(Page(aws), "api/no/such/thing")[0] == 404
    assert ask(Page(aws), "page/..")[0] == 404
    assert ask(Page(aws), "lib/react.js")[0] == 404


def test_runs_are_filtered_and_paged(aws: FakeAws) -> None:
    for number in range(5):
        aws.start(f"run-{number}", "FAILED" if number == 2 else "SUCCEEDED")
    page = Page(aws)

    first = ask(page, "api/runs?limit=2")[1]
    rest = ask(page, f"api/runs?limit=9&before={first['next']}")[1]

    names = [run["name"] for run in first["runs"] + rest["runs"]]
    assert names == [f"run-{number}" for number in (4, 3, 2, 1, 0)]
    assert rest["next"] is None
    assert [run["name"] for run in ask(page, "api/runs?status=FAILED")[1]["runs"]] == ["run-2"]
    assert [run["name"] for run in ask(page, "api/runs?text=RUN-3")[1]["runs"]] == ["run-3"]
    assert first["workflows"][0]["counts"]["succeeded"] == 4


# -- The poller -----------------------------------------------------------------------------------


async def listening(poller: Poller, pages: int, seconds: float) -> list[bytes]:
    """What one of several open pages gets to read."""
    got: list[bytes] = []

    async def read(first: bool) -> None:
        async for chunk in poller.listen(None):
            if first:
                got.append(chunk)

    tasks = [asyncio.create_task(read(number == 0)) for number in range(pages)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return got


def test_it_polls_once_however_many_pages_are_open(aws: FakeAws) -> None:
    asyncio.run(listening(Page(aws).poller, 1, 2.5))
    of_one = aws.calls.count("list_executions")
    aws.calls.clear()

    asyncio.run(listening(Page(aws).poller, 20, 2.5))

    assert 2 <= aws.calls.count("list_executions") <= of_one + 1


def test_it_stops_when_nobody_looks(aws: FakeAws) -> None:
    async def look_and_go() -> int:
        poller = Page(aws).poller
        await listening(poller, 1, 0.5)
        await asyncio.sleep(1.5)
        before = len(aws.calls)
        await asyncio.sleep(2.5)
        return len(aws.calls) - before

    assert asyncio.run(look_and_go()) == 0


def test_a_page_is_not_sent_all_runs_again(aws: FakeAws) -> None:
    """It has read the list itself. What follows are labels, of the newest runs."""
    for number in range(300):
        aws.start(f"run-{number}")
    poller = Page(aws).poller

    got = b"".join(asyncio.run(listening(poller, 1, 1.5)))

    assert got.count(b'"name"') <= 60


def test_a_wake_brings_the_news_at_once(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.polling.FASTEST", 20.0)
    monkeypatch.setattr("console.polling.SLOWEST", 20.0)
    poller = Page(aws).poller

    async def change() -> list[bytes]:
        reading = asyncio.create_task(listening(poller, 1, 3.0))
        await asyncio.sleep(1.0)
        aws.start("news")
        threading.Thread(target=poller.wake).start()
        return await reading

    assert b'"name": "news"' in b"".join(asyncio.run(change()))


def test_a_run_that_is_no_more_is_no_outage(aws: FakeAws) -> None:
    poller = Page(aws).poller

    async def watch() -> list[bytes]:
        got: list[bytes] = []

        async def read() -> None:
            async for chunk in poller.listen("other-sorter:gone"):
                got.append(chunk)

        reading = asyncio.create_task(read())
        await asyncio.sleep(1.5)
        reading.cancel()
        return got

    assert b'"connected": false' not in b"".join(asyncio.run(watch()))


def test_pages_are_told_when_aws_stops_answering_and_when_it_is_back(aws: FakeAws) -> None:
    async def outage() -> list[dict[str, Any]]:
        poller = Page(aws).poller
        reading = asyncio.create_task(listening(poller, 1, 7.0))
        await asyncio.sleep(0.5)
        aws.failure = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
        await asyncio.sleep(3.0)
        aws.failure = None
        got = b"".join(await reading).decode()
        return [
            json.loads(part.partition("data: ")[2])
            for part in got.split("\n\n")
            if part.startswith("event: state")
        ]

    states = asyncio.run(outage())

    assert [one["connected"] for one in states] == [True, False, True]
    assert "does not answer" in states[1]["message"]
    assert time.time() * 1000 - states[1]["since"] < 60_000
