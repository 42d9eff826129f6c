"""The console's server without a local AWS: what AWS's errors become, and what it costs to look."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from starlette.responses import Response

from console.aws import Aws, NotAllowedError
from console.core import Console
from console.polling import Poller
from console.web import Server, create

PORT = 4999
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:other-sorter"
STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/other/1"


_SET = threading.Event()
_SET.set()


class FakeAws(Aws):
    """Answers calls from a table; counts them."""

    def __init__(self) -> None:
        self.endpoint = None
        self.region = "eu-west-1"
        self.calls: list[str] = []
        self.failure: Exception | None = None
        self.failing = ""
        self.outputs: list[dict[str, str]] = []  # of the stack
        self.runs: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.slow: dict[str, threading.Event] = {}  # operations that wait for an event

    def client(self, service: str, attempts: int = 3) -> Any:
        return _Client(self)

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(operation)
        if operation in self.slow:
            assert self.slow[operation].wait(20)
        if self.failure is not None and self.failing in ("", operation):
            raise self.failure
        if operation == "describe_stacks":
            return {"Stacks": [{"StackId": STACK, "Outputs": self.outputs}]}
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
        if operation in ("describe_state_machine_for_execution", "describe_state_machine"):
            return {"definition": '{"StartAt": "A", "States": {"A": {"Type": "Wait"}}}'}
        if operation == "stop_execution":
            return {}
        if operation == "get_execution_history":
            at = int(given.get("nextToken", 0))
            events = self.history[at : at + given.get("maxResults", 1_000)]
            if given.get("reverseOrder"):
                events = self.history[::-1]
            rest = at + len(events) < len(self.history) and not given.get("reverseOrder")
            if at:
                self.slow.get("second page", _SET).wait(20)
            return {"events": events} | ({"nextToken": str(at + len(events))} if rest else {})
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
        self.console = Console(aws, "other", writable)
        self.app, self.poller = create(self.console, PORT)

    async def ask(
        self, path: str, method: str = "GET", host: str = f"127.0.0.1:{PORT}", **headers: str
    ) -> tuple[int, Any]:
        """Status and JSON of a response."""
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


@asynccontextmanager
async def listening(
    poller: Poller, pages: int = 1, run: str | None = None
) -> AsyncIterator[list[bytes]]:
    """What one of several open pages gets to read."""
    got: list[bytes] = []

    async def read(first: bool) -> None:
        async for chunk in poller.listen(run):
            if first:
                got.append(chunk)

    tasks = [asyncio.create_task(read(number == 0)) for number in range(pages)]
    try:
        yield got
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def polled(got: list[bytes]) -> bool:
    """Whether the first poll has ended: a page gets a summary at once, and another after it."""
    return b"".join(got).count(b"event: summary") > 1


@pytest.fixture
def polls_every(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the seconds between polls. After a longer time than a test takes, there is one poll."""

    def set_pause(seconds: float) -> None:
        monkeypatch.setattr("console.polling.FASTEST", seconds)
        monkeypatch.setattr("console.polling.SLOWEST", seconds)

    set_pause(0.02)
    return set_pause


def test_it_polls_once_however_many_pages_are_open(
    aws: FakeAws, polls_every: Callable[[float], None]
) -> None:
    polls_every(60)

    async def requests(pages: int) -> int:
        aws.calls.clear()
        async with listening(Page(aws).poller, pages) as got:
            await until(lambda: polled(got))
            await asyncio.sleep(0.1)
        return aws.calls.count("list_executions")

    of_one = asyncio.run(requests(1))

    assert asyncio.run(requests(20)) == of_one


@pytest.mark.usefixtures("polls_every")
def test_it_stops_when_nobody_looks(aws: FakeAws) -> None:
    async def look_and_go() -> None:
        async with listening(Page(aws).poller):
            await until(lambda: aws.calls.count("list_executions") > 5)
        before = 0
        async with asyncio.timeout(5):
            while before < len(aws.calls):
                before = len(aws.calls)
                await asyncio.sleep(0.1)  # five polls

    asyncio.run(look_and_go())


def test_a_page_is_not_sent_all_runs_again(aws: FakeAws) -> None:
    """It has read the list itself. What follows are labels, of the newest runs."""
    for number in range(300):
        aws.start(f"run-{number}")

    async def look() -> list[bytes]:
        async with listening(Page(aws).poller) as got:
            await until(lambda: polled(got))
            return got

    assert b"".join(asyncio.run(look())).count(b'"name"') <= 60


def test_a_wake_brings_the_news_at_once(aws: FakeAws, polls_every: Callable[[float], None]) -> None:
    polls_every(60)
    poller = Page(aws).poller

    async def change() -> None:
        async with listening(poller) as got:
            await until(lambda: polled(got))
            aws.start("news")
            threading.Thread(target=poller.wake).start()
            await until(lambda: b'"name": "news"' in b"".join(got))

    asyncio.run(change())


def test_what_is_read_after_the_end_of_the_server_disturbs_nobody(aws: FakeAws) -> None:
    poller = Page(aws).poller

    async def look() -> None:
        async with listening(poller) as got:
            await until(lambda: got)

    asyncio.run(look())
    poller.tell("resync", {})


@pytest.mark.usefixtures("polls_every")
def test_a_run_that_is_no_more_is_no_outage(aws: FakeAws) -> None:
    async def watch() -> list[bytes]:
        async with listening(Page(aws).poller, run="other-sorter:gone") as got:
            await until(lambda: aws.calls.count("describe_execution") > 5)
            return got

    assert b'"connected": false' not in b"".join(asyncio.run(watch()))


@pytest.mark.usefixtures("polls_every")
def test_pages_are_told_when_aws_stops_answering_and_when_it_is_back(aws: FakeAws) -> None:
    def states(got: list[bytes]) -> list[dict[str, Any]]:
        return [
            json.loads(part.partition("data: ")[2])
            for part in b"".join(got).decode().split("\n\n")
            if part.startswith("event: state")
        ]

    async def polls(number: int) -> None:
        before = len(aws.calls)
        await until(lambda: len(aws.calls) > before + number)

    async def outage() -> list[dict[str, Any]]:
        async with listening(Page(aws).poller) as got:
            await polls(5)
            aws.failure = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
            await until(lambda: len(states(got)) > 1)
            await polls(5)
            aws.failure = None
            await until(lambda: len(states(got)) > 2)
            await polls(5)
            return states(got)

    told = asyncio.run(outage())

    assert [one["connected"] for one in told] == [True, False, True]
    assert "does not answer" in told[1]["message"]
    assert time.time() * 1000 - told[1]["since"] < 60_000


@pytest.mark.usefixtures("polls_every")
def test_pages_ask_again_when_what_they_show_can_no_longer_be_read_and_when_it_can(
    aws: FakeAws,
) -> None:
    polls = iter(["read", "refused", "refused", "read", "read"])

    def reader() -> Iterator[tuple[str, dict[str, Any]]]:
        poll = next(polls, "read")
        if poll == "refused":
            raise NotAllowedError("No permission for dynamodb:Query.", "Ask.")
        yield "events", {"poll": poll}

    page = Page(aws)
    page.console.on_change = lambda: None  # it has its own reason to tell the pages
    page.poller.readers[:] = [reader]

    def news_in(got: list[bytes]) -> list[str]:
        parts = b"".join(got).decode().split("\n\n")
        told = [part.partition("\n")[0].removeprefix("event: ") for part in parts]
        return [name for name in told if name in ("events", "resync")]

    async def look() -> list[str]:
        async with listening(page.poller) as got:
            await until(lambda: len(news_in(got)) > 9)
            return news_in(got)

    news = asyncio.run(look())
    assert news[:5] == ["events", "resync", "events", "resync", "events"]
    assert news.count("resync") == 2


# -- Answers that take long -----------------------------------------------------------------------

SOON = {"prefer": "respond-async"}


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.web.PATIENCE", 0.02)


def test_who_prefers_an_early_answer_gets_one_and_then_the_whole(aws: FakeAws) -> None:
    aws.slow["list_executions"] = threading.Event()
    aws.start("one")
    page = Page(aws)

    async def ask_again() -> tuple[float, Any, Any]:
        began = time.monotonic()
        first = await page.ask("api/runs", **SOON)
        took = time.monotonic() - began
        aws.slow["list_executions"].set()
        while (second := await page.ask("api/runs", **SOON))[0] == 202:
            assert time.monotonic() < began + 20
        return took, first, second

    took, first, (status, answer) = asyncio.run(ask_again())

    assert first == (202, {"reading": True})
    assert took < 5  # it did not wait for AWS
    assert (status, [run["name"] for run in answer["runs"]]) == (200, ["one"])
    assert aws.calls.count("list_executions") == 1  # asking again is no new work


def test_who_does_not_gets_the_whole_at_once(aws: FakeAws) -> None:
    aws.slow["list_executions"] = threading.Event()
    aws.start("one")
    page = Page(aws)
    threading.Timer(0.1, aws.slow["list_executions"].set).start()

    status, answer = ask(page, "api/runs")

    assert (status, len(answer["runs"])) == (200, 1)


def test_an_answer_that_nobody_fetched_is_not_given_later(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.web.ABANDONED", 0.05)
    begun: list[Future[Response]] = []

    def begin(*given: Any) -> Future[Response]:
        begun.append(begin_answer(*given))
        return begun[-1]

    begin_answer = Server._begin
    monkeypatch.setattr(Server, "_begin", begin)
    aws.slow["list_executions"] = threading.Event()
    page = Page(aws)

    async def ask_much_later() -> Any:
        assert (await page.ask("api/runs", **SOON))[0] == 202
        aws.slow["list_executions"].set()
        await asyncio.wrap_future(begun[0])
        await asyncio.sleep(0.1)
        aws.start("one")
        page.console.runs.refresh()  # who asks gets a list of the last second
        return await page.ask("api/runs")

    async def later() -> Any:
        await ask_much_later()
        return await page.ask("api/runs", **SOON)

    assert [run["name"] for run in asyncio.run(later())[1]["runs"]] == ["one"]


@pytest.mark.usefixtures("polls_every")
def test_a_server_with_slow_answers_still_polls(aws: FakeAws) -> None:
    """As many requests as there are threads wait for AWS: pages are told of changes."""
    aws.start("old")
    aws.slow["get_execution_history"] = threading.Event()
    page = Page(aws)

    async def change() -> None:
        slow = [
            asyncio.create_task(page.ask(f"api/runs/other-sorter:old/history?offset={n}"))
            for n in range(8)
        ]
        await until(lambda: "get_execution_history" in aws.calls)
        try:
            async with listening(page.poller) as got:
                await until(lambda: "list_executions" in aws.calls)
                aws.start("news")
                await until(lambda: b'"name": "news"' in b"".join(got))
        finally:
            aws.slow["get_execution_history"].set()
            await asyncio.gather(*slow)

    asyncio.run(change())


def entered(events: int) -> list[dict[str, Any]]:
    """A history of so many events."""
    now = datetime.now(UTC)
    return [
        {
            "id": number,
            "previousEventId": number - 1,
            "type": "ExecutionStarted" if number == 1 else "WaitStateEntered",
            "timestamp": now,
            **({} if number == 1 else {"stateEnteredEventDetails": {"name": "A", "input": "{}"}}),
        }
        for number in range(1, events + 1)
    ]


def test_a_long_history_is_shown_as_far_as_it_has_been_read(aws: FakeAws) -> None:
    aws.start("long")
    aws.history = entered(1_200)
    aws.slow["second page"] = threading.Event()
    page = Page(aws)
    run = "api/runs/other-sorter:long"

    async def soon(path: str) -> Any:
        async with asyncio.timeout(10):
            while (answer := await page.ask(path, **SOON))[0] == 202:
                await asyncio.sleep(0.05)
        return answer[1]

    async def look() -> tuple[Any, Any, Any]:
        async with listening(page.poller, run="other-sorter:long") as told:
            await until(lambda: b'"runs": 1' in b"".join(told))  # the poller has read the list
            first, table = await soon(run), await soon(f"{run}/history")
            told.clear()
            aws.slow["second page"].set()
            await until(lambda: b"event: run\n" in b"".join(told))
        return first, table, (await page.ask(run))[1]

    first, table, last = asyncio.run(look())

    assert (first["history"]["count"], first["history"]["complete"]) == (500, False)
    assert (table["total"], table["complete"]) == (500, False)
    assert (last["history"]["count"], last["history"]["complete"]) == (1_200, True)


def test_a_history_whose_reading_broke_off_is_read_on(aws: FakeAws) -> None:
    aws.start("long")
    aws.history = entered(1_200)
    page = Page(aws)
    run = "api/runs/other-sorter:long"
    answer = aws.answer

    def fails_at_the_second_page(operation: str, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("nextToken"):
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
        return answer(operation, given)

    aws.answer = fails_at_the_second_page  # type: ignore[method-assign]
    assert ask(page, run)[0] == 503
    aws.answer = answer  # type: ignore[method-assign]

    found = ask(page, run)[1]
    assert found["history"] == {"count": 1_200, "limit": 25_000, "complete": True}
    assert [event["id"] for event in ask(page, f"{run}/history?limit=1000")[1]["events"]] == [
        *range(1, 1_001)
    ]


# -- Permissions ----------------------------------------------------------------------------------

PAGES = (
    *("stack", "runs", "runs/other-sorter:one", "runs/other-sorter:one/log", "waiting"),
    *("workflows", "workflows/other-sorter", "workflows/other-sorter/samples", "architecture"),
    *("dead-letters", "functions?name=other-work"),
)


# What a page does not show. The types of machines are in the frame of all pages, and among runs.
NOT_ITS_OWN: dict[str, set[str]] = {
    "stack": set(),
    "runs": set(),
    "runs/other-sorter:one": {
        *("list_state_machines", "describe_state_machine", "list_functions"),
        *("get_queue_attributes", "get_bucket_notification_configuration"),
        "list_event_source_mappings",
    },
}


class RichAws(FakeAws):
    """Has one of everything."""

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        table: dict[str, dict[str, Any]] = {
            "get_queue_attributes": {
                "Attributes": {
                    "ApproximateNumberOfMessages": "0",
                    "ApproximateNumberOfMessagesNotVisible": "0",
                }
            },
            "list_functions": {"Functions": []},
            "list_event_source_mappings": {"EventSourceMappings": []},
            "get_bucket_notification_configuration": {},
            "describe_rule": {"Name": "other-rule", "EventPattern": "{}"},
            "list_targets_by_rule": {"Targets": []},
            "get_metric_data": {"MetricDataResults": []},
            "filter_log_events": {"events": []},
            "query": {"Items": []},
        }
        if operation not in table:
            found = super().answer(operation, given)
            if operation == "list_stack_resources":
                found["StackResourceSummaries"] += [
                    {
                        "ResourceType": kind,
                        "LogicalResourceId": name,
                        "PhysicalResourceId": name,
                        "ResourceStatus": "CREATE_COMPLETE",
                    }
                    for kind, name in (
                        ("AWS::SQS::Queue", "other-dlq"),
                        ("AWS::Lambda::Function", "other-work"),
                        ("AWS::S3::Bucket", "other-files"),
                        ("AWS::Events::Rule", "other-rule"),
                    )
                ]
            return found
        self.calls.append(operation)
        if self.failure is not None and operation == self.failing:
            raise self.failure
        return table[operation]


def calls_of(path: str) -> list[str]:
    """The operations that a page needs."""
    aws = RichAws()
    aws.start("one", "RUNNING")
    assert ask(Page(aws), f"api/{path}")[0] == 200
    return sorted(set(aws.calls))


@pytest.mark.parametrize("path", PAGES)
def test_whatever_the_credentials_do_not_allow_the_page_says_so(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows the rest; if there is no rest, the missing permission is the answer."""
    monkeypatch.setattr(Console, "prepare", lambda _: None)  # reads what other pages need
    not_its_own = NOT_ITS_OWN.get(path, {"list_state_machines"})
    silent, dead = [], []
    for operation in calls_of(path):
        aws = RichAws()
        aws.start("one", "RUNNING")
        aws.failure, aws.failing = denied(operation), operation

        page = Page(aws)
        # Some things are read in the background.
        deadline = time.monotonic() + (0.05 if operation in not_its_own else 10)
        while "No permission for" not in json.dumps(ask(page, f"api/{path}")[1]):
            if time.monotonic() > deadline:
                break
            time.sleep(0.005)
        status, answer = ask(page, f"api/{path}")
        if "No permission for" not in json.dumps(answer):
            silent.append(operation)
        if status != 200:
            dead.append(operation)

    needed = {"describe_stacks", "list_stack_resources"}
    if path.startswith("runs"):
        needed |= {"list_executions", "describe_execution", "describe_state_machine_for_execution"}
    if path == "waiting":
        needed |= {"list_executions"}
    assert set(silent) <= not_its_own
    assert set(dead) <= needed


def test_a_run_s_page_reads_its_events_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trigger, its timeline and its hops are all found in them."""
    monkeypatch.setattr(Console, "prepare", lambda _: None)  # reads what other pages need
    aws = RichAws()
    aws.outputs = [{"OutputKey": "EventLogTable", "OutputValue": "other-events"}]
    aws.start("one", "RUNNING")

    assert ask(Page(aws), "api/runs/other-sorter:one")[0] == 200

    assert aws.calls.count("query") == 1


def test_a_history_stays_as_it_is_while_somebody_looks_at_it(aws: FakeAws) -> None:
    aws.start("one", "RUNNING")
    aws.history = entered(3)
    runs = Console(aws, "other", writable=False).runs
    run = runs.get("other-sorter:one")
    recording = runs.recording(run)
    aws.history = entered(5)

    with recording.lock:
        runs.recording(run, 0.1)  # read by another thread
        assert len(recording.events) == recording.history.count == 3

    assert len(runs.recording(run).events) == 5


def test_a_token_is_known_before_anybody_sees_its_event(aws: FakeAws) -> None:
    """Else an answer that is worked out at that moment has the token in it."""
    asks = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    task = {"Type": "Task", "Resource": asks, "Parameters": {"Given.$": "$$.Task.Token"}}
    answer, token = aws.answer, "a-task-token-of-many-letters"

    def with_a_task(operation: str, given: dict[str, Any]) -> dict[str, Any]:
        if operation == "describe_state_machine_for_execution":
            return {"definition": json.dumps({"StartAt": "A", "States": {"A": task}})}
        return answer(operation, given)

    aws.answer = with_a_task  # type: ignore[method-assign]
    aws.start("one", "RUNNING")
    scheduled = {"resource": asks, "parameters": json.dumps({"Given": token})}
    aws.history = [
        *entered(1),
        {**entered(2)[1], "type": "TaskStateEntered"},
        {
            "id": 3,
            "previousEventId": 2,
            "type": "TaskScheduled",
            "timestamp": datetime.now(UTC),
            "taskScheduledEventDetails": scheduled,
        },
    ]
    console = Console(aws, "other", writable=False)
    run = console.runs.get("other-sorter:one")
    seen: list[str] = []
    console.runs.on_progress = lambda _: seen.append(console.redaction.text(f"sent {token}"))

    recording = console.runs.recording(run)

    assert len(recording.events) == 3
    assert seen
    assert token not in "".join(seen)


# -- What an answer says of a change ---------------------------------------------------------------


STOP = "api/runs/other-sorter:one/stop"


def _refused(code: str, status: int, repetitions: int = 0) -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": repetitions},
    }
    return ClientError(answer, "StopExecution")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (_refused("ValidationException", 400), 400),
        (_refused("AccessDeniedException", 400), 403),
        (_refused("TaskTimedOut", 400, repetitions=1), 504),
        (_refused("InternalServerError", 500), 504),
        (ReadTimeoutError(endpoint_url="http://aws"), 504),
    ],
    ids=["refused", "denied", "refused after a repetition", "error of the server", "no response"],
)
def test_an_answer_says_whether_a_change_may_have_been_made(
    aws: FakeAws, failure: Exception, status: int
) -> None:
    aws.start("one", "RUNNING")
    page = Page(aws, writable=True)
    token = ask(page, "api/stack")[1]["token"]
    aws.failure, aws.failing = failure, "stop_execution"

    found, answer = ask(page, STOP, "POST", x_console_token=token)

    assert found == status
    assert ("not known" in answer["error"]["message"]) == (status == 504)
    assert ("Look" in answer["error"].get("action", "")) == (status == 504)


def test_a_change_is_reported_although_its_result_cannot_be_read(aws: FakeAws) -> None:
    aws.start("one", "RUNNING")
    page = Page(aws, writable=True)
    token = ask(page, "api/stack")[1]["token"]
    ask(page, "api/runs")
    aws.failure, aws.failing = _refused("ThrottlingException", 400), "describe_execution"

    assert ask(page, STOP, "POST", x_console_token=token)[0] == 200
