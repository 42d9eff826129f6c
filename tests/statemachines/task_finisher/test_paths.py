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
        "cause": 'response "no"',
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


def test_a_finished_task_gets_the_detail_without_the_token(
    states: FakeStepFunctions, queues: FakeQueues
) -> None:
    result = finish(FINISHED, states, queues)

    assert result.status == "SUCCEEDED"
    (callback,) = states.callbacks
    assert callback["token"] == "a token"
    assert callback["output"] == FINISHED["detail"] | {"TaskToken": None}


def test_a_failed_task_gets_error_and_cause(states: FakeStepFunctions, queues: FakeQueues) -> None:
    result = finish(FAILED, states, queues)

    assert result.status == "SUCCEEDED"
    assert states.callbacks == [
        {"token": "a token", "error": "ProfileUnavailableError", "cause": 'response "no"'}
    ]


@both()
def test_a_second_callback_changes_nothing_and_fails_nothing(
    event: dict[str, Any], states: FakeStepFunctions, queues: FakeQueues
) -> None:
    first, second = finish(event, states, queues), finish(event, states, queues)

    assert (first.status, second.status) == ("SUCCEEDED", "SUCCEEDED")
    assert second.visited[-1] == "Task Already Ended"
    assert len(states.callbacks) == 1
    assert not queues.messages


@pytest.mark.parametrize("name", USED)
@both()
def test_a_used_token_is_no_failure_whatever_the_error_is_called(
    event: dict[str, Any], name: str, states: FakeStepFunctions, queues: FakeQueues
) -> None:
    states.errors = [error(name)]

    result = finish(event, states, queues)

    assert result.status == "SUCCEEDED"
    assert not result.retries
    assert not queues.messages


@pytest.mark.parametrize("name", ["TaskToken", "execution"])
@both()
def test_an_event_without_token_or_execution_is_refused_and_kept(
    event: dict[str, Any], name: str, states: FakeStepFunctions, queues: FakeQueues
) -> None:
    invalid = without(event, name)

    result = finish(invalid, states, queues)

    assert (result.status, result.error) == ("FAILED", "InvalidEventError")
    assert queues.messages == [("CookiesDeadLetterQueue", invalid)]
    assert not states.callbacks


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
def test_a_failure_without_a_string_for_error_and_cause_is_refused_and_kept(
    name: str, value: Any, states: FakeStepFunctions, queues: FakeQueues
) -> None:
    event = without(FAILED, name) if value is ABSENT else changed(FAILED, name, value)

    result = finish(event, states, queues)

    assert (result.status, result.error) == ("FAILED", "InvalidEventError")
    assert queues.messages == [("CookiesDeadLetterQueue", event)]
    assert not states.callbacks


def test_a_failure_may_have_an_empty_cause(states: FakeStepFunctions, queues: FakeQueues) -> None:
    finish(changed(FAILED, "cause", ""), states, queues)

    (callback,) = states.callbacks
    assert (callback["error"], callback["cause"]) == ("ProfileUnavailableError", "")


@pytest.mark.parametrize(("name", "longest"), [("error", 256), ("cause", 32_768)])
@pytest.mark.parametrize("longer", [0, 1], ids=["longest", "too-long"])
def test_a_failure_longer_than_step_functions_accepts_is_kept(
    name: str, longest: int, longer: int, states: FakeStepFunctions, queues: FakeQueues
) -> None:
    event = changed(FAILED, name, "x" * (longest + longer))

    result = finish(event, states, queues)

    if longer:
        assert (result.status, result.error) == ("FAILED", "CallbackNotConfirmedError")
        ((_, kept),) = queues.messages
        assert kept["detail"] == event["detail"]
        assert kept["failure"]["Error"] == "Sfn.ValidationException"
        assert not states.callbacks
        assert not result.retries
    else:
        assert result.status == "SUCCEEDED"
        assert states.callbacks[0][name] == event["detail"][name]


@both()
def test_a_transient_error_is_retried(
    event: dict[str, Any], states: FakeStepFunctions, queues: FakeQueues
) -> None:
    states.errors = [error("Sfn"), error("Sfn")]

    result = finish(event, states, queues)

    assert result.status == "SUCCEEDED"
    assert len(result.retries) == 2
    assert len(states.callbacks) == 1


@both()
def test_a_callback_that_is_not_accepted_is_kept_with_the_reason(
    event: dict[str, Any], states: FakeStepFunctions, queues: FakeQueues
) -> None:
    states.errors = [error("InvalidOutput")]

    result = finish(event, states, queues)

    assert (result.status, result.error) == ("FAILED", "CallbackNotConfirmedError")
    ((queue, kept),) = queues.messages
    assert queue == "CookiesDeadLetterQueue"
    assert kept["detail"] == event["detail"]
    assert kept["failure"]["Error"] == "Sfn.InvalidOutputException"


@pytest.mark.parametrize(
    ("event", "name"),
    [
        pytest.param(without(FINISHED, "TaskToken"), "InvalidEventError", id="refused"),
        pytest.param(FINISHED, "CallbackNotConfirmedError", id="not-accepted"),
    ],
)
def test_the_first_error_stays_when_the_queue_fails_too(
    event: dict[str, Any], name: str, states: FakeStepFunctions, queues: FakeQueues
) -> None:
    states.errors = [error("InvalidOutput")]
    queues.error = error("QueueDoesNotExist")

    result = finish(event, states, queues)

    assert (result.status, result.error) == ("FAILED", name)
    # The cause does not claim that the queue has the event.
    assert "could not be sent to the dead-letter queue" in (result.cause or "")
