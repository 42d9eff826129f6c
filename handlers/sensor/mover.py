"""Moves an object to another bucket: copy, verify, delete. Safe to repeat after any step."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from handlers.sensor.copies import Head, copy_head, refuse_newer, stamp, was_copied_from
from handlers.sensor.errors import (
    CopyVerificationError,
    SourceObjectChangedError,
    SourceObjectMissingError,
)
from handlers.sensor.source import ObjectRef, pinned_to, translate_source_errors
from handlers.shared.clients import client
from handlers.shared.errors import error_code, http_status, translate_aws_errors
from handlers.shared.observability import logger_for

logger = logger_for("sensor")

# S3 CopyObject: at most 5 GB. A multipart copy has no such limit and copies parts in parallel.
_MAX_SINGLE_COPY = 1024**3  # bytes
_PART = 256 * 1024**2  # bytes
# A copy with new metadata loses these unless they are passed again.
_CONTENT_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
)
_CHECKSUMS = (
    "ChecksumCRC64NVME",
    "ChecksumCRC32C",
    "ChecksumCRC32",
    "ChecksumSHA256",
    "ChecksumSHA1",
)


@dataclass(frozen=True)
class MovedObject:
    """An object at its new location."""

    target: ObjectRef
    size: int

    def as_dict(self) -> dict[str, Any]:
        return self.target.as_dict() | {"size": self.size}


def move_object(
    source: ObjectRef, *, to_bucket: str, prefix: str, started_at: datetime | None = None
) -> MovedObject:
    """Move an object of any size to `<prefix><key>` in another bucket.

    Only the pinned object is copied and deleted: by its version id or, if it has none, on condition
    of its ETag. A newer upload with the same key is never touched. The copy is stamped with the
    ETag and version of its source; from the stamp, a retry knows what is already done. Tags and
    annotations are not copied.

    A source without a pin (of an execution started by hand) is the current object, unless it was
    uploaded after `started_at`.

    Raises SourceObjectMissingError and SourceObjectChangedError (the object is neither at its
    location nor at its destination), SourceAccessDeniedError, CopyVerificationError and
    AwsUnavailableError.
    """
    s3 = client("s3")
    s3.meta.events.register("before-call.s3.CopyObject", _exclude_annotations, "annotations")
    target = ObjectRef(to_bucket, prefix + source.key)
    try:
        with translate_source_errors(source):
            original = s3.head_object(**source.request(), ChecksumMode="ENABLED")
        refuse_newer(source, original, started_at)
    except (SourceObjectMissingError, SourceObjectChangedError):
        copy = copy_head(s3, target)
        if copy is None or not was_copied_from(copy, source, started_at):
            raise
        logger.info("file was already moved", source=source.uri, target=target.uri)
        return _moved_object(target, copy)

    source = pinned_to(source, original)
    copy = copy_head(s3, target)
    if _fault(copy, source, original):
        _copy(s3, source, original, target)
        copy = copy_head(s3, target)
    fault = _fault(copy, source, original)
    if copy is None or fault:
        raise CopyVerificationError(f"The copy of {source.uri} at {target.uri} {fault}.")
    _delete(s3, source)
    return _moved_object(target, copy)


def _fault(copy: Head | None, source: ObjectRef, original: Head) -> str | None:
    """What is wrong with a copy; None if it is correct."""
    if copy is None:
        return "does not exist"
    if not was_copied_from(copy, source, None):
        return "is a copy of another file"
    if copy["ContentLength"] != original["ContentLength"]:
        return f"has {copy['ContentLength']} bytes, not {original['ContentLength']}"
    if _has_md5_etag(copy) and _has_md5_etag(original):
        return None if copy["ETag"] == original["ETag"] else "has a different ETag"
    # A composite checksum depends on how an object was split into parts.
    if all(head.get("ChecksumType") == "FULL_OBJECT" for head in (copy, original)):
        for name in _CHECKSUMS:
            if name in copy and name in original and copy[name] != original[name]:
                return "has a different checksum"
    return None


def _has_md5_etag(head: Head) -> bool:
    """Whether the ETag is the content's MD5: uploaded in one part and not encrypted with KMS."""
    return "-" not in head["ETag"] and head.get("ServerSideEncryption", "AES256") == "AES256"


def _copy(s3: Any, source: ObjectRef, original: Head, target: ObjectRef) -> None:
    arguments = {
        "CopySourceIfMatch": original["ETag"],
        "MetadataDirective": "REPLACE",
        "Metadata": original["Metadata"] | stamp(source),
        "TaggingDirective": "REPLACE",
        **{name: original[name] for name in _CONTENT_HEADERS if original.get(name)},
    }
    try:
        with translate_aws_errors(f"copying {source.uri} to {target.uri}"):
            if original["ContentLength"] <= _MAX_SINGLE_COPY:
                s3.copy_object(**target.location(), CopySource=source.location(), **arguments)
            else:
                _copy_in_parts(s3, source, target, arguments)
    except ClientError as error:
        if error_code(error) == "NoSuchUpload":
            # The SDK repeated CompleteMultipartUpload after a lost response. The caller checks
            # the copy.
            logger.info("multipart upload was already completed or aborted", target=target.uri)
            return
        if error_code(error) in ("404", "412", "NoSuchKey", "NoSuchVersion", "PreconditionFailed"):
            raise CopyVerificationError(
                f"{source.uri} was replaced or deleted while it was copied: {error}"
            ) from error
        raise


def _exclude_annotations(params: dict[str, Any], **_: Any) -> None:
    """Tell S3 not to copy annotations, for which CopyObject would need further permissions.

    This sets a header, because the runtime's botocore may be too old to know the parameter.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """
    params["headers"]["x-amz-object-annotation-directive"] = "EXCLUDE"


def _copy_in_parts(
    s3: Any, source: ObjectRef, target: ObjectRef, arguments: dict[str, Any]
) -> None:
    # Few files are so large, and the import takes 20 ms.
    from s3transfer import exceptions
    from s3transfer.manager import TransferConfig, TransferManager

    # Before version 0.15, which the Lambda runtime may have, S3's own error arrives here instead.
    copy_failed = getattr(exceptions, "S3CopyFailedError", ())
    config = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART)
    try:
        with TransferManager(s3, config) as transfers:
            transfers.copy(source.location(), target.bucket, target.key, arguments).result()
    except copy_failed as error:
        raise CopyVerificationError(str(error)) from error


def _delete(s3: Any, source: ObjectRef) -> None:
    """Delete the object that was copied, but no later upload."""
    with translate_aws_errors(f"deleting {source.uri}"):
        if source.version_id:
            s3.delete_object(**source.location())
            return
        try:
            s3.delete_object(**source.request())
        except ClientError as error:
            # 404: already deleted; 412: replaced by another file.
            if http_status(error) not in (404, 412):
                raise
            logger.info("source was already deleted or replaced", source=source.uri)


def _moved_object(target: ObjectRef, copy: Head) -> MovedObject:
    return MovedObject(
        target.pinned_by({"versionId": copy.get("VersionId")}), copy["ContentLength"]
    )
