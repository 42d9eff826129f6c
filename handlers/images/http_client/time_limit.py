"""Limits the time of a download, and the number of requests that are open at once.

A read timeout starts again with every byte, so it does not end a response that arrives one byte at
a time. A watchdog therefore shuts the connection down when the time is over.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Self

_CHECK_SECONDS = 0.1


class RequestSlot:
    """One download's permission to have a request open; their number is limited."""

    def __init__(self, slots: threading.Semaphore) -> None:
        self._slots = slots
        self._acquired = False

    def acquire(self) -> None:
        """Wait until a request may be sent, unless this download already has its slot."""
        if not self._acquired:
            self._slots.acquire()
            self._acquired = True

    def release(self) -> None:
        if self._acquired:
            self._acquired = False
            self._slots.release()


class TimeLimit:
    """The end of a download's time, its connection, which must end by then, and its slot."""

    def __init__(self, ends_at: float, slot: RequestSlot | None = None) -> None:
        self.ends_at = ends_at
        self.slot = slot
        self._socket: socket.socket | None = None

    @property
    def remaining(self) -> float:
        return self.ends_at - time.monotonic()

    def is_over(self) -> bool:
        return self.remaining <= 0

    def watch(self, sock: socket.socket) -> None:
        """Shut down this socket, instead of an earlier one, when the time is over."""
        with _owners_lock:
            self._socket = sock
            # A pooled connection is used by one download after another.
            _owners[id(sock)] = self

    def release(self) -> None:
        """Stop watching the socket."""
        with _owners_lock:
            if self._socket is not None and _owners.get(id(self._socket)) is self:
                del _owners[id(self._socket)]
            self._socket = None

    def disconnect(self) -> None:
        """Break the connection, which ends the read or write that the download waits for."""
        with _owners_lock:
            if self._socket is not None and _owners.get(id(self._socket)) is self:
                with suppress(OSError):  # already closed
                    # A TLS socket's own method would discard the TLS state that the reading thread
                    # still uses.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


_owners: dict[int, TimeLimit] = {}
_owners_lock = threading.Lock()
_current: ContextVar[TimeLimit | None] = ContextVar("time_limit", default=None)


def current_limit() -> TimeLimit | None:
    """The limit of the current thread's download."""
    return _current.get()


class Watchdog:
    """Breaks the connections of its limits when their time is over."""

    def __init__(self) -> None:
        self._limits: set[TimeLimit] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @contextmanager
    def limit(self, ends_at: float, slot: RequestSlot | None = None) -> Iterator[TimeLimit]:
        """A limit for this thread inside `with`; `ends_at` is a time.monotonic()."""
        limit = TimeLimit(ends_at, slot)
        with self._lock:
            self._limits.add(limit)
        token = _current.set(limit)
        try:
            yield limit
        finally:
            _current.reset(token)
            with self._lock:
                self._limits.remove(limit)
            limit.release()

    def _run(self) -> None:
        while not self._stop.wait(_CHECK_SECONDS):
            with self._lock:
                expired = [limit for limit in self._limits if limit.is_over()]
            for limit in expired:
                limit.disconnect()
