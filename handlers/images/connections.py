"""Connections to public hosts only, for `requests`.

The address is looked up once, judged, and that very address is connected to, so a name that
answers differently the second time ("DNS rebinding") gains nothing. It happens for every new
connection, whoever asked for it: the first request or a redirect. TLS is still checked against
the host's name.
"""

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from handlers.images.errors import DownloadError
from handlers.images.public_addresses import is_public
from handlers.images.time_limit import current_limit

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


class _CheckedConnection(HTTPConnection):
    """A connection to the address that was checked."""

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
        super().request(*args, **options)
        # The socket, not this connection, which lets go of it when an answer has no length.
        if limit := current_limit():
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
