"""Objects are read in parts, each complete and of the same object."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from handlers.shared.aws_http import blocking, object_reader, s3
from handlers.shared.aws_http.connection import Connection
from handlers.shared.errors import AwsUnavailableError, error_code, http_status
from tests.support.time_limits import shorten_time_limit

REQUEST = {"Bucket": "bucket", "Key": "a/b ü.csv"}
CONTENT = bytes(range(100)) * 10
Response = bytes | None  # None: the connection is closed


class Bucket:
    """S3 on socket pairs, with one object. `faults` change the responses to the nth requests."""

    def __init__(self, content: bytes = CONTENT, version: str = "") -> None:
        self.content = content
        self.version = version
        self.etag = "one"
        self.requests: list[dict[str, str]] = []
        self.faults: dict[int, Callable[[bytes], Response]] = {}
        self.open: list[Connection] = []

    def connect(self, url: str, attempt: int) -> Connection:
        own, server = socket.socketpair()
        own.setblocking(False)
        threading.Thread(target=self._serve, args=(server,), daemon=True).start()
        self.open.append(Connection(own, "bucket", tls=False))
        return self.open[-1]

    def _serve(self, connection: socket.socket) -> None:
        # The client may close the connection at any time.
        with suppress(OSError), connection, connection.makefile("rb") as received:
            while line := received.readline():
                headers = {"target": line.decode().split()[1]}
                while (line := received.readline()) != b"\r\n":
                    name, _, value = line.decode().strip().partition(": ")
                    headers[name.lower()] = value
                self.requests.append(headers)
                fault = self.faults.get(len(self.requests), lambda response: response)
                if (response := fault(self._response(headers))) is None:
                    return
                connection.sendall(response)

    def _response(self, request: dict[str, str]) -> bytes:
        size = len(self.content)
        if request.get("if-match", f'"{self.etag}"') != f'"{self.etag}"':
            return error(412, "PreconditionFailed")
        own = {"ETag": f'"{self.etag}"', "x-amz-version-id": self.version or "null"}
        if "range" not in request:
            return http(200, self.content, **own)
        first, last = map(int, request["range"].removeprefix("bytes=").split("-"))
        if first >= size:
            return error(416, "InvalidRange")
        last = min(last, size - 1)
        own["Content-Range"] = f"bytes {first}-{last}/{size}"
        return http(206, self.content[first : last + 1], **own)


def http(status: int, body: bytes, **headers: str) -> bytes:
    fields = {"Content-Length": str(len(body))} | headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body


def error(status: int, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>It is {code}</Message></Error>"
    return http(status, body.encode())


def returned(first: int, body: bytes) -> bytes:
    """A part that was not asked for."""
    span = f"bytes {first}-{first + len(body) - 1}/{len(CONTENT)}"
    return http(206, body, **{"ETag": '"one"', "Content-Range": span})


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with in_use(Bucket()) as one:
        yield one


@contextmanager
def in_use(bucket: Bucket) -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking, "open_connection", bucket.connect)
        patch.setattr(s3, "_BACKOFF", lambda _: 0.0)
        yield bucket


def opened(byte_range: tuple[int, int] | None = None, part: int = 300, **pins: str) -> Any:
    return object_reader.open_object(REQUEST | pins, byte_range, part=part)


def read(byte_range: tuple[int, int] | None = None, part: int = 300, **pins: str) -> bytes:
    return b"".join(opened(byte_range, part, **pins)[1])


@given(st.binary(max_size=50), st.integers(1, 60), st.data())
def test_the_content_is_that_of_the_object(content: bytes, part: int, data: st.DataObject) -> None:
    with in_use(Bucket(content)):
        assert read(part=part) == content
        if content:
            start = data.draw(st.integers(0, len(content) - 1))
            stop = data.draw(st.integers(start + 1, len(content) + 9))
            assert read((start, stop), part) == content[start:stop]


def test_all_parts_are_of_the_object_that_was_found_first(bucket: Bucket) -> None:
    bucket.version = "v/1"

    pins, parts = opened()
    assert b"".join(parts) == CONTENT

    assert pins == {"ETag": '"one"', "VersionId": "v/1"}
    assert "if-match" not in bucket.requests[0]
    assert {request["if-match"] for request in bucket.requests[1:]} == {'"one"'}
    assert bucket.requests[0]["target"].endswith("/a/b%20%C3%BC.csv")
    assert {one["target"].partition("?")[2] for one in bucket.requests[1:]} == {"versionId=v%2F1"}
    assert len(bucket.requests) == 4
    assert len(bucket.open) == 1


def test_a_pinned_object_is_asked_for(bucket: Bucket) -> None:
    assert read(VersionId="v2", IfMatch='"one"') == CONTENT
    assert {request["if-match"] for request in bucket.requests} == {'"one"'}
    assert all(request["target"].endswith("?versionId=v2") for request in bucket.requests)


def test_the_next_part_is_requested_while_one_is_processed(bucket: Bucket) -> None:
    _, parts = opened()
    next(parts)
    (connection,) = bucket.open
    # The response to a request that was sent already arrives.
    for _ in range(500):
        if not connection.is_silent():
            break
        time.sleep(0.01)
    assert len(bucket.requests) == 2
    parts.close()


def test_nothing_stays_open_if_the_rest_is_not_read(bucket: Bucket) -> None:
    _, parts = opened()
    next(parts)
    parts.close()
    assert [connection.fileno() for connection in bucket.open] == [-1]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda _: None, id="closed"),
        pytest.param(lambda _: b"HTTP/1.1 20", id="broken-off"),
        pytest.param(lambda response: response[:-1], id="truncated"),
        pytest.param(lambda response: response + b"x", id="surplus"),
        pytest.param(lambda _: error(500, "InternalError"), id="500"),
        pytest.param(lambda _: error(503, "SlowDown"), id="slow-down"),
        pytest.param(lambda _: error(400, "RequestTimeout"), id="request-timeout"),
        pytest.param(lambda _: http(200, CONTENT, ETag='"one"'), id="range-ignored"),
        pytest.param(lambda _: returned(5, CONTENT[5:305]), id="another-range"),
        pytest.param(lambda _: returned(0, CONTENT[:299]), id="less"),
        pytest.param(lambda r: r.replace(b"Length: 300", b"Length: 301") + b"x", id="more"),
        pytest.param(lambda r: r.replace(b'"one"', b'"two"'), id="another-object"),
        pytest.param(lambda r: r.replace(b"ETag", b"Etig"), id="no-etag"),
    ],
)
@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_part_is_requested_again(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, fault: Any, number: int
) -> None:
    shorten_time_limit(monkeypatch, lambda: len(bucket.requests), of=(number - 1,))
    bucket.faults[number] = fault

    assert read(IfMatch='"one"') == CONTENT
    assert len(bucket.requests) == 5


def test_s3_counts_as_unavailable_after_four_attempts(bucket: Bucket) -> None:
    bucket.faults = dict.fromkeys(range(3, 9), lambda _: error(503, "SlowDown"))
    _, parts = opened()

    with pytest.raises(AwsUnavailableError, match=r"reading s3://bucket/a/b ü\.csv: .*SlowDown"):
        list(parts)
    assert len(bucket.requests) == 6
    assert {connection.fileno() for connection in bucket.open} == {-1}


def test_a_host_that_cannot_be_reached_counts_as_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> Connection:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(blocking, "open_connection", refuse)
    monkeypatch.setattr(s3, "_BACKOFF", lambda _: 0.0)
    with pytest.raises(AwsUnavailableError, match="nobody listens"):
        read()


@pytest.mark.parametrize(
    ("status", "code"), [(404, "NoSuchKey"), (403, "AccessDenied"), (405, "MethodNotAllowed")]
)
def test_other_errors_are_those_of_botocore(bucket: Bucket, status: int, code: str) -> None:
    bucket.faults[1] = lambda _: error(status, code)

    with pytest.raises(ClientError, match=f"It is {code}") as raised:
        read()
    assert (http_status(raised.value), error_code(raised.value)) == (status, code)
    assert len(bucket.requests) == 1
    assert {connection.fileno() for connection in bucket.open} == {-1}


def test_an_object_that_is_replaced_meanwhile_is_noticed(bucket: Bucket) -> None:
    _, parts = opened()
    next(parts)
    bucket.etag = "two"
    with pytest.raises(ClientError) as raised:
        list(parts)
    assert http_status(raised.value) == 412


def test_a_range_that_is_not_in_the_object_is_an_error(bucket: Bucket) -> None:
    with pytest.raises(ClientError, match="InvalidRange"):
        read((5_000, 6_000))
