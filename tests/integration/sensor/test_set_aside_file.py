"""A file that failed is set aside, unless it is gone or another one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.sensor.set_aside_file import handler
from tests.unit.fakes import FakeContext

from .conftest import EXECUTION, KEY, SOURCE, TARGET, Killed, World

SET_ASIDE = f"failed/{KEY}"
FAILURE = {"Error": "NoValidReadingsError", "Cause": "{}"}
BY_HAND = {"bucketName": SOURCE, "objectKey": KEY}


def set_aside(
    source: dict[str, Any], context: FakeContext, started: timedelta = timedelta(minutes=1)
) -> dict[str, Any]:
    """Set a file aside in an execution that started so much later than now."""
    started_at = (datetime.now(UTC) + started).isoformat().replace("+00:00", "Z")
    event = {"execution": EXECUTION, "startedAt": started_at, "failure": FAILURE}
    result: dict[str, Any] = handler(event | {"source": source}, context)
    return result


def test_a_file_is_set_aside(any_world: World, context: FakeContext) -> None:
    result = set_aside(any_world.upload(b"rubbish"), context)
    assert (result["moved"], result["bucketName"], result["objectKey"], result["size"]) == (
        True,
        TARGET,
        SET_ASIDE,
        7,
    )
    assert any_world.read(TARGET, SET_ASIDE) == b"rubbish"
    assert any_world.keys(SOURCE) == []


@pytest.mark.parametrize("by_hand", [False, True], ids=["by-an-event", "by-hand"])
def test_again(any_world: World, context: FakeContext, by_hand: bool) -> None:
    # Given a file that was set aside
    source = any_world.upload(b"rubbish")
    source = BY_HAND if by_hand else source
    first = set_aside(source, context, timedelta(0))

    # When the task is retried, then the answer is the same
    assert first["moved"]
    assert set_aside(source, context, timedelta(0)) == first


def test_again_after_being_killed(
    any_world: World, context: FakeContext, killed_before: Any
) -> None:
    source = any_world.upload(b"rubbish")
    killed_before("s3", "delete_object")
    with pytest.raises(Killed):
        set_aside(source, context)
    assert set_aside(source, context)["moved"]
    assert any_world.keys(SOURCE) == []


def test_a_missing_file_is_nothing_to_move(any_world: World, context: FakeContext) -> None:
    assert set_aside(BY_HAND, context) == {
        "moved": False,
        "reason": f"There is no s3://{SOURCE}/{KEY}.",
    }


@pytest.mark.parametrize("versioning", ["unversioned"], indirect=True)
def test_a_replaced_file_is_left_alone(any_world: World, context: FakeContext) -> None:
    older = any_world.upload(b"rubbish")
    any_world.upload(b"newer")
    result = set_aside(older, context)
    assert result["moved"] is False
    assert "no longer the file that was announced" in result["reason"]
    assert any_world.read(SOURCE, KEY) == b"newer"


def test_by_hand_what_was_uploaded_after_the_start_is_left_alone(
    any_world: World, context: FakeContext
) -> None:
    any_world.upload(b"newer")
    result = set_aside(BY_HAND, context, timedelta(minutes=-1))
    assert result["moved"] is False
    assert "no longer the file the execution was started for" in result["reason"]
    assert any_world.read(SOURCE, KEY) == b"newer"


def test_by_hand_what_was_there_at_the_start_is_set_aside(
    any_world: World, context: FakeContext
) -> None:
    any_world.upload(b"rubbish")
    assert set_aside(BY_HAND, context)["moved"]


def test_by_hand_an_older_file_of_that_name_in_the_target_is_not_taken_for_this_one(
    any_world: World, context: FakeContext
) -> None:
    # Given a file that an earlier execution set aside
    set_aside(any_world.upload(b"rubbish"), context)

    # When one that starts later finds nothing, then it does not claim that file
    assert set_aside(BY_HAND, context)["moved"] is False
