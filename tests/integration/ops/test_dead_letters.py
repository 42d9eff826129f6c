"""Dead letters of every kind: seen, understood and sent again."""

import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
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


class Dead:
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
        """Somebody who holds all letters that are there now."""
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
            well = run(["dlq", *words, "--stage", "dev"], Console(file=out, width=200))
        return well, out.getvalue()


class Session:
    """The person's AWS session, for stages other than `local`."""

    region_name = REGION

    def __init__(self, dead: Dead) -> None:
        self._dead = dead

    def client(self, service: str, region_name: str) -> Any:
        return self._dead.clients(service)


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dead]:
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0.5)
    monkeypatch.setattr(dead_letters, "LONG_POLL_SECONDS", 0)  # one server has all there is
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield Dead()


# -- What they say --------------------------------------------------------------------------------


def test_an_undelivered_event_says_why_and_for_whom(dead: Dead) -> None:
    dead.put(EVENT, ERROR_CODE="NO_PERMISSIONS", ERROR_MESSAGE="may not", TARGET_ARN=dead.machine)

    (letter,) = dead.queue.look()

    assert (letter.error, letter.reason, letter.origin) == (
        "NO_PERMISSIONS",
        "may not",
        dead.machine,
    )
    assert letter.content == EVENT


def test_a_functions_error_is_told_without_its_trace(dead: Dead) -> None:
    cause = json.dumps({"errorMessage": "it broke", "errorType": "E", "stackTrace": ["line 1"]})
    dead.put(EVENT, ERROR_CODE="E", ERROR_MESSAGE=cause, TARGET_ARN=dead.machine)

    assert dead.queue.look()[0].reason == "it broke"


def test_lambdas_record_says_why_and_for_whom(dead: Dead) -> None:
    dead.put(LAMBDA_RECORD)

    (letter,) = dead.queue.look()

    assert (letter.error, letter.reason) == ("BrokenError", "it [/broke]")
    assert letter.origin == f"{FUNCTION}:$LATEST"


WRAPPED = json.dumps(
    {"errorMessage": "it broke", "errorType": "E", "stackTrace": ["  File x, line 1\n"]}
)


@pytest.mark.parametrize(
    ("said", "reason"),
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
def test_a_wrapped_reason_is_unwrapped(dead: Dead, said: str, reason: str) -> None:
    dead.put(EVENT, ERROR_CODE="E", ERROR_MESSAGE=said, TARGET_ARN=dead.machine)

    assert dead.queue.look()[0].reason == reason


def test_a_record_without_a_message_shows_no_trace(dead: Dead) -> None:
    response = {"errorType": "BrokenError", "stackTrace": ["  File x, line 1\n"]}
    dead.put({**LAMBDA_RECORD, "responsePayload": response})

    assert dead.queue.look()[0].reason == '{"errorType": "BrokenError"}'


@pytest.mark.parametrize(
    "body", ["text", "{", "[]", '"x"', {"a": 1}, {"requestContext": 1, "requestPayload": 2}]
)
def test_any_other_letter_has_no_origin(dead: Dead, body: Any) -> None:
    dead.put(body)

    (letter,) = dead.queue.look()

    assert (letter.error, letter.reason, letter.origin) == ("", "", "")


def test_looking_takes_nothing_away_and_hides_nothing(dead: Dead) -> None:
    ids = [dead.put(EVENT) for _ in range(23)]

    for _ in range(2):
        assert sorted(letter.id for letter in dead.queue.look()) == sorted(ids)
    assert dead.queue.count() == 23


# -- Sent again -----------------------------------------------------------------------------------


def test_a_machine_gets_its_event_again_as_it_was(dead: Dead) -> None:
    dead.put(EVENT, TARGET_ARN=dead.machine, RULE_ARN=dead.rule(dead.machine, "a-bus"))

    (result,) = dead.redrive()

    assert result.done
    assert dead.executions() == [EVENT]
    assert dead.queue.look() == []


def test_a_machines_own_letter_starts_it_again(dead: Dead) -> None:
    letter = dead.put(EVENT, TARGET_ARN=dead.machine, ERROR_CODE="E")

    (result,) = dead.redrive()

    assert result.execution.endswith(f":redrive-{letter}")
    assert dead.executions() == [EVENT]


def test_a_letter_that_could_not_be_deleted_starts_nothing_twice(dead: Dead) -> None:
    letter = dead.put(EVENT, TARGET_ARN=dead.machine)
    dead.clients("stepfunctions").start_execution(
        stateMachineArn=dead.machine, name=f"redrive-{letter}", input='{"the": "first time"}'
    )

    (result,) = dead.redrive()

    assert (result.done, result.what) == (True, "had been started before")
    assert dead.executions() == [{"the": "first time"}]
    assert dead.queue.look() == []


def test_a_function_gets_the_event_that_it_failed_on(dead: Dead) -> None:
    dead.put(LAMBDA_RECORD)

    (result,) = dead.redrive()

    assert result.done
    assert dead.functions.calls == [(f"{FUNCTION}:$LATEST", "Event", EVENT)]
    assert dead.queue.look() == []


def test_a_rules_function_gets_the_event(dead: Dead) -> None:
    dead.put(EVENT, TARGET_ARN=FUNCTION, RULE_ARN=dead.rule(FUNCTION))

    dead.redrive()

    assert dead.functions.calls == [(FUNCTION, "Event", EVENT)]


def test_a_queue_gets_its_message_back(dead: Dead) -> None:
    source = dead.sqs.create_queue(QueueName="source")["QueueUrl"]
    dead.put("hello", color="blue")
    # As SQS marks a message that it has moved; moto does not.
    moved = {"DeadLetterQueueSourceArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:source"}

    with dead.queue.held() as letters:
        marked = [replace(letter, system=letter.system | moved) for letter in letters]
        (result,) = dead.queue.redrive(marked)

    assert result.done, result.what
    received = dead.sqs.receive_message(QueueUrl=source, MessageAttributeNames=["All"])
    (message,) = received["Messages"]
    assert message["Body"] == "hello"
    assert message["MessageAttributes"]["color"]["StringValue"] == "blue"
    assert dead.queue.look() == []


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({}, "where it came from"),
        ({"TARGET_ARN": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:x"}, "can be redriven to"),
        ({"TARGET_ARN": "somewhere"}, "'somewhere'"),
        ({"TARGET_ARN": "arn:aws"}, "'arn:aws'"),
        ({"TARGET_ARN": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:gone"}, "AWS refused"),
    ],
    ids=["no origin", "unknown kind", "no ARN", "half an ARN", "gone"],
)
def test_what_cannot_be_sent_again_stays(dead: Dead, attributes: dict[str, str], why: str) -> None:
    dead.put(EVENT, **attributes)

    (result,) = dead.redrive()

    assert not result.done
    assert why in result.what
    assert len(dead.queue.look()) == 1


def test_an_event_that_its_rule_rewrites_stays(dead: Dead) -> None:
    rule = dead.rule(FUNCTION, InputPath="$.detail")
    dead.put(EVENT, TARGET_ARN=FUNCTION, RULE_ARN=rule)

    (result,) = dead.redrive()

    assert not result.done
    assert "rewrites" in result.what
    assert not dead.functions.calls


def test_an_event_whose_rule_has_no_such_target_any_more_stays(dead: Dead) -> None:
    dead.put(EVENT, TARGET_ARN=dead.machine, RULE_ARN=dead.rule(FUNCTION))

    (result,) = dead.redrive()

    assert (result.done, dead.executions()) == (False, [])


# -- The command ----------------------------------------------------------------------------------


def test_the_list_has_every_letter_and_why(dead: Dead) -> None:
    first = dead.put(EVENT, TARGET_ARN=dead.machine, ERROR_CODE="FirstError", ERROR_MESSAGE="[/x]")
    second = dead.put(LAMBDA_RECORD)

    well, printed = dead.run("list", "--queue", dead.url)

    assert well
    for words in (first[:8], "FirstError", "[/x]", second[:8], "BrokenError", "it [/broke]"):
        assert words in printed
    assert "stepworks-dev-machine" in printed


def test_an_empty_queue_is_said_to_be_empty(dead: Dead) -> None:
    for words in (["list"], ["redrive", "--all"]):
        assert dead.run(*words, "--queue", dead.url) == (True, "There are no dead letters.\n")


def test_one_letter_is_shown_with_all_that_is_in_it(dead: Dead) -> None:
    dead.put("another")
    wanted = dead.put(EVENT, TARGET_ARN=dead.machine, ERROR_CODE="E", EXECUTION_ARN="arn:of:it")

    _, printed = dead.run("show", "--queue", dead.url, "--message", wanted[:10])

    for words in (wanted, dead.machine, "arn:of:it", "[/not] [bold]markup, 🙂"):
        assert words in printed
    assert "another" not in printed


def test_what_opens_doors_is_not_shown_and_is_sent_again_all_the_same(dead: Dead) -> None:
    url = "https://bucket.s3.amazonaws.com/key?X-Amz-Expires=900&X-Amz-Signature=abc123&x=y"
    secret = {"detail": {"TaskToken": "a-token", "MyTaskToken": "a-token", "urls": [url]}}
    dead.put(secret, TARGET_ARN=dead.machine)

    _, printed = dead.run("show", "--queue", dead.url)
    dead.run("redrive", "--queue", dead.url, "--all", "--wait", "0")

    assert "a-token" not in printed
    assert "abc123" not in printed
    assert "X-Amz-Signature=…&x=y" in printed
    assert dead.executions() == [secret]


def test_chosen_letters_are_sent_again_and_the_others_stay(dead: Dead) -> None:
    ids = [dead.put({"n": n}, TARGET_ARN=dead.machine) for n in range(4)]

    well, printed = dead.run(
        *("redrive", "--queue", dead.url, "--message", ids[1], "--message", ids[3], "--wait", "0")
    )

    assert well
    assert "2 of 2 sent again" in printed
    assert sorted(event["n"] for event in dead.executions()) == [1, 3]
    assert {letter.id for letter in dead.queue.look()} == {ids[0], ids[2]}


def test_all_are_sent_again_and_what_could_not_be_is_told(dead: Dead) -> None:
    dead.put(EVENT, TARGET_ARN=dead.machine)
    dead.put("nobody knows")

    well, printed = dead.run("redrive", "--queue", dead.url, "--all", "--wait", "0")

    assert not well
    assert "1 of 2 sent again" in printed
    assert [letter.body for letter in dead.queue.look()] == ["nobody knows"]


def test_a_letter_without_a_usable_target_does_not_stop_the_others(dead: Dead) -> None:
    dead.put("first", TARGET_ARN="no-arn")
    dead.put(EVENT, TARGET_ARN=dead.machine)

    well, printed = dead.run("redrive", "--queue", dead.url, "--all", "--wait", "0")

    assert not well
    assert "1 of 2 sent again" in printed
    assert dead.executions() == [EVENT]


def test_a_long_reason_takes_one_line_of_the_list(dead: Dead) -> None:
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


def test_an_express_machine_is_started_and_not_asked_how_it_ended(dead: Dead) -> None:
    dead.replaced["stepfunctions"] = ExpressStates()
    dead.put(EVENT, TARGET_ARN=dead.machine)

    well, printed = dead.run("redrive", "--queue", dead.url, "--all")

    assert well
    assert "started an execution: Express execution, see its log" in printed
    assert "AccessDenied" not in printed
    assert dead.queue.look() == []


def test_an_execution_that_cannot_be_described_is_still_reported(dead: Dead) -> None:
    dead.put(EVENT, TARGET_ARN=dead.machine)
    states = dead.clients("stepfunctions")
    states.meta.events.register(
        "before-call.sfn.DescribeExecution", lambda **_: raise_(refused("DescribeExecution"))
    )
    dead.replaced["stepfunctions"] = states

    well, printed = dead.run("redrive", "--queue", dead.url, "--all")

    assert well
    assert "1 of 1 sent again" in printed
    assert "its end is not known" in printed
    assert "AccessDenied" in printed


def raise_(error: Exception) -> None:
    raise error


# -- Several readers of one queue -----------------------------------------------------------------


def test_letters_that_somebody_else_holds_are_counted(dead: Dead) -> None:
    held = dead.put(EVENT)
    with dead.another_reader():
        seen = dead.put(EVENT)
        letters = dead.queue.look()
        _, printed = dead.run("list", "--queue", dead.url)

    assert [letter.id for letter in letters] == [seen]
    assert letters.held_elsewhere == 1
    assert seen[:8] in printed
    assert held[:8] not in printed
    assert "About 1 dead letter is being read by somebody else" in printed


def test_a_queue_whose_letters_somebody_else_holds_is_not_called_empty(dead: Dead) -> None:
    dead.put(EVENT)
    with dead.another_reader():
        listed = dead.run("list", "--queue", dead.url)
        well, redriven = dead.run("redrive", "--queue", dead.url, "--all", "--wait", "0")

    assert not well
    for printed in (listed[1], redriven):
        assert "There are no dead letters" not in printed
        assert "being read by somebody else" in printed


def test_an_id_that_somebody_else_holds_is_not_called_unknown(dead: Dead) -> None:
    held = dead.put(EVENT)
    with (
        dead.another_reader(),
        pytest.raises(OpsError, match=rf"begins with {held[:8]}\. About 1 dead letter is being"),
    ):
        dead.run("show", "--queue", dead.url, "--message", held[:8])


def test_letters_that_somebody_else_holds_are_waited_for(
    dead: Dead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 60)
    held = dead.put(EVENT, TARGET_ARN=dead.machine)
    reader = dead.another_reader()
    reader.__enter__()
    leaving = threading.Timer(1, reader.__exit__, (None, None, None))
    leaving.start()

    well, _ = dead.run("redrive", "--queue", dead.url, "--message", held, "--wait", "0")

    leaving.join()
    assert well
    assert dead.executions() == [EVENT]


def test_a_command_that_wants_one_letter_leaves_the_others_to_be_read(dead: Dead) -> None:
    wanted, other = dead.put(EVENT), dead.put(EVENT)

    with dead.queue.held(wanted) as letters:
        meanwhile = dead.queue.look()

    assert [letter.id for letter in letters] == [wanted]
    assert [letter.id for letter in meanwhile] == [other]
    assert {letter.id for letter in dead.queue.look()} == {wanted, other}


@pytest.mark.parametrize("beginning", ["zzz", ""], ids=["nothing", "several"])
def test_an_id_that_means_no_letter_or_several_is_refused(dead: Dead, beginning: str) -> None:
    dead.put(EVENT)
    dead.put(EVENT)

    with pytest.raises(OpsError, match="dead letter whose id"):
        dead.run("redrive", "--queue", dead.url, "--message", beginning)

    assert len(dead.queue.look()) == 2


def test_redriving_needs_a_choice(dead: Dead) -> None:
    with pytest.raises(SystemExit):
        dead.run("redrive", "--queue", dead.url)


def test_a_queue_is_found_by_the_stacks_output_and_logical_id(dead: Dead) -> None:
    template = {
        "Resources": {"DeadLetterQueue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"DeadLetterQueueUrl": {"Value": {"Ref": "DeadLetterQueue"}}},
    }
    dead.clients("cloudformation").create_stack(
        StackName="stepworks-dev", TemplateBody=json.dumps(template)
    )

    for name in ("DeadLetterQueueUrl", "DeadLetterQueue"):
        assert dead.run("list", "--queue", name) == (True, "There are no dead letters.\n")
    well, printed = dead.run("list")
    assert well
    assert printed.split() == ["Queue", "Dead", "letters", "DeadLetterQueue", "0"]
    with pytest.raises(OpsError, match=r"There is no queue nope.*DeadLetterQueue"):
        dead.run("list", "--queue", "nope")


def test_an_account_is_not_looked_for_at_the_local_address(
    dead: Dead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(OpsError, match="AWS_ENDPOINT_URL"):
        dead.run("list", "--queue", dead.url)


def test_what_aws_says_is_told_in_a_sentence(dead: Dead) -> None:
    with pytest.raises(OpsError, match="AWS refused"):
        dead.run("list", "--queue", dead.url + "-gone")


def test_a_letter_never_shows_its_receipt() -> None:
    letter = DeadLetter("id", "body", {}, {}, "a-receipt-handle")

    assert "a-receipt-handle" not in repr(letter)
