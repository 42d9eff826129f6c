"""DeadLetterAccount letters of every kind: read, shown and redriven."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from io import StringIO
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from rich.console import Console

from ops import dead_letters
from ops.__main__ import run
from ops.dead_letters import DeadLetter, DeadLetterQueue
from ops.errors import OpsError

REGION = "us-east-1"
ACCOUNT = "123456789012"
EVENT = {"id": "e1", "source": "somewhere", "detail": {"text": "[/not] [bold]markup, 🙂"}}
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:stepworks-dev-doThings"
LAMBDA_RECORD = {
    "version": "1.0",
    "requestContext": {"functionArn": f"{FUNCTION}:$LATEST", "condition": "RetriesExhausted"},
    "requestPayload": EVENT,
    "responsePayload": {"errorType": "BrokenError", "errorMessage": "it [/broke]"},
}


class FakeLambda:
    """Takes calls for functions that it knows."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []

    def invoke(self, FunctionName: str, InvocationType: str, Payload: bytes) -> None:
        self.calls.append((FunctionName, InvocationType, json.loads(Payload)))


class DeadLetterAccount:
    """An account with a dead-letter queue in it."""

    def __init__(self) -> None:
        self.functions = FakeLambda()
        self.replaced: dict[str, Any] = {"lambda": self.functions}
        self.sqs = self.clients("sqs")
        self.url = self.sqs.create_queue(QueueName="stepworks-dev-dead")["QueueUrl"]
        self.queue = DeadLetterQueue(self.url, self.clients)
        self.machine = self.clients("stepfunctions").create_state_machine(
            name="stepworks-dev-machine",
            definition=json.dumps(
                {"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}}
            ),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/machine",
        )["stateMachineArn"]

    def clients(self, service: str) -> Any:
        return self.replaced.get(service) or boto3.client(service, region_name=REGION)

    def another_reader(self) -> AbstractContextManager[Any]:
        """A reader that holds all letters of the queue."""
        return DeadLetterQueue(self.url, self.clients).held()

    def put(self, body: Any, **attributes: str) -> str:
        """Leave a dead letter; returns its id."""
        return str(
            self.sqs.send_message(
                QueueUrl=self.url,
                MessageBody=body if isinstance(body, str) else json.dumps(body),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                },
            )["MessageId"]
        )

    def rule(self, target: str, bus: str = "default", **target_fields: Any) -> str:
        """A rule with a target; returns its ARN."""
        events = self.clients("events")
        if bus != "default":
            events.create_event_bus(Name=bus)
        arn = events.put_rule(
            Name="rule", EventBusName=bus, EventPattern=json.dumps({"source": ["somewhere"]})
        )["RuleArn"]
        events.put_targets(
            Rule="rule", EventBusName=bus, Targets=[{"Id": "1", "Arn": target, **target_fields}]
        )
        return str(arn)

    def redrive(self) -> list[Any]:
        with self.queue.held() as letters:
            return list(self.queue.redrive(letters))

    def executions(self) -> list[Any]:
        states = self.clients("stepfunctions")
        found = states.list_executions(stateMachineArn=self.machine)["executions"]
        return [
            json.loads(states.describe_execution(executionArn=one["executionArn"])["input"])
            for one in found
        ]

    def run(self, *words: str) -> tuple[bool, str]:
        """Run the command for stage dev; returns whether all went well, and what it printed."""
        out = StringIO()
        with patch.object(boto3, "Session", lambda: Session(self)):
            succeeded = run(["dlq", *words, "--stage", "dev"], Console(file=out, width=200))
        return succeeded, out.getvalue()


class Session:
    """The person's AWS session, for stages other than `local`."""

    region_name = REGION

    def __init__(self, dead: DeadLetterAccount) -> None:
        self._dead = dead

    def client(self, service: str, region_name: str) -> Any:
        return self._dead.clients(service)


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeadLetterAccount]:
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(dead_letters, "PAUSE_SECONDS", (0.01, 0.02))
    monkeypatch.setattr(dead_letters, "LONG_POLL_SECONDS", 0)  # one server has all there is
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield DeadLetterAccount()


# -- What they say --------------------------------------------------------------------------------


def test_an_undelivered_event_has_a_reason_and_a_target(dead: DeadLetterAccount) -> None:
    dead.put(EVENT, ERROR_CODE="NO_PERMISSIONS", ERROR_MESSAGE="may not", TARGET_ARN=dead.machine)

    (letter,) = dead.queue.read()

    assert (letter.error, letter.reason, letter.origin) == (
        "NO_PERMISSIONS",
        "may not",
        dead.machine,
    )
    assert letter.content == EVENT


def test_a_functions_error_is_shown_without_its_trace(dead: DeadLetterAccount) -> None:
    cause = json.dumps({"errorMessage": "it broke", "errorType": "E", "stackTrace": ["line 1"]})
    dead.put(EVENT, ERROR_CODE="E", ERROR_MESSAGE=cause, TARGET_ARN=dead.machine)

    assert dead.queue.read()[0].reason == "it broke"


def test_a_record_of_lambda_has_a_reason_and_a_target(dead: DeadLetterAccount) -> None:
    dead.put(LAMBDA_RECORD)

    (letter,) = dead.queue.read()

    assert (letter.error, letter.reason) == ("BrokenError", "it [/broke]")
    assert letter.origin == f"{FUNCTION}:$LATEST"


WRAPPED = json.dumps(
    {"errorMessage": "it broke", "errorType": "E", "stackTrace": ["  File x, line 1\n"]}
)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (WRAPPED, "it broke"),
        (json.dumps({"Error": "E", "Cause": WRAPPED}), "it broke"),
        (json.dumps({"Error": "States.Timeout", "Cause": "took too long"}), "took too long"),
        (json.dumps({"Error": "States.Timeout"}), '{"Error": "States.Timeout"}'),
        (json.dumps({"StatusCode": 500, "message": "no"}), '{"StatusCode": 500, "message": "no"}'),
        ("[1, 2]", "[1, 2]"),
        ("plain words", "plain words"),
    ],
)
def test_a_wrapped_reason_is_unwrapped(dead: DeadLetterAccount, message: str, reason: str) -> None:
    dead.put(EVENT, ERROR_CODE="E", ERROR_MESSAGE=message, TARGET_ARN=dead.machine)

    assert dead.queue.read()[0].reason == reason


def test_a_record_without_a_message_shows_no_trace(dead: DeadLetterAccount) -> None:
    response = {"errorType": "BrokenError", "stackTrace": ["  File x, line 1\n"]}
    dead.put({**LAMBDA_RECORD, "responsePayload": response})

    assert dead.queue.read()[0].reason == '{"errorType": "BrokenError"}'


@pytest.mark.parametrize(
    "body", ["text", "{", "[]", '"x"', {"a": 1}, {"requestContext": 1, "requestPayload": 2}]
)
def test_any_other_letter_has_no_origin(dead: DeadLetterAccount, body: Any) -> None:
    dead.put(body)

    (letter,) = dead.queue.read()

    assert (letter.error, letter.reason, letter.origin) == ("", "", "")


def test_reading_removes_and_hides_nothing(dead: DeadLetterAccount) -> None:
    ids = [dead.put(EVENT) for _ in range(23)]

    for _ in range(2):
        assert sorted(letter.id for letter in dead.queue.read()) == sorted(ids)
    assert dead.queue.count() == 23


# -- Redriving ------------------------------------------------------------------------------------


def test_a_machine_gets_its_event_again_as_it_was(dead: DeadLetterAccount) -> None:
    dead.put(EVENT, TARGET_ARN=dead.machine, RULE_ARN=dead.rule(dead.machine, "a-bus"))

    (result,) = dead.redrive()

    assert result.done
    assert dead.executions() == [EVENT]
    assert dead.queue.read() == []


def test_a_machines_own_letter_starts_it_again(dead: DeadLetterAccount) -> None:
    letter = dead.put(EVENT, TARGET_ARN=dead.machine, ERROR_CODE="E")

    (result,) = dead.redrive()

    assert result.execution.endswith(f":redrive-{letter}")
    assert dead.executions() == [EVENT]


def test_a_letter_that_could_not_be_deleted_starts_nothing_twice(dead: DeadLetterAccount) -> None:
    letter = dead.put(EVENT, TARGET_ARN=dead.machine)
    dead.clients("stepfunctions").start_execution(
        stateMachineArn=dead.machine, name=f"redrive-{letter}", input='{"the": "first time"}'
    )

    (result,) = dead.redrive()

    assert (result.done, result.result) == (True, "the execution was started before")
    assert dead.executions() == [{"the": "first time"}]
    assert dead.queue.read() == []


def test_a_function_gets_the_event_that_it_failed_on(dead: DeadLetterAccount) -> None:
    dead.put(LAMBDA_RECORD)

    (result,) = dead.redrive()

    assert result.done
    assert dead.functions.calls == [(f"{FUNCTION}:$LATEST", "Event", EVENT)]
    assert dead.queue.read() == []


def test_a_rules_function_gets_the_event(dead: DeadLetterAccount) -> None:
    dead.put(EVENT, TARGET_ARN=FUNCTION, RULE_ARN=dead.rule(FUNCTION))

    dead.redrive()

    assert dead.functions.calls == [(FUNCTION, "Event", EVENT)]


def test_a_queue_gets_its_message_back(dead: DeadLetterAccount) -> None:
    source = dead.sqs.create_queue(QueueName="source")["QueueUrl"]
    dead.put("hello", color="blue")
    # As SQS marks a message that it has moved; moto does not.
    moved = {"DeadLetterQueueSourceArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:source"}

    with dead.queue.held() as letters:
        marked = [replace(letter, system=letter.system | moved) for letter in letters]
        (result,) = dead.queue.redrive(marked)

    assert result.done, result.result
    received = dead.sqs.receive_message(QueueUrl=source, MessageAttributeNames=["All"])
    (message,) = received["Messages"]
    assert message["Body"] == "hello"
    assert message["MessageAttributes"]["color"]["StringValue"] == "blue"
    assert dead.queue.read() == []


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({}, "original target"),
        ({"TARGET_ARN": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:x"}, "be redriven"),
        ({"TARGET_ARN": "somewhere"}, "'somewhere'"),
        ({"TARGET_ARN": "arn:aws"}, "'arn:aws'"),
        (
            {"TARGET_ARN": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:gone"},
            "request to AWS failed",
        ),
    ],
    ids=["no origin", "unknown kind", "no ARN", "half an ARN", "gone"],
)
def test_a_letter_that_cannot_be_redriven_stays(
    dead: DeadLetterAccount, attributes: dict[str, str], reason: str
) -> None:
    dead.put(EVENT, **attributes)

    (result,) = dead.redrive()

    assert not result.done
    assert reason in result.result
    assert len(dead.queue.read()) == 1


def test_an_event_that_its_rule_rewrites_stays(dead: DeadLetterAccount) -> None:
    rule = dead.rule(FUNCTION, InputPath="$.detail")
    dead.put(EVENT, TARGET_ARN=FUNCTION, RULE_ARN=rule)

    (result,) = dead.redrive()

    assert not result.done
    assert "rewrites" in result.result
    assert not dead.functions.calls


def test_an_event_whose_rule_has_no_such_target_any_more_stays(dead: DeadLetterAccount) -> None:
    dead.put(EVENT, TARGET_ARN=dead.machine, RULE_ARN=dead.rule(FUNCTION))

    (result,) = dead.redrive()

    assert (result.done, dead.executions()) == (False, [])


# -- The command ----------------------------------------------------------------------------------


def test_the_list_has_every_letter_and_its_reason(dead: DeadLetterAccount) -> None:
    first = dead.put(EVENT, TARGET_ARN=dead.machine, ERROR_CODE="FirstError", ERROR_MESSAGE="[/x]")
    second = dead.put(LAMBDA_RECORD)

    succeeded, printed = dead.run("list", "--queue", dead.url)

    assert succeeded
    for words in (first[:8], "FirstError", "[/x]", second[:8], "BrokenError", "it [/broke]"):
        assert words in printed
    assert "stepworks-dev-machine" in printed


def test_an_empty_queue_is_reported_as_empty(dead: DeadLetterAccount) -> None:
    for words in (["list"], ["redrive", "--all"]):
        assert dead.run(*words, "--queue", dead.url) == (True, "There are no dead letters.\n")


def test_one_letter_is_shown_with_all_that_is_in_it(dead: DeadLetterAccount) -> None:
    dead.put("another")
    chosen = dead.put(EVENT, TARGET_ARN=dead.machine, ERROR_CODE="E", EXECUTION_ARN="arn:of:it")

    _, printed = dead.run("show", "--queue", dead.url, "--message", chosen[:10])

    for words in (chosen, dead.machine, "arn:of:it", "[/not] [bold]markup, 🙂"):
        assert words in printed
    assert "another" not in printed


def test_secrets_are_not_shown_but_redriven(dead: DeadLetterAccount) -> None:
    url = "https://bucket.s3.amazonaws.com/key?X-Amz-Expires=900&X-Amz-Signature=abc123&x=y"
    secret = {"detail": {"TaskToken": "a-token", "MyTaskToken": "a-token", "urls": [url]}}
    dead.put(secret, TARGET_ARN=dead.machine)

    _, printed = dead.run("show", "--queue", dead.url)
    dead.run("redrive", "--queue", dead.url, "--all", "--wait", "0")

    assert "a-token" not in printed
    assert "abc123" not in printed
    assert "X-Amz-Signature=…&x=y" in printed
    assert dead.executions() == [secret]


def test_chosen_letters_are_redriven_and_the_others_stay(dead: DeadLetterAccount) -> None:
    ids = [dead.put({"n": n}, TARGET_ARN=dead.machine) for n in range(4)]

    succeeded, printed = dead.run(
        *("redrive", "--queue", dead.url, "--message", ids[1], "--message", ids[3], "--wait", "0")
    )

    assert succeeded
    assert "2 of 2 redriven" in printed
    assert sorted(event["n"] for event in dead.executions()) == [1, 3]
    assert {letter.id for letter in dead.queue.read()} == {ids[0], ids[2]}


def test_all_are_redriven_and_failures_are_reported(dead: DeadLetterAccount) -> None:
    dead.put(EVENT, TARGET_ARN=dead.machine)
    dead.put("unknown origin")

    succeeded, printed = dead.run("redrive", "--queue", dead.url, "--all", "--wait", "0")

    assert not succeeded
    assert "1 of 2 redriven" in printed
    assert [letter.body for letter in dead.queue.read()] == ["unknown origin"]


def test_a_letter_without_a_usable_target_does_not_stop_the_others(dead: DeadLetterAccount) -> None:
    dead.put("first", TARGET_ARN="no-arn")
    dead.put(EVENT, TARGET_ARN=dead.machine)

    succeeded, printed = dead.run("redrive", "--queue", dead.url, "--all", "--wait", "0")

    assert not succeeded
    assert "1 of 2 redriven" in printed
    assert dead.executions() == [EVENT]


def test_a_long_reason_takes_one_line_of_the_list(dead: DeadLetterAccount) -> None:
    dead.put(EVENT, ERROR_CODE="E", ERROR_MESSAGE="first\nsecond", TARGET_ARN=dead.machine)
    dead.put(EVENT, ERROR_CODE="E", ERROR_MESSAGE="x" * 5000, TARGET_ARN=dead.machine)

    _, printed = dead.run("list", "--queue", dead.url)

    assert "first" in printed
    assert "second" not in printed
    assert printed.count("x") < 400


# -- Executions that were started -----------------------------------------------------------------


class ExpressStates:
    """Step Functions with one Express machine: it starts it and can describe no execution."""

    class exceptions:
        class ExecutionAlreadyExists(Exception):
            pass

    def start_execution(self, stateMachineArn: str, name: str, **_: str) -> dict[str, str]:
        express = stateMachineArn.replace(":stateMachine:", ":express:")
        return {"executionArn": f"{express}:{name}:0d6a4a4e"}

    def describe_execution(self, executionArn: str) -> dict[str, str]:
        raise refused("DescribeExecution")


def refused(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)


def test_an_express_execution_is_started_but_not_described(dead: DeadLetterAccount) -> None:
    dead.replaced["stepfunctions"] = ExpressStates()
    dead.put(EVENT, TARGET_ARN=dead.machine)

    succeeded, printed = dead.run("redrive", "--queue", dead.url, "--all")

    assert succeeded
    assert "started an execution: Express execution, see its log" in printed
    assert "AccessDenied" not in printed
    assert dead.queue.read() == []


def test_an_execution_that_cannot_be_described_is_still_reported(dead: DeadLetterAccount) -> None:
    dead.put(EVENT, TARGET_ARN=dead.machine)
    states = dead.clients("stepfunctions")
    states.meta.events.register(
        "before-call.sfn.DescribeExecution", lambda **_: raise_(refused("DescribeExecution"))
    )
    dead.replaced["stepfunctions"] = states

    succeeded, printed = dead.run("redrive", "--queue", dead.url, "--all")

    assert succeeded
    assert "1 of 1 redriven" in printed
    assert "status unknown" in printed
    assert "AccessDenied" in printed


def raise_(error: Exception) -> None:
    raise error


# -- Several readers of one queue -----------------------------------------------------------------


def test_letters_that_another_reader_holds_are_counted(dead: DeadLetterAccount) -> None:
    held = dead.put(EVENT)
    with dead.another_reader():
        seen = dead.put(EVENT)
        letters = dead.queue.read()
        _, printed = dead.run("list", "--queue", dead.url)

    assert [letter.id for letter in letters] == [seen]
    assert letters.held_elsewhere == 1
    assert seen[:8] in printed
    assert held[:8] not in printed
    assert "About 1 dead letter is hidden by another reader" in printed


def test_a_queue_whose_letters_another_reader_holds_is_not_called_empty(
    dead: DeadLetterAccount,
) -> None:
    dead.put(EVENT)
    with dead.another_reader():
        listed = dead.run("list", "--queue", dead.url)
        succeeded, redriven = dead.run("redrive", "--queue", dead.url, "--all", "--wait", "0")

    assert not succeeded
    for printed in (listed[1], redriven):
        assert "There are no dead letters" not in printed
        assert "hidden by another reader" in printed


def test_an_id_that_another_reader_holds_is_not_called_unknown(dead: DeadLetterAccount) -> None:
    held = dead.put(EVENT)
    with (
        dead.another_reader(),
        pytest.raises(OpsError, match=rf"begins with {held[:8]}\. About 1 dead letter is hidden"),
    ):
        dead.run("show", "--queue", dead.url, "--message", held[:8])


def test_letters_that_another_reader_holds_are_waited_for(
    dead: DeadLetterAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 60)
    held = dead.put(EVENT, TARGET_ARN=dead.machine)
    with ExitStack() as reader:
        reader.enter_context(dead.another_reader())
        sqs = dead.clients("sqs")
        # The reader leaves when it has been waited for once.
        sqs.meta.events.register("after-call.sqs.ReceiveMessage", lambda **_: reader.close())
        dead.replaced["sqs"] = sqs

        succeeded, _ = dead.run("redrive", "--queue", dead.url, "--message", held, "--wait", "0")

    assert succeeded
    assert dead.executions() == [EVENT]


def test_letters_are_soon_visible_although_their_reader_was_killed(
    dead: DeadLetterAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = dead.put("a letter")
    killed = DeadLetterQueue(dead.url, dead.clients)
    monkeypatch.setattr(dead_letters, "READ_SECONDS", 1)
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 5)
    with (
        patch.object(killed, "_release", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        killed.read()

    found = dead.queue.read()

    assert [letter.id for letter in found] == [identifier]


def test_letters_that_are_visible_again_before_all_are_read_are_read_once(
    dead: DeadLetterAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifiers = {dead.put(f"letter {n}") for n in range(5)}
    monkeypatch.setattr(dead_letters, "READ_SECONDS", 0)

    found = dead.queue.read()

    assert {letter.id for letter in found} == identifiers
    assert len(found) == 5


def test_a_command_for_one_letter_leaves_the_others_visible(dead: DeadLetterAccount) -> None:
    chosen, other = dead.put(EVENT), dead.put(EVENT)

    with dead.queue.held(chosen) as letters:
        meanwhile = dead.queue.read()

    assert [letter.id for letter in letters] == [chosen]
    assert [letter.id for letter in meanwhile] == [other]
    assert {letter.id for letter in dead.queue.read()} == {chosen, other}


@pytest.mark.parametrize("prefix", ["zzz", ""], ids=["nothing", "several"])
def test_an_id_that_matches_no_letter_or_several_is_refused(
    dead: DeadLetterAccount, prefix: str
) -> None:
    dead.put(EVENT)
    dead.put(EVENT)

    with pytest.raises(OpsError, match="dead letter has an id"):
        dead.run("redrive", "--queue", dead.url, "--message", prefix)

    assert len(dead.queue.read()) == 2


def test_redriving_needs_a_choice(dead: DeadLetterAccount) -> None:
    with pytest.raises(SystemExit):
        dead.run("redrive", "--queue", dead.url)


def test_a_queue_is_found_by_the_stacks_output_and_logical_id(dead: DeadLetterAccount) -> None:
    template = {
        "Resources": {"DeadLetterQueue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"DeadLetterQueueUrl": {"Value": {"Ref": "DeadLetterQueue"}}},
    }
    dead.clients("cloudformation").create_stack(
        StackName="stepworks-dev", TemplateBody=json.dumps(template)
    )

    for name in ("DeadLetterQueueUrl", "DeadLetterQueue"):
        assert dead.run("list", "--queue", name) == (True, "There are no dead letters.\n")
    succeeded, printed = dead.run("list")
    assert succeeded
    assert printed.split() == ["Queue", "Dead", "letters", "DeadLetterQueue", "0"]
    with pytest.raises(OpsError, match=r"There is no queue nope.*DeadLetterQueue"):
        dead.run("list", "--queue", "nope")


def test_an_aws_account_is_not_reached_through_the_local_endpoint(
    dead: DeadLetterAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(OpsError, match="AWS_ENDPOINT_URL"):
        dead.run("list", "--queue", dead.url)


def test_an_error_from_aws_is_reported_in_a_sentence(dead: DeadLetterAccount) -> None:
    with pytest.raises(OpsError, match="request to AWS failed"):
        dead.run("list", "--queue", dead.url + "-gone")


def test_a_letter_never_shows_its_receipt() -> None:
    letter = DeadLetter("id", "body", {}, {}, "a-receipt-handle")

    assert "a-receipt-handle" not in repr(letter)
