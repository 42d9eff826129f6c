"""Connections for `requests` to public hosts only, with a check of the end of each response.

Each new connection, of a first request or of a redirect, resolves the host once, checks the
address and connects to that address. A name that resolves differently the second time
("DNS rebinding") therefore has no effect. TLS still verifies the certificate against the host name.
"""

import io
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from handlers.images.http_client.errors import DownloadError
from handlers.images.http_client.public_addresses import is_public
from handlers.images.http_client.time_limit import current_limit

QUIET_SECONDS = 0.1  # that a connection must be silent after a response
_MAX_ADDRESSES = 3  # per host; limits the sum of the timeouts if many are unreachable

Resolver = Callable[[str, int], list[str]]


def resolve_any(host: str, port: int) -> list[str]:
    """The host's IP addresses. Raises DownloadError if it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        transient = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
        raise DownloadError(f"Unknown host {host}", transient=transient) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def resolve_public(host: str, port: int, resolve: Resolver = resolve_any) -> list[str]:
    """The host's IP addresses. Raises DownloadError if any of them is not public."""
    addresses = resolve(host, port)
    for address in addresses:
        if not is_public(address):
            raise DownloadError(f"Not allowed, {host} is not a public host ({address})")
    return addresses


class _Body(io.BufferedReader):
    """Reads one response from a connection, from its first byte to its last.

    http.client closes it at the end of a body. `close` then waits until the connection has been
    silent for QUIET_SECONDS; only after that can another request use the connection. Meanwhile the
    slot goes to another download.

    Bytes beyond the declared length may be in this buffer, in that of TLS or of the system, or in
    transit. Reading finds them in all of these, and does not count TLS's own messages, such as
    session tickets.
    """

    surplus = False

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        super().__init__(raw)
        self._sock = sock

    def close(self) -> None:
        if self.closed:
            return
        if (limit := current_limit()) and limit.slot:
            limit.slot.release()
        if self._has_more_bytes():
            self.surplus = True
            with suppress(OSError):
                # Not the method of a TLS socket: see TimeLimit.disconnect.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        super().close()

    def _has_more_bytes(self) -> bool:
        try:
            self._sock.settimeout(QUIET_SECONDS)
            return bool(self.peek(1))
        except (OSError, ValueError):  # no more bytes, or the connection is broken
            return False


class _CheckedResponse(HTTPResponse):
    """A response that detects bytes beyond its declared length."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        raw: Any = self.fp.detach()
        self.fp = self.body = _Body(raw, sock)


def has_surplus(response: Any) -> bool:
    """Whether a urllib3 response was longer than it declared. Call this after its end."""
    original: _CheckedResponse = response._original_response
    return original.body.surplus


class _CheckedConnection(HTTPConnection):
    """A connection to the address that was checked."""

    response_class = _CheckedResponse

    def __init__(self, *args: Any, resolve: Resolver, **options: Any) -> None:
        super().__init__(*args, **options)
        self._resolve = resolve

    def _new_conn(self) -> socket.socket:
        last_error: OSError | None = None
        # _dns_host is the host as in the URL; `host` lacks a trailing dot.
        for address in self._resolve(self._dns_host, self.port)[:_MAX_ADDRESSES]:
            try:
                return create_connection(
                    (address, self.port), self.timeout, socket_options=self.socket_options
                )
            except OSError as error:
                last_error = error
        if isinstance(last_error, TimeoutError):
            raise ConnectTimeoutError(self, "timed out") from last_error
        raise NewConnectionError(self, str(last_error)) from last_error

    def request(self, *args: Any, **options: Any) -> None:
        limit = current_limit()
        if limit and limit.slot:
            limit.slot.acquire()
        super().request(*args, **options)
        # Watch the socket: this connection drops it when a response has no length.
        if limit:
            limit.watch(self.sock)


class _CheckedTlsConnection(_CheckedConnection, HTTPSConnection):
    """A connection over TLS to the address that was checked."""


class _CheckedPool(HTTPConnectionPool):
    def __init__(self, *args: Any, resolve: Resolver, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ConnectionCls = partial(_CheckedConnection, resolve=resolve)  # type: ignore[assignment]


class _CheckedTlsPool(HTTPSConnectionPool):
    def __init__(self, *args: Any, resolve: Resolver, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ConnectionCls = partial(_CheckedTlsConnection, resolve=resolve)  # type: ignore[assignment]


class CheckedAdapter(HTTPAdapter):
    """An adapter for `requests` that connects to addresses from `resolve`, without retries."""

    def __init__(self, resolve: Resolver, *, connections: int) -> None:
        self._resolve = resolve
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_CheckedPool, resolve=self._resolve),
            "https": partial(_CheckedTlsPool, resolve=self._resolve),
        }
