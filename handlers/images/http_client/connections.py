"""Connections to public hosts only, for `requests`, each answer on them looked at to its very end.

The address is looked up once, judged, and that very address is connected to, so a name that
answers differently the second time ("DNS rebinding") gains nothing. It happens for every new
connection, whoever asked for it: the first request or a redirect. TLS is still checked against
the host's name.
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

QUIET_SECONDS = 0.1  # that a connection must be silent after an answer
_TRIED = 3  # addresses of a host, so that many dead ones don't add up their timeouts

Resolver = Callable[[str, int], list[str]]


def resolve_any(host: str, port: int) -> list[str]:
    """The host's IP addresses. Raises DownloadError if it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        passing = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
        raise DownloadError(f"Unknown host {host}", again=passing) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def resolve_public(host: str, port: int, resolve: Resolver = resolve_any) -> list[str]:
    """The host's IP addresses. Raises DownloadError if any of them is not public."""
    addresses = resolve(host, port)
    for address in addresses:
        if not is_public(address):
            raise DownloadError(f"Not allowed, {host} is not a public host ({address})")
    return addresses


class _Body(io.BufferedReader):
    """What comes over a connection, from an answer's first byte to its last.

    Closing it, which http.client does at the end of a body, waits until the connection has been
    silent for QUIET_SECONDS; only then is it free for another request. Another download has its
    turn meanwhile. More than the announced
    body may be in this buffer, in that of TLS or of the system, or be on its way: reading finds
    it wherever it is, and takes what belongs to TLS itself, such as session tickets, for nothing.
    """

    surplus = False

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        super().__init__(raw)
        self._sock = sock

    def close(self) -> None:
        if self.closed:
            return
        if (limit := current_limit()) and limit.turn:
            limit.turn.give_back()
        if self._more_comes():
            self.surplus = True
            with suppress(OSError):
                # Not the method of a TLS socket: see TimeLimit.cut.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        super().close()

    def _more_comes(self) -> bool:
        try:
            self._sock.settimeout(QUIET_SECONDS)
            return bool(self.peek(1))
        except (OSError, ValueError):  # nothing came, or the connection is broken
            return False


class _Answer(HTTPResponse):
    """An answer that knows whether more came than it announced."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        raw: Any = self.fp.detach()
        self.fp = self.body = _Body(raw, sock)


def sent_more(answer: Any) -> bool:
    """Whether more came than an answer (urllib3's) announced; to be asked after its end."""
    original: _Answer = answer._original_response
    return original.body.surplus


class _CheckedConnection(HTTPConnection):
    """A connection to the address that was checked."""

    response_class = _Answer

    def __init__(self, *args: Any, resolve: Resolver, **options: Any) -> None:
        super().__init__(*args, **options)
        self._resolve = resolve

    def _new_conn(self) -> socket.socket:
        problem: OSError | None = None
        # _dns_host: as written in the URL, with the final dot that `host` lacks.
        for address in self._resolve(self._dns_host, self.port)[:_TRIED]:
            try:
                return create_connection(
                    (address, self.port), self.timeout, socket_options=self.socket_options
                )
            except OSError as error:
                problem = error
        if isinstance(problem, TimeoutError):
            raise ConnectTimeoutError(self, "timed out") from problem
        raise NewConnectionError(self, str(problem)) from problem

    def request(self, *args: Any, **options: Any) -> None:
        limit = current_limit()
        if limit and limit.turn:
            limit.turn.take()
        super().request(*args, **options)
        # The socket, not this connection, which lets go of it when an answer has no length.
        if limit:
            limit.watch(self.sock)


class _CheckedTlsConnection(_CheckedConnection, HTTPSConnection):
    """The same, over TLS."""


class _CheckedPool(HTTPConnectionPool):
    def __init__(self, *args: Any, resolve: Resolver, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ConnectionCls = partial(_CheckedConnection, resolve=resolve)  # type: ignore[assignment]


class _CheckedTlsPool(HTTPSConnectionPool):
    def __init__(self, *args: Any, resolve: Resolver, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ConnectionCls = partial(_CheckedTlsConnection, resolve=resolve)  # type: ignore[assignment]


class CheckedAdapter(HTTPAdapter):
    """`requests` over connections whose addresses come from `resolve`; no retries of its own."""

    def __init__(self, resolve: Resolver, *, connections: int) -> None:
        self._resolve = resolve
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_CheckedPool, resolve=self._resolve),
            "https": partial(_CheckedTlsPool, resolve=self._resolve),
        }
