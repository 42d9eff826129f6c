"""Writes an object to S3 while its content is produced, in bounded memory."""

from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from handlers.shared.clients import client
from handlers.shared.errors import AwsUnavailableError, error_code, translate_aws_errors
from handlers.shared.observability import logger_for

MIN_PART = 5 * 1024 * 1024  # bytes; S3's minimum for each part of a multipart upload but the last
_MAX_COPY = 5 * 1024**3  # bytes; S3's maximum for a part

logger = logger_for("sensor")


class ObjectWriter:
    """The object appears, complete, when `with` ends. If nothing was written, there is none.

    A small object is written by PutObject, a larger one by a multipart upload. If `with` ends with
    an exception, no object and no unfinished upload remain. `description` names the content in
    error messages: "rejected rows".
    """

    def __init__(self, bucket: str, key: str, *, content_type: str, description: str) -> None:
        self._object = {"Bucket": bucket, "Key": key}
        self._content_type = content_type
        self._description = description
        self._buffer = bytearray()
        self._upload: dict[str, str] = {}
        self._parts: list[dict[str, Any]] = []

    @property
    def _s3(self) -> Any:
        return client("s3")  # made only when there is something to write

    def write(self, content: bytes | bytearray) -> None:
        self._buffer += content
        if len(self._buffer) >= MIN_PART:
            self._upload_part()

    def append(self, bucket: str, key: str, size: int) -> None:
        """Append a stored object. S3 copies it if the parts before and in it are large enough."""
        start = 0
        if 0 < len(self._buffer) < MIN_PART:
            # A part must have 5 MiB: the start of the object completes the one that is waiting.
            start = min(size, MIN_PART - len(self._buffer))
            self.write(self._read(bucket, key, 0, start))
        while size - start >= MIN_PART:
            stop = size if size - start <= _MAX_COPY else start + _MAX_COPY - MIN_PART
            self._copy_part(bucket, key, start, stop)
            start = stop
        if start < size:
            self.write(self._read(bucket, key, start, size))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                self._finish()
        except BaseException:
            self._abort()
            raise
        if error is not None:
            self._abort()

    def _upload_part(self) -> None:
        with self._translated_errors():
            upload = self._started_upload()
            number = len(self._parts) + 1
            part = self._s3.upload_part(**upload, PartNumber=number, Body=self._take_buffer())
            self._add_part(part)

    def _copy_part(self, bucket: str, key: str, start: int, stop: int) -> None:
        with self._translated_errors():
            upload = self._started_upload()
            copied = self._s3.upload_part_copy(
                **upload,
                PartNumber=len(self._parts) + 1,
                CopySource={"Bucket": bucket, "Key": key},
                CopySourceRange=_bytes(start, stop),
            )
            self._add_part(copied["CopyPartResult"])

    def _read(self, bucket: str, key: str, start: int, stop: int) -> bytes:
        with self._translated_errors():
            found = self._s3.get_object(Bucket=bucket, Key=key, Range=_bytes(start, stop))
            content: bytes = found["Body"].read()
        return content

    def _started_upload(self) -> dict[str, str]:
        if not self._upload:
            # The client sends a checksum with every part. Its algorithm must be named here, and
            # the checksums repeated when the upload is completed.
            created = self._s3.create_multipart_upload(
                **self._object, ContentType=self._content_type, ChecksumAlgorithm="CRC32"
            )
            self._upload = self._object | {"UploadId": created["UploadId"]}
        return self._upload

    def _add_part(self, response: dict[str, Any]) -> None:
        checksums = {name: response[name] for name in ("ETag", "ChecksumCRC32") if name in response}
        self._parts.append({"PartNumber": len(self._parts) + 1} | checksums)

    def _finish(self) -> None:
        if not self._upload:
            if self._buffer:
                with self._translated_errors():
                    self._s3.put_object(
                        **self._object, ContentType=self._content_type, Body=self._take_buffer()
                    )
            return
        if self._buffer:
            self._upload_part()
        with self._translated_errors():
            try:
                self._s3.complete_multipart_upload(
                    **self._upload, MultipartUpload={"Parts": self._parts}
                )
            except ClientError as error:
                if error_code(error) != "NoSuchUpload":
                    raise
                # The upload is complete (the SDK repeated the request after a lost response) or
                # aborted. The function is not allowed to read the object to find out. A retry
                # writes everything again, with the same result.
                raise AwsUnavailableError(
                    f"It is unknown whether the {self._description} were written: S3 no longer has "
                    "the multipart upload."
                ) from error

    def _abort(self) -> None:
        if not self._upload:
            return
        try:
            self._s3.abort_multipart_upload(**self._upload)
        except (BotoCoreError, ClientError) as error:  # the bucket's lifecycle rule aborts it
            logger.warning("upload not aborted", content=self._description, reason=str(error))

    def _take_buffer(self) -> bytes:
        content = bytes(self._buffer)
        self._buffer.clear()
        return content

    def _translated_errors(self) -> Any:
        return translate_aws_errors(f"writing {self._description}")


def _bytes(start: int, stop: int) -> str:
    """A Range header's value for the bytes from `start` up to, but without, `stop`."""
    return f"bytes={start}-{stop - 1}"
