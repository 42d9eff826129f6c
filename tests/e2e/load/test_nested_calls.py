"""Functions that wait for functions, and functions that sleep: no call waits for ever."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local import api
from local.aws import Aws, until
from local.gaps.lambda_workers import WORKERS
from local.settings import REGION

pytestmark = [pytest.mark.load, pytest.mark.timeout(300)]
Create = Callable[[str], str]
CALLERS = 2 * WORKERS
CALLS_ITSELF = """
import json
import boto3

def handler(event, context):
    if event["deeper"]:
        response = boto3.client("lambda").invoke(
            FunctionName=context.function_name,
            Payload=json.dumps({"deeper": event["deeper"] - 1}),
        )
        return 1 + json.load(response["Payload"])
    return 1
"""
RUNS_A_MACHINE = """
import json
import boto3

def handler(event, context):
    if "machine" not in event:
        return "called by the machine"
    response = boto3.client("stepfunctions").start_sync_execution(
        stateMachineArn=event["machine"], input="{}"
    )
    return json.loads(response["output"])
"""
SLEEPS = """
import time

def handler(event, context):
    time.sleep(60)
"""
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@pytest.fixture
def name() -> str:
    return f"nested-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def role(aws: Aws, name: str) -> Iterator[str]:
    """A role that may do everything; its ARN."""
    iam = aws.client("iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
        "Action": "sts:AssumeRole",
    }
    yield iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    iam.delete_role_policy(RoleName=name, PolicyName=name)
    iam.delete_role(RoleName=name)


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def create(aws: Aws, name: str, role: str) -> Iterator[Create]:
    """Create the function of a test from its code; returns its ARN."""
    aws.client("iam").put_role_policy(
        RoleName=name, PolicyName=name, PolicyDocument=document(EVERYTHING)
    )

    def create_function(code: str) -> str:
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("main.py", code)
        created = aws.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role,
            Handler="main.handler",
            Timeout=90,
            Code={"ZipFile": package.getvalue()},
        )
        return str(created["FunctionArn"])

    yield create_function
    aws.client("lambda").delete_function(FunctionName=name)


def invoke(aws: Aws, function: str, payload: Any) -> Any:
    client = boto3.client(
        "lambda",
        endpoint_url=aws.settings.endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(read_timeout=120, retries={"total_max_attempts": 1}),
    )
    response = client.invoke(FunctionName=function, Payload=json.dumps(payload))
    return json.load(response["Payload"])


def test_functions_that_call_themselves(aws: Aws, create: Create) -> None:
    """From more callers at once than the function may have workers."""
    function = create(CALLS_ITSELF)

    with ThreadPoolExecutor(CALLERS) as callers:
        results = list(callers.map(lambda _: invoke(aws, function, {"deeper": 3}), range(CALLERS)))

    assert results == [4] * CALLERS


def test_functions_that_wait_for_a_machine_that_calls_them(
    aws: Aws, name: str, role: str, create: Create
) -> None:
    function = create(RUNS_A_MACHINE)
    task = {"Type": "Task", "Resource": function, "TimeoutSeconds": 60, "End": True}
    states = aws.client("stepfunctions")
    machine = states.create_state_machine(
        name=name,
        type="EXPRESS",
        definition=json.dumps({"StartAt": "Call", "States": {"Call": task}}),
        roleArn=role,
    )["stateMachineArn"]

    with ThreadPoolExecutor(CALLERS) as callers:
        results = list(
            callers.map(lambda _: invoke(aws, function, {"machine": machine}), range(CALLERS))
        )

    states.delete_state_machine(stateMachineArn=machine)
    assert results == ["called by the machine"] * CALLERS


def test_a_sleeping_function_does_not_block_others(aws: Aws, create: Create) -> None:
    function = create(SLEEPS)
    for _ in range(50):
        aws.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=b"{}")

    began = time.monotonic()
    posted = api.call(aws, "POST", "/messages", {"message": {"to": "all who are awake"}})
    path = f"/messages/{posted.json['messageId']}"
    until("the message's record", lambda: api.call(aws, "GET", path).status == 200, 50)

    assert time.monotonic() - began < 50, "the first ones sleep for 60 s"
