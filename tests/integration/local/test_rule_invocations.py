"""Functions that rules invoke are tried again, and their failures kept."""

import json
from typing import Any

import pytest
from ministack.services import eventbridge, lambda_svc

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


def test_a_function_that_is_not_there_is_left_to_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    passed_on = []
    monkeypatch.setattr(lambda_svc, "_get_func_record_for_ref", lambda arn: (None, None, "none"))
    monkeypatch.setattr(
        rule_invocations, "_dispatch_upstream", lambda *call: passed_on.append(call)
    )

    rule_invocations.dispatch_to_lambda(ARN, "{}")

    assert passed_on == [(ARN, "{}")]


def test_upstream_still_lacks_it() -> None:
    """When this fails, ministack does it itself: local/gaps/rule_invocations.py can go."""
    called = rule_invocations._dispatch_upstream.__code__.co_names

    assert eventbridge._dispatch_to_lambda is rule_invocations._dispatch_upstream
    assert "_execute_function_with_config_scope" in called
    assert "invoke_async_with_retry" not in called
