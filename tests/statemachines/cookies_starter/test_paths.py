"""Every path of the cookies starter, on moto's engine."""

from typing import Any

import pytest

from tests.support.engine import Run, run
from tests.support.services import FakeQueues, FakeStepFunctions, called, error

EVENT: dict[str, Any] = {
    "id": "12345678-1234-1234-1234-123456789012",
    "source": "project",
    "detail-type": "start",
    "detail": {"names": ['Ann "A" Lee', "😀"]},
}


@pytest.fixture
def states() -> FakeStepFunctions:
    return FakeStepFunctions()


@pytest.fixture
def queues() -> FakeQueues:
    return FakeQueues()


def start(event: dict[str, Any], states: FakeStepFunctions, queues: FakeQueues) -> Run:
    with called(states, queues):
        return run("cookies-starter", event, {})


@pytest.mark.parametrize("detail", [EVENT["detail"], {}], ids=["names", "nothing"])
def test_an_execution_is_named_by_the_event_and_gets_its_detail(
    detail: dict[str, Any], states: FakeStepFunctions, queues: FakeQueues
) -> None:
    result = start(EVENT | {"detail": detail}, states, queues)

    assert result.status == "SUCCEEDED"
    assert states.executions == {EVENT["id"]: detail}


def test_the_same_event_again_starts_nothing_and_fails_nothing(
    states: FakeStepFunctions, queues: FakeQueues
) -> None:
    start(EVENT, states, queues)
    again = start(EVENT, states, queues)

    assert again.status == "SUCCEEDED"
    assert len(states.executions) == 1
    assert not queues.messages


def test_another_event_with_the_same_detail_starts_another(
    states: FakeStepFunctions, queues: FakeQueues
) -> None:
    start(EVENT, states, queues)
    start(EVENT | {"id": "another"}, states, queues)

    assert set(states.executions) == {EVENT["id"], "another"}


def test_a_transient_error_is_retried(states: FakeStepFunctions, queues: FakeQueues) -> None:
    states.errors = [error("Sfn"), error("Sfn")]

    result = start(EVENT, states, queues)

    assert result.status == "SUCCEEDED"
    assert len(result.retries) == 2
    assert len(states.executions) == 1


@pytest.mark.parametrize("queue_fails", [False, True], ids=["kept", "queue-fails-too"])
def test_an_event_that_starts_no_execution_is_kept_with_the_reason(
    queue_fails: bool, states: FakeStepFunctions, queues: FakeQueues
) -> None:
    states.errors = [error("StateMachineDoesNotExist")]
    queues.error = error("QueueDoesNotExist") if queue_fails else None

    result = start(EVENT, states, queues)

    assert (result.status, result.error) == ("FAILED", "ExecutionNotStartedError")
    if not queue_fails:
        ((queue, kept),) = queues.messages
        assert (queue, kept["id"]) == ("CookiesDeadLetterQueue", EVENT["id"])
        assert "is in the dead-letter queue" in (result.cause or "")
        assert kept["failure"]["Error"] == "Sfn.StateMachineDoesNotExistException"
    else:
        assert "could not be sent to the dead-letter queue" in (result.cause or "")
