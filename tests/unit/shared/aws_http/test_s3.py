"""Requests to S3: what is sent, and which responses count."""

import hashlib
import io
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from handlers.shared.aws_http import blocking, s3
from handlers.shared.aws_http.connection import Connection
from handlers.shared.aws_http.s3 import Bucket, shared_bucket
from handlers.shared.errors import AwsRequestRefusedError, AwsUnavailableError, error_code
from tests.support.dynamodb_http import serve
from tests.support.time_limits import shorten_time_limit

KEY = "a/b ü&<>.csv"
ETAG = '"0123"'


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    fields = {"Content-Length": str(len(body))} | headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body


def error(status: int, code: str) -> bytes:
    return http(status, f"<Error><Code>{code}</Code><Message>It is</Message></Error>".encode())


class Server:
    """S3 on socket pairs: responds with the `responses`, the last one again and again."""

    def __init__(self) -> None:
        self.responses: list[bytes | None] = [http(200)]  # None: the connection is closed
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self._lock = threading.Lock()

    def connect(self, url: str, attempt: int) -> Connection:
        own, server = socket.socketpair()
        own.setblocking(False)
        self.connections += 1
        threading.Thread(target=serve, args=(server, self._respond), daemon=True).start()
        return Connection(own, "s3", tls=False)

    def _respond(self, head: bytes, body: bytes) -> bytes | None:
        with self._lock:
            self.heads.append(head.decode().removesuffix("\r\n"))
            self.bodies.append(body)
            return self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]

    @property
    def requests(self) -> list[tuple[str, str, dict[str, list[str]]]]:
        """Method, key and query of each request."""
        lines = [head.splitlines()[0].split(" ") for head in self.heads]
        return [
            (
                method,
                unquote(urlsplit(target).path)[1:],
                parse_qs(urlsplit(target).query, keep_blank_values=True),
            )
            for method, target, _ in lines
        ]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    one = Server()
    monkeypatch.setattr(blocking, "open_connection", one.connect)
    monkeypatch.setattr(s3, "_BACKOFF", lambda _: 0.0)
    return one


@pytest.mark.parametrize(
    ("content", "size"),
    [(b"content", None), (bytearray(b"content"), None), (io.BytesIO(b"content"), 7)],
    ids=["bytes", "bytearray", "file"],
)
def test_an_object_is_put(server: Server, content: Any, size: int | None) -> None:
    Bucket("bucket").put(KEY, content, size=size, headers=(("Content-Type", "text/csv"),))

    assert server.requests == [("PUT", KEY, {})]
    assert server.bodies == [b"content"]
    assert "Content-Type: text/csv\r\n" in server.heads[0]
    # S3 refuses a body with another hash.
    assert f"x-amz-content-sha256: {hashlib.sha256(b'content').hexdigest()}" in server.heads[0]


def listed(*objects: tuple[str, int], token: str = "") -> bytes:
    contents = "".join(
        f"<Contents><Key>{key}</Key><ETag>&quot;1&quot;</ETag><Size>{size}</Size></Contents>"
        for key, size in objects
    )
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    truncated = f"<IsTruncated>{'true' if token else 'false'}</IsTruncated>"
    return http(200, f"<ListBucketResult>{truncated}{more}{contents}</ListBucketResult>".encode())


def test_a_list_has_all_pages(server: Server) -> None:
    server.responses = [listed(("a/1", 10), ("a/%C3%BC+%2B", 0), token="t/+="), listed(("a/3", 5))]

    assert list(Bucket("bucket").list("a/ü")) == [("a/1", 10), ("a/ü +", 0), ("a/3", 5)]
    first, second = (query for _, _, query in server.requests)
    assert first == {"list-type": ["2"], "encoding-type": ["url"], "prefix": ["a/ü"]}
    assert second == first | {"continuation-token": ["t/+="]}


def test_an_empty_list(server: Server) -> None:
    server.responses = [listed()]
    assert list(Bucket("bucket").list("a/")) == []


def uploaded(bucket: Bucket) -> None:
    upload = bucket.create_upload(KEY, "text/csv")
    etags = [
        bucket.upload_part(KEY, upload, 1, b"one"),
        bucket.copy_part(KEY, upload, 2, ("other", KEY), 10, 20),
    ]
    bucket.complete_upload(KEY, upload, etags)
    bucket.abort_upload(KEY, upload)


UPLOAD = [
    http(200, b"<R><UploadId>u/+=</UploadId></R>"),
    http(200, ETag=ETAG),
    http(200, b"<CopyPartResult><ETag>&quot;4567&quot;</ETag></CopyPartResult>"),
    http(200, b"<CompleteMultipartUploadResult><ETag>&quot;8&quot;</ETag></R>"),
    http(204),
]


def test_an_object_is_uploaded_in_parts(server: Server) -> None:
    server.responses = [*UPLOAD]

    uploaded(Bucket("bucket"))

    upload = {"uploadId": ["u/+="]}
    assert server.requests == [
        ("POST", KEY, {"uploads": [""]}),
        ("PUT", KEY, {"partNumber": ["1"]} | upload),
        ("PUT", KEY, {"partNumber": ["2"]} | upload),
        ("POST", KEY, upload),
        ("DELETE", KEY, upload),
    ]
    assert "x-amz-copy-source: other/a/b%20%C3%BC%26%3C%3E.csv\r\n" in server.heads[2]
    assert "x-amz-copy-source-range: bytes=10-19\r\n" in server.heads[2]
    assert server.bodies[3] == (
        b"<CompleteMultipartUpload>"
        b'<Part><PartNumber>1</PartNumber><ETag>"0123"</ETag></Part>'
        b'<Part><PartNumber>2</PartNumber><ETag>"4567"</ETag></Part>'
        b"</CompleteMultipartUpload>"
    )
    assert server.connections == 1


FAULTS = [
    pytest.param(None, id="closed"),
    pytest.param(b"HTTP/1.1 20", id="broken-off"),
    pytest.param(error(500, "InternalError"), id="500"),
    pytest.param(error(503, "SlowDown"), id="slow-down"),
    pytest.param(error(400, "RequestTimeout"), id="request-timeout"),
    pytest.param(error(200, "InternalError"), id="200-with-an-error"),
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", range(len(UPLOAD)))
def test_any_request_is_repeated(
    server: Server, monkeypatch: pytest.MonkeyPatch, fault: bytes | None, number: int
) -> None:
    monkeypatch.setattr(s3, "_COPY_SECONDS", blocking.READ_SECONDS)
    shorten_time_limit(monkeypatch, lambda: len(server.heads), of=(number, number + 1))
    server.responses = [*UPLOAD[:number], fault, fault, *UPLOAD[number:]]

    uploaded(Bucket("bucket"))

    assert len(server.heads) == len(UPLOAD) + 2


@pytest.mark.parametrize(
    ("response", "call"),
    [
        (http(200, b"<R></R>"), lambda bucket: bucket.create_upload(KEY, "text/csv")),
        (http(200), lambda bucket: bucket.upload_part(KEY, "u", 1, b"x")),
        (http(200), lambda bucket: bucket.copy_part(KEY, "u", 1, ("b", "k"), 0, 9)),
        (http(200, b" \n"), lambda bucket: bucket.complete_upload(KEY, "u", [])),
        (http(200, b"<ListBucketResult>"), lambda bucket: list(bucket.list(""))),
        (
            http(200, b"<IsTruncated>true</IsTruncated>"),
            lambda bucket: list(bucket.list("")),
        ),
        (http(200, b"more")[:-1], lambda bucket: bucket.put(KEY, b"x")),
        (http(200) + b"surplus", lambda bucket: bucket.put(KEY, b"x")),
    ],
    ids=["create", "part", "copy", "complete", "list", "page", "short", "surplus"],
)
def test_a_response_that_does_not_say_what_was_done_does_not_count(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    response: bytes,
    call: Callable[[Bucket], Any],
) -> None:
    monkeypatch.setattr(s3, "_COPY_SECONDS", blocking.READ_SECONDS)
    shorten_time_limit(monkeypatch, lambda: len(server.heads), of=range(4))
    server.responses = [response]

    with pytest.raises(AwsUnavailableError, match=r"(writing|reading) s3://bucket/"):
        call(Bucket("bucket"))
    assert len(server.heads) == 4


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (404, "NoSuchUpload"), (307, "TemporaryRedirect")]
)
def test_a_refused_request_is_not_repeated(server: Server, status: int, code: str) -> None:
    server.responses = [error(status, code)]

    with pytest.raises(AwsRequestRefusedError, match="UploadPart") as raised:
        Bucket("bucket").upload_part(KEY, "u", 1, b"x")
    assert error_code(raised.value) == code
    assert len(server.heads) == 1


def test_text_in_xml_is_decoded_once(server: Server) -> None:
    text = b"&lt;a&gt; &quot;b&quot; &apos;c&apos; &#38;#34; &#x27;&#xFC;&#39; &amp;lt; &other;"
    server.responses = [http(200, b"<R><UploadId>" + text + b"</UploadId></R>")]

    upload = Bucket("bucket").create_upload(KEY, "text/csv")

    assert upload == "<a> \"b\" 'c' &#34; 'ü' &lt; &other;"


def test_a_broken_connection_is_not_the_first_of_many(server: Server) -> None:
    """After a pause of the function, all of its idle connections may be broken."""
    bucket = Bucket("bucket")
    begun = [bucket.begin(s3.Request("PutObject", "PUT", KEY)) for _ in range(6)]
    for connection in begun:
        bucket.perform(s3.Request("PutObject", "PUT", KEY), begun=connection)
    assert server.connections == 6

    # When the first of them breaks, then the next attempt opens a new one
    server.responses = [None, http(200)]
    bucket.put(KEY, b"x")
    assert server.connections == 7


def test_threads_share_a_bucket(server: Server) -> None:
    bucket = shared_bucket("bucket")
    assert shared_bucket("bucket") is bucket

    keys = [f"key-{number}" for number in range(40)]
    threads = [threading.Thread(target=bucket.put, args=(key, key.encode())) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    sent = {(key, body) for (_, key, _), body in zip(server.requests, server.bodies, strict=True)}
    assert sent == {(key, key.encode()) for key in keys}
