"""Stores images in their bucket.

Its PUTs do without boto3, whose `put_object` takes more CPU time than the rest of a download
(docs/decisions/0022-put-without-boto3.md).
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from handlers.images.http_client.errors import DownloadError
from handlers.shared.aws_http.blocking import ConnectionPool
from handlers.shared.aws_http.connection import Response
from handlers.shared.aws_http.endpoint import endpoint
from handlers.shared.aws_http.signature import SigV4
from handlers.shared.backoff import full_jitter
from handlers.shared.clients import client
from handlers.shared.clock import iso, now
from handlers.shared.errors import AwsUnavailableError, http_status, translate_aws_errors

_DEFAULT_TYPE = "application/octet-stream"
_HEADER = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?")
_ATTEMPTS = 4
_RETRIED = {500, 502, 503, 504}
_BACKOFF = full_jitter(0.1, maximum=2)
_CHUNK = 256 * 1024  # bytes


@dataclass(frozen=True)
class StoredImage:
    """An image in the bucket."""

    key: str
    size: int
    content_type: str
    stored_at: str  # ISO 8601, UTC


class ImageStore:
    """Stores the images of one run. Thread-safe and idempotent."""

    def __init__(self, bucket: str, run: str) -> None:
        self._bucket = bucket
        self._run = quote(run, safe="")
        place = endpoint("s3", bucket)
        self._folder = place.path
        self._signature = SigV4("s3", place.region, place.host, place.credentials)
        self._pool = ConnectionPool(place.url)

    def put(
        self,
        key: str,
        body: IO[bytes] | bytes,
        *,
        size: int,
        content_type: str | None,
        content_encoding: str | None,
    ) -> StoredImage:
        """Store an image. Raises DownloadError if S3 does not store it.

        A PUT may have taken effect even if its response is lost or is a 5xx. A HEAD request then
        finds out whether the image is stored.
        """
        stored_type = _safe_header(content_type) or _DEFAULT_TYPE
        body_sha256 = _sha256(body)
        headers = [
            ("Content-Type", stored_type),
            ("x-amz-meta-run", self._run),
            ("x-amz-content-sha256", body_sha256),
        ]
        if encoding := _safe_header(content_encoding):
            headers.append(("Content-Encoding", encoding))
        path = f"{self._folder}/{quote(key, safe='/~')}"

        def head() -> bytes:
            return self._signature.head("PUT", path, tuple(headers), body_sha256, size)

        try:
            response = self._request(head, body)
        except OSError as error:
            return self._confirm_stored(key, size, "S3 did not respond", error)
        if response.status != 200:
            code = re.search(rb"<Code>(\w+)</Code>", response.body)
            reason = code[1].decode() if code else f"status {response.status}"
            if response.status >= 500:
                return self._confirm_stored(key, size, f"S3 returned {reason}")
            raise DownloadError(f"Could not be stored, S3 returned {reason}")
        return StoredImage(key, size, stored_type, iso(now()))

    def _request(self, head: Callable[[], bytes], body: IO[bytes] | bytes) -> Response:
        for attempt in range(1, _ATTEMPTS):
            try:
                response = self._pool.request(head, lambda: _chunks(body))
            except OSError:
                pass
            else:
                if response.status not in _RETRIED:
                    return response
            time.sleep(_BACKOFF(attempt))
        return self._pool.request(head, lambda: _chunks(body))

    def _confirm_stored(
        self, key: str, size: int, reason: str, cause: Exception | None = None
    ) -> StoredImage:
        try:
            found = self.find(key, bulk=True)
        except (AwsUnavailableError, ClientError) as error:
            raise DownloadError(f"It is unknown whether it was stored, {reason}") from error
        if found is None or found.size != size:
            raise DownloadError(f"Could not be stored, {reason}") from cause
        return found

    def find(self, key: str, *, bulk: bool = False) -> StoredImage | None:
        """The image that this run has stored at the key, or None. `bulk`: only one attempt."""
        with translate_aws_errors(f"looking for s3://{self._bucket}/{key}"):
            try:
                s3 = client("s3", bulk=bulk)
                head: Mapping[str, Any] = s3.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if http_status(error) == 404:
                    return None
                raise
        if head["Metadata"].get("run") != self._run:
            return None
        return StoredImage(
            key, head["ContentLength"], head["ContentType"], iso(head["LastModified"])
        )

    def close(self) -> None:
        self._pool.close()


def _sha256(body: IO[bytes] | bytes) -> str:
    if isinstance(body, bytes):
        return hashlib.sha256(body).hexdigest()
    digest = hashlib.file_digest(body, "sha256")  # type: ignore[arg-type]
    body.seek(0)
    return digest.hexdigest()


def _chunks(body: IO[bytes] | bytes) -> Iterable[bytes]:
    if isinstance(body, bytes):
        return (body,)
    body.seek(0)
    return iter(lambda: body.read(_CHUNK), b"")


def _safe_header(header: str | None) -> str:
    """The header if it is safe to send to S3, otherwise empty: an untrusted server sent it."""
    return header if header and _HEADER.fullmatch(header) else ""
