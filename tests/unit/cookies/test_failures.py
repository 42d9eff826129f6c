"""A failure record of Lambda as an event for the task that waits."""

import json
from typing import Any

import pytest

from handlers.cookies.failures import MAX_CAUSE, MAX_ERROR, task_failed
from handlers.shared.errors import InvalidEventError
from tests.support import catalogue

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:cookies:one"
EVENT = {
    "id": "e",
    "source": "project",
    "detail-type": "task.process.single.post",
    "detail": {
        "execution": EXECUTION,
        "stateName": "Process Single",
        "TaskToken": "a token",
        "n": 0,
        "profileUrl": "https://example.com/?signature=s3cret",
    },
}
RAISED = {"errorType": "ProfileUnavailableError", "errorMessage": "gone", "stackTrace": ["…"]}


def record(event: Any = EVENT, response: Any = RAISED, condition: str = "RetriesExhausted") -> str:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
    return json.dumps(
        {
            "version": "1.0",
            "requestContext": {"condition": condition, "approximateInvokeCount": 3},
            "requestPayload": event,
            "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
            "responsePayload": response,
        }
    )


def test_a_reason_that_is_not_utf8_is_reported_with_replacements() -> None:
    """One such record would otherwise make its whole batch fail."""
    event = task_failed(record(response={"errorType": "E\ud800", "errorMessage": "no \udfff"}))

    assert (event.detail["error"], event.detail["cause"]) == ("E?", "no ?")


def test_the_waiting_task_gets_error_and_cause() -> None:
    event = task_failed(record())

    assert (event.source, event.detail_type) == ("project", "task.failed")
    assert event.detail == {
        "execution": EXECUTION,
        "stateName": "Process Single",
        "TaskToken": "a token",
        "error": "ProfileUnavailableError",
        "cause": "gone",
        "meta": {
            "fn": "reportTaskFailure",
            "incoming": "task.process.single.post",
            "outgoing": "task.failed",
            "execution": EXECUTION,
        },
    }
    catalogue.validate(event.source, event.detail_type, event.detail)


@pytest.mark.parametrize(
    ("response", "condition", "error", "cause"),
    [
        pytest.param(
            {"errorMessage": "2026-11-21T10:00:00Z r Task timed out after 30.03 seconds"},
            "RetriesExhausted",
            "Sandbox.Timedout",
            "Task timed out after 30.03 seconds",
            id="out-of-time",
        ),
        pytest.param(
            {"errorType": "Runtime.ExitError", "errorMessage": "signal: killed"},
            "RetriesExhausted",
            "Runtime.ExitError",
            "signal: killed",
            id="out-of-memory",
        ),
        pytest.param(None, "EventAgeExceeded", "Lambda.EventAgeExceeded", "EventAge", id="too-old"),
        pytest.param(
            {"errorMessage": "?"}, "RetriesExhausted", "Lambda.Retries", "?", id="nameless"
        ),
    ],
)
def test_a_failure_has_a_name_whatever_lambda_knows_of_it(
    response: Any, condition: str, error: str, cause: str
) -> None:
    detail = task_failed(record(response=response, condition=condition)).detail

    assert detail["error"].startswith(error)
    assert cause in detail["cause"]


def test_error_and_cause_are_no_longer_than_step_functions_accepts() -> None:
    long = {"errorType": "E" * 1000, "errorMessage": "x" * 100_000}

    event = task_failed(record(response=long))

    assert len(event.detail["error"]) == MAX_ERROR == 256
    assert len(event.detail["cause"]) == MAX_CAUSE < 32_768
    catalogue.validate(event.source, event.detail_type, event.detail)


def test_the_url_of_the_event_is_not_passed_on() -> None:
    assert "s3cret" not in json.dumps(task_failed(record()).detail)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("no JSON", id="no-json"),
        pytest.param("[]", id="a-list"),
        pytest.param("{}", id="no-event"),
        pytest.param(record(event=None), id="null"),
        pytest.param(record(event="text"), id="a-text"),
        pytest.param(record(event={**EVENT, "detail": {"execution": EXECUTION}}), id="no-token"),
        pytest.param(record(event={**EVENT, "detail": {"TaskToken": "t"}}), id="no-execution"),
        pytest.param(record(event={**EVENT, "source": "another"}), id="another-source"),
    ],
)
def test_a_record_without_a_waiting_task_is_refused(body: str) -> None:
    with pytest.raises(InvalidEventError):
        task_failed(body)
