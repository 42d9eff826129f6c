"""The outcome of an execution agrees with the table, whatever fails.

The machine runs on moto's engine with the real functions and a table; faults come before,
between and after their effects.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from handlers.messages import check_message, record_message
from handlers.messages.message import Record
from handlers.messages.store import MessageStore
from handlers.shared import task_tokens
from handlers.shared.clients import client
from tests.support import asl
from tests.support.aws_clients import aws_client
from tests.support.engine import Engine, Run, Task, TaskError, engine, fails, in_turn, times_out
from tests.unit.fakes import FakeContext, client_error
from tests.unit.fixtures import fresh_clients

__all__ = ["fresh_clients"]

TABLE = "messages"
KILLED = ["Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown", "Sandbox.Timedout"]
DENIED = client_error("AccessDeniedException", message="not authorized")
THROTTLED = client_error("ThrottlingException")


def function(handler: Any) -> Task:
    """The function as Lambda runs it."""

    def task(event: dict[str, Any]) -> Any:
        try:
            return handler(event, FakeContext())
        except Exception as error:
            raise TaskError(type(error).__name__, str(error)) from error

    return task


check = function(check_message.handler)
record = function(record_message.handler)


def after_the_write(fault: Task) -> Task:
    """The record is written, but the function does not report it to the machine."""

    def task(event: dict[str, Any]) -> Any:
        record_message.outcome_of(event)
        return fault(event)

    return task


def completes_with(status: int) -> Task:
    def task(event: dict[str, Any]) -> None:
        output = json.dumps({"StatusCode": status, "Payload": {"error": "E", "cause": "c"}})
        client("stepfunctions").send_task_success(taskToken=event["MyTaskToken"], output=output)

    return task


def refusing(module: Any, service: str, error: Exception) -> Task:
    """The function, while every call to a service raises an error."""

    class Refusing:
        def __getattr__(self, _: str) -> Any:
            def refuse(**__: Any) -> Any:
                raise error

            return refuse

    def task(event: dict[str, Any]) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "client", lambda name: Refusing() if name == service else None)
            return record(event)

    return task


write_refused = refusing(record_message, "dynamodb", DENIED)
write_throttled = refusing(record_message, "dynamodb", THROTTLED)
callback_refused = refusing(task_tokens, "stepfunctions", DENIED)
callback_throttled = refusing(task_tokens, "stepfunctions", THROTTLED)


class World:
    """The machine with its table and its dead-letter queue."""

    def __init__(self, active: Engine) -> None:
        self._engine = active
        aws_client("dynamodb").create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "messageId", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "messageId", "KeyType": "HASH"}],
        )
        self._sqs = aws_client("sqs")
        self._queue = self._sqs.create_queue(QueueName="dead-letters")["QueueUrl"]

    def run(self, event: dict[str, Any], *, table: str = TABLE, **tasks: Task) -> Run:
        definition = asl.definition("messages")
        definition["States"]["Keep Message"]["Parameters"]["QueueUrl"] = self._queue
        if "Look Up Record" in definition["States"]:
            definition["States"]["Look Up Record"]["Parameters"]["TableName"] = table
        functions = {"checkMessage": check, "recordMessage": record}
        return self._engine.run(definition, event, functions | tasks)

    def is_recorded(self, event: dict[str, Any]) -> bool:
        return MessageStore(aws_client("dynamodb"), TABLE).find(event["id"]) is not None

    def dead_letters(self) -> list[tuple[Any, str]]:
        """(event, error name) of every dead letter."""
        received = self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [
            (json.loads(m["Body"]), m["MessageAttributes"]["ERROR_CODE"]["StringValue"])
            for m in received.get("Messages", [])
        ]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("MESSAGES_TABLE", TABLE)
    with engine() as active:
        yield World(active)


def event(message: str = '{"text": "hello"}') -> dict[str, Any]:
    return {
        "id": "e1",
        "source": "com.devpost.commonevent",
        "detail-type": "message",
        "time": "2025-01-01T00:00:00Z",
        "detail": {"message": message},
    }


def assert_consistent(
    world: World, result: Run, message_event: dict[str, Any], error: str | None
) -> None:
    """The execution ended with this error, or succeeded, and table and queue agree with that."""
    assert (result.status, result.error) == ("FAILED" if error else "SUCCEEDED", error)
    if error is None:
        assert world.is_recorded(message_event)
        assert world.dead_letters() == []
        return
    assert world.dead_letters() == [(message_event, error)]
    if error in ("MessageNotRecordedError", "MalformedMessageError"):
        assert not world.is_recorded(message_event)


@pytest.mark.parametrize("name", KILLED)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("killed", ["once", "always"])
def test_a_recorder_that_is_killed(world: World, name: str, when: str, killed: str) -> None:
    fault = fails(name) if when == "before" else after_the_write(fails(name))
    never_recorded = (when, killed) == ("before", "always")

    result = world.run(event(), recordMessage=in_turn(fault, record) if killed == "once" else fault)

    assert_consistent(world, result, event(), "MessageNotRecordedError" if never_recorded else None)
    assert len(result.events_of("recordMessage")) == (2 if killed == "once" else 3)


@pytest.mark.parametrize("name", KILLED)
def test_a_checker_that_is_killed_once_is_called_again(world: World, name: str) -> None:
    result = world.run(event(), checkMessage=in_turn(fails(name), check))

    assert_consistent(world, result, event(), None)


@pytest.mark.parametrize(
    ("recorder", "error"),
    [
        pytest.param(callback_refused, None, id="the callback is refused"),
        pytest.param(callback_throttled, None, id="the callback is throttled"),
        pytest.param(after_the_write(times_out), None, id="no callback in time"),
        pytest.param(after_the_write(completes_with(500)), None, id="a 500 after the write"),
        pytest.param(
            after_the_write(completes_with(404)), None, id="another status after the write"
        ),
        pytest.param(times_out, "MessageNotRecordedError", id="no write, no callback"),
        pytest.param(write_refused, "MessageNotRecordedError", id="the write is refused"),
        pytest.param(write_throttled, "MessageNotRecordedError", id="the write is throttled"),
        pytest.param(completes_with(500), "MessageNotRecordedError", id="a 500"),
    ],
)
def test_a_recorder_that_fails(world: World, recorder: Task, error: str | None) -> None:
    result = world.run(event(), recordMessage=recorder)

    assert_consistent(world, result, event(), error)


@pytest.mark.parametrize(
    "recorder",
    [
        callback_refused,
        write_refused,
        times_out,
        after_the_write(times_out),
        after_the_write(completes_with(500)),
    ],
    ids=["recorded-refused", "write-refused", "timeout", "recorded-timeout", "recorded-500"],
)
def test_an_unreadable_table_ends_with_its_own_error(world: World, recorder: Task) -> None:
    result = world.run(event(), table="no-such-table", recordMessage=recorder)

    assert_consistent(world, result, event(), "MessageNotConfirmedError")
    cause = re.fullmatch(
        r"Result of Record Message: ({.*}) Error of Look Up Record: ({.*})", result.cause or ""
    )
    assert cause
    assert "DynamoDB" in json.loads(cause[2])["Error"]


def test_a_message_that_was_recorded_before_is_a_success(world: World) -> None:
    MessageStore(aws_client("dynamodb"), TABLE).record(Record("e1", 0, {"text": "hello"}))

    result = world.run(event(), recordMessage=write_refused)

    assert_consistent(world, result, event(), None)


@pytest.mark.parametrize("before", [False, True], ids=["new", "recorded-before"])
def test_a_checker_that_fails_does_not_claim_that_the_message_is_unrecorded(
    world: World, before: bool
) -> None:
    if before:
        MessageStore(aws_client("dynamodb"), TABLE).record(Record("e1", 0, {"text": "hello"}))

    result = world.run(event(), checkMessage=fails("SomeError"))

    assert_consistent(world, result, event(), "MessageNotCheckedError")
    assert json.loads(result.cause or "")["Error"] == "SomeError"


@pytest.mark.parametrize("message", ["{bad", "1" + "0" * 400, '"\\ud800"'])
def test_a_malformed_message(world: World, message: str) -> None:
    result = world.run(event(message))

    assert_consistent(world, result, event(message), "MalformedMessageError")
