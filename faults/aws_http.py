"""The requests that `handlers/shared/aws_http` sends itself, through the same network.

A connection here is a socket pair without a server. What is sent is performed at once; the response
is there when the other end is read. So pauses take virtual time only, and a fault happens to a
request as below botocore.
"""

import json
import selectors
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

from botocore.exceptions import ClientError, IncompleteReadError

from faults.network import Network
from faults.process import current_process, outside_of_processes
from handlers.shared.aws_http import batch_writer, blocking
from handlers.shared.aws_http.connection import BrokenConnectionError, Connection, Response

Client = Callable[[], Any]
Act = Callable[[Any], Any]  # from a request to what Network passes on


@contextmanager
def through(network: Callable[[], Network], s3: Client, dynamodb: Client) -> Iterator[None]:
    """BatchWriteItem of the sensor workflow and the PUTs of the images workflow."""

    def connect(url: str, _: int = 0) -> Connection:
        return _Connection(url, network(), s3, dynamodb)

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
    """A connection to S3 or DynamoDB; of a bucket if the URL is one's."""

    def __init__(self, url: str, network: Network, s3: Client, dynamodb: Client) -> None:
        own, self._other = socket.socketpair()
        own.setblocking(False)
        super().__init__(own, url, tls=False)
        self.established, self.wants_write = True, False
        self._url, self._network, self._s3, self._dynamodb = url, network, s3, dynamodb
        self._outcome: Response | OSError | None = None
        self._failed = 0  # requests in a row that got no response, or one of a server's error

    def close(self) -> None:
        super().close()
        self._other.close()

    def send(self, request: bytes, body: Iterable[bytes] = ()) -> None:
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
        method, target, _ = head.splitlines()[0].split(" ")
        headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
        if method == "PUT":
            service, operation = "s3", "PutObject"
            act = self._put(target, headers)
        elif method == "GET":
            service, operation = "s3", "GetObject"
            act = self._get(target, headers)
        else:
            service, operation = "dynamodb", headers["X-Amz-Target"].rpartition(".")[2]
            act = self._batch_write
        request = SimpleNamespace(url=self._url, body=body)
        response, failure = self._network.send(process, service, operation, 1, request, act)
        if failure is not None:
            return BrokenConnectionError("a fault")
        http, parsed = response
        try:
            return _as_http(service, http.status_code, parsed)
        except IncompleteReadError:
            return BrokenConnectionError("a fault")

    def _batch_write(self, request: Any) -> Any:
        return _performed(lambda: self._dynamodb().batch_write_item(**json.loads(request.body)))

    def _put(self, target: str, headers: dict[str, str]) -> Act:
        return lambda request: _performed(
            lambda: self._s3().put_object(
                **_object(target, headers),
                Body=request.body,
                ContentType=headers["Content-Type"],
                Metadata={"run": headers["x-amz-meta-run"]},
            )
        )

    def _get(self, target: str, headers: dict[str, str]) -> Act:
        names = {"Range": "Range", "If-Match": "IfMatch"}
        options = {names[name]: value for name, value in headers.items() if name in names}
        if version := target.partition("?versionId=")[2]:
            options["VersionId"] = unquote(version)
        return lambda _: _performed(
            lambda: self._s3().get_object(**_object(target, headers), **options)
        )


def _object(target: str, headers: dict[str, str]) -> dict[str, str]:
    """The object that a request is for: a bucket is in the name of the host."""
    bucket = headers["Host"].partition(".s3")[0]
    return {"Bucket": bucket, "Key": unquote(target.partition("?")[0]).removeprefix("/")}


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
        body = parsed["Body"].read() if "Body" in parsed else b""
        names = {
            "ETag": b"etag",
            "ContentRange": b"content-range",
            "VersionId": b"x-amz-version-id",
        }
        found = {header: parsed[name].encode() for name, header in names.items() if name in parsed}
        return Response(status, found, body)
    content = (
        {"__type": f"com.amazonaws#{code}", "message": error.get("Message", "")}
        if error
        else {"UnprocessedItems": parsed.get("UnprocessedItems", {})}
    )
    return Response(status, {}, json.dumps(content).encode())
