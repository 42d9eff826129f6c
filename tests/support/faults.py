"""Faults between a handler and AWS: responses that are lost, and processes that are killed.

They are injected below botocore's retries, around each HTTP request, so that botocore repeats a
request as it would on AWS. What answers the request (moto, or a local AWS) is left as it is.

    with injected(Fault.RESPONSE_LOST, "UpdateItem", nth=2) as calls:
        handler(event, context)     # the second UpdateItem takes effect; nobody hears of it
    assert calls == ["GetItem", "UpdateItem", "UpdateItem", "UpdateItem"]
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any
from unittest.mock import patch

from botocore.endpoint import Endpoint
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError
from botocore.retries.standard import ExponentialBackoff

ANY = "*"  # every operation
EVERY = 0  # every call of the operation


class Killed(BaseException):
    """The end of a Lambda function's process: no `except Exception` of a handler sees it."""


class Fault(Enum):
    """What happens to a request."""

    NOT_REACHED = "it does not reach AWS"
    RESPONSE_LOST = "it takes effect, and its response is lost"
    KILLED_BEFORE = "the process is killed before it is sent"
    KILLED_AFTER = "the process is killed after it took effect, before its response is read"


@contextmanager
def injected(fault: Fault | None, operation: str = ANY, nth: int = 1) -> Iterator[list[str]]:
    """Let the nth call (from 1, or EVERY) of an operation fail; botocore's repetitions are calls.

    Yields the operations that are called, in their order. Without a fault it only records them.
    Leaving it fails if the call that was to fail was never made.
    """
    calls: list[str] = []
    hits: list[int] = []
    send, lock = Endpoint._do_get_response, threading.Lock()

    def send_or_fail(endpoint: Any, request: Any, model: Any, context: Any) -> Any:
        with lock:
            calls.append(model.name)
            seen = sum(operation in (ANY, name) for name in calls)
            hit = fault is not None and operation in (ANY, model.name) and nth in (EVERY, seen)
            hits.extend([seen] * hit)
        if not hit:
            return send(endpoint, request, model, context)
        if fault is Fault.KILLED_BEFORE:
            raise Killed
        if fault is Fault.NOT_REACHED:
            return None, EndpointConnectionError(endpoint_url=request.url)
        send(endpoint, request, model, context)
        if fault is Fault.KILLED_AFTER:
            raise Killed
        return None, ConnectionClosedError(endpoint_url=request.url)

    def at_once(*_: Any) -> float:
        return 0.0

    with (
        patch.object(Endpoint, "_do_get_response", send_or_fail),
        patch.object(ExponentialBackoff, "delay_amount", at_once),
    ):
        yield calls
    assert hits or fault is None, f"{operation} was not called {nth} times, but: {calls}"
