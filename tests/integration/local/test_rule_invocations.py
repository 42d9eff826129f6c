"""Functions that rules invoke are tried again, and their failures kept."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from ministack.services import lambda_svc

from local.gaps import rule_invocations

ARN = "arn:aws:lambda:us-east-1:000000000000:function:a-function"
FUNCTION = {"config": {"FunctionName": "a-function", "FunctionArn": ARN}}
EVENT = {"source": "project", "detail": {"names": ["Ann", "😀"]}}


def test_a_rule_invokes_asynchronously(monkeypatch: pytest.MonkeyPatch) -> None:
    invoked: list[tuple[Any, Any]] = []
    found = (FUNCTION, FUNCTION["config"], "a-function")
    monkeypatch.setattr(lambda_svc, "_get_func_record_for_ref", lambda arn: found)
    monkeypatch.setattr(lambda_svc, "invoke_async_with_retry", lambda *call: invoked.append(call))

    rule_invocations.dispatch_to_lambda(ARN, json.dumps(EVENT))

    assert invoked == [(FUNCTION, EVENT)]


def test_a_missing_function_is_left_to_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    passed_on = []
    monkeypatch.setattr(lambda_svc, "_get_func_record_for_ref", lambda arn: (None, None, "none"))
    monkeypatch.setattr(
        rule_invocations, "_dispatch_upstream", lambda *call: passed_on.append(call)
    )

    rule_invocations.dispatch_to_lambda(ARN, "{}")

    assert passed_on == [(ARN, "{}")]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls of a function that a rule has as its target, and that always fails."""
    made: list[Any] = []

    def fail(_: Any, event: Any, *__: Any, **___: Any) -> dict[str, Any]:
        made.append(event)
        return {"body": {"errorType": "BrokenError"}, "error": True}

    found = (FUNCTION, FUNCTION["config"], "a-function")
    monkeypatch.setattr(lambda_svc, "_get_func_record_for_ref", lambda arn: found)
    monkeypatch.setattr(lambda_svc, "_execute_function", fail)
    monkeypatch.setattr(lambda_svc, "_LAMBDA_ASYNC_RETRY_BASE_SECONDS", 0)
    return made


def dispatched(dispatch: Callable[[str, str], None]) -> None:
    """Let a rule's event go to its target, and wait until all that comes of it is over."""
    before = set(threading.enumerate())
    dispatch(ARN, json.dumps(EVENT))
    for thread in set(threading.enumerate()) - before:
        thread.join(10)


def test_a_function_that_fails_is_called_again_twice(calls: list[Any]) -> None:
    dispatched(rule_invocations.dispatch_to_lambda)

    assert calls == [EVENT] * 3


def test_upstream_still_calls_a_function_that_fails_once(calls: list[Any]) -> None:
    """When this fails, ministack does it itself: local/gaps/rule_invocations.py can go."""
    dispatched(rule_invocations._dispatch_upstream)

    assert calls == [EVENT]
