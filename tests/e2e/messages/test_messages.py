"""The messages workflow from outside: messages are posted and put, and records are looked at."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from local import api
from local.aws import Aws, Deployment, until
from local.errors import LocalError
from tests.e2e.messages.messages import Messages, event
from tests.e2e.size import Size

HAPPY_PATH = ["Check Message", "Record Message", "Check Status?", "Job Succeed"]
FAILED_PATH = [
    *("Look Up Record", "Is It Recorded?"),
    *("Explain Missing Record", "Keep Message", "Job Failed"),
]
MESSAGE = {"text": 'Grüße, "日本" 🙂 \\ \n', "numbers": [1, -2.5, 3e-7], "nothing": None, "": {}}


# -- Good messages --------------------------------------------------------------------------------


@pytest.mark.check("messages-happy")
@pytest.mark.check("token-callback-role", only_on_aws="ministack's IAM decides, not AWS's")
def test_a_posted_message_is_recorded_and_can_be_read(messages: Messages) -> None:
    message_id = messages.post(MESSAGE)

    record = messages.wait_for_record(message_id)
    execution = messages.execution_of(message_id)
    started_with = json.loads(execution["input"])
    created = datetime.fromisoformat(started_with["time"]).timestamp() * 1000
    assert record["event"] == MESSAGE
    assert (record["messageId"], record["createdAt"]) == (message_id, created)
    assert record["receivedAt"] >= record["createdAt"]
    assert execution["status"] == "SUCCEEDED"
    assert messages.aws.visited(execution["executionArn"]) == HAPPY_PATH
    assert json.loads(started_with["detail"]["message"]) == MESSAGE
    assert started_with["source"] == "com.devpost.commonevent"


def test_a_record_has_typed_attributes(messages: Messages) -> None:
    message_id = messages.post(MESSAGE)

    messages.wait_for_record(message_id)
    item: Any = messages.item(message_id)

    assert {name: set(value) for name, value in item.items()} == {
        "messageId": {"S"},
        "createdAt": {"N"},
        "event": {"S"},
        "receivedAt": {"N"},
        "attempt": {"S"},
    }


def test_any_producer_may_put_a_message_itself(messages: Messages) -> None:
    message_id = messages.put({"message": json.dumps([MESSAGE]), "more": "fields"})

    assert messages.wait_for_record(message_id)["event"] == [MESSAGE]


def test_events_of_other_sources_are_ignored(messages: Messages) -> None:
    other = messages.put({"message": "{}"}, source="com.devpost.otherevent")

    matching = messages.put({"message": "{}"})

    messages.wait_for_record(matching)
    assert messages.get(other).status == 404


def test_an_event_that_comes_twice_is_recorded_once(messages: Messages) -> None:
    delivered = event(json.dumps(MESSAGE))

    first = messages.start(delivered)
    recorded = messages.item(delivered["id"])
    second = messages.start(delivered)

    assert (first["status"], second["status"]) == ("SUCCEEDED", "SUCCEEDED")
    assert recorded
    assert messages.item(delivered["id"]) == recorded
    again = json.loads(second["output"])["recordResult"]
    assert (again["StatusCode"], again["Payload"]["alreadyRecorded"]) == (200, True)


@pytest.mark.check("largest-message", only_on_aws="it limits no state's data")
def test_the_largest_message_is_recorded(messages: Messages) -> None:
    largest = {"a": "ü" * (100 * 1024 - 4)}
    assert len(json.dumps(largest, ensure_ascii=False, separators=(",", ":")).encode()) == 204_800

    message_id = messages.post(largest)

    assert messages.wait_for_record(message_id)["event"] == largest


@pytest.mark.load
def test_many_messages_at_once_are_each_recorded_once(messages: Messages, size: Size) -> None:
    numbers = range(size.messages_at_once)
    with ThreadPoolExecutor(50) as pool:
        ids = list(pool.map(lambda n: messages.post({"many": n}), numbers))

    def recorded() -> Counter[int] | None:
        found = [json.loads(item["event"]["S"]) for item in messages.items()]
        counted = Counter(one["many"] for one in found if isinstance(one, dict) and "many" in one)
        return counted if counted.total() >= len(numbers) else None

    assert until("all records", recorded) == Counter(numbers)
    assert len(set(ids)) == len(numbers)
    assert {n: messages.wait_for_record(ids[n])["event"] for n in (0, 39, numbers[-1])} == {
        n: {"many": n} for n in (0, 39, numbers[-1])
    }


# -- Requests that are refused ----------------------------------------------------------------


@pytest.mark.parametrize(("verb", "path"), [("POST", "/messages"), ("GET", "/messages/any")])
@pytest.mark.check("api-unsigned")
def test_an_unsigned_request_is_refused(aws: Aws, verb: str, path: str) -> None:
    assert api.call(aws, verb, path, {"message": {}}, credentials=None).status == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ({"message": "text"}, 400),
        ({"no": "message"}, 400),
        ({"message": {"a": "x" * 204_800}}, 413),
        ({"message": {"a": '"' * 100_000}}, 413),
    ],
    ids=["no JSON", "no object", "no message", "too long", "too many quotes"],
)
def test_an_invalid_request_gets_the_reason(aws: Aws, body: Any, status: int) -> None:
    response = api.call(aws, "POST", "/messages", body)

    assert response.status == status
    assert response.json["message"]


@pytest.mark.parametrize("message_id", ["no-such-message", "x" * 3000], ids=["short", "long"])
def test_an_unknown_message_is_a_404(messages: Messages, message_id: str) -> None:
    assert messages.get(message_id).status == 404


@pytest.mark.parametrize("number", ["1e309", "1" + "0" * 400], ids=["1e309", "401 digits"])
def test_a_number_too_large_for_a_double_is_refused(aws: Aws, number: str) -> None:
    response = api.call(aws, "POST", "/messages", f'{{"message": {{"a": {number}}}}}')

    assert response.status == 400
    assert "too large for a double" in response.json["message"]


# -- Failures -------------------------------------------------------------------------------------


@pytest.fixture
def copy(messages: Messages) -> Iterator[Any]:
    """Make a copy of the machine that asks another function to record."""
    states = messages.aws.client("stepfunctions")
    original = states.describe_state_machine(stateMachineArn=messages.machine)
    made = []

    def make(function: str, seconds: int = 60) -> str:
        definition = json.loads(original["definition"])
        task = definition["States"]["Record Message"]
        task["TimeoutSeconds"] = seconds
        recorder = task["Parameters"]["FunctionName"]
        task["Parameters"]["FunctionName"] = recorder.replace("recordMessage", function)
        made.append(
            states.create_state_machine(
                name=f"copy-with-{function}",
                definition=json.dumps(definition),
                roleArn=original["roleArn"],
            )["stateMachineArn"]
        )
        return str(made[-1])

    yield make
    for arn in made:
        states.delete_state_machine(stateMachineArn=arn)


@pytest.mark.usefixtures("alone_with_dead_letters")
class TestFailures:
    @pytest.mark.parametrize(
        ("malformed", "reason"),
        [
            pytest.param(
                *("{this is not JSON", "not JSON"),
                id="no JSON",
                marks=pytest.mark.check("messages-failing"),
            ),
            pytest.param("1" + "0" * 400, "too large for a double", id="no double"),
        ],
    )
    def test_a_malformed_message_fails_the_job_and_is_kept(
        self, messages: Messages, malformed: str, reason: str
    ) -> None:
        message_id = messages.put({"message": malformed})

        execution = messages.execution_of(message_id)

        assert (execution["status"], execution["error"]) == ("FAILED", "MalformedMessageError")
        assert reason in execution["cause"]
        visited = messages.aws.visited(execution["executionArn"])
        assert visited == ["Check Message", "Keep Message", "Job Failed"]
        letter = messages.wait_for_dead_letter(message_id)
        assert letter.content == json.loads(execution["input"])
        assert (letter.error, letter.origin) == ("MalformedMessageError", messages.machine)
        assert letter.attributes["EXECUTION_ARN"] == execution["executionArn"]
        assert messages.get(message_id).status == 404

    @pytest.mark.check(
        "too-large-for-a-machine",
        only_on_aws="local/gaps/start_input_limit.py and rule_dead_letters.py do it",
    )
    def test_an_event_that_is_too_large_for_the_machine_is_kept_with_the_reason(
        self, messages: Messages
    ) -> None:
        """EventBridge takes 1 MB of an event, and a machine 262,144 bytes as its input."""
        message = json.dumps({"a": "ü" * 150_000}, ensure_ascii=False)

        message_id = messages.put({"message": message})

        letter = messages.wait_for_dead_letter(message_id)
        assert isinstance(letter.content, dict)
        assert letter.content["detail"] == {"message": message}
        assert letter.origin == messages.machine
        assert "less than or equal to 262144" in letter.attributes["ERROR_MESSAGE"]
        assert messages.get(message_id).status == 404

    def test_a_write_that_is_refused_permanently_is_a_500_and_the_event_is_kept(
        self, messages: Messages
    ) -> None:
        """DynamoDB takes no item of more than 400 KB, and a number may be longer than it came."""
        unwritable = event(json.dumps(["1e15"] * 22_000).replace('"', ""))

        execution = messages.start(unwritable)

        assert (execution["status"], execution["error"]) == ("FAILED", "MessageNotRecordedError")
        assert json.loads(execution["cause"])["StatusCode"] == 500
        visited = messages.aws.visited(execution["executionArn"])
        assert visited == [*HAPPY_PATH[:3], *FAILED_PATH]
        assert messages.wait_for_dead_letter(unwritable["id"]).content == unwritable

    def test_a_recorder_that_crashes_fails_the_job_at_once_and_the_event_is_kept(
        self, messages: Messages, copy: Any
    ) -> None:
        delivered = event("{}")

        execution = messages.start(delivered, copy("executeWorkflow"))

        assert (execution["status"], execution["error"]) == ("FAILED", "MessageNotRecordedError")
        assert json.loads(execution["cause"])["Error"] == "InvalidEventError"
        assert messages.wait_for_dead_letter(delivered["id"]).content == delivered

    def test_a_recorder_that_returns_no_token_fails_the_job_and_the_event_is_kept(
        self, messages: Messages, copy: Any
    ) -> None:
        delivered = event("{}")

        execution = messages.start(delivered, copy("publishMessage", seconds=2))

        assert (execution["status"], execution["error"]) == ("FAILED", "MessageNotRecordedError")
        assert json.loads(execution["cause"])["Error"] == "States.Timeout"
        visited = messages.aws.visited(execution["executionArn"])
        assert visited == [*HAPPY_PATH[:2], *FAILED_PATH]
        assert messages.wait_for_dead_letter(delivered["id"]).content == delivered

    @pytest.mark.check("dead-letters-redrive")
    def test_a_dead_letter_is_listed_shown_and_redriven(self, messages: Messages) -> None:
        """As EventBridge leaves an event that it could not deliver."""
        undelivered = event(json.dumps(MESSAGE))
        letter_id = messages.aws.client("sqs").send_message(
            QueueUrl=messages.dead_letters.url,
            MessageBody=json.dumps(undelivered),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in {
                    "ERROR_CODE": "THROTTLING",
                    "ERROR_MESSAGE": "Rate exceeded",
                    "TARGET_ARN": messages.machine,
                    "RULE_ARN": self.rule_arn(messages),
                }.items()
            },
        )["MessageId"]

        listed = dlq(messages.aws, "list")
        shown = dlq(messages.aws, "show", "--message", letter_id)
        redriven = dlq(messages.aws, "redrive", "--message", letter_id)

        assert letter_id[:8] in listed
        assert "THROTTLING" in listed
        assert undelivered["id"] in shown
        assert "started an execution: SUCCEEDED" in redriven
        assert messages.wait_for_record(undelivered["id"])["event"] == MESSAGE
        assert letter_id not in {letter.id for letter in messages.dead_letters.read()}

    def test_a_redriven_event_that_fails_again_is_back_in_the_queue(
        self, messages: Messages
    ) -> None:
        message_id = messages.put({"message": "still not JSON"})
        first = messages.wait_for_dead_letter(message_id)

        with pytest.raises(LocalError, match="exit 1"):
            dlq(messages.aws, "redrive", "--message", first.id)

        assert messages.wait_for_dead_letter(message_id).id != first.id

    @staticmethod
    def rule_arn(messages: Messages) -> str:
        aws = messages.aws
        rule = aws.resource("MessagesRule")
        name = rule.rpartition("|")[2].rpartition("/")[2]
        found = aws.client("events").describe_rule(Name=name, EventBusName=messages.bus)
        return str(found["Arn"])


def dlq(aws: Deployment, action: str, *words: str) -> str:
    """What `python -m ops dlq` prints; LocalError if it does not exit with 0."""
    port = {"STEPWORKS_PORT": str(aws.settings.port)} if isinstance(aws, Aws) else {}
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "ops", "dlq", action),
            *("--queue", "MessagesDeadLetterQueueUrl", "--stage", aws.stage, *words),
        ],
        env=os.environ | port | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if finished.returncode:
        raise LocalError(f"exit {finished.returncode}: {finished.stdout}{finished.stderr}")
    return finished.stdout
