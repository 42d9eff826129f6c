"""A bounded number of processes for Lambda functions; further calls wait."""

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local.aws import until
from local.gaps import lambda_workers
from local.gaps.lambda_queue import InvocationQueues
from tests.integration.local.functions import Functions

pytestmark = pytest.mark.slow

SHORT_SLEEP = """
    import time

    def handler(event, context):
        time.sleep(0.1)
        return event
"""
WAITS_FOR_A_FILE = """
    import pathlib
    import time

    def handler(event, context):
        while event and not pathlib.Path(event).exists():
            time.sleep(0.05)
"""
LIMIT = 2


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gap filled, for a machine of two workers a function and two that all share."""
    monkeypatch.setattr(lambda_workers, "WORKERS", LIMIT)
    monkeypatch.setattr(lambda_workers, "REUSE_SECONDS", 0)
    monkeypatch.setattr(lambda_workers, "_queues", InvocationQueues(shared=2))
    monkeypatch.setattr(lambda_svc, "_execute_function", lambda_workers.execute_function)
    monkeypatch.setattr(lambda_svc, "acquire_worker", lambda_workers.acquire_worker)
    monkeypatch.setattr(lambda_svc, "release_worker", lambda_workers.release_worker)


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def test_upstream_still_starts_a_process_for_every_call(functions: Functions) -> None:
    """When this fails, ministack bounds their number itself: lambda_workers.py can go."""
    arn = functions.create(SHORT_SLEEP)

    at_once(2 * LIMIT, lambda number: functions.call(arn, number))

    assert functions.processes(arn) > LIMIT


@pytest.mark.usefixtures("filled")
def test_calls_wait_for_a_free_process(functions: Functions) -> None:
    arn = functions.create(SHORT_SLEEP)

    results = at_once(10, lambda number: functions.call(arn, number))

    assert [result["body"] for result in results] == list(range(10))
    assert functions.processes(arn) == LIMIT


@pytest.mark.usefixtures("filled")
def test_a_waiting_call_does_not_count_as_running(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ministack refuses calls beyond the account's limit."""
    monkeypatch.setattr(lambda_svc, "_ACCOUNT_CONCURRENCY_CAP", LIMIT)
    arn = functions.create(SHORT_SLEEP)

    results = at_once(6, lambda number: functions.call(arn, number))

    assert [result.get("error") for result in results] == [None] * 6


@pytest.mark.usefixtures("filled")
def test_calls_beyond_the_reserved_concurrency_wait(functions: Functions) -> None:
    arn = functions.create(SHORT_SLEEP)
    functions.record(arn)["concurrency"] = 1

    results = at_once(4, lambda number: functions.call(arn, number))

    assert [result.get("error") for result in results] == [None] * 4
    assert functions.processes(arn) == 1


@pytest.mark.usefixtures("filled")
def test_a_function_that_is_switched_off_is_throttled_at_once(functions: Functions) -> None:
    arn = functions.create(SHORT_SLEEP)
    functions.record(arn)["concurrency"] = 0

    assert functions.call(arn)["throttle"]


@pytest.mark.usefixtures("filled")
def test_a_failed_call_releases_its_slot(functions: Functions) -> None:
    arn = functions.create("def handler(event, context): raise ValueError(event)")

    results = at_once(6, lambda number: functions.call(arn, number))

    assert [result["body"]["errorMessage"] for result in results] == list("012345")


@pytest.mark.usefixtures("filled")
def test_functions_that_call_themselves_do_not_deadlock(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three calls deep, from more callers than there are workers."""
    arn = functions.create(SHORT_SLEEP)

    def calls_itself(function: dict[str, Any], event: int) -> dict[str, Any]:
        if event:
            deeper = contextvars.copy_context()
            deeper.run(lambda_svc._invoke_depth.set, lambda_svc._invoke_depth.get() + 1)
            deeper.run(lambda_svc._execute_function, function, event - 1)
        return {"body": event}

    monkeypatch.setattr(lambda_workers, "_execute_upstream", calls_itself)
    done = threading.Event()

    def call_deep() -> None:
        at_once(4 * LIMIT, lambda _: functions.call(arn, 3))
        done.set()

    threading.Thread(target=call_deep, daemon=True).start()

    assert done.wait(20)


# -- Calls that end soon ---------------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
def test_calls_that_end_soon_take_turns_in_one_process(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lambda_workers, "REUSE_SECONDS", 20)
    arn = functions.create(SHORT_SLEEP)

    results = at_once(6, lambda number: functions.call(arn, number))

    assert [result["body"] for result in results] == list(range(6))
    assert functions.processes(arn) == 1


@pytest.mark.usefixtures("filled")
def test_a_call_does_not_wait_long_for_a_busy_process(
    functions: Functions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lambda_workers, "REUSE_SECONDS", 0.1)
    arn = functions.create(WAITS_FOR_A_FILE)
    end = tmp_path / "end"
    busy = threading.Thread(target=functions.call, args=(arn, str(end)))
    busy.start()
    until("the busy process", lambda: lambda_runtime.workers_in_use() == 1)

    started = time.monotonic()
    functions.call(arn)

    assert time.monotonic() - started < 10  # with the start of a process
    assert busy.is_alive()
    assert functions.processes(arn) == 2
    end.touch()
    busy.join(20)


# -- Starts ----------------------------------------------------------------------------------------


class Starts:
    """Replaces the start of a process: a start that takes a given time."""

    def __init__(self) -> None:
        self.at_once = self.max_at_once = 0
        self.may_end = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, worker: Any) -> None:
        with self._lock:
            self.at_once += 1
            self.max_at_once = max(self.max_at_once, self.at_once)
        self.may_end.wait(worker)
        with self._lock:
            self.at_once -= 1


def test_few_processes_start_at_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_workers, "_starts", threading.Semaphore(2))
    starts = Starts()
    spawn = lambda_workers.limit_starts(starts)

    at_once(8, lambda _: spawn(0.05))

    assert starts.max_at_once == 2


def test_a_slow_start_does_not_block_other_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slots = threading.Semaphore(1)
    monkeypatch.setattr(lambda_workers, "_starts", slots)
    monkeypatch.setattr(lambda_workers, "START_SECONDS", 0.1)
    starts = Starts()
    spawn = lambda_workers.limit_starts(starts)
    slow = threading.Thread(target=spawn, args=(20,))
    slow.start()

    began = time.monotonic()
    spawn(0)

    assert time.monotonic() - began < 15
    assert starts.at_once == 1, "the slow one is still starting"
    starts.may_end.set()
    slow.join(20)
    assert slots.acquire(blocking=False)
    assert not slots.acquire(blocking=False), "the slow one has released its slot once"


def test_a_failed_start_releases_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = threading.Semaphore(1)
    monkeypatch.setattr(lambda_workers, "_starts", slots)

    def fails(_: Any) -> None:
        raise RuntimeError("no such module")

    with pytest.raises(RuntimeError):
        lambda_workers.limit_starts(fails)(None)

    assert slots.acquire(blocking=False)


# -- Surplus processes ----------------------------------------------------------------------------


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
    monkeypatch.setattr(lambda_workers, "KEPT_WORKERS", 1)
    arns = [functions.create(SHORT_SLEEP) for _ in range(3)]

    for arn in arns:
        at_once(4, lambda number, arn=arn: functions.call(arn, number))  # type: ignore[misc]

    assert sum(functions.processes(arn) for arn in arns) == len(arns) + 1


@pytest.mark.usefixtures("filled")
def test_functions_that_work_in_turn_keep_their_processes(functions: Functions) -> None:
    """More are kept than may run at once: a start costs more than most invocations."""
    arns = [functions.create(SHORT_SLEEP) for _ in range(4)]

    for arn in arns:
        at_once(4, lambda number, arn=arn: functions.call(arn, number))  # type: ignore[misc]

    assert [functions.processes(arn) for arn in arns] == [LIMIT] * len(arns)
