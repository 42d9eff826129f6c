"""Sends requests over a pool of connections and waits for their responses; for use in threads."""

import select
import threading
from collections.abc import Callable

from handlers.shared.aws_http.connection import (
    Body,
    BrokenConnectionError,
    Connection,
    Response,
    open_connection,
)

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0  # without progress


class ConnectionPool:
    """Connections to the host of one URL. Thread-safe; a thread takes one for each request."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._opened = 0

    def begin(self, make_head: Callable[[], bytes], make_body: Callable[[], Body]) -> Connection:
        """Begin to send a request, without waiting. Then call `finish` or close the connection.

        Both arguments are called just before the request is sent. Raises OSError.
        """
        connection = self._take()
        try:
            connection.send(make_head(), make_body())
        except BaseException:
            connection.close()
            raise
        return connection

    def finish(self, connection: Connection, read_seconds: float | None = None) -> Response:
        """The response to the request that was begun; raises OSError if there is none."""
        try:
            response = _exchange(connection, read_seconds or READ_SECONDS)
        except BaseException:
            connection.close()
            raise
        if connection.reusable:
            with self._lock:
                self._idle.append(connection)
        else:
            connection.close()
        return response

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _take(self) -> Connection:
        while True:
            with self._lock:
                if not self._idle:
                    self._opened += 1
                    break
                connection = self._idle.pop()
            if connection.is_silent():
                return connection
            connection.close()
        return open_connection(self._url, self._opened - 1)


def _exchange(connection: Connection, read_seconds: float) -> Response:
    poll = select.poll()
    fd = connection.fileno()
    while True:
        events = select.POLLIN | (select.POLLOUT if connection.wants_write else 0)
        poll.register(fd, events)
        seconds = read_seconds if connection.established else CONNECT_SECONDS
        if not poll.poll(seconds * 1000):
            raise BrokenConnectionError(f"No data for {seconds:g} s")
        if (response := connection.advance()) is not None:
            return response
