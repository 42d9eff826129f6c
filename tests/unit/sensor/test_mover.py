"""Moving an object with responses that moto's S3 does not give."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.hooks import HierarchicalEmitter

from handlers.sensor import mover
from handlers.sensor.errors import CopyVerificationError
from handlers.sensor.mover import move_object
from handlers.sensor.source import ObjectRef
from handlers.shared.errors import AwsUnavailableError
from tests.unit.fakes import client_error

MD5, OTHER_MD5, PARTS = '"' + "a" * 32 + '"', '"' + "b" * 32 + '"', '"' + "c" * 32 + '-2"'
SUM = {"ChecksumCRC64NVME": "same=", "ChecksumType": "FULL_OBJECT"}
OTHER_SUM = SUM | {"ChecksumCRC64NVME": "other="}
COMPOSITE = OTHER_SUM | {"ChecksumType": "COMPOSITE"}
KMS = {"ServerSideEncryption": "aws:kms"}


class FakeS3:
    """A source object, and a target whose copies have the attributes that a test sets."""

    def __init__(self, original: dict[str, Any], copy: dict[str, Any]) -> None:
        self.meta = SimpleNamespace(events=HierarchicalEmitter())
        self.source: dict[str, Any] | None = {"ContentLength": 5, "Metadata": {}} | original
        self.target: dict[str, Any] | None = None
        self._copy = {"ContentLength": 5} | copy
        self.copied: dict[str, Any] = {}
        self.error: Exception | None = None
        self.delete_error: Exception | None = None

    def head_object(self, **request: Any) -> dict[str, Any]:
        found = self.source if request["Bucket"] == "source" else self.target
        if found is None:
            raise client_error("404", 404)
        return found

    def copy_object(self, **request: Any) -> None:
        if self.error:
            raise self.error
        self.copied = request
        self.target = self._copy | {"Metadata": request["Metadata"]}

    def delete_object(self, **request: Any) -> None:
        if self.delete_error:
            raise self.delete_error
        self.source = None


def move(s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> mover.MovedObject:
    monkeypatch.setattr(mover, "client", lambda service: s3)
    return move_object(ObjectRef("source", "key"), to_bucket="target", prefix="processed/")


@pytest.mark.parametrize(
    ("original", "copy"),
    [
        pytest.param({"ETag": MD5}, {"ETag": MD5}, id="same-md5"),
        pytest.param({"ETag": PARTS}, {"ETag": MD5}, id="multipart-and-no-checksum"),
        pytest.param({"ETag": PARTS} | SUM, {"ETag": MD5} | SUM, id="same-checksum"),
        pytest.param({"ETag": PARTS} | SUM, {"ETag": MD5} | COMPOSITE, id="composite-checksum"),
        pytest.param({"ETag": MD5}, {"ETag": OTHER_MD5} | KMS, id="encrypted-by-kms"),
    ],
)
def test_a_correct_copy_is_accepted(
    original: dict[str, Any], copy: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = FakeS3(original, copy)
    assert move(s3, monkeypatch).as_dict() == {
        "bucketName": "target",
        "objectKey": "processed/key",
        "size": 5,
    }
    assert s3.source is None


@pytest.mark.parametrize(
    ("original", "copy", "fault"),
    [
        pytest.param({"ETag": MD5}, {"ETag": OTHER_MD5}, "different ETag", id="md5"),
        pytest.param(
            {"ETag": PARTS} | SUM, {"ETag": MD5} | OTHER_SUM, "different checksum", id="checksum"
        ),
        pytest.param(
            {"ETag": MD5} | SUM | KMS, {"ETag": MD5} | OTHER_SUM, "different checksum", id="kms"
        ),
        pytest.param(
            {"ETag": MD5}, {"ETag": MD5, "ContentLength": 4}, "has 4 bytes, not 5", id="size"
        ),
    ],
)
def test_an_incorrect_copy_is_an_error_and_the_source_stays(
    original: dict[str, Any],
    copy: dict[str, Any],
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s3 = FakeS3(original, copy)
    with pytest.raises(CopyVerificationError, match=fault):
        move(s3, monkeypatch)
    assert s3.source


def test_a_copy_is_pinned_and_keeps_headers_and_metadata(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given an object with a content type and metadata
    s3 = FakeS3(
        {"ETag": MD5, "ContentType": "text/csv", "Metadata": {"owner": "me"}}, {"ETag": MD5}
    )

    # When it is moved
    move(s3, monkeypatch)

    # Then the copy has both, and is a copy of exactly that object
    assert s3.copied["CopySourceIfMatch"] == MD5
    assert s3.copied["ContentType"] == "text/csv"
    assert s3.copied["Metadata"] == {"owner": "me", "source-etag": "a" * 32}
    assert s3.copied["MetadataDirective"] == "REPLACE"


def test_moves_with_one_client_add_one_event_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance of the function moves many files, and keeps its client."""
    # Given a client that has moved a file
    s3 = FakeS3({"ETag": MD5}, {"ETag": MD5})
    move(s3, monkeypatch)

    # When it moves another one
    s3.source = {"ContentLength": 5, "Metadata": {}, "ETag": MD5}
    move(s3, monkeypatch)

    # Then its next copy still has one event handler
    request = {"headers": {}}
    handled = s3.meta.events.emit("before-call.s3.CopyObject", params=request)
    assert len(handled) == 1
    assert list(request["headers"]) == ["x-amz-object-annotation-directive"]


def test_objects_of_any_size_can_be_copied() -> None:
    assert mover._MAX_SINGLE_COPY < 5 * 1000**3  # the maximum of CopyObject
    assert mover._PART * 10_000 > 10**12  # parts of a multipart upload


@pytest.mark.parametrize("code", ["PreconditionFailed", "NoSuchKey", "NoSuchVersion"])
def test_a_source_that_disappears_during_the_copy_is_a_transient_error(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = FakeS3({"ETag": MD5}, {"ETag": MD5})
    s3.error = client_error(code, 412)
    with pytest.raises(CopyVerificationError, match="replaced or deleted"):
        move(s3, monkeypatch)


@pytest.mark.parametrize("copied", [True, False], ids=["complete", "aborted"])
def test_a_lost_response_to_a_multipart_upload_is_resolved_by_checking_the_copy(
    copied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 may return NoSuchUpload if CompleteMultipartUpload is repeated after a lost response."""

    def copy_in_parts(s3: FakeS3, source: Any, target: Any, arguments: dict[str, Any]) -> None:
        if copied:
            s3.copy_object(**arguments)
        raise client_error("NoSuchUpload", 404)

    monkeypatch.setattr(mover, "_MAX_SINGLE_COPY", 4)
    monkeypatch.setattr(mover, "_copy_in_parts", copy_in_parts)
    s3 = FakeS3({"ETag": MD5}, {"ETag": MD5})
    if copied:
        assert move(s3, monkeypatch).size == 5
    else:
        with pytest.raises(CopyVerificationError, match="does not exist"):
            move(s3, monkeypatch)


def test_throttling_by_s3_is_a_transient_error(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = FakeS3({"ETag": MD5}, {"ETag": MD5})
    s3.error = client_error("SlowDown", 503)
    with pytest.raises(AwsUnavailableError, match="copying s3://source/key"):
        move(s3, monkeypatch)


@pytest.mark.parametrize("status", [404, 412], ids=["deleted", "replaced"])
def test_a_source_that_disappears_before_the_delete_counts_as_moved(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = FakeS3({"ETag": MD5}, {"ETag": MD5})
    s3.delete_error = client_error("PreconditionFailed", status)
    assert move(s3, monkeypatch).size == 5
    assert s3.source


def test_a_denied_delete_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = FakeS3({"ETag": MD5}, {"ETag": MD5})
    s3.delete_error = client_error("AccessDenied", 403)
    with pytest.raises(Exception, match="AccessDenied"):
        move(s3, monkeypatch)
