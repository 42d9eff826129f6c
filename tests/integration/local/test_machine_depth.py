"""An execution that a function starts is one call deeper than the function."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from ministack.services import lambda_svc
from ministack.services import stepfunctions as sfn

from local.aws import until
from local.gaps import machine_depth

Handle = Callable[..., Awaitable[Any]]
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:a-function"
DEFINITION = {
    "StartAt": "Call",
    "States": {"Call": {"Type": "Task", "Resource": FUNCTION, "End": True}},
}


@pytest.fixture
def machine() -> Iterator[str]:
    request = {
        "name": "a",
        "definition": json.dumps(DEFINITION),
        "roleArn": "arn:aws:iam::0:role/r",
    }
    arn = json.loads(sfn._create_state_machine(request)[2])["stateMachineArn"]
    yield arn
    sfn._delete_state_machine({"stateMachineArn": arn})


@pytest.fixture
def depths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """At which depth the machine's function was called."""
    seen: list[int] = []

    def call(_: str, event: Any) -> Any:
        seen.append(lambda_svc._invoke_depth.get())

    monkeypatch.setattr(sfn, "_call_lambda", call)
    return seen


def start(handle: Handle, action: str, machine: str, **headers: str) -> None:
    body = json.dumps({"stateMachineArn": machine}).encode()
    target = {"x-amz-target": f"AWSStepFunctions.{action}"}
    asyncio.run(handle("POST", "/", target | headers, body, {}))  # type: ignore[arg-type]


CALLED = {"x-ministack-invoke-depth": "2"}


def test_upstream_still_begins_at_zero(machine: str, depths: list[int]) -> None:
    """When this fails, ministack counts executions, too: local/gaps/machine_depth.py can go."""
    start(machine_depth._handle_upstream, "StartExecution", machine, **CALLED)

    until("the call", lambda: depths)
    assert depths == [0]


@pytest.mark.parametrize("action", ["StartExecution", "StartSyncExecution"])
@pytest.mark.parametrize(
    ("headers", "depth"),
    [({}, 0), (CALLED, 3), ({"x-ministack-invoke-depth": "40"}, machine_depth.MAX_DEPTH)],
    ids=["by a person", "by a function", "by a chain that is too deep"],
)
def test_an_execution_is_one_call_deeper_than_the_function_that_starts_it(
    machine: str, depths: list[int], action: str, headers: dict[str, str], depth: int
) -> None:
    start(machine_depth.handle_request, action, machine, **headers)

    until("the call", lambda: depths)
    assert depths == [depth]
