"""An upload starts an execution, once."""

from typing import Any
from urllib.parse import quote_plus

import pytest

from handlers.sensor.errors import ExecutionNotStartedError
from handlers.sensor.execute_workflow import handler
from handlers.shared.clients import client
from handlers.shared.errors import InvalidEventError
from tests.unit.fakes import FakeContext, client_error

from .conftest import World


def record(key: str = "readings.csv", **fields: Any) -> dict[str, Any]:
    """A record as S3 sends it: the key is URL-encoded."""
    found = {"key": quote_plus(key, safe="/"), "size": 10, "eTag": "abc", "sequencer": "0065"}
    return {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "sensor-source"}, "object": found | fields},
    }


def notified(context: FakeContext, *records: Any) -> dict[str, Any]:
    result: dict[str, Any] = handler({"Records": list(records)}, context)
    return result


def test_an_upload_starts_an_execution(world: World, context: FakeContext) -> None:
    # When S3 tells of an upload
    started = notified(context, record("2026/readings.csv", versionId="v1"))["started"]

    # Then there is an execution, with what tells this object from any other
    assert world.executions() == {
        started[0]: {
            "bucketName": "sensor-source",
            "objectKey": "2026/readings.csv",
            "versionId": "v1",
            "size": 10,
            "etag": "abc",
        }
    }


@pytest.mark.parametrize(
    "key",
    ["a b.csv", "a+b.csv", "a%20b.csv", "ä/漢字.csv", "a&b=c.csv", "UPPER.CSV", "é" * 300 + ".csv"],
    ids=["blank", "plus", "percent", "unicode", "signs", "upper-case", "long"],
)
def test_a_key_arrives_as_it_was_uploaded(world: World, context: FakeContext, key: str) -> None:
    notified(context, record(key))
    assert [found["objectKey"] for found in world.executions().values()] == [key]


@pytest.mark.parametrize(
    ("fields", "absent"),
    [
        pytest.param({}, "versionId", id="none"),
        pytest.param({"versionId": "null"}, "versionId", id="suspended"),
    ],
)
def test_no_version_is_no_version(
    world: World, context: FakeContext, fields: dict[str, str], absent: str
) -> None:
    notified(context, record(**fields))
    assert all(absent not in found for found in world.executions().values())


@pytest.mark.parametrize("key", ["readings.txt", "folder/", "folder.csv/", "csv", "a.csv.gz"])
def test_what_is_no_csv_is_ignored(world: World, context: FakeContext, key: str) -> None:
    assert notified(context, record(key, size=0)) == {"started": []}
    assert world.executions() == {}


def test_an_empty_csv_is_not_ignored(world: World, context: FakeContext) -> None:
    notified(context, record(size=0))
    assert [found["size"] for found in world.executions().values()] == [0]


def test_a_notification_delivered_twice_starts_nothing_twice(
    world: World, context: FakeContext
) -> None:
    first = notified(context, record())
    assert notified(context, record()) == first
    assert len(world.executions()) == 1


def test_a_notification_delivered_again_after_the_execution_ended_is_no_error(
    world: World, context: FakeContext
) -> None:
    # Given an upload whose execution is over
    first = notified(context, record())
    for found in world.states.list_executions(stateMachineArn=world.state_machine_arn)[
        "executions"
    ]:
        world.states.stop_execution(executionArn=found["executionArn"])

    # When S3 tells of it once more, then nothing is started, and that is well
    assert notified(context, record()) == first
    assert len(world.executions()) == 1


def test_the_same_key_uploaded_again_is_another_execution(
    world: World, context: FakeContext
) -> None:
    notified(context, record(sequencer="0065"), record(sequencer="0066"))
    assert len(world.executions()) == 2


def test_a_bad_record_does_not_stop_the_others(world: World, context: FakeContext) -> None:
    # When one notification has good records and bad ones
    with pytest.raises(ExecutionNotStartedError) as raised:
        notified(context, record("one.csv"), {"s3": {}}, "nonsense", record("two.csv"))

    # Then the good ones are started, and the bad ones are told of
    keys = {found["objectKey"] for found in world.executions().values()}
    assert keys == {"one.csv", "two.csv"}
    assert str(raised.value).startswith("2 of 4 uploads started no execution.")


def test_what_could_not_be_started_is_named_and_a_retry_starts_it(
    world: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given Step Functions that throttles the second of three
    states, start = client("stepfunctions"), client("stepfunctions").start_execution

    def throttle(**request: Any) -> Any:
        if "two" in request["name"]:
            raise client_error("ThrottlingException")
        return start(**request)

    records = [record(f"{name}.csv") for name in ("one", "two", "three")]
    with monkeypatch.context() as patch:
        patch.setattr(states, "start_execution", throttle)
        with pytest.raises(ExecutionNotStartedError, match=r"s3://sensor-source/two\.csv"):
            notified(context, *records)
    assert len(world.executions()) == 2

    # When Lambda retries the event, then all three have run once
    notified(context, *records)
    assert len(world.executions()) == 3


def test_the_test_event_of_s3_starts_nothing(world: World, context: FakeContext) -> None:
    assert handler({"Service": "Amazon S3", "Event": "s3:TestEvent"}, context) == {"started": []}


def test_another_event_is_refused(world: World, context: FakeContext) -> None:
    with pytest.raises(InvalidEventError, match="no Records"):
        handler({"detail": {}}, context)
