"""As many processes for Lambda functions as the machine has use for; the other calls wait."""

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local.gaps import lambda_workers
from local.gaps.lambda_queue import InvocationQueue
from tests.integration.local.functions import Functions

NAPPING = """
    import time

    def handler(event, context):
        time.sleep(0.1)
        return event
"""
CAP = 2


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gap filled, for a machine of two workers a function and two that all share."""
    monkeypatch.setattr(lambda_workers, "WORKERS", CAP)
    monkeypatch.setattr(lambda_workers, "_queue", InvocationQueue(shared=2))
    monkeypatch.setattr(lambda_svc, "_execute_function", lambda_workers.execute_function)
    monkeypatch.setattr(lambda_svc, "acquire_worker", lambda_workers.acquire_worker)


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def test_upstream_still_starts_a_process_for_every_call(functions: Functions) -> None:
    """When this fails, ministack keeps to a number by itself: lambda_workers.py can go."""
    arn = functions.create(NAPPING)

    at_once(2 * CAP, lambda number: functions.call(arn, number))

    assert functions.processes(arn) > CAP


@pytest.mark.usefixtures("filled")
def test_calls_wait_for_a_free_process(functions: Functions) -> None:
    arn = functions.create(NAPPING)

    results = at_once(10, lambda number: functions.call(arn, number))

    assert [result["body"] for result in results] == list(range(10))
    assert functions.processes(arn) == CAP


@pytest.mark.usefixtures("filled")
def test_who_waits_does_not_count_as_running(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ministack refuses calls beyond the account's limit."""
    monkeypatch.setattr(lambda_svc, "_ACCOUNT_CONCURRENCY_CAP", CAP)
    arn = functions.create(NAPPING)

    results = at_once(6, lambda number: functions.call(arn, number))

    assert [result.get("error") for result in results] == [None] * 6


@pytest.mark.usefixtures("filled")
def test_a_reserved_concurrency_is_kept_to_by_waiting(functions: Functions) -> None:
    arn = functions.create(NAPPING)
    functions.record(arn)["concurrency"] = 1

    results = at_once(4, lambda number: functions.call(arn, number))

    assert [result.get("error") for result in results] == [None] * 4
    assert functions.processes(arn) == 1


@pytest.mark.usefixtures("filled")
def test_a_function_that_is_switched_off_is_throttled_at_once(functions: Functions) -> None:
    arn = functions.create(NAPPING)
    functions.record(arn)["concurrency"] = 0

    assert functions.call(arn)["throttle"]


@pytest.mark.usefixtures("filled")
def test_a_failed_call_gives_its_place_back(functions: Functions) -> None:
    arn = functions.create("def handler(event, context): raise ValueError(event)")

    results = at_once(6, lambda number: functions.call(arn, number))

    assert [result["body"]["errorMessage"] for result in results] == list("012345")


@pytest.mark.usefixtures("filled")
def test_functions_that_call_themselves_do_not_wait_for_themselves(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three calls deep, from more callers than there are workers."""
    arn = functions.create(NAPPING)

    def calls_itself(function: dict[str, Any], event: int) -> dict[str, Any]:
        if event:
            deeper = contextvars.copy_context()
            deeper.run(lambda_svc._invoke_depth.set, lambda_svc._invoke_depth.get() + 1)
            deeper.run(lambda_svc._execute_function, function, event - 1)
        return {"body": event}

    monkeypatch.setattr(lambda_workers, "_execute_upstream", calls_itself)
    done = threading.Event()

    def crowd() -> None:
        at_once(4 * CAP, lambda _: functions.call(arn, 3))
        done.set()

    threading.Thread(target=crowd, daemon=True).start()

    assert done.wait(20)


# -- Starts ----------------------------------------------------------------------------------------


class Starts:
    """What starts of processes do instead of starting one: each takes its time."""

    def __init__(self) -> None:
        self.at_once = self.most = 0
        self.go_on = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, worker: Any) -> None:
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.go_on.wait(worker)
        with self._lock:
            self.at_once -= 1


def test_few_processes_start_at_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_workers, "_starts", threading.Semaphore(2))
    starts = Starts()
    spawn = lambda_workers.a_few_at_a_time(starts)

    at_once(8, lambda _: spawn(0.05))

    assert starts.most == 2


def test_one_that_takes_long_to_start_does_not_keep_the_others_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slots = threading.Semaphore(1)
    monkeypatch.setattr(lambda_workers, "_starts", slots)
    monkeypatch.setattr(lambda_workers, "START_SECONDS", 0.1)
    starts = Starts()
    spawn = lambda_workers.a_few_at_a_time(starts)
    slow = threading.Thread(target=spawn, args=(20,))
    slow.start()

    began = time.monotonic()
    spawn(0)

    assert time.monotonic() - began < 15
    assert starts.at_once == 1, "the slow one is starting still"
    starts.go_on.set()
    slow.join(20)
    assert slots.acquire(blocking=False)
    assert not slots.acquire(blocking=False), "the slow one has given its place back once"


def test_a_start_that_fails_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = threading.Semaphore(1)
    monkeypatch.setattr(lambda_workers, "_starts", slots)

    def fails(_: Any) -> None:
        raise RuntimeError("no such module")

    with pytest.raises(RuntimeError):
        lambda_workers.a_few_at_a_time(fails)(None)

    assert slots.acquire(blocking=False)


# -- Processes that nobody needs -------------------------------------------------------------------


class FakeWorker:
    """A process that was never started."""

    def __init__(self, last_used: float, in_use: bool = False) -> None:
        self.last_used = last_used
        self.in_use = in_use


def test_the_longest_idle_processes_end_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pools = {
        "a": [FakeWorker(1), FakeWorker(2), FakeWorker(5)],
        "b": [FakeWorker(0)],
        "c": [FakeWorker(3), FakeWorker(1, in_use=True), FakeWorker(4)],
    }
    monkeypatch.setattr(lambda_runtime, "_workers", pools)

    ended = lambda_workers._surplus(2)

    assert [worker.last_used for worker in ended] == [2, 4]
    assert {key: len(pool) for key, pool in pools.items()} == {"a": 2, "b": 1, "c": 2}


@pytest.mark.usefixtures("filled")
def test_all_functions_together_keep_a_bounded_number(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lambda_workers, "SHARED_WORKERS", 1)
    arns = [functions.create(NAPPING) for _ in range(3)]

    for arn in arns:
        at_once(4, lambda number, arn=arn: functions.call(arn, number))  # type: ignore[misc]

    assert sum(functions.processes(arn) for arn in arns) == len(arns) + 1
