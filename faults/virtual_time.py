"""Time that only passes while nothing can run: a run of days takes milliseconds.

Everything runs in one thread, as greenlets that take turns: what wakes first runs first, and of two
that wake at the same time the one that was scheduled first. So each run with the same fault is the
same run. A function may have threads of its own; for them a pause only adds to its running time.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from greenlet import getcurrent, greenlet

_real_event_wait: Callable[[threading.Event, float | None], bool] = threading.Event.wait


_ENDLESS = 60 * 86_400.0  # seconds; longer than every deadline
_HOUR, _MINUTE = 3600.0, 60.0


def _away_from_a_full_hour(moment: float) -> float:
    """The moment, or one at most a minute from it.

    The console reads the event log by the hour: at a full hour it makes other calls than in the run
    in which its calls were recorded.
    """
    into_the_hour = moment % _HOUR
    return moment - into_the_hour + min(max(into_the_hour, _MINUTE), _HOUR - _MINUTE)


class EndlessError(Exception):
    """What a fault began does not come to an end."""


class Timeline:
    """A clock, and what happens when. `now` is in seconds since 1970."""

    def __init__(self) -> None:
        self.started = self.now = _away_from_a_full_hour(time.time())
        self._agenda: list[tuple[float, int, Callable[[], object], Callable[[], bool]]] = []
        self._numbers = itertools.count()
        self._hub = getcurrent()
        self._thread = threading.get_ident()
        self.failures: list[BaseException] = []

    @property
    def elapsed(self) -> float:
        return self.now - self.started

    def at(
        self, moment: float, act: Callable[[], object], needed: Callable[[], bool] = lambda: True
    ) -> None:
        """Do something at a time, if it is still needed then.

        Of two for the same time, the one that is added first is done first.
        """
        heapq.heappush(self._agenda, (max(moment, self.now), next(self._numbers), act, needed))

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something later, as an activity of its own, which may sleep and wait."""
        self.at(self.now + seconds, lambda: self._begin(act))

    def run(self) -> None:
        """Let everything happen, until nothing is left to happen."""
        while self._agenda:
            moment, _, act, needed = heapq.heappop(self._agenda)
            if not needed():
                continue
            self.now = max(self.now, moment)
            if self.elapsed > _ENDLESS:
                raise EndlessError("something is repeated for ever")
            act()
            if self.failures:
                raise self.failures[0]

    def sleep(self, seconds: float) -> None:
        """Let others act for a time. Only activities can sleep."""
        me = getcurrent()
        assert self.can_sleep, "only activities can sleep"
        self.at(self.now + seconds, lambda: me.switch())
        self._hub.switch()

    @property
    def can_sleep(self) -> bool:
        """Whether the caller is an activity: not a function's thread, and not the hub."""
        return threading.get_ident() == self._thread and getcurrent() is not self._hub

    def _begin(self, act: Callable[[], object]) -> None:
        def activity() -> None:
            try:
                act()
            except Exception as error:  # one that no part of the workflow handles: a fault of ours
                self.failures.append(error)

        greenlet(activity, parent=self._hub).switch()


class Threading:
    """What moto's engine uses of the module `threading`, on a timeline."""

    Lock = staticmethod(threading.Lock)
    RLock = staticmethod(threading.RLock)
    Condition = staticmethod(threading.Condition)

    def __init__(self, timeline: Callable[[], Timeline]) -> None:
        class Event:
            """An event that only activities wait for."""

            def __init__(self) -> None:
                self._is_set = False
                self._waiting: list[Callable[[bool], None]] = []

            def is_set(self) -> bool:
                return self._is_set

            def clear(self) -> None:
                self._is_set = False

            def set(self) -> None:
                self._is_set = True
                waiting, self._waiting = self._waiting, []
                for wake in waiting:
                    timeline().at(timeline().now, lambda wake=wake: wake(True))  # type: ignore[misc]

            def wait(self, timeout: float | None = None) -> bool:
                if self._is_set or not timeline().can_sleep:
                    return self._is_set
                me, woken = getcurrent(), False

                def wake(is_set: bool) -> None:
                    nonlocal woken
                    if not woken:
                        woken = True
                        me.switch(is_set)

                self._waiting.append(wake)
                if timeout is not None:
                    timeline().at(
                        timeline().now + timeout,
                        lambda: wake(self._is_set),
                        needed=lambda: not woken,
                    )
                return bool(timeline()._hub.switch())

        class Thread:
            native_id = 0

            def __init__(
                self, target: Callable[..., Any], args: tuple[Any, ...] = (), **_: Any
            ) -> None:
                self._act: Callable[[], Any] = lambda: target(*args)
                self._ended = Event()

            def start(self) -> None:
                def act() -> None:
                    try:
                        self._act()
                    finally:
                        self._ended.set()

                timeline().after(0, act)

            def join(self, timeout: float | None = None) -> None:
                self._ended.wait(timeout)

            def is_alive(self) -> bool:
                return not self._ended.is_set()

        self.Event = Event
        self.Thread = Thread


@contextmanager
def patched_clock(
    timeline: Callable[[], Timeline], sleep: Callable[[float], None]
) -> Iterator[None]:
    """Functions and moto see the timeline's time; `sleep` takes the place of `time.sleep`.

    A thread of a function that waits for an event for a limited time waits for a moment; then that
    time has passed.
    """

    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        if timeout is None or threading.current_thread() is threading.main_thread():
            return _real_event_wait(event, timeout)
        if not _real_event_wait(event, 0.0005):
            sleep(timeout)
        return event.is_set()

    def now() -> float:
        return timeline().now

    with (
        patch.object(time, "time", now),
        patch.object(time, "monotonic", now),
        patch.object(time, "sleep", sleep),
        patch.object(threading.Event, "wait", wait),
    ):
        yield
