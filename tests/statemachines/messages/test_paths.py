"""Every path of the messages machine, on moto's engine."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handlers.messages.message import MAX_DETAIL
from handlers.messages.record_message import MAX_CAUSE
from tests.support import asl
from tests.support.aws_clients import aws_client
from tests.support.engine import (
    Engine,
    Run,
    Task,
    engine,
    fails,
    in_turn,
    succeeds,
    times_out,
)

MESSAGE = {"text": 'Grüße, "日本" 🙂', "numbers": [1, 2.5, -3e-7], "nothing": None}
RECORDED = {"messageId": "e1", "createdAt": 1_735_689_600_000, "alreadyRecorded": False}
NOT_RECORDED = {"error": "AccessDeniedException", "cause": "not authorized"}
CHECK, RECORD = "checkMessage", "recordMessage"
HAPPY = ["Check Message", "Record Message", "Check Status?", "Job Succeed"]
KEEP = ["Keep Message", "Job Failed"]
LOOKED_UP = ["Look Up Record", "Is It Recorded?"]
NOT_RECORDED_PATH = [*LOOKED_UP, "Explain Missing Record", *KEEP]
LAMBDA_IS_BUSY = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]


def event(message: str) -> dict[str, Any]:
    """As EventBridge sends it to the machine."""
    return {
        "version": "0",
        "id": "e1",
        "detail-type": "message",
        "source": "com.devpost.commonevent",
        "account": asl.ACCOUNT,
        "time": "2025-01-01T00:00:00Z",
        "region": asl.REGION,
        "resources": [],
        "detail": {"message": message},
    }


EVENT = event(json.dumps(MESSAGE, ensure_ascii=False))


def completes_with(status: Any, payload: Any = None) -> Task:
    """The function completes the task with its token, and returns nothing."""
    return calls_back(
        lambda states, token: states.send_task_success(
            taskToken=token, output=json.dumps({"StatusCode": status, "Payload": payload})
        )
    )


def fails_the_task(error: str, cause: str = "it failed") -> Task:
    """The function fails the task with its token, and returns nothing."""
    return calls_back(
        lambda states, token: states.send_task_failure(taskToken=token, error=error, cause=cause)
    )


def calls_back(send: Callable[[Any, str], Any]) -> Task:
    def task(payload: dict[str, Any]) -> None:
        send(aws_client("stepfunctions"), payload["MyTaskToken"])

    return task


class Messages:
    """The machine, with an empty table and a dead-letter queue of its own."""

    def __init__(self, active: Engine) -> None:
        self._engine = active
        aws_client("dynamodb").create_table(
            TableName="MessagesTable",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "messageId", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "messageId", "KeyType": "HASH"}],
        )
        self._sqs = aws_client("sqs")
        self._queue = self._sqs.create_queue(QueueName="dead-letters")["QueueUrl"]

    def run(self, input_: Any = EVENT, *, queue_exists: bool = True, **tasks: Task) -> Run:
        """Run the machine with tasks that succeed, except for `tasks`."""
        succeeding = {CHECK: succeeds({"messageId": "e1"}), RECORD: completes_with(200, RECORDED)}
        definition = asl.definition("messages")
        definition["States"]["Keep Message"]["Parameters"]["QueueUrl"] = (
            self._queue if queue_exists else self._queue + "-does-not-exist"
        )
        return self._engine.run(definition, input_, succeeding | tasks)

    def kept(self) -> list[dict[str, Any]]:
        """What is in the queue: {body, attributes}."""
        received = self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [
            {
                "body": json.loads(message["Body"]),
                **{name: a["StringValue"] for name, a in message["MessageAttributes"].items()},
            }
            for message in received.get("Messages", [])
        ]


@pytest.fixture
def messages() -> Iterator[Messages]:
    with engine() as active:
        yield Messages(active)


# -- Valid messages -------------------------------------------------------------------------------


def test_a_message_is_checked_and_recorded(messages: Messages) -> None:
    result = messages.run()

    assert (result.status, result.visited) == ("SUCCEEDED", HAPPY)
    assert result.output == EVENT | {"recordResult": {"StatusCode": 200, "Payload": RECORDED}}
    assert messages.kept() == []


def test_the_recorder_gets_the_parsed_message_and_a_token(messages: Messages) -> None:
    result = messages.run()

    (payload,) = result.events_of(RECORD)
    assert payload["Record"] == {"messageId": "e1", "createdAt": EVENT["time"], "event": MESSAGE}
    assert set(payload) == {"MyTaskToken", "Record"}
    assert payload["MyTaskToken"]


def test_the_checker_gets_the_whole_event(messages: Messages) -> None:
    result = messages.run()

    (checked,) = result.events_of(CHECK)
    assert checked["event"] == EVENT
    assert ":execution:" in checked["execution"]


@pytest.mark.parametrize("text", ["null", "0", '"text"', "[]", "{}", ' {"a": 1}\n'])
def test_any_json_is_a_message(messages: Messages, text: str) -> None:
    result = messages.run(event(text))

    assert result.status == "SUCCEEDED"
    assert result.events_of(RECORD)[0]["Record"]["event"] == json.loads(text)


# -- Failures -------------------------------------------------------------------------------------


def test_a_malformed_message_is_kept_and_fails_the_job(messages: Messages) -> None:
    malformed = event("{bad")

    result = messages.run(malformed, checkMessage=fails("MalformedMessageError", "not JSON"))

    assert (result.status, result.error) == ("FAILED", "MalformedMessageError")
    assert "not JSON" in (result.cause or "")
    assert result.visited == ["Check Message", *KEEP]
    (kept,) = messages.kept()
    assert kept["body"] == malformed
    assert kept["ERROR_CODE"] == "MalformedMessageError"
    assert "not JSON" in kept["ERROR_MESSAGE"]
    assert ":stateMachine:" in kept["TARGET_ARN"]
    assert ":execution:" in kept["EXECUTION_ARN"]


@pytest.mark.parametrize("status", [500, 404, 0, "200", None], ids=str)
def test_any_status_but_200_fails_the_job(messages: Messages, status: Any) -> None:
    result = messages.run(recordMessage=completes_with(status, NOT_RECORDED))

    assert (result.status, result.error) == ("FAILED", "MessageNotRecordedError")
    assert json.loads(result.cause or "") == {"StatusCode": status, "Payload": NOT_RECORDED}
    assert result.visited == [*HAPPY[:3], *NOT_RECORDED_PATH]
    (kept,) = messages.kept()
    assert (kept["body"], kept["ERROR_CODE"]) == (EVENT, "MessageNotRecordedError")


def test_a_result_without_a_status_fails_the_job(messages: Messages) -> None:
    no_status = calls_back(
        lambda states, token: states.send_task_success(taskToken=token, output="{}")
    )

    result = messages.run(recordMessage=no_status)

    assert (result.status, result.visited[-1]) == ("FAILED", "Job Failed")


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (fails_the_task("AwsUnavailableError"), "AwsUnavailableError"),
        (fails_the_task("SomeOtherError"), "SomeOtherError"),
        (fails("Runtime.ImportModuleError"), "Runtime.ImportModuleError"),
        (times_out, "States.Timeout"),
    ],
    ids=["retries used up", "another error", "a crash before the callback", "no callback"],
)
def test_a_recorder_that_fails_permanently_fails_the_job(
    messages: Messages, broken: Task, error: str
) -> None:
    result = messages.run(recordMessage=broken)

    # No execution may end with a name that begins with `States.`: AWS reserves them.
    assert (result.status, result.error) == ("FAILED", "MessageNotRecordedError")
    assert json.loads(result.cause or "")["Error"] == error
    assert result.visited == [*HAPPY[:2], *NOT_RECORDED_PATH]
    assert [kept["body"] for kept in messages.kept()] == [EVENT]


@pytest.mark.parametrize("broken", [fails("SomeOtherError"), times_out], ids=["error", "timeout"])
def test_a_checker_that_fails_permanently_fails_the_job(messages: Messages, broken: Task) -> None:
    result = messages.run(checkMessage=broken)

    assert (result.status, result.error) == ("FAILED", "MessageNotCheckedError")
    assert result.visited == ["Check Message", "Explain Missing Check", *KEEP]
    assert [kept["body"] for kept in messages.kept()] == [EVENT]
    assert not result.events_of(RECORD)


def test_an_event_that_cannot_be_kept_ends_with_its_own_error(messages: Messages) -> None:
    result = messages.run(queue_exists=False, recordMessage=completes_with(500, NOT_RECORDED))

    assert (result.status, result.error) == ("FAILED", "MessageNotKeptError")
    assert json.loads(result.cause or "")["Error"]
    assert result.visited[-2:] == ["Keep Message", "Message Not Kept"]
    assert len(result.retries) == 5


# -- Retries --------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", LAMBDA_IS_BUSY)
@pytest.mark.parametrize(
    ("function", "success"),
    [(CHECK, succeeds()), (RECORD, completes_with(200, RECORDED))],
    ids=["check", "record"],
)
def test_a_transient_error_of_lambda_is_retried(
    messages: Messages, function: str, success: Task, error: str
) -> None:
    result = messages.run(**{function: in_turn(fails(error), fails(error), success)})

    assert (result.status, result.visited) == ("SUCCEEDED", HAPPY)
    assert len(result.events_of(function)) == 3


def test_a_transient_error_of_the_recorder_is_retried(messages: Messages) -> None:
    transient = fails_the_task("AwsUnavailableError", "DynamoDB is busy")

    result = messages.run(
        recordMessage=in_turn(transient, transient, completes_with(200, RECORDED))
    )

    assert (result.status, result.visited) == ("SUCCEEDED", HAPPY)
    assert len(result.events_of(RECORD)) == 3
    assert len(result.retries) == 2
    assert messages.kept() == []


@pytest.mark.parametrize("function", [CHECK, RECORD])
def test_retries_are_limited(messages: Messages, function: str) -> None:
    result = messages.run(**{function: fails("Lambda.TooManyRequestsException")})

    assert len(result.events_of(function)) == 6  # the first try and five more
    assert result.status == "FAILED"
    assert len(messages.kept()) == 1


def test_a_malformed_message_is_not_checked_again(messages: Messages) -> None:
    result = messages.run(checkMessage=fails("MalformedMessageError"))

    assert len(result.events_of(CHECK)) == 1


# -- Sizes ----------------------------------------------------------------------------------------

STATE_LIMIT = 256 * 1024  # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
METADATA = 2_048  # more than AWS adds to the response of DynamoDB and moto does not
TRACE = "".join(f'  File "/var/task/module_{n}.py", line {n}, in function\n' for n in range(60))


def largest(letter: str) -> dict[str, Any]:
    """The largest event that publishMessage puts, full of a letter."""
    size = size_of(json.dumps(letter, ensure_ascii=False)) - size_of(json.dumps(""))
    room = MAX_DETAIL - size_of({"message": json.dumps({"a": ""})})
    found = event(json.dumps({"a": letter * (room // size)}, ensure_ascii=False))
    assert MAX_DETAIL - 10 < size_of(found["detail"]) <= MAX_DETAIL
    return found


def size_of(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


# ASCII only: moto counts its own \u escapes, and AWS bytes of UTF-8.
@pytest.mark.parametrize("letter", ["x", '"'], ids=["letters", "quotes"])
@pytest.mark.parametrize(
    "recorder",
    [
        completes_with(200, RECORDED),
        completes_with(500, {"error": "E" * 256, "cause": "é" * MAX_CAUSE}),
        fails("Runtime.ExitError", TRACE),
    ],
    ids=["recorded", "not recorded", "crashed"],
)
def test_every_state_stays_within_the_limit_with_the_largest_message(
    messages: Messages, recorder: Task, letter: str
) -> None:
    result = messages.run(largest(letter), recordMessage=recorder)

    assert result.visited[-1] in ("Job Succeed", "Job Failed")
    assert max(result.sizes.values()) + METADATA < STATE_LIMIT
    assert max(size_of(payload) for _, payload in result.calls) < STATE_LIMIT
    assert all(size_of(kept) < STATE_LIMIT for kept in messages.kept())
