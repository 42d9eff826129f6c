"""The network between functions and AWS: it records each call, and a fault happens to some.

Faults are injected around each HTTP request, below botocore's retries, so that botocore repeats a
request as it would on AWS. What no function sends (the checks, the preparation) passes untouched.
"""

import copy
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.endpoint import Endpoint
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff

from faults.address import Call, Fault
from faults.kinds import Kind
from faults.process import Process, current_process
from faults.virtual_time import Timeline

# The error codes that services respond with, and the status of a throttled request.
_THROTTLED = {
    "s3": ("SlowDown", 503),
    "dynamodb": ("ProvisionedThroughputExceededException", 400),
    "ses": ("Throttling", 400),
}
_LATENCY = 0.02  # seconds of a request; others act meanwhile
_DELAY = 10.0  # seconds by which a request is late, for a function that is over or has repeated it
Response = tuple[Any, Exception | None]
# What takes the place of a service that moto does not have as this tool needs it: parameters to
# response, or a ServiceError.
Service = Callable[[str, dict[str, Any]], dict[str, Any]]


class ServiceError(Exception):
    """An error response of a service, by its error code."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.status = code, status


class Network:
    """What functions send, in order, and what happens to it."""

    def __init__(self, timeline: Timeline, faults: tuple[Fault, ...]) -> None:
        self.timeline = timeline
        self.faults = faults
        self.services: dict[str, Service] = {}
        self.after_mail: Callable[[], None] = lambda: None  # SES has accepted one
        self.calls: list[Call] = []
        self.applied: set[Fault] = set()

    def note(self, call: Call, attempt: int = 1) -> Fault | None:
        """Record a call, and say which fault happens to it."""
        if attempt == 1:
            self.calls.append(call)
        for fault in self.faults:
            if fault.applies_to(call, attempt):
                self.applied.add(fault)
                return fault
        return None

    def send(
        self, process: Process, service: str, operation: str, attempt: int, request: Any,
        forward: Callable[[Any], Response],
    ) -> Response:  # fmt: skip
        process.check_alive()
        process.pause(_LATENCY)
        fault = self.note(process.call(f"{service}:{operation}", attempt), attempt)
        if fault is None:
            return forward(request)
        match fault.kind:
            case Kind.THROTTLED:
                return _error(request, *_THROTTLED.get(service, ("ThrottlingException", 400)))
            case Kind.UNAVAILABLE:
                return _error(request, "InternalServerError", 500)
            case Kind.DENIED:
                return _error(request, "AccessDeniedException", 403)
            case Kind.KILLED_BEFORE:
                process.kill("Runtime.ExitError")
            case Kind.SLOW:
                late = _kept(request)
                self.timeline.after(process.remaining + _DELAY, lambda: forward(late))
                process.pause(process.remaining + 1)
            case Kind.DELAYED:
                late = _kept(request)
                self.timeline.after(_DELAY, lambda: forward(late))
                return None, ReadTimeoutError(endpoint_url=request.url)
            case Kind.PARTLY:
                return _partly(request, forward)
        response = forward(request)
        match fault.kind:
            case Kind.KILLED_AFTER:
                process.kill("Runtime.ExitError")
            case Kind.LOST:
                return None, ConnectionClosedError(endpoint_url=request.url)
            case Kind.TRUNCATED:
                return _truncated(response)
        raise AssertionError(f"{fault} cannot happen to a call of a function")


@contextmanager
def between_functions_and_aws(network: Callable[[], Network]) -> Iterator[None]:
    """Requests of functions go through the network; botocore's own pauses are fixed."""
    forward = Endpoint._do_get_response

    def send(endpoint: Any, request: Any, operation: Any, context: Any) -> Response:
        process = current_process()
        if process is None:
            response: Response = forward(endpoint, request, operation, context)
            return response
        service = str(operation.service_model.service_name)
        substitute = network().services.get(service)

        def respond(request: Any) -> Response:
            if substitute is None:
                response, failure = forward(endpoint, request, operation, context)
                if operation.name == "SendEmail" and response[0].status_code == 200:
                    network().after_mail()
                return response, failure
            try:
                parsed = substitute(operation.name, _parameters(request, operation))
            except ServiceError as error:
                return _error(request, error.code, error.status)
            metadata = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RequestId": "request"}
            response = AWSResponse(request.url, 200, {}, _Empty())
            return (response, parsed | {"ResponseMetadata": metadata}), None

        attempt = context.get("retries", {}).get("attempt", 1)
        return network().send(process, service, operation.name, attempt, request, respond)

    with (
        patch.object(Endpoint, "_do_get_response", send),
        patch.object(ExponentialBackoff, "delay_amount", lambda *_: 0.5),
        # A client has a limited number of retries; the clients here are used by thousands of cases.
        patch.object(RetryQuota, "acquire", lambda *_: True),
    ):
        yield


def _parameters(request: Any, operation: Any) -> dict[str, Any]:
    body = request.body or b"{}"
    parameters: dict[str, Any] = json.loads(body)
    if operation.service_model.metadata["protocol"] == "rest-json":
        parameters["Name"] = request.url.rpartition("/")[2].partition("?")[0]
    return parameters


def _error(request: Any, code: str, status: int) -> Response:
    parsed = {
        "Error": {"Code": code, "Message": "a fault"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}, "RequestId": "request"},
    }
    return (AWSResponse(request.url, status, {}, _Empty()), parsed), None


def _kept(request: Any) -> Any:
    """A copy of the request whose body is still there after a repetition has been sent."""
    kept = copy.copy(request)
    if hasattr(request.body, "read"):
        kept.body = request.body.read()
        request.body.seek(0)
    return kept


def _truncated(response: Response) -> Response:
    """The response, its body cut in the middle; an error has none."""
    (http, parsed), _ = response
    if "Body" not in parsed:
        return response
    body = parsed["Body"].read()
    parsed["Body"] = StreamingBody(io.BytesIO(body[: len(body) // 2]), len(body))
    return (http, parsed), None


def _partly(request: Any, forward: Callable[[Any], Response]) -> Response:
    """The response to a batch of which only the first half, rounded down, takes effect."""
    batch = json.loads(request.body)
    if "Entries" in batch:  # PutEvents
        entries = batch["Entries"]
        done = len(entries) // 2
        refused = [{"ErrorCode": "InternalFailure", "ErrorMessage": "a fault"}] * (
            len(entries) - done
        )
        response, failure = _forwarded(request, {"Entries": entries[:done]}, done, forward)
        response[1]["FailedEntryCount"] = len(refused)
        response[1]["Entries"] = [*response[1].get("Entries", []), *refused]
        return response, failure
    ((table, writes),) = batch["RequestItems"].items()
    done = len(writes) // 2
    items = {"RequestItems": {table: writes[:done]}}
    response, failure = _forwarded(request, items, done, forward)
    response[1]["UnprocessedItems"] = {table: writes[done:]}
    return response, failure


def _forwarded(
    request: Any, batch: dict[str, Any], size: int, forward: Callable[[Any], Response]
) -> Response:
    """Send a smaller batch, unless it is empty."""
    if not size:
        metadata = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RequestId": "request"}
        return (AWSResponse(request.url, 200, {}, _Empty()), {"ResponseMetadata": metadata}), None
    smaller = copy.copy(request)
    smaller.body = json.dumps(batch).encode()
    return forward(smaller)


class _Empty:
    """A body without content."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield b""

    def read(self, *_: Any) -> bytes:
        return b""


def places(calls: list[Call]) -> Counter[tuple[str, str]]:
    return Counter(call.place for call in calls)
