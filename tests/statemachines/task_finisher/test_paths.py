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
ABSENT = "absent"
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
    lacking = copy.deepcopy(event)
    del lacking["detail"][name]
    return lacking


def changed(event: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return event | {"detail": event["detail"] | {name: value}}


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, v)
            for name in ("error", "cause")
            for v in (ABSENT, None, 7, True, {"a": 1}, ["E"])
        ),
        ("error", ""),
    ],
    ids=str,
)
def test_a_failure_without_a_text_for_error_and_cause_is_refused_and_kept(
    name: str, value: Any, states: FakeStepFunctions, queues: FakeQueues
) -> None:
    event = without(FAILED, name) if value is ABSENT else changed(FAILED, name, value)

    result = finish(event, states, queues)

    assert (result.status, result.error) == ("FAILED", "InvalidEventError")
    assert queues.messages == [("CookiesDeadLetterQueue", event)]
    assert not states.answers


def test_a_failure_may_have_an_empty_cause(states: FakeStepFunctions, queues: FakeQueues) -> None:
    finish(changed(FAILED, "cause", ""), states, queues)

    (answer,) = states.answers
    assert (answer["error"], answer["cause"]) == ("ProfileUnavailableError", "")


@pytest.mark.parametrize(("name", "longest"), [("error", 256), ("cause", 32_768)])
@pytest.mark.parametrize("longer", [0, 1], ids=["longest", "too-long"])
def test_a_failure_is_as_long_as_step_functions_takes_or_is_kept(
    name: str, longest: int, longer: int, states: FakeStepFunctions, queues: FakeQueues
) -> None:
    event = changed(FAILED, name, "x" * (longest + longer))

    result = finish(event, states, queues)

    if longer:
        assert (result.status, result.error) == ("FAILED", "TaskNotAnsweredError")
        ((_, kept),) = queues.messages
        assert kept["detail"] == event["detail"]
        assert kept["failure"]["Error"] == "Sfn.ValidationException"
        assert not states.answers
        assert not result.retries
    else:
        assert result.status == "SUCCEEDED"
        assert states.answers[0][name] == event["detail"][name]


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
    # Nobody is sent to a queue that the event is not in.
    assert "could not be put into the dead-letter queue" in (result.cause or "")
