"""A function's process, from its invocation to its end or its death."""

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from unittest.mock import patch

from faults.address import Call
from faults.virtual_time import Timeline
from tests.unit.fakes import FakeContext

_current: ContextVar["Process | None"] = ContextVar("process", default=None)
_outside: ContextVar[bool] = ContextVar("outside", default=False)
TIMED_OUT = "Sandbox.Timedout"


class Killed(Exception):
    """The process is gone. (An exception, for s3transfer waits for ever for a BaseException.)"""


class Process:
    """What runs one invocation: its environment, its time and its calls."""

    def __init__(
        self,
        timeline: Timeline,
        function: str,
        number: int,
        seconds: float,
        environment: Mapping[str, str],
    ) -> None:
        self.function, self.number = function, number
        self.death: str | None = None  # the error name that its caller gets
        self._timeline = timeline
        self._environment = environment
        self._deadline = timeline.now + seconds
        self._spent_by_threads = 0.0
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def remaining(self) -> float:
        """Seconds until Lambda ends it."""
        return self._deadline - self._timeline.now - self._spent_by_threads

    @property
    def context(self) -> "Context":
        return Context(self)

    def call(self, operation: str, attempt: int) -> Call:
        """The address of a call; each repetition of a request has that of the first one."""
        with self._lock:
            if attempt == 1:
                self._calls[operation] += 1
            return Call(self.function, self.number, operation, self._calls[operation])

    def check_alive(self) -> None:
        if self.death:
            raise Killed

    def kill(self, death: str) -> None:
        self.death = self.death or death
        raise Killed

    def pause(self, seconds: float) -> None:
        """Let time pass for this process; it dies if its time is over before that."""
        self.check_alive()
        is_over = seconds >= self.remaining
        seconds = max(0.0, min(seconds, self.remaining))
        if self._timeline.can_sleep:
            self._timeline.sleep(seconds)
            self.take_environment()  # another function may have run meanwhile
        else:
            with self._lock:
                self._spent_by_threads += seconds
        if is_over:
            self.kill(TIMED_OUT)
        self.check_alive()

    def end(self) -> None:
        """Wait for as long as its threads have taken."""
        spent, self._spent_by_threads = self._spent_by_threads, 0.0
        if spent:
            self._timeline.sleep(spent)

    def take_environment(self) -> None:
        os.environ.update(self._environment)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Requests that are sent meanwhile are its requests."""
        token = _current.set(self)
        self.take_environment()
        try:
            yield
        finally:
            _current.reset(token)


class Context(FakeContext):
    """The Lambda context of a process."""

    def __init__(self, process: Process) -> None:
        super().__init__(function_name=process.function)
        self._process = process

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(self._process.remaining * 1000))


@contextmanager
def outside_of_processes() -> Iterator[None]:
    """Requests that are sent meanwhile are no function's: somebody looks at what is in AWS."""
    token = _outside.set(True)
    try:
        yield
    finally:
        _outside.reset(token)


def current_process() -> Process | None:
    """The process that this code runs in; None outside of functions."""
    if _outside.get():
        return None
    thread = threading.current_thread()
    inherited: Process | None = getattr(thread, "process", None)
    return inherited or _current.get()


@contextmanager
def inherited_by_threads() -> Iterator[None]:
    """A thread belongs to the process that started it, and dies with it."""
    start = threading.Thread.start

    def start_in_process(thread: Any) -> None:
        thread.process = current_process()
        start(thread)

    with patch.object(threading.Thread, "start", start_in_process):
        yield
