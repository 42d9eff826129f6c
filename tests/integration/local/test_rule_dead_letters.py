"""Events with which a rule cannot start its machine are kept."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.services import eventbridge, sqs
from ministack.services import stepfunctions as sfn

from local.gaps import rule_dead_letters, start_input_limit
from local.gaps.start_input_limit import MAX_BYTES

DONE = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
RULE = {"Name": "a-rule", "Arn": "arn:aws:events:us-east-1:000000000000:rule/a-rule"}


@pytest.fixture
def queue() -> Iterator[str]:
    url = sqs._act_create_queue({"QueueName": "rule-dead-letters"}, "")["QueueUrl"]
    yield url
    sqs._act_delete_queue({"QueueUrl": url}, url)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(sfn, "_start_execution", start_input_limit.start_execution)
    _, _, body = sfn._create_state_machine(
        {
            "name": "rule-dead-letters",
            "definition": json.dumps(DONE),
            "roleArn": "arn:aws:iam::000000000000:role/r",
        }
    )
    arn = json.loads(body)["stateMachineArn"]
    yield arn
    sfn._delete_state_machine({"stateMachineArn": arn})


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> None:
    dispatch = rule_dead_letters.dispatch_to_stepfunctions
    monkeypatch.setattr(eventbridge, "_dispatch_to_stepfunctions", dispatch)


def target(machine: str) -> dict[str, Any]:
    queue = "arn:aws:sqs:us-east-1:000000000000:rule-dead-letters"
    return {"Id": "machine", "Arn": machine, "DeadLetterConfig": {"Arn": queue}}


def event(text: str) -> dict[str, Any]:
    return {
        "EventId": "e",
        "Source": "project",
        "DetailType": "any",
        "Detail": json.dumps({"text": text}),
        "Account": "000000000000",
        "Region": "us-east-1",
        "Resources": [],
        "Time": 0,
    }


def kept(queue: str) -> list[dict[str, Any]]:
    request = {"QueueUrl": queue, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}
    received = asyncio.run(sqs._act_receive_message(request, queue))
    found: list[dict[str, Any]] = received.get("Messages", [])
    return found


def test_upstream_still_loses_it(queue: str, machine: str) -> None:
    """When this fails, ministack keeps it: local/gaps/rule_dead_letters.py can go."""
    rule_dead_letters._invoke_upstream(target(machine), event("x" * MAX_BYTES), RULE)

    assert kept(queue) == []


@pytest.mark.usefixtures("filled")
def test_an_event_that_is_too_large_is_kept_with_the_reason(queue: str, machine: str) -> None:
    rule_dead_letters.invoke_target(target(machine), event("é" * (MAX_BYTES // 2)), RULE)

    (letter,) = kept(queue)
    attributes = {name: a["StringValue"] for name, a in letter["MessageAttributes"].items()}
    assert json.loads(letter["Body"])["detail"] == {"text": "é" * (MAX_BYTES // 2)}
    assert "\\u" not in letter["Body"]
    assert (attributes["RULE_ARN"], attributes["TARGET_ARN"]) == (RULE["Arn"], machine)
    assert attributes["ERROR_CODE"] == "ERROR_FROM_TARGET"
    assert "less than or equal to 262144" in attributes["ERROR_MESSAGE"]


@pytest.mark.usefixtures("filled")
def test_an_event_for_a_missing_machine_is_kept(queue: str) -> None:
    missing = "arn:aws:states:us-east-1:000000000000:stateMachine:none"

    rule_dead_letters.invoke_target(target(missing), event("x"), RULE)

    (letter,) = kept(queue)
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_RESOURCE"


@pytest.mark.usefixtures("filled")
def test_an_event_that_starts_its_machine_is_not_kept(queue: str, machine: str) -> None:
    rule_dead_letters.invoke_target(target(machine), event("x"), RULE)

    _, _, body = sfn._list_executions({"stateMachineArn": machine})
    assert len(json.loads(body)["executions"]) == 1
    assert kept(queue) == []
