"""Requests to S3 for the objects of one bucket, each repeated after transient errors."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import IO
from urllib.parse import quote, unquote_plus, urlencode

from botocore.exceptions import ClientError

from handlers.shared.aws_http.blocking import ConnectionPool
from handlers.shared.aws_http.connection import Body, BrokenConnectionError, Connection, Response
from handlers.shared.aws_http.endpoint import endpoint
from handlers.shared.aws_http.signature import Headers, SigV4
from handlers.shared.backoff import full_jitter
from handlers.shared.errors import AwsRequestRefusedError, AwsUnavailableError, is_transient

_ATTEMPTS = 4
_BACKOFF = full_jitter(0.1, maximum=2)
_COPY_SECONDS = 60.0  # S3 responds when a part of up to 5 GiB is copied
_CHUNK = 256 * 1024  # bytes
_ELEMENT = re.compile(rb"<(\w+)>([^<]*)</\1>")
_REFERENCE = re.compile(r"&(?:#x([0-9a-fA-F]+)|#([0-9]+)|(lt|gt|amp|quot|apos));")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}

Content = IO[bytes] | bytes | bytearray


@dataclass(frozen=True)
class Request:
    """A request for an object, or without a key for the bucket. `operation` is botocore's name."""

    operation: str
    method: str
    key: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Headers = ()
    body: Content = b""
    size: int = 0  # of the body
    read_seconds: float | None = None  # without progress; None: the pool's default


class Bucket:
    """A bucket. Thread-safe; each thread has a connection while it sends a request.

    A request is repeated if its response is not complete, and after transient errors. After four
    attempts, AwsUnavailableError is raised. For other errors, AwsRequestRefusedError is raised,
    which has the response.
    """

    def __init__(self, name: str) -> None:
        place = endpoint("s3", name)
        self.name = name
        self._path = place.path
        self._signature = SigV4("s3", place.region, place.host, place.credentials)
        self._pool = ConnectionPool(place.url)

    def begin(self, request: Request) -> Connection:
        """Send a request without waiting; for `perform`. Raises OSError."""
        return self._pool.begin(*self._prepared(request))

    def perform(
        self,
        request: Request,
        *,
        begun: Connection | None = None,
        check: Callable[[Response], None] = lambda _: None,
    ) -> Response:
        """The response to a request; `begun` has sent it for the first time already.

        `check` raises BrokenConnectionError if the response is not what was asked for.
        """
        head, body = self._prepared(request)
        for attempt in range(1, _ATTEMPTS + 1):
            error: Exception
            try:
                connection, begun = begun or self._pool.begin(head, body), None
                response = self._pool.finish(connection, request.read_seconds)
                if (
                    response.status == 200
                    and request.method != "GET"
                    and b"<Error>" in response.body
                ):
                    # S3 begins some responses before it knows the outcome.
                    response = response._replace(status=500)
                if 200 <= response.status < 300:
                    check(response)
                    return response
                error = _error(response, request.operation)
            except OSError as broken:
                error = broken
                self._pool.close()  # idle connections may be broken, too
            if isinstance(error, ClientError) and not is_transient(error):
                raise AwsRequestRefusedError(error.response, request.operation) from error
            if attempt < _ATTEMPTS:
                time.sleep(_BACKOFF(attempt))
        action = "reading" if request.method == "GET" else "writing"
        raise AwsUnavailableError(
            f"AWS was unavailable while {action} s3://{self.name}/{request.key}: {error}"
        ) from error

    def put(
        self, key: str, content: Content, *, size: int | None = None, headers: Headers = ()
    ) -> None:
        """Store an object. The size is required for the content of a file."""
        self.perform(_upload("PutObject", key, content, size=size, headers=headers))

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Key and size of each object below a prefix, by key."""
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix}
        while True:
            listed = self.perform(
                Request("ListObjectsV2", "GET", query=dict(query)), check=_check_list
            ).body
            for found in re.findall(rb"<Contents>(.*?)</Contents>", listed, re.DOTALL):
                yield unquote_plus(_element(found, "Key")), int(_element(found, "Size"))
            if _element(listed, "IsTruncated") != "true":
                return
            query["continuation-token"] = _element(listed, "NextContinuationToken")

    def create_upload(self, key: str, content_type: str) -> str:
        """Begin a multipart upload; returns its id."""
        headers = (("Content-Type", content_type),)
        request = Request("CreateMultipartUpload", "POST", key, {"uploads": ""}, headers)
        return _element(self.perform(request, check=_has("UploadId")).body, "UploadId")

    def upload_part(self, key: str, upload: str, number: int, content: Content) -> str:
        """Upload a part; returns its ETag."""
        query = {"partNumber": str(number), "uploadId": upload}
        request = _upload("UploadPart", key, content, query=query)
        return self.perform(request, check=_check_etag).headers[b"etag"].decode()

    def copy_part(
        self, key: str, upload: str, number: int, source: tuple[str, str], start: int, stop: int
    ) -> str:
        """Copy bytes of an object, given by its bucket and key, as a part; returns its ETag."""
        request = Request(
            "UploadPartCopy",
            "PUT",
            key,
            {"partNumber": str(number), "uploadId": upload},
            (
                ("x-amz-copy-source", quote("/".join(source), safe="/~")),
                ("x-amz-copy-source-range", f"bytes={start}-{stop - 1}"),
            ),
            read_seconds=_COPY_SECONDS,
        )
        return _element(self.perform(request, check=_has("ETag")).body, "ETag")

    def complete_upload(self, key: str, upload: str, etags: Sequence[str]) -> None:
        """Make an object of the parts with these ETags."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            for number, etag in enumerate(etags, start=1)
        )
        content = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        request = Request(
            "CompleteMultipartUpload",
            "POST",
            key,
            {"uploadId": upload},
            (("Content-Type", "application/xml"),),
            content,
            len(content),
            _COPY_SECONDS,
        )
        self.perform(request, check=_has("ETag"))

    def abort_upload(self, key: str, upload: str) -> None:
        """Delete the parts of an upload."""
        self.perform(Request("AbortMultipartUpload", "DELETE", key, {"uploadId": upload}))

    def close(self) -> None:
        """Close the idle connections; the next request opens another one."""
        self._pool.close()

    def _prepared(self, request: Request) -> tuple[Callable[[], bytes], Callable[[], Body]]:
        """Two functions that make the head and the body of the request, called for each attempt."""
        digest = _sha256(request.body)
        target = f"{self._path}/{quote(request.key, safe='/~')}"
        if request.query:
            target += f"?{urlencode(request.query, quote_via=quote, safe='~')}"
        headers = (*request.headers, ("x-amz-content-sha256", digest))
        return (
            lambda: self._signature.head(request.method, target, headers, digest, request.size),
            lambda: _chunks(request.body),
        )


@cache
def shared_bucket(name: str) -> Bucket:
    """One for each bucket and Lambda instance, so that its connections are used again."""
    return Bucket(name)


def _upload(
    operation: str,
    key: str,
    content: Content,
    *,
    size: int | None = None,
    query: Mapping[str, str] | None = None,
    headers: Headers = (),
) -> Request:
    if size is None:
        assert isinstance(content, bytes | bytearray)
        size = len(content)
    return Request(operation, "PUT", key, query or {}, headers, content, size)


def _sha256(body: Content) -> str:
    if isinstance(body, bytes | bytearray):
        return hashlib.sha256(body).hexdigest()
    body.seek(0)
    return hashlib.file_digest(body, "sha256").hexdigest()  # type: ignore[arg-type]


def _chunks(body: Content) -> Body:
    if isinstance(body, bytes | bytearray):
        return (body,)
    body.seek(0)
    return iter(lambda: body.read(_CHUNK), b"")


def _element(xml: bytes, name: str) -> str:
    """The text of the first element with a name; empty if there is none."""
    texts = (
        element[2].decode(errors="replace")
        for element in _ELEMENT.finditer(xml)
        if element[1] == name.encode()
    )
    text = next(texts, "")
    return _REFERENCE.sub(_character, text)


def _character(reference: re.Match[str]) -> str:
    hexadecimal, decimal, name = reference.groups()
    if name:
        return _ENTITIES[name]
    return chr(int(hexadecimal, 16) if hexadecimal else int(decimal))


def _has(name: str) -> Callable[[Response], None]:
    """Checks that a response has an element that says what S3 did."""

    def check(response: Response) -> None:
        if not _element(response.body, name):
            raise BrokenConnectionError(f"S3 responded without {name}")

    return check


def _check_etag(response: Response) -> None:
    if not response.headers.get(b"etag"):
        raise BrokenConnectionError("S3 responded without an ETag")


def _check_list(response: Response) -> None:
    truncated = _element(response.body, "IsTruncated")
    if truncated != "false" and not _element(response.body, "NextContinuationToken"):
        raise BrokenConnectionError("S3 did not return a list of objects")


def _error(response: Response, operation: str) -> ClientError:
    """An error of S3 in botocore's form."""
    return ClientError(
        {
            "Error": {
                "Code": _element(response.body, "Code") or str(response.status),
                "Message": _element(response.body, "Message"),
            },
            "ResponseMetadata": {"HTTPStatusCode": response.status},
        },
        operation,
    )
