"""Random faults between functions, machines and the local AWS, injected in its own process.

Now and then a request of a function meets a fault: it is throttled, or refused with a 503, or it
takes effect and its response breaks off or is a 503, or the process that sent it is killed before
or after it took effect. Or a call of a machine does: it is refused, or it takes effect and the
machine gets no response. The SDK, Lambda and the machines have to cope with it. Requests of other
clients, such as the tests themselves, meet none.

There are faults as long as the file to which they are written exists.
"""

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil
from ministack import app as ministack
from ministack.core.iam_evaluator import AuthError
from ministack.core.router import extract_access_key_id
from ministack.services import stepfunctions as sfn

from local.server.authentication import Request
from local.server.guard import App, Message, Receive, Scope, Send

ROOT_KEY = "test"
MACHINE = "a machine"  # the service of a fault that a call of a machine meets


class Kind(StrEnum):
    """What happens to a request."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    RESPONSE_LOST = "response lost"
    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"


KINDS = list(Kind)
# Error codes of throttling that botocore repeats a request for.
CODES = {"dynamodb": "ThrottlingException", "s3": "SlowDown", "ses": "Throttling"}
# The error name of a task whose call fails, by its service: see statemachines/error-names.yml.
MACHINE_ERRORS = {
    "lambda": {
        Kind.THROTTLED: "Lambda.TooManyRequestsException",
        Kind.UNAVAILABLE: "Lambda.ServiceException",
        Kind.RESPONSE_LOST: "Lambda.SdkClientException",
    },
    "sqs": {
        Kind.THROTTLED: "SQS.AmazonSQSException",
        Kind.UNAVAILABLE: "SQS.AmazonSQSException",
        Kind.RESPONSE_LOST: "SQS.SdkClientException",
    },
    "sns": {
        Kind.THROTTLED: "SNS.ThrottledException",
        Kind.UNAVAILABLE: "SNS.InternalErrorException",
        Kind.RESPONSE_LOST: "SNS.SdkClientException",
    },
    "events": {
        Kind.THROTTLED: "EventBridge.ThrottlingException",
        Kind.UNAVAILABLE: "EventBridge.InternalException",
        Kind.RESPONSE_LOST: "EventBridge.SdkClientException",
    },
    "dynamodb": {
        Kind.THROTTLED: "DynamoDB.ThrottlingException",
        Kind.UNAVAILABLE: "DynamoDB.InternalServerErrorException",
        Kind.RESPONSE_LOST: "DynamoDB.SdkClientException",
    },
    "sfn": {
        Kind.THROTTLED: "Sfn.SfnException",
        Kind.UNAVAILABLE: "Sfn.SfnException",
        Kind.RESPONSE_LOST: "Sfn.SdkClientException",
    },
}
# While a task waits for its callback, a lost response would be one that comes much later.
CALLBACK_KINDS = (Kind.THROTTLED, Kind.UNAVAILABLE)


class Faults:
    """Passes requests on to the app; every `seconds`, on average, one of a function fails.

    Or a call of a machine: `machines` is what runs them.
    """

    def __init__(
        self,
        app: App,
        seed: int,
        seconds: float,
        log: Path,
        clock: Callable[[], float] = time.monotonic,
        machines: Any = sfn,
    ) -> None:
        self.app = app
        self.log = log
        self._random = random.Random(seed)
        self._seconds = seconds
        self._clock = clock
        self._next = 0.0
        self._lock = threading.Lock()  # machines call in threads of their own
        self._reach(machines)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = self._due(KINDS) if is_of_a_function(scope) else None
        if kind is None:
            await self.app(scope, receive, send)
            return
        request = Request.from_scope(scope)
        service = request.headers["authorization"].split("/")[3]
        match kind:
            case Kind.THROTTLED | Kind.UNAVAILABLE:
                await _refuse(send, request, service, kind)
            case Kind.RESPONSE_LOST:
                await break_off(self.app, scope, receive, send)
            case Kind.KILLED_BEFORE:
                await asyncio.to_thread(_kill, scope["client"][1])
            case Kind.KILLED_AFTER:
                await self.app(scope, receive, _ignore)
                await asyncio.to_thread(_kill, scope["client"][1])
        operation = request.headers.get("x-amz-target", f"{request.method} {request.path}")
        self._note(kind, service, operation)

    def _due(self, kinds: Sequence[Kind]) -> Kind | None:
        """The fault that this request meets; None for most requests."""
        with self._lock:
            if self._clock() < self._next or not self.log.exists():
                return None
            self._next = self._clock() + self._seconds * self._random.uniform(0.5, 1.5)
            return self._random.choice(kinds)

    def _note(self, kind: Kind, service: str, operation: str) -> None:
        with self._lock, self.log.open("a") as log:
            log.write(json.dumps({"kind": kind, "service": service, "operation": operation}) + "\n")

    def _reach(self, machines: Any) -> None:
        """From now on, calls of machines meet faults, too."""
        call, call_with_token = machines._invoke_resource, machines._invoke_with_callback

        def invoke(resource: str, data: Any) -> Any:
            errors = MACHINE_ERRORS.get(_service(resource))
            kind = self._due(list(errors)) if errors else None
            if errors is None or kind is None:
                return call(resource, data)
            if kind is Kind.RESPONSE_LOST:
                with suppress(sfn._ExecutionError):
                    call(resource, data)
            self._note(kind, MACHINE, resource)
            raise sfn._ExecutionError(errors[kind], "by a test")

        def invoke_with_token(resource: str, data: Any, token: str, state: Any) -> Any:
            errors = MACHINE_ERRORS.get(_service(resource))
            kind = self._due(CALLBACK_KINDS) if errors else None
            if errors is None or kind is None:
                return call_with_token(resource, data, token, state)
            self._note(kind, MACHINE, resource)
            raise sfn._ExecutionError(errors[kind], "by a test")

        machines._invoke_resource, machines._invoke_with_callback = invoke, invoke_with_token


def _service(resource: str) -> str:
    """The service that a task calls: of `arn:aws:states:::aws-sdk:sfn:startExecution`, sfn."""
    if sfn._extract_lambda_ref(resource):
        return "lambda"
    parts = resource.split(":")[5:]
    return next((part for part in parts if part in MACHINE_ERRORS), "")


def is_of_a_function(scope: Scope) -> bool:
    if scope["type"] != "http":
        return False
    request = Request.from_scope(scope)
    key = extract_access_key_id(request.headers, request.query)
    return bool(key) and key != ROOT_KEY and "authorization" in request.headers


async def _refuse(send: Send, request: Request, service: str, kind: Kind) -> None:
    code = CODES.get(service, "ThrottlingException")
    if kind is Kind.UNAVAILABLE:
        code = "ServiceUnavailable"
    error = AuthError(code, "by a test")
    # An error in the form of the service, as ministack refuses credentials.
    _, headers, body = ministack._credential_failure(service, "", "", error, request.headers)
    status = 503 if kind is Kind.UNAVAILABLE or code == "SlowDown" else 400
    await ministack._send_response(send, status, headers, body, head=request.method == "HEAD")


async def break_off(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Half of the response's body, then the server closes the connection; without a body, a 503."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    body = b"".join(message.get("body", b"") for message in messages[1:])
    if not body or scope["method"] == "HEAD":
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    await send(messages[0])
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})


async def _ignore(message: Message) -> None:
    pass


def _kill(port: int) -> None:
    """Kill the worker whose end of the connection has this port."""
    for worker in psutil.Process().children():
        try:
            if any(c.laddr and c.laddr.port == port for c in worker.net_connections("tcp")):
                worker.kill()
                return
        except psutil.Error:  # it has ended in the meantime
            continue
