"""Whose turn it is: lanes, their caps, what they share, and who waits for whom."""

import threading
import time
from collections.abc import Iterator

import pytest

from local.gaps.lambda_queue import InvocationQueue


class Crowd:
    """Invocations that run until they are told to end; each in a thread of its own."""

    def __init__(self, shared: int) -> None:
        self.queue = InvocationQueue(shared)
        self.running: list[str] = []  # names, in the order in which they began
        self._ends: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}

    def call(self, name: str, lane: str, cap: int = 10) -> None:
        """Invoke, and return when the invocation runs or waits."""
        before = len(self.running) + self.queue.waiting()
        self._ends[name] = threading.Event()

        def invocation() -> None:
            self.queue.acquire(lane, cap)
            self.running.append(name)
            self._ends[name].wait(20)
            self.running.remove(name)
            self.queue.release(lane)

        self._threads[name] = threading.Thread(target=invocation)
        self._threads[name].start()
        self._settle(before + 1)

    def end(self, name: str) -> None:
        """End an invocation, and return when whoever follows it runs."""
        total = len(self.running) + self.queue.waiting()
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
        """Wait until everyone has a place or waits for one."""
        deadline = time.monotonic() + 20
        while len(self.running) + self.queue.waiting() != total:
            assert time.monotonic() < deadline
            time.sleep(0.002)


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    crowd = Crowd(shared=2)
    yield crowd
    crowd.end_all()


def test_first_in_first_out(crowd: Crowd) -> None:
    for name in ("first", "second", "third"):
        crowd.call(name, "function", cap=1)
    seen = []

    while crowd.running:
        seen += crowd.running
        crowd.end(crowd.running[0])

    assert seen == ["first", "second", "third"]


def test_a_lane_runs_no_more_than_its_cap(crowd: Crowd) -> None:
    for name in ("a", "b", "c"):
        crowd.call(name, "function", cap=2)

    assert crowd.running == ["a", "b"]
    crowd.end("a")
    assert crowd.running == ["b", "c"]


def test_all_lanes_share_what_goes_beyond_their_first(crowd: Crowd) -> None:
    for name in ("a1", "a2", "a3", "a4"):
        crowd.call(name, "a")
    crowd.call("b1", "b")
    crowd.call("b2", "b")

    assert crowd.running == ["a1", "a2", "a3", "b1"]


def test_functions_that_sleep_keep_no_other_from_running(crowd: Crowd) -> None:
    for name in ("z1", "z2", "z3", "z4", "z5"):
        crowd.call(name, "sleeper")

    for function in ("b", "c", "d"):
        crowd.call(function, function)

    assert set(crowd.running) >= {"b", "c", "d"}


def test_a_shared_place_goes_to_who_has_waited_longest(crowd: Crowd) -> None:
    for name in ("a1", "a2", "a3", "b1"):
        crowd.call(name, name[0])
    for name in ("b2", "a4"):
        crowd.call(name, name[0])

    crowd.end("a2")

    assert set(crowd.running) == {"a1", "a3", "b1", "b2"}


def test_the_last_of_a_lane_leaves_its_place_to_its_own_lane(crowd: Crowd) -> None:
    for name in ("a1", "a2", "a3", "b1", "b2"):
        crowd.call(name, name[0])

    crowd.end("b1")

    assert set(crowd.running) == {"a1", "a2", "a3", "b2"}


def test_places_are_neither_lost_nor_made(crowd: Crowd) -> None:
    for round_ in range(3):
        for name in ("a", "b", "c", "d"):
            crowd.call(f"{name}{round_}", "function")
        assert len(crowd.running) == 3, "its own place and the two shared ones"
        while crowd.running:
            crowd.end(crowd.running[-1])


def test_one_that_calls_itself_does_not_wait_for_itself(crowd: Crowd) -> None:
    """Every invocation holds its place while it waits for the next, one call deeper."""
    for depth in range(16):
        for number in range(6):
            crowd.call(f"{depth}-{number}", f"function at depth {depth}", cap=2)

    for depth in range(16):
        assert f"{depth}-0" in crowd.running
