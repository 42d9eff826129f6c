"""A processed file is moved: exactly that file, and once, although the task may be retried."""

from typing import Any

import pytest
import s3transfer.exceptions

from handlers.sensor import mover
from handlers.sensor.errors import (
    CopyVerificationError,
    SourceObjectChangedError,
    SourceObjectMissingError,
)
from handlers.sensor.move_file import handler
from handlers.shared.clients import client
from tests.support.faults import Fault, Kind, injected
from tests.unit.fakes import FakeContext, client_error

from .conftest import EXECUTION, KEY, SOURCE, TARGET, Killed, World

MOVED = f"processed/{KEY}"


def move(source: dict[str, Any], context: FakeContext, **ingestion: Any) -> dict[str, Any]:
    """Move a file whose version and ETag come from the result of Process File."""
    pins = {name: source[name] for name in ("etag", "versionId") if name in source}
    location = {"bucketName": SOURCE, "objectKey": source["objectKey"]}
    event = {"execution": EXECUTION, "source": location, "ingestion": pins | ingestion}
    result: dict[str, Any] = handler(event, context)
    return result


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes of a part, and the most that one request copies: S3's minimum instead of gigabytes."""
    part = 5 * 1024 * 1024
    monkeypatch.setattr(mover, "_MAX_SINGLE_COPY", part)
    monkeypatch.setattr(mover, "_PART", part)
    return part


def test_a_file_is_moved(any_world: World, context: FakeContext) -> None:
    # Given a file
    source = any_world.upload(b"a,1,1\n")

    # When it is moved
    result = move(source, context)

    # Then it is at the target only, and no version stays in the source bucket
    assert any_world.read(TARGET, MOVED) == b"a,1,1\n"
    assert "Versions" not in any_world.s3.list_object_versions(Bucket=SOURCE)
    assert "DeleteMarkers" not in any_world.s3.list_object_versions(Bucket=SOURCE)
    version_id = any_world.s3.head_object(Bucket=TARGET, Key=MOVED)["VersionId"]
    assert result == {
        "bucketName": TARGET,
        "objectKey": MOVED,
        "versionId": version_id,
        "size": 6,
    }


def test_a_copy_is_made_without_annotations(any_world: World, context: FakeContext) -> None:
    """To copy them, S3 asks for permissions that the function does not have."""
    # Given the headers of all requests
    headers: dict[str, Any] = {}
    client("s3").meta.events.register(
        "before-send.s3",
        lambda request, event_name, **_: headers.update({event_name: request.headers}),
    )

    # When a file is moved, then the request for the copy excludes annotations
    move(any_world.upload(b"a,1,1\n"), context)
    assert headers["before-send.s3.CopyObject"]["x-amz-object-annotation-directive"] == b"EXCLUDE"


def test_a_retry_after_success_has_the_same_result(any_world: World, context: FakeContext) -> None:
    source = any_world.upload(b"a,1,1\n")
    first = move(source, context)
    assert move(source, context) == first


def test_a_retry_after_a_kill_before_the_delete_deletes_the_source(
    any_world: World, context: FakeContext, killed_before: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a copy whose source is still there
    source = any_world.upload(b"a,1,1\n")
    killed_before("s3", "delete_object")
    with pytest.raises(Killed):
        move(source, context)
    copy = any_world.s3.head_object(Bucket=TARGET, Key=MOVED)["VersionId"]

    # When the task is retried, then the source is deleted, and nothing is copied again
    assert move(source, context)["versionId"] == copy
    assert any_world.keys(SOURCE) == []


def test_a_retry_after_a_kill_before_the_copy_moves_the_file(
    any_world: World, context: FakeContext, killed_before: Any
) -> None:
    source = any_world.upload(b"a,1,1\n")
    killed_before("s3", "head_object")
    with pytest.raises(Killed):
        move(source, context)
    assert move(source, context)["size"] == 6


def test_a_newer_version_is_kept(world: World, context: FakeContext) -> None:
    older = world.upload(b"a,1,1\n")
    newer = world.upload(b"newer")
    move(older, context)
    versions = world.s3.list_object_versions(Bucket=SOURCE)["Versions"]
    assert [version["VersionId"] for version in versions] == [newer["versionId"]]
    assert world.read(SOURCE, KEY) == b"newer"
    assert world.read(TARGET, MOVED) == b"a,1,1\n"


@pytest.mark.parametrize("versioning", ["unversioned"], indirect=True)
def test_without_versioning_a_newer_upload_is_kept(any_world: World, context: FakeContext) -> None:
    older = any_world.upload(b"a,1,1\n")
    any_world.upload(b"newer")
    with pytest.raises(SourceObjectChangedError):
        move(older, context)
    assert any_world.read(SOURCE, KEY) == b"newer"


def test_a_newer_upload_between_copy_and_delete_is_kept(
    any_world: World, context: FakeContext, killed_before: Any
) -> None:
    # Given a file that was copied, and replaced before it could be deleted
    older = any_world.upload(b"a,1,1\n")
    killed_before("s3", "delete_object")
    with pytest.raises(Killed):
        move(older, context)
    any_world.upload(b"newer")

    # When the task is retried, then the copy is accepted
    assert move(older, context)["size"] == 6
    assert any_world.read(SOURCE, KEY) == b"newer"
    assert any_world.read(TARGET, MOVED) == b"a,1,1\n"


@pytest.mark.parametrize("versioning", ["unversioned"], indirect=True)
def test_the_condition_of_a_delete_protects_a_newer_upload(
    any_world: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an upload that arrives after all checks
    older = any_world.upload(b"a,1,1\n")
    delete = mover._delete

    def upload_first(s3: Any, source: Any) -> None:
        any_world.upload(b"newer")
        delete(s3, source)

    monkeypatch.setattr(mover, "_delete", upload_first)

    # When the older one is moved, then the newer one is kept
    assert move(older, context)["size"] == 6
    assert any_world.read(SOURCE, KEY) == b"newer"


def test_a_missing_file_is_an_error(any_world: World, context: FakeContext) -> None:
    source = any_world.upload(b"a,1,1\n")
    any_world.s3.delete_object(
        **{"Bucket": SOURCE, "Key": KEY}
        | ({"VersionId": source["versionId"]} if "versionId" in source else {})
    )
    with pytest.raises(SourceObjectMissingError):
        move(source, context)


def test_the_copy_of_another_upload_is_not_accepted(any_world: World, context: FakeContext) -> None:
    # Given a file that was moved, and another that was deleted
    move(any_world.upload(b"one"), context)
    with pytest.raises(SourceObjectMissingError):
        move({"objectKey": KEY, "etag": "0" * 32}, context)


def test_the_same_content_uploaded_again_is_another_file(
    world: World, context: FakeContext
) -> None:
    # Given two versions with the same content, the first moved and the second deleted
    first, second = world.upload(b"a,1,1\n"), world.upload(b"a,1,1\n")
    move(first, context)
    world.s3.delete_object(Bucket=SOURCE, Key=KEY, VersionId=second["versionId"])

    # When the second is moved, then the copy of the first is not accepted
    with pytest.raises(SourceObjectMissingError):
        move(second, context)


def test_another_object_at_the_target_key_is_replaced(
    any_world: World, context: FakeContext
) -> None:
    any_world.s3.put_object(Bucket=TARGET, Key=MOVED, Body=b"a,1,1\n")
    move(any_world.upload(b"a,1,1\n"), context)
    assert "source-etag" in any_world.s3.head_object(Bucket=TARGET, Key=MOVED)["Metadata"]


def test_content_type_and_metadata_are_kept(world: World, context: FakeContext) -> None:
    world.s3.put_object(
        Bucket=SOURCE, Key=KEY, Body=b"x", ContentType="text/csv", Metadata={"owner": "me"}
    )
    head = world.s3.head_object(Bucket=SOURCE, Key=KEY)
    move({"objectKey": KEY, "etag": head["ETag"], "versionId": head["VersionId"]}, context)
    copy = world.s3.head_object(Bucket=TARGET, Key=MOVED)
    assert copy["ContentType"] == "text/csv"
    assert copy["Metadata"]["owner"] == "me"


def test_a_file_too_large_for_one_request_is_copied_in_parts(
    any_world: World, context: FakeContext, part: int
) -> None:
    # Given a file of slightly more than two parts
    content = b"0123456789" * (part // 5) + b"end"

    # When it is moved, then the copy is complete and has the stamp
    move(any_world.upload(content), context)
    assert any_world.read(TARGET, MOVED) == content
    copy = any_world.s3.head_object(Bucket=TARGET, Key=MOVED)
    assert copy["ETag"].endswith('-3"')
    assert "source-etag" in copy["Metadata"]
    assert any_world.keys(SOURCE) == []


def test_an_older_s3transfer_copies_in_parts_too(
    world: World, context: FakeContext, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Lambda runtime may have a version before 0.15, without S3CopyFailedError."""
    monkeypatch.delattr(s3transfer.exceptions, "S3CopyFailedError", raising=False)
    content = b"0123456789" * (part // 5)

    move(world.upload(content), context)
    assert world.read(TARGET, MOVED) == content
    assert world.s3.head_object(Bucket=TARGET, Key=MOVED)["ETag"].endswith('-2"')


def test_a_file_that_is_replaced_while_it_is_copied_in_parts_is_an_error(
    world: World, context: FakeContext, part: int
) -> None:
    # Given a source that no longer has its ETag when a part is copied

    def refuse(**_: Any) -> None:
        raise client_error("PreconditionFailed", 412)

    client("s3").meta.events.register("before-call.s3.UploadPartCopy", refuse)

    # When it is moved, then the error says so, and the source is still there
    with pytest.raises(CopyVerificationError):
        move(world.upload(b"0123456789" * (part // 5)), context)
    assert world.keys(SOURCE)


def test_a_multipart_copy_is_found_after_a_lost_response(
    any_world: World, context: FakeContext, part: int
) -> None:
    # Given a multipart upload that S3 has completed, and that the SDK completes again
    content = b"0123456789" * (part // 5)
    source = any_world.upload(content)

    # When it is moved, then the copy is found
    with injected(Fault(Kind.RESPONSE_LOST, "CompleteMultipartUpload")) as network:
        assert move(source, context)["size"] == len(content)
    assert network.calls.count("CompleteMultipartUpload") == 2
    assert any_world.read(TARGET, MOVED) == content
    assert any_world.keys(SOURCE) == []


def test_an_empty_file_is_moved_too(any_world: World, context: FakeContext) -> None:
    assert move(any_world.upload(b""), context)["size"] == 0
