"""Where a file is said to be is where it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.sensor import move_file, quarantine_file
from handlers.sensor.whereabouts import Whereabouts, look_for
from tests.support.engine import TaskError
from tests.support.faults import EVERY, Fault, Kind, injected
from tests.unit.fakes import FakeContext

from .conftest import EXECUTION, KEY, SOURCE, TARGET, World

BY_HAND = {"bucketName": SOURCE, "objectKey": KEY}
PROCESSED, FAILED = f"s3://{TARGET}/processed/{KEY}", f"s3://{TARGET}/failed/{KEY}"


def event_of(source: dict[str, Any], started: timedelta = timedelta(minutes=1)) -> dict[str, Any]:
    """An event of an execution that started so much later than now."""
    started_at = (datetime.now(UTC) + started).isoformat().replace("+00:00", "Z")
    return {"execution": EXECUTION, "startedAt": started_at, "source": source, "failure": {}}


def original(source: dict[str, Any]) -> str:
    version = f" (version {source['versionId']})" if "versionId" in source else ""
    return f"s3://{SOURCE}/{KEY}{version}"


def test_in_the_source_bucket(any_world: World) -> None:
    source = any_world.upload(b"a,1,1\n")
    assert look_for(event_of(source)) == Whereabouts(source=original(source))


def test_in_processed(any_world: World, context: FakeContext) -> None:
    event = event_of(any_world.upload(b"a,1,1\n")) | {"ingestion": {}}
    move_file.handler(event, context)
    assert look_for(event) == Whereabouts(processed=PROCESSED)


def test_in_failed(any_world: World, context: FakeContext) -> None:
    event = event_of(any_world.upload(b"rubbish"))
    quarantine_file.handler(event, context)
    assert look_for(event) == Whereabouts(failed=FAILED)


def test_in_two_places_when_a_move_stopped_in_the_middle(
    any_world: World, context: FakeContext
) -> None:
    source = any_world.upload(b"rubbish")
    event = event_of(source)
    fault = Fault(Kind.REFUSED, "DeleteObject", times=EVERY)
    with injected(fault) as network, pytest.raises(TaskError):
        network.invoke(quarantine_file.handler, event, context)
    assert look_for(event) == Whereabouts(source=original(source), failed=FAILED)


def test_nowhere(any_world: World) -> None:
    assert look_for(event_of(BY_HAND)) == Whereabouts()


def test_the_pins_of_process_file_count_where_the_event_has_none(world: World) -> None:
    source = world.upload(b"a,1,1\n")
    pins = {"etag": source["etag"], "versionId": source["versionId"]}
    event = event_of(BY_HAND) | {"ingestion": pins}
    assert look_for(event) == Whereabouts(source=original(source))


def test_by_hand_what_came_later_is_another_file(world: World, context: FakeContext) -> None:
    # Given a file that was quarantined by an earlier execution, and a newer upload
    event = event_of(BY_HAND | {"etag": world.upload(b"rubbish")["etag"]})
    quarantine_file.handler(event, context)
    world.upload(b"newer")

    # When an execution that began before that upload, and after the earlier file, looks
    assert look_for(event_of(BY_HAND, timedelta(0))).failed == FAILED
    assert look_for(event_of(BY_HAND, timedelta(minutes=-1))).source is None
    assert look_for(event_of(BY_HAND, timedelta(minutes=1))).failed is None


@pytest.mark.parametrize("versioning", ["unversioned"], indirect=True)
def test_a_newer_upload_is_another_file(any_world: World) -> None:
    older = any_world.upload(b"rubbish")
    any_world.upload(b"newer")
    assert look_for(event_of(older)) == Whereabouts()


def test_a_copy_whose_place_a_newer_one_has_taken_is_named_by_its_version(
    world: World, context: FakeContext
) -> None:
    older, newer = event_of(world.upload(b"rubbish")), event_of(world.upload(b"more rubbish"))
    older["quarantine"] = quarantine_file.handler(older, context)
    newer["quarantine"] = quarantine_file.handler(newer, context)

    assert look_for(older).failed == f"{FAILED} (version {older['quarantine']['versionId']})"
    assert look_for(newer).failed == FAILED


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.UNAVAILABLE, Kind.RESPONSE_LOST], ids=str)
def test_a_place_that_cannot_be_looked_at_is_unknown_and_no_error(world: World, kind: Kind) -> None:
    event = event_of(world.upload(b"a,1,1\n"))
    with injected(Fault(kind, "HeadObject", times=EVERY)):
        found = look_for(event)
    assert found.found == []
    assert [reason.split(" could not be looked at: ")[0] for reason in found.unknown] == [
        f"s3://{SOURCE}/{KEY}",
        PROCESSED,
        FAILED,
    ]


def test_a_place_is_looked_at_twice(world: World) -> None:
    source = world.upload(b"a,1,1\n")
    with injected(Fault(Kind.RESPONSE_LOST, "HeadObject")):
        assert look_for(event_of(source)) == Whereabouts(source=original(source))
