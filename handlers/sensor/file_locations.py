"""Finds out where a file is, just before a mail reports it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from handlers.sensor.copies import copy_head, refuse_newer, was_copied_from
from handlers.sensor.errors import (
    SourceAccessDeniedError,
    SourceObjectChangedError,
    SourceObjectMissingError,
)
from handlers.sensor.source import ObjectRef, real_version, translate_source_errors
from handlers.shared import settings
from handlers.shared.clients import client
from handlers.shared.clock import from_iso
from handlers.shared.errors import AwsUnavailableError

_ATTEMPTS = 2  # per location: a mail without a location is better than no mail


@dataclass(frozen=True)
class FileLocations:
    """Where a file was found, as URIs, and which locations could not be checked, and why."""

    source: str | None = None
    processed: str | None = None
    failed: str | None = None
    unknown: tuple[str, ...] = ()

    @property
    def found(self) -> list[str]:
        return [uri for uri in (self.source, self.processed, self.failed) if uri]


def find_file(event: Mapping[str, Any]) -> FileLocations:
    """Look for the file of an event in the source bucket, in processed/ and in failed/.

    Only the exact file counts: its version or ETag and, in the target bucket, a copy with its
    stamp. If S3 does not respond, the location is reported as unknown and no error is raised.
    """
    source = ObjectRef.from_event(event).pinned_by(event.get("ingestion") or {})
    # A function invoked by hand may have no execution, and so no start time.
    started_at = from_iso(event["startedAt"]) if event.get("startedAt") else None
    bucket = settings.text("TARGET_BUCKET")
    processed = ObjectRef(bucket, f"processed/{source.key}")
    failed = ObjectRef(bucket, f"failed/{source.key}").pinned_by(
        {"versionId": (event.get("quarantine") or {}).get("versionId")}
    )
    s3 = client("s3", bulk=True)  # short timeout, no retries: the mail must not be delayed
    unknown: list[str] = []

    def check(location: ObjectRef, find: Callable[[], str | None]) -> str | None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return find()
            except (AwsUnavailableError, SourceAccessDeniedError, BotoCoreError, ClientError) as e:
                if attempt == _ATTEMPTS:
                    unknown.append(f"{location.uri} could not be checked: {e}")
        return None

    return FileLocations(
        source=check(source, lambda: _find_original(s3, source, started_at)),
        processed=check(processed, lambda: _find_copy(s3, processed, source, started_at)),
        failed=check(failed, lambda: _find_copy(s3, failed, source, started_at)),
        unknown=tuple(unknown),
    )


def _find_original(s3: Any, source: ObjectRef, started_at: datetime | None) -> str | None:
    try:
        with translate_source_errors(source):
            head = s3.head_object(**source.request())
        refuse_newer(source, head, started_at)
    except (SourceObjectMissingError, SourceObjectChangedError):
        return None
    return _uri_with_version(source)


def _find_copy(
    s3: Any, target: ObjectRef, source: ObjectRef, started_at: datetime | None
) -> str | None:
    """The copy at the key or, if a newer file has replaced it, our version of it."""
    for ref in dict.fromkeys((replace(target, version_id=None), target)):
        head = copy_head(s3, ref)
        if head is not None and was_copied_from(head, source, started_at):
            return _uri_with_version(ref)
    return None


def _uri_with_version(ref: ObjectRef) -> str:
    version = real_version(ref.version_id)
    return f"{ref.uri} (version {version})" if version else ref.uri
