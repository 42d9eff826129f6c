"""Each function of the cookies workflow with its own role: only its own work is allowed."""

from typing import Any

import pytest

from local.aws import Aws
from tests.support.permissions import Attempt, is_allowed

WORKERS = {"getMultiple", "processSingle", "postProcessSingle", "postProcessAll"}
OTHERS = {"sideEffect", "reportTaskFailure"}


def put_event(source: str) -> Attempt:
    def attempt(aws: Aws, function: str) -> Any:
        entry = {"Source": source, "DetailType": "least.privilege", "Detail": "{}"}
        return aws.client_as(function, "events").put_events(Entries=[entry])

    return attempt


def write(key: str) -> Attempt:
    def attempt(aws: Aws, function: str) -> Any:
        return aws.client_as(function, "s3").put_object(
            Bucket=aws.outputs["CookiesBucket"], Key=f"least-privilege/{key}", Body=b"{}"
        )

    return attempt


def read(key: str) -> Attempt:
    def attempt(aws: Aws, function: str) -> Any:
        bucket, key_ = aws.outputs["CookiesBucket"], f"least-privilege/{key}"
        return aws.client_as(function, "s3").get_object(Bucket=bucket, Key=key_)

    return attempt


def delete(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "s3").delete_object(
        Bucket=aws.outputs["CookiesBucket"], Key="least-privilege/basic-0-ann.json"
    )


def complete_task(aws: Aws, function: str) -> Any:
    states = aws.client_as(function, "stepfunctions")
    return states.send_task_success(taskToken="unknown", output="{}")


def start_execution(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "stepfunctions").start_execution(
        stateMachineArn=aws.outputs["CookiesStateMachineArn"], input='{"names": []}'
    )


def send_dead_letter(aws: Aws, function: str) -> Any:
    # Other tests read the queue and expect JSON.
    return aws.client_as(function, "sqs").send_message(
        QueueUrl=aws.outputs["CookiesDeadLetterQueueUrl"], MessageBody='{"least": "privilege"}'
    )


ATTEMPTS: dict[str, tuple[Attempt, set[str]]] = {
    "put an event of the service": (put_event("project"), WORKERS | OTHERS),
    "put an event of another source": (put_event("other.source"), set()),
    "write a profile": (write("basic-0-ann.json"), {"processSingle"}),
    "write a result": (write("final-0-ann.json"), {"postProcessSingle"}),
    "write the report": (write("0-cookies.json"), {"postProcessAll"}),
    "write elsewhere": (write("elsewhere.json"), set()),
    "read a profile": (read("basic-0-ann.json"), {"processSingle"}),
    "read a result": (read("final-0-ann.json"), {"postProcessAll"}),
    "read the report": (read("0-cookies.json"), set()),
    "delete a file": (delete, set()),
    "complete a task": (complete_task, set()),
    "start an execution": (start_execution, set()),
    "send a dead letter": (send_dead_letter, OTHERS),
}


@pytest.mark.parametrize("function", sorted(WORKERS | OTHERS))
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_function_may_do_its_own_work_and_nothing_else(
    aws: Aws, function: str, attempt: str
) -> None:
    act, allowed = ATTEMPTS[attempt]

    assert is_allowed(lambda: act(aws, function)) == (function in allowed)
