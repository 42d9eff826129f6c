"""The time a download may take, kept even by a server that answers one byte at a time.

A read timeout starts anew with every byte that arrives, so it cannot end such an answer; a
watchdog that shuts the connection down can.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, Self

_LOOK_SECONDS = 0.1


class Connection(Protocol):
    """The part of http.client's connection that is needed here."""

    sock: Any


class TimeLimit:
    """A moment, and the connection that must not outlive it."""

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self._connection: Connection | None = None

    @property
    def remaining(self) -> float:
        return self.ends_at - time.monotonic()

    def is_over(self) -> bool:
        return self.remaining <= 0

    def watch(self, connection: Connection) -> None:
        """From now on this connection, and no other, is shut down when the time is over."""
        with _owners_lock:
            self._connection = connection
            # A pooled connection serves one download after another.
            _owners[id(connection)] = self

    def release(self) -> None:
        """Leave the connection alone."""
        with _owners_lock:
            connection, self._connection = self._connection, None
            if connection is not None and _owners.get(id(connection)) is self:
                del _owners[id(connection)]

    def cut(self) -> None:
        with _owners_lock:
            connection = self._connection
            if connection is None or _owners.get(id(connection)) is not self:
                return
            sock = connection.sock
            if sock is not None:
                with suppress(OSError):  # closed in the meantime
                    # Not the method of a TLS socket, which would take the TLS state away from the
                    # thread that is reading.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    @contextmanager
    def limit(self, ends_at: float) -> Iterator[TimeLimit]:
        """A limit for what this thread does inside `with`; `ends_at` is a time.monotonic()."""
        limit = TimeLimit(ends_at)
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
