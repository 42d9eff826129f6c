"""Faults between a handler and AWS: lost responses, killed processes, refusals, outages.

They are injected below botocore's retries, around each HTTP request, so that botocore repeats a
request as it would on AWS. What responds to the request (moto, or a local AWS) is left as it is.

    with injected(Fault(Kind.RESPONSE_LOST, "UpdateItem", nth=2)) as network:
        handler(event, context)     # the second UpdateItem takes effect; its response is lost
    assert network.calls == ["GetItem", "UpdateItem", "UpdateItem", "UpdateItem"]
"""

import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.endpoint import Endpoint
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError
from botocore.retries.standard import ExponentialBackoff

from tests.support.engine import TaskError

ANY = "*"  # every operation
EVERY = sys.maxsize  # times: every call from the nth on


class Kind(StrEnum):
    """What happens to a request."""

    NOT_REACHED = "not reached"  # it does not reach AWS
    RESPONSE_LOST = "response lost"  # it takes effect, and its response is lost
    KILLED_BEFORE = "killed before"  # the process is killed before it is sent
    KILLED_AFTER = "killed after"  # the process is killed after it took effect
    REFUSED = "refused"  # the service denies access
    UNAVAILABLE = "unavailable"  # the service responds with a 503


@dataclass(frozen=True)
class Fault:
    """What happens to the nth call (from 1) of an operation, and to the next ones of `times`."""

    kind: Kind
    operation: str = ANY
    nth: int = 1
    times: int = 1

    def __str__(self) -> str:
        return f"{self.operation}-{self.nth} {self.kind}{' for ever' * (self.times == EVERY)}"

    def applies_to(self, calls: list[str]) -> bool:
        """Whether the last of the calls fails."""
        if self.operation not in (ANY, calls[-1]):
            return False
        number = len(calls) if self.operation == ANY else calls.count(self.operation)
        return 0 <= number - self.nth < self.times


class Killed(Exception):
    """The process is gone. (An exception, for s3transfer waits for ever for a BaseException.)"""


@dataclass
class Network:
    """The network between handlers and AWS: it records the calls, in their order, and has a fault.

    botocore's repetitions are calls. A killed process makes none.
    """

    fault: Fault | None = None
    calls: list[str] = field(default_factory=list)
    applied: bool = False
    _killed: bool = False
    _lock: Any = field(default_factory=threading.Lock)

    def invoke(self, handler: Callable[[Any, Any], Any], event: Any, context: Any) -> Any:
        """Call a handler as Lambda does: TaskError has the error name that the machine gets."""
        self._killed = False
        try:
            result = handler(event, context)
        except Exception as error:
            if not self._killed:
                raise TaskError(type(error).__name__, str(error)) from error
        if self._killed:
            raise TaskError("Runtime.ExitError", "Runtime exited with error: signal: killed")
        return result

    def send(self, operation: str, request: Any, forward: Callable[[], Any]) -> Any:
        """Send a request, unless the fault is in its way; a response or an exception, as a pair."""
        with self._lock:
            if self._killed:
                raise Killed
            self.calls.append(operation)
            kind = self.fault.kind if self.fault and self.fault.applies_to(self.calls) else None
            self.applied = self.applied or kind is not None
        match kind:
            case Kind.NOT_REACHED:
                return None, EndpointConnectionError(endpoint_url=request.url)
            case Kind.REFUSED:
                return _error(request, 403, "AccessDenied"), None
            case Kind.UNAVAILABLE:
                return _error(request, 503, "ServiceUnavailable"), None
            case Kind.KILLED_BEFORE:
                self._kill()
        response = forward()
        match kind:
            case Kind.KILLED_AFTER:
                self._kill()
            case Kind.RESPONSE_LOST:
                return None, ConnectionClosedError(endpoint_url=request.url)
        return response

    def _kill(self) -> None:
        self._killed = True
        raise Killed


@contextmanager
def injected(fault: Fault | None, *, except_for: Collection[str] = ()) -> Iterator[Network]:
    """A network with a fault, or with none: then it only records the calls.

    Calls of the services in `except_for` are neither recorded nor do they fail. Leaving it fails if
    the call that was to fail was never made.
    """
    network = Network(fault)
    forward = Endpoint._do_get_response

    def send(endpoint: Any, request: Any, operation: Any, context: Any) -> Any:
        if operation.service_model.service_name in except_for:
            return forward(endpoint, request, operation, context)
        return network.send(
            operation.name, request, lambda: forward(endpoint, request, operation, context)
        )

    with (
        patch.object(Endpoint, "_do_get_response", send),
        patch.object(ExponentialBackoff, "delay_amount", lambda *_: 0.0),
    ):
        yield network
    assert network.applied or fault is None, f"{fault} was not reached: {network.calls}"


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
