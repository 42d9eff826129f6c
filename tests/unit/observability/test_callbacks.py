"""Which tasks wait for a callback, and since when: from the history of an execution."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from handlers.observability.callbacks import waiting_since


def event(number: int, previous: int, kind: str, **details: Any) -> dict[str, Any]:
    """An event, a second after the one before."""
    when = datetime.fromtimestamp(number, UTC)
    return {
        "id": number,
        "previousEventId": previous,
        "type": kind,
        "timestamp": when,
        **details,
    }


def scheduled(number: int, previous: int, resource: str = "invoke.waitForTaskToken") -> Any:
    return event(
        number, previous, "TaskScheduled", taskScheduledEventDetails={"resource": resource}
    )


def entered(number: int, previous: int, kind: str, name: str) -> Any:
    return event(number, previous, f"{kind}StateEntered", stateEnteredEventDetails={"name": name})


def exited(number: int, previous: int, kind: str, name: str) -> Any:
    return event(number, previous, f"{kind}StateExited", stateExitedEventDetails={"name": name})


STARTED = event(1, 0, "ExecutionStarted")


def test_a_scheduled_task_waits_since_then() -> None:
    assert waiting_since([STARTED, scheduled(2, 1), event(3, 2, "TaskSubmitted")]) == [2]


def test_a_task_that_ended_does_not_wait() -> None:
    for end in ("TaskSucceeded", "TaskFailed", "TaskTimedOut", "TaskStateAborted"):
        history = [STARTED, scheduled(2, 1), event(3, 2, "TaskSubmitted"), event(4, 3, end)]
        assert waiting_since(history) == [], end


def test_only_tasks_with_a_token_wait_for_a_callback() -> None:
    assert waiting_since([STARTED, scheduled(2, 1, "invoke")]) == []


def test_a_retried_task_waits_since_its_last_attempt() -> None:
    history = [STARTED, scheduled(2, 1), event(3, 2, "TaskTimedOut"), scheduled(4, 3)]

    assert waiting_since(history) == [4]


def test_branches_are_told_apart() -> None:
    history = [
        STARTED,
        entered(2, 1, "Parallel", "Gather"),
        scheduled(3, 2),
        scheduled(4, 2),
        event(5, 3, "TaskSucceeded"),
    ]

    assert waiting_since(history) == [4]


def test_a_branch_that_is_left_behind_does_not_wait() -> None:
    """A failed branch ends its siblings, and their tasks have no event of their own."""
    history = [
        STARTED,
        entered(2, 1, "Parallel", "Gather"),
        scheduled(3, 2),
        scheduled(4, 2),
        event(5, 3, "TaskFailed"),
        event(6, 5, "ParallelStateFailed"),
        exited(7, 6, "Parallel", "Gather"),
        scheduled(8, 7),
    ]

    assert waiting_since(history) == [8]


def test_leaving_an_inner_map_leaves_only_its_own_tasks() -> None:
    history = [
        STARTED,
        entered(2, 1, "Parallel", "Outer"),
        scheduled(3, 2),
        entered(4, 2, "Map", "Inner"),
        scheduled(5, 4),
        event(6, 4, "MapStateFailed"),
        exited(7, 6, "Map", "Inner"),
    ]

    assert waiting_since(history) == [3]


@given(st.integers(1, 6), st.data())
def test_the_tasks_that_wait_are_those_without_an_end(tasks: int, data: st.DataObject) -> None:
    """In any order of their ends."""
    ended = data.draw(st.lists(st.integers(0, tasks - 1), unique=True))
    history = [STARTED, entered(2, 1, "Map", "All")]
    history += [scheduled(3 + task, 2) for task in range(tasks)]
    history += [
        event(3 + tasks + number, 3 + task, "TaskSucceeded") for number, task in enumerate(ended)
    ]

    assert waiting_since(history) == [3 + task for task in range(tasks) if task not in ended]
