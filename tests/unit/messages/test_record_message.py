"""Recording a message and answering the machine."""

import json
from io import StringIO
from typing import Any

import pytest

from handlers.messages.record_message import handler
from handlers.shared.errors import AwsUnavailableError
from tests.unit.fakes import FakeContext, client_error
from tests.unit.messages.fakes import FakeDynamoDb, FakeStepFunctions

RECORD = {"messageId": "e1", "createdAt": "2025-01-01T00:00:00Z", "event": {"ä": ["🙂", 1.5]}}
THROTTLED = client_error("ProvisionedThroughputExceededException")
DENIED = client_error("AccessDeniedException", message="not authorized to perform dynamodb:PutItem")


def task(token: str = "token", **changes: Any) -> dict[str, Any]:
    return {"MyTaskToken": token, "Record": RECORD | changes}


def test_a_message_is_recorded_and_reported(
    dynamodb: FakeDynamoDb, states: FakeStepFunctions, context: FakeContext
) -> None:
    handler(task(), context)

    item = dynamodb.items["e1"]
    assert item["createdAt"] == {"N": "1735689600000"}
    assert json.loads(item["event"]["S"]) == RECORD["event"]
    assert int(item["receivedAt"]["N"]) > 1_735_689_600_000
    assert set(item) == {"messageId", "createdAt", "event", "receivedAt", "attempt"}
    assert states.answers == {
        "token": {
            "StatusCode": 200,
            "Payload": {"messageId": "e1", "createdAt": 1735689600000, "alreadyRecorded": False},
        }
    }


def test_a_message_that_comes_again_is_recorded_once_and_reported_again(
    dynamodb: FakeDynamoDb, states: FakeStepFunctions, context: FakeContext
) -> None:
    handler(task("first"), context)
    (first,) = [dict(item) for item in dynamodb.items.values()]

    handler(task("second"), context)

    assert list(dynamodb.items.values()) == [first]
    assert states.answers["second"]["StatusCode"] == 200
    assert states.answers["second"]["Payload"]["alreadyRecorded"] is True


@pytest.mark.parametrize("error", [THROTTLED, client_error("InternalServerError", 500)], ids=str)
def test_a_passing_fault_is_a_failure_that_the_machine_retries(
    dynamodb: FakeDynamoDb, states: FakeStepFunctions, context: FakeContext, error: Exception
) -> None:
    dynamodb.fails_with = [error]

    handler(task("first"), context)
    handler(task("second"), context)

    assert states.answers["first"][0] == "AwsUnavailableError"
    assert states.answers["second"]["StatusCode"] == 200
    assert list(dynamodb.items) == ["e1"]


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (task(createdAt="yesterday"), "MalformedMessageError"),
        (task(messageId=None), "InvalidEventError"),
        ({"MyTaskToken": "token"}, "InvalidEventError"),
        ({"MyTaskToken": "token", "Record": "text"}, "InvalidEventError"),
    ],
    ids=["time", "id", "no record", "no object"],
)
def test_what_cannot_be_a_record_is_a_500(
    dynamodb: FakeDynamoDb,
    states: FakeStepFunctions,
    context: FakeContext,
    event: dict[str, Any],
    error: str,
) -> None:
    handler(event, context)

    assert states.answers["token"]["StatusCode"] == 500
    assert states.answers["token"]["Payload"]["error"] == error
    assert not dynamodb.items


def test_a_write_that_is_refused_is_a_500_with_the_reason(
    dynamodb: FakeDynamoDb, states: FakeStepFunctions, context: FakeContext
) -> None:
    dynamodb.fails_with = [DENIED]

    handler(task(), context)

    outcome = states.answers["token"]
    assert outcome["StatusCode"] == 500
    assert outcome["Payload"]["error"] == "ClientError"
    assert "not authorized" in outcome["Payload"]["cause"]


def test_a_reason_is_never_long(
    dynamodb: FakeDynamoDb, states: FakeStepFunctions, context: FakeContext
) -> None:
    dynamodb.fails_with = [client_error("ValidationException", message="x" * 100_000)]

    handler(task(), context)

    assert len(states.answers["token"]["Payload"]["cause"]) == 1000


def test_a_missing_setting_is_a_500_that_names_it(
    dynamodb: FakeDynamoDb,
    states: FakeStepFunctions,
    context: FakeContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MESSAGES_TABLE")

    handler(task(), context)

    assert "MESSAGES_TABLE" in states.answers["token"]["Payload"]["cause"]


@pytest.mark.parametrize("fault", [None, THROTTLED, DENIED], ids=["well", "passing", "lasting"])
@pytest.mark.parametrize("sending", [None, THROTTLED, DENIED], ids=["sent", "not now", "denied"])
def test_whatever_happens_there_is_one_attempt_to_answer(
    dynamodb: FakeDynamoDb,
    states: FakeStepFunctions,
    context: FakeContext,
    fault: Exception | None,
    sending: Exception | None,
) -> None:
    dynamodb.fails_with = [fault] if fault else []
    states.fails_with = [sending] if sending else []

    try:
        handler(task(), context)
    except Exception:
        assert sending

    assert states.calls == 1


def test_an_answer_that_cannot_be_sent_fails_the_function(
    dynamodb: FakeDynamoDb, states: FakeStepFunctions, context: FakeContext
) -> None:
    """On AWS that fails the task at once, and the machine's Retry comes again."""
    states.fails_with = [THROTTLED]

    with pytest.raises(AwsUnavailableError, match="answering"):
        handler(task(), context)


def test_an_answer_that_nobody_waits_for_is_no_failure(
    dynamodb: FakeDynamoDb,
    states: FakeStepFunctions,
    context: FakeContext,
    logged: StringIO,
) -> None:
    states.answers["token"] = "the first answer"

    handler(task(), context)

    assert states.answers["token"] == "the first answer"
    assert "nobody waits" in logged.getvalue()


def test_neither_token_nor_message_is_logged(
    dynamodb: FakeDynamoDb,
    states: FakeStepFunctions,
    context: FakeContext,
    logged: StringIO,
) -> None:
    dynamodb.fails_with = [DENIED]

    handler(task("a-secret-token", event={"secret": "of-the-message"}), context)
    handler(task("a-secret-token-2", event={"secret": "of-the-message"}), context)

    lines = logged.getvalue()
    assert "e1" in lines
    assert "a-secret-token" not in lines
    assert "of-the-message" not in lines


def test_an_event_without_a_token_is_refused(
    dynamodb: FakeDynamoDb, states: FakeStepFunctions, context: FakeContext
) -> None:
    with pytest.raises(Exception, match="MyTaskToken"):
        handler({"Record": RECORD}, context)

    assert not dynamodb.items
    assert not states.calls
