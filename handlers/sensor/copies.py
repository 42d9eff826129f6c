"""Recognises the copy of an object by its stamp: the ETag and version of its source."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from handlers.sensor.errors import SourceObjectChangedError
from handlers.sensor.source import ObjectRef
from handlers.shared.clock import iso
from handlers.shared.errors import http_status, translate_aws_errors

_ETAG, _VERSION = "source-etag", "source-version-id"  # user metadata of a copy

Head = Mapping[str, Any]


def stamp(source: ObjectRef) -> dict[str, str | None]:
    """The user metadata that a copy of exactly this object has."""
    return {_ETAG: source.etag} | ({_VERSION: source.version_id} if source.version_id else {})


def refuse_newer(source: ObjectRef, original: Head, started_at: datetime | None) -> None:
    """Raise SourceObjectChangedError if an unpinned file was uploaded after `started_at`."""
    pinned = source.version_id or source.etag
    if not pinned and started_at and original["LastModified"] > started_at:
        raise SourceObjectChangedError(
            f"{source.uri} is a newer upload: it was uploaded at {iso(original['LastModified'])}, "
            "after the execution had started."
        )


def copy_head(s3: Any, target: ObjectRef) -> Head | None:
    """The HeadObject response for a copy; None if there is no copy."""
    with translate_aws_errors(f"looking for {target.uri}"):
        try:
            head: Head = s3.head_object(**target.location(), ChecksumMode="ENABLED")
        except ClientError as error:
            if http_status(error) == 404:
                return None
            raise
    return head


def was_copied_from(copy: Head, source: ObjectRef, started_at: datetime | None) -> bool:
    """Whether the copy is one of exactly this file, by its stamp."""
    metadata = copy["Metadata"]
    if _ETAG not in metadata:
        return False
    if source.version_id or source.etag:
        return source.version_id in (None, metadata.get(_VERSION)) and source.etag in (
            None,
            metadata[_ETAG],
        )
    # S3 stores times in whole seconds.
    return bool(started_at and copy["LastModified"] >= started_at.replace(microsecond=0))
