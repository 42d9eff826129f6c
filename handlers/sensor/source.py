"""The uploaded object: which one it is, and reading it."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

from botocore.exceptions import ClientError

from handlers.sensor.errors import (
    SourceAccessDeniedError,
    SourceObjectChangedError,
    SourceObjectMissingError,
)
from handlers.shared.clients import client
from handlers.shared.errors import error_code, http_status, translate_aws_errors
from handlers.shared.events import field

CHUNK = 1024 * 1024


@dataclass(frozen=True)
class ObjectRef:
    """An object in S3, pinned to a version or an ETag where they are known."""

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """The object that is the `source` of an event."""
        return cls.from_dict(field(event, "source"))

    @classmethod
    def from_dict(cls, place: Mapping[str, Any]) -> Self:
        """From the form in events: {"bucketName", "objectKey", "versionId"?, "etag"?}."""
        return cls(field(place, "bucketName"), field(place, "objectKey")).pinned_by(place)

    def as_dict(self) -> dict[str, Any]:
        """The form in events, as `from_dict` reads it."""
        place = {"bucketName": self.bucket, "objectKey": self.key}
        pins = {"versionId": self.version_id, "etag": self.etag}
        return place | {name: value for name, value in pins.items() if value}

    def pinned_by(self, pins: Mapping[str, Any]) -> Self:
        """This object, pinned to the versionId and the etag found there, if any."""
        return replace(
            self,
            version_id=real_version(pins.get("versionId")) or self.version_id,
            etag=(pins.get("etag") or "").strip('"') or self.etag,
        )

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def request(self) -> dict[str, str]:
        """Parameters of a GetObject or HeadObject for this object and no other."""
        return self.location() | ({"IfMatch": f'"{self.etag}"'} if self.etag else {})

    def location(self) -> dict[str, str]:
        """Bucket, key and, if known, version: also a CopySource."""
        version = {"VersionId": self.version_id} if self.version_id else {}
        return {"Bucket": self.bucket, "Key": self.key} | version


def real_version(version_id: str | None) -> str | None:
    """The version id, unless it is none.

    Without versioning there is none, and with versioning suspended it is "null": the next upload
    has the same and takes its place, so it tells nothing apart.
    """
    return None if version_id in (None, "", "null") else version_id


def pinned_to(source: ObjectRef, answer: Mapping[str, Any]) -> ObjectRef:
    """The object as an answer to GetObject or HeadObject describes it."""
    return source.pinned_by({"versionId": answer.get("VersionId"), "etag": answer["ETag"]})


def open_source(source: ObjectRef) -> tuple[ObjectRef, Generator[bytes]]:
    """Open an object: what is really read, and its content in chunks as they arrive.

    Raises SourceObjectMissingError (no such object or version, or a delete marker),
    SourceObjectChangedError, SourceAccessDeniedError, and AwsUnavailableError, which the chunks
    raise as well when the connection breaks.
    """
    with source_faults(source):
        answer = client("s3").get_object(**source.request())
    return pinned_to(source, answer), _chunks(source, answer["Body"])


def _chunks(source: ObjectRef, body: Any) -> Generator[bytes]:
    try:
        with translate_aws_errors(f"reading {source.uri}"):
            yield from body.iter_chunks(CHUNK)
    finally:
        body.close()


@contextmanager
def source_faults(source: ObjectRef) -> Iterator[None]:
    """Raise what S3 answers as one of the errors above."""
    try:
        with translate_aws_errors(f"reading {source.uri}"):
            yield
    except ClientError as error:
        which = f"{source.uri} (version {source.version_id})" if source.version_id else source.uri
        # A HEAD answers with a status alone. 405: the version asked for is a delete marker;
        # InvalidArgument: it is not even the form of a version id.
        match http_status(error):
            case 404 | 405:
                raise SourceObjectMissingError(f"There is no {which}.") from error
            case 400 if source.version_id and error_code(error) == "InvalidArgument":
                raise SourceObjectMissingError(f"There is no {which}.") from error
            case 412:
                raise SourceObjectChangedError(
                    f"{which} is no longer the file that was announced: its ETag is not "
                    f"{source.etag} any more."
                ) from error
            case 403:
                raise SourceAccessDeniedError(
                    f"{which} may not be read: {error.response['Error'].get('Message')}."
                ) from error
        raise
