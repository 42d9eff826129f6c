"""Values that take long to read from AWS: kept, and read again in the background."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYetError
from contextlib import suppress
from typing import Generic, TypeVar

from console.aws import UnreachableError

T = TypeVar("T")


class Kept(Generic[T]):
    """A value that is read when somebody first asks. Once it is old, it is read again meanwhile.

    Several threads may ask: they share one reading. `changed` is called after a reading that found
    something else than before, in the thread that has read it.
    """

    def __init__(
        self, read: Callable[[], T], fresh: float, changed: Callable[[], None] | None = None
    ) -> None:
        self._read = read
        self._fresh = fresh  # seconds until the value is old
        self._changed = changed
        self._value: tuple[T] | None = None
        self._old_at = float("-inf")  # time.monotonic()
        self._expired_at = float("-inf")
        self._reading: Future[T] | None = None
        self._lock = threading.Lock()

    @property
    def known(self) -> T | None:
        """The value as it was last read: nothing is read."""
        value = self._value
        return value[0] if value else None

    def get(self) -> T:
        """The value. Waits only if it was never read. Raises what reading it raises."""
        with self._lock:
            reading = self._read_if_old()
            if self._value is not None:
                return self._value[0]
        assert reading is not None
        return reading.result()

    def soon(self, seconds: float) -> T | None:
        """The newest value that there is after so many seconds. None if there is none yet.

        Raises what reading it raises, if there is no earlier value.
        """
        with self._lock:
            reading = self._read_if_old()
        if reading is not None:
            with suppress(NotYetError):
                try:
                    return reading.result(seconds)
                except Exception:
                    if self._value is None:
                        raise
        return self.known

    def expire(self) -> None:
        """Something has changed: the value is old."""
        with self._lock:
            self._expired_at = time.monotonic()
            self._old_at = float("-inf")

    def _read_if_old(self) -> Future[T] | None:
        """The reading that is under way, if the value is old. The lock is held."""
        if self._reading is None and time.monotonic() >= self._old_at:
            self._reading = Future()
            threading.Thread(
                target=self._work, args=(self._reading,), name="console-kept", daemon=True
            ).start()
        return self._reading

    def _work(self, reading: Future[T]) -> None:
        began = time.monotonic()
        before = self._value
        try:
            value = self._read()
        except BaseException as error:  # whoever waits gets it
            with self._lock:
                self._reading = None
                if isinstance(error, UnreachableError):
                    self._old_at = began + self._fresh  # what is known may well be true
                else:
                    self._value = None
                if self._value is None:
                    self._old_at = float("-inf")
            reading.set_exception(error)
            return
        if before is not None and before[0] == value:
            value = before[0]  # what others have made of it is still good
        with self._lock:
            self._reading = None
            self._value = (value,)
            if self._expired_at < began:
                self._old_at = began + self._fresh
        reading.set_result(value)
        if self._changed is not None and (before is None or before[0] is not value):
            self._changed()
