"""Reads a large object from S3 in parts. The next one is on its way while one is processed."""

import hashlib
import re
import time
from collections.abc import Generator, Mapping
from typing import NamedTuple
from urllib.parse import quote

from botocore.exceptions import ClientError

from handlers.shared.aws_http.blocking import ConnectionPool
from handlers.shared.aws_http.connection import BrokenConnectionError, Connection, Response
from handlers.shared.aws_http.endpoint import endpoint
from handlers.shared.aws_http.signature import SigV4
from handlers.shared.backoff import Backoff, full_jitter
from handlers.shared.errors import (
    AwsRequestRefusedError,
    AwsUnavailableError,
    http_status,
    is_transient,
)

PART = 1024 * 1024  # bytes
_ATTEMPTS = 4  # for each part
_BACKOFF = full_jitter(0.1, maximum=2)
_NO_BODY = hashlib.sha256(b"").hexdigest()
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")
_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")


class _Part(NamedTuple):
    content: bytes
    object_size: int


def open_object(
    request: Mapping[str, str],
    byte_range: tuple[int, int] | None = None,
    *,
    part: int = PART,
    backoff: Backoff = _BACKOFF,
) -> tuple[dict[str, str], Generator[bytes]]:
    """Open an object; returns its ETag and, if it has one, VersionId, and its content in parts.

    `request` has the Bucket and Key, and maybe VersionId and IfMatch, as for botocore's get_object.
    With a range, only the bytes from its first number up to, but without, its second.

    All parts are of the same object. Each is requested again if its response is not complete, and
    after transient errors: AwsUnavailableError after four attempts. AwsRequestRefusedError for
    others. Iterating over the parts raises these errors, too.
    """
    reader = _ObjectReader(request, backoff)
    try:
        start, stop = byte_range or (0, None)
        end = start + part if stop is None else min(start + part, stop)
        try:
            first = reader.read(start, end)
        except ClientError as error:
            if http_status(error) != 416 or byte_range is not None:
                raise
            first = reader.read_empty()
    except BaseException:
        reader.close()
        raise
    stop = first.object_size if stop is None else min(stop, first.object_size)
    return reader.pins, reader.parts(first.content, start, stop, part)


class _ObjectReader:
    def __init__(self, request: Mapping[str, str], backoff: Backoff) -> None:
        bucket, key = request["Bucket"], request["Key"]
        place = endpoint("s3", bucket)
        self._uri = f"s3://{bucket}/{key}"
        self._path = f"{place.path}/{quote(key, safe='/~')}"
        self._signature = SigV4("s3", place.region, place.host, place.credentials)
        self._pool = ConnectionPool(place.url)
        self._backoff = backoff
        self._version = request.get("VersionId")
        self._etag = request.get("IfMatch")

    @property
    def pins(self) -> dict[str, str]:
        """The ETag and, if it has one, VersionId of the object."""
        pins = {"ETag": self._etag, "VersionId": self._version}
        return {name: value for name, value in pins.items() if value}

    def parts(self, content: bytes, start: int, stop: int, part: int) -> Generator[bytes]:
        """The content, of which the first part is known."""
        begun: Connection | None = None
        try:
            while start < stop:
                start += len(content)
                end = min(start + part, stop)
                begun = self._begin(start, end) if start < stop else None
                yield content
                if start < stop:
                    connection, begun = begun, None
                    content = self.read(start, end, connection).content
        finally:
            if begun is not None:
                begun.close()
            self.close()

    def read(self, start: int, stop: int, begun: Connection | None = None) -> _Part:
        """The bytes from `start` up to `stop` or the end; `begun` has sent the first request."""
        for attempt in range(1, _ATTEMPTS + 1):
            error: Exception
            try:
                connection, begun = begun or self._send(start, stop), None
                response = self._pool.finish(connection)
                if response.status in (200, 206):
                    return self._checked(response, start, stop)
                error = _error(response)
            except OSError as broken:
                error = broken
            if isinstance(error, ClientError) and not is_transient(error):
                raise AwsRequestRefusedError(error.response, "GetObject") from error
            if attempt < _ATTEMPTS:
                time.sleep(self._backoff(attempt))
        raise AwsUnavailableError(
            f"AWS was unavailable while reading {self._uri}: {error}"
        ) from error

    def read_empty(self) -> _Part:
        """An object without content, of which S3 cannot return a range."""
        return self.read(0, 0)

    def close(self) -> None:
        self._pool.close()

    def _begin(self, start: int, stop: int) -> Connection | None:
        """Request bytes without waiting for them; None if that did not work."""
        try:
            return self._send(start, stop)
        except OSError:
            return None

    def _send(self, start: int, stop: int) -> Connection:
        headers = [("x-amz-content-sha256", _NO_BODY)]
        if stop > start:
            headers.append(("Range", f"bytes={start}-{stop - 1}"))
        if self._etag:
            headers.append(("If-Match", self._etag))
        version = f"?versionId={quote(self._version, safe='~')}" if self._version else ""
        target = f"{self._path}{version}"
        return self._pool.begin(
            lambda: self._signature.head("GET", target, tuple(headers), _NO_BODY, 0)
        )

    def _checked(self, response: Response, start: int, stop: int) -> _Part:
        """The part, if the response has exactly what was asked for, and says of which object."""
        size = len(response.body)
        returned = response.headers.get(b"content-range", b"").decode(errors="replace")
        if found := _CONTENT_RANGE.fullmatch(returned):
            first, last, size = map(int, found.groups())
            is_complete = (first, last) == (start, min(stop, size) - 1)
        else:
            first, last = 0, size - 1
            is_complete = start == stop == 0 == size
        if not is_complete or last - first + 1 != len(response.body):
            raise BrokenConnectionError(
                f"S3 did not return bytes {start} to {stop - 1}, but: {returned or size}"
            )
        etag = response.headers.get(b"etag", b"").decode()
        if not etag or etag.strip('"') != (self._etag or etag).strip('"'):
            raise BrokenConnectionError(f"S3 returned an object with the ETag {etag or 'none'}")
        self._etag = etag
        self._version = self._version or response.headers.get(b"x-amz-version-id", b"").decode()
        return _Part(response.body, size)


def _error(response: Response) -> ClientError:
    """An error of S3 in botocore's form."""
    code, message = (
        found[1].decode(errors="replace") if (found := pattern.search(response.body)) else ""
        for pattern in (_CODE, _MESSAGE)
    )
    return ClientError(
        {
            "Error": {"Code": code or str(response.status), "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": response.status},
        },
        "GetObject",
    )
