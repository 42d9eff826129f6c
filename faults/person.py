"""A person who uses the console: its routes, called in a process that faults can end.

The console's own server is left out: a request calls the function of its route, with the console's
reading in the background done at once. What the person reads before an action meets no faults.
"""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from unittest.mock import patch

import boto3
from starlette.requests import Request

from console import events, runs, web
from console.aws import Aws
from console.core import Console
from console.stack import EVENT_LOG_OUTPUT, Inventory, Machine, Resource
from console.topology import Rule, Topology
from faults import stack
from faults.process import Killed, Process
from tests.support import asl

NO_RESPONSE = 0
_READING = "a page of the console"
_SECONDS = 3600.0  # nothing limits the time of a process on a person's machine


@dataclass(frozen=True)
class Answer:
    """What the person got to a request: status 0 and nothing if the console's process ended."""

    status: int
    body: Any = None

    @property
    def said(self) -> str:
        return " ".join(map(str, (self.body or {}).get("error", {}).values()))

    @property
    def outcome(self) -> str:
        """What it claims: `done`, `not done`, or `unknown`."""
        if self.status == 200:
            return "done"
        return "unknown" if self.status in (NO_RESPONSE, 504) else "not done"


@dataclass
class Person:
    """Uses the console of a run, which is started again if a fault has ended it."""

    world: Any
    _numbers: Counter[str] = field(default_factory=Counter)
    _console: "_RunningConsole | None" = None

    def reads(self, path: str, **given: Any) -> Any:
        """Open a page: the console is started if it does not run."""
        process = Process(self.world.timeline, _READING, 1, _SECONDS, {})
        answer = self._request("GET", path, {}, given, process)
        assert answer.status == 200, answer
        return answer.body

    def acts(self, path: str, body: dict[str, Any], **given: str) -> Answer:
        """Use a write action of the console. A fault can happen to each of its calls."""
        caller = actions()[path]
        self._numbers[caller] += 1
        process = Process(self.world.timeline, caller, self._numbers[caller], _SECONDS, {})
        return self._request("POST", path, body, given, process)

    def _request(
        self, method: str, path: str, body: dict[str, Any], given: dict[str, Any], process: Process
    ) -> Answer:
        self._console = self._console or _RunningConsole()
        scope = {
            "type": "http", "method": method, "path": "/", "headers": [], "query_string": b"",
            "path_params": given, "state": {"body": body},
        }  # fmt: skip
        server = self._console.server
        with process.running(), suppress(Killed):
            response = server.respond(server.endpoints[method, path], Request(scope))
        if process.death:
            self._console = None
            return Answer(NO_RESPONSE)
        return Answer(response.status_code, json.loads(bytes(response.body)))


class _Recorded(web.Server):
    """A server that keeps the functions of its routes."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, "/")
        self.endpoints: dict[tuple[str, str], web.Endpoint] = {}
        web.pages(self)

    def get(self, path: str, endpoint: web.Endpoint) -> Any:
        self.endpoints["GET", path] = endpoint
        return super().get(path, endpoint)

    def post(self, path: str, endpoint: web.Endpoint) -> Any:
        self.endpoints["POST", path] = endpoint
        return super().post(path, endpoint)


class _RunningConsole:
    """A console that has read the stack: everything but runs, events and letters is known."""

    def __init__(self) -> None:
        with ExitStack() as patches:
            for module in (events, runs):
                patches.enter_context(patch.object(module, "ThreadPoolExecutor", _AtOnce))
            console = Console(_aws(), stack.CONSOLE_STACK, writable=True)
            console._inventory = _Known(_inventory())  # type: ignore[assignment]
            console._topology = _Known(Topology(rules=_rules()))  # type: ignore[assignment]
            self.server = _Recorded(console)
            _ = console.runs, console.event_log()


class _Known:
    """A value that needs no reading."""

    def __init__(self, value: Any) -> None:
        self.known = value

    def get(self) -> Any:
        return self.known

    def soon(self, _: float) -> Any:
        return self.known


class _AtOnce:
    """In place of a pool of threads: does the work when somebody asks for its result."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, act: Callable[..., Any], *given: Any) -> "_Asked":
        return _Asked(lambda: act(*given))

    def map(self, act: Callable[..., Any], *given: Any) -> Any:
        return map(act, *given)

    def __enter__(self) -> "_AtOnce":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _Asked(Future[Any]):
    def __init__(self, act: Callable[[], Any]) -> None:
        super().__init__()
        self._act = act

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            self.set_result(self._act())
        return super().result(timeout)


@cache
def actions() -> dict[str, str]:
    """The write actions of the console: the caller of each, `console.run.stop`, by its path."""
    found = _Recorded(Console(_aws(), stack.CONSOLE_STACK, writable=True)).endpoints
    return {
        path: f"{endpoint.__module__}.{endpoint.__name__}"
        for (method, path), endpoint in found.items()
        if method == "POST"
    }


@cache
def _aws() -> Aws:
    """Clients take long to create."""
    return Aws(boto3.Session(region_name=asl.REGION))


@cache
def _inventory() -> Inventory:
    machines = tuple(
        Machine(arn.rpartition(":")[2], logical_id, arn, "STANDARD")
        for logical_id, arn in stack.machine_arns().items()
        if stack.machines()[logical_id] in stack.machines_of(stack.CONSOLE_WORKFLOW)
    )
    queues = tuple(
        Resource("queue", name, f"https://sqs/{asl.ACCOUNT}/{name}", name)
        for name in stack.resources("AWS::SQS::Queue", stack.CONSOLE_WORKFLOW)
    )
    buses = tuple(
        Resource("bus", name, name, name)
        for name in stack.resources("AWS::Events::EventBus", stack.CONSOLE_WORKFLOW)
    )
    outputs = {EVENT_LOG_OUTPUT: "EventLogTable"}
    resources = {"queue": queues, "bus": buses}
    return Inventory(stack.CONSOLE_STACK, asl.ACCOUNT, outputs, machines, resources)


@cache
def _rules() -> list[Rule]:
    return [
        Rule(rule.name, rule.name, rule.bus, True, json.dumps(rule.pattern), None, rule.targets)
        for rule in stack.rules(stack.CONSOLE_WORKFLOW)
    ]
