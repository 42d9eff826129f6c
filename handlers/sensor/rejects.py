"""Writes the rejected rows of a file to a CSV in S3 while the file is read."""

import csv
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from handlers.sensor.lines import MAX_LINE
from handlers.shared.clients import client
from handlers.shared.errors import AwsUnavailableError, error_code, translate_aws_errors
from handlers.shared.observability import logger_for

MIN_PART = 5 * 1024 * 1024  # bytes; S3's minimum for each part of a multipart upload but the last
_CONTENT_TYPE = "text/csv; charset=utf-8"

logger = logger_for("sensor")


class _Utf8Buffer(bytearray):
    def write(self, text: str) -> None:
        self += text.encode()


class RejectedRows:
    """`line,reason,row` for each rejected row; no object if no row is rejected.

    Bytes that are not UTF-8 are written as \\xNN, carriage returns as \\r. Rows that are too long
    are cut. If `with` ends with an exception, no object and no unfinished upload remain.
    """

    def __init__(self, bucket: str, key: str) -> None:
        self.count = 0
        self._object = {"Bucket": bucket, "Key": key}
        self._s3 = client("s3")
        self._buffer = _Utf8Buffer()
        self._writer = csv.writer(self._buffer, lineterminator="\n")
        self._upload: dict[str, str] = {}
        self._parts: list[dict[str, Any]] = []

    def add(self, line: int, reason: str, row: bytes) -> None:
        if self.count == 0:
            self._writer.writerow(("line", "reason", "row"))
        self.count += 1
        text = row[:MAX_LINE].decode(errors="backslashreplace").replace("\r", "\\r")
        self._writer.writerow((line, reason, text))
        if len(self._buffer) >= MIN_PART:
            self._upload_part()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None and self.count:
                self._finish()
        except BaseException:
            self._abort()
            raise
        if error is not None:
            self._abort()

    def _upload_part(self) -> None:
        with translate_aws_errors("writing rejected rows"):
            if not self._upload:
                # The client sends a checksum with every part. Its algorithm must be named here, and
                # the checksums repeated when the upload is completed.
                created = self._s3.create_multipart_upload(
                    **self._object, ContentType=_CONTENT_TYPE, ChecksumAlgorithm="CRC32"
                )
                self._upload = self._object | {"UploadId": created["UploadId"]}
            number = len(self._parts) + 1
            part = self._s3.upload_part(**self._upload, PartNumber=number, Body=self._take_buffer())
            checksums = {name: part[name] for name in ("ETag", "ChecksumCRC32") if name in part}
            self._parts.append({"PartNumber": number} | checksums)

    def _finish(self) -> None:
        if not self._upload:
            with translate_aws_errors("writing rejected rows"):
                self._s3.put_object(
                    **self._object, ContentType=_CONTENT_TYPE, Body=self._take_buffer()
                )
            return
        if self._buffer:
            self._upload_part()
        with translate_aws_errors("writing rejected rows"):
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
                    "It is unknown whether the rejected rows were written: S3 no longer has the "
                    "multipart upload."
                ) from error

    def _abort(self) -> None:
        if not self._upload:
            return
        try:
            self._s3.abort_multipart_upload(**self._upload)
        except (BotoCoreError, ClientError) as error:  # the bucket's lifecycle rule aborts it
            logger.warning("upload of rejected rows not aborted", reason=str(error))

    def _take_buffer(self) -> bytes:
        content = bytes(self._buffer)
        self._buffer.clear()
        return content
