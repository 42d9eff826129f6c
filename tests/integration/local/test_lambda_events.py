"""Events wait for their function; throttled ones stay, and failing ones end as dead letters."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ministack.services import lambda_svc

from local.gaps import lambda_events

ARN = "arn:aws:lambda:us-east-1:000000000000:function:a-function"
DEAD_LETTERS = "arn:aws:sqs:us-east-1:000000000000:dead-letters"
FUNCTION = {
    "config": {"FunctionName": "a-function", "FunctionArn": ARN},
    "event_invoke_config": {"DestinationConfig": {"OnFailure": {"Destination": DEAD_LETTERS}}},
}
THROTTLED = {"error": True, "throttle": True, "body": {"__type": "TooManyRequestsException"}}
BROKEN = {"error": True, "body": {"errorType": "BrokenError"}}
DONE = {"body": "done"}
WORKERS = 3


class Lambda:
    """Returns one of the given results for each invocation, and DONE after the last."""

    def __init__(self) -> None:
        self.results: deque[dict[str, Any]] = deque()
        self.invoked: list[Any] = []
        self.dead_letters: list[tuple[str, Any]] = []
        self.free = threading.Event()  # cleared: invocations wait
        self.free.set()

    def invoke(self, function: dict[str, Any], payload: Any) -> dict[str, Any]:
        self.invoked.append(payload)
        self.free.wait(20)
        return self.results.popleft() if self.results else DONE

    def route(self, target: str, name: str, payload: Any, result: Any) -> None:
        self.dead_letters.append((target, payload))


@pytest.fixture
def lambda_(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lambda]:
    fake = Lambda()
    monkeypatch.setattr(lambda_svc, "_execute_function", fake.invoke)
    monkeypatch.setattr(lambda_svc, "_route_async_failure", fake.route)
    monkeypatch.setattr(lambda_svc, "_LAMBDA_ASYNC_RETRY_BASE_SECONDS", 0.01)
    monkeypatch.setattr(lambda_svc, "_LAMBDA_ASYNC_RETRY_MAX_SECONDS", 0.02)
    monkeypatch.setattr(lambda_events, "_queue", lambda_events.EventQueue(WORKERS))
    yield fake
    fake.free.set()
    wait_for(lambda: not lambda_events._queue._threads)


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def invoke(payload: Any, function: dict[str, Any] = FUNCTION) -> None:
    lambda_events.invoke_async_with_retry(function, payload)


def test_upstream_still_makes_a_dead_letter_of_a_throttled_event(
    lambda_: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When this fails, ministack keeps throttled events: lambda_events.py may go."""
    lambda_.results.extend([THROTTLED] * 3)

    lambda_svc.invoke_async_with_retry(FUNCTION, 1)

    wait_for(lambda: lambda_.dead_letters == [(DEAD_LETTERS, 1)])


def test_a_throttled_event_is_tried_until_there_is_room(lambda_: Lambda) -> None:
    lambda_.results.extend([THROTTLED] * 10)

    invoke("event")

    wait_for(lambda: len(lambda_.invoked) == 11)
    assert not lambda_.results
    assert not lambda_.dead_letters


def test_throttling_uses_up_no_attempt(lambda_: Lambda) -> None:
    lambda_.results.extend([THROTTLED, BROKEN, THROTTLED, BROKEN, THROTTLED, DONE])

    invoke("event")

    wait_for(lambda: len(lambda_.invoked) == 6)
    assert not lambda_.dead_letters


def test_an_event_fails_for_good_after_two_retries(lambda_: Lambda) -> None:
    lambda_.results.extend([BROKEN] * 3)

    invoke("event")

    wait_for(lambda: lambda_.dead_letters == [(DEAD_LETTERS, "event")])
    assert lambda_.invoked == ["event"] * 3


def test_a_functions_setting_limits_its_retries(lambda_: Lambda) -> None:
    lambda_.results.append(BROKEN)
    settings = {**FUNCTION["event_invoke_config"], "MaximumRetryAttempts": 0}

    invoke("event", {**FUNCTION, "event_invoke_config": settings})

    wait_for(lambda: lambda_.dead_letters == [(DEAD_LETTERS, "event")])
    assert lambda_.invoked == ["event"]


def test_an_event_that_is_too_old_is_not_tried_again(
    lambda_: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The age is in whole seconds: here they pass ten times as fast.
    clock = SimpleNamespace(monotonic=lambda: 10 * time.monotonic())
    monkeypatch.setattr(lambda_events, "time", clock)
    lambda_.results.extend([THROTTLED] * 1000)
    settings = {**FUNCTION["event_invoke_config"], "MaximumEventAgeInSeconds": 1}

    invoke("event", {**FUNCTION, "event_invoke_config": settings})

    wait_for(lambda: lambda_.dead_letters == [(DEAD_LETTERS, "event")])


def test_waiting_for_the_first_attempt_does_not_count_as_age(
    lambda_: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = lambda_events.Event(FUNCTION, "event")
    later = time.monotonic() + 10 * 3600
    monkeypatch.setattr(time, "monotonic", lambda: later)
    lambda_.results.append(BROKEN)

    assert event.attempt() is not None


def test_a_function_has_as_many_event_threads_as_workers(lambda_: Lambda) -> None:
    lambda_.free.clear()
    before = threading.active_count()

    for number in range(100):
        invoke(number)

    wait_for(lambda: len(lambda_.invoked) == WORKERS)
    assert threading.active_count() - before <= WORKERS
    lambda_.free.set()
    wait_for(lambda: len(lambda_.invoked) == 100)
    assert sorted(lambda_.invoked) == list(range(100))
    assert lambda_.invoked[:WORKERS] == list(range(WORKERS)), "first in, first out"


def test_an_event_that_breaks_the_runtime_does_not_stop_the_others(
    lambda_: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lambda_events, "_queue", lambda_events.EventQueue(1))

    for function in ({"config": {"FunctionArn": "no ARN"}}, FUNCTION):
        lambda_events._queue.put("key", lambda_events.Event(function, "event"))

    wait_for(lambda: lambda_.invoked == ["event"])
