"""The locations that a mail reports are those where the file is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.sensor import move_file, quarantine_file
from handlers.sensor.file_locations import FileLocations, find_file
from tests.support.engine import TaskError
from tests.support.faults import EVERY, Fault, Kind, injected
from tests.unit.fakes import FakeContext

from .conftest import EXECUTION, KEY, SOURCE, TARGET, World

BY_HAND = {"bucketName": SOURCE, "objectKey": KEY}
PROCESSED, FAILED = f"s3://{TARGET}/processed/{KEY}", f"s3://{TARGET}/failed/{KEY}"


def event_of(source: dict[str, Any], started: timedelta = timedelta(minutes=1)) -> dict[str, Any]:
    """An event of an execution that started `started` after now."""
    started_at = (datetime.now(UTC) + started).isoformat().replace("+00:00", "Z")
    return {"execution": EXECUTION, "startedAt": started_at, "source": source, "failure": {}}


def source_uri(source: dict[str, Any]) -> str:
    version = f" (version {source['versionId']})" if "versionId" in source else ""
    return f"s3://{SOURCE}/{KEY}{version}"


def test_a_file_in_the_source_bucket_is_found(any_world: World) -> None:
    source = any_world.upload(b"a,1,1\n")
    assert find_file(event_of(source)) == FileLocations(source=source_uri(source))


def test_a_processed_file_is_found(any_world: World, context: FakeContext) -> None:
    event = event_of(any_world.upload(b"a,1,1\n")) | {"ingestion": {}}
    move_file.handler(event, context)
    assert find_file(event) == FileLocations(processed=PROCESSED)


def test_a_quarantined_file_is_found(any_world: World, context: FakeContext) -> None:
    event = event_of(any_world.upload(b"rubbish"))
    quarantine_file.handler(event, context)
    assert find_file(event) == FileLocations(failed=FAILED)


def test_both_locations_of_a_half_moved_file_are_found(
    any_world: World, context: FakeContext
) -> None:
    source = any_world.upload(b"rubbish")
    event = event_of(source)
    fault = Fault(Kind.REFUSED, "DeleteObject", times=EVERY)
    with injected(fault) as network, pytest.raises(TaskError):
        network.invoke(quarantine_file.handler, event, context)
    assert find_file(event) == FileLocations(source=source_uri(source), failed=FAILED)


def test_a_missing_file_is_not_found(any_world: World) -> None:
    assert find_file(event_of(BY_HAND)) == FileLocations()


def test_the_version_that_process_file_read_is_used_if_the_event_has_none(world: World) -> None:
    source = world.upload(b"a,1,1\n")
    pins = {"etag": source["etag"], "versionId": source["versionId"]}
    event = event_of(BY_HAND) | {"ingestion": pins}
    assert find_file(event) == FileLocations(source=source_uri(source))


def test_by_hand_a_later_upload_is_another_file(world: World, context: FakeContext) -> None:
    # Given a file that was quarantined by an earlier execution, and a newer upload
    before = datetime.now(UTC)
    event = event_of(BY_HAND | {"etag": world.upload(b"rubbish")["etag"]})
    quarantine_file.handler(event, context)
    world.upload(b"newer")

    # When an execution that began before that upload, and after the earlier file, looks
    assert find_file(event_of(BY_HAND, before - datetime.now(UTC))).failed == FAILED
    assert find_file(event_of(BY_HAND, timedelta(minutes=-1))).source is None
    assert find_file(event_of(BY_HAND, timedelta(minutes=1))).failed is None


@pytest.mark.parametrize("versioning", ["unversioned"], indirect=True)
def test_a_newer_upload_is_another_file(any_world: World) -> None:
    older = any_world.upload(b"rubbish")
    any_world.upload(b"newer")
    assert find_file(event_of(older)) == FileLocations()


def test_a_copy_that_a_newer_one_replaced_is_named_by_its_version(
    world: World, context: FakeContext
) -> None:
    older, newer = event_of(world.upload(b"rubbish")), event_of(world.upload(b"more rubbish"))
    older["quarantine"] = quarantine_file.handler(older, context)
    newer["quarantine"] = quarantine_file.handler(newer, context)

    assert find_file(older).failed == f"{FAILED} (version {older['quarantine']['versionId']})"
    assert find_file(newer).failed == FAILED


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.UNAVAILABLE, Kind.RESPONSE_LOST], ids=str)
def test_a_location_that_cannot_be_checked_is_unknown_and_no_error(
    world: World, kind: Kind
) -> None:
    event = event_of(world.upload(b"a,1,1\n"))
    with injected(Fault(kind, "HeadObject", times=EVERY)):
        found = find_file(event)
    assert found.found == []
    assert [reason.split(" could not be checked: ")[0] for reason in found.unknown] == [
        f"s3://{SOURCE}/{KEY}",
        PROCESSED,
        FAILED,
    ]


def test_a_location_is_checked_twice(world: World) -> None:
    source = world.upload(b"a,1,1\n")
    with injected(Fault(Kind.RESPONSE_LOST, "HeadObject")):
        assert find_file(event_of(source)) == FileLocations(source=source_uri(source))
