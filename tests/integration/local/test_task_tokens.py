"""Task tokens: the machine they belong to, one callback for each, and functions that fail."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from ministack.core import iam_actions
from ministack.services import stepfunctions as sfn

from local.gaps import permissions, task_tokens
from tests.integration.local.conftest import Run

Function = Callable[[dict[str, Any]], Any]
WAITING = {
    "StartAt": "Ask",
    "States": {
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Parameters": {
                "FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:asked",
                "Payload": {"token.$": "$$.Task.Token"},
            },
            "TimeoutSeconds": 0.2,  # on AWS a whole number
            "End": True,
        }
    },
}


@pytest.fixture
def behaviours(monkeypatch: pytest.MonkeyPatch) -> list[Function]:
    """What the function does that the machine calls; the first of the list."""
    behaviours: list[Function] = []

    def call(_: str, event: dict[str, Any]) -> Any:
        return behaviours[0](event)

    monkeypatch.setattr(sfn, "_resolve_lambda_function_ref", lambda value, **_: value)
    monkeypatch.setattr(sfn, "_call_lambda", call)
    monkeypatch.setattr(task_tokens, "_call_upstream", call)
    return behaviours


@pytest.fixture
def filled(behaviours: list[Function], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sfn, "_execute_task", task_tokens.execute_task)
    monkeypatch.setattr(sfn, "_invoke_with_callback", task_tokens.invoke_with_callback)
    monkeypatch.setattr(sfn, "_call_lambda", task_tokens.call_lambda)


def fail(_: dict[str, Any]) -> None:
    raise sfn._ExecutionError("BrokenError", "it broke")


def request_for(
    token: str,
) -> tuple[str, str, str, dict[str, str], bytes, dict[str, str], str, str]:
    body = json.dumps({"taskToken": token, "output": "{}"}).encode()
    return ("states", "POST", "/", {}, body, {}, "us-east-1", "000000000000")


# -- A function that fails ------------------------------------------------------------------------


def test_upstream_still_waits_for_a_function_that_has_failed(
    run: Run, behaviours: list[Function]
) -> None:
    """When this fails, ministack fails the task: `call_lambda` in task_tokens.py can go."""
    behaviours.append(fail)

    assert run(WAITING)["error"] == "States.Timeout"


@pytest.mark.usefixtures("filled")
def test_a_function_that_fails_fails_its_task(run: Run, behaviours: list[Function]) -> None:
    behaviours.append(fail)

    execution = run(WAITING)

    assert (execution["error"], execution["cause"]) == ("BrokenError", "it broke")


@pytest.mark.usefixtures("filled")
def test_a_callback_before_the_failure_counts(run: Run, behaviours: list[Function]) -> None:
    def complete_and_fail(event: dict[str, Any]) -> None:
        task_tokens.send_task_success({"taskToken": event["token"], "output": '{"done": true}'})
        fail(event)

    behaviours.append(complete_and_fail)

    execution = run(WAITING)

    assert (execution["status"], json.loads(execution["output"])) == ("SUCCEEDED", {"done": True})


# -- One callback ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
def test_the_first_callback_counts_and_the_second_is_refused(
    run: Run, behaviours: list[Function]
) -> None:
    responses = []

    def call_back_twice(event: dict[str, Any]) -> None:
        responses.append(task_tokens.send_task_success({"taskToken": event["token"]}))
        responses.append(task_tokens.send_task_failure({"taskToken": event["token"]}))

    behaviours.append(call_back_twice)

    execution = run(WAITING)

    assert execution["status"] == "SUCCEEDED"
    assert [status for status, _, _ in responses] == [200, 400]
    assert json.loads(responses[1][2])["__type"] == "TaskTimedOut"


def test_a_callback_for_an_unknown_token_is_refused() -> None:
    status, _, body = task_tokens.send_task_success({"taskToken": "unknown", "output": "{}"})

    assert (status, json.loads(body)["__type"]) == (400, "TaskTimedOut")


def test_upstream_still_accepts_a_second_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    """When this fails, ministack refuses it: `send_task_success` and `_failure` here can go."""
    waiting = {"event": threading.Event(), "result": None, "error": None}
    monkeypatch.setitem(sfn._task_tokens, "token", waiting)

    sfn._send_task_success({"taskToken": "token", "output": "{}"})
    status, _, _ = sfn._send_task_failure({"taskToken": "token", "error": "E"})

    assert (status, waiting["error"]["Error"]) == (200, "E")


# -- The machine of a token -----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "max_length"), [("error", 256), ("cause", 32_768)])
def test_a_failure_that_is_too_long_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, max_length: int
) -> None:
    waiting = {"event": threading.Event(), "result": None, "error": None}
    monkeypatch.setitem(sfn._task_tokens, "token", waiting)
    failure = {"taskToken": "token", "error": "E", "cause": "c"}

    too_long = task_tokens.send_task_failure(failure | {name: "x" * (max_length + 1)})
    longest = task_tokens.send_task_failure(failure | {name: "x" * max_length})

    assert (too_long[0], json.loads(too_long[2])["__type"]) == (400, "ValidationException")
    assert longest[0] == 200


def test_upstream_still_accepts_a_failure_of_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """When this fails, ministack refuses it: `_MAX_LENGTHS` in task_tokens.py can go."""
    waiting = {"event": threading.Event(), "result": None, "error": None}
    monkeypatch.setitem(sfn._task_tokens, "token", waiting)
    failure = {"taskToken": "token", "error": "E" * 257, "cause": "c"}

    assert task_tokens._failure_upstream(failure)[0] == 200


@pytest.mark.usefixtures("filled")
def test_a_callback_acts_on_the_machine_that_waits_for_it(
    run: Run, behaviours: list[Function]
) -> None:
    seen = []

    def record_machine(event: dict[str, Any]) -> None:
        seen.append(permissions.resource(*request_for(event["token"])))
        task_tokens.send_task_success({"taskToken": event["token"], "output": "{}"})

    behaviours.append(record_machine)

    execution = run(WAITING)

    assert seen == [execution["stateMachineArn"]]


@pytest.mark.usefixtures("filled")
def test_a_late_callback_is_late_not_forbidden(run: Run, behaviours: list[Function]) -> None:
    tokens = []
    behaviours.append(lambda event: tokens.append(event["token"]))

    execution = run(WAITING)

    assert execution["error"] == "States.Timeout"
    assert permissions.resource(*request_for(tokens[0])) == execution["stateMachineArn"]
    _, _, body = task_tokens.send_task_success({"taskToken": tokens[0], "output": "{}"})
    assert json.loads(body)["__type"] == "TaskTimedOut"


def test_upstream_still_does_not_know_the_machine_of_a_token() -> None:
    """When this fails, ministack knows: `owner` in task_tokens.py can go."""
    assert iam_actions.extract_resource_arn(*request_for("token")) == "*"


def test_an_unknown_token_has_no_machine() -> None:
    assert permissions.resource(*request_for("unknown")) == "*"
