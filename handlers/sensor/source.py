"""Identifies and reads the uploaded object."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

from botocore.exceptions import ClientError

from handlers.sensor.errors import (
    SourceAccessDeniedError,
    SourceObjectChangedError,
    SourceObjectMissingError,
)
from handlers.shared.aws_http.object_reader import open_object
from handlers.shared.clients import client
from handlers.shared.errors import error_code, http_status, translate_aws_errors
from handlers.shared.events import field


@dataclass(frozen=True)
class ObjectRef:
    """An object in S3, pinned to its version or ETag if they are known."""

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """The object that is the `source` of an event."""
        return cls.from_dict(field(event, "source"))

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """From its form in events: {"bucketName", "objectKey", "versionId"?, "etag"?}."""
        return cls(field(fields, "bucketName"), field(fields, "objectKey")).pinned_by(fields)

    def as_dict(self) -> dict[str, Any]:
        """Its form in events, which `from_dict` reads."""
        location = {"bucketName": self.bucket, "objectKey": self.key}
        pins = {"versionId": self.version_id, "etag": self.etag}
        return location | {name: value for name, value in pins.items() if value}

    def pinned_by(self, pins: Mapping[str, Any]) -> Self:
        """This object, pinned to the versionId and etag in `pins`, if any."""
        return replace(
            self,
            version_id=real_version(pins.get("versionId")) or self.version_id,
            etag=(pins.get("etag") or "").strip('"') or self.etag,
        )

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def request(self) -> dict[str, str]:
        """Parameters for GetObject or HeadObject of exactly this object."""
        return self.location() | ({"IfMatch": f'"{self.etag}"'} if self.etag else {})

    def location(self) -> dict[str, str]:
        """Bucket, key and, if known, version. Also valid as a CopySource."""
        version = {"VersionId": self.version_id} if self.version_id else {}
        return {"Bucket": self.bucket, "Key": self.key} | version


def real_version(version_id: str | None) -> str | None:
    """The version id if it identifies one upload, otherwise None.

    A bucket without versioning has no version ids. With versioning suspended the id is "null": the
    next upload gets the same id and replaces the object.
    """
    return None if version_id in (None, "", "null") else version_id


def pinned_to(source: ObjectRef, response: Mapping[str, Any]) -> ObjectRef:
    """The object, pinned by a response to GetObject or HeadObject."""
    return source.pinned_by({"versionId": response.get("VersionId"), "etag": response["ETag"]})


def head_source(source: ObjectRef) -> tuple[ObjectRef, int]:
    """The object, pinned to what is stored now, and its size. Raises as `open_source`."""
    with translate_source_errors(source):
        head = client("s3").head_object(**source.request())
    return pinned_to(source, head), head["ContentLength"]


def open_source(
    source: ObjectRef, byte_range: tuple[int, int] | None = None
) -> tuple[ObjectRef, Generator[bytes]]:
    """Open an object; returns the exact object that is read, and its content in chunks.

    `byte_range` is (start, stop): only the bytes from `start` up to but not including `stop` are
    read.

    Raises SourceObjectMissingError (no such object or version, or a delete marker),
    SourceObjectChangedError, SourceAccessDeniedError and AwsUnavailableError, also while the chunks
    are iterated over.
    """
    with translate_source_errors(source):
        pins, content = open_object(source.request(), byte_range)
    return pinned_to(source, pins), _translated(source, content)


def _translated(source: ObjectRef, content: Generator[bytes]) -> Generator[bytes]:
    with closing(content), translate_source_errors(source):
        yield from content


@contextmanager
def translate_source_errors(source: ObjectRef) -> Iterator[None]:
    """Translate errors of S3 to the errors that `open_source` documents."""
    try:
        with translate_aws_errors(f"reading {source.uri}"):
            yield
    except ClientError as error:
        name = f"{source.uri} (version {source.version_id})" if source.version_id else source.uri
        # A HEAD response has a status but no error code. 405: the version is a delete marker.
        # InvalidArgument: the version id is malformed.
        match http_status(error):
            case 404 | 405:
                raise SourceObjectMissingError(f"There is no {name}.") from error
            case 400 if source.version_id and error_code(error) == "InvalidArgument":
                raise SourceObjectMissingError(f"There is no {name}.") from error
            case 412:
                raise SourceObjectChangedError(
                    f"{name} was replaced by a newer upload: its ETag is no longer {source.etag}."
                ) from error
            case 403:
                raise SourceAccessDeniedError(
                    f"No permission to read {name}: {error.response['Error'].get('Message')}."
                ) from error
        raise
