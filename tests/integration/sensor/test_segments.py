"""A large file is processed in segments, by the functions in the order of the machine."""

import json
from typing import Any

import pytest

from handlers.sensor import (
    find_failed_segment,
    index_segment,
    plan_ingestion,
    process_file,
    process_segment,
    reconcile_partition,
    summarise,
)
from handlers.sensor.errors import (
    NoValidReadingsError,
    SourceObjectChangedError,
    SourceObjectMissingError,
)
from handlers.shared.clients import client
from handlers.shared.errors import AwsUnavailableError, InvalidEventError
from tests.unit.fakes import FakeContext, client_error

from .conftest import EXECUTION, KEY, SOURCE, TARGET, World

WORK = "sensor-work"
CONTENT = (
    b"\xef\xbb\xbfsensor,time,value\r\n"
    + b"".join(b"s%d,%d,%d.5\r\n" % (n % 7, n % 40, n) for n in range(200))
    + b"rubbish\r\ns1,1,99\r\n\r\ns1,x,1\r\n"
)
REJECTED = f"rejected/{KEY}.csv"


@pytest.fixture
def large(any_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A work bucket, and limits with which a file of some rows is large."""
    any_world.s3.create_bucket(Bucket=WORK)
    monkeypatch.setenv("WORK_BUCKET", WORK)
    monkeypatch.setenv("LARGE_FILE_BYTES", "100")
    monkeypatch.setenv("SEGMENT_BYTES", "300")
    return any_world


def planned(source: dict[str, Any], context: FakeContext) -> dict[str, Any]:
    result: dict[str, Any] = plan_ingestion.handler(
        {"execution": EXECUTION, "source": source}, context
    )
    return result


def items(world: World, key: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(world.read(WORK, key) or b"[]")
    return loaded


def process(world: World, source: dict[str, Any], context: FakeContext) -> dict[str, Any]:
    """What the machine does."""
    plan = planned(source, context)
    event = {"execution": EXECUTION, "plan": plan}
    segments = items(world, plan["segmentList"])
    for segment in segments:
        assert index_segment.handler(event | {"segment": segment}, context) == {}
    for partition in items(world, plan["partitionList"]):
        assert reconcile_partition.handler(event | {"partition": partition}, context) == {}
    for segment in reversed(segments):
        result = process_segment.handler(event | {"segment": segment}, context)
        assert result == {"complete": True}
    summary: dict[str, Any] = summarise.handler(event, context)
    return summary


def test_the_result_is_that_of_process_file(large: World, context: FakeContext) -> None:
    # Given a file, and what one function makes of it
    source = large.upload(CONTENT)
    expected = process_file.handler({"execution": EXECUTION, "source": source}, context)
    readings, rejected = large.readings(), large.read(TARGET, REJECTED)
    for sensor, timestamp in readings:
        key = {"sensor_id": {"S": sensor}, "timestamp": {"N": timestamp}}
        large.dynamodb.delete_item(TableName="readings", Key=key)
    large.s3.delete_object(Bucket=TARGET, Key=REJECTED)

    # When it is processed in segments
    result = process(large, source, context)

    # Then the result, the table and the rejected rows are the same
    assert result | {"seconds": 0} == expected | {"seconds": 0}
    assert large.readings() == readings
    assert large.read(TARGET, REJECTED) == rejected
    assert rejected is not None
    assert [row.split(b",")[0] for row in rejected.splitlines()] == [b"line", b"202", b"205"]


def test_a_small_file_is_not_divided(large: World, context: FakeContext) -> None:
    plan = planned(large.upload(b"a,1,2\n"), context)

    assert plan == {"segmented": False, "size": 6}
    assert large.keys(WORK) == []


def test_an_upload_without_a_pin_is_pinned_by_the_plan(large: World, context: FakeContext) -> None:
    uploaded = large.upload(CONTENT)

    plan = planned({"bucketName": SOURCE, "objectKey": KEY}, context)

    assert plan["source"] == uploaded


def test_a_file_without_a_valid_reading_fails(large: World, context: FakeContext) -> None:
    source = large.upload(b"rubbish\n" * 100)

    with pytest.raises(NoValidReadingsError, match="100 rows were rejected"):
        process(large, source, context)

    assert (large.read(TARGET, REJECTED) or b"").count(b"\n") == 101
    assert large.readings() == {}


def test_a_missing_file_is_not_planned(large: World, context: FakeContext) -> None:
    with pytest.raises(SourceObjectMissingError):
        planned({"bucketName": SOURCE, "objectKey": "gone.csv"}, context)


def test_a_file_that_was_replaced_is_not_planned(large: World, context: FakeContext) -> None:
    large.upload(CONTENT)
    with pytest.raises(SourceObjectChangedError):
        planned({"bucketName": SOURCE, "objectKey": KEY, "etag": "another"}, context)


@pytest.mark.parametrize(
    ("handler", "event"),
    [
        (plan_ingestion.handler, {"execution": EXECUTION}),
        (index_segment.handler, {"plan": {}}),
        (reconcile_partition.handler, {"partition": {"number": 0}}),
        (process_segment.handler, {"segment": {"number": 0}}),
        (summarise.handler, {"execution": EXECUTION}),
        (find_failed_segment.handler, {}),
    ],
    ids=["plan", "index", "reconcile", "process", "summarise", "find"],
)
def test_an_incomplete_event_is_refused(
    large: World, context: FakeContext, handler: Any, event: dict[str, Any]
) -> None:
    with pytest.raises(InvalidEventError):
        handler(event, context)


# -- The error of a failed segment ----------------------------------------------------------------

MAP_FAILURE = {"Error": "States.ExceedToleratedFailureThreshold", "Cause": "exceeded"}
RUN = "arn:aws:states:us-east-1:123456789012:mapRun:machine/IndexSegments:1"


def find(context: FakeContext) -> dict[str, Any]:
    found: dict[str, Any] = find_failed_segment.handler(
        {"execution": EXECUTION, "failure": MAP_FAILURE}, context
    )
    return found


def children(monkeypatch: pytest.MonkeyPatch, failed: dict[str, list[tuple[str, int]]]) -> None:
    """The child executions of a Map Run by status: the error of each, and when it stopped."""
    states = client("stepfunctions")

    def list_executions(*, mapRunArn: str, statusFilter: str, maxResults: int) -> Any:
        assert mapRunArn == RUN
        return {
            "executions": [
                {"executionArn": error, "stopDate": stop}
                for error, stop in failed.get(statusFilter, [])
            ]
        }

    monkeypatch.setattr(states, "list_map_runs", lambda **_: {"mapRuns": [{"mapRunArn": RUN}]})
    monkeypatch.setattr(states, "list_executions", list_executions)
    monkeypatch.setattr(
        states,
        "describe_execution",
        lambda executionArn: {"error": executionArn, "cause": f"cause of {executionArn}"},
    )


def test_the_first_failed_segment_is_found(
    world: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    children(monkeypatch, {"FAILED": [("Later", 30), ("First", 10)], "TIMED_OUT": [("Slow", 20)]})

    assert find(context) == {"Error": "First", "Cause": "cause of First"}


def test_without_a_failed_segment_the_error_is_the_maps(
    world: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    children(monkeypatch, {})

    assert find(context) == MAP_FAILURE


def test_step_functions_unavailable_is_a_transient_error(
    world: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise client_error("ThrottlingException")

    monkeypatch.setattr(client("stepfunctions"), "list_map_runs", fail)

    with pytest.raises(AwsUnavailableError):
        find(context)
