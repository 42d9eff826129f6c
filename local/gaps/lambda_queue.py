"""The order of invocations: they wait in queues, first in first out, without polling.

There is a queue for each function at each call depth. One invocation of each queue may always run,
so a function that sleeps for minutes does not block the others. Further invocations of a queue take
slots from a number that all queues share, up to the queue's own limit.

A function that invokes another one synchronously keeps its slot. The called function waits for a
slot in a queue that is one call deeper. Invocations wait only for deeper queues, and the deepest
queue always has a slot, so they never wait for each other in a circle.
"""

import itertools
import threading
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass
class _Waiter:
    number: int
    limit: int
    admitted: threading.Event = field(default_factory=threading.Event)


@dataclass
class _Queue:
    running: int = 0
    waiting: deque[_Waiter] = field(default_factory=deque)


class InvocationQueues:
    """Slots for running invocations. A waiting invocation blocks only its own thread."""

    def __init__(self, shared: int) -> None:
        self._shared = shared  # free slots for invocations beyond the first of a queue
        self._queues: dict[Hashable, _Queue] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def acquire(self, key: Hashable, limit: int) -> None:
        """Wait for a slot in a queue that runs at most `limit` invocations at once."""
        with self._lock:
            waiter = _Waiter(next(self._numbers), limit)
            self._queues.setdefault(key, _Queue()).waiting.append(waiter)
            self._admit()
        waiter.admitted.wait()

    def release(self, key: Hashable) -> None:
        with self._lock:
            released = self._queues[key]
            if released.running > 1:
                self._shared += 1
            released.running -= 1
            self._admit()
            if not released.running and not released.waiting:
                del self._queues[key]

    def waiting(self) -> int:
        with self._lock:
            return sum(len(queue.waiting) for queue in self._queues.values())

    def _admit(self) -> None:
        """Give the free slots to the invocations that have waited longest."""
        while ready := [queue for queue in self._queues.values() if self._may_run(queue)]:
            queue = min(ready, key=lambda candidate: candidate.waiting[0].number)
            if queue.running:
                self._shared -= 1
            queue.running += 1
            queue.waiting.popleft().admitted.set()

    def _may_run(self, queue: _Queue) -> bool:
        if not queue.waiting:
            return False
        return not queue.running or (queue.running < queue.waiting[0].limit and self._shared > 0)
