"""GET {ApiUrl}/executions/{executionArn} for every workflow, and for no other machine."""

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
    """A machine in the account that is not part of the service, but has a similar name."""
    states = aws.client("stepfunctions")
    own_machine = states.describe_state_machine(
        stateMachineArn=aws.outputs["ImagesStateMachineArn"]
    )
    arn = states.create_state_machine(
        name=f"stepworks-local-images-{uuid4()}",
        definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
        roleArn=own_machine["roleArn"],
    )["stateMachineArn"]
    yield arn
    states.delete_state_machine(stateMachineArn=arn)


@pytest.mark.parametrize("machine", asl.machines())
def test_every_execution_of_a_standard_machine_can_be_read(aws: Aws, machine: str) -> None:
    states = aws.client("stepfunctions")
    arn = f"{MACHINE}stepworks-local-{machine}"
    if states.describe_state_machine(stateMachineArn=arn)["type"] == "EXPRESS":
        return  # such executions have no status to ask for, on AWS
    execution = states.start_execution(stateMachineArn=arn, input='{"secret": "input"}')
    states.stop_execution(executionArn=execution["executionArn"], error="Stopped")

    response = get(aws, execution["executionArn"])

    assert response.status == 200
    assert response.json["executionArn"] == execution["executionArn"]
    assert response.json["status"] in ("ABORTED", "FAILED")
    assert response.json["startDate"].endswith("Z")
    assert "secret" not in response.text


def test_another_machines_execution_is_not_found(aws: Aws, other: str) -> None:
    execution = aws.client("stepfunctions").start_execution(stateMachineArn=other)
    aws.wait_for_end(execution["executionArn"])

    unknown = get(aws, execution["executionArn"].replace("stepworks-local-images-", "none-"))
    response = get(aws, execution["executionArn"])

    assert (response.status, response.text) == (404, unknown.text)


def test_unsigned_requests_are_refused(aws: Aws) -> None:
    arn = f"{MACHINE}stepworks-local-images:one".replace("stateMachine", "execution")

    assert (
        api.call(aws, "GET", f"/executions/{quote(arn, safe='')}", credentials=None).status == 403
    )
