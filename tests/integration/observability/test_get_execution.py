"""What the API shows of an execution, on moto's Step Functions."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from handlers.observability.get_execution import handler
from handlers.shared.clients import client
from local.aws import pace, until
from tests.support.aws_clients import aws_client
from tests.unit.fakes import FakeContext, client_error
from tests.unit.fixtures import context, fresh_clients

__all__ = ["context", "fresh_clients"]

ARN = "arn:aws:states:us-east-1:123456789012:execution:stepworks-test-images:one"
TOKEN = "AQCEAAAAKgAAAAMAAAAA"
INPUT = {"secret": "not for everybody"}


class World:
    """Machines with one state, and requests as API Gateway passes them on."""

    def __init__(self, context: FakeContext) -> None:
        self.states = aws_client("stepfunctions")
        self.context = context

    def execution(self, state: dict[str, Any]) -> str:
        machine = self.states.create_state_machine(
            name="stepworks-test-images",
            definition=json.dumps({"StartAt": "Only", "States": {"Only": state}}),
            roleArn="arn:aws:iam::123456789012:role/machine",
        )["stateMachineArn"]
        arn: str = self.states.start_execution(stateMachineArn=machine, input=json.dumps(INPUT))[
            "executionArn"
        ]
        until("the end of the execution", lambda: self._has_ended(arn))
        return arn

    def _has_ended(self, arn: str) -> bool:
        described = self.states.describe_execution(executionArn=arn)
        return bool(described["status"] != "RUNNING")

    def get(self, parameter: str) -> tuple[int, Any]:
        event = {
            "pathParameters": {"executionArn": parameter},
            "requestContext": {"requestId": "request-1"},
        }
        response = handler(event, self.context)
        return response["statusCode"], json.loads(response["body"])


@pytest.fixture
def world(
    fresh_clients: None, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    # The execution ends within milliseconds.
    monkeypatch.setattr(pace, "pause", 0.02)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        yield World(context)


def test_a_success_has_its_output_and_never_its_input(world: World) -> None:
    arn = world.execution({"Type": "Pass", "Result": {"images": 3}, "End": True})

    status, body = world.get(arn)

    assert status == 200
    assert body == {
        "executionArn": arn,
        "status": "SUCCEEDED",
        "startDate": body["startDate"],
        "stopDate": body["stopDate"],
        "output": {"images": 3},
    }
    assert body["startDate"] <= body["stopDate"]
    assert body["startDate"].endswith("Z")


def test_a_failure_has_its_error_and_cause(world: World) -> None:
    arn = world.execution({"Type": "Fail", "Error": "DownloadsFailedError", "Cause": "some"})

    _, body = world.get(arn)

    assert (body["status"], body["error"], body["cause"]) == (
        *("FAILED", "DownloadsFailedError", "some"),
    )
    assert "output" not in body


def test_an_execution_that_runs_has_no_end_yet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = world.execution({"Type": "Pass", "End": True})
    described = client("stepfunctions").describe_execution(executionArn=arn)
    running = described | {"status": "RUNNING", "stopDate": None, "output": None}
    monkeypatch.setattr(client("stepfunctions"), "describe_execution", lambda **_: running)

    _, body = world.get(arn)

    assert set(body) == {"executionArn", "status", "startDate"}


@pytest.mark.parametrize("encode", [str, lambda arn: quote(arn, safe="")], ids=["plain", "%3A"])
def test_the_arn_may_come_encoded(world: World, encode: Callable[[str], str]) -> None:
    """API Gateway may hand a path parameter on as it came, or decoded."""
    arn = world.execution({"Type": "Pass", "End": True})

    assert world.get(encode(arn))[0] == 200


@pytest.mark.parametrize("parameter", [ARN, "nonsense", "arn:aws:s3:::bucket", "x" * 2000])
def test_an_unknown_execution_is_not_found(world: World, parameter: str) -> None:
    assert world.get(parameter) == (404, {"message": "There is no such execution."})


def test_an_execution_without_permission_is_not_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: Any) -> None:
        raise client_error("AccessDeniedException")

    monkeypatch.setattr(client("stepfunctions"), "describe_execution", denied)

    assert world.get(ARN) == (404, {"message": "There is no such execution."})


@pytest.mark.parametrize(
    ("code", "status"), [("ThrottlingException", 400), ("InternalFailure", 500)]
)
def test_a_transient_error_of_step_functions_is_a_503(
    world: World, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    def fails(**_: Any) -> None:
        raise client_error(code, status)

    monkeypatch.setattr(client("stepfunctions"), "describe_execution", fails)

    assert world.get(ARN) == (
        503,
        {"message": "The execution could not be described. Try again later."},
    )


def test_other_errors_are_raised(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: Any) -> None:
        raise client_error("Other")

    monkeypatch.setattr(client("stepfunctions"), "describe_execution", fails)

    with pytest.raises(ClientError, match="Other"):
        world.get(ARN)


@pytest.mark.parametrize(
    "parameter",
    ["", "\ud800", "%ED%A0%80", ARN + "\n", ARN + "x" * 200, ARN.replace("states", "lambda")],
)
def test_an_invalid_arn_is_refused_without_a_request(
    world: World, monkeypatch: pytest.MonkeyPatch, parameter: str
) -> None:
    monkeypatch.setattr(client("stepfunctions"), "describe_execution", None)

    assert world.get(parameter)[0] == 404


@pytest.mark.parametrize("text", ["[" * 200_000, "[" * 5000 + "]" * 5000, "9" * 5000])
def test_an_output_that_cannot_be_parsed_is_not_shown(
    world: World, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    arn = world.execution({"Type": "Pass", "End": True})
    described = client("stepfunctions").describe_execution(executionArn=arn)
    monkeypatch.setattr(
        client("stepfunctions"), "describe_execution", lambda **_: described | {"output": text}
    )

    status, body = world.get(arn)

    assert (status, body["output"]) == (200, "(removed)")


def test_a_cause_that_is_nested_too_deep_to_parse_is_not_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = world.execution({"Type": "Fail", "Error": "E", "Cause": "x"})
    described = client("stepfunctions").describe_execution(executionArn=arn)
    monkeypatch.setattr(
        client("stepfunctions"),
        "describe_execution",
        lambda **_: described | {"cause": "[" * 30_000 + "]" * 30_000},
    )

    assert world.get(arn)[1]["cause"] == "(removed)"


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "Result": {"TaskToken": TOKEN, "name": "x"}, "End": True},
        {"Type": "Pass", "Result": {"a": [{"MyTaskToken": TOKEN}]}, "End": True},
        {"Type": "Pass", "Result": {"detail": json.dumps({"token": TOKEN})}, "End": True},
        {"Type": "Fail", "Error": "E", "Cause": json.dumps({"input": {"taskToken": TOKEN}})},
    ],
    ids=["output", "nested", "JSON in a string", "cause"],
)
def test_tokens_are_never_shown(world: World, state: dict[str, Any]) -> None:
    _, body = world.get(world.execution(state))

    assert TOKEN not in json.dumps(body)
    assert "(removed)" in json.dumps(body)
