"""Stores images in their bucket.

Its PUTs do without boto3, whose `put_object` takes more CPU time than the rest of a download
(docs/decisions/0022-put-without-boto3.md).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from handlers.images.http_client.errors import DownloadError
from handlers.shared.aws_http.s3 import Bucket
from handlers.shared.clients import client
from handlers.shared.clock import iso, now
from handlers.shared.errors import (
    AwsUnavailableError,
    error_code,
    http_status,
    translate_aws_errors,
)

_DEFAULT_TYPE = "application/octet-stream"
_HEADER = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?")


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
        self._bucket = Bucket(bucket)
        self._run = quote(run, safe="")

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
        headers = [("Content-Type", stored_type), ("x-amz-meta-run", self._run)]
        if encoding := _safe_header(content_encoding):
            headers.append(("Content-Encoding", encoding))
        try:
            self._bucket.put(key, body, size=size, headers=tuple(headers))
        except AwsUnavailableError as error:
            code = error_code(error.__cause__) if error.__cause__ else ""
            reason = f"S3 returned {code}" if code else "S3 did not respond"
            return self._confirm_stored(key, size, reason, error)
        except ClientError as error:
            raise DownloadError(f"Could not be stored, S3 returned {error_code(error)}") from error
        return StoredImage(key, size, stored_type, iso(now()))

    def _confirm_stored(self, key: str, size: int, reason: str, cause: Exception) -> StoredImage:
        try:
            found = self.find(key, bulk=True)
        except (AwsUnavailableError, ClientError) as error:
            raise DownloadError(f"It is unknown whether it was stored, {reason}") from error
        if found is None or found.size != size:
            raise DownloadError(f"Could not be stored, {reason}") from cause
        return found

    def find(self, key: str, *, bulk: bool = False) -> StoredImage | None:
        """The image that this run has stored at the key, or None. `bulk`: only one attempt."""
        with translate_aws_errors(f"looking for s3://{self._bucket.name}/{key}"):
            try:
                s3 = client("s3", bulk=bulk)
                head: Mapping[str, Any] = s3.head_object(Bucket=self._bucket.name, Key=key)
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
        self._bucket.close()


def _safe_header(header: str | None) -> str:
    """The header if it is safe to send to S3, otherwise empty: an untrusted server sent it."""
    return header if header and _HEADER.fullmatch(header) else ""
