"""A limit breaks its own connection, and no other."""

import socket
import time
from collections.abc import Iterator

import pytest

from handlers.images.http_client import time_limit
from handlers.images.http_client.time_limit import TimeLimit, Watchdog, current_limit


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    client, server = socket.socketpair()
    client.settimeout(5)
    with client, server:
        yield client, server


def is_open(client: socket.socket, server: socket.socket) -> bool:
    try:
        server.send(b"x")
    except OSError:
        return False
    return client.recv(1) == b"x"


def test_a_read_ends_at_the_time_limit(connection: tuple[socket.socket, socket.socket]) -> None:
    client, _ = connection
    started = time.monotonic()
    with Watchdog() as watchdog, watchdog.limit(started + 0.15) as limit:
        limit.watch(client)
        assert client.recv(1) == b""

    assert 0.15 <= time.monotonic() - started < 3


def test_a_reused_connection_is_not_broken_by_its_former_limit(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    first, second = TimeLimit(time.monotonic()), TimeLimit(time.monotonic() + 60)
    first.watch(connection[0])
    second.watch(connection[0])

    first.disconnect()

    assert is_open(*connection)
    second.disconnect()
    assert not is_open(*connection)
    second.release()


def test_a_finished_download_leaves_nothing_behind(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    before = len(time_limit._owners)
    with Watchdog() as watchdog, watchdog.limit(time.monotonic()) as limit:
        assert current_limit() is limit
        limit.watch(connection[0])
        limit.release()
        limit.disconnect()
        limit.watch(connection[0])

    assert current_limit() is None
    assert len(time_limit._owners) == before


def test_a_closed_connection_can_be_disconnected(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    limit = TimeLimit(time.monotonic())
    limit.watch(connection[0])
    connection[0].close()

    limit.disconnect()
    limit.release()
