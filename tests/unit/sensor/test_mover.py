"""What is wrong with a copy, where S3 has to be taken at its word."""

from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig

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
    """A source object, and a target whose copies come out as a test says."""

    def __init__(self, original: dict[str, Any], copy: dict[str, Any]) -> None:
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

    def copy(self, source: Any, bucket: str, key: str, **options: Any) -> None:
        if self.error:
            raise self.error
        self.copied = options
        self.target = self._copy | {"Metadata": options["ExtraArgs"]["Metadata"]}

    def delete_object(self, **request: Any) -> None:
        if self.delete_error:
            raise self.delete_error
        self.source = None


def move(s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> mover.Moved:
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
def test_a_good_copy(
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
        pytest.param({"ETag": MD5}, {"ETag": OTHER_MD5}, "another ETag", id="md5"),
        pytest.param(
            {"ETag": PARTS} | SUM, {"ETag": MD5} | OTHER_SUM, "another checksum", id="checksum"
        ),
        pytest.param(
            {"ETag": MD5} | SUM | KMS, {"ETag": MD5} | OTHER_SUM, "another checksum", id="kms"
        ),
        pytest.param(
            {"ETag": MD5}, {"ETag": MD5, "ContentLength": 4}, "has 4 bytes, not 5", id="size"
        ),
    ],
)
def test_a_bad_copy_is_an_error_and_the_source_stays(
    original: dict[str, Any],
    copy: dict[str, Any],
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s3 = FakeS3(original, copy)
    with pytest.raises(CopyVerificationError, match=fault):
        move(s3, monkeypatch)
    assert s3.source


def test_a_copy_is_pinned_and_keeps_what_describes_the_object(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given an object with a type and metadata of its own
    s3 = FakeS3(
        {"ETag": MD5, "ContentType": "text/csv", "Metadata": {"owner": "me"}}, {"ETag": MD5}
    )

    # When it is moved
    move(s3, monkeypatch)

    # Then the copy has both, and was made of exactly that object
    extra = s3.copied["ExtraArgs"]
    assert extra["CopySourceIfMatch"] == MD5
    assert extra["ContentType"] == "text/csv"
    assert extra["Metadata"] == {"owner": "me", "source-etag": "a" * 32}
    assert extra["MetadataDirective"] == "REPLACE"


def test_objects_of_any_size_can_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = FakeS3({"ETag": MD5}, {"ETag": MD5})
    move(s3, monkeypatch)
    config: TransferConfig = s3.copied["Config"]
    assert config.multipart_threshold < 5 * 1000**3  # the most CopyObject takes
    assert config.multipart_chunksize * 10_000 > 10**12  # parts of a multipart upload


@pytest.mark.parametrize("code", ["PreconditionFailed", "NoSuchKey", "NoSuchVersion"])
def test_a_source_that_goes_away_while_it_is_copied_is_looked_at_again(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = FakeS3({"ETag": MD5}, {"ETag": MD5})
    s3.error = client_error(code, 412)
    with pytest.raises(CopyVerificationError, match="replaced or deleted"):
        move(s3, monkeypatch)


@pytest.mark.parametrize("there", [True, False], ids=["complete", "aborted"])
def test_an_upload_that_s3_no_longer_knows_is_judged_by_its_copy(
    there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 may say so when CompleteMultipartUpload is repeated because its answer was lost."""

    class Repeated(FakeS3):
        def copy(self, *place: Any, **options: Any) -> None:
            if there:
                super().copy(*place, **options)
            raise client_error("NoSuchUpload", 404)

    s3 = Repeated({"ETag": MD5}, {"ETag": MD5})
    if there:
        assert move(s3, monkeypatch).size == 5
    else:
        with pytest.raises(CopyVerificationError, match="is not there"):
            move(s3, monkeypatch)


def test_a_busy_s3_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = FakeS3({"ETag": MD5}, {"ETag": MD5})
    s3.error = client_error("SlowDown", 503)
    with pytest.raises(AwsUnavailableError, match="copying s3://source/key"):
        move(s3, monkeypatch)


@pytest.mark.parametrize("status", [404, 412], ids=["deleted", "replaced"])
def test_a_source_that_goes_away_before_it_is_deleted_was_moved(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = FakeS3({"ETag": MD5}, {"ETag": MD5})
    s3.delete_error = client_error("PreconditionFailed", status)
    assert move(s3, monkeypatch).size == 5
    assert s3.source


def test_a_source_that_may_not_be_deleted_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = FakeS3({"ETag": MD5}, {"ETag": MD5})
    s3.delete_error = client_error("AccessDenied", 403)
    with pytest.raises(Exception, match="AccessDenied"):
        move(s3, monkeypatch)
