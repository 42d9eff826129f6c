"""Faults between a handler and AWS: a lost answer, a killed function, a refusal, an outage.

They happen below botocore's own retries, where the network is, so that what the SDK repeats is
repeated here too. moto does the work of AWS.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.endpoint import Endpoint
from botocore.exceptions import ConnectionClosedError

from tests.support.engine import TaskError

SERVICES = {"s3", "dynamodb", "ses"}  # not Step Functions: that is the test's own client


class Kind(StrEnum):
    LOST = "answer lost"  # the call takes effect, and the caller does not hear of it
    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, order=True)
class Call:
    """The n-th call of an operation, from 1."""

    operation: str
    number: int

    def __str__(self) -> str:
        return f"{self.operation}-{self.number}"


@dataclass(frozen=True)
class Fault:
    """What happens at a call; `for_ever` at all later ones of that operation as well."""

    kind: Kind
    at: Call
    for_ever: bool = False

    def __str__(self) -> str:
        return f"{self.at} {self.kind}{' for ever' * self.for_ever}"

    def strikes(self, call: Call) -> bool:
        if self.for_ever:
            return call.operation == self.at.operation and call.number >= self.at.number
        return call == self.at


class KilledError(Exception):
    """The function's process is gone. (s3transfer waits for ever for a BaseException.)"""


class _Time:
    """botocore's pauses take none."""

    @staticmethod
    def sleep(_: float) -> None:
        pass


@dataclass
class Network:
    """What lies between the handlers and AWS: remembers the calls, and does the harm."""

    fault: Fault | None = None
    calls: list[Call] = field(default_factory=list)
    dead: bool = False
    struck: bool = False
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: Any = field(default_factory=threading.Lock)

    def invoke(self, handler: Callable[[Any, Any], Any], event: Any, context: Any) -> Any:
        """Call a handler as Lambda does: TaskError has the error name the machine sees."""
        self.dead = False
        try:
            result = handler(event, context)
        except Exception as error:
            if not self.dead:
                raise TaskError(type(error).__name__, str(error)) from error
        if self.dead:
            raise TaskError("Runtime.ExitError", "Runtime exited with error: signal: killed")
        return result

    def send(
        self, really: Callable[..., Any], endpoint: Any, request: Any, operation: Any, context: Any
    ) -> Any:
        if operation.service_model.service_name not in SERVICES:
            return really(endpoint, request, operation, context)
        if self.dead:
            raise KilledError
        with self._lock:
            self._counts[operation.name] += 1
            call = Call(operation.name, self._counts[operation.name])
            self.calls.append(call)
        kind = self.fault.kind if self.fault and self.fault.strikes(call) else None
        self.struck = self.struck or kind is not None
        if kind is Kind.KILLED_BEFORE:
            self._die()
        if kind is Kind.REFUSED:
            return _error(request, 403, "AccessDenied"), None
        if kind is Kind.UNAVAILABLE:
            return _error(request, 503, "ServiceUnavailable"), None
        answer = really(endpoint, request, operation, context)
        if kind is Kind.KILLED_AFTER:
            self._die()
        if kind is Kind.LOST:
            return None, ConnectionClosedError(endpoint_url=request.url)
        return answer

    def _die(self) -> None:
        self.dead = True
        raise KilledError


@contextmanager
def network(fault: Fault | None = None) -> Iterator[Network]:
    """A network with a fault, or none."""
    made = Network(fault)
    really = Endpoint._do_get_response

    def send(endpoint: Any, request: Any, operation: Any, context: Any) -> Any:
        return made.send(really, endpoint, request, operation, context)

    with patch.object(Endpoint, "_do_get_response", send), patch("botocore.endpoint.time", _Time):
        yield made


def _error(request: Any, status: int, code: str) -> tuple[AWSResponse, dict[str, Any]]:
    parsed = {
        "Error": {"Code": code, "Message": "by a test"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}},
    }
    return AWSResponse(request.url, status, {}, _Empty()), parsed


class _Empty:
    """A body without content."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield b""

    def read(self, *_: Any) -> bytes:
        return b""
