"""A connection that its client has closed is closed on the server's side, too."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from hypercorn.asyncio import serve
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config

from local.aws import until
from local.errors import LocalError
from local.gaps import closed_connections

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError
    await receive()
    if scope["path"] == "/slow":
        while (await receive())["type"] != "http.disconnect":
            pass
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    loop, ended = asyncio.new_event_loop(), asyncio.Event()
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 60
    config.graceful_timeout = 0
    serving = serve(app, config, shutdown_trigger=ended.wait)  # type: ignore[arg-type]
    thread = threading.Thread(target=loop.run_until_complete, args=(serving,))
    thread.start()
    until("the server", lambda: psutil.CONN_LISTEN in sockets(port))
    yield port
    loop.call_soon_threadsafe(ended.set)
    thread.join(20)
    loop.close()


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TCPServer, "_read_data", closed_connections.read_data)


def sockets(port: int) -> list[str]:
    """The states of the server's sockets."""
    found = psutil.Process().net_connections("tcp")
    return [one.status for one in found if one.laddr.port == port]


def open_sockets(port: int) -> int:
    return len([state for state in sockets(port) if state != psutil.CONN_LISTEN])


def request(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(10)
    connection.sendall(REQUEST)
    read_response(connection)
    return connection


def read_response(connection: socket.socket) -> None:
    response = b""
    while not response.endswith(b"ok"):
        received = connection.recv(1000)
        assert received, "the server has closed the connection"
        response += received


def test_upstream_still_keeps_a_closed_connection(port: int) -> None:
    """When this fails, hypercorn closes at once: local/gaps/closed_connections.py can go."""
    request(port).close()

    with pytest.raises(LocalError, match="without success"):
        until("its end", lambda: not open_sockets(port), seconds=0.5)


def test_a_closed_connection_is_closed_at_once(filled: None, port: int) -> None:
    for _ in range(5):
        request(port).close()

    until("their end", lambda: not open_sockets(port), seconds=10)


def test_a_connection_closed_before_the_response_is_closed_after_it(
    filled: None, port: int
) -> None:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(REQUEST.replace(b" / ", b" /slow "))
    until("the request", lambda: open_sockets(port) == 1)
    connection.close()

    until("its end", lambda: not open_sockets(port), seconds=10)


def test_an_open_connection_is_kept_for_the_next_request(filled: None, port: int) -> None:
    with request(port) as connection:
        connection.sendall(REQUEST)

        read_response(connection)
