"""A failed file is quarantined, unless it no longer exists or was replaced."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.sensor.quarantine_file import handler
from tests.unit.fakes import FakeContext

from .conftest import EXECUTION, KEY, SOURCE, TARGET, Killed, World

QUARANTINED = f"failed/{KEY}"
FAILURE = {"Error": "NoValidReadingsError", "Cause": "{}"}
BY_HAND = {"bucketName": SOURCE, "objectKey": KEY}


def quarantine(
    source: dict[str, Any], context: FakeContext, started: datetime | None = None
) -> dict[str, Any]:
    """Quarantine a file in an execution that started then; by default, in a minute from now."""
    started = started or datetime.now(UTC) + timedelta(minutes=1)
    started_at = started.isoformat().replace("+00:00", "Z")
    event = {"execution": EXECUTION, "startedAt": started_at, "failure": FAILURE}
    result: dict[str, Any] = handler(event | {"source": source}, context)
    return result


def test_a_file_is_quarantined(any_world: World, context: FakeContext) -> None:
    result = quarantine(any_world.upload(b"rubbish"), context)
    assert (result["moved"], result["bucketName"], result["objectKey"], result["size"]) == (
        True,
        TARGET,
        QUARANTINED,
        7,
    )
    assert any_world.read(TARGET, QUARANTINED) == b"rubbish"
    assert any_world.keys(SOURCE) == []


@pytest.mark.parametrize("by_hand", [False, True], ids=["by-an-event", "by-hand"])
def test_a_retry_has_the_same_result(any_world: World, context: FakeContext, by_hand: bool) -> None:
    # Given a quarantined file
    source = any_world.upload(b"rubbish")
    source = BY_HAND if by_hand else source
    started = datetime.now(UTC)
    first = quarantine(source, context, started)

    # When the task is retried, then the result is the same
    assert first["moved"]
    assert quarantine(source, context, started) == first


def test_a_retry_after_a_kill_finishes_the_move(
    any_world: World, context: FakeContext, killed_before: Any
) -> None:
    source = any_world.upload(b"rubbish")
    killed_before("s3", "delete_object")
    with pytest.raises(Killed):
        quarantine(source, context)
    assert quarantine(source, context)["moved"]
    assert any_world.keys(SOURCE) == []


def test_a_missing_file_is_not_moved(any_world: World, context: FakeContext) -> None:
    assert quarantine(BY_HAND, context) == {
        "moved": False,
        "reason": f"There is no s3://{SOURCE}/{KEY}.",
    }


@pytest.mark.parametrize("versioning", ["unversioned"], indirect=True)
def test_a_replaced_file_is_not_moved(any_world: World, context: FakeContext) -> None:
    older = any_world.upload(b"rubbish")
    any_world.upload(b"newer")
    result = quarantine(older, context)
    assert result["moved"] is False
    assert "was replaced by a newer upload" in result["reason"]
    assert any_world.read(SOURCE, KEY) == b"newer"


def test_by_hand_a_file_uploaded_after_the_start_is_not_moved(
    any_world: World, context: FakeContext
) -> None:
    any_world.upload(b"newer")
    result = quarantine(BY_HAND, context, datetime.now(UTC) - timedelta(minutes=1))
    assert result["moved"] is False
    assert "after the execution had started" in result["reason"]
    assert any_world.read(SOURCE, KEY) == b"newer"


def test_by_hand_a_file_uploaded_before_the_start_is_quarantined(
    any_world: World, context: FakeContext
) -> None:
    any_world.upload(b"rubbish")
    assert quarantine(BY_HAND, context)["moved"]


def test_by_hand_an_earlier_quarantined_file_is_not_reported_as_this_one(
    any_world: World, context: FakeContext
) -> None:
    # Given a file that an earlier execution quarantined
    quarantine(any_world.upload(b"rubbish"), context)

    # When one that starts later finds nothing, then it does not report that file as its own
    assert quarantine(BY_HAND, context)["moved"] is False
