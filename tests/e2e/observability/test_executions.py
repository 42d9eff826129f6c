"""GET {ApiUrl}/executions/{executionArn} for every workflow, and for nobody else's machine."""

import json
from collections.abc import Iterator
from urllib.parse import quote
from uuid import uuid4

import pytest

from local import api
from local.aws import Aws
from tests.support import asl

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:"


def get(aws: Aws, execution_arn: str) -> api.Response:
    return api.call(aws, "GET", f"/executions/{quote(execution_arn, safe='')}")


@pytest.fixture
def other(aws: Aws) -> Iterator[str]:
    """A machine in the account that is none of ours, but has a name much like one."""
    states = aws.client("stepfunctions")
    ours = states.describe_state_machine(stateMachineArn=aws.outputs["ImagesStateMachineArn"])
    arn = states.create_state_machine(
        name=f"stepworks-local-images-{uuid4()}",
        definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
        roleArn=ours["roleArn"],
    )["stateMachineArn"]
    yield arn
    states.delete_state_machine(stateMachineArn=arn)


@pytest.mark.parametrize("machine", asl.machines())
def test_every_workflow_can_be_asked_for(aws: Aws, machine: str) -> None:
    states = aws.client("stepfunctions")
    arn = f"{MACHINE}stepworks-local-{machine}"
    if states.describe_state_machine(stateMachineArn=arn)["type"] == "EXPRESS":
        return  # such executions have no status to ask for, on AWS
    execution = states.start_execution(stateMachineArn=arn, input='{"secret": "input"}')
    states.stop_execution(executionArn=execution["executionArn"], error="Stopped")

    answer = get(aws, execution["executionArn"])

    assert answer.status == 200
    assert answer.json["executionArn"] == execution["executionArn"]
    assert answer.json["status"] in ("ABORTED", "FAILED")
    assert answer.json["startDate"].endswith("Z")
    assert "secret" not in answer.text


def test_another_machines_execution_looks_as_if_it_did_not_exist(aws: Aws, other: str) -> None:
    execution = aws.client("stepfunctions").start_execution(stateMachineArn=other)
    aws.wait_for_end(execution["executionArn"])

    unknown = get(aws, execution["executionArn"].replace("stepworks-local-images-", "none-"))
    answer = get(aws, execution["executionArn"])

    assert (answer.status, answer.text) == (404, unknown.text)


def test_unsigned_requests_are_refused(aws: Aws) -> None:
    arn = f"{MACHINE}stepworks-local-images:one".replace("stateMachine", "execution")

    assert (
        api.call(aws, "GET", f"/executions/{quote(arn, safe='')}", credentials=None).status == 403
    )
