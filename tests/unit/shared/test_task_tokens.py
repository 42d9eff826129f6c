"""Callbacks for task tokens."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from handlers.shared import task_tokens
from handlers.shared.errors import AwsUnavailableError, PermanentError
from handlers.shared.task_tokens import MAX_CAUSE, MAX_ERROR, Failure, Success, send_callback
from tests.unit.fakes import client_error


class FakeStepFunctions:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.requests: list[dict[str, Any]] = []

    def send_task_success(self, **parameters: Any) -> None:
        self._receive(parameters)

    def send_task_failure(self, **parameters: Any) -> None:
        self._receive(parameters)

    def _receive(self, parameters: dict[str, Any]) -> None:
        self.requests.append(parameters)
        if self.error:
            raise self.error


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> FakeStepFunctions:
    fake = FakeStepFunctions()
    monkeypatch.setattr(task_tokens, "client", lambda _: fake)
    return fake


def test_success_is_sent_as_json(states: FakeStepFunctions) -> None:
    assert send_callback("token", Success({"ä": [1, None]})) is True

    assert states.requests == [{"taskToken": "token", "output": '{"\\u00e4": [1, null]}'}]


def test_failure_is_sent_with_name_and_reason(states: FakeStepFunctions) -> None:
    class BrokenError(PermanentError):
        """It is broken."""

    assert send_callback("token", Failure.of(BrokenError())) is True

    assert states.requests == [
        {"taskToken": "token", "error": "BrokenError", "cause": "It is broken."}
    ]


def test_a_long_error_and_cause_are_shortened(states: FakeStepFunctions) -> None:
    send_callback("token", Failure("E" * 300, "c" * 40_000))

    (request,) = states.requests
    assert (len(request["error"]), len(request["cause"])) == (MAX_ERROR, MAX_CAUSE) == (256, 32_768)
    assert request["cause"].endswith("c…")


def test_an_error_and_cause_of_the_maximum_length_are_sent_unchanged(
    states: FakeStepFunctions,
) -> None:
    send_callback("token", Failure("E" * MAX_ERROR, "c" * MAX_CAUSE))

    assert states.requests[0]["error"] == "E" * MAX_ERROR
    assert states.requests[0]["cause"] == "c" * MAX_CAUSE


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist"])
def test_without_a_waiting_task_the_result_is_false(states: FakeStepFunctions, code: str) -> None:
    states.error = client_error(code)

    assert send_callback("token", Success(None)) is False


def test_throttling_is_a_transient_error(states: FakeStepFunctions) -> None:
    states.error = client_error("ThrottlingException")

    with pytest.raises(AwsUnavailableError, match="completing a task"):
        send_callback("token", Success(None))


@pytest.mark.parametrize("code", ["InvalidToken", "AccessDeniedException", "InvalidOutput"])
def test_any_other_error_is_raised(states: FakeStepFunctions, code: str) -> None:
    states.error = client_error(code)

    with pytest.raises(ClientError, match=code):
        send_callback("token", Success(None))


@pytest.mark.parametrize(
    "error", [None, client_error("ThrottlingException")], ids=["success", "throttled"]
)
def test_a_callback_is_sent_once(states: FakeStepFunctions, error: Exception | None) -> None:
    states.error = error

    try:
        send_callback("token", Success(None))
    except AwsUnavailableError:
        assert error

    assert len(states.requests) == 1
