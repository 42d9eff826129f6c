"""The time a download may take, kept even by a server that answers one byte at a time, and its
turn: how many requests are open at once.

A read timeout starts anew with every byte that arrives, so it cannot end such an answer; a
watchdog that shuts the connection down can.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Self

_LOOK_SECONDS = 0.1


class Turn:
    """One download's share in the number of requests that may be open at once."""

    def __init__(self, free: threading.Semaphore) -> None:
        self._free = free
        self._taken = False

    def take(self) -> None:
        """Wait until a request may be sent, unless this one may already."""
        if not self._taken:
            self._free.acquire()
            self._taken = True

    def give_back(self) -> None:
        if self._taken:
            self._taken = False
            self._free.release()


class TimeLimit:
    """A moment, the connection that must not outlive it, and the turn of who works on it."""

    def __init__(self, ends_at: float, turn: Turn | None = None) -> None:
        self.ends_at = ends_at
        self.turn = turn
        self._socket: socket.socket | None = None

    @property
    def remaining(self) -> float:
        return self.ends_at - time.monotonic()

    def is_over(self) -> bool:
        return self.remaining <= 0

    def watch(self, sock: socket.socket) -> None:
        """From now on this socket, and no other, is shut down when the time is over."""
        with _owners_lock:
            self._socket = sock
            # A pooled connection serves one download after another.
            _owners[id(sock)] = self

    def release(self) -> None:
        """Leave the socket alone."""
        with _owners_lock:
            if self._socket is not None and _owners.get(id(self._socket)) is self:
                del _owners[id(self._socket)]
            self._socket = None

    def cut(self) -> None:
        """End whatever the download is waiting for; it goes on with a broken connection."""
        with _owners_lock:
            if self._socket is not None and _owners.get(id(self._socket)) is self:
                with suppress(OSError):  # closed in the meantime
                    # Not the method of a TLS socket, which would take the TLS state away from the
                    # thread that is reading.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


_owners: dict[int, TimeLimit] = {}
_owners_lock = threading.Lock()
_current: ContextVar[TimeLimit | None] = ContextVar("time_limit", default=None)


def current_limit() -> TimeLimit | None:
    """The limit of the download that this thread is working on."""
    return _current.get()


class Watchdog:
    """Cuts the connections of the limits it has given out as their time ends."""

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
    def limit(self, ends_at: float, turn: Turn | None = None) -> Iterator[TimeLimit]:
        """A limit for what this thread does inside `with`; `ends_at` is a time.monotonic()."""
        limit = TimeLimit(ends_at, turn)
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
        while not self._stop.wait(_LOOK_SECONDS):
            with self._lock:
                over = [limit for limit in self._limits if limit.is_over()]
            for limit in over:
                limit.cut()
