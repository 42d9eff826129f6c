"""The console as its page sees it: over HTTP."""

import gzip
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from local.aws import Aws, Deployment, until
from local.settings import ROOT


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """Requests to one console."""

    def __init__(self, base: str, pid: int = 0) -> None:
        self.base = base
        self.pid = pid  # of its process, if it has one of its own

    def call(
        self,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        method: str = "",
        zipped: bool = False,
    ) -> Answer:
        request = urllib.request.Request(
            self.base + path,
            data=None if body is None else json.dumps(body).encode(),
            headers=headers or {},
            method=method or ("GET" if body is None else "POST"),
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                body = response.read()
                if zipped and response.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                return Answer(response.status, dict(response.headers), body.decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read().decode())

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at an address below api/."""
        answer = self.call(f"api/{path}?{urlencode(query)}")
        assert answer.status == 200, answer.text
        return answer.json

    def post(self, path: str, body: Any = None, token: str | None = None) -> Answer:
        """POST with the page's token, unless another one is given."""
        token = self.get("stack").get("token", "") if token is None else token
        return self.call(f"api/{path}", body or {}, {"X-Console-Token": token})

    def run(self, arn: str, rest: str = "", **query: Any) -> Any:
        return self.get(f"runs/{run_id(arn)}{rest}", **query)

    @contextmanager
    def live(self, **query: Any) -> Iterator[Iterator[tuple[str, Any]]]:
        """Server-sent events: (name, data)."""
        address = f"{self.base}api/live?{urlencode(query)}"
        with urllib.request.urlopen(address, timeout=30) as response:
            yield _events(response)


def _events(response: Any) -> Iterator[tuple[str, Any]]:
    name = ""
    for raw in response:
        line = raw.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])
        elif line.startswith(":"):  # keeps the connection open
            yield "comment", None


def run_id(arn: str) -> str:
    """A run's id, as a part of an address."""
    machine, _, name = arn.partition(":execution:")[2].partition(":")
    return quote(f"{machine}:{name}", safe="")


@pytest.fixture
def console(aws: Aws) -> Client:
    """The console of the local AWS."""
    return Client(aws.settings.console)


@pytest.fixture
def alone(aws: Deployment) -> Iterator[Callable[..., Client]]:
    """Start `python -m console` on its own, with these arguments."""
    with ExitStack() as consoles:
        yield lambda *arguments: consoles.enter_context(own_console(aws, *arguments))


@contextmanager
def own_console(aws: Deployment, *arguments: str) -> Iterator[Client]:
    """A console in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "console", *arguments, "--port", str(port)],
        cwd=ROOT,
        env=os.environ | (aws.settings.client_environment() if isinstance(aws, Aws) else {}),
        stdout=subprocess.PIPE,
        text=True,
    )
    client = Client(f"http://127.0.0.1:{port}/console/", process.pid)

    def answers() -> bool:
        assert process.poll() is None, "it has ended"
        try:
            return client.call("api/stack").status == 200
        except OSError:
            return False

    try:
        until("the console to answer", answers, 60)
        yield client
    finally:
        process.terminate()
        process.wait(10)


def wait_for(events: Iterator[tuple[str, Any]], wanted: Callable[[str, Any], bool]) -> float:
    """Read events until one is as wanted. Returns the time at which it came."""
    deadline = time.monotonic() + 20
    for name, data in events:
        if wanted(name, data):
            return time.monotonic()
        assert time.monotonic() < deadline
    raise AssertionError("the stream ended")
