"""Writes an object to S3 while its content is produced, in bounded memory."""

from typing import Self

from botocore.exceptions import ClientError

from handlers.shared.aws_http.object_reader import open_object
from handlers.shared.aws_http.s3 import Bucket, shared_bucket
from handlers.shared.errors import AwsUnavailableError, error_code
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
        self._bucket = bucket
        self._key = key
        self._content_type = content_type
        self._description = description
        self._buffer = bytearray()
        self._upload = ""
        self._parts: list[str] = []  # their ETags

    @property
    def _s3(self) -> Bucket:
        return shared_bucket(self._bucket)  # made only when there is something to write

    def write(self, content: bytes | bytearray) -> None:
        self._buffer += content
        if len(self._buffer) >= MIN_PART:
            self._upload_part()

    def append(self, bucket: str, key: str, size: int) -> None:
        """Append a stored object. S3 copies it if the parts before and in it are large enough."""
        start = 0
        if 0 < len(self._buffer) < MIN_PART:
            # A part must have 5 MiB, so the start of the object completes the part in the buffer.
            start = min(size, MIN_PART - len(self._buffer))
            self._write_stored(bucket, key, 0, start)
        while size - start >= MIN_PART:
            stop = size if size - start <= _MAX_COPY else start + _MAX_COPY - MIN_PART
            upload, number = self._started_upload(), len(self._parts) + 1
            self._parts.append(
                self._s3.copy_part(self._key, upload, number, (bucket, key), start, stop)
            )
            start = stop
        self._write_stored(bucket, key, start, size)

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
        upload, number = self._started_upload(), len(self._parts) + 1
        self._parts.append(self._s3.upload_part(self._key, upload, number, self._take_buffer()))

    def _write_stored(self, bucket: str, key: str, start: int, stop: int) -> None:
        """Write the bytes of a stored object from `start` up to but not including `stop`."""
        if start < stop:
            request = {"Bucket": bucket, "Key": key}
            _, parts = open_object(request, (start, stop), bucket=shared_bucket(bucket))
            for part in parts:
                self.write(part)

    def _started_upload(self) -> str:
        if not self._upload:
            self._upload = self._s3.create_upload(self._key, self._content_type)
        return self._upload

    def _finish(self) -> None:
        if not self._upload:
            if self._buffer:
                headers = (("Content-Type", self._content_type),)
                self._s3.put(self._key, self._take_buffer(), headers=headers)
            return
        if self._buffer:
            self._upload_part()
        try:
            self._s3.complete_upload(self._key, self._upload, self._parts)
        except ClientError as error:
            if error_code(error) != "NoSuchUpload":
                raise
            # The upload is complete (the request was repeated after a lost response) or aborted.
            # The function is not allowed to read the object to find out. A retry writes everything
            # again, with the same result.
            raise AwsUnavailableError(
                f"It is unknown whether the {self._description} were written: S3 no longer has "
                "the multipart upload."
            ) from error

    def _abort(self) -> None:
        if not self._upload:
            return
        try:
            self._s3.abort_upload(self._key, self._upload)
        except (AwsUnavailableError, ClientError) as error:  # the bucket's lifecycle rule aborts it
            logger.warning("upload not aborted", content=self._description, reason=str(error))

    def _take_buffer(self) -> bytearray:
        content, self._buffer = self._buffer, bytearray()
        return content
