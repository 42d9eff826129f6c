"""Reads a large object from S3 in parts. While one part is processed, the next is requested."""

import re
from collections.abc import Generator, Mapping

from botocore.exceptions import ClientError

from handlers.shared.aws_http.connection import BrokenConnectionError, Connection, Response
from handlers.shared.aws_http.s3 import Bucket, Request
from handlers.shared.errors import http_status

PART = 1024 * 1024  # bytes
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")


def open_object(
    request: Mapping[str, str],
    byte_range: tuple[int, int] | None = None,
    *,
    part: int = PART,
    bucket: Bucket | None = None,
) -> tuple[dict[str, str], Generator[bytes]]:
    """Open an object; returns its ETag and, if it has one, VersionId, and its content in parts.

    `request` has the Bucket and Key, and maybe VersionId and IfMatch, as for botocore's get_object.
    `byte_range` is (start, stop): only the bytes from `start` up to but not including `stop` are
    read. Connections are those of `bucket`; without one, they are closed at the end.

    All parts are of the same object. A part is requested again if its response is not complete, and
    after transient errors. Raises the errors of Bucket, also while the parts are iterated over.
    """
    reader = _ObjectReader(request, bucket)
    try:
        start, stop = byte_range or (0, None)
        end = start + part if stop is None else min(start + part, stop)
        try:
            first = reader.read(start, end)
        except ClientError as error:
            if http_status(error) != 416 or byte_range is not None:
                raise
            first = reader.read(0, 0)  # S3 cannot return a range of an object without content
    except BaseException:
        reader.close()
        raise
    stop = reader.size if stop is None else min(stop, reader.size)
    return reader.pins, reader.parts(first, start, stop, part)


class _ObjectReader:
    def __init__(self, request: Mapping[str, str], bucket: Bucket | None) -> None:
        self._bucket = bucket or Bucket(request["Bucket"])
        self._owns_bucket = bucket is None
        self._key = request["Key"]
        self._version = request.get("VersionId")
        self._etag = request.get("IfMatch")
        self.size = 0  # of the object, after the first response

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
                    content = self.read(start, end, connection)
        finally:
            if begun is not None:
                begun.close()
            self.close()

    def read(self, start: int, stop: int, begun: Connection | None = None) -> bytes:
        """The bytes from `start` up to `stop` or the end; `begun` has sent the first request."""

        def check(response: Response) -> None:
            self._check(response, start, stop)

        return self._bucket.perform(self._request(start, stop), begun=begun, check=check).body

    def close(self) -> None:
        if self._owns_bucket:
            self._bucket.close()

    def _begin(self, start: int, stop: int) -> Connection | None:
        """Request bytes without waiting for them; None if that did not work."""
        try:
            return self._bucket.begin(self._request(start, stop))
        except OSError:
            return None

    def _request(self, start: int, stop: int) -> Request:
        headers = []
        if stop > start:
            headers.append(("Range", f"bytes={start}-{stop - 1}"))
        if self._etag:
            headers.append(("If-Match", self._etag))
        query = {"versionId": self._version} if self._version else {}
        return Request("GetObject", "GET", self._key, query, tuple(headers))

    def _check(self, response: Response, start: int, stop: int) -> None:
        """Check that the response has exactly what was asked for, and of which object."""
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
        self._etag, self.size = etag, size
        self._version = self._version or response.headers.get(b"x-amz-version-id", b"").decode()
