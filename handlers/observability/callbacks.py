"""How long a machine's tasks have waited for their callbacks, read from its histories."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from handlers.shared.clients import client
from handlers.shared.errors import translate_aws_errors

History = Iterable[Mapping[str, Any]]

# Histories read in one measurement, those of the oldest executions first.
MAX_HISTORIES = 200

_SCHEDULED = "TaskScheduled"
_ENDED = {"TaskSucceeded", "TaskFailed", "TaskTimedOut", "TaskStateAborted"}
_WAITS_FOR_CALLBACK = ".waitForTaskToken"
_BRANCHES_ENTERED = {"ParallelStateEntered", "MapStateEntered"}
_BRANCHES_EXITED = {"ParallelStateExited", "MapStateExited"}


def oldest_callback(machine_arn: str, *, now: float) -> float:
    """How many seconds the machine's longest waiting task has waited; 0 if none waits.

    `now` is in seconds since 1970. Reads the histories of at most MAX_HISTORIES executions.
    Raises AwsUnavailableError.
    """
    with translate_aws_errors(f"listing executions of {machine_arn}"):
        pages = client("stepfunctions").get_paginator("list_executions")
        running = [
            (execution["startDate"].timestamp(), execution["executionArn"])
            for page in pages.paginate(stateMachineArn=machine_arn, statusFilter="RUNNING")
            for execution in page["executions"]
        ]
    oldest = now
    for started, execution in sorted(running)[:MAX_HISTORIES]:
        if started >= oldest:
            break  # no task of this or a later execution can have waited longer
        oldest = min([oldest, *waiting_since(_history(execution))])
    return max(0.0, now - oldest)


def waiting_since(history: History) -> list[float]:
    """When each task was scheduled that still waits for its callback, in seconds since 1970.

    `history` has an execution's events in the order in which GetExecutionHistory returns them. Each
    names the event before it in its own branch of a Parallel or a Map.
    """
    previous: dict[int, int] = {}
    entered: dict[int, str] = {}
    waiting: dict[int, float] = {}
    for event in history:
        number, kind = event["id"], event["type"]
        previous[number] = event.get("previousEventId", 0)
        path = _path(number, previous)
        if kind == _SCHEDULED:
            if event["taskScheduledEventDetails"]["resource"].endswith(_WAITS_FOR_CALLBACK):
                waiting[number] = event["timestamp"].timestamp()
        elif kind in _ENDED:
            waiting.pop(next((earlier for earlier in path if earlier in waiting), 0), None)
        elif kind in _BRANCHES_ENTERED:
            entered[number] = event["stateEnteredEventDetails"]["name"]
        elif kind in _BRANCHES_EXITED:
            # If one branch fails, the other branches end without an event of their own.
            name = event["stateExitedEventDetails"]["name"]
            start = next((earlier for earlier in path if entered.get(earlier) == name), 0)
            for task in [task for task in waiting if start in _path(task, previous)]:
                del waiting[task]
    return list(waiting.values())


def _path(number: int, previous: Mapping[int, int]) -> Iterator[int]:
    """The numbers of the events before an event in its branch, the nearest first."""
    while number := previous.get(number, 0):
        yield number


def _history(execution_arn: str) -> Iterator[Mapping[str, Any]]:
    with translate_aws_errors(f"reading the history of {execution_arn}"):
        pages = client("stepfunctions").get_paginator("get_execution_history")
        for page in pages.paginate(executionArn=execution_arn, includeExecutionData=False):
            yield from page["events"]
