"""Machines and functions of a test's own, under a role that may do almost nothing."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws import Deployment, until

NEW_ROLE = ("AccessDeniedException", "InvalidParameterValueException", "ValidationException")


class Probe:
    """A role that Step Functions, Lambda and the scheduler may assume, and what uses it."""

    def __init__(self, aws: Deployment) -> None:
        self.aws = aws
        self.name = aws.name()
        self._functions: list[str] = []
        self._machines: list[str] = []
        services = [f"{name}.amazonaws.com" for name in ("states", "lambda", "scheduler")]
        trust = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
        self.role: str = aws.client("iam").create_role(
            RoleName=self.name, AssumeRolePolicyDocument=document(trust)
        )["Role"]["Arn"]
        own = f"{aws.region}:{aws.account}"
        allowed = [
            {
                "Action": "lambda:InvokeFunction",
                "Resource": f"arn:aws:lambda:{own}:function:{self.name}*",
            },
            {"Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:{own}:{self.name}*"},
            {"Action": "states:SendTaskSuccess", "Resource": "*"},
            {
                "Action": "states:StartExecution",
                "Resource": f"arn:aws:states:{own}:stateMachine:{self.name}*",
            },
        ]
        aws.client("iam").put_role_policy(
            RoleName=self.name,
            PolicyName="own",
            PolicyDocument=document(*({"Effect": "Allow"} | one for one in allowed)),
        )

    def run(self, states: dict[str, Any]) -> dict[str, Any]:
        """The ended execution of a machine with these states, the first of which is "Try"."""
        definition = json.dumps({"StartAt": "Try", "TimeoutSeconds": 120, "States": states})
        name = f"{self.name}-{len(self._machines)}"
        client = self.aws.client("stepfunctions")

        def create() -> str | None:
            return once_the_role_is_known(
                lambda: client.create_state_machine(
                    name=name, definition=definition, roleArn=self.role
                )["stateMachineArn"]
            )

        machine = until("the new role", create)
        self._machines.append(machine)
        started = client.start_execution(stateMachineArn=machine, input='{"name": "a"}')
        return self.aws.wait_for_end(started["executionArn"])

    def error(self, resource: str, parameters: dict[str, Any]) -> str:
        """The name of the error of a task that should not succeed; empty if it did."""
        task = {
            "Type": "Task",
            "Resource": resource,
            "Parameters": parameters,
            "TimeoutSeconds": 60,
            "End": True,
        }
        return str(self.run({"Try": task}).get("error", ""))

    def function(self, code: str, **settings: Any) -> str:
        """ARN of a function with this code, whose handler is `handler`."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as package:
            package.writestr("index.py", code)
        name, client = f"{self.name}-{len(self._functions)}", self.aws.client("lambda")

        def create() -> str | None:
            return once_the_role_is_known(
                lambda: client.create_function(
                    FunctionName=name,
                    Role=self.role,
                    Runtime="python3.13",
                    Handler="index.handler",
                    Code={"ZipFile": content.getvalue()},
                    **settings,
                )["FunctionArn"]
            )

        arn = until("the new role", create)
        self._functions.append(name)
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        return arn

    def remove(self) -> None:
        for machine in self._machines:
            self.aws.client("stepfunctions").delete_state_machine(stateMachineArn=machine)
        for name in self._functions:
            self.aws.client("lambda").delete_function(FunctionName=name)
        self.aws.client("iam").delete_role_policy(RoleName=self.name, PolicyName="own")
        self.aws.client("iam").delete_role(RoleName=self.name)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def once_the_role_is_known(create: Any) -> str | None:
    """IAM takes some seconds until other services know a new role."""
    try:
        return str(create())
    except ClientError as error:
        if error.response["Error"]["Code"] in NEW_ROLE:
            return None
        raise


@pytest.fixture
def probe(aws: Deployment) -> Iterator[Probe]:
    found = Probe(aws)
    yield found
    found.remove()
