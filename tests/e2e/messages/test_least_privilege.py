"""Each function of the messages workflow with its own role: every other action is denied."""

from typing import Any

import pytest

from local.aws import Aws
from tests.support.permissions import Attempt, is_allowed

FUNCTIONS = ("publishMessage", "checkMessage", "recordMessage", "getMessage")
KEY = {"messageId": {"S": "least-privilege"}}


def put_event(source: str, *, on_own_bus: bool = True) -> Attempt:
    def attempt(aws: Aws, function: str) -> Any:
        bus = aws.outputs["MessagesBusName"] if on_own_bus else "default"
        entry = {"Source": source, "DetailType": "none", "EventBusName": bus, "Detail": "{}"}
        return aws.client_as(function, "events").put_events(Entries=[entry])

    return attempt


def read_record(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "dynamodb").get_item(
        TableName=aws.outputs["MessagesTable"], Key=KEY
    )


def write_record(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "dynamodb").put_item(
        TableName=aws.outputs["MessagesTable"],
        Item=KEY,
        ConditionExpression="attribute_exists(messageId)",  # so that nothing is written
    )


def delete_record(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "dynamodb").delete_item(
        TableName=aws.outputs["MessagesTable"], Key=KEY
    )


def scan_records(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "dynamodb").scan(TableName=aws.outputs["MessagesTable"])


def start_execution(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "stepfunctions").start_execution(
        stateMachineArn=aws.outputs["MessagesStateMachineArn"], input="{}"
    )


def read_dead_letters(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "sqs").receive_message(
        QueueUrl=aws.outputs["MessagesDeadLetterQueueUrl"], VisibilityTimeout=0
    )


ATTEMPTS: dict[str, tuple[Attempt, set[str]]] = {
    "put a common event": (put_event("com.devpost.commonevent"), {"publishMessage"}),
    "put an event of another source": (put_event("project"), set()),
    "put an event on another bus": (put_event("com.devpost.commonevent", on_own_bus=False), set()),
    "read a record": (read_record, {"getMessage"}),
    "write a record": (write_record, {"recordMessage"}),
    "delete a record": (delete_record, set()),
    "read all records": (scan_records, set()),
    "start an execution": (start_execution, set()),
    "read dead letters": (read_dead_letters, set()),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_function_may_do_its_own_work_and_nothing_else(
    aws: Aws, function: str, attempt: str
) -> None:
    act, allowed = ATTEMPTS[attempt]

    assert is_allowed(lambda: act(aws, function)) == (function in allowed)
