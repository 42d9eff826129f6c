"""The requests that `handlers/shared/aws_http` sends itself, through the same network.

A connection here is a socket pair without a server. What is sent is performed at once; the response
is there when the other end is read. So pauses take virtual time only, and a fault happens to a
request as below botocore.
"""

import io
import json
import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError, IncompleteReadError

from faults.network import Network
from faults.process import current_process, outside_of_processes
from handlers.shared.aws_http import batch_writer, blocking
from handlers.shared.aws_http.connection import Body, BrokenConnectionError, Connection, Response
from tests.support import s3_http

Client = Callable[[], Any]
Act = Callable[[Any], Any]  # from a request to what Network passes on


@contextmanager
def through(network: Callable[[], Network], dynamodb: Client) -> Iterator[None]:
    """Everything that is sent to S3, and BatchWriteItem."""

    def connect(url: str, _: int = 0) -> Connection:
        return _Connection(url, network, dynamodb)

    defaults = batch_writer.BatchWriter.__init__.__kwdefaults__
    with (
        patch.dict(defaults, {"connect": connect}),
        patch.object(blocking, "open_connection", connect),
        patch.object(
            batch_writer,
            "selectors",
            SimpleNamespace(
                DefaultSelector=_Selector,
                EVENT_READ=selectors.EVENT_READ,
                EVENT_WRITE=selectors.EVENT_WRITE,
            ),
        ),
    ):
        yield


class _Selector(selectors.DefaultSelector):
    """A pause without a response takes time of the process only."""

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        process = current_process()
        if not ready and timeout and process is not None:
            process.pause(timeout)
        return ready


class _Connection(Connection):
    """A connection to S3 or DynamoDB. Another process may use it later, in another network."""

    def __init__(self, url: str, network: Callable[[], Network], dynamodb: Client) -> None:
        own, self._other = socket.socketpair()
        own.setblocking(False)
        super().__init__(own, url, tls=False)
        self.established, self.wants_write = True, False
        self._url, self._network, self._dynamodb = url, network, dynamodb
        self._outcome: Response | OSError | None = None

    def close(self) -> None:
        super().close()
        self._other.close()

    def send(self, request: bytes, body: Body = ()) -> None:
        head, _, begun = request.partition(b"\r\n\r\n")
        self._outcome = self._perform(head.decode(), begun + b"".join(body))
        self._other.send(b".")  # there is something to read

    def advance(self) -> Response | None:
        self._sock.recv(1)
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, OSError):
            raise outcome
        self.reusable = True
        return outcome

    def _perform(self, head: str, body: bytes) -> Response | OSError:
        process = current_process()
        assert process is not None, "only functions use aws_http"
        headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
        act: Act
        if "X-Amz-Target" in headers:
            service, operation = "dynamodb", headers["X-Amz-Target"].rpartition(".")[2]
            act = self._batch_write
        else:
            service, operation = "s3", _s3_operation(head.splitlines()[0], headers)
            act = partial(_performed_by_s3, head)
        request = SimpleNamespace(url=self._url, body=body)
        response, failure = self._network().send(process, service, operation, 1, request, act)
        if failure is not None:
            return BrokenConnectionError("a fault")
        http, parsed = response
        try:
            return _as_http(service, http.status_code, parsed)
        except IncompleteReadError:
            return BrokenConnectionError("a fault")

    def _batch_write(self, request: Any) -> Any:
        return _performed(lambda: self._dynamodb().batch_write_item(**json.loads(request.body)))


def _s3_operation(request_line: str, headers: dict[str, str]) -> str:
    """The operation of S3 that a request is for, by botocore's name."""
    method, target, _ = request_line.split(" ")
    query = target.partition("?")[2]
    match method:
        case "GET":
            return "ListObjectsV2" if "list-type=2" in query else "GetObject"
        case "POST":
            return "CompleteMultipartUpload" if "uploadId=" in query else "CreateMultipartUpload"
        case "DELETE":
            return "AbortMultipartUpload"
    if "x-amz-copy-source" in headers:
        return "UploadPartCopy"
    return "UploadPart" if "uploadId=" in query else "PutObject"


def _performed_by_s3(head: str, request: Any) -> Any:
    """What moto responds, as `Network` passes it on."""
    with outside_of_processes():
        try:
            response = s3_http.perform(head, request.body)
        except KeyError:  # moto's response to a late part of an upload that is complete
            return (SimpleNamespace(status_code=404), {"Error": {"Code": "NoSuchUpload"}}), None
    http = SimpleNamespace(status_code=response.status)
    if response.status >= 300:
        code = response.content.decode().partition("<Code>")[2].partition("</Code>")[0]
        return (http, {"Error": {"Code": code}}), None
    headers = {name.encode(): value.encode() for name, value in response.headers.items()}
    return (http, {"Body": io.BytesIO(response.content), "Headers": headers}), None


def _performed(act: Callable[[], Any]) -> Any:
    """What moto responds, as `Network` passes it on."""
    try:
        with outside_of_processes():
            parsed = act()
    except ClientError as error:
        parsed = error.response
    status = parsed["ResponseMetadata"]["HTTPStatusCode"]
    return (SimpleNamespace(status_code=status), parsed), None


def _as_http(service: str, status: int, parsed: dict[str, Any]) -> Response:
    error = parsed.get("Error", {})
    code = error.get("Code", "")
    if service == "s3" and error:
        return Response(status, {}, f"<Code>{code}</Code>".encode())
    if service == "s3":
        return Response(status, parsed["Headers"], parsed["Body"].read())
    content = (
        {"__type": f"com.amazonaws#{code}", "message": error.get("Message", "")}
        if error
        else {"UnprocessedItems": parsed.get("UnprocessedItems", {})}
    )
    return Response(status, {}, json.dumps(content).encode())
