"""The order of invocations: they wait in lanes, first in first out, without polling.

A lane is a function at one call depth. Every lane may always run one invocation, so a function
that sleeps for minutes does not block the others. Further invocations of a lane take places from a
number that all lanes share, up to the lane's own cap.

A function that invokes another one synchronously keeps its place. The called function waits for a
place in a lane that is one call deeper. Invocations wait only for deeper lanes, and the deepest
lane always has a place, so they never wait for each other in a circle.
"""

import itertools
import threading
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass
class _Ticket:
    number: int
    cap: int
    turn: threading.Event = field(default_factory=threading.Event)


@dataclass
class _Lane:
    running: int = 0
    waiting: deque[_Ticket] = field(default_factory=deque)


class InvocationQueue:
    """Places for running invocations. A waiting invocation blocks only its own thread."""

    def __init__(self, shared: int) -> None:
        self._shared = shared  # free places for invocations beyond the first of a lane
        self._lanes: dict[Hashable, _Lane] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def acquire(self, lane: Hashable, cap: int) -> None:
        """Wait for a place in a lane that runs at most `cap` invocations at once."""
        with self._lock:
            ticket = _Ticket(next(self._numbers), cap)
            self._lanes.setdefault(lane, _Lane()).waiting.append(ticket)
            self._serve()
        ticket.turn.wait()

    def release(self, lane: Hashable) -> None:
        with self._lock:
            left = self._lanes[lane]
            if left.running > 1:
                self._shared += 1
            left.running -= 1
            self._serve()
            if not left.running and not left.waiting:
                del self._lanes[lane]

    def waiting(self) -> int:
        with self._lock:
            return sum(len(lane.waiting) for lane in self._lanes.values())

    def _serve(self) -> None:
        """Give the free places to the invocations that have waited longest."""
        while ready := [lane for lane in self._lanes.values() if self._may_run(lane)]:
            lane = min(ready, key=lambda one: one.waiting[0].number)
            if lane.running:
                self._shared -= 1
            lane.running += 1
            lane.waiting.popleft().turn.set()

    def _may_run(self, lane: _Lane) -> bool:
        if not lane.waiting:
            return False
        return not lane.running or (lane.running < lane.waiting[0].cap and self._shared > 0)
