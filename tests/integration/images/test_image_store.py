"""Images are put into S3 by our own request, which must equal botocore's."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any
from urllib.parse import unquote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from handlers.images.http_client.errors import DownloadError
from handlers.images.image_store import ImageStore
from handlers.shared.aws_http import s3 as s3_requests
from tests.support import web
from tests.support.web import Put, Route, Web

PNG = bytes(range(256)) * 40
KEY = "flags.example:8080/a%20b/ä (1).png?1f"
CREDENTIALS = Credentials("test", "test")  # as in the tests' environment
ERROR = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, fresh_clients: None) -> Iterator[Web]:
    """An S3 without routes; a test adds them. Requests are repeated without a pause."""
    monkeypatch.setattr(s3_requests, "_BACKOFF", lambda _: 0.0)
    with web.serve({}) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


def stored(server: Web, *routes: Route, body: Any = PNG, **options: Any) -> Put:
    """Put an image into an S3 with these routes; returns the last PUT that it received."""
    path = "/images/" + KEY.replace("%", "%25").replace(" ", "%20").replace("?", "%3F")
    path = path.replace("ä", "%C3%A4").replace("(", "%28").replace(")", "%29").replace(":", "%3A")
    server.routes[path] = web.in_turn(*(routes or (web.status(200),)))
    ImageStore("images", "run-1").put(
        KEY, body, **{"size": len(PNG), "content_type": None, "content_encoding": None} | options
    )
    return server.puts[-1]


def test_the_image_is_stored_at_its_key(s3: Web) -> None:
    put = stored(s3)

    assert unquote(put.path) == f"/images/{KEY}"
    assert put.body == PNG
    assert put.headers["x-amz-meta-run"] == "run-1"


def spooled(content: bytes, in_memory: int = 1000) -> IO[bytes]:
    """A file as a download leaves it: on disk if it is longer than `in_memory`."""
    spool = tempfile.SpooledTemporaryFile(max_size=in_memory)  # noqa: SIM115 (closed with it)
    spool.write(content)
    spool.seek(0)
    return spool


@pytest.mark.parametrize("in_memory", [1000, 1_000_000], ids=["on disk", "in memory"])
def test_a_file_is_sent_unchanged(s3: Web, in_memory: int) -> None:
    put = stored(s3, body=spooled(PNG, in_memory))

    assert put.body == PNG
    assert put.headers["Content-Length"] == str(len(PNG))
    assert "Transfer-Encoding" not in put.headers


def test_the_signature_matches_what_s3_calculates(s3: Web) -> None:
    put = stored(s3, content_type="image/png", content_encoding="br")
    authorization = put.headers["Authorization"]
    signed = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")

    # As S3 does it: the same algorithm over the request that arrived.
    received = AWSRequest("PUT", f"{s3.url}{put.path}", {}, put.body)
    for name in signed:
        received.headers[name] = next(v for k, v in put.headers.items() if k.lower() == name)
    received.context["timestamp"] = put.headers["X-Amz-Date"]
    signer = S3SigV4Auth(CREDENTIALS, "s3", "us-east-1")
    expected = signer.signature(
        signer.string_to_sign(received, signer.canonical_request(received)), received
    )

    assert authorization.endswith(f"Signature={expected}")
    assert {"host", "x-amz-content-sha256", "content-type", "x-amz-meta-run"} <= set(signed)
    # S3 refuses a body whose hash is another one.
    assert put.headers["x-amz-content-sha256"] == hashlib.sha256(PNG).hexdigest()


@pytest.mark.parametrize(
    ("content_type", "kept"),
    [
        ("image/gif", "image/gif"),
        ("text/html; charset=utf-8", "text/html; charset=utf-8"),
        (None, "application/octet-stream"),
        ("", "application/octet-stream"),
        ("image/gif\r\nx-amz-acl: public-read", "application/octet-stream"),
        ("Bild/ä", "application/octet-stream"),
        ("x" * 300, "application/octet-stream"),
    ],
    ids=["image", "parameters", "none", "empty", "two headers", "not ASCII", "too long"],
)
def test_a_valid_content_type_is_kept(s3: Web, content_type: str | None, kept: str) -> None:
    put = stored(s3, content_type=content_type)

    assert put.headers["Content-Type"] == kept
    assert "x-amz-acl" not in put.headers


@pytest.mark.parametrize(("encoding", "kept"), [("gzip", "gzip"), (None, None), ("\n", None)])
def test_content_encoding_is_kept(s3: Web, encoding: str | None, kept: str | None) -> None:
    assert stored(s3, content_encoding=encoding).headers.get("Content-Encoding") == kept


@pytest.mark.parametrize("as_body", [bytes, spooled], ids=["bytes", "file"])
@pytest.mark.parametrize(
    "fault",
    [web.status(503), web.status(500), web.resets],
    ids=["busy", "broken", "reset"],
)
def test_transient_errors_are_retried_with_the_whole_body(
    s3: Web, fault: Route, as_body: Callable[[bytes], Any]
) -> None:
    put = stored(s3, fault, fault, web.status(200), body=as_body(PNG))

    assert len(s3.puts) == 3
    assert put.body == PNG


@pytest.mark.parametrize(
    ("response", "requests", "reason"),
    [
        (web.status(403, ERROR), 1, "Could not be stored, S3 returned AccessDenied"),
        (
            web.status(503, b"<Code>SlowDown</Code>"),
            4,
            "unknown whether it was stored, S3 returned SlowDown",
        ),
        (web.status(307, Location="http://127.0.0.1:1/"), 1, "S3 returned 307"),
        (web.resets, 4, "unknown whether it was stored, S3 did not respond"),
    ],
    ids=["denied", "busy", "redirect", "no response"],
)
def test_an_image_that_s3_refuses_is_one_failed_item(
    s3: Web, response: Route, requests: int, reason: str
) -> None:
    with pytest.raises(DownloadError, match=reason):
        stored(s3, response)
    assert len(s3.puts) == requests


def stores_without_confirmation(fault: Route, *, run: str = "run-1", size: int = len(PNG)) -> Route:
    """Every PUT takes effect, but its response never confirms it; HEAD returns what is stored."""

    def route(request: web.Request) -> None:
        if request.command == "HEAD":
            request.send_response(200)
            request.send_header("Content-Length", str(size))
            request.send_header("Content-Type", "image/png")
            request.send_header("Last-Modified", "Sat, 21 Nov 2026 10:00:00 GMT")
            request.send_header("x-amz-meta-run", run)
            request.end_headers()
        else:
            fault(request)

    return route


def put_to(server: Web, route: Route) -> Any:
    server.routes["/images/a"] = route
    return ImageStore("images", "run-1").put(
        "a", PNG, size=len(PNG), content_type=None, content_encoding=None
    )


@pytest.mark.parametrize("fault", [web.resets, web.status(500)], ids=["no response", "a fault"])
def test_an_image_stored_without_confirmation_is_no_failure(s3: Web, fault: Route) -> None:
    """The report would say that it failed, and the bucket would have it."""
    found = put_to(s3, stores_without_confirmation(fault))

    assert (found.key, found.size, found.content_type) == ("a", len(PNG), "image/png")
    assert found.stored_at == "2026-11-21T10:00:00Z"


@pytest.mark.parametrize(
    "stored_image", [{"run": "run-0"}, {"size": 7}], ids=["another run's", "of another size"]
)
def test_another_object_at_the_key_does_not_count(s3: Web, stored_image: dict[str, Any]) -> None:
    with pytest.raises(DownloadError, match=r"^Could not be stored, S3 did not respond$"):
        put_to(s3, stores_without_confirmation(web.resets, **stored_image))


def test_an_unknown_outcome_is_reported_as_unknown(s3: Web) -> None:
    with pytest.raises(
        DownloadError, match="It is unknown whether it was stored, S3 did not respond"
    ):
        put_to(s3, web.resets)
