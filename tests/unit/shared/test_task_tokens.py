"""Answers to task tokens."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from handlers.shared import task_tokens
from handlers.shared.errors import AwsUnavailableError, PermanentError
from handlers.shared.task_tokens import MAX_CAUSE, MAX_ERROR, Failure, Success
from handlers.shared.task_tokens import answer as answer_task
from tests.unit.fakes import client_error


class FakeStepFunctions:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.sent: list[dict[str, Any]] = []

    def send_task_success(self, **parameters: Any) -> None:
        self._take(parameters)

    def send_task_failure(self, **parameters: Any) -> None:
        self._take(parameters)

    def _take(self, parameters: dict[str, Any]) -> None:
        self.sent.append(parameters)
        if self.error:
            raise self.error


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> FakeStepFunctions:
    fake = FakeStepFunctions()
    monkeypatch.setattr(task_tokens, "client", lambda _: fake)
    return fake


def test_success_is_sent_as_json(states: FakeStepFunctions) -> None:
    assert answer_task("token", Success({"ä": [1, None]})) is True

    assert states.sent == [{"taskToken": "token", "output": '{"\\u00e4": [1, null]}'}]


def test_failure_is_sent_with_name_and_reason(states: FakeStepFunctions) -> None:
    class BrokenError(PermanentError):
        """It is broken."""

    assert answer_task("token", Failure.of(BrokenError())) is True

    assert states.sent == [{"taskToken": "token", "error": "BrokenError", "cause": "It is broken."}]


def test_what_is_too_long_is_shortened(states: FakeStepFunctions) -> None:
    answer_task("token", Failure("E" * 300, "c" * 40_000))

    (sent,) = states.sent
    assert (len(sent["error"]), len(sent["cause"])) == (MAX_ERROR, MAX_CAUSE) == (256, 32_768)
    assert sent["cause"].endswith("c…")


def test_what_just_fits_is_sent_whole(states: FakeStepFunctions) -> None:
    answer_task("token", Failure("E" * MAX_ERROR, "c" * MAX_CAUSE))

    assert states.sent[0]["error"] == "E" * MAX_ERROR
    assert states.sent[0]["cause"] == "c" * MAX_CAUSE


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist"])
def test_a_token_that_nobody_waits_for_is_no_failure(states: FakeStepFunctions, code: str) -> None:
    states.error = client_error(code)

    assert answer_task("token", Success(None)) is False


def test_a_passing_fault_says_so(states: FakeStepFunctions) -> None:
    states.error = client_error("ThrottlingException")

    with pytest.raises(AwsUnavailableError, match="task token"):
        answer_task("token", Success(None))


@pytest.mark.parametrize("code", ["InvalidToken", "AccessDeniedException", "InvalidOutput"])
def test_any_other_error_is_raised(states: FakeStepFunctions, code: str) -> None:
    states.error = client_error(code)

    with pytest.raises(ClientError, match=code):
        answer_task("token", Success(None))


@pytest.mark.parametrize(
    "error", [None, client_error("ThrottlingException")], ids=["well", "not now"]
)
def test_there_is_one_attempt(states: FakeStepFunctions, error: Exception | None) -> None:
    states.error = error

    try:
        answer_task("token", Success(None))
    except AwsUnavailableError:
        assert error

    assert len(states.sent) == 1
