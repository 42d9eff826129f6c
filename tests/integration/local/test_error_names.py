"""The class name of what a function raised."""

import traceback
from typing import Any

import pytest
from ministack.services import lambda_svc

from local.gaps import error_names


class SourceObjectMissingError(Exception):
    pass


def trace_of(error: Exception) -> str:
    try:
        raise error
    except Exception:
        return traceback.format_exc()


def upstream(error: Exception) -> dict[str, Any]:
    """What ministack makes of an exception."""
    body = {"errorMessage": str(error), "errorType": "Runtime.HandlerError"}
    return {"body": body, "error": True, "log": "a line\n" + trace_of(error)}


@pytest.mark.parametrize(
    "error",
    [
        SourceObjectMissingError("s3://bucket/key is gone"),
        SourceObjectMissingError("two\nlines: ValueError: not me"),
        SourceObjectMissingError(""),
    ],
    ids=["a sentence", "several lines", "no words"],
)
def test_error_type_is_the_class_name(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(error_names, "_execute_upstream", lambda *_: upstream(error))

    body = error_names.execute({}, {}, "request")["body"]

    assert body["errorType"] == "SourceObjectMissingError"
    assert body["errorMessage"] == str(error)
    assert any("trace_of" in frame for frame in body["stackTrace"])


@pytest.mark.parametrize(
    "result",
    [
        {"body": {"ok": True}, "log": "Traceback (most recent call last):\n"},
        {"body": {"errorMessage": "2.00s", "errorType": "Sandbox.Timedout"}, "error": True},
        {"body": None},
    ],
    ids=["success", "timeout", "nothing"],
)
def test_all_else_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, result: dict[str, Any]) -> None:
    monkeypatch.setattr(error_names, "_execute_upstream", lambda *_: dict(result))

    assert error_names.execute({}, {}, "request") == result


def test_upstream_still_lacks_it() -> None:
    """When this fails, ministack names errors itself: local/gaps/error_names.py can go."""
    assert "Runtime.HandlerError" in lambda_svc._execute_function_warm.__code__.co_consts


def test_a_refused_call_is_named_as_machines_know_it() -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html"""
    body = error_names.throttled("ConcurrentInvocationLimitExceeded", "Rate Exceeded")["body"]

    assert body["errorType"] == "Lambda.TooManyRequestsException"
    assert body["__type"] == "TooManyRequestsException"


def test_upstream_still_does_not_name_a_refused_call() -> None:
    """When this fails, ministack names it: `throttled` in error_names.py can go."""
    assert "errorType" not in error_names._throttle_upstream("Reason", "Rate Exceeded")["body"]
