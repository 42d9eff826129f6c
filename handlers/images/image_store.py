"""Stores images in their bucket.

This module signs its requests and sends them with urllib3. boto3's `put_object` takes more CPU time
than the rest of a download, and halves a function's throughput at 50 concurrent downloads
(docs/decisions/0022-put-without-boto3.md).
"""

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, urlsplit

import boto3
import certifi
import urllib3
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import ClientError
from urllib3.exceptions import HTTPError

from handlers.images.http_client.errors import DownloadError
from handlers.images.put_signature import signed_headers
from handlers.shared.clients import client
from handlers.shared.clock import iso, now
from handlers.shared.errors import AwsUnavailableError, http_status, translate_aws_errors

_DEFAULT_TYPE = "application/octet-stream"
_HEADER = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?")
_RETRIES = urllib3.Retry(
    total=3,
    allowed_methods={"PUT"},
    status_forcelist={500, 502, 503, 504},
    backoff_factor=0.1,
    backoff_max=2,
    backoff_jitter=0.2,
    respect_retry_after_header=False,
    raise_on_status=False,
)
_TIMEOUT = urllib3.Timeout(connect=3, read=10)


@dataclass(frozen=True)
class StoredImage:
    """An image in the bucket."""

    key: str
    size: int
    content_type: str
    stored_at: str  # ISO 8601, UTC


class ImageStore:
    """Stores the images of one run. Thread-safe and idempotent."""

    def __init__(self, bucket: str, run: str, *, connections: int) -> None:
        self._bucket = bucket
        self._run = quote(run, safe="")
        url = urlsplit(_bucket_url(bucket))
        self._host, self._folder = url.netloc, url.path
        self._session = boto3.Session()
        self._region = client("s3").meta.region_name
        manager = urllib3.PoolManager(
            maxsize=connections, retries=_RETRIES, timeout=_TIMEOUT, ca_certs=certifi.where()
        )
        self._pool = manager.connection_from_url(url.geturl())

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
        headers = {
            "Content-Type": stored_type,
            "Content-Length": str(size),
            "x-amz-meta-run": self._run,
        }
        if encoding := _safe_header(content_encoding):
            headers["Content-Encoding"] = encoding
        path = f"{self._folder}/{quote(key, safe='/~')}"
        try:
            response = self._pool.request(
                "PUT",
                path,
                body=body,
                headers=signed_headers(
                    headers,
                    host=self._host,
                    path=path,
                    body_sha256=_sha256(body),
                    region=self._region,
                    credentials=self._session.get_credentials().get_frozen_credentials(),
                ),
                redirect=False,
            )
        except HTTPError as error:
            return self._confirm_stored(key, size, "S3 did not respond", error)
        if response.status != 200:
            code = re.search(rb"<Code>(\w+)</Code>", response.data)
            reason = code[1].decode() if code else f"status {response.status}"
            if response.status >= 500:
                return self._confirm_stored(key, size, f"S3 returned {reason}")
            raise DownloadError(f"Could not be stored, S3 returned {reason}")
        return StoredImage(key, size, stored_type, iso(now()))

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


def _safe_header(header: str | None) -> str:
    """The header if it is safe to send to S3, otherwise empty: an untrusted server sent it."""
    return header if header and _HEADER.fullmatch(header) else ""


def _bucket_url(bucket: str) -> str:
    """The bucket's URL as botocore builds it, for every partition, region and endpoint."""
    urls: list[str] = []

    def capture_url(request: AWSRequest, **_: Any) -> AWSResponse:
        urls.append(request.url)
        empty_body = urllib3.HTTPResponse(io.BytesIO(), preload_content=False)
        return AWSResponse(request.url, 200, {}, empty_body)

    s3 = client("s3")
    s3.meta.events.register_first("before-send.s3.HeadBucket", capture_url)
    try:
        s3.head_bucket(Bucket=bucket)
    finally:
        s3.meta.events.unregister("before-send.s3.HeadBucket", capture_url)
    return urls[0].rstrip("/")
