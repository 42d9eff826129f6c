"""Every path of the task finisher, on moto's engine."""

import copy
from typing import Any

import pytest

from tests.support.engine import Run, run
from tests.support.services import FakeQueues, FakeStepFunctions, called, error

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:cookies:one"
FINISHED: dict[str, Any] = {
    "id": "e",
    "source": "project",
    "detail-type": "task.finished",
    "detail": {
        "execution": EXECUTION,
        "stateName": "Get Multiple",
        "TaskToken": "a token",
        "names": ['Ann "A" Lee', "😀"],
        "meta": {"fn": "getMultiple"},
    },
}
FAILED: dict[str, Any] = {
    "id": "e",
    "source": "project",
    "detail-type": "task.failed",
    "detail": {
        "execution": EXECUTION,
        "TaskToken": "a token",
        "error": "ProfileUnavailableError",
        "cause": 'it said "no"',
    },
}
USED = ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"]


@pytest.fixture
def states() -> FakeStepFunctions:
    return FakeStepFunctions(waiting={"a token"})


@pytest.fixture
def queues() -> FakeQueues:
    return FakeQueues()


def finish(event: dict[str, Any], states: FakeStepFunctions, queues: FakeQueues) -> Run:
    with called(states, queues):
        return run("task-finisher", event, {})


def without(event: dict[str, Any], name: str) -> dict[str, Any]:
    changed = copy.deepcopy(event)
    del changed["detail"][name]
    return changed


def both() -> Any:
    return pytest.mark.parametrize("event", [FINISHED, FAILED], ids=["finished", "failed"])


def test_a_finished_task_gets_the_detail_but_for_the_token(
    states: FakeStepFunctions, queues: FakeQueues
) -> None:
    result = finish(FINISHED, states, queues)

    assert result.status == "SUCCEEDED"
    (answer,) = states.answers
    assert answer["token"] == "a token"
    assert answer["output"] == FINISHED["detail"] | {"TaskToken": None}


def test_a_failed_task_gets_error_and_cause(states: FakeStepFunctions, queues: FakeQueues) -> None:
    result = finish(FAILED, states, queues)

    assert result.status == "SUCCEEDED"
    assert states.answers == [
        {"token": "a token", "error": "ProfileUnavailableError", "cause": 'it said "no"'}
    ]


@both()
def test_a_second_answer_changes_nothing_and_fails_nothing(
    event: dict[str, Any], states: FakeStepFunctions, queues: FakeQueues
) -> None:
    first, second = finish(event, states, queues), finish(event, states, queues)

    assert (first.status, second.status) == ("SUCCEEDED", "SUCCEEDED")
    assert second.visited[-1] == "Answered Before"
    assert len(states.answers) == 1
    assert not queues.messages


@pytest.mark.parametrize("name", USED)
@both()
def test_whatever_step_functions_calls_a_used_token_it_is_no_failure(
    event: dict[str, Any], name: str, states: FakeStepFunctions, queues: FakeQueues
) -> None:
    states.troubles = [error(name)]

    result = finish(event, states, queues)

    assert result.status == "SUCCEEDED"
    assert not result.retries
    assert not queues.messages


@pytest.mark.parametrize("name", ["TaskToken", "execution"])
@both()
def test_an_event_that_is_nobodys_is_refused_and_kept(
    event: dict[str, Any], name: str, states: FakeStepFunctions, queues: FakeQueues
) -> None:
    nobodys = without(event, name)

    result = finish(nobodys, states, queues)

    assert (result.status, result.error) == ("FAILED", "InvalidEventError")
    assert queues.messages == [("CookiesDeadLetterQueue", nobodys)]
    assert not states.answers


@both()
def test_a_passing_fault_is_retried(
    event: dict[str, Any], states: FakeStepFunctions, queues: FakeQueues
) -> None:
    states.troubles = [error("Sfn"), error("Sfn")]

    result = finish(event, states, queues)

    assert result.status == "SUCCEEDED"
    assert len(result.retries) == 2
    assert len(states.answers) == 1


@both()
def test_an_answer_that_is_not_taken_is_kept_with_the_reason(
    event: dict[str, Any], states: FakeStepFunctions, queues: FakeQueues
) -> None:
    states.troubles = [error("InvalidOutput")]

    result = finish(event, states, queues)

    assert (result.status, result.error) == ("FAILED", "TaskNotAnsweredError")
    ((queue, kept),) = queues.messages
    assert queue == "CookiesDeadLetterQueue"
    assert kept["detail"] == event["detail"]
    assert kept["failure"]["Error"] == "Sfn.InvalidOutputException"


@pytest.mark.parametrize(
    ("event", "name"),
    [
        pytest.param(without(FINISHED, "TaskToken"), "InvalidEventError", id="refused"),
        pytest.param(FINISHED, "TaskNotAnsweredError", id="not-taken"),
    ],
)
def test_a_queue_that_fails_too_hides_nothing(
    event: dict[str, Any], name: str, states: FakeStepFunctions, queues: FakeQueues
) -> None:
    states.troubles = [error("InvalidOutput")]
    queues.trouble = error("QueueDoesNotExist")

    result = finish(event, states, queues)

    assert (result.status, result.error) == ("FAILED", name)
