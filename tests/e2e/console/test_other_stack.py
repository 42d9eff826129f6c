"""The console on a stack that has nothing of this service."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from local.aws import Aws, until
from tests.e2e.console.conftest import Client, run_id

STACK = f"somebody-elses-{uuid4().hex[:8]}"  # each worker has one
DEFINITION = {
    "StartAt": "Each",
    "States": {
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.numbers",
            "ItemProcessor": {
                "StartAt": "Odd?",
                "States": {
                    "Odd?": {
                        "Type": "Choice",
                        "Choices": [{"Variable": "$", "NumericEquals": 3, "Next": "Three"}],
                        "Default": "Fine",
                    },
                    "Three": {"Type": "Fail", "Error": "ThreeError", "Cause": "three is too much"},
                    "Fine": {"Type": "Succeed"},
                },
            },
            "Catch": [{"ErrorEquals": ["ThreeError"], "ResultPath": "$.error", "Next": "Tell"}],
            "End": True,
        },
        "Tell": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage",
            "Parameters": {"QueueUrl.$": "$.queue", "MessageBody.$": "$.error"},
            "Next": "Give Up",
        },
        "Give Up": {"Type": "Fail", "Error": "GaveUp", "Cause": "<img src=x onerror=alert(1)>"},
    },
}
TEMPLATE = {
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": "sts:AssumeRole",
                            "Principal": {"Service": "states.amazonaws.com"},
                        }
                    ]
                }
            },
        },
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Sorter": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "DefinitionString": json.dumps(DEFINITION),
            },
        },
    },
    "Outputs": {"Machine": {"Value": {"Ref": "Sorter"}}, "Queue": {"Value": {"Ref": "Queue"}}},
}


@pytest.fixture(scope="module")
def outputs(aws: Aws) -> Iterator[dict[str, str]]:
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(
        StackName=STACK, TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"]
    )

    def created() -> Any:
        stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        return stack if stack["StackStatus"] == "CREATE_COMPLETE" else None

    stack = until("the stack", created)
    yield {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    cloudformation.delete_stack(StackName=STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


@pytest.fixture
def failed(aws: Aws, outputs: dict[str, str]) -> str:
    arn = aws.client("stepfunctions").start_execution(
        stateMachineArn=outputs["Machine"],
        input=json.dumps({"numbers": [1, 2, 3], "queue": outputs["Queue"]}),
    )["executionArn"]
    aws.wait_for_end(arn)
    return str(arn)


def test_it_finds_the_machine_and_shows_its_runs(
    alone: Callable[..., Client], outputs: dict[str, str], failed: str
) -> None:
    console = alone("--stack", STACK)

    stack = console.get("stack")
    assert (stack["name"], stack["hasEventLog"], stack["writable"]) == (STACK, False, False)
    assert "token" not in stack
    assert [machine["arn"] for machine in stack["workflows"]] == [outputs["Machine"]]
    assert [machine["title"] for machine in stack["workflows"]] == ["Sorter"]

    listed = console.get("runs")
    assert [run["status"] for run in listed["runs"]] == ["FAILED"]
    assert listed["workflows"][0]["counts"]["failed"] == 1
    assert listed["workflows"][0]["spark"][-1] == {"ok": 0, "bad": 1}
    assert console.get("runs", status="SUCCEEDED")["runs"] == []

    page = console.run(failed)
    assert (page["run"]["error"], page["run"]["failedState"]) == ("GaveUp", "Give Up")
    assert page["run"]["cause"] == "<img src=x onerror=alert(1)>"
    statuses = {node: one["status"] for node, one in page["states"].items()}
    assert statuses == {
        "$start": "succeeded",
        "Each": "caught",
        "Each/Odd?": "succeeded",
        "Each/Three": "failed",
        "Each/Fine": "succeeded",
        "Tell": "succeeded",
        "Give Up": "failed",
        "$end": "failed",
    }
    assert [link["kind"] for link in page["leftBehind"]] == ["message"]

    items = console.run(failed, "/map/Each")
    assert [(one["index"], one["status"]) for one in items["items"]] == [
        (0, "succeeded"),
        (1, "succeeded"),
        (2, "failed"),
    ]
    assert [one["error"] for one in console.run(failed, "/map/Each", status="failed")["items"]] == [
        "ThreeError"
    ]
    item = console.run(failed, "/states/Each/Odd%3F", item=2)
    assert (item["visits"], item["input"]) == (1, 3)
    history = console.run(failed, "/history", limit=5)
    assert (len(history["events"]), history["events"][0]["type"]) == (5, "ExecutionStarted")


def test_it_only_reads_unless_it_is_told_otherwise(
    alone: Callable[..., Client], failed: str
) -> None:
    reading = alone("--stack", STACK)
    answer = reading.post(f"runs/{run_id(failed)}/rerun")
    assert answer.status == 403
    assert "--allow-writes" in answer.json["error"]["action"]
    assert len(reading.get("runs")["runs"]) == len(reading.get("runs")["runs"])

    writing = alone("--stack", STACK, "--allow-writes")
    before = len(writing.get("runs")["runs"])
    assert writing.post(f"runs/{run_id(failed)}/rerun").status == 200
    assert len(writing.get("runs")["runs"]) == before + 1


def test_a_stack_that_does_not_exist_is_named(aws: Aws) -> None:
    import os
    import subprocess
    import sys

    result = subprocess.run(
        [sys.executable, "-m", "console", "--stack", "no-such-stack"],
        env=os.environ | aws.settings.client_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 1
    assert "There is no stack no-such-stack" in result.stderr
