"""Dead letters of every kind: seen, understood and sent again."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import boto3
import pytest
from moto import mock_aws
from rich.console import Console

from local import dlq
from local.dead_letters import DeadLetter, DeadLetterQueue
from local.errors import LocalError
from local.settings import Settings

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
        return self.functions if service == "lambda" else boto3.client(service, region_name=REGION)

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
        parser = argparse.ArgumentParser()
        dlq.arguments(parser)
        out = StringIO()
        given = parser.parse_args([*words, "--stage", "dev"])
        well = dlq.run(Settings(), given, Console(file=out, width=200))
        return well, out.getvalue()


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dead]:
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
        ({"TARGET_ARN": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:x"}, "none of the places"),
        ({"TARGET_ARN": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:gone"}, "AWS refused"),
    ],
    ids=["no origin", "unknown kind", "gone"],
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


@pytest.mark.parametrize("beginning", ["zzz", ""], ids=["nothing", "several"])
def test_an_id_that_means_no_letter_or_several_is_refused(dead: Dead, beginning: str) -> None:
    dead.put(EVENT)
    dead.put(EVENT)

    with pytest.raises(LocalError, match="dead letter whose id"):
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
    with pytest.raises(LocalError, match=r"There is no queue nope.*DeadLetterQueue"):
        dead.run("list", "--queue", "nope")


def test_an_account_is_not_looked_for_at_the_local_address(
    dead: Dead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(LocalError, match="AWS_ENDPOINT_URL"):
        dead.run("list", "--queue", dead.url)


def test_what_aws_says_is_told_in_a_sentence(dead: Dead) -> None:
    with pytest.raises(LocalError, match="AWS refused"):
        dead.run("list", "--queue", dead.url + "-gone")


def test_a_letter_never_shows_its_receipt() -> None:
    letter = DeadLetter("id", "body", {}, {}, "a-receipt-handle")

    assert "a-receipt-handle" not in repr(letter)
