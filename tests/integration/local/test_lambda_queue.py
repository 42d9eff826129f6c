"""The order of waiting invocations: queues, their limits and the slots that they share."""

import threading
import time
from collections.abc import Iterator

import pytest

from local.gaps.lambda_queue import InvocationQueues


class Invocations:
    """Invocations that run until they are ended, each in a thread of its own."""

    def __init__(self, shared: int) -> None:
        self.queues = InvocationQueues(shared)
        self.running: list[str] = []  # names, in the order in which they began
        self._ends: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}

    def call(self, name: str, key: str, limit: int = 10) -> None:
        """Invoke, and return when the invocation runs or waits."""
        before = len(self.running) + self.queues.waiting()
        self._ends[name] = threading.Event()

        def invocation() -> None:
            self.queues.acquire(key, limit)
            self.running.append(name)
            self._ends[name].wait(20)
            self.running.remove(name)
            self.queues.release(key)

        self._threads[name] = threading.Thread(target=invocation)
        self._threads[name].start()
        self._settle(before + 1)

    def end(self, name: str) -> None:
        """End an invocation, and return when the next one runs."""
        total = len(self.running) + self.queues.waiting()
        self._ends.pop(name).set()
        self._threads.pop(name).join(20)
        self._settle(total - 1)

    def end_all(self) -> None:
        for name in list(self._ends):
            self._ends[name].set()
        for thread in self._threads.values():
            thread.join(20)
            assert not thread.is_alive()

    def _settle(self, total: int) -> None:
        """Wait until everyone has a slot or waits for one."""
        deadline = time.monotonic() + 20
        while len(self.running) + self.queues.waiting() != total:
            assert time.monotonic() < deadline
            time.sleep(0.002)


@pytest.fixture
def invocations() -> Iterator[Invocations]:
    invocations = Invocations(shared=2)
    yield invocations
    invocations.end_all()


def test_first_in_first_out(invocations: Invocations) -> None:
    for name in ("first", "second", "third"):
        invocations.call(name, "function", limit=1)
    seen = []

    while invocations.running:
        seen += invocations.running
        invocations.end(invocations.running[0])

    assert seen == ["first", "second", "third"]


def test_a_queue_runs_no_more_than_its_limit(invocations: Invocations) -> None:
    for name in ("a", "b", "c"):
        invocations.call(name, "function", limit=2)

    assert invocations.running == ["a", "b"]
    invocations.end("a")
    assert invocations.running == ["b", "c"]


def test_all_queues_share_the_slots_beyond_their_first(invocations: Invocations) -> None:
    for name in ("a1", "a2", "a3", "a4"):
        invocations.call(name, "a")
    invocations.call("b1", "b")
    invocations.call("b2", "b")

    assert invocations.running == ["a1", "a2", "a3", "b1"]


def test_sleeping_functions_do_not_block_others(invocations: Invocations) -> None:
    for name in ("z1", "z2", "z3", "z4", "z5"):
        invocations.call(name, "sleeper")

    for function in ("b", "c", "d"):
        invocations.call(function, function)

    assert set(invocations.running) >= {"b", "c", "d"}


def test_a_shared_slot_goes_to_the_longest_waiting(invocations: Invocations) -> None:
    for name in ("a1", "a2", "a3", "b1"):
        invocations.call(name, name[0])
    for name in ("b2", "a4"):
        invocations.call(name, name[0])

    invocations.end("a2")

    assert set(invocations.running) == {"a1", "a3", "b1", "b2"}


def test_the_first_slot_of_a_queue_stays_in_that_queue(invocations: Invocations) -> None:
    for name in ("a1", "a2", "a3", "b1", "b2"):
        invocations.call(name, name[0])

    invocations.end("b1")

    assert set(invocations.running) == {"a1", "a2", "a3", "b2"}


def test_the_number_of_slots_stays_the_same(invocations: Invocations) -> None:
    for round_ in range(3):
        for name in ("a", "b", "c", "d"):
            invocations.call(f"{name}{round_}", "function")
        assert len(invocations.running) == 3, "its own slot and the two shared ones"
        while invocations.running:
            invocations.end(invocations.running[-1])


def test_a_function_that_calls_itself_does_not_deadlock(invocations: Invocations) -> None:
    """Every invocation holds its slot while it waits for the next, one call deeper."""
    for depth in range(16):
        for number in range(6):
            invocations.call(f"{depth}-{number}", f"function at depth {depth}", limit=2)

    for depth in range(16):
        assert f"{depth}-0" in invocations.running
