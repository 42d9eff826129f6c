"""The class name of what a function raised."""

import io
import traceback
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.core import lambda_runtime

from local.gaps import error_names
from tests.integration.local.functions import Functions

BROKEN = """
class BrokenError(Exception):
    pass


def handler(event, context):
    raise BrokenError("it broke")
"""


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
def test_other_results_are_unchanged(
    monkeypatch: pytest.MonkeyPatch, result: dict[str, Any]
) -> None:
    monkeypatch.setattr(error_names, "_execute_upstream", lambda *_: dict(result))

    assert error_names.execute({}, {}, "request") == result


@pytest.fixture
def broken() -> Iterator[dict[str, Any]]:
    """A function that raises, as ministack keeps it; its process is ended afterwards."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("broken.py", BROKEN)
    arn = "arn:aws:lambda:us-east-1:000000000000:function:raiseError"
    config = {"FunctionName": "raiseError", "FunctionArn": arn, "Timeout": 10}
    runs = {"Runtime": "python3.13", "Handler": "broken.handler"}
    yield {"config": config | runs, "code_zip": code.getvalue()}
    lambda_runtime.invalidate_worker("raiseError")


def test_an_error_in_a_worker_process_is_named(broken: dict[str, Any]) -> None:
    body = error_names.execute(broken, {}, "request")["body"]

    assert (body["errorType"], body["errorMessage"]) == ("BrokenError", "it broke")


def test_upstream_still_lacks_it(broken: dict[str, Any]) -> None:
    """When this fails, ministack names errors itself: local/gaps/error_names.py can go."""
    body = error_names._execute_upstream(broken, {}, "request")["body"]

    assert (body["errorType"], body["errorMessage"]) == ("Runtime.HandlerError", "it broke")


def test_a_refused_call_has_the_error_name_of_step_functions() -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html"""
    body = error_names.throttled("ConcurrentInvocationLimitExceeded", "Rate Exceeded")["body"]

    assert body["errorType"] == "Lambda.TooManyRequestsException"
    assert body["__type"] == "TooManyRequestsException"


def test_upstream_still_does_not_name_a_refused_call() -> None:
    """When this fails, ministack names it: `throttled` in error_names.py can go."""
    assert "errorType" not in error_names._throttle_upstream("Reason", "Rate Exceeded")["body"]


ENDED = """
import os, signal


def handler(event, context):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_end_of_the_process_has_the_name_that_aws_gives_it(functions: Functions) -> None:
    arn = functions.create(ENDED)
    record = functions.record(arn)

    upstream = error_names._execute_upstream(record, {}, "request")["body"]
    filled = error_names.execute(record, {}, "request")["body"]

    assert upstream["errorType"] == "Runtime.HandlerError"  # when not, this part of the gap can go
    assert filled["errorType"] == "Runtime.ExitError"
